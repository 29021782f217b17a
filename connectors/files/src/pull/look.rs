//! What lies in the folder: files that can be read, and files that wait, each with why and what to do.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::Error;
use hikiate_sdk::text::words;

use super::Inbox;
use crate::client::{Entry, Slice};
use crate::cursor::{Cursor, Memory, Named};
use crate::layout::Whole;
use crate::map::inbound::Reading;
use crate::words::span;

/// A file is told as waiting after so many minutes; most come whole within them.
const WAITS_MINUTES: i64 = 5;
/// Files that are told by name.
const TOLD: usize = 50;

/// A part of a listing as it was looked at.
pub(super) struct Look {
    /// Files that can be whole by what the listing says, oldest first.
    pub(super) ready: Vec<(Entry, Arc<Reading>)>,
    /// The marker of each file that has one.
    pub(super) markers: std::collections::HashMap<String, String>,
    /// What waits, with why and what to do.
    pub(super) waiting: Vec<String>,
    /// Files whose time is not told and files whose last line does not end, with when they were met.
    pub(super) met: Vec<(Named, i64)>,
    /// Where this part begins.
    pub(super) after: Option<(i64, String)>,
    /// Where it ends; nothing at the end of the listing.
    pub(super) until: Option<(i64, String)>,
}

/// Why a file is not read yet.
pub(super) enum Wait {
    NoPattern,
    Empty,
    Unended(std::time::Duration),
    NoTrailer(String),
    NoMarker(String),
    NoFile(String),
    Odd { bytes: u64 },
}

impl Wait {
    fn says(&self, entry: &Entry) -> String {
        let again = "ask the sender to resend it, or move it out of the folder";
        match self {
            Self::NoPattern => "not fetched, no `files` pattern of the layout matches it: correct the layout, or move the file out of the folder".to_owned(),
            Self::Empty => format!("not fetched, it has 0 bytes: {again}"),
            Self::Unended(after) => format!("its last line has no line end, so it may be truncated: it is fetched as is once it has been unchanged for {}", span(*after)),
            Self::NoTrailer(mark) => format!("not fetched, its last row does not begin with {mark:?}, so it may be truncated: {again}, or correct `whole` in the layout"),
            Self::NoMarker(marker) => format!("not fetched, {marker} is missing, the marker file that shows it is complete: ask the sender for it, or correct `whole` in the layout"),
            Self::NoFile(file) => format!("it is the marker file of {file}, which is missing: ask the sender for that file, or move the marker out of the folder"),
            Self::Odd { bytes } => format!("not fetched, it has {bytes} bytes but the listing shows {}: {again}", entry.size),
        }
    }
}

impl Look {
    /// Tells of a file that is not read, once it has waited.
    pub(super) fn waits(&mut self, entry: &Entry, why: Wait, memory: &Memory, now: DateTime<Utc>) {
        if matches!(why, Wait::Unended(_)) {
            self.meet(entry, memory, now);
        }
        if self.age(entry, memory, now) >= Duration::minutes(WAITS_MINUTES) {
            self.waiting
                .push(format!("{}: {}", words(&entry.name), why.says(entry)));
        }
    }

    /// How long a file is unchanged: by its time, else since it was met.
    pub(super) fn age(&mut self, entry: &Entry, memory: &Memory, now: DateTime<Utc>) -> Duration {
        let since = entry
            .changed_at()
            .unwrap_or_else(|| self.meet(entry, memory, now));
        now - since
    }

    /// A file that is not looked at now waits since it was met, if it was.
    pub(super) fn keeps(&mut self, entry: &Entry, memory: &Memory) {
        if let Some(met) = memory.met(entry) {
            self.meet(entry, memory, met);
        }
    }

    /// When a file was first met with this size and time, which is kept.
    fn meet(&mut self, entry: &Entry, memory: &Memory, now: DateTime<Utc>) -> DateTime<Utc> {
        let met = memory.met(entry).unwrap_or(now);
        if self.met.iter().all(|(known, _)| !known.is(entry)) {
            self.met.push((Named::of(entry), met.timestamp()));
        }
        met
    }
}

impl Inbox {
    /// Looks at the next part of the folder.
    pub(super) async fn look(
        &self,
        readings: &[Arc<Reading>],
        cursor: &Cursor,
        memory: &Memory,
        now: DateTime<Utc>,
    ) -> Result<Look, Error> {
        let after = cursor.listing.as_ref().map(|l| l.after.clone());
        let slice = self.slice(after.as_ref()).await?;
        let last = slice.entries.last().filter(|_| slice.more);
        let mut look = Look {
            ready: Vec::new(),
            markers: std::collections::HashMap::new(),
            waiting: Vec::new(),
            met: Vec::new(),
            until: last.map(|e| (e.modified, e.name.clone())),
            after,
        };
        let names: HashSet<&str> = slice.entries.iter().map(|e| e.name.as_str()).collect();
        // The streams share the folder; the first one tells of what belongs to none.
        let is_first = self.is_first(readings);
        let mut unsure = Vec::new();
        for entry in &slice.entries {
            let Some(reading) = readings.iter().find(|r| r.takes(&entry.name)) else {
                if is_first {
                    self.stray(entry, &names, &mut look, memory, now);
                }
                continue;
            };
            if entry.size == 0 {
                look.waits(entry, Wait::Empty, memory, now);
                continue;
            }
            match &reading.whole {
                Whole::Marker(suffix) => match self.marker(&entry.name, suffix, &slice).await? {
                    Some(marker) => {
                        look.markers.insert(entry.name.clone(), marker);
                        look.ready.push((entry.clone(), reading.clone()));
                    }
                    None => {
                        let marker = format!("{}{suffix}", entry.name);
                        look.waits(entry, Wait::NoMarker(marker), memory, now);
                    }
                },
                Whole::Stable if !memory.knows(entry) => {
                    unsure.push((entry.clone(), reading.clone()));
                }
                _ => look.ready.push((entry.clone(), reading.clone())),
            }
        }
        if is_first {
            for name in &slice.unusable {
                let why = "not fetched, its name is not UTF-8 or contains / or \\: ask the sender to resend it under another name";
                look.waiting.push(format!("{name}: {why}"));
            }
        }
        if !unsure.is_empty() {
            // A second look after a while needs no clock and no memory between pages.
            tokio::time::sleep(self.stable_for).await;
            let again = self.slice(look.after.as_ref()).await?;
            let again: HashSet<Named> = again.entries.iter().map(Named::of).collect();
            unsure.retain(|(entry, _)| again.contains(&Named::of(entry)));
            look.ready.append(&mut unsure);
        }
        look.ready
            .sort_by(|(a, _), (b, _)| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        Ok(look)
    }

    async fn slice(&self, after: Option<&(i64, String)>) -> Result<Slice, Error> {
        let incoming = &self.places.incoming;
        self.folder
            .list_slice(incoming, after, self.budget.listing)
            .await
    }

    fn is_first(&self, readings: &[Arc<Reading>]) -> bool {
        let first = if self.shipments.is_empty() {
            &self.stock
        } else {
            &self.shipments
        };
        std::ptr::eq(first.as_slice(), readings)
    }

    /// A file that this stream does not take: another one's, a mark, or nobody's.
    fn stray(
        &self,
        entry: &Entry,
        names: &HashSet<&str>,
        look: &mut Look,
        memory: &Memory,
        now: DateTime<Utc>,
    ) {
        let all = || self.shipments.iter().chain(&self.stock);
        if all().any(|r| r.takes(&entry.name)) {
            return;
        }
        let Some(file) = all().find_map(|r| r.marked_by(&entry.name)) else {
            look.waits(entry, Wait::NoPattern, memory, now);
            return;
        };
        // In a part of a listing the file may stand in another part.
        let known = names.contains(file) || look.until.is_some() || look.after.is_some();
        if !known {
            look.waits(entry, Wait::NoFile(file.to_owned()), memory, now);
        }
    }

    /// The name of a file's marker, whatever its case.
    async fn marker(
        &self,
        name: &str,
        suffix: &str,
        slice: &Slice,
    ) -> Result<Option<String>, Error> {
        let wanted = format!("{name}{suffix}");
        let exact = slice.entries.iter().any(|e| e.name == wanted);
        if exact {
            return Ok(Some(wanted));
        }
        let same = |e: &&Entry| {
            e.name.len() == wanted.len() && e.name.to_lowercase() == wanted.to_lowercase()
        };
        if let Some(found) = slice.entries.iter().find(same) {
            return Ok(Some(found.name.clone()));
        }
        if !slice.more && slice.entries.len() < self.budget.listing {
            return Ok(None);
        }
        let there = self.folder.size(&self.path(&wanted)).await?;
        Ok(there.map(|_| wanted))
    }
}

/// What is told of files that wait, the most of them by name.
pub(super) fn told(mut waiting: Vec<String>) -> Vec<String> {
    waiting.sort();
    waiting.dedup();
    if waiting.len() > TOLD {
        let more = waiting.len() - TOLD;
        waiting.truncate(TOLD);
        waiting.push(format!("and {more} more files"));
    }
    waiting
}
