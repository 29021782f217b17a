//! What is done to a folder, wherever it is.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::Error;

/// The suffix of a file that is being written.
pub(crate) const PART: &str = ".part";

/// A file as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970, or what the far side says instead; only compared.
    pub modified: i64,
}

impl Entry {
    /// When it was changed, where that is told: folders of this machine tell nanoseconds, others seconds, and a time
    /// before 2000 is none.
    #[must_use]
    pub fn changed_at(&self) -> Option<DateTime<Utc>> {
        const Y2000: i64 = 946_684_800;
        let at = if self.modified.abs() > 1_000_000_000_000 {
            DateTime::from_timestamp_nanos(self.modified)
        } else {
            DateTime::from_timestamp(self.modified, 0)?
        };
        (at.timestamp() >= Y2000).then_some(at)
    }
}

/// What became of a file to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has its name now, for the first time.
    New,
    /// The name was there; nothing was changed.
    NameTaken,
}

/// An account's folder. Paths are relative to its root and use `/`.
#[async_trait]
pub trait Folder: Send + Sync {
    /// The files of a folder, without those that are being written and without sub-folders.
    ///
    /// # Errors
    /// `Transient` when it cannot be reached or is not there (a share that is not mounted).
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error>;

    /// A whole file, or `None` when there is none of this name.
    ///
    /// # Errors
    /// `Transient`; nothing was changed.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error>;

    /// How many bytes a file has, or `None` when there is none of this name.
    ///
    /// # Errors
    /// `Transient`.
    async fn size(&self, path: &str) -> Result<Option<u64>, Error>;

    /// Writes under `NAME.part`, then renames; never over a file of this name.
    ///
    /// # Errors
    /// `OutcomeUnknown` when the rename may have happened; any other class means that it did not.
    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error>;

    /// Moves a file in one step into a folder of ours; false when that name is taken. The target's folder is made
    /// when it is missing.
    ///
    /// # Errors
    /// Any class; moving is repeated by looking first.
    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error>;
}

/// Whether a listed name is a file of the trade: no hidden file, none that is being written, no path.
pub(crate) fn is_visible(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(PART) && !name.contains(['/', '\\', '\0'])
}
