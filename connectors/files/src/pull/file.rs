//! One file: looked through first, then read whole or in slices.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Error, ErrorClass, Listing, Record};
use sha2::{Digest as _, Sha256};

use super::Inbox;
use super::draft::Draft;
use super::look::Wait;
use crate::client::{Entry, PIECE};
use crate::cursor::{Archived, Cursor, Memory, Named, Seen, UnderWay, short};
use crate::layout::Whole;
use crate::map::assemble::{Assembler, Most, Rows};
use crate::map::inbound::Reading;
use crate::map::survey::{Survey, Surveyor, Wholeness};
use crate::map::when::FileTimes;
use crate::wire::scan::{At, Scanner};

/// Bytes of a file that are kept where the file as a whole cannot be understood.
pub(super) const WHOLE_BYTES: usize = 8 << 20;

/// First passes that are kept.
const KEPT: usize = 2;

/// A first pass that was made, and of what.
pub(crate) struct Surveyed {
    path: String,
    file: Named,
    read_at: DateTime<Utc>,
    survey: Arc<Survey>,
}

/// What became of a file on a page.
pub(super) enum Took {
    /// It was read, or a part of it.
    Read(Went),
    /// It was read before.
    Known(Seen),
    /// It is for a later page.
    Later,
    /// It is not read yet.
    Waits(Wait),
    /// It is not there any more.
    Gone,
}

/// How far a file was read.
pub(super) enum Went {
    Done(Seen),
    Part(UnderWay),
}

/// Where all of a file is that is told as a whole.
#[derive(Clone, Copy)]
pub(super) enum Kept<'a> {
    /// Still in the folder; it is archived once it is stored.
    InFolder,
    /// Under this name in the archive.
    Archived(&'a str),
}

/// What the first pass got.
pub(super) enum Looked {
    /// All of it, with its bytes where they are few.
    Through(Arc<Survey>, Option<Vec<u8>>),
    /// Another number of bytes than its listing says.
    Odd(u64),
    /// It is not there any more.
    Gone,
}

impl Inbox {
    /// Reads a file of the folder, as far as the page has room.
    pub(super) async fn take(
        &self,
        entry: &Entry,
        reading: &Arc<Reading>,
        cursor: &Cursor,
        memory: &Memory,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Took, Error> {
        let path = self.path(&entry.name);
        if memory.is_seen(entry) {
            // Of times in seconds two contents may have the same.
            let Some(hash) = self.hash(&path).await? else {
                return Ok(Took::Gone);
            };
            let known = |s: &&Seen| s.name == entry.name && s.sha256 == hash;
            if let Some(seen) = cursor.seen.iter().find(known) {
                return Ok(Took::Known(seen.clone()));
            }
            if draft.is_full() {
                return Ok(Took::Later);
            }
        }
        if entry.size > self.budget.bytes as u64 && !draft.is_empty() {
            // It comes in slices, and those have pages of their own.
            return Ok(Took::Later);
        }
        let times = FileTimes::new(now, entry.changed_at());
        let (survey, bytes) = match self
            .look_through(&path, &entry.name, entry, reading, times)
            .await?
        {
            Looked::Through(survey, bytes) => (survey, bytes),
            Looked::Odd(bytes) => return Ok(Took::Waits(Wait::Odd { bytes })),
            Looked::Gone => return Ok(Took::Gone),
        };
        match survey.wholeness(&reading.whole) {
            Wholeness::Whole => {}
            Wholeness::Empty => return Ok(Took::Waits(Wait::Empty)),
            Wholeness::NoTrailer => {
                let Whole::Trailer(mark) = &reading.whole else {
                    return Ok(Took::Gone);
                };
                return Ok(Took::Waits(Wait::NoTrailer(mark.clone())));
            }
            Wholeness::Unended => {
                // Since it was first met as it is, by our own clock: the external system's may be hours away.
                let since = memory.met(entry);
                let unchanged = since.map_or(Duration::zero(), |since| now - since);
                if unchanged.to_std().unwrap_or_default() < self.unended_after {
                    return Ok(Took::Waits(Wait::Unended(self.unended_after)));
                }
            }
        }
        if memory.has_read(&entry.name, &survey.sha256) {
            let known = |s: &&Seen| s.name == entry.name && s.sha256 == survey.sha256;
            let read_at = cursor.seen.iter().find(known).and_then(|s| s.read_at);
            return Ok(Took::Known(seen(entry, &survey.sha256, read_at)));
        }
        let export = self
            .compare(entry, reading, &survey, bytes.as_deref(), cursor, draft)
            .await?;
        let took = self
            .begin(&path, entry, reading, survey, bytes, Kept::InFolder, draft)
            .await?;
        if let (Took::Read(_), Some((export, gone))) = (&took, export) {
            draft.add(gone, 0);
            draft.export = Some(export);
        }
        Ok(took)
    }

    /// Reads a file that was looked through, from its beginning.
    #[expect(
        clippy::too_many_arguments,
        reason = "a file, where it is, and the page that it goes to"
    )]
    pub(super) async fn begin(
        &self,
        path: &str,
        entry: &Entry,
        reading: &Arc<Reading>,
        survey: Arc<Survey>,
        bytes: Option<Vec<u8>>,
        kept: Kept<'_>,
        draft: &mut Draft,
    ) -> Result<Took, Error> {
        let rows = usize::try_from(survey.rows).unwrap_or(usize::MAX);
        let head = survey.opened.as_ref().map_or(0, |o| o.head.len());
        let together = head.saturating_mul(rows.min(self.budget.records));
        let fits = rows <= self.budget.records && together <= 2 * self.budget.bytes;
        let done =
            |survey: &Survey| Went::Done(seen(entry, &survey.sha256, Some(survey.times.read_at)));
        if let Some(bytes) = bytes.filter(|_| fits) {
            let alone = reading.lists_all();
            if !draft.has_room(rows) || (alone && !draft.is_empty()) {
                return Ok(Took::Later);
            }
            let length = bytes.len();
            let (of, by) = (survey.clone(), reading.clone());
            let records = blocking(move || by.assemble(&of, &bytes)).await?;
            draft.add(records, length);
            if alone {
                draft.close(listing(&survey, reading, true));
            }
            return Ok(Took::Read(done(&survey)));
        }
        if !draft.is_empty() {
            return Ok(Took::Later);
        }
        let under_way = UnderWay {
            file: Named::of(entry),
            sha256: survey.sha256.clone(),
            read_at: survey.times.read_at,
            at: survey.body,
            spread: None,
        };
        self.keep(path, entry, &survey);
        let whole = match kept {
            Kept::InFolder => {
                let read_at = Some(survey.times.read_at);
                let name = Archived::name(&entry.name, read_at, short(&survey.sha256), 1);
                format!("{}/{name}", self.places.archive)
            }
            Kept::Archived(name) => format!("{}/{name}", self.places.archive),
        };
        let all = survey.size <= WHOLE_BYTES as u64;
        if let Some(bad) = reading.whole_bad(&survey, (!all).then_some(whole.as_str())) {
            let Some(raw) = self.folder.read_range(path, 0, WHOLE_BYTES).await? else {
                return Ok(Took::Gone);
            };
            let record = Record::new(raw, Err(bad)).in_file(survey.whole_file());
            draft.add(vec![record], 0);
        }
        if survey.opened.is_err() {
            draft.close(None);
            return Ok(Took::Read(done(&survey)));
        }
        let went = self
            .slice_of(path, under_way, entry, reading, &survey, draft)
            .await?;
        Ok(Took::Read(went))
    }

    /// Goes on with a file of which a part was read.
    #[expect(
        clippy::too_many_arguments,
        reason = "a file, where it is, and the page that it goes to"
    )]
    pub(super) async fn go_on(
        &self,
        path: &str,
        under_way: UnderWay,
        name: &str,
        entry: &Entry,
        reading: &Arc<Reading>,
        kept: Kept<'_>,
        draft: &mut Draft,
    ) -> Result<Went, Error> {
        let survey = match self.kept(path, entry, under_way.read_at) {
            Some(survey) => survey,
            None => {
                let times = FileTimes::new(under_way.read_at, entry.changed_at());
                match self.look_through(path, name, entry, reading, times).await? {
                    Looked::Through(survey, _) => survey,
                    Looked::Odd(_) | Looked::Gone => return Err(changing(path)),
                }
            }
        };
        if survey.sha256 != under_way.sha256 {
            // The same time and size, and yet another file.
            draft.lost(&under_way, &self.places.incoming);
            let took = self
                .begin(path, entry, reading, survey.clone(), None, kept, draft)
                .await?;
            return Ok(match took {
                Took::Read(went) => went,
                _ => Went::Part(UnderWay {
                    sha256: survey.sha256.clone(),
                    at: survey.body,
                    spread: None,
                    ..under_way
                }),
            });
        }
        self.keep(path, entry, &survey);
        self.slice_of(path, under_way, entry, reading, &survey, draft)
            .await
    }

    /// Reads the next slice.
    async fn slice_of(
        &self,
        path: &str,
        mut under_way: UnderWay,
        entry: &Entry,
        reading: &Arc<Reading>,
        survey: &Arc<Survey>,
        draft: &mut Draft,
    ) -> Result<Went, Error> {
        let most = Most {
            records: draft.left(),
            bytes: self.budget.bytes,
        };
        let spread = survey.spread();
        let done = match under_way.spread {
            None => {
                let work = self.run(path, reading, survey, Rows::Together, most, under_way.at);
                let (records, stopped, bytes) = work.await?;
                draft.add(records, bytes);
                match stopped {
                    Some(at) => under_way.at = at,
                    None => under_way.spread = Some(0),
                }
                stopped.is_none() && spread.is_empty()
            }
            Some(before) => {
                let rest = spread.get(before..).unwrap_or_default();
                let mut count = rest.len().min(most.records);
                loop {
                    let groups: HashSet<u64> = rest.iter().take(count).copied().collect();
                    let work = self.run(path, reading, survey, Rows::Of(groups), most, survey.body);
                    let (records, too_many, bytes) = work.await?;
                    if too_many.is_some() && count > 1 {
                        count /= 2;
                        continue;
                    }
                    draft.add(records, bytes);
                    break;
                }
                under_way.spread = Some(before + count);
                before + count >= spread.len()
            }
        };
        draft.close(listing(survey, reading, done));
        if done {
            self.forget(path);
            Ok(Went::Done(seen(
                entry,
                &survey.sha256,
                Some(under_way.read_at),
            )))
        } else {
            Ok(Went::Part(under_way))
        }
    }

    /// Assembles rows from a place on; with where it stopped because there was enough.
    async fn run(
        &self,
        path: &str,
        reading: &Arc<Reading>,
        survey: &Arc<Survey>,
        rows: Rows,
        most: Most,
        at: At,
    ) -> Result<(Vec<Record>, Option<At>, usize), Error> {
        let of_some = matches!(rows, Rows::Of(_));
        // After the last row that tells something there is nothing left to tell.
        let end = if survey.is_collapsed() {
            survey.last_good
        } else {
            survey.size
        };
        let mut step = Step {
            scanner: reading.resume(survey.coded, at),
            assembler: Assembler::new(reading.clone(), survey.clone(), rows, most),
        };
        let mut offset = at.offset;
        while offset < end {
            let wanted = usize::try_from(survey.size - offset)
                .unwrap_or(PIECE)
                .min(PIECE);
            let piece = self.folder.read_range(path, offset, wanted).await?;
            let piece = piece
                .filter(|p| p.len() == wanted)
                .ok_or_else(|| changing(path))?;
            offset += piece.len() as u64;
            let last = offset >= survey.size;
            let (back, on) = blocking(move || {
                let on = step.feed(&piece, last);
                (step, on)
            })
            .await?;
            step = back;
            let bytes = step.assembler.bytes();
            if !on.map_err(|_| changing(path))? || (of_some && bytes > 2 * most.bytes) {
                let stopped = step.scanner.at();
                return Ok((step.assembler.finish(), Some(stopped), bytes));
            }
        }
        let bytes = step.assembler.bytes();
        let records = blocking(move || step.assembler.finish()).await?;
        Ok((records, None, bytes))
    }

    /// The first pass.
    pub(super) async fn look_through(
        &self,
        path: &str,
        name: &str,
        entry: &Entry,
        reading: &Arc<Reading>,
        times: FileTimes,
    ) -> Result<Looked, Error> {
        let mut surveyor = Surveyor::new(reading.clone(), name, times);
        let few = usize::try_from(entry.size)
            .ok()
            .filter(|n| *n <= self.budget.bytes);
        if let Some(few) = few {
            // One byte more, to see that it has not grown.
            let Some(bytes) = self.folder.read_range(path, 0, few + 1).await? else {
                return Ok(Looked::Gone);
            };
            if bytes.len() != few {
                return Ok(Looked::Odd(bytes.len() as u64));
            }
            let (survey, bytes) = blocking(move || {
                surveyor.feed(&bytes, true);
                (surveyor.finish(), bytes)
            })
            .await?;
            return Ok(Looked::Through(Arc::new(survey), Some(bytes)));
        }
        let mut offset = 0;
        while offset < entry.size {
            let wanted = usize::try_from(entry.size - offset)
                .unwrap_or(PIECE)
                .min(PIECE);
            let Some(piece) = self.folder.read_range(path, offset, wanted).await? else {
                return Ok(Looked::Gone);
            };
            if piece.len() != wanted {
                return Ok(Looked::Odd(offset + piece.len() as u64));
            }
            offset += piece.len() as u64;
            let last = offset == entry.size;
            surveyor = blocking(move || {
                surveyor.feed(&piece, last);
                surveyor
            })
            .await?;
        }
        let more = self.folder.read_range(path, offset, 1).await?;
        if more.is_none_or(|byte| !byte.is_empty()) {
            return Ok(Looked::Odd(offset + 1));
        }
        let survey = blocking(move || surveyor.finish()).await?;
        Ok(Looked::Through(Arc::new(survey), None))
    }

    /// The hash of a whole file; nothing where there is none.
    pub(super) async fn hash(&self, path: &str) -> Result<Option<String>, Error> {
        let (mut hash, mut offset) = (Sha256::new(), 0);
        loop {
            let Some(piece) = self.folder.read_range(path, offset, PIECE).await? else {
                return Ok(None);
            };
            offset += piece.len() as u64;
            let last = piece.len() < PIECE;
            hash = blocking(move || {
                hash.update(&piece);
                hash
            })
            .await?;
            if last {
                return Ok(Some(hex(&hash.finalize())));
            }
        }
    }

    fn keep(&self, path: &str, entry: &Entry, survey: &Arc<Survey>) {
        let mut kept = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.path != path);
        // One a stream is under way at once, of the folder or of the archive.
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Surveyed {
            path: path.to_owned(),
            file: Named::of(entry),
            read_at: survey.times.read_at,
            survey: survey.clone(),
        });
    }

    fn kept(&self, path: &str, entry: &Entry, read_at: DateTime<Utc>) -> Option<Arc<Survey>> {
        let kept = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        let is = |k: &&Surveyed| k.path == path && k.file.is(entry) && k.read_at == read_at;
        kept.iter().find(is).map(|k| k.survey.clone())
    }

    fn forget(&self, path: &str) {
        let mut kept = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.path != path);
    }
}

/// A scan and what becomes of its rows.
struct Step {
    scanner: Scanner,
    assembler: Assembler,
}

impl Step {
    fn feed(&mut self, piece: &[u8], last: bool) -> Result<bool, String> {
        let assembler = &mut self.assembler;
        self.scanner
            .feed(piece, last, &mut |row| assembler.take(row))
    }
}

pub(super) fn seen(entry: &Entry, sha256: &str, read_at: Option<DateTime<Utc>>) -> Seen {
    Seen {
        name: entry.name.clone(),
        size: entry.size,
        modified: entry.modified,
        sha256: sha256.to_owned(),
        read_at,
    }
}

/// The list that a file is, where what it does not name is gone.
fn listing(survey: &Survey, reading: &Reading, last: bool) -> Option<Listing> {
    let places = survey.places.clone().filter(|_| survey.opened.is_ok())?;
    Some(Listing {
        id: survey.sha256.clone(),
        name: survey.file.clone(),
        places,
        as_of: reading.made_at(survey.times),
        last,
    })
}

fn changing(path: &str) -> Error {
    let message = format!("{path} was changed or removed while it was being read");
    Error::new(ErrorClass::Transient, message)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs what takes long beside the threads that wait for the network.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::new(ErrorClass::Protocol, "reading a file was interrupted"))
}
