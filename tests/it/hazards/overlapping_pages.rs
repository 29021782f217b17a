//! Two pages bring the same new orders in opposite order. Rows are made in one order, or two sessions
//! wait for each other.

use sqlx::{PgPool, Postgres, Transaction};

use crate::support::shop::{STREAM, Shop, after, at, order, page};
use crate::support::turns::{blocked_by, code, ended, session, start_blocked};

const OTHER: &str = "other";

/// A third session that keeps the page's middle order to itself for a while.
async fn middle(shop: &Shop) -> Transaction<'static, Postgres> {
    let mut tx = shop.pool().begin().await.unwrap();
    insert(&mut tx, shop.account("shop"), "M").await.unwrap();
    tx
}

async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    account: i16,
    id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at) VALUES ('order', $1, $2, $3, $4)
         ON CONFLICT (account_id, kind, external_id) DO NOTHING",
    )
    .bind(account)
    .bind(id)
    .bind(order(id, 1).number)
    .bind(at(0))
    .execute(&mut **tx)
    .await
    .map(drop)
}

#[tokio::test]
async fn pages_in_opposite_order_wait_for_one_another() {
    let shop = Shop::open().await;
    let id = shop.account("shop");
    shop.store()
        .register_streams(id, &[OTHER.to_owned()])
        .await
        .unwrap();
    let owned = shop.owned("shop").await;
    let mut third = middle(&shop).await;
    let holder = session(&mut third).await;
    let pull = |stream: &'static str, ids: [&'static str; 3]| {
        let (store, owned) = (shop.store().clone(), owned.clone());
        async move {
            let orders = ids.into_iter().map(|id| order(id, 1)).collect();
            store
                .ingest(&owned, stream, 0, &page(0, orders), &after(1))
                .await
        }
    };
    let one = start_blocked(shop.pool(), holder, pull(STREAM, ["Z", "M", "A"])).await;
    let first = blocked_by(shop.pool(), holder).await;
    // The second waits for the first at A, although its own page would let it begin elsewhere.
    let two = start_blocked(shop.pool(), first, pull(OTHER, ["A", "M", "Z"])).await;
    third.rollback().await.unwrap();
    assert_eq!(ended(one).await.unwrap().new_facts, 3);
    assert_eq!(ended(two).await.unwrap().unchanged, 3);
}

#[tokio::test]
async fn pages_as_they_come_are_a_deadlock() {
    let shop = Shop::open().await;
    let account = shop.account("shop");
    let mut third = middle(&shop).await;
    let holder = session(&mut third).await;
    let store = |pool: PgPool, ids: [&'static str; 3]| async move {
        let mut tx = pool.begin().await?;
        for id in ids {
            insert(&mut tx, account, id).await?;
        }
        tx.commit().await
    };
    let pool = shop.pool();
    let one = start_blocked(pool, holder, store(pool.clone(), ["Z", "M", "A"])).await;
    let two = tokio::spawn(store(pool.clone(), ["A", "M", "Z"]));
    // Both stand before M.
    let begun = tokio::time::Instant::now();
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND $1 = ANY(pg_blocking_pids(pid))",
        )
        .bind(holder)
        .fetch_one(pool)
        .await
        .unwrap();
        if waiting == 2 {
            break;
        }
        assert!(begun.elapsed().as_secs() < 120, "they do not both wait");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    third.rollback().await.unwrap();
    let ends = [ended(one).await, ended(two).await];
    assert!(
        ends.iter()
            .any(|e| e.as_ref().is_err_and(|e| code(e) == "40P01")),
        "{ends:?}"
    );
}
