//! The file of classes that `begin --dry-run` writes and `begin` reads: one open order a line.

use chrono::{DateTime, Utc};

use crate::plan::Listing;
use crate::store::Listed;

/// The heading. `class`, `reference` and `warehouse` may be changed; the other columns are for reading.
const HEADING: [&str; 10] = [
    "order",
    "shown_as",
    "class",
    "reference",
    "warehouse",
    "ordered_at",
    "age_days",
    "total",
    "reserved",
    "seen",
];

/// One order with how it stands.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) order: Listed,
    pub(super) listing: Listing,
    /// The class that it had before; empty where its channel never began.
    pub(super) before: &'static str,
}

impl Row {
    /// It was planned as ours before.
    pub(super) fn was_ours(&self) -> bool {
        !self.before.is_empty() && !matches!(self.before, "left" | "history")
    }

    /// It had another class before.
    pub(super) fn changes_class(&self) -> bool {
        self.before != self.listing.class
    }

    /// It is not ours to act on.
    pub(super) fn stays_behind(&self) -> bool {
        matches!(self.listing.class, "left" | "history")
    }

    pub(super) fn age_days(&self, now: DateTime<Utc>) -> i64 {
        now.signed_duration_since(self.listing.ordered_at)
            .num_days()
    }
}

/// What a line of the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) n: usize,
    pub(super) order: String,
    pub(super) class: String,
    pub(super) reference: String,
    pub(super) warehouse: String,
    pub(super) seen: String,
}

/// The file's text.
pub(super) fn write(rows: &[Row], now: DateTime<Utc>) -> String {
    let mut text = HEADING.join(",");
    text.push('\n');
    for row in rows {
        let listing = &row.listing;
        let cells = [
            listing.number.clone(),
            listing.display.clone(),
            listing.class.to_owned(),
            listing.reference.clone(),
            listing.warehouse.clone(),
            listing.ordered_at.to_rfc3339(),
            row.age_days(now).to_string(),
            listing.total.clone(),
            listing.reserved.to_string(),
            row.order.seen.clone(),
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push('\n');
    }
    text
}

/// Reads it back. Columns may have moved; a spreadsheet's byte order mark and line ends are taken.
pub(super) fn read(text: &str) -> Result<Vec<Line>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, l)| !l.trim().is_empty());
    let heading = lines
        .next()
        .map(|(n, line)| cells(n, line))
        .transpose()?
        .unwrap_or_default();
    let column = |name: &str| {
        heading
            .iter()
            .position(|cell| cell.trim() == name)
            .ok_or_else(|| format!("line 1: the column {name} is missing"))
    };
    let places = [
        column("order")?,
        column("class")?,
        column("reference")?,
        column("warehouse")?,
        column("seen")?,
    ];
    let mut rows: Vec<Line> = Vec::new();
    for (n, line) in lines {
        let cells = cells(n, line)?;
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let [order, class, reference, warehouse, seen] =
            places.map(|at| cells.get(at).map_or("", |cell| cell.trim()).to_owned());
        if let Some(first) = rows.iter().find(|row| row.order == order) {
            return Err(format!(
                "line {n}: order {order} is already on line {}",
                first.n
            ));
        }
        rows.push(Line {
            n,
            order,
            class,
            reference,
            warehouse,
            seen,
        });
    }
    Ok(rows)
}

fn quoted(cell: &str) -> String {
    let plain: String = cell.chars().filter(|c| !c.is_control()).collect();
    if plain.contains([',', '"']) {
        format!("\"{}\"", plain.replace('"', "\"\""))
    } else {
        plain
    }
}

fn cells(n: usize, line: &str) -> Result<Vec<String>, String> {
    let mut cells = vec![String::new()];
    let mut inside = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut cells, '"');
            }
            '"' => inside = !inside,
            ',' if !inside => cells.push(String::new()),
            c => push(&mut cells, c),
        }
    }
    if inside {
        return Err(format!("line {n}: a quotation mark is not closed"));
    }
    Ok(cells)
}

fn push(cells: &mut [String], c: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(c);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn row(number: &str, display: &str) -> Row {
        Row {
            order: Listed {
                id: 1,
                number: number.to_owned(),
                seen: "1-abcd".to_owned(),
                closed: false,
                purged: false,
            },
            listing: Listing {
                number: number.to_owned(),
                display: display.to_owned(),
                class: "left",
                ordered_at: DateTime::UNIX_EPOCH,
                total: "2740 JPY".to_owned(),
                reserved: 2,
                authorised_until: None,
                groups: 1,
                reference: String::new(),
                warehouse: String::new(),
                over: false,
            },
            before: "",
        }
    }

    #[test]
    fn what_is_written_is_read_back_also_after_a_spreadsheet_had_it() {
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(400);
        let text = write(&[row("HK1", "#1,\"001\"\u{7}"), row("HK2", "#2")], now);
        assert!(text.contains(
            "HK1,\"#1,\"\"001\"\"\",left,,,1970-01-01T00:00:00+00:00,400,2740 JPY,2,1-abcd\n"
        ));
        let again = format!(
            "\u{feff}{}",
            text.replace('\n', "\r\n").replace("left", "history")
        );
        let lines = read(&(again + ",,,,,,,,,\r\n\"\",,\r\n")).unwrap();
        let said: Vec<_> = lines
            .iter()
            .map(|l| (l.n, l.order.as_str(), l.class.as_str(), l.seen.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                (2, "HK1", "history", "1-abcd"),
                (3, "HK2", "history", "1-abcd")
            ]
        );
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_its_line() {
        assert_eq!(
            read("order,class\n").unwrap_err(),
            "line 1: the column reference is missing"
        );
        let twice = write(&[row("HK1", "#1"), row("HK1", "#1")], DateTime::UNIX_EPOCH);
        assert!(read(&twice).unwrap_err().starts_with("line 3: order HK1"));
        let open = "order,class,reference,warehouse,seen\n\"HK1,left,,,1\n";
        assert!(read(open).unwrap_err().starts_with("line 2: a quotation"));
    }
}
