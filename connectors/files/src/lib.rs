//! Warehouse and accounting by file, in a folder or over SFTP.
//!
//! What is in the files is a layout ([`Layout`], TOML); this crate is encodings, quoting, checks and
//! the two promises: a name is never written twice, and a file is archived only after it was stored.

mod account;
mod client;
mod config;
mod cursor;
mod glob;
mod layout;
mod map;
mod pull;
mod push;
#[cfg(feature = "sim")]
pub mod sim;
mod wire;
mod words;

pub use account::{Files, FilesAccount};
#[cfg(feature = "sim")]
pub use client::FaultyFolder;
#[cfg(feature = "sftp")]
pub use client::SftpFolder;
pub use client::{Access, Entry, Folder, LocalFolder, SftpAddress, Slice, Written};
pub use config::{Settings, SftpSettings, load as load_layout};
pub use layout::*;
pub use wire::delimited::{LineEnd, Quote};
pub use wire::encoding::{Encoding, Loss};
pub use wire::formula::Formula;
