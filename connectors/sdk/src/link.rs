//! What the engine lends an account.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::Problem;
use crate::budget::{Clock, Meter};
use crate::http::{HttpClient, Site, Storage, StorageClient, Transport};

/// What an account reaches its external systems with: HTTP clients, the database's time, the budget of its calls. Clones are
/// one link.
#[derive(Clone)]
pub struct Link {
    meter: Meter,
    clock: Clock,
    transport: Option<Arc<dyn Transport>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A link of one account over the network.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            meter: Meter::new(clock.clone()),
            clock,
            transport: None,
        }
    }

    /// The same account over another way: a simulator, a faulty one. Every site is reached by it.
    #[must_use]
    pub fn over(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// A client of one site. An account may have several, with hosts and credentials of their own; all take their turns at
    /// the one meter.
    ///
    /// # Errors
    /// A [`Problem`] at `url` for a bad address or plain HTTP to a distant host.
    pub fn http(&self, site: Site) -> Result<HttpClient, Problem> {
        HttpClient::new(self.clone(), site, self.transport.clone())
    }

    /// A client that fetches from storage hosts by addresses that an external system gave out, without credentials.
    ///
    /// # Errors
    /// See [`Self::http`].
    pub fn storage(&self, storage: Storage) -> Result<StorageClient, Problem> {
        StorageClient::new(self.clone(), storage, self.transport.clone())
    }

    /// The budget of the account's calls. Connectors that are not HTTP take a turn here for each visit.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Sets the clock of all accounts that share it to the database's time.
    pub fn set_clock(&self, now: DateTime<Utc>) {
        self.clock.set(now);
    }

    /// The database's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
