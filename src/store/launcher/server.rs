//! The server as a child process.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::below;
use super::binaries::Binaries;
use super::data::{self, PidFile};
use super::environment::clean;
use super::error::{LauncherError, io_at};
use super::layout::Layout;
use super::user::RunAs;

/// How much of the end of the log is looked at for its last lines, in bytes.
const TAIL: u64 = 64 << 10;

/// Seconds `pg_ctl` waits for a fast stop before an immediate one.
const STOP_SECONDS: &str = "60";

/// How to run one cluster's server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its folders.
    pub(super) layout: Layout,
    /// The programs.
    pub(super) binaries: Binaries,
    /// The user.
    pub(super) user: RunAs,
    /// Its arguments, without the program.
    pub(super) arguments: Vec<String>,
}

/// The server's arguments: a socket for its own user, no TCP, and logs without row contents.
pub(super) fn arguments(layout: &Layout, fsync: bool, extra: &[(String, String)]) -> Vec<String> {
    let switch = |on| if on { "on" } else { "off" };
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("port", "5432".into()),
        ("unix_socket_directories", layout.run.display().to_string()),
        ("unix_socket_permissions", "0700".into()),
        ("fsync", switch(fsync).into()),
        ("full_page_writes", switch(fsync).into()),
        ("log_checkpoints", "off".into()),
        ("log_error_verbosity", "terse".into()),
        ("log_min_error_statement", "panic".into()),
        ("log_parameter_max_length_on_error", "0".into()),
        ("timezone", "UTC".into()),
        // Our statements are short, and a sandbox without writable code pages would fail it.
        ("jit", "off".into()),
    ];
    settings.extend(
        extra
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone())),
    );
    let mut arguments = vec!["-D".into(), layout.data.display().to_string()];
    for (key, value) in settings {
        arguments.extend(["-c".into(), format!("{key}={value}")]);
    }
    arguments
}

impl Server {
    /// Starts the server in a process group of its own: a Ctrl-C at the terminal, or a signal to the
    /// daemon's group, must not end it before the daemon has drained. Never with a parent-death
    /// signal, which fires when the spawning *thread* ends.
    pub(super) fn spawn(&self) -> Result<Child, LauncherError> {
        let log = self.layout.open_log(&self.user)?;
        let twin = log.try_clone().map_err(io_at("open", &self.layout.log))?;
        let program = self.binaries.program("postgres");
        let mut command = Command::new(&program);
        tidy(&mut command, &self.layout, &self.user);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(twin)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(io_at("run", &program))
    }

    /// Stops the server whichever process started it: sessions are cut, data is flushed.
    pub(super) fn stop(&self) -> Result<(), LauncherError> {
        match self.pg_ctl_stop("fast") {
            Err(_) if data::pid_file(&self.layout.data) == PidFile::Server => {
                tracing::warn!(data = %self.layout.data.display(), "fast stop failed, stopping at once");
                self.pg_ctl_stop("immediate")
            }
            // It ended by itself in between.
            _ => Ok(()),
        }
    }

    fn pg_ctl_stop(&self, mode: &str) -> Result<(), LauncherError> {
        let program = self.binaries.program("pg_ctl");
        let mut command = Command::new(&program);
        tidy(&mut command, &self.layout, &self.user);
        let output = command
            .args(["stop", "-w", "-m", mode, "-t", STOP_SECONDS, "-D"])
            .arg(&self.layout.data)
            .stdin(Stdio::null())
            // A signal to our group must not cut the wait short.
            .process_group(0)
            .output()
            .map_err(io_at("run", &program))?;
        if output.status.success() {
            return Ok(());
        }
        Err(LauncherError::Program {
            program: "pg_ctl",
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Whether the server that runs was started with these same settings.
    pub(super) fn settings_match(&self) -> bool {
        let expected: String = self
            .arguments
            .iter()
            .map(|argument| format!(" \"{argument}\""))
            .collect();
        below::read(&self.layout.data, "postmaster.opts")
            .is_ok_and(|line| line.is_some_and(|line| line.trim_end().ends_with(&expected)))
    }

    /// The end of the server's log, for an error message.
    pub(super) fn log_tail(&self) -> String {
        let log = self.layout.open_log(&self.user);
        log.ok().and_then(|log| tail(log).ok()).unwrap_or_default()
    }
}

/// Common to every PostgreSQL program: its user, English messages, nothing else of our environment, no settings and no word
/// to systemd in our name.
pub(super) fn tidy(command: &mut Command, layout: &Layout, user: &RunAs) {
    user.apply(command);
    clean(command).current_dir(&layout.root);
}

fn tail(mut log: File) -> io::Result<String> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(end_of(&String::from_utf8_lossy(&bytes)))
}

/// The last lines of a log, and before them what the server died of: a full disk stands above what it says of its end.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(100).collect();
    let (last, before) = lines.split_at(lines.len().min(5));
    let mut told: Vec<&str> = last.to_vec();
    if !last.iter().any(|line| is_cause(line)) {
        told.extend(before.iter().find(|line| is_cause(line)));
    }
    told.reverse();
    told.join(" | ")
}

/// A server that ends, and not for those who ask it meanwhile.
fn is_cause(line: &str) -> bool {
    let ends = line.contains(" PANIC:  ") || line.contains(" FATAL:  ");
    ends && !line.contains("the database system is ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_has_what_the_server_died_of() {
        let cause = "03:53 UTC [9] FATAL:  could not write to file \"x\": No space left on device";
        let end = "LOG:  startup process exited\nLOG:  terminating\nUTC [7] FATAL:  the database system is in recovery mode\n\
                   LOG:  shutting down\nLOG:  database system is shut down\n";
        let told = end_of(&format!("LOG:  early\n{cause}\n{end}"));
        assert!(told.starts_with(cause), "{told}");
        assert!(told.ends_with("database system is shut down"), "{told}");
        assert_eq!(end_of("a\nb\n"), "a | b");
        let both = format!("LOG:  a\n{cause}\nLOG:  b\n");
        assert_eq!(end_of(&both).matches("No space").count(), 1);
    }
}
