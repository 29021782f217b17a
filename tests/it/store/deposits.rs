//! Deposits by hand, and the clock that all times come from.

use chrono::TimeDelta;
use hikiate::store::StoreError;

use crate::support::shop::{Shop, at, order, page, today};

#[tokio::test]
async fn a_reference_is_used_once() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    let (a, b) = (shop.subject("A").await, shop.subject("B").await);
    let yen = "JPY".parse().unwrap();
    let (store, directory) = (shop.store(), &shop.engine.directory);
    store
        .add_deposit(directory, a, "FURIKOMI-1", 1_000, yen, today(), "ken")
        .await
        .unwrap();
    for subject in [a, b] {
        let twice = store
            .add_deposit(directory, subject, "FURIKOMI-1", 1_000, yen, today(), "ken")
            .await;
        assert!(matches!(twice, Err(StoreError::Refused(_))), "{twice:?}");
    }
    assert_eq!(
        shop.number("SELECT sum(amount)::bigint FROM deposit_matches")
            .await,
        1_000
    );
    assert_eq!(
        shop.keys(a).await.last().unwrap(),
        "deposit:shop:FURIKOMI-1"
    );
    assert_eq!(shop.planned_for(a).await, Some(at(0)));
}

/// Two people type the same transfer at once.
#[tokio::test]
async fn typed_twice_at_once_it_counts_once() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    let yen = "JPY".parse().unwrap();
    let (store, directory) = (shop.store(), &shop.engine.directory);
    let add = |subject| store.add_deposit(directory, subject, "F1", 1_000, yen, today(), "ken");
    let (one, two) = tokio::join!(add(shop.subject("A").await), add(shop.subject("B").await));
    assert_eq!(
        [one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(),
        1,
        "{one:?} {two:?}"
    );
}

#[tokio::test]
async fn what_is_due_is_due_by_the_clock_s_row() {
    let shop = Shop::open().await;
    assert!(shop.store().clock_is_set().await.unwrap());
    assert_eq!(shop.store().now().await.unwrap(), at(0));
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    sqlx::query("UPDATE subjects SET read_at = $1, plan_at = NULL")
        .bind(at(10))
        .execute(shop.pool())
        .await
        .unwrap();
    assert!(
        shop.store()
            .due_reads(shop.account("shop"), 1)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    shop.store()
        .set_clock(Some(at(0)), TimeDelta::minutes(10))
        .await
        .unwrap();
    assert_eq!(shop.store().now().await.unwrap(), at(10));
    assert_eq!(
        shop.store()
            .due_reads(shop.account("shop"), 1)
            .await
            .unwrap()
            .0
            .len(),
        1
    );
    assert_eq!(shop.planned_for(subject).await, None);
    shop.store()
        .set_clock(None, TimeDelta::zero())
        .await
        .unwrap();
    assert!(!shop.store().clock_is_set().await.unwrap());
    let drift: f64 =
        sqlx::query_scalar("SELECT abs(extract(epoch FROM hk_now() - clock_timestamp()))::float8")
            .fetch_one(shop.pool())
            .await
            .unwrap();
    assert!(drift < 5.0, "{drift}");
}
