//! A folder over SFTP: one connection, opened when needed and again after a failure.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::text::quote;
use hikiate_sdk::{Attempts, Error, ErrorClass, Secret};
use russh::keys::PrivateKey;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::address::SftpAddress;
use super::folder::{Entry, Folder, Oldest, PART, Slice, Written, is_visible, read_whole};
use super::ssh::{Session, connect};

/// Longest file that is read at once, see [`Folder::read`].
const MOST: usize = 256 << 20;
/// Bytes of one writing, which every server takes.
const REQUEST: usize = 32 << 10;
/// Entries of a listing after which a server is not believed that it ends.
const ENDLESS: usize = 5_000_000;
/// The bits of the permissions that say what a file is, and those of a plain one.
const TYPE_BITS: u32 = 0o170_000;
const PLAIN: u32 = 0o100_000;

/// A folder on an SFTP server.
pub struct SftpFolder {
    address: SftpAddress,
    key: Secret,
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

fn decode(key: &SecretString) -> Result<Arc<PrivateKey>, String> {
    russh::keys::decode_secret_key(key.expose_secret(), None)
        .map(Arc::new)
        .map_err(|_| "not a private key in OpenSSH format without a passphrase: create one with `ssh-keygen -t ed25519 -N ''`".to_owned())
}

impl SftpFolder {
    /// A folder reached with a private key in OpenSSH form; opens no connection.
    ///
    /// # Errors
    /// When the text is no such key, in words for an operator.
    pub fn new(address: SftpAddress, key: Secret) -> Result<Self, String> {
        decode(&key.value())?;
        Ok(Self {
            address,
            key,
            session: Mutex::new(None),
        })
    }

    /// Connects with the key that was taken last; one that is refused is read again, and a second one is tried.
    async fn connect(&self) -> Result<Session, Error> {
        let mut attempts = Attempts::with(vec![self.key.clone()]);
        loop {
            let (key, _) = self.key.pick(attempts.begin());
            let connected = match decode(&key) {
                Ok(key) => connect(&self.address, &key).await,
                Err(why) => Err(Error::new(ErrorClass::Auth, why)),
            };
            match connected {
                Ok(session) => {
                    attempts.taken();
                    return Ok(session);
                }
                Err(e) if e.class == ErrorClass::Auth && attempts.again() => {}
                Err(e) => return Err(e),
            }
        }
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut place = self.session.lock().await;
        if let Some(session) = place.as_ref().filter(|s| !s.is_closed()) {
            return Ok(session.clone());
        }
        let session = Arc::new(self.connect().await?);
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
            format!("cannot {what} {path} at {}: {}", self.address.host, says(e)),
        )
    }

    fn path(&self, path: &str) -> String {
        match self.address.root.trim_end_matches('/') {
            "" if !self.address.root.starts_with('/') => path.to_owned(),
            root => format!("{root}/{path}"),
        }
    }

    async fn size_at(&self, session: &Session, path: &str) -> Result<Option<u64>, Error> {
        match session.sftp.stat(path).await {
            Ok(meta) => Ok(Some(meta.attrs.size.unwrap_or_default())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(self.failed("check", path, &e).await),
        }
    }
}

#[async_trait]
impl Folder for SftpFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        let slice = self.list_slice(folder, None, usize::MAX).await?;
        Ok(slice.entries)
    }

    async fn list_slice(
        &self,
        folder: &str,
        after: Option<&(i64, String)>,
        most: usize,
    ) -> Result<Slice, Error> {
        let (session, path) = (self.session().await?, self.path(folder));
        let mut oldest = Oldest::new(after, most);
        match list(&session, &path, &mut oldest).await {
            Ok(()) => Ok(oldest.finish()),
            Err(e) => Err(self.failed("list", &path, &e).await),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        read_whole(self, path, MOST).await
    }

    async fn read_range(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let (session, path) = (self.session().await?, self.path(path));
        match range(&session, &path, offset, length).await {
            Ok(bytes) => Ok(bytes),
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
        if let Err(e) = upload(&session, &part, bytes, self.address.mode).await {
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
            Ok(_) => Ok(Written::New),
            // The server answered: it did not rename. Most often the name came into being meanwhile.
            Err(e @ SftpError::Status(_)) => match self.size_at(&session, &path).await? {
                Some(_) => Ok(Written::NameTaken),
                None => Err(self.failed("rename", &part, &e).await),
            },
            Err(e) => {
                let message = format!(
                    "{}; the file may already be renamed",
                    self.failed("confirm the rename of", &part, &e)
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
            && let Err(e) = session.sftp.mkdir(folder, FileAttributes::empty()).await
        {
            return Err(self.failed("make", folder, &e).await);
        }
        match session.sftp.rename(from.as_str(), to.as_str()).await {
            Ok(_) => Ok(true),
            Err(e) => Err(self.failed("move", &from, &e).await),
        }
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        let (session, path) = (self.session().await?, self.path(path));
        match session.sftp.remove(path.as_str()).await {
            Ok(_) => Ok(()),
            Err(SftpError::Status(s)) if s.status_code == StatusCode::NoSuchFile => Ok(()),
            Err(e) => Err(self.failed("delete", &path, &e).await),
        }
    }
}

/// What went wrong. The server's own words are quoted: they may repeat what is in a file, or its name.
fn says(e: &SftpError) -> String {
    let SftpError::Status(status) = e else {
        return e.to_string();
    };
    let code = status.status_code.to_string();
    match quote(&status.error_message) {
        theirs if theirs.is_empty() => code,
        theirs => format!("{code}: {theirs}"),
    }
}

/// Reads a listing to its end and keeps what is wanted of it.
async fn list(session: &Session, path: &str, oldest: &mut Oldest<'_>) -> Result<(), SftpError> {
    let handle = session.sftp.opendir(path).await?.handle;
    let mut count = 0;
    loop {
        let names = match session.sftp.readdir(handle.as_str()).await {
            Ok(names) => names,
            Err(SftpError::Status(s)) if s.status_code == StatusCode::Eof => break,
            Err(e) => return Err(e),
        };
        count += names.files.len().max(1);
        if count > ENDLESS {
            let message = format!("the server's listing does not end after {count} files");
            return Err(SftpError::UnexpectedBehavior(message));
        }
        for file in names.files {
            let (name, attrs) = (file.filename, file.attrs);
            if !is_plain(&attrs) || name == "." || name == ".." {
                continue;
            }
            if !is_visible(&name) {
                if name.contains(['/', '\\', '\0']) {
                    oldest.unusable(&name);
                }
                continue;
            }
            let size = match attrs.size {
                Some(size) => size,
                // Some servers tell it only when they are asked for the one file.
                None => match session.sftp.stat(format!("{path}/{name}")).await {
                    Ok(meta) => meta.attrs.size.unwrap_or_default(),
                    Err(e) if is_absent(&e) => continue,
                    Err(e) => return Err(e),
                },
            };
            oldest.add(Entry {
                name,
                size,
                modified: i64::from(attrs.mtime.unwrap_or_default()),
            });
        }
    }
    session.sftp.close(handle).await.map(drop)
}

/// Neither a folder nor a link, a pipe or a device. A server that does not tell what a file is means a plain one.
fn is_plain(attrs: &FileAttributes) -> bool {
    attrs
        .permissions
        .is_none_or(|bits| matches!(bits & TYPE_BITS, 0 | PLAIN))
}

/// Reads so many bytes and no more; nothing where there is no plain file.
async fn range(
    session: &Session,
    path: &str,
    offset: u64,
    length: usize,
) -> Result<Option<Vec<u8>>, SftpError> {
    if !is_plain(&session.sftp.lstat(path).await?.attrs) {
        return Ok(None);
    }
    let empty = FileAttributes::empty();
    let handle = session.sftp.open(path, OpenFlags::READ, empty).await?;
    let handle = handle.handle;
    let mut bytes = Vec::with_capacity(length.min(1 << 20));
    let read = async {
        while bytes.len() < length {
            let wanted = (length - bytes.len()).min(session.reads);
            let at = offset + bytes.len() as u64;
            let request = u32::try_from(wanted).unwrap_or(u32::MAX);
            match session.sftp.read(handle.as_str(), at, request).await {
                Ok(got) if got.data.is_empty() => break,
                Ok(got) if got.data.len() <= wanted => bytes.extend_from_slice(&got.data),
                Ok(got) => {
                    let message = format!(
                        "{} bytes were received where {wanted} were requested",
                        got.data.len()
                    );
                    return Err(SftpError::UnexpectedBehavior(message));
                }
                Err(SftpError::Status(s)) if s.status_code == StatusCode::Eof => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    };
    let read = read.await;
    let closed = session.sftp.close(handle).await;
    read?;
    closed?;
    Ok(Some(bytes))
}

async fn upload(
    session: &Session,
    part: &str,
    bytes: &[u8],
    mode: Option<u32>,
) -> Result<(), SftpError> {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
    let empty = FileAttributes::empty();
    let handle = session.sftp.open(part, flags, empty).await?.handle;
    let write = async {
        let mut offset = 0_u64;
        for piece in bytes.chunks(REQUEST) {
            session
                .sftp
                .write(handle.as_str(), offset, piece.to_vec())
                .await?;
            offset += piece.len() as u64;
        }
        if let Some(mode) = mode {
            let attrs = FileAttributes {
                permissions: Some(mode),
                ..FileAttributes::empty()
            };
            session.sftp.fsetstat(handle.as_str(), attrs).await?;
        }
        if session.syncs {
            session.sftp.fsync(handle.as_str()).await?;
        }
        Ok(())
    };
    let written: Result<(), SftpError> = write.await;
    let closed = session.sftp.close(handle.as_str()).await;
    written?;
    closed.map(drop)
}

fn is_absent(e: &SftpError) -> bool {
    matches!(e, SftpError::Status(s) if s.status_code == StatusCode::NoSuchFile)
}

#[cfg(test)]
mod tests {
    use russh_sftp::protocol::Status;

    use super::*;

    #[test]
    fn a_servers_own_words_are_quoted() {
        let says = |words: &str| {
            says(&SftpError::Status(Status {
                id: 1,
                status_code: StatusCode::Failure,
                error_message: words.to_owned(),
                language_tag: String::new(),
            }))
        };
        assert_eq!(says("row 2: 髙橋 一郎"), "Failure: “row 2: 髙橋 一郎”");
        assert_eq!(says(""), "Failure");
        assert_eq!(super::says(&SftpError::Timeout), "Timeout");
    }
}
