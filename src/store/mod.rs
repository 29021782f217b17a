//! PostgreSQL: the private cluster.

pub mod launcher;
