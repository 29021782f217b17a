//! Bytes that are shown: an external system's words in an error, stored bytes on a terminal.

use hikiate_sdk::http::{classify, excerpt, retry_after};

/// An answer that is an error.
pub(super) fn http_error(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let words = excerpt(body, &["secret", ""]);
    assert!(
        words.chars().count() <= 301,
        "{} characters",
        words.chars().count()
    );
    assert!(!words.contains("secret"), "a secret in {words:?}");
    assert!(!words.chars().any(char::is_control), "{words:?}");
    let text = String::from_utf8_lossy(body);
    let half = text.len() / 2;
    let half = (half..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let after = retry_after(Some(&text[..half]), Some(&text[half..]));
    let _any = retry_after(Some(&text), None);
    let status = 200 + u16::from(*choice) * 2;
    if let Some(error) = classify(status, after, &words, choice % 2 == 0) {
        assert!(error.message.len() < 2000);
    }
}

/// Stored bytes for a terminal: no control character but tab and line end, and no more than a dump of them.
pub(super) fn raw(bytes: &[u8]) {
    let text = hikiate::cli::raw::shown(bytes).1;
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!text.chars().any(bad), "control characters");
    assert!(
        text.len() <= 12 * bytes.len() + 100,
        "{} of {}",
        text.len(),
        bytes.len()
    );
}
