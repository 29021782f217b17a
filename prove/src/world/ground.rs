//! What worlds stand on, one after the other: a database that is emptied in between, and sessions that stay
//! open, because making either anew costs more than a whole seed.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{TestDb, db};
use crate::wire::{Gate, Go, Round, Wire};

/// Empties everything that a seed may have written and starts every number again at 1.
const EMPTY: &str = r"
DO $$
DECLARE t regclass;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ('_sqlx_migrations', 'clock', 'gate', 'recovery', 'field_keys') LOOP
    EXECUTE format('DELETE FROM %s', t);
  END LOOP;
  PERFORM setval(c.oid::regclass, 1, false) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S';
  UPDATE clock SET fixed_at = NULL, shift = '0';
  UPDATE gate SET policy_id = NULL;
  DELETE FROM recovery;
  INSERT INTO recovery DEFAULT VALUES;
END $$";

/// More than hikiate has, so that a session parses each of them once.
const STATEMENTS: usize = 1_000;

/// What the sessions of the process in each place are called.
const NAMES: [&str; 2] = ["A", "B"];

/// The ground of one thread.
pub(super) struct Ground {
    /// For whoever looks on.
    pub(super) admin: PgPool,
    /// For the process in each place.
    pub(super) pools: [PgPool; 2],
    pub(super) options: PgConnectOptions,
    worlds: u32,
    /// What the sessions of the processes go over when a fault rewrites their statements.
    _wire: Option<Wire>,
    _db: TestDb,
}

/// Lets everything pass, with some statements rewritten.
struct Rewriter(fn(&str) -> Option<String>);

#[async_trait]
impl Gate for Rewriter {
    fn rewrite(&self, sql: &str) -> Option<String> {
        (self.0)(sql)
    }

    async fn before(&self, _: &Round) -> Go {
        Go::On
    }
}

impl Ground {
    pub(super) async fn new(rewrite: Option<fn(&str) -> Option<String>>) -> Self {
        let db = db().await;
        let direct: PgConnectOptions = db.url.parse().unwrap();
        let wire =
            rewrite.map(|rewrite| Wire::listen(&direct, Arc::new(Rewriter(rewrite))).unwrap());
        let options = wire.as_ref().map_or_else(|| direct.clone(), Wire::options);
        Self {
            admin: pool(&direct, "world"),
            pools: NAMES.map(|name| pool(&options, name)),
            options,
            worlds: 0,
            _wire: wire,
            _db: db,
        }
    }

    /// An empty database.
    pub(super) async fn empty(&mut self) {
        for (at, name) in NAMES.into_iter().enumerate() {
            if !rest(&self.pools[at], &self.admin).await {
                self.pools[at].close().await;
                self.pools[at] = pool(&self.options, name);
            }
        }
        self.worlds += 1;
        sqlx::raw_sql(EMPTY).execute(&self.admin).await.unwrap();
        if self.worlds.is_multiple_of(50) {
            sqlx::raw_sql("VACUUM ANALYZE")
                .execute(&self.admin)
                .await
                .unwrap();
        }
    }
}

/// Sessions of one process; they are opened when they are needed.
pub(super) fn pool(options: &PgConnectOptions, name: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(
            // Planning would cost more than running: the tables are tiny.
            options
                .clone()
                .application_name(name)
                .statement_cache_capacity(STATEMENTS)
                .options([("plan_cache_mode", "force_generic_plan")]),
        )
}

/// Waits until the sessions of a pool have undone what was left in them. False when one of them cannot be used
/// again: sqlx forgets a transaction whose BEGIN was given up before its answer came.
pub(super) async fn rest(pool: &PgPool, admin: &PgPool) -> bool {
    while usize::try_from(pool.size()).unwrap() > pool.num_idle() {
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
    }
    let options = pool.connect_options();
    let left: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1 AND state <> 'idle')",
    )
    .bind(options.get_application_name().unwrap_or_default())
    .fetch_one(admin)
    .await
    .unwrap();
    !left
}
