//! A database that a newer version has worked on.

use hikiate::engine::plan_step;
use hikiate::store::StoreError;

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
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, told_at, recorded_at, business_date, actor)
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
