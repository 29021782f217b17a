//! Planning: pure functions from facts to what ought to be.

pub mod types;
