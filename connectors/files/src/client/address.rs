//! An SFTP server as the configuration names it; known without the feature `sftp` too, so that a configuration can be checked.

use std::sync::Arc;
use std::time::Duration;

use hikiate_sdk::Secret;

use super::folder::Folder;

/// Where an SFTP server is and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpAddress {
    /// Host name or address.
    pub host: String,
    /// Usually 22.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// The pinned host key: `SHA256:…` as `ssh-keygen -lf` shows it.
    pub host_key: String,
    /// Before every path; empty is the login folder.
    pub root: String,
    /// For connecting and for each request.
    pub timeout: Duration,
    /// Without a byte for so long, reading is given up.
    pub idle: Duration,
    /// Permission bits of what is written; `None` leaves them to the server.
    pub mode: Option<u32>,
}

impl SftpAddress {
    /// The folder there, reached with a private key in OpenSSH form; opens no connection.
    ///
    /// # Errors
    /// When the text is no such key, or this program was built without SFTP; in words for an operator.
    #[cfg(feature = "sftp")]
    pub(crate) fn folder(self, key: Secret) -> Result<Arc<dyn Folder>, String> {
        Ok(Arc::new(super::SftpFolder::new(self, key)?))
    }

    /// No folder: this program was built without SFTP.
    #[cfg(not(feature = "sftp"))]
    pub(crate) fn folder(self, _: Secret) -> Result<Arc<dyn Folder>, String> {
        let words = "this hikiate was built without the feature `sftp`: build it with that feature, or name a folder";
        Err(format!("{}: {words}", self.host))
    }
}
