//! A daemon that starts beside others makes sure that its accounts have rows. One that locks them for that
//! stands in the way of everybody who refers to them.

use std::time::Duration;

use hikiate_sdk::AccountSlug;
use sqlx::{Postgres, Transaction};
use tokio::time::timeout;

use crate::support::shop::Shop;
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
