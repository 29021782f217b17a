//! A daemon that starts beside others makes sure that its accounts have rows. One that locks them for that
//! stands in the way of everybody who refers to them.

use std::sync::Arc;
use std::time::Duration;

use hikiate::store::StoreError;
use hikiate_sdk::AccountSlug;
use sqlx::{Postgres, Transaction};
use tokio::time::timeout;

use crate::support::shop::{Shop, order, page};
use crate::support::turns::{ended, session, start_blocked};

/// A page that is being stored: its rows refer to the account.
async fn referring(shop: &Shop, slug: &str) -> Transaction<'static, Postgres> {
    let mut tx = shop.pool().begin().await.unwrap();
    sqlx::query("SELECT id FROM accounts WHERE slug = $1 FOR KEY SHARE")
        .bind(slug)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx
}

async fn rows(shop: &Shop) -> Vec<(AccountSlug, String)> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT slug, connector FROM accounts ORDER BY id")
            .fetch_all(shop.pool())
            .await
            .unwrap();
    rows.into_iter()
        .map(|(slug, connector)| (AccountSlug::new(slug), connector))
        .collect()
}

#[tokio::test]
async fn a_start_waits_for_nobody_who_refers_to_its_accounts() {
    let shop = Shop::open().await;
    let _storing = referring(&shop, "shop").await;
    let rows = rows(&shop).await;
    let names: Vec<_> = rows
        .iter()
        .map(|(slug, c)| (slug.clone(), c.as_str()))
        .collect();
    let started = shop.store().register(&names, &shop.engine.policy);
    timeout(Duration::from_secs(60), started)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_upsert_of_the_name_waits() {
    let shop = Shop::open().await;
    let mut storing = referring(&shop, "shop").await;
    let holder = session(&mut storing).await;
    let pool = shop.pool().clone();
    let upsert = async move {
        let upsert = "INSERT INTO accounts (slug, connector) VALUES ('shop', 'medusa') ON CONFLICT (slug) DO UPDATE SET slug = excluded.slug";
        sqlx::query(upsert).execute(&pool).await
    };
    let waiting = start_blocked(shop.pool(), holder, upsert).await;
    storing.rollback().await.unwrap();
    ended(waiting).await.unwrap();
}

#[tokio::test]
async fn a_start_uses_up_no_numbers() {
    let shop = Shop::open().await;
    let rows = rows(&shop).await;
    let names: Vec<_> = rows
        .iter()
        .map(|(slug, c)| (slug.clone(), c.as_str()))
        .collect();
    let last = async || -> (i64, i64) {
        sqlx::query_as("SELECT (SELECT last_value FROM accounts_id_seq), (SELECT last_value FROM locations_id_seq)")
            .fetch_one(shop.pool())
            .await
            .unwrap()
    };
    let before = last().await;
    for _ in 0..3 {
        shop.store()
            .register(&names, &shop.engine.policy)
            .await
            .unwrap();
    }
    assert_eq!(last().await, before);
}

/// Two orders, and the first one's row lies behind the second one's.
async fn two_orders(shop: &Shop) -> (i64, i64) {
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    shop.settle().await;
    let (first, second) = (shop.subject("A").await, shop.subject("B").await);
    assert!(first < second);
    sqlx::query("UPDATE subjects SET created_at = created_at + interval '1 second' WHERE id = $1")
        .bind(first)
        .execute(shop.pool())
        .await
        .unwrap();
    (first, second)
}

async fn lock(tx: &mut Transaction<'_, Postgres>, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT id FROM subjects WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id)
        .execute(&mut **tx)
        .await
        .map(|_locked| ())
}

async fn activate(shop: &Shop) -> Result<i32, StoreError> {
    let document = serde_json::json!({ "changed": true });
    shop.store()
        .activate_policy(b"another", &document, &[])
        .await
}

/// As everybody does: whoever holds the first order and goes for the second meets no one who did it the other way round.
#[tokio::test]
async fn a_changed_policy_locks_orders_in_their_order() {
    let shop = Arc::new(Shop::open().await);
    let (first, second) = two_orders(&shop).await;
    let mut tx = shop.pool().begin().await.unwrap();
    let holder = session(&mut tx).await;
    lock(&mut tx, first).await.unwrap();
    let mine = Arc::clone(&shop);
    let activating = start_blocked(shop.pool(), holder, async move { activate(&mine).await }).await;
    lock(&mut tx, second).await.unwrap();
    tx.commit().await.unwrap();
    ended(activating).await.unwrap();
}

/// Somebody who locks them in another order all the same does not end a daemon's start.
#[tokio::test]
async fn a_start_that_is_the_victim_of_a_deadlock_is_repeated() {
    let shop = Arc::new(Shop::open().await);
    let (first, second) = two_orders(&shop).await;
    let mut tx = shop.pool().begin().await.unwrap();
    // The other side looks for the deadlock first, and is ended.
    sqlx::query("SET LOCAL deadlock_timeout = '30s'")
        .execute(&mut *tx)
        .await
        .unwrap();
    let holder = session(&mut tx).await;
    lock(&mut tx, second).await.unwrap();
    let mine = Arc::clone(&shop);
    let activating = start_blocked(shop.pool(), holder, async move { activate(&mine).await }).await;
    lock(&mut tx, first).await.unwrap();
    tx.commit().await.unwrap();
    ended(activating).await.unwrap();
    assert!(shop.store().retries() > 0);
}
