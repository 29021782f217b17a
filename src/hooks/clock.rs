//! The database's time without asking for it at each request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::store::{Store, StoreError};

/// How long a reading of the database's clock is carried on by our own.
const LASTS: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(Instant, DateTime<Utc>)>>);

impl Clock {
    /// Now, by the database's clock.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn now(&self, store: &Store) -> Result<DateTime<Utc>, StoreError> {
        let mut read = self.0.lock().await;
        if let Some((at, then)) = *read
            && at.elapsed() < LASTS
        {
            return Ok(then + at.elapsed());
        }
        let now = store.now().await?;
        *read = Some((Instant::now(), now));
        Ok(now)
    }
}
