//! What an external system allows in calls: limits as a connector declares them, and the [`Meter`] of an account that every call
//! of it takes a turn at, reads and look-ups too.

mod clock;
mod limit;
mod meter;
mod queue;
#[cfg(test)]
mod tests;
mod urgency;

use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;

pub use clock::Clock;
pub use meter::{Ask, Counts, DAY_BLOCK, LONGEST_REST, Meter, PATIENCE, REST, Turn};
pub use urgency::Urgency;

/// The class of every call: a limit under it holds for the whole account.
pub const EVERY: &str = "";

/// The limits of one class of an account's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The class that requests name, or [`EVERY`].
    pub class: &'static str,
    /// Each of them holds. At most one [`Limit::Day`].
    pub limits: Vec<Limit>,
}

impl Budget {
    /// Limits of all calls of an account.
    #[must_use]
    pub fn account(limits: Vec<Limit>) -> Self {
        Self {
            class: EVERY,
            limits,
        }
    }

    /// The two limits that most accounts have: calls at once, and calls a second with equal gaps between them.
    #[must_use]
    pub fn paced(at_once: usize, per_second: Option<u32>) -> Self {
        let at_once = u32::try_from(at_once).unwrap_or(u32::MAX).max(1);
        let gap = per_second.map(|n| Limit::Bucket {
            capacity: 1,
            each: Duration::from_secs(1) / n.max(1),
        });
        let limits = [Some(Limit::AtOnce(at_once)), gap];
        Self::account(limits.into_iter().flatten().collect())
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A bucket that a call takes its cost from. It begins with one unit, since what an earlier process used is unknown.
    Bucket {
        /// Units it holds when it is full.
        capacity: u32,
        /// Time in which one unit comes back.
        each: Duration,
    },
    /// So many calls in any span of this length.
    Window {
        /// Calls.
        calls: u32,
        /// The span.
        per: Duration,
    },
    /// So many calls a calendar day. The count survives a restart.
    Day {
        /// Calls.
        calls: u32,
        /// Where the external system's day begins.
        zone: Tz,
    },
    /// Calls in progress at once.
    AtOnce(u32),
}

/// What an answer says of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The class of the bucket.
    pub class: &'static str,
    /// Units that it holds after this call, without calls in progress.
    pub units: u32,
    /// Time in which one unit comes back, where the answer says so.
    pub each: Option<Duration>,
}

/// The calls of a class on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// The class.
    pub class: String,
    /// The day in the limit's zone.
    pub day: NaiveDate,
    /// Calls made, or reserved.
    pub used: u32,
}
