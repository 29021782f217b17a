//! Orders that came fulfilled, counted by two planners at once.

use std::collections::BTreeSet;

use hikiate::plan::types::OrderPlan;
use hikiate::store::{PlannedOrder, Store};

use crate::support::desk::quiet;
use crate::support::shop::{Shop, order, page};
use crate::support::turns::{ended, session, start_blocked};

/// Orders O1, O2 and so on, and plans that found each of them fulfilled at once.
async fn found(shop: &Shop, n: usize) -> Vec<PlannedOrder> {
    let orders = (1..=n).map(|i| order(&format!("O{i}"), 1)).collect();
    shop.pull("shop", &page(0, orders)).await;
    let mut plans = Vec::new();
    for i in 1..=n {
        plans.push(PlannedOrder {
            subject_id: shop.subject(&format!("O{i}")).await,
            channel_id: shop.account("shop"),
            plan: OrderPlan {
                at_once: Some(true),
                ..quiet()
            },
        });
    }
    plans
}

/// The second planner looked before the alarm of the first: its order is not believed all the same.
#[tokio::test]
async fn a_planner_that_began_before_the_alarm_knows_of_it_before_it_commits() {
    let shop = Shop::open().await;
    let mut plans = found(&shop, 6).await;
    let last = vec![plans.pop().unwrap()];
    let channels = BTreeSet::from([shop.account("shop")]);
    let mut first = shop.pool().begin().await.unwrap();
    let holder = session(&mut first).await;
    let mut second = shop.pool().begin().await.unwrap();
    let alarmed = Store::count_window(&mut first, &plans, &channels).await;
    assert_eq!(alarmed.unwrap(), channels);
    let undecided = channels.clone();
    let late = start_blocked(shop.pool(), holder, async move {
        let alarmed = Store::count_window(&mut second, &last, &undecided).await;
        second.commit().await.unwrap();
        alarmed
    })
    .await;
    first.commit().await.unwrap();
    assert_eq!(ended(late).await.unwrap(), channels);
}

/// Four are believed; the fifth raises the alarm, and the four are planned again, once.
#[tokio::test]
async fn what_was_believed_before_the_alarm_is_planned_again_once() {
    let shop = Shop::open().await;
    let plans = found(&shop, 5).await;
    let channels = BTreeSet::from([shop.account("shop")]);
    for plan in plans {
        let five = plan.subject_id == shop.subject("O5").await;
        let mut tx = shop.pool().begin().await.unwrap();
        let alarmed = Store::count_window(&mut tx, &[plan], &channels).await;
        assert_eq!(!alarmed.unwrap().is_empty(), five);
        tx.commit().await.unwrap();
    }
    sqlx::query("UPDATE subjects SET plan_at = NULL")
        .execute(shop.pool())
        .await
        .unwrap();
    let woken = shop.store().wake_alarmed().await.unwrap();
    assert_eq!(woken, ["shop"]);
    let due = shop
        .number("SELECT count(*) FROM subjects WHERE plan_at IS NOT NULL")
        .await;
    assert_eq!(due, 5);
    let again = shop.store().wake_alarmed().await.unwrap();
    assert!(again.is_empty());
}
