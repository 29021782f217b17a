//! What operators typed, by an id that stands outside the database too.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActRow {
    /// Names it.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// As it can be typed again.
    pub command: String,
}

impl Store {
    /// Writes down a command that was carried out. Returns when, by the database's clock.
    ///
    /// # Errors
    /// The database's.
    pub async fn acted(
        &self,
        id: &str,
        actor: &str,
        command: &str,
    ) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO operator_acts (id, at, actor, command) VALUES ($1, (SELECT hk_now()), $2, $3) RETURNING at",
            id, actor, command
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// The commands since a time, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn acts_since(&self, since: DateTime<Utc>) -> Result<Vec<ActRow>, StoreError> {
        Ok(sqlx::query_as!(
            ActRow,
            "SELECT id, at, actor, command FROM operator_acts WHERE at >= $1 ORDER BY at, id",
            since
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Which of these commands this database knows.
    ///
    /// # Errors
    /// The database's.
    pub async fn known_acts(&self, ids: &[String]) -> Result<BTreeSet<String>, StoreError> {
        Ok(
            sqlx::query_scalar!("SELECT id FROM operator_acts WHERE id = ANY($1)", ids)
                .fetch_all(&self.pool)
                .await?
                .into_iter()
                .collect(),
        )
    }
}
