//! An order and a mention of it commit together: whoever comes second meets the first on the order's row.

use hikiate::store::{IncomingBad, Source};
use hikiate_sdk::{BadRecord, Kind};
use sqlx::{Postgres, Transaction};

use crate::support::shop::{STREAM, Shop, after, at, order, page};
use crate::support::turns::{ended, session, start_blocked};

/// A session that is just making the order's row.
async fn making(shop: &Shop) -> Transaction<'static, Postgres> {
    let mut tx = shop.pool().begin().await.unwrap();
    sqlx::query(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at) VALUES ('order', $1, 'A', $2, $3)",
    )
    .bind(shop.account("shop"))
    .bind(order("A", 1).number)
    .bind(at(0))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx
}

#[tokio::test]
async fn an_order_meets_the_mention_that_came_first() {
    let shop = Shop::open().await;
    let mut mention = making(&shop).await;
    let holder = session(&mut mention).await;
    let (store, owned) = (shop.store().clone(), shop.owned("shop").await);
    let pulling = start_blocked(shop.pool(), holder, async move {
        store
            .ingest(&owned, STREAM, 0, &page(0, vec![order("A", 1)]), &after(1))
            .await
    })
    .await;
    mention.commit().await.unwrap();
    assert_eq!(ended(pulling).await.unwrap().new_facts, 1);
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 1);
    let subject = shop.subject("A").await;
    assert_eq!(shop.planned_for(subject).await, Some(at(0)), "due");
}

#[tokio::test]
async fn a_mention_meets_the_order_that_came_first() {
    let shop = Shop::open().await;
    let mut bad = page(0, Vec::new());
    let raw = b"{".to_vec();
    bad.bad.push(IncomingBad::new(
        BadRecord::new(Some("A".into()), "cut"),
        Source { raw, file: None },
    ));
    shop.pull("shop", &bad).await;
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    let mut import = making(&shop).await;
    let holder = session(&mut import).await;
    let engine = shop.engine.clone();
    let asking = start_blocked(shop.pool(), holder, async move {
        engine.store.retry_quarantined(&engine.directory, id).await
    })
    .await;
    import.commit().await.unwrap();
    ended(asking).await.unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 1);
    let (due, _) = shop
        .store()
        .due_reads(shop.account("shop"), Kind::Order, 10)
        .await
        .unwrap();
    assert_eq!(due, ["A".into()]);
}

/// Each looks for the other's row and finds none.
#[tokio::test]
async fn looking_for_each_other_finds_nobody() {
    let shop = Shop::open().await;
    sqlx::query("CREATE TABLE orphans (external_id text)")
        .execute(shop.pool())
        .await
        .unwrap();
    let mut mention = shop.pool().begin().await.unwrap();
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM subjects WHERE external_id = 'A'")
        .fetch_one(&mut *mention)
        .await
        .unwrap();
    let mut import = making(&shop).await;
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM orphans WHERE external_id = 'A'")
        .fetch_one(&mut *import)
        .await
        .unwrap();
    assert_eq!((known, told), (0, 0));
    sqlx::query("INSERT INTO orphans VALUES ('A')")
        .execute(&mut *mention)
        .await
        .unwrap();
    mention.commit().await.unwrap();
    import.commit().await.unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM orphans").await, 1);
    let subject = shop.subject("A").await;
    assert_eq!(
        shop.planned_for(subject).await,
        None,
        "nobody wakes the order for what was told of it"
    );
}
