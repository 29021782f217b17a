//! Secret files that more than hikiate's user can read: a warning, since images and orchestrators mount secrets so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{getegid, geteuid, getgroups};
use serde_json::{Map, Value};

use super::report::ConfigProblem;
use super::spans::Sources;

/// Where systemd puts credentials; it shows the unit's user in the group's bits.
const CREDENTIALS: &str = "/run/credentials";

/// The keys of a place of a secret.
const KEYS: [&str; 3] = ["env", "file", "next"];

/// A warning for each secret file of the accounts and the database that others can read.
pub(super) fn exposed(merged: &Value, base_dir: &Path, sources: &Sources) -> Vec<ConfigProblem> {
    let mut found = Vec::new();
    let mut look = |path: &[&str], file: &str| {
        let file = base_dir.join(file);
        if let Some(who) = readers(&file) {
            let message = format!(
                "WARNING: {} can be read by {who}: `chmod 600` it, and make it belong to the user that hikiate runs as",
                file.display()
            );
            found.push(sources.problem(path, message));
        }
    };
    for section in ["database", "accounts"] {
        if let Some(value) = merged.get(section) {
            each(value, &mut vec![section], &mut look);
        }
    }
    found
}

/// A table that is the place of a secret.
pub(super) fn is_place(table: &Map<String, Value>) -> bool {
    table.keys().all(|key| KEYS.contains(&&**key))
}

/// Visits the file of every secret.
fn each<'v>(value: &'v Value, path: &mut Vec<&'v str>, look: &mut impl FnMut(&[&str], &str)) {
    let Value::Object(table) = value else { return };
    let file = table.get("file").and_then(Value::as_str);
    if let Some(file) = file.filter(|_| is_place(table)) {
        look(path, file);
    }
    for (key, below) in table {
        path.push(key);
        each(below, path, look);
        path.pop();
    }
}

/// Who beside its owner can read or change a file; `None` where nobody can, or nothing is known.
fn readers(file: &Path) -> Option<&'static str> {
    let real = file.canonicalize().ok()?;
    let meta = fs::metadata(&real).ok()?;
    if real.starts_with(CREDENTIALS) {
        return None;
    }
    if meta.mode() & 0o006 != 0 && real.ancestors().skip(1).all(lets_others_pass) {
        return Some("every user of this machine");
    }
    // root lends a file to hikiate by a group of ours; who checks as root does not know which group that is.
    let ours = geteuid().is_root() || is_ours(meta.gid());
    let lent = meta.uid() == 0 && meta.mode() & 0o020 == 0 && ours;
    (meta.mode() & 0o060 != 0 && !lent).then_some("its group")
}

fn lets_others_pass(dir: &Path) -> bool {
    fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0)
}

fn is_ours(group: u32) -> bool {
    getegid().as_raw() == group
        || getgroups().is_ok_and(|all| all.iter().any(|gid| gid.as_raw() == group))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_told_and_one_behind_a_closed_folder_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "sk").unwrap();
        with_mode(dir.path(), 0o755);
        // A machine may keep its temporary files behind a closed folder.
        let real = dir.path().canonicalize().unwrap();
        let open = real.ancestors().all(lets_others_pass);
        for (mode, said) in [(0o600, false), (0o400, false), (0o604, open), (0o602, open)] {
            with_mode(&file, mode);
            assert_eq!(readers(&file).is_some(), said, "{mode:o}");
        }
        // What root lends to a group: hikiate's, as far as root can tell.
        with_mode(&file, 0o640);
        let told = (!geteuid().is_root()).then_some("its group");
        assert_eq!(readers(&file), told);
        with_mode(&file, 0o660);
        assert_eq!(readers(&file), Some("its group"));
        with_mode(&file, 0o604);
        with_mode(dir.path(), 0o700);
        assert_eq!(readers(&file), None);
        assert_eq!(readers(&dir.path().join("nothing")), None);
    }

    #[test]
    fn only_secrets_are_looked_at_each_with_its_key() {
        let merged = serde_json::json!({
            "catalogue": { "file": "sku.csv" },
            "database": { "url": { "file": "db" } },
            "accounts": { "shop": {
                "token": { "file": "a", "next": { "file": "b" } }, "folder": "x", "layout": { "file": "l", "kind": "csv" }
            } },
        });
        let mut seen = Vec::new();
        for section in ["database", "accounts"] {
            each(&merged[section], &mut vec![section], &mut |path, file| {
                seen.push(format!("{}={file}", path.join(".")));
            });
        }
        seen.sort();
        assert_eq!(
            seen,
            [
                "accounts.shop.token.next=b",
                "accounts.shop.token=a",
                "database.url=db"
            ]
        );
    }
}
