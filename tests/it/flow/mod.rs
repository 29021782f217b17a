//! An order's way through the whole program.

mod acceptance;
mod happy;
mod recover;
pub(crate) mod world;
