//! What is due to be read by its id. Rows of one statement are locked in the order of their ids, and after the rows of
//! their subjects where those are locked at all.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hikiate_sdk::{ExternalId, Kind};
use sqlx::{Postgres, Transaction};

use super::{PlannedOrder, Store, StoreError};

impl Store {
    /// Makes ids of an account due to be read now; one that was never seen needs no subject. `why` is a word for people: `hook`.
    /// An answer that was asked for before this does not settle it. Called again it changes nothing but that.
    ///
    /// # Errors
    /// The database's.
    pub async fn read_soon(
        &self,
        account_id: i16,
        kind: Kind,
        ids: &[ExternalId],
        why: &str,
    ) -> Result<(), StoreError> {
        let wanted = ids.iter().map(|id| (kind, id.clone())).collect();
        let mut tx = self.pool.begin().await?;
        read_soon(&mut tx, account_id, &wanted, &BTreeSet::new(), why).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ids of one kind that are due to be read, and when that was; without any the time says nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_reads(
        &self,
        account_id: i16,
        kind: Kind,
        limit: i64,
    ) -> Result<(Vec<ExternalId>, DateTime<Utc>), StoreError> {
        let rows = sqlx::query!(
            r#"SELECT external_id, (SELECT hk_now()) AS "requested_at!" FROM reads WHERE account_id = $1 AND kind = $2 AND due_at <= (SELECT hk_now())
               ORDER BY account_id, kind, due_at, external_id LIMIT $3"#,
            account_id, kind.as_str(), limit
        )
        .fetch_all(&self.pool)
        .await?;
        let requested_at = rows.first().map(|row| row.requested_at).unwrap_or_default();
        let ids = rows.into_iter().map(|row| ExternalId::new(row.external_id));
        Ok((ids.collect(), requested_at))
    }

    /// Whether something waits for one of these to be read: a batch that is to be sealed, or the second look at an order that was
    /// absent. Everything else that is read by id only keeps what is known fresh.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_awaited(
        &self,
        account_id: i16,
        kind: Kind,
        ids: &[ExternalId],
    ) -> Result<bool, StoreError> {
        if kind != Kind::Order {
            return Ok(false);
        }
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM reads r WHERE r.account_id = $1 AND r.kind = 'order' AND r.external_id = ANY($2) AND r.why = 'seal')
               OR EXISTS (SELECT FROM subjects s WHERE s.account_id = $1 AND s.kind = 'order' AND s.external_id = ANY($2)
                 AND (EXISTS (SELECT FROM presence p WHERE p.subject_id = s.id AND p.misses > 0)
                   OR EXISTS (SELECT FROM shipments w WHERE w.subject_id = s.id AND w.state = 'waiting' AND (hk_looked_at(s.id) >= w.unread_since) IS FALSE))) AS "awaited!""#,
            account_id, &ids
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// A kind could not be read by id: it is asked for again later, and other kinds go on.
    ///
    /// # Errors
    /// The database's.
    pub async fn reads_failed(
        &self,
        account_id: i16,
        kind: Kind,
        error: &str,
        retry_in_seconds: f64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO read_failures (account_id, kind, fails, since, due_at, error)
             VALUES ($1, $4, 1, (SELECT hk_now()), (SELECT hk_now()) + make_interval(secs => $3), $2)
             ON CONFLICT (account_id, kind) DO UPDATE SET fails = least(read_failures.fails + 1, 1000), due_at = excluded.due_at, error = excluded.error",
            account_id, error, retry_in_seconds, kind.as_str()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A kind can be read by id again.
    ///
    /// # Errors
    /// The database's.
    pub async fn reads_answered(&self, account_id: i16, kind: Kind) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM read_failures WHERE account_id = $1 AND kind = $2",
            account_id,
            kind.as_str()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// One id alone was refused: it is asked for again after a second, two, four … five minutes, and the others go on.
    ///
    /// # Errors
    /// The database's.
    pub async fn read_refused(
        &self,
        account_id: i16,
        kind: Kind,
        id: &ExternalId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE reads SET tries = least(tries + 1, 1000), due_at = (SELECT hk_now()) + make_interval(secs => least(300, 2 ^ least(tries, 9)))
             WHERE account_id = $1 AND kind = $2 AND external_id = $3",
            account_id, kind.as_str(), id.as_str()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Makes ids due to be read now, of orders in `known_orders` only those that are known. See [`Store::read_soon`].
pub(super) async fn read_soon(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    wanted: &BTreeSet<(Kind, ExternalId)>,
    known_orders: &BTreeSet<ExternalId>,
    why: &str,
) -> Result<(), StoreError> {
    let (kinds, ids): (Vec<String>, Vec<String>) = wanted
        .iter()
        .map(|(kind, id)| (kind.as_str().to_owned(), id.as_str().to_owned()))
        .unzip();
    let known = known_orders.iter().map(|id| id.as_str().to_owned());
    let known: Vec<String> = known.collect();
    sqlx::query!(
        "INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at)
         SELECT $1::smallint, t.kind, t.id, (SELECT hk_now()), $5::text, (SELECT hk_now()) FROM (
           SELECT * FROM unnest($2::text[], $3::text[]) AS t (kind, id)
           UNION SELECT 'order', s.external_id FROM subjects s WHERE s.account_id = $1 AND s.kind = 'order' AND s.external_id = ANY($4)) AS t
         ORDER BY t.kind, t.id
         ON CONFLICT (account_id, kind, external_id) DO UPDATE SET due_at = least(reads.due_at, excluded.due_at), why = excluded.why, noted_at = excluded.noted_at",
        account_id, &kinds, &ids, &known, why
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was asked for is no longer due, unless something wanted it after it was asked for. Open orders are due again, later each
/// time, and those that are to be planned now when their plan says; `unread` could not be understood and are asked for again after
/// a while.
pub(super) async fn settle_reads(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    kind: Kind,
    (asked, unread): (&[String], &[String]),
    requested_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH mine AS MATERIALIZED (
           SELECT r.external_id, r.again IS NULL AND r.external_id <> ALL($4) AS ends,
             EXISTS (SELECT FROM subjects s WHERE s.account_id = $1 AND s.kind = $2 AND s.external_id = r.external_id AND s.plan_at <= (SELECT hk_now())) AS planned
           FROM reads r WHERE r.account_id = $1 AND r.kind = $2 AND r.external_id = ANY($3) AND r.noted_at <= $5 ORDER BY r.external_id FOR UPDATE),
         gone AS (DELETE FROM reads r USING mine m WHERE r.account_id = $1 AND r.kind = $2 AND r.external_id = m.external_id AND m.ends)
         UPDATE reads r SET tries = 0, why = CASE WHEN r.external_id = ANY($4) THEN 'unread' ELSE 'refresh' END, again = CASE WHEN m.planned THEN r.again ELSE least(r.again * 2, r.most) END,
           due_at = (SELECT hk_now()) + CASE WHEN r.external_id = ANY($4) THEN interval '10 min' WHEN m.planned THEN interval '6 h' ELSE least(r.again * 2, r.most) END
         FROM mine m WHERE r.account_id = $1 AND r.kind = $2 AND r.external_id = m.external_id AND NOT m.ends",
        account_id, kind.as_str(), asked, unread, requested_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes orders due to be read so many seconds from now, unless they are due earlier. Returns how many were not due by then.
pub(super) async fn read_orders_in(
    tx: &mut Transaction<'_, Postgres>,
    orders: &[i64],
    seconds: f64,
    why: &str,
) -> Result<usize, StoreError> {
    if orders.is_empty() {
        return Ok(0);
    }
    let marked = sqlx::query_scalar!(
        r#"WITH wanted AS MATERIALIZED (
             SELECT s.account_id, s.external_id, (SELECT hk_now()) + make_interval(secs => $2) AS at FROM subjects s WHERE s.id = ANY($1)),
           later AS MATERIALIZED (
             SELECT d.* FROM wanted d LEFT JOIN reads r ON r.account_id = d.account_id AND r.kind = 'order' AND r.external_id = d.external_id WHERE (r.due_at <= d.at) IS NOT TRUE),
           put AS (
             INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at)
             SELECT account_id, 'order', external_id, at, $3::text, (SELECT hk_now()) FROM wanted ORDER BY account_id, external_id
             ON CONFLICT (account_id, kind, external_id) DO UPDATE SET due_at = least(reads.due_at, excluded.due_at), why = excluded.why, noted_at = excluded.noted_at)
           SELECT count(*) AS "n!" FROM later"#,
        orders, seconds, why
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(usize::try_from(marked).unwrap_or(0))
}

/// When the planned orders are to be read again: never later than what is stored. Of an order that is not read again by itself
/// what is due stays so, and what was wanted for another reason than its refresh stays until its time: a plan knows of no
/// hook, and of no answer that was late or could not be understood.
pub(super) async fn plan_reads(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
) -> Result<(), StoreError> {
    let (mut id, mut due) = (Vec::new(), Vec::new());
    let (mut again, mut most) = (Vec::new(), Vec::new());
    let mut rest = Vec::new();
    for p in plans {
        let Some(at) = p.plan.read_at else {
            rest.push(p.subject_id);
            continue;
        };
        id.push(p.subject_id);
        due.push(at);
        let pause = p.plan.refresh.map(|pauses| pauses.first.as_seconds_f64());
        again.push(pause);
        most.push(p.plan.refresh.map(|pauses| pauses.most.as_seconds_f64()));
    }
    if !id.is_empty() {
        sqlx::query!(
            "INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at, again, most)
             SELECT s.account_id, 'order', s.external_id, t.due, 'refresh', (SELECT hk_now()), make_interval(secs => t.again), make_interval(secs => t.most)
             FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[], $4::float8[]) AS t (id, due, again, most) JOIN subjects s ON s.id = t.id
             ORDER BY s.account_id, s.external_id
             ON CONFLICT (account_id, kind, external_id) DO UPDATE SET due_at = least(reads.due_at, excluded.due_at), again = excluded.again, most = excluded.most
             WHERE reads.due_at > excluded.due_at OR (reads.again, reads.most) IS DISTINCT FROM (excluded.again, excluded.most)",
            &id, &due, &again as &[Option<f64>], &most as &[Option<f64>]
        )
        .execute(&mut **tx)
        .await?;
    }
    if !rest.is_empty() {
        sqlx::query!(
            "WITH mine AS MATERIALIZED (
               SELECT r.account_id, r.external_id, r.due_at > (SELECT hk_now()) AND r.why = 'refresh' AS ends FROM reads r JOIN subjects s ON s.account_id = r.account_id AND s.external_id = r.external_id
               WHERE r.kind = 'order' AND s.id = ANY($1) ORDER BY r.account_id, r.external_id FOR UPDATE OF r),
             gone AS (DELETE FROM reads r USING mine m WHERE r.account_id = m.account_id AND r.kind = 'order' AND r.external_id = m.external_id AND m.ends)
             UPDATE reads r SET again = NULL, most = NULL FROM mine m
             WHERE r.account_id = m.account_id AND r.kind = 'order' AND r.external_id = m.external_id AND NOT m.ends AND r.again IS NOT NULL",
            &rest
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
