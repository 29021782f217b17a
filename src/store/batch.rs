//! Batches: opened when something waits, due when their time has come.

use chrono::{DateTime, Utc};
use hikiate_sdk::BatchName;

use super::{Directory, Store, StoreError};

/// Something waits and no batch is open for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The warehouse; `None` for journals.
    pub location_id: Option<i16>,
    /// Since when something may be released.
    pub release_at: DateTime<Utc>,
}

/// A batch to be opened or sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// Row id.
    pub subject_id: i64,
    /// Account row.
    pub account_id: i16,
    /// The warehouse; `None` for journals.
    pub location_id: Option<i16>,
    /// `instruct` or `journal`.
    pub kind: String,
    /// Its name.
    pub name: BatchName,
    /// When.
    pub seal_at: DateTime<Utc>,
}

/// Due batches in one answer.
const DUE: i64 = 100;

impl Store {
    /// Warehouses with waiting shipments and no open batch.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_locations(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT l.id AS "location_id!", (SELECT min(s.release_at) FROM shipments s WHERE s.location_id = l.id AND s.state = 'waiting'
                 AND ((SELECT hk_all_act()) OR NOT hk_waits(s.subject_id))
                   AND ((SELECT NOT EXISTS (SELECT FROM shipping_stops WHERE lifted_at IS NULL)) OR NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = s.id))) AS release_at
               FROM locations l WHERE NOT EXISTS (SELECT FROM batches b WHERE b.location_id = l.id AND b.kind = 'instruct' AND b.state = 'open')"#
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .filter_map(|r| r.release_at.map(|release_at| Waiting { location_id: Some(r.location_id), release_at }))
        .collect())
    }

    /// True when revenue waits and no journal batch is open at this account.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_revenue(&self, account_id: i16) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM revenue_events WHERE batch_id IS NULL AND id > coalesce((SELECT books_upto FROM recovery), 0) AND hk_acts(channel_id))
                 AND NOT EXISTS (SELECT FROM batches WHERE account_id = $1 AND kind = 'journal' AND state = 'open') AS "waiting!""#,
            account_id
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Opens a batch; a second process that does the same at once finds it open.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_batch(
        &self,
        directory: &Directory,
        account_id: i16,
        location_id: Option<i16>,
        kind: &str,
        period: &str,
        seal_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        // The account row serialises openers, so n has no gap and no race.
        let epoch = sqlx::query_scalar!(
            "SELECT epoch FROM accounts WHERE id = $1 FOR NO KEY UPDATE",
            account_id
        )
        .fetch_one(&mut *tx)
        .await?;
        let open = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM batches WHERE account_id = $1 AND kind = $2 AND location_id IS NOT DISTINCT FROM $3 AND state = 'open') AS "open!""#,
            account_id, kind, location_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if open {
            return Ok(());
        }
        let n = sqlx::query_scalar!(
            // Names of a lost window are known to far sides only, so each recovery counts in a thousand of its own.
            r#"SELECT greatest(coalesce(max(n), 0), $4 * 1000) + 1 AS "n!" FROM batches WHERE account_id = $1 AND kind = $2 AND period = $3"#,
            account_id, kind, period, epoch
        )
        .fetch_one(&mut *tx)
        .await?;
        let account = directory.slug(account_id)?;
        let name = BatchName {
            account: account.to_string(),
            kind: kind.to_owned(),
            period: period.to_owned(),
            n: u32::try_from(n).unwrap_or(1),
        };
        let number = crate::number::batch_number(account, &name);
        let subject = sqlx::query_scalar!(
            "INSERT INTO subjects (kind, account_id, external_id, number, origin, status, created_at) VALUES ('batch', $1, $2, $3, 'live', 'open', (SELECT hk_now())) RETURNING id",
            account_id, name.to_string(), number
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO batches (subject_id, account_id, location_id, kind, period, n, seal_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            subject, account_id, location_id, kind, period, n, seal_at
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The next open batches whose time has come, at most a hundred, after the last of those before.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_batches(
        &self,
        directory: &Directory,
        after: Option<&OpenBatch>,
    ) -> Result<Vec<OpenBatch>, StoreError> {
        let mut due = Vec::new();
        for row in sqlx::query!(
            "SELECT subject_id, account_id, location_id, kind, period, n, seal_at FROM batches
             WHERE state = 'open' AND seal_at <= (SELECT hk_now()) AND (SELECT min_code FROM gate) <= $1 AND NOT (SELECT hk_stopped())
               AND NOT EXISTS (SELECT FROM account_pauses p WHERE p.account_id = batches.account_id AND p.what = 'writes')
               AND (seal_at, subject_id) > (coalesce($2::timestamptz, '-infinity'), $3::bigint) ORDER BY seal_at, subject_id LIMIT $4",
            super::setup::CODE_LEVEL,
            after.map(|b| b.seal_at),
            after.map_or(0, |b| b.subject_id),
            DUE
        )
        .fetch_all(&self.pool)
        .await?
        {
            due.push(OpenBatch {
                subject_id: row.subject_id,
                account_id: row.account_id,
                location_id: row.location_id,
                name: BatchName {
                    account: directory.slug(row.account_id)?.to_string(),
                    kind: row.kind.clone(),
                    period: row.period,
                    n: u32::try_from(row.n).unwrap_or(1),
                },
                kind: row.kind,
                seal_at: row.seal_at,
            });
        }
        Ok(due)
    }
}
