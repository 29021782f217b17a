//! What a connector makes of a budget of calls, on a virtual clock: as much of it as its external system would take, and no more.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::budget::{EVERY, Limit};
use hikiate_sdk::conformance::{Bench, Subject};
use hikiate_sdk::{ErrorClass, Here};
use tokio::time::{Instant, sleep};

/// How long a call takes.
const CALL: Duration = Duration::from_millis(80);

/// At least so many of a thousand allowed calls are to be used.
const USED: u64 = 980;

/// At most so many of a thousand calls may come too soon.
const TOO_SOON: u64 = 1;

/// What was made of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Calls that the declared limits allow in that time.
    pub allowed: u64,
    /// Calls that arrived.
    pub arrived: u64,
    /// Those of them that an external system with exactly these limits would throttle.
    pub throttled: u64,
}

/// How many of a thousand, rounded down.
fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1_000) / whole.max(1)
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = per_mille(self.arrived, self.allowed);
        let (whole, tenth) = (used / 10, used % 10);
        write!(
            f,
            "{whole}.{tenth}% of {} calls, throttled={}",
            self.allowed, self.throttled
        )
    }
}

/// Whether a budget was used and kept.
#[must_use]
pub fn kept(share: &Share) -> bool {
    per_mille(share.arrived, share.allowed) >= USED
        && share.throttled.saturating_mul(1_000) <= TOO_SOON.saturating_mul(share.arrived)
}

/// Reads the first stream again and again for this long, on a runtime whose clock is virtual. `None` where the account declares
/// no limit in time.
///
/// # Errors
/// A call that failed otherwise than by waiting for its turn; an external system of which single calls cannot be told apart.
pub async fn share(subject: &dyn Subject, span: Duration) -> Result<Option<Share>, String> {
    let bench = subject.fresh_full_pages().await;
    let declared = bench.connector.budgets();
    let limits = declared.iter().filter(|budget| budget.class == EVERY);
    let limits: Vec<Limit> = limits.flat_map(|budget| budget.limits.clone()).collect();
    let Some(allowed) = limits.iter().filter_map(|limit| allowed(limit, span)).min() else {
        return Ok(None);
    };
    if !bench.seam.answer_after(CALL) {
        return Err("its calls cannot be delayed".to_owned());
    }
    bench.link.meter().declare(declared);
    let until = Instant::now() + span;
    // Enough of them that one always waits for its turn.
    let reader = || reader(&bench, until);
    tokio::try_join!(reader(), reader(), reader(), reader(), reader(), reader())?;
    let arrivals = bench
        .seam
        .arrivals()
        .ok_or("its calls cannot be told apart")?;
    Ok(Some(Share {
        allowed,
        arrived: u64::try_from(arrivals.len()).unwrap_or(u64::MAX),
        throttled: strict(&limits, &arrivals),
    }))
}

async fn reader(bench: &Bench, until: Instant) -> Result<(), String> {
    let source = bench.connector.source().ok_or("it offers no source")?;
    let streams = source.streams();
    let stream = streams.iter().find(|spec| spec.by_code.is_none());
    let stream = &stream.ok_or("it has no stream that is read whole")?.name;
    while Instant::now() < until {
        match source.page(stream, None, Here::at(now())).await {
            Ok(_) => {}
            Err(error) => match error.class {
                ErrorClass::RateLimited { after } => sleep(after.unwrap_or(CALL)).await,
                _ => return Err(format!("a page of {stream}: {error}")),
            },
        }
    }
    Ok(())
}

/// Calls that a limit allows in a span; `None` where it is none in time.
fn allowed(limit: &Limit, span: Duration) -> Option<u64> {
    let times = |each: Duration| u64::try_from(span.as_micros() / each.as_micros().max(1)).ok();
    match limit {
        Limit::Bucket { each, .. } => times(*each),
        Limit::Window { calls, per } => times(*per).map(|spans| spans * u64::from(*calls)),
        Limit::AtOnce(_) | Limit::Day { .. } => None,
    }
}

/// How many of these arrivals an external system with exactly these limits throttles. What it throttles it does not count.
#[must_use]
pub fn strict(limits: &[Limit], arrivals: &[Instant]) -> u64 {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_unstable();
    let mut gates: Vec<Gate> = limits.iter().filter_map(Gate::of).collect();
    let mut throttled = 0;
    for at in arrivals {
        if gates.iter_mut().all(|gate| gate.lets_in(at)) {
            gates.iter_mut().for_each(|gate| gate.count(at));
        } else {
            throttled += 1;
        }
    }
    throttled
}

/// One limit as its external system keeps it.
enum Gate {
    Bucket {
        capacity: u32,
        each: Duration,
        empty_until: Option<Instant>,
    },
    Window {
        calls: usize,
        per: Duration,
        counted: VecDeque<Instant>,
    },
}

impl Gate {
    fn of(limit: &Limit) -> Option<Self> {
        match limit {
            Limit::Bucket { capacity, each } => Some(Self::Bucket {
                capacity: *capacity,
                each: *each,
                empty_until: None,
            }),
            Limit::Window { calls, per } => Some(Self::Window {
                calls: usize::try_from(*calls).unwrap_or(usize::MAX),
                per: *per,
                counted: VecDeque::new(),
            }),
            Limit::AtOnce(_) | Limit::Day { .. } => None,
        }
    }

    fn lets_in(&mut self, at: Instant) -> bool {
        match self {
            // A bucket is full again at `empty_until`; one that lacks all of its units has none to give.
            Self::Bucket {
                capacity,
                each,
                empty_until,
            } => empty_until
                .is_none_or(|full| full.saturating_duration_since(at) + *each <= *each * *capacity),
            Self::Window {
                calls,
                per,
                counted,
            } => {
                while counted.front().is_some_and(|first| *first + *per <= at) {
                    counted.pop_front();
                }
                counted.len() < *calls
            }
        }
    }

    fn count(&mut self, at: Instant) {
        match self {
            Self::Bucket {
                each, empty_until, ..
            } => {
                *empty_until = Some(empty_until.map_or(at, |full| full.max(at)) + *each);
            }
            Self::Window { counted, .. } => counted.push_back(at),
        }
    }
}

/// The machine's time: the simulators of the suite work by it.
#[expect(
    clippy::disallowed_methods,
    reason = "no database whose clock could be used"
)]
pub(super) fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, millis: &[u64]) -> Vec<Instant> {
        millis
            .iter()
            .map(|at| begin + Duration::from_millis(*at))
            .collect()
    }

    #[test]
    fn a_call_too_many_in_a_window_is_throttled() {
        let limits = [Limit::Window {
            calls: 2,
            per: Duration::from_secs(1),
        }];
        let begin = Instant::now();
        assert_eq!(strict(&limits, &at(begin, &[0, 500, 1_000, 1_500])), 0);
        assert_eq!(strict(&limits, &at(begin, &[0, 500, 999, 1_000])), 1);
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_one_at_a_time() {
        let limits = [Limit::Bucket {
            capacity: 2,
            each: Duration::from_secs(1),
        }];
        let begin = Instant::now();
        assert_eq!(strict(&limits, &at(begin, &[0, 0, 1_000, 2_000])), 0);
        assert_eq!(strict(&limits, &at(begin, &[0, 0, 999])), 1);
    }

    #[test]
    fn a_budget_that_is_hardly_used_or_exceeded_is_not_kept() {
        let share = |arrived, throttled| Share {
            allowed: 1_000,
            arrived,
            throttled,
        };
        assert!(kept(&share(990, 0)));
        assert!(!kept(&share(970, 0)));
        assert!(!kept(&share(1_000, 2)));
    }
}
