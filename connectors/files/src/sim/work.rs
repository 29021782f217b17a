//! The warehouse at work: taking instructions, stopping and shipping.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{Error, ErrorClass};

use super::answers::Answer;
use super::model::{SimCancel, SimFile, SimHandling, SimLine, SimParcel, SimShipment, SimTick};
use super::reader::{SimRow, read};
use super::warehouse::WarehouseSim;
use crate::layout::Field;
use crate::wire::envelope::sha256;

#[derive(Default)]
pub(super) struct State {
    pub(super) read: BTreeSet<String>,
    pub(super) seen: BTreeMap<String, usize>,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) stock: BTreeMap<String, i64>,
    pub(super) twice: BTreeSet<SimFile>,
    pub(super) number: u32,
    pub(super) pending: Answers,
    /// What is rejected is told with whom it is for.
    pub(super) repeats_names: bool,
}

pub(super) struct Job {
    pub(super) shipment: SimShipment,
    pub(super) handling: SimHandling,
    pub(super) age: u32,
    pub(super) waiting: Vec<SimLine>,
    pub(super) open: bool,
    pub(super) cancelled: bool,
    pub(super) parcels: Vec<SimParcel>,
}

#[derive(Default)]
pub(super) struct Answers {
    pub(super) reply: Vec<Answer>,
    pub(super) shipped: Vec<Answer>,
    pub(super) cancel: Vec<Answer>,
}

impl WarehouseSim {
    pub(super) fn take(
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

    pub(super) fn instruct(
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
            Some(message) if state.repeats_names => {
                let message = format!("{message} ({})", self.recipient(&shipment));
                (word(words.map(|w| &w.rejected)), message)
            }
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

    /// Whom a shipment is for, as its cells say.
    fn recipient(&self, shipment: &SimShipment) -> String {
        let columns = self.layout.instruct.iter().flat_map(|i| &i.columns);
        let of = columns.filter(|column| column.value.contains("row.ship_to."));
        let cells = of.filter_map(|column| shipment.cells.get(&column.name));
        let cells: Vec<&str> = cells.map(String::as_str).collect();
        cells.join(" ")
    }

    pub(super) fn cancel(&self, row: &SimRow, now: DateTime<Utc>) -> Answer {
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

    pub(super) fn ship(&self, now: DateTime<Utc>, answers: &mut Answers, told: &mut SimTick) {
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
                    .push(Answer::new(&texts, (Field::ShippedAt, now)));
            }
            job.open = !job.waiting.is_empty();
            job.parcels.push(SimParcel {
                tracking,
                shipped_at: now,
                lines,
            });
            told.parcels += 1;
        }
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
