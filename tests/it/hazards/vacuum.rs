//! Every daemon on a database vacuums the queue tables every few seconds. Those who wait for one another pile
//! up, each with a connection, and an orderly end waits with them.

use std::time::Duration;

use hikiate::store::VacuumPauses;
use tokio::time::timeout;

use crate::support::shop::Shop;

#[tokio::test]
async fn a_table_that_somebody_vacuums_is_left_to_them() {
    let shop = Shop::open().await;
    with_dead_rows(&shop, "planning_claims", 51).await;
    with_dead_rows(&shop, "allocation_requests", 51).await;
    let mut tx = shop.pool().begin().await.unwrap();
    // The lock that VACUUM takes.
    sqlx::query("LOCK TABLE planning_claims IN SHARE UPDATE EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .unwrap();
    let mut pauses = VacuumPauses::default();
    timeout(Duration::from_secs(60), shop.store().vacuum(&mut pauses))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(vacuums(&shop, "planning_claims").await, 0, "it is locked");
    assert_eq!(vacuums(&shop, "allocation_requests").await, 1);
    tx.rollback().await.unwrap();
    shop.store().vacuum(&mut pauses).await.unwrap();
    assert_eq!(vacuums(&shop, "planning_claims").await, 1);
}

/// As during a dump: what died since it began is not removed, however often a vacuum goes over it.
#[tokio::test]
async fn a_table_whose_dead_rows_somebody_may_still_see_is_left_alone_for_a_while() {
    let shop = Shop::open().await;
    let mut dump = shop.pool().begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM subjects")
        .execute(&mut *dump)
        .await
        .unwrap();
    with_dead_rows(&shop, "planning_claims", 51).await;
    let (mut pauses, mut seen) = (VacuumPauses::default(), Vec::new());
    for _ in 0..4 {
        shop.store().vacuum(&mut pauses).await.unwrap();
        seen.push(vacuums(&shop, "planning_claims").await);
    }
    assert_eq!(seen, [1, 1, 1, 2]);
    dump.rollback().await.unwrap();
    for _ in 0..5 {
        shop.store().vacuum(&mut pauses).await.unwrap();
    }
    assert_eq!(vacuums(&shop, "planning_claims").await, 3);
    with_dead_rows(&shop, "planning_claims", 51).await;
    shop.store().vacuum(&mut pauses).await.unwrap();
    assert_eq!(vacuums(&shop, "planning_claims").await, 4, "as before");
}

/// `subjects` has a row for each order that ever was, and a vacuum goes over all of its indexes: it waits until a share of it is
/// dead. A queue table does not wait.
#[tokio::test]
async fn a_table_that_only_grows_is_vacuumed_in_proportion_to_what_was_written() {
    let shop = Shop::open().await;
    // From either end: a second update of the same page would clear its dead rows by itself.
    let rewrite = |n: u32, order: &str| {
        format!(
            "UPDATE subjects SET plan_fails = plan_fails WHERE id IN (SELECT id FROM subjects ORDER BY id {order} LIMIT {n}); SELECT pg_stat_force_next_flush();"
        )
    };
    let mut connection = shop.pool().acquire().await.unwrap();
    sqlx::raw_sql(
        "ALTER TABLE subjects SET (autovacuum_enabled = false);
         INSERT INTO subjects (kind, account_id, external_id, number, created_at)
           SELECT 'order', (SELECT min(id) FROM accounts), 'order-' || n, 'HK' || lpad(n::text, 13, '0'), hk_now() FROM generate_series(1, 50000) AS n;
         SELECT pg_stat_force_next_flush();",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    let mut pauses = VacuumPauses::default();
    for (written, order, due) in [(1_900, "", 0), (3_000, "DESC", 1)] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(rewrite(written, order)))
            .execute(&mut *connection)
            .await
            .unwrap();
        shop.store().vacuum(&mut pauses).await.unwrap();
        assert_eq!(vacuums(&shop, "subjects").await, due, "{written}");
    }
    with_dead_rows(&shop, "allocation_requests", 51).await;
    shop.store().vacuum(&mut pauses).await.unwrap();
    assert_eq!(vacuums(&shop, "allocation_requests").await, 1);
}

/// Rows that were inserted and deleted, as the statistics know.
async fn with_dead_rows(shop: &Shop, table: &str, rows: u32) {
    let insert = match table {
        "planning_claims" => "(process, ids, at) SELECT 'one', '{}', hk_now()",
        _ => "(item_id) SELECT 1",
    };
    let sql = format!(
        "ALTER TABLE {table} SET (autovacuum_enabled = false);
         INSERT INTO {table} {insert} FROM generate_series(1, {rows}); DELETE FROM {table}; SELECT pg_stat_force_next_flush();"
    );
    let mut connection = shop.pool().acquire().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut *connection)
        .await
        .unwrap();
}

async fn vacuums(shop: &Shop, table: &str) -> i64 {
    sqlx::query_scalar("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = $1")
        .bind(table)
        .fetch_one(shop.pool())
        .await
        .unwrap()
}

/// Without statistics an index over all orders of a channel looks as good as the one that finds an order by its id.
#[tokio::test]
async fn a_table_that_has_grown_is_counted_before_autovacuum_comes_round() {
    let shop = Shop::open().await;
    let counted =
        "SELECT count(*) FROM pg_stats WHERE tablename = 'subjects' AND attname = 'external_id'";
    let mut pauses = VacuumPauses::default();
    shop.store().vacuum(&mut pauses).await.unwrap();
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
    // A table that autovacuum has locked just then is passed over.
    for _ in 0..100 {
        shop.store().vacuum(&mut pauses).await.unwrap();
        if shop.number(counted).await == 1 {
            return;
        }
    }
    panic!("the table was not counted");
}
