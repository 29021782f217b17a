//! The cluster's life: started or adopted, made ready, stopped last.

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::access;
use super::binaries::Binaries;
use super::data::{self, PidFile};
use super::error::{LauncherError, io_at};
use super::layout::Layout;
use super::lock::DirLock;
use super::roles::{self, ADMIN, NO_SUCH_ROLE, ROLE};
use super::running;
use super::server::{self, Server};
use super::socket;
use super::user::RunAs;

/// SQLSTATE of a server that is starting up or shutting down.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// How often a starting server is asked.
const POLL: Duration = Duration::from_millis(20);

/// How long a killed server's pid file may stay in use: its parent may be slow to reap it.
const PID_FILE_PATIENCE: Duration = Duration::from_secs(15);

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The daemon's state directory; the cluster lives in `postgres` below it.
    pub state_dir: PathBuf,
    /// Flush to disk on commit. Off only where no data matters and no server is killed.
    pub fsync: bool,
    /// Further settings, name and value, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// The database made for the program.
    pub database: String,
    /// How long a start may take, crash recovery included.
    pub start_timeout: Duration,
}

impl ClusterOptions {
    /// A durable cluster below `state_dir` with the database `hikiate`.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            fsync: true,
            settings: Vec::new(),
            database: "hikiate".to_owned(),
            start_timeout: Duration::from_secs(60),
        }
    }
}

/// A running private cluster, owned by this process. Dropping it stops the server; prefer
/// [`Cluster::stop`], after everything else has ended.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    options: ClusterOptions,
    /// The child, unless the server was adopted.
    child: Option<Child>,
    stop_on_drop: bool,
    _lock: DirLock,
}

impl Cluster {
    /// Starts the cluster, making it on the first start, or adopts the server that a killed daemon
    /// left behind. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`LauncherError`]; nothing keeps running after one.
    pub async fn start(options: &ClusterOptions) -> Result<Self, LauncherError> {
        let options = options.clone();
        let mut cluster = spawn_blocking(move || Self::prepare(options)).await??;
        cluster.bring_up().await?;
        Ok(cluster)
    }

    /// Starts the server again if it is gone; true if it was.
    ///
    /// # Errors
    /// As for [`Cluster::start`].
    pub async fn ensure_running(&mut self) -> Result<bool, LauncherError> {
        let gone = match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => data::pid_file(&self.server.layout.data) != PidFile::Server,
        };
        if gone {
            self.child = None;
            self.bring_up().await?;
        }
        Ok(gone)
    }

    /// The address of a database in this cluster, over its socket, as the daemon's role.
    pub fn url(&self, database: &str) -> String {
        running::url(&self.server.layout.run, ROLE, database)
    }

    /// The same as the superuser, for what needs one.
    pub fn admin_url(&self, database: &str) -> String {
        running::url(&self.server.layout.run, ADMIN, database)
    }

    /// Whether the server was left by an earlier process and taken over.
    pub fn is_adopted(&self) -> bool {
        self.child.is_none()
    }

    /// Stops the server (`pg_ctl -m fast -w`) and gives the lock back.
    ///
    /// # Errors
    /// When `pg_ctl` could not stop it; the server may still run then.
    pub async fn stop(mut self) -> Result<(), LauncherError> {
        spawn_blocking(move || self.halt()).await?
    }

    /// Leaves the server running and gives the lock back: the next start adopts it.
    pub fn detach(mut self) {
        self.stop_on_drop = false;
    }

    fn prepare(options: ClusterOptions) -> Result<Self, LauncherError> {
        let layout = Layout::below(&options.state_dir)?;
        let user = RunAs::choose(&layout.root)?;
        user.can_reach(&layout.root)?;
        layout.make_root(&user)?;
        let lock = DirLock::take(&layout.lock, &layout.root, &user)?;
        layout.make_rest(&user)?;
        let binaries = Binaries::find(layout.data_version()?)?;
        data::check_version(&layout, &binaries)?;
        data::initialise(&layout, &binaries, &user, options.fsync)?;
        access::tighten(&layout.data, &layout, &user)?;
        let arguments = server::arguments(&layout, options.fsync, &options.settings);
        Ok(Self {
            server: Server {
                layout,
                binaries,
                user,
                arguments,
            },
            options,
            child: None,
            stop_on_drop: false,
            _lock: lock,
        })
    }

    async fn bring_up(&mut self) -> Result<(), LauncherError> {
        let started = Instant::now();
        while !self.adopt(started).await? {
            let child = self.server.spawn()?;
            self.child = Some(child);
            self.stop_on_drop = true;
            if self.wait_for_child(started).await? {
                break;
            }
            self.child = None;
            self.stop_on_drop = false;
            sleep(POLL * 10).await;
        }
        roles::make(&self.server.layout, &self.options.database).await
    }

    /// Takes over a server that already answers; false when there is none.
    async fn adopt(&mut self, started: Instant) -> Result<bool, LauncherError> {
        loop {
            match data::pid_file(&self.server.layout.data) {
                PidFile::Absent => socket::clear(&self.server.layout.run)?,
                PidFile::Stale => {
                    data::forget(&self.server.layout.data)?;
                    socket::clear(&self.server.layout.run)?;
                }
                PidFile::Server => match self.ask().await {
                    Answer::Ready if self.server.settings_match() => {
                        tracing::info!("adopted the database server of an earlier run");
                        self.stop_on_drop = true;
                        return Ok(true);
                    }
                    Answer::Ready => {
                        let server = self.server.clone();
                        spawn_blocking(move || server.stop()).await??;
                        continue;
                    }
                    Answer::NotYet if started.elapsed() < self.options.start_timeout => {
                        sleep(POLL).await;
                        continue;
                    }
                    Answer::NotYet => return Err(self.not_ready()),
                    // A zombie, or a server that is just ending: a start says which.
                    Answer::Silent => {}
                },
            }
            return Ok(false);
        }
    }

    /// True when the child takes connections; false when the old pid file is still in use and a new
    /// attempt is due.
    async fn wait_for_child(&mut self, started: Instant) -> Result<bool, LauncherError> {
        loop {
            if matches!(self.ask().await, Answer::Ready) {
                return Ok(true);
            }
            let ended = match &mut self.child {
                Some(child) => child
                    .try_wait()
                    .map_err(io_at("watch the server of", &self.server.layout.data))?
                    .is_some(),
                None => true,
            };
            if ended {
                let tail = self.server.log_tail();
                let in_use = tail.contains("postmaster.pid") && tail.contains("already exists");
                if in_use && started.elapsed() < PID_FILE_PATIENCE {
                    return Ok(false);
                }
                self.stop_on_drop = false;
                return Err(LauncherError::StartFailed {
                    log: self.server.layout.log.clone(),
                    tail,
                });
            }
            if started.elapsed() > self.options.start_timeout {
                return Err(self.not_ready());
            }
            sleep(POLL).await;
        }
    }

    fn not_ready(&self) -> LauncherError {
        LauncherError::NotReady {
            seconds: self.options.start_timeout.as_secs(),
            log: self.server.layout.log.clone(),
        }
    }

    async fn ask(&self) -> Answer {
        let options = roles::options(&self.server.layout, ROLE, "postgres");
        match PgConnection::connect_with(&options).await {
            Ok(connection) => {
                connection.close().await.ok();
                Answer::Ready
            }
            Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some(CANNOT_CONNECT_NOW) => Answer::NotYet,
                // The first start was cut short before the daemon's role was made.
                Some(NO_SUCH_ROLE) => Answer::Ready,
                _ => Answer::Silent,
            },
            Err(_) => Answer::Silent,
        }
    }

    fn halt(&mut self) -> Result<(), LauncherError> {
        self.stop_on_drop = false;
        let Some(mut child) = self.child.take() else {
            return self.server.stop();
        };
        let watched = io_at("await the server of", &self.server.layout.data);
        if matches!(child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        self.server.stop()?;
        child.wait().map(|_| ()).map_err(watched)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.stop_on_drop
            && let Err(error) = self.halt()
        {
            tracing::warn!(%error, "the private database server was not stopped");
        }
    }
}

/// What a server says to a real connection attempt.
enum Answer {
    Ready,
    NotYet,
    Silent,
}
