//! hikiate connector for Medusa v2 shops, over the Admin API. See the README for what it does and its limits.

mod client;
mod config;
mod dialect;
mod fields;
mod kind;
mod map;
mod remarks;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod wire;

pub use client::Medusa;
pub use config::{Keys, Settings, TestMark};
pub use kind::{MedusaKind, basic, site};
