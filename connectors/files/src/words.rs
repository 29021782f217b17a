//! Small texts: how a heading is compared, which are alike, how a length of time is written.

use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

/// A heading without what people and programs change about it: width, case and blanks.
pub(crate) fn heading(text: &str) -> String {
    text.nfkc()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What ends a heading and is written in several ways, and the one that is compared.
const ENDS: [(&str, &str); 8] = [
    ("number", "番号"),
    ("no", "番号"),
    ("code", "コード"),
    ("cd", "コード"),
    ("年月日", "日時"),
    ("日付", "日時"),
    ("時刻", "日時"),
    ("日", "日時"),
];
/// Most characters of a heading that are compared.
const COMPARED: usize = 64;
/// Fewest letters of a Latin word that is taken for misspelt.
const SPELT: usize = 6;

/// Whether a heading is probably another one, misspelt or renamed: what differs is at most a fifth of it. Headings are short, and a
/// kanji more or another makes another word (品番, 品名; 商品コード, 旧商品コード), as a letter does in a short one (lot, slot).
pub(crate) fn alike(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    let shorter = if whole(&one) < whole(&other) {
        &one
    } else {
        &other
    };
    if one == other {
        return !one.is_empty();
    }
    if shorter.len() < SPELT
        && [&one, &other]
            .iter()
            .all(|word| word.iter().all(char::is_ascii))
    {
        return false;
    }
    distance(&one, &other) * 5 <= whole(shorter)
}

/// What all characters of a heading say.
fn whole(word: &[char]) -> usize {
    word.iter().map(|c| weight(*c)).sum()
}

/// Letters and digits of a heading, with a common ending.
fn plain(text: &str) -> Vec<char> {
    let word: String = heading(text)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .take(COMPARED)
        .collect();
    let mut ends = ENDS.iter().filter_map(|(end, common)| {
        let front = word.strip_suffix(*end).filter(|front| !front.is_empty())?;
        Some(format!("{front}{common}"))
    });
    let ended = ends.next();
    ended.unwrap_or(word).chars().collect()
}

/// Characters added, left out, changed or swapped with their neighbour, by what they say.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).map(|n| whole(&other[..n])).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![last[0] + weight(*a)];
        for (j, b) in other.iter().enumerate() {
            let change = match weight(*a).max(weight(*b)) {
                _ if a == b => 0,
                1 => 1,
                // Less than one taken away and one added.
                _ => 3,
            };
            let mut far = (last[j] + change)
                .min(last[j + 1] + weight(*a))
                .min(row[j] + weight(*b));
            if i > 0 && j > 0 && *a == other[j - 1] && *b == one[i - 1] {
                far = far.min(before[j - 1] + 1);
            }
            row.push(far);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

/// A kanji says about as much as two letters.
fn weight(c: char) -> usize {
    if matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}') {
        2
    } else {
        1
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_that_is_misspelt_or_renamed_is_alike() {
        for (one, other) in [
            ("送り状番号", "送状番号"),
            ("送り状番号", "送り状No."),
            ("送り状番号", "送り状№"),
            ("送り状番号", "送り状番号1"),
            ("お問い合わせ番号", "お問合せ番号"),
            ("商品コード", "商品CD"),
            ("商品コード", "商品ｺｰﾄﾞ2"),
            ("商品コード", "商品コ－ド"),
            ("倉庫コード", "倉庫ＣＤ"),
            ("集計日時", "集計日"),
            ("集計日時", "集計日付"),
            ("集計日時", "集計時刻"),
            ("tracking_number", "Tracking No"),
            ("tracking number", "trakcing number"),
            ("carrier", "carier"),
            ("as_of", "as of"),
            ("warehouse code", "warehouse-cd"),
        ] {
            assert!(alike(one, other), "{one}, {other}");
            assert!(alike(other, one), "{other}, {one}");
        }
    }

    #[test]
    fn another_heading_is_not() {
        for (one, other) in [
            ("品番", "品名"),
            ("棚番", "品番"),
            ("受付日時", "受注日時"),
            ("出荷日時", "入荷日時"),
            ("出荷日時", "出荷予定日時"),
            ("商品コード", "旧商品コード"),
            ("商品コード", "親商品コード"),
            ("送り状番号", "親送り状番号"),
            ("品質区分", "品種区分"),
            ("lot", "slot"),
            ("date", "rate"),
            ("shelf", "self"),
            ("商品コード", "商品名"),
            ("商品コード", "倉庫コード"),
            ("倉庫コード", "荷主コード"),
            ("送り状番号", "注文番号"),
            ("送り状番号", "個口番号"),
            ("送り状番号", "送り状種別"),
            ("配送業者", "配送方法"),
            ("集計日時", "集計単位"),
            ("回答日時", "回答者"),
            ("受付日時", "受付"),
            ("メッセージ", "備考"),
            ("date", "name"),
            ("time", "type"),
            ("code", "name"),
            ("lot", "qty"),
            ("no", "code"),
            ("location", "quantity"),
            ("倉庫", ""),
            ("倉", "庫"),
        ] {
            assert!(!alike(one, other), "{one}, {other}");
            assert!(!alike(other, one), "{other}, {one}");
        }
    }
}
