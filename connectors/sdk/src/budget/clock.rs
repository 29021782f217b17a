//! The database's time between two looks at it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The database's time as the engine last read it, and what has passed since. Clones are one clock. Until it is set for the
/// first time it begins at 1970: an engine sets it before any call.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Option<Set>>>);

/// The time it was set to, and when.
type Set = (DateTime<Utc>, Instant);

impl Clock {
    /// A clock that was set.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Sets it to the database's time.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    /// The database's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let set = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, since)) = set else {
            return DateTime::UNIX_EPOCH;
        };
        let passed = TimeDelta::from_std(since.elapsed()).unwrap_or(TimeDelta::MAX);
        at.checked_add_signed(passed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
