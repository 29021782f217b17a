//! A page while it is filled.

use hikiate_sdk::{Error, InFile, Listing, Page, Record};

use super::file::Went;
use super::look::{Look, told};
use crate::client::Entry;
use crate::cursor::{Ack, AckFile, Cursor, Listed, Named, Seen, UnderWay};
use crate::map::inbound::Reading;
use crate::map::noticed::Noticed;

/// A page while it is filled.
pub(super) struct Draft {
    pub(super) records: Vec<Record>,
    ack: Vec<AckFile>,
    seen: Vec<Seen>,
    still: Vec<Named>,
    under_way: Option<UnderWay>,
    /// The last export that later ones of its day repeat.
    pub(super) export: Option<Seen>,
    listing: Option<Listing>,
    most: usize,
    page_bytes: usize,
    bytes: usize,
    /// It holds a part of a file, or of a list, and takes nothing else.
    closed: bool,
    later: bool,
}

impl Draft {
    pub(super) fn new(most: usize, page_bytes: usize) -> Self {
        Self {
            records: Vec::new(),
            ack: Vec::new(),
            seen: Vec::new(),
            still: Vec::new(),
            under_way: None,
            export: None,
            listing: None,
            most,
            page_bytes,
            bytes: 0,
            closed: false,
            later: false,
        }
    }

    /// Whether it takes no further file.
    pub(super) fn is_full(&self) -> bool {
        self.closed || self.bytes >= self.page_bytes || self.records.len() >= self.most
    }

    /// Whether a file of so many rows fits beside what is here.
    pub(super) fn has_room(&self, rows: usize) -> bool {
        !self.closed && (self.records.is_empty() || self.records.len() + rows <= self.most)
    }

    /// How many records may still be added.
    pub(super) fn left(&self) -> usize {
        self.most.saturating_sub(self.records.len()).max(1)
    }

    /// Whether nothing was read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.bytes == 0 && !self.closed
    }

    /// Records of a file that is read whole.
    pub(super) fn add(&mut self, records: Vec<Record>, bytes: usize) {
        self.records.extend(records);
        self.bytes += bytes;
    }

    /// A part of a file or of a list; the page ends with it.
    pub(super) fn close(&mut self, listing: Option<Listing>) {
        self.listing = listing;
        self.closed = true;
    }

    /// What became of a file that was read.
    pub(super) fn settle(&mut self, went: Went, entry: &Entry, reading: &Reading, look: &Look) {
        match went {
            Went::Done(seen) => self.known(seen, entry, reading, look),
            Went::Part(under_way) => {
                self.under_way = Some(under_way);
                self.later = true;
            }
        }
    }

    /// A file that was read, now or before: it may be archived once the page is stored.
    pub(super) fn known(&mut self, seen: Seen, entry: &Entry, _reading: &Reading, look: &Look) {
        self.ack.push(AckFile {
            name: entry.name.clone(),
            sha256: seen.sha256.clone(),
            read_at: seen.read_at,
            marker: look.markers.get(&entry.name).cloned(),
        });
        self.seen.push(seen);
    }

    /// A file for a later page.
    pub(super) fn later(&mut self, entry: &Entry) {
        self.later = true;
        self.still.push(Named::of(entry));
    }

    /// A file that is not read yet; it need not be looked at twice while it is as it is.
    pub(super) fn stays(&mut self, entry: &Entry) {
        self.still.push(Named::of(entry));
    }

    /// A file of which a part was read is not there any more, or is another one.
    pub(super) fn lost(&mut self, under_way: &UnderWay, folder: &str) {
        let changed = Noticed::FileChanged {
            file: under_way.file.name.clone(),
            sha256: under_way.sha256.clone(),
            folder: folder.to_owned(),
            after_row: under_way.at.line,
        };
        let stood = InFile {
            name: under_way.file.name.clone(),
            sha256: under_way.sha256.clone(),
            told: under_way.read_at,
            read_at: under_way.read_at,
            rows: Vec::new(),
        };
        self.records.push(changed.record(stood));
    }

    /// What it holds, for a page of the archive.
    pub(super) fn into_records(self) -> (Vec<Record>, Option<Listing>) {
        (self.records, self.listing)
    }

    /// The page.
    pub(super) fn finish(self, before: Cursor, look: Look) -> Result<Page, Error> {
        let Look {
            mut waiting,
            met,
            after,
            until,
            ..
        } = look;
        let inside = |modified: i64, name: &str| {
            let key = (modified, name);
            let from = after.as_ref().is_none_or(|(t, n)| key > (*t, n.as_str()));
            let to = until.as_ref().is_none_or(|(t, n)| key <= (*t, n.as_str()));
            from && to
        };
        let mut next = Cursor {
            seen: self.seen,
            still: self.still,
            met,
            under_way: self.under_way,
            export: self.export.or_else(|| before.export.clone()),
            ..Cursor::fresh()
        };
        // What stands in other parts of the listing is as it was.
        let Cursor {
            seen,
            still,
            met,
            listing,
            waiting: waited,
            ..
        } = before;
        next.seen
            .extend(seen.into_iter().filter(|s| !inside(s.modified, &s.name)));
        next.still
            .extend(still.into_iter().filter(|s| !inside(s.modified, &s.name)));
        next.met.extend(
            met.into_iter()
                .filter(|(s, _)| !inside(s.modified, &s.name)),
        );
        let more = self.later || until.is_some();
        waiting.extend(listing.iter().flat_map(|l| l.waiting.clone()));
        let waiting = told(waiting);
        let told = if more {
            next.waiting = waited;
            next.listing = match until {
                Some(after) if !self.later => Some(Listed {
                    after,
                    waiting: waiting.clone(),
                }),
                _ => listing,
            };
            told(next.waiting.iter().cloned().chain(waiting).collect())
        } else {
            next.waiting.clone_from(&waiting);
            waiting
        };
        let ack = if self.ack.is_empty() {
            None
        } else {
            Some(Ack { files: self.ack }.json()?)
        };
        Ok(Page {
            ack,
            waiting: told,
            listing: self.listing,
            ..Page::new(self.records, next.json()?, more)
        })
    }
}
