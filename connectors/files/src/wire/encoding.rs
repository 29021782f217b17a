//! Characters to bytes and back. What an encoding cannot hold is refused or replaced by a declared
//! table, never cut and never turned into `?`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use encoding_rs::{DecoderResult, SHIFT_JIS};
use hikiate_sdk::text::compose_marks;
use serde::{Deserialize, Serialize};

/// How a file's characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8 without a mark; one at the start of a file read is skipped.
    #[serde(rename = "utf8")]
    Utf8,
    /// UTF-8 with a byte order mark, as spreadsheets want it.
    #[serde(rename = "utf8-bom")]
    Utf8Bom,
    /// Windows-31J, what Japanese systems call Shift_JIS.
    #[serde(rename = "cp932")]
    Cp932,
}

/// What happens to a character that the file cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// The call is refused with the field named.
    Refuse,
    /// Replaced by the declared table; refused when the table has no entry.
    Map,
}

/// The built-in table of [`Loss::Map`]: characters of the same look that CP932 has under another number.
const PAIRS: [(char, char); 18] = [
    ('\u{301C}', '\u{FF5E}'), // wave dash → fullwidth tilde
    ('\u{2212}', '\u{FF0D}'), // minus sign → fullwidth hyphen-minus
    ('\u{2016}', '\u{2225}'), // double vertical line → parallel to
    ('\u{2014}', '\u{2015}'), // em dash → horizontal bar
    ('\u{2013}', '\u{2010}'), // en dash → hyphen
    ('\u{2011}', '\u{2010}'), // non-breaking hyphen → hyphen
    ('\u{00A2}', '\u{FFE0}'), // cent
    ('\u{00A3}', '\u{FFE1}'), // pound
    ('\u{00AC}', '\u{FFE2}'), // not
    ('\u{00A5}', '\u{FFE5}'), // yen
    ('\u{203E}', '\u{FFE3}'), // overline
    ('\u{00A6}', '\u{FFE4}'), // broken bar
    ('\u{00B7}', '\u{30FB}'), // middle dot
    ('\u{2022}', '\u{30FB}'), // bullet
    ('\u{00A0}', ' '),        // no-break space
    ('\u{525D}', '\u{5265}'), // 剝 → 剥
    ('\u{5861}', '\u{586B}'), // 塡 → 填
    ('\u{9830}', '\u{982C}'), // 頰 → 頬
];

const BOM: &str = "\u{FEFF}";

impl Encoding {
    /// The bytes of one character, or `None` when this encoding has none that decode to the same character.
    fn encode_char(self, c: char, out: &mut Vec<u8>) -> bool {
        let mut buffer = [0_u8; 4];
        let text = c.encode_utf8(&mut buffer);
        if self != Self::Cp932 {
            out.extend_from_slice(text.as_bytes());
            return true;
        }
        // The encoder writes look-alikes for some characters without telling (U+00A5 becomes 5C).
        let (bytes, _, unmappable) = SHIFT_JIS.encode(text);
        if unmappable {
            return false;
        }
        let (back, broken) = SHIFT_JIS.decode_without_bom_handling(&bytes);
        if broken || back != *text {
            return false;
        }
        out.extend_from_slice(&bytes);
        true
    }

    /// The text in the characters in which it is written: CP932 has letters with their marks (ガ, パ) and no marks that join
    /// a letter before them, which some systems send instead.
    pub(crate) fn composed(self, text: &str) -> Cow<'_, str> {
        if self == Self::Cp932 {
            Cow::Owned(compose_marks(text))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Encodes a text without a byte order mark.
    ///
    /// # Errors
    /// The first character that cannot be written and is not in the table.
    pub(crate) fn encode(
        self,
        text: &str,
        loss: Loss,
        table: &BTreeMap<char, String>,
    ) -> Result<Vec<u8>, char> {
        let mut out = Vec::with_capacity(text.len());
        for c in self.composed(text).chars() {
            if self.encode_char(c, &mut out) {
                continue;
            }
            if loss == Loss::Refuse {
                return Err(c);
            }
            let own = table.get(&c).cloned();
            let other = own.or_else(|| {
                PAIRS
                    .iter()
                    .find(|(from, _)| *from == c)
                    .map(|(_, to)| to.to_string())
            });
            let Some(other) = other else { return Err(c) };
            if !other.chars().all(|o| self.encode_char(o, &mut out)) {
                return Err(c);
            }
        }
        Ok(out)
    }

    /// Bytes at the start of a file.
    pub(crate) fn mark(self) -> &'static [u8] {
        if self == Self::Utf8Bom {
            BOM.as_bytes()
        } else {
            b""
        }
    }

    /// Decodes a whole file; a byte order mark of UTF-8 is dropped.
    ///
    /// # Errors
    /// Where the first byte is that does not belong to the encoding.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<String, String> {
        if self != Self::Cp932 {
            let text = std::str::from_utf8(bytes)
                .map_err(|e| format!("byte {} is not UTF-8", e.valid_up_to() + 1))?;
            return Ok(text.strip_prefix(BOM).unwrap_or(text).to_owned());
        }
        SHIFT_JIS
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(Cow::into_owned)
            .ok_or_else(|| format!("byte {} is not CP932", first_bad_cp932(bytes)))
    }
}

/// The first byte that is not CP932, from 1.
pub(crate) fn first_bad_cp932(bytes: &[u8]) -> usize {
    let mut decoder = SHIFT_JIS.new_decoder_without_bom_handling();
    let (mut out, mut at) = ([0; 4_096], 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (found, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut out, true);
        at += read;
        match found {
            DecoderResult::OutputFull => {}
            DecoderResult::InputEmpty => return at,
            DecoderResult::Malformed(bad, after) => {
                return (at + 1).saturating_sub(usize::from(bad) + usize::from(after));
            }
        }
    }
}

/// Bytes that a decoded text took in CP932.
pub(crate) fn len_cp932(part: &str) -> usize {
    let len = |c: char| {
        if c <= '\u{80}' || ('\u{FF61}'..='\u{FF9F}').contains(&c) {
            1
        } else {
            2
        }
    };
    part.chars().map(len).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn none() -> BTreeMap<char, String> {
        BTreeMap::new()
    }

    #[test]
    fn what_cp932_has_goes_through_unchanged() {
        for text in [
            "髙橋 﨑田",
            "ｶﾀｶﾅ",
            "①㈱Ⅲ",
            "～∥－￠￡￢￥￣",
            "ソ表能\\~",
            "東京都千代田区1-2-3",
        ] {
            let bytes = Encoding::Cp932.encode(text, Loss::Refuse, &none()).unwrap();
            assert_eq!(Encoding::Cp932.decode(&bytes).unwrap(), text);
        }
    }

    #[test]
    fn look_alikes_and_emoji_are_refused_by_name() {
        for c in [
            '〜', '−', '‖', '—', '¢', '£', '¬', '¥', '‾', '😀', '𠮷', 'é', '\u{3099}', '剝',
        ] {
            let text = format!("a{c}b");
            assert_eq!(
                Encoding::Cp932.encode(&text, Loss::Refuse, &none()),
                Err(c),
                "U+{:04X}",
                c as u32
            );
        }
    }

    #[test]
    fn a_letter_and_its_mark_are_one_character_in_cp932() {
        for (told, written) in [
            ("カ\u{3099}ルシア", "ガルシア"),
            ("ハ\u{309A}ン", "パン"),
            ("か\u{3099}", "が"),
        ] {
            let bytes = Encoding::Cp932.encode(told, Loss::Refuse, &none()).unwrap();
            assert_eq!(Encoding::Cp932.decode(&bytes).unwrap(), written);
            let bytes = Encoding::Utf8.encode(told, Loss::Refuse, &none()).unwrap();
            assert_eq!(bytes, told.as_bytes(), "UTF-8 has the marks");
        }
        let own = BTreeMap::from([('é', "e".to_owned())]);
        let encode = |text: &str, loss| Encoding::Cp932.encode(text, loss, &own);
        assert_eq!(encode("cafe\u{301}", Loss::Map).unwrap(), b"cafe");
        assert_eq!(encode("cafe\u{301}", Loss::Refuse), Err('é'));
        assert_eq!(
            encode("か\u{309A}", Loss::Map),
            Err('\u{309A}'),
            "no such letter"
        );
        // A name is written with the character that its bearer writes, or refused; NFC would put another in its place.
        let bytes = encode("\u{FA19}戸", Loss::Refuse).unwrap();
        assert_eq!(Encoding::Cp932.decode(&bytes).unwrap(), "\u{FA19}戸");
        assert_eq!(encode("\u{FA30}", Loss::Map), Err('\u{FA30}'));
    }

    #[test]
    fn map_replaces_by_the_table_and_refuses_the_rest() {
        let map = |text: &str, table: &BTreeMap<char, String>| {
            Encoding::Cp932
                .encode(text, Loss::Map, table)
                .map(|b| Encoding::Cp932.decode(&b).unwrap())
        };
        assert_eq!(
            map("10〜20−5‖—¢£¬¥‾", &none()).unwrap(),
            "10～20－5∥―￠￡￢￥￣"
        );
        assert_eq!(map("𠮷野", &none()), Err('𠮷'));
        let own = BTreeMap::from([('𠮷', "吉".to_owned())]);
        assert_eq!(map("𠮷野", &own).unwrap(), "吉野");
        assert_eq!(map("😀", &own), Err('😀'));
    }

    #[test]
    fn every_built_in_replacement_exists_in_cp932() {
        for (from, to) in PAIRS {
            let mut out = Vec::new();
            assert!(
                !Encoding::Cp932.encode_char(from, &mut out),
                "U+{:04X} needs no entry",
                from as u32
            );
            assert!(
                Encoding::Cp932.encode_char(to, &mut out),
                "U+{:04X}",
                to as u32
            );
        }
    }

    #[test]
    fn a_wrong_byte_is_found() {
        let mut bytes = Encoding::Cp932
            .encode("受付", Loss::Refuse, &none())
            .unwrap();
        bytes.push(0xFF);
        assert_eq!(
            Encoding::Cp932.decode(&bytes).unwrap_err(),
            "byte 5 is not CP932"
        );
        assert_eq!(
            Encoding::Utf8.decode(b"ab\xFF").unwrap_err(),
            "byte 3 is not UTF-8"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_written_whole_or_refused(text in "\\PC*") {
            for encoding in [Encoding::Utf8, Encoding::Cp932] {
                if let Ok(bytes) = encoding.encode(&text, Loss::Refuse, &none()) {
                    let decoded = encoding.decode(&bytes).unwrap();
                    let written = encoding.composed(&text);
                    prop_assert_eq!(decoded.as_str(), written.as_ref());
                    let length = if encoding == Encoding::Cp932 { len_cp932(&decoded) } else { decoded.len() };
                    prop_assert_eq!(length, bytes.len());
                }
            }
        }

        #[test]
        fn any_japanese_text_is_written_whole_or_refused(text in "[ -~¥‾ぁ-んァ-ヶ一-龠ｦ-ﾟ、-〿Ａ-ｚ‐-⁯\u{e000}-\u{e757}]*") {
            if let Ok(bytes) = Encoding::Cp932.encode(&text, Loss::Refuse, &none()) {
                let decoded = Encoding::Cp932.decode(&bytes).unwrap();
                prop_assert_eq!(&decoded, &compose_marks(&text));
                prop_assert_eq!(len_cp932(&decoded), bytes.len());
            }
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let told = Encoding::Cp932.decode(&bytes);
            if let Err(why) = &told {
                let bad = first_bad_cp932(&bytes);
                prop_assert!((1..=bytes.len()).contains(&bad), "{}", why);
                prop_assert!(Encoding::Cp932.decode(&bytes[..bad - 1]).is_ok());
            }
            if let Ok(decoded) = told {
                prop_assert_eq!(len_cp932(&decoded), bytes.len());
            }
        }
    }
}
