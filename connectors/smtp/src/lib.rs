//! Mail over SMTP: a rendered message, sent at most once, its Message-ID derived from the business key.

mod client;
mod config;
mod connector;
mod lines;
mod map;
mod queue;
mod recipient;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(all(test, feature = "sim"))]
mod tests;

pub use connector::Smtp;
pub use map::message_id;

use hikiate_sdk::ConnectorKind;

/// What the registry lists.
pub static KIND: &dyn ConnectorKind = &Smtp;
