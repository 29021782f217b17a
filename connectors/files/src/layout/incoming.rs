//! Files that are read, as a layout describes them.

use serde::Deserialize;

use super::model::FormPart;

/// A kind of file that is read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming<V> {
    /// File names: `*` is any text, `?` any character.
    pub files: String,
    /// How a file is known to be whole.
    #[serde(default)]
    pub whole: Whole,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// With a header, found by name in any order; without, by position.
    pub columns: Vec<ColumnIn>,
    /// Words of the column `verdict`.
    #[serde(default)]
    pub verdicts: V,
}

/// How a file is known to be whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whole {
    /// The far side writes under another name and renames: it is whole once it has its name.
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
    /// Of a time, as strftime; a date alone is its midnight.
    #[serde(default)]
    pub format: Option<String>,
}

/// What a column read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Our reference of the shipment.
    Reference,
    /// The answer; see `verdicts`.
    Verdict,
    /// The far side's words.
    Message,
    /// When it answered.
    At,
    /// The instruction's line.
    Line,
    /// How many.
    Quantity,
    /// The carrier's number.
    Tracking,
    /// Names the parcel where there is no tracking number.
    Parcel,
    /// The carrier's name.
    Carrier,
    /// When it left the house.
    LeftAt,
    /// The far side's code of an item.
    Code,
    /// The far side's code of a place.
    Location,
    /// When stock was counted.
    AsOf,
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
            Self::LeftAt => "left_at",
            Self::Code => "code",
            Self::Location => "location",
            Self::AsOf => "as_of",
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
