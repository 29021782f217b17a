//! What keeps a wrong rule, a dead far side, a deadly order or a second daemon from doing harm.

mod bursts;
mod daemons;
mod deaths;
mod epochs;
mod resting;
