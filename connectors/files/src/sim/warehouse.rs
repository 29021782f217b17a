//! A 3PL with a memory: it takes instruction files, answers, ships, and knows how often it was told what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{Error, ErrorClass};

use super::answers::{Answer, name, write};
use super::reader::{SimRow, read};
use crate::client::{Folder, Written};
use crate::layout::{Field, Incoming, Layout, PickedUp, Whole};
use crate::wire::envelope::sha256;

/// Folders below the root, from the warehouse's side of the same account.
#[derive(Clone, Debug)]
pub struct SimFolders {
    /// Where instructions arrive: the account's `outgoing`.
    pub instructions: String,
    /// Where answers go: the account's `incoming`.
    pub answers: String,
    /// Where files that were read go, unless the layout keeps them.
    pub done: String,
}

impl Default for SimFolders {
    fn default() -> Self {
        Self {
            instructions: "outgoing".to_owned(),
            answers: "incoming".to_owned(),
            done: "picked-up".to_owned(),
        }
    }
}

/// A kind of answer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimFile {
    /// 受付.
    Reply,
    /// 出荷実績.
    Shipped,
    /// 取消回答.
    CancelReply,
    /// 在庫.
    Stock,
}

/// A shipment as the warehouse was told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimShipment {
    /// Our reference.
    pub reference: String,
    /// Our order number.
    pub order_number: String,
    /// What goes in.
    pub lines: Vec<SimLine>,
    /// The first row's cells by header.
    pub cells: BTreeMap<String, String>,
}

/// One line of a shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimLine {
    /// Its number.
    pub n: u32,
    /// The warehouse's code of the item.
    pub code: String,
    /// How many.
    pub quantity: u32,
}

/// A parcel that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimParcel {
    /// Derived from the reference, so that it is the same in every run.
    pub tracking: String,
    /// When it left.
    pub left_at: DateTime<Utc>,
    /// What was inside.
    pub lines: Vec<SimLine>,
}

/// What the warehouse answers to a cancel request before it has shipped; afterwards it is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimCancel {
    /// Stops the shipment.
    Accept,
    /// Ships all the same.
    Decline,
}

/// What the warehouse does with a shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimHandling {
    /// Refuses it in these words.
    pub reject: Option<String>,
    /// Ticks between acceptance and the first parcel.
    pub ship_after: u32,
    /// Ships one parcel per line, a tick apart, instead of one parcel.
    pub parcel_per_line: bool,
    /// How many of the last line stay behind for good.
    pub leave_out: u32,
    /// See [`SimCancel`].
    pub cancel: SimCancel,
}

impl Default for SimHandling {
    fn default() -> Self {
        Self {
            reject: None,
            ship_after: 1,
            parcel_per_line: false,
            leave_out: 0,
            cancel: SimCancel::Accept,
        }
    }
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimTick {
    /// Files of ours read.
    pub files: usize,
    /// Instructions accepted, also those told again.
    pub accepted: usize,
    /// Instructions refused.
    pub rejected: usize,
    /// Parcels that left.
    pub parcels: usize,
    /// Cancel requests answered.
    pub cancels: usize,
}

type Policy = Box<dyn Fn(&SimShipment) -> SimHandling + Send + Sync>;

/// A warehouse that works with files. It does nothing between two ticks.
pub struct WarehouseSim {
    folder: Arc<dyn Folder>,
    folders: SimFolders,
    layout: Layout,
    zone: Tz,
    place: Option<String>,
    policy: Policy,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: BTreeSet<String>,
    seen: BTreeMap<String, usize>,
    jobs: BTreeMap<String, Job>,
    stock: BTreeMap<String, i64>,
    twice: BTreeSet<SimFile>,
    number: u32,
}

struct Job {
    shipment: SimShipment,
    handling: SimHandling,
    age: u32,
    waiting: Vec<SimLine>,
    open: bool,
    cancelled: bool,
    parcels: Vec<SimParcel>,
}

#[derive(Default)]
struct Answers {
    reply: Vec<Answer>,
    shipped: Vec<Answer>,
    cancel: Vec<Answer>,
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is on the shelf.
    pub fn set_stock(&self, code: &str, quantity: i64) {
        self.state().stock.insert(code.to_owned(), quantity);
    }

    /// What is on the shelf; shipping takes it down.
    pub fn stock(&self) -> BTreeMap<String, i64> {
        self.state().stock.clone()
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
    /// Those of the folder; `Protocol` for a file that does not fit the layout. What was read before stays read.
    pub async fn tick(&self, now: DateTime<Utc>) -> Result<SimTick, Error> {
        let (mut told, mut answers) = (SimTick::default(), Answers::default());
        self.ship(now, &mut answers, &mut told);
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
            self.take(&entry.name, &bytes, now, &mut answers, &mut told)?;
            told.files += 1;
            self.state().read.insert(entry.name.clone());
            if self.layout.picked_up != PickedUp::Kept {
                self.folder
                    .rename(&path, &format!("{}/{}", self.folders.done, entry.name))
                    .await?;
            }
        }
        self.put(SimFile::Reply, self.layout.reply.as_ref(), &answers.reply)
            .await?;
        self.put(
            SimFile::CancelReply,
            self.layout.cancel_reply.as_ref(),
            &answers.cancel,
        )
        .await?;
        self.put(
            SimFile::Shipped,
            self.layout.shipped.as_ref(),
            &answers.shipped,
        )
        .await?;
        Ok(told)
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
        self.put(SimFile::Stock, self.layout.stock.as_ref(), &rows)
            .await
    }

    fn take(
        &self,
        file: &str,
        bytes: &[u8],
        now: DateTime<Utc>,
        answers: &mut Answers,
        told: &mut SimTick,
    ) -> Result<(), Error> {
        let form = self.layout.form;
        let cancel = self
            .layout
            .cancel
            .as_ref()
            .and_then(|c| read(bytes, &form.with(c.form), &c.columns));
        if let Some(rows) = cancel.filter(|_| file.contains("-cancel-")) {
            for row in rows {
                answers.cancel.push(self.cancel(&row, now));
                told.cancels += 1;
            }
            return Ok(());
        }
        let rows = self
            .layout
            .instruct
            .as_ref()
            .and_then(|i| read(bytes, &form.with(i.form), &i.columns));
        let rows = rows.ok_or_else(|| {
            Error::new(
                ErrorClass::Protocol,
                format!("the warehouse cannot read {file}"),
            )
        })?;
        let mut shipments: Vec<SimShipment> = Vec::new();
        for row in rows {
            let reference = row.field("reference");
            let number = |field| {
                row.field(field).parse().map_err(|_| {
                    Error::new(
                        ErrorClass::Protocol,
                        format!("{file}: {field} is no number"),
                    )
                })
            };
            let line = SimLine {
                n: number("n")?,
                code: row.field("code"),
                quantity: number("quantity")?,
            };
            match shipments.iter_mut().find(|s| s.reference == reference) {
                Some(known) => known.lines.push(line),
                None => shipments.push(SimShipment {
                    reference,
                    order_number: row.field("order_number"),
                    lines: vec![line],
                    cells: row.cells,
                }),
            }
        }
        for shipment in shipments {
            self.instruct(shipment, now, answers, told);
        }
        Ok(())
    }

    fn instruct(
        &self,
        shipment: SimShipment,
        now: DateTime<Utc>,
        answers: &mut Answers,
        told: &mut SimTick,
    ) {
        let handling = (self.policy)(&shipment);
        let mut state = self.state();
        *state.seen.entry(shipment.reference.clone()).or_default() += 1;
        let words = self.layout.reply.as_ref().map(|r| &r.verdicts);
        let word =
            |list: Option<&Vec<String>>| list.and_then(|l| l.first()).cloned().unwrap_or_default();
        let accepted = handling.reject.is_none();
        let (verdict, message) = match &handling.reject {
            Some(message) => (word(words.map(|w| &w.rejected)), message.clone()),
            None => (word(words.map(|w| &w.accepted)), String::new()),
        };
        let texts = [
            (Field::Reference, shipment.reference.as_str()),
            (Field::Verdict, &verdict),
            (Field::Message, &message),
        ];
        answers.reply.push(Answer::new(&texts, (Field::At, now)));
        *(if accepted {
            &mut told.accepted
        } else {
            &mut told.rejected
        }) += 1;
        state
            .jobs
            .entry(shipment.reference.clone())
            .or_insert_with(|| {
                let mut waiting = shipment.lines.clone();
                if let Some(last) = waiting.last_mut() {
                    last.quantity = last.quantity.saturating_sub(handling.leave_out);
                }
                waiting.retain(|l| l.quantity > 0);
                Job {
                    shipment,
                    handling,
                    age: 0,
                    waiting,
                    open: accepted,
                    cancelled: false,
                    parcels: Vec::new(),
                }
            });
    }

    fn cancel(&self, row: &SimRow, now: DateTime<Utc>) -> Answer {
        let reference = row.field("reference");
        let mut state = self.state();
        let words = self
            .layout
            .cancel_reply
            .as_ref()
            .map(|c| c.verdicts.clone())
            .unwrap_or_default();
        let list = match state.jobs.get_mut(&reference) {
            Some(job) if job.cancelled => &words.accepted,
            Some(job) if !job.parcels.is_empty() => &words.too_late,
            Some(job) if job.open && job.handling.cancel == SimCancel::Accept => {
                job.open = false;
                job.cancelled = true;
                &words.accepted
            }
            _ => &words.declined,
        };
        let verdict = list.first().cloned().unwrap_or_default();
        Answer::new(
            &[(Field::Reference, &reference), (Field::Verdict, &verdict)],
            (Field::At, now),
        )
    }

    fn ship(&self, now: DateTime<Utc>, answers: &mut Answers, told: &mut SimTick) {
        let state = &mut *self.state();
        for job in state
            .jobs
            .values_mut()
            .filter(|j| j.open && !j.waiting.is_empty())
        {
            job.age += 1;
            if job.age < job.handling.ship_after {
                continue;
            }
            let count = if job.handling.parcel_per_line {
                1
            } else {
                job.waiting.len()
            };
            let lines: Vec<_> = job.waiting.drain(..count).collect();
            let reference = job.shipment.reference.clone();
            let tracking = tracking(&reference, job.parcels.len());
            for line in &lines {
                *state.stock.entry(line.code.clone()).or_default() -= i64::from(line.quantity);
                let texts = [
                    (Field::Reference, reference.as_str()),
                    (Field::Line, &line.n.to_string()),
                    (Field::Code, &line.code),
                    (Field::Quantity, &line.quantity.to_string()),
                    (Field::Carrier, "ヤマト運輸"),
                    (Field::Tracking, &tracking),
                    (Field::Parcel, &tracking),
                ];
                answers
                    .shipped
                    .push(Answer::new(&texts, (Field::LeftAt, now)));
            }
            job.open = !job.waiting.is_empty();
            job.parcels.push(SimParcel {
                tracking,
                left_at: now,
                lines,
            });
            told.parcels += 1;
        }
    }

    async fn put<V>(
        &self,
        file: SimFile,
        kind: Option<&Incoming<V>>,
        rows: &[Answer],
    ) -> Result<(), Error> {
        let Some(kind) = kind.filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        let bytes = write(kind, self.layout.form, self.zone, rows);
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
            let path = format!("{}/{}", self.folders.answers, name(&kind.files, number));
            if self.folder.write_new(&path, &bytes).await? == Written::NameTaken {
                return Err(Error::new(
                    ErrorClass::Conflict,
                    format!("the warehouse's file {path} is there already"),
                ));
            }
            if let Whole::Marker(suffix) = &kind.whole {
                self.folder
                    .write_new(&format!("{path}{suffix}"), b"")
                    .await?;
            }
        }
        Ok(())
    }
}

/// Twelve digits that depend on the reference and the parcel alone.
fn tracking(reference: &str, parcel: usize) -> String {
    let hash = sha256(format!("{reference}/{parcel}").as_bytes());
    hash.bytes()
        .take(12)
        .map(|b| char::from(b'0' + b % 10))
        .collect()
}
