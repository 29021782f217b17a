//! What a daemon without work asks of its database. Five accounts, simulators that answer, every loop at its own pace. With
//! `HIKIATE_TEST_PG_SETTINGS="-c shared_preload_libraries=pg_stat_statements"` the server counts (BEGIN and COMMIT too), else the log.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hikiate::ops::health::Readiness;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::flow::world::{Setup, World};

/// After so long without work every pause is the longest.
const QUIET: Duration = Duration::from_secs(20);
/// So long statements are counted: half a minute, in which whatever comes round comes round.
const COUNTED: Duration = Duration::from_secs(30);
/// Statements of an idle hour, at the most.
const MOST: u64 = 20_000;

/// Counts what sqlx logs, by statement.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeMap<String, u64>>>);

#[derive(Default)]
struct Text {
    summary: String,
    whole: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.whole),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let whole = text.whole.trim();
        let sql = if whole.is_empty() {
            &text.summary
        } else {
            whole
        };
        *self.0.lock().unwrap().entry(shortened(sql)).or_default() += 1;
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn shortened(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").chars().take(110).collect()
}

/// What the server counted, where it does.
async fn by_server(pool: &PgPool) -> Option<BTreeMap<String, u64>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT query, calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()",
    )
    .fetch_all(pool)
    .await
    .ok()?;
    let mut counted = BTreeMap::new();
    for (sql, calls) in rows {
        *counted.entry(shortened(&sql)).or_default() += u64::try_from(calls).unwrap();
    }
    Some(counted)
}

#[tokio::test]
async fn an_idle_daemon_leaves_its_database_alone() {
    let statements = Statements::default();
    let mut world = World::new(Setup::default()).await;
    world
        .restart(|toml| toml.replace("interval = \"1s\"", "interval = \"30s\""))
        .await;
    let pool = PgPool::connect(world.database()).await.unwrap();
    let _there = sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .execute(&pool)
        .await;
    let engine = world.engine;
    engine
        .store
        .set_clock(None, chrono::Duration::zero())
        .await
        .unwrap();
    assert_eq!(engine.accounts.len(), 5);
    let stop = CancellationToken::new();
    let _counting = tracing::subscriber::set_default(statements.clone());
    let daemon = hikiate::daemon::run(Arc::new(engine), Readiness::default(), stop.clone());
    let daemon = tokio::spawn(daemon);
    tokio::time::sleep(QUIET).await;
    let before = by_server(&pool).await;
    statements.0.lock().unwrap().clear();
    let begun = Instant::now();
    tokio::time::sleep(COUNTED).await;
    let took = begun.elapsed();
    let logged = statements.0.lock().unwrap().clone();
    let counted = match (before, by_server(&pool).await) {
        (Some(before), Some(mut after)) => {
            for (sql, n) in &mut after {
                *n -= before.get(sql).copied().unwrap_or(0);
            }
            after
        }
        _ => logged,
    };
    stop.cancel();
    daemon.await.unwrap().unwrap();

    let hourly = |n: u64| n * 3_600_000 / u64::try_from(took.as_millis()).unwrap();
    let all = hourly(counted.values().sum());
    println!("idle accounts=5 statements_per_hour={all}");
    let mut greatest: Vec<_> = counted.into_iter().collect();
    greatest.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (sql, n) in greatest.iter().take(20) {
        println!("{:>6}  {sql}", hourly(*n));
    }
    assert!(all > 500, "{all}: what counts statements sees none");
    assert!(all < MOST, "{all} statements an hour");
}
