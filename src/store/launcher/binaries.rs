//! Finds the machine's PostgreSQL server binaries.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment::clean;
use super::error::{LauncherError, io_at};

/// What a bin folder must hold.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Folders whose children are major versions, each with a `bin`.
const VERSIONED: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local/pgsql",
    "/Library/PostgreSQL",
    "/opt/postgresql",
];

/// Folders whose `pgsql-17` or `postgresql@17` children each have a `bin`.
const NAMED: [(&str, &str); 4] = [
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/usr/lib", "postgresql-"),
];

/// One bin folder and the major version of its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    dir: PathBuf,
    major: u32,
}

impl Binaries {
    /// Finds binaries, preferring `wanted` (the major version of existing data) over the first found.
    ///
    /// Order: `HIKIATE_PG_BIN`, the PATH (links followed), `pg_config --bindir`, versioned folders
    /// with the newest first. A folder named in `HIKIATE_PG_BIN` is final.
    pub(super) fn find(wanted: Option<u32>) -> Result<Self, LauncherError> {
        if let Some(dir) = env::var_os("HIKIATE_PG_BIN").filter(|dir| !dir.is_empty()) {
            let dir = PathBuf::from(dir);
            return match missing_from(&dir) {
                Some(program) => Err(LauncherError::BadBinDir { dir, program }),
                None => Self::at(&dir),
            };
        }
        let mut first = None;
        for dir in candidates() {
            if missing_from(&dir).is_some() {
                continue;
            }
            // A broken installation does not hide a working one behind it.
            let Ok(found) = Self::at(&dir) else { continue };
            if wanted.is_none_or(|wanted| wanted == found.major) {
                return Ok(found);
            }
            first.get_or_insert(found);
        }
        first.ok_or_else(|| LauncherError::BinariesMissing {
            looked: format!("the PATH, pg_config, {}", VERSIONED.join(", ")),
        })
    }

    fn at(dir: &Path) -> Result<Self, LauncherError> {
        let program = dir.join("postgres");
        let output = clean(&mut Command::new(&program))
            .arg("--version")
            .output()
            .map_err(io_at("run", &program))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let major = major_of(&text).ok_or_else(|| LauncherError::UnknownVersion {
            path: program,
            text,
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            major,
        })
    }

    /// The server's major version.
    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// The bin folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn missing_from(dir: &Path) -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|program| !dir.join(program).is_file())
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let path = env::var_os("PATH").unwrap_or_default();
    for dir in env::split_paths(&path) {
        // Distributions link single programs into the PATH; their siblings live behind the link.
        if let Ok(real) = dir.join("postgres").canonicalize()
            && let Some(parent) = real.parent()
        {
            found.push(parent.to_owned());
        }
    }
    if let Ok(output) = clean(&mut Command::new("pg_config"))
        .arg("--bindir")
        .output()
        && output.status.success()
    {
        found.push(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        ));
    }
    let mut versioned: Vec<(u32, PathBuf)> = VERSIONED
        .into_iter()
        .map(|root| (root, ""))
        .chain(NAMED)
        .flat_map(|(root, prefix)| versions_in(Path::new(root), prefix))
        .collect();
    versioned.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.extend(versioned.into_iter().map(|(_, dir)| dir));
    found
}

fn versions_in(root: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect()
}

/// The major version in `postgres (PostgreSQL) 15.8 (Debian …)` or in a `PG_VERSION` file.
pub(super) fn major_of(text: &str) -> Option<u32> {
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_major_version_is_read_from_programs_and_files() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.8 (Debian 15.8-1)"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("16\n"), Some(16));
        assert_eq!(major_of("postgres"), None);
    }

    #[test]
    fn versioned_folders_are_recognised_by_their_number() {
        let root = tempfile::tempdir().unwrap();
        for name in ["pgsql-15", "pgsql-17", "pgsql-x", "other-16"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let mut found = versions_in(root.path(), "pgsql-");
        found.sort();
        let wanted = [15, 17].map(|v| (v, root.path().join(format!("pgsql-{v}/bin"))));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_folder_without_the_server_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("postgres"), "").unwrap();
        assert_eq!(missing_from(root.path()), Some("initdb"));
    }
}
