//! A database that a newer version has worked on.

use std::fs;
use std::path::Path;

use hikiate::daemon::plan_step;
use hikiate::store::{Store, StoreError};

use crate::support::db;
use crate::support::shop::{Shop, order, page};

/// What a later migration might add, and its line in the migrator's own table.
async fn expanded(shop: &Shop) {
    for sql in [
        "ALTER TABLE subjects ADD COLUMN newer text",
        "ALTER TABLE effects ADD COLUMN newer jsonb",
        "CREATE TABLE newer (subject_id bigint PRIMARY KEY REFERENCES subjects)",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'newer', true, '\\x00', 1)",
    ] {
        sqlx::query(sql).execute(shop.pool()).await.unwrap();
    }
}

#[tokio::test]
async fn a_schema_that_was_only_added_to_is_worked_on() {
    let shop = Shop::open().await;
    expanded(&shop).await;
    shop.store().migrate().await.unwrap();
    shop.count("TEA", 10, 0).await;
    shop.pull("shop", &page(1, vec![order("A", 2)])).await;
    shop.settle().await;
    assert_eq!(shop.status(shop.subject("A").await).await, "allocated");
}

#[tokio::test]
async fn above_its_gate_a_binary_is_refused_and_claims_nothing() {
    let shop = Shop::open().await;
    expanded(&shop).await;
    shop.count("TEA", 10, 0).await;
    shop.settle().await;
    sqlx::query("UPDATE gate SET min_code = min_code + 1000")
        .execute(shop.pool())
        .await
        .unwrap();
    let refused = shop.store().migrate().await.unwrap_err();
    assert!(matches!(refused, StoreError::Gate { .. }), "{refused}");
    assert!(refused.to_string().contains("run the newer version"));

    // One that was running already goes on pulling, and neither plans nor sends.
    shop.pull("shop", &page(1, vec![order("A", 2)])).await;
    let subject = shop.subject("A").await;
    assert_eq!(plan_step(&shop.engine).await.unwrap(), 0);
    assert!(
        shop.planned_for(subject).await.is_some(),
        "it waits for the newer one"
    );
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 0);
}

/// A fact of a kind that this binary does not know is never passed over: its order waits, its neighbours go on.
#[tokio::test]
async fn a_fact_of_an_unknown_kind_leaves_its_order_unplanned_and_known() {
    let shop = Shop::open().await;
    shop.count("TEA", 10, 0).await;
    shop.pull("shop", &page(1, vec![order("A", 2), order("B", 2)]))
        .await;
    let (strange, usual) = (shop.subject("A").await, shop.subject("B").await);
    sqlx::query(
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
         VALUES ($1, 'captured_part:1', 'event', 'captured_part', 1, '{}', hk_now(), hk_now(), hk_now(), '2026-11-21', 'newer')",
    )
    .bind(strange)
    .execute(shop.pool())
    .await
    .unwrap();
    shop.settle().await;
    assert_eq!(shop.status(usual).await, "allocated");
    assert_ne!(shop.status(strange).await, "allocated");
    assert!(
        shop.planned_for(strange).await.is_some(),
        "it is tried again"
    );
    let tasks = shop.store().list_tasks().await.unwrap();
    let task = tasks.iter().find(|t| t.kind == "plan_failed").unwrap();
    assert!(task.detail.contains("captured_part"), "{}", task.detail);
    assert_eq!(
        shop.number("SELECT count(*) FROM facts WHERE class = 'intent'")
            .await,
        0
    );
}

/// A call that this binary cannot read is not sent, is told at once, and keeps no other from being sent.
#[tokio::test]
async fn an_intent_of_a_newer_version_is_told_and_its_neighbours_are_sent() {
    let shop = Shop::open().await;
    shop.shipped("A").await;
    shop.shipped("B").await;
    sqlx::query(
        "UPDATE facts f SET version = 99 FROM subjects s WHERE s.id = f.subject_id AND s.external_id = 'A' AND f.class = 'intent'",
    )
    .execute(shop.pool())
    .await
    .unwrap();
    let owned = shop.owned("shop").await;
    let claimed = shop.store().claim_effects(&owned, 10, 60).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].subject_id, shop.subject("B").await);
    let tasks = shop.store().list_tasks().await.unwrap();
    let told: Vec<_> = tasks
        .iter()
        .filter(|task| task.kind == "send_failing")
        .collect();
    assert_eq!(told.len(), 1, "{tasks:?}");
    assert!(told[0].detail.contains("version 99"), "{}", told[0].detail);
    assert!(told[0].detail.contains("run the newer version"));
    // Neither leased nor asked for again at once.
    let waits = "SELECT count(*) FROM effects WHERE state = 'planned' AND token IS NULL AND due_at > hk_now()";
    assert_eq!(shop.number(waits).await, 1);
}

/// A migration runs while an older daemon does. An index or a trigger on `facts` stops those that write facts, which hold
/// orders and read facts by its other indexes by then: what waits for them is a file, and so a transaction, of its own.
#[test]
fn no_migration_waits_for_a_daemon_that_waits_for_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let (mut stop, mut wrong) = (0, Vec::new());
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // The first one makes the tables.
        if text.contains("CREATE TABLE facts ") {
            continue;
        }
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join(" ");
        let mut statements = text.split(';');
        let on_facts = |statement: &str| {
            let makes = statement.contains("CREATE INDEX") || statement.contains("CREATE TRIGGER");
            makes && statement.contains(" ON facts ")
        };
        let stops = statements.any(on_facts);
        stop += u32::from(stops);
        let waits = ["DROP INDEX facts_", "UPDATE subjects ", "UPDATE demands "];
        if stops && waits.iter().any(|word| text.contains(word)) {
            wrong.push(path);
        }
    }
    assert!(stop > 0, "no file is found");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A daemon of the version before is still at work: it has a table that the migration wants, and wants one that it has.
#[tokio::test]
async fn a_migration_that_deadlocks_with_a_daemon_is_repeated() {
    let database = db().await;
    let pool = &database.pool;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .execute(pool)
        .await
        .unwrap();
    let before = 49;
    sqlx::migrate!("./migrations")
        .run_to(before, pool)
        .await
        .unwrap();
    let mut daemon = pool.begin().await.unwrap();
    // So that PostgreSQL ends the migration and not the daemon.
    sqlx::raw_sql("SET deadlock_timeout = '5min'; LOCK TABLE demands IN ROW EXCLUSIVE MODE")
        .execute(&mut *daemon)
        .await
        .unwrap();
    let store = Store::over(pool.clone());
    let migrating = tokio::spawn({
        let store = store.clone();
        async move { store.migrate().await }
    });
    // It has renamed `heads` and waits for `demands`.
    while sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM pg_locks WHERE relation = 'demands'::regclass AND NOT granted",
    )
    .fetch_one(pool)
    .await
    .unwrap()
        == 0
    {
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("LOCK TABLE heads IN ROW EXCLUSIVE MODE")
        .execute(&mut *daemon)
        .await
        .unwrap();
    daemon.rollback().await.unwrap();
    migrating.await.unwrap().unwrap();
    assert_eq!(store.retries(), 1);
}
