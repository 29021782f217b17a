//! The rows in memory that the planner's tests and the model write plans to are the rows that PostgreSQL has after it:
//! random plans go to both.

mod draw;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use hikiate::facts::{CancelWantedFact, FactBody};
use hikiate::plan::memory::{Memory, Refused};
use hikiate::plan::types::{EffectState, OrderInput, OrderPlan};
use hikiate::policy::Warehouse;
use hikiate::stock::allocate::GrantChange;
use hikiate::store::{PlannedOrder, Store, StoreError};
use hikiate_prove::model::Rng;
use sqlx::{Postgres, Transaction};

use crate::support::shop::{Shop, at};
use draw::PLACES;

/// Runs of two orders, each with plans of its own.
const CASES: u64 = 150;
/// Commits of a run.
const COMMITS: i64 = 4;

/// How often each end was seen.
#[derive(Debug, Default)]
struct Seen {
    written: usize,
    replanned: usize,
    refused: usize,
}

async fn shop() -> Shop {
    let mut shop = Shop::open().await;
    let engine = Arc::get_mut(&mut shop.engine).unwrap();
    let mut policy = engine.policy.as_ref().clone();
    let osaka = Warehouse {
        name: PLACES[1].to_owned(),
        location: Some("2".to_owned()),
        ..policy.warehouses[0].clone()
    };
    policy.warehouses.push(osaka);
    engine.directory = engine.store.register(&[], &policy).await.unwrap();
    engine.policy = Arc::new(policy);
    sqlx::query("INSERT INTO items (code) VALUES ('A'), ('B'), ('C')")
        .execute(shop.pool())
        .await
        .unwrap();
    shop
}

async fn order(shop: &Shop, case: u64, nth: u64) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO subjects (kind, account_id, external_id, number, origin, created_at)
         VALUES ('order', $1, $2, upper($2), 'live', $3) RETURNING id",
    )
    .bind(shop.account("shop"))
    .bind(format!("d{case}x{nth}"))
    .bind(at(0))
    .fetch_one(shop.pool())
    .await
    .unwrap()
}

async fn input(tx: &mut Transaction<'_, Postgres>, shop: &Shop, subject: i64) -> OrderInput {
    let engine = &shop.engine;
    let claimed = Store::load(tx, &[subject], &engine.directory).await;
    let (_, _, input) = claimed.unwrap().orders.remove(0);
    input.unwrap()
}

/// The plan with the row ids that the database gave.
fn with_ids_of(plan: &OrderPlan, memory: &OrderInput, stored: &OrderInput) -> OrderPlan {
    let mut ids = BTreeMap::new();
    ids.extend((memory.demands.iter().zip(&stored.demands)).map(|(own, row)| (own.id, row.id)));
    ids.extend((memory.queue.iter().zip(&stored.queue)).map(|(own, row)| (own.id, row.id)));
    ids.extend((memory.facts.iter().zip(&stored.facts)).map(|(own, row)| (own.id, row.id)));
    let mut plan = plan.clone();
    plan.seen = plan.seen.map(|id| ids[&id]);
    for gone in &mut plan.withdraw {
        gone.effect_id = ids[&gone.effect_id];
    }
    for entry in &mut plan.entries {
        entry.demand_id = entry.demand_id.map(|id| ids[&id]);
    }
    for line in plan.shipments.iter_mut().flat_map(|s| &mut s.lines) {
        line.0 = ids[&line.0];
    }
    plan
}

/// Somebody reserves, claims, sends or says something between two plans.
async fn between(
    shop: &Shop,
    rng: &mut Rng,
    ids: &mut i64,
    order: &mut Memory,
    stored: &OrderInput,
    minute: i64,
) {
    let mut tx = shop.pool().begin().await.unwrap();
    for (own, row) in order.input.demands.clone().iter().zip(&stored.demands) {
        let (place, quantity) = (PLACES[usize::from(rng.small(2))], u32::from(rng.small(6)));
        let firm = rng.chance(50);
        if rng.chance(60) {
            order.grant(&GrantChange {
                demand_id: own.id,
                subject_id: order.input.subject_id,
                item_id: own.item_id,
                warehouse: place.to_owned(),
                quantity,
                firm,
            });
            rows::reserve(&mut tx, shop, row, place, (quantity, firm)).await;
        }
    }
    for (own, row) in order.input.queue.iter_mut().zip(&stored.queue) {
        if own.state != EffectState::Unresolved && rng.chance(40) {
            let states = [
                EffectState::Leased,
                EffectState::Sending,
                EffectState::Unresolved,
            ];
            (own.state, own.outcome_unknown) = (states[usize::from(rng.small(3))], rng.chance(30));
            rows::advance(&mut tx, row.id, own.state, own.outcome_unknown).await;
        }
    }
    if rng.chance(40) {
        let reason = "asked by phone".to_owned();
        let body = FactBody::CancelWanted(CancelWantedFact { reason });
        let key = format!("typed:{minute}");
        rows::fact(&mut tx, order.input.subject_id, &key, &body, minute).await;
        assert!(order.store(ids, key, body, (at(minute), at(minute)), "operator"));
    }
    tx.commit().await.unwrap();
}

/// Both write the plans of one commit, or both refuse them for the same reason.
async fn commit(
    shop: &Shop,
    ids: &mut i64,
    orders: &mut [Memory],
    plans: &[OrderPlan],
    minute: i64,
    seen: &mut Seen,
) {
    let mut tx = shop.pool().begin().await.unwrap();
    let mut planned = Vec::new();
    for (order, plan) in orders.iter().zip(plans) {
        let stored = input(&mut tx, shop, order.input.subject_id).await;
        planned.push(PlannedOrder {
            subject_id: order.input.subject_id,
            channel_id: shop.account("shop"),
            plan: with_ids_of(plan, &order.input, &stored),
        });
    }
    let before = orders.to_vec();
    let refusals: Vec<Refused> = orders
        .iter_mut()
        .zip(plans)
        .filter_map(|(order, plan)| order.apply(ids, plan, at(minute)).err())
        .collect();
    let engine = &shop.engine;
    let zone = engine.policy.shop.timezone;
    let (directory, policy) = (&engine.directory, engine.policy_id);
    let written = Store::commit_plans(&mut tx, &planned, directory, policy, zone, at(minute)).await;
    let replan = |refused: &Refused| matches!(refused, Refused::Replan(_));
    match &written {
        Ok(_) => {
            assert!(refusals.is_empty(), "written, in memory: {refusals:?}");
            tx.commit().await.unwrap();
            seen.written += 1;
            return;
        }
        Err(StoreError::Replan) => {
            assert!(
                refusals.iter().any(replan),
                "to be made again: {refusals:?}"
            );
            seen.replanned += 1;
        }
        Err(error) => {
            let bug = refusals.iter().any(|refused| !replan(refused));
            assert!(bug, "{error}; in memory: {refusals:?}");
            seen.refused += 1;
        }
    }
    orders.clone_from_slice(&before);
}

#[tokio::test]
async fn a_plan_written_in_memory_is_the_plan_written_in_the_database() {
    let shop = shop().await;
    let zone = shop.engine.policy.shop.timezone;
    let (mut seen, mut ids) = (Seen::default(), 0);
    for case in 0..CASES {
        let mut rng = Rng::of(20_261_121, case);
        let mut orders = Vec::new();
        for nth in 0..2 {
            let subject = order(&shop, case, nth).await;
            let mut tx = shop.pool().begin().await.unwrap();
            let input = input(&mut tx, &shop, subject).await;
            orders.push(Memory::new(input, zone));
        }
        for minute in 1..=COMMITS {
            shop.clock(minute).await;
            let plans: Vec<OrderPlan> = orders
                .iter()
                .map(|order| draw::plan(&mut rng, order, minute))
                .collect();
            commit(&shop, &mut ids, &mut orders, &plans, minute, &mut seen).await;
            for order in &mut orders {
                let at = format!("case {case}, commit {minute}");
                let stored = rows::compare(&shop, order, &at).await;
                between(&shop, &mut rng, &mut ids, order, &stored, minute).await;
            }
        }
    }
    assert!(seen.written > 300, "{seen:?}");
    assert!(seen.refused > 15 && seen.replanned > 10, "{seen:?}");
}
