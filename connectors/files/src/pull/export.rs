//! An export is compared with the one before it, where later ones of a day repeat the earlier ones.

use std::sync::Arc;

use hikiate_sdk::{Error, Record};
use sha2::{Digest as _, Sha256};

use super::Inbox;
use super::draft::Draft;
use super::file::{blocking, hex, seen};
use crate::client::Entry;
use crate::cursor::{Archived, Cursor, Seen, short};
use crate::map::gone::{Export, gone};
use crate::map::inbound::Reading;
use crate::map::survey::Survey;
use crate::map::when::FileTimes;

impl Inbox {
    /// What the export before had and this one has not, and this one to be compared with the next. A file that is read in slices is
    /// not compared, nor is one that is older than the export before, or whose export before is not there any more.
    pub(super) async fn compare(
        &self,
        entry: &Entry,
        reading: &Arc<Reading>,
        survey: &Arc<Survey>,
        bytes: Option<&[u8]>,
        cursor: &Cursor,
        draft: &Draft,
    ) -> Result<Option<(Seen, Vec<Record>)>, Error> {
        let Some(bytes) = bytes.filter(|_| reading.repeats && survey.opened.is_ok()) else {
            return Ok(None);
        };
        let this = seen(entry, &survey.sha256, Some(survey.times.read_at));
        let Some(before) = draft.export.as_ref().or(cursor.export.as_ref()) else {
            return Ok(Some((this, Vec::new())));
        };
        let times = times_of(before, survey.times);
        if times.told > survey.times.told {
            return Ok(None);
        }
        let Some(earlier) = self.bytes_of(before).await? else {
            return Ok(Some((this, Vec::new())));
        };
        let (reading, survey) = (reading.clone(), survey.clone());
        let (bytes, file) = (bytes.to_vec(), before.name.clone());
        let records = blocking(move || {
            let earlier = Export {
                file: &file,
                times,
                bytes: &earlier,
            };
            let later = Export {
                file: &survey.file,
                times: survey.times,
                bytes: &bytes,
            };
            gone(&reading, &earlier, &later)
        })
        .await?;
        Ok(Some((this, records)))
    }

    /// A file that was read, from the folder or from the archive.
    async fn bytes_of(&self, file: &Seen) -> Result<Option<Vec<u8>>, Error> {
        let archived = Archived::name(&file.name, file.read_at, short(&file.sha256), 1);
        let archived = format!("{}/{archived}", self.places.archive);
        for path in [self.path(&file.name), archived] {
            let most = self.budget.bytes;
            let found = self
                .folder
                .read_range(&path, 0, most.saturating_add(1))
                .await?;
            let is = |bytes: &Vec<u8>| hex(&Sha256::digest(bytes)) == file.sha256;
            if let Some(bytes) = found.filter(|bytes| bytes.len() <= most && is(bytes)) {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// The times of a file as it was read.
fn times_of(file: &Seen, now: FileTimes) -> FileTimes {
    let entry = Entry {
        name: file.name.clone(),
        size: file.size,
        modified: file.modified,
    };
    FileTimes::new(file.read_at.unwrap_or(now.read_at), entry.changed_at())
}
