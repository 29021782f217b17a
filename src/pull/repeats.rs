//! A far side that shows the same pages again and again and says each time that there is more: a shop whose paging broke would be
//! read for ever, and what stands behind those pages never.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use hikiate_sdk::{Page, Record};
use sha2::{Digest as _, Sha256};

/// So many pages in a row that were shown before are none. A connector may ask for one a few times by itself, where many
/// records have the same time.
const AGAIN: u32 = 10;

/// Pages of a stream that are remembered.
const REMEMBERED: usize = 20;

/// What each stream of an account was shown last by pages behind which there was more. It is of this process alone: another one
/// reads a few pages more.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<Mutex<BTreeMap<String, Shown>>>);

#[derive(Debug, Default)]
struct Shown {
    /// Digests of the last pages.
    pages: VecDeque<Vec<u8>>,
    /// How many in a row were among those before them.
    again: u32,
}

impl Repeats {
    /// Whether the page and too many before it are what the stream was shown before.
    pub(super) fn endless(&self, stream: &str, page: &Page) -> bool {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !page.more || page.records.is_empty() {
            shown.remove(stream);
            return false;
        }
        let seen = digest(&page.records);
        let shown = shown.entry(stream.to_owned()).or_default();
        if shown.pages.contains(&seen) {
            shown.again = shown.again.saturating_add(1);
        } else {
            shown.again = 0;
            shown.pages.truncate(REMEMBERED - 1);
            shown.pages.push_front(seen);
        }
        shown.again >= AGAIN
    }
}

/// Whatever their order is; rows that look alike in two places of a file, or in two files, are two.
fn digest(records: &[Record]) -> Vec<u8> {
    let one = |record: &Record| {
        let mut one = Sha256::new_with_prefix(&record.raw);
        if let Some(file) = &record.file {
            one.update(&file.name);
            for row in &file.rows {
                one.update(row.to_be_bytes());
            }
        }
        one.finalize()
    };
    let mut each: Vec<_> = records.iter().map(one).collect();
    each.sort_unstable();
    Sha256::digest(each.concat()).to_vec()
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::{BadRecord, InFile};
    use serde_json::Value;

    use super::*;

    fn page(raw: &str, file: Option<&str>, more: bool) -> Page {
        let file = file.map(|name| InFile {
            name: name.to_owned(),
            sha256: String::new(),
            told: chrono::DateTime::UNIX_EPOCH,
            read_at: chrono::DateTime::UNIX_EPOCH,
            rows: vec![1],
        });
        let record = Record {
            raw: raw.as_bytes().to_vec(),
            file,
            parsed: Err(BadRecord::new(None, "x")),
        };
        Page::new(vec![record], Value::Null, more)
    }

    #[test]
    fn one_page_for_all_is_seen_and_what_differs_or_ends_is_none() {
        let repeats = Repeats::default();
        for n in 0..AGAIN {
            assert!(!repeats.endless("orders", &page("A", None, true)), "{n}");
        }
        assert!(
            !repeats.endless("stock", &page("A", None, true)),
            "another stream"
        );
        assert!(repeats.endless("orders", &page("A", None, true)));
        assert!(
            repeats.endless("orders", &page("A", None, true)),
            "until it differs"
        );
        assert!(!repeats.endless("orders", &page("B", None, true)));
        let two = ["A", "B"].repeat(5).into_iter();
        let told: Vec<bool> = two
            .map(|raw| repeats.endless("orders", &page(raw, None, true)))
            .collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1, "two in turn");
        assert!(!repeats.endless("orders", &page("C", None, true)));
        for _ in 0..AGAIN * 2 {
            assert!(!repeats.endless("orders", &page("A", None, true)));
            assert!(
                !repeats.endless("orders", &page("A", None, false)),
                "its round ended"
            );
        }
        for n in 0..AGAIN * 2 {
            let name = format!("zaiko-{n}.csv");
            assert!(!repeats.endless("stock", &page("A", Some(&name), true)));
        }
    }
}
