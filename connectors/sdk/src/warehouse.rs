//! What is sent to and reported by a warehouse or 3PL.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::{Asks, Customs, Party, ShipmentReference};

/// One shipping instruction (出荷指示): a shipment from one warehouse to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Our reference; every reply and parcel names it.
    pub reference: ShipmentReference,
    /// Our order number.
    pub order_number: String,
    /// The number the customer knows.
    pub display: String,
    /// The channel's account name, for slips.
    pub channel: String,
    /// When the customer ordered.
    pub ordered_at: DateTime<Utc>,
    /// The way of shipping by the channel's name.
    pub service: Option<String>,
    /// Not to be shipped before.
    pub earliest_ship: Option<DateTime<Utc>>,
    /// Where to.
    pub ship_to: Party,
    /// What goes in; at least one line.
    pub lines: Vec<InstructionLine>,
    /// What is asked of the shipment beyond that. An account that cannot pass it on rejects the instruction.
    #[serde(default)]
    pub asks: Asks,
}

/// One line of an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionLine {
    /// Counts from 1 within the shipment; replies name it.
    pub n: u32,
    /// The warehouse's code of the item.
    pub code: String,
    /// What the customer reads.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Tax included, minor units, for one as it was sold; `None` where the channel does not say.
    #[serde(default)]
    pub unit_price: Option<i64>,
    /// For a parcel that goes abroad.
    #[serde(default)]
    pub customs: Customs,
}

/// A warehouse's answer to one instruction (受付).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionReply {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Taken or not.
    pub verdict: ReplyVerdict,
    /// The warehouse's own words, shown to an operator: unquoted, since all of it counts as theirs.
    pub message: String,
    /// When, as reported.
    pub at: Option<DateTime<Utc>>,
}

/// Whether an instruction was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyVerdict {
    /// Will be shipped.
    Accepted,
    /// Will not be shipped.
    Rejected,
}

/// A warehouse's answer to a cancel request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelReply {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Stopped or not.
    pub verdict: CancelVerdict,
    /// The warehouse's own words, unquoted.
    pub message: String,
    /// When, as reported.
    pub at: Option<DateTime<Utc>>,
    /// The warehouse has not said so: it no longer has the shipment. Where nobody asked for a cancellation, that may be a mistake of
    /// its data, after which the shipment is back and ships.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
}

/// Whether a shipment was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelVerdict {
    /// It will not leave.
    Accepted,
    /// It will leave.
    Declined,
    /// It has left.
    TooLate,
}

/// A parcel as one report has it (出荷実績); how reports of one shipment come together is for the engine to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelReport {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Names the parcel within the shipment; the tracking number where there is one.
    pub key: String,
    /// The warehouse itself named the parcel so: another key is another parcel, whatever its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// The carrier's name as reported.
    pub carrier: Option<String>,
    /// The carrier's number; [`crate::NO_NUMBER`] where words or dashes were reported in its place, `None` where nothing was.
    pub tracking: Option<String>,
    /// Further numbers of the same parcel's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// When it left the house; of a day without a time, that day's beginning.
    #[serde(rename = "left_at")]
    pub shipped_at: DateTime<Utc>,
    /// The end of the day that `left_at` represents; `None` for a time.
    #[serde(
        default,
        rename = "left_until",
        skip_serializing_if = "Option::is_none"
    )]
    pub shipped_until: Option<DateTime<Utc>>,
    /// What is inside.
    #[serde(rename = "lines")]
    pub contents: Contents,
    /// The lines add to earlier reports; otherwise they are the whole contents of the parcel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adds: bool,
    /// Who reported it; says nothing about the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ReportSource>,
}

impl ParcelReport {
    /// The instruction's lines inside; none where it says its contents otherwise.
    #[must_use]
    pub fn lines(&self) -> &[ParcelLine] {
        match &self.contents {
            Contents::Lines(lines) => lines,
            Contents::Codes(_) | Contents::Whole => &[],
        }
    }

    /// The warehouse's codes that it names, beside a line or in place of one.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let codes: &[CodeLine] = match &self.contents {
            Contents::Codes(codes) => codes,
            Contents::Lines(_) | Contents::Whole => &[],
        };
        let beside = self.lines().iter().filter_map(|line| line.code.as_deref());
        beside.chain(codes.iter().map(|line| line.code.as_str()))
    }

    /// When the goods shipped, for stock and books: a time as it is; a day without a time at the moment it was reported, within that
    /// day. `recorded_at` is used where the report gives no such moment.
    #[must_use]
    pub fn effective_at(&self, recorded_at: DateTime<Utc>) -> DateTime<Utc> {
        let Some(until) = self.shipped_until else {
            return self.shipped_at;
        };
        let told = self.told.as_ref().map_or(recorded_at, |told| told.at);
        told.min(until).max(self.shipped_at)
    }
}

/// The file that reported something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSource {
    /// Names the file by its content.
    pub file: String,
    /// The file's time, at the latest its first reading.
    pub at: DateTime<Utc>,
    /// Its rows in the file, from 1; none where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u64>,
}

/// What a parcel holds, in the terms of the system that reports it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "StoredContents")]
pub enum Contents {
    /// Lines of the instruction, each with its number.
    Lines(Vec<ParcelLine>),
    /// Items by the warehouse's codes, from a system that does not keep our line numbers.
    Codes(Vec<CodeLine>),
    /// Everything of the shipment that is in no other parcel of it, from a system that reports numbers alone. Several such
    /// parcels of one shipment hold it together; what is in which of them is unknown.
    Whole,
}

/// How contents are stored: a list, or a word.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredContents {
    Lines(Vec<ParcelLine>),
    Codes(Vec<CodeLine>),
    Word(ContentsWord),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContentsWord {
    Whole,
}

impl From<StoredContents> for Contents {
    fn from(stored: StoredContents) -> Self {
        match stored {
            StoredContents::Lines(lines) => Self::Lines(lines),
            StoredContents::Codes(codes) => Self::Codes(codes),
            StoredContents::Word(ContentsWord::Whole) => Self::Whole,
        }
    }
}

impl Serialize for Contents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Lines(lines) => lines.serialize(serializer),
            Self::Codes(codes) => codes.serialize(serializer),
            Self::Whole => ContentsWord::Whole.serialize(serializer),
        }
    }
}

/// So many of a code in a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeLine {
    /// The warehouse's code of the item.
    pub code: String,
    /// How many, in what the code counts.
    pub quantity: u32,
}

/// One line of a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelLine {
    /// The instruction's line.
    pub n: u32,
    /// How many of it left in this parcel.
    pub quantity: u32,
    /// The warehouse's code of the item, where the row says it; what it is compared with is the instruction's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl ParcelLine {
    /// A row that names the line alone.
    #[must_use]
    pub fn new(n: u32, quantity: u32) -> Self {
        Self {
            n,
            quantity,
            code: None,
        }
    }
}

/// A stock level as counted (在庫). Unknown is not zero: an unreadable quantity is a bad record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// The external system's code of the item.
    pub code: String,
    /// The external system's code of the place, when it has several.
    pub location: Option<String>,
    /// Sellable quantity on the shelf.
    pub quantity: i64,
    /// What the warehouse has accepted and not yet shipped is already taken off.
    #[serde(default)]
    pub free: bool,
    /// When it was counted; `None` means when it was asked for.
    pub as_of: Option<DateTime<Utc>>,
    /// When it was first fetched; of two counts with the same time the one fetched later counts. `None` means when it was requested.
    #[serde(default)]
    pub read_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn contents_are_stored_as_a_list_or_a_word() {
        let code = |code: &str, quantity| CodeLine {
            code: code.to_owned(),
            quantity,
        };
        for (contents, stored) in [
            (
                Contents::Lines(vec![ParcelLine::new(2, 3)]),
                json!([{"n": 2, "quantity": 3}]),
            ),
            (Contents::Lines(Vec::new()), json!([])),
            (
                Contents::Codes(vec![code("A-1", 2), code("B", 0)]),
                json!([{"code": "A-1", "quantity": 2}, {"code": "B", "quantity": 0}]),
            ),
            (Contents::Whole, json!("whole")),
        ] {
            assert_eq!(to_value(&contents).unwrap(), stored);
            assert_eq!(from_value::<Contents>(stored).unwrap(), contents);
        }
        let checked = json!([{"n": 1, "quantity": 1, "code": "A-1"}]);
        let read: Contents = from_value(checked.clone()).unwrap();
        assert!(matches!(&read, Contents::Lines(lines) if lines[0].code.is_some()));
        assert_eq!(to_value(read).unwrap(), checked);
        for wrong in [json!(null), json!("some"), json!([{"quantity": 1}])] {
            assert!(from_value::<Contents>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
