//! One row of a file that was read: fields by meaning, with reasons that name file, row and column.

use std::collections::BTreeMap;

use hikiate_sdk::text::{code, field, key, quote_value};
use hikiate_sdk::{BadRecord, ExternalId, is_rounded};
use unicode_normalization::UnicodeNormalization as _;

use super::when::{Dated, FileTimes, When};
use crate::layout::{ColumnIn, Field};

/// Characters of a cell that a reason shows.
const SHOWN: usize = 40;

/// Where the fields of a kind stand in a particular file.
pub(crate) struct Places<'a> {
    /// The kind's word in a layout.
    pub(crate) word: &'static str,
    /// File name.
    pub(crate) file: &'a str,
    /// Zone of times without offset.
    pub(crate) zone: chrono_tz::Tz,
    /// The file's own times.
    pub(crate) times: FileTimes,
    /// The columns of the layout.
    pub(crate) columns: &'a [ColumnIn],
    /// Which of them a field is, and the position of its cell.
    pub(crate) fields: &'a BTreeMap<Field, (usize, usize)>,
    /// Of rows that were kept by themselves: where in their file each of them stood.
    pub(crate) stood: &'a BTreeMap<u64, u64>,
}

impl Places<'_> {
    /// Where in its file a row stands that begins at this line.
    pub(crate) fn row_at(&self, line: u64) -> u64 {
        self.stood.get(&line).copied().unwrap_or(line)
    }

    /// Why a row cannot be understood that names nothing.
    pub(crate) fn bad_row(&self, line: u64, rule: &str) -> BadRecord {
        BadRecord::new(None, format!("{} row {line}: {rule}", self.file))
            .because(format!("{}: {rule}", self.word))
    }
}

/// A cell as a reason shows it, whatever its column: in a row that is shifted by one cell a name stands where a quantity or a date
/// should, and it is quoted, so that no log repeats it.
pub(crate) fn shown(cell: &str) -> String {
    quote_value(&cell.chars().take(SHOWN).collect::<String>())
}

/// One row.
pub(crate) struct RowView<'a> {
    pub(crate) places: &'a Places<'a>,
    /// The line it starts at, from 1.
    pub(crate) line: u64,
    pub(crate) cells: &'a [String],
}

impl<'a> RowView<'a> {
    fn column(&self, field: Field) -> Option<&'a ColumnIn> {
        let (column, _) = self.places.fields.get(&field)?;
        self.places.columns.get(*column)
    }

    /// The cell of a field without blanks around it; empty when the file has no such column.
    pub(crate) fn text(&self, field: Field) -> &'a str {
        let place = self.places.fields.get(&field);
        place
            .and_then(|(_, n)| self.cells.get(*n))
            .map_or("", |cell| cell.trim())
    }

    /// A cell's words, as they are stored; nothing for a blank cell.
    pub(crate) fn words(&self, of: Field) -> Option<String> {
        Some(field(self.text(of))).filter(|t| !t.is_empty())
    }

    /// A name or an id, which must not be blank.
    pub(crate) fn needed(&self, field: Field) -> Result<String, BadRecord> {
        self.name(field)?.ok_or_else(|| self.bad(field, "is blank"))
    }

    /// A name or an id as it came; nothing for a blank cell.
    pub(crate) fn name(&self, field: Field) -> Result<Option<String>, BadRecord> {
        let text = self.text(field);
        if text.chars().any(char::is_control) {
            return Err(self.bad(field, "contains a control character"));
        }
        if is_rounded(text) {
            return Err(self.bad_value(
                field,
                "is a number that a spreadsheet has rounded: send it as text",
            ));
        }
        Ok(Some(key(text)).filter(|t| !t.is_empty()))
    }

    /// A whole number; blank is never zero.
    pub(crate) fn number<N: TryFrom<i64>>(&self, field: Field) -> Result<N, BadRecord> {
        let text = self.text(field);
        if text.is_empty() {
            return Err(self.bad(field, "is blank"));
        }
        let number = whole(text).map_err(|why| self.bad_value(field, why))?;
        N::try_from(number).map_err(|_| self.bad_value(field, "is out of range"))
    }

    /// A time by the column's format, or `None` for a blank cell.
    pub(crate) fn when(&self, field: Field) -> Result<Option<When>, BadRecord> {
        let text = self.text(field);
        let column = self.column(field);
        let format = column.and_then(|c| c.format.as_deref());
        let (Some(format), false) = (format, text.is_empty()) else {
            return Ok(None);
        };
        let dated = Dated {
            format,
            planned: column.is_some_and(|c| c.planned),
            zone: self.places.zone,
        };
        dated
            .read(text, self.places.times)
            .map(Some)
            .map_err(|why| self.bad_value(field, &why))
    }

    /// Why this row cannot be understood.
    pub(crate) fn bad(&self, field: Field, rule: &str) -> BadRecord {
        self.because(field, rule, rule)
    }

    /// The same, with the cell, which is no part of the cause.
    pub(crate) fn bad_value(&self, field: Field, rule: &str) -> BadRecord {
        let why = format!("{} {rule}", shown(self.text(field)));
        self.because(field, &why, rule)
    }

    fn because(&self, field: Field, why: &str, rule: &str) -> BadRecord {
        let column = self.column(field);
        let name = column.map_or(field.as_str(), |c| c.name.as_str());
        let Places { file, word, .. } = self.places;
        let id = if *word == "stock" {
            Field::Code
        } else {
            Field::Reference
        };
        // As counts are stored, and references are looked for.
        let id = if id == Field::Code {
            code(self.text(id))
        } else {
            key(self.text(id))
        };
        let id = Some(id).filter(|id| !id.is_empty());
        BadRecord::new(
            id.map(ExternalId::from),
            format!("{file} row {}, column {name}: {why}", self.line),
        )
        .because(format!("{word}, column {name}: {rule}"))
    }
}

/// A whole number as people and spreadsheets write it: full width, thousands in groups of three, decimals that are
/// all zero. Nothing else is guessed at.
fn whole(text: &str) -> Result<i64, &'static str> {
    const NOT: &str = "is no whole number";
    let narrow: String = text
        .nfkc()
        .map(|c| if c == '−' { '-' } else { c })
        .collect();
    let (sign, digits) = match narrow.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, narrow.as_str()),
    };
    let (whole, decimals) = match digits.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return Err(NOT),
        None => (digits, ""),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains(',');
    let right = is_digits(first)
        && (!grouped || first.len() <= 3)
        && groups.all(|group| is_digits(group) && group.len() == 3);
    if !right || !(decimals.is_empty() || is_digits(decimals)) {
        return Err(NOT);
    }
    if decimals.bytes().any(|b| b != b'0') {
        return Err("is not a whole number: quantities are whole units");
    }
    let number: i64 = whole
        .replace(',', "")
        .parse()
        .map_err(|_| "is out of range")?;
    Ok(sign * number)
}

#[cfg(test)]
mod tests {
    use super::{shown, whole};

    #[test]
    fn a_cell_is_shown_also_where_nothing_is_to_be_seen() {
        for (cell, told) in [
            ("B品", "“B品”"),
            ("", "(blank)"),
            ("\u{3000}", "(blank)"),
            ("\u{200B}", "(blank)"),
        ] {
            assert_eq!(shown(cell), told);
        }
    }

    #[test]
    fn numbers_as_spreadsheets_write_them() {
        for (text, number) in [
            ("0", 0),
            ("12", 12),
            ("-3", -3),
            ("－３", -3),
            ("−3", -3),
            ("１２", 12),
            ("007", 7),
            ("10.0", 10),
            ("10.000", 10),
            ("1,000", 1_000),
            ("１，０００", 1_000),
            ("12,345,678", 12_345_678),
            ("1,000.00", 1_000),
            ("-1,000", -1_000),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_not_guessed_at() {
        for text in [
            "1.0E+3",
            "1E3",
            "1e+03",
            "10.5",
            "0.01",
            "1,00",
            "1,0000",
            "10,00",
            ",100",
            "1,,000",
            "1.000,00",
            "10.",
            ".0",
            "1 000",
            "+5",
            "５個",
            "-",
            "",
            "--1",
            "1-",
            "abc",
            "0x10",
            "1_000",
            "99999999999999999999",
            "１.５",
            "1.0.0",
            "½",
        ] {
            assert!(whole(text).is_err(), "{text}: {:?}", whole(text));
        }
    }
}
