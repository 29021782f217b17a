//! A 3PL with a memory: it takes instruction files, answers, ships, and knows how often it was told what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{Error, ErrorClass};

use super::answers::{Answer, name, write};
use super::model::{SimFile, SimFolders, SimHandling, SimParcel, SimShipment, SimTick};
use super::work::{Answers, State};
use crate::client::{Folder, Written};
use crate::layout::{Field, Kind, Layout, PickedUp, Stock, Whole};

pub(super) type Policy = Box<dyn Fn(&SimShipment) -> SimHandling + Send + Sync>;

/// A warehouse that works with files. It does nothing between two ticks.
pub struct WarehouseSim {
    pub(super) folder: Arc<dyn Folder>,
    pub(super) folders: SimFolders,
    pub(super) layout: Layout,
    pub(super) zone: Tz,
    pub(super) place: Option<String>,
    pub(super) policy: Policy,
    pub(super) state: Mutex<State>,
}

impl WarehouseSim {
    /// A warehouse at a folder, working by a layout; times are written in `zone` unless the layout has one.
    pub fn new(folder: Arc<dyn Folder>, folders: SimFolders, layout: Layout, zone: Tz) -> Self {
        let zone = layout
            .zone
            .as_deref()
            .and_then(|z| z.parse().ok())
            .unwrap_or(zone);
        Self {
            folder,
            folders,
            layout,
            zone,
            place: None,
            policy: Box::new(|_| SimHandling::default()),
            state: Mutex::default(),
        }
    }

    /// Decides what happens to each shipment, once, when it is first seen.
    #[must_use]
    pub fn with_policy(
        mut self,
        policy: impl Fn(&SimShipment) -> SimHandling + Send + Sync + 'static,
    ) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// The code of the place in stock files.
    #[must_use]
    pub fn with_place(mut self, code: &str) -> Self {
        self.place = Some(code.to_owned());
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is on the shelf.
    pub fn set_stock(&self, code: &str, quantity: i64) {
        self.state().stock.insert(code.to_owned(), quantity);
    }

    /// Puts more on the shelf.
    pub fn add_stock(&self, code: &str, quantity: i64) {
        *self.state().stock.entry(code.to_owned()).or_default() += quantity;
    }

    /// What is on the shelf; shipping takes it down.
    pub fn stock(&self) -> BTreeMap<String, i64> {
        self.state().stock.clone()
    }

    /// While it is on, the message of what is rejected repeats the name, address and phone number of the recipient.
    pub fn repeats_names(&self, on: bool) {
        self.state().repeats_names = on;
    }

    /// The next file of this kind is delivered twice, the second time under another name.
    pub fn deliver_twice(&self, kind: SimFile) {
        self.state().twice.insert(kind);
    }

    /// In how many different files an instruction was seen.
    pub fn instructed(&self, reference: &str) -> usize {
        self.state()
            .seen
            .get(reference)
            .copied()
            .unwrap_or_default()
    }

    /// Every instruction seen, with the number of files.
    pub fn instructions(&self) -> BTreeMap<String, usize> {
        self.state().seen.clone()
    }

    /// Instructions that came in more than one file.
    pub fn duplicates(&self) -> Vec<String> {
        self.state()
            .seen
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(r, _)| r.clone())
            .collect()
    }

    /// Every shipment as told, by reference.
    pub fn shipments(&self) -> BTreeMap<String, SimShipment> {
        self.state()
            .jobs
            .iter()
            .map(|(r, j)| (r.clone(), j.shipment.clone()))
            .collect()
    }

    /// Parcels by reference; shipments that have not left are absent.
    pub fn shipped(&self) -> BTreeMap<String, Vec<SimParcel>> {
        let state = self.state();
        state
            .jobs
            .iter()
            .filter(|(_, j)| !j.parcels.is_empty())
            .map(|(r, j)| (r.clone(), j.parcels.clone()))
            .collect()
    }

    /// Whether a part of a shipment is still to leave.
    pub fn is_open(&self, reference: &str) -> bool {
        let state = self.state();
        state.jobs.get(reference).is_some_and(|job| job.open)
    }

    /// References of shipments that were stopped.
    pub fn cancelled(&self) -> Vec<String> {
        self.state()
            .jobs
            .iter()
            .filter(|(_, j)| j.cancelled)
            .map(|(r, _)| r.clone())
            .collect()
    }

    /// One step: reads what has come, answers it, ships what is due.
    ///
    /// # Errors
    /// Those of the folder; `Protocol` for a file that does not fit the layout. What was read and answered stays so.
    pub async fn tick(&self, now: DateTime<Utc>) -> Result<SimTick, Error> {
        let mut told = SimTick::default();
        let mut answers = std::mem::take(&mut self.state().pending);
        self.ship(now, &mut answers, &mut told);
        let read = self.read_files(now, &mut answers, &mut told).await;
        let written = self.write_answers(&mut answers).await;
        self.state().pending = answers;
        read.and(written).map(|()| told)
    }

    async fn read_files(
        &self,
        now: DateTime<Utc>,
        answers: &mut Answers,
        told: &mut SimTick,
    ) -> Result<(), Error> {
        let mut entries = self.folder.list(&self.folders.instructions).await?;
        entries.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        for entry in entries {
            if self.state().read.contains(&entry.name) {
                continue;
            }
            let path = format!("{}/{}", self.folders.instructions, entry.name);
            let Some(bytes) = self.folder.read(&path).await? else {
                continue;
            };
            self.take(&entry.name, &bytes, now, answers, told)?;
            told.files += 1;
            self.state().read.insert(entry.name.clone());
            if self.layout.picked_up != PickedUp::Kept {
                let done = format!("{}/{}", self.folders.done, entry.name);
                self.folder.rename(&path, &done).await?;
            }
        }
        Ok(())
    }

    /// Writes what is to be told; what could not be written stays for the next tick.
    async fn write_answers(&self, answers: &mut Answers) -> Result<(), Error> {
        let layout = &self.layout;
        let reply = layout.reply.as_ref().map(|i| i.kind("reply"));
        self.put(SimFile::Reply, reply, &answers.reply).await?;
        answers.reply.clear();
        let cancel = layout.cancel_reply.as_ref();
        let cancel = cancel.map(|i| i.kind("cancel_reply"));
        self.put(SimFile::CancelReply, cancel, &answers.cancel)
            .await?;
        answers.cancel.clear();
        let shipped = layout.shipped.as_ref().map(|i| i.kind());
        self.put(SimFile::Shipped, shipped, &answers.shipped)
            .await?;
        answers.shipped.clear();
        Ok(())
    }

    /// Writes 在庫 as the shelf is now.
    ///
    /// # Errors
    /// Those of the folder.
    pub async fn write_stock(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let place = self.place.clone().unwrap_or_default();
        let row = |(code, n): (&String, &i64)| {
            let texts = [
                (Field::Code, code.as_str()),
                (Field::Location, place.as_str()),
                (Field::Quantity, &n.to_string()),
            ];
            Answer::new(&texts, (Field::AsOf, now))
        };
        let rows: Vec<_> = self.state().stock.iter().map(row).collect();
        let stock = self.layout.stock.as_ref().map(Stock::kind);
        self.put(SimFile::Stock, stock, &rows).await
    }

    async fn put(
        &self,
        file: SimFile,
        kind: Option<Kind<'_>>,
        rows: &[Answer],
    ) -> Result<(), Error> {
        let Some(kind) = kind.filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        let bytes = write(&kind, self.layout.form, self.zone, rows);
        let times = if self.state().twice.remove(&file) {
            2
        } else {
            1
        };
        for _ in 0..times {
            let number = {
                let mut state = self.state();
                state.number += 1;
                state.number
            };
            let path = format!("{}/{}", self.folders.answers, name(kind.files, number));
            if self.folder.write_new(&path, &bytes).await? == Written::NameTaken {
                return Err(Error::new(
                    ErrorClass::Conflict,
                    format!("the warehouse's file {path} is there already"),
                ));
            }
            if let Whole::Marker(suffix) = kind.whole {
                self.folder
                    .write_new(&format!("{path}{suffix}"), b"")
                    .await?;
            }
        }
        Ok(())
    }
}
