//! 出荷実績: rows of one parcel become one report, or none of them does.

use chrono::{DateTime, Utc};
use hikiate_sdk::text::key;
use hikiate_sdk::{BadRecord, Observed, ParcelLine, ParcelReport, ShipmentReference, Told};

use super::numbers::Numbers;
use super::row::RowView;
use super::rows::{Content, Understood, mark};
use super::when::When;
use crate::layout::Field;

/// What a row says of its parcel.
pub(crate) struct ParcelRow {
    reference: String,
    key: String,
    /// The warehouse named the parcel.
    named: bool,
    carrier: Option<String>,
    numbers: Numbers,
    left: When,
    n: u32,
    quantity: u32,
    code: Option<String>,
}

/// The rows of one parcel while its file is read. A quantity of 0 is told as well: it may correct an earlier one.
pub(crate) struct Parcel {
    first: ParcelRow,
    lines: Vec<ParcelLine>,
}

impl ParcelRow {
    /// Our reference of the shipment.
    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// The instruction's line.
    pub(crate) fn line(&self) -> u32 {
        self.n
    }

    /// It says that nothing of its line is in the parcel.
    pub(crate) fn is_of_no_goods(&self) -> bool {
        self.quantity == 0
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
            .when(Field::LeftAt)?
            .ok_or_else(|| row.bad(Field::LeftAt, "is blank"))?;
        Ok(ParcelRow {
            named: !row.text(Field::Parcel).is_empty(),
            n: row.number(Field::Line)?,
            quantity: row.number(Field::Quantity)?,
            code: row.name(Field::Code)?,
            carrier: row.words(Field::Carrier),
            reference,
            key,
            numbers,
            left,
        })
    });
    // A row of no goods may stand there as often as it likes.
    let goods = content.as_ref().is_ok_and(|row| row.quantity > 0);
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

/// What tells a parcel's rows apart: the line, and the number as a good row would have it.
fn of_part(row: &RowView<'_>, bad: BadRecord) -> BadRecord {
    let text = row.text(Field::Tracking);
    let number = match Numbers::read(text) {
        Ok(numbers) => numbers.first.unwrap_or_default(),
        // A corrected row has another one.
        Err(_) => "?".to_owned(),
    };
    let line = match row.number::<u32>(Field::Line) {
        Ok(n) => n.to_string(),
        Err(_) => key(row.text(Field::Line)),
    };
    bad.of_part(format!("parcel line {line} number {number}"))
}

/// Why a row does not count that stands twice: one that an export wrote twice, or two boxes.
pub(super) fn twice(row: &RowView<'_>) -> BadRecord {
    let rule = "stands in two rows of this file that are the same in every column, so nobody knows whether it left once or twice: have it sent once with what left in all, or tell its boxes apart";
    of_part(row, row.bad_value(Field::Line, rule))
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
    Ok(number.unwrap_or_else(|| key(&format!("left {}", row.text(Field::LeftAt)))))
}

impl Parcel {
    /// A parcel begins with a row.
    pub(crate) fn new(first: ParcelRow) -> Self {
        let line = ParcelLine {
            n: first.n,
            quantity: first.quantity,
            code: first.code.clone(),
        };
        Self {
            lines: vec![line],
            first,
        }
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
        let Some(line) = self.lines.iter_mut().find(|line| line.n == row.n) else {
            self.lines.push(ParcelLine {
                n: row.n,
                quantity: row.quantity,
                code: row.code,
            });
            return Ok(());
        };
        match (&line.code, row.code) {
            (Some(code), Some(other)) if *code != other => {
                let why = "is not the code that another row of this parcel has for the line";
                return Err(of_all(view.bad_value(Field::Code, why)));
            }
            (None, Some(other)) => line.code = Some(other),
            _ => {}
        }
        line.quantity = line
            .quantity
            .checked_add(row.quantity)
            .ok_or_else(|| of_all(view.bad(Field::Quantity, "is out of range")))?;
        Ok(())
    }

    /// The report.
    pub(crate) fn finish(self, adds: bool, told: Told) -> Observed {
        let Self { first, lines } = self;
        Observed::Parcel(ParcelReport {
            reference: ShipmentReference::new(first.reference),
            key: first.key,
            named: first.named,
            carrier: first.carrier,
            tracking: first.numbers.first,
            also: first.numbers.also,
            left_at: first.left.from(),
            left_until: first.left.until(),
            lines,
            adds,
            told: Some(told),
        })
    }
}
