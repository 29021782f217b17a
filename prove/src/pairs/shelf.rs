//! Prepared states of a database: put away once, taken out again before each interleaving in a few
//! milliseconds, with the same ids.

use sqlx::{AssertSqlSafe, PgPool};

/// A state that can be taken out again.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    restore: String,
}

impl Shelf {
    /// Puts the database's present state away under a name.
    pub(super) async fn put(pool: &PgPool, name: &str) -> Self {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
               AND relname NOT LIKE '\\_sqlx%' ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let mut save = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name};");
        let mut restore = "BEGIN; SET LOCAL session_replication_role = replica;".to_owned();
        for table in &tables {
            save.push_str(&format!(
                "CREATE TABLE {name}.{table} AS TABLE public.{table};"
            ));
            restore.push_str(&format!(
                "DELETE FROM public.{table}; INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE {name}.{table};"
            ));
        }
        let sequences: Vec<(String, i64)> = sqlx::query_as(
            "SELECT sequencename::text, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        for (sequence, last) in sequences {
            let (value, called) = (last.max(1), last > 0);
            restore.push_str(&format!(
                "SELECT setval('public.{sequence}', {value}, {called});"
            ));
        }
        restore.push_str("COMMIT");
        sqlx::raw_sql(AssertSqlSafe(save))
            .execute(pool)
            .await
            .unwrap();
        Self { restore }
    }

    /// Brings it back.
    pub(super) async fn take(&self, pool: &PgPool) {
        sqlx::raw_sql(AssertSqlSafe(self.restore.clone()))
            .execute(pool)
            .await
            .unwrap();
    }
}
