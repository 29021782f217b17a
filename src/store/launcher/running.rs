//! The cluster that a daemon runs now, for commands beside it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use url::form_urlencoded::byte_serialize;

use super::data::{self, PidFile};
use super::error::{LauncherError, io_at};
use super::layout::Layout;
use super::roles::ROLE;

/// The address of `database` in the cluster that runs below `state_dir`, over its socket. Takes no lock,
/// starts nothing and makes nothing.
///
/// # Errors
/// [`LauncherError::NotRunning`]; [`LauncherError::Io`] when this user may not look.
pub fn running(state_dir: &Path, database: &str) -> Result<String, LauncherError> {
    let absent = || LauncherError::NotRunning {
        state_dir: state_dir.to_owned(),
    };
    let state = match state_dir.canonicalize() {
        Ok(state) => state,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent()),
        Err(error) => return Err(io_at("look into", state_dir)(error)),
    };
    let layout = Layout::of(&state);
    let pid_file = layout.data.join("postmaster.pid");
    match fs::symlink_metadata(&pid_file) {
        Ok(_) if data::pid_file(&layout.data) == PidFile::Server => {
            Ok(url(&layout.run, ROLE, database))
        }
        Ok(_) => Err(absent()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(absent()),
        Err(error) => Err(io_at("look into", &layout.data)(error)),
    }
}

/// The address of a database behind the socket in `run`, for one of the cluster's roles.
pub(super) fn url(run: &Path, role: &str, database: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "postgres://{role}@localhost/{}?host={}&port=5432&sslmode=disable",
        encode(database),
        encode(&run.to_string_lossy()),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn without_a_server_it_says_so_and_makes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("nothing");
        let error = running(&missing, "hikiate").unwrap_err();
        assert!(error.to_string().contains("hikiate run"), "{error}");
        assert!(!missing.exists());
        assert!(running(root.path(), "hikiate").is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
