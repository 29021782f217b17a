//! The folders of one cluster.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{LauncherError, io_at};
use super::socket;
use super::user::RunAs;

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
        fs::create_dir_all(state_dir).map_err(io_at("create", state_dir))?;
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
            log: root.join("log").join("postgres.log"),
            lock: root.join("lock"),
            root,
        }
    }

    /// Makes the cluster's root, for `user` alone.
    pub(super) fn make_root(&self, user: &RunAs) -> Result<(), LauncherError> {
        private(&self.root, user)
    }

    /// Makes the remaining folders; called with the lock held.
    pub(super) fn make_rest(&self, user: &RunAs) -> Result<(), LauncherError> {
        if let Some(logs) = self.log.parent() {
            private(logs, user)?;
        }
        if fs::metadata(&self.log).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
            let old = self.log.with_extension("log.1");
            fs::rename(&self.log, &old).map_err(io_at("rename", &self.log))?;
        }
        socket::make(&self.run, user)
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

fn private(dir: &Path, user: &RunAs) -> Result<(), LauncherError> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
                .map_err(io_at("change the mode of", dir))?;
        }
        Err(error) => return Err(io_at("create", dir)(error)),
    }
    user.own(dir)
}
