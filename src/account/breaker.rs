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
    Closed(u32),
    /// The `n`th rest, from the next look at the clock on.
    Tripped(u32),
    /// The `n`th rest.
    Open { n: u32, until: DateTime<Utc> },
    /// One call is trying it.
    HalfOpen(u32),
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
pub enum Permit {
    /// As usual.
    Normal,
    /// Once, to try it. The permit ends with the value.
    Probe(Probe),
    /// Not now.
    Denied,
}

/// The permit to try an account that rests; given back unused, somebody else may try at once.
#[derive(Debug)]
pub struct Probe(Breaker);

impl Drop for Probe {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let State::HalfOpen(n) = *state {
            *state = State::Open {
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
        Self(Arc::new(Mutex::new(State::Closed(0))))
    }
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At work: no look at the clock is needed.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(*self.state(), State::Closed(_))
    }

    /// A call may start: it is at work, or somebody has the permit to try it.
    #[must_use]
    pub fn calls(&self) -> bool {
        matches!(*self.state(), State::Closed(_) | State::HalfOpen(_))
    }

    /// Whether to call it now.
    #[must_use]
    pub fn gate(&self, now: DateTime<Utc>) -> Permit {
        let mut state = self.state();
        match *state {
            State::Closed(_) => Permit::Normal,
            State::HalfOpen(_) => Permit::Denied,
            State::Tripped(n) => {
                let doubled = FIRST * 2_i32.pow(n.min(8));
                let until = now
                    .checked_add_signed(doubled.min(LONGEST))
                    .unwrap_or(DateTime::<Utc>::MAX_UTC);
                *state = State::Open { n, until };
                Permit::Denied
            }
            State::Open { until, .. } if now < until => Permit::Denied,
            State::Open { n, .. } => {
                *state = State::HalfOpen(n);
                Permit::Probe(Probe(self.clone()))
            }
        }
    }

    /// Hears how a call ended. Whoever answers is at work, with a refusal too; being told to slow down or that
    /// credentials are wrong says nothing here, since both pause the account by other means.
    #[must_use]
    pub fn record_result(&self, error: Option<&Error>) -> Change {
        let failed = match error.map(|e| e.class) {
            Some(ErrorClass::Transient | ErrorClass::OutcomeUnknown) => true,
            Some(
                ErrorClass::RateLimited { .. }
                | ErrorClass::Busy { .. }
                | ErrorClass::Auth
                | ErrorClass::Forbidden
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
            (State::Closed(_), false) => {
                *state = State::Closed(0);
                Change::None
            }
            (_, false) => {
                *state = State::Closed(0);
                Change::Closed
            }
            (State::Closed(n), true) if n + 1 < FAILURES => {
                *state = State::Closed(n + 1);
                Change::None
            }
            (State::Closed(_), true) => {
                *state = State::Tripped(0);
                Change::Opened
            }
            (State::HalfOpen(n), true) => {
                *state = State::Tripped(n.saturating_add(1));
                Change::None
            }
            // A call that was under way when the rest began.
            (State::Tripped(_) | State::Open { .. }, true) => Change::None,
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
            assert_eq!(breaker.record_result(Some(&failure())), Change::None, "{n}");
        }
        assert_eq!(breaker.record_result(Some(&failure())), Change::Opened);
        breaker
    }

    #[test]
    fn it_rests_longer_each_time_and_one_call_tries_it() {
        let breaker = rests();
        let mut now = 0;
        for rest in [5, 10, 20, 40, 60, 60] {
            assert!(matches!(breaker.gate(at(now)), Permit::Denied));
            assert!(matches!(breaker.gate(at(now + rest - 1)), Permit::Denied));
            let once = breaker.gate(at(now + rest));
            assert!(matches!(once, Permit::Probe(_)), "after {rest} s");
            assert!(
                matches!(breaker.gate(at(now + rest)), Permit::Denied),
                "only one tries"
            );
            assert_eq!(
                breaker.record_result(Some(&failure())),
                Change::None,
                "said once"
            );
            drop(once);
            now += rest;
        }
        assert!(matches!(breaker.gate(at(now)), Permit::Denied));
        let once = breaker.gate(at(now + 60));
        assert!(matches!(once, Permit::Probe(_)));
        assert_eq!(breaker.record_result(None), Change::Closed);
        drop(once);
        assert!(breaker.works() && matches!(breaker.gate(at(now)), Permit::Normal));
    }

    #[test]
    fn a_permit_that_was_not_used_is_free_again() {
        let breaker = rests();
        assert!(matches!(breaker.gate(at(0)), Permit::Denied));
        drop(breaker.gate(at(5)));
        assert!(matches!(breaker.gate(at(5)), Permit::Probe(_)));
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
                assert_eq!(breaker.record_result(Some(&failure())), Change::None);
            }
            assert_eq!(
                breaker.record_result(Some(&Error::new(class, "refused"))),
                Change::None
            );
            assert!(breaker.works());
        }
        // These neither count nor prove anything.
        for class in [
            ErrorClass::RateLimited { after: None },
            ErrorClass::Busy { after: None },
            ErrorClass::Auth,
            ErrorClass::Forbidden,
        ] {
            for _ in 0..20 {
                assert_eq!(
                    breaker.record_result(Some(&Error::new(class, "wait"))),
                    Change::None
                );
            }
        }
        assert!(breaker.works());
    }
}
