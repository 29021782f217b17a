//! Where the reading of a list stands that can be filtered and sorted by the time of the last change and read with an offset.
//! Pure.
//!
//! The external system breaks ties as it likes, and a record that is changed while it is paged moves to the end. So
//! nothing is ever skipped by an offset: each page starts *at* the last time seen, which repeats a few records and loses
//! none. A change that is dated ahead of our clock (an import, a clock that was wrong for an hour) is read and not
//! remembered as seen: the next round would begin behind everything that comes until then. Only where one time fills a
//! whole page is that time alone read by id with an offset, which steps back by as many records as have left it. What
//! becomes visible late, behind the newest time seen, is what rounds reach back for: each by a few seconds, for ties and
//! commits that took long, and once every overlap one of them by the whole overlap, counted from where the last such sweep
//! began, so that no time between two sweeps is left out.

use std::cmp::Ordering;

use chrono::{DateTime, Duration, DurationRound, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, ErrorClass};

/// A stored cursor. Its form is part of what connectors have stored: fields are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The newest change seen that is not dated ahead of our clock.
    pub seen: Option<DateTime<Utc>>,
    /// Within a round: the next page starts here. Absent between rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Within one time: see [`Tie`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie: Option<Tie>,
    /// Within a round: the newest change there was when it began. What came later, while it went on, was maybe
    /// read before its neighbours were in sight, so the next round begins behind this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<DateTime<Utc>>,
    /// The last sweep of the whole overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swept: Option<Swept>,
}

/// A sweep of the whole overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// When it began, by our clock.
    at: DateTime<Utc>,
    /// The newest change that was known then: the next sweep reaches back from here.
    seen: DateTime<Utc>,
}

/// How far each round reaches back: changes of one moment, and transactions that were committed late.
const TAIL: Duration = Duration::seconds(10);

/// Reading the records that share the time `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// How many were read, in the order of their ids.
    offset: usize,
    /// How many there were.
    count: usize,
    /// The first of the page before, where the next one is behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<String>,
}

/// A record of a page: its id and the time of its last change, where they can be read.
pub type Stamp = (Option<String>, Option<DateTime<Utc>>);

/// What to ask for.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// Lower bound, included.
    pub from: Option<DateTime<Utc>>,
    /// Upper bound, excluded.
    pub before: Option<DateTime<Utc>>,
    /// What sorts, ascending.
    pub sort: Sort,
    /// Skipped.
    pub offset: usize,
    /// It begins a sweep of the whole overlap.
    pub sweep: bool,
    /// See [`Reach::tick`].
    tick: Duration,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The time of the last change.
    Changed,
    /// The id.
    Id,
}

/// How an account reads a list.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// How far a sweep reaches back.
    pub overlap: std::time::Duration,
    /// Where the first reading begins; `None` is the beginning of time.
    pub since: Option<DateTime<Utc>>,
    /// The finest difference of times that the external system filters by.
    pub tick: Duration,
}

/// A time as the filters of the external system know it: it may keep finer ones.
fn floor(tick: Duration, time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(tick).unwrap_or(time)
}

impl Cursor {
    /// The next page's query, asked for at `now`.
    #[must_use]
    pub fn query(&self, reach: &Reach, now: DateTime<Utc>) -> Query {
        let Reach {
            overlap,
            since,
            tick,
        } = *reach;
        if let (Some(from), Some(tie)) = (self.from, &self.tie) {
            return Query {
                from: Some(from),
                before: Some(from + tick),
                sort: Sort::Id,
                offset: tie.offset,
                sweep: false,
                tick,
            };
        }
        let overlap = Duration::from_std(overlap).unwrap_or_default();
        let lately = |swept: &Swept| swept.at <= now && now - swept.at < overlap;
        let sweep = !self.swept.as_ref().is_some_and(lately);
        let seen = self.seen.map(|seen| seen.min(now));
        let (behind, back) = match &self.swept {
            Some(swept) if sweep => (seen.map(|seen| seen.min(swept.seen)), overlap),
            None => (seen, overlap),
            Some(_) => (seen, overlap.min(TAIL)),
        };
        let start = behind
            .and_then(|seen| seen.checked_sub_signed(back))
            .max(since);
        Query {
            from: self.from.or(start),
            before: None,
            sort: Sort::Changed,
            offset: 0,
            sweep: sweep && self.from.is_none(),
            tick,
        }
    }

    /// The page is none of what was asked for: not one of its records is within the bounds of the query, or behind an offset it
    /// begins with the record that the page before began with. A system whose paging broke would be read for ever, or past what
    /// it does not show.
    #[must_use]
    pub fn is_ignored(&self, query: &Query, page: &[Stamp]) -> bool {
        let times = page.iter().filter_map(|(_, time)| *time);
        let outside = |time: DateTime<Utc>| {
            query.from.is_some_and(|from| time < from)
                || query.before.is_some_and(|before| time >= before)
        };
        let mut times = times.peekable();
        let none_within = times.peek().is_some() && times.all(outside);
        let first = page.first().and_then(|(id, _)| id.as_ref());
        let before = self.tie.as_ref().and_then(|tie| tie.first.as_ref());
        none_within || (first.is_some() && first == before)
    }

    /// The cursor after a page, and whether there is more to read at once. `page` has its records,
    /// `count` is how many match the query in all. `None` when nothing on the page tells where to go on: none of its records has
    /// a time, or it is empty although it is asked for from where records are left. To go on would skip them.
    #[must_use]
    pub fn after(
        &self,
        query: &Query,
        page: &[Stamp],
        count: usize,
        now: DateTime<Utc>,
    ) -> Option<(Self, bool)> {
        let times: Vec<_> = page.iter().map(|(_, time)| *time).collect();
        let floored = |time: &DateTime<Utc>| floor(query.tick, *time);
        let last = times.iter().flatten().max().map(floored);
        let past = times.iter().flatten().filter(|time| **time <= now).max();
        let past = past.map(floored);
        let known = self.seen.map(|seen| seen.min(now));
        // Before anything was seen there is nothing to reach back from: the round after it sweeps.
        let swept = match known {
            Some(seen) if query.sweep => Some(Swept { at: now, seen }),
            _ => self.swept,
        };
        let seen = known.max(past);
        let done = (
            Self {
                seen: self.begun.map_or(seen, |begun| seen.min(Some(begun))),
                from: None,
                tie: None,
                begun: None,
                swept,
            },
            false,
        );
        if let (Some(from), Some(tie)) = (self.from, &self.tie) {
            let first = page.first().and_then(|(id, _)| id.clone());
            let offset = match count.cmp(&tie.count) {
                Ordering::Less => tie.offset.saturating_sub(tie.count - count),
                // This very moment is still being written, maybe in front of what was read.
                Ordering::Greater if tie.offset > 0 => 0,
                _ => tie.offset + times.len(),
            };
            if times.is_empty() && offset == tie.offset && offset < count {
                return None;
            }
            return Some(if offset >= count {
                (
                    Self {
                        begun: self.begun,
                        swept,
                        seen,
                        from: Some(from + query.tick),
                        tie: None,
                    },
                    true,
                )
            } else {
                (
                    Self {
                        begun: self.begun,
                        swept,
                        seen,
                        from: Some(from),
                        tie: Some(Tie {
                            offset,
                            count,
                            first: first.filter(|_| offset > tie.offset),
                        }),
                    },
                    true,
                )
            });
        }
        if times.len() >= count {
            return Some(done);
        }
        if times.is_empty() {
            return None;
        }
        match last.or(query.from) {
            Some(last) if query.from.is_none_or(|from| last > from) => Some((
                Self {
                    begun: self.begun,
                    swept,
                    seen,
                    from: Some(last),
                    tie: None,
                },
                true,
            )),
            Some(last) => Some((
                Self {
                    begun: self.begun,
                    swept,
                    seen,
                    from: Some(last),
                    tie: Some(Tie {
                        offset: 0,
                        count: 0,
                        first: None,
                    }),
                },
                true,
            )),
            None => None,
        }
    }
}

/// The cursor of a stream as it was stored; its beginning where none was.
///
/// # Errors
/// [`ErrorClass::Config`] for one that another connector wrote.
pub fn stored<T: Default + DeserializeOwned>(
    stream: &str,
    cursor: Option<&Value>,
) -> Result<T, Error> {
    let Some(cursor) = cursor else {
        return Ok(T::default());
    };
    T::deserialize(cursor).map_err(|_| {
        Error::new(
            ErrorClass::Config,
            format!("the stored cursor of the stream {stream} is not one of this connector"),
        )
    })
}

/// A cursor as it is stored.
///
/// # Errors
/// [`ErrorClass::Config`] for one that cannot be written as JSON.
pub fn stored_as<T: Serialize>(cursor: &T) -> Result<Value, Error> {
    serde_json::to_value(cursor).map_err(|e| {
        Error::new(
            ErrorClass::Config,
            format!("the cursor cannot be stored: {e}"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Our clock, behind every time that is not dated ahead.
    const NOW: i64 = 1_000;

    fn reach(overlap_ms: u64, since: Option<DateTime<Utc>>) -> Reach {
        Reach {
            overlap: std::time::Duration::from_millis(overlap_ms),
            since,
            tick: Duration::milliseconds(1),
        }
    }

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    fn page(cursor: &Cursor, times: &[i64], count: usize) -> (Cursor, bool) {
        let query = cursor.query(&reach(5, None), at(NOW));
        let times: Vec<_> = times.iter().map(|ms| (None, Some(at(*ms)))).collect();
        cursor.after(&query, &times, count, at(NOW)).unwrap()
    }

    #[test]
    fn a_page_starts_at_the_last_time_seen() {
        let (next, more) = page(&Cursor::default(), &[10, 11], 5);
        assert_eq!(
            (next.from, next.seen, more),
            (Some(at(11)), Some(at(11)), true)
        );
        let (next, more) = page(&next, &[11, 12], 2);
        assert_eq!(
            (next.clone(), more),
            (
                Cursor {
                    begun: None,
                    seen: Some(at(12)),
                    from: None,
                    tie: None,
                    swept: None,
                },
                false
            )
        );
        let query = next.query(&reach(5, None), at(NOW));
        assert_eq!(
            query,
            Query {
                from: Some(at(7)),
                before: None,
                sort: Sort::Changed,
                offset: 0,
                sweep: true,
                tick: Duration::milliseconds(1),
            }
        );
        assert_eq!(
            next.query(&reach(5, Some(at(9))), at(NOW)).from,
            Some(at(9))
        );
    }

    #[test]
    fn an_empty_page_ends_a_round_and_keeps_what_was_seen() {
        let cursor = Cursor {
            begun: None,
            seen: Some(at(12)),
            from: Some(at(12)),
            tie: None,
            swept: None,
        };
        assert_eq!(
            page(&cursor, &[], 0),
            (
                Cursor {
                    begun: None,
                    seen: Some(at(12)),
                    from: None,
                    tie: None,
                    swept: None,
                },
                false
            )
        );
    }

    /// It is neither the end of a round nor of a time: what is counted and not shown would be skipped.
    #[test]
    fn an_empty_page_with_a_count_is_no_end() {
        let after = |cursor: &Cursor, times: &[i64], count| {
            let query = cursor.query(&reach(0, None), at(NOW));
            let page: Vec<_> = times.iter().map(|ms| (None, Some(at(*ms)))).collect();
            cursor.after(&query, &page, count, at(NOW))
        };
        let fresh = Cursor::default();
        let within = Cursor {
            from: Some(at(10)),
            ..Cursor::default()
        };
        assert_eq!(after(&fresh, &[], 3), None);
        assert_eq!(after(&within, &[], 1), None);
        let (tie, _) = after(&within, &[10, 10], 5).unwrap();
        assert_eq!(after(&tie, &[], 5), None, "the first page of a time");
        let (tie, _) = after(&tie, &[10, 10], 5).unwrap();
        assert_eq!(after(&tie, &[], 5), None, "a later one");
        // All that is left of it has gone meanwhile.
        let (next, more) = after(&tie, &[], 2).unwrap();
        assert!(
            more && next.tie
                == Some(Tie {
                    offset: 0,
                    count: 2,
                    first: None
                })
        );
        let (next, more) = after(&tie, &[], 0).unwrap();
        assert_eq!((next.from, next.tie, more), (Some(at(11)), None, true));
    }

    #[test]
    fn one_time_that_fills_a_page_is_read_by_id() {
        let start = Cursor {
            begun: None,
            seen: Some(at(9)),
            from: Some(at(10)),
            tie: None,
            swept: None,
        };
        let (tie, _) = page(&start, &[10, 10], 7);
        let query = tie.query(&reach(0, None), at(NOW));
        assert_eq!(
            query,
            Query {
                from: Some(at(10)),
                before: Some(at(11)),
                sort: Sort::Id,
                offset: 0,
                sweep: false,
                tick: Duration::milliseconds(1),
            }
        );
        let (tie, _) = page(&tie, &[10, 10], 5);
        assert_eq!(
            tie.tie,
            Some(Tie {
                offset: 2,
                count: 5,
                first: None,
            })
        );
        // One of those already read was changed and has left: step back by one.
        let (tie, _) = page(&tie, &[10, 10], 4);
        assert_eq!(
            tie.tie,
            Some(Tie {
                offset: 1,
                count: 4,
                first: None,
            })
        );
        let (tie, _) = page(&tie, &[10, 10], 4);
        assert_eq!(
            page(&tie, &[10], 5).0.tie,
            Some(Tie {
                offset: 0,
                count: 5,
                first: None,
            }),
            "one more: from the start"
        );
        let (next, more) = page(&tie, &[10], 4);
        assert_eq!((next.from, next.tie, more), (Some(at(11)), None, true));
    }

    /// Whatever it was asked for, the shop shows the same orders: nothing of that moves the cursor.
    #[test]
    fn a_page_that_is_not_what_was_asked_for_is_seen() {
        let one = |id: &str, ms| (Some(id.to_owned()), Some(at(ms)));
        let within = Cursor {
            from: Some(at(10)),
            ..Cursor::default()
        };
        let query = within.query(&reach(0, None), at(NOW));
        assert!(within.is_ignored(&query, &[one("a", 5), one("b", 9)]));
        assert!(!within.is_ignored(&query, &[one("a", 9), one("b", 10)]));
        assert!(!within.is_ignored(&query, &[]) && !within.is_ignored(&query, &[(None, None)]));
        let (tie, _) = within.after(&query, &[one("a", 10)], 3, at(NOW)).unwrap();
        let query = tie.query(&reach(0, None), at(NOW));
        assert!(
            !tie.is_ignored(&query, &[one("a", 10)]),
            "the first of its time"
        );
        assert!(tie.is_ignored(&query, &[one("c", 11)]), "another time");
        let (next, _) = tie.after(&query, &[one("a", 10)], 3, at(NOW)).unwrap();
        let query = next.query(&reach(0, None), at(NOW));
        assert_eq!(query.offset, 1);
        assert!(
            next.is_ignored(&query, &[one("a", 10)]),
            "the offset is passed over"
        );
        assert!(!next.is_ignored(&query, &[one("b", 10)]));
        let (back, _) = next.after(&query, &[one("b", 10)], 2, at(NOW)).unwrap();
        let query = back.query(&reach(0, None), at(NOW));
        assert!(
            !back.is_ignored(&query, &[one("b", 10)]),
            "one has left: it steps back"
        );
    }

    #[test]
    fn orders_without_a_time_cannot_stop_the_reading() {
        let start = Cursor {
            begun: None,
            seen: None,
            from: Some(at(10)),
            tie: None,
            swept: None,
        };
        let query = start.query(&reach(0, None), at(NOW));
        let (next, more) = start
            .after(&query, &[(None, None), (None, None)], 7, at(NOW))
            .unwrap();
        assert!(more && next.tie.is_some());
        let fresh = Cursor::default();
        let query = fresh.query(&reach(0, None), at(NOW));
        assert_eq!(fresh.after(&query, &[(None, None)], 2, at(NOW)), None);
    }

    #[test]
    fn a_change_that_is_dated_ahead_hides_nothing_that_comes_before_it() {
        let cursor = Cursor {
            seen: Some(at(900)),
            ..Cursor::default()
        };
        let (next, more) = page(&cursor, &[900, 950, 90_000], 3);
        assert_eq!((next.seen, more), (Some(at(950)), false));
        // A whole page of them is read to its end all the same.
        let (next, more) = page(&next, &[90_000, 90_001], 5);
        assert_eq!(
            (next.seen, next.from, more),
            (Some(at(950)), Some(at(90_001)), true)
        );
        // What an older version has stored does not last.
        let ahead = Cursor {
            seen: Some(at(90_000)),
            ..Cursor::default()
        };
        let query = ahead.query(&reach(5, None), at(NOW));
        assert_eq!(query.from, Some(at(NOW - 5)));
        assert_eq!(page(&ahead, &[], 0).0.seen, Some(at(NOW)));
    }

    #[test]
    fn it_is_small_and_readable_when_stored() {
        let idle = Cursor {
            begun: None,
            seen: Some(at(0)),
            from: None,
            tie: None,
            swept: None,
        };
        let text = serde_json::to_string(&idle).unwrap();
        assert_eq!(text, r#"{"seen":"1970-01-01T00:00:00Z"}"#);
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), idle);
    }

    /// Quiet rounds reach back ten seconds, and one in each overlap reaches back from where the last one of its kind began.
    #[test]
    fn each_round_reads_a_short_tail_and_one_in_each_overlap_sweeps_all_of_it() {
        let second = |n: i64| at(n * 1_000);
        let mut cursor = Cursor {
            seen: Some(second(1_000)),
            ..Cursor::default()
        };
        let (mut tails, mut sweeps) = (0, Vec::new());
        for now in (1_000..2_000).step_by(30) {
            let query = cursor.query(&reach(300_000, None), second(now));
            if query.sweep {
                sweeps.push((now, query.from.unwrap()));
            } else {
                tails += 1;
                assert_eq!(query.from, Some(cursor.seen.unwrap() - TAIL));
            }
            // Something has changed at just this time.
            let page = [(None, Some(second(now)))];
            (cursor, _) = cursor.after(&query, &page, 1, second(now)).unwrap();
            // A stored cursor is text.
            cursor = serde_json::from_value(serde_json::to_value(&cursor).unwrap()).unwrap();
        }
        assert_eq!(
            sweeps,
            [
                (1_000, second(700)),
                (1_300, second(700)),
                (1_600, second(970)),
                (1_900, second(1_270)),
            ],
            "back from the newest change before the last sweep"
        );
        assert_eq!(tails, 30);
        // Whatever was dated up to five minutes into the past when it came into sight is within the next sweep.
        for shown in 1_000..1_900 {
            let next = sweeps.iter().find(|(began, _)| *began > shown);
            let (began, from) = next.unwrap();
            assert!(*from <= second(shown - 300) && began - shown <= 300);
        }
    }

    #[test]
    fn a_clock_that_went_back_sweeps() {
        let cursor = Cursor {
            seen: Some(at(900)),
            swept: Some(Swept {
                at: at(5_000),
                seen: at(800),
            }),
            ..Cursor::default()
        };
        let query = cursor.query(&reach(5, None), at(NOW));
        assert!(query.sweep && query.from == Some(at(795)));
    }

    /// A system that filters by whole seconds: what happened within one of them is one time.
    #[test]
    fn a_second_that_fills_a_page_is_read_by_id_and_left_as_a_whole() {
        let seconds = Reach {
            tick: Duration::seconds(1),
            ..reach(0, None)
        };
        let now = at(90_000);
        let start = Cursor {
            from: Some(at(10_000)),
            ..Cursor::default()
        };
        let within = [(None, Some(at(10_200))), (None, Some(at(10_900)))];
        let query = start.query(&seconds, now);
        let (tie, _) = start.after(&query, &within, 3, now).unwrap();
        assert_eq!(tie.from, Some(at(10_000)));
        let query = tie.query(&seconds, now);
        assert_eq!(
            (query.from, query.before, query.sort),
            (Some(at(10_000)), Some(at(11_000)), Sort::Id)
        );
        let (next, more) = tie.after(&query, &within, 2, now).unwrap();
        assert!(more);
        assert_eq!((next.from, next.tie), (Some(at(11_000)), None));
    }
}
