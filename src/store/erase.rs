//! Deleting what ended orders have of somebody at once, because somebody asks for it.

use serde::Serialize;

use super::erase_records::{ErasedRecords, erase_records, forms};
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

/// What erasing would do, and what it would be refused.
#[derive(Debug, Default)]
pub struct WouldErase {
    /// Of each order.
    pub erased: Vec<Erased>,
    /// In quarantine by an address, beyond the records of those orders.
    pub records: ErasedRecords,
    /// Why it would be refused.
    pub refused: Vec<String>,
}

impl Store {
    /// Orders of a buyer or receiver with this mail address, whatever its case and however its domain is written: their ids and
    /// numbers.
    ///
    /// # Errors
    /// The database's.
    pub async fn orders_of_address(&self, mail: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT s.id, s.number FROM subjects s WHERE s.id IN (
               SELECT p.subject_id FROM personal p, jsonb_path_query(p.body, '$.**.email') AS mail
               WHERE lower(mail #>> '{}') IN (SELECT lower(f.form) FROM unnest($1::text[]) AS f (form)))
             ORDER BY s.id",
            &forms(mail)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.number)).collect())
    }

    /// Deletes what an ended order has of somebody; doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an order that is open, that a queued call belongs to or that may owe its customer money, and while the database has lost commits.
    pub async fn erase(&self, order: i64) -> Result<Erased, StoreError> {
        let mut tx = self.pool.begin().await?;
        let mut erased = Self::erase_order(&mut tx, order).await?;
        tx.commit().await?;
        let mut tx = self.pool.begin().await?;
        Self::erase_waves(&mut tx, order, &mut erased).await?;
        tx.commit().await?;
        Ok(erased)
    }

    /// What [`Store::erase`] of these orders and [`Store::erase_quarantined`] of these addresses would do: all of it done in one
    /// transaction that is given up, so that what two of them share is counted once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for what is no order; else the database's. What would be refused is in the answer.
    pub async fn would_erase(
        &self,
        orders: &[i64],
        addresses: &[String],
    ) -> Result<WouldErase, StoreError> {
        let mut tx = self.pool.begin().await?;
        let mut would = WouldErase::default();
        for order in orders {
            let one = match Self::erase_order(&mut tx, *order).await {
                Ok(mut one) => Self::erase_waves(&mut tx, *order, &mut one)
                    .await
                    .map(|()| one),
                Err(error) => Err(error),
            };
            match one {
                Ok(one) => would.erased.push(one),
                Err(StoreError::Refused(why)) => would.refused.push(why),
                Err(error) => return Err(error),
            }
        }
        for mail in addresses {
            match Self::erase_by_address(&mut tx, mail).await {
                Ok(records) => would.records.add(records),
                Err(StoreError::Refused(why)) => would.refused.push(format!("quarantine: {why}")),
                Err(error) => return Err(error),
            }
        }
        tx.rollback().await?;
        Ok(would)
    }

    /// Refuses before it changes anything, so that the transaction can go on with the next order.
    async fn erase_order(tx: &mut Tx<'_>, order: i64) -> Result<Erased, StoreError> {
        let row = sqlx::query!(
            r#"SELECT number, status, closed_at, purged_at, (SELECT hk_stopped()) AS "stopped!" FROM subjects WHERE id = $1 AND kind = 'order' FOR NO KEY UPDATE"#,
            order
        )
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| StoreError::NotFound("this is no order: batches and deposits hold nothing of their own".to_owned()))?;
        let number = row.number;
        if row.stopped {
            return Err(StoreError::Refused("the database has lost recent commits: finish the recovery first (hikiate recover --help)".to_owned()));
        }
        let call = sqlx::query_scalar!("SELECT min(id) FROM effects WHERE subject_id = $1", order)
            .fetch_one(&mut **tx)
            .await?;
        if row.closed_at.is_none() && row.purged_at.is_none() {
            return Err(StoreError::Refused(still_open(&number, &row.status, call)));
        }
        if let Some(call) = call {
            return Err(StoreError::Refused(format!(
                "call {call} of order {number} is still in the queue and may hold its address: settle it (hikiate effect list), then erase again"
            )));
        }
        let owed = sqlx::query_scalar!(
            "SELECT kind FROM tasks WHERE subject_id = $1 AND kind IN ('over_captured', 'deposit_overpaid', 'deposit_for_cancelled_order', 'ended_captured', 'refund_to_pay', 'refund_rejected', 'refund_not_shown')
             ORDER BY kind LIMIT 1",
            order
        )
        .fetch_optional(&mut **tx)
        .await?;
        if let Some(kind) = owed.filter(|_| row.purged_at.is_none()) {
            return Err(StoreError::Refused(format!(
                "order {number} may owe its customer money (task {kind}): settle it (hikiate tasks shows how), then erase again"
            )));
        }
        let mut purged = purge_of(tx, &[order]).await?;
        let (records, quarantined) = erase_records(tx, order).await?;
        purged.quarantine = records;
        Ok(Erased {
            number,
            purged,
            waves: Vec::new(),
            unsettled: Vec::new(),
            quarantined,
        })
    }

    /// The bytes of the order's waves, as far as all other orders in them have ended and nothing of them may be sent again. A reply that
    /// a warehouse still owes about one needs no bytes.
    async fn erase_waves(
        tx: &mut Tx<'_>,
        order: i64,
        erased: &mut Erased,
    ) -> Result<(), StoreError> {
        let waves = sqlx::query!(
            r#"SELECT s.id, s.external_id, b.state IN ('done', 'abandoned') AND coalesce(s.plan_at > (SELECT hk_now()), true)
                 AND NOT EXISTS (SELECT FROM effects e WHERE e.subject_id = s.id) AS "settled!",
                 EXISTS (SELECT FROM shipments p JOIN subjects o ON o.id = p.subject_id WHERE p.batch_id = s.id AND o.closed_at IS NULL) AS "open!"
               FROM subjects s JOIN batches b ON b.subject_id = s.id
               WHERE b.body IS NOT NULL AND s.id IN (SELECT batch_id FROM shipments WHERE subject_id = $1) ORDER BY s.id FOR NO KEY UPDATE OF s"#,
            order
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut over = Vec::new();
        for wave in waves {
            match (wave.open, wave.settled) {
                (true, _) => erased.waves.push(wave.external_id),
                (false, false) => erased.unsettled.push(wave.external_id),
                (false, true) => over.push(wave.id),
            }
        }
        erased.purged.batches = forget_bytes(tx, &over).await?;
        Ok(())
    }
}

/// Why an open order keeps its address, and what its state allows to be done about it.
fn still_open(number: &str, status: &str, call: Option<i64>) -> String {
    let queued = call.map_or_else(String::new, |call| {
        format!("call {call} of it is still in the queue (hikiate effect list); ")
    });
    let until = match status {
        "shipped" | "delivered" | "booked" => format!(
            "it has shipped, so it can be neither cancelled nor ended; wait until what shipped is delivered, captured and booked, which ends it; {queued}"
        ),
        "cancelled" => format!(
            "it is cancelled and ends once its channel shows that, no call of it is left in the queue, and no task about its money is open; {queued}"
        ),
        "received" => "wait until it has been fetched from its channel and has ended; ".to_owned(),
        _ => format!(
            "wait until it has ended, or end it (hikiate order cancel {number} --reason TEXT, hikiate order end {number} --reason TEXT); {queued}"
        ),
    };
    format!(
        "order {number} is still open ({status}) and needs its address: {until}then erase again; hikiate order explain {number} says what it waits for"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_order_is_told_only_what_its_state_allows() {
        let ends = ["order cancel", "order end"];
        for status in ["shipped", "delivered", "booked", "cancelled", "received"] {
            let said = still_open("HK1", status, None);
            assert!(said.contains(&format!("still open ({status})")), "{said}");
            assert!(!ends.iter().any(|word| said.contains(word)), "{said}");
        }
        for status in ["unallocated", "backordered", "allocated", "instructed"] {
            let said = still_open("HK1", status, None);
            assert!(ends.iter().all(|word| said.contains(word)), "{said}");
        }
        let said = still_open("HK1", "shipped", Some(7));
        assert!(
            said.contains("call 7 of it is still in the queue"),
            "{said}"
        );
    }
}
