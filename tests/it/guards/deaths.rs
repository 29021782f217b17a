//! An order that ends the process that plans it does not take its neighbours with it.

use std::sync::Arc;
use std::time::Duration;

use hikiate::daemon::plan_step;

use crate::support::shop::{Shop, order, page};

/// The process plans what is due and is gone between the row that says so and its commit.
async fn die(shop: &Shop) {
    let mut stop = shop.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE automation_usage IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *stop)
        .await
        .unwrap();
    let engine = Arc::clone(&shop.engine);
    let planning = tokio::spawn(async move { plan_step(&engine).await });
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%automation_usage%'";
    for _ in 0..24_000 {
        if shop.number(blocked).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(shop.number(blocked).await, 1, "it plans");
    planning.abort();
    assert!(planning.await.unwrap_err().is_cancelled());
    stop.rollback().await.unwrap();
    for _ in 0..24_000 {
        // Its connection closes and its locks are gone, as after a kill.
        if shop.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("its transaction is still open");
}

async fn three() -> (Shop, [i64; 3]) {
    let shop = Shop::open().await;
    shop.count("TEA", 10, 0).await;
    let orders = ["A", "B", "C"].map(|id| order(id, 1));
    shop.pull("shop", &page(0, orders.to_vec())).await;
    let ids = [
        shop.subject("A").await,
        shop.subject("B").await,
        shop.subject("C").await,
    ];
    (shop, ids)
}

#[tokio::test]
async fn a_batch_in_which_a_process_died_is_planned_one_by_one() {
    let (shop, _) = three().await;
    die(&shop).await;
    assert_eq!(
        shop.number("SELECT cardinality(ids)::bigint FROM planning_claims")
            .await,
        3,
        "what it planned is known"
    );
    assert_eq!(
        shop.number("SELECT count(*) FROM demands").await,
        0,
        "and nothing of it was written"
    );
    let mut alone = Vec::new();
    loop {
        match plan_step(&shop.engine).await.unwrap() {
            0 => break,
            n => alone.push(n),
        }
    }
    assert_eq!(alone, [1, 1, 1]);
    assert_eq!(shop.number("SELECT count(*) FROM demands").await, 3);
    assert_eq!(shop.number("SELECT count(*) FROM planning_claims").await, 0);
    assert_eq!(
        shop.number("SELECT count(*) FROM plan_suspects").await,
        0,
        "all were planned"
    );
    shop.settle().await;
    assert_eq!(
        shop.number("SELECT count(*) FROM subjects WHERE status = 'allocated'")
            .await,
        3
    );
}

/// News comes as fast as it is planned: each batch is full, and the suspect has its turn all the same.
#[tokio::test]
async fn a_suspect_is_planned_among_news_without_an_end() {
    let mut shop = Shop::open().await;
    Arc::get_mut(&mut shop.engine).unwrap().plan_batch = 1;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    die(&shop).await;
    let mut rounds = 0;
    loop {
        let news = order(&format!("N{rounds}"), 1);
        shop.pull("shop", &page(0, vec![news])).await;
        assert!(plan_step(&shop.engine).await.unwrap() >= 1, "it is full");
        rounds += 1;
        if shop.number("SELECT count(*) FROM plan_suspects").await == 0 {
            break;
        }
        assert!(rounds < 17, "more than a cycle");
    }
    let due = "SELECT count(*) FROM subjects WHERE external_id = 'A' AND plan_class = 0 AND plan_at IS NOT NULL";
    assert_eq!(shop.number(due).await, 0, "it was planned");
}

#[tokio::test]
async fn an_order_that_ended_the_process_twice_alone_is_set_aside() {
    let (shop, [a, b, c]) = three().await;
    sqlx::query("UPDATE subjects SET plan_at = hk_now() - interval '1 minute' WHERE id = $1")
        .bind(b)
        .execute(shop.pool())
        .await
        .unwrap();
    for (times, ids) in [("in its batch", 3), ("alone", 1), ("alone again", 1)] {
        die(&shop).await;
        assert_eq!(
            shop.number("SELECT cardinality(ids)::bigint FROM planning_claims")
                .await,
            ids,
            "{times}"
        );
    }
    shop.settle().await;
    for neighbour in [a, c] {
        assert_eq!(shop.status(neighbour).await, "allocated");
    }
    assert_eq!(shop.status(b).await, "received");
    let tasks = shop.store().list_tasks().await.unwrap();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0].kind, "plan_failed");
    assert!(
        tasks[0].detail.contains("ended the whole process"),
        "{tasks:?}"
    );

    // News does not bring it back before its time, and neither does its neighbours' planning.
    shop.pull("shop", &page(1, vec![order("B", 2), order("D", 1)]))
        .await;
    shop.settle().await;
    assert_eq!(shop.status(b).await, "received");
    assert_eq!(shop.status(shop.subject("D").await).await, "allocated");
    shop.clock(61).await;
    shop.settle().await;
    assert_eq!(
        shop.status(b).await,
        "allocated",
        "then it is tried again, and lives"
    );
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    assert_eq!(shop.number("SELECT count(*) FROM plan_suspects").await, 0);
}

/// A batch that fails while the process goes on leaves nobody under suspicion.
#[tokio::test]
async fn a_failure_is_not_a_death() {
    let (shop, [a, ..]) = three().await;
    // This order's status cannot be written.
    sqlx::query("ALTER TABLE subjects ADD CONSTRAINT poison CHECK (external_id <> 'A' OR status = 'received') NOT VALID")
        .execute(shop.pool())
        .await
        .unwrap();
    shop.settle().await;
    assert_eq!(shop.status(a).await, "received");
    assert_eq!(
        shop.number("SELECT count(*) FROM subjects WHERE status = 'allocated'")
            .await,
        2
    );
    assert_eq!(shop.number("SELECT count(*) FROM planning_claims").await, 0);
    assert_eq!(shop.number("SELECT count(*) FROM plan_suspects").await, 0);
    let tasks = shop.store().list_tasks().await.unwrap();
    assert_eq!(
        tasks.iter().filter(|t| t.kind == "plan_failed").count(),
        1,
        "{tasks:?}"
    );
}
