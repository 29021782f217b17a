//! Files that come in: read once they are whole, archived once they are stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::{
    BadRecord, Error, ErrorClass, ExternalId, Page, Record, Source, StreamKind, StreamSpec,
};
use serde_json::Value;

use crate::client::{Entry, Folder};
use crate::config::Places;
use crate::cursor::{Ack, AckFile, Again, Cursor, Seen, Still, name_before};
use crate::glob;
use crate::layout::Whole;
use crate::map::inbound::Reading;
use crate::map::survey::Surveyor;
use crate::map::survey::Wholeness;
use crate::map::when::FileTimes;
use crate::wire::envelope::sha256;

/// A larger file is told as unreadable and left where it is.
const LARGEST: u64 = 64 << 20;

/// The side of an account that reads.
pub(crate) struct Inbox {
    pub(crate) folder: Arc<dyn Folder>,
    pub(crate) places: Places,
    pub(crate) interval: Duration,
    pub(crate) stable_for: Duration,
    /// A page takes a further file only while it has read less than this.
    pub(crate) page_bytes: usize,
    pub(crate) shipments: Vec<Reading>,
    pub(crate) stock: Vec<Reading>,
}

impl Inbox {
    fn readings(&self, stream: &str) -> Result<&[Reading], Error> {
        match stream {
            "shipments" if !self.shipments.is_empty() => Ok(&self.shipments),
            "stock" if !self.stock.is_empty() => Ok(&self.stock),
            other => Err(Error::new(
                ErrorClass::Config,
                format!("the layout reads no stream {other:?}"),
            )),
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.places.incoming)
    }

    /// Files of the stream that can be whole by what the listing says, oldest first.
    async fn candidates<'a>(
        &self,
        readings: &'a [Reading],
        cursor: &Cursor,
    ) -> Result<Vec<(Entry, &'a Reading)>, Error> {
        let listed = self.folder.list(&self.places.incoming).await?;
        let kind = |name: &str| readings.iter().find(|r| glob::matches(&r.files, name));
        let has = |name: &str| listed.iter().any(|e| e.name == name);
        let (mut ready, mut unsure) = (Vec::new(), Vec::new());
        for entry in &listed {
            let Some(reading) = kind(&entry.name) else {
                continue;
            };
            match &reading.whole {
                Whole::Marker(suffix) if entry.name.ends_with(suffix.as_str()) => {}
                Whole::Marker(suffix) if !has(&format!("{}{suffix}", entry.name)) => {}
                Whole::Stable if !cursor.knows(entry) => unsure.push((entry.clone(), reading)),
                _ => ready.push((entry.clone(), reading)),
            }
        }
        if !unsure.is_empty() {
            // A second look after a while needs no clock and no memory between pages.
            tokio::time::sleep(self.stable_for).await;
            let again = self.folder.list(&self.places.incoming).await?;
            unsure.retain(|(entry, _)| again.contains(entry));
            ready.append(&mut unsure);
        }
        ready.sort_by(|(a, _), (b, _)| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        Ok(ready)
    }
}

#[async_trait]
impl Source for Inbox {
    fn streams(&self) -> Vec<StreamSpec> {
        let stream = |name: &str, kind| StreamSpec {
            name: name.to_owned(),
            kind,
            interval: self.interval,
        };
        let shipments =
            (!self.shipments.is_empty()).then(|| stream("shipments", StreamKind::Shipments));
        let stock = (!self.stock.is_empty()).then(|| stream("stock", StreamKind::Stock));
        shipments.into_iter().chain(stock).collect()
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        now: DateTime<Utc>,
    ) -> Result<Page, Error> {
        let readings = self.readings(stream)?;
        let cursor = Cursor::read(cursor)?;
        if let Some(again) = &cursor.again {
            return self.archived(readings, &cursor, again, now).await;
        }
        let ready = self.candidates(readings, &cursor).await?;
        let mut page = Reader {
            next: Cursor {
                v: 1,
                ..Cursor::default()
            },
            records: Vec::new(),
            ack: Vec::new(),
            bytes: 0,
            more: false,
            now,
        };
        for (entry, reading) in ready {
            if page.bytes >= self.page_bytes && !cursor.is_seen(&entry) {
                page.later(entry);
                continue;
            }
            if entry.size > LARGEST {
                page.too_large(&entry, cursor.is_seen(&entry));
                continue;
            }
            let Some(bytes) = self.folder.read(&self.path(&entry.name)).await? else {
                continue;
            };
            if u64::try_from(bytes.len()).ok() != Some(entry.size)
                || !is_whole(reading, &bytes, now)
            {
                tracing::warn!(file = %entry.name, bytes = bytes.len(), listed = entry.size, "a file is not whole yet and is not read");
                continue;
            }
            page.take(&entry, reading, &bytes, &cursor);
        }
        page.finish()
    }

    fn rewind(&self, _stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        let again = Again {
            since: since.timestamp(),
            after: None,
        };
        let cursor = Cursor {
            v: 1,
            again: Some(again),
            ..Cursor::read(cursor).unwrap_or_default()
        };
        serde_json::to_value(cursor).ok()
    }

    fn reread(
        &self,
        _stream: &str,
        _file: Option<&str>,
        _raw: &[u8],
        _read_at: DateTime<Utc>,
    ) -> Result<Vec<Record>, Error> {
        Err(Error::new(ErrorClass::Config, "have the file sent again"))
    }

    async fn read_orders(&self, _ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        Err(Error::new(
            ErrorClass::Config,
            "a files account has no orders to read",
        ))
    }

    async fn acknowledge(&self, ack: &Value) -> Result<(), Error> {
        let ack: Ack = serde_json::from_value(ack.clone()).map_err(|_| {
            Error::new(
                ErrorClass::Protocol,
                "the acknowledgement was not written by this version",
            )
        })?;
        for file in &ack.files {
            if let Some(bytes) = self.folder.read(&self.path(&file.name)).await? {
                if sha256(&bytes) != file.sha256 {
                    // Another file by now; it is read as such.
                    continue;
                }
                self.archive_stored(file).await?;
            }
            // A marker that outlived its file would call the next one whole too early.
            if let Some(marker) = &file.marker
                && self.folder.size(&self.path(marker)).await?.is_some()
            {
                self.archive(marker, file.short()).await?;
            }
        }
        Ok(())
    }
}

impl Inbox {
    /// A page of files that were read and archived before, oldest first.
    async fn archived(
        &self,
        readings: &[Reading],
        cursor: &Cursor,
        again: &Again,
        now: DateTime<Utc>,
    ) -> Result<Page, Error> {
        // The archive is made with its first file; a share that is not mounted is told apart by `incoming`.
        self.folder.list(&self.places.incoming).await?;
        let mut listed = match self.folder.size(&self.places.archive).await? {
            Some(_) => self.folder.list(&self.places.archive).await?,
            None => Vec::new(),
        };
        listed.retain(|entry| again.wants(entry) && entry.size <= LARGEST);
        listed.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut after = again.after.clone();
        let mut more = false;
        for entry in listed {
            if bytes >= self.page_bytes {
                more = true;
                break;
            }
            after = Some((entry.modified, entry.name.clone()));
            let Some(name) = name_before(&entry.name) else {
                continue;
            };
            let marks = |r: &Reading| matches!(&r.whole, Whole::Marker(suffix) if name.ends_with(suffix.as_str()));
            let fits = |r: &&Reading| glob::matches(&r.files, &name) && !marks(r);
            let Some(reading) = readings.iter().find(fits) else {
                continue;
            };
            let path = format!("{}/{}", self.places.archive, entry.name);
            let Some(read) = self.folder.read(&path).await? else {
                continue;
            };
            bytes += read.len();
            let times = FileTimes::new(entry.changed_at().unwrap_or(now), entry.changed_at());
            records.extend(reading.read(&name, &read, times));
        }
        let again = more.then_some(Again {
            since: again.since,
            after,
        });
        let next = Cursor {
            v: 1,
            seen: cursor.seen.clone(),
            still: cursor.still.clone(),
            again,
        };
        let next = serde_json::to_value(next).map_err(|e| {
            Error::new(
                ErrorClass::Protocol,
                format!("cannot write the cursor: {e}"),
            )
        })?;
        // The folder itself is read next, so there is more in any case.
        Ok(Page::new(records, next, true))
    }

    /// Archives a file and looks what was moved: one that took its place since it was compared is put back.
    async fn archive_stored(&self, file: &AckFile) -> Result<(), Error> {
        let Some(to) = self.archive(&file.name, file.short()).await? else {
            return Ok(());
        };
        match self.folder.read(&to).await? {
            Some(moved) if sha256(&moved) != file.sha256 => {
                if self.folder.rename(&to, &self.path(&file.name)).await? {
                    return Ok(());
                }
                let message = format!(
                    "{to} came in unread while {} was archived: move it back",
                    file.name
                );
                Err(Error::new(ErrorClass::Conflict, message))
            }
            _ => Ok(()),
        }
    }

    /// Moves a file under a name that no other archived file has: many far sides use a name every day.
    /// `None` when it was gone already.
    async fn archive(&self, name: &str, hash: &str) -> Result<Option<String>, Error> {
        let (stem, extension) = name
            .rsplit_once('.')
            .map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
        for n in 1..=1000 {
            let number = if n == 1 {
                String::new()
            } else {
                format!(".{n}")
            };
            let to = format!("{}/{stem}-{hash}{number}{extension}", self.places.archive);
            match self.folder.rename(&self.path(name), &to).await {
                Ok(true) => return Ok(Some(to)),
                Ok(false) => {}
                // Moved by a try whose answer was lost.
                Err(_) if self.folder.size(&self.path(name)).await?.is_none() => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        let message = format!("the archive has 1000 files named {stem}-{hash}: empty it");
        Err(Error::new(ErrorClass::Conflict, message))
    }
}

/// A page while it is filled.
struct Reader {
    next: Cursor,
    records: Vec<Record>,
    ack: Vec<AckFile>,
    bytes: usize,
    more: bool,
    now: DateTime<Utc>,
}

impl Reader {
    fn take(&mut self, entry: &Entry, reading: &Reading, bytes: &[u8], before: &Cursor) {
        let hash = sha256(bytes);
        if !before
            .seen
            .iter()
            .any(|s| s.name == entry.name && s.sha256 == hash)
        {
            self.bytes += bytes.len();
            let times = FileTimes::new(self.now, entry.changed_at());
            self.records.extend(reading.read(&entry.name, bytes, times));
        }
        let marker = if let Whole::Marker(suffix) = &reading.whole {
            Some(format!("{}{suffix}", entry.name))
        } else {
            None
        };
        self.ack.push(AckFile {
            name: entry.name.clone(),
            sha256: hash.clone(),
            marker,
        });
        self.see(entry, hash);
    }

    fn see(&mut self, entry: &Entry, sha256: String) {
        self.next.seen.push(Seen {
            name: entry.name.clone(),
            size: entry.size,
            modified: entry.modified,
            sha256,
        });
    }

    fn later(&mut self, entry: Entry) {
        self.more = true;
        self.next.still.push(Still {
            name: entry.name,
            size: entry.size,
            modified: entry.modified,
        });
    }

    fn too_large(&mut self, entry: &Entry, told: bool) {
        if !told {
            let reason = format!(
                "{}: {} bytes are more than the {LARGEST} that are read: split it; it was left in the folder",
                entry.name, entry.size
            );
            let raw = format!("{} {}", entry.name, entry.size).into_bytes();
            self.records
                .push(Record::new(raw, Err(BadRecord::new(None, reason))));
        }
        self.see(entry, String::new());
    }

    fn finish(self) -> Result<Page, Error> {
        let json = |e: serde_json::Error| {
            Error::new(
                ErrorClass::Protocol,
                format!("cannot write the cursor: {e}"),
            )
        };
        let ack = if self.ack.is_empty() {
            None
        } else {
            Some(serde_json::to_value(Ack { files: self.ack }).map_err(json)?)
        };
        Ok(Page {
            ack,
            ..Page::new(
                self.records,
                serde_json::to_value(self.next).map_err(json)?,
                self.more,
            )
        })
    }
}

fn is_whole(reading: &Reading, bytes: &[u8], now: DateTime<Utc>) -> bool {
    let mut surveyor = Surveyor::new(reading.clone(), "", FileTimes::new(now, None));
    surveyor.feed(bytes, true);
    surveyor.finish().wholeness(&reading.whole) == Wholeness::Whole
}
