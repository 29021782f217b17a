//! What a row says by itself, before its neighbours are looked at.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use chrono::Duration;
use hikiate_sdk::{
    BadRecord, CancelReply, CancelVerdict, InstructionReply, Observed, ReplyVerdict,
    ShipmentReference,
};

use super::parcels::{self, ParcelRow};
use super::row::{RowView, shown};
use super::stock::{self, StockRow};
use crate::layout::{CancelVerdicts, Field, Quantities, ReplyVerdicts, Stock};

/// What a file that comes in tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Reply(ReplyVerdicts),
    Shipped(Quantities),
    CancelReply(CancelVerdicts),
    Stock(Box<Stock>),
}

/// What a row says.
pub(crate) enum Content {
    /// An answer, which is a record of its own.
    Answer(Box<Observed>),
    /// A part of a parcel.
    Parcel(Box<ParcelRow>),
    /// A part of an item's count.
    Stock(Box<StockRow>),
}

/// A row by itself.
pub(crate) struct Understood {
    /// Rows of one parcel, of one item at one place, of the answers to one shipment.
    pub(crate) group: Option<u64>,
    /// The item, whatever its place.
    pub(crate) item: Option<u64>,
    /// What must not stand twice in a group (在庫, 出荷実績), or must be the same in all of it (answers).
    pub(crate) exact: Option<u64>,
    /// What it says, or why it cannot be understood.
    pub(crate) content: Result<Content, BadRecord>,
}

impl Understood {
    /// A row that names nothing.
    pub(crate) fn bad(bad: BadRecord) -> Self {
        Self {
            group: None,
            item: None,
            exact: None,
            content: Err(bad),
        }
    }
}

/// Stands for a name in sets of many.
pub(crate) fn mark<T: Hash>(of: T) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Reads a row.
pub(crate) fn understand(telling: &Telling, row: &RowView<'_>) -> Understood {
    match telling {
        Telling::Reply(words) => {
            let lists = [
                (&words.accepted, ReplyVerdict::Accepted),
                (&words.rejected, ReplyVerdict::Rejected),
            ];
            answer(row, "reply", &lists, |reference, verdict| {
                Ok(Observed::InstructionReply(InstructionReply {
                    reference,
                    verdict,
                    message: row.words(Field::Message).unwrap_or_default(),
                    at: received_at(row)?,
                }))
            })
        }
        Telling::CancelReply(words) => {
            let lists = [
                (&words.accepted, CancelVerdict::Accepted),
                (&words.declined, CancelVerdict::Declined),
                (&words.too_late, CancelVerdict::TooLate),
            ];
            answer(row, "cancel", &lists, |reference, verdict| {
                Ok(Observed::CancelReply(CancelReply {
                    reference,
                    verdict,
                    message: row.words(Field::Message).unwrap_or_default(),
                    at: received_at(row)?,
                    absent: false,
                }))
            })
        }
        Telling::Shipped(_) => parcels::understand(row),
        Telling::Stock(layout) => {
            let lag = Duration::from_std(layout.as_of_lag.0).unwrap_or_default();
            stock::understand(layout, lag, row)
        }
    }
}

fn received_at(row: &RowView<'_>) -> Result<Option<chrono::DateTime<chrono::Utc>>, BadRecord> {
    let told = row.places.times.told;
    Ok(row.when(Field::At)?.map(|when| when.told(told)))
}

fn answer<V: Copy + std::fmt::Debug>(
    row: &RowView<'_>,
    part: &str,
    lists: &[(&Vec<String>, V)],
    make: impl FnOnce(ShipmentReference, V) -> Result<Observed, BadRecord>,
) -> Understood {
    let of_part = |bad: BadRecord| bad.of_part(part);
    let reference = match row.needed(Field::Reference) {
        Ok(reference) => reference,
        Err(bad) => return Understood::bad(of_part(bad)),
    };
    let group = Some(mark(&reference));
    let (exact, content) = match verdict(row, lists) {
        Ok(verdict) => {
            let made = make(ShipmentReference::new(reference), verdict);
            let exact = mark(format!("{verdict:?}"));
            (Some(exact), made.map(|o| Content::Answer(Box::new(o))))
        }
        Err(bad) => (None, Err(bad)),
    };
    Understood {
        group,
        item: None,
        exact,
        content: content.map_err(of_part),
    }
}

fn verdict<V: Copy>(row: &RowView<'_>, lists: &[(&Vec<String>, V)]) -> Result<V, BadRecord> {
    let word = row.text(Field::Verdict);
    if word.is_empty() {
        return Err(row.bad(Field::Verdict, "is blank"));
    }
    let known = lists
        .iter()
        .find(|(words, _)| words.iter().any(|w| w == word));
    known.map(|(_, v)| *v).ok_or_else(|| {
        // Each word is a cause of its own: what one means says nothing of another.
        let words: Vec<&str> = lists
            .iter()
            .flat_map(|(list, _)| list.iter().map(String::as_str))
            .collect();
        let rule = format!(
            "{} is not one of the layout's verdicts: {}",
            shown(word),
            words.join(", ")
        );
        row.bad(Field::Verdict, &rule)
    })
}
