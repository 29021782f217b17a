//! What names somebody is deleted once it has served: some hundred rows a transaction, the oldest first. What another transaction
//! holds is passed over, so that nobody waits and two daemons share the work.

use std::ops::AddAssign;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::facts::{forget_words, forget_words_of_waves};
use super::{Store, StoreError, Tx};
use crate::policy::Retention;

/// Orders and batches a transaction; each is locked.
const SUBJECTS: i64 = 80;
/// Rows of other tables a transaction.
pub(super) const ROWS: i64 = 500;
/// Transactions a kind and round: what is left waits for the next round.
const TRANSACTIONS: usize = 200;

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Orders of which nothing personal is left.
    pub orders: u64,
    /// Their names and addresses, every version, and the names that operators wrote over them.
    pub personal: u64,
    /// Raw bytes of readings.
    pub raw: u64,
    /// Facts of orders of which what an external system said was deleted.
    pub words: u64,
    /// Bytes of waves.
    pub batches: u64,
    /// Records of the quarantine, or their bytes.
    pub quarantine: u64,
    /// Payments that no order claimed.
    pub payments: u64,
    /// Archived files of accounts.
    pub files: u64,
}

impl Purged {
    /// Each kind by its word.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, u64); 8] {
        [
            ("orders", self.orders),
            ("personal", self.personal),
            ("raw", self.raw),
            ("words", self.words),
            ("batches", self.batches),
            ("quarantine", self.quarantine),
            ("payments", self.payments),
            ("archived_files", self.files),
        ]
    }

    /// Nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Purged {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.personal += other.personal;
        self.raw += other.raw;
        self.words += other.words;
        self.batches += other.batches;
        self.quarantine += other.quarantine;
        self.payments += other.payments;
        self.files += other.files;
    }
}

impl Store {
    /// Deletes what is older than it is kept, up to a number of transactions of each kind. Nothing while the database has lost
    /// commits.
    ///
    /// # Errors
    /// As [`Store::purge_into`].
    pub async fn purge(&self, keep: &Retention) -> Result<Purged, StoreError> {
        let mut all = Purged::default();
        self.purge_into(keep, &mut all).await?;
        Ok(all)
    }

    /// The same, counted into `all` as it goes: a kind that fails keeps no other kind from being deleted.
    ///
    /// # Errors
    /// The database's, the first one; what was deleted stays deleted and is counted.
    pub async fn purge_into(&self, keep: &Retention, all: &mut Purged) -> Result<(), StoreError> {
        let raw = match keep.raw.map(seconds) {
            Some(kept) => self.purge_all_raw(kept, &mut all.raw).await,
            None => Ok(()),
        };
        let (orders, waves) = match keep.personal.map(seconds) {
            Some(kept) => {
                let orders = self.purge_all_orders(kept, all).await;
                let waves = || self.purge_batches(kept);
                let waves = self.some_of("purge_batches", SUBJECTS, &mut all.batches, waves);
                (orders, waves.await)
            }
            None => (Ok(()), Ok(())),
        };
        let quarantine = match keep.quarantine.map(seconds) {
            Some(kept) => {
                let rows = || self.purge_quarantine(kept);
                self.some_of("purge_quarantine", ROWS, &mut all.quarantine, rows)
                    .await
            }
            None => Ok(()),
        };
        let strays = || self.purge_stray_payments();
        let payments = self
            .some_of("purge_stray_payments", ROWS, &mut all.payments, strays)
            .await;
        raw.and(orders).and(waves).and(quarantine).and(payments)
    }

    /// Transactions of one kind, until one finds fewer than `most` to delete.
    async fn some_of<F, Fut>(
        &self,
        what: &'static str,
        most: i64,
        deleted: &mut u64,
        mut once: F,
    ) -> Result<(), StoreError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<u64, StoreError>>,
    {
        for _ in 0..TRANSACTIONS {
            let rows = self.retried(what, &mut once).await?;
            *deleted += rows;
            if rows < most.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }

    async fn purge_all_raw(&self, kept: f64, deleted: &mut u64) -> Result<(), StoreError> {
        let mut after = DateTime::UNIX_EPOCH;
        for _ in 0..TRANSACTIONS {
            let once = || self.purge_raw(kept, after);
            let (raw, last) = self.retried("purge_raw", once).await?;
            *deleted += raw;
            match last.filter(|_| raw >= ROWS.unsigned_abs()) {
                Some(last) => after = last,
                None => break,
            }
        }
        Ok(())
    }

    async fn purge_all_orders(&self, kept: f64, all: &mut Purged) -> Result<(), StoreError> {
        for _ in 0..TRANSACTIONS {
            let once = || self.purge_orders(kept);
            let done = self.retried("purge_orders", once).await?;
            *all += done;
            if done.orders < SUBJECTS.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }

    /// Raw bytes of ended orders. Those of open ones stay where they are in the index, so that the next transaction goes on after
    /// the last row of this one.
    async fn purge_raw(
        &self,
        kept: f64,
        after: DateTime<Utc>,
    ) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
        let done = sqlx::query!(
            r#"WITH old AS MATERIALIZED (
                 SELECT r.subject_id, r.key, r.stored_at FROM raw_payloads r
                 WHERE r.stored_at < (SELECT hk_now()) - make_interval(secs => $1) AND r.stored_at >= $2 AND NOT (SELECT hk_stopped())
                   AND EXISTS (SELECT FROM subjects s WHERE s.id = r.subject_id AND s.closed_at IS NOT NULL)
                 ORDER BY r.stored_at LIMIT $3 FOR UPDATE OF r SKIP LOCKED),
               gone AS (
                 DELETE FROM raw_payloads r USING old o WHERE r.subject_id = o.subject_id AND r.key = o.key AND r.stored_at = o.stored_at
                 RETURNING r.stored_at)
               SELECT count(*) AS "rows!", max(stored_at) AS last FROM gone"#,
            kept, after, ROWS
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((done.rows.unsigned_abs(), done.last))
    }

    /// Orders that ended so long ago.
    async fn purge_orders(&self, kept: f64) -> Result<Purged, StoreError> {
        let mut tx = self.pool.begin().await?;
        // A queued call may still need the address; whoever settles it plans the order. Counted one by one: as a join, all orders
        // that are due would be sorted for each transaction. What waits for a plan, or failed in it, may open the order again; a timer
        // of later keeps nothing.
        let ids = sqlx::query_scalar!(
            "SELECT s.id FROM subjects s
             WHERE s.kind = 'order' AND s.closed_at IS NOT NULL AND s.purged_at IS NULL
               AND s.closed_at < (SELECT hk_now()) - make_interval(secs => $1) AND NOT (SELECT hk_stopped())
               AND (s.plan_at <= (SELECT hk_now())) IS NOT TRUE AND s.plan_fails = 0
               AND (SELECT count(*) FROM effects e WHERE e.subject_id = s.id) = 0
             ORDER BY s.closed_at, s.id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
            kept, SUBJECTS
        )
        .fetch_all(&mut *tx)
        .await?;
        let done = purge_of(&mut tx, &ids).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The bytes of waves that ended with all their orders. One that is old enough was sealed so long ago. Its orders are counted by
    /// themselves: as a join they would be looked for among all orders.
    async fn purge_batches(&self, kept: f64) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT b.subject_id FROM batches b JOIN subjects s ON s.id = b.subject_id
             WHERE b.kind = 'instruct' AND b.body IS NOT NULL AND b.sealed_at < (SELECT hk_now()) - make_interval(secs => $1)
               AND NOT (SELECT hk_stopped()) AND b.state IN ('done', 'abandoned') AND s.closed_at IS NOT NULL
               AND NOT EXISTS (SELECT FROM effects e WHERE e.subject_id = b.subject_id)
               AND (SELECT count(*) FILTER (WHERE o.purged_at IS NULL) FROM shipments p JOIN subjects o ON o.id = p.subject_id WHERE p.batch_id = b.subject_id) = 0
             ORDER BY b.sealed_at, b.subject_id LIMIT $2 FOR NO KEY UPDATE OF s SKIP LOCKED",
            kept, SUBJECTS
        )
        .fetch_all(&mut *tx)
        .await?;
        let gone = forget_bytes(&mut tx, &ids).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Records that were settled so long ago. One that was dismissed and is reported all the time loses what it holds only: without
    /// its row, which is found by a hash, it would be back in quarantine.
    async fn purge_quarantine(&self, kept: f64) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let gone = sqlx::query!(
            "DELETE FROM quarantine WHERE id = ANY(ARRAY(
               SELECT id FROM quarantine WHERE resolved_at < (SELECT hk_now()) - make_interval(secs => $1) AND NOT (SELECT hk_stopped())
                 AND (dismissed_at IS NULL OR last_at < (SELECT hk_now()) - make_interval(secs => $1))
               ORDER BY resolved_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
            kept,
            ROWS
        )
        .execute(&mut *tx)
        .await?;
        let emptied = sqlx::query_scalar!(
            r#"SELECT hk_empty_records(ARRAY(
               SELECT id FROM quarantine WHERE resolved_at < (SELECT hk_now()) - make_interval(secs => $1) AND NOT (SELECT hk_stopped())
                 AND dismissed_at IS NOT NULL AND last_at >= (SELECT hk_now()) - make_interval(secs => $1) AND (raw <> '' OR part IS NOT NULL)
               ORDER BY resolved_at LIMIT $2 FOR UPDATE SKIP LOCKED)) AS "rows!""#,
            kept,
            ROWS
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(gone.rows_affected() + emptied.unsigned_abs())
    }
}

/// Deletes what these orders, whose rows are locked, have of somebody. The mark keeps it from being stored again.
pub(super) async fn purge_of(tx: &mut Tx<'_>, ids: &[i64]) -> Result<Purged, StoreError> {
    if ids.is_empty() {
        return Ok(Purged::default());
    }
    let raw = sqlx::query!("DELETE FROM raw_payloads WHERE subject_id = ANY($1)", ids)
        .execute(&mut **tx)
        .await?;
    let names = sqlx::query!("DELETE FROM receiver_names WHERE subject_id = ANY($1)", ids)
        .execute(&mut **tx)
        .await?;
    let personal = sqlx::query!("DELETE FROM personal WHERE subject_id = ANY($1)", ids)
        .execute(&mut **tx)
        .await?;
    let words = forget_words(tx, ids).await?;
    let orders = sqlx::query!(
        "UPDATE subjects SET purged_at = coalesce(purged_at, (SELECT hk_now())) WHERE id = ANY($1)",
        ids
    )
    .execute(&mut **tx)
    .await?;
    Ok(Purged {
        orders: orders.rows_affected(),
        personal: personal.rows_affected() + names.rows_affected(),
        raw: raw.rows_affected(),
        words,
        ..Purged::default()
    })
}

/// Deletes the bytes of waves whose rows are locked, and what was said of them.
pub(super) async fn forget_bytes(tx: &mut Tx<'_>, ids: &[i64]) -> Result<u64, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    forget_words_of_waves(tx, ids).await?;
    let gone = sqlx::query!(
        "UPDATE batches SET body = NULL, purged_at = (SELECT hk_now()) WHERE subject_id = ANY($1) AND body IS NOT NULL",
        ids
    )
    .execute(&mut **tx)
    .await?;
    Ok(gone.rows_affected())
}

fn seconds(kept: Duration) -> f64 {
    kept.to_std().unwrap_or_default().as_secs_f64()
}
