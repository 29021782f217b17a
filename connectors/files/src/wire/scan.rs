//! Rows of a file that comes in pieces: decoded and split without holding the file.
//!
//! A row longer than the budget is told as such, and reading goes on at the next line.

use std::borrow::Cow;

use encoding_rs::SHIFT_JIS;
use serde::{Deserialize, Serialize};

use super::delimited::{UNCLOSED, line_length, row};
use super::encoding::{Encoding, first_bad_cp932, len_cp932};

/// The characters that a file really has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Coded {
    Utf8,
    Cp932,
    /// With a byte order mark, whatever the layout says.
    Utf16Le,
    /// See [`Self::Utf16Le`].
    Utf16Be,
}

impl Coded {
    /// By the first bytes, else as the layout says; with the length of the mark.
    fn of(start: &[u8], encoding: Encoding) -> (Self, usize) {
        match (start, encoding) {
            ([0xFF, 0xFE, ..], _) => (Self::Utf16Le, 2),
            ([0xFE, 0xFF, ..], _) => (Self::Utf16Be, 2),
            (_, Encoding::Cp932) => (Self::Cp932, 0),
            ([0xEF, 0xBB, 0xBF, ..], _) => (Self::Utf8, 3),
            _ => (Self::Utf8, 0),
        }
    }

    /// The mark without which a part of the file would be read otherwise.
    pub(crate) fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 | Self::Cp932 => b"",
            Self::Utf16Le => &[0xFF, 0xFE],
            Self::Utf16Be => &[0xFE, 0xFF],
        }
    }

    fn is_wide(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }

    /// Bytes of the file that a part of the text took.
    fn byte_len(self, part: &str) -> usize {
        match self {
            Self::Utf8 => part.len(),
            Self::Cp932 if part.is_ascii() => part.len(),
            Self::Cp932 => len_cp932(part),
            Self::Utf16Le | Self::Utf16Be => part.chars().map(|c| c.len_utf16() * 2).sum(),
        }
    }

    /// Where the last line end ends. A carriage return at the very end may be half of one.
    fn after_last_line(self, bytes: &[u8]) -> Option<usize> {
        if self.is_wide() {
            let end = self.line_end();
            let pairs = bytes.chunks_exact(2).rposition(|pair| pair == end);
            return pairs.map(|n| n * 2 + 2);
        }
        let (last, before) = bytes.split_last()?;
        if *last == b'\n' {
            return Some(bytes.len());
        }
        let ends = |b: &u8| matches!(b, b'\n' | b'\r');
        before.iter().rposition(ends).map(|n| n + 1)
    }

    /// Where the first line ends.
    fn after_first_line(self, bytes: &[u8]) -> Option<usize> {
        if self.is_wide() {
            let end = self.line_end();
            let pairs = bytes.chunks_exact(2).position(|pair| pair == end);
            return pairs.map(|n| n * 2 + 2);
        }
        bytes.iter().position(|b| *b == b'\n').map(|n| n + 1)
    }

    fn line_end(self) -> [u8; 2] {
        if self == Self::Utf16Be {
            [0, b'\n']
        } else {
            [b'\n', 0]
        }
    }

    fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, (usize, &'static str)> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|e| (e.valid_up_to() + 1, "UTF-8")),
            Self::Cp932 => SHIFT_JIS
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| (first_bad_cp932(bytes), "CP932")),
            Self::Utf16Le | Self::Utf16Be => {
                let unit = |pair: &[u8]| {
                    let pair = [
                        pair.first().copied().unwrap_or_default(),
                        pair.get(1).copied().unwrap_or_default(),
                    ];
                    if self == Self::Utf16Be {
                        u16::from_be_bytes(pair)
                    } else {
                        u16::from_le_bytes(pair)
                    }
                };
                let mut text = String::with_capacity(bytes.len() / 2);
                let mut at = 0;
                for c in char::decode_utf16(bytes.chunks(2).map(unit)) {
                    let c = c.map_err(|_| (at + 1, "UTF-16"))?;
                    at += c.len_utf16() * 2;
                    text.push(c);
                }
                if at == bytes.len() {
                    Ok(Cow::Owned(text))
                } else {
                    Err((bytes.len(), "UTF-16"))
                }
            }
        }
    }

    /// The last character of a file, where it ends a line.
    fn ends_line(self, end: &[u8]) -> bool {
        let last = match (self, end) {
            (Self::Utf16Le, [.., low, 0]) => Some(*low),
            (Self::Utf16Be, [.., 0, low]) => Some(*low),
            (Self::Utf8 | Self::Cp932, [.., last]) => Some(*last),
            _ => None,
        };
        last.is_some_and(|b| matches!(b, b'\n' | b'\r' | 0x1A))
    }
}

/// Where a scan stands; enough to go on later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    /// The byte of the file.
    pub(crate) offset: u64,
    /// The line there, from 1.
    pub(crate) line: u64,
}

/// One row as it stands in the file.
#[derive(Debug)]
pub(crate) struct RawRow<'a> {
    /// Its characters.
    pub(crate) coded: Coded,
    /// Where it starts.
    pub(crate) at: At,
    /// Where the next one starts.
    pub(crate) next: At,
    /// Its bytes, line end included; of a row that is too long, a little more than the budget.
    pub(crate) raw: &'a [u8],
    /// Its cells.
    pub(crate) cells: Split<'a>,
}

/// The cells of a row.
#[derive(Debug)]
pub(crate) enum Split<'a> {
    /// No cell is quoted, so they are split when they are wanted.
    Plain(&'a str, char),
    /// Taken out of their quotes.
    Quoted(Vec<String>),
    /// Why it is no row.
    Broken(String),
}

impl Split<'_> {
    /// How many cells there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Plain(text, separator) => {
                let mut cells = 1;
                let mut rest = *text;
                while let Some(at) = rest.find(*separator) {
                    cells += 1;
                    rest = &rest[at + separator.len_utf8()..];
                }
                cells
            }
            Self::Quoted(cells) => cells.len(),
            Self::Broken(_) => 0,
        }
    }

    /// The first cell without blanks around it.
    pub(crate) fn first(&self) -> &str {
        match self {
            Self::Plain(text, separator) => text.split(*separator).next().unwrap_or_default(),
            Self::Quoted(cells) => cells.first().map_or("", String::as_str),
            Self::Broken(_) => "",
        }
        .trim()
    }

    /// The cells, or why there are none.
    pub(crate) fn cells(self) -> Result<Vec<String>, String> {
        match self {
            Self::Plain(text, separator) => Ok(text.split(separator).map(str::to_owned).collect()),
            Self::Quoted(cells) => Ok(cells),
            Self::Broken(why) => Err(why),
        }
    }

    /// Nothing but separators and blanks.
    fn is_blank(&self) -> bool {
        match self {
            Self::Plain(text, separator) => text
                .chars()
                .all(|c| c == *separator || c.is_whitespace() || c == '\u{1A}'),
            Self::Quoted(cells) => cells.iter().all(|cell| cell.trim().is_empty()),
            Self::Broken(_) => false,
        }
    }
}

/// Splits a file into rows, piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner {
    separator: char,
    longest: usize,
    coded: Option<Coded>,
    encoding: Encoding,
    /// What was fed and is not yet split; begins at `at`.
    held: Vec<u8>,
    at: At,
    /// The rest of a row that was too long, up to its line end.
    skipping: bool,
    /// The last bytes fed.
    end: [u8; 2],
}

impl Scanner {
    /// From a file's beginning.
    pub(crate) fn new(encoding: Encoding, separator: char, longest: usize) -> Self {
        Self {
            separator,
            longest,
            coded: None,
            encoding,
            held: Vec::new(),
            at: At { offset: 0, line: 1 },
            skipping: false,
            end: [0; 2],
        }
    }

    /// From where a row starts in a file of these characters.
    pub(crate) fn resume(coded: Coded, separator: char, longest: usize, at: At) -> Self {
        Self {
            coded: Some(coded),
            at,
            ..Self::new(Encoding::Utf8, separator, longest)
        }
    }

    /// The characters as they turned out to be.
    pub(crate) fn coded(&self) -> Option<Coded> {
        self.coded
    }

    /// Whether what was fed last ends a line.
    pub(crate) fn ends_line(&self) -> bool {
        self.coded.is_some_and(|coded| coded.ends_line(&self.end))
    }

    /// Takes the next bytes and hands out the rows that are whole. `each` says whether it took a row; with one that
    /// it did not take the scan stops, before that row. `last` says that nothing follows.
    ///
    /// # Errors
    /// Where the first byte is that does not belong to the encoding.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        last: bool,
        each: &mut dyn FnMut(RawRow<'_>) -> bool,
    ) -> Result<bool, String> {
        self.held.extend_from_slice(bytes);
        if let [.., one, two] = bytes {
            self.end = [*one, *two];
        } else if let [one] = bytes {
            self.end = [self.end[1], *one];
        }
        if self.coded.is_none() {
            if self.held.len() < 3 && !last {
                return Ok(true);
            }
            let (coded, mark) = Coded::of(&self.held, self.encoding);
            self.coded = Some(coded);
            self.held.drain(..mark);
            self.at.offset += mark as u64;
        }
        let coded = self.coded.unwrap_or(Coded::Utf8);
        let mut held = std::mem::take(&mut self.held);
        let done = self.split(coded, &held, last, each);
        match done {
            Ok((used, on)) => {
                held.drain(..used);
                self.held = held;
                Ok(on)
            }
            Err((at, name)) => {
                let byte = self.at.offset + at as u64;
                Err(format!("byte {byte} is not {name}"))
            }
        }
    }

    /// Where the next row starts.
    pub(crate) fn at(&self) -> At {
        self.at
    }

    /// Splits what is held; says how much of it is done, and whether every row was taken.
    fn split(
        &mut self,
        coded: Coded,
        held: &[u8],
        last: bool,
        each: &mut dyn FnMut(RawRow<'_>) -> bool,
    ) -> Result<(usize, bool), (usize, &'static str)> {
        let mut used = 0;
        if self.skipping {
            let Some(line) = coded.after_first_line(held) else {
                // Half of a pair is kept for the line end.
                let whole = held.len() / 2 * 2;
                self.at.offset += whole as u64;
                return Ok((whole, true));
            };
            self.skipping = false;
            self.at.offset += line as u64;
            self.at.line += 1;
            used = line;
        }
        let rest = held.get(used..).unwrap_or_default();
        let end = if last {
            Some(rest.len())
        } else {
            coded.after_last_line(rest)
        };
        let Some(end) = end else {
            if rest.len() <= self.longest + 1 {
                return Ok((used, true));
            }
            if !self.too_long(rest, self.at, each) {
                return Ok((used, false));
            }
            self.skipping = true;
            let whole = rest.len() / 2 * 2;
            self.at.offset += whole as u64;
            return Ok((used + whole, true));
        };
        let text = coded.decode(rest.get(..end).unwrap_or_default())?;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let Some((length, cells)) = self.next(rest, last) else {
                break;
            };
            let part = &rest[..length];
            let bytes = coded.byte_len(part);
            let raw = held.get(used..used + bytes).unwrap_or_default();
            let next = At {
                offset: self.at.offset + bytes as u64,
                line: self.at.line + lines(part),
            };
            let on = if bytes > self.longest {
                self.too_long(raw, next, each)
            } else if cells.is_blank() {
                true
            } else {
                each(RawRow {
                    coded,
                    at: self.at,
                    next,
                    raw,
                    cells,
                })
            };
            if !on {
                return Ok((used, false));
            }
            at += length;
            used += bytes;
            self.at = next;
        }
        Ok((used, true))
    }

    /// The length of the next row and its cells; nothing where it is not whole yet.
    fn next<'t>(&self, rest: &'t str, last: bool) -> Option<(usize, Split<'t>)> {
        let line = line_length(rest);
        let part = &rest[..line];
        if !part.contains('"') {
            let text = part.strip_suffix('\n').unwrap_or(part);
            let text = text.strip_suffix('\r').unwrap_or(text);
            return Some((line, Split::Plain(text, self.separator)));
        }
        match row(rest, self.separator) {
            Ok((cells, length)) if length <= self.longest => Some((length, Split::Quoted(cells))),
            Err(why) if why == UNCLOSED && !last && rest.len() <= self.longest => None,
            // It spoils its first line only.
            Ok(_) => Some((line, Split::Broken(self.limit()))),
            Err(why) => Some((line, Split::Broken(why.to_owned()))),
        }
    }

    fn limit(&self) -> String {
        format!("is longer than {} bytes", self.longest)
    }

    fn too_long(&self, raw: &[u8], next: At, each: &mut dyn FnMut(RawRow<'_>) -> bool) -> bool {
        each(RawRow {
            coded: self.coded.unwrap_or(Coded::Utf8),
            at: self.at,
            next,
            raw: raw.get(..=self.longest).unwrap_or(raw),
            cells: Split::Broken(self.limit()),
        })
    }
}

fn lines(part: &str) -> u64 {
    if part.len() < 3 {
        return 1;
    }
    let returns = part.bytes().filter(|b| *b == b'\r').count();
    let ends = part.bytes().filter(|b| *b == b'\n').count();
    let pairs = part.matches("\r\n").count();
    (returns + ends - pairs) as u64
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::delimited::rows;

    type Got = Vec<(u64, Vec<u8>, Result<Vec<String>, String>)>;

    fn scan(bytes: &[u8], encoding: Encoding, longest: usize, piece: usize) -> Result<Got, String> {
        let mut scanner = Scanner::new(encoding, ',', longest);
        let mut got = Vec::new();
        let mut each = |row: RawRow<'_>| {
            got.push((row.at.line, row.raw.to_vec(), row.cells.cells()));
            true
        };
        let mut pieces = bytes.chunks(piece).peekable();
        if pieces.peek().is_none() {
            scanner.feed(b"", true, &mut each)?;
        }
        while let Some(piece) = pieces.next() {
            scanner.feed(piece, pieces.peek().is_none(), &mut each)?;
        }
        Ok(got)
    }

    #[test]
    fn rows_come_out_alike_however_the_file_is_cut() {
        let text = "名,b\r\n\"x\r\ny\",2\n,\n\n  ,\u{3000}\r3,\"a\"\"b\"\nlast,row";
        let want = [
            (1, "名,b\r\n", vec!["名", "b"]),
            (2, "\"x\r\ny\",2\n", vec!["x\r\ny", "2"]),
            (7, "3,\"a\"\"b\"\n", vec!["3", "a\"b"]),
            (8, "last,row", vec!["last", "row"]),
        ];
        for piece in 1..=text.len() {
            let got = scan(text.as_bytes(), Encoding::Utf8Bom, 1_000, piece).unwrap();
            let got: Vec<_> = got
                .iter()
                .map(|(line, raw, cells)| {
                    let cells: Vec<_> =
                        cells.as_ref().unwrap().iter().map(String::as_str).collect();
                    (*line, std::str::from_utf8(raw).unwrap(), cells)
                })
                .collect();
            assert_eq!(got, want, "pieces of {piece}");
        }
    }

    #[test]
    fn a_file_of_wide_characters_is_read_by_its_mark() {
        for big in [false, true] {
            let text = "商品,数\r\n𠮷,\"1\"\r\n";
            let mut bytes = if big {
                vec![0xFE, 0xFF]
            } else {
                vec![0xFF, 0xFE]
            };
            for unit in text.encode_utf16() {
                bytes.extend(if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                });
            }
            for piece in [1, 2, 3, 5, 100] {
                let got = scan(&bytes, Encoding::Cp932, 1_000, piece).unwrap();
                assert_eq!(got.len(), 2, "{piece}");
                assert_eq!(got[1].2, Ok(vec!["𠮷".to_owned(), "1".to_owned()]));
                assert_eq!(got[1].1.len(), 2 * "𠮷,\"1\"\r\n".encode_utf16().count());
            }
            bytes.pop();
            assert!(
                scan(&bytes, Encoding::Utf8, 1_000, 7).is_err(),
                "half a character"
            );
        }
    }

    #[test]
    fn a_row_that_is_too_long_spoils_itself_alone() {
        for body in [
            "x".repeat(500),
            format!("\"{}", "y\n".repeat(3)),
            "表".repeat(200),
        ] {
            let text = format!("a,b\n{body}\nc,d\n");
            for piece in [1, 7, 64, 2_000] {
                let got = scan(text.as_bytes(), Encoding::Utf8, 100, piece).unwrap();
                assert_eq!(got[0].2, Ok(vec!["a".to_owned(), "b".to_owned()]));
                let last = got.last().unwrap();
                assert_eq!(last.2, Ok(vec!["c".to_owned(), "d".to_owned()]), "{piece}");
                assert!(got[1].2.is_err(), "{piece}: {got:?}");
                assert!(got.iter().all(|(_, raw, _)| raw.len() <= 101));
            }
        }
    }

    #[test]
    fn a_wrong_byte_is_named_wherever_the_file_is_cut() {
        let bytes = b"a,b\nc,d\ne\xFF,f\n";
        for piece in 1..=bytes.len() {
            for (encoding, name) in [(Encoding::Utf8, "UTF-8"), (Encoding::Cp932, "CP932")] {
                let got = scan(bytes, encoding, 100, piece);
                assert_eq!(got, Err(format!("byte 10 is not {name}")), "{piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_change_nothing(text in "[a-c,\"\r\n 表ソ]{0,60}", piece in 1_usize..20) {
            for encoding in [Encoding::Utf8, Encoding::Cp932] {
                let bytes = encoding.encode(&text, crate::wire::encoding::Loss::Refuse, &std::collections::BTreeMap::new()).unwrap();
                let whole = scan(&bytes, encoding, 10_000, bytes.len().max(1)).unwrap();
                let cut = scan(&bytes, encoding, 10_000, piece).unwrap();
                prop_assert_eq!(&whole, &cut);
                let known: Vec<_> = rows(&text, ',').into_iter().map(|r| r.cells.map_err(str::to_owned)).filter(|r| r.as_ref().map_or(true, |c| c.iter().any(|c| !c.trim().is_empty()))).collect();
                let got: Vec<_> = whole.into_iter().map(|(_, _, cells)| cells).collect();
                prop_assert_eq!(got, known);
            }
        }
    }
}
