//! What commands write: tables for people, JSON for programs. A reader that has gone away is no error.

use std::fmt::Write as _;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::failure::Failure;

/// Where a command's answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// JSON instead of tables.
    pub(crate) json: bool,
    /// Times for people are in this zone; JSON has UTC.
    pub(crate) zone: Tz,
}

impl Out {
    /// Rows: an aligned table, or one JSON array.
    pub(crate) fn list<T: Serialize>(
        self,
        rows: &[T],
        columns: &[&str],
        empty: &str,
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.value(&rows);
        }
        if rows.is_empty() {
            return text(&format!("{empty}\n"));
        }
        text(&table(columns, &rows.iter().map(cells).collect::<Vec<_>>()))
    }

    /// One thing: text, or one JSON object.
    pub(crate) fn one<T: Serialize>(
        self,
        value: &T,
        words: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.value(value)
        } else {
            text(&words())
        }
    }

    fn value<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
        text(&format!("{json}\n"))
    }

    /// A time for a table, to the minute.
    pub(crate) fn time(self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone)
            .format("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// The same; nothing where there is none.
    pub(crate) fn maybe(self, at: Option<DateTime<Utc>>) -> String {
        at.map(|at| self.time(at)).unwrap_or_default()
    }
}

/// Writes to standard output.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    to(&mut io::stdout().lock(), text)
}

/// Writes lines to standard error, where it cannot fail in any way that matters. They may repeat what others told.
pub(crate) fn note(text: &str) {
    let _nobody_listens = writeln!(io::stderr().lock(), "{}", plain(text, "\n\t"));
}

fn to(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let error = anyhow::Error::new(error).context("standard output");
            Err(Failure::Untold(error))
        }
        _ => Ok(()),
    }
}

/// Columns as wide as their widest cell, two spaces apart; the last one is not filled up.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell, "")).collect())
        .collect();
    let widest = |n: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(n))
            .map(|cell| cell.width());
        cells
            .chain(columns.get(n).map(|head| head.width()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let mut text = String::new();
    let head: Vec<String> = columns.iter().map(|head| (*head).to_owned()).collect();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text that cannot steer a terminal: control characters, but for those kept, are shown as escapes.
pub(crate) fn plain(text: &str, keep: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut plain, c| {
            if c.is_control() && !keep.contains(c) {
                let _never_fails = write!(plain, "{}", c.escape_default());
            } else {
                plain.push(c);
            }
            plain
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn columns_line_up_under_wide_characters() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(
            &["STATUS", "", "WHY"],
            &[
                row(["unallocated", "未引当", "hold"]),
                row(["shipped", "ｶﾅ", "é"]),
            ],
        );
        assert_eq!(
            text,
            "STATUS               WHY\nunallocated  未引当  hold\nshipped      ｶﾅ      é\n"
        );
    }

    #[test]
    fn what_was_told_cannot_steer_the_terminal() {
        let text = table(&["A"], &[vec!["x\u{1b}[2Jy\nz".to_owned()]]);
        assert_eq!(text, "A\nx\\u{1b}[2Jy\\nz\n");
        assert_eq!(plain("a\n\tb\u{7}", "\n\t"), "a\n\tb\\u{7}");
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
        to(&mut Broken(io::ErrorKind::BrokenPipe), "x").unwrap();
        assert!(to(&mut Broken(io::ErrorKind::StorageFull), "x").is_err());
    }
}
