//! An account at run time, below pull and push: its connector, the budget of its calls, its circuit breaker, its pause.

mod backoff;
mod breaker;
mod budget;
mod credentials;

use std::sync::Arc;

use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{AccountSlug, Connector, Error, ErrorClass, Link};
use tracing::{info, warn};

pub use backoff::backoff;
pub use breaker::{Breaker, Change, Permit};
pub use budget::Continued;
pub use credentials::Credentials;

use crate::ops::metrics::Metrics;
use crate::store::{OwnedAccount, Store, StoreError};

/// An account as configured.
#[derive(Clone)]
pub struct Account {
    /// Row id.
    pub id: i16,
    /// Name.
    pub slug: AccountSlug,
    /// What speaks to its external system.
    pub connector: Arc<dyn Connector>,
    /// What it reaches its external system with; the budget of its calls in this process.
    pub link: Link,
    /// Whether calls to it keep failing.
    pub breaker: Breaker,
    /// Whether it rejects our credentials.
    pub credentials: Credentials,
    /// Under which lease this process goes on with it.
    pub continued: Continued,
}

impl Account {
    /// Whether it may be called; the clock is asked only while its circuit breaker is open.
    ///
    /// # Errors
    /// The database's.
    pub async fn gate(&self, store: &Store) -> Result<Permit, StoreError> {
        let breaker = &self.breaker;
        if breaker.works() {
            return Ok(Permit::Normal);
        }
        Ok(breaker.gate(store.now().await?))
    }

    /// Whether another call may start: calls to it do not keep failing, and none was just answered with a rejection of the
    /// credentials.
    #[must_use]
    pub fn calls(&self) -> bool {
        self.breaker.calls() && self.credentials.calls()
    }

    /// Records how a call ended.
    pub fn record_result(&self, metrics: &Metrics, error: Option<&Error>) {
        match error {
            Some(error) if error.class == ErrorClass::Auth => {
                self.credentials.rejected(error.message.clone());
            }
            None => {
                if self.credentials.accepted() {
                    info!(account = %self.slug, "the account accepts the credentials again: the pause is over");
                }
            }
            Some(_) => {}
        }
        match self.breaker.record_result(error) {
            Change::None => {}
            Change::Opened => {
                let error = error.map(ToString::to_string).unwrap_or_default();
                warn!(account = %self.slug, error, "calls keep failing: circuit breaker open, probing; nothing is lost: see `hikiate effect list` and `hikiate stream list`");
                metrics.circuit_breaker_open(self.slug.as_str(), true);
            }
            Change::Closed => {
                info!(account = %self.slug, "the account answers again: circuit breaker closed");
                metrics.circuit_breaker_open(self.slug.as_str(), false);
            }
        }
    }

    /// Pauses it for a minute when a call was answered with a rejection of the credentials; it is tried again by itself.
    ///
    /// # Errors
    /// The database's.
    pub async fn pause_if_refused(
        &self,
        store: &Store,
        owned: &OwnedAccount,
    ) -> Result<(), StoreError> {
        let Some(why) = self.credentials.to_store() else {
            return Ok(());
        };
        warn!(account = %self.slug, error = without_quotes(&why), "credentials were rejected: the account is paused and retried in a minute; renew its secret, which is reloaded automatically");
        let why = format!("credentials were rejected: {why}");
        store.pause_account(owned.id, &why, 60).await?;
        self.credentials.told(Some(&why));
        Ok(())
    }
}
