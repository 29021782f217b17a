//! 在庫: rows of one item at one place become one count, or none of them does.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::text::code;
use hikiate_sdk::{BadRecord, Observed, StockLevel};

use super::row::RowView;
use super::rows::{Content, Understood, mark};
use crate::layout::{Bucket, Count, Field, Stock};

/// What a row says of its item.
pub(crate) struct StockRow {
    code: String,
    location: Option<String>,
    /// What of it can be sold.
    sellable: i64,
    as_of: DateTime<Utc>,
    read_at: DateTime<Utc>,
}

/// The rows of one item at one place while its file is read.
pub(crate) struct Level {
    sum: StockRow,
}

/// Reads a row.
pub(crate) fn understand(layout: &Stock, lag: Duration, row: &RowView<'_>) -> Understood {
    let named = row
        .needed(Field::Code)
        .and_then(|text| Ok((code(&text), row.name(Field::Location)?)));
    let (item, location) = match named {
        Ok(named) => named,
        Err(bad) => {
            let item = row.needed(Field::Code).ok().map(|text| mark(code(&text)));
            return Understood {
                item,
                ..Understood::bad(bad)
            };
        }
    };
    let group = mark((&item, &location));
    let told_apart = [Field::Lot, Field::Shelf, Field::Quality].map(|field| row.text(field));
    let content = level(layout, lag, row, item.clone(), location);
    Understood {
        group: Some(group),
        item: Some(mark(&item)),
        exact: Some(mark((group, told_apart))),
        content: content.map(|row| Content::Stock(Box::new(row))),
    }
}

fn level(
    layout: &Stock,
    lag: Duration,
    row: &RowView<'_>,
    code: String,
    location: Option<String>,
) -> Result<StockRow, BadRecord> {
    let quantity: i64 = row.number(Field::Quantity)?;
    let bucket = bucket(layout, row)?;
    let times = row.places.times;
    let as_of = times
        .counted(row.when(Field::AsOf)?, lag)
        .map_err(|why| row.bad(Field::AsOf, &why))?;
    Ok(StockRow {
        sellable: if bucket == Bucket::Sellable {
            quantity
        } else {
            0
        },
        code,
        location,
        as_of,
        read_at: times.read_at,
    })
}

/// Why a row does not count that stands twice.
pub(crate) fn twice(row: &RowView<'_>) -> BadRecord {
    let rule = "is in more than one row, and no column declared in the layout as lot, shelf or quality distinguishes them";
    row.bad_value(Field::Code, rule)
}

/// Why a row does not count whose item has a bad one.
pub(crate) fn spoiled(row: &RowView<'_>) -> BadRecord {
    let rule = "has another row that cannot be parsed, so this file sets no count for it";
    row.bad_value(Field::Code, rule)
}

fn bucket(layout: &Stock, row: &RowView<'_>) -> Result<Bucket, BadRecord> {
    if layout.quality.is_empty() {
        return Ok(Bucket::Sellable);
    }
    let word = row.text(Field::Quality);
    let known = layout.quality.iter().find(|(w, _)| w.trim() == word);
    known.map(|(_, bucket)| *bucket).ok_or_else(|| {
        row.bad_value(
            Field::Quality,
            "is not one of the layout's [stock] quality words: define there whether such goods are sellable",
        )
    })
}

impl Level {
    /// A count begins with a row.
    pub(crate) fn new(sum: StockRow) -> Self {
        Self { sum }
    }

    /// The count of a further row joins it. Of rows of two times the earlier one counts: what left since then is taken off.
    ///
    /// # Errors
    /// When the sum does not fit.
    pub(crate) fn join(&mut self, row: Self, view: &RowView<'_>) -> Result<(), BadRecord> {
        let (sum, row) = (&mut self.sum, row.sum);
        sum.as_of = sum.as_of.min(row.as_of);
        sum.sellable = sum
            .sellable
            .checked_add(row.sellable)
            .ok_or_else(|| view.bad(Field::Quantity, "is out of range"))?;
        Ok(())
    }

    /// The count.
    pub(crate) fn finish(self, count: Count) -> Observed {
        let StockRow {
            code,
            location,
            sellable,
            as_of,
            read_at,
            ..
        } = self.sum;
        Observed::Stock(StockLevel {
            code,
            location,
            quantity: sellable,
            free: count == Count::Free,
            as_of: Some(as_of),
            read_at: Some(read_at),
        })
    }
}

impl StockRow {
    /// Where it was counted, where the row says.
    pub(crate) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }
}
