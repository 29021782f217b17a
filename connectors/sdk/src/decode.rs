//! Why a record of JSON could not be decoded, without the value that was in the way: it may be a name or an address.

use serde_json::Error;

/// Field and rule, as far as the error and its place in `raw` tell them.
#[must_use]
pub fn reason(raw: &str, error: &Error) -> String {
    let message = error.to_string();
    let rule = if message.starts_with("missing field") || message.starts_with("duplicate field") {
        message
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned()
    } else if let Some((_, expected)) = message.rsplit_once(", expected ") {
        format!(
            "not as expected: {}",
            expected.split(" at line ").next().unwrap_or_default()
        )
    } else {
        "cannot be read".to_owned()
    };
    match key_before(raw, error) {
        Some(key) if !message.starts_with("missing field") => format!("{key}: {rule}"),
        _ => rule,
    }
}

/// The last key before the place of the error.
fn key_before<'a>(raw: &'a str, error: &Error) -> Option<&'a str> {
    let start: usize = raw
        .split_inclusive('\n')
        .take(error.line().checked_sub(1)?)
        .map(str::len)
        .sum();
    let head = raw.get(..start.checked_add(error.column())?.min(raw.len()))?;
    let end = head.rfind("\":")?;
    let begin = head[..end].rfind('"')? + 1;
    let key = &head[begin..end];
    // A backslash would mean that this is inside of a text.
    let plain = key
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    (plain && !key.is_empty() && key.len() <= 40 && !head[..begin - 1].ends_with('\\'))
        .then_some(key)
}
