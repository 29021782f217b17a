//! Where the server's socket goes: beside the data, or under a short hashed name.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::below;
use super::error::{LauncherError, io_at};
use super::user::RunAs;

/// The file PostgreSQL makes for its default port.
const SOCKET: &str = ".s.PGSQL.5432";

/// The longest socket path the kernels take (`sun_path` less its terminator; macOS has 103).
const LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The folder for the socket of the cluster whose run folder is `run`.
pub(super) fn folder(run: &Path) -> PathBuf {
    if fits(run) {
        return run.to_owned();
    }
    let hash = hex::encode(Sha256::digest(run.as_os_str().as_bytes()));
    let short = format!("hikiate-{}", &hash[..16]);
    let dir = env::temp_dir().join(&short);
    if fits(&dir) {
        dir
    } else {
        Path::new("/tmp").join(short)
    }
}

fn fits(dir: &Path) -> bool {
    let bytes = dir.as_os_str().as_bytes();
    // The setting is a comma-separated list with quotes of its own.
    let plain = !bytes.iter().any(|b| b",\"'".contains(b)) && dir.to_str().is_some();
    plain && bytes.len() + 1 + SOCKET.len() <= LIMIT
}

/// Makes the folder for `user` alone. One that a stranger made first in a shared folder is refused.
pub(super) fn make(dir: &Path, user: &RunAs) -> Result<(), LauncherError> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => user.own(&below::open_folder(dir)?, dir),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(dir).map_err(io_at("inspect", dir))?;
            if meta.is_dir() && meta.uid() == user.uid() && meta.mode() & 0o077 == 0 {
                return Ok(());
            }
            Err(io_at("trust", dir)(std::io::Error::other(
                "it is not a folder of the server's user with mode 0700; remove it",
            )))
        }
        Err(error) => Err(io_at("create", dir)(error)),
    }
}

/// Removes what a killed server left; call only when no server lives.
pub(super) fn clear(dir: &Path) -> Result<(), LauncherError> {
    below::remove(dir, SOCKET)?;
    below::remove(dir, &format!("{SOCKET}.lock"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_short_plain_path_is_kept_and_others_get_a_hashed_name() {
        let short = Path::new("/var/lib/hikiate/postgres/run");
        assert_eq!(folder(short), short);
        let exact = PathBuf::from(format!("/{}", "a".repeat(LIMIT - SOCKET.len() - 2)));
        assert_eq!(folder(&exact), exact);
        let long = PathBuf::from(format!("/{}", "a".repeat(LIMIT - SOCKET.len() - 1)));
        for odd in [long, PathBuf::from("/tmp/a,b"), PathBuf::from("/tmp/a\"b")] {
            let moved = folder(&odd);
            assert_ne!(moved, odd);
            assert!(fits(&moved), "{}", moved.display());
            assert_eq!(moved, folder(&odd), "the same data finds the same socket");
        }
    }

    #[test]
    fn a_folder_open_to_others_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let user = RunAs::choose(&root.path().join("postgres")).unwrap();
        let dir = root.path().join("run");
        make(&dir, &user).unwrap();
        make(&dir, &user).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make(&dir, &user).unwrap_err().to_string().contains("0700"));
    }
}
