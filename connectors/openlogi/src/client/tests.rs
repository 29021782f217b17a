//! The client against the simulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod conformance;
mod lab;
mod pulling;
mod support;
mod writing;
