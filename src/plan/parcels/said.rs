//! One report, read: the rows that are believed, the numbers that are some, and the file that said it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate_sdk::{ParcelReport, Tracking};

use super::super::tracking::Number;
use super::lines::Inside;

/// Words, dashes or zeros in place of a number.
pub(crate) fn no_number(text: &str) -> bool {
    Tracking::read(text) == Ok(Tracking::Missing)
}

/// The file that said something; where that is not known, the page that it was stored with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    file: Option<&'a str>,
    /// The rows of it; none where they are not known.
    rows: &'a [u64],
    recorded_at: DateTime<Utc>,
}

impl Source<'_> {
    /// The file is known by name, so that another one is certainly another.
    pub(super) fn known(&self) -> bool {
        self.file.is_some()
    }

    /// Other rows of the same file.
    pub(super) fn apart(&self, other: &Self) -> bool {
        let known = !self.rows.is_empty() && !other.rows.is_empty();
        known && self.same(other) && !self.rows.iter().any(|row| other.rows.contains(row))
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        match (self.file, other.file) {
            (Some(one), Some(other)) => one == other,
            _ => self.recorded_at == other.recorded_at,
        }
    }
}

/// One report, read.
#[derive(Clone, Debug)]
pub(super) struct Said<'a> {
    pub(super) id: i64,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) report: &'a ParcelReport,
    pub(super) source: Source<'a>,
    /// An operator typed it.
    pub(super) hand: bool,
    /// Then: its warehouse tells of it, too, under its name or number.
    pub(super) reported: bool,
    /// An operator said that it is a box of its own.
    pub(super) two: bool,
    /// Its carrier's number, and those of further labels.
    pub(super) numbers: Vec<Number<'a>>,
    /// Rows that are believed, by line.
    pub(super) rows: BTreeMap<u32, u32>,
    pub(super) misread: Vec<Misread<'a>>,
    /// Lines that it names, believed or not.
    pub(super) named: Vec<u32>,
    /// It holds everything that is in no other parcel; its rows are what that is by now.
    pub(super) whole: bool,
    /// Codes beside believed rows.
    codes: Vec<&'a str>,
}

impl<'a> Said<'a> {
    /// Reads a report.
    pub(super) fn of(
        id: i64,
        recorded_at: DateTime<Utc>,
        report: &'a ParcelReport,
        inside: Inside<'a>,
    ) -> Self {
        let number = report.tracking.as_deref();
        let also = report.also.iter().map(String::as_str);
        let mut numbers: Vec<Number<'_>> = Vec::new();
        for number in number.into_iter().chain(also) {
            if no_number(number) {
                continue;
            }
            let number = Number::of(number);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let mut rows = BTreeMap::new();
        for (n, items, _) in &inside.rows {
            let sum: &mut u32 = rows.entry(*n).or_default();
            *sum = sum.saturating_add(*items);
        }
        let misread = inside.misread.into_iter();
        let misread = misread.map(|(n, code)| Misread { id, n, code }).collect();
        Self {
            id,
            recorded_at,
            report,
            source: Source {
                file: report.told.as_ref().map(|told| told.file.as_str()),
                rows: report.told.as_ref().map_or(&[], |told| &told.rows),
                recorded_at,
            },
            hand: false,
            reported: false,
            two: false,
            numbers,
            rows,
            misread,
            named: inside.named,
            whole: inside.whole,
            codes: inside.rows.iter().filter_map(|(.., code)| *code).collect(),
        }
    }

    pub(super) fn effective(&self) -> DateTime<Utc> {
        self.report.effective_at(self.recorded_at)
    }

    /// It names this code in a row that is believed.
    pub(super) fn names_code(&self, code: &str) -> bool {
        self.codes.contains(&code)
    }
}

/// A row whose code means another item than the line it names, or no item of the shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misread<'a> {
    /// The report.
    pub(crate) id: i64,
    /// The line that it names; `None` where it names the code alone.
    pub(crate) n: Option<u32>,
    /// The code.
    pub(crate) code: &'a str,
}
