//! One row of a file that was read: fields by meaning, with reasons that name file, row and column.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{BadRecord, ExternalId};

use crate::layout::{ColumnIn, Field};

/// Where the fields of a kind stand in a particular file.
pub(crate) struct Places<'a> {
    /// File name.
    pub(crate) file: &'a str,
    /// Zone of times without offset.
    pub(crate) zone: Tz,
    /// Column and its position.
    pub(crate) columns: BTreeMap<Field, (&'a ColumnIn, usize)>,
}

/// One row.
pub(crate) struct RowView<'a> {
    pub(crate) places: &'a Places<'a>,
    /// The line it starts at, from 1.
    pub(crate) line: usize,
    pub(crate) cells: &'a [String],
}

impl<'a> RowView<'a> {
    /// The cell of a field without blanks around it; empty when the layout has no such column.
    pub(crate) fn text(&self, field: Field) -> &'a str {
        let place = self.places.columns.get(&field);
        place
            .and_then(|(_, n)| self.cells.get(*n))
            .map_or("", |cell| cell.trim())
    }

    /// The cell of a field, where there is one that is not blank.
    pub(crate) fn some(&self, field: Field) -> Option<String> {
        Some(self.text(field))
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    }

    /// A cell that must not be blank.
    pub(crate) fn needed(&self, field: Field) -> Result<&'a str, BadRecord> {
        match self.text(field) {
            "" => Err(self.bad(field, "is blank")),
            text => Ok(text),
        }
    }

    /// A whole number in ASCII digits; blank is never zero.
    pub(crate) fn number<N: std::str::FromStr>(&self, field: Field) -> Result<N, BadRecord> {
        let text = self.needed(field)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.bad(field, &format!("{:?} is no whole number", short(text))));
        }
        text.parse()
            .map_err(|_| self.bad(field, &format!("{:?} is out of range", short(text))))
    }

    /// A time by the column's format, or `None` for a blank cell.
    pub(crate) fn time(&self, field: Field) -> Result<Option<DateTime<Utc>>, BadRecord> {
        let text = self.text(field);
        let format = self
            .places
            .columns
            .get(&field)
            .and_then(|(c, _)| c.format.as_deref());
        let (Some(format), false) = (format, text.is_empty()) else {
            return Ok(None);
        };
        let bad = || {
            self.bad(
                field,
                &format!("{:?} is no time of the form {format:?}", short(text)),
            )
        };
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Ok(Some(time.with_timezone(&Utc)));
        }
        let day = || NaiveDate::parse_from_str(text, format).map(|d| d.and_time(NaiveTime::MIN));
        let local = NaiveDateTime::parse_from_str(text, format)
            .or_else(|_| day())
            .map_err(|_| bad())?;
        // In the hour that a change of clocks repeats, the earlier reading is taken.
        self.places
            .zone
            .from_local_datetime(&local)
            .earliest()
            .map(|t| Some(t.with_timezone(&Utc)))
            .ok_or_else(bad)
    }

    /// Why this row cannot be understood.
    pub(crate) fn bad(&self, field: Field, why: &str) -> BadRecord {
        let name = self
            .places
            .columns
            .get(&field)
            .map_or(field.as_str(), |(c, _)| c.name.as_str());
        BadRecord::new(
            Some(self.text(Field::Reference))
                .filter(|t| !t.is_empty())
                .map(ExternalId::from),
            format!(
                "{} row {}, column {name}: {why}",
                self.places.file, self.line
            ),
        )
    }
}

/// Enough of a cell to recognise it.
pub(super) fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
