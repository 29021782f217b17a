//! What the tests stand on: a database of their own, cloned from a migrated template.

mod cluster;
mod database;
pub mod desk;
mod listener;
pub mod shop;
pub mod tls;
mod traces;
pub mod turns;

pub use database::{TestDb, db};
pub use listener::Listener;
pub use traces::traces;
