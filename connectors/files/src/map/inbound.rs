//! A file that was read to records: rejects per row, the neighbours go on.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use hikiate_sdk::{
    BadRecord, CancelReply, CancelVerdict, InstructionReply, Observed, Record, ReplyVerdict,
    ShipmentReference, StockLevel,
};

use super::parcels::Parcels;
use super::row::{Places, RowView};
use crate::layout::{
    CancelVerdicts, ColumnIn, Field, Form, Incoming, Layout, ReplyVerdicts, Whole,
};
use crate::wire::delimited::rows;
use crate::wire::encoding::Decoded;

/// What a file that comes in tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Reply(ReplyVerdicts),
    Shipped,
    CancelReply(CancelVerdicts),
    Stock,
}

/// A kind of file that is read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    pub(crate) files: String,
    pub(crate) whole: Whole,
    form: Form,
    columns: Vec<ColumnIn>,
    zone: Tz,
}

impl Reading {
    /// The kinds of a layout: those of the stream `shipments`, then those of `stock`.
    pub(crate) fn of(layout: &Layout, zone: Tz) -> (Vec<Self>, Vec<Self>) {
        let shipments = [
            layout
                .reply
                .as_ref()
                .map(|i| Self::new(Kind::Reply(i.verdicts.clone()), i, layout.form, zone)),
            layout
                .shipped
                .as_ref()
                .map(|i| Self::new(Kind::Shipped, i, layout.form, zone)),
            layout
                .cancel_reply
                .as_ref()
                .map(|i| Self::new(Kind::CancelReply(i.verdicts.clone()), i, layout.form, zone)),
        ];
        let stock = layout
            .stock
            .as_ref()
            .map(|i| Self::new(Kind::Stock, i, layout.form, zone));
        (
            shipments.into_iter().flatten().collect(),
            stock.into_iter().collect(),
        )
    }

    fn new<V>(kind: Kind, incoming: &Incoming<V>, form: Form, zone: Tz) -> Self {
        let (files, whole) = (incoming.files.clone(), incoming.whole.clone());
        Self {
            kind,
            files,
            whole,
            form: form.with(incoming.form),
            columns: incoming.columns.clone(),
            zone,
        }
    }

    /// Whether the content says that the file is whole. A file that cannot be decoded is whole enough to be
    /// told as such once it has stopped growing.
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        match &self.whole {
            Whole::Renamed | Whole::Marker(_) => true,
            Whole::Stable => bytes
                .last()
                .is_some_and(|b| matches!(b, b'\n' | b'\r' | 0x1A)),
            Whole::Trailer(mark) => {
                let Ok(decoded) = self.form.encoding.decode(bytes) else {
                    return false;
                };
                let last = rows(&decoded.text, self.form.separator).pop();
                last.and_then(|row| row.cells.ok())
                    .is_some_and(|cells| cells.first().is_some_and(|c| c.trim() == mark))
            }
        }
    }

    /// The records of a file, in its order.
    pub(crate) fn read(&self, file: &str, bytes: &[u8]) -> Vec<Record> {
        match self.form.encoding.decode(bytes) {
            Ok(decoded) => self
                .read_rows(file, bytes, &decoded)
                .unwrap_or_else(|reason| whole_bad(file, bytes, &reason)),
            Err(reason) => whole_bad(
                file,
                bytes,
                &format!("{reason}; the layout's encoding may be wrong"),
            ),
        }
    }

    fn read_rows(
        &self,
        file: &str,
        bytes: &[u8],
        decoded: &Decoded,
    ) -> Result<Vec<Record>, String> {
        let mut rows = rows(&decoded.text, self.form.separator);
        if let Whole::Trailer(_) = self.whole {
            rows.pop();
        }
        let mut rows = rows.into_iter();
        let (places, width, mut done) = if self.form.header {
            let head = rows.next().ok_or("the header is missing")?;
            let names = head.cells.map_err(|why| format!("the header {why}"))?;
            (self.named(file, &names)?, names.len(), head.span.end)
        } else {
            (self.numbered(file), self.columns.len(), 0)
        };
        let mut at = decoded.start() + decoded.byte_len(&decoded.text[..done]);
        let (mut records, mut parcels) = (Vec::new(), Parcels::default());
        for row in rows {
            let start = at + decoded.byte_len(&decoded.text[done..row.span.start]);
            at = start + decoded.byte_len(&decoded.text[row.span.clone()]);
            done = row.span.end;
            let raw = bytes.get(start..at).unwrap_or_default();
            let cells =
                row.cells
                    .map_err(|why| why.to_owned())
                    .and_then(|cells| match cells.len() {
                        n if n == width || (n > width && !self.form.header) => Ok(cells),
                        n => Err(format!("has {n} cells, not {width}")),
                    });
            match cells {
                Ok(cells) => {
                    let view = RowView {
                        places: &places,
                        line: row.line,
                        cells: &cells,
                    };
                    match &self.kind {
                        Kind::Shipped => parcels.add(&view, raw, &mut records),
                        kind => records.push(Record::new(raw, parse(kind, &view))),
                    }
                }
                Err(why) => {
                    let reason = format!("{file} row {}: {why}", row.line);
                    records.push(Record::new(raw, Err(BadRecord::new(None, reason))));
                }
            }
        }
        parcels.finish(&mut records);
        Ok(records)
    }

    fn named<'a>(&'a self, file: &'a str, names: &[String]) -> Result<Places<'a>, String> {
        let mut columns = BTreeMap::new();
        for column in &self.columns {
            let Some(field) = column.field else { continue };
            let place = names.iter().position(|name| name.trim() == column.name);
            let place =
                place.ok_or_else(|| format!("the header has no column {:?}", column.name))?;
            columns.insert(field, (column, place));
        }
        Ok(Places {
            file,
            zone: self.zone,
            columns,
        })
    }

    fn numbered<'a>(&'a self, file: &'a str) -> Places<'a> {
        let place = |(n, column): (usize, &'a ColumnIn)| Some((column.field?, (column, n)));
        Places {
            file,
            zone: self.zone,
            columns: self.columns.iter().enumerate().filter_map(place).collect(),
        }
    }
}

fn whole_bad(file: &str, bytes: &[u8], reason: &str) -> Vec<Record> {
    let bad = BadRecord::new(None, format!("{file}: {reason}"));
    vec![Record::new(bytes, Err(bad))]
}

fn parse(kind: &Kind, row: &RowView<'_>) -> Result<Observed, BadRecord> {
    match kind {
        Kind::Reply(words) => {
            let lists = [
                (&words.accepted, ReplyVerdict::Accepted),
                (&words.rejected, ReplyVerdict::Rejected),
            ];
            Ok(Observed::InstructionReply(InstructionReply {
                reference: ShipmentReference::from(row.needed(Field::Reference)?),
                verdict: verdict(row, &lists)?,
                message: row.text(Field::Message).to_owned(),
                at: row.time(Field::At)?,
            }))
        }
        Kind::CancelReply(words) => {
            let lists = [
                (&words.accepted, CancelVerdict::Accepted),
                (&words.declined, CancelVerdict::Declined),
                (&words.too_late, CancelVerdict::TooLate),
            ];
            Ok(Observed::CancelReply(CancelReply {
                reference: ShipmentReference::from(row.needed(Field::Reference)?),
                verdict: verdict(row, &lists)?,
                message: row.text(Field::Message).to_owned(),
                at: row.time(Field::At)?,
            }))
        }
        Kind::Stock => Ok(Observed::Stock(StockLevel {
            code: row.needed(Field::Code)?.to_owned(),
            location: row.some(Field::Location),
            quantity: row.number(Field::Quantity)?,
            free: false,
            as_of: row.time(Field::AsOf)?,
            read_at: None,
        })),
        // Grouped over rows by `Parcels`, never here.
        Kind::Shipped => Err(row.bad(Field::Reference, "a parcel is not one row")),
    }
}

fn verdict<V: Copy>(row: &RowView<'_>, lists: &[(&Vec<String>, V)]) -> Result<V, BadRecord> {
    let word = row.needed(Field::Verdict)?;
    let known = lists
        .iter()
        .find(|(words, _)| words.iter().any(|w| w == word));
    let shown: String = word.chars().take(40).collect();
    known.map(|(_, v)| *v).ok_or_else(|| {
        row.bad(
            Field::Verdict,
            &format!("{shown:?} is no word of the layout's verdicts"),
        )
    })
}
