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

/// Around the words of an external system that are no matter of a log.
const OPEN: char = '\u{201C}';
const CLOSE: char = '\u{201D}';

/// In place of a value that is blank.
const BLANK: &str = "(blank)";

/// Longest code of an error, in bytes.
const ERROR_CODE: usize = 64;

/// Longest one of digits alone: a phone number has more.
const NUMBER_CODE: usize = 8;

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

/// An external system's words, as [`words`] gives them, between “ and ”, whether it answers a write or a read. They may repeat a name,
/// an address or a phone number: an operator reads them, and [`without_quotes`] keeps them out of a log. Nothing where there are none.
///
/// ```
/// use hikiate_sdk::text::quote;
/// assert_eq!(quote("no such\n“address”"), "“no such \"address\"”");
/// assert_eq!(quote(" \n"), "");
/// ```
#[must_use]
pub fn quote(theirs: &str) -> String {
    let theirs = words(theirs).replace([OPEN, CLOSE], "\"");
    if theirs.is_empty() {
        return theirs;
    }
    format!("{OPEN}{theirs}{CLOSE}")
}

/// A value of an external system where a sentence names it, a cell or a field: quoted, and `(blank)` where there is nothing to see.
///
/// ```
/// use hikiate_sdk::text::quote_value;
/// assert_eq!(quote_value("1,00"), "“1,00”");
/// assert_eq!(quote_value(" \u{200B}"), "(blank)");
/// ```
#[must_use]
pub fn quote_value(theirs: &str) -> String {
    let quoted = quote(theirs);
    if quoted.is_empty() {
        return BLANK.to_owned();
    }
    quoted
}

/// A message for a log: of what stands between “ and ” (see [`quote`]) only that there was something. What a cut has left open is
/// taken out to the end.
///
/// ```
/// use hikiate_sdk::text::without_quotes;
/// assert_eq!(without_quotes("refused: “recipient 見本 花子” (422)"), "refused: “…” (422)");
/// assert_eq!(without_quotes("refused: “recipient 見本…"), "refused: “…”");
/// ```
#[must_use]
pub fn without_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((ours, theirs)) = rest.split_once(OPEN) {
        out.push_str(ours);
        out.extend([OPEN, '…', CLOSE]);
        rest = theirs.split_once(CLOSE).map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// Whether a text has the form of a code, or of the name of a field, as programs write them: at most 64 ASCII letters, digits and
/// `_-.:/[]` that begin with a letter or `_`, or at most 8 digits and dots. A phone number has neither form, and no postcode with its hyphen.
///
/// ```
/// use hikiate_sdk::text::is_error_code;
/// assert!(is_error_code("validation_failed") && is_error_code("metadata[x]"));
/// assert!(is_error_code("422") && is_error_code("5.1.1"));
/// assert!(!is_error_code("見本 花子") && !is_error_code("No such name") && !is_error_code(""));
/// assert!(!is_error_code("03-0000-0000") && !is_error_code("0312345678") && !is_error_code("170-0013"));
/// ```
#[must_use]
pub fn is_error_code(text: &str) -> bool {
    let begins = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/[]".contains(&b);
    if text.as_bytes().first().is_some_and(begins) {
        text.len() <= ERROR_CODE && text.bytes().all(fits)
    } else {
        let counts = |b: u8| b.is_ascii_digit() || b == b'.';
        (1..=NUMBER_CODE).contains(&text.len()) && text.bytes().all(counts)
    }
}

/// A code of an external system, or the name of a field: as it is if it has that form ([`is_error_code`]), else as [`quote_value`] has
/// it.
#[must_use]
pub fn error_code_or_quote(theirs: &str) -> String {
    if is_error_code(theirs) {
        theirs.to_owned()
    } else {
        quote_value(theirs)
    }
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
        // One alone is what is left of an address that was taken out before.
        out.push_str(if end > 1 && run[..end].contains('@') {
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
        let masked = "<***@***> unknown";
        assert_eq!(words("<hanako@docomo.ne.jp> unknown"), masked);
        assert_eq!(words(masked), masked, "a message is cleaned more than once");
        assert_eq!(words(&"あ".repeat(700)).chars().count(), WORDS + 1);
    }

    #[test]
    fn quoted_words_are_told_and_not_logged() {
        let told = format!(
            "answered 422: {}; again: {}",
            quote("見本 花子\n“03-0000-0000” is invalid"),
            quote("東池袋0-0-0")
        );
        assert_eq!(
            told,
            "answered 422: “見本 花子 \"03-0000-0000\" is invalid”; again: “東池袋0-0-0”"
        );
        assert_eq!(without_quotes(&told), "answered 422: “…”; again: “…”");
        assert_eq!(quote(&"あ".repeat(700)).chars().count(), WORDS + 3);
        let own = "the shop answered 500 ” with a mark of its own";
        assert_eq!(without_quotes(own), own);
        let twice = without_quotes(&told);
        assert_eq!(without_quotes(&twice), twice);
        // Quoted words that are quoted once more end with the outer quote.
        let nested = format!("it failed: {}, try again", quote(&told));
        assert_eq!(without_quotes(&nested), "it failed: “…”, try again");
    }

    #[test]
    fn what_is_no_code_is_quoted() {
        assert_eq!(error_code_or_quote("items.0.code"), "items.0.code");
        assert_eq!(error_code_or_quote("Mr Sample"), "“Mr Sample”");
        assert_eq!(error_code_or_quote(""), "(blank)");
        assert_eq!(error_code_or_quote("03-0000-0000"), "“03-0000-0000”");
        assert!(is_error_code(&"x".repeat(ERROR_CODE)));
        assert!(!is_error_code(&"x".repeat(ERROR_CODE + 1)));
        for code in [
            "a",
            "_x",
            "metadata[x]",
            "expand[0]",
            "E1-2",
            "422",
            "5.1.1",
            "12345678",
        ] {
            assert!(is_error_code(code), "{code}");
        }
        for other in [
            "",
            "03-0000-0000",
            "0312345678",
            "170-0013",
            "+81312345678",
            "123456789",
            "5.1.1 no such user",
            "4a",
            "-x",
            "[x]",
            "a@b",
            "a b",
        ] {
            assert!(!is_error_code(other), "{other}");
        }
    }

    proptest! {
        /// Whatever an external system says, and wherever the whole was cut.
        #[test]
        fn nothing_quoted_outlives_the_quotes(theirs in "(?s)([“”… @a]|.){0,350}", limit in 0..400_usize) {
            let whole = format!("a {} b", quote(&theirs));
            let left = [
                "…", "a…", "a …", "a “…”", "a “…”…", "a “…” …", "a “…” b", "a b", "a  b",
            ];
            for told in [&whole, &sentence(&whole), &one_line(&whole, limit)] {
                let logged = without_quotes(told);
                prop_assert!(left.contains(&logged.as_str()), "{logged:?} of {told:?}");
            }
        }

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
