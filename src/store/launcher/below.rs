//! Files and folders that belong to the server's user. The daemon may be root: no link is followed, so that this user
//! cannot make it write to, or give away, what is elsewhere.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::{LauncherError, io_at};
use super::user::RunAs;

/// The longest file that is read, in bytes: all of them are a few lines.
const LONGEST: u64 = 64 << 10;

/// Makes a folder for `user` alone, and opens it. What lies above it must not be that user's to change.
pub(super) fn folder(path: &Path, user: &RunAs) -> Result<File, LauncherError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(io_at("create", path)(error));
        }
        _ => {}
    }
    mine(open_folder(path)?, path, user)
}

/// The same for a folder in one that [`folder`] opened.
pub(super) fn folder_in(
    parent: &File,
    name: &str,
    path: &Path,
    user: &RunAs,
) -> Result<File, LauncherError> {
    match mkdirat(parent, name, Mode::S_IRWXU) {
        Ok(()) | Err(nix::Error::EEXIST) => {}
        Err(error) => return Err(io_at("create", path)(error.into())),
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    let opened = opened.map_err(|error| io_at("open", path)(error.into()))?;
    mine(File::from(opened), path, user)
}

fn mine(folder: File, path: &Path, user: &RunAs) -> Result<File, LauncherError> {
    folder
        .set_permissions(Permissions::from_mode(0o700))
        .map_err(io_at("change the mode of", path))?;
    user.own(&folder, path)?;
    Ok(folder)
}

/// Opens a folder that is there, for what is done in it.
pub(super) fn open_folder(path: &Path) -> Result<File, LauncherError> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(io_at("open", path))
}

/// Opens a file for writing at its end, made for `user` alone if it is not there. The folder must be a real one.
pub(super) fn file(path: &Path, user: &RunAs) -> Result<File, LauncherError> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Err(io_at("open", path)(io::Error::other("it has no name")));
    };
    file_in(&open_folder(dir)?, name, path, user)
}

/// The same in a folder that is open.
pub(super) fn file_in(
    folder: &File,
    name: &str,
    path: &Path,
    user: &RunAs,
) -> Result<File, LauncherError> {
    let flags = OFlag::O_CREAT
        | OFlag::O_RDWR
        | OFlag::O_APPEND
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_CLOEXEC;
    let opened = openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
    let file = File::from(opened.map_err(|error| io_at("open", path)(error.into()))?);
    let meta = file.metadata().map_err(io_at("inspect", path))?;
    if !meta.is_file() || meta.nlink() > 1 {
        let error = io::Error::other("it is not a file of its own; remove it");
        return Err(io_at("trust", path)(error));
    }
    user.own(&file, path)?;
    Ok(file)
}

/// What a file of a folder says; nothing when the file or the folder is not there. A link is refused, and so is what is no file
/// (a pipe would hold up the start), what is long, and by a second name what belongs to somebody else.
pub(super) fn read(dir: &Path, name: &str) -> Result<Option<String>, LauncherError> {
    let path = dir.join(name);
    let folder = match open_folder(dir) {
        Err(LauncherError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        opened => opened?,
    };
    let untrusted = |why: &str| io_at("trust", &path)(io::Error::other(why.to_owned()));
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(&folder, name, flags, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(nix::Error::ENOENT) => return Ok(None),
        Err(nix::Error::ELOOP) => return Err(untrusted("it is a link; put the file itself there")),
        Err(error) => return Err(io_at("open", &path)(error.into())),
    };
    let own = file.metadata().map_err(io_at("inspect", &path))?;
    let around = folder.metadata().map_err(io_at("inspect", dir))?;
    if !own.is_file() || own.nlink() > 1 && own.uid() != around.uid() {
        return Err(untrusted("it is not a file of its own; remove it"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(io_at("read", &path))?;
    if bytes.len() as u64 > LONGEST {
        return Err(untrusted("it is longer than 64 KiB"));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Renames a file within a folder.
pub(super) fn rename(folder: &File, from: &str, to: &str) -> io::Result<()> {
    Ok(renameat(folder, from, folder, to)?)
}

/// Removes a file of a folder; one that is gone is fine, and so is a folder that is.
pub(super) fn remove(dir: &Path, name: &str) -> Result<(), LauncherError> {
    let folder = match open_folder(dir) {
        Err(LauncherError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(());
        }
        opened => opened?,
    };
    match unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(nix::Error::ENOENT) => Ok(()),
        Err(error) => Err(io_at("remove", &dir.join(name))(error.into())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_planted_link_is_refused_and_its_end_stays_as_it_is() {
        let state = tempfile::tempdir().unwrap();
        let user = RunAs::choose(&state.path().join("postgres")).unwrap();
        let root = state.path().join("postgres");
        let opened = folder(&root, &user).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (dir, end) = (elsewhere.path(), elsewhere.path().join("end"));
        fs::write(&end, "theirs").unwrap();
        let before = (fs::metadata(dir).unwrap(), fs::metadata(&end).unwrap());

        for name in ["lock", "log"] {
            symlink(&end, root.join(name)).unwrap();
            file(&root.join(name), &user).unwrap_err();
            fs::remove_file(root.join(name)).unwrap();
            symlink(dir, root.join(name)).unwrap();
            folder_in(&opened, name, &root.join(name), &user).unwrap_err();
            remove(&root.join(name), "end").unwrap_err();
            fs::remove_file(root.join(name)).unwrap();
        }
        fs::hard_link(&end, root.join("lock")).unwrap_or_default();
        if root.join("lock").exists() {
            file(&root.join("lock"), &user).unwrap_err();
        }
        assert_eq!(fs::read_to_string(&end).unwrap(), "theirs");
        let after = (fs::metadata(dir).unwrap(), fs::metadata(&end).unwrap());
        let facts = |meta: &fs::Metadata| (meta.uid(), meta.gid(), meta.mode());
        assert_eq!(facts(&after.0), facts(&before.0));
        assert_eq!(facts(&after.1), facts(&before.1));
    }

    #[test]
    fn only_a_short_file_that_lies_there_itself_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, elsewhere) = (dir.path(), tempfile::NamedTempFile::new().unwrap());
        assert_eq!(read(&dir.join("nothing"), "x").unwrap(), None);
        assert_eq!(read(dir, "x").unwrap(), None);
        fs::write(dir.join("x"), "17\n").unwrap();
        assert_eq!(read(dir, "x").unwrap().as_deref(), Some("17\n"));
        fs::write(elsewhere.path(), "theirs").unwrap();
        symlink(elsewhere.path(), dir.join("link")).unwrap();
        symlink(dir, dir.join("around")).unwrap();
        nix::unistd::mkfifo(&dir.join("pipe"), Mode::S_IRWXU).unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        fs::write(dir.join("long"), "x".repeat(65 << 10)).unwrap();
        for name in ["link", "pipe", "folder", "long"] {
            let error = read(dir, name).unwrap_err().to_string();
            assert!(error.starts_with("cannot trust "), "{error}");
        }
        read(&dir.join("around"), "x").unwrap_err();
    }

    #[test]
    fn what_is_made_is_the_users_alone() {
        let state = tempfile::tempdir().unwrap();
        let root = state.path().join("postgres");
        let user = RunAs::choose(&root).unwrap();
        let opened = folder(&root, &user).unwrap();
        let logs = folder_in(&opened, "log", &root.join("log"), &user).unwrap();
        let path = root.join("log/postgres.log");
        file_in(&logs, "postgres.log", &path, &user).unwrap();
        for (path, mode) in [(&root, 0o700), (&root.join("log"), 0o700), (&path, 0o600)] {
            let meta = fs::metadata(path).unwrap();
            assert_eq!(meta.mode() & 0o777, mode, "{}", path.display());
            assert_eq!(meta.uid(), user.uid());
        }
        rename(&logs, "postgres.log", "postgres.log.1").unwrap();
        remove(&root.join("log"), "postgres.log.1").unwrap();
        remove(&root.join("log"), "postgres.log.1").unwrap();
        remove(&root.join("nothing"), "x").unwrap();
        assert!(!root.join("log/postgres.log.1").exists());
    }
}
