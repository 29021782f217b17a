//! Every daemon on a database vacuums the queue tables every few seconds. Those who wait for one another pile
//! up, each with a connection, and an orderly end waits with them.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::shop::Shop;

#[tokio::test]
async fn a_table_that_somebody_vacuums_is_left_to_them() {
    let shop = Shop::open().await;
    let mut tx = shop.pool().begin().await.unwrap();
    // The lock that VACUUM takes.
    sqlx::query("LOCK TABLE effects IN SHARE UPDATE EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .unwrap();
    timeout(Duration::from_secs(60), shop.store().vacuum())
        .await
        .unwrap()
        .unwrap();
}

/// Without statistics an index over all orders of a channel looks as good as the one that finds an order by its id.
#[tokio::test]
async fn a_table_that_has_grown_is_counted_before_autovacuum_comes_round() {
    let shop = Shop::open().await;
    let counted =
        "SELECT count(*) FROM pg_stats WHERE tablename = 'subjects' AND attname = 'external_id'";
    shop.store().vacuum().await.unwrap();
    assert_eq!(shop.number(counted).await, 0, "nearly empty");
    let mut connection = shop.pool().acquire().await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at)
           SELECT 'order', (SELECT min(id) FROM accounts), 'order-' || n, 'HK' || lpad(n::text, 13, '0'), hk_now() FROM generate_series(1, 800) AS n;
         SELECT pg_stat_force_next_flush();",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    drop(connection);
    shop.store().vacuum().await.unwrap();
    assert_eq!(shop.number(counted).await, 1);
}
