//! A private PostgreSQL cluster for demo, tests and one-box shops, run from the machine's own binaries.
//!
//! Layout below the state directory: `postgres/data` (the cluster), `postgres/run` (its socket),
//! `postgres/log` (its messages), `postgres/lock` (held by the one daemon that owns it). The folders belong to the
//! server's user; a daemon that runs as root follows no link in them.

mod access;
mod below;
mod binaries;
mod cluster;
mod data;
mod environment;
mod error;
mod layout;
mod lock;
mod roles;
mod running;
mod server;
mod socket;
mod user;

pub use cluster::{Cluster, ClusterOptions};
pub use error::LauncherError;
pub use running::running;
