//! 出荷実績: rows of one parcel become one report, or none of them does.

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    BadRecord, NO_NUMBER, Observed, ParcelLine, ParcelReport, Record, ShipmentReference, Tracking,
};

use super::row::{RowView, short};
use crate::layout::Field;

/// The parcels of one file while it is read.
#[derive(Default)]
pub(crate) struct Parcels {
    found: Vec<Group>,
    index: std::collections::HashMap<(String, String), usize>,
}

struct Group {
    /// Where its record stands among the others.
    place: usize,
    raw: Vec<u8>,
    first: Option<BadRecord>,
    empty: BadRecord,
    report: ParcelReport,
}

struct Line {
    n: u32,
    quantity: u32,
    left_at: DateTime<Utc>,
}

impl Parcels {
    /// Adds a row to its parcel; a parcel keeps the place of its first row.
    pub(crate) fn add(&mut self, row: &RowView<'_>, raw: &[u8], records: &mut Vec<Record>) {
        let reference = match row.needed(Field::Reference) {
            Ok(reference) => reference,
            Err(bad) => {
                records.push(Record::new(raw, Err(bad)));
                return;
            }
        };
        let number = number(row);
        let name = key(row, &number);
        let at = *self
            .index
            .entry((reference.to_owned(), name.clone()))
            .or_insert_with(|| {
                let placeholder = row.bad(Field::Quantity, "no line of this parcel has left");
                records.push(Record::new(Vec::new(), Err(placeholder.clone())));
                self.found.push(Group {
                    place: records.len() - 1,
                    raw: Vec::new(),
                    first: None,
                    empty: placeholder,
                    report: ParcelReport {
                        reference: ShipmentReference::from(reference),
                        key: name,
                        named: false,
                        carrier: None,
                        tracking: number.clone().unwrap_or_default(),
                        also: Vec::new(),
                        left_at: DateTime::<Utc>::MIN_UTC,
                        left_until: None,
                        adds: false,
                        told: None,
                        lines: Vec::new(),
                    },
                });
                self.found.len() - 1
            });
        let Some(group) = self.found.get_mut(at) else {
            return;
        };
        group.raw.extend_from_slice(raw);
        if let Err(bad) = number {
            group.spoil(bad);
            return;
        }
        match line(row) {
            Ok(line) if group.add(&line) => {
                group.report.carrier = group
                    .report
                    .carrier
                    .take()
                    .or_else(|| row.some(Field::Carrier))
            }
            Ok(_) => group.spoil(row.bad(Field::Quantity, "is out of range")),
            Err(bad) => group.spoil(bad),
        }
    }

    /// Puts each parcel where its first row was.
    pub(crate) fn finish(self, records: &mut [Record]) {
        for group in self.found {
            let Some(record) = records.get_mut(group.place) else {
                continue;
            };
            record.raw = group.raw;
            record.parsed = match group.first {
                Some(bad) => Err(bad),
                None if group.report.lines.is_empty() => Err(group.empty),
                None => Ok(Observed::Parcel(group.report)),
            };
        }
    }
}

impl Group {
    /// False when the quantities of a line do not fit.
    fn add(&mut self, line: &Line) -> bool {
        let report = &mut self.report;
        report.left_at = report.left_at.max(line.left_at);
        if line.quantity == 0 {
            return true;
        }
        match report.lines.iter_mut().find(|l| l.n == line.n) {
            Some(same) => match same.quantity.checked_add(line.quantity) {
                Some(sum) => same.quantity = sum,
                None => return false,
            },
            None => report.lines.push(ParcelLine::new(line.n, line.quantity)),
        }
        true
    }

    fn spoil(&mut self, bad: BadRecord) {
        self.first.get_or_insert(bad);
    }
}

fn line(row: &RowView<'_>) -> Result<Line, BadRecord> {
    let left_at = row
        .time(Field::LeftAt)?
        .ok_or_else(|| row.bad(Field::LeftAt, "is blank"))?;
    Ok(Line {
        n: row.number(Field::Line)?,
        quantity: row.number(Field::Quantity)?,
        left_at,
    })
}

/// The carrier's number; [`NO_NUMBER`] where something else stands in its place, nothing where the cell is blank.
fn number(row: &RowView<'_>) -> Result<Option<String>, BadRecord> {
    let text = row.text(Field::Tracking);
    if text.is_empty() {
        return Ok(None);
    }
    match Tracking::read(text) {
        Ok(Tracking::Number(number)) => Ok(Some(number)),
        Ok(Tracking::Missing) => Ok(Some(NO_NUMBER.to_owned())),
        Err(why) => Err(row.bad(Field::Tracking, &format!("{:?} {why}", short(text)))),
    }
}

/// Names the parcel. Without a number of its own, what left at one time is one parcel, so that the same
/// file read twice names it alike and a later one does not replace it.
fn key(row: &RowView<'_>, number: &Result<Option<String>, BadRecord>) -> String {
    let number = match number {
        Ok(number) => number.clone().filter(|number| number != NO_NUMBER),
        Err(_) => row.some(Field::Tracking),
    };
    number
        .or_else(|| row.some(Field::Parcel))
        .unwrap_or_else(|| format!("left {}", row.text(Field::LeftAt)))
}
