//! Accounts that an operator has paused: kept until an operator resumes them, whatever the daemon does.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// What of an account is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// Nothing is sealed for it or sent to it; it is read on.
    Writes,
    /// Nothing is read from it; what is due to it is sent on.
    Reads,
}

impl Paused {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Reads => "reads",
        }
    }
}

impl Store {
    /// Pauses an account. Returns since when it is paused, which is earlier where it was paused already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an account that no daemon has ever registered.
    pub async fn pause_by_operator(
        &self,
        account: &str,
        what: Paused,
        reason: &str,
        actor: &str,
    ) -> Result<DateTime<Utc>, StoreError> {
        let id = self.account_id(account).await?;
        Ok(sqlx::query_scalar!(
            "INSERT INTO account_pauses AS p (account_id, what, reason, actor, since) VALUES ($1, $2, $3, $4, (SELECT hk_now()))
             ON CONFLICT (account_id, what) DO UPDATE SET since = p.since RETURNING since",
            id, what.as_str(), reason, actor
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Lets a paused account go on: all of it, or one of writes and reads. Returns what was paused.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when nothing of it is paused.
    pub async fn resume_by_operator(
        &self,
        account: &str,
        what: Option<Paused>,
    ) -> Result<Vec<String>, StoreError> {
        let id = self.account_id(account).await?;
        let mut words = sqlx::query_scalar!(
            "DELETE FROM account_pauses WHERE account_id = $1 AND ($2::text IS NULL OR what = $2) RETURNING what",
            id,
            what.map(Paused::as_str)
        )
        .fetch_all(&self.pool)
        .await?;
        words.sort_unstable();
        if words.is_empty() {
            return Err(StoreError::Refused(format!(
                "account {account} is not paused by an operator: `hikiate tasks` lists what is"
            )));
        }
        Ok(words)
    }

    pub(super) async fn account_id(&self, slug: &str) -> Result<i16, StoreError> {
        sqlx::query_scalar!("SELECT id FROM accounts WHERE slug = $1", slug)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| {
                StoreError::NotFound(format!(
                    "no account {slug:?}: `hikiate stream list` shows them"
                ))
            })
    }
}
