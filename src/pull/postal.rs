//! Postal codes: which addresses need none, and how they are written.

use unicode_normalization::UnicodeNormalization as _;

/// ISO 3166-1 codes of countries and territories without postal codes: those whose address has no line for one in the Universal
/// Postal Union's "Postal addressing systems" (upu.int), as the address formats of the Unicode CLDR's libaddressinput
/// keep it (2024). North Korea, for which the Union lists no code, and Ireland, whose post needs no Eircode, stand among them.
const WITHOUT: [&str; 69] = [
    "AE", "AG", "AO", "AW", "BF", "BI", "BJ", "BO", "BQ", "BS", "BW", "BZ", "CD", "CF", "CG", "CI",
    "CK", "CM", "CW", "DJ", "DM", "ER", "FJ", "GA", "GD", "GH", "GM", "GQ", "GY", "HK", "IE", "JM",
    "KI", "KM", "KN", "KP", "LC", "LY", "ML", "MO", "MR", "MS", "MW", "NR", "NU", "PA", "PS", "QA",
    "RW", "SB", "SC", "SL", "SR", "SS", "ST", "SX", "SY", "TD", "TG", "TK", "TL", "TO", "TT", "TV",
    "UG", "VU", "WS", "YE", "ZW",
];

/// Whether an address in this country lacks something without a postal code. `country` in capitals, as channels' orders carry it.
#[must_use]
pub(super) fn needs_postal_code(country: &str) -> bool {
    WITHOUT.binary_search(&country).is_err()
}

/// A Japanese postal code without the mark before it, in one width: as people type it, no label takes it. Others stay as they are.
#[must_use]
pub(super) fn as_labels_have_it(country: &str, code: &str) -> String {
    if country != "JP" {
        return code.to_owned();
    }
    let narrow = code.nfkc().map(|c| match c {
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | 'ー' | '─' => '-',
        c => c,
    });
    let narrow: String = narrow.collect();
    narrow.trim().trim_start_matches('〒').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hong_kong_needs_none_and_germany_does() {
        for country in ["HK", "MO", "AE", "QA", "IE", "PA"] {
            assert!(!needs_postal_code(country), "{country}");
        }
        for country in ["JP", "DE", "US", "CN", "TW", "SG", ""] {
            assert!(needs_postal_code(country), "{country}");
        }
    }

    #[test]
    fn a_japanese_code_is_written_as_labels_have_it() {
        for text in [
            "〒100-0001",
            "１００－０００１",
            " 〒 100ー0001 ",
            "100-0001",
        ] {
            assert_eq!(as_labels_have_it("JP", text), "100-0001", "{text}");
        }
        assert_eq!(as_labels_have_it("GB", " SW1A 1AA"), " SW1A 1AA");
    }

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(WITHOUT.is_sorted() && WITHOUT.iter().all(|code| code.len() == 2));
    }
}
