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
