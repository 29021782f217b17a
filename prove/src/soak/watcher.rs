//! Ends what a killed soak leaves: a process of its own that waits for the soak's end.

use std::path::Path;
use std::process::{Command, Stdio, id};

use anyhow::{Context as _, ensure};

/// Every process that names the soak's folder in its arguments was started by it; this one is told the
/// folder by its environment.
const WATCHER: &str = r#"
{
    while kill -0 "$SOAK_PID" 2>/dev/null; do sleep 0.5; done
    for signal in QUIT KILL; do
        ps -Ao pid=,args= | while read -r pid words; do
            case "$words" in *"$SOAK_FOLDER"*) kill -"$signal" "$pid" 2>/dev/null ;; esac
        done
        sleep 3
    done
} &
"#;

/// Starts the watcher; it outlives us by a few seconds.
///
/// # Errors
/// When there is no shell.
pub(super) fn watch(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let started = Command::new("sh")
        .args(["-c", WATCHER])
        .env("SOAK_PID", id().to_string())
        .env("SOAK_FOLDER", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .status()
        .context("start the watcher")?;
    ensure!(started.success(), "the watcher did not start: {started}");
    Ok(())
}
