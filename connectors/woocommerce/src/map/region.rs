//! Names of regions: the shop keeps a code, and a Japanese label needs the prefecture's name.

/// 都道府県 in the order of ISO 3166-2: `JP01` is the first.
const PREFECTURES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// The name of a region by its code, where it is known; the shop's own word stands otherwise.
pub(super) fn name(country: &str, code: &str) -> Option<&'static str> {
    let number = code.strip_prefix("JP").filter(|_| country == "JP")?;
    let at = number.parse::<usize>().ok()?.checked_sub(1)?;
    PREFECTURES.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefecture_is_named_by_its_code() {
        assert_eq!(name("JP", "JP01"), Some("北海道"));
        assert_eq!(name("JP", "JP13"), Some("東京都"));
        assert_eq!(name("JP", "JP47"), Some("沖縄県"));
        for (country, code) in [
            ("JP", "JP00"),
            ("JP", "JP48"),
            ("JP", "東京都"),
            ("DE", "JP13"),
        ] {
            assert_eq!(name(country, code), None, "{country} {code}");
        }
    }
}
