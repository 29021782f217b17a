//! "Did you mean …?": the nearest of the names that exist.

use strsim::osa_distance;

/// The name in `known` that `word` was probably meant to be; `None` when nothing is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|name| (osa_distance(&head(word), &head(name)), name))
        .filter(|(far, name)| *far <= limit && *far < name.chars().count())
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// What is compared of a word: in lower case, and no more of it than a name has.
fn head(word: &str) -> String {
    word.chars().take(64).collect::<String>().to_lowercase()
}

/// `; did you mean total?`, or, when nothing is near, the names there are.
pub(crate) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(name) => format!("; did you mean {name}?"),
        None if known.is_empty() => String::new(),
        None => format!("; known: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_slip_and_nothing_far() {
        let known = ["total", "remarks", "payment"];
        assert_eq!(nearest("totl", known), Some("total"));
        assert_eq!(nearest("toatl", known), Some("total"));
        assert_eq!(nearest("Remark", known), Some("remarks"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(hint("zebra", &known), "; known: total, remarks, payment");
    }
}
