//! What worlds stand on, one after the other: a database that is emptied in between, and sessions that stay
//! open, because making either anew costs more than a whole seed.

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{TestDb, db};

/// Empties everything that a seed may have written and starts every number again at 1.
const EMPTY: &str = r"
DO $$
DECLARE t regclass;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ('_sqlx_migrations', 'clock', 'gate', 'recovery') LOOP
    EXECUTE format('DELETE FROM %s', t);
  END LOOP;
  PERFORM setval(c.oid::regclass, 1, false) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S';
  UPDATE clock SET fixed_at = NULL, shift = '0';
  UPDATE gate SET policy_id = NULL;
  DELETE FROM recovery;
  INSERT INTO recovery DEFAULT VALUES;
END $$";

/// The same clock, kept planned by the session; as an SQL function it is parsed and planned in each statement, which
/// is most of what a statement on tiny tables costs.
const CLOCK: &str = r"
CREATE OR REPLACE FUNCTION hk_now() RETURNS timestamptz STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN coalesce((SELECT coalesce(fixed_at, clock_timestamp()) + shift FROM clock), clock_timestamp()); END $$";

/// The ground of one thread.
pub(super) struct Ground {
    /// For whoever looks on.
    pub(super) admin: PgPool,
    /// For the process in each place.
    pub(super) pools: [PgPool; 2],
    pub(super) options: PgConnectOptions,
    worlds: u32,
    _db: TestDb,
}

impl Ground {
    pub(super) async fn new() -> Self {
        let db = db().await;
        let options: PgConnectOptions = db.url.parse().unwrap();
        Self {
            admin: pool(&options, "world"),
            pools: [pool(&options, "A"), pool(&options, "B")],
            options,
            worlds: 0,
            _db: db,
        }
    }

    /// An empty database.
    pub(super) async fn empty(&mut self) {
        for pool in &self.pools {
            rest(pool).await;
        }
        self.worlds += 1;
        let sql = if self.worlds == 1 { CLOCK } else { EMPTY };
        sqlx::raw_sql(sql).execute(&self.admin).await.unwrap();
        if self.worlds.is_multiple_of(20) {
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
                .options([("plan_cache_mode", "force_generic_plan")]),
        )
}

/// Waits until the sessions of a pool have undone what was left in them.
async fn rest(pool: &PgPool) {
    while usize::try_from(pool.size()).unwrap() > pool.num_idle() {
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
    }
}
