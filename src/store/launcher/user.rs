//! Who the server runs as: the caller, or an unprivileged user when the caller is root.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{LauncherError, io_at};

/// Tried in this order when started as root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user the server's processes run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunAs {
    uid: u32,
    gid: u32,
    name: String,
    /// Whether the caller is root and must give up its rights first.
    drops: bool,
}

impl RunAs {
    /// Chooses the user for a cluster below `root`. As root, the owner of existing data comes first,
    /// so that a later start runs under the same user.
    pub(super) fn choose(root: &Path) -> Result<Self, LauncherError> {
        let probe =
            tempfile::tempfile().map_err(io_at("create a file in", &std::env::temp_dir()))?;
        let meta = probe
            .metadata()
            .map_err(io_at("inspect a file in", &std::env::temp_dir()))?;
        if meta.uid() != 0 {
            return Ok(Self {
                uid: meta.uid(),
                gid: meta.gid(),
                name: format!("uid {}", meta.uid()),
                drops: false,
            });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let owner = fs::metadata(root.join("data"))
            .ok()
            .filter(|data| data.uid() != 0);
        if let Some(data) = owner {
            return Ok(Self {
                uid: data.uid(),
                gid: data.gid(),
                name: format!("uid {}", data.uid()),
                drops: true,
            });
        }
        UNPRIVILEGED
            .into_iter()
            .find_map(|name| entry(&passwd, name))
            .ok_or(LauncherError::NoUnprivilegedUser)
    }

    /// The user's id.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes a command run as this user (std clears the supplementary groups with it).
    pub(super) fn apply(&self, command: &mut Command) {
        if self.drops {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Hands a freshly made path to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), LauncherError> {
        if self.drops {
            chown(path, Some(self.uid), Some(self.gid))
                .map_err(io_at("change the owner of", path))?;
        }
        Ok(())
    }

    /// Refuses when a folder on the way to `path` cannot be entered by this user.
    pub(super) fn can_reach(&self, path: &Path) -> Result<(), LauncherError> {
        match self.drops.then(|| self.first_unsearchable(path)).flatten() {
            None => Ok(()),
            Some(dir) => Err(LauncherError::Unsearchable {
                dir,
                user: self.name.clone(),
            }),
        }
    }

    fn first_unsearchable(&self, path: &Path) -> Option<PathBuf> {
        let mut ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
        ancestors.reverse();
        ancestors
            .into_iter()
            .find(|dir| fs::metadata(dir).is_ok_and(|meta| !self.may_search(&meta)))
            .map(Path::to_owned)
    }

    fn may_search(&self, meta: &Metadata) -> bool {
        let bit = if meta.uid() == self.uid {
            0o100
        } else if meta.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        meta.mode() & bit != 0
    }
}

fn entry(passwd: &str, name: &str) -> Option<RunAs> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then(|| RunAs {
            uid,
            gid,
            name: name.to_owned(),
            drops: true,
        })
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_user_is_read_from_the_password_file_and_never_root() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:n:/:/x\npostgres:x:0:0::/:/x\n";
        let nobody = entry(passwd, "nobody").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
        assert_eq!(entry(passwd, "postgres"), None);
        assert_eq!(entry(passwd, "missing"), None);
    }

    #[test]
    fn the_first_folder_that_refuses_is_named() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        let shut = open.join("shut");
        fs::create_dir_all(shut.join("state")).unwrap();
        let mode = |path: &Path, bits| {
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        };
        mode(root.path(), 0o755);
        mode(&open, 0o755);
        mode(&shut, 0o700);
        let meta = fs::metadata(&shut).unwrap();
        let stranger = RunAs {
            uid: meta.uid() + 1,
            gid: meta.gid() + 1,
            name: "stranger".into(),
            drops: true,
        };
        let path = shut.join("state");
        let error = stranger.can_reach(&path).unwrap_err();
        let LauncherError::Unsearchable { dir, .. } = &error else {
            unreachable!("{error}");
        };
        assert_eq!(dir, &shut);
        assert!(error.to_string().contains("chmod o+x"), "{error}");
        mode(&shut, 0o711);
        stranger.can_reach(&path).unwrap();
    }
}
