//! File name patterns.

/// Whether a name fits a pattern in which `*` is any text and `?` any character, whatever their case.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let chars = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    let (p, n) = (chars(pattern), chars(name));
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < n.len() {
        match p.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(c) if *c == '?' || *c == n[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((back, from)) = star else {
                    return false;
                };
                star = Some((back, from + 1));
                at = back + 1;
                of = from + 1;
            }
        }
    }
    p[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, want) in [
            ("zaiko-*.csv", "zaiko-20261121.csv", true),
            ("zaiko-*.csv", "zaiko-.csv", true),
            ("zaiko-*.csv", "zaiko-1.csv.done", false),
            ("*.csv", "a.csv.csv", true),
            ("在庫?.txt", "在庫1.txt", true),
            ("在庫?.txt", "在庫.txt", false),
            ("a*b*c", "a1b2b3c", true),
            ("jisseki-*.csv", "JISSEKI-1.CSV", true),
            ("ZAIKO-*.csv", "zaiko-1.Csv", true),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
