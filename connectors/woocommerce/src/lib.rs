//! hikiate connector for WooCommerce shops, over the REST API v3. See the README for what it does and its limits.

mod client;
mod config;
mod dialect;
mod hooks;
mod kind;
mod login;
mod map;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod wire;

pub use client::WooCommerce;
pub use config::{Fulfilments, Keys, Settings, Standing};
pub use kind::WooCommerceKind;
pub use login::site;
