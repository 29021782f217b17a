//! Text from outside: bounded, without control characters, combining marks composed. Cut and cleaned here and nowhere else.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use unicode_normalization::char::{compose, is_combining_mark};

/// Longest field of a record in bytes: a title, an address line, the words of an answer.
pub const FIELD_BYTES: usize = 4_096;

/// Longest name by which something is found (a parcel, a code, a place), in bytes. A longer one keeps its head and ends with a
/// hash of the whole, as business keys do.
pub const KEY_BYTES: usize = 120;

/// Characters of an external system's words in a task, a log line or an error.
const WORDS: usize = 300;

/// Characters of a message that quotes them.
const SENTENCE: usize = 1_000;

/// A field as it is stored: no NUL and no control characters but line breaks and tabs, a base letter and its combining
/// mark as one character where there is one, at most [`FIELD_BYTES`].
///
/// Compatibility ideographs stay as they are, which NFC would replace (a name is written with the character that its bearer
/// writes).
///
/// ```
/// use hikiate_sdk::text::field;
/// assert_eq!(field("カ\u{3099}ラス\0"), "ガラス");
/// assert_eq!(field("\u{FA19}戸"), "\u{FA19}戸");
/// ```
#[must_use]
pub fn field(text: &str) -> String {
    if is_field(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(FIELD_BYTES));
    for c in text.chars().filter(|c| !is_control(*c)) {
        push_composed(&mut out, c);
        if out.len() > FIELD_BYTES {
            out.pop();
            break;
        }
    }
    out
}

/// The text with each base letter and its combining mark as one character where there is one; all else as it is, compatibility
/// ideographs too.
///
/// ```
/// use hikiate_sdk::text::compose_marks;
/// assert_eq!(compose_marks("カ\u{3099}ルシア"), "ガルシア");
/// assert_eq!(compose_marks("\u{FA19}戸"), "\u{FA19}戸");
/// ```
#[must_use]
pub fn compose_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_composed(&mut out, c);
    }
    out
}

fn push_composed(out: &mut String, c: char) {
    let joined = out
        .chars()
        .next_back()
        .filter(|_| is_combining_mark(c))
        .and_then(|base| compose(base, c));
    if let Some(joined) = joined {
        out.pop();
        out.push(joined);
    } else {
        out.push(c);
    }
}

fn is_field(text: &str) -> bool {
    text.len() <= FIELD_BYTES && !text.chars().any(|c| is_control(c) || is_combining_mark(c))
}

fn is_control(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

/// A name by which something is found, at most [`KEY_BYTES`]: as it came where it is that short.
#[must_use]
pub fn key(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if clean.len() == text.len() && text.len() <= KEY_BYTES {
        return clean;
    }
    let mut hash = hex::encode(Sha256::digest(text.as_bytes()));
    hash.truncate(16);
    let head = cut_bytes(&clean, KEY_BYTES - hash.len() - 1);
    format!("{head}#{hash}")
}

/// A code of an item as it is stored and looked up, wherever it comes from: a name without blanks around it and without what
/// makes a spreadsheet take it for text.
///
/// ```
/// use hikiate_sdk::text::code;
/// assert_eq!(code(" VK-1\u{3000}"), "VK-1");
/// assert_eq!(code("=\"00123\""), "00123");
/// ```
#[must_use]
pub fn code(text: &str) -> String {
    let text = text.trim();
    let inside = text
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    key(inside.unwrap_or(text).trim())
}

/// A JSON text in which each escaped half of a surrogate pair that stands alone (`\ud83d`, what is left of an emoji that a program
/// has cut in two) is the replacement character: a decoder would refuse the whole text for it.
///
/// ```
/// use hikiate_sdk::text::whole_pairs;
/// assert_eq!(whole_pairs(r#""Mug \ud83d""#), r#""Mug \ufffd""#);
/// assert_eq!(whole_pairs(r#""\ud83d\ude00 \\ud83d""#), r#""\ud83d\ude00 \\ud83d""#);
/// ```
#[must_use]
pub fn whole_pairs(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        let start = at + found;
        at = start
            + json[start..]
                .chars()
                .take(2)
                .map(char::len_utf8)
                .sum::<usize>();
        match (half(json, start), half(json, start + 6)) {
            (Some(Half::High), Some(Half::Low)) => at = start + 12,
            (Some(_), _) => {
                at = start + 6;
                out.push_str(&json[copied..start]);
                out.push_str("\\ufffd");
                copied = at;
            }
            (None, _) => {}
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

enum Half {
    High,
    Low,
}

/// The escaped half of a surrogate pair at a place of a JSON text.
fn half(json: &str, at: usize) -> Option<Half> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    match u32::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

/// An external system's words for a task, a log line or an error: one line, without control and direction characters and what
/// cannot be seen, without mail addresses, at most 300 characters.
#[must_use]
pub fn words(text: &str) -> String {
    one_line(text, WORDS)
}

/// A message of ours that may quote an external system: as [`words`], and at most 1,000 characters.
#[must_use]
pub fn sentence(text: &str) -> String {
    one_line(text, SENTENCE)
}

/// A text that people read, in quotes and on one line: every letter and blank as it is, a full-width one too; of a line break, a
/// tab or what cannot be seen, a blank.
///
/// ```
/// use hikiate_sdk::text::quoted;
/// assert_eq!(quoted("二十世紀梨\u{3000}特選\n"), "\"二十世紀梨\u{3000}特選 \"");
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() || is_unseen(c) {
            ' '
        } else {
            c
        }
    };
    let inside: String = text.chars().map(plain).collect();
    format!("\"{inside}\"")
}

fn one_line(text: &str, limit: usize) -> String {
    let parts: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || is_unseen(c))
        .filter(|word| !word.is_empty())
        .map(without_addresses)
        .collect();
    let line = compose_marks(&parts.join(" "));
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Direction marks, joiners and spaces without width: they change how the words around them are read.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Replaces `local@domain` within a word, leaving what stands around it readable.
fn without_addresses(word: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%' | '@');
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find(part) {
        let run = &rest[start..];
        let end = run.find(|c| !part(c)).unwrap_or(run.len());
        out.push_str(&rest[..start]);
        out.push_str(if run[..end].contains('@') {
            "***@***"
        } else {
            &run[..end]
        });
        rest = &run[end..];
    }
    out.push_str(rest);
    out
}

/// The longest beginning of at most so many bytes.
#[must_use]
pub fn cut_bytes(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_bounded_clean_and_composed() {
        assert_eq!(field("a\0b\u{7}c\r\nd\te"), "abc\nd\te");
        assert_eq!(field("か\u{3099}き\u{309A}e\u{301}"), "がき\u{309A}é");
        assert_eq!(
            field("﨑\u{FA19}髙"),
            "﨑\u{FA19}髙",
            "compatibility ideographs"
        );
        assert_eq!(field(&"表".repeat(5_000)).len(), FIELD_BYTES / 3 * 3);
    }

    #[test]
    fn a_long_key_is_bounded_and_still_differs() {
        assert_eq!(key("4012-3456"), "4012-3456");
        let long = "9".repeat(300);
        let (one, other) = (key(&format!("{long}1")), key(&format!("{long}2")));
        assert!(one.len() <= KEY_BYTES && one.starts_with("999"));
        assert_ne!(one, other);
        assert_ne!(
            key("4012\0"),
            key("4012"),
            "what was taken off still tells it apart"
        );
    }

    #[test]
    fn words_are_one_short_line_without_what_misleads() {
        assert_eq!(words("no\nsuch \u{202E}file\0 here"), "no such file here");
        assert_eq!(words("\u{FA19}戸 か\u{3099}"), "\u{FA19}戸 が");
        assert_eq!(words("<hanako@docomo.ne.jp> unknown"), "<***@***> unknown");
        assert_eq!(words(&"あ".repeat(700)).chars().count(), WORDS + 1);
    }

    proptest! {
        #[test]
        fn any_text_becomes_storable(text in any::<String>()) {
            let (field, key, words) = (field(&text), key(&text), words(&text));
            for clean in [&field, &key, &words] {
                prop_assert!(!clean.contains('\0'));
            }
            prop_assert!(field.len() <= FIELD_BYTES && key.len() <= KEY_BYTES);
            prop_assert_eq!(super::field(&field), field.clone());
            prop_assert_eq!(super::key(&key), key.clone());
        }
    }
}
