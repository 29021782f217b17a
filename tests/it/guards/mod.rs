//! What keeps a wrong rule, a dead external system, a deadly order or a second daemon from doing harm.

mod breaker;
mod bursts;
mod daemons;
mod deaths;
mod epochs;
mod idle;
