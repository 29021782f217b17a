//! A folder over SFTP: one connection, opened when needed and again after a failure.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::{Error, ErrorClass};
use russh::keys::PrivateKey;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{OpenFlags, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

use super::folder::{Entry, Folder, PART, Written, is_visible};
use super::ssh::{Session, connect};

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
}

/// A folder on an SFTP server.
pub struct SftpFolder {
    address: SftpAddress,
    key: Arc<PrivateKey>,
    session: Mutex<Option<Arc<Session>>>,
}

impl std::fmt::Debug for SftpFolder {
    /// Shows where it is, never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SftpFolder")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl SftpFolder {
    /// A folder reached with a private key in OpenSSH form; opens no connection.
    ///
    /// # Errors
    /// When the text is no such key, in words for a person.
    pub fn new(address: SftpAddress, key: &str) -> Result<Self, String> {
        let key = russh::keys::decode_secret_key(key, None)
            .map_err(|_| "this is no private key without passphrase in OpenSSH form: make one with `ssh-keygen -t ed25519 -N ''`".to_owned())?;
        Ok(Self {
            address,
            key: Arc::new(key),
            session: Mutex::new(None),
        })
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut place = self.session.lock().await;
        if let Some(session) = place.as_ref().filter(|s| !s.is_closed()) {
            return Ok(session.clone());
        }
        let session = Arc::new(connect(&self.address, &self.key).await?);
        *place = Some(session.clone());
        Ok(session)
    }

    /// The error of a request; a connection that did not answer is not used again.
    async fn failed(&self, what: &str, path: &str, e: &SftpError) -> Error {
        let class = match e {
            SftpError::Status(s) if s.status_code == StatusCode::PermissionDenied => {
                ErrorClass::Auth
            }
            SftpError::Status(_) => ErrorClass::Transient,
            _ => {
                *self.session.lock().await = None;
                ErrorClass::Transient
            }
        };
        Error::new(
            class,
            format!("cannot {what} {path} at {}: {e}", self.address.host),
        )
    }

    fn path(&self, path: &str) -> String {
        match self.address.root.trim_end_matches('/') {
            "" if !self.address.root.starts_with('/') => path.to_owned(),
            root => format!("{root}/{path}"),
        }
    }

    async fn size_at(&self, session: &Session, path: &str) -> Result<Option<u64>, Error> {
        match session.sftp.metadata(path).await {
            Ok(meta) => Ok(Some(meta.size.unwrap_or_default())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(self.failed("look at", path, &e).await),
        }
    }
}

#[async_trait]
impl Folder for SftpFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        let (session, path) = (self.session().await?, self.path(folder));
        let entries = match session.sftp.read_dir(path.as_str()).await {
            Ok(entries) => entries,
            Err(e) => return Err(self.failed("list", &path, &e).await),
        };
        let files = entries
            .filter(|e| !e.metadata().is_dir())
            .filter(|e| is_visible(&e.file_name()));
        Ok(files
            .map(|e| Entry {
                name: e.file_name(),
                size: e.metadata().size.unwrap_or_default(),
                modified: i64::from(e.metadata().mtime.unwrap_or_default()),
            })
            .collect())
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let (session, path) = (self.session().await?, self.path(path));
        match session.sftp.read(path.as_str()).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(self.failed("read", &path, &e).await),
        }
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        let (session, path) = (self.session().await?, self.path(path));
        self.size_at(&session, &path).await
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        let (session, path) = (self.session().await?, self.path(path));
        if self.size_at(&session, &path).await?.is_some() {
            return Ok(Written::NameTaken);
        }
        let part = format!("{path}{PART}");
        if let Err(e) = upload(&session, &part, bytes).await {
            return Err(self.failed("write", &part, &e).await);
        }
        let size = self.size_at(&session, &part).await?;
        if size != u64::try_from(bytes.len()).ok() {
            let message = format!(
                "{part} at {} has {size:?} bytes after writing {}",
                self.address.host,
                bytes.len()
            );
            return Err(Error::new(ErrorClass::Transient, message));
        }
        match session.sftp.rename(part.as_str(), path.as_str()).await {
            Ok(()) => Ok(Written::New),
            // The server answered: it did not rename. Most often the name came into being meanwhile.
            Err(e @ SftpError::Status(_)) => match self.size_at(&session, &path).await? {
                Some(_) => Ok(Written::NameTaken),
                None => Err(self.failed("rename", &part, &e).await),
            },
            Err(e) => {
                let message = format!(
                    "{}; the file may have its name",
                    self.failed("see the end of renaming", &part, &e)
                        .await
                        .message
                );
                Err(Error::new(ErrorClass::OutcomeUnknown, message))
            }
        }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        let (session, from, to) = (self.session().await?, self.path(from), self.path(to));
        if self.size_at(&session, &to).await?.is_some() {
            return Ok(false);
        }
        if let Some((folder, _)) = to.rsplit_once('/')
            && self.size_at(&session, folder).await?.is_none()
            && let Err(e) = session.sftp.create_dir(folder).await
        {
            return Err(self.failed("make", folder, &e).await);
        }
        match session.sftp.rename(from.as_str(), to.as_str()).await {
            Ok(()) => Ok(true),
            Err(e) => Err(self.failed("move", &from, &e).await),
        }
    }
}

async fn upload(session: &Session, part: &str, bytes: &[u8]) -> Result<(), SftpError> {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
    let mut file = session.sftp.open_with_flags(part, flags).await?;
    file.write_all(bytes).await?;
    // Asks for fsync where the server has it.
    file.sync_all().await?;
    file.close().await?;
    Ok(())
}

fn is_absent(e: &SftpError) -> bool {
    matches!(e, SftpError::Status(s) if s.status_code == StatusCode::NoSuchFile)
}
