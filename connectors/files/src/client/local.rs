//! A folder on this machine or on a mounted share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use hikiate_sdk::{Error, ErrorClass};

use super::folder::{Entry, Folder, PART, Written, is_visible};

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder at a path; it is not made when it is missing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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
                "the file work was broken off",
            ))
        })
    }
}

#[async_trait]
impl Folder for LocalFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        self.work(folder, |_, path| {
            let mut found = Vec::new();
            for item in fs::read_dir(path).map_err(|e| failed("list", path, &e))? {
                let item = item.map_err(|e| failed("list", path, &e))?;
                let Ok(name) = item.file_name().into_string() else {
                    continue;
                };
                // A file that went away meanwhile is simply not there.
                let Ok(meta) = fs::metadata(item.path()) else {
                    continue;
                };
                if meta.is_file() && is_visible(&name) {
                    found.push(Entry {
                        name,
                        size: meta.len(),
                        modified: modified(&meta),
                    });
                }
            }
            Ok(found)
        })
        .await
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.work(path, |_, path| {
            absent(fs::read(path)).map_err(|e| failed("read", path, &e))
        })
        .await
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        self.work(path, |_, path| {
            let meta = absent(fs::metadata(path)).map_err(|e| failed("look at", path, &e))?;
            Ok(meta.map(|m| m.len()))
        })
        .await
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        let bytes = bytes.to_vec();
        self.work(path, move |_, path| write_new(path, &bytes))
            .await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        let to = self.root.join(to);
        self.work(from, move |root, from| {
            if let Some(folder) = to.parent().filter(|f| root.is_dir() && !f.exists()) {
                fs::create_dir_all(folder).map_err(|e| failed("make", folder, &e))?;
            }
            if to.exists() {
                return Ok(false);
            }
            // One step, so that a file that takes this name at the same moment is not removed with it.
            fs::rename(from, &to).map_err(|e| failed("move", from, &e))?;
            Ok(true)
        })
        .await
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<Written, Error> {
    if path.exists() {
        return Ok(Written::NameTaken);
    }
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    // Removed, not emptied: after a crash between the two steps of a rename it is a second name of the
    // finished file, which the far side may be reading.
    remove(&part).map_err(|e| failed("clear", &part, &e))?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| failed("write", &part, &e))?;
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
            "{} has its name, but whether that lasts is not known: {e}",
            path.display()
        );
        Error::new(ErrorClass::OutcomeUnknown, message)
    })
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
            if to.exists() {
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
    // Pauses the account until the right was given; nothing was refused by the far side.
    let class = if e.kind() == ErrorKind::PermissionDenied {
        ErrorClass::Auth
    } else {
        ErrorClass::Transient
    };
    let hint = match e.kind() {
        ErrorKind::NotFound => ": is the folder there and mounted?",
        ErrorKind::PermissionDenied => ": give the daemon's user the right to it",
        _ => "",
    };
    Error::new(
        class,
        format!("cannot {what} {}: {e}{hint}", path.display()),
    )
}
