//! Where the reading of payments stands. Pure.
//!
//! What changes is told by events, newest first, of which the last 30 days are kept. A round reads down from the newest one to
//! a few seconds before the newest event of the round before, for events of one second and such that became visible late; once
//! every overlap a round sweeps all of it. Events that come while a round goes on stand above it and are the next one's. What was
//! before all events, or while nobody asked for longer than they are kept, is found by listing payments by the time they were made.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A stored cursor. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cursor {
    /// Within a listing of all payments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listing: Option<Listing>,
    /// The newest event read that is not dated ahead of our clock.
    pub(super) seen: Option<i64>,
    /// When the last whole round began, by our clock; absent before the first one.
    pub(super) asked: Option<i64>,
    /// Within a round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) round: Option<Round>,
    /// The next round is the first one after a listing: it catches up with what changed while that went on, and is no sweep.
    pub(super) fresh: bool,
    /// The last sweep of the whole overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) swept: Option<Swept>,
    /// Payments that could not be read: each sweep asks for them again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) unread: BTreeSet<String>,
}

/// A listing of all payments, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// When it began, by our clock.
    begun: i64,
    /// The newest event there was then: events are read from there afterwards.
    newest: Option<i64>,
    /// The last payment of the page before.
    pub(super) after: Option<String>,
}

/// A round over events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    begun: i64,
    /// It ends there.
    from: Option<i64>,
    /// The last event of the page before.
    after: String,
    /// The newest event of it.
    newest: Option<i64>,
    sweep: bool,
}

/// A sweep of the whole overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Swept {
    /// When it began, by our clock.
    at: i64,
    /// The newest event that was known then: the next sweep reaches back from here.
    seen: i64,
}

/// So many payments that could not be read are asked for again; what is beyond that, with its next event or by an operator.
const AGAIN: usize = 50;
/// How far each round reaches back.
const TAIL: i64 = 10;
/// How far a sweep does.
pub(super) const OVERLAP: Duration = Duration::from_secs(300);
/// Events are kept for 30 days; a day less is sure.
const KEPT: i64 = 29 * 86_400;

/// What to ask for next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The time of the newest event, and then payments from the newest on.
    Begin,
    /// More payments.
    Payments {
        /// Older than this one.
        after: String,
    },
    /// Events.
    Events(Query),
}

/// A page of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Lower bound, included.
    pub(super) from: Option<i64>,
    /// Older than this one.
    pub(super) after: Option<String>,
    begun: i64,
    newest: Option<i64>,
    sweep: bool,
}

impl Query {
    /// It is the first page of a sweep.
    pub(super) fn begins_sweep(&self) -> bool {
        self.sweep && self.after.is_none()
    }
}

impl Cursor {
    /// With what could not be read of the payments that were asked for, and without what could.
    pub(super) fn noting(mut self, asked: &[&str], unread: Vec<String>) -> Self {
        for id in asked {
            self.unread.remove(*id);
        }
        for id in unread {
            if self.unread.len() < AGAIN {
                self.unread.insert(id);
            }
        }
        self
    }

    /// A listing begins: the newest event is of this time.
    pub(super) fn begin(&self, newest: Option<i64>, now: DateTime<Utc>) -> Self {
        let begun = now.timestamp();
        Self {
            listing: Some(Listing {
                begun,
                newest: newest.map(|newest| newest.min(begun)),
                after: None,
            }),
            ..self.clone()
        }
    }

    /// What comes next.
    pub(super) fn ask(&self, now: DateTime<Utc>) -> Ask {
        let now = now.timestamp();
        if let Some(listing) = &self.listing {
            return match &listing.after {
                Some(after) => Ask::Payments {
                    after: after.clone(),
                },
                None => Ask::Begin,
            };
        }
        if self.asked.is_none_or(|asked| now - asked > KEPT) {
            return Ask::Begin;
        }
        if let Some(round) = &self.round {
            return Ask::Events(Query {
                from: round.from,
                after: Some(round.after.clone()),
                begun: round.begun,
                newest: round.newest,
                sweep: round.sweep,
            });
        }
        let overlap = i64::try_from(OVERLAP.as_secs()).unwrap_or(TAIL);
        let lately = |swept: &Swept| swept.at <= now && now - swept.at < overlap;
        let sweep = !self.fresh && !self.swept.as_ref().is_some_and(lately);
        // What is dated ahead of our clock would hide all that comes until then.
        let seen = self.seen.map(|seen| seen.min(now));
        let (behind, back) = match &self.swept {
            Some(swept) if sweep => (seen.map(|seen| seen.min(swept.seen)), overlap),
            Some(_) => (seen, TAIL),
            None => (seen, overlap),
        };
        Ask::Events(Query {
            from: behind.map(|behind| behind.saturating_sub(back)),
            after: None,
            begun: now,
            newest: None,
            sweep,
        })
    }

    /// After a page of a listing: its last payment, where more follow.
    pub(super) fn listed(&self, last: Option<String>) -> Self {
        match (&self.listing, last) {
            (Some(listing), Some(last)) => Self {
                listing: Some(Listing {
                    after: Some(last),
                    ..listing.clone()
                }),
                ..self.clone()
            },
            (Some(listing), None) => Self {
                seen: listing.newest,
                asked: Some(listing.begun),
                fresh: true,
                unread: self.unread.clone(),
                ..Self::default()
            },
            (None, _) => self.clone(),
        }
    }

    /// Whether a page is none of what was asked for: it begins above where the page before ended, or goes below its bound. Such a
    /// list would be read for ever.
    pub(super) fn is_ignored(query: &Query, page: &[(String, i64)]) -> bool {
        let repeats = query
            .after
            .as_ref()
            .is_some_and(|after| page.iter().any(|(id, _)| id == after));
        let below = query
            .from
            .is_some_and(|from| page.iter().any(|(_, at)| *at < from));
        repeats || below
    }

    /// After a page of events, each with its time, where `more` says that older ones follow.
    pub(super) fn after(
        &self,
        query: &Query,
        page: &[(String, i64)],
        more: bool,
        now: DateTime<Utc>,
    ) -> Self {
        let now = now.timestamp();
        let newest = page.iter().map(|(_, at)| *at).filter(|at| *at <= now).max();
        let newest = query.newest.max(newest);
        if let (true, Some((last, _))) = (more, page.last()) {
            return Self {
                round: Some(Round {
                    begun: query.begun,
                    from: query.from,
                    after: last.clone(),
                    newest,
                    sweep: query.sweep,
                }),
                ..self.clone()
            };
        }
        let known = self.seen.map(|seen| seen.min(now));
        // Before anything was seen there is nothing to reach back from: the round after it sweeps.
        let swept = match known {
            Some(seen) if query.sweep => Some(Swept {
                at: query.begun,
                seen,
            }),
            _ => self.swept,
        };
        Self {
            listing: None,
            seen: known.max(newest),
            asked: Some(query.begun),
            round: None,
            fresh: false,
            swept,
            unread: self.unread.clone(),
        }
    }

    /// A cursor from which everything that arrived since then is read again.
    pub(super) fn rewound(&self, since: DateTime<Utc>) -> Option<Self> {
        let since = since.timestamp();
        Some(Self {
            seen: Some(self.seen?.min(since)),
            asked: Some(self.asked?.min(since)),
            unread: self.unread.clone(),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    /// Our clock.
    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn events(cursor: &Cursor, now: i64) -> Query {
        match cursor.ask(at(now)) {
            Ask::Events(query) => query,
            other => panic!("{other:?}"),
        }
    }

    fn page(events: &[(&str, i64)]) -> Vec<(String, i64)> {
        let event = |(id, at): &(&str, i64)| ((*id).to_owned(), *at);
        events.iter().map(event).collect()
    }

    /// A round of one page.
    fn round(cursor: &Cursor, seen: &[(&str, i64)], now: i64) -> (Query, Cursor) {
        let query = events(cursor, now);
        let next = cursor.after(&query, &page(seen), false, at(now));
        (query, next)
    }

    fn listed() -> Cursor {
        let begun = Cursor::default().begin(Some(NOW - 50), at(NOW));
        begun.listed(None)
    }

    #[test]
    fn the_first_start_lists_payments_and_goes_on_with_what_changed_since() {
        let start = Cursor::default();
        assert_eq!(start.ask(at(NOW)), Ask::Begin);
        let begun = start.begin(Some(NOW - 50), at(NOW));
        let more = begun.listed(Some("pi_9".to_owned()));
        let after = "pi_9".to_owned();
        assert_eq!(more.ask(at(NOW)), Ask::Payments { after });
        let done = more.listed(None);
        assert_eq!(events(&done, NOW + 5).from, Some(NOW - 350));
        let nothing = Cursor::default().begin(None, at(NOW)).listed(None);
        assert_eq!(events(&nothing, NOW).from, None);
    }

    #[test]
    fn a_round_reads_down_page_by_page_and_the_next_one_begins_above_it() {
        let start = listed();
        let query = events(&start, NOW);
        let second = start.after(
            &query,
            &page(&[("e3", NOW - 1), ("e2", NOW - 2)]),
            true,
            at(NOW),
        );
        let query = events(&second, NOW + 1);
        assert_eq!(
            (query.after.as_deref(), query.from),
            (Some("e2"), Some(NOW - 350))
        );
        let done = second.after(&query, &page(&[("e1", NOW - 30)]), false, at(NOW + 1));
        assert_eq!((done.seen, done.asked), (Some(NOW - 1), Some(NOW)));
        assert!(done.round.is_none());
    }

    #[test]
    fn the_round_after_the_first_sweeps_then_once_an_overlap_and_each_reaches_back() {
        let (_, first) = round(&listed(), &[], NOW);
        let (sweep, second) = round(&first, &[("e1", NOW + 20)], NOW + 30);
        assert!(sweep.sweep);
        assert_eq!(sweep.from, Some(NOW - 350));
        let (tail, third) = round(&second, &[], NOW + 60);
        assert!(!tail.sweep);
        assert_eq!(tail.from, Some(NOW + 10), "ten seconds before the newest");
        let (again, _) = round(&third, &[], NOW + 330);
        assert!(again.sweep);
        assert_eq!(
            again.from,
            Some(NOW - 350),
            "no time between two sweeps is left out"
        );
        // A clock that was set back: the sweep of the future does not count.
        assert!(events(&third, NOW + 29).sweep);
    }

    #[test]
    fn an_event_dated_ahead_hides_nothing() {
        let (_, cursor) = round(&listed(), &[("e1", NOW + 9_000), ("e0", NOW - 5)], NOW);
        assert_eq!(cursor.seen, Some(NOW - 5));
    }

    #[test]
    fn a_gap_longer_than_events_are_kept_starts_over_with_the_listing_and_a_quiet_month_does_not() {
        let (_, mut cursor) = round(&listed(), &[], NOW);
        assert_eq!(cursor.ask(at(NOW + 29 * 86_400 + 1)), Ask::Begin);
        for day in 0..40 {
            cursor = round(&cursor, &[], NOW + day * 86_400).1;
        }
        assert!(matches!(cursor.ask(at(NOW + 40 * 86_400)), Ask::Events(_)));
        assert_eq!(cursor.seen, Some(NOW - 50));
    }

    #[test]
    fn a_list_that_passes_over_what_it_is_asked_for_is_seen() {
        let start = listed();
        let query = events(&start, NOW);
        assert!(!Cursor::is_ignored(&query, &page(&[("e1", NOW)])));
        assert!(
            Cursor::is_ignored(&query, &page(&[("e1", NOW - 5_000)])),
            "below its bound"
        );
        let second = start.after(&query, &page(&[("e2", NOW)]), true, at(NOW));
        let query = events(&second, NOW);
        assert!(
            Cursor::is_ignored(&query, &page(&[("e3", NOW), ("e2", NOW)])),
            "again"
        );
    }

    #[test]
    fn a_stored_cursor_is_read_back_and_rewound() {
        let (_, cursor) = round(&listed(), &[("e1", NOW)], NOW);
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        let back = cursor.rewound(at(NOW - 5_000)).unwrap();
        let query = events(&back, NOW);
        assert_eq!((query.from, query.sweep), (Some(NOW - 5_300), true));
        let long = cursor.rewound(at(NOW - 40 * 86_400)).unwrap();
        assert_eq!(long.ask(at(NOW)), Ask::Begin);
        assert!(Cursor::default().rewound(at(NOW)).is_none());
    }
}
