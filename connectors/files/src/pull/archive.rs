//! What was stored is moved to the archive, under a name that no other archived file has.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hikiate_sdk::{Error, ErrorClass};

use super::Inbox;
use super::file::WHOLE_BYTES;
use crate::client::Entry;
use crate::cursor::{AckFile, Archived, short};

impl Inbox {
    /// Archives a file that was stored, if it is still this content, and its marker.
    pub(super) async fn put_away(&self, file: &AckFile) -> Result<(), Error> {
        if let Some(hash) = self.hash(&self.path(&file.name)).await? {
            if hash != file.sha256 {
                // Another file by now; it is read as such.
                return Ok(());
            }
            self.archive_stored(file).await?;
        }
        // A marker that outlived its file would call the next one whole too early.
        if let Some(marker) = &file.marker
            && self.folder.size(&self.path(marker)).await?.is_some()
        {
            self.archive(marker, file.read_at, file.short()).await?;
        }
        Ok(())
    }

    /// Archives a file and looks what was moved: one that took its place since it was compared is put back.
    async fn archive_stored(&self, file: &AckFile) -> Result<(), Error> {
        let Some(to) = self.archive(&file.name, file.read_at, file.short()).await? else {
            return Ok(());
        };
        match self.hash(&to).await? {
            Some(moved) if moved != file.sha256 => {
                if self.folder.rename(&to, &self.path(&file.name)).await? {
                    return Ok(());
                }
                let message = format!(
                    "{to} arrived while {} was being archived and was not fetched: move it back",
                    file.name
                );
                Err(Error::new(ErrorClass::Conflict, message))
            }
            _ => Ok(()),
        }
    }

    /// Deletes files that were read before a time that long ago, and no others: not what somebody put there, and no long file that an
    /// open record is about, which holds only its beginning.
    pub(super) async fn clear_archive(
        &self,
        kept: Duration,
        now: DateTime<Utc>,
        open: &[String],
    ) -> Result<usize, Error> {
        let archive = &self.places.archive;
        let kept = TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX);
        let Some(before) = now.checked_sub_signed(kept) else {
            return Ok(0);
        };
        if self.folder.size(archive).await?.is_none() {
            return Ok(0);
        }
        let (mut after, mut gone, mut failed) = (None, 0, None);
        loop {
            let listing = self.budget.listing;
            let slice = self
                .folder
                .list_slice(archive, after.as_ref(), listing)
                .await?;
            for entry in &slice.entries {
                let Some(archived) = Archived::read(&entry.name) else {
                    continue;
                };
                // Earlier versions did not write down when a file was read.
                let read_at = archived.read_at.or(entry.changed_at());
                if read_at.is_some_and(|at| at < before) && !only_whole_copy(entry, open) {
                    // One that cannot be removed keeps none behind it.
                    let name = format!("{archive}/{}", entry.name);
                    match self.folder.remove(&name).await {
                        Ok(()) => gone += 1,
                        Err(error) => drop(failed.get_or_insert(error)),
                    }
                }
            }
            let last = slice.entries.last().filter(|_| slice.more);
            match last {
                Some(last) => after = Some((last.modified, last.name.clone())),
                None => break,
            }
        }
        match failed {
            Some(error) if gone == 0 => Err(error),
            _ => Ok(gone),
        }
    }

    /// Moves a file under a name that no other archived file has: many external systems use a name every day.
    /// `None` when it was gone already.
    async fn archive(
        &self,
        name: &str,
        read_at: Option<DateTime<Utc>>,
        hash: &str,
    ) -> Result<Option<String>, Error> {
        for n in 1..=1000 {
            let to = Archived::name(name, read_at, hash, n);
            let to = format!("{}/{to}", self.places.archive);
            match self.folder.rename(&self.path(name), &to).await {
                Ok(true) => return Ok(Some(to)),
                Ok(false) => {}
                // Moved by a try whose answer was lost.
                Err(_) if self.folder.size(&self.path(name)).await?.is_none() => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        let message = format!(
            "the archive already has 1000 files with the name and content of {name}: clean it up"
        );
        Err(Error::new(ErrorClass::Conflict, message))
    }
}

/// Whether an archived file is longer than what an open record of these hashes keeps of it. Its name tells the hash.
fn only_whole_copy(entry: &Entry, open: &[String]) -> bool {
    let named = |hash: &String| entry.name.contains(&format!("-{}", short(hash)));
    entry.size >= WHOLE_BYTES as u64 && open.iter().any(named)
}
