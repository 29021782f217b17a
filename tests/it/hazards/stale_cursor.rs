//! A process that lost its account comes back with a page it asked for long ago.

use hikiate::store::StoreError;
use serde_json::{Value, json};

use crate::support::shop::{STREAM, Shop, after, order, page};
use crate::support::turns::{ended, session, start_blocked};

async fn cursor(shop: &Shop) -> Value {
    let cursor = sqlx::query_scalar("SELECT cursor FROM streams WHERE account_id = $1");
    cursor
        .bind(shop.account("shop"))
        .fetch_one(shop.pool())
        .await
        .unwrap()
}

/// The new owner's page is being stored while the old one's comes.
#[tokio::test]
async fn a_page_after_a_cursor_that_moved_is_stored_neither_in_part_nor_whole() {
    let shop = Shop::open().await;
    let old = shop.owned("shop").await;
    let mut new = shop.pool().begin().await.unwrap();
    let holder = session(&mut new).await;
    sqlx::query("UPDATE streams SET cursor = '9', seq = seq + 1 WHERE account_id = $1")
        .bind(shop.account("shop"))
        .execute(&mut *new)
        .await
        .unwrap();
    let store = shop.store().clone();
    let pulling = start_blocked(shop.pool(), holder, async move {
        store
            .ingest(&old, STREAM, 0, &page(0, vec![order("A", 1)]), &after(4))
            .await
    })
    .await;
    new.commit().await.unwrap();
    let lost = ended(pulling).await;
    assert!(matches!(lost, Err(StoreError::LostLease(_))), "{lost:?}");
    assert_eq!(cursor(&shop).await, json!(9));
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 0);
}

#[tokio::test]
async fn a_cursor_without_a_fence_goes_back() {
    let shop = Shop::open().await;
    let mut new = shop.pool().begin().await.unwrap();
    let holder = session(&mut new).await;
    sqlx::query("UPDATE streams SET cursor = '9'")
        .execute(&mut *new)
        .await
        .unwrap();
    let pool = shop.pool().clone();
    let pulling = start_blocked(shop.pool(), holder, async move {
        sqlx::query("UPDATE streams SET cursor = '4'")
            .execute(&pool)
            .await
    })
    .await;
    new.commit().await.unwrap();
    ended(pulling).await.unwrap();
    assert_eq!(cursor(&shop).await, json!(4), "four came after nine");
}
