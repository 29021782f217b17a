//! The data directory: made once, and its pid file.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::access;
use super::below;
use super::binaries::Binaries;
use super::error::{LauncherError, io_at};
use super::layout::Layout;
use super::roles::{ADMIN, ROLE};
use super::server::tidy;
use super::user::RunAs;

/// Makes the data directory if it is not there; a half-made one never carries the real name.
pub(super) fn initialise(
    layout: &Layout,
    binaries: &Binaries,
    user: &RunAs,
    fsync: bool,
) -> Result<(), LauncherError> {
    if layout.data.exists() {
        return Ok(());
    }
    let fresh = layout.root.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(io_at("remove", &fresh))?;
    }
    let program = binaries.program("initdb");
    let mut command = Command::new(&program);
    command
        .arg("--pgdata")
        .arg(&fresh)
        .args([
            "--username",
            ADMIN,
            "--auth-local=peer",
            "--auth-host=reject",
        ])
        .args(["--encoding", "UTF8", "--locale", "C", "--data-checksums"]);
    if !fsync {
        command.arg("--no-sync");
    }
    tidy(&mut command, layout, user);
    let output = command.output().map_err(io_at("run", &program))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        if words.contains("could not look up effective user ID") {
            return Err(LauncherError::NoPasswdEntry { uid: user.uid() });
        }
        return Err(LauncherError::Program {
            program: "initdb",
            message: words.trim().to_owned(),
        });
    }
    access::tighten(&fresh, layout, user)?;
    fs::rename(&fresh, &layout.data).map_err(io_at("rename", &fresh))?;
    tracing::info!(data = %layout.data.display(), version = binaries.major(), "made a private cluster");
    Ok(())
}

/// Refuses data of another major version than the binaries'.
pub(super) fn check_version(layout: &Layout, binaries: &Binaries) -> Result<(), LauncherError> {
    match layout.data_version()? {
        Some(found) if found != binaries.major() => Err(LauncherError::VersionMismatch {
            data: layout.data.clone(),
            found,
            installed: binaries.major(),
            advice: upgrade_line(layout, binaries, found),
        }),
        _ => Ok(()),
    }
}

fn upgrade_line(layout: &Layout, binaries: &Binaries, found: u32) -> String {
    // Until it was started by a version that keeps the roles apart, the daemon's role is the administrator.
    let admin = if access::is_tight(&layout.data) {
        ADMIN
    } else {
        ROLE
    };
    format!(
        "`{} --username {admin} --encoding UTF8 --locale C --data-checksums <a new folder>`, \
         then `{} -U {admin} -b <bin folder of PostgreSQL {found}> -B {} -d {} -D <the new folder>`",
        binaries.program("initdb").display(),
        binaries.program("pg_upgrade").display(),
        binaries.dir().display(),
        layout.data.display(),
    )
}

/// What the pid file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PidFile {
    /// There is none: nothing runs.
    Absent,
    /// It names a process that is surely no server: gone, or of another program.
    Stale,
    /// It names a server, a dying one, or (without /proc) something we cannot tell.
    Server,
}

/// Reads `postmaster.pid` and asks the system about the process in it.
///
/// PostgreSQL itself only asks whether the id is in use. After a container restart it often is: by a
/// thread of ours.
pub(super) fn pid_file(data: &Path) -> PidFile {
    let text = match below::read(data, "postmaster.pid") {
        Ok(Some(text)) => text,
        Ok(None) => return PidFile::Absent,
        // A server that is started says what is wrong with it.
        Err(_) => return PidFile::Server,
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.parse::<u32>().ok());
    match pid {
        None => PidFile::Server,
        Some(pid) => judge(Path::new("/proc"), pid),
    }
}

fn judge(proc: &Path, pid: u32) -> PidFile {
    if !proc.join("self").exists() {
        return PidFile::Server;
    }
    match fs::read_to_string(proc.join(pid.to_string()).join("comm")) {
        Ok(name) if matches!(name.trim(), "postgres" | "postmaster") => PidFile::Server,
        _ => PidFile::Stale,
    }
}

/// Removes a pid file that [`pid_file`] called stale; the server's own check of its shared memory
/// still refuses a start beside left-over backends.
pub(super) fn forget(data: &Path) -> Result<(), LauncherError> {
    below::remove(data, "postmaster.pid")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_pid_of_another_program_or_of_nobody_is_stale() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!(
            judge(proc.path(), 7),
            PidFile::Server,
            "no /proc: cannot tell"
        );
        fs::create_dir(proc.path().join("self")).unwrap();
        assert_eq!(judge(proc.path(), 7), PidFile::Stale);
        fs::create_dir(proc.path().join("7")).unwrap();
        fs::write(proc.path().join("7/comm"), "tokio-runtime-w\n").unwrap();
        assert_eq!(judge(proc.path(), 7), PidFile::Stale);
        fs::write(proc.path().join("7/comm"), "postgres\n").unwrap();
        assert_eq!(judge(proc.path(), 7), PidFile::Server);
    }

    #[test]
    fn no_pid_file_means_nothing_runs() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(pid_file(data.path()), PidFile::Absent);
        std::os::unix::fs::symlink("/proc/self/stat", data.path().join("postmaster.pid")).unwrap();
        assert_eq!(pid_file(data.path()), PidFile::Server, "not looked into");
    }
}
