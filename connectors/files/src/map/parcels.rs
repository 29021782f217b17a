//! 出荷実績: rows of one parcel become one report, or none of them does.

use std::fmt;

use chrono::{DateTime, Utc};
use hikiate_sdk::text::{code, key};
use hikiate_sdk::{
    BadRecord, CodeLine, Contents, Observed, ParcelLine, ParcelReport, ReportSource,
    ShipmentReference,
};

use serde::{Deserialize, Serialize};

use super::numbers::Numbers;
use super::row::RowView;
use super::rows::{Content, Understood, mark};
use super::when::When;
use crate::layout::{Field, Says};

/// What a row says of its parcel.
pub(crate) struct ParcelRow {
    reference: String,
    key: String,
    /// The warehouse named the parcel.
    named: bool,
    carrier: Option<String>,
    numbers: Numbers,
    left: When,
    inside: Contents,
}

/// The rows of one parcel while its file is read. A quantity of 0 is told as well: it may correct an earlier one.
pub(crate) struct Parcel {
    first: ParcelRow,
}

/// What a row names of its shipment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Piece {
    /// A line of the instruction.
    Line(u32),
    /// An item; everything where it is empty.
    Code(String),
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "{n}"),
            Self::Code(code) => f.write_str(code),
        }
    }
}

impl ParcelRow {
    /// Our reference of the shipment.
    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// What it names.
    pub(crate) fn piece(&self) -> Piece {
        match &self.inside {
            Contents::Lines(lines) => Piece::Line(lines.first().map_or(0, |line| line.n)),
            Contents::Codes(codes) => Piece::Code(
                codes
                    .first()
                    .map_or(String::new(), |line| line.code.clone()),
            ),
            Contents::Whole => Piece::Code(String::new()),
        }
    }

    /// It says that nothing of what it names is in the parcel.
    pub(crate) fn is_of_no_goods(&self) -> bool {
        match &self.inside {
            Contents::Lines(lines) => lines.iter().all(|line| line.quantity == 0),
            Contents::Codes(codes) => codes.iter().all(|line| line.quantity == 0),
            Contents::Whole => false,
        }
    }

    /// When it left.
    pub(crate) fn left(&self) -> DateTime<Utc> {
        self.left.from()
    }

    /// The parcel's name and its number, which is empty where none was told.
    pub(crate) fn named(self) -> (String, String) {
        (self.key, self.numbers.first.unwrap_or_default())
    }
}

/// Reads a row.
pub(crate) fn understand(row: &RowView<'_>) -> Understood {
    let numbers =
        Numbers::read(row.text(Field::Tracking)).map_err(|why| row.bad_value(Field::Tracking, why));
    let named = row.needed(Field::Reference).and_then(|reference| {
        let key = name(row, &numbers)?;
        Ok((reference, key))
    });
    let (reference, key) = match named {
        Ok(named) => named,
        Err(bad) => return Understood::bad(of_part(row, bad)),
    };
    let group = Some(mark((&reference, &key)));
    let content = numbers.and_then(|numbers| {
        let left = row
            .when(Field::ShippedAt)?
            .ok_or_else(|| row.bad(Field::ShippedAt, "is blank"))?;
        Ok(ParcelRow {
            named: !row.text(Field::Parcel).is_empty(),
            inside: inside(row)?,
            carrier: row.words(Field::Carrier),
            reference,
            key,
            numbers,
            left,
        })
    });
    // A row of no goods may stand there as often as it likes, and so may one that says everything.
    let counts = Says::of(row.places.columns) != Says::Whole;
    let goods = counts && content.as_ref().is_ok_and(|row| !row.is_of_no_goods());
    Understood {
        // A row that cannot be understood stands for itself: the rest of its parcel has left all the same.
        group: group.filter(|_| content.is_ok()),
        item: None,
        exact: goods.then(|| mark((group, row.cells))),
        content: content
            .map(|row| Content::Parcel(Box::new(row)))
            .map_err(|bad| of_part(row, bad)),
    }
}

/// What a row says is inside.
fn inside(row: &RowView<'_>) -> Result<Contents, BadRecord> {
    Ok(match Says::of(row.places.columns) {
        Says::Lines => Contents::Lines(vec![ParcelLine {
            n: row.number(Field::Line)?,
            quantity: row.number(Field::Quantity)?,
            code: row.name(Field::Code)?,
        }]),
        Says::Codes => Contents::Codes(vec![CodeLine {
            code: row.needed(Field::Code)?,
            quantity: row.number(Field::Quantity)?,
        }]),
        Says::Whole => Contents::Whole,
    })
}

/// What tells a parcel's rows apart: the line or code, and the number as a good row would have it.
fn of_part(row: &RowView<'_>, bad: BadRecord) -> BadRecord {
    let text = row.text(Field::Tracking);
    let number = match Numbers::read(text) {
        Ok(numbers) => numbers.first.unwrap_or_default(),
        // A corrected row has another one.
        Err(_) => "?".to_owned(),
    };
    let line = match Says::of(row.places.columns) {
        Says::Lines => match row.number::<u32>(Field::Line) {
            Ok(n) => n.to_string(),
            // No good row has it, and in a shifted row it may be a name, which would stay.
            Err(_) => "?".to_owned(),
        },
        Says::Codes => code(row.text(Field::Code)),
        Says::Whole => String::new(),
    };
    bad.of_part(format!("parcel line {line} number {number}"))
}

/// Why a row does not count that stands twice: one that an export wrote twice, or two boxes.
pub(super) fn twice(row: &RowView<'_>) -> BadRecord {
    let rule = "is in two identical rows of this file, so it is unclear whether it shipped once or twice: ask for one row with the total, or for rows that identify their boxes";
    let field = match Says::of(row.places.columns) {
        Says::Codes => Field::Code,
        Says::Lines | Says::Whole => Field::Line,
    };
    of_part(row, row.bad_value(field, rule))
}

/// All rows of a parcel that contradict one another: no good row settles them.
fn of_all(bad: BadRecord) -> BadRecord {
    bad.of_part("parcel rows that contradict one another")
}

/// Names the parcel. Without a name and a number of its own, what left at one time is one parcel, so that the same
/// file read twice names it alike and a later one does not replace it.
fn name(row: &RowView<'_>, numbers: &Result<Numbers, BadRecord>) -> Result<String, BadRecord> {
    if let Some(parcel) = row.name(Field::Parcel)? {
        return Ok(parcel);
    }
    let number = match numbers {
        Ok(numbers) => numbers.name(),
        Err(_) => Some(key(row.text(Field::Tracking))),
    };
    Ok(number.unwrap_or_else(|| key(&format!("left {}", row.text(Field::ShippedAt)))))
}

impl Parcel {
    /// A parcel begins with a row.
    pub(crate) fn new(first: ParcelRow) -> Self {
        Self { first }
    }

    /// The parcel of a further row joins it.
    ///
    /// # Errors
    /// Why it cannot; then the parcel is spoiled.
    pub(crate) fn join(&mut self, row: Self, view: &RowView<'_>) -> Result<(), BadRecord> {
        let row = row.first;
        let first = &mut self.first;
        if row.left.from() > first.left.from() {
            first.left = row.left;
        }
        first.carrier = first.carrier.take().or(row.carrier);
        first.numbers.join(row.numbers);
        match (&mut first.inside, row.inside) {
            (Contents::Lines(lines), Contents::Lines(more)) => more
                .into_iter()
                .try_for_each(|line| join_line(lines, line, view)),
            (Contents::Codes(codes), Contents::Codes(more)) => more
                .into_iter()
                .try_for_each(|line| join_code(codes, line, view)),
            // One layout, one way of saying it.
            _ => Ok(()),
        }
    }

    /// The report.
    pub(crate) fn finish(self, adds: bool, told: ReportSource) -> Observed {
        let Self { first } = self;
        Observed::Parcel(ParcelReport {
            reference: ShipmentReference::new(first.reference),
            key: first.key,
            named: first.named,
            carrier: first.carrier,
            tracking: first.numbers.first,
            also: first.numbers.also,
            shipped_at: first.left.from(),
            shipped_until: first.left.until(),
            contents: first.inside,
            adds,
            told: Some(told),
        })
    }
}

fn join_line(
    lines: &mut Vec<ParcelLine>,
    row: ParcelLine,
    view: &RowView<'_>,
) -> Result<(), BadRecord> {
    let Some(line) = lines.iter_mut().find(|line| line.n == row.n) else {
        lines.push(row);
        return Ok(());
    };
    match (&line.code, row.code) {
        (Some(code), Some(other)) if *code != other => {
            let why = "differs from the code in another row of this parcel for the same line";
            return Err(of_all(view.bad_value(Field::Code, why)));
        }
        (None, Some(other)) => line.code = Some(other),
        _ => {}
    }
    line.quantity = sum(line.quantity, row.quantity, view)?;
    Ok(())
}

fn join_code(
    codes: &mut Vec<CodeLine>,
    row: CodeLine,
    view: &RowView<'_>,
) -> Result<(), BadRecord> {
    let Some(line) = codes.iter_mut().find(|line| line.code == row.code) else {
        codes.push(row);
        return Ok(());
    };
    line.quantity = sum(line.quantity, row.quantity, view)?;
    Ok(())
}

fn sum(one: u32, other: u32, view: &RowView<'_>) -> Result<u32, BadRecord> {
    one.checked_add(other)
        .ok_or_else(|| of_all(view.bad(Field::Quantity, "is out of range")))
}
