//! A row of a parcel: how much of a line, told when, by which files.

use chrono::{DateTime, Utc};

use super::said::{Said, Source};

/// A row: quantities of one line that were told at one time. Several of a line add up.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) items: u32,
    /// When it took effect.
    pub(crate) effective: DateTime<Utc>,
    /// The time as it was written.
    shipped_at: DateTime<Utc>,
    pub(super) shipped_until: Option<DateTime<Utc>>,
    sources: Vec<Source<'a>>,
    /// What the report calls its parcel that told it first.
    key: &'a str,
    /// It adds to the others of its line, and no report but its own says it again.
    pub(super) adds: bool,
}

impl<'a> Row<'a> {
    pub(super) fn of(said: &Said<'a>, items: u32) -> Self {
        Self {
            items,
            effective: said.effective(),
            shipped_at: said.report.shipped_at,
            shipped_until: said.report.shipped_until,
            sources: vec![said.source],
            key: &said.report.key,
            adds: said.report.adds,
        }
    }

    /// The report that told it is read again: the same parcel, by the same file.
    pub(super) fn is_of(&self, said: &Said<'_>) -> bool {
        self.key == said.report.key && self.beside(said)
    }

    /// Other rows of a file that told it are told, which were read each for itself.
    pub(super) fn stands_apart(&self, said: &Said<'_>) -> bool {
        let mut beside = self.sources.iter().filter(|s| s.same(&said.source));
        self.is_of(said) && beside.all(|source| source.apart(&said.source))
    }

    /// A later report says it anew.
    pub(super) fn told_again(&mut self, said: &Said<'a>, items: u32) {
        // A day that is told again happened when it was told first.
        let effective = said.effective();
        self.effective = if self.written(said) {
            self.effective.min(effective)
        } else {
            effective
        };
        self.items = items;
        (self.shipped_at, self.shipped_until) = (said.report.shipped_at, said.report.shipped_until);
        self.sources.push(said.source);
    }

    /// The time is written as it was.
    pub(super) fn written(&self, said: &Said<'_>) -> bool {
        (self.shipped_at, self.shipped_until) == (said.report.shipped_at, said.report.shipped_until)
    }

    /// One file told both.
    pub(super) fn beside(&self, said: &Said<'_>) -> bool {
        self.sources.iter().any(|source| source.same(&said.source))
    }

    /// A later file says this row: it has the same clock time.
    fn same_clock(&self, said: &Said<'_>) -> bool {
        self.known(said) && self.shipped_until.is_none() && self.written(said)
    }

    fn known(&self, said: &Said<'_>) -> bool {
        said.source.known() && self.sources.iter().all(Source::known)
    }

    /// Items of this row that a later report is of: `bare` says that its parcel has no number, `exceeds` that both together
    /// would be more than was instructed. A box with a number takes no more out of what has none than is in it.
    pub(super) fn said_by(&self, said: &Said<'_>, items: u32, bare: bool, exceeds: bool) -> u32 {
        if self.items == 0 || self.beside(said) {
            return 0;
        }
        let clock = self.same_clock(said) && !said.two;
        let alike = self.items == items && !said.two;
        let told_again = self.known(said) && self.written(said);
        let (all, some) = match (bare, said.numbers.is_empty()) {
            (true, false) => (clock || (alike && told_again), exceeds && !said.two),
            (false, true) => (clock || (alike && exceeds && self.written(said)), false),
            _ => (clock, false),
        };
        match (all, some) {
            (true, _) => self.items,
            (false, true) => self.items.min(items),
            (false, false) => 0,
        }
    }
}
