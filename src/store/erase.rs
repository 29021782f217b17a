//! Deleting what ended orders have of somebody at once, because somebody asks for it.

use serde::Serialize;

use super::purge::{Purged, forget_bytes, purge_of};
use super::{Store, StoreError, Tx};

/// What was erased of an order, and what is still there.
#[derive(Clone, Debug, Serialize)]
pub struct Erased {
    /// The order's number.
    pub number: String,
    /// What was deleted.
    #[serde(flatten)]
    pub purged: Purged,
    /// Waves whose bytes hold the address beside those of orders that have not ended.
    pub waves: Vec<String>,
    /// Waves all of whose orders have ended and whose sending is not settled: its bytes may be sent again.
    pub unsettled: Vec<String>,
    /// Records about it in quarantine that are not settled.
    pub quarantined: Vec<i64>,
}

impl Store {
    /// Orders of a buyer or receiver with this mail address, whatever its case: their ids and numbers.
    ///
    /// # Errors
    /// The database's.
    pub async fn orders_of_address(&self, mail: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT s.id, s.number FROM subjects s WHERE s.id IN (
               SELECT p.subject_id FROM personal p, jsonb_path_query(p.body, '$.**.email') AS mail WHERE lower(mail #>> '{}') = lower($1))
             ORDER BY s.id",
            mail.trim()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.number)).collect())
    }

    /// Deletes what an ended order has of somebody; doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an order that is open or that a queued call belongs to, and while the database has lost commits.
    pub async fn erase(&self, order: i64) -> Result<Erased, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"SELECT number, status, closed_at, purged_at, (SELECT hk_stopped()) AS "stopped!" FROM subjects WHERE id = $1 AND kind = 'order' FOR NO KEY UPDATE"#,
            order
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::NotFound("this is no order: batches and deposits hold nothing of their own".to_owned()))?;
        let number = row.number;
        if row.stopped {
            return Err(StoreError::Refused("the database has lost recent commits: finish the recovery first (hikiate recover --help)".to_owned()));
        }
        if row.closed_at.is_none() && row.purged_at.is_none() {
            return Err(StoreError::Refused(format!(
                "order {number} is still open ({}) and needs its address: wait until it has ended, or end it (hikiate order cancel {number} --reason TEXT, hikiate order end {number} --reason TEXT), then erase again; hikiate order explain {number} says what it waits for",
                row.status
            )));
        }
        let call = sqlx::query_scalar!("SELECT min(id) FROM effects WHERE subject_id = $1", order)
            .fetch_one(&mut *tx)
            .await?;
        if let Some(call) = call {
            return Err(StoreError::Refused(format!(
                "call {call} of order {number} is still in the queue and may hold its address: settle it (hikiate effect list), then erase again"
            )));
        }
        let mut purged = purge_of(&mut tx, &[order]).await?;
        let (records, quarantined) = erase_records(&mut tx, order).await?;
        purged.quarantine = records;
        tx.commit().await?;
        let left = self.erase_waves(order).await?;
        purged.batches = left.gone;
        Ok(Erased {
            number,
            purged,
            waves: left.open,
            unsettled: left.unsettled,
            quarantined,
        })
    }

    /// The bytes of the order's waves, as far as all other orders in them have ended and nothing of them may be sent again. A reply that
    /// a warehouse still owes about one needs no bytes.
    async fn erase_waves(&self, order: i64) -> Result<LeftWaves, StoreError> {
        let mut tx = self.pool.begin().await?;
        let waves = sqlx::query!(
            r#"SELECT s.id, s.external_id, b.state IN ('done', 'abandoned') AND coalesce(s.plan_at > (SELECT hk_now()), true)
                 AND NOT EXISTS (SELECT FROM effects e WHERE e.subject_id = s.id) AS "settled!",
                 EXISTS (SELECT FROM shipments p JOIN subjects o ON o.id = p.subject_id WHERE p.batch_id = s.id AND o.closed_at IS NULL) AS "open!"
               FROM subjects s JOIN batches b ON b.subject_id = s.id
               WHERE b.body IS NOT NULL AND s.id IN (SELECT batch_id FROM shipments WHERE subject_id = $1) ORDER BY s.id FOR NO KEY UPDATE OF s"#,
            order
        )
        .fetch_all(&mut *tx)
        .await?;
        let (mut left, mut over) = (LeftWaves::default(), Vec::new());
        for wave in waves {
            match (wave.open, wave.settled) {
                (true, _) => left.open.push(wave.external_id),
                (false, false) => left.unsettled.push(wave.external_id),
                (false, true) => over.push(wave.id),
            }
        }
        left.gone = forget_bytes(&mut tx, &over).await?;
        tx.commit().await?;
        Ok(left)
    }
}

/// What became of the bytes of an order's waves.
#[derive(Default)]
struct LeftWaves {
    /// So many went.
    gone: u64,
    /// These hold open orders too.
    open: Vec<String>,
    /// These may be sent again.
    unsettled: Vec<String>,
}

/// Settled records about an order and its shipments and payments; those that were dismissed keep their row. Returns how many went, and
/// the ids of those that are not settled.
async fn erase_records(tx: &mut Tx<'_>, order: i64) -> Result<(u64, Vec<i64>), StoreError> {
    let about = sqlx::query!(
        r#"SELECT q.id, q.resolved_at IS NOT NULL AS "settled!", q.dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine q
           WHERE EXISTS (SELECT FROM subjects s WHERE s.id = $1 AND s.account_id = q.account_id AND s.external_id = q.external_id AND q.stream IN ('orders', 'read'))
             OR EXISTS (SELECT FROM aliases a WHERE a.subject_id = $1 AND a.account_id = q.account_id AND a.kind = 'shipment' AND a.external_id = q.external_id)
             OR EXISTS (SELECT FROM payment_names n WHERE n.subject_id = $1 AND n.account_id = q.account_id AND n.kind = 'key' AND n.name = q.external_id)
           ORDER BY q.id FOR UPDATE OF q"#,
        order
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids = |wanted: fn(bool, bool) -> bool| -> Vec<i64> {
        let rows = about
            .iter()
            .filter(|row| wanted(row.settled, row.dismissed));
        rows.map(|row| row.id).collect()
    };
    let gone = sqlx::query!(
        "DELETE FROM quarantine WHERE id = ANY($1)",
        &ids(|settled, dismissed| settled && !dismissed)
    )
    .execute(&mut **tx)
    .await?;
    let emptied = sqlx::query!(
        "UPDATE quarantine SET raw = '' WHERE id = ANY($1) AND raw <> ''",
        &ids(|settled, dismissed| settled && dismissed)
    )
    .execute(&mut **tx)
    .await?;
    Ok((
        gone.rows_affected() + emptied.rows_affected(),
        ids(|settled, _| !settled),
    ))
}
