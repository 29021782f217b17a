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

/// A name that both patterns take; `None` where there is none.
pub(crate) fn common(one: &str, other: &str) -> Option<String> {
    let chars = |text: &str| -> Vec<char> { text.to_lowercase().chars().collect() };
    let (one, other) = (chars(one), chars(other));
    // How a name that begins like both patterns up to here was written, by how far it is in each.
    let mut names: Vec<Vec<Option<String>>> = vec![vec![None; other.len() + 1]; one.len() + 1];
    names[0][0] = Some(String::new());
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            let Some(name) = names[i][j].clone() else {
                continue;
            };
            let mut reach = |i: usize, j: usize, more: Option<char>| {
                let place = names.get_mut(i).and_then(|row| row.get_mut(j));
                if let Some(place) = place.filter(|place| place.is_none()) {
                    *place = Some(name.chars().chain(more).collect());
                }
            };
            match (one.get(i), other.get(j)) {
                (Some('*'), Some('*')) => {
                    reach(i + 1, j, None);
                    reach(i, j + 1, None);
                }
                (Some('*'), of) => {
                    reach(i + 1, j, None);
                    if let Some(c) = of {
                        reach(i, j + 1, Some(letter(*c)));
                    }
                }
                (of, Some('*')) => {
                    reach(i, j + 1, None);
                    if let Some(c) = of {
                        reach(i + 1, j, Some(letter(*c)));
                    }
                }
                (Some(a), Some(b)) if a == b || *a == '?' || *b == '?' => {
                    reach(i + 1, j + 1, Some(letter(if *a == '?' { *b } else { *a })));
                }
                _ => {}
            }
        }
    }
    names.pop()?.pop()?
}

/// What may stand for a character of a pattern.
fn letter(of: char) -> char {
    if of == '?' { '1' } else { of }
}

#[cfg(test)]
mod tests {
    use super::{common, matches};

    #[test]
    fn a_name_that_two_patterns_take_is_found() {
        for (one, other, overlap) in [
            ("jisseki-*.csv", "zaiko-*.csv", false),
            ("*.csv", "zaiko-*.csv", true),
            ("*.csv", "*.txt", false),
            ("a*", "*b", true),
            ("a?c", "ab?", true),
            ("a?", "a", false),
            ("ZAIKO-*.csv", "zaiko-?.CSV", true),
            ("*a*", "*b*", true),
            ("在庫*", "*.csv", true),
            ("x*y", "x", false),
            ("", "*", true),
        ] {
            let found = common(one, other);
            assert_eq!(found.is_some(), overlap, "{one} {other}: {found:?}");
            assert_eq!(common(other, one).is_some(), overlap, "{other} {one}");
            if let Some(name) = found {
                assert!(matches(one, &name) && matches(other, &name), "{name}");
            }
        }
    }

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
