//! Files that are read, as a layout describes them.

use std::collections::BTreeMap;
use std::time::Duration;

use hikiate_sdk::duration::Span;
use serde::Deserialize;

use super::model::FormPart;

/// A kind of file that is read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming<V> {
    /// File names: `*` is any text, `?` any character; upper and lower case are the same.
    pub files: String,
    /// How a file is known to be whole.
    #[serde(default)]
    pub whole: Whole,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// With a header, found by name in any order and width; without, by position.
    pub columns: Vec<ColumnIn>,
    /// Words of the column `verdict`.
    #[serde(default)]
    pub verdicts: V,
}

/// 出荷実績: a row per line of a parcel, per item of it, or per parcel; see [`Says`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shipped {
    /// See [`Incoming::files`].
    pub files: String,
    /// See [`Incoming::whole`].
    #[serde(default)]
    pub whole: Whole,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// See [`Incoming::columns`].
    pub columns: Vec<ColumnIn>,
    /// What a quantity says of a parcel and line that an earlier file named.
    #[serde(default)]
    pub quantities: Quantities,
    /// What a file holds.
    #[serde(default)]
    pub exports: Exports,
}

/// How rows of 出荷実績 say what is in their parcel, by the columns that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// By the instruction's line number and a quantity.
    Lines,
    /// By the code of an item and a quantity.
    Codes,
    /// Not at all: everything of the shipment that is in no other parcel.
    Whole,
}

impl Says {
    /// By these columns.
    #[must_use]
    pub fn of(columns: &[ColumnIn]) -> Self {
        let has = |field| columns.iter().any(|c| c.field == Some(field));
        match (has(Field::Line), has(Field::Quantity)) {
            (true, _) => Self::Lines,
            (false, true) => Self::Codes,
            (false, false) => Self::Whole,
        }
    }
}

/// What a quantity of 出荷実績 says of a parcel and line that an earlier file named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantities {
    /// It stands instead of what was told before.
    #[default]
    Total,
    /// It is added to what was told before.
    Delta,
}

/// What a file of 出荷実績 holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exports {
    /// What left since the file before.
    #[default]
    New,
    /// All that left on a day, so that later files of the day repeat the earlier ones.
    Cumulative,
}

/// 在庫: a row per item, place, lot or shelf.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// See [`Incoming::files`].
    pub files: String,
    /// See [`Incoming::whole`].
    #[serde(default)]
    pub whole: Whole,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// See [`Incoming::columns`].
    pub columns: Vec<ColumnIn>,
    /// What the words of the column `quality` mean; only what is sellable counts.
    #[serde(default)]
    pub quality: BTreeMap<String, Bucket>,
    /// What the quantity says.
    #[serde(default)]
    pub count: Count,
    /// What it says of an item that a file does not name.
    #[serde(default)]
    pub absent: Absent,
    /// How much earlier than its file a count was made whose row has no time.
    #[serde(default = "lag")]
    pub as_of_lag: Span,
}

/// What goods of a quality are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// Can be sold.
    Sellable,
    /// Is damaged.
    Damaged,
    /// Is kept back.
    Held,
    /// Anything else that cannot be sold.
    Other,
}

/// What the quantity of 在庫 says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Count {
    /// What lies on the shelf, instructed and not yet shipped included.
    #[default]
    #[serde(rename = "on-hand")]
    OnHand,
    /// What the warehouse has accepted and not yet shipped is already taken off.
    #[serde(rename = "free")]
    Free,
}

/// What a file of 在庫 says of an item that it does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// Nothing.
    #[default]
    Unknown,
    /// There is none of it.
    Zero,
}

fn lag() -> Span {
    Span(Duration::from_secs(300))
}

/// What all kinds of files that are read have in common.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    /// The kind's word in a layout.
    pub word: &'static str,
    /// See [`Incoming::files`].
    pub files: &'a str,
    /// See [`Incoming::whole`].
    pub whole: &'a Whole,
    /// See [`FormPart`].
    pub form: FormPart,
    /// See [`Incoming::columns`].
    pub columns: &'a [ColumnIn],
}

impl<V> Incoming<V> {
    /// What it has in common with the other kinds.
    pub fn kind(&self, word: &'static str) -> Kind<'_> {
        Kind {
            word,
            files: &self.files,
            whole: &self.whole,
            form: self.form,
            columns: &self.columns,
        }
    }
}

impl Shipped {
    /// What it has in common with the other kinds.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        Kind {
            word: "shipped",
            files: &self.files,
            whole: &self.whole,
            form: self.form,
            columns: &self.columns,
        }
    }
}

impl Stock {
    /// What it has in common with the other kinds.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        Kind {
            word: "stock",
            files: &self.files,
            whole: &self.whole,
            form: self.form,
            columns: &self.columns,
        }
    }
}

/// How a file is known to be whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whole {
    /// The external system writes under another name and renames: it is whole once it has its name.
    Renamed,
    /// Unchanged over `stable_for` and ending with a line end.
    #[default]
    Stable,
    /// Its last row begins with this cell; that row is no data.
    Trailer(String),
    /// A second file with this suffix (`.done`) stands beside it.
    Marker(String),
}

/// One column read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnIn {
    /// Its header; names it in reasons too.
    pub name: String,
    /// What it means; absent is not read.
    #[serde(default)]
    pub field: Option<Field>,
    /// Of a time, as strftime; without an hour it is a day.
    #[serde(default)]
    pub format: Option<String>,
    /// Of `shipped_at`: it may name a day to come (出荷予定日), up to 30 days ahead.
    #[serde(default)]
    pub planned: bool,
}

/// What a column read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Our reference of the shipment.
    Reference,
    /// The answer; see `verdicts`.
    Verdict,
    /// The external system's words.
    Message,
    /// When it answered.
    At,
    /// The instruction's line.
    Line,
    /// How many.
    Quantity,
    /// The carrier's number.
    Tracking,
    /// Names the parcel, whatever its number.
    Parcel,
    /// The carrier's name.
    Carrier,
    /// When it was shipped; `left_at` in layouts of before.
    #[serde(alias = "left_at")]
    ShippedAt,
    /// The external system's code of an item.
    Code,
    /// The external system's code of a place.
    Location,
    /// When stock was counted.
    AsOf,
    /// The lot (ロット); rows of an item that differ in it are summed.
    Lot,
    /// The shelf (棚番); rows of an item that differ in it are summed.
    Shelf,
    /// The quality (品質区分); see [`Stock::quality`].
    Quality,
}

impl Field {
    /// The word in a layout.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Verdict => "verdict",
            Self::Message => "message",
            Self::At => "at",
            Self::Line => "line",
            Self::Quantity => "quantity",
            Self::Tracking => "tracking",
            Self::Parcel => "parcel",
            Self::Carrier => "carrier",
            Self::ShippedAt => "shipped_at",
            Self::Code => "code",
            Self::Location => "location",
            Self::AsOf => "as_of",
            Self::Lot => "lot",
            Self::Shelf => "shelf",
            Self::Quality => "quality",
        }
    }
}

/// Words of an answer to an instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyVerdicts {
    /// Will be shipped.
    pub accepted: Vec<String>,
    /// Will not be shipped.
    pub rejected: Vec<String>,
}

/// Words of an answer to a cancel request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelVerdicts {
    /// Will not leave.
    pub accepted: Vec<String>,
    /// Will leave.
    #[serde(default)]
    pub declined: Vec<String>,
    /// Has left.
    #[serde(default)]
    pub too_late: Vec<String>,
}
