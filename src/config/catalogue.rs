//! The mapping file of codes: CSV with a heading.

use std::collections::HashSet;
use std::path::Path;

use hikiate_sdk::{is_rounded, text};

use crate::policy::{Catalogue, ItemCode};

use super::model::{CatalogueTable, Mapping};
use super::report::Problems;
use super::routes::Routes;

/// The heading every mapping file starts with; columns after these are for people.
pub(crate) const HEADING: &str = "item,account,code,multiplier";

/// Reads the catalogue; every bad line of the file is noted with its number, apart from what is wrong with the configuration.
pub(super) fn read(
    table: &CatalogueTable,
    base_dir: &Path,
    routes: &Routes<'_>,
    problems: &mut Problems<'_>,
    mapping: &mut Problems<'_>,
) -> Catalogue {
    let key = ["catalogue", "file"];
    if problems.is_unread(&["catalogue", "mapping"]) {
        return Catalogue::SameCode;
    }
    let file = match (table.mapping, &table.file) {
        (Mapping::SameCode, None) => return Catalogue::SameCode,
        (Mapping::SameCode, Some(_)) => {
            problems.at(
                &key,
                "is not used with mapping = \"same-code\"; set mapping = \"listed\" or remove it",
            );
            return Catalogue::SameCode;
        }
        (Mapping::Listed, None) => {
            problems.at(
                &key,
                format!("missing: mapping = \"listed\" needs a CSV file with the header {HEADING}"),
            );
            return Catalogue::SameCode;
        }
        (Mapping::Listed, Some(file)) => base_dir.join(file),
    };
    let read = std::fs::read(&file).map_err(|e| e.to_string());
    let text = read.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|_| "not UTF-8: in the spreadsheet, save it as \"CSV UTF-8\"".to_owned())
    });
    match text {
        Ok(text) => Catalogue::Listed(rows(&text, &file.display().to_string(), routes, mapping)),
        Err(e) => {
            mapping.at(&key, format!("{} cannot be read: {e}", file.display()));
            Catalogue::Listed(Vec::new())
        }
    }
}

fn rows(text: &str, file: &str, routes: &Routes<'_>, problems: &mut Problems<'_>) -> Vec<ItemCode> {
    let mut lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line));
    let heading = lines
        .next()
        .map(|(_, line)| line.trim())
        .unwrap_or_default();
    let more = heading.strip_prefix(HEADING);
    if !more.is_some_and(|more| more.is_empty() || more.starts_with(',')) {
        problems.in_file(file, 1, format!("the first line must begin with {HEADING}"));
        return Vec::new();
    }
    let width = heading.split(',').count();
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    // Rows of separators, as a spreadsheet leaves them at the end, are no rows.
    let has_words = |line: &str| line.chars().any(|c| c != ',' && !c.is_whitespace());
    for (n, line) in lines.filter(|(_, line)| has_words(line)) {
        match row(line, width).and_then(|row| routes.known(row.account.as_str()).map(|()| row)) {
            Ok(row) if !seen.insert((row.account.clone(), row.code.clone())) => {
                problems.in_file(
                    file,
                    n,
                    format!(
                        "code {:?} of {} is already in an earlier line",
                        row.code, row.account
                    ),
                );
            }
            Ok(row) => rows.push(row),
            Err(reason) => problems.in_file(file, n, reason),
        }
    }
    rows
}

fn row(line: &str, width: usize) -> Result<ItemCode, String> {
    let mut cells = cells(line)?;
    let wrong = format!(
        "{} columns instead of {width} ({HEADING}); put a cell with a comma in quotes",
        cells.len()
    );
    if cells.len() != width {
        return Err(wrong);
    }
    cells.truncate(4);
    let [item, account, code, multiplier] = <[String; 4]>::try_from(cells).map_err(|_| wrong)?;
    if let Some(rounded) = [&item, &code].into_iter().find(|cell| is_rounded(cell)) {
        return Err(format!(
            "{rounded:?} is a number rounded by a spreadsheet; format the cell as text"
        ));
    }
    let [item, code] = [item, code].map(|cell| text::code(unmarked(&cell)));
    if item.is_empty() || code.is_empty() {
        return Err("item and code must not be empty".to_owned());
    }
    match multiplier.parse() {
        Ok(multiplier) if multiplier > 0 => Ok(ItemCode {
            item,
            account: account.into(),
            code,
            multiplier,
        }),
        _ => Err(format!(
            "multiplier {multiplier:?} is not a whole number above 0"
        )),
    }
}

/// A cell as a spreadsheet may open it: one that begins like a formula is marked as text, and read without the mark.
pub(crate) fn marked(cell: &str) -> String {
    match begins_formula(cell) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

fn unmarked(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if begins_formula(rest) => rest,
        _ => cell,
    }
}

/// Marks of before count with what they stand before, so that a cell that has one gets a second.
fn begins_formula(cell: &str) -> bool {
    let cell = cell.trim_start_matches('\'');
    cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// The cells of a line; quotes as in RFC 4180, without line breaks inside.
pub(crate) fn cells(line: &str) -> Result<Vec<String>, String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = cells.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells[last].push('"');
            }
            '"' if quoted || cells[last].trim().is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells[last].push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    Ok(cells
        .into_iter()
        .map(|cell| cell.trim().to_owned())
        .collect())
}
