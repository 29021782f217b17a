//! A row that refers to an order shares its key while it is being inserted. A claim that locks more than
//! it needs skips the order for that.

use hikiate::store::Store;
use sqlx::{Postgres, Transaction};

use crate::support::shop::{Shop, at};

async fn referring(shop: &Shop, subject: i64) -> Transaction<'static, Postgres> {
    shop.make_due(subject).await;
    let mut tx = shop.pool().begin().await.unwrap();
    sqlx::query(
        "INSERT INTO personal (subject_id, version, body, stored_at) VALUES ($1, 99, '{}', $2)",
    )
    .bind(subject)
    .bind(at(0))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx
}

#[tokio::test]
async fn an_order_is_claimed_while_something_that_refers_to_it_is_inserted() {
    let shop = Shop::open().await;
    let subject = shop.allocated("A").await;
    let _inserting = referring(&shop, subject).await;
    let mut tx = shop.pool().begin().await.unwrap();
    assert_eq!(
        Store::claim_due(&mut tx, 0, 100, shop.engine.policy_id)
            .await
            .unwrap(),
        [subject]
    );
}

#[tokio::test]
async fn a_claim_for_update_skips_it() {
    let shop = Shop::open().await;
    let subject = shop.allocated("A").await;
    let _inserting = referring(&shop, subject).await;
    let mut tx = shop.pool().begin().await.unwrap();
    let claimed: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM subjects WHERE plan_class = 0 AND plan_at <= (SELECT hk_now()) FOR UPDATE SKIP LOCKED",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert!(claimed.is_empty(), "{claimed:?}");
}
