//! The tools that try to break hikiate, and what they and the integration tests stand on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tools for tests: they stop at the first surprise"
)]

pub mod bench;
pub mod cards;
pub mod fault;
pub mod hooks;
pub mod model;
pub mod pairs;
pub mod parsers;
pub mod shop;
pub mod soak;
pub mod suite;
pub mod support;
pub mod wire;
pub mod world;
pub mod year;
