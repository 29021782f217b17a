//! The folders of one cluster.

use std::fs::File;
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

/// The file that tells the data's major version.
const VERSION: &str = "PG_VERSION";

/// How much of it an error shows, in characters.
const SHOWN: usize = 8;

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
        let Some(text) = below::read(&self.data, VERSION)? else {
            return Ok(None);
        };
        match super::binaries::major_of(&text) {
            Some(major) => Ok(Some(major)),
            // The file is the server's user's, and who reads the message may be somebody else.
            None => Err(LauncherError::UnknownVersion {
                path: self.data.join(VERSION),
                text: text.chars().take(SHOWN).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_version_that_is_a_link_is_refused_and_its_end_is_not_told() {
        let state = tempfile::tempdir().unwrap();
        let layout = Layout::of(state.path());
        assert_eq!(layout.data_version().unwrap(), None);
        fs::create_dir_all(&layout.data).unwrap();
        let (file, end) = (layout.data.join("PG_VERSION"), state.path().join("end"));
        fs::write(&end, "sk_secret of somebody").unwrap();
        symlink(&end, &file).unwrap();
        let error = layout.data_version().unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("it is a link"), "{told}");
        assert!(!told.contains("sk_"), "{told}");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "17\n").unwrap();
        assert_eq!(layout.data_version().unwrap(), Some(17));
        fs::write(&file, "no number of a version, sk_secret").unwrap();
        let error = layout.data_version().unwrap_err().to_string();
        assert!(
            error.contains("no numb") && !error.contains("sk_"),
            "{error}"
        );
    }
}
