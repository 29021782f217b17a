//! One order's rows in memory. A plan is written to them as the SQL commit writes it, so that the planner's tests and
//! the proof tools need no database; a test compares the two.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{AccountSlug, Call, ExternalId, PaymentRef};

use super::types::{
    DemandRow, DemandState, EffectState, NewShipment, OrderInput, OrderPlan, QueuedEffect,
    RestPosting, RevenueRow, ShipmentStage, ShipmentState, Status, StockEntryRow, TaskRow,
};
use crate::facts::{Fact, FactBody, IntentWhat, Verdict};
use crate::stock::allocate::{GrantChange, OpenDemand, Reservation};

/// Why a plan is not written. What it wrote before is to be thrown away, as a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was made from rows that have changed: it is to be made again.
    #[error("{0}")]
    Replan(String),
    /// A constraint of the database fails: it is a bug of the planner.
    #[error("{0}")]
    Constraint(String),
}

fn constraint(holds: bool, what: impl FnOnce() -> String) -> Result<(), Refused> {
    if holds {
        Ok(())
    } else {
        Err(Refused::Constraint(what()))
    }
}

/// A task that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTask {
    /// As last planned.
    pub row: TaskRow,
    /// When it was opened.
    pub since: DateTime<Utc>,
}

/// The rows of one order.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The rows that planning reads.
    pub input: OrderInput,
    /// The shop's zone: business dates are days of it.
    pub zone: Tz,
    /// As last planned.
    pub status: Status,
    /// As last planned.
    pub blocked_by: Option<String>,
    /// When it is planned again without new input.
    pub plan_at: Option<DateTime<Utc>>,
    /// Since when nothing more is expected.
    pub closed_at: Option<DateTime<Utc>>,
    /// The newest fact that planning has dealt with; 0 before the first plan.
    pub planned_fact: i64,
    /// Demand rows by id; what is reserved for them is in `input`.
    pub demands: BTreeMap<i64, DemandRow>,
    /// Shipment rows by reference, as created; their stage is in `input`.
    pub shipments: BTreeMap<String, NewShipment>,
    /// Movements of stock, by cause, item and warehouse.
    pub entries: BTreeMap<(String, i64, String), StockEntryRow>,
    /// Open tasks by kind.
    pub tasks: BTreeMap<String, OpenTask>,
}

/// What captures of a payment are bound by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The most that a reading ever showed as authorised or captured.
    pub ceiling: i64,
    /// Sum of our captures that were not refused, taken back or undone.
    pub intended: i64,
    /// The most that a reading ever showed as captured.
    pub captured: i64,
    /// Sum of our refunds that were not refused, taken back or undone.
    pub to_refund: i64,
    /// What could be given back when the last of them was decided: captured, less what others had given back.
    pub refund_bound: i64,
}

/// Readings and our refunds of one payment, as far as the facts were gone through.
#[derive(Default)]
struct Given {
    captured: i64,
    /// Each reading's place and what it showed as refunded.
    shown: Vec<(usize, i64)>,
    /// Our refunds by key: place and amount, and whether nothing came of it.
    ours: BTreeMap<String, (usize, i64, bool)>,
    bound: i64,
}

impl Given {
    fn read(&mut self, at: usize, captured: i64, refunded: i64) {
        self.captured = self.captured.max(captured);
        self.shown.push((at, refunded));
    }

    fn ours(&self, before: usize) -> i64 {
        let live = self
            .ours
            .values()
            .filter(|(at, _, void)| *at < before && !void);
        live.map(|(_, amount, _)| amount).sum()
    }

    fn decide(&mut self, at: usize, key: &str, amount: i64) {
        self.ours.insert(key.to_owned(), (at, amount, false));
        let shown = self.shown.iter();
        let others = shown.map(|(at, refunded)| refunded - self.ours(*at)).max();
        self.bound = (self.captured - others.unwrap_or(0).max(0)).max(0);
    }

    fn end(&mut self, key: &str, is_void: bool) {
        if let Some(ours) = self.ours.get_mut(key) {
            ours.2 = is_void;
            self.bound = self.bound.max(self.ours(usize::MAX));
        }
    }
}

/// The name of a payment in the table of payments: its account's, where a call names that.
fn payment_row(
    account: &AccountSlug,
    provider: Option<&PaymentRef>,
    payment: &ExternalId,
) -> ExternalId {
    match provider.and_then(|known| known.key.as_ref()) {
        Some(key) => format!("{account}/{key}").into(),
        None => payment.clone(),
    }
}

impl Memory {
    /// The rows of an order that was never planned.
    #[must_use]
    pub fn new(input: OrderInput, zone: Tz) -> Self {
        Self {
            input,
            zone,
            status: Status::Received,
            blocked_by: None,
            plan_at: None,
            closed_at: None,
            planned_fact: 0,
            demands: BTreeMap::new(),
            shipments: BTreeMap::new(),
            entries: BTreeMap::new(),
            tasks: BTreeMap::new(),
        }
    }

    /// Stores a fact under the next of `ids`; false when its key is known, and then nothing is stored.
    pub fn store(
        &mut self,
        ids: &mut i64,
        key: String,
        body: FactBody,
        (happened_at, recorded_at): (DateTime<Utc>, DateTime<Utc>),
        actor: &str,
    ) -> bool {
        if self.input.facts.iter().any(|fact| fact.key == key) {
            return false;
        }
        *ids += 1;
        let fact = Fact {
            id: *ids,
            key,
            body,
            happened_at,
            recorded_at,
            business_date: happened_at.with_timezone(&self.zone).date_naive(),
            actor: actor.to_owned(),
        };
        self.input.new_input |= fact.is_new_input();
        self.input.facts.push(fact);
        true
    }

    /// Writes a plan; new rows take the next of `ids`.
    ///
    /// # Errors
    /// What the SQL commit refuses; and two rows of one key in a plan, which PostgreSQL lets pass when they say what is
    /// stored.
    pub fn apply(
        &mut self,
        ids: &mut i64,
        plan: &OrderPlan,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let OrderPlan {
            status,
            blocked_by,
            next,
            read_at,
            refresh: _,
            closed,
            decisions: _,
            demands,
            shipments,
            stages,
            entries,
            effects: _,
            withdraw: _,
            seen,
            waits: _,
            revenue,
            rest,
            at_once,
            tasks,
        } = plan;
        self.withdraw(plan)?;
        self.write_facts(ids, plan, now)?;
        self.check_payments()?;
        self.write_demands(ids, demands)?;
        self.write_shipments(shipments)?;
        self.write_stages(stages)?;
        self.write_entries(entries)?;
        self.write_revenue(revenue)?;
        self.write_rest(rest.as_ref());
        self.input.at_once = at_once.or(self.input.at_once);
        self.write_effects(ids, plan)?;
        self.write_tasks(tasks, now)?;
        self.status = *status;
        self.blocked_by.clone_from(blocked_by);
        self.plan_at = *next;
        let due = self.input.read_at;
        self.input.read_at = match read_at {
            Some(at) => Some(due.map_or(*at, |due| due.min(*at))),
            None => due.filter(|due| *due <= now),
        };
        self.closed_at = closed.then(|| self.closed_at.unwrap_or(now));
        self.planned_fact = seen.unwrap_or(self.planned_fact);
        let new = self.input.facts.iter().rev();
        self.input.new_input = new
            .take_while(|fact| fact.id > self.planned_fact)
            .any(Fact::is_new_input);
        Ok(())
    }

    fn withdraw(&mut self, plan: &OrderPlan) -> Result<(), Refused> {
        for gone in &plan.withdraw {
            let unsent = |row: &QueuedEffect| {
                row.id == gone.effect_id
                    && matches!(row.state, EffectState::Planned | EffectState::Leased)
                    && !row.outcome_unknown
            };
            let at = self.input.queue.iter().position(unsent);
            let at = at.ok_or_else(|| {
                let intent = &gone.outcome.intent;
                Refused::Replan(format!("{intent} is withdrawn, but is not queued unsent"))
            })?;
            self.input.queue.remove(at);
        }
        Ok(())
    }

    /// Decisions and withdrawals, then intents.
    fn write_facts(
        &mut self,
        ids: &mut i64,
        plan: &OrderPlan,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let decisions = plan.decisions.iter();
        let decisions = decisions.map(|fact| (fact.key.clone(), fact.body.clone()));
        let withdrawn = plan.withdraw.iter().map(|gone| {
            let key = gone.outcome.key();
            (key, FactBody::Outcome(gone.outcome.clone()))
        });
        let intents = plan.effects.iter().map(|effect| {
            let body = FactBody::Intent(Box::new(effect.intent.clone()));
            (effect.key.clone(), body)
        });
        for (key, body) in decisions.chain(withdrawn).chain(intents) {
            constraint(key.len() <= 300, || format!("key {key} is too long"))?;
            let stored = self.store(ids, key.clone(), body, (now, now), "plan");
            constraint(stored, || format!("{key} is stored a second time"))?;
        }
        Ok(())
    }

    fn write_demands(&mut self, ids: &mut i64, rows: &[DemandRow]) -> Result<(), Refused> {
        let mut lines = BTreeSet::new();
        for row in rows {
            constraint(lines.insert(&row.line), || {
                format!("line {} is demanded twice", row.line)
            })?;
            let known = self.input.demands.iter_mut().find(|d| d.line == row.line);
            let Some(state) = known else {
                *ids += 1;
                self.demands.insert(*ids, row.clone());
                self.input.demands.push(DemandState {
                    id: *ids,
                    line: row.line.clone(),
                    item_id: row.item_id,
                    wanted: row.wanted,
                    shipped: row.shipped,
                    by_others: row.by_others,
                    firm: row.firm,
                    reserved: Vec::new(),
                    requested: true,
                });
                continue;
            };
            let Some(old) = self.demands.get_mut(&state.id) else {
                continue;
            };
            if state.item_id != row.item_id {
                state.reserved.clear();
            }
            (state.item_id, state.firm) = (row.item_id, row.firm);
            (state.wanted, state.shipped) = (row.wanted, row.shipped);
            state.by_others = row.by_others;
            let rewritten = DemandRow {
                group: old.group.clone(),
                ordered_at: old.ordered_at,
                ..row.clone()
            };
            // Another moment of ordering alone rewrites no row, and the group stays as first written.
            if rewritten != *old {
                state.requested = true;
                *old = DemandRow {
                    ordered_at: row.ordered_at,
                    ..rewritten
                };
            }
        }
        Ok(())
    }

    fn write_shipments(&mut self, rows: &[NewShipment]) -> Result<(), Refused> {
        for row in rows {
            let reference = row.reference.clone();
            constraint(reference.as_str().len() <= 60, || {
                format!("reference {reference} is too long")
            })?;
            let mut demands = BTreeSet::new();
            for (demand, quantity) in &row.lines {
                let right = *quantity > 0
                    && demands.insert(demand)
                    && self.input.demands.iter().any(|d| d.id == *demand);
                constraint(right, || {
                    format!("shipment {reference} has {quantity} of demand {demand}")
                })?;
            }
            let old = self.shipments.insert(reference.to_string(), row.clone());
            constraint(old.is_none(), || {
                format!("shipment {reference} is created a second time")
            })?;
            let state = if row.instructed {
                ShipmentStage::Instructed
            } else {
                ShipmentStage::Waiting
            };
            self.input
                .shipments
                .push(ShipmentState { reference, state });
        }
        Ok(())
    }

    fn write_stages(
        &mut self,
        stages: &[(hikiate_sdk::ShipmentReference, ShipmentStage)],
    ) -> Result<(), Refused> {
        let mut set = BTreeSet::new();
        for (reference, stage) in stages {
            let mut rows = self.input.shipments.iter_mut();
            let row = rows.find(|row| row.reference == *reference);
            let row = row.filter(|_| set.insert(reference)).ok_or_else(|| {
                Refused::Replan(format!(
                    "the stage of {reference} is set, which is unknown or set twice"
                ))
            })?;
            row.state = *stage;
        }
        Ok(())
    }

    /// What leaves takes its reservation with it; movements of one item of a demand at one warehouse are netted first.
    fn write_entries(&mut self, rows: &[StockEntryRow]) -> Result<(), Refused> {
        let mut moved = BTreeMap::new();
        let mut left: BTreeMap<(Option<i64>, i64, &str), i64> = BTreeMap::new();
        for row in rows {
            *left
                .entry((row.demand_id, row.item_id, &row.warehouse))
                .or_default() += self.moved_before(row) - row.quantity;
            let key = (row.cause.clone(), row.item_id, row.warehouse.clone());
            constraint(moved.insert(key, row.clone()).is_none(), || {
                format!("{} moves stock twice", row.cause)
            })?;
        }
        self.entries.extend(moved);
        for ((demand, item, warehouse), units) in left {
            let units = u32::try_from(units).unwrap_or(0);
            let mut demands = self.input.demands.iter_mut();
            // A parcel of the item before takes nothing of what is reserved of the one now.
            if let Some(demand) = demands.find(|d| Some(d.id) == demand && d.item_id == item) {
                for held in demand.reserved.iter_mut().filter(|r| r.0 == warehouse) {
                    held.1 = held.1.saturating_sub(units);
                }
                demand.reserved.retain(|held| held.1 > 0);
            }
        }
        Ok(())
    }

    /// Units that this very movement had before; 0 when it is new.
    #[must_use]
    pub fn moved_before(&self, row: &StockEntryRow) -> i64 {
        let key = (row.cause.clone(), row.item_id, row.warehouse.clone());
        self.entries.get(&key).map_or(0, |old| old.quantity)
    }

    /// What captures and refunds of each payment are bound by, and their sums, as the facts alone say.
    #[must_use]
    pub fn payments(&self) -> BTreeMap<ExternalId, Bound> {
        let mut bounds: BTreeMap<ExternalId, Bound> = BTreeMap::new();
        let mut captures: BTreeMap<&str, (ExternalId, i64)> = BTreeMap::new();
        let mut void: BTreeMap<&str, bool> = BTreeMap::new();
        for fact in &self.input.facts {
            match &fact.body {
                FactBody::Order(told) => {
                    for tender in &told.order.tenders {
                        let bound = bounds.entry(tender.key.clone()).or_default();
                        let shown = tender.authorised.max(tender.captured);
                        bound.ceiling = bound.ceiling.max(shown);
                    }
                }
                FactBody::Payment(told) => {
                    let bound = bounds.entry(told.series().into()).or_default();
                    let shown = told.payment.authorised.max(told.payment.captured);
                    bound.ceiling = bound.ceiling.max(shown);
                }
                FactBody::Intent(intent) => {
                    if let IntentWhat::Call { call, .. } = &intent.what
                        && let Call::Capture(call) = call.as_ref()
                    {
                        let amount = call.amount.unwrap_or(call.expected_captured_total);
                        let provider = call.provider.as_ref();
                        let payment = payment_row(&intent.account, provider, &call.payment);
                        captures.insert(&fact.key, (payment, amount));
                    }
                }
                FactBody::Outcome(outcome) if outcome.verdict != Verdict::Evidence => {
                    let verdict = outcome.verdict;
                    let is_void = matches!(
                        verdict,
                        Verdict::Refused | Verdict::Withdrawn | Verdict::NotDone
                    );
                    void.insert(&outcome.intent, is_void);
                }
                _ => {}
            }
        }
        for (key, (payment, amount)) in captures {
            let bound = bounds.entry(payment).or_default();
            if !void.get(key).copied().unwrap_or(false) {
                bound.intended += amount;
            }
        }
        for (payment, given) in self.given() {
            let bound = bounds.entry(payment).or_default();
            bound.captured = given.captured.max(0);
            bound.to_refund = given.ours(usize::MAX);
            bound.refund_bound = given.bound;
        }
        bounds
    }

    /// What refunds of each payment are bound by, gone through as they were stored.
    fn given(&self) -> BTreeMap<ExternalId, Given> {
        let mut all: BTreeMap<ExternalId, Given> = BTreeMap::new();
        for (at, fact) in self.input.facts.iter().enumerate() {
            match &fact.body {
                FactBody::Order(told) => {
                    for tender in &told.order.tenders {
                        let given = all.entry(tender.key.clone()).or_default();
                        given.read(at, tender.captured, tender.refunded);
                    }
                }
                FactBody::Payment(told) => {
                    let given = all.entry(told.series().into()).or_default();
                    given.read(at, told.payment.captured, told.payment.refunded);
                }
                FactBody::Intent(intent) => {
                    if let IntentWhat::Call { call, .. } = &intent.what
                        && let Call::Refund(call) = call.as_ref()
                    {
                        let provider = call.provider.as_ref();
                        let payment = payment_row(&intent.account, provider, &call.payment);
                        let given = all.entry(payment).or_default();
                        given.decide(at, &fact.key, call.amount);
                    }
                }
                FactBody::Outcome(outcome) if outcome.verdict != Verdict::Evidence => {
                    let is_void = matches!(
                        outcome.verdict,
                        Verdict::Refused | Verdict::Withdrawn | Verdict::NotDone
                    );
                    for given in all.values_mut() {
                        given.end(&outcome.intent, is_void);
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// As the trigger on facts does.
    fn check_payments(&self) -> Result<(), Refused> {
        for (payment, bound) in self.payments() {
            constraint((0..=bound.ceiling).contains(&bound.intended), || {
                let Bound {
                    ceiling, intended, ..
                } = bound;
                format!("{intended} is to be captured of {payment}, at most {ceiling}")
            })?;
            constraint((0..=bound.refund_bound).contains(&bound.to_refund), || {
                let Bound {
                    to_refund,
                    refund_bound,
                    ..
                } = bound;
                format!("{to_refund} is to be refunded of {payment}, at most {refund_bound}")
            })?;
        }
        Ok(())
    }

    fn write_revenue(&mut self, rows: &[RevenueRow]) -> Result<(), Refused> {
        for row in rows {
            let known = self.input.revenue.iter().any(|old| old.key == row.key);
            constraint(!known, || format!("revenue {} is recorded twice", row.key))?;
            self.input.revenue.push(row.clone());
        }
        Ok(())
    }

    fn write_rest(&mut self, rest: Option<&RestPosting>) {
        let books = &mut self.input.deposit_books;
        if let Some(posting) = rest {
            books.rest += posting.amount;
            books.rests += 1;
        }
    }

    fn write_effects(&mut self, ids: &mut i64, plan: &OrderPlan) -> Result<(), Refused> {
        for effect in &plan.effects {
            let (key, account) = (effect.key.clone(), effect.intent.account.clone());
            let mut queue = self.input.queue.iter();
            let busy =
                queue.any(|row| row.account == account && row.state != EffectState::Unresolved);
            constraint(!busy, || {
                format!("{key}: a second effect is queued at {account}")
            })?;
            *ids += 1;
            self.input.queue.push(QueuedEffect {
                id: *ids,
                account,
                op: effect.intent.op,
                key,
                state: EffectState::Planned,
                outcome_unknown: false,
                error: None,
            });
        }
        Ok(())
    }

    fn write_tasks(&mut self, rows: &[TaskRow], now: DateTime<Utc>) -> Result<(), Refused> {
        let mut open = BTreeMap::new();
        for row in rows {
            let since = self.tasks.get(&row.kind).map_or(now, |task| task.since);
            let task = OpenTask {
                row: row.clone(),
                since,
            };
            let old = open.insert(row.kind.clone(), task);
            constraint(old.is_none(), || format!("two tasks of kind {}", row.kind))?;
        }
        self.tasks = open;
        Ok(())
    }

    /// Items of a demand in waiting and in sealed shipments of a warehouse.
    #[must_use]
    pub fn bound(&self, demand: i64, warehouse: &str) -> (u32, u32) {
        let mut bound = (0, 0);
        for row in &self.input.shipments {
            let shipment = self.shipments.get(row.reference.as_str());
            let Some(shipment) = shipment.filter(|s| s.warehouse == warehouse) else {
                continue;
            };
            let lines = shipment.lines.iter().filter(|line| line.0 == demand);
            let items: u32 = lines.map(|line| line.1).sum();
            match row.state {
                ShipmentStage::Waiting => bound.0 += items,
                ShipmentStage::Instructed => bound.1 += items,
                _ => {}
            }
        }
        bound
    }

    /// Its demands as the allocation takes them.
    #[must_use]
    pub fn open_demands(&self) -> Vec<OpenDemand> {
        let open = |row: &DemandState| {
            let rank = self.demands.get(&row.id)?;
            let reserved = row.reserved.iter().map(|(warehouse, quantity, firm)| {
                let (waiting, instructed) = self.bound(row.id, warehouse);
                Reservation {
                    warehouse: warehouse.clone(),
                    quantity: *quantity,
                    firm: *firm,
                    waiting: waiting.min(quantity.saturating_sub(instructed)),
                    instructed: instructed.min(*quantity),
                }
            });
            Some(OpenDemand {
                demand_id: row.id,
                subject_id: self.input.subject_id,
                item_id: row.item_id,
                open: row.wanted.saturating_sub(row.shipped),
                firm: row.firm,
                behind: rank.behind,
                promised_at: rank.promised_at,
                ordered_at: rank.ordered_at,
                reserved: reserved.collect(),
            })
        };
        self.input.demands.iter().filter_map(open).collect()
    }

    /// Writes what the allocation changed; false when the demand is not of this order.
    pub fn grant(&mut self, change: &GrantChange) -> bool {
        let mut demands = self.input.demands.iter_mut();
        let Some(row) = demands.find(|d| d.id == change.demand_id) else {
            return false;
        };
        row.reserved.retain(|held| held.0 != change.warehouse);
        if change.quantity > 0 {
            let warehouse = change.warehouse.clone();
            row.reserved.push((warehouse, change.quantity, change.firm));
            row.reserved.sort();
        }
        true
    }

    /// Allocation has looked at what it was asked for. True when the order is due, because its status says that it waits for that.
    pub fn allocated(&mut self) -> bool {
        let demands = self.input.demands.iter_mut();
        let asked = demands
            .map(|row| std::mem::take(&mut row.requested))
            .fold(false, |any, one| any | one);
        asked && self.status == Status::Unallocated && self.blocked_by.as_deref() == Some("stock")
    }
}
