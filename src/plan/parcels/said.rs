//! One report, read: the rows that are believed, the numbers that are some, and the file that said it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate_sdk::{ParcelLine, ParcelReport, Tracking};

use super::super::tracking::Number;
use super::heard::ItemsOf;

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

/// Items of a row, whatever its code counts in.
///
/// # Errors
/// The code, where it is not that of the line.
pub(super) fn items<'a>(line: &'a ParcelLine, items_of: ItemsOf<'_>) -> Result<u32, &'a str> {
    let Some(code) = line.code.as_deref() else {
        return Ok(line.quantity);
    };
    let one = items_of(line.n, code).ok_or(code)?;
    Ok(line.quantity.saturating_mul(one))
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
}

impl<'a> Said<'a> {
    /// Reads a report; `items_of` says how many items one of a code is on a line, if it is of that line at all.
    pub(super) fn of(
        id: i64,
        recorded_at: DateTime<Utc>,
        report: &'a ParcelReport,
        items_of: ItemsOf<'_>,
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
        let mut misread = Vec::new();
        for line in &report.lines {
            match items(line, items_of) {
                Ok(items) => {
                    let sum: &mut u32 = rows.entry(line.n).or_default();
                    *sum = sum.saturating_add(items);
                }
                Err(code) => misread.push(Misread {
                    id,
                    n: line.n,
                    code,
                }),
            }
        }
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
        }
    }

    pub(super) fn effective(&self) -> DateTime<Utc> {
        self.report.effective_at(self.recorded_at)
    }

    /// It names one of these codes on a line that is believed.
    pub(super) fn names_code(&self, code: &str) -> bool {
        let rows = self.report.lines.iter();
        let mut rows = rows.filter(|line| line.code.as_deref() == Some(code));
        rows.any(|line| !self.misread.iter().any(|m| (m.n, m.code) == (line.n, code)))
    }
}

/// A row whose code means another item than the line it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misread<'a> {
    /// The report.
    pub(crate) id: i64,
    /// The line that it names.
    pub(crate) n: u32,
    /// The code beside it.
    pub(crate) code: &'a str,
}
