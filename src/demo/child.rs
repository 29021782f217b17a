//! The real program as child processes: the daemon, and the commands an operator would type beside it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a daemon may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(25);

/// The program and its configuration.
#[derive(Clone, Debug)]
pub struct Program {
    exe: PathBuf,
    config: PathBuf,
}

impl Program {
    /// A program's file, on a configuration.
    #[must_use]
    pub fn at(exe: PathBuf, config: PathBuf) -> Self {
        Self { exe, config }
    }

    /// This very program, on a configuration.
    ///
    /// # Errors
    /// When its file cannot be found.
    pub fn this(config: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            exe: std::env::current_exe().context("find this program's file")?,
            config,
        })
    }

    /// A command that sees nothing of this process's settings.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            // As in the systemd unit and the image.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let ours = name
                .to_str()
                .is_some_and(|name| name.starts_with("HIKIATE__"));
            let outer = [
                "DATABASE_URL",
                "STATE_DIRECTORY",
                "NOTIFY_SOCKET",
                "WATCHDOG_USEC",
                "WATCHDOG_PID",
            ];
            if ours || outer.iter().any(|known| name == *known) {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Types a command and waits for its end.
    ///
    /// # Errors
    /// What it said, when it did not succeed.
    pub async fn type_in(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.answer(arguments).await.map(|_| ())
    }

    /// Types a command, waits for its end, and returns what it printed.
    ///
    /// # Errors
    /// What it said, when it did not succeed.
    pub async fn answer(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let typed = format!("`hikiate {}`", arguments.join(" "));
        let ended = timeout(
            PATIENCE,
            self.command(arguments).kill_on_drop(true).output(),
        );
        let output = ended
            .await
            .with_context(|| format!("{typed} did not finish"))?
            .with_context(|| typed.clone())?;
        if !output.status.success() {
            bail!(
                "{typed} failed ({}): {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts `hikiate run` in a process group of its own, so that a Ctrl-C at the terminal reaches it only
    /// through us. Its log goes to the end of a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn daemon(&self, log: &Path) -> anyhow::Result<Daemon> {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .context("open the daemon's log")?;
        let child = self
            // Whoever runs this has chosen the user; the simulated world is theirs.
            .command(&["run", "--as-root"])
            .stdout(file.try_clone().context("open the daemon's log")?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start the daemon")?;
        let pid = child.id().context("the daemon has no process")?;
        Ok(Daemon { child, pid })
    }
}

/// The running daemon.
pub struct Daemon {
    child: Child,
    pid: u32,
}

impl Daemon {
    /// The status it ended with, if it has ended.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// When it can be neither told nor awaited.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill the daemon")
    }

    /// Tells it to end, and makes it end when it does not. Returns what was not as it ought to be.
    ///
    /// # Errors
    /// When it can be neither told nor awaited.
    pub async fn stop(mut self) -> anyhow::Result<Option<String>> {
        if self.ended().is_none() {
            // There is no safe call for this in the standard library.
            let told = Command::new("kill")
                .args(["-TERM", &self.pid.to_string()])
                .status()
                .await;
            told.context("run kill")?;
        }
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(None),
            Ok(status) => Ok(Some(format!(
                "the daemon failed: {}",
                status.context("await the daemon")?
            ))),
            Err(_) => {
                self.child.kill().await.context("kill the daemon")?;
                Ok(Some(format!(
                    "the daemon did not stop within {} s and was killed",
                    PATIENCE.as_secs()
                )))
            }
        }
    }
}

/// The most memory a process has had resident, in MiB; `None` where the system does not say.
#[must_use]
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

/// Processes that name a folder in their arguments: the daemon and its database server do.
#[must_use]
pub fn left_behind(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    processes
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()) && *pid != own)
        .filter_map(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            words
                .contains(&folder)
                .then(|| format!("process {pid} is still running: {}", words.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn memory_is_read_where_the_system_tells_it() {
        if Path::new("/proc/self/status").exists() {
            assert!(peak_memory(std::process::id()).unwrap() >= 1);
        }
        assert_eq!(peak_memory(0), None);
    }

    #[tokio::test]
    async fn a_process_that_is_left_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("marker");
        assert_eq!(left_behind(&marker), Vec::<String>::new());
        if !Path::new("/proc/self/cmdline").exists() {
            return;
        }
        // Waits for a line that never comes, without a process of its own.
        let mut child = Command::new("sh")
            .args(["-c", "read line", marker.to_str().unwrap()])
            .stdin(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // For a moment after its start a process has no arguments yet.
        let mut found = left_behind(&marker);
        for _ in 0..200 {
            if !found.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            found = left_behind(&marker);
        }
        child.kill().await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
