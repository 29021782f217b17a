//! The external systems of a run: what really happened there, whoever heard of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate::facts::{FactBody, IntentWhat, ShipmentFact};
use hikiate_sdk::{
    Call, CancelReply, CancelVerdict, ChannelFulfilment, ChannelState, Contents, InstructionReply,
    Op, ParcelLine, ParcelReport, ReplyVerdict,
};

use super::command::Fate;
use super::money::{refund_by_us, void_by_us};
use super::queue::{Owner, Row};
use super::setting::PLACES;
use super::store::Said;
use super::violation::{Violation, ensure};
use super::world::World;

/// A shipment as its warehouse knows it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The order.
    pub(super) order: usize,
    /// Which warehouse.
    pub(super) place: usize,
    /// What it was told to ship.
    pub(super) fact: ShipmentFact,
    /// It will not leave: stopped.
    pub(super) stopped: bool,
    /// It will not leave: refused.
    pub(super) rejected: bool,
    /// It was asked to stop and has not answered.
    pub(super) asked: bool,
    /// An operator saw all of it leave: nothing more does.
    pub(super) typed: bool,
    /// Parcels: lines and when they left.
    pub(super) parcels: BTreeMap<String, (BTreeMap<u32, u32>, DateTime<Utc>)>,
}

impl Told {
    /// Items of a line that left.
    #[must_use]
    pub(super) fn left(&self, n: u32) -> u32 {
        self.parcels
            .values()
            .map(|(lines, _)| lines.get(&n).copied().unwrap_or(0))
            .sum()
    }

    /// Something left.
    #[must_use]
    pub(super) fn left_any(&self) -> bool {
        !self.parcels.is_empty()
    }
}

/// What happened at the external systems.
#[derive(Clone, Debug, Default)]
pub(super) struct Far {
    done: BTreeSet<String>,
    /// Shipments that warehouses were told of.
    pub(super) told: BTreeMap<String, Told>,
    /// Decisions of which a payment was refunded.
    refunded: BTreeSet<(usize, String, String)>,
    /// Journals that were posted: Σ of debits.
    pub(super) posted: BTreeMap<String, i64>,
}

impl Far {
    /// An effect happened.
    #[must_use]
    pub(super) fn happened(&self, key: &str) -> bool {
        self.done.contains(key)
    }
}

impl World {
    /// Does what a call asks for; the inner error is an external system's refusal.
    ///
    /// # Errors
    /// A violation: it is done a second time.
    pub(super) fn perform(
        &mut self,
        row: &Row,
        fate: Fate,
    ) -> Result<Result<(), String>, Violation> {
        let again = self.far.happened(&row.key);
        if again && row.op == Op::CancelInstruction {
            // Whoever accepts it once more answers once more.
            if let IntentWhat::Call { call, .. } = &row.intent.what
                && let Call::CancelInstruction(call) = call.as_ref()
                && let Some(told) = self.far.told.get_mut(call.reference.as_str())
            {
                told.asked |= fate == Fate::Accepted;
            }
            return Ok(Ok(()));
        }
        // A note is shown again as it was.
        ensure(!again || row.op == Op::Annotate, || {
            format!("{} happened a second time", row.key)
        })?;
        let done = match row.owner {
            Owner::Order(order) => self.perform_call(order, row, fate),
            Owner::Wave(wave) => {
                self.arrive(wave)?;
                Ok(())
            }
            Owner::Books(books) => {
                let (key, debits) = self.journal_of(books);
                let twice = self.far.posted.insert(key.clone(), debits).is_some();
                ensure(!twice, || format!("journal {key} is posted twice"))?;
                Ok(())
            }
        };
        if done.is_ok() {
            self.far.done.insert(row.key.clone());
            self.refunded_once(row)?;
        }
        Ok(done)
    }

    /// What an operator decided to give back of a payment is given back once, whatever key it went out under.
    fn refunded_once(&mut self, row: &Row) -> Result<(), Violation> {
        if let (Owner::Order(order), IntentWhat::Call { call, decision, .. }) =
            (&row.owner, &row.intent.what)
            && let Call::Refund(call) = call.as_ref()
        {
            let what = (*order, decision.clone(), call.payment.to_string());
            ensure(self.far.refunded.insert(what), || {
                format!("{decision} gives back {} a second time", call.payment)
            })?;
        }
        Ok(())
    }

    fn perform_call(&mut self, at: usize, row: &Row, fate: Fate) -> Result<(), String> {
        let IntentWhat::Call { call, .. } = &row.intent.what else {
            return Ok(());
        };
        let order = &mut self.orders[at];
        let unknown = order.gone;
        let gone = matches!(order.truth.state, ChannelState::Cancelled { .. });
        let truth = &mut order.truth;
        match call.as_ref() {
            Call::CancelInstruction(call) => {
                let told = self
                    .far
                    .told
                    .get_mut(call.reference.as_str())
                    .ok_or("unknown reference")?;
                if told.left_any() {
                    return Err("has left".to_owned());
                }
                if fate == Fate::Accepted {
                    told.asked = true;
                } else {
                    told.stopped = true;
                }
                return Ok(());
            }
            Call::Mail(_) => return Ok(()),
            _ if unknown => return Err("there is no such order".to_owned()),
            _ if gone && !matches!(call.as_ref(), Call::Refund(_) | Call::Void(_)) => {
                return Err("the order is cancelled".to_owned());
            }
            Call::Annotate(call) => order.note.clone_from(&call.holds),
            Call::CancelOrder(_) => {
                if truth.fulfilments.iter().any(|f| !f.cancelled()) {
                    return Err("it has fulfilments".to_owned());
                }
                truth.state = ChannelState::Cancelled { at: self.now };
            }
            Call::Capture(call) => {
                let tender = truth
                    .tenders
                    .iter_mut()
                    .find(|tender| tender.key == call.payment && !tender.cancelled)
                    .ok_or("unknown or void payment")?;
                // Somebody else may have captured more than that by now.
                let rest = (call.expected_captured_total - tender.captured).max(0);
                let amount = call.amount.unwrap_or(rest);
                if tender.captured + amount > tender.authorised {
                    return Err("more than authorised".to_owned());
                }
                tender.captured += amount;
            }
            Call::Fulfil(call) => {
                for line in &call.lines {
                    let told: u32 = truth
                        .fulfilments
                        .iter()
                        .filter(|f| !f.cancelled())
                        .flat_map(|f| &f.lines)
                        .filter(|(key, _)| *key == line.line)
                        .map(|(_, quantity)| quantity)
                        .sum();
                    let sold = truth.lines.iter().find(|l| l.key == line.line);
                    if told + line.quantity > sold.map_or(0, |l| l.quantity) {
                        return Err("more than was sold".to_owned());
                    }
                }
                truth.fulfilments.push(ChannelFulfilment {
                    key: format!("ful_{}", truth.fulfilments.len() + 1).into(),
                    reference: Some(call.reference.to_string()),
                    shipped_at: None,
                    cancelled_at: None,
                    location: call.location.clone(),
                    tracking: Vec::new(),
                    lines: call
                        .lines
                        .iter()
                        .map(|line| (line.line.clone(), line.quantity))
                        .collect(),
                });
            }
            Call::Ship(call) => {
                let fulfilment = truth
                    .fulfilments
                    .iter_mut()
                    .find(|f| {
                        !f.cancelled() && f.reference.as_deref() == Some(call.reference.as_str())
                    })
                    .ok_or("unknown fulfilment")?;
                fulfilment.shipped_at = Some(self.now);
                let tracking = call.parcels.iter().filter_map(|p| p.tracking.clone());
                fulfilment.tracking = tracking.collect();
            }
            Call::Instruct(_) | Call::PostJournal { .. } => {}
            Call::Refund(call) => refund_by_us(at, truth, call, self.now)?,
            Call::Void(call) => void_by_us(truth, call)?,
            Call::RecordRefund(_) => {
                return Err("the shop keeps no records of refunds".to_owned());
            }
        }
        order.version += 1;
        Ok(())
    }

    fn sealed_reference(&self, which: u8) -> Option<String> {
        let told: Vec<&String> = self.far.told.keys().collect();
        let at = usize::from(which).checked_rem(told.len())?;
        told.get(at).map(|name| (*name).clone())
    }

    fn post(&mut self, reference: &str, body: FactBody, series: String) {
        let Some(told) = self.far.told.get(reference) else {
            return;
        };
        let kind = body.kind();
        let said = Said {
            order: told.order,
            body,
            series,
            version: None,
            asked: self.now,
        };
        let post = &mut self.posts[told.place];
        // A warehouse shows each thing as it stands.
        post.retain(|old| old.body.kind() != kind || old.series != said.series);
        post.push(said);
    }

    /// A warehouse answers to an instruction.
    pub(super) fn reply(&mut self, which: u8, good: bool) {
        let Some(reference) = self.sealed_reference(which) else {
            return;
        };
        let Some(told) = self.far.told.get_mut(&reference) else {
            return;
        };
        if told.stopped || (!good && told.left_any()) {
            return;
        }
        told.rejected = !good;
        let verdict = if good {
            ReplyVerdict::Accepted
        } else {
            ReplyVerdict::Rejected
        };
        let body = FactBody::Reply(InstructionReply {
            reference: reference.as_str().into(),
            verdict,
            message: "words".to_owned(),
            at: None,
        });
        self.post(&reference, body, reference.clone());
    }

    /// A warehouse answers to a request to stop, or stops by itself.
    pub(super) fn stop_reply(&mut self, which: u8, word: u8) {
        let Some(reference) = self.sealed_reference(which) else {
            return;
        };
        let Some(told) = self.far.told.get_mut(&reference) else {
            return;
        };
        // Nobody declines what was not asked for, or what stands still already.
        let word = if told.stopped { 0 } else { word };
        let unasked = (word != 0 || told.stopped) && !told.asked;
        if told.rejected || unasked || (word == 0 && told.left_any()) {
            return;
        }
        told.stopped = word == 0;
        told.asked = false;
        let verdict = match word {
            0 => CancelVerdict::Accepted,
            1 => CancelVerdict::Declined,
            _ => CancelVerdict::TooLate,
        };
        let body = FactBody::CancelReply(CancelReply {
            reference: reference.as_str().into(),
            verdict,
            message: "words".to_owned(),
            at: None,
            absent: false,
        });
        self.post(&reference, body, reference.clone());
    }

    /// Goods leave in a parcel; 0 units is all that the line still lacks.
    pub(super) fn parcel(&mut self, which: u8, key: u8, line: u8, units: u8) {
        if let Some(reference) = self.sealed_reference(which) {
            self.leave(&reference, &format!("T{key}"), line, units);
        }
    }

    /// As [`Self::parcel`], by reference.
    pub(super) fn leave(&mut self, reference: &str, key: &str, line: u8, units: u8) {
        let now = self.now;
        let Some(told) = self.far.told.get_mut(reference) else {
            return;
        };
        // Now and then goods leave that were stopped: an operator at a packing table.
        let against = told.stopped || told.rejected;
        if told.fact.lines.is_empty() || told.typed || (against && units != 4) {
            return;
        }
        let line = &told.fact.lines[usize::from(line) % told.fact.lines.len()];
        let (n, wanted, item) = (line.n, line.quantity, line.item_id);
        let before = told.left(n);
        let name = format!("{key}-{reference}");
        let old = told.parcels.get(&name);
        let here = old
            .and_then(|(lines, _)| lines.get(&n))
            .copied()
            .unwrap_or(0);
        let set = if units == 0 {
            here + wanted.saturating_sub(before)
        } else {
            u32::from(units)
        };
        if set == here {
            return;
        }
        let after = before - here + set;
        // Goods beyond what was instructed under another number, line for line as in a parcel before: that is by rule the same
        // parcel with its number corrected, and nothing on this side could tell that both left.
        let mut told_now = old.map(|(lines, _)| lines.clone()).unwrap_or_default();
        told_now.insert(n, set);
        let others = told.parcels.iter().filter(|(of, _)| **of != name);
        if after > wanted && others.into_iter().any(|(_, (lines, _))| *lines == told_now) {
            return;
        }
        let parcel = told
            .parcels
            .entry(name.clone())
            .or_insert((BTreeMap::new(), now));
        parcel.0.insert(n, set);
        let report = ParcelReport {
            also: Vec::new(),
            shipped_until: None,
            adds: false,
            told: None,
            reference: reference.into(),
            key: name.clone(),
            named: false,
            carrier: Some("yamato".to_owned()),
            tracking: Some(name.clone()),
            shipped_at: parcel.1,
            contents: Contents::Lines(
                parcel
                    .0
                    .iter()
                    .map(|(n, quantity)| ParcelLine::new(*n, *quantity))
                    .collect(),
            ),
        };
        let (place, order) = (told.place, told.order);
        self.orders[order].shrunk |= against || set < here || after > wanted;
        let shelf = self.shelves.entry((item, PLACES[place].0)).or_default();
        *shelf += i64::from(here) - i64::from(set);
        let series = format!("{reference}:{name}");
        self.post(reference, FactBody::Parcel(report), series);
    }
}
