//! Stock: who is given what.

pub mod allocate;
mod allocator;
