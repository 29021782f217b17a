//! A claim that also loads reads what the statement's snapshot shows, while the lock is granted on the
//! newer row: a cancel committed in between is never read, and the order sleeps for ever.

use hikiate::daemon::plan_step;
use sqlx::{PgConnection, PgPool};

use crate::support::shop::{Shop, at, today};
use crate::support::turns::{ended, session, start_blocked};

/// Makes every statement that asks for the time stand still after its snapshot was taken, until the
/// returned session lets it go.
async fn standstill(pool: &PgPool) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
    sqlx::query(
        "CREATE OR REPLACE FUNCTION hk_now() RETURNS timestamptz STABLE LANGUAGE plpgsql AS
         $$ BEGIN
           PERFORM pg_advisory_lock_shared(1);
           PERFORM pg_advisory_unlock_shared(1);
           RETURN (SELECT fixed_at FROM clock);
         END $$",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut gate = pool.acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(1)")
        .execute(&mut *gate)
        .await
        .unwrap();
    gate
}

async fn go_on(gate: &mut PgConnection) {
    sqlx::query("SELECT pg_advisory_unlock(1)")
        .execute(gate)
        .await
        .unwrap();
}

/// An operator cancels, by the rule: lock, fact, mark.
async fn cancel(pool: &PgPool, subject: i64) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM subjects WHERE id = $1 FOR NO KEY UPDATE")
        .bind(subject)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        r#"INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
           VALUES ($1, 'cancel_wanted:person:1', 'decision', 'cancel_wanted', 1, '{"reason": "x"}', $2, $2, $2, $3, 'person')"#,
    )
    .bind(subject)
    .bind(at(0))
    .bind(today())
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query("UPDATE subjects SET plan_at = $2, plan_class = 0 WHERE id = $1")
        .bind(subject)
        .bind(at(0))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_planner_reads_a_cancel_that_came_while_it_claimed() {
    let shop = Shop::open().await;
    let subject = shop.allocated("A").await;
    shop.make_due(subject).await;
    let mut gate = standstill(shop.pool()).await;
    let holder = session(&mut gate).await;
    let engine = shop.engine.clone();
    let planning =
        start_blocked(shop.pool(), holder, async move { plan_step(&engine).await }).await;
    cancel(shop.pool(), subject).await;
    go_on(&mut gate).await;
    assert_eq!(ended(planning).await.unwrap(), 1);
    let asked = "SELECT count(*) FROM effects WHERE op = 'cancel_order'";
    assert_eq!(
        shop.number(asked).await,
        1,
        "{:?}",
        shop.keys(subject).await
    );
}

#[tokio::test]
async fn a_claim_that_loads_in_the_same_statement_misses_it() {
    let shop = Shop::open().await;
    let subject = shop.allocated("A").await;
    shop.make_due(subject).await;
    let mut gate = standstill(shop.pool()).await;
    let holder = session(&mut gate).await;
    let pool = shop.pool().clone();
    let planning = start_blocked(shop.pool(), holder, async move {
        let mut tx = pool.begin().await.unwrap();
        let kinds: Vec<String> = sqlx::query_scalar(
            "WITH due AS MATERIALIZED (
               SELECT id FROM subjects WHERE plan_class = 0 AND plan_at <= (SELECT hk_now()) ORDER BY plan_class, plan_at, id
               LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED)
             SELECT f.kind FROM due JOIN facts f ON f.subject_id = due.id ORDER BY f.id",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        sqlx::query("UPDATE subjects SET plan_at = NULL WHERE id = $1")
            .bind(subject)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        kinds
    })
    .await;
    cancel(shop.pool(), subject).await;
    go_on(&mut gate).await;
    let read = ended(planning).await;
    assert!(read.contains(&"order".to_owned()), "{read:?}");
    assert!(!read.contains(&"cancel_wanted".to_owned()), "{read:?}");
    assert_eq!(
        shop.planned_for(subject).await,
        None,
        "asleep with a cancel that nobody has read"
    );
}
