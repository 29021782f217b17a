//! The connector as the engine sees it, against folders and servers that are really there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod conformance;
mod journal;
mod pull;
mod push;
mod settings;
mod sftp;
mod support;
mod warehouse;
