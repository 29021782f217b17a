//! One process owns an account: its pulls, its pushes, its pace.

use super::{Store, StoreError};

/// Names this process across restarts on the same state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance(pub String);

/// An account this process owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedAccount {
    /// Row id.
    pub id: i16,
    /// Its name.
    pub slug: String,
    /// Fences every page and every send.
    pub token: i64,
    /// Why it is paused, and until when; it is tried again by itself.
    pub paused: Option<String>,
    /// True when the lease was not ours a moment ago.
    pub taken: bool,
}

impl Store {
    /// Takes or renews the leases of these accounts. An account of this very instance is taken back at
    /// once after a crash (`fresh`); another's only when its lease has run out. A new owner gets a new token.
    /// An account whose row is in use (a send, a page) is waited for: passed over, it would rest until the next renewal.
    ///
    /// # Errors
    /// The database's.
    pub async fn own_accounts(
        &self,
        instance: &Instance,
        accounts: &[i16],
        lease_seconds: i32,
        fresh: bool,
    ) -> Result<Vec<OwnedAccount>, StoreError> {
        let rows = sqlx::query!(
            r#"WITH old AS (
                 SELECT id, owner, lease_until FROM accounts
                 WHERE id = ANY($2) AND (owner IS NULL OR owner = $1 OR lease_until < (SELECT hk_now()))
                 ORDER BY id FOR NO KEY UPDATE)
               UPDATE accounts a SET owner = $1, lease_until = (SELECT hk_now()) + make_interval(secs => $3::int),
                 lease_token = CASE WHEN $4 OR old.owner IS DISTINCT FROM $1 OR old.lease_until < (SELECT hk_now())
                   THEN nextval('lease_tokens') ELSE a.lease_token END,
                 paused = CASE WHEN a.resume_at <= (SELECT hk_now()) THEN NULL ELSE a.paused END,
                 resume_at = CASE WHEN a.resume_at <= (SELECT hk_now()) THEN NULL ELSE a.resume_at END
               FROM old WHERE a.id = old.id
               RETURNING a.id, a.slug, a.lease_token, a.paused,
                 ($4 OR old.owner IS DISTINCT FROM $1 OR old.lease_until < (SELECT hk_now())) AS "taken!""#,
            instance.0,
            accounts,
            lease_seconds,
            fresh
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|r| OwnedAccount {
                id: r.id,
                slug: r.slug,
                token: r.lease_token,
                paused: r.paused,
                taken: r.taken,
            })
            .collect())
    }

    /// An account as this process owns it now, where nothing pauses its reading; `None` otherwise.
    ///
    /// # Errors
    /// The database's.
    pub async fn readable(
        &self,
        instance: &Instance,
        account_id: i16,
    ) -> Result<Option<OwnedAccount>, StoreError> {
        let row = sqlx::query!(
            "SELECT a.id, a.slug, a.lease_token FROM accounts a
             WHERE a.id = $2 AND a.owner = $1 AND a.lease_until > (SELECT hk_now()) AND a.paused IS NULL
               AND NOT EXISTS (SELECT FROM account_pauses p WHERE p.account_id = a.id AND p.what = 'reads')",
            instance.0,
            account_id
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| OwnedAccount {
            id: row.id,
            slug: row.slug,
            token: row.lease_token,
            paused: None,
            taken: false,
        }))
    }

    /// Gives leases back, so that another process need not wait for them to run out.
    ///
    /// # Errors
    /// The database's.
    pub async fn release_accounts(&self, owned: &[OwnedAccount]) -> Result<(), StoreError> {
        let ids: Vec<i16> = owned.iter().map(|o| o.id).collect();
        let tokens: Vec<i64> = owned.iter().map(|o| o.token).collect();
        sqlx::query!(
            "UPDATE accounts a SET owner = NULL, lease_until = NULL
             FROM unnest($1::smallint[], $2::bigint[]) AS t (id, token) WHERE a.id = t.id AND a.lease_token = t.token",
            &ids,
            &tokens
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Pauses an account: nothing is claimed or pulled until `after_seconds` have passed, then it is tried again.
    ///
    /// # Errors
    /// The database's.
    pub async fn pause_account(
        &self,
        id: i16,
        reason: &str,
        after_seconds: i32,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE accounts SET paused = $2, resume_at = (SELECT hk_now()) + make_interval(secs => $3::int),
               paused_since = CASE WHEN paused_until > (SELECT hk_now()) - interval '10 minutes' THEN coalesce(paused_since, (SELECT hk_now())) ELSE (SELECT hk_now()) END,
               paused_until = (SELECT hk_now()) + make_interval(secs => $3::int) WHERE id = $1",
            id,
            reason,
            after_seconds
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
