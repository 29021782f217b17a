//! What is done to a folder, wherever it is.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::{Error, ErrorClass};

/// The suffix of a file that is being written.
pub(crate) const PART: &str = ".part";

/// Bytes of a file that are asked for at once.
pub(crate) const PIECE: usize = 1 << 20;

/// A file as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970, or what the external system says instead; only compared.
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

/// A part of a listing, in the order of time and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The files.
    pub entries: Vec<Entry>,
    /// There are later ones.
    pub more: bool,
    /// Names that cannot be used: not UTF-8, or with a character that paths are made of.
    pub unusable: Vec<String>,
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

    /// At most so many files of a folder, those that come after a time and name. Links, pipes and devices are not
    /// listed. A folder whose listing is small need not do better than this.
    ///
    /// # Errors
    /// See [`Self::list`].
    async fn list_slice(
        &self,
        folder: &str,
        after: Option<&(i64, String)>,
        most: usize,
    ) -> Result<Slice, Error> {
        let mut oldest = Oldest::new(after, most);
        for entry in self.list(folder).await? {
            oldest.add(entry);
        }
        Ok(oldest.finish())
    }

    /// A whole file, or `None` when there is none of this name.
    ///
    /// # Errors
    /// `Transient`; nothing was changed.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error>;

    /// A part of a file: so many bytes, fewer only where it ends; `None` when there is none of this name. A link is not
    /// followed. A folder whose files are small need not do better than this.
    ///
    /// # Errors
    /// See [`Self::read`].
    async fn read_range(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(bytes) = self.read(path).await? else {
            return Ok(None);
        };
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let until = from.saturating_add(length).min(bytes.len());
        Ok(bytes.get(from..until).map(<[u8]>::to_vec))
    }

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

    /// Deletes a file; one that is not there is none to delete.
    ///
    /// # Errors
    /// Any class; it is repeated.
    async fn remove(&self, path: &str) -> Result<(), Error>;
}

/// The oldest files of a listing that may be long; no more of them are kept than are asked for.
pub(crate) struct Oldest<'a> {
    after: Option<&'a (i64, String)>,
    most: usize,
    kept: BTreeMap<(i64, String), u64>,
    more: bool,
    unusable: Vec<String>,
}

impl<'a> Oldest<'a> {
    /// The first so many after a time and name.
    pub(crate) fn new(after: Option<&'a (i64, String)>, most: usize) -> Self {
        Self {
            after,
            most: most.max(1),
            kept: BTreeMap::new(),
            more: false,
            unusable: Vec::new(),
        }
    }

    /// A name that cannot be used.
    pub(crate) fn unusable(&mut self, name: &str) {
        if self.unusable.len() < self.most && !name.starts_with('.') {
            self.unusable.push(hikiate_sdk::text::words(name));
        }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        let key = (entry.modified, entry.name);
        if self.after.is_some_and(|after| key <= *after) {
            return;
        }
        self.kept.insert(key, entry.size);
        if self.kept.len() > self.most {
            self.kept.pop_last();
            self.more = true;
        }
    }

    pub(crate) fn finish(self) -> Slice {
        let entry = |((modified, name), size)| Entry {
            name,
            size,
            modified,
        };
        Slice {
            entries: self.kept.into_iter().map(entry).collect(),
            more: self.more,
            unusable: self.unusable,
        }
    }
}

/// A whole file in pieces, for those of ours.
///
/// # Errors
/// See [`Folder::read`]; `Protocol` for a file of more bytes than `most`.
pub(crate) async fn read_whole(
    folder: &dyn Folder,
    path: &str,
    most: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    loop {
        let offset = bytes.len() as u64;
        let Some(piece) = folder.read_range(path, offset, PIECE).await? else {
            return Ok(None);
        };
        bytes.extend_from_slice(&piece);
        if bytes.len() > most {
            let message = format!(
                "{path} has more than {most} bytes, so it is not a file that hikiate wrote"
            );
            return Err(Error::new(ErrorClass::Protocol, message));
        }
        if piece.len() < PIECE {
            return Ok(Some(bytes));
        }
    }
}

/// Whether a listed name is a file of the trade: no hidden file, none that is being written, no path.
pub(crate) fn is_visible(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(PART) && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, modified: i64) -> Entry {
        Entry {
            name: name.to_owned(),
            size: 1,
            modified,
        }
    }

    #[test]
    fn a_long_listing_comes_in_slices_in_its_order() {
        let all: Vec<Entry> = (0..25).map(|n| entry(&format!("{n:02}"), n % 5)).collect();
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let mut oldest = Oldest::new(after.as_ref(), 4);
            all.iter().cloned().for_each(|e| oldest.add(e));
            let slice = oldest.finish();
            assert!(slice.entries.len() <= 4);
            after = slice.entries.last().map(|e| (e.modified, e.name.clone()));
            seen.extend(slice.entries);
            if !slice.more {
                break;
            }
        }
        let mut want = all;
        want.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        assert_eq!(seen, want);
    }

    #[test]
    fn a_time_is_told_in_seconds_or_nanoseconds_or_not_at_all() {
        let at = |modified| entry("a", modified).changed_at().map(|t| t.timestamp());
        assert_eq!(at(1_795_000_000), Some(1_795_000_000));
        assert_eq!(at(1_795_000_000_123_456_789), Some(1_795_000_000));
        assert_eq!(
            (at(0), at(10), at(315_532_800), at(-5)),
            (None, None, None, None)
        );
    }
}
