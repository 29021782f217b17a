//! Stock is given out apart from planning: planning locks no stock, rank is over all who wait, and only
//! those who got something are planned again.

use hikiate::daemon::{allocate_step, plan_step};
use hikiate::plan::types::OrderPlan;
use hikiate::stock::allocate::{ItemStock, OpenDemand, allocate};
use hikiate::store::IncomingOrder;
use sqlx::{Postgres, Transaction};
use tokio::task::JoinHandle;

use crate::support::desk::quiet;
use crate::support::shop::{Shop, at, order, page};
use crate::support::turns::{code, ended, session, start_blocked};

/// An order that lacks stock is being planned, and stock that it waits for is being given out.
async fn planning_and_allocating(
    shop: &Shop,
) -> (i64, Transaction<'static, Postgres>, JoinHandle<usize>) {
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 10)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    shop.count("TEA", 7, 1).await;
    let mut tx = shop.claim(subject).await;
    let holder = session(&mut tx).await;
    let engine = shop.engine.clone();
    let allocating = start_blocked(shop.pool(), holder, async move {
        allocate_step(&engine).await.unwrap()
    })
    .await;
    (subject, tx, allocating)
}

#[tokio::test]
async fn planning_writes_movements_without_locking_stock() {
    let shop = Shop::open().await;
    let (subject, mut tx, allocating) = planning_and_allocating(&shop).await;
    let plan = OrderPlan {
        entries: vec![shop.left(subject, "parcel:x", 1).await],
        ..quiet()
    };
    shop.commit(&mut tx, subject, plan).await.unwrap();
    tx.commit().await.unwrap();
    ended(allocating).await;
    assert_eq!(shop.store().retries(), 0);
}

#[tokio::test]
async fn planning_that_locks_stock_is_a_deadlock() {
    let shop = Shop::open().await;
    let (_, mut tx, allocating) = planning_and_allocating(&shop).await;
    let locked = sqlx::query("SELECT item_id FROM stock FOR NO KEY UPDATE")
        .execute(&mut *tx)
        .await;
    drop(tx);
    ended(allocating).await;
    let seen = locked.as_ref().is_err_and(|error| code(error) == "40P01");
    assert!(seen || shop.store().retries() > 0, "{locked:?}");
}

fn ordered(id: &str, minute: i64) -> IncomingOrder {
    let mut order = order(id, 1);
    order.fact.order.ordered_at = at(minute);
    order
}

/// An order waits for stock, and sleeps; a newcomer is due when the unit comes.
async fn a_unit_for_two(shop: &Shop) -> (i64, i64) {
    shop.count("TEA", 0, 0).await;
    shop.pull("shop", &page(0, vec![ordered("OLD", 0)])).await;
    shop.settle().await;
    let old = shop.subject("OLD").await;
    assert_eq!(
        (shop.status(old).await.as_str(), shop.planned_for(old).await),
        ("backordered", None)
    );
    shop.clock(9).await;
    shop.pull("shop", &page(9, vec![ordered("NEW", 8)])).await;
    shop.count("TEA", 1, 9).await;
    assert_eq!(plan_step(&shop.engine).await.unwrap(), 1);
    (old, shop.subject("NEW").await)
}

#[tokio::test]
async fn the_unit_goes_to_the_order_that_waited() {
    let shop = Shop::open().await;
    let (old, new) = a_unit_for_two(&shop).await;
    shop.settle().await;
    assert_eq!(shop.status(old).await, "allocated");
    assert_eq!(shop.status(new).await, "backordered");
}

#[tokio::test]
async fn giving_to_those_who_are_due_gives_it_to_the_newcomer() {
    let shop = Shop::open().await;
    let (_, new) = a_unit_for_two(&shop).await;
    let (demand_id, item_id): (i64, i64) =
        sqlx::query_as("SELECT id, item_id FROM demands WHERE subject_id = $1")
            .bind(new)
            .fetch_one(shop.pool())
            .await
            .unwrap();
    let stock = [ItemStock {
        item_id,
        warehouse: "tokyo".to_owned(),
        on_hand: 1,
        reserved: 0,
    }];
    let due = [OpenDemand {
        behind: false,
        demand_id,
        subject_id: new,
        item_id,
        open: 1,
        firm: true,
        promised_at: at(8),
        ordered_at: at(8),
        reserved: Vec::new(),
    }];
    let given = allocate(&stock, &due, &shop.engine.policy);
    assert_eq!(
        given.iter().map(|g| g.subject_id).collect::<Vec<_>>(),
        [new]
    );
}

#[tokio::test]
async fn one_unit_wakes_one_of_many() {
    let shop = Shop::open().await;
    shop.count("TEA", 0, 0).await;
    let many = (0..150).map(|n| ordered(&format!("A{n}"), n)).collect();
    shop.pull("shop", &page(0, many)).await;
    shop.settle().await;
    let due = "SELECT count(*) FROM subjects WHERE plan_at IS NOT NULL";
    assert_eq!(shop.number(due).await, 0);
    shop.count("TEA", 1, 1).await;
    while allocate_step(&shop.engine).await.unwrap() > 0 {}
    assert_eq!(shop.number(due).await, 1);
    assert_eq!(
        shop.planned_for(shop.subject("A0").await).await,
        Some(at(0))
    );
}
