//! The two daemons and who starts them again when they have died.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hikiate::demo::child::{Daemon, Program};
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::stage::Notes;

/// How often the supervisor looks.
const LOOK: Duration = Duration::from_millis(250);
/// How many there are.
pub(super) const DAEMONS: usize = 2;

/// One daemon's place: its configuration, and the process while it runs.
struct Berth {
    program: Program,
    log: PathBuf,
    wanted: AtomicBool,
    daemon: Mutex<Option<Daemon>>,
}

/// Both daemons.
pub(super) struct Fleet {
    berths: [Berth; DAEMONS],
    kills: AtomicUsize,
    notes: Arc<Notes>,
}

impl Fleet {
    /// One daemon a configuration; none runs yet.
    pub(super) fn new(
        exe: &Path,
        configs: [PathBuf; DAEMONS],
        folder: &Path,
        notes: &Arc<Notes>,
    ) -> Self {
        let mut n = 0;
        let berths = configs.map(|config| {
            n += 1;
            Berth {
                program: Program::at(exe.to_owned(), config),
                log: folder.join(format!("daemon-{n}.log")),
                wanted: AtomicBool::new(false),
                daemon: Mutex::default(),
            }
        });
        Self {
            berths,
            kills: AtomicUsize::new(0),
            notes: Arc::clone(notes),
        }
    }

    /// The program as an operator types it.
    pub(super) fn program(&self) -> &Program {
        &self.berths[0].program
    }

    /// How many daemons were killed.
    pub(super) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    /// Starts what is wanted and does not run, until told to stop.
    pub(super) async fn supervise(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            for (n, berth) in self.berths.iter().enumerate() {
                let mut daemon = berth.daemon.lock().await;
                if let Some(status) = daemon.as_mut().and_then(Daemon::ended) {
                    self.notes.wrong(format!(
                        "daemon {} exited on its own ({status}); last output: {}",
                        n + 1,
                        tail(&berth.log)
                    ));
                    *daemon = None;
                }
                if daemon.is_none() && berth.wanted.load(Ordering::SeqCst) && !stop.is_cancelled() {
                    match berth.program.daemon(&berth.log) {
                        Ok(started) => *daemon = Some(started),
                        Err(error) => self.notes.wrong(format!("{error:#}")),
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    /// From now on this one is to run.
    pub(super) fn want(&self, n: usize) {
        self.berths[n].wanted.store(true, Ordering::SeqCst);
    }

    /// `kill -9`; it stays away until it is wanted again. False when it did not run.
    pub(super) async fn kill(&self, n: usize) -> anyhow::Result<bool> {
        let berth = &self.berths[n];
        berth.wanted.store(false, Ordering::SeqCst);
        let Some(daemon) = berth.daemon.lock().await.take() else {
            return Ok(false);
        };
        daemon.kill().await?;
        self.kills.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }

    /// Ends it in order; it stays away until it is wanted again.
    pub(super) async fn send_home(&self, n: usize) -> anyhow::Result<()> {
        let berth = &self.berths[n];
        berth.wanted.store(false, Ordering::SeqCst);
        let Some(daemon) = berth.daemon.lock().await.take() else {
            return Ok(());
        };
        let problem = daemon.stop().await.context("end a daemon")?;
        if let Some(problem) = problem {
            self.notes.wrong(format!("daemon {}: {problem}", n + 1));
        }
        Ok(())
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.reverse();
    lines.join(" | ")
}
