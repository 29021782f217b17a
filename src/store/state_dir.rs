//! The state directory and the files that hikiate keeps in it: for its user alone, whatever the umask says.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Makes a state directory that is not there yet. One that is there keeps its mode: exchange folders of others may lie in it.
///
/// # Errors
/// The file system's.
pub fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    // As root, the private PostgreSQL below it belongs to another user, who must get through.
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file of a state directory, making it if it is not there. A link is not followed. What root makes in the directory
/// of another user is that user's, who must still be able to write to it.
///
/// # Errors
/// The file system's; a link or something else that is no file.
pub fn open(dir: &Path, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let guards = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options
        .create(true)
        .mode(0o600)
        .custom_flags(guards.bits())
        .open(dir.join(name))?;
    let (own, folder, me) = (file.metadata()?, fs::metadata(dir)?, geteuid());
    let theirs = me.is_root() && folder.uid() != 0;
    // By a second name its owner could have us write to, and give away, a file from elsewhere.
    if !own.is_file() || theirs && own.nlink() > 1 {
        return Err(io::Error::other(format!(
            "{name} is not a file of its own; remove it"
        )));
    }
    if theirs && own.uid() != folder.uid() {
        fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
    }
    if own.mode() & 0o777 != 0o600 && (me.is_root() || me.as_raw() == own.uid()) {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn write(dir: &Path, name: &str) -> io::Result<File> {
        open(dir, name, OpenOptions::new().write(true))
    }

    #[test]
    fn the_directory_and_its_files_are_for_their_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/state");
        make(&dir).unwrap();
        make(&dir).unwrap();
        assert_eq!(mode(&dir) & 0o066, 0, "nobody else lists or writes");
        write(&dir, "fresh").unwrap();
        assert_eq!(mode(&dir.join("fresh")), 0o600);
        // As an earlier version made it.
        fs::write(dir.join("old"), "text").unwrap();
        fs::set_permissions(dir.join("old"), Permissions::from_mode(0o644)).unwrap();
        write(&dir, "old").unwrap();
        assert_eq!(mode(&dir.join("old")), 0o600);
        assert_eq!(fs::read_to_string(dir.join("old")).unwrap(), "text");
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_mode() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        make(root.path()).unwrap();
        assert_eq!(mode(root.path()), 0o755);
    }

    #[test]
    fn a_link_is_not_followed_and_its_end_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let end = root.path().join("end");
        fs::write(&end, "theirs").unwrap();
        fs::set_permissions(&end, Permissions::from_mode(0o644)).unwrap();
        symlink(&end, root.path().join("link")).unwrap();
        write(root.path(), "link").unwrap_err();
        assert_eq!(mode(&end), 0o644);
        assert_eq!(fs::read_to_string(&end).unwrap(), "theirs");
    }

    #[test]
    fn what_root_makes_in_the_directory_of_another_user_is_theirs() {
        if !geteuid().is_root() {
            let test = "store::state_dir::tests::what_root_makes_in_the_directory_of_another_user_is_theirs";
            return hikiate_sdk::sim::skipped(test, "not root: nobody else can give files away");
        }
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(root.path(), Some(12_345), Some(12_345)).unwrap();
        let made = write(root.path(), "witness").unwrap().metadata().unwrap();
        assert_eq!(made.uid(), 12_345);
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::hard_link(outside.path(), root.path().join("hard")).unwrap();
        write(root.path(), "hard").unwrap_err();
        assert_eq!(fs::metadata(outside.path()).unwrap().uid(), 0);
    }
}
