//! Where a database still has some words: every table as text, bytes as such and as the hexadecimal that text shows them as.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgPool};

/// `TABLE: WORD (ROWS)` for each table of the schema that has one of the words, whatever their case.
pub async fn traces(pool: &PgPool, words: &[&str]) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(c.relname) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        for word in words {
            let plain = word.to_lowercase();
            let mut hexadecimal = String::new();
            for byte in word.bytes() {
                let _ = write!(hexadecimal, "{byte:02x}");
            }
            let sql = format!(
                "SELECT count(*) FROM {table} t WHERE strpos(lower(t::text), $1) > 0 OR strpos(t::text, $2) > 0"
            );
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(plain)
                .bind(hexadecimal)
                .fetch_one(pool)
                .await
                .unwrap();
            if rows > 0 {
                found.push(format!("{table}: {word} ({rows})"));
            }
        }
    }
    found
}
