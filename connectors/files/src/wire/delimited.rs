//! Rows and cells of a delimited file. Parsing works on decoded text, because the second byte of a
//! CP932 character may be a backslash or a quote.

use serde::{Deserialize, Serialize};

/// When a cell is written in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quote {
    /// Only when it holds the separator, a quote, a line break, or blanks at an end.
    Minimal,
    /// Always.
    All,
    /// Never; a cell that would need it is refused.
    Never,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// 0A.
    Lf,
    /// 0D 0A.
    Crlf,
}

impl LineEnd {
    /// The characters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Crlf => "\r\n",
        }
    }
}

/// Bytes of a quoted cell before its opening quote is taken for damage; keeps a file of such rows linear.
const LONGEST_CELL: usize = 65_536;

/// Why a row is none whose quote is not closed, perhaps because the rest is yet to come.
pub(crate) const UNCLOSED: &str = "has an opening quote that is never closed";

/// Writes one cell in its quotes.
///
/// # Errors
/// When it would need quotes and there are to be none.
pub(crate) fn quoted(cell: &str, separator: char, quote: Quote) -> Result<String, &'static str> {
    let needs =
        cell.contains([separator, '"', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ');
    match quote {
        Quote::Never if cell.contains([separator, '"', '\r', '\n']) => Err(
            "contains the separator, a quote or a line break, and the layout does not write quotes",
        ),
        Quote::Never => Ok(cell.to_owned()),
        Quote::Minimal if !needs => Ok(cell.to_owned()),
        Quote::Minimal | Quote::All => Ok(format!("\"{}\"", cell.replace('"', "\"\""))),
    }
}

/// One row as read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line it starts at, from 1.
    pub(crate) line: usize,
    /// Its cells without quotes, or why it is no row.
    pub(crate) cells: Result<Vec<String>, &'static str>,
    /// Where it is in the text, line end included.
    pub(crate) span: std::ops::Range<usize>,
}

/// Splits a text into rows. An empty line is no row. Quotes are understood whatever the layout writes.
///
/// A quote that is opened and never closed spoils its own line only: reading goes on at the next line,
/// so that one damaged row does not take its neighbours along.
pub(crate) fn rows(text: &str, separator: char) -> Vec<Row> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let rest = &text[at..];
        let (cells, length) = match row(rest, separator) {
            Ok((cells, length)) => (Ok(cells), length),
            Err(reason) => (Err(reason), line_length(rest)),
        };
        let part = &rest[..length];
        if !part.trim_matches(['\r', '\n', '\u{1A}']).is_empty() {
            found.push(Row {
                line,
                cells,
                span: at..at + length,
            });
        }
        line += part.matches('\n').count();
        at += length;
    }
    found
}

/// The first line of a text with its end.
pub(crate) fn line_length(text: &str) -> usize {
    let end = text.find('\n').map_or(text.len(), |n| n + 1);
    match text[..end].find('\r') {
        Some(n) if n + 2 == end && text[..end].ends_with('\n') => end,
        Some(n) => n + 1,
        None => end,
    }
}

/// The cells of the first row of a text, and its length with its line end.
///
/// # Errors
/// Why it is no row.
pub(crate) fn row(text: &str, separator: char) -> Result<(Vec<String>, usize), &'static str> {
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let (cell, length) = cell(&text[at..], separator)?;
        cells.push(cell);
        at += length;
        let rest = &text[at..];
        if rest.starts_with(separator) {
            at += separator.len_utf8();
        } else if rest.starts_with("\r\n") {
            return Ok((cells, at + 2));
        } else {
            return Ok((cells, at + usize::from(!rest.is_empty())));
        }
    }
}

fn cell(text: &str, separator: char) -> Result<(String, usize), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let stop = |c: char| c == separator || c == '\n' || c == '\r';
        let length = text.find(stop).unwrap_or(text.len());
        return Ok((text[..length].to_owned(), length));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if i > LONGEST_CELL {
            break;
        } else if c != '"' {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            value.push('"');
        } else {
            let after = &quoted[i + 1..];
            let closed =
                after.is_empty() || after.starts_with(separator) || after.starts_with(['\n', '\r']);
            return if closed {
                Ok((value, i + 2))
            } else {
                Err("has text after a closing quote")
            };
        }
    }
    Err(UNCLOSED)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        rows(text, ',')
            .into_iter()
            .map(|r| r.cells.unwrap())
            .collect()
    }

    #[test]
    fn quotes_separators_and_breaks_inside_a_cell() {
        assert_eq!(
            read("a,\"b,\"\"c\"\"\r\nd\",\r\n\r\ne,f,g"),
            [["a", "b,\"c\"\r\nd", ""], ["e", "f", "g"]]
        );
        assert_eq!(read("x\n\u{1A}"), [["x"]]);
        assert!(read("").is_empty());
    }

    #[test]
    fn a_broken_row_leaves_its_neighbours() {
        let got = rows("a,b\n\"c,d\ne,f\n\"g\"h,i\n", ',');
        let lines: Vec<_> = got.iter().map(|r| (r.line, r.cells.is_ok())).collect();
        assert_eq!(lines, [(1, true), (2, false), (3, true), (4, false)]);
    }

    #[test]
    fn never_quoting_refuses_what_needs_it() {
        assert!(quoted("a,b", ',', Quote::Never).is_err());
        assert_eq!(quoted("a,b", '\t', Quote::Never).unwrap(), "a,b");
        assert_eq!(quoted("ab", ',', Quote::All).unwrap(), "\"ab\"");
        assert_eq!(quoted("a\"b", ',', Quote::Minimal).unwrap(), "\"a\"\"b\"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cells in proptest::collection::vec(proptest::collection::vec("[a-c,\"\r\n 表]{0,5}", 2..4), 1..5), all in any::<bool>()) {
            let quote = if all { Quote::All } else { Quote::Minimal };
            let text: String = cells.iter().map(|row| {
                let row: Vec<_> = row.iter().map(|c| quoted(c, ',', quote).unwrap()).collect();
                row.join(",") + "\r\n"
            }).collect();
            prop_assert_eq!(read(&text), cells);
        }
    }
}
