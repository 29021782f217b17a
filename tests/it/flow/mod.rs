//! An order's way through the whole program.

mod acceptance;
mod happy;
pub(crate) mod world;
