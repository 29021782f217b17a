//! Single rows that commands show or decide on.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Postgres, Transaction};

use super::read::{OrderRow, QuarantineRow};
use super::{Store, StoreError};

/// One subject as `order show` names it.
#[derive(Clone, Debug, Serialize)]
pub struct SubjectRow {
    /// As in the list.
    #[serde(flatten)]
    pub row: OrderRow,
    /// `order` or `batch`.
    pub kind: String,
    /// When nothing more was expected.
    pub closed_at: Option<DateTime<Utc>>,
    /// When its names and addresses were deleted.
    pub purged_at: Option<DateTime<Utc>>,
}

impl Store {
    /// A transaction that sees one moment and can change nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?)
    }

    /// One order or batch.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn subject(&self, id: i64) -> Result<SubjectRow, StoreError> {
        let row = sqlx::query!(
            r#"SELECT s.number, a.slug, s.external_id, s.status, s.blocked_by, s.origin, s.created_at, s.kind, s.closed_at, s.purged_at,
               coalesce((SELECT f.body #>> '{order,display}' FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' ORDER BY f.id DESC LIMIT 1), '') AS "display!"
             FROM subjects s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1"#,
            id
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("no order with id {id}")))?;
        Ok(SubjectRow {
            row: OrderRow {
                number: row.number,
                channel: row.slug,
                external_id: row.external_id,
                display: row.display,
                status: row.status,
                blocked_by: row.blocked_by,
                origin: row.origin,
                created_at: row.created_at,
            },
            kind: row.kind,
            closed_at: row.closed_at,
            purged_at: row.purged_at,
        })
    }

    /// One record of the quarantine, also one that is dealt with.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn quarantine_row(&self, id: i64) -> Result<QuarantineRow, StoreError> {
        sqlx::query_as!(
            QuarantineRow,
            "SELECT q.id, a.slug AS account, q.stream, q.external_id, q.file, q.reason, q.first_at, q.last_at, q.seen
             FROM quarantine q JOIN accounts a ON a.id = q.account_id WHERE q.id = $1",
            id
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("no quarantined record {id}: `hikiate quarantine list` shows them")))
    }

    /// Versions of the migrations that were applied; none on an empty database.
    ///
    /// # Errors
    /// The database's.
    pub async fn migrations(&self) -> Result<Vec<i64>, StoreError> {
        // The table is the migrator's own and not in the schema that queries are checked against.
        let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        if !there {
            return Ok(Vec::new());
        }
        Ok(sqlx::query_scalar(
            "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Asks for one connection, so that a database that is away is known at once and not after the pool's patience.
    ///
    /// # Errors
    /// The database's.
    pub async fn reach(url: &str) -> Result<(), StoreError> {
        use sqlx::Connection as _;
        let asking = sqlx::PgConnection::connect(url);
        match tokio::time::timeout(std::time::Duration::from_secs(10), asking).await {
            Ok(connection) => Ok(connection?.close().await?),
            Err(_) => Err(StoreError::Database(sqlx::Error::PoolTimedOut)),
        }
    }

    /// What stands in the way of a new connection, or of its comparison with the witness; the pool keeps that to itself while it
    /// tries again.
    pub async fn connection_error(&self) -> Option<StoreError> {
        use sqlx::Connection as _;
        let options = self.pool.connect_options();
        let asking = sqlx::PgConnection::connect_with(&options);
        match tokio::time::timeout(std::time::Duration::from_secs(5), asking).await {
            Ok(Ok(mut connection)) => {
                let watched = Self::watch(&mut connection, &self.witness).await;
                connection.close().await.ok();
                watched.err()
            }
            Ok(Err(error)) => Some(error.into()),
            Err(_) => None,
        }
    }
}
