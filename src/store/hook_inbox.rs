//! Webhooks between their arrival and the work that they make due.

use std::collections::BTreeSet;

use hikiate_sdk::{ExternalId, Kind};
use serde_json::Value;

use super::reads::read_soon;
use super::streams::hold_lease;
use super::{OwnedAccount, Store, StoreError};

/// Hooks of an account that may wait to be worked; what comes beyond is for the sender to repeat.
pub const MOST_WAITING: i64 = 10_000;
/// For how long a delivery that was worked is known when it comes again, in seconds. A later one only has its order read again.
const KNOWN_FOR: f64 = 3600.0;
/// How long a hook may wait, in seconds: whoever has not worked it by then polls.
const OLDEST: f64 = 24.0 * 3600.0;
/// Rows deleted by one statement.
const BATCH: i64 = 5_000;

/// A hook to be stored.
#[derive(Clone)]
pub struct NewHook {
    /// Whose.
    pub account_id: i16,
    /// Which.
    pub hook: String,
    /// The sender's id of the delivery, or a hash of what was sent; at most 200 characters.
    pub key: String,
    /// The key is the sender's.
    pub named: bool,
    /// The headers to keep, pairs of name and value.
    pub headers: Value,
    /// The raw body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for NewHook {
    /// Without headers and body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewHook")
            .field("account_id", &self.account_id)
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

/// What became of a hook that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKept {
    /// It is stored.
    Stored,
    /// It was stored before, or an equal one waits.
    Known,
    /// Too many of its account wait.
    Full,
    /// The database does not take it, now or later.
    Refused,
}

/// A hook that waits to be worked.
#[derive(Clone)]
pub struct WaitingHook {
    /// Row id.
    pub id: i64,
    /// Which.
    pub hook: String,
    /// The headers that were kept.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// What hooks make due, each once.
#[derive(Clone, Debug, Default)]
pub struct HookWork {
    /// The rows it comes from.
    pub ids: Vec<i64>,
    /// What is to be read by its id, known or not.
    pub reads: BTreeSet<(Kind, ExternalId)>,
    /// Orders that are to be read only if they are known: nobody signed for them.
    pub known_orders: BTreeSet<ExternalId>,
    /// Streams to be read.
    pub streams: BTreeSet<String>,
}

/// Hooks of an account that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookBacklog {
    /// The account's name.
    pub account: String,
    /// How many.
    pub waiting: i64,
    /// For how long the oldest, in seconds.
    pub age_seconds: i64,
}

impl Store {
    /// Stores hooks, in one statement, and tells for each what became of it. Where the database refuses one they are stored one by
    /// one, so that it keeps no other out.
    ///
    /// # Errors
    /// The database's; then some may be stored.
    pub async fn keep_hooks(&self, new: &[NewHook]) -> Result<Vec<HookKept>, StoreError> {
        match self.keep_at_once(new).await {
            Err(error) if error.is_refusal() => {}
            kept => return kept,
        }
        let mut kept = Vec::with_capacity(new.len());
        for hook in new {
            match self.keep_at_once(std::slice::from_ref(hook)).await {
                Err(error) if error.is_refusal() => kept.push(HookKept::Refused),
                one => kept.extend(one?),
            }
        }
        Ok(kept)
    }

    async fn keep_at_once(&self, new: &[NewHook]) -> Result<Vec<HookKept>, StoreError> {
        let accounts: Vec<i16> = new.iter().map(|h| h.account_id).collect();
        let hooks: Vec<String> = new.iter().map(|h| h.hook.clone()).collect();
        let keys: Vec<String> = new.iter().map(|h| h.key.clone()).collect();
        let named: Vec<bool> = new.iter().map(|h| h.named).collect();
        let headers: Vec<Value> = new.iter().map(|h| h.headers.clone()).collect();
        let bodies: Vec<Vec<u8>> = new.iter().map(|h| h.body.clone()).collect();
        // In the order of the key, so that two processes that store the same ones cannot wait for one another.
        let rows = sqlx::query!(
            r#"WITH new AS (SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bool[], $5::jsonb[], $6::bytea[])
                 WITH ORDINALITY AS t (account_id, hook, key, named, headers, body, n)),
               full_up AS (SELECT a.account_id FROM (SELECT DISTINCT account_id FROM new) a
                 WHERE EXISTS (SELECT FROM hook_inbox i WHERE i.account_id = a.account_id AND i.done_at IS NULL ORDER BY i.id OFFSET $7::bigint - 1 LIMIT 1)),
               stored AS (INSERT INTO hook_inbox (account_id, hook, key, named, arrived_at, headers, body)
                 SELECT account_id, hook, key, named, (SELECT hk_now()), headers, body FROM new
                 WHERE account_id NOT IN (SELECT account_id FROM full_up) ORDER BY account_id, hook, key, n
                 ON CONFLICT (account_id, hook, key) DO NOTHING RETURNING account_id, hook, key)
               SELECT account_id IN (SELECT account_id FROM full_up) AS "full!",
                 (account_id, hook, key) IN (SELECT account_id, hook, key FROM stored) AS "stored!"
               FROM new ORDER BY n"#,
            &accounts, &hooks, &keys, &named, &headers, &bodies, MOST_WAITING
        )
        .fetch_all(&self.pool)
        .await?;
        let kept = rows.into_iter().map(|row| match (row.full, row.stored) {
            (true, _) => HookKept::Full,
            (false, true) => HookKept::Stored,
            (false, false) => HookKept::Known,
        });
        Ok(kept.collect())
    }

    /// Hooks of an account that wait to be worked, the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_hooks(
        &self,
        account_id: i16,
        limit: i64,
    ) -> Result<Vec<WaitingHook>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, hook, headers AS "headers!", body AS "body!" FROM hook_inbox
               WHERE account_id = $1 AND done_at IS NULL ORDER BY account_id, id LIMIT $2"#,
            account_id,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(WaitingHook {
                    id: row.id,
                    hook: row.hook,
                    headers: serde_json::from_value(row.headers)?,
                    body: row.body,
                })
            })
            .collect()
    }

    /// Makes due what hooks are about and takes them out of the inbox, or neither.
    ///
    /// # Errors
    /// [`StoreError::LostLease`]; the database's.
    pub async fn hooks_worked(
        &self,
        owned: &OwnedAccount,
        work: &HookWork,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        hold_lease(&mut tx, owned).await?;
        read_soon(&mut tx, owned.id, &work.reads, &work.known_orders, "hook").await?;
        let streams: Vec<String> = work.streams.iter().cloned().collect();
        // At most one page of a stream in two seconds for hooks, and none before its back-off is over.
        sqlx::query!(
            "UPDATE streams SET due_at = least(due_at, greatest((SELECT hk_now()), page_at + interval '2 seconds'))
             WHERE account_id = $1 AND name = ANY($2) AND fails = 0",
            owned.id, &streams
        )
        .execute(&mut *tx)
        .await?;
        // Last, since an equal hook that comes meanwhile waits from here on until the commit.
        sqlx::query!(
            "WITH gone AS (DELETE FROM hook_inbox WHERE id = ANY($1) AND done_at IS NULL AND NOT named)
             UPDATE hook_inbox SET done_at = (SELECT hk_now()), headers = NULL, body = NULL WHERE id = ANY($1) AND done_at IS NULL AND named",
            &work.ids
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes what is too old: deliveries that were worked, and hooks that nobody works. Returns how many of the latter there
    /// were, whose orders are found by polling.
    ///
    /// # Errors
    /// The database's.
    pub async fn clear_hooks(&self) -> Result<u64, StoreError> {
        let dropped = sqlx::query_scalar!(
            r#"WITH old AS (SELECT id FROM hook_inbox WHERE arrived_at < (SELECT hk_now()) - make_interval(secs => $1)
                 AND (done_at IS NOT NULL OR arrived_at < (SELECT hk_now()) - make_interval(secs => $2))
                 ORDER BY arrived_at LIMIT $3),
               gone AS (DELETE FROM hook_inbox WHERE id IN (SELECT id FROM old) RETURNING done_at)
               SELECT count(*) FILTER (WHERE done_at IS NULL) AS "dropped!" FROM gone"#,
            KNOWN_FOR,
            OLDEST,
            BATCH
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u64::try_from(dropped).unwrap_or(0))
    }

    /// Hooks that wait, by account; an account of which none waits is left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn hook_backlogs(&self) -> Result<Vec<HookBacklog>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT a.slug, count(*) AS "waiting!", greatest(extract(epoch FROM (SELECT hk_now()) - min(h.arrived_at)), 0)::bigint AS "age!"
               FROM hook_inbox h JOIN accounts a ON a.id = h.account_id WHERE h.done_at IS NULL GROUP BY a.slug"#
        )
        .fetch_all(&self.pool)
        .await?;
        let backlogs = rows.into_iter().map(|row| HookBacklog {
            account: row.slug,
            waiting: row.waiting,
            age_seconds: row.age,
        });
        Ok(backlogs.collect())
    }
}
