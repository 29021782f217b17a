//! Tracking numbers as people and spreadsheets write them.

use unicode_normalization::UnicodeNormalization as _;

/// Represents a number that was not reported: what a cell says instead (未定, なし, `n/a`) may be anything, a name even.
pub const NO_NUMBER: &str = "-";

/// Fewest letters and digits of a carrier's number.
const SHORTEST: usize = 2;
/// Most of them; no carrier has more than half.
const LONGEST: usize = 40;

/// What was found where a tracking number is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// A carrier's number, as it was written but for what a spreadsheet or an operator put around it.
    Number(String),
    /// Words, dashes or zeros in its place: there is no number, or none yet.
    Missing,
}

impl Tracking {
    /// Parses a cell that is not blank, or what an operator entered.
    ///
    /// ```
    /// use hikiate_sdk::Tracking;
    /// let number = |text: &str| Ok(Tracking::Number(text.to_owned()));
    /// assert_eq!(Tracking::read("'401234567890"), number("401234567890"));
    /// assert_eq!(Tracking::read("ヤマト ４０１２－３４５６－７８９３"), number("4012-3456-7893"));
    /// assert_eq!(Tracking::read("未定"), Ok(Tracking::Missing));
    /// assert!(Tracking::read("4.01235E+11").is_err());
    /// ```
    ///
    /// # Errors
    /// Why it is neither a number nor a word that says that there is none; to stand after the text.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let plain = plain(text);
        let mut letters = plain.chars().filter(|c| c.is_alphanumeric());
        if !plain.contains(|c: char| c.is_ascii_digit()) || letters.all(|c| c == '0') {
            return Ok(Self::Missing);
        }
        if is_exponent(&plain) {
            return Err("is a number that a spreadsheet has rounded: send it as text");
        }
        let number = whole(after_name(&plain));
        if has_two(&number) {
            return Err("is more than one tracking number; give each parcel its own row");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || " -_.".contains(c);
        let length = number.chars().filter(char::is_ascii_alphanumeric).count();
        if number.chars().all(fits) && (SHORTEST..=LONGEST).contains(&length) {
            Ok(Self::Number(number))
        } else {
            Err("is not a tracking number")
        }
    }
}

/// In half width, without blanks, quotes and text marks around it.
fn plain(text: &str) -> String {
    let narrow = text.nfkc().filter_map(|c| match c {
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | 'ー' | '─' => Some('-'),
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}' => None,
        c if c.is_whitespace() || c.is_control() => Some(' '),
        c => Some(c),
    });
    let narrow: String = narrow.collect();
    let marks = |c: char| c == ' ' || "'\"`‘’“”".contains(c);
    let inner = narrow.trim_matches(marks);
    let inner = inner.strip_prefix('=').unwrap_or(inner);
    inner.trim_matches(marks).to_owned()
}

/// A spreadsheet has rounded it: `4.01235E+11`. What it was cannot be known, whether it was a number or a code.
///
/// ```
/// use hikiate_sdk::is_rounded;
/// assert!(is_rounded("4.90123E+12") && is_rounded(" '4.9E+12"));
/// assert!(!is_rounded("A-1E5") && !is_rounded("4901234567801"));
/// ```
#[must_use]
pub fn is_rounded(text: &str) -> bool {
    is_exponent(&plain(text))
}

/// `4.01235E+11`: the digits that a spreadsheet does not show are lost.
fn is_exponent(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let sure = mantissa.contains('.') || exponent.starts_with('+');
    sure && digits(&mantissa.replacen('.', "", 1)) && digits(exponent.trim_start_matches('+'))
}

/// Without a carrier's name or another word before it. Letters that touch the digits are a part of the number, and two
/// of them are the beginning of a postal one (`EG 123 456 789 JP`).
fn after_name(text: &str) -> &str {
    let Some(digit) = text.find(|c: char| c.is_ascii_digit()) else {
        return text;
    };
    let (before, _) = text.split_at(digit);
    let ends_a_name = |c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c);
    let Some((last, c)) = before.char_indices().rfind(|(_, c)| ends_a_name(*c)) else {
        return text;
    };
    let (name, number) = text.split_at(last + c.len_utf8());
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    if name.is_ascii() && letters <= 2 && c == ' ' {
        return text;
    }
    number.trim_start_matches(['-', '_'])
}

/// A number that a spreadsheet wrote as an amount: `401,234,567,890`, `401234567890.0`.
fn whole(text: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = match text.split_once('.') {
        Some((whole, zeros))
            if digits(&whole.replace(',', "")) && zeros.bytes().all(|b| b == b'0') =>
        {
            whole
        }
        _ => text,
    };
    let mut groups = text.split(',');
    let first = groups.next().unwrap_or_default();
    let amount = digits(first) && first.len() <= 3 && text.contains(',');
    if amount && groups.all(|group| digits(group) && group.len() == 3) {
        text.replace(',', "")
    } else {
        text.to_owned()
    }
}

/// Two of them in one cell.
fn has_two(text: &str) -> bool {
    let long = |part: &&str| part.bytes().filter(u8::is_ascii_digit).count() >= 8;
    let divided = |by: fn(char) -> bool| text.split(by).filter(long).count() > 1;
    divided(|c| !c.is_ascii_alphanumeric() && !" -_.".contains(c))
        || divided(|c| c == ' ')
        || twice_grouped(text)
}

/// Two numbers in groups of digits, of which the second is grouped as the first. A single number of so many digits is not: the
/// longest, of USPS, ends with a shorter group.
fn twice_grouped(text: &str) -> bool {
    let groups: Vec<&str> = text.split(' ').filter(|group| !group.is_empty()).collect();
    let digits = |group: &&str| group.bytes().all(|b| b.is_ascii_digit());
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let (first, second) = lengths.split_at(lengths.len() / 2);
    groups.iter().all(digits)
        && lengths.iter().sum::<usize>() >= 20
        && first == second
        && first.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spreadsheets_and_people_put_around_a_number_is_taken_off() {
        for (text, number) in [
            ("401234567890", "401234567890"),
            ("'401234567890", "401234567890"),
            ("’401234567890", "401234567890"),
            ("=\"401234567891\"", "401234567891"),
            ("\"401234567891\"", "401234567891"),
            ("=401234567891", "401234567891"),
            (" 401234567890\u{3000}", "401234567890"),
            ("\u{FEFF}401234567890\u{200B}", "401234567890"),
            ("４０１２－３４５６－７８９３", "4012-3456-7893"),
            ("4012ー3456ー7893", "4012-3456-7893"),
            ("5000-0000-0010", "5000-0000-0010"),
            ("5000 0000 0011", "5000 0000 0011"),
            ("ヤマト 4012-3456-7893", "4012-3456-7893"),
            ("ヤマト運輸：4012-3456-7893", "4012-3456-7893"),
            ("佐川急便４０１２３４５６７８９３", "401234567893"),
            ("レターパック　1234-5678-9012", "1234-5678-9012"),
            ("送り状No. 4012-3456-7893", "4012-3456-7893"),
            ("No.401234567893", "401234567893"),
            ("Yamato: 4012-3456-7893", "4012-3456-7893"),
            ("UPS 1Z999AA10123456784", "1Z999AA10123456784"),
            ("EG123456789JP", "EG123456789JP"),
            ("EG 123 456 789 JP", "EG 123 456 789 JP"),
            ("9400 1000 0000 0000 0000 00", "9400 1000 0000 0000 0000 00"),
            ("9405 5000 0000 0000 0000", "9405 5000 0000 0000 0000"),
            ("1Z999AA10123456784", "1Z999AA10123456784"),
            ("TRK-B1", "TRK-B1"),
            ("401234567890.0", "401234567890"),
            ("401,234,567,890", "401234567890"),
            ("000000001234", "000000001234"),
        ] {
            let read = Tracking::read(text);
            assert_eq!(read, Ok(Tracking::Number(number.to_owned())), "{text}");
        }
    }

    #[test]
    fn words_dashes_and_zeros_are_no_number() {
        for text in [
            "-",
            "ー",
            "－",
            "--",
            "なし",
            "無し",
            "無",
            "未定",
            "未発行",
            "後日",
            "n/a",
            "N/A",
            "none",
            "NULL",
            "#N/A",
            "0",
            "000000000000",
            "0000-0000-0000",
            "ヤマト",
            "?",
            "'",
            "=\"\"",
            "TBD",
            "手渡し",
        ] {
            assert_eq!(Tracking::read(text), Ok(Tracking::Missing), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_number_is_said() {
        for (text, why) in [
            ("4.01235E+11", "rounded"),
            ("4.01235e+11", "rounded"),
            ("４．０１２３５Ｅ＋１１", "rounded"),
            ("4E+11", "rounded"),
            ("401234567890, 401234567901", "more than one"),
            ("401234567890、401234567901", "more than one"),
            ("4012-3456-7890/4012-3456-7901", "more than one"),
            ("401234567890 401234567901", "more than one"),
            ("401234567890\n401234567901", "more than one"),
            ("4012 3456 7890 4012 3456 7901", "more than one"),
            ("1234 5678 901  1234 5678 912", "more than one"),
            ("1", "not a tracking number"),
            ("2個口", "not a tracking number"),
            ("4012-3456-7893 他1件", "not a tracking number"),
            ("2026/11/28 09:00:00", "not a tracking number"),
        ] {
            let read = Tracking::read(text);
            assert!(
                read.as_ref().is_err_and(|said| said.contains(why)),
                "{text}: {read:?}"
            );
        }
        assert!(Tracking::read(&"1".repeat(41)).is_err());
    }
}
