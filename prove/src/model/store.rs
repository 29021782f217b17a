//! One order of a run: its rows in memory, the heads of its readings, and the channel's own view of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use hikiate::facts::{FactBody, OutcomeFact, Verdict};
use hikiate::plan::FieldKey;
use hikiate::plan::memory::Memory;
use hikiate::plan::types::{Begin, Lost, OrderInput, OrderPlan, Origin, QueuedEffect};
use hikiate::store::{Head, Judgement, judge};
use hikiate_sdk::{AccountSlug, OrderSnapshot, Personal};

use super::setting::{SHOP, ZONE, epochs, items};
use super::violation::{Violation, ensure};

/// A reading on its way to the store.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The order.
    pub(super) order: usize,
    /// What it says.
    pub(super) body: FactBody,
    /// Its series; empty for the order itself.
    pub(super) series: String,
    /// The far side's count of changes.
    pub(super) version: Option<i64>,
    /// When it was asked for.
    pub(super) asked: DateTime<Utc>,
}

/// One order as stored, and the channel's own view of it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    rows: Memory,
    /// The order at the channel.
    pub(super) truth: OrderSnapshot,
    /// The channel's count of changes.
    pub(super) version: i64,
    /// It has news.
    pub(super) dirty: bool,
    /// Highest version of a reading that came.
    pub(super) newest: i64,
    /// Something made less due than before: what was taken may be more than is owed.
    pub(super) shrunk: bool,
    /// It is to be read again.
    pub(super) reread: bool,
    /// Something was told or typed since it was last planned.
    pub(super) news: bool,
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
    pub(super) fn new(subject_id: i64, truth: OrderSnapshot) -> Self {
        let input = OrderInput {
            subject_id,
            channel: AccountSlug::new(SHOP),
            external_id: truth.external_id.clone(),
            number: format!("HK{subject_id:013}"),
            origin: Origin::Live,
            facts: Vec::new(),
            personal: Some(Personal::default()),
            queue: Vec::new(),
            demands: Vec::new(),
            shipments: Vec::new(),
            revenue: Vec::new(),
            items: items(),
            read_at: None,
            hidden: false,
            epochs: epochs(),
            lost: Lost::default(),
            paused: BTreeSet::new(),
            stops: Vec::new(),
            begin: Begin::always(),
            news: true,
            counted: BTreeMap::new(),
            many_changes: BTreeSet::new(),
            channel_alarm: false,
            at_once: None,
            field_key: FieldKey::default(),
        };
        Self {
            rows: Memory::new(input, ZONE),
            truth,
            version: 1,
            dirty: false,
            newest: 0,
            shrunk: false,
            reread: false,
            news: false,
            heads: BTreeMap::new(),
            hashes: 0,
            typed: 0,
        }
    }

    /// Stores a fact. A decision or an intent under a known key is refused, other facts are then not news.
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
        self.news |= !matches!(actor, "plan" | "push");
        self.dirty = true;
        Ok(true)
    }

    /// A person's decision.
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
        let judgement = judge(
            known.map(|(head, _)| head),
            &hash,
            said.version,
            said.asked,
            answered,
        );
        self.newest = self.newest.max(said.version.unwrap_or(0));
        match judgement {
            Judgement::New => {
                let n = known.map_or(0, |(head, _)| head.n) + 1;
                let key = format!("{place}:{n}");
                let happened = match &said.body {
                    FactBody::Parcel(report) => report.left_at,
                    _ => said.asked,
                };
                let times = (happened, said.asked);
                self.fact(next, key, said.body.clone(), times, "pull")?;
                let head = Head {
                    hash,
                    version: said.version,
                    n,
                    asked_at: said.asked,
                    answered_at: answered,
                    here: false,
                };
                self.heads.insert(place, (head, said.body.clone()));
            }
            Judgement::Same => {
                if let Some((head, _)) = self.heads.get_mut(&place)
                    && said.asked > head.asked_at
                {
                    head.asked_at = said.asked;
                    head.answered_at = answered;
                }
            }
            Judgement::Stale => {}
            Judgement::Overlap => self.reread = true,
        }
        Ok(judgement)
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
        (self.dirty, self.news) = (false, false);
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
            ambiguous: row.ambiguous,
        }));
    }
}
