//! The connector as the engine sees it, against folders and servers that are really there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asks;
mod cases;
mod conformance;
mod dates;
mod exports;
mod folders;
mod formula;
mod hygiene;
mod journal;
mod parcels;
mod pull;
mod push;
mod reread;
mod settings;
mod sftp;
mod slices;
mod sshd;
mod stock;
mod support;
mod waiting;
mod warehouse;
