//! Random plans of one order: mostly such as can be written, now and then one that a constraint refuses or that was
//! made from rows which have changed.

use std::collections::BTreeSet;

use chrono::Duration;
use hikiate::action::Action;
use hikiate::facts::{CancelWantedFact, FactBody, IntentFact, IntentWhat, Verdict};
use hikiate::operations::Lane;
use hikiate::plan::memory::Memory;
use hikiate::plan::types::{
    DemandRow, DemandState, EffectState, NewEffect, NewFact, NewShipment, OrderPlan, RefreshPauses,
    RevenueKind, RevenueRow, ShipmentStage, Status, StockEntryRow, TaskRow, TaxOf, Withdraw,
};
use hikiate_prove::model::Rng;
use hikiate_sdk::{AccountSlug, Call, CaptureCall, Currency, Op, RefundCall};

use crate::support::desk::{outcome, quiet};
use crate::support::shop::at;

/// Warehouses.
pub(super) const PLACES: [&str; 2] = ["tokyo", "osaka"];

/// How often, of a hundred times, something is drawn that is refused.
const WRONG: u64 = 2;

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}

fn maybe<T>(rng: &mut Rng, percent: u64, draw: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.chance(percent).then(|| draw(rng))
}

fn minute(rng: &mut Rng) -> chrono::DateTime<chrono::Utc> {
    at(i64::from(rng.small(6)))
}

/// A plan for an order, made at a minute.
pub(super) fn plan(rng: &mut Rng, order: &Memory, now: i64) -> OrderPlan {
    OrderPlan {
        status: pick(rng, &Status::ALL),
        blocked_by: maybe(rng, 50, |rng| pick(rng, &["stock", "payment"]).to_owned()),
        next: maybe(rng, 50, minute),
        read_at: maybe(rng, 50, minute),
        refresh: maybe(rng, 50, |rng| RefreshPauses {
            first: Duration::minutes(i64::from(rng.small(9))),
            most: Duration::hours(1),
        }),
        closed: rng.chance(30),
        decisions: decisions(rng, now),
        demands: demands(rng),
        shipments: shipments(rng, order, now),
        stages: stages(rng, order),
        entries: entries(rng, order),
        effects: effects(rng, order, now),
        withdraw: withdraw(rng, order),
        seen: order
            .input
            .facts
            .last()
            .map(|fact| fact.id)
            .filter(|_| rng.chance(50)),
        revenue: revenue(rng, now),
        rest: None,
        at_once: maybe(rng, 30, |rng| rng.chance(50)),
        tasks: tasks(rng),
        ..quiet()
    }
}

/// A number that is new at each minute, unless an old one is drawn.
fn fresh(rng: &mut Rng, now: i64) -> i64 {
    if rng.chance(WRONG) { 1 } else { now }
}

fn decisions(rng: &mut Rng, now: i64) -> Vec<NewFact> {
    let one = |rng: &mut Rng| NewFact {
        key: format!("decided:{}", fresh(rng, now)),
        body: FactBody::CancelWanted(CancelWantedFact {
            reason: "no reason".to_owned(),
        }),
    };
    maybe(rng, 50, one).into_iter().collect()
}

fn demands(rng: &mut Rng) -> Vec<DemandRow> {
    let mut rows = Vec::new();
    for line in ["l1", "l2", "l3"] {
        rows.extend(maybe(rng, 60, |rng| DemandRow {
            group: pick(rng, &["1", "2"]).into(),
            line: line.into(),
            item_id: 1 + i64::from(rng.small(3)),
            wanted: u32::from(rng.small(3)),
            shipped: u32::from(rng.small(2)),
            by_others: u32::from(rng.small(2)),
            firm: rng.chance(50),
            behind: rng.chance(30),
            promised_at: at(i64::from(rng.small(2))),
            ordered_at: at(i64::from(rng.small(2))),
        }));
    }
    rows
}

fn shipments(rng: &mut Rng, order: &Memory, now: i64) -> Vec<NewShipment> {
    let Some(demand) = order.input.demands.last() else {
        return Vec::new();
    };
    let one = |rng: &mut Rng| NewShipment {
        reference: format!("{}-S{}", order.input.number, fresh(rng, now))
            .as_str()
            .into(),
        warehouse: pick(rng, &PLACES).to_owned(),
        account: AccountSlug::new("wms"),
        release_at: minute(rng),
        instructed: rng.chance(30),
        lines: vec![(
            demand.id,
            u32::from(rng.small(3) + u8::from(!rng.chance(WRONG))),
        )],
    };
    maybe(rng, 40, one).into_iter().collect()
}

fn stages(rng: &mut Rng, order: &Memory) -> Vec<(hikiate_sdk::ShipmentReference, ShipmentStage)> {
    let all = [
        ShipmentStage::Waiting,
        ShipmentStage::Instructed,
        ShipmentStage::Cancelled,
        ShipmentStage::Rejected,
        ShipmentStage::Shipped,
    ];
    let mut stages = Vec::new();
    for row in &order.input.shipments {
        stages.extend(maybe(rng, 30, |rng| {
            (row.reference.clone(), pick(rng, &all))
        }));
    }
    stages.extend(maybe(rng, WRONG, |_| ("nobody".into(), all[0])));
    if rng.chance(WRONG)
        && let Some((reference, _)) = stages.first().cloned()
    {
        stages.push((reference, all[1]));
    }
    stages
}

fn entries(rng: &mut Rng, order: &Memory) -> Vec<StockEntryRow> {
    let mut rows: Vec<StockEntryRow> = Vec::new();
    let mut known = BTreeSet::new();
    for demand in &order.input.demands {
        for _ in 0..2 {
            let row = entry(rng, order, demand);
            let key = (row.cause.clone(), row.item_id, row.warehouse.clone());
            let new = known.insert(key);
            if new && rng.chance(50) {
                rows.push(row);
            }
        }
    }
    rows
}

fn entry(rng: &mut Rng, order: &Memory, demand: &DemandState) -> StockEntryRow {
    StockEntryRow {
        cause: format!("parcel:{}:{}", order.input.number, rng.small(3)),
        demand_id: maybe(rng, 90, |_| demand.id),
        item_id: demand.item_id,
        warehouse: pick(rng, &PLACES).to_owned(),
        code: String::new(),
        quantity: 1 - i64::from(rng.small(5)),
        effective_at: minute(rng),
    }
}

fn effects(rng: &mut Rng, order: &Memory, now: i64) -> Vec<NewEffect> {
    let mut rows = Vec::new();
    for account in ["shop", "wms"].map(AccountSlug::new) {
        let mut queue = order.input.queue.iter();
        let busy = queue.any(|row| row.account == account && row.state != EffectState::Unresolved);
        if rng.chance(if busy { WRONG } else { 50 }) {
            let op = pick(rng, &Op::ALL);
            rows.push(NewEffect {
                key: format!("{op}:{account}:{}", fresh(rng, now)),
                lane: Lane::of(op),
                intent: IntentFact {
                    op,
                    account,
                    n: 1,
                    what: match op {
                        Op::Capture => capture(rng),
                        Op::Refund => refund(rng),
                        _ => IntentWhat::Batch {
                            batch: "b".to_owned(),
                        },
                    },
                },
            });
        }
    }
    rows
}

fn withdraw(rng: &mut Rng, order: &Memory) -> Vec<Withdraw> {
    let mut rows = Vec::new();
    for row in &order.input.queue {
        let unsent = matches!(row.state, EffectState::Planned | EffectState::Leased);
        if rng.chance(if unsent && !row.outcome_unknown {
            40
        } else {
            WRONG
        }) {
            rows.push(Withdraw {
                effect_id: row.id,
                outcome: outcome(&row.key, Verdict::Withdrawn),
            });
        }
    }
    rows
}

/// A capture of a payment that no reading ever showed: nothing may be taken of it.
fn capture(rng: &mut Rng) -> IntentWhat {
    let amount = i64::from(rng.chance(WRONG));
    IntentWhat::Call {
        call: Box::new(Call::Capture(CaptureCall {
            order: "A".into(),
            payment: pick(rng, &["p1", "p2"]).into(),
            provider: None,
            key: String::new(),
            amount: maybe(rng, 50, |_| amount),
            currency: Currency::JPY,
            expected_captured_total: amount,
        })),
        parcels: Vec::new(),
        decision: String::new(),
    }
}

/// As [`capture`]: nothing was ever shown as captured.
fn refund(rng: &mut Rng) -> IntentWhat {
    let amount = i64::from(rng.chance(WRONG));
    IntentWhat::Call {
        call: Box::new(Call::Refund(RefundCall {
            order: "A".into(),
            payment: pick(rng, &["p1", "p2"]).into(),
            provider: None,
            key: String::new(),
            amount,
            currency: Currency::JPY,
            expected_refunded_total: amount,
            reason: None,
            lines: Vec::new(),
        })),
        parcels: Vec::new(),
        decision: "refund_wanted:a".to_owned(),
    }
}

fn revenue(rng: &mut Rng, now: i64) -> Vec<RevenueRow> {
    let one = |rng: &mut Rng| RevenueRow {
        key: format!("{}:1000:sales", fresh(rng, now)),
        business_date: minute(rng).date_naive(),
        payment: pick(rng, &["card", "mixed"]).to_owned(),
        currency: Currency::JPY,
        kind: pick(
            rng,
            &[
                RevenueKind::Sales,
                RevenueKind::Returns,
                RevenueKind::Rounding,
            ],
        ),
        tax_of: TaxOf {
            rate_bp: 1000,
            country: pick(rng, &["JP", ""]).to_owned(),
            class: pick(rng, &["", "reduced"]).to_owned(),
        },
        derived: rng.chance(50),
        step: maybe(rng, 50, |rng| i64::from(rng.small(9))),
        gross: i64::from(rng.small(90)),
        tax: i64::from(rng.small(9)),
        recorded_at: minute(rng),
    };
    maybe(rng, 40, one).into_iter().collect()
}

fn tasks(rng: &mut Rng) -> Vec<TaskRow> {
    let mut rows = Vec::new();
    for kind in ["hold:high", "unmapped_sku", "over_shipped"] {
        rows.extend(maybe(rng, 50, |rng| TaskRow {
            kind: kind.to_owned(),
            detail: pick(rng, &["as before", "more of it"]).to_owned(),
            due: maybe(rng, 50, minute),
            actions: maybe(rng, 50, |rng| Action::release(pick(rng, &["*", "capture"])))
                .into_iter()
                .collect(),
        }));
    }
    rows
}
