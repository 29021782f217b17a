//! What a stream of files remembers between pages, and what may be archived after one.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use hikiate_sdk::text::cut_bytes;
use hikiate_sdk::{Error, ErrorClass};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Entry;
use crate::wire::scan::At;

/// Where a stream stands. What is archived needs no memory; only what still lies in the folder does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) v: u8,
    /// Read, and not yet seen to be gone.
    pub(crate) seen: Vec<Seen>,
    /// Unchanged over `stable_for`, and not yet read.
    pub(crate) still: Vec<Named>,
    /// The file of which a part was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) under_way: Option<UnderWay>,
    /// The listing of which a part was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listing: Option<Listed>,
    /// What waited when the folder was last looked through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<String>,
    /// Files whose time is not told and files whose last line does not end, with when they were met, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) met: Vec<(Named, i64)>,
    /// The last export of which later ones of its day repeat the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) export: Option<Seen>,
    /// The archive is being read again; the folder comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Again>,
}

/// A file as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: i64,
}

impl Named {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            size: entry.size,
            modified: entry.modified,
        }
    }

    pub(crate) fn is(&self, entry: &Entry) -> bool {
        (self.size, self.modified) == (entry.size, entry.modified) && self.name == entry.name
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) sha256: String,
    /// When it was first read; nothing where an earlier version read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read_at: Option<DateTime<Utc>>,
}

impl Seen {
    fn file(&self) -> Named {
        Named {
            name: self.name.clone(),
            size: self.size,
            modified: self.modified,
        }
    }
}

/// A file that is read in slices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnderWay {
    pub(crate) file: Named,
    /// Of the whole file.
    pub(crate) sha256: String,
    /// When its first slice was read.
    pub(crate) read_at: DateTime<Utc>,
    /// Where the next slice begins.
    pub(crate) at: At,
    /// Of the groups whose rows do not stand together, those that were read; they come after the rest of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<usize>,
}

/// How far a listing was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// The last file of it: its time and name.
    pub(crate) after: (i64, String),
    /// What waits among the files so far.
    pub(crate) waiting: Vec<String>,
}

/// Where reading the archive again stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Again {
    /// Files that came earlier are not read, in seconds since 1970.
    pub(crate) since: i64,
    /// The last file read: when it came, and its name in the archive.
    pub(crate) after: Option<(i64, String)>,
    /// The file of which a part was read, by its name in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) under_way: Option<UnderWay>,
}

impl Again {
    /// Whether an archived file was read late enough, by its name, else by its time. One without a time was.
    pub(crate) fn wants(&self, entry: &Entry) -> bool {
        let read_at = Archived::read(&entry.name).and_then(|archived| archived.read_at);
        read_at
            .max(entry.changed_at())
            .is_none_or(|at| at.timestamp() >= self.since)
    }
}

/// How archived names write the first reading.
const READ_AT: &str = "%Y%m%dT%H%M%SZ";
/// Longest name of a file in bytes.
const LONGEST_NAME: usize = 255;
/// Longest ending of a name that is kept as such.
const LONGEST_ENDING: usize = 32;

/// The stem of a name and its ending with the dot.
fn split_name(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if name.len() - at <= LONGEST_ENDING => name.split_at(at),
        _ => (name, ""),
    }
}

/// A file that was archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    /// The name that it had before.
    pub(crate) name: String,
    /// When it was first read, where its name tells.
    pub(crate) read_at: Option<DateTime<Utc>>,
}

impl Archived {
    /// The name of the `n`th file of a name and content: `stem-20261128T074212Z-0a1b2c3d.csv`. A long one is cut, so
    /// that it can be written everywhere.
    pub(crate) fn name(name: &str, read_at: Option<DateTime<Utc>>, hash: &str, n: u32) -> String {
        let (stem, ending) = split_name(name);
        let read_at = read_at.map_or(String::new(), |at| format!("-{}", at.format(READ_AT)));
        let number = if n == 1 {
            String::new()
        } else {
            format!(".{n}")
        };
        let tail = format!("{read_at}-{hash}{number}{ending}");
        format!(
            "{}{tail}",
            cut_bytes(stem, LONGEST_NAME - tail.len().min(LONGEST_NAME))
        )
    }

    /// Reads a name in the archive; nothing for a file that somebody put there.
    pub(crate) fn read(archived: &str) -> Option<Self> {
        let (stem, ending) = split_name(archived);
        let stem = match stem.rsplit_once('.') {
            Some((stem, n)) if n.bytes().all(|b| b.is_ascii_digit()) && stem.contains('-') => stem,
            _ => stem,
        };
        let (stem, hash) = stem.rsplit_once('-')?;
        if hash.len() != 8 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let read = stem.rsplit_once('-').and_then(|(stem, text)| {
            let read_at = NaiveDateTime::parse_from_str(text, READ_AT).ok()?;
            (text.len() == 16).then_some((stem, read_at.and_utc()))
        });
        Some(match read {
            Some((stem, read_at)) => Self {
                name: format!("{stem}{ending}"),
                read_at: Some(read_at),
            },
            None => Self {
                name: format!("{stem}{ending}"),
                read_at: None,
            },
        })
    }
}

/// What [`Source::acknowledge`](hikiate_sdk::Source::acknowledge) may archive: exactly these contents.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub(crate) files: Vec<AckFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AckFile {
    pub(crate) name: String,
    pub(crate) sha256: String,
    /// When it was first read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read_at: Option<DateTime<Utc>>,
    /// A second file that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
}

impl Ack {
    pub(crate) fn json(&self) -> Result<Value, Error> {
        serde_json::to_value(self).map_err(|e| {
            Error::new(
                ErrorClass::Protocol,
                format!("cannot write the acknowledgement: {e}"),
            )
        })
    }
}

impl AckFile {
    /// What tells archived files of one name apart.
    pub(crate) fn short(&self) -> &str {
        short(&self.sha256)
    }
}

/// The first digits of a hash.
pub(crate) fn short(sha256: &str) -> &str {
    sha256.get(..8).unwrap_or_default()
}

impl Cursor {
    pub(crate) fn read(cursor: Option<&Value>) -> Result<Self, Error> {
        let Some(value) = cursor else {
            return Ok(Self::fresh());
        };
        match serde_json::from_value::<Self>(value.clone()) {
            Ok(cursor) if cursor.v == 1 => Ok(cursor),
            _ => Err(Error::new(
                ErrorClass::Protocol,
                "the stream's cursor was not written by this version",
            )),
        }
    }

    pub(crate) fn fresh() -> Self {
        Self {
            v: 1,
            ..Self::default()
        }
    }

    pub(crate) fn json(&self) -> Result<Value, Error> {
        serde_json::to_value(self).map_err(|e| {
            Error::new(
                ErrorClass::Protocol,
                format!("cannot write the cursor: {e}"),
            )
        })
    }

    /// What is known of files, to be asked for many of them.
    pub(crate) fn memory(&self) -> Memory {
        let seen = || self.seen.iter();
        let under_way = self.under_way.as_ref().map(|u| u.file.clone());
        Memory {
            read: seen().map(Seen::file).collect(),
            still: self.still.iter().cloned().chain(under_way).collect(),
            hashes: seen().map(|s| (s.name.clone(), s.sha256.clone())).collect(),
            met: self.met.iter().cloned().collect(),
        }
    }
}

/// What a cursor knows, by file.
pub(crate) struct Memory {
    read: HashSet<Named>,
    still: HashSet<Named>,
    hashes: HashSet<(String, String)>,
    met: HashMap<Named, i64>,
}

impl Memory {
    pub(crate) fn is_seen(&self, entry: &Entry) -> bool {
        self.read.contains(&Named::of(entry))
    }

    /// Whether it need not be looked at twice to see that it has stopped growing.
    pub(crate) fn knows(&self, entry: &Entry) -> bool {
        self.is_seen(entry) || self.still.contains(&Named::of(entry))
    }

    /// Whether this content was read under this name.
    pub(crate) fn has_read(&self, name: &str, sha256: &str) -> bool {
        self.hashes.contains(&(name.to_owned(), sha256.to_owned()))
    }

    /// When a file whose time is not told, or whose last line does not end, was first met as it is.
    pub(crate) fn met(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        let at = self.met.get(&Named::of(entry))?;
        DateTime::from_timestamp(*at, 0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_archived_file_knows_its_name_and_its_first_reading() {
        let read_at: DateTime<Utc> = "2026-11-28T07:42:12Z".parse().unwrap();
        for (name, n) in [
            ("jisseki-1.csv", 1),
            ("a", 1),
            ("a.csv.done", 1),
            ("在庫-1.CSV", 2),
        ] {
            let archived = Archived::name(name, Some(read_at), "0a1b2c3d", n);
            let back = Archived::read(&archived).unwrap();
            assert_eq!(
                (back.name.as_str(), back.read_at),
                (name, Some(read_at)),
                "{archived}"
            );
        }
        assert_eq!(
            Archived::name("jisseki-1.csv", Some(read_at), "0a1b2c3d", 1),
            "jisseki-1-20261128T074212Z-0a1b2c3d.csv"
        );
        assert_eq!(
            Archived::name("jisseki-1.csv", Some(read_at), "0a1b2c3d", 3),
            "jisseki-1-20261128T074212Z-0a1b2c3d.3.csv"
        );
        assert_eq!(Archived::read("put-here-by-hand.csv"), None);
    }

    #[test]
    fn names_of_earlier_versions_are_read() {
        let name = |archived: &str| Archived::read(archived).map(|a| (a.name, a.read_at));
        let is = |name: &str| Some((name.to_owned(), None));
        assert_eq!(name("jisseki-1-0a1b2c3d.csv"), is("jisseki-1.csv"));
        assert_eq!(name("a-0a1b2c3d.2.csv"), is("a.csv"));
        assert_eq!(name("a-0a1b2c3d"), is("a"));
        assert_eq!(
            name("a.csv-0a1b2c3d.done"),
            is("a.csv.done"),
            "a marker stays a marker"
        );
        assert_eq!(
            name("zaiko-20261128-0a1b2c3d.csv"),
            is("zaiko-20261128.csv")
        );
    }

    #[test]
    fn a_long_name_is_cut_and_keeps_hash_and_ending() {
        let long = format!("jisseki-{}.csv", "実".repeat(82));
        assert!(long.len() > 250);
        let archived = Archived::name(
            &long,
            DateTime::from_timestamp(1_795_000_000, 0),
            "0a1b2c3d",
            2,
        );
        assert!(archived.len() <= LONGEST_NAME, "{} bytes", archived.len());
        assert!(archived.ends_with("-0a1b2c3d.2.csv"), "{archived}");
        let back = Archived::read(&archived).unwrap();
        assert!(crate::glob::matches("jisseki-*.csv", &back.name));
        let ending = format!("a.{}", "x".repeat(250));
        assert!(Archived::name(&ending, None, "0a1b2c3d", 1).len() <= LONGEST_NAME);
    }

    #[test]
    fn reading_again_begins_at_its_time() {
        let entry = |modified| Entry {
            name: "a".to_owned(),
            size: 1,
            modified,
        };
        let again = Again {
            since: 1_795_000_000,
            after: None,
            under_way: None,
        };
        assert!(!again.wants(&entry(1_794_999_999)), "too old");
        assert!(again.wants(&entry(1_795_000_000)));
        assert!(again.wants(&entry(0)), "of a time that is not told");
        assert!(
            again.wants(&entry(1_795_000_000_000_000_000)),
            "told in nanoseconds"
        );
        assert!(!again.wants(&entry(1_794_999_999_000_000_000)));
    }

    #[test]
    fn a_cursor_of_an_earlier_version_is_read() {
        let old = serde_json::json!({
            "v": 1, "seen": [{ "name": "a.csv", "size": 3, "modified": 7, "sha256": "00" }],
            "still": [{ "name": "b.csv", "size": 3, "modified": 7 }],
        });
        let cursor = Cursor::read(Some(&old)).unwrap();
        let memory = cursor.memory();
        let entry = |name: &str| Entry {
            name: name.to_owned(),
            size: 3,
            modified: 7,
        };
        assert!(memory.is_seen(&entry("a.csv")) && memory.has_read("a.csv", "00"));
        assert!(memory.knows(&entry("b.csv")) && !memory.is_seen(&entry("b.csv")));
        assert_eq!(cursor.json().unwrap(), old);
    }

    #[test]
    fn the_archive_is_read_again_by_when_its_files_were_first_read() {
        let since: DateTime<Utc> = "2026-11-28T18:00:00Z".parse().unwrap();
        let again = Again {
            since: since.timestamp(),
            after: None,
            under_way: None,
        };
        // An upload that kept the time at which it was made.
        let entry = |name: &str| Entry {
            name: name.to_owned(),
            size: 1,
            modified: since.timestamp() - 5_400,
        };
        assert!(again.wants(&entry("jisseki-1-20261128T183000Z-0a1b2c3d.csv")));
        assert!(!again.wants(&entry("jisseki-1-20261128T170000Z-0a1b2c3d.csv")));
        assert!(
            !again.wants(&entry("jisseki-1-0a1b2c3d.csv")),
            "of an older version"
        );
    }
}
