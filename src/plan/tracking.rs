//! Tracking numbers, however people and spreadsheets write them.

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
    let key = tracking_key(one);
    one == other || (is_number(&key) && key == tracking_key(other))
}

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
