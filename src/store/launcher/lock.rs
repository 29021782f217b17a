//! One daemon per cluster: an exclusive lock that the kernel gives back when the holder dies.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::below;
use super::error::{LauncherError, io_at};
use super::user::RunAs;

/// Held as long as the value lives.
#[derive(Debug)]
pub(super) struct DirLock {
    file: File,
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing is not enough: a child between fork and exec still has a copy of the descriptor.
        self.file.unlock().ok();
    }
}

impl DirLock {
    /// Takes the lock file `path` of the cluster in `dir`, or says who must stop first.
    pub(super) fn take(path: &Path, dir: &Path, user: &RunAs) -> Result<Self, LauncherError> {
        // Close-on-exec, so the server does not inherit the lock and outlive us with it.
        let file = below::file(path, user)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(LauncherError::Locked {
                dir: dir.to_owned(),
                lock: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(io_at("lock", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn user(root: &tempfile::TempDir) -> RunAs {
        RunAs::choose(&root.path().join("postgres")).unwrap()
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let held = DirLock::take(&path, root.path(), &user(&root)).unwrap();
        let refused = DirLock::take(&path, root.path(), &user(&root)).unwrap_err();
        assert!(matches!(refused, LauncherError::Locked { .. }), "{refused}");
        drop(held);
        DirLock::take(&path, root.path(), &user(&root)).unwrap();
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let held = DirLock::take(&path, root.path(), &user(&root)).unwrap();
        // What a child has between fork and exec.
        let copy = held.file.try_clone().unwrap();
        drop(held);
        DirLock::take(&path, root.path(), &user(&root)).unwrap();
        drop(copy);
    }
}
