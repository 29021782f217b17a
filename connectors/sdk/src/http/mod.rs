//! The only HTTP client connectors use: TLS unless loopback or allowed, time-outs, a body limit,
//! classes for errors, and no secret or body in any log line. It never retries.

mod classify;
mod client;
mod network;
mod settings;
mod transport;

pub use classify::{classify, excerpt, retry_after};
pub use client::HttpClient;
pub use settings::HttpSettings;
pub use transport::{Method, Request, Response, Transport, TransportError};
