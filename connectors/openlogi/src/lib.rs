//! hikiate connector for OPENLOGI, a Japanese 3PL, over its API v1.5. See the README for what it does and its limits.

mod client;
mod config;
mod dialect;
mod kind;
mod map;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod wire;

pub use client::Openlogi;
pub use config::{Keys, LongNames, Settings, TemperatureRule};
pub use kind::{OpenlogiKind, site};
