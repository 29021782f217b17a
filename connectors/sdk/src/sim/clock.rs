//! The clock of a simulated world.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// A clock that all simulators of a world share: real until it is set. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<Mutex<Option<DateTime<Utc>>>>);

impl SimClock {
    /// A clock that shows the real time until it is set.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// A clock that stands still at an instant.
    #[must_use]
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(Some(instant))))
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let set = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::disallowed_methods, reason = "the simulators' clock")]
        set.unwrap_or_else(|| SystemTime::now().into())
    }

    /// Stops it at an instant.
    pub fn set(&self, instant: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(instant);
    }

    /// Moves it on; a clock that was real stands still from then on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time() {
        let clock = SimClock::at(DateTime::UNIX_EPOCH);
        let other = clock.clone();
        other.advance(Duration::from_secs(90));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH + Duration::from_secs(90));
        assert!(SimClock::real().now() > clock.now());
    }
}
