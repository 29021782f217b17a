//! What a daemon without work asks of its database, as the server counts it, BEGIN and COMMIT too. Five accounts, simulators that
//! answer, every loop at its own pace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hikiate::ops::health::Readiness;
use hikiate_sdk::sim::skipped;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::flow::world::{Setup, World};

/// After so long without work every pause is the longest.
const QUIET: Duration = Duration::from_secs(20);
/// So long statements are counted: half a minute, in which whatever comes round comes round.
const COUNTED: Duration = Duration::from_secs(30);
/// So often they are counted, until they are few.
const WINDOWS: usize = 4;
/// Statements of an idle hour, at the most.
const MOST: u64 = 20_000;

fn shortened(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").chars().take(110).collect()
}

/// What the server counted.
async fn by_server(pool: &PgPool) -> BTreeMap<String, u64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT query, calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut counted = BTreeMap::new();
    for (sql, calls) in rows {
        *counted.entry(shortened(&sql)).or_default() += u64::try_from(calls).unwrap();
    }
    counted
}

/// What half a minute comes to in an hour, by statement and in all.
async fn window(pool: &PgPool) -> (BTreeMap<String, u64>, u64) {
    let before = by_server(pool).await;
    let begun = Instant::now();
    tokio::time::sleep(COUNTED).await;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let mut counted = by_server(pool).await;
    for (sql, n) in &mut counted {
        let more = n.saturating_sub(before.get(sql).copied().unwrap_or(0));
        *n = more * 3_600_000 / took;
    }
    let all = counted.values().sum();
    (counted, all)
}

#[tokio::test]
async fn an_idle_daemon_leaves_its_database_alone() {
    let mut world = World::new(Setup::default()).await;
    world
        .restart(|toml| toml.replace("interval = \"1s\"", "interval = \"30s\""))
        .await;
    let pool = PgPool::connect(world.database()).await.unwrap();
    let counts = "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
    if !sqlx::query_scalar::<_, bool>(counts)
        .fetch_one(&pool)
        .await
        .unwrap()
    {
        return skipped(
            "guards::idle::an_idle_daemon_leaves_its_database_alone",
            "this PostgreSQL does not load pg_stat_statements",
        );
    }
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .execute(&pool)
        .await
        .unwrap();
    let engine = world.engine;
    engine
        .store
        .set_clock(None, chrono::Duration::zero())
        .await
        .unwrap();
    assert_eq!(engine.accounts.len(), 5);
    let stop = CancellationToken::new();
    let daemon = hikiate::daemon::run(Arc::new(engine), Readiness::default(), stop.clone());
    let daemon = tokio::spawn(daemon);
    tokio::time::sleep(QUIET).await;
    // Where the machine is slow the start may reach into the first of them.
    let mut windows = Vec::new();
    while windows.len() < WINDOWS && windows.last().is_none_or(|(_, all)| *all >= MOST) {
        windows.push(window(&pool).await);
    }
    stop.cancel();
    daemon.await.unwrap().unwrap();

    let (counted, all) = windows.pop().unwrap();
    println!("idle accounts=5 statements_per_hour={all}");
    let mut greatest: Vec<_> = counted.into_iter().collect();
    greatest.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (sql, n) in greatest.iter().take(20) {
        println!("{n:>6}  {sql}");
    }
    assert!(all > 500, "{all}: what counts statements sees none");
    assert!(all < MOST, "{all} statements an hour");
}
