//! Streams: what is due to be pulled, and the fence under which a page is stored.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use hikiate_sdk::{ExternalId, Kind};
use serde_json::Value;
use sqlx::{Acquire as _, PgExecutor, Postgres, Transaction};

use super::quarantine::{quarantine, stream_of};
use super::reads::settle_reads;
use super::{IncomingPage, OwnedAccount, PageDone, Store, StoreError};

/// Shipments that nothing was heard of yet, of one page.
const UNHEARD: i64 = 500;

/// A stream that is due.
#[derive(Clone, Debug)]
pub struct DueStream {
    /// Name within the account.
    pub name: String,
    /// Where to go on.
    pub cursor: Option<Value>,
    /// Fences the page: it must not have moved meanwhile.
    pub seq: i64,
    /// A page that is stored but not yet acknowledged to its source.
    pub ack: Option<Value>,
    /// Failures in a row.
    pub fails: i16,
    /// Now, by the database's clock: when the page will have been asked for.
    pub requested_at: DateTime<Utc>,
}

/// What is due to be pulled.
#[derive(Clone, Debug, Default)]
pub struct DuePulls {
    /// Kinds of which something is due to be read by id, each with how often that failed in a row.
    pub reads: Vec<(Kind, i16)>,
    /// Records of the quarantine wait to be read again from their bytes.
    pub bytes: bool,
    /// Streams, in the order they fell due.
    pub streams: Vec<DueStream>,
}

/// When a stream is due again.
#[derive(Clone, Debug)]
pub struct StreamAfter {
    /// Where to go on.
    pub cursor: Value,
    /// To acknowledge after the commit.
    pub ack: Option<Value>,
    /// 0 when there is more to read at once.
    pub due_in_seconds: f64,
    /// What waits at the external system and is not read.
    pub waiting: Option<String>,
}

impl Store {
    /// Makes a row for each stream; a new one is due at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn register_streams(
        &self,
        account_id: i16,
        names: &[String],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO streams (account_id, name, due_at) SELECT $1, t.n, (SELECT hk_now()) FROM unnest($2::text[]) AS t (n)
             ON CONFLICT (account_id, name) DO NOTHING",
            account_id, names
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is due to be pulled at an account that can read these kinds by id; nothing while its credentials are refused.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_pulls(&self, account_id: i16, kinds: &[Kind]) -> Result<DuePulls, StoreError> {
        let words: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            // The first by its index; an EXISTS, for which any row would do, read the whole table.
            r#"WITH kinds AS MATERIALIZED (
                 SELECT k.kind, coalesce(f.fails, 0::smallint) AS fails FROM unnest($2::text[]) AS k (kind)
                   LEFT JOIN read_failures f ON f.account_id = $1 AND f.kind = k.kind
                 WHERE (f.due_at > (SELECT hk_now())) IS NOT TRUE
                   AND (SELECT external_id FROM reads r WHERE r.account_id = $1 AND r.kind = k.kind AND r.due_at <= (SELECT hk_now())
                     ORDER BY account_id, kind, due_at LIMIT 1) IS NOT NULL)
               SELECT r.now AS "requested_at!", r.bytes AS "bytes!", r.kinds AS "kinds!", r.fails AS "read_fails!", t.name AS "name?", t.cursor, t.seq AS "seq?", t.ack, t.fails AS "fails?"
               FROM (SELECT hk_now() AS now,
                       (SELECT id FROM quarantine WHERE account_id = $1 AND retry_at <= (SELECT hk_now()) ORDER BY account_id, retry_at LIMIT 1) IS NOT NULL AS bytes,
                       array(SELECT k.kind FROM kinds k) AS kinds, array(SELECT k.fails FROM kinds k) AS fails) AS r
                 LEFT JOIN streams t ON t.account_id = $1 AND t.due_at <= (SELECT hk_now())
               WHERE NOT EXISTS (SELECT FROM account_pauses p WHERE p.account_id = $1 AND p.what = 'reads')
                 AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = $1 AND a.paused IS NOT NULL)
               ORDER BY t.due_at, t.name"#,
            account_id, &words
        )
        .fetch_all(&self.pool)
        .await?;
        let mut due = DuePulls::default();
        for row in rows {
            due.bytes = row.bytes;
            let reads = row.kinds.iter().zip(row.read_fails);
            let kind = |word: &String| kinds.iter().find(|kind| kind.as_str() == word).copied();
            due.reads = reads
                .filter_map(|(word, fails)| Some((kind(word)?, fails)))
                .collect();
            if let (Some(name), Some(seq), Some(fails)) = (row.name, row.seq, row.fails) {
                due.streams.push(DueStream {
                    name,
                    cursor: row.cursor,
                    seq,
                    ack: row.ack,
                    fails,
                    requested_at: row.requested_at,
                });
            }
        }
        Ok(due)
    }

    /// References of shipments that an account took, and that it has never named since: the oldest.
    ///
    /// # Errors
    /// The database's.
    pub async fn unheard(&self, account_id: i16) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT s.reference FROM shipments s
             WHERE s.account_id = $1 AND s.state = 'instructed' AND NOT hk_heard(s.subject_id, s.reference)
               AND EXISTS (SELECT FROM facts f WHERE f.subject_id = s.subject_id AND f.kind = 'outcome'
                 AND f.body ->> 'intent' = 'instruct:' || s.reference AND f.body ->> 'verdict' IN ('done', 'accepted'))
             ORDER BY s.id LIMIT $2",
            account_id,
            UNHEARD
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Stores a page and moves the cursor, or neither: a process that lost the account stores nothing.
    ///
    /// # Errors
    /// [`StoreError::LostLease`]; the database's.
    pub async fn ingest(
        &self,
        owned: &OwnedAccount,
        stream: &str,
        seq: i64,
        page: &IncomingPage,
        after: &StreamAfter,
    ) -> Result<PageDone, StoreError> {
        if page.is_empty() {
            // Nothing to commit together: most pages are such.
            move_cursor(&self.pool, owned, stream, seq, after).await?;
            return Ok(PageDone::default());
        }
        let mut tx = self.pool.begin().await?;
        move_cursor(&mut *tx, owned, stream, seq, after).await?;
        let page = &*without_excluded(&mut tx, owned.id, page).await?;
        match Self::store_page(&mut tx, owned.id, stream, page).await {
            Err(error) if error.is_refusal() => tx.rollback().await?,
            done => {
                let done = done?;
                tx.commit().await?;
                return Ok(done);
            }
        }
        // One record keeps all of them out: each is stored by itself, and what is refused goes into quarantine.
        let mut tx = self.pool.begin().await?;
        move_cursor(&mut *tx, owned, stream, seq, after).await?;
        let done = Self::store_apart(&mut tx, owned.id, stream, page).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Stores a page record by record, each under a savepoint.
    pub(super) async fn store_apart(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        stream: &str,
        page: &IncomingPage,
    ) -> Result<PageDone, StoreError> {
        let mut done = PageDone::default();
        Self::lock_ahead(tx, account_id, page, &[]).await?;
        for one in page.apart() {
            let mut inner = tx.begin().await?;
            match Self::store_page(&mut inner, account_id, stream, &one).await {
                Ok(stored) => {
                    inner.commit().await?;
                    done.add(stored);
                }
                Err(error) if error.is_refusal() => {
                    inner.rollback().await?;
                    let why = error.refusal();
                    let bad = one.refused(&why);
                    done.quarantined += bad.len();
                    let asked = Some(page.requested_at);
                    done.quarantine_news += quarantine(tx, account_id, stream, &bad, asked).await?;
                    // The warning, with the record's id, is that of the daemon's look at what is new in quarantine.
                    tracing::debug!(account_id, stream, %why, "a record is kept in quarantine");
                }
                Err(error) => return Err(error),
            }
        }
        Self::end_listing(tx, account_id, stream, page).await?;
        Ok(done)
    }

    /// Stores what was read by id; what was asked for is no longer due to be read, unless that became due after the request. An order
    /// that the answer lacks is noted as absent; what cannot be understood is read again after a while. What brings nothing new
    /// costs neither a plan nor a fact.
    ///
    /// # Errors
    /// [`StoreError::LostLease`]; the database's.
    pub async fn ingest_read(
        &self,
        owned: &OwnedAccount,
        kind: Kind,
        asked: &[ExternalId],
        page: &IncomingPage,
    ) -> Result<PageDone, StoreError> {
        let mut tx = self.pool.begin().await?;
        hold_lease(&mut tx, owned).await?;
        let names: Vec<String> = asked.iter().map(|id| id.as_str().to_owned()).collect();
        // What is left out below was shown all the same: it is not absent.
        let shown = page;
        let page = &*without_excluded(&mut tx, owned.id, page).await?;
        let unread: Vec<String> = names
            .iter()
            .filter(|id| page.cannot_read(kind, id))
            .cloned()
            .collect();
        let stream = stream_of(kind);
        let lacking = kind == Kind::Order && names.iter().any(|id| shown.lacks(kind, id));
        let mut absent: Vec<i64> = Vec::new();
        if lacking {
            // Before anything is stored: names and rows are locked in one order, whatever the answer lacks.
            for (id, external_id) in Self::lock_ahead(&mut tx, owned.id, page, &names).await? {
                let wanted = names.contains(&external_id);
                absent.extend((wanted && shown.lacks(kind, &external_id)).then_some(id));
            }
        }
        let changed = Self::note_absent(&mut tx, owned.id, &absent, page).await?;
        let mut inner = tx.begin().await?;
        let mut done = match Self::store_page(&mut inner, owned.id, stream, page).await {
            Err(error) if error.is_refusal() => {
                inner.rollback().await?;
                Self::store_apart(&mut tx, owned.id, stream, page).await?
            }
            done => {
                let done = done?;
                inner.commit().await?;
                done
            }
        };
        settle_reads(
            &mut tx,
            owned.id,
            kind,
            (&names, &unread),
            page.requested_at,
        )
        .await?;
        done.absences |= changed || !absent.is_empty();
        tx.commit().await?;
        Ok(done)
    }

    /// The source has been told that its page is stored.
    ///
    /// # Errors
    /// The database's.
    pub async fn acknowledged(
        &self,
        account_id: i16,
        stream: &str,
        ack: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE streams SET ack = NULL WHERE account_id = $1 AND name = $2 AND ack = $3",
            account_id,
            stream,
            ack
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A page could not be had or not be decoded: the cursor stays, and it is asked for again later.
    ///
    /// # Errors
    /// The database's.
    pub async fn stream_failed(
        &self,
        account_id: i16,
        stream: &str,
        error: &str,
        retry_in_seconds: f64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE streams SET fails = least(fails + 1, 1000), error = $3, due_at = (SELECT hk_now()) + make_interval(secs => $4)
             WHERE account_id = $1 AND name = $2",
            account_id, stream, error, retry_in_seconds
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// The page without orders that the account's configuration leaves out and that were never stored. One that was moved out of the
/// account's sales channel after it was stored stays ours.
pub(super) async fn without_excluded<'p>(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &'p IncomingPage,
) -> Result<Cow<'p, IncomingPage>, StoreError> {
    if page.excluded.is_empty() {
        return Ok(Cow::Borrowed(page));
    }
    let names: Vec<String> = page.excluded.iter().cloned().collect();
    let known = sqlx::query_scalar!(
        "SELECT s.external_id FROM subjects s JOIN latest_observations o ON o.subject_id = s.id AND o.kind = 'order' AND o.series = ''
         WHERE s.account_id = $1 AND s.kind = 'order' AND s.external_id = ANY($2)",
        account_id,
        &names
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut kept = page.clone();
    kept.excluded.retain(|id| !known.contains(id));
    let out = std::mem::take(&mut kept.excluded);
    kept.orders
        .retain(|order| !out.contains(order.external_id.as_str()));
    kept.bad
        .retain(|bad| !bad.external_id.as_ref().is_some_and(|id| out.contains(id)));
    if !out.is_empty() {
        tracing::info!(account_id, orders = ?out, "orders that the account's configuration leaves out were not stored");
    }
    Ok(Cow::Owned(kept))
}

/// Holds the account's lease for a transaction.
pub(super) async fn hold_lease(
    tx: &mut Transaction<'_, Postgres>,
    owned: &OwnedAccount,
) -> Result<(), StoreError> {
    sqlx::query_scalar!(
        "SELECT id FROM accounts WHERE id = $1 AND lease_token = $2 AND lease_until > (SELECT hk_now()) FOR SHARE",
        owned.id, owned.token
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(|_held| ())
    .ok_or_else(|| StoreError::LostLease(owned.slug.clone()))
}

/// Moves a stream's cursor from where the page was asked for, under the account's fence.
async fn move_cursor<'c>(
    executor: impl PgExecutor<'c>,
    owned: &OwnedAccount,
    stream: &str,
    seq: i64,
    after: &StreamAfter,
) -> Result<(), StoreError> {
    sqlx::query_scalar!(
        "UPDATE streams s SET cursor = $3, seq = s.seq + 1, ack = $6, fails = 0, error = NULL, page_at = (SELECT hk_now()), waiting = $8,
           waiting_since = CASE WHEN $8::text IS NOT NULL THEN coalesce(s.waiting_since, (SELECT hk_now())) END,
           due_at = (SELECT hk_now()) + make_interval(secs => $7),
           resync = CASE WHEN s.resync = 'running' AND $7 > 0 THEN NULL ELSE s.resync END
         FROM accounts a WHERE a.id = $1 AND s.account_id = a.id AND s.name = $2 AND s.seq = $4
           AND a.lease_token = $5 AND a.lease_until > (SELECT hk_now()) RETURNING s.seq",
        owned.id, stream, after.cursor, seq, owned.token, after.ack, after.due_in_seconds, after.waiting
    )
    .fetch_optional(executor)
    .await?
    .map(|_moved| ())
    .ok_or_else(|| StoreError::LostLease(owned.slug.clone()))
}
