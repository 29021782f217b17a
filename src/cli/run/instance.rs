//! Who this process is across restarts: an id in the state directory, held by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use tracing::warn;

use crate::cli::failure::Failure;
use crate::store::{Instance, state_dir};

const FILE: &str = "instance";

/// The id, ours as long as this lives.
#[derive(Debug)]
pub(super) struct Held {
    /// The id.
    pub(super) id: Instance,
    file: Option<File>,
}

impl Held {
    /// Whether the id stands in the state directory.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }
}

/// Reads the id, or makes it at the first start. Where the database is elsewhere (`url_given`) and the state
/// directory cannot be written to, the id is the host's name and a random number: leases of a killed process
/// then run out before they are taken again.
pub(super) fn instance(state_dir: &Path, url_given: bool) -> Result<Held, Failure> {
    match kept(state_dir) {
        Ok(held) => Ok(held),
        Err(Trouble::Taken) => Err(Failure::Refused(format!(
            "another hikiate is running on {}; stop it first, or give this one its own state directory",
            state_dir.display()
        ))),
        Err(Trouble::Io(error)) if url_given => {
            warn!(state_dir = %state_dir.display(), %error, "cannot store the instance id; after a kill, work resumes only when the leases expire");
            let id = format!("{}-{}", host(), random().map_err(anyhow::Error::from)?);
            Ok(Held {
                id: Instance(id),
                file: None,
            })
        }
        Err(Trouble::Io(error)) if is_wrong_place(&error) => Err(Failure::Settings(format!(
            "cannot use the state directory {}: {error}; set [database] state_dir to a directory that this user can write to",
            state_dir.display()
        ))),
        Err(Trouble::Io(error)) => {
            let place = format!("the instance id in {}", state_dir.display());
            Err(anyhow::Error::new(error).context(place).into())
        }
    }
}

/// Another place is needed: no later try helps, as it may on a full disk.
fn is_wrong_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::PermissionDenied
    )
}

/// Why there is no kept id.
#[derive(Debug)]
enum Trouble {
    Taken,
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn kept(state_dir: &Path) -> Result<Held, Trouble> {
    state_dir::make(state_dir)?;
    let mut file = state_dir::open(state_dir, FILE, OpenOptions::new().read(true).write(true))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Trouble::Taken),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if let Some(id) = whole(&text) {
        return Ok(Held {
            id: Instance(id.to_owned()),
            file: Some(file),
        });
    }
    let id = random()?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    File::open(state_dir)?.sync_all()?;
    Ok(Held {
        id: Instance(id),
        file: Some(file),
    })
}

/// The id in a file's text. A first start that was cut short leaves less than a whole line.
fn whole(text: &str) -> Option<&str> {
    let id = text.trim();
    let is_id = id.len() == 16 && text.ends_with('\n') && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// The id of the daemon of a state directory, for a command beside it; `None` where none has run.
///
/// # Errors
/// The file system's: this user may not look.
pub(crate) fn kept_in(state_dir: &Path) -> io::Result<Option<String>> {
    let guards = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let opened = options
        .read(true)
        .custom_flags(guards.bits())
        .open(state_dir.join(FILE));
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes)?;
    Ok(whole(&String::from_utf8_lossy(&bytes)).map(str::to_owned))
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

fn host() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "host".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_id_is_the_same_after_a_restart_and_held_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = instance(dir.path(), false).unwrap();
        assert_eq!(instance(dir.path(), true).unwrap_err().code(), 5);
        let id = first.id.clone();
        assert!(first.is_kept());
        assert_eq!(kept_in(dir.path()).unwrap().as_ref(), Some(&id.0));
        assert_eq!(kept_in(&dir.path().join("nothing")).unwrap(), None);
        drop(first);
        assert_eq!(instance(dir.path(), false).unwrap().id, id);
    }

    #[test]
    fn a_first_start_that_was_cut_short_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "0123abc").unwrap();
        assert_eq!(kept_in(dir.path()).unwrap(), None);
        let id = instance(dir.path(), false).unwrap().id;
        assert_eq!(id.0.len(), 16);
    }

    #[test]
    fn without_a_state_directory_a_database_elsewhere_still_gets_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_ne!(
            instance(&file, true).unwrap().id,
            instance(&file, true).unwrap().id
        );
        let refused = instance(&file, false).unwrap_err();
        let words = refused.words().unwrap();
        assert_eq!(refused.code(), 3, "a wrong setting: {words}");
        assert!(words.contains("[database] state_dir"), "{words}");
        let below = instance(&file.join("state"), false).unwrap_err();
        assert_eq!(below.code(), 3, "{:?}", below.words());
    }
}
