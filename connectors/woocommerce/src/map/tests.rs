//! The mapping by value.
