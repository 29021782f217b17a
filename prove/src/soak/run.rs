//! A soak from its first folder to its last process.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hikiate::demo::child::left_behind;
use hikiate::demo::config::{Reader, toml};
use hikiate::demo::orders::{RARE, stock};
use hikiate::demo::world::{Setting, World};
use sqlx::postgres::PgPoolOptions;

use super::customers::FEW;
use super::fleet::{DAEMONS, Fleet};
use super::judge::Verdict;
use super::server::Server;
use super::stage::{Notes, Stage};
use super::{play, watcher};

/// What there is of everything that is not rare.
const PLENTY: usize = 1_000_000;
/// Ticks of 200 ms that a warehouse takes for a shipment, at the most.
const PACE: u32 = 15;

/// What `hikiate-prove soak` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct SoakArgs {
    /// How long it takes, everything included
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    minutes: u64,
    /// What happens when; drawn when not given, and printed
    #[arg(long)]
    seed: Option<u64>,
    /// Orders a second, as long as the daemons keep up
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=200))]
    rate: u32,
    /// The daemon's program [default: `hikiate` beside this program]
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Keep logs, files and data also when all is well
    #[arg(long)]
    keep: bool,
    /// Without setting the database back
    #[arg(long, conflicts_with = "broken")]
    no_restore: bool,
    /// Without promoting a standby
    #[arg(long, conflicts_with = "broken")]
    no_failover: bool,
    /// Break something on purpose, to see that it is noticed
    #[arg(long, value_enum)]
    broken: Option<Breakage>,
}

/// How long what takes, and how much there is of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// Orders and trouble.
    pub(super) load: Duration,
    /// After that, at the most.
    pub(super) settle: Duration,
    /// Orders a second.
    pub(super) rate: u32,
    /// Without a database that is set back.
    pub(super) no_restore: bool,
    /// Without a standby that is promoted.
    pub(super) no_failover: bool,
    /// What is broken on purpose.
    pub(super) broken: Option<Breakage>,
}

impl Length {
    /// A third is for what is still under way.
    fn of(args: &SoakArgs) -> Self {
        let all = Duration::from_secs(args.minutes * 60 - 8);
        let settle = (all / 3).clamp(Duration::from_secs(45), Duration::from_secs(200));
        Self {
            load: all - settle,
            settle,
            rate: args.rate,
            no_restore: args.no_restore
                || matches!(
                    args.broken,
                    Some(Breakage::Forgetful | Breakage::LaggingStandby)
                ),
            no_failover: args.no_failover
                || matches!(
                    args.broken,
                    Some(Breakage::Forgetful | Breakage::NoWitness | Breakage::WrongTime)
                ),
            broken: args.broken,
        }
    }
}

/// What can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Breakage {
    /// Both witnesses are lost when the database is set back.
    NoWitness,
    /// The operator says that the database was set back to a later time than it was.
    WrongTime,
    /// PostgreSQL forgets its last commits when it is killed (`synchronous_commit` off).
    Forgetful,
    /// The standby for which each commit is said to wait lags.
    LaggingStandby,
}

/// A soak that a test has time for, with a database that is killed, and neither set back nor replaced. Returns what
/// is wrong.
///
/// # Errors
/// When it could not be run to its end.
pub async fn short(daemon: &Path, seed: u64) -> anyhow::Result<Vec<String>> {
    let length = Length {
        load: Duration::from_secs(14),
        settle: Duration::from_secs(100),
        rate: 3,
        no_restore: true,
        no_failover: true,
        broken: None,
    };
    let (verdict, wrong, _) = whole(daemon, seed, length, false).await?;
    println!("{}", verdict.line());
    Ok([verdict.problems, wrong].concat())
}

/// Runs the soak; the exit code says whether everything was as it ought to be.
#[must_use]
pub fn run(args: &SoakArgs) -> ExitCode {
    let seed = args.seed.unwrap_or_else(drawn);
    println!(
        "soak: {minutes} minutes, {rate} orders a second, seed {seed}: `make soak MINUTES={minutes} SEED={seed}` repeats the same faults",
        minutes = args.minutes,
        rate = args.rate,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let came_out = runtime.block_on(async {
        let daemon = daemon(args)?;
        whole(&daemon, seed, Length::of(args), args.keep).await
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    match came_out {
        Ok((verdict, wrong, kept)) => {
            for problem in verdict.problems.iter().chain(&wrong) {
                println!("  WRONG  {problem}");
            }
            if let Some(kept) = kept {
                println!("soak: everything is kept in {}", kept.display());
            }
            println!("{}", verdict.line());
            if verdict.good() && wrong.is_empty() {
                return ExitCode::SUCCESS;
            }
        }
        Err(error) => println!("soak: failed: {error:#}"),
    }
    ExitCode::FAILURE
}

/// The daemon's file.
fn daemon(args: &SoakArgs) -> anyhow::Result<PathBuf> {
    match &args.daemon {
        Some(file) => Ok(file.clone()),
        None => Ok(std::env::current_exe()
            .context("find this program's file")?
            .with_file_name("hikiate")),
    }
}

/// From the first process to the last. Returns the verdict, what went wrong on the way, and the folder if it
/// was kept.
async fn whole(
    daemon: &Path,
    seed: u64,
    length: Length,
    keep: bool,
) -> anyhow::Result<(Verdict, Vec<String>, Option<PathBuf>)> {
    let stop = hikiate::demo::signals::on_signals().context("listen for signals")?;
    let folder = tempfile::Builder::new()
        .prefix("hikiate-soak-")
        .tempdir()
        .context("make a folder")?;
    enterable(folder.path())?;
    let root = folder.path().canonicalize().context("find the folder")?;
    watcher::watch(&root)?;
    let stage = Arc::new(build(daemon, &root, length.broken).await?);
    // In a task of its own, so that whatever happens to it, what it started is ended below.
    let mut playing = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move { play::play(&stage, length, seed).await }
    });
    let came_out = tokio::select! {
        ended = &mut playing => ended.context("the soak run was interrupted").and_then(|came_out| came_out),
        () = stop.cancelled() => {
            playing.abort();
            (&mut playing).await.ok();
            Err(anyhow::anyhow!("stopped by a signal"))
        }
    };
    sweep(&stage).await;
    let wrong = stage.notes.all();
    let good = matches!(&came_out, Ok(verdict) if verdict.good()) && wrong.is_empty();
    let kept = keep || (!good && !stop.is_cancelled());
    let kept = kept.then(|| folder.keep());
    match came_out {
        Ok(verdict) => Ok((verdict, wrong, kept)),
        Err(error) => {
            let place = kept.map(|kept| format!("everything is kept in {}", kept.display()));
            Err(place.into_iter().fold(error, anyhow::Error::context))
        }
    }
}

fn drawn() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one("soak") % 1_000_000
}

/// As root, the database runs as another user, who must be able to pass.
fn enterable(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))
        .context("open the folder")
}

/// The external systems, the database and two configurations; no daemon runs yet.
async fn build(exe: &Path, root: &Path, broken: Option<Breakage>) -> anyhow::Result<Stage> {
    ensure!(
        exe.is_file(),
        "{} does not exist: build the daemon (`cargo build`), or set --daemon",
        exe.display()
    );
    let scarce = RARE.map(|(code, _)| (code, FEW));
    let setting = Setting {
        root,
        shift: chrono::Duration::zero(),
        orders: PLENTY,
        smooth: true,
        wide: false,
        pace: PACE,
        scarce: &scarce,
    };
    let world = World::start(&setting).await?;
    let server = Server::start(root, broken == Some(Breakage::Forgetful)).await?;
    let url = root.join("url");
    std::fs::write(&url, &server.url).context("write the database's address")?;
    let configs = [1, 2].map(|n| root.join(format!("daemon-{n}.toml")));
    for (n, config) in configs.iter().enumerate() {
        let state = root.join(format!("state-{}", n + 1));
        let reader = Reader::Shared {
            state: &state,
            url: &url,
        };
        let text = toml(root, reader, &world.addresses);
        std::fs::write(config, text).context("write a configuration")?;
    }
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(3))
        .connect_lazy(&server.url)
        .context("the database's address")?;
    let notes = Arc::new(Notes::new());
    let rare = stock().into_iter().flat_map(|(code, tokyo, osaka)| {
        let few = scarce.iter().find(|(known, _)| *known == code);
        [tokyo, osaka]
            .into_iter()
            .enumerate()
            .filter(move |(_, has)| *has && few.is_some())
            .map(move |(n, _)| (n, code.to_owned(), FEW))
    });
    Ok(Stage {
        supplied: Mutex::new(rare.collect()),
        fleet: Fleet::new(exe, configs, root, &notes),
        root: root.to_owned(),
        world,
        server,
        pool,
        bought: Mutex::default(),
        open: AtomicUsize::new(0),
        windows: Mutex::default(),
        lost: Mutex::default(),
        notes,
    })
}

/// Ends whatever still runs.
async fn sweep(stage: &Stage) {
    for n in 0..DAEMONS {
        if let Err(error) = stage.fleet.send_home(n).await {
            stage.notes.wrong(format!("{error:#}"));
        }
    }
    stage.pool.close().await;
    if let Err(error) = stage.server.stop().await {
        stage.notes.wrong(format!("{error:#}"));
    }
    stage.world.stop();
    for left in left_behind(&stage.root) {
        stage.notes.wrong(left);
    }
}
