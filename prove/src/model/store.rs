//! One order of a run: its rows in memory, the heads of its readings, and the channel's own view of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use hikiate::facts::{ABSENCE_SETTLE, FactBody, OutcomeFact, PresenceFact, Verdict};
use hikiate::plan::FieldKey;
use hikiate::plan::command::Wish;
use hikiate::plan::memory::Memory;
use hikiate::plan::types::{
    Begin, DataLoss, OrderInput, OrderPlan, Origin, QueuedEffect, ShipmentStage, ShipmentState,
    ShippingStop,
};
use hikiate::store::{Head, Judgement, judge};
use hikiate_sdk::{AccountSlug, OrderSnapshot, ShownHold};

use super::setting::{SHOP, ZONE, epochs, items};
use super::shape;
use super::violation::{Violation, ensure};
use crate::fault;

/// A reading on its way to the store.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The order.
    pub(super) order: usize,
    /// What it says.
    pub(super) body: FactBody,
    /// Its series; empty for the order itself.
    pub(super) series: String,
    /// The external system's count of changes.
    pub(super) version: Option<i64>,
    /// When it was asked for.
    pub(super) asked: DateTime<Utc>,
}

/// Looks in a row that did not find an order.
#[derive(Clone, Copy, Debug, Default)]
struct Absence {
    misses: u8,
    since: DateTime<Utc>,
    asked: DateTime<Utc>,
    n: u32,
}

/// One order as stored, and the channel's own view of it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    rows: Memory,
    /// The order at the channel.
    pub(super) truth: OrderSnapshot,
    /// The channel's count of changes.
    pub(super) version: i64,
    /// What its staff are shown of holds.
    pub(super) note: Vec<ShownHold>,
    /// It has new input.
    pub(super) dirty: bool,
    /// Highest version of a reading that came.
    pub(super) newest: i64,
    /// Something made less due than before: what was taken may be more than is owed.
    pub(super) shrunk: bool,
    /// It is to be read again.
    pub(super) reread: bool,
    /// Something was told or typed since it was last planned.
    pub(super) new_input: bool,
    /// The channel shows it no more.
    pub(super) gone: bool,
    /// Counts the addresses it had, from 1.
    pub(super) address: i32,
    /// The address each shipment was sealed with.
    pub(super) sealed_with: BTreeMap<String, (i32, Option<String>)>,
    /// Staff undid a fulfilment: what the channel shows need not be what left.
    pub(super) undone: bool,
    /// Kinds of all tasks that it ever had.
    pub(super) named: BTreeSet<String>,
    absence: Absence,
    heads: BTreeMap<String, (Head, FactBody)>,
    hashes: u64,
    typed: u32,
}

/// An order is its rows, with what only a run knows of it beside them.
impl Deref for Order {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.rows
    }
}

impl DerefMut for Order {
    fn deref_mut(&mut self) -> &mut Memory {
        &mut self.rows
    }
}

impl Order {
    /// An order nobody has read yet.
    #[must_use]
    pub(super) fn new(
        subject_id: i64,
        truth: OrderSnapshot,
        begin: Begin,
        stops: Vec<ShippingStop>,
    ) -> Self {
        let input = OrderInput {
            subject_id,
            channel: AccountSlug::new(SHOP),
            external_id: truth.external_id.clone(),
            number: format!("HK{subject_id:013}"),
            origin: Origin::Live,
            facts: Vec::new(),
            personal: Some(shape::personal(1)),
            purged: false,
            queue: Vec::new(),
            demands: Vec::new(),
            shipments: Vec::new(),
            revenue: Vec::new(),
            deposit_books: Default::default(),
            items: items(),
            codes: BTreeMap::new(),
            read_at: None,
            hidden: false,
            active_from: epochs(),
            lost: DataLoss::default(),
            paused: BTreeSet::new(),
            stops,
            begin,
            new_input: true,
            counted: BTreeMap::new(),
            many_changes: BTreeSet::new(),
            shared: Vec::new(),
            channel_alarm: false,
            not_written: Vec::new(),
            at_once: None,
            field_key: FieldKey::default(),
            claims: Vec::new(),
            payments: None,
        };
        Self {
            rows: Memory::new(input, ZONE),
            truth,
            version: 1,
            note: Vec::new(),
            dirty: false,
            newest: 0,
            shrunk: false,
            reread: false,
            new_input: false,
            gone: false,
            address: 1,
            sealed_with: BTreeMap::new(),
            undone: false,
            named: BTreeSet::new(),
            absence: Absence::default(),
            heads: BTreeMap::new(),
            hashes: 0,
            typed: 0,
        }
    }

    /// Stores a fact. A decision or an intent under a known key is refused, other facts are then not new input.
    pub(super) fn fact(
        &mut self,
        next: &mut i64,
        key: String,
        body: FactBody,
        times: (DateTime<Utc>, DateTime<Utc>),
        actor: &str,
    ) -> Result<bool, Violation> {
        let once = matches!(body, FactBody::Intent(_) | FactBody::Shipment(_));
        let known = key.clone();
        if !self.rows.store(next, key, body, times, actor) {
            ensure(!once, || format!("{known} was decided a second time"))?;
            return Ok(false);
        }
        self.new_input |= !matches!(actor, "plan" | "push");
        self.dirty = true;
        Ok(true)
    }

    /// An operator's decision.
    pub(super) fn typed(
        &mut self,
        next: &mut i64,
        word: &str,
        body: FactBody,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        self.typed += 1;
        let key = format!("{word}:person:{}", self.typed);
        self.fact(next, key, body, (now, now), "somebody").map(drop)
    }

    /// A reading comes in.
    pub(super) fn hear(
        &mut self,
        next: &mut i64,
        said: &Said,
        answered: DateTime<Utc>,
    ) -> Result<Judgement, Violation> {
        let place = format!("{}:{}", said.body.kind(), said.series);
        let known = self.heads.get(&place);
        // Two readings have one hash when they say the same; nothing else of a hash matters here.
        let hash = match known {
            Some((head, body)) if *body == said.body => head.hash.clone(),
            _ => {
                self.hashes += 1;
                self.hashes.to_be_bytes().to_vec()
            }
        };
        let judgement = fault::judged(judge(
            known.map(|(head, _)| head),
            &hash,
            said.version,
            said.asked,
            answered,
        ));
        let n = known.map_or(0, |(head, _)| head.n) + 1;
        self.newest = self.newest.max(said.version.unwrap_or(0));
        let shown = matches!(said.body, FactBody::Order(_));
        if shown && self.absence.misses > 0 && said.asked > self.absence.asked {
            self.look(next, 0, said.asked)?;
        }
        match judgement {
            Judgement::New => {
                if let FactBody::Order(order) = &said.body {
                    self.input.personal = Some(shape::personal(order.personal_version));
                }
                let key = format!("{place}:{n}");
                let happened = match &said.body {
                    FactBody::Parcel(report) => report.shipped_at,
                    _ => said.asked,
                };
                let times = (happened, said.asked);
                self.fact(next, key, said.body.clone(), times, "pull")?;
                let head = Head {
                    hash,
                    version: said.version,
                    n,
                    requested_at: said.asked,
                    received_at: answered,
                    contradicted_at: None,
                    here: false,
                };
                self.heads.insert(place, (head, said.body.clone()));
            }
            Judgement::Same => {
                if let Some((head, _)) = self.heads.get_mut(&place)
                    && said.asked > head.requested_at
                {
                    head.requested_at = said.asked;
                    head.received_at = answered;
                }
            }
            Judgement::Stale => {}
            Judgement::Overlap | Judgement::Older => self.reread = true,
        }
        Ok(judgement)
    }

    /// It was asked for by its id and is not there.
    pub(super) fn miss(&mut self, next: &mut i64, now: DateTime<Utc>) -> Result<(), Violation> {
        match self.absence.misses {
            0 => {
                self.absence.since = now;
                self.look(next, 1, now)
            }
            1 if now >= self.absence.since + ABSENCE_SETTLE => self.look(next, 2, now),
            _ => Ok(()),
        }
    }

    fn look(&mut self, next: &mut i64, misses: u8, at: DateTime<Utc>) -> Result<(), Violation> {
        self.absence.n += 1;
        (self.absence.misses, self.absence.asked) = (misses, at);
        let key = format!("presence::{}", self.absence.n);
        let body = FactBody::Presence(PresenceFact { misses });
        self.fact(next, key, body, (at, at), "pull").map(drop)
    }

    /// Stores what an operator's command means.
    pub(super) fn wish(
        &mut self,
        next: &mut i64,
        wish: &Wish,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        for fact in &wish.facts {
            let key = if fact.again {
                self.typed += 1;
                format!("{}:person:{}", fact.key, self.typed)
            } else {
                fact.key.clone()
            };
            let times = (fact.happened_at.unwrap_or(now), now);
            self.fact(next, key, fact.body.clone(), times, "somebody")?;
        }
        if let Some(new) = &wish.shipment {
            let reference = new.reference.clone();
            self.shipments.insert(reference.to_string(), new.clone());
            let state = ShipmentStage::Instructed;
            self.input
                .shipments
                .push(ShipmentState { reference, state });
        }
        Ok(())
    }

    /// The outcome of an intent.
    pub(super) fn outcome(
        &mut self,
        next: &mut i64,
        outcome: OutcomeFact,
        now: DateTime<Utc>,
        actor: &str,
    ) -> Result<bool, Violation> {
        let key = match outcome.verdict {
            Verdict::Evidence => format!("{}:evidence:{next}", outcome.intent),
            _ => outcome.key(),
        };
        self.fact(next, key, FactBody::Outcome(outcome), (now, now), actor)
    }

    /// Writes a plan. The caller keeps the run's queue in step.
    pub(super) fn write(
        &mut self,
        next: &mut i64,
        plan: &OrderPlan,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        for effect in &plan.effects {
            let key = &effect.key;
            ensure(key.len() <= 200, || format!("key {key} is too long"))?;
        }
        let written = self.rows.apply(next, plan, now);
        written.map_err(|refused| Violation::new(refused.to_string()))?;
        (self.dirty, self.new_input) = (false, false);
        Ok(())
    }

    /// Puts the queue's rows of this order where planning sees them.
    pub(super) fn mirror<'r>(&mut self, rows: impl Iterator<Item = &'r super::queue::Row>) {
        self.input.queue.clear();
        self.input.queue.extend(rows.map(|row| QueuedEffect {
            id: row.id,
            account: row.account.clone(),
            op: row.op,
            key: row.key.clone(),
            state: row.state,
            outcome_unknown: row.outcome_unknown,
            error: None,
        }));
    }
}
