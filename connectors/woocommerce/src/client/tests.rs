//! The account against the simulator.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
mod contract;
mod paging;
mod reach;
mod support;
mod writing;
