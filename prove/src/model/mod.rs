//! The pure model: random commands against the fold, the planner and the allocator, with a store in memory
//! and external systems that have a truth of their own. Everything is checked after every step; a run that fails is
//! made small and printed with the command that plays it again.

mod check;
mod command;
mod desk;
mod far;
mod hear;
mod money;
mod operator;
mod owed;
mod queue;
mod rest;
mod rng;
mod run;
mod seen;
mod setting;
mod shape;
mod shown;
mod staff;
mod store;
pub mod tool;
mod violation;
mod waves;
mod world;

pub use rng::Rng;
pub use run::{Failure, Run};
pub use violation::Violation;
