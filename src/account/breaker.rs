//! An account whose calls keep failing rests: one call now and then tries it, and the first answer ends it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use hikiate_sdk::{Error, ErrorClass};

/// Failures in a row that begin the rest.
const FAILURES: u32 = 5;
/// The first rest; each further one is twice as long.
const FIRST: TimeDelta = TimeDelta::seconds(5);
/// The longest.
const LONGEST: TimeDelta = TimeDelta::seconds(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At work, with so many failures in a row.
    Working(u32),
    /// The `n`th rest, from the next look at the clock on.
    Tripped(u32),
    /// The `n`th rest.
    Resting { n: u32, until: DateTime<Utc> },
    /// One call is trying it.
    Trying(u32),
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing to say.
    None,
    /// It rests from now on.
    Opened,
    /// It works again.
    Closed,
}

/// Whether an account may be called.
#[derive(Debug)]
pub enum Gate {
    /// As usual.
    Open,
    /// Once, to try it. The permit ends with the value.
    Once(Try),
    /// Not now.
    Shut,
}

/// The permit to try an account that rests; given back unused, somebody else may try at once.
#[derive(Debug)]
pub struct Try(Breaker);

impl Drop for Try {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let State::Trying(n) = *state {
            *state = State::Resting {
                n,
                until: DateTime::UNIX_EPOCH,
            };
        }
    }
}

/// Of one account, in the process that owns it. Time is the database's, as everywhere.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Mutex<State>>);

impl Default for Breaker {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::Working(0))))
    }
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At work: no look at the clock is needed.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(*self.state(), State::Working(_))
    }

    /// A call may start: it is at work, or somebody has the permit to try it.
    #[must_use]
    pub fn calls(&self) -> bool {
        matches!(*self.state(), State::Working(_) | State::Trying(_))
    }

    /// Whether to call it now.
    #[must_use]
    pub fn gate(&self, now: DateTime<Utc>) -> Gate {
        let mut state = self.state();
        match *state {
            State::Working(_) => Gate::Open,
            State::Trying(_) => Gate::Shut,
            State::Tripped(n) => {
                let doubled = FIRST * 2_i32.pow(n.min(8));
                let until = now
                    .checked_add_signed(doubled.min(LONGEST))
                    .unwrap_or(DateTime::<Utc>::MAX_UTC);
                *state = State::Resting { n, until };
                Gate::Shut
            }
            State::Resting { until, .. } if now < until => Gate::Shut,
            State::Resting { n, .. } => {
                *state = State::Trying(n);
                Gate::Once(Try(self.clone()))
            }
        }
    }

    /// Hears how a call ended. Whoever answers is at work, with a refusal too; being told to slow down or that
    /// credentials are wrong says nothing here, since both pause the account by other means.
    #[must_use]
    pub fn heard(&self, error: Option<&Error>) -> Change {
        let failed = match error.map(|e| e.class) {
            Some(ErrorClass::Transient | ErrorClass::OutcomeUnknown) => true,
            Some(
                ErrorClass::RateLimited { .. }
                | ErrorClass::Busy { .. }
                | ErrorClass::Auth
                | ErrorClass::Config,
            ) => {
                return Change::None;
            }
            Some(
                ErrorClass::Rejected
                | ErrorClass::NotFound
                | ErrorClass::Conflict
                | ErrorClass::Protocol,
            )
            | None => false,
        };
        let mut state = self.state();
        match (*state, failed) {
            (State::Working(_), false) => {
                *state = State::Working(0);
                Change::None
            }
            (_, false) => {
                *state = State::Working(0);
                Change::Closed
            }
            (State::Working(n), true) if n + 1 < FAILURES => {
                *state = State::Working(n + 1);
                Change::None
            }
            (State::Working(_), true) => {
                *state = State::Tripped(0);
                Change::Opened
            }
            (State::Trying(n), true) => {
                *state = State::Tripped(n.saturating_add(1));
                Change::None
            }
            // A call that was under way when the rest began.
            (State::Tripped(_) | State::Resting { .. }, true) => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap_or_default()
    }

    fn failure() -> Error {
        Error::new(ErrorClass::OutcomeUnknown, "no answer in time")
    }

    fn rests() -> Breaker {
        let breaker = Breaker::default();
        for n in 1..FAILURES {
            assert_eq!(breaker.heard(Some(&failure())), Change::None, "{n}");
        }
        assert_eq!(breaker.heard(Some(&failure())), Change::Opened);
        breaker
    }

    #[test]
    fn it_rests_longer_each_time_and_one_call_tries_it() {
        let breaker = rests();
        let mut now = 0;
        for rest in [5, 10, 20, 40, 60, 60] {
            assert!(matches!(breaker.gate(at(now)), Gate::Shut));
            assert!(matches!(breaker.gate(at(now + rest - 1)), Gate::Shut));
            let once = breaker.gate(at(now + rest));
            assert!(matches!(once, Gate::Once(_)), "after {rest} s");
            assert!(
                matches!(breaker.gate(at(now + rest)), Gate::Shut),
                "only one tries"
            );
            assert_eq!(breaker.heard(Some(&failure())), Change::None, "said once");
            drop(once);
            now += rest;
        }
        assert!(matches!(breaker.gate(at(now)), Gate::Shut));
        let once = breaker.gate(at(now + 60));
        assert!(matches!(once, Gate::Once(_)));
        assert_eq!(breaker.heard(None), Change::Closed);
        drop(once);
        assert!(breaker.works() && matches!(breaker.gate(at(now)), Gate::Open));
    }

    #[test]
    fn a_permit_that_was_not_used_is_free_again() {
        let breaker = rests();
        assert!(matches!(breaker.gate(at(0)), Gate::Shut));
        drop(breaker.gate(at(5)));
        assert!(matches!(breaker.gate(at(5)), Gate::Once(_)));
    }

    #[test]
    fn who_answers_is_at_work_whatever_it_says() {
        let breaker = Breaker::default();
        for class in [
            ErrorClass::Rejected,
            ErrorClass::Conflict,
            ErrorClass::NotFound,
            ErrorClass::Protocol,
        ] {
            for _ in 1..FAILURES {
                assert_eq!(breaker.heard(Some(&failure())), Change::None);
            }
            assert_eq!(
                breaker.heard(Some(&Error::new(class, "refused"))),
                Change::None
            );
            assert!(breaker.works());
        }
        // These neither count nor prove anything.
        for class in [
            ErrorClass::RateLimited { after: None },
            ErrorClass::Busy { after: None },
            ErrorClass::Auth,
        ] {
            for _ in 0..20 {
                assert_eq!(
                    breaker.heard(Some(&Error::new(class, "wait"))),
                    Change::None
                );
            }
        }
        assert!(breaker.works());
    }
}
