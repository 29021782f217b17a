//! What may be known for ever of the region and the country of an address: rules compare them, and a free text in their place may
//! name somebody.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// 都道府県 in the order of ISO 3166-2:JP, each with its name in Latin letters.
const PREFECTURES: [(&str, &str); 47] = [
    ("北海道", "hokkaido"),
    ("青森県", "aomori"),
    ("岩手県", "iwate"),
    ("宮城県", "miyagi"),
    ("秋田県", "akita"),
    ("山形県", "yamagata"),
    ("福島県", "fukushima"),
    ("茨城県", "ibaraki"),
    ("栃木県", "tochigi"),
    ("群馬県", "gunma"),
    ("埼玉県", "saitama"),
    ("千葉県", "chiba"),
    ("東京都", "tokyo"),
    ("神奈川県", "kanagawa"),
    ("新潟県", "niigata"),
    ("富山県", "toyama"),
    ("石川県", "ishikawa"),
    ("福井県", "fukui"),
    ("山梨県", "yamanashi"),
    ("長野県", "nagano"),
    ("岐阜県", "gifu"),
    ("静岡県", "shizuoka"),
    ("愛知県", "aichi"),
    ("三重県", "mie"),
    ("滋賀県", "shiga"),
    ("京都府", "kyoto"),
    ("大阪府", "osaka"),
    ("兵庫県", "hyogo"),
    ("奈良県", "nara"),
    ("和歌山県", "wakayama"),
    ("鳥取県", "tottori"),
    ("島根県", "shimane"),
    ("岡山県", "okayama"),
    ("広島県", "hiroshima"),
    ("山口県", "yamaguchi"),
    ("徳島県", "tokushima"),
    ("香川県", "kagawa"),
    ("愛媛県", "ehime"),
    ("高知県", "kochi"),
    ("福岡県", "fukuoka"),
    ("佐賀県", "saga"),
    ("長崎県", "nagasaki"),
    ("熊本県", "kumamoto"),
    ("大分県", "oita"),
    ("宮崎県", "miyazaki"),
    ("鹿児島県", "kagoshima"),
    ("沖縄県", "okinawa"),
];

/// How the kind of a prefecture is written after its Latin name.
const ENDS: [&str; 7] = [" prefecture", "-to", " to", "-fu", " fu", "-ken", " ken"];

/// Longest name of a region outside Japan, in characters.
const LONGEST: usize = 40;

/// A code that ISO 3166-1 leaves to its users, and CLDR's for an unknown country: it is not the shop's own, whichever it is.
const UNKNOWN: &str = "ZZ";

/// A country by its two letters as they came; [`UNKNOWN`] in place of any other text.
pub(super) fn country(told: &str) -> String {
    let is_code = told.len() == 2 && told.bytes().all(|b| b.is_ascii_alphabetic());
    if told.is_empty() || is_code {
        told.to_owned()
    } else {
        UNKNOWN.to_owned()
    }
}

/// A region as it came, since rules compare it: a prefecture in Japan, elsewhere a name or a code. Of a text that begins with a
/// prefecture that prefecture, and nothing in place of any other text.
pub(super) fn region(country: &str, told: &str) -> String {
    let plain = told.nfkd().filter(|c| !is_combining_mark(*c));
    let plain: String = plain.flat_map(char::to_lowercase).collect();
    let plain = plain.trim();
    let is_region = match country {
        "JP" => is_prefecture(plain),
        // The shop's own country, or one that nobody told.
        "" => is_prefecture(plain) || is_coded(plain) || (told.is_ascii() && is_name(plain)),
        _ => is_coded(plain) || told.chars().count() <= LONGEST && is_name(plain),
    };
    if is_region {
        return told.to_owned();
    }
    let begins = PREFECTURES.iter().find(|(own, _)| plain.starts_with(own));
    begins.map_or_else(String::new, |(own, _)| (*own).to_owned())
}

fn is_prefecture(text: &str) -> bool {
    let number = text.strip_prefix("jp").unwrap_or(text);
    let number = number.strip_prefix('-').unwrap_or(number);
    if (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    let latin = ENDS.iter().find_map(|end| text.strip_suffix(*end));
    let latin = latin.unwrap_or(text);
    PREFECTURES.iter().any(|(own, name)| {
        text == *own || own.strip_suffix(['都', '府', '県']) == Some(text) || latin == *name
    })
}

/// As ISO 3166-2 has it (`FR-75`), or its part after the country.
fn is_coded(text: &str) -> bool {
    let part = match text.split_once('-') {
        Some((country, part)) if country.len() == 2 => part,
        _ => text,
    };
    (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_name(text: &str) -> bool {
    !text.chars().any(|c| c.is_numeric() || c == '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefecture_stays_as_it_came_and_another_text_does_not() {
        for told in [
            "東京都",
            "東京",
            "北海道",
            "京都府",
            "Tōkyō-to",
            "Osaka",
            "AICHI Prefecture",
            "JP-13",
            "jp13",
            "13",
            "",
        ] {
            assert_eq!(region("JP", told), told);
        }
        for told in ["山田太郎様方", "090-1234-5678", "Yamada", "113"] {
            assert_eq!(region("JP", told), "", "{told}");
            assert_eq!(
                region("", told).is_empty(),
                !told.is_ascii() || told.contains('-'),
                "{told}"
            );
        }
        // A rule that asks how it begins still holds.
        assert_eq!(region("JP", "沖縄県那覇市1-1 山田方"), "沖縄県");
        assert_eq!(region("", " 東京都千代田区"), "東京都");
    }

    #[test]
    fn a_region_abroad_is_a_code_or_a_name_without_digits() {
        for told in [
            "CA",
            "us-ca",
            "FR-75",
            "75",
            "Nordrhein-Westfalen",
            "서울특별시",
        ] {
            assert_eq!(region("DE", told), told);
        }
        let long = "x".repeat(LONGEST + 1);
        for told in [long.as_str(), "call 4922112345", "a@example.test"] {
            assert_eq!(region("DE", told), "", "{told}");
        }
    }

    #[test]
    fn a_country_has_two_letters_and_another_text_is_abroad() {
        for told in ["JP", "DE", ""] {
            assert_eq!(country(told), told);
        }
        for told in ["JAPAN", "山田", "J1"] {
            assert_eq!(country(told), UNKNOWN, "{told}");
        }
    }
}
