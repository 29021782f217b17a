//! The integration tests, one binary: they drive the program as its users and external systems do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod alerts;
mod cli;
mod databases;
mod explain;
mod flow;
mod guarantees;
mod guards;
mod hazards;
mod launcher;
mod layers;
mod panics;
mod previous;
mod registry;
mod setback;
mod signals;
mod soak;
mod store;
mod tls;

use hikiate_prove::support;
