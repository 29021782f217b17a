//! The integration tests, one binary: they drive the program as its users and far sides do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cli;
mod databases;
mod explain;
mod flow;
mod guards;
mod guarantees;
mod hazards;
mod launcher;
mod previous;
mod registry;
mod signals;
mod soak;
mod store;

use hikiate_prove::support;
