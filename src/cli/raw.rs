//! Bytes as an operator can read them.

use std::fmt::Write as _;

use super::out::plain;

/// How bytes were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As they are.
    Utf8,
    /// Windows' Shift_JIS.
    Cp932,
    /// UTF-16 of either order, by its mark.
    Utf16,
    /// As hexadecimal numbers.
    Hex,
}

/// Decodes text; what is no text stays undecoded.
pub(crate) fn decode(bytes: &[u8]) -> (Encoding, Option<String>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Encoding::Utf8, Some(text.to_owned()));
    }
    if let Some(text) = wide(bytes) {
        return (Encoding::Utf16, Some(text));
    }
    match encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => (Encoding::Cp932, Some(text.into_owned())),
        None => (Encoding::Hex, None),
    }
}

/// Text in UTF-16 with its mark in front.
fn wide(bytes: &[u8]) -> Option<String> {
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes)?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes.get(mark..)?)?;
    Some(text.into_owned())
}

/// Text for a terminal: lines kept, other control characters escaped; a dump where it is no text.
#[must_use]
pub fn shown(bytes: &[u8]) -> (Encoding, String) {
    match decode(bytes) {
        (encoding, Some(text)) => (encoding, plain(&text.replace("\r\n", "\n"), "\n\t")),
        (encoding, None) => (encoding, dump(bytes)),
    }
}

/// Sixteen bytes a line: offset, numbers, and the ASCII among them.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (n, chunk) in bytes.chunks(16).enumerate() {
        let numbers: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let ascii: String = chunk
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let _never_fails = writeln!(text, "{:08x}  {:<47}  {ascii}", n * 16, numbers.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_in_either_encoding_and_the_rest_is_dumped() {
        assert_eq!(
            shown("注文\r\n2".as_bytes()),
            (Encoding::Utf8, "注文\n2".to_owned())
        );
        let cp932 = encoding_rs::SHIFT_JIS.encode("①髙橋").0;
        assert_eq!(shown(&cp932), (Encoding::Cp932, "①髙橋".to_owned()));
        let units = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}髙橋,2".encode_utf16().flat_map(order).collect()
        };
        for wide in [units(u16::to_le_bytes), units(u16::to_be_bytes)] {
            assert_eq!(shown(&wide), (Encoding::Utf16, "髙橋,2".to_owned()));
        }
        let (encoding, text) = shown(&[0xff, 0x00, b'A', 0x80]);
        assert_eq!(encoding, Encoding::Hex);
        assert!(
            text.starts_with("00000000  ff 00 41 80 ") && text.ends_with("  ..A.\n"),
            "{text}"
        );
    }

    #[test]
    fn bytes_cannot_steer_the_terminal() {
        assert_eq!(shown(b"a\x1b]0;x\x07\n").1, "a\\u{1b}]0;x\\u{7}\n");
    }
}
