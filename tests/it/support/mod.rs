//! What the tests stand on: a database of their own, cloned from a migrated template.

mod cluster;
mod database;
pub(crate) mod desk;
pub(crate) mod shop;
pub(crate) mod turns;

pub(crate) use database::{TestDb, db};
