//! One order in a world: facts come in, plans are written back as the store would.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{LineKey, OrderSnapshot, Personal};

use super::build::{SHOP, at, features, policy, slug};
use crate::facts::*;
use crate::names::GATES;
use crate::plan::memory::Memory;
use crate::plan::types::*;
use crate::plan::{Elsewhere, Explanation, FieldKey, explain, plan_order};
use crate::policy::{Policy, Release};
use crate::rules::{HoldRules, RuleContext, RuleVerdict};
use crate::stock::allocate::{ItemStock, allocate};

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
    rows: Memory,
    ids: i64,
    pub(super) policy: Policy,
    pub(super) rules: Rules,
    pub(super) now: DateTime<Utc>,
    /// On hand by item and warehouse.
    pub(super) stock: BTreeMap<(i64, &'static str), i64>,
    series: BTreeMap<String, u32>,
}

/// Tests read and set the order's rows as if they were the world's own.
impl Deref for World {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.rows
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Memory {
        &mut self.rows
    }
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
            ("annotate", SHOP),
            ("capture", SHOP),
            ("mail:shipped", "smtp"),
            ("booking", "books"),
            ("instruct", "wms-tokyo"),
            ("instruct", "osaka-3pl"),
        ];
        let epoch = |(rule, account): (&str, &str)| ((rule.to_owned(), slug(account)), at(-1000));
        let input = OrderInput {
            subject_id: 1,
            channel: slug(SHOP),
            external_id: order.external_id.clone(),
            number: "HK0123456789ABC".to_owned(),
            origin: Origin::Live,
            facts: Vec::new(),
            personal: Some(Personal::default()),
            purged: false,
            queue: Vec::new(),
            demands: Vec::new(),
            shipments: Vec::new(),
            revenue: Vec::new(),
            deposit_books: DepositBooks::default(),
            items: BTreeMap::from([
                ("A".to_owned(), item(1, 1, true)),
                ("B".to_owned(), item(2, 1, true)),
                ("B12".to_owned(), item(2, 12, true)),
                ("GIFT".to_owned(), item(3, 1, false)),
            ]),
            codes: ["wms-tokyo", "osaka-3pl"]
                .into_iter()
                .flat_map(|at| [(at, "A", 1), (at, "B", 2)])
                .map(|(at, code, id)| ((slug(at), code.to_owned()), item(id, 1, true)))
                .collect(),
            read_at: None,
            hidden: false,
            active_from: epochs.into_iter().map(epoch).collect(),
            lost: DataLoss::default(),
            paused: BTreeSet::new(),
            stops: Vec::new(),
            begin: Begin::always(),
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
        let policy = policy();
        let mut world = Self {
            rows: Memory::new(input, policy.shop.timezone),
            ids: 0,
            policy,
            rules: Rules::default(),
            now: at(0),
            stock: BTreeMap::new(),
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
        let at = (self.now, self.now);
        let known = key.clone();
        let stored = self.rows.store(&mut self.ids, key, body, at, actor);
        assert!(stored, "key {known} a second time");
        self.rows.input.see_payments(&self.policy);
    }

    pub(super) fn nth(&mut self, series: String) -> String {
        let n = self.series.entry(series.clone()).or_default();
        *n += 1;
        format!("{series}:{n}")
    }

    pub(super) fn read(&mut self, order: OrderSnapshot) {
        self.answered();
        let key = self.nth("order:".to_owned());
        let body = OrderFact {
            order,
            features: features(),
            personal_version: 1,
        };
        self.fact(key, FactBody::Order(Box::new(body)), "pull");
    }

    /// Reads it with a change and another country of delivery.
    pub(super) fn ships_to(&mut self, country: &str, change: impl FnOnce(&mut OrderSnapshot)) {
        let mut order = self.order();
        change(&mut order);
        let mut features = features();
        for group in features.groups.values_mut() {
            group.country = country.to_owned();
        }
        let body = OrderFact {
            order,
            features,
            personal_version: 2,
        };
        let key = self.nth("order:".to_owned());
        self.fact(key, FactBody::Order(Box::new(body)), "pull");
    }

    /// The channel is read again, which was due, and says what it said before.
    pub(super) fn answered(&mut self) {
        let due = self.input.read_at;
        self.input.read_at = due.filter(|at| *at > self.now);
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

    /// Our captures that stand, once the next plan is written.
    pub(super) fn intended_next(&self) -> i64 {
        let mut next = self.clone();
        next.plan();
        next.payments().values().map(|bound| bound.intended).sum()
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
        nothing("rest", again.rest.is_none());
        if plan.withdraw.is_empty() {
            nothing("effects", again.effects.is_empty());
        }
        assert_eq!(
            again.demands, plan.demands,
            "demand changed without new input"
        );
        assert_eq!(again.entries, plan.entries);
        let decided = plan.decisions.len() + plan.withdraw.len() + plan.revenue.len() > 0;
        if !at_once && !decided {
            assert_eq!(
                (again.status, &again.blocked_by),
                (plan.status, &plan.blocked_by)
            );
        }
        plan
    }

    pub(super) fn write(&mut self, plan: &OrderPlan) {
        for task in &plan.tasks {
            assert!(!task.detail.contains("hikiate "), "{task:?}");
        }
        if let Some(gate) = &plan.blocked_by {
            let word = gate.split(':').next().unwrap_or_default();
            assert!(GATES.contains(&word), "{gate} is not in src/names.rs");
        }
        assert!(plan.effects.iter().all(|effect| effect.key.len() <= 200));
        self.rows.apply(&mut self.ids, plan, self.now).unwrap();
    }

    /// Items of a line in waiting and in sealed shipments of a warehouse.
    pub(super) fn bound(&self, line: &LineKey, warehouse: &str) -> (u32, u32) {
        let row = self.input.demands.iter().find(|d| d.line == *line);
        row.map_or((0, 0), |row| self.rows.bound(row.id, warehouse))
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
        for change in allocate(&stock, &self.open_demands(), &self.policy) {
            assert!(self.grant(&change), "a grant to no demand: {change:?}");
        }
        self.allocated();
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
