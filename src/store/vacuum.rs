//! Queue tables are rewritten all the time; a few seconds of autovacuum's nap cost a quarter of the throughput (measured: 17.7 k
//! against 22.4 k jobs/s), so their owner vacuums them. A table that only grows is scanned in its indexes each time: it is vacuumed
//! once a share of it is dead, so that what that costs stays in proportion to what was written. Young tables are counted as well:
//! without statistics one index looks as good as another, and an order was looked up by going over all of its channel's.

use sqlx::{AssertSqlSafe, Executor};

use super::{Store, StoreError};

/// Tables, and how many dead rows each may have: a number, and so many of a hundred live ones.
const TABLES: [(&str, i64, i64); 9] = [
    ("effects", 50, 0),
    ("allocation_requests", 50, 0),
    ("planning_claims", 50, 0),
    ("hook_inbox", 50, 0),
    ("tasks", 200, 5),
    ("reads", 200, 5),
    ("subjects", 1_000, 2),
    ("personal", 200, 10),
    ("raw_payloads_rest", 200, 10),
];

impl Store {
    /// Vacuums the tables that have many dead rows, and counts those that are new or were rewritten since. One that somebody else
    /// vacuums is left to them: those who wait pile up, each with a connection.
    ///
    /// # Errors
    /// The database's; not owning the tables is one.
    pub async fn vacuum(&self) -> Result<(), StoreError> {
        let names = TABLES.map(|(table, _, _)| table.to_owned());
        let (dead, share) = (TABLES.map(|t| t.1), TABLES.map(|t| t.2));
        let dirty = sqlx::query_scalar!(
            r#"SELECT quote_ident(t.relname) AS "table!" FROM pg_stat_user_tables t JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS k (name, dead, share)
                 ON t.relname = k.name
               WHERE t.schemaname = current_schema() AND t.n_dead_tup > k.dead + k.share * t.n_live_tup / 100 ORDER BY t.relname"#,
            &names,
            &dead,
            &share
        )
        .fetch_all(&self.pool)
        .await?;
        for table in dirty {
            let vacuum = AssertSqlSafe(format!("VACUUM (SKIP_LOCKED) {table}"));
            self.pool.execute(sqlx::raw_sql(vacuum)).await?;
        }
        // Later on autovacuum counts each once a tenth of it has changed.
        let uncounted = sqlx::query_scalar!(
            r#"SELECT quote_ident(relname) AS "table!" FROM pg_stat_user_tables WHERE schemaname = current_schema()
                 AND (n_mod_since_analyze > 1000 + 5 * n_live_tup OR n_live_tup > 500 AND last_analyze IS NULL AND last_autoanalyze IS NULL)
               ORDER BY relname"#
        )
        .fetch_all(&self.pool)
        .await?;
        for table in uncounted {
            let count = AssertSqlSafe(format!("ANALYZE (SKIP_LOCKED) {table}"));
            sqlx::raw_sql(count).execute(&self.pool).await?;
        }
        Ok(())
    }
}
