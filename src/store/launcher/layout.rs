//! The folders of one cluster.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::below;
use super::error::{LauncherError, io_at};
use super::socket;
use super::user::RunAs;
use crate::store::state_dir;

/// The folder and the file of the server's messages.
const LOG: (&str, &str) = ("log", "postgres.log");

/// A log larger than this, in bytes, is set aside at the next start.
const LOG_LIMIT: u64 = 10 << 20;

/// Every path of a cluster, absolute.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// `<state>/postgres`
    pub(super) root: PathBuf,
    /// The cluster itself.
    pub(super) data: PathBuf,
    /// The folder of the socket.
    pub(super) run: PathBuf,
    /// The server's messages.
    pub(super) log: PathBuf,
    /// The lock file.
    pub(super) lock: PathBuf,
}

impl Layout {
    /// Resolves the state directory, making it if it is not there.
    pub(super) fn below(state_dir: &Path) -> Result<Self, LauncherError> {
        state_dir::make(state_dir).map_err(io_at("create", state_dir))?;
        let state = state_dir
            .canonicalize()
            .map_err(io_at("resolve", state_dir))?;
        Ok(Self::of(&state))
    }

    /// The folders below a canonical state directory.
    pub(super) fn of(state: &Path) -> Self {
        let root = state.join("postgres");
        Self {
            data: root.join("data"),
            run: socket::folder(&root.join("run")),
            log: root.join(LOG.0).join(LOG.1),
            lock: root.join("lock"),
            root,
        }
    }

    /// Makes the cluster's root, for `user` alone.
    pub(super) fn make_root(&self, user: &RunAs) -> Result<(), LauncherError> {
        below::folder(&self.root, user).map(|_| ())
    }

    /// Makes the remaining folders; called with the lock held.
    pub(super) fn make_rest(&self, user: &RunAs) -> Result<(), LauncherError> {
        let folder = self.log_folder(user)?;
        let log = below::file_in(&folder, LOG.1, &self.log, user)?;
        if log.metadata().is_ok_and(|meta| meta.len() > LOG_LIMIT) {
            below::rename(&folder, LOG.1, &format!("{}.1", LOG.1))
                .map_err(io_at("rename", &self.log))?;
        }
        socket::make(&self.run, user)
    }

    /// Opens the server's log, to be read or written at its end.
    pub(super) fn open_log(&self, user: &RunAs) -> Result<File, LauncherError> {
        below::file_in(&self.log_folder(user)?, LOG.1, &self.log, user)
    }

    fn log_folder(&self, user: &RunAs) -> Result<File, LauncherError> {
        let (root, path) = (below::open_folder(&self.root)?, self.root.join(LOG.0));
        below::folder_in(&root, LOG.0, &path, user)
    }

    /// The major version of existing data.
    pub(super) fn data_version(&self) -> Result<Option<u32>, LauncherError> {
        let file = self.data.join("PG_VERSION");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_at("read", &file)(error)),
        };
        match super::binaries::major_of(&text) {
            Some(major) => Ok(Some(major)),
            None => Err(LauncherError::UnknownVersion { path: file, text }),
        }
    }
}
