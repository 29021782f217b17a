//! A rule that acts on orders without new input pauses itself; new input, however much, never trips it.

use std::sync::Arc;

use hikiate::daemon::plan_step;
use hikiate::engine::PlanningLimits;
use hikiate::store::StoreError;
use hikiate_sdk::AccountSlug;

use crate::support::shop::{Shop, order, page, parcel};

/// Orders that have left, with the facts of all of them in two pages.
async fn shipped(shop: &Shop, n: usize) {
    shop.count("TEA", 10_000, 0).await;
    let orders = (0..n).map(|i| order(&format!("O{i}"), 1)).collect();
    shop.pull("shop", &page(0, orders)).await;
    shop.settle().await;
    let references: Vec<String> =
        sqlx::query_scalar("UPDATE shipments SET state = 'instructed' RETURNING reference")
            .fetch_all(shop.pool())
            .await
            .unwrap();
    assert_eq!(references.len(), n);
    let mut told = page(1, Vec::new());
    told.facts = references.iter().map(|r| parcel(r, 1, 1)).collect();
    shop.pull("wms", &told).await;
    shop.settle().await;
}

/// A shop whose rules act on all of history, as they would without their beginnings: `n` orders have left and
/// nobody was told.
async fn history(n: usize, limit: i32, batch: i64) -> Shop {
    let mut shop = Shop::open().await;
    let engine = Arc::get_mut(&mut shop.engine).unwrap();
    engine.guards = PlanningLimits::new(limit);
    let off = "CREATE TABLE off AS SELECT * FROM automations WHERE automation <> 'instruct'; DELETE FROM automations WHERE automation <> 'instruct'";
    sqlx::raw_sql(off).execute(shop.pool()).await.unwrap();
    shipped(&shop, n).await;
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 0);
    let on = "INSERT INTO automations SELECT * FROM off; DROP TABLE off";
    sqlx::raw_sql(on).execute(shop.pool()).await.unwrap();
    let engine = Arc::get_mut(&mut shop.engine).unwrap();
    engine.plan_batch = batch;
    plan_everything(&shop).await;
    shop
}

async fn plan_everything(shop: &Shop) {
    sqlx::query("UPDATE subjects SET plan_at = hk_now(), plan_class = 2 WHERE kind = 'order'")
        .execute(shop.pool())
        .await
        .unwrap();
}

async fn of_op(shop: &Shop, op: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM effects WHERE op = $1")
        .bind(op)
        .fetch_one(shop.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_rule_that_acts_on_all_of_history_pauses_itself() {
    let shop = history(60, 10, 100).await;
    shop.settle().await;
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 0);
    assert_eq!(
        shop.number("SELECT sum(intended)::bigint FROM payments")
            .await,
        0,
        "no money is spoken for by what was not planned"
    );
    let rules = shop.store().list_automations().await.unwrap();
    let row = |rule: &str| rules.iter().find(|r| r.automation == rule).unwrap().clone();
    for rule in ["notice", "capture"] {
        let row = row(rule);
        assert!(row.paused_at.is_some() && row.waiting == 60, "{row:?}");
    }
    assert!(row("instruct").paused_at.is_none());
    let tasks = shop.store().list_tasks().await.unwrap();
    let paused: Vec<_> = tasks
        .iter()
        .filter(|t| t.kind == "automation_paused")
        .collect();
    assert_eq!(paused.len(), 2, "{tasks:?}");
    assert!(
        paused
            .iter()
            .flat_map(|task| &task.actions)
            .any(|action| action.line == "hikiate automation resume notice shop"),
        "{paused:?}"
    );
    let metrics = shop.engine.metrics.render().unwrap();
    assert!(
        metrics.contains(r#"hikiate_automation_paused{automation="notice",account="shop"} 1"#),
        "{metrics}"
    );

    // Lifted as it is, it pauses itself again; nothing was done and nothing forgotten.
    let woken = shop
        .store()
        .resume_automation("notice", "shop", 0, "tester")
        .await;
    assert_eq!(woken.unwrap(), 60);
    shop.settle().await;
    assert_eq!(of_op(&shop, "fulfil").await, 0);
    // An operator who has seen the count lets exactly so many through.
    shop.store()
        .resume_automation("notice", "shop", 60, "tester")
        .await
        .unwrap();
    shop.settle().await;
    assert_eq!(of_op(&shop, "fulfil").await, 60);
    assert_eq!(
        of_op(&shop, "capture").await,
        0,
        "the other rule still rests"
    );
    let again = shop
        .store()
        .resume_automation("notice", "shop", 0, "tester");
    let again = again.await;
    assert!(
        matches!(&again, Err(StoreError::Refused(why)) if why.starts_with("automation notice on shop is not paused")),
        "{again:?}"
    );
    assert!(matches!(
        shop.store()
            .resume_automation("notices", "shop", 0, "tester")
            .await,
        Err(StoreError::NotFound(_))
    ));
}

/// The count is the database's, in the plans' own transactions: never one more than the limit.
#[tokio::test]
async fn what_it_makes_before_it_pauses_stays_below_the_limit() {
    let shop = history(60, 10, 4).await;
    plan_step(&shop.engine).await.unwrap();
    assert_eq!(of_op(&shop, "fulfil").await, 4);
    shop.settle().await;
    assert_eq!(
        of_op(&shop, "fulfil").await,
        8,
        "with four more it were twelve"
    );
    assert_eq!(
        shop.number("SELECT count(*) FROM automation_backlog WHERE automation = 'notice'")
            .await,
        52
    );
    // An order with new input waits as well while the rule is paused, and needs no allowance afterwards.
    assert_eq!(
        shop.number("SELECT count(*) FROM automation_usage WHERE paused_at IS NOT NULL")
            .await,
        2
    );
}

/// Less than the limit in each minute is no burst.
#[tokio::test]
async fn the_count_begins_anew_each_minute() {
    let shop = history(20, 10, 10).await;
    plan_step(&shop.engine).await.unwrap();
    shop.clock(2).await;
    plan_step(&shop.engine).await.unwrap();
    assert_eq!(of_op(&shop, "fulfil").await, 20);
    assert_eq!(
        shop.number("SELECT count(*) FROM automation_usage WHERE paused_at IS NOT NULL")
            .await,
        0
    );
}

#[tokio::test]
async fn a_thousand_orders_with_news_trip_nothing() {
    let mut shop = Shop::open().await;
    Arc::get_mut(&mut shop.engine).unwrap().guards = PlanningLimits::new(1);
    shipped(&shop, 1000).await;
    assert_eq!(of_op(&shop, "fulfil").await, 1000);
    assert_eq!(
        shop.number("SELECT count(*) FROM automation_usage").await,
        0,
        "not even counted"
    );
}

/// News that came while a rule was paused is still new input when it is resumed.
#[tokio::test]
async fn what_waited_with_news_needs_no_allowance() {
    let mut shop = Shop::open().await;
    Arc::get_mut(&mut shop.engine).unwrap().guards = PlanningLimits::new(1);
    sqlx::query("INSERT INTO automation_usage (automation, account_id, since, paused_at, reason) VALUES ('notice', $1, hk_now(), hk_now(), 'a test')")
        .bind(shop.engine.directory.account(&AccountSlug::new("shop")).unwrap())
        .execute(shop.pool())
        .await
        .unwrap();
    shipped(&shop, 30).await;
    assert_eq!(of_op(&shop, "fulfil").await, 0);
    assert_eq!(of_op(&shop, "capture").await, 30, "other rules go on");
    sqlx::query("DELETE FROM effects")
        .execute(shop.pool())
        .await
        .unwrap();
    assert_eq!(
        shop.store()
            .resume_automation("notice", "shop", 0, "tester")
            .await
            .unwrap(),
        30
    );
    shop.settle().await;
    assert_eq!(of_op(&shop, "fulfil").await, 30);
}
