//! The store of a run, in memory: facts under unique keys, heads, plans written as the SQL store writes them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Duration, Utc};
use hikiate::facts::{Fact, FactBody, OutcomeFact, Verdict};
use hikiate::plan::FieldKey;
use hikiate::plan::types::{
    Begin, DemandState, EffectState, Lost, OrderInput, OrderPlan, Origin, QueuedEffect,
    ShipmentStage, ShipmentState, Status,
};
use hikiate::store::{Head, Judgement, judge};
use hikiate_sdk::{AccountSlug, OrderSnapshot, Personal, ShipmentReference};

use super::setting::{SHOP, epochs, items};
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

/// A tender row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TenderHeld {
    /// Most that may be captured.
    pub(super) ceiling: i64,
    /// What we decided to capture.
    pub(super) intended: i64,
}

/// One order as stored, and the channel's own view of it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Everything planning sees.
    pub(super) input: OrderInput,
    /// The order at the channel.
    pub(super) truth: OrderSnapshot,
    /// The channel's count of changes.
    pub(super) version: i64,
    /// It has news.
    pub(super) dirty: bool,
    /// When it is planned again without news.
    pub(super) plan_at: Option<DateTime<Utc>>,
    /// As last planned.
    pub(super) status: Status,
    /// As last planned.
    pub(super) closed: bool,
    /// Rank and release times by the last plan: line → (promised, ordered).
    pub(super) ranks: BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>,
    /// Not sealed before.
    pub(super) release_at: BTreeMap<String, DateTime<Utc>>,
    /// Tender rows.
    pub(super) tenders: BTreeMap<i16, TenderHeld>,
    /// Stock movements by cause: item, place, units, when.
    pub(super) entries: BTreeMap<String, (i64, String, i64, DateTime<Utc>)>,
    /// Tasks as last planned.
    pub(super) tasks: Vec<String>,
    /// Highest version of a reading that came.
    pub(super) newest: i64,
    /// Something made less due than before: what was taken may be more than is owed.
    pub(super) shrunk: bool,
    /// It is to be read again.
    pub(super) reread: bool,
    /// Something was told or typed since it was last planned.
    pub(super) news: bool,
    keys: HashSet<String>,
    heads: BTreeMap<String, (Head, FactBody)>,
    hashes: u64,
    typed: u32,
}

impl Order {
    /// An order nobody has read yet.
    #[must_use]
    pub(super) fn new(subject_id: i64, truth: OrderSnapshot) -> Self {
        Self {
            input: OrderInput {
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
                epochs: epochs(),
                lost: Lost::default(),
                paused: BTreeSet::new(),
                stops: Vec::new(),
                news: true,
                counted: BTreeMap::new(),
                many_changes: BTreeSet::new(),
                by_machine: false,
                field_key: FieldKey::default(),
                begin: Begin::always(),
            },
            truth,
            version: 1,
            dirty: false,
            plan_at: None,
            status: Status::Received,
            closed: false,
            ranks: BTreeMap::new(),
            release_at: BTreeMap::new(),
            tenders: BTreeMap::new(),
            entries: BTreeMap::new(),
            tasks: Vec::new(),
            newest: 0,
            shrunk: false,
            reread: false,
            news: false,
            keys: HashSet::new(),
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
        (happened_at, recorded_at): (DateTime<Utc>, DateTime<Utc>),
        actor: &str,
    ) -> Result<bool, Violation> {
        if !self.keys.insert(key.clone()) {
            let once = matches!(body, FactBody::Intent(_) | FactBody::Shipment(_));
            ensure(!once, || format!("{key} was decided a second time"))?;
            return Ok(false);
        }
        self.news |= !matches!(actor, "plan" | "push");
        *next += 1;
        self.input.facts.push(Fact {
            id: *next,
            key,
            body,
            happened_at,
            recorded_at,
            business_date: (happened_at + Duration::hours(9)).date_naive(),
            actor: actor.to_owned(),
        });
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
        let word = match outcome.verdict {
            Verdict::Done => "done",
            Verdict::Accepted => "accepted",
            Verdict::Refused => "refused",
            Verdict::Withdrawn => "withdrawn",
            Verdict::NotDone => "not_done",
            Verdict::Evidence => "evidence",
        };
        let key = match outcome.verdict {
            Verdict::Evidence => format!("{}:evidence:{next}", outcome.intent),
            _ => format!("{}:outcome:{word}", outcome.intent),
        };
        self.fact(next, key, FactBody::Outcome(outcome), (now, now), actor)
    }

    /// Writes a plan; false when it is to be made again. The caller takes withdrawn rows out of the queue and
    /// queues the new ones.
    pub(super) fn write(
        &mut self,
        next: &mut i64,
        plan: &OrderPlan,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        for decision in &plan.decisions {
            self.fact(
                next,
                decision.key.clone(),
                decision.body.clone(),
                (now, now),
                "plan",
            )?;
        }
        for gone in &plan.withdraw {
            self.outcome(next, gone.outcome.clone(), now, "plan")?;
        }
        self.write_goods(next, plan)?;
        self.write_money(plan)?;
        let mut accounts: BTreeSet<&AccountSlug> = self
            .input
            .queue
            .iter()
            .filter(|row| row.state != EffectState::Unresolved)
            .filter(|row| !plan.withdraw.iter().any(|gone| gone.effect_id == row.id))
            .map(|row| &row.account)
            .collect();
        for effect in &plan.effects {
            let (key, account) = (&effect.key, &effect.intent.account);
            ensure(key.len() <= 200, || format!("key {key} is too long"))?;
            ensure(accounts.insert(account), || {
                format!("{key}: a second effect is queued at {account}")
            })?;
        }
        for effect in &plan.effects {
            let body = FactBody::Intent(Box::new(effect.intent.clone()));
            self.fact(next, effect.key.clone(), body, (now, now), "plan")?;
        }
        self.status = plan.status;
        self.closed = plan.closed;
        self.plan_at = plan.next;
        self.tasks = plan.tasks.iter().map(|task| task.kind.clone()).collect();
        (self.dirty, self.news) = (false, false);
        Ok(())
    }

    fn write_goods(&mut self, next: &mut i64, plan: &OrderPlan) -> Result<(), Violation> {
        for row in &plan.demands {
            let rank = (row.promised_at, row.ordered_at);
            self.ranks.insert(row.line.to_string(), rank);
            let stored = self.input.demands.iter_mut().find(|d| d.line == row.line);
            if let Some(stored) = stored {
                (stored.wanted, stored.shipped) = (row.wanted, row.shipped);
                (stored.firm, stored.item_id) = (row.firm, row.item_id);
            } else {
                *next += 1;
                self.input.demands.push(DemandState {
                    id: *next,
                    line: row.line.clone(),
                    item_id: row.item_id,
                    wanted: row.wanted,
                    shipped: row.shipped,
                    firm: row.firm,
                    reserved: Vec::new(),
                });
            }
        }
        for shipment in &plan.shipments {
            let reference = shipment.reference.clone();
            self.release_at
                .insert(reference.to_string(), shipment.release_at);
            ensure(self.stage(&reference).is_none(), || {
                format!("shipment {reference} is created a second time")
            })?;
            let state = ShipmentStage::Waiting;
            self.input
                .shipments
                .push(ShipmentState { reference, state });
        }
        for (reference, stage) in &plan.stages {
            let row = self
                .input
                .shipments
                .iter_mut()
                .find(|row| row.reference == *reference);
            let row = row.ok_or_else(|| Violation::new(format!("stage of unknown {reference}")))?;
            row.state = *stage;
        }
        let mut gone: BTreeMap<(Option<i64>, &str), i64> = BTreeMap::new();
        for entry in &plan.entries {
            let before = self.entries.get(&entry.cause).map_or(0, |row| row.2);
            *gone.entry((entry.demand_id, &entry.warehouse)).or_default() +=
                before - entry.quantity;
            let row = (
                entry.item_id,
                entry.warehouse.clone(),
                entry.quantity,
                entry.effective_at,
            );
            self.entries.insert(entry.cause.clone(), row);
        }
        for ((demand, place), n) in gone {
            let n = u32::try_from(n).unwrap_or(0);
            let mut demands = self.input.demands.iter_mut();
            if let Some(demand) = demands.find(|d| Some(d.id) == demand) {
                for held in demand.reserved.iter_mut().filter(|r| r.0 == place) {
                    held.1 = held.1.saturating_sub(n);
                }
                demand.reserved.retain(|r| r.1 > 0);
            }
        }
        Ok(())
    }

    fn write_money(&mut self, plan: &OrderPlan) -> Result<(), Violation> {
        for row in &plan.tenders {
            let held = self.tenders.entry(row.n).or_default();
            *held = TenderHeld {
                ceiling: held.intended.max(row.ceiling),
                intended: row.intended,
            };
            ensure(held.intended <= held.ceiling, || {
                format!(
                    "{} is intended of a tender of at most {}",
                    held.intended, held.ceiling
                )
            })?;
        }
        for row in &plan.revenue {
            let known = self.input.revenue.iter().any(|old| old.key == row.key);
            ensure(!known, || format!("revenue {} is recorded twice", row.key))?;
            self.input.revenue.push(row.clone());
        }
        Ok(())
    }

    /// Where a shipment's row stands.
    #[must_use]
    pub(super) fn stage(&self, reference: &ShipmentReference) -> Option<ShipmentStage> {
        let row = self
            .input
            .shipments
            .iter()
            .find(|row| row.reference == *reference);
        row.map(|row| row.state)
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
