//! The only HTTP clients connectors use: TLS unless loopback or allowed, time-outs, a body limit, a turn of the account's budget
//! for every call, classes for errors, and no secret or body in any log line. They never retry, but for a call that was refused
//! for its credentials while another value of a secret is known.

mod auth;
mod classify;
mod client;
mod dialect;
mod network;
mod site;
mod storage;
#[cfg(all(test, feature = "sim"))]
mod tests;
mod transport;

pub use auth::{Auth, SecretHeader, Sign};
pub use classify::{classify, excerpt, retry_after};
pub use client::HttpClient;
pub use dialect::{Answer, Dialect, Plain};
pub use network::authorities;
pub use site::Site;
pub use storage::{Storage, StorageClient};
pub use transport::{Method, Request, Response, Transport, TransportError};
