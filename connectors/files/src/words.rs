//! Small texts: how a heading is compared, how a length of time is written.

use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

/// A heading without what people and programs change about it: width, case and blanks.
pub(crate) fn heading(text: &str) -> String {
    text.nfkc()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A length of time as an operator writes it.
pub(crate) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => "0s".to_owned(),
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
