//! Folders: where files are, on this machine or over SFTP.

mod address;
#[cfg(feature = "sim")]
mod faulty;
mod folder;
mod local;
#[cfg(feature = "sftp")]
mod sftp;
#[cfg(feature = "sftp")]
mod ssh;

pub use address::SftpAddress;
#[cfg(feature = "sim")]
pub use faulty::FaultyFolder;
pub use folder::{Entry, Folder, Slice, Written};
pub(crate) use folder::{PIECE, read_whole};
pub use local::{Access, LocalFolder};
#[cfg(feature = "sftp")]
pub use sftp::SftpFolder;
