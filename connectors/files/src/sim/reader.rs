//! The warehouse's own reading of our files: it shares nothing with the connector's writer.

use std::collections::BTreeMap;

use crate::layout::{ColumnOut, Form};
use crate::wire::encoding::Encoding;

/// One row with the meaning that the layout gives its columns.
#[derive(Clone, Debug, Default)]
pub(super) struct SimRow {
    by_value: BTreeMap<String, String>,
    /// Header to cell.
    pub(super) cells: BTreeMap<String, String>,
}

impl SimRow {
    /// The cell of the column whose template is exactly this field.
    pub(super) fn field(&self, field: &str) -> String {
        self.by_value
            .get(&format!("{{{{row.{field}}}}}"))
            .cloned()
            .unwrap_or_default()
    }
}

/// Reads a file of ours; `None` when it is not of these columns.
pub(super) fn read(bytes: &[u8], form: &Form, columns: &[ColumnOut]) -> Option<Vec<SimRow>> {
    let text = match form.encoding {
        Encoding::Cp932 => {
            let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(bytes);
            if broken {
                return None;
            }
            text.into_owned()
        }
        Encoding::Utf8 | Encoding::Utf8Bom => std::str::from_utf8(bytes)
            .ok()?
            .trim_start_matches('\u{FEFF}')
            .to_owned(),
    };
    let mut rows = table(&text, form.separator).into_iter();
    if form.header {
        let head = rows.next()?;
        if head.len() != columns.len() || head.iter().zip(columns).any(|(name, c)| *name != c.name)
        {
            return None;
        }
    }
    rows.map(|cells| (cells.len() == columns.len()).then(|| row(&cells, columns)))
        .collect()
}

fn row(cells: &[String], columns: &[ColumnOut]) -> SimRow {
    let mut row = SimRow::default();
    for (cell, column) in cells.iter().zip(columns) {
        let template: String = column.value.split_whitespace().collect();
        row.by_value.insert(template, cell.clone());
        row.cells.insert(column.name.clone(), cell.clone());
    }
    row
}

/// A plain state machine over the characters.
fn table(text: &str, separator: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}
