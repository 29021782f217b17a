//! hikiate connector for Stripe: payments that are authorised and captured there. See the README for what it does and its limits.

mod client;
mod config;
mod dialect;
mod hooks;
mod kind;
mod map;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod wire;

pub use client::Stripe;
pub use config::{Keys, Mode, Settings};
pub use kind::{StripeKind, site};
