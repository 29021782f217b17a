//! What operators typed, by an id that stands outside the database too.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

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
