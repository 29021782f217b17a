//! Who the server runs as: the caller, or an unprivileged user when the caller is root.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Uid, User, getegid, geteuid};

use super::error::{LauncherError, io_at};

/// Tried in this order when started as root. Never `nobody`, whose processes of other programs could read the data.
const UNPRIVILEGED: [&str; 2] = ["hikiate", "postgres"];

/// The user that owns nothing, by convention.
const NOBODY: &str = "nobody";

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
        if !geteuid().is_root() {
            let mut me = known(geteuid().as_raw())?;
            me.gid = getegid().as_raw();
            return Ok(me);
        }
        let state = root.parent().unwrap_or(root);
        let owner = fs::metadata(state).map_err(io_at("inspect", state))?.uid();
        if owner != 0 {
            return Err(LauncherError::OthersState {
                dir: state.to_owned(),
                user: name_of(owner),
            });
        }
        let data = root.join("data");
        match fs::symlink_metadata(&data) {
            Ok(meta) if meta.uid() != 0 => {
                let owner = known(meta.uid())?;
                if owner.name == NOBODY {
                    return Err(LauncherError::NobodysData {
                        root: root.to_owned(),
                        user: UNPRIVILEGED
                            .into_iter()
                            .find_map(entry)
                            .map(|user| user.name),
                    });
                }
                Ok(Self {
                    gid: meta.gid(),
                    drops: true,
                    ..owner
                })
            }
            _ => UNPRIVILEGED
                .into_iter()
                .find_map(entry)
                .ok_or(LauncherError::NoUnprivilegedUser),
        }
    }

    /// The user's id.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// The system's names of those who may use the server's socket: this user and root.
    pub(super) fn names(&self) -> Vec<String> {
        let root = name_of(0);
        if self.name == root {
            vec![root]
        } else {
            vec![self.name.clone(), root]
        }
    }

    /// Makes a command run as this user (std clears the supplementary groups with it).
    pub(super) fn apply(&self, command: &mut Command) {
        if self.drops {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Hands a freshly made file or folder, which is named for messages, to this user.
    pub(super) fn own(&self, file: &File, path: &Path) -> Result<(), LauncherError> {
        if self.drops {
            fchown(file, Some(self.uid), Some(self.gid))
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

/// A user of the system by id. PostgreSQL asks for the name as well.
fn known(uid: u32) -> Result<RunAs, LauncherError> {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => Ok(RunAs {
            uid,
            gid: user.gid.as_raw(),
            name: user.name,
            drops: false,
        }),
        _ => Err(LauncherError::NoPasswdEntry { uid }),
    }
}

fn name_of(uid: u32) -> String {
    known(uid).map_or_else(|_| format!("uid {uid}"), |user| user.name)
}

/// An unprivileged user of the system by name.
fn entry(name: &str) -> Option<RunAs> {
    let user = User::from_name(name).ok()??;
    (!user.uid.is_root()).then(|| RunAs {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        name: user.name,
        drops: true,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn root_runs_a_server_as_a_user_of_its_own_and_never_as_nobody() {
        assert_eq!(entry("root"), None);
        assert_eq!(entry("no-such-user-here"), None);
        if !geteuid().is_root() {
            let me = RunAs::choose(Path::new("/nowhere/postgres")).unwrap();
            assert!(!me.drops && me.names().contains(&me.name));
            let test = "store::launcher::user::tests::root_runs_a_server_as_a_user_of_its_own_and_never_as_nobody";
            return hikiate_sdk::sim::skipped(test, "not root");
        }
        let state = tempfile::tempdir().unwrap();
        let root = state.path().join("postgres");
        let chosen = RunAs::choose(&root).unwrap();
        assert!(UNPRIVILEGED.contains(&chosen.name.as_str()), "{chosen:?}");
        assert_eq!(chosen.names(), [chosen.name.clone(), "root".to_owned()]);

        let nobody = User::from_name(NOBODY).unwrap().unwrap();
        let chown = |path: &Path| {
            std::os::unix::fs::chown(path, Some(nobody.uid.as_raw()), None).unwrap();
        };
        fs::create_dir_all(root.join("data")).unwrap();
        chown(&root.join("data"));
        let error = RunAs::choose(&root).unwrap_err().to_string();
        let command = format!("chown -R {}: {}", chosen.name, root.display());
        assert!(error.contains(&command), "{error}");

        chown(state.path());
        let error = RunAs::choose(&root).unwrap_err();
        assert!(
            matches!(error, LauncherError::OthersState { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("sudo -u nobody"), "{error}");
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
