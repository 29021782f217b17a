//! An order's way through the whole program.

mod acceptance;
mod happy;
mod recover;
mod reports;
mod silence;
mod split;
mod trouble;
mod whole;
pub(crate) mod world;
