//! Readings of a state have no id of their own: what is told again after a change is a change, also when
//! it is what was told before.

use hikiate_sdk::Kind;
use sqlx::query_scalar;

use crate::support::shop::{STREAM, Shop, after, at, order, page};
use crate::support::turns::{ended, session, start_blocked};

async fn readings(shop: &Shop, subject: i64) -> Vec<i64> {
    query_scalar(
        "SELECT (body #>> '{order,total}')::bigint FROM facts WHERE subject_id = $1 AND kind = 'order' ORDER BY id",
    )
    .bind(subject)
    .fetch_all(shop.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn changed_and_changed_back_are_three_facts() {
    let shop = Shop::open().await;
    for (minute, quantity) in [(0, 1), (1, 2), (2, 1), (3, 1)] {
        shop.clock(minute).await;
        shop.pull("shop", &page(minute, vec![order("A", quantity)]))
            .await;
    }
    let subject = shop.subject("A").await;
    assert_eq!(readings(&shop, subject).await, [1_000, 2_000, 1_000]);
}

#[tokio::test]
async fn a_natural_key_drops_the_third() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    sqlx::query("DELETE FROM facts")
        .execute(shop.pool())
        .await
        .unwrap();
    for (minute, quantity) in [(0, 1), (1, 2), (2, 1)] {
        let body = serde_json::json!({ "order": { "total": quantity * 1_000 } });
        sqlx::query(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
             VALUES ($1, 'order:' || md5($2::text), 'observation', 'order', 1, $2, $3, $3, $3, '2026-11-21', 'pull')
             ON CONFLICT (subject_id, key) DO NOTHING",
        )
        .bind(subject)
        .bind(&body)
        .bind(at(minute))
        .execute(shop.pool())
        .await
        .unwrap();
    }
    assert_eq!(
        readings(&shop, subject).await,
        [1_000, 2_000],
        "the order is at 1,000 again"
    );
}

/// A reading is compared with the head as it is once the order is locked, not as it was before.
#[tokio::test]
async fn a_reading_that_waited_is_judged_by_the_head_it_finds() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    // Another reading of the order is being stored: 2,000.
    let mut other = shop.pool().begin().await.unwrap();
    let holder = session(&mut other).await;
    sqlx::query("SELECT id FROM subjects WHERE id = $1 FOR NO KEY UPDATE")
        .bind(subject)
        .execute(&mut *other)
        .await
        .unwrap();
    shop.clock(5).await;
    let (store, owned, seq) = (
        shop.store().clone(),
        shop.owned("shop").await,
        shop.seq("shop").await,
    );
    let pulling = start_blocked(shop.pool(), holder, async move {
        store
            .ingest(
                &owned,
                STREAM,
                seq,
                &page(5, vec![order("A", 1)]),
                &after(1),
            )
            .await
    })
    .await;
    sqlx::query(
        "UPDATE latest_observations SET hash = 'other', revision = 2, requested_at = $2, received_at = $2 WHERE subject_id = $1",
    )
    .bind(subject)
    .bind(at(2))
    .execute(&mut *other)
    .await
    .unwrap();
    other.commit().await.unwrap();
    assert_eq!(ended(pulling).await.unwrap().new_facts, 1);
    assert!(shop.keys(subject).await.contains(&"order::3".to_owned()));
}

/// An order with the channel's time of its last change.
fn changed_at(quantity: u32, version: u64) -> hikiate::store::IncomingOrder {
    let mut order = order("A", quantity);
    order.fact.order.version = Some(version);
    order
}

/// A replica or a cache that lags shows an order as it was; a channel that was set back itself goes on showing it.
#[tokio::test]
async fn an_older_version_is_believed_only_when_it_stays() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![changed_at(2, 7)])).await;
    let subject = shop.subject("A").await;
    let mut minute = 0;
    let mut pull = async |quantity, version, after: i64| {
        minute += after;
        shop.clock(minute).await;
        let read = page(minute, vec![changed_at(quantity, version)]);
        shop.pull("shop", &read).await;
        readings(&shop, subject).await
    };
    assert_eq!(pull(1, 6, 30).await, [2_000]);
    assert_eq!(pull(1, 6, 9).await, [2_000]);
    // The version that is known in between: it was a lag, and what is older is looked at afresh.
    assert_eq!(pull(2, 7, 1).await, [2_000]);
    assert_eq!(pull(1, 6, 5).await, [2_000]);
    assert_eq!(pull(1, 6, 9).await, [2_000]);
    assert_eq!(pull(1, 6, 1).await, [2_000, 1_000]);
    // The same order, changed again in nothing that matters.
    assert_eq!(pull(1, 9, 1).await, [2_000, 1_000]);
    assert_eq!(pull(2, 8, 1).await, [2_000, 1_000]);
}

/// A poll that began before another reading was asked for and ends after it is neither older nor newer.
#[tokio::test]
async fn readings_that_overlap_in_time_are_read_again() {
    let shop = Shop::open().await;
    shop.clock(12).await;
    shop.pull("shop", &page(11, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    shop.clock(15).await;
    shop.pull("shop", &page(10, vec![order("A", 2)])).await;
    assert_eq!(readings(&shop, subject).await, [1_000]);
    let (ids, _) = shop
        .store()
        .due_reads(shop.account("shop"), Kind::Order, 10)
        .await
        .unwrap();
    assert_eq!(ids, ["A".into()]);
}
