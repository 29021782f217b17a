//! One limit with its state. Pure: time is handed in.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use tokio::time::Instant;

use super::Limit;

/// A moment on both clocks: the machine's for gaps, the database's for days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) utc: DateTime<Utc>,
}

/// A time to come, which has come as soon as either clock says so: the machine's cannot be set back, the database's is the one
/// that tests step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    at: Instant,
    utc: DateTime<Utc>,
}

impl Until {
    pub(super) fn after(now: Now, wait: Duration) -> Self {
        let wait_utc = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        Self {
            at: now.at + wait,
            utc: now
                .utc
                .checked_add_signed(wait_utc)
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }

    /// How long until then; zero once it has come.
    pub(super) fn left(self, now: Now) -> Duration {
        let utc = (self.utc - now.utc).to_std().unwrap_or_default();
        self.at.saturating_duration_since(now.at).min(utc)
    }

    pub(super) fn has_come(self, now: Now) -> bool {
        self.left(now).is_zero()
    }
}

/// When a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Free {
    Now,
    At(Instant),
    /// Once a call ends, or once the day's count is written down.
    Later,
}

#[derive(Debug)]
pub(super) enum State {
    Bucket {
        capacity: u32,
        each: Duration,
        /// When it is full again; what is missing until then says what it holds.
        full_at: Instant,
        under_way: u32,
    },
    /// A call counts from its start until `per` after its end, since it is unknown when between them it arrived.
    Window {
        calls: u32,
        per: Duration,
        under_way: u32,
        ended: VecDeque<Instant>,
    },
    Day {
        calls: u32,
        zone: Tz,
        day: NaiveDate,
        used: u32,
        /// How many of them are written down; `None` where nobody writes.
        written: Option<u32>,
    },
    AtOnce {
        most: u32,
        under_way: u32,
    },
}

impl State {
    pub(super) fn new(limit: &Limit, now: Now) -> Self {
        match *limit {
            Limit::Bucket { capacity, each } => {
                let capacity = capacity.max(1);
                Self::Bucket {
                    capacity,
                    each,
                    full_at: now.at + each * (capacity - 1),
                    under_way: 0,
                }
            }
            Limit::Window { calls, per } => Self::Window {
                calls: calls.max(1),
                per,
                under_way: 0,
                ended: VecDeque::new(),
            },
            Limit::Day { calls, zone } => Self::Day {
                calls,
                zone,
                day: now.utc.with_timezone(&zone).date_naive(),
                used: 0,
                written: None,
            },
            Limit::AtOnce(most) => Self::AtOnce {
                most: most.max(1),
                under_way: 0,
            },
        }
    }

    /// Whether it is only about calls under way, so that its place frees by itself.
    pub(super) fn is_at_once(&self) -> bool {
        matches!(self, Self::AtOnce { .. })
    }

    /// When a call of this cost may start.
    pub(super) fn free(&mut self, cost: u32, now: Now) -> Free {
        self.roll(now);
        match self {
            Self::Bucket {
                capacity,
                each,
                full_at,
                ..
            } => {
                // What costs more than the bucket holds waits until it is full.
                let spare = *each * (*capacity - cost.min(*capacity));
                let at = (*full_at).checked_sub(spare).unwrap_or(now.at);
                if at <= now.at {
                    Free::Now
                } else {
                    Free::At(at)
                }
            }
            Self::Window {
                calls,
                per,
                under_way,
                ended,
            } => {
                let counted = ended.len() + *under_way as usize;
                let Some(over) = (counted + 1)
                    .checked_sub(*calls as usize)
                    .filter(|n| *n > 0)
                else {
                    return Free::Now;
                };
                match ended.get(over - 1) {
                    Some(end) => Free::At(*end + *per),
                    None => Free::Later,
                }
            }
            Self::Day {
                calls,
                zone,
                day,
                used,
                written,
            } => {
                if *used >= *calls {
                    return Free::At(now.at + until_next_day(*day, *zone, now.utc));
                }
                match written {
                    Some(written) if *used >= *written => Free::Later,
                    _ => Free::Now,
                }
            }
            Self::AtOnce { most, under_way } if *under_way < *most => Free::Now,
            Self::AtOnce { .. } => Free::Later,
        }
    }

    /// A call starts.
    pub(super) fn take(&mut self, cost: u32, now: Now) {
        match self {
            Self::Bucket {
                capacity,
                each,
                full_at,
                under_way,
            } => {
                let cost = cost.min(*capacity);
                *full_at = (*full_at).max(now.at) + *each * cost;
                *under_way += cost;
            }
            Self::Window { under_way, .. } | Self::AtOnce { under_way, .. } => *under_way += 1,
            Self::Day { used, .. } => *used += 1,
        }
    }

    /// A call has ended.
    pub(super) fn end(&mut self, cost: u32, now: Now) {
        match self {
            Self::Bucket {
                capacity,
                under_way,
                ..
            } => *under_way = under_way.saturating_sub(cost.min(*capacity)),
            Self::Window {
                under_way, ended, ..
            } => {
                *under_way = under_way.saturating_sub(1);
                ended.push_back(now.at);
            }
            Self::AtOnce { under_way, .. } => *under_way = under_way.saturating_sub(1),
            Self::Day { .. } => {}
        }
    }

    /// What an answer says that a bucket holds; the call that it answers is still counted as under way with its cost.
    pub(super) fn left(&mut self, units: u32, pace: Option<Duration>, cost: u32, now: Now) {
        if let Self::Bucket {
            capacity,
            each,
            full_at,
            under_way,
        } = self
        {
            *each = pace.unwrap_or(*each);
            let others = under_way.saturating_sub(cost.min(*capacity));
            let missing = *capacity - units.min(*capacity);
            *full_at = now.at + *each * missing.saturating_add(others);
        }
    }

    /// The external system says that nothing is left.
    pub(super) fn drained(&mut self, now: Now) {
        if let Self::Bucket {
            capacity,
            each,
            full_at,
            ..
        } = self
        {
            *full_at = (*full_at).max(now.at + *each * *capacity);
        }
    }

    fn roll(&mut self, now: Now) {
        match self {
            Self::Window { per, ended, .. } => {
                while ended.front().is_some_and(|end| *end + *per <= now.at) {
                    ended.pop_front();
                }
            }
            Self::Day {
                zone,
                day,
                used,
                written,
                ..
            } => {
                let today = now.utc.with_timezone(zone).date_naive();
                // A clock that goes back a little at midnight must not give a day twice.
                if today > *day {
                    (*day, *used) = (today, 0);
                    *written = written.map(|_| 0);
                }
            }
            Self::Bucket { .. } | Self::AtOnce { .. } => {}
        }
    }

    /// Today's count, for a limit of a day.
    pub(super) fn today(&mut self, now: Now) -> Option<(NaiveDate, u32, Option<u32>)> {
        self.roll(now);
        match self {
            Self::Day {
                day, used, written, ..
            } => Some((*day, *used, *written)),
            _ => None,
        }
    }

    /// How many calls of a day are written down.
    pub(super) fn written_down(&mut self, of: NaiveDate, count: u32) {
        if let Self::Day { day, written, .. } = self
            && *day == of
        {
            *written = Some(written.unwrap_or_default().max(count));
        }
    }

    /// The day's count as another process left it; only what is written down is used from now on.
    pub(super) fn go_on_from(&mut self, of: Option<(NaiveDate, u32)>, now: Now) {
        self.roll(now);
        if let Self::Day {
            day, used, written, ..
        } = self
        {
            let before = of.filter(|(of, _)| of >= day);
            if let Some((of, count)) = before {
                (*day, *used) = (of, count);
            }
            *written = Some(*used);
        }
    }
}

/// How long until the day after this one begins somewhere.
fn until_next_day(day: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Duration {
    let midnight = day
        .checked_add_days(Days::new(1))
        .map(|next| next.and_time(NaiveTime::MIN))
        // A midnight that a change of clocks leaves out begins an hour later.
        .and_then(|next| {
            let later = next + TimeDelta::hours(1);
            let at = |t| zone.from_local_datetime(&t).earliest();
            at(next).or_else(|| at(later))
        });
    midnight
        .and_then(|at| (at.to_utc() - now).to_std().ok())
        .unwrap_or(Duration::from_secs(1))
}
