//! A kind of file that is read: how its columns are found, and its rows one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{BadRecord, InFile, Record};

use super::assemble::Assembler;
use super::row::{Places, RowView};
use super::rows::{Telling, Understood, understand};
use super::survey::{Survey, Surveyor};
use super::when::FileTimes;
use crate::glob;
use crate::layout::{Absent, ColumnIn, Exports, Field, Form, Kind, Layout, Says, Whole};
use crate::wire::scan::{At, Coded, RawRow, Scanner, Split};
use crate::words::{alike, heading};

/// More bad rows than this are one bad record with the file.
pub(crate) const MOST_BAD: u64 = 1_000;

/// A kind of file that is read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) word: &'static str,
    pub(crate) telling: Telling,
    pub(crate) files: String,
    pub(crate) whole: Whole,
    pub(crate) form: Form,
    /// Later files of a day repeat the earlier ones.
    pub(crate) repeats: bool,
    columns: Vec<ColumnIn>,
    zone: Tz,
    /// Longest row in bytes.
    row_bytes: usize,
}

/// Where the columns stand in a particular file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The column of the layout and the cell of each field.
    pub(crate) fields: BTreeMap<Field, (usize, usize)>,
    /// Cells of a row.
    pub(crate) width: usize,
    /// The mark and the header as they stand in the file; before a row they make a file of it.
    pub(crate) head: Vec<u8>,
}

impl Reading {
    /// The kinds of a layout: those of the stream `shipments`, then those of `stock`.
    pub(crate) fn of(layout: &Layout, zone: Tz, row_bytes: usize) -> (Vec<Self>, Vec<Self>) {
        let new = |telling, kind: Kind<'_>| Self {
            word: kind.word,
            telling,
            files: kind.files.to_owned(),
            whole: kind.whole.clone(),
            form: layout.form.with(kind.form),
            repeats: kind.word == "shipped"
                && (layout.shipped.as_ref()).is_some_and(|s| s.exports == Exports::Cumulative),
            columns: kind.columns.to_vec(),
            zone,
            row_bytes,
        };
        let shipments = [
            layout
                .reply
                .as_ref()
                .map(|i| new(Telling::Reply(i.verdicts.clone()), i.kind("reply"))),
            layout
                .shipped
                .as_ref()
                .map(|i| new(Telling::Shipped(i.quantities), i.kind())),
            layout.cancel_reply.as_ref().map(|i| {
                let telling = Telling::CancelReply(i.verdicts.clone());
                new(telling, i.kind("cancel_reply"))
            }),
        ];
        let stock = layout
            .stock
            .as_ref()
            .map(|i| new(Telling::Stock(Box::new(i.clone())), i.kind()));
        (
            shipments.into_iter().flatten().collect(),
            stock.into_iter().collect(),
        )
    }

    /// Whether a file of this name is of this kind.
    pub(crate) fn takes(&self, name: &str) -> bool {
        glob::matches(&self.files, name) && !self.is_marker(name)
    }

    /// Whether a name ends as a marker does, also where the pattern takes it.
    fn is_marker(&self, name: &str) -> bool {
        let Whole::Marker(suffix) = &self.whole else {
            return false;
        };
        name.to_lowercase().ends_with(&suffix.to_lowercase())
    }

    /// The name of the file that a marker of this name stands beside.
    pub(crate) fn marked_by<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Whole::Marker(suffix) = &self.whole else {
            return None;
        };
        let at = name.len().checked_sub(suffix.len())?;
        let (file, end) = (name.get(..at)?, name.get(at..)?);
        let is = end.to_lowercase() == suffix.to_lowercase() && glob::matches(&self.files, file);
        is.then_some(file)
    }

    /// The day of a time where the warehouse is.
    pub(crate) fn day_of(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// When a list was made. The times of its rows may be those of each item's last count, or of its last movement.
    pub(crate) fn made_at(&self, times: FileTimes) -> DateTime<Utc> {
        let lag = match &self.telling {
            Telling::Stock(stock) => Duration::from_std(stock.as_of_lag.0).unwrap_or_default(),
            _ => Duration::zero(),
        };
        times.told - lag
    }

    /// Whether what a file does not name is gone.
    pub(crate) fn lists_all(&self) -> bool {
        matches!(&self.telling, Telling::Stock(stock) if stock.absent == Absent::Zero)
    }

    /// A scan from a file's beginning.
    pub(crate) fn scanner(&self) -> Scanner {
        Scanner::new(self.form.encoding, self.form.separator, self.row_bytes)
    }

    /// A scan that goes on.
    pub(crate) fn resume(&self, coded: Coded, at: At) -> Scanner {
        Scanner::resume(coded, self.form.separator, self.row_bytes, at)
    }

    /// What rows of a file are read with.
    pub(crate) fn places<'a>(
        &'a self,
        file: &'a str,
        times: FileTimes,
        opened: &'a Opened,
        stood: &'a BTreeMap<u64, u64>,
    ) -> Places<'a> {
        Places {
            word: self.word,
            file,
            zone: self.zone,
            times,
            columns: &self.columns,
            fields: &opened.fields,
            stood,
        }
    }

    /// Finds the columns by the header. A column that may be missing is read as blank, unless it seems to be there under
    /// another heading: its cells would be lost unnoticed.
    ///
    /// # Errors
    /// Which column is missing, renamed or stands twice.
    pub(crate) fn open(&self, names: &[String], head: Vec<u8>) -> Result<Opened, String> {
        let found: Vec<String> = names.iter().map(|name| heading(name)).collect();
        let mut fields = BTreeMap::new();
        for (n, column) in self.columns.iter().enumerate() {
            let Some(field) = column.field else { continue };
            let wanted = heading(&column.name);
            let mut places = (0..found.len()).filter(|at| found.get(*at) == Some(&wanted));
            let exact = || names.iter().position(|name| name.trim() == column.name);
            match (places.next(), places.next()) {
                (Some(at), None) => {
                    fields.insert(field, (n, at));
                }
                (Some(_), Some(_)) => {
                    let same = names.iter().filter(|name| name.trim() == column.name);
                    let at = exact().filter(|_| same.count() == 1);
                    let at = at.ok_or_else(|| {
                        format!("the header has the column {:?} twice", column.name)
                    })?;
                    fields.insert(field, (n, at));
                }
                (None, _) if self.needs(field) => {
                    return Err(format!("the header has no column {:?}", column.name));
                }
                (None, _) => {}
            }
        }
        // Last: without what every file has, this is no header, and its words are no headings.
        if let Some((column, other)) = self.renamed(names, &fields) {
            return Err(format!(
                "the header has no column {column:?} but has {other:?}, which the layout does not name: correct the heading in the file or in the layout, or, if {other:?} is another column, add it to the layout without a field"
            ));
        }
        Ok(Opened {
            fields,
            width: names.len(),
            head,
        })
    }

    /// A column that the header lacks, and a heading that no column of the layout has and that looks like it.
    fn renamed(
        &self,
        names: &[String],
        fields: &BTreeMap<Field, (usize, usize)>,
    ) -> Option<(&str, String)> {
        let used: Vec<String> = self.columns.iter().map(|c| heading(&c.name)).collect();
        let unknown = names.iter().filter(|name| !used.contains(&heading(name)));
        let unknown: Vec<&String> = unknown.collect();
        let lacks = |c: &&ColumnIn| c.field.is_some_and(|field| !fields.contains_key(&field));
        self.columns.iter().filter(lacks).find_map(|column| {
            let other = unknown.iter().find(|name| alike(&column.name, name))?;
            Some((
                column.name.as_str(),
                other.trim().chars().take(64).collect(),
            ))
        })
    }

    /// The columns by their position.
    pub(crate) fn open_without_header(&self, head: Vec<u8>) -> Opened {
        let place = |(n, column): (usize, &ColumnIn)| Some((column.field?, (n, n)));
        Opened {
            fields: self.columns.iter().enumerate().filter_map(place).collect(),
            width: self.columns.len(),
            head,
        }
    }

    fn needs(&self, field: Field) -> bool {
        match self.telling {
            Telling::Reply(_) | Telling::CancelReply(_) => {
                matches!(field, Field::Reference | Field::Verdict)
            }
            Telling::Shipped(_) => match Says::of(&self.columns) {
                _ if matches!(field, Field::Reference | Field::ShippedAt) => true,
                Says::Lines => matches!(field, Field::Line | Field::Quantity),
                Says::Codes => matches!(field, Field::Code | Field::Quantity),
                Says::Whole => false,
            },
            // Without its quality nobody knows what of an item can be sold.
            Telling::Stock(_) => matches!(field, Field::Code | Field::Quantity | Field::Quality),
        }
    }

    /// Whether a row has the cells of its file.
    pub(crate) fn fits(&self, opened: &Opened, cells: &Split<'_>) -> bool {
        match cells {
            Split::Broken(_) => false,
            cells => {
                let count = cells.count();
                count == opened.width || (count > opened.width && !self.form.header)
            }
        }
    }

    /// Reads one row; `with` gets it as it was understood and as it stands.
    pub(crate) fn row<T>(
        &self,
        places: &Places<'_>,
        opened: &Opened,
        row: RawRow<'_>,
        with: impl FnOnce(Understood, &RowView<'_>, &RawRow<'_>) -> T,
    ) -> T {
        let RawRow {
            coded,
            at,
            next,
            raw,
            cells,
        } = row;
        let count = cells.count();
        let fits = self.fits(opened, &cells);
        let line = places.row_at(at.line);
        let (understood, cells) = match cells.cells() {
            Ok(cells) if fits => (None, cells),
            Ok(_) => {
                let why = format!("has {count} cells, not {}", opened.width);
                let cause = "has more or fewer cells than its file has columns";
                let bad = places.bad_row(line, &why);
                (
                    Some(bad.because(format!("{}: {cause}", self.word))),
                    Vec::new(),
                )
            }
            Err(why) => (Some(places.bad_row(line, &why)), Vec::new()),
        };
        let view = RowView {
            places,
            line,
            cells: &cells,
        };
        let understood =
            understood.map_or_else(|| understand(&self.telling, &view), Understood::bad);
        let raw = RawRow {
            coded,
            at,
            next,
            raw,
            cells: Split::Quoted(Vec::new()),
        };
        with(understood, &view, &raw)
    }

    /// The records of bytes that were kept of a file, told by that file and at its time.
    pub(crate) fn read_again(self: &Arc<Self>, file: &InFile, bytes: &[u8]) -> Vec<Record> {
        let times = FileTimes {
            read_at: file.read_at,
            told: file.told,
        };
        let stood = self.stood(file, bytes);
        let mut surveyor = Surveyor::new(self.clone(), &file.name, times).stood(stood);
        surveyor.feed(bytes, true);
        let mut survey = surveyor.finish();
        survey.sha256.clone_from(&file.sha256);
        self.assemble(&Arc::new(survey), bytes)
    }

    /// Where in their file the rows stood that begin at a line of the kept bytes.
    fn stood(&self, file: &InFile, bytes: &[u8]) -> BTreeMap<u64, u64> {
        let mut lines = Vec::new();
        if !file.rows.is_empty() {
            let mut each = |row: RawRow<'_>| {
                lines.push(row.at.line);
                true
            };
            // Bytes that are not of the encoding are told as such when they are read.
            drop(self.scanner().feed(bytes, true, &mut each));
        }
        let rows = lines.into_iter().skip(usize::from(self.form.header));
        rows.zip(file.rows.iter().copied()).collect()
    }

    /// The records of a whole file that was looked through.
    pub(crate) fn assemble(self: &Arc<Self>, survey: &Arc<Survey>, bytes: &[u8]) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some(bad) = self.whole_bad(survey, None) {
            records.push(Record::new(bytes, Err(bad)).in_file(survey.whole_file()));
        }
        if survey.opened.is_err() {
            return records;
        }
        let mut assembler = Assembler::whole(self.clone(), survey.clone());
        let mut scanner = self.scanner();
        let mut each = |row: RawRow<'_>| assembler.take(row);
        // Looked through before, so every byte is of the encoding.
        drop(scanner.feed(bytes, true, &mut each));
        records.extend(assembler.finish());
        records
    }

    /// What is told of a file as a whole; `kept` names the archived file where the record does not hold all of it.
    pub(crate) fn whole_bad(&self, survey: &Survey, kept: Option<&str>) -> Option<BadRecord> {
        let bad = |why: &str, cause: &str| {
            let rest = kept.map_or(String::new(), |name| {
                format!("; the record has only its beginning, the full text is in {name}")
            });
            BadRecord::new(None, format!("{}: {why}{rest}", survey.file))
                .because(format!("{}: {cause}", self.word))
        };
        match &survey.opened {
            Err(why) => {
                // Where the byte is differs from file to file.
                let byte = why.strip_prefix("byte ").and_then(|w| w.split_once(' '));
                let cause = byte.map(|(_, rest)| format!("a byte {rest}"));
                Some(bad(why, cause.as_deref().unwrap_or(why)))
            }
            Ok(_) if survey.is_collapsed() => {
                let first = survey.first_bad.as_ref();
                let (reason, cause) = first.map_or(("", ""), |b| (&b.reason, &b.cause));
                let why = format!(
                    "{} rows cannot be parsed, the first: {reason}",
                    survey.bad_rows
                );
                Some(bad(
                    &why,
                    cause.trim_start_matches(&format!("{}, ", self.word)),
                ))
            }
            Ok(_) => None,
        }
    }
}

impl Survey {
    /// So many rows are bad that they are told as one.
    pub(crate) fn is_collapsed(&self) -> bool {
        self.bad_rows > MOST_BAD
    }
}
