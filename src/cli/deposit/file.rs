//! The CSV file of deposits: text in UTF-8 or CP932, a heading, a row for each deposit. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use unicode_normalization::UnicodeNormalization as _;

use super::add::{LONGEST_AGO, LONGEST_REFERENCE, too_old};
use crate::config::csv_cells as cells;

/// Columns that a file has to have.
const NEEDED: [&str; 3] = ["date", "amount", "reference"];
/// Columns that it may have beside them. The payer is an operator's name: it is not kept.
const ALLOWED: [&str; 3] = ["order", "currency", "payer"];

/// A row as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its line, from 1.
    pub(super) line: usize,
    pub(super) date: NaiveDate,
    pub(super) amount: String,
    pub(super) reference: String,
    pub(super) order: Option<String>,
    pub(super) currency: Option<String>,
}

/// Why a row cannot be read, by its line.
pub(super) type Bad = (usize, String);

/// The text of a file.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.trim_start_matches('\u{feff}').to_owned());
    }
    let (text, _, damaged) = encoding_rs::SHIFT_JIS.decode(bytes);
    if damaged {
        return Err("is neither UTF-8 nor CP932: save it as CSV in UTF-8".to_owned());
    }
    Ok(text.into_owned())
}

/// The rows of a text, and those that are bad; an error where its heading cannot be read.
pub(super) fn rows(text: &str, today: NaiveDate) -> Result<(Vec<Row>, Vec<Bad>), Bad> {
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    let heading = lines.next().map_or("", |(_, line)| line);
    let places = heading_of(heading).map_err(|why| (1, why))?;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim_matches([',', ' ', '"']).is_empty()) {
        match row(line, text, &places, today) {
            Ok(row) => match seen.insert(row.reference.clone(), line) {
                Some(first) => bad.push((
                    line,
                    format!(
                        "reference {:?} is also in line {first}; each reference can be used only once, so make it unique",
                        row.reference
                    ),
                )),
                None => rows.push(row),
            },
            Err(why) => bad.push((line, why)),
        }
    }
    Ok((rows, bad))
}

/// The place of each column by its name.
fn heading_of(line: &str) -> Result<BTreeMap<String, usize>, String> {
    let mut places = BTreeMap::new();
    for (n, cell) in cells(line)?.into_iter().enumerate() {
        let name = cell.to_ascii_lowercase();
        if !NEEDED.contains(&name.as_str()) && !ALLOWED.contains(&name.as_str()) {
            return Err(format!(
                "unknown column {name:?}: the first line must name the columns {} and, optionally, {}",
                NEEDED.join(", "),
                ALLOWED.join(", ")
            ));
        }
        if places.insert(name.clone(), n).is_some() {
            return Err(format!("column {name:?} appears twice"));
        }
    }
    match NEEDED.iter().find(|name| !places.contains_key(**name)) {
        Some(missing) => Err(format!("the first line lacks column {missing:?}")),
        None => Ok(places),
    }
}

fn row(
    line: usize,
    text: &str,
    places: &BTreeMap<String, usize>,
    today: NaiveDate,
) -> Result<Row, String> {
    let cells = cells(text)?;
    if cells.len() > places.len() {
        return Err(format!(
            "{} cells instead of {}; put an amount or text with a comma in quotes",
            cells.len(),
            places.len()
        ));
    }
    let cell = |name: &str| {
        let place = places.get(name)?;
        cells.get(*place).filter(|cell| !cell.is_empty()).cloned()
    };
    let needed = |name: &str| cell(name).ok_or_else(|| format!("{name} is blank"));
    let date = needed("date")?;
    let date = day(&narrow(&date)).ok_or_else(|| {
        format!("date {date:?} is not a date; write it as 2026-11-19 or 2026/11/19")
    })?;
    if date > today {
        return Err(format!("date {date} is in the future: today is {today}"));
    }
    if date < today - LONGEST_AGO {
        return Err(too_old("date", date));
    }
    let reference = needed("reference")?;
    if reference.len() > LONGEST_REFERENCE {
        return Err(format!(
            "reference is longer than {LONGEST_REFERENCE} bytes; use a shorter one"
        ));
    }
    let amount = needed("amount")?;
    let amount = without_thousands(&narrow(&amount)).ok_or_else(|| {
        format!("amount {amount:?} is ambiguous; write it with a decimal point and without commas, as 5400 or 54.00")
    })?;
    Ok(Row {
        line,
        date,
        amount,
        reference,
        order: cell("order"),
        currency: cell("currency"),
    })
}

/// Figures in full width are the same figures.
fn narrow(text: &str) -> String {
    text.nfkc().collect()
}

/// An amount without the separators of thousands that spreadsheets put in; `None` where a comma may be the decimal mark.
fn without_thousands(text: &str) -> Option<String> {
    let (whole, decimals) = text
        .split_once('.')
        .map_or((text, None), |(w, d)| (w, Some(d)));
    if decimals.is_some_and(|decimals| decimals.contains(',')) {
        return None;
    }
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = groups.clone().count() > 0;
    let right = !grouped || (1..=3).contains(&first.trim_start_matches('-').len());
    let three = |group: &str| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
    (right && groups.all(three)).then(|| text.replace(',', ""))
}

fn day(text: &str) -> Option<NaiveDate> {
    let plain = text.replace('/', "-");
    let mut parts = plain.split('-');
    let year = parts.next()?;
    // Two digits are no year: 26 would be the one of Augustus.
    if year.len() != 4 {
        return None;
    }
    let (month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let found = NaiveDate::from_ymd_opt(year.parse().ok()?, month, day)?;
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    #[test]
    fn a_file_is_read_whatever_a_spreadsheet_made_of_it() {
        let text = "date,amount,reference,payer,order\r\n2026/11/9,\"5,400\",F1,ヤマダ,#1001\r\n,,,,\r\n2026-11-20,300,F2,,\r\n";
        let (rows, bad) = rows(text, today()).unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(
            (
                rows[0].date.to_string().as_str(),
                rows[0].amount.as_str(),
                rows[0].order.as_deref(),
                rows[0].line
            ),
            ("2026-11-09", "5400", Some("#1001"), 2)
        );
        assert_eq!(
            (rows[1].reference.as_str(), &rows[1].order, rows[1].line),
            ("F2", &None, 4)
        );
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn figures_in_full_width_are_the_same_figures() {
        let text =
            "date,amount,reference\n２０２６／１１／９,\"５，４００\",F1\n2026-11-20,１.5,F2\n";
        let (rows, bad) = rows(text, today()).unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        let read: Vec<(String, &str)> = rows
            .iter()
            .map(|row| (row.date.to_string(), row.amount.as_str()))
            .collect();
        assert_eq!(
            read,
            [
                ("2026-11-09".to_owned(), "5400"),
                ("2026-11-20".to_owned(), "1.5")
            ]
        );
    }

    #[test]
    fn both_encodings_and_a_byte_order_mark_are_understood() {
        let text = "date,amount,reference\n2026-11-20,300,振込1\n";
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(text);
        let marked = format!("\u{feff}{text}");
        for bytes in [text.as_bytes(), &cp932, marked.as_bytes()] {
            assert_eq!(decoded(bytes).unwrap(), text);
        }
        assert!(decoded(&[0x80, 0xff, 0x00, 0x81]).is_err());
    }

    #[test]
    fn a_comma_is_a_separator_of_thousands_or_a_bad_row() {
        for (text, is) in [
            ("5,400", Some("5400")),
            ("1,234,567.89", Some("1234567.89")),
            ("5400", Some("5400")),
            ("54.00", Some("54.00")),
            ("54,00", None),
            ("6,0", None),
            ("1234,567", None),
            ("1.234,56", None),
            (",500", None),
        ] {
            assert_eq!(without_thousands(text).as_deref(), is, "{text}");
        }
    }

    #[test]
    fn every_bad_row_is_told_by_its_line() {
        let text = "date,amount,reference\n26/11/19,300,F1\n2026-11-21,300,F2\n2026-11-19,,F3\n2026-11-19,300,F4\n2026-11-19,300,F4\n2026-11-19,300,F5,x\n";
        let (good, bad) = rows(text, today()).unwrap();
        assert_eq!(
            good.len(),
            1,
            "the good ones are there for more to be said of them"
        );
        let lines: Vec<usize> = bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 7], "{bad:?}");
        assert!(bad[3].1.contains("line 5"), "{bad:?}");
    }

    #[test]
    fn the_heading_names_what_is_needed_and_nothing_else() {
        for (heading, word) in [
            ("date,amount", "reference"),
            ("date,amount,reference,name", "\"name\""),
            ("date,amount,reference,date", "twice"),
            ("", "unknown column"),
        ] {
            let bad = rows(heading, today()).unwrap_err();
            assert!(bad.1.contains(word), "{bad:?}");
        }
    }
}
