//! How large tables are.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool};

/// Tables whose rows go: by what their bodies hold, and by the work that is waiting.
pub(super) const BODIES: [(&str, &str); 4] = [
    ("personal", "true"),
    ("raw_payloads", "true"),
    ("quarantine", "true"),
    ("batches", "kind = 'instruct' AND body IS NOT NULL"),
];

/// Queue tables: as small at the end as after a week.
pub(super) const QUEUES: [&str; 6] = [
    "effects",
    "allocation_requests",
    "planning_claims",
    "reads",
    "hook_inbox",
    "tasks",
];

/// Rows and the bytes of what is in them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) rows: i64,
    pub(super) bytes: i64,
}

/// Of each table with bodies: rows and bytes that are alive.
pub(super) async fn bodies(pool: &PgPool) -> BTreeMap<&'static str, Size> {
    let mut sizes = BTreeMap::new();
    for (table, which) in BODIES {
        let sql = format!(
            "SELECT count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint FROM {table} t WHERE {which}"
        );
        let (rows, bytes) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(pool)
            .await
            .unwrap();
        sizes.insert(table, Size { rows, bytes });
    }
    sizes
}

/// The bytes that tables take on disk, with their indexes and what is dead in them.
pub(super) async fn on_disk(pool: &PgPool, tables: &[&str]) -> i64 {
    let sum = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE c.relname = ANY($1) AND c.relnamespace = current_schema()::regnamespace";
    sqlx::query_scalar(sum)
        .bind(tables)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Bytes of a table with its indexes and TOAST: of rows alone, not of the maps of free space that a vacuum may have made in between.
pub(super) async fn rows_on_disk(pool: &PgPool, table: &str) -> i64 {
    let sum = "SELECT (pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
        + (SELECT coalesce(sum(pg_relation_size(i.indexrelid)), 0) FROM pg_index i WHERE i.indrelid IN (c.oid, c.reltoastrelid)))::bigint
      FROM pg_class c WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace";
    sqlx::query_scalar(sum)
        .bind(table)
        .fetch_one(pool)
        .await
        .unwrap()
}
