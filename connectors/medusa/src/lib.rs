//! hikiate connector for Medusa v2 shops, over the Admin API. See the README for what it does and its limits.

mod client;
mod config;
mod dialect;
mod fields;
mod hooks;
mod kind;
mod map;
mod metadata;
mod remarks;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod wire;
mod wishes;

pub use client::Medusa;
pub use config::{Keys, Settings, TestMark};
pub use kind::{MedusaKind, basic, site};
pub use wishes::{FieldKeys, Fields};
