//! One order in a world: facts come in, plans are written back as the store would.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{OrderSnapshot, Personal};

use super::build::{SHOP, at, features, policy, slug};
use crate::facts::*;
use crate::names::GATES;
use crate::plan::types::*;
use crate::plan::{Elsewhere, Explanation, FieldKey, explain, plan_order};
use crate::policy::{Policy, Release};
use crate::rules::{HoldRules, RuleContext, RuleVerdict};
use crate::stock::allocate::{ItemStock, OpenDemand, Reservation, allocate};

pub(super) type Predicate = fn(&RuleContext) -> Result<bool, String>;

/// Rules as functions.
#[derive(Clone, Default)]
pub(super) struct Rules(pub(super) Vec<(&'static str, Release, Predicate)>);

impl HoldRules for Rules {
    fn evaluate(&self, context: &RuleContext) -> Vec<RuleVerdict> {
        let verdict = |(rule, release, holds): &(&str, Release, Predicate)| RuleVerdict {
            rule: (*rule).to_owned(),
            release: *release,
            holds: holds(context),
        };
        self.0.iter().map(verdict).collect()
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) input: OrderInput,
    pub(super) policy: Policy,
    pub(super) rules: Rules,
    pub(super) now: DateTime<Utc>,
    /// On hand by item and warehouse.
    pub(super) stock: BTreeMap<(i64, &'static str), i64>,
    pub(super) release_at: BTreeMap<String, DateTime<Utc>>,
    pub(super) ranks: BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>,
    pub(super) last: Option<OrderPlan>,
    series: BTreeMap<String, u32>,
}

impl World {
    /// A world with ten of items 1 (`A`) and 2 (`B`, in cases of 12 as `B12`) at both warehouses.
    pub(super) fn new(order: OrderSnapshot) -> Self {
        let item = |item_id, multiplier, stocked| ItemRef {
            item_id,
            multiplier,
            stocked,
        };
        let epochs = [
            ("notice", SHOP),
            ("capture", SHOP),
            ("mail:shipped", "smtp"),
            ("booking", "books"),
            ("instruct", "wms-tokyo"),
            ("instruct", "osaka-3pl"),
        ];
        let epoch = |(rule, account): (&str, &str)| ((rule.to_owned(), slug(account)), at(-1000));
        let mut world = Self {
            input: OrderInput {
                subject_id: 1,
                channel: slug(SHOP),
                external_id: order.external_id.clone(),
                number: "HK0123456789ABC".to_owned(),
                origin: Origin::Live,
                facts: Vec::new(),
                personal: Some(Personal::default()),
                queue: Vec::new(),
                demands: Vec::new(),
                shipments: Vec::new(),
                revenue: Vec::new(),
                items: BTreeMap::from([
                    ("A".to_owned(), item(1, 1, true)),
                    ("B".to_owned(), item(2, 1, true)),
                    ("B12".to_owned(), item(2, 12, true)),
                    ("GIFT".to_owned(), item(3, 1, false)),
                ]),
                read_at: None,
                epochs: epochs.into_iter().map(epoch).collect(),
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
            policy: policy(),
            rules: Rules::default(),
            now: at(0),
            stock: BTreeMap::new(),
            release_at: BTreeMap::new(),
            ranks: BTreeMap::new(),
            last: None,
            series: BTreeMap::new(),
        };
        for item in [1, 2] {
            world.stock.insert((item, "tokyo"), 10);
            world.stock.insert((item, "osaka"), 10);
        }
        world.read(order);
        world
    }

    pub(super) fn fact(&mut self, key: String, body: FactBody, actor: &str) {
        assert!(
            !self.input.facts.iter().any(|f| f.key == key),
            "key {key} a second time"
        );
        let id = self.input.facts.len() as i64 + 1;
        self.input.facts.push(Fact {
            id,
            key,
            body,
            happened_at: self.now,
            recorded_at: self.now,
            business_date: self.now.date_naive(),
            actor: actor.to_owned(),
        });
    }

    pub(super) fn nth(&mut self, series: String) -> String {
        let n = self.series.entry(series.clone()).or_default();
        *n += 1;
        format!("{series}:{n}")
    }

    pub(super) fn read(&mut self, order: OrderSnapshot) {
        let key = self.nth("order:".to_owned());
        let body = OrderFact {
            order,
            features: features(),
            personal_version: 1,
        };
        self.fact(key, FactBody::Order(Box::new(body)), "pull");
    }

    pub(super) fn order(&self) -> OrderSnapshot {
        let orders = self
            .input
            .facts
            .iter()
            .rev()
            .find_map(|fact| match &fact.body {
                FactBody::Order(order) => Some(order.order.clone()),
                _ => None,
            });
        orders.unwrap()
    }

    /// Reads the order with a change.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut OrderSnapshot)) {
        let mut order = self.order();
        change(&mut order);
        self.read(order);
    }

    pub(super) fn wait(&mut self, minutes: i64) {
        self.now += Duration::minutes(minutes);
    }

    /// Plans without writing.
    pub(super) fn peek(&self) -> OrderPlan {
        plan_order(&self.input, &self.policy, &self.rules, self.now).unwrap()
    }

    /// Explains it, without what only the database knows.
    pub(super) fn explain(&self) -> Explanation {
        self.explain_with(&Elsewhere::default())
    }

    pub(super) fn explain_with(&self, elsewhere: &Elsewhere) -> Explanation {
        explain(&self.input, elsewhere, &self.policy, &self.rules, self.now).unwrap()
    }

    /// Plans, writes, and checks that planning again finds nothing new.
    pub(super) fn plan(&mut self) -> OrderPlan {
        let plan = self.peek();
        self.write(&plan);
        let again = self.peek();
        let nothing = |what: &str, empty: bool| assert!(empty, "{what} again: {again:#?}");
        // What has left takes its reservation first; then what is shipped may change.
        let at_once = plan.next.is_some_and(|next| next <= self.now);
        if !at_once {
            nothing("decisions", again.decisions.is_empty());
            nothing("shipments", again.shipments.is_empty());
            nothing("stages", again.stages.is_empty());
        }
        nothing("withdraw", again.withdraw.is_empty());
        nothing("revenue", again.revenue.is_empty());
        if plan.withdraw.is_empty() {
            nothing("effects", again.effects.is_empty());
        }
        assert_eq!(again.demands, plan.demands, "demand changed without news");
        assert_eq!(again.entries, plan.entries);
        let decided = plan.decisions.len() + plan.withdraw.len() + plan.revenue.len() > 0;
        if !at_once && !decided {
            assert_eq!(
                (again.status, &again.blocked_by),
                (plan.status, &plan.blocked_by)
            );
        }
        self.last = Some(plan.clone());
        plan
    }

    /// Items of a line in waiting and in sealed shipments of a warehouse, as the store counts them.
    pub(super) fn bound(&self, line: &hikiate_sdk::LineKey, warehouse: &str) -> (u32, u32) {
        let mut bound = (0, 0);
        for row in &self.input.shipments {
            let shipment = self.shipment(row.reference.as_str());
            let here = shipment.lines.iter().filter(|l| l.line == *line);
            let items: u32 = here.map(|l| l.quantity).sum();
            match row.state {
                _ if shipment.warehouse != warehouse => {}
                ShipmentStage::Waiting => bound.0 += items,
                ShipmentStage::Instructed => bound.1 += items,
                _ => {}
            }
        }
        bound
    }

    pub(super) fn write(&mut self, plan: &OrderPlan) {
        for task in &plan.tasks {
            assert!(!task.detail.contains("hikiate "), "{task:?}");
        }
        if let Some(gate) = &plan.blocked_by {
            let word = gate.split(':').next().unwrap_or_default();
            assert!(GATES.contains(&word), "{gate} is not in src/names.rs");
        }
        for decision in &plan.decisions {
            self.fact(decision.key.clone(), decision.body.clone(), "plan");
        }
        for row in &plan.demands {
            let key = row.line.to_string();
            self.ranks.insert(key, (row.promised_at, row.ordered_at));
            let id = self.input.demands.len() as i64 + 1;
            let stored = self.input.demands.iter_mut().find(|d| d.line == row.line);
            match stored {
                Some(stored) => {
                    stored.wanted = row.wanted;
                    stored.shipped = row.shipped;
                    stored.firm = row.firm;
                    stored.item_id = row.item_id;
                }
                None => self.input.demands.push(DemandState {
                    id,
                    line: row.line.clone(),
                    item_id: row.item_id,
                    wanted: row.wanted,
                    shipped: row.shipped,
                    firm: row.firm,
                    reserved: Vec::new(),
                }),
            }
        }
        let old = self.last.as_ref().map_or(&[][..], |last| &last.entries);
        let mut gone: BTreeMap<(Option<i64>, &str), i64> = BTreeMap::new();
        for entry in &plan.entries {
            let old = old.iter().find(|old| old.cause == entry.cause);
            *gone.entry((entry.demand_id, &entry.warehouse)).or_default() +=
                old.map_or(0, |old| old.quantity) - entry.quantity;
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
        for shipment in &plan.shipments {
            self.release_at
                .insert(shipment.reference.to_string(), shipment.release_at);
            let state = if shipment.instructed {
                ShipmentStage::Instructed
            } else {
                ShipmentStage::Waiting
            };
            let reference = shipment.reference.clone();
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
            row.expect("a stage of a shipment that has a row").state = *stage;
        }
        for withdraw in &plan.withdraw {
            let before = self.input.queue.len();
            self.input.queue.retain(|row| row.id != withdraw.effect_id);
            assert_eq!(self.input.queue.len() + 1, before);
            self.outcome(withdraw.outcome.clone());
        }
        for effect in &plan.effects {
            assert!(effect.key.len() <= 200);
            let account = &effect.intent.account;
            let busy = self
                .input
                .queue
                .iter()
                .any(|row| row.account == *account && row.state != EffectState::Unresolved);
            assert!(!busy, "a second effect on {account}");
            self.fact(
                effect.key.clone(),
                FactBody::Intent(Box::new(effect.intent.clone())),
                "plan",
            );
            self.input.queue.push(QueuedEffect {
                id: self.input.facts.len() as i64,
                account: account.clone(),
                op: effect.intent.op,
                key: effect.key.clone(),
                state: EffectState::Planned,
                ambiguous: false,
            });
        }
        for tender in &plan.tenders {
            assert!(tender.intended <= tender.ceiling, "{tender:?}");
        }
        self.input.revenue.extend(plan.revenue.iter().cloned());
        let keys: BTreeSet<_> = self.input.revenue.iter().map(|row| &row.key).collect();
        assert_eq!(keys.len(), self.input.revenue.len());
    }

    /// Gives stock as the allocator would, other orders aside.
    pub(super) fn allocate(&mut self) {
        let reserved = |item: i64, at: &str| -> i64 {
            let rows = self.input.demands.iter().filter(|d| d.item_id == item);
            let here = rows.flat_map(|d| &d.reserved).filter(|r| r.0 == at);
            here.map(|r| i64::from(r.1)).sum()
        };
        let stock: Vec<_> = self
            .stock
            .iter()
            .map(|((item_id, at), on_hand)| ItemStock {
                item_id: *item_id,
                warehouse: (*at).to_owned(),
                on_hand: *on_hand,
                reserved: reserved(*item_id, at),
            })
            .collect();
        let demands: Vec<_> = self
            .input
            .demands
            .iter()
            .map(|row| {
                let reserved = row.reserved.iter().map(|(at, quantity, firm)| {
                    let (waiting, instructed) = self.bound(&row.line, at);
                    Reservation {
                        warehouse: at.clone(),
                        quantity: *quantity,
                        firm: *firm,
                        waiting: waiting.min(quantity.saturating_sub(instructed)),
                        instructed: instructed.min(*quantity),
                    }
                });
                let (promised_at, ordered_at) = self.ranks[row.line.as_str()];
                OpenDemand {
                    behind: self.input.begin.from.is_none(),
                    demand_id: row.id,
                    subject_id: 1,
                    item_id: row.item_id,
                    open: row.wanted.saturating_sub(row.shipped),
                    firm: row.firm,
                    promised_at,
                    ordered_at,
                    reserved: reserved.collect(),
                }
            })
            .collect();
        for change in allocate(&stock, &demands, &self.policy) {
            let row = self
                .input
                .demands
                .iter_mut()
                .find(|d| d.id == change.demand_id)
                .unwrap();
            row.reserved.retain(|(at, _, _)| *at != change.warehouse);
            if change.quantity > 0 {
                row.reserved
                    .push((change.warehouse, change.quantity, change.firm));
            }
        }
    }

    /// Plans, allocates and plans again, until shipments are decided.
    pub(super) fn settle(&mut self) -> OrderPlan {
        for _ in 0..3 {
            self.plan();
            self.allocate();
        }
        self.plan()
    }
}
