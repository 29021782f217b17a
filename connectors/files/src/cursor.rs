//! What a stream of files remembers between pages, and what may be archived after one.

use hikiate_sdk::{Error, ErrorClass};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Entry;

/// Where a stream stands. What is archived needs no memory; only what still lies in the folder does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) v: u8,
    /// Read, and not yet seen to be gone.
    pub(crate) seen: Vec<Seen>,
    /// Unchanged over `stable_for`, and not yet read.
    pub(crate) still: Vec<Still>,
    /// The archive is being read again; the folder comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Again>,
}

/// Where reading the archive again stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Again {
    /// Files that came earlier are not read, in seconds since 1970.
    pub(crate) since: i64,
    /// The last file read: when it came, and its name in the archive.
    pub(crate) after: Option<(i64, String)>,
}

impl Again {
    /// Whether an archived file is still to be read. One without a time is.
    pub(crate) fn wants(&self, entry: &Entry) -> bool {
        let old = entry.modified != 0 && seconds(entry.modified) < self.since;
        let read = self
            .after
            .as_ref()
            .is_some_and(|after| (entry.modified, &entry.name) <= (after.0, &after.1));
        !old && !read
    }
}

/// Folders of this machine tell nanoseconds, others seconds.
pub(crate) fn seconds(modified: i64) -> i64 {
    if modified.abs() > 1_000_000_000_000 {
        modified / 1_000_000_000
    } else {
        modified
    }
}

/// The name a file had before it was archived as `stem-hash.extension` or `stem-hash.2.extension`.
pub(crate) fn name_before(archived: &str) -> Option<String> {
    let (stem, extension) = archived
        .rsplit_once('.')
        .map_or((archived, String::new()), |(s, e)| (s, format!(".{e}")));
    let stem = match stem.rsplit_once('.') {
        Some((stem, n)) if n.bytes().all(|b| b.is_ascii_digit()) && stem.contains('-') => stem,
        _ => stem,
    };
    let (name, hash) = stem.rsplit_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| format!("{name}{extension}"))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    /// Empty for a file that was too large to read; it is left to a person.
    pub(crate) sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Still {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: i64,
}

/// What [`Source::acknowledge`] may archive: exactly these contents.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub(crate) files: Vec<AckFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AckFile {
    pub(crate) name: String,
    pub(crate) sha256: String,
    /// A second file that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
}

impl AckFile {
    /// What tells archived files of one name apart.
    pub(crate) fn short(&self) -> &str {
        self.sha256.get(..8).unwrap_or_default()
    }
}

impl Cursor {
    pub(crate) fn read(cursor: Option<&Value>) -> Result<Self, Error> {
        let Some(value) = cursor else {
            return Ok(Self {
                v: 1,
                ..Self::default()
            });
        };
        match serde_json::from_value::<Self>(value.clone()) {
            Ok(cursor) if cursor.v == 1 => Ok(cursor),
            _ => Err(Error::new(
                ErrorClass::Protocol,
                "the stream's cursor was not written by this version",
            )),
        }
    }
}

impl Cursor {
    pub(crate) fn knows(&self, entry: &Entry) -> bool {
        self.still
            .iter()
            .any(|s| s.name == entry.name && s.size == entry.size && s.modified == entry.modified)
            || self.is_seen(entry)
    }

    pub(crate) fn is_seen(&self, entry: &Entry) -> bool {
        self.seen
            .iter()
            .any(|s| s.name == entry.name && s.size == entry.size && s.modified == entry.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archived_file_knows_its_name() {
        let name = |archived| name_before(archived);
        assert_eq!(
            name("jisseki-1-0a1b2c3d.csv").as_deref(),
            Some("jisseki-1.csv")
        );
        assert_eq!(name("a-0a1b2c3d.2.csv").as_deref(), Some("a.csv"));
        assert_eq!(name("a-0a1b2c3d").as_deref(), Some("a"));
        assert_eq!(
            name("a.csv-0a1b2c3d.done").as_deref(),
            Some("a.csv.done"),
            "a marker stays a marker"
        );
        assert_eq!(name("put-here-by-hand.csv"), None);
    }

    #[test]
    fn reading_again_begins_at_its_time_and_goes_on_after_the_last_file() {
        let entry = |name: &str, modified| Entry {
            name: name.to_owned(),
            size: 1,
            modified,
        };
        let again = Again {
            since: 1_000,
            after: Some((1_500, "b".to_owned())),
        };
        assert!(!again.wants(&entry("a", 999)), "too old");
        assert!(!again.wants(&entry("b", 1_500)), "read");
        assert!(again.wants(&entry("c", 1_500)) && again.wants(&entry("a", 1_501)));
        let fresh = Again {
            after: None,
            ..again
        };
        assert!(fresh.wants(&entry("a", 0)), "of a time that is not told");
        let now = 1_795_000_000_000_000_000;
        assert!(fresh.wants(&entry("a", now)));
        let later = Again {
            since: 1_795_000_001,
            after: None,
        };
        assert!(!later.wants(&entry("a", now)), "told in nanoseconds");
    }
}
