//! A folder on this machine or on a mounted share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use hikiate_sdk::{Error, ErrorClass};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group};

use super::folder::{Entry, Folder, Oldest, PART, Slice, Written, is_visible};

/// Longest file that is read at once, see [`Folder::read`].
const MOST: usize = 256 << 20;

/// Bytes that are read in one step.
const STEP: usize = 128 << 10;

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct LocalFolder {
    root: PathBuf,
    idle: Duration,
    access: Access,
}

/// Who may read what is written; `None` leaves it to the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: Option<u32>,
    /// The name of a group.
    pub group: Option<String>,
}

impl LocalFolder {
    /// The folder at a path; it is not made when it is missing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            idle: Duration::from_secs(60),
            access: Access::default(),
        }
    }

    /// With another bound on how long a share may take to answer.
    #[must_use]
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// With who may read what is written.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Runs blocking work on a path; a cancelled caller does not stop it half way.
    async fn work<T, F>(&self, path: &str, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Path, &Path) -> Result<T, Error> + Send + 'static,
    {
        let (root, path) = (self.root.clone(), self.root.join(path));
        let done = tokio::task::spawn_blocking(move || act(&root, &path)).await;
        done.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorClass::OutcomeUnknown,
                "the file operation was interrupted",
            ))
        })
    }

    /// The same for work that changes nothing: a share that does not answer is not waited for. The work says each time
    /// that something came.
    async fn look<T, F>(&self, path: &str, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Path, &dyn Fn()) -> Result<T, Error> + Send + 'static,
    {
        let came = Arc::new(AtomicU64::new(0));
        let counted = came.clone();
        let mut work = std::pin::pin!(self.work(path, move |_, path| {
            act(path, &|| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
        }));
        let mut before = 0;
        loop {
            if let Ok(done) = tokio::time::timeout(self.idle, &mut work).await {
                return done;
            }
            let now = came.load(Ordering::Relaxed);
            if now == before {
                let seconds = self.idle.as_secs();
                let message = format!(
                    "{path} did not answer in {seconds} s: does the share exist, and is it mounted?"
                );
                return Err(Error::new(ErrorClass::Transient, message));
            }
            before = now;
        }
    }
}

#[async_trait]
impl Folder for LocalFolder {
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
        let after = after.cloned();
        self.look(folder, move |path, came| {
            let mut oldest = Oldest::new(after.as_ref(), most);
            for item in fs::read_dir(path).map_err(|e| failed("list", path, &e))? {
                let item = item.map_err(|e| failed("list", path, &e))?;
                came();
                // A file that went away meanwhile is simply not there. Of a link, this is the link itself.
                let Ok(meta) = item.metadata() else {
                    continue;
                };
                if !meta.is_file() {
                    continue;
                }
                match item.file_name().into_string() {
                    Ok(name) if is_visible(&name) => oldest.add(Entry {
                        name,
                        size: meta.len(),
                        modified: modified(&meta),
                    }),
                    Ok(name) if name.contains('\\') => oldest.unusable(&name),
                    Ok(_) => {}
                    Err(name) => oldest.unusable(&name.to_string_lossy()),
                }
            }
            Ok(oldest.finish())
        })
        .await
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        super::folder::read_whole(self, path, MOST).await
    }

    async fn read_range(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.look(path, move |path, came| {
            let read = || -> io::Result<Option<Vec<u8>>> {
                let Some(file) = open(path)? else {
                    return Ok(None);
                };
                let mut bytes = vec![0; length];
                let mut got = 0;
                while got < length {
                    let until = length.min(got + STEP);
                    let rest = bytes.get_mut(got..until).unwrap_or_default();
                    match file.read_at(rest, offset + got as u64) {
                        Ok(0) => break,
                        Ok(n) => {
                            got += n;
                            came();
                        }
                        Err(e) if e.kind() == ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                bytes.truncate(got);
                Ok(Some(bytes))
            };
            read().map_err(|e| failed("read", path, &e))
        })
        .await
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        self.look(path, |path, _| {
            let meta = absent(fs::symlink_metadata(path)).map_err(|e| failed("check", path, &e))?;
            Ok(meta.map(|m| m.len()))
        })
        .await
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        let (bytes, access) = (bytes.to_vec(), self.access.clone());
        self.work(path, move |_, path| write_new(path, &bytes, &access))
            .await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        let to = self.root.join(to);
        self.work(from, move |root, from| {
            if let Some(folder) = to.parent().filter(|f| root.is_dir() && !f.exists()) {
                fs::create_dir_all(folder).map_err(|e| failed("make", folder, &e))?;
            }
            if is_there(&to) {
                return Ok(false);
            }
            // One step, so that a file that takes this name at the same moment is not removed with it.
            fs::rename(from, &to).map_err(|e| failed("move", from, &e))?;
            Ok(true)
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        self.work(path, |_, path| {
            remove(path).map_err(|e| failed("delete", path, &e))
        })
        .await
    }
}

/// Opens a file to read; nothing where there is none, or a link, a pipe or a device in its place.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let is_link = |e: &io::Error| e.raw_os_error() == Some(Errno::ELOOP as i32);
    let file = match opened {
        Err(e) if e.kind() == ErrorKind::NotFound || is_link(&e) => return Ok(None),
        opened => opened?,
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn write_new(path: &Path, bytes: &[u8], access: &Access) -> Result<Written, Error> {
    if is_there(path) {
        return Ok(Written::NameTaken);
    }
    let group = access.group.as_deref().map(group).transpose()?;
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    // Removed, not emptied: after a crash between the two steps of a rename it is a second name of the
    // finished file, which the external system may be reading.
    remove(&part).map_err(|e| failed("clear", &part, &e))?;
    let create = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)
            .map_err(|e| failed("write", &part, &e))
    };
    let mut file = create()?;
    // Before it has its name: nobody sees it under that with other rights.
    if let Some(gid) = group {
        nix::unistd::fchown(&file, None, Some(gid)).map_err(|e| {
            let name = access.group.as_deref().unwrap_or_default();
            let hint = "the daemon's user must be a member of it";
            denied(
                &part,
                &format!("cannot set its group to {name}: {e}; {hint}"),
            )
        })?;
    }
    if let Some(mode) = access.mode {
        let wanted = fs::Permissions::from_mode(mode);
        file.set_permissions(wanted)
            .map_err(|e| denied(&part, &format!("cannot set its mode to {mode:04o}: {e}")))?;
    }
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| failed("write", &part, &e))?;
    if !take_name(&part, path).map_err(|e| failed("rename", &part, &e))? {
        return Ok(Written::NameTaken);
    }
    let settle = || -> io::Result<()> {
        remove(&part)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    settle().map(|()| Written::New).map_err(|e| {
        let message = format!(
            "{} was renamed, but the rename may not be durable: {e}",
            path.display()
        );
        Error::new(ErrorClass::OutcomeUnknown, message)
    })
}

fn group(name: &str) -> Result<Gid, Error> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => {
            let message = format!("this machine has no group {name}: create it or correct `group`");
            Err(Error::new(ErrorClass::Auth, message))
        }
        Err(e) => {
            let message = format!("cannot look up the group {name}: {e}");
            Err(Error::new(ErrorClass::Transient, message))
        }
    }
}

/// Pauses the account until the right was given; the file has not its name yet.
fn denied(path: &Path, why: &str) -> Error {
    Error::new(ErrorClass::Auth, format!("{}: {why}", path.display()))
}

/// Gives a file a further name; false when that name is taken. A link refuses an existing name in one
/// step, which a rename does not. File systems without links get a look and a rename.
fn take_name(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            if is_there(to) {
                return Ok(false);
            }
            fs::rename(from, to).map(|()| true)
        }
        Err(e) => Err(e),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    absent(fs::remove_file(path)).map(drop)
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn modified(meta: &fs::Metadata) -> i64 {
    let since = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|s| i64::try_from(s.as_nanos()).ok())
        .unwrap_or_default()
}

fn failed(what: &str, path: &Path, e: &io::Error) -> Error {
    // Pauses the account until the right was given; nothing was refused by the external system.
    let class = if e.kind() == ErrorKind::PermissionDenied {
        ErrorClass::Auth
    } else {
        ErrorClass::Transient
    };
    let hint = match e.kind() {
        ErrorKind::NotFound => ": does the folder exist, and is it mounted?",
        ErrorKind::PermissionDenied => ": grant the daemon's user access to it",
        _ => "",
    };
    Error::new(
        class,
        format!("cannot {what} {}: {e}{hint}", path.display()),
    )
}
