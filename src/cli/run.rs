//! `hikiate run`: the daemon, from its configuration to its orderly end.

mod database;
pub(super) mod instance;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::database::{Database, Patience};
use super::args::Global;
use super::failure::Failure;
use super::session::configuration;
use crate::action::quoted;
use crate::config::{DatabaseSettings, Loaded, LogFormat, Settings};
use crate::daemon;
use crate::engine::Engine;
use crate::hooks::{self, Entrance, HookDesk};
use crate::ops::health::{self, Readiness};
use crate::ops::metrics::Metrics;
use crate::ops::notify::Notifier;
use crate::ops::{shutdown, telemetry};
use crate::store::witness::Witness;
use crate::store::{Instance, Store, StoreError};

/// What libraries say of their insides at `info`; a filter that names them wins. The pool repeats several times a second why a
/// connection is of no use, which the loops tell once a minute.
const QUIET: &str = "sqlx=warn,sqlx_core::pool::inner=off,tokio_cron_scheduler=warn";

/// How long the end may take beside the drain, for leases and connections: a statement may take longer, or get no answer. The unit's
/// `TimeoutStopSec` is longer than the drain, this and the stop of the private server together.
const ENDING: Duration = Duration::from_secs(10);

/// Runs until told to stop.
pub(crate) async fn run(global: &Global, as_root: bool) -> Result<(), Failure> {
    let loaded = configuration(global, false)?;
    if geteuid().is_root() && !as_root {
        return Err(Failure::Usage(root_refused(&global.config)));
    }
    log(&loaded.settings)?;
    telemetry::keep_panics_quiet();
    for renamed in &loaded.renamed {
        warn!(%renamed, "the configuration uses a name of an earlier version");
    }
    for exposed in &loaded.exposed {
        warn!(%exposed, "a secret can be read by others");
    }
    let stop = shutdown::on_signal().map_err(|e| failed(e, "signals"))?;
    let database = &loaded.settings.database;
    let held = instance::instance(&database.state_dir, database.url.is_some())?;
    let ops = Ops::start(&loaded.settings, &held, &stop).await?;
    let ended = with_database(global, loaded, &ops, &stop, &held.id).await;
    ops.end().await;
    drop(held);
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// What root is told who did not say that root is meant.
fn root_refused(config: &Path) -> String {
    let config = quoted(&config.to_string_lossy());
    format!(
        "the daemon needs no rights of root and refuses them: run it as a user of its own \
         (`sudo -u hikiate hikiate run --config {config}`), or, if root is meant: `hikiate run --as-root --config {config}`"
    )
}

fn failed(error: impl std::error::Error + Send + Sync + 'static, what: &'static str) -> Failure {
    anyhow::Error::new(error).context(what).into()
}

fn log(settings: &Settings) -> Result<(), Failure> {
    let format = match settings.log.format {
        LogFormat::Json => telemetry::LogFormat::Json,
        LogFormat::Pretty => telemetry::LogFormat::Pretty,
        LogFormat::Auto if std::io::stderr().is_terminal() => telemetry::LogFormat::Pretty,
        LogFormat::Auto => telemetry::LogFormat::Json,
    };
    let filter = format!("{QUIET},{}", settings.log.level);
    // The environment's filter is the one that was not checked with the configuration.
    telemetry::init(format, &filter).map_err(|e| Failure::Settings(e.to_string()))
}

/// Everything between the database's start and its stop, which comes last whatever happens.
async fn with_database(
    global: &Global,
    loaded: Loaded,
    ops: &Ops,
    stop: &CancellationToken,
    instance: &Instance,
) -> Result<(), Failure> {
    let settings = loaded.settings.database.clone();
    let database = Database::start(&settings, &ops.readiness).await?;
    let witness = witness(&settings);
    let ended = match Store::connect_with(&database.url, settings.connections, &witness) {
        Ok(store) => {
            let held = Held { instance, witness };
            let longest = loaded.settings.engine.drain + ENDING;
            let work = async {
                let ended = with_store(global, loaded, &store, &database, ops, stop, &held).await;
                store.close().await;
                ended
            };
            tokio::select! {
                ended = work => ended,
                () = async { stop.cancelled().await; sleep(longest).await } => {
                    warn!(seconds = longest.as_secs(), "the database has kept this process from its end; leases that were not given back expire automatically");
                    Ok(())
                }
            }
        }
        Err(error) => Err(error.into()),
    };
    let stopped = database.stop().await;
    ended.and(stopped)
}

/// What of this process is kept in the state directory.
struct Held<'a> {
    instance: &'a Instance,
    witness: Witness,
}

/// What was sent, as the state directory tells it. Where the database is elsewhere the daemon runs without.
fn witness(settings: &DatabaseSettings) -> Witness {
    Witness::open(&settings.state_dir).unwrap_or_else(|error| {
        warn!(state_dir = %settings.state_dir.display(), %error, "cannot write the witness file: a loss of recent commits would go undetected; run `hikiate recover` after any restore or failover");
        Witness::none()
    })
}

async fn with_store(
    global: &Global,
    loaded: Loaded,
    store: &Store,
    database: &Database,
    ops: &Ops,
    stop: &CancellationToken,
    held: &Held<'_>,
) -> Result<(), Failure> {
    let mut first = Some(loaded);
    let mut patience = Patience::new(&ops.readiness);
    while !stop.is_cancelled() {
        let loaded = match first.take() {
            Some(loaded) => loaded,
            None => configuration(global, false)?,
        };
        let hash = hex::encode(loaded.policy_hash.get(..6).unwrap_or_default());
        let http = &loaded.settings.http;
        let listen = http.listen.map_or("off".to_owned(), |at| at.to_string());
        let engine = match prepared(store, loaded, database, &ops.metrics, held).await {
            Ok(engine) => Arc::new(engine),
            Err(error) if error.passes() => {
                store.renew_sessions(&error);
                // The pool keeps to itself why it has no connection.
                let asked = if error.is_timeout() {
                    store.connection_error().await
                } else {
                    None
                };
                let error = asked.unwrap_or(error);
                patience.wait(&error, stop).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        patience.over();
        ops.take_hooks(&engine);
        ops.ready();
        info!(
            version = env!("CARGO_PKG_VERSION"),
            configuration = %global.config.display(),
            policy = engine.policy_id,
            policy_hash = hash,
            listen = %listen,
            accounts = engine.accounts.len(),
            "running"
        );
        match daemon::run(engine, ops.readiness.clone(), stop.clone()).await {
            // It was away just then; what the loops meet later they wait for themselves.
            Err(daemon::RunError::Store(error)) if error.passes() => {
                store.renew_sessions(&error);
                patience.wait(&error, stop).await;
            }
            ended => return Ok(ended?),
        }
    }
    Ok(())
}

async fn prepared(
    store: &Store,
    loaded: Loaded,
    database: &Database,
    metrics: &Metrics,
    held: &Held<'_>,
) -> Result<Engine, StoreError> {
    Store::reach(&database.url).await?;
    store.migrate().await?;
    if !database.is_private() && store.clock_is_set().await? {
        return Err(StoreError::Refused(
            "the clock of this database is set or shifted, as in tests and the demo: it is not a production database. \
             If it is one, run: UPDATE clock SET fixed_at = NULL, shift = '0'"
                .to_owned(),
        ));
    }
    let (instance, witness) = (held.instance.clone(), held.witness.clone());
    daemon::start(store.clone(), loaded, metrics.clone(), instance, witness).await
}

/// What watches the daemon: health and metrics, the supervisor.
struct Ops {
    metrics: Metrics,
    readiness: Readiness,
    notifier: Arc<Notifier>,
    entrance: Option<Entrance>,
    over: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Ops {
    async fn start(
        settings: &Settings,
        held: &instance::Held,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let notifier = Arc::new(Notifier::from_env().map_err(|e| failed(e, "NOTIFY_SOCKET"))?);
        let metrics = Metrics::new();
        // An id that is not kept is compared with nothing.
        let readiness = if held.is_kept() {
            Readiness::of(&held.id.0)
        } else {
            Readiness::default()
        };
        let over = CancellationToken::new();
        readiness.block("start", "not started yet");
        let mut tasks = Vec::new();
        if let Some(address) = settings.http.listen {
            let listener = health::try_bind(address).await.map_err(|error| {
                let what =
                    format!("http.listen: {address} cannot be opened; choose another, or \"off\"");
                Failure::Failed(anyhow::Error::new(error).context(what))
            })?;
            let (shown, ready) = (metrics.clone(), readiness.clone());
            let serving = health::serve_when_free(address, listener, shown, ready, over.clone());
            tasks.push(tokio::spawn(serving));
        }
        let entrance = settings.http.hooks.as_ref().map(|_on| Entrance::default());
        if let (Some(hooks), Some(entrance)) = (&settings.http.hooks, &entrance) {
            let address = hooks.listen;
            let listener = hooks::bind(address).await.map_err(|error| {
                let what = format!("http.hooks.listen: {address} cannot be opened; choose another");
                Failure::Failed(anyhow::Error::new(error).context(what))
            })?;
            // Until the database is there, senders are asked to come again.
            tasks.push(tokio::spawn(hooks::serve(
                listener,
                entrance.clone(),
                stop.clone(),
            )));
        }
        let (alive, until) = (Arc::clone(&notifier), over.clone());
        tasks.push(tokio::spawn(async move { alive.keep_alive(until).await }));
        let (told, blocked) = (Arc::clone(&notifier), readiness.clone());
        let (stop, until) = (stop.clone(), over.clone());
        tasks.push(tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {
                    blocked.block("shutdown", "shutting down");
                    told.stopping();
                }
                () = until.cancelled() => {}
            }
        }));
        Ok(Self {
            metrics,
            readiness,
            notifier,
            entrance,
            over,
            tasks,
        })
    }

    /// From now on webhooks are stored.
    fn take_hooks(&self, engine: &Engine) {
        let Some(entrance) = &self.entrance else {
            return;
        };
        let accounts = engine.accounts.values();
        let accounts = accounts.map(|account| (account.id, &account.slug, &account.connector));
        let desk = HookDesk::new(engine.store.clone(), accounts, self.metrics.clone());
        entrance.open(desk);
    }

    fn ready(&self) {
        self.readiness.clear("start");
        self.notifier.ready();
        self.notifier.status("running");
    }

    async fn end(self) {
        self.over.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                warn!(%error, "a background task failed");
            }
        }
    }
}
