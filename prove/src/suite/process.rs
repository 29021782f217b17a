//! One test binary as a process: started, watched, killed with all it has started when its time is up.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hikiate_sdk::sim::SKIPPED;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::Binary;

/// What became of a binary.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) how: How,
    /// The tests that it has, in the order in which they start. Empty where it cannot list them.
    pub(super) listed: Vec<String>,
    /// How many of them run at once.
    pub(super) at_once: usize,
    pub(super) text: String,
    /// Lines `TEST<tab>REASON`.
    pub(super) skipped: String,
    pub(super) log: PathBuf,
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(super) enum How {
    /// By itself.
    Exit(ExitStatus),
    /// Killed when this time was over.
    Hung(Duration),
}

/// # Errors
/// When it cannot be started, or when this process is told to stop.
pub(super) async fn run(binary: &Binary, limit: Duration, logs: &Path) -> anyhow::Result<Ended> {
    let stem = binary.name.replace([' ', '/'], "-");
    let log = logs.join(format!("{stem}.log"));
    let skips = logs.join(format!("{stem}.skipped"));
    fs::write(&skips, "").with_context(|| format!("write {}", skips.display()))?;
    let skips = skips.canonicalize()?;
    // More than one, so that a test's thread has its name.
    let at_once = available_parallelism().map_or(2, |cores| cores.get().max(2));
    let begun = Instant::now();
    let mut listed = Vec::new();
    if binary.lists {
        let how = watch(
            command(binary, &log, &skips)?.args(["--list", "--format", "terse"]),
            limit,
        )
        .await?;
        if !matches!(how, How::Exit(status) if status.success()) {
            return Ok(ended(how, listed, at_once, &log, &skips, begun));
        }
        listed = read(&log)
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect();
    }
    let mut command = command(binary, &log, &skips)?;
    command.args(["--color", "never", "--test-threads", &at_once.to_string()]);
    let how = watch(&mut command, limit).await?;
    Ok(ended(how, listed, at_once, &log, &skips, begun))
}

fn ended(
    how: How,
    listed: Vec<String>,
    at_once: usize,
    log: &Path,
    skips: &Path,
    begun: Instant,
) -> Ended {
    Ended {
        how,
        listed,
        at_once,
        text: read(log),
        skipped: read(skips),
        log: log.into(),
        took: begun.elapsed(),
    }
}

/// Output of children may be anything.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn command(binary: &Binary, log: &Path, skips: &Path) -> anyhow::Result<Command> {
    let log = File::create(log).with_context(|| format!("write {}", log.display()))?;
    let mut command = Command::new(&binary.program);
    command
        .args(&binary.arguments)
        .current_dir(&binary.folder)
        .env("CARGO_MANIFEST_DIR", &binary.folder)
        .env(SKIPPED, skips)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    if !binary.lists {
        command.env_remove("CARGO_MANIFEST_DIR");
    }
    Ok(command)
}

async fn watch(command: &mut Command, limit: Duration) -> anyhow::Result<How> {
    let program = command.as_std().get_program().display().to_string();
    let mut child = command
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        status = child.wait() => return Ok(How::Exit(status?)),
        () = tokio::time::sleep(limit) => {}
        _ = stop.recv() => { kill(&mut child).await; bail!("told to stop") }
        _ = interrupt.recv() => { kill(&mut child).await; bail!("told to stop") }
        _ = hangup.recv() => { kill(&mut child).await; bail!("told to stop") }
    }
    kill(&mut child).await;
    Ok(How::Hung(limit))
}

/// With its process group and all its descendants, whatever group they are in.
async fn kill(child: &mut Child) {
    let Some(id) = child.id() else { return };
    let mut all = vec![format!("-{id}")];
    all.extend(descendants(id).iter().map(u32::to_string));
    let _one_may_be_gone = Command::new("kill")
        .args(["-KILL", "--"])
        .args(all)
        .stderr(Stdio::null())
        .status()
        .await;
    let _status = child.wait().await;
}

fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // `ID (NAME) STATE PARENT …`; the name may hold anything.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = after
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<u32>().ok())
        {
            parents.push((id, parent));
        }
    }
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|(_, p)| *p == parent)
                .map(|(id, _)| *id),
        );
        at += 1;
    }
    found.split_off(1)
}

impl How {
    /// Why the binary as a whole has failed, if it has; a failed test has its own line.
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Self::Hung(limit) => Some(format!(
                "killed after its time limit of {} s",
                limit.as_secs()
            )),
            Self::Exit(status) => match (status.code(), status.signal()) {
                (_, Some(signal)) => Some(format!("ended by signal {signal}")),
                // What a test program says by itself when a test failed, and cargo after it.
                (Some(0 | 101), None) => None,
                (code, None) => Some(format!("ended with status {}", code.unwrap_or(-1))),
            },
        }
    }
}
