//! The archive read again, after the database was set back.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hikiate_sdk::{Error, Page};

use super::Inbox;
use super::draft::Draft;
use super::file::{Kept, Looked, Took, Went};
use crate::client::Entry;
use crate::cursor::{Again, Archived, Cursor};
use crate::map::inbound::Reading;
use crate::map::when::FileTimes;

impl Inbox {
    /// A page of files that were read and archived before, oldest first.
    pub(super) async fn archive_page(
        &self,
        readings: &[Arc<Reading>],
        cursor: Cursor,
        again: Again,
        now: DateTime<Utc>,
    ) -> Result<Page, Error> {
        // The archive is made with its first file; a share that is not mounted is told apart by `incoming`.
        let incoming = &self.places.incoming;
        self.folder.list_slice(incoming, None, 1).await?;
        let archive = &self.places.archive;
        let there = self.folder.size(archive).await?.is_some();
        let mut draft = Draft::new(self.budget.records, self.page_bytes);
        let mut next = Again {
            under_way: None,
            ..again.clone()
        };
        let slice = if there {
            let after = again.after.as_ref();
            self.folder
                .list_slice(archive, after, self.budget.listing)
                .await?
        } else {
            crate::client::Slice::default()
        };
        let (mut more, mut all) = (slice.more, true);
        if let Some(under_way) = &again.under_way
            && !slice.entries.iter().any(|e| under_way.file.is(e))
        {
            draft.lost(under_way, archive);
        }
        for entry in slice.entries.iter().filter(|entry| again.wants(entry)) {
            if draft.is_full() {
                (more, all) = (true, false);
                break;
            }
            let key = Some((entry.modified, entry.name.clone()));
            let before = std::mem::replace(&mut next.after, key);
            let took = self
                .archived(readings, entry, &again, now, &mut draft)
                .await?;
            if let Some(took @ (Took::Read(Went::Part(_)) | Took::Later)) = took {
                if let Took::Read(Went::Part(under_way)) = took {
                    next.under_way = Some(under_way);
                }
                next.after = before;
                (more, all) = (true, false);
                break;
            }
        }
        if all && slice.more {
            next.after = slice.entries.last().map(|e| (e.modified, e.name.clone()));
        }
        let cursor = Cursor {
            again: more.then_some(next),
            ..cursor
        };
        let waiting = cursor.waiting.clone();
        let json = cursor.json()?;
        let (records, listing) = draft.into_records();
        // The folder itself is read next, so there is more in any case.
        Ok(Page {
            waiting,
            listing,
            ..Page::new(records, json, true)
        })
    }

    async fn archived(
        &self,
        readings: &[Arc<Reading>],
        entry: &Entry,
        again: &Again,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Option<Took>, Error> {
        let Some(Archived { name, read_at }) = Archived::read(&entry.name) else {
            return Ok(None);
        };
        let Some(reading) = readings.iter().find(|reading| reading.takes(&name)) else {
            return Ok(None);
        };
        let path = format!("{}/{}", self.places.archive, entry.name);
        let kept = Kept::Archived(&entry.name);
        let under_way = again.under_way.as_ref().filter(|u| u.file.is(entry));
        if let Some(under_way) = under_way {
            let went = self
                .go_on(&path, under_way.clone(), &name, entry, reading, kept, draft)
                .await?;
            return Ok(Some(Took::Read(went)));
        }
        // Earlier versions did not write down when a file was first read.
        let read_at = read_at.or(entry.changed_at()).unwrap_or(now);
        let times = FileTimes::new(read_at, entry.changed_at());
        match self
            .look_through(&path, &name, entry, reading, times)
            .await?
        {
            Looked::Through(survey, bytes) => {
                let took = self
                    .begin(&path, entry, reading, survey, bytes, kept, draft)
                    .await?;
                Ok(Some(took))
            }
            Looked::Odd(_) | Looked::Gone => Ok(None),
        }
    }
}
