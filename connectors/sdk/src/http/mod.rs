//! The only HTTP client connectors use: TLS unless loopback or allowed, time-outs, a body limit,
//! classes for errors, and no secret or body in any log line. It never retries.

mod client;
mod transport;

pub use client::{HttpClient, HttpSettings};
pub use transport::{Method, Request, Response, Transport, TransportError};
