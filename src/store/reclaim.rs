//! What a lost process left in the queue.

use super::{OwnedAccount, Store, StoreError};

impl Store {
    /// Takes back effects of an account whose lease ran out, or all that were claimed under an earlier
    /// owner (`all`, right after this process took the account). What was being sent may have happened.
    ///
    /// # Errors
    /// The database's.
    pub async fn reclaim(&self, owned: &OwnedAccount, all: bool) -> Result<u64, StoreError> {
        Ok(sqlx::query!(
            "UPDATE effects SET ambiguous = ambiguous OR state = 'sending', state = 'planned', token = NULL, lease_until = NULL,
               error = CASE WHEN state = 'sending' THEN 'the process was lost while this was being sent' ELSE error END
             WHERE id IN (
               SELECT e.id FROM effects e WHERE e.account_id = $1 AND e.state IN ('leased', 'sending') AND (e.lease_until < (SELECT hk_now()) OR $3)
                 AND EXISTS (SELECT FROM accounts a WHERE a.id = $1 AND a.lease_token = $2) ORDER BY e.id FOR UPDATE SKIP LOCKED)",
            owned.id, owned.token, all
        )
        .execute(&self.pool)
        .await?
        .rows_affected())
    }
}
