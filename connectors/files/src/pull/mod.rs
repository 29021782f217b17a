//! Files that come in: read once they are whole, in slices where they are long, archived once they are stored.

mod again;
mod archive;
mod draft;
mod export;
mod file;
mod look;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::{Ask, Meter};
use hikiate_sdk::text::words;
use hikiate_sdk::{Error, ErrorClass, Here, InFile, Kind, Page, Record, Source, StreamSpec};
use serde_json::Value;

use self::draft::Draft;
use self::file::{Kept, Surveyed, Took};
use crate::client::Folder;
use crate::config::{Budget, Places};
use crate::cursor::{Ack, Again, Cursor};
use crate::map::inbound::Reading;
use crate::map::noticed::Noticed;

/// The side of an account that reads.
pub(crate) struct Inbox {
    pub(crate) folder: Arc<dyn Folder>,
    pub(crate) places: Places,
    /// How long archived files are kept.
    pub(crate) archive_for: Option<Duration>,
    pub(crate) interval: Duration,
    pub(crate) stable_for: Duration,
    pub(crate) unended_after: Duration,
    pub(crate) budget: Budget,
    /// A page takes a further file only while it has read less than this.
    pub(crate) page_bytes: usize,
    pub(crate) shipments: Vec<Arc<Reading>>,
    pub(crate) stock: Vec<Arc<Reading>>,
    /// What the first passes over the files under way found; made again where they are not there.
    pub(crate) surveys: Mutex<Vec<Surveyed>>,
    /// How it understands quantities and dates, and what it reads at once.
    pub(crate) says: Vec<String>,
    /// Each visit of the folder takes a turn at it.
    pub(crate) meter: Meter,
}

impl Inbox {
    fn readings(&self, stream: &str) -> Result<&[Arc<Reading>], Error> {
        match stream {
            "shipments" if !self.shipments.is_empty() => Ok(&self.shipments),
            "stock" if !self.stock.is_empty() => Ok(&self.stock),
            other => Err(Error::new(
                ErrorClass::Config,
                format!("the layout has no stream {other:?}"),
            )),
        }
    }

    /// Where a file that came in is.
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.places.incoming)
    }

    /// A page of the folder.
    async fn folder_page(
        &self,
        readings: &[Arc<Reading>],
        cursor: Cursor,
        now: DateTime<Utc>,
    ) -> Result<Page, Error> {
        let memory = cursor.memory();
        let mut look = self.look(readings, &cursor, &memory, now).await?;
        let mut draft = Draft::new(self.budget.records, self.page_bytes);
        let mut ready = std::mem::take(&mut look.ready);
        if let Some(under_way) = cursor.under_way.clone() {
            match ready.iter().position(|(e, _)| under_way.file.is(e)) {
                Some(place) => {
                    let (entry, reading) = ready.remove(place);
                    let path = self.path(&entry.name);
                    let went = self
                        .go_on(
                            &path,
                            under_way,
                            &entry.name,
                            &entry,
                            &reading,
                            Kept::InFolder,
                            &mut draft,
                        )
                        .await?;
                    draft.settle(went, &entry, &reading, &look);
                }
                None => draft.lost(&under_way, &self.places.incoming),
            }
        }
        for (entry, reading) in ready {
            if draft.is_full() && !memory.is_seen(&entry) {
                draft.later(&entry);
                look.keeps(&entry, &memory);
                continue;
            }
            match self
                .take(&entry, &reading, &cursor, &memory, now, &mut draft)
                .await?
            {
                Took::Read(went) => draft.settle(went, &entry, &reading, &look),
                Took::Known(seen) => draft.known(seen, &entry, &reading, &look),
                Took::Later => {
                    draft.later(&entry);
                    look.keeps(&entry, &memory);
                }
                Took::Waits(why) => {
                    draft.stays(&entry);
                    look.waits(&entry, why, &memory, now);
                }
                Took::Gone => {}
            }
        }
        draft.finish(cursor, look)
    }
}

#[async_trait]
impl Source for Inbox {
    fn says(&self) -> Vec<String> {
        self.says.clone()
    }

    fn streams(&self) -> Vec<StreamSpec> {
        let stream = |name: &str, kind| StreamSpec {
            name: name.to_owned(),
            kind,
            interval: self.interval,
            by_code: None,
            unheard: false,
        };
        let shipments = (!self.shipments.is_empty()).then(|| stream("shipments", Kind::Shipment));
        let stock = (!self.stock.is_empty()).then(|| stream("stock", Kind::Stock));
        shipments.into_iter().chain(stock).collect()
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error> {
        let readings = self.readings(stream)?;
        let cursor = Cursor::read(cursor)?;
        let now = here.now;
        let _turn = self.meter.turn(Ask::default()).await?;
        match cursor.again.clone() {
            Some(again) => self.archive_page(readings, cursor, again, now).await,
            None => self.folder_page(readings, cursor, now).await,
        }
    }

    fn rewind(&self, _stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        let again = Again {
            since: since.timestamp(),
            after: None,
            under_way: None,
        };
        let known = Cursor::read(cursor).unwrap_or_else(|_| Cursor::fresh());
        let cursor = Cursor {
            again: Some(again),
            ..known
        };
        cursor.json().ok()
    }

    fn reread(
        &self,
        stream: &str,
        file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        let readings = self.readings(stream)?;
        let again = |why: String| Err(Error::new(ErrorClass::Config, why));
        if let Some(noticed) = Noticed::told_again(file, raw) {
            return Ok(vec![noticed]);
        }
        if raw.len() >= file::WHOLE_BYTES {
            return again("only the beginning of the file was stored: move the archived file named in the reason back to the incoming folder under its original name, or ask the sender to resend it".to_owned());
        }
        let Some(file) = file else {
            return again(
                "the record does not name its file: ask the sender to resend the file".to_owned(),
            );
        };
        match readings.iter().find(|reading| reading.takes(&file.name)) {
            Some(reading) => Ok(reading.read_again(file, raw)),
            None => again(format!(
                "no `files` pattern of the layout matches {}: correct the layout, or ask the sender to resend the file",
                words(&file.name)
            )),
        }
    }

    async fn clear_old(&self, now: DateTime<Utc>, open: &[String]) -> Result<usize, Error> {
        let Some(kept) = self.archive_for else {
            return Ok(0);
        };
        let _turn = self.meter.turn(Ask::default()).await?;
        self.clear_archive(kept, now, open).await
    }

    async fn acknowledge(&self, ack: &Value) -> Result<(), Error> {
        let ack: Ack = serde_json::from_value(ack.clone()).map_err(|_| {
            Error::new(
                ErrorClass::Protocol,
                "the acknowledgement was not written by this version",
            )
        })?;
        let _turn = self.meter.turn(Ask::default()).await?;
        for file in &ack.files {
            self.put_away(file).await?;
        }
        Ok(())
    }
}
