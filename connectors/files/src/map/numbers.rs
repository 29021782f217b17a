//! The carrier's numbers of a cell: one, several, or none.

use hikiate_sdk::text::key;
use hikiate_sdk::{NO_NUMBER, Tracking};
use unicode_normalization::UnicodeNormalization as _;

/// Fewest letters and digits of each of several numbers; the parts of a date have fewer.
const SHORTEST: usize = 5;
/// Most labels of one parcel.
const MOST: usize = 100;

/// The numbers of a cell that is not blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The first one; [`NO_NUMBER`] where something else stands in its place, nothing where the cell is blank.
    pub(crate) first: Option<String>,
    /// The others.
    pub(crate) also: Vec<String>,
}

impl Numbers {
    /// Reads a cell.
    ///
    /// # Errors
    /// Why it is neither one number, nor several, nor a word that says that there is none; to stand after the cell.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        // A line end or a tab stands between two numbers; what else may have stood there cannot be known.
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err("contains a control character");
        }
        let why = match Tracking::read(text) {
            Ok(Tracking::Number(number)) => {
                return Ok(Self {
                    first: Some(number),
                    also: Vec::new(),
                });
            }
            Ok(Tracking::Missing) => {
                return Ok(Self {
                    first: Some(NO_NUMBER.to_owned()),
                    also: Vec::new(),
                });
            }
            Err(why) => why,
        };
        several(text).ok_or(why)
    }

    /// The number without what people write differently: width, case, hyphens, blanks.
    pub(crate) fn name(&self) -> Option<String> {
        let number = self.first.as_ref().filter(|n| *n != NO_NUMBER)?;
        let plain: String = number
            .nfkc()
            .filter(|c| !matches!(c, '-' | '_' | '.') && !c.is_whitespace())
            .flat_map(char::to_uppercase)
            .collect();
        Some(key(&plain))
    }

    /// Takes over the numbers of another row of the same parcel.
    pub(crate) fn join(&mut self, other: Self) {
        let number = |n: &Option<String>| n.as_ref().is_some_and(|n| n != NO_NUMBER);
        if !number(&self.first)
            && other.first.is_some()
            && (number(&other.first) || self.first.is_none())
        {
            self.first = other.first.clone();
        }
        for one in other.first.into_iter().chain(other.also) {
            self.add(one);
        }
    }

    fn add(&mut self, number: String) {
        if number != NO_NUMBER
            && self.first.as_ref() != Some(&number)
            && !self.also.contains(&number)
        {
            self.also.push(number);
        }
    }
}

fn several(text: &str) -> Option<Numbers> {
    let wide: String = text
        .chars()
        .map(|c| match c {
            ',' | ';' | '/' | '、' | '，' | '；' | '／' | '\n' | '\r' => '\n',
            '\u{3000}' | '\t' => ' ',
            c => c,
        })
        .collect();
    let wide = wide.replace("  ", "\n");
    let mut numbers = Numbers::default();
    for part in wide.split('\n').map(str::trim).filter(|p| !p.is_empty()) {
        let Ok(Tracking::Number(number)) = Tracking::read(part) else {
            return None;
        };
        let length = number.bytes().filter(u8::is_ascii_alphanumeric).count();
        if length < SHORTEST || numbers.also.len() >= MOST {
            return None;
        }
        if numbers.first.is_none() {
            numbers.first = Some(number);
        } else {
            numbers.add(number);
        }
    }
    Some(numbers).filter(|n| n.first.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, &'static str> {
        Numbers::read(text).map(|n| n.first.into_iter().chain(n.also).collect())
    }

    #[test]
    fn several_numbers_of_one_cell_are_told_apart() {
        let two = ["401234567890", "401234567901"];
        for text in [
            "401234567890, 401234567901",
            "401234567890,401234567901",
            "401234567890;401234567901",
            "401234567890/401234567901",
            "401234567890、401234567901",
            "401234567890\n401234567901",
            "401234567890\r\n401234567901",
            "401234567890  401234567901",
            "401234567890\u{3000}\u{3000}401234567901",
            "４０１２３４５６７８９０，４０１２３４５６７９０１",
            "ヤマト 401234567890 / ヤマト 401234567901",
            "401234567890, 401234567901, 401234567890",
        ] {
            assert_eq!(read(text), Ok(two.map(str::to_owned).to_vec()), "{text}");
        }
        let three = read("TRK-B1001/TRK-B1002/TRK-B1003").map(|n| n.len());
        assert_eq!(three, Ok(3));
    }

    #[test]
    fn what_is_not_certainly_numbers_is_a_bad_row() {
        for text in [
            "4.01235E+11",
            "401234567890, 未定",
            "401234567890 401234567901",
            "2026/11/28",
            "2026/11/28 09:00:00",
            "401234567890, 4.01235E+11",
            "1/2",
            "4012-3456-7893 他1件",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
        assert_eq!(read("401,234,567,890"), Ok(vec!["401234567890".to_owned()]));
        assert_eq!(read("未定"), Ok(vec![NO_NUMBER.to_owned()]));
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn one_number_has_one_name_however_it_is_written() {
        for text in [
            "4012-3456-7893",
            "4012 3456 7893",
            "４０１２－３４５６－７８９３",
            "'401234567893",
        ] {
            let name = Numbers::read(text).ok().and_then(|n| n.name());
            assert_eq!(name.as_deref(), Some("401234567893"), "{text}");
        }
        let name = |text| Numbers::read(text).ok().and_then(|n| n.name());
        assert_eq!(name("eg123456789jp"), name("EG 123 456 789 JP"));
        assert_eq!(name("なし"), None);
    }
}
