//! What is said to and heard from a warehouse or 3PL.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Party, ShipmentReference};

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
}

/// A warehouse's answer to one instruction (受付).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionReply {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Taken or not.
    pub verdict: ReplyVerdict,
    /// The warehouse's own words, shown to a person.
    pub message: String,
    /// When, as told.
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
    /// The warehouse's own words.
    pub message: String,
    /// When, as told.
    pub at: Option<DateTime<Utc>>,
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
    /// The carrier's name as told.
    pub carrier: Option<String>,
    /// The carrier's number; [`crate::NO_NUMBER`] where words or dashes were told in its place, `None` where nothing was.
    pub tracking: Option<String>,
    /// Further numbers of the same parcel's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// When it left the house; of a day without a time, that day's beginning.
    pub left_at: DateTime<Utc>,
    /// The end of the day that `left_at` stands for; `None` for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_until: Option<DateTime<Utc>>,
    /// What is inside.
    pub lines: Vec<ParcelLine>,
    /// The lines add to what was told before; else they are what the parcel holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adds: bool,
    /// Who told it; says nothing about the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

impl ParcelReport {
    /// When the goods left, for stock and books: a time as it is; a day without a time at the moment it was told, within that
    /// day. `recorded_at` stands for that moment where the report does not say.
    #[must_use]
    pub fn effective_at(&self, recorded_at: DateTime<Utc>) -> DateTime<Utc> {
        let Some(until) = self.left_until else {
            return self.left_at;
        };
        let told = self.told.as_ref().map_or(recorded_at, |told| told.at);
        told.min(until).max(self.left_at)
    }
}

/// The file that told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Names the file by its content.
    pub file: String,
    /// The file's time, at the latest its first reading.
    pub at: DateTime<Utc>,
    /// In which rows of the file it stands, from 1; none where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u64>,
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
    /// The far side's code of the item.
    pub code: String,
    /// The far side's code of the place, when it has several.
    pub location: Option<String>,
    /// Sellable quantity on the shelf.
    pub quantity: i64,
    /// What the warehouse has accepted and not yet shipped is already taken off.
    #[serde(default)]
    pub free: bool,
    /// When it was counted; `None` means when it was asked for.
    pub as_of: Option<DateTime<Utc>>,
    /// When it was first read; of two counts of one time the later read stands. `None` means when it was asked for.
    #[serde(default)]
    pub read_at: Option<DateTime<Utc>>,
}
