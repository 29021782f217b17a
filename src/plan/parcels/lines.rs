//! What a shipment was instructed with, and which of its lines a report names.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::{Contents, ParcelLine, ParcelReport};

use super::heard::Instructed;
use super::parcel::Parcel;

/// The lines of one shipment. Where reports name codes, lines of one code count as one line, the first of them, until the
/// parcels are decided: a code does not say which of them it is.
pub(super) struct Lines<'s> {
    instructed: &'s Instructed<'s>,
    /// The line that a line counts as, where reports name codes.
    counts_as: BTreeMap<u32, u32>,
    /// Items by line as it counts; none where the decision is not known.
    wanted: BTreeMap<u32, u32>,
}

/// What a report says is inside.
#[derive(Clone, Debug, Default)]
pub(super) struct Inside<'a> {
    /// Rows that are believed: line, items, and the code beside it.
    pub(super) rows: Vec<(u32, u32, Option<&'a str>)>,
    /// The line that is named, if any, and a code that is not that line's, or no line's.
    pub(super) misread: Vec<(Option<u32>, &'a str)>,
    /// Lines that are named, believed or not, in the order of the report.
    pub(super) named: Vec<u32>,
    /// Everything that is in no other parcel.
    pub(super) whole: bool,
}

impl<'s> Lines<'s> {
    pub(super) fn of<'a>(
        instructed: &'s Instructed<'s>,
        reports: impl Iterator<Item = &'a ParcelReport>,
    ) -> Self {
        let mut lines = Self {
            instructed,
            counts_as: BTreeMap::new(),
            wanted: BTreeMap::new(),
        };
        let codes: BTreeSet<&str> = reports
            .filter_map(|report| match &report.contents {
                Contents::Codes(codes) => Some(codes),
                Contents::Lines(_) | Contents::Whole => None,
            })
            .flatten()
            .map(|line| line.code.as_str())
            .collect();
        for code in codes {
            lines.join(code);
        }
        for line in instructed.lines() {
            let sum: &mut u32 = lines.wanted.entry(lines.line(line.n)).or_default();
            *sum = sum.saturating_add(line.quantity);
        }
        lines
    }

    /// Lines of a code count as one.
    fn join(&mut self, code: &str) {
        let lines = self.instructed.lines().iter();
        let named = lines.filter(|line| (self.instructed.items_of)(line.n, code).is_some());
        let joined: BTreeSet<u32> = named.map(|line| self.line(line.n)).collect();
        let Some(first) = joined.first().copied() else {
            return;
        };
        for line in self.instructed.lines() {
            if joined.contains(&self.line(line.n)) {
                self.counts_as.insert(line.n, first);
            }
        }
    }

    /// The line that a line counts as.
    fn line(&self, n: u32) -> u32 {
        self.counts_as.get(&n).copied().unwrap_or(n)
    }

    /// The line that a code counts as, and how many items one of it is.
    fn line_of(&self, code: &str) -> Option<(u32, u32)> {
        let mut lines = self.instructed.lines().iter();
        lines.find_map(|line| {
            let one = (self.instructed.items_of)(line.n, code)?;
            Some((self.line(line.n), one))
        })
    }

    /// Items instructed of a line as it counts; `None` where that is not known.
    pub(super) fn items(&self, n: u32) -> Option<u32> {
        self.wanted.get(&n).copied()
    }

    /// All that was instructed, by line as it counts.
    pub(super) fn wanted(&self) -> &BTreeMap<u32, u32> {
        &self.wanted
    }

    /// Reads what a report says is inside. What is everything is left open.
    pub(super) fn inside<'a>(&self, report: &'a ParcelReport) -> Inside<'a> {
        let mut inside = Inside::default();
        match &report.contents {
            Contents::Lines(lines) => {
                for line in lines {
                    let n = self.line(line.n);
                    inside.named.push(n);
                    match self.items_in(line) {
                        Ok(items) => inside.rows.push((n, items, line.code.as_deref())),
                        Err(code) => inside.misread.push((Some(line.n), code)),
                    }
                }
            }
            Contents::Codes(codes) => {
                for line in codes {
                    let code = line.code.as_str();
                    match self.line_of(code) {
                        Some((n, one)) => {
                            inside.named.push(n);
                            let items = line.quantity.saturating_mul(one);
                            inside.rows.push((n, items, Some(code)));
                        }
                        None => inside.misread.push((None, code)),
                    }
                }
            }
            Contents::Whole => {
                inside.named = self.wanted.keys().copied().collect();
                inside.whole = true;
            }
        }
        inside
    }

    /// Items of a row, whatever its code counts in.
    ///
    /// # Errors
    /// The code, where it is not that of the line.
    fn items_in<'a>(&self, line: &'a ParcelLine) -> Result<u32, &'a str> {
        let Some(code) = line.code.as_deref() else {
            return Ok(line.quantity);
        };
        let one = (self.instructed.items_of)(line.n, code).ok_or(code)?;
        Ok(line.quantity.saturating_mul(one))
    }

    /// The lines that count as this one, with what was instructed of each.
    fn members(&self, n: u32) -> Vec<(u32, u32)> {
        let lines = self.instructed.lines().iter();
        let members = lines.filter(|line| self.line(line.n) == n);
        members.map(|line| (line.n, line.quantity)).collect()
    }

    /// The lines that these are, each as often.
    pub(super) fn all_of(&self, named: Vec<u32>) -> Vec<u32> {
        if self.counts_as.is_empty() {
            return named;
        }
        let lines = named.into_iter();
        lines
            .flat_map(|n| match self.members(n) {
                members if members.is_empty() => vec![n],
                members => members.into_iter().map(|(n, _)| n).collect(),
            })
            .collect()
    }

    /// Fills lines that counted as one in their order, parcel by parcel; what is beyond them is on the last one.
    pub(super) fn spread(&self, parcels: &mut [Parcel<'_>]) {
        let joined: BTreeSet<u32> = self.counts_as.values().copied().collect();
        for first in joined {
            let mut open = self.members(first);
            if open.len() < 2 {
                continue;
            }
            for parcel in &mut *parcels {
                parcel.spread(first, &mut open);
            }
        }
    }
}
