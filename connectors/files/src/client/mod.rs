//! Folders: where files are, on this machine or over SFTP.

#[cfg(feature = "sim")]
mod faulty;
mod folder;
mod local;
mod sftp;
mod ssh;

#[cfg(feature = "sim")]
pub use faulty::FaultyFolder;
pub use folder::{Entry, Folder, Slice, Written};
pub(crate) use folder::{PIECE, read_whole};
pub use local::{Access, LocalFolder};
pub use sftp::{SftpAddress, SftpFolder};
