//! Batches: opened when something waits, due when their time has come.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::BatchName;

use super::subjects::lock_subjects;
use super::tasks::{log_tasks, write_tasks};
use super::{Directory, Store, StoreError, Tx};
use crate::action::Action;
use crate::plan::types::TaskRow;

/// What waits at a warehouse, and what its batches are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The warehouse.
    pub location_id: i16,
    /// Since when something may be released.
    pub release_at: DateTime<Utc>,
    /// The batch that is open for it: its row and its time.
    pub open: Option<(i64, DateTime<Utc>)>,
    /// The batch before it, when more made its cut-off than it took.
    pub more_of: Option<CutOff>,
    /// Since when its times are as they are.
    pub since: Option<DateTime<Utc>>,
}

/// A cut-off that more made than its batches took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The period in the names of its batches.
    pub period: String,
    /// Its time.
    pub at: DateTime<Utc>,
    /// Batches that were sealed for it.
    pub files: i64,
}

/// When a batch is sealed, and the period in its name that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The local time of the cut-off, or the day.
    pub period: String,
    /// When.
    pub seal_at: DateTime<Utc>,
}

/// Whose batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The account that is sent to.
    pub account_id: i16,
    /// The warehouse; `None` for journals.
    pub location_id: Option<i16>,
    /// `instruct` or `journal`.
    pub kind: &'a str,
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
    /// Warehouses with waiting shipments.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_locations(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT l.id AS "location_id!", w.release_at AS "release_at?", b.subject_id AS "open?", b.seal_at AS "seal_at?", t.since AS "since?",
                 z.period AS "period?", z.seal_at AS "cut_off?", z.more AS "more?", CASE WHEN z.more THEN (SELECT count(*) FROM batches f WHERE f.account_id = l.account_id AND f.kind = 'instruct'
                   AND f.period = z.period AND f.location_id = l.id AND f.state IN ('sealed', 'done', 'abandoned')) ELSE 0 END AS "files!"
               FROM locations l CROSS JOIN LATERAL (SELECT min(s.release_at) AS release_at FROM shipments s WHERE s.location_id = l.id AND s.state = 'waiting'
                 AND ((SELECT hk_all_act()) OR NOT hk_waits(s.subject_id))
                 AND ((SELECT NOT EXISTS (SELECT FROM shipping_stops WHERE lifted_at IS NULL)) OR NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = s.id))) w
               LEFT JOIN batches b ON b.location_id = l.id AND b.kind = 'instruct' AND b.state = 'open'
               LEFT JOIN schedules t ON t.location_id = l.id AND t.kind = 'instruct'
               LEFT JOIN LATERAL (SELECT y.period, y.seal_at, y.more FROM batches y WHERE y.location_id = l.id AND y.kind = 'instruct'
                 ORDER BY y.subject_id DESC LIMIT 1) z ON true
               WHERE w.release_at IS NOT NULL ORDER BY l.id"#
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .filter_map(|r| {
            let more = r.more.unwrap_or(false);
            Some(Waiting {
                location_id: r.location_id,
                release_at: r.release_at?,
                open: r.open.zip(r.seal_at),
                more_of: r.period.zip(r.cut_off).filter(|_| more).map(|(period, at)| CutOff { period, at, files: r.files }),
                since: r.since,
            })
        })
        .collect())
    }

    /// True when revenue of days up to `today` waits, or a deposit where they are booked, and no journal batch is open at
    /// this account.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_revenue(
        &self,
        account_id: i16,
        deposits: bool,
        today: NaiveDate,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT (EXISTS (SELECT FROM revenue_events WHERE batch_id IS NULL AND business_date <= $3 AND id > coalesce((SELECT books_upto FROM recovery), 0) AND hk_acts(channel_id)
                   AND (retry_at IS NULL OR retry_at <= (SELECT hk_now())))
                 OR ($2 AND EXISTS (SELECT FROM deposit_postings WHERE batch_id IS NULL AND business_date <= $3 AND id > coalesce((SELECT deposits_upto FROM recovery), 0)
                   AND hk_acts(channel_id) AND (retry_at IS NULL OR retry_at <= (SELECT hk_now())))))
                 AND NOT EXISTS (SELECT FROM batches WHERE account_id = $1 AND kind = 'journal' AND state = 'open') AS "waiting!""#,
            account_id,
            deposits,
            today
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// This policy is the one in force: its times decide.
    ///
    /// # Errors
    /// The database's.
    pub async fn in_force(&self, policy_id: i32) -> Result<bool, StoreError> {
        Ok(
            sqlx::query_scalar!(r#"SELECT policy_id = $1 AS "same?" FROM gate"#, policy_id)
                .fetch_one(&self.pool)
                .await?
                .unwrap_or(false),
        )
    }

    /// Opens a batch; a second process that does the same at once finds it open.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_batch(
        &self,
        directory: &Directory,
        place: Place<'_>,
        slot: &Slot,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let epoch = serialise_openers(&mut tx, place).await?;
        if open_at(&mut tx, place).await?.is_none() {
            insert_open(&mut tx, directory, place, slot, epoch).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Gives the open batch of a place an earlier time; nothing when it is being sealed or is no longer open.
    ///
    /// # Errors
    /// The database's.
    pub async fn pull_forward(
        &self,
        directory: &Directory,
        place: Place<'_>,
        slot: &Slot,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let epoch = serialise_openers(&mut tx, place).await?;
        if let Some((subject, seal_at)) = open_at(&mut tx, place).await?
            && seal_at > slot.seal_at
        {
            rename(&mut tx, directory, place, subject, slot, epoch).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Stores by which times a place's batches are opened. When they have changed, its open batch gets the slot that
    /// `slot` names for it, by its present time and whether the times were never stored before. Returns the new name.
    ///
    /// # Errors
    /// The database's.
    pub async fn schedule(
        &self,
        directory: &Directory,
        place: Place<'_>,
        terms: &str,
        slot: impl Fn(DateTime<Utc>, DateTime<Utc>, bool) -> Option<Slot>,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let epoch = serialise_openers(&mut tx, place).await?;
        let before = sqlx::query_scalar!(
            "SELECT terms FROM schedules WHERE account_id = $1 AND kind = $2 AND location_id IS NOT DISTINCT FROM $3",
            place.account_id, place.kind, place.location_id
        )
        .fetch_optional(&mut *tx)
        .await?;
        if before.as_deref() == Some(terms) {
            return Ok(None);
        }
        sqlx::query!(
            "INSERT INTO schedules (account_id, kind, location_id, terms, since) VALUES ($1, $2, $3, $4, (SELECT hk_now()))
             ON CONFLICT (account_id, kind, coalesce(location_id, 0)) DO UPDATE SET terms = excluded.terms, since = excluded.since",
            place.account_id, place.kind, place.location_id, terms
        )
        .execute(&mut *tx)
        .await?;
        let now = self.now_in(&mut tx).await?;
        let mut renamed = None;
        if let Some((subject, seal_at)) = open_at(&mut tx, place).await?
            && let Some(slot) = slot(now, seal_at, before.is_none())
        {
            renamed = Some(rename(&mut tx, directory, place, subject, &slot, epoch).await?);
        }
        tx.commit().await?;
        Ok(renamed)
    }

    /// What failed to be sealed or booked is tried at once: a process with perhaps another layout begins.
    ///
    /// # Errors
    /// The database's.
    pub async fn retry_failed(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE batches SET retry_at = NULL WHERE state = 'open' AND retry_at IS NOT NULL"
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "UPDATE revenue_events SET retry_at = NULL WHERE batch_id IS NULL AND retry_at IS NOT NULL"
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "UPDATE deposit_postings SET retry_at = NULL WHERE batch_id IS NULL AND retry_at IS NOT NULL"
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A batch that could not be sealed: it is tried again later, and is a task. Returns in how many seconds.
    ///
    /// # Errors
    /// The database's.
    pub async fn seal_failed(&self, batch: &OpenBatch, why: &str) -> Result<f64, StoreError> {
        let mut tx = self.pool.begin().await?;
        if lock_listed(&mut tx, batch, &[]).await?.is_none() {
            return Ok(0.0);
        }
        let pause = sqlx::query_scalar!(
            r#"UPDATE batches SET seal_fails = least(seal_fails + 1, 1000), seal_error = $2,
                 retry_at = (SELECT hk_now()) + make_interval(secs => least(600, 5 * power(2, least(seal_fails, 10)))::float8)
               WHERE subject_id = $1 RETURNING least(600, 5 * power(2, least(seal_fails - 1, 10)))::float8 AS "pause!""#,
            batch.subject_id, why
        )
        .fetch_one(&mut *tx)
        .await?;
        let detail = format!(
            "batch {} could not be sealed: {why}; mend what it names: it is tried again by itself, and at once after a restart",
            batch.name
        );
        let mut task = TaskRow::new("seal_failed", detail);
        if !batch.is_journal() {
            task.action(Action::SealWave {});
        }
        let rows = [(batch.subject_id, &task)];
        let changes = write_tasks(&mut tx, &[batch.subject_id], &rows).await?;
        tx.commit().await?;
        log_tasks(&changes);
        Ok(pause)
    }

    /// A wave whose cut-off passed while nothing was sealed moves nothing more. Its shipments wait for the next batch
    /// of their warehouse, at `next`; it is a task while any of them could go. Returns whether it was missed.
    ///
    /// # Errors
    /// The database's.
    pub async fn miss(
        &self,
        batch: &OpenBatch,
        warehouse: &str,
        next: &str,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        if lock_listed(&mut tx, batch, &[]).await?.is_none() {
            return Ok(false);
        }
        let row = sqlx::query!(
            r#"SELECT seal_error, EXISTS (SELECT FROM shipments s WHERE s.location_id = b.location_id AND s.state = 'waiting'
                 AND s.release_at <= (SELECT hk_now()) AND NOT hk_waits(s.subject_id)) AS "waits!" FROM batches b WHERE subject_id = $1"#,
            batch.subject_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if !row.waits {
            end_empty(&mut tx, &[batch.subject_id]).await?;
            tx.commit().await?;
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE batches SET state = 'missed', retry_at = NULL WHERE subject_id = $1",
            batch.subject_id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "UPDATE subjects SET status = 'missed' WHERE id = $1",
            batch.subject_id
        )
        .execute(&mut *tx)
        .await?;
        let why = row
            .seal_error
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        let detail = format!(
            "wave {} was not sealed within 15 minutes of its cut-off{why}: seal now what waits at {warehouse}, or it goes with the next cut-off, {next}",
            batch.name
        );
        let mut task = TaskRow::new("wave_missed", detail);
        task.action(Action::SealWave {});
        let rows = [(batch.subject_id, &task)];
        let changes = write_tasks(&mut tx, &[batch.subject_id], &rows).await?;
        tx.commit().await?;
        log_tasks(&changes);
        Ok(true)
    }

    /// The next open batches whose time has come, at most a hundred, after the last of those before; not what an operator
    /// keeps back. None while another policy is in force: whoever has that one seals.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_batches(
        &self,
        directory: &Directory,
        policy_id: i32,
        after: Option<&OpenBatch>,
    ) -> Result<Vec<OpenBatch>, StoreError> {
        let mut due = Vec::new();
        for row in sqlx::query!(
            "SELECT subject_id, account_id, location_id, kind, period, batch_no, seal_at FROM batches
             WHERE state = 'open' AND seal_at <= (SELECT hk_now()) AND (SELECT min_code FROM gate) <= $1 AND NOT (SELECT hk_stopped())
               AND ((SELECT NOT EXISTS (SELECT FROM account_pauses) AND NOT EXISTS (SELECT FROM shipping_stops WHERE lifted_at IS NULL))
                 OR hk_kept_back(account_id, location_id) IS NULL)
               AND (seal_at, subject_id) > (coalesce($2::timestamptz, '-infinity'), $3::bigint) AND (retry_at IS NULL OR retry_at <= (SELECT hk_now()))
               AND (SELECT policy_id FROM gate) = $5 ORDER BY seal_at, subject_id LIMIT $4",
            super::setup::CODE_LEVEL,
            after.map(|b| b.seal_at),
            after.map_or(0, |b| b.subject_id),
            DUE,
            policy_id
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
                    n: u32::try_from(row.batch_no).unwrap_or(1),
                },
                kind: row.kind,
                seal_at: row.seal_at,
            });
        }
        Ok(due)
    }
}

/// Locks a batch, and `members` with it. When, by the database's clock; `None` where it is not to be acted on: an operator
/// or another process has sealed, renamed or moved it since it was listed, or keeps it back.
pub(super) async fn lock_listed(
    tx: &mut Tx<'_>,
    batch: &OpenBatch,
    members: &[i64],
) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query!(
        "SELECT id FROM subjects WHERE id = $1 OR id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
        batch.subject_id,
        members
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT hk_now() AS "now!" FROM batches b JOIN subjects s ON s.id = b.subject_id
           WHERE b.subject_id = $1 AND b.state = 'open' AND s.external_id = $2 AND b.seal_at = $3 AND hk_kept_back(b.account_id, b.location_id) IS NULL"#,
        batch.subject_id,
        batch.name.to_string(),
        batch.seal_at
    )
    .fetch_optional(&mut **tx)
    .await?)
}

/// The account's row serialises those who open or rename its batches, so that numbers have no gap and no race.
/// Returns how many recoveries were begun.
pub(super) async fn serialise_openers(
    tx: &mut Tx<'_>,
    place: Place<'_>,
) -> Result<i32, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT r.epoch FROM accounts a CROSS JOIN recovery r WHERE a.id = $1 FOR NO KEY UPDATE OF a",
        place.account_id
    )
    .fetch_one(&mut **tx)
    .await?)
}

/// The open batch of a place, locked, and its time.
pub(super) async fn open_at(
    tx: &mut Tx<'_>,
    place: Place<'_>,
) -> Result<Option<(i64, DateTime<Utc>)>, StoreError> {
    let open = "open";
    let found = sqlx::query_scalar!(
        "SELECT subject_id FROM batches WHERE account_id = $1 AND kind = $2 AND location_id IS NOT DISTINCT FROM $3 AND state = $4",
        place.account_id, place.kind, place.location_id, open
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(subject) = found else {
        return Ok(None);
    };
    lock_subjects(tx, &[subject]).await?;
    // It may have been sealed until the lock was granted.
    let row = sqlx::query!(
        "SELECT seal_at FROM batches WHERE subject_id = $1 AND state = $2",
        subject,
        open
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| (subject, row.seal_at)))
}

/// The next name of a period. Names of a lost window are known to external systems only, so each recovery counts in a
/// thousand of its own.
async fn next_name(
    tx: &mut Tx<'_>,
    directory: &Directory,
    place: Place<'_>,
    period: &str,
    epoch: i32,
) -> Result<(BatchName, i32), StoreError> {
    let n = sqlx::query_scalar!(
        r#"SELECT greatest(coalesce(max(batch_no), 0), $4 * 1000) + 1 AS "batch_no!" FROM batches WHERE account_id = $1 AND kind = $2 AND period = $3"#,
        place.account_id, place.kind, period, epoch
    )
    .fetch_one(&mut **tx)
    .await?;
    let name = BatchName {
        account: directory.slug(place.account_id)?.to_string(),
        kind: place.kind.to_owned(),
        period: period.to_owned(),
        n: u32::try_from(n).unwrap_or(1),
    };
    Ok((name, n))
}

/// Makes an open batch. Returns its row and name.
pub(super) async fn insert_open(
    tx: &mut Tx<'_>,
    directory: &Directory,
    place: Place<'_>,
    slot: &Slot,
    epoch: i32,
) -> Result<(i64, String), StoreError> {
    let (name, n) = next_name(tx, directory, place, &slot.period, epoch).await?;
    let number = crate::number::batch_number(directory.slug(place.account_id)?, &name);
    let name = name.to_string();
    let subject = sqlx::query_scalar!(
        "INSERT INTO subjects (kind, account_id, external_id, number, origin, status, created_at) VALUES ('batch', $1, $2, $3, 'live', 'open', (SELECT hk_now())) RETURNING id",
        place.account_id, name, number
    )
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query!(
        "INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, seal_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, place.account_id, place.location_id, place.kind, slot.period, n, slot.seal_at
    )
    .execute(&mut **tx)
    .await?;
    Ok((subject, name))
}

/// Gives an open batch another time, and the name that says it: nobody outside has seen the name of an open one.
pub(super) async fn rename(
    tx: &mut Tx<'_>,
    directory: &Directory,
    place: Place<'_>,
    subject_id: i64,
    slot: &Slot,
    epoch: i32,
) -> Result<String, StoreError> {
    let same = sqlx::query_scalar!(
        r#"SELECT s.external_id FROM batches b JOIN subjects s ON s.id = b.subject_id WHERE b.subject_id = $1 AND b.period = $2"#,
        subject_id, slot.period
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(name) = same {
        sqlx::query!(
            "UPDATE batches SET seal_at = $2, retry_at = NULL WHERE subject_id = $1",
            subject_id,
            slot.seal_at
        )
        .execute(&mut **tx)
        .await?;
        return Ok(name);
    }
    let (name, n) = next_name(tx, directory, place, &slot.period, epoch).await?;
    let number = crate::number::batch_number(directory.slug(place.account_id)?, &name);
    let name = name.to_string();
    sqlx::query!(
        "UPDATE batches SET period = $2, batch_no = $3, seal_at = $4, retry_at = NULL WHERE subject_id = $1",
        subject_id, slot.period, n, slot.seal_at
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE subjects SET external_id = $2, number = $3 WHERE id = $1",
        subject_id,
        name,
        number
    )
    .execute(&mut **tx)
    .await?;
    Ok(name)
}

/// Batches that took nothing end, with what they told.
pub(super) async fn end_empty(tx: &mut Tx<'_>, subjects: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE batches SET state = 'empty', retry_at = NULL WHERE subject_id = ANY($1)",
        subjects
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE subjects SET status = 'empty', plan_at = NULL, closed_at = (SELECT hk_now()) WHERE id = ANY($1)",
        subjects
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("DELETE FROM tasks WHERE subject_id = ANY($1)", subjects)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
