//! The daemon's database: given by URL, or a private cluster that is kept running and stopped last.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::failure::Failure;
use crate::config::DatabaseSettings;
use crate::ops::health::Readiness;
use crate::store::StoreError;
use crate::store::launcher::{Cluster, ClusterOptions};

/// How often the private server is looked after, and a database that is away is asked.
const LOOK: Duration = Duration::from_secs(1);

/// Between two lines about the same trouble.
const LINE: Duration = Duration::from_secs(60);

/// Where state is kept.
pub(super) struct Database {
    /// Its address.
    pub(super) url: String,
    private: Option<Private>,
}

/// A private cluster and who looks after it.
struct Private {
    over: CancellationToken,
    keeper: JoinHandle<Cluster>,
}

impl Database {
    /// Starts the private cluster where no URL is given.
    pub(super) async fn start(
        settings: &DatabaseSettings,
        readiness: &Readiness,
    ) -> Result<Self, Failure> {
        if let Some(url) = &settings.url {
            return Ok(Self {
                url: url.expose_secret().to_owned(),
                private: None,
            });
        }
        let options = ClusterOptions::new(&settings.state_dir);
        let cluster = Cluster::start(&options).await?;
        let over = CancellationToken::new();
        Ok(Self {
            url: cluster.url(&options.database),
            private: Some(Private {
                keeper: tokio::spawn(keep(cluster, readiness.clone(), over.clone())),
                over,
            }),
        })
    }

    /// Whether the cluster is ours.
    pub(super) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Stops the private cluster; call it when no connection is open any more.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let Some(private) = self.private else {
            return Ok(());
        };
        private.over.cancel();
        let cluster = private.keeper.await.map_err(|error| {
            anyhow::Error::new(error).context("the supervisor of the database server")
        })?;
        Ok(cluster.stop().await?)
    }
}

/// Starts the server again when it has died, until it is over; gives it back for its stop.
async fn keep(mut cluster: Cluster, readiness: Readiness, over: CancellationToken) -> Cluster {
    let mut said: Option<Instant> = None;
    loop {
        tokio::select! {
            () = over.cancelled() => return cluster,
            () = sleep(LOOK) => {}
        }
        match cluster.ensure_running().await {
            Ok(false) => {
                if said.take().is_some() {
                    readiness.clear("server");
                }
            }
            Ok(true) => {
                said = None;
                readiness.clear("server");
                warn!("the private database server had died and was restarted");
            }
            Err(error) => {
                readiness.block("server", error.to_string());
                if said.is_none_or(|at| at.elapsed() >= LINE) {
                    warn!(%error, "cannot start the private database server; retrying");
                    said = Some(Instant::now());
                }
            }
        }
    }
}

/// Waiting for a database that is away, with a log line a minute.
pub(super) struct Patience<'a> {
    readiness: &'a Readiness,
    said: Option<Instant>,
}

impl<'a> Patience<'a> {
    /// Nothing to wait for yet.
    pub(super) fn new(readiness: &'a Readiness) -> Self {
        Self {
            readiness,
            said: None,
        }
    }

    /// Waits a moment, or until it is over.
    pub(super) async fn wait(&mut self, error: &StoreError, stop: &CancellationToken) {
        let why = error.away().unwrap_or("it cannot be used");
        self.readiness.block("database", format!("{why} ({error})"));
        if self.said.is_none_or(|at| at.elapsed() >= LINE) {
            warn!(why, %error, "the database is unavailable; waiting for it");
            self.said = Some(Instant::now());
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(LOOK) => {}
        }
    }

    /// The database answers.
    pub(super) fn over(&mut self) {
        if self.said.take().is_some() {
            self.readiness.clear("database");
            info!("the database is available again");
        }
    }
}
