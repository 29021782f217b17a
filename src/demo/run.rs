//! The demo from its first folder to its last process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Mutex;

use super::child::{Daemon, Program, left_behind};
use super::config::{self, Reader};
use super::report::{self, Progress, say};
use super::script::Director;
use super::world::{Setting, World};
use super::{bench, database, orders, scenes, verify};
use crate::store::Store;

/// From the daemon's start to Osaka's wave.
const LEAD: Duration = Duration::from_secs(18);

/// `hikiate demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How many orders the customers place
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=5000))]
    pub orders: u32,
    /// Keep configuration, log, files, books and database, and say where they are
    #[arg(long)]
    pub keep: bool,
    /// Measure instead: this many plain orders, from the daemon's start until all are booked
    #[arg(long, value_name = "ORDERS", conflicts_with = "orders", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bench: Option<u32>,
    /// Give up after this many seconds [default: 55; with --bench 600]
    #[arg(long, value_name = "SECONDS")]
    pub limit: Option<u64>,
}

/// What must be ended or removed in the end.
pub(super) struct Stage {
    /// Everything of the demo is below it.
    pub(super) root: PathBuf,
    /// The daemon, while it runs.
    pub(super) daemon: Mutex<Option<Daemon>>,
    /// The external systems, once they are open.
    pub(super) world: Mutex<Option<Arc<World>>>,
}

/// Runs the demo to its end, inside a multi-threaded runtime. True when everything came out as it ought
/// to; nothing that it started is running afterwards, not even after a signal.
pub async fn run(args: &DemoArgs) -> bool {
    match whole(args).await {
        Ok(good) => good,
        Err(error) => {
            say(&format!("demo: failed: {error:#}"));
            false
        }
    }
}

async fn whole(args: &DemoArgs) -> anyhow::Result<bool> {
    let stop = super::signals::on_signals().context("listen for signals")?;
    let folder = tempfile::Builder::new()
        .prefix("hikiate-demo-")
        .tempdir()
        .context("make a folder")?;
    enterable(folder.path())?;
    let root = folder.path().canonicalize().context("find the folder")?;
    let stage = Arc::new(Stage {
        root: root.clone(),
        daemon: Mutex::default(),
        world: Mutex::default(),
    });
    // In a task of its own, so that whatever happens to it, what it started is ended below.
    let mut play = tokio::spawn({
        let (args, stage) = (args.clone(), Arc::clone(&stage));
        async move {
            match args.bench {
                Some(orders) => bench::run(&stage, usize::try_from(orders)?, args.limit).await,
                None => demo(&stage, &args).await,
            }
        }
    });
    let came_out = tokio::select! {
        ended = &mut play => ended.context("the demo was aborted").and_then(|came_out| came_out),
        () = stop.cancelled() => {
            play.abort();
            (&mut play).await.ok();
            Err(anyhow::anyhow!("stopped by a signal"))
        }
    };
    let swept = stage.sweep().await;
    let good = matches!(&came_out, Ok(lines) if lines.good) && swept.is_empty();
    // Whoever stops it does not want it; what went wrong by itself is for somebody to look into.
    let wrong = !good && !stop.is_cancelled();
    let kept = (args.keep || wrong).then_some(root.as_path());
    if args.keep || wrong || (good && args.bench.is_none()) {
        report::next(kept);
    }
    if kept.is_some() {
        let _ = folder.keep();
    }
    for problem in &swept {
        say(&format!("  WRONG  {problem}"));
    }
    let lines = came_out?;
    say(&lines.last);
    Ok(good)
}

/// How it came out.
pub(super) struct CameOut {
    /// Everything is as it ought to be.
    pub(super) good: bool,
    /// The last line.
    pub(super) last: String,
}

/// As root, the database runs as another user, who must be able to pass.
fn enterable(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))
        .context("open the folder")
}

impl Stage {
    /// Opens the world, makes the database and writes the configuration. Returns the program and the
    /// database's address.
    pub(super) async fn set(
        &self,
        orders: usize,
        bench: bool,
    ) -> anyhow::Result<(Arc<World>, Program, String)> {
        let state = self.root.join("state");
        let zero = chrono::Duration::zero();
        let lead = LEAD + Duration::from_secs(4);
        let shift = if bench {
            zero
        } else {
            database::shift_to_cutoff(lead)?
        };
        let url = database::prepare(&state, shift).await?;
        let setting = Setting {
            root: &self.root,
            shift,
            orders,
            smooth: bench,
            wide: !bench,
            pace: 4,
            scarce: &[],
        };
        let world = Arc::new(World::start(&setting).await?);
        *self.world.lock().await = Some(Arc::clone(&world));
        let reader = if bench { Reader::Bench } else { Reader::Demo };
        let text = config::toml(&self.root, reader, &world.addresses);
        let config = self.root.join("hikiate.toml");
        std::fs::write(&config, text).context("write the configuration")?;
        Ok((world, Program::this(config)?, url))
    }

    /// Starts the daemon.
    pub(super) async fn start(&self, program: &Program) -> anyhow::Result<u32> {
        let daemon = program.daemon(&self.root.join("daemon.log"))?;
        let pid = daemon.pid();
        *self.daemon.lock().await = Some(daemon);
        Ok(pid)
    }

    /// An error when the daemon has ended by itself.
    pub(super) async fn alive(&self) -> anyhow::Result<()> {
        let ended = self.daemon.lock().await.as_mut().and_then(Daemon::ended);
        match ended {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(self.root.join("daemon.log")).unwrap_or_default();
                let mut tail: Vec<&str> = log.lines().rev().take(8).collect();
                tail.reverse();
                anyhow::bail!(
                    "the daemon exited unexpectedly ({status}); the end of its log:\n{}",
                    tail.join("\n")
                )
            }
        }
    }

    /// Ends the daemon as an operator would, and says what was not as it ought to be.
    pub(super) async fn end_daemon(&self) -> anyhow::Result<Option<String>> {
        match self.daemon.lock().await.take() {
            Some(daemon) => daemon.stop().await,
            None => Ok(None),
        }
    }

    /// Ends whatever still runs. Returns what ought not to have been there.
    async fn sweep(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.end_daemon().await {
            Ok(problem) => wrong.extend(problem),
            Err(error) => wrong.push(format!("{error:#}")),
        }
        match database::stop_orphan(&self.root.join("state")).await {
            Ok(false) => {}
            Ok(true) => wrong.push(
                "the daemon left its database server running; the demo stopped it".to_owned(),
            ),
            Err(error) => wrong.push(format!(
                "the database server could not be stopped: {error:#}"
            )),
        }
        if let Some(world) = self.world.lock().await.take() {
            world.stop();
        }
        wrong.extend(left_behind(&self.root));
        wrong
    }
}

async fn demo(stage: &Stage, args: &DemoArgs) -> anyhow::Result<CameOut> {
    let begun = Instant::now();
    let count = usize::try_from(args.orders)?;
    say(&format!(
        "{count} orders: two shops on Medusa and one on WooCommerce with Stripe, two warehouses by files and OPENLOGI, mails and books; the daemon is a separate process"
    ));
    let (world, program, url) = stage.set(count, false).await?;
    let store = Store::connect(&url, 2)?;
    let mut director = Director::new(&world, &store, &program, orders::wishes(count));
    stage.start(&program).await?;
    let mut progress = Progress::new(count);
    let deadline = begun + Duration::from_secs(args.limit.unwrap_or(55));
    let played = director.play(deadline, &mut progress, stage).await;
    progress.end();
    played?;
    let evidence = scenes::gather(&world, &store, &director.placed, &stage.root).await;
    store.close().await;
    let mut evidence = evidence?;
    evidence.troubles.extend(stage.end_daemon().await?);
    let verdict = verify::judge(&evidence);
    report::table(&evidence, &verdict);
    Ok(CameOut {
        good: verdict.good(),
        last: verdict.line(),
    })
}
