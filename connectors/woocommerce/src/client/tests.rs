//! The account against the simulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod answers;
mod caches;
mod codes;
mod conformance;
mod contract;
mod doubt;
mod paging;
mod reach;
mod stock;
mod support;
mod trouble;
mod writing;
