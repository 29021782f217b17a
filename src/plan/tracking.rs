//! Tracking numbers, however people and spreadsheets write them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// A number without what is put between its digits, in one width and one case.
pub(crate) fn tracking_key(number: &str) -> String {
    number
        .nfkc()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

/// True for what can be a carrier's number: placeholders and dashes say nothing about which parcel is meant.
pub(crate) fn is_number(key: &str) -> bool {
    key.chars().filter(char::is_ascii_digit).count() >= 4
}

/// Two ways to write one number; a placeholder is only itself.
pub(crate) fn same_number(one: &str, other: &str) -> bool {
    one == other || Number::of(one) == Number::of(other)
}

/// A number as it is written, with what all ways to write it have in common: it is worked out once, however many others it
/// is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Number<'a> {
    /// As it is written.
    pub(crate) text: &'a str,
    key: Cow<'a, str>,
}

impl<'a> Number<'a> {
    /// Reads a number; a placeholder is only itself.
    pub(crate) fn of(text: &'a str) -> Self {
        let key = tracking_key(text);
        // What has a number's digits is a number, so that no placeholder is written as one's key.
        let key = if is_number(&key) {
            Cow::Owned(key)
        } else {
            Cow::Borrowed(text)
        };
        Self { text, key }
    }

    /// The same for each way to write it.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Number<'_> {}

#[cfg(test)]
mod tests {
    use super::same_number;

    #[test]
    fn width_case_and_what_stands_between_digits_make_no_other_number() {
        for written in [
            "4012-1234-1234",
            "４０１２１２３４１２３４",
            " 4012 1234 1234",
        ] {
            assert!(same_number("401212341234", written), "{written}");
        }
        assert!(same_number("jd01-2345", "ＪＤ０１２３４５"));
        assert!(!same_number("401212341234", "401212341235"));
        assert!(!same_number("N/A", "n/a"), "a placeholder is no number");
        assert!(!same_number("-", ""));
    }
}
