//! Where a round over the shipments stands. Pure.
//!
//! OPENLOGI has no list of what changed. A round reads the open shipments, then what was shipped, day by day in Japan, then by
//! reference whatever of ours was open before and is in neither: read in this order nothing can pass from one list to the next
//! unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Asia::Tokyo;
use hikiate_sdk::{CancelVerdict, Record};
use serde::{Deserialize, Serialize};

use crate::map::shipment::{Back, Ending, Seen, Stage};

/// So many shipments that are gone at once are believed; of more, only if they are less than half of what was open.
const MANY: usize = 20;

/// So long it is known that a shipment was gone, should it come back.
const GONE_FOR: Days = Days::new(60);

/// The cursor of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cursor {
    /// What is read next.
    pub(super) step: Step,
    /// Ours that were open when they were read last; true where a cancellation was requested.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) open: BTreeMap<String, bool>,
    /// Ours that were open before and are not now.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) missing: BTreeMap<String, Missing>,
    /// Ours that were reported as cancelled because they were gone, and when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) gone: BTreeMap<String, DateTime<Utc>>,
    /// What the first page of this round took up of look-ups: whoever is given this cursor knows that it was stored.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) watched: BTreeSet<String>,
    /// The last day that was read.
    pub(super) day: Option<NaiveDate>,
}

/// A part of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Open shipments.
    #[default]
    Open,
    /// What was shipped on a day.
    Shipped(NaiveDate),
    /// What is in neither.
    Missing,
}

/// A shipment of ours that is in no list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Missing {
    /// Its cancellation had been requested.
    pub(super) requested: bool,
    /// When it was first looked for by its reference and was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<DateTime<Utc>>,
    /// When it was last asked for alone, and the answer said neither that it is there nor that it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<DateTime<Utc>>,
}

/// Today in Japan.
pub(super) fn today(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&Tokyo).date_naive()
}

fn day_before(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(1)).unwrap_or(day)
}

impl Cursor {
    /// With shipments to look for whose cancellation was in doubt: whatever was known of them, it was requested.
    pub(super) fn watching(mut self, watched: BTreeSet<String>) -> Self {
        for reference in &watched {
            match self.open.get_mut(reference) {
                Some(requested) => *requested = true,
                None if self.gone.contains_key(reference) => {}
                None => self.missing.entry(reference.clone()).or_default().requested = true,
            }
        }
        self.watched = watched;
        self
    }

    /// With shipments that OPENLOGI took and that no round has seen: what was deleted before the first of them is missing too.
    pub(super) fn expecting(mut self, unheard: &[String]) -> Self {
        for reference in unheard {
            if !self.open.contains_key(reference) && !self.gone.contains_key(reference) {
                self.missing.entry(reference.clone()).or_default();
            }
        }
        self
    }

    /// After the list of open shipments.
    pub(super) fn after_open(mut self, ours: &[Seen], now: DateTime<Utc>) -> (Self, Vec<Record>) {
        let before = std::mem::take(&mut self.open);
        self.gone
            .retain(|_, since| since.checked_add_days(GONE_FOR).is_none_or(|end| end > now));
        let mut endings = Vec::new();
        for seen in ours {
            let reference = &seen.reference;
            let was = before.get(reference).copied();
            let missing = self
                .missing
                .remove(reference)
                .map(|missing| missing.requested);
            endings.extend(self.is_open(seen, was.or(missing)));
        }
        for (reference, requested) in before {
            if !self.open.contains_key(&reference) {
                let missing = self.missing.entry(reference).or_default();
                missing.requested |= requested;
            }
        }
        let today = today(now);
        // Yesterday's list may have grown since; a day ahead is a clock that was wrong.
        let from = self.day.map_or(today, |day| day.min(today));
        self.step = Step::Shipped(day_before(from));
        (self, endings)
    }

    /// It is open, whatever it was; `was` says whether its cancellation had been requested.
    fn is_open(&mut self, seen: &Seen, was: Option<bool>) -> Option<Record> {
        let requested = match seen.stage {
            Some(stage) => stage == Stage::CancelRequested,
            // What it is cannot be read: it stays what it was.
            None => was.unwrap_or(false),
        };
        self.open.insert(seen.reference.clone(), requested);
        if self.gone.remove(&seen.reference).is_some() {
            return Some(Back::new(&seen.reference).record());
        }
        (was == Some(true) && !requested).then(|| {
            let why = "OPENLOGI did not cancel it: it goes on there";
            Ending::new(&seen.reference, CancelVerdict::Declined, why).record()
        })
    }

    /// After the list of what was shipped on a day. Whether the round goes on.
    pub(super) fn after_day(
        mut self,
        day: NaiveDate,
        ours: &[Seen],
        now: DateTime<Utc>,
    ) -> (Self, Vec<Record>, bool) {
        let endings = ours.iter().filter_map(|seen| self.has_left(seen)).collect();
        // The same may be in doubt once more from here on.
        self.watched.clear();
        self.day = Some(day);
        let next = day.checked_add_days(Days::new(1));
        self.step = match next.filter(|next| *next <= today(now)) {
            Some(next) => Step::Shipped(next),
            None if self.missing.is_empty() => Step::Open,
            None => Step::Missing,
        };
        let more = self.step != Step::Open;
        (self, endings, more)
    }

    fn has_left(&mut self, seen: &Seen) -> Option<Record> {
        let open = self.open.remove(&seen.reference);
        let missing = self.missing.remove(&seen.reference);
        // Its parcel says that it was not stopped after all.
        self.gone.remove(&seen.reference);
        let requested = open == Some(true) || missing.is_some_and(|missing| missing.requested);
        requested.then(|| {
            let why = "it was shipped before OPENLOGI cancelled it";
            Ending::new(&seen.reference, CancelVerdict::TooLate, why).record()
        })
    }

    /// After what was missing was asked for by reference: the names of what was not there twice, `settle` apart, and first of what
    /// was not asked for alone yet or longest ago. `unsure`: the answer holds what nobody can read.
    pub(super) fn after_missing(
        mut self,
        ours: &[Seen],
        unsure: bool,
        now: DateTime<Utc>,
        settle: Duration,
    ) -> (Self, Vec<Record>, Vec<String>) {
        self.step = Step::Open;
        let endings = self.is_there(ours);
        if unsure {
            return (self, endings, Vec::new());
        }
        let gone_for = |since: DateTime<Utc>| (now - since).to_std().unwrap_or_default();
        let mut gone = Vec::new();
        for (reference, missing) in &mut self.missing {
            match missing.since {
                None => missing.since = Some(now),
                Some(since) if gone_for(since) >= settle => {
                    gone.push((missing.asked, reference.clone()));
                }
                Some(_) => {}
            }
        }
        gone.sort();
        let gone = gone.into_iter().map(|(_, reference)| reference).collect();
        (self, endings, gone)
    }

    /// Whether so many at once are no cancellations but a mistake, such as another merchant's token.
    pub(super) fn are_too_many(&self, gone: &[String]) -> bool {
        let known = self.open.len() + self.missing.len();
        gone.len() > MANY && gone.len() * 2 > known
    }

    /// After those were asked for one by one: `there` are not gone after all, `gone` are stopped, and `unclear` are asked for again
    /// after all others.
    pub(super) fn after_asking(
        mut self,
        there: &[Seen],
        gone: &[String],
        unclear: &[String],
        now: DateTime<Utc>,
    ) -> (Self, Vec<Record>) {
        let mut endings = self.is_there(there);
        for reference in unclear {
            if let Some(missing) = self.missing.get_mut(reference) {
                missing.asked = Some(now);
            }
        }
        for reference in gone {
            self.missing.remove(reference);
            self.gone.insert(reference.clone(), now);
            endings.push(Ending::gone(reference).record());
        }
        (self, endings)
    }

    /// What was asked for alone at any time and is neither there nor gone.
    pub(super) fn unclear(&self) -> impl Iterator<Item = &str> {
        let asked = self
            .missing
            .iter()
            .filter(|(_, missing)| missing.asked.is_some());
        asked.map(|(reference, _)| reference.as_str())
    }

    /// Of what was missing these are there.
    fn is_there(&mut self, ours: &[Seen]) -> Vec<Record> {
        let mut endings = Vec::new();
        for seen in ours {
            if seen.stage == Some(Stage::Shipped) {
                endings.extend(self.has_left(seen));
            } else if let Some(missing) = self.missing.remove(&seen.reference) {
                endings.extend(self.is_open(seen, Some(missing.requested)));
            }
        }
        endings
    }
}
