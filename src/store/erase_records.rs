//! Records of the quarantine that have something of somebody: those about an order, and those whose bytes hold a mail address.

use serde::Serialize;

use super::{Store, StoreError, Tx};

/// What quarantine had with a mail address in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasedRecords {
    /// Settled and dismissed records that lost their bytes.
    pub erased: u64,
    /// Records that are not settled and hold it still.
    pub open: Vec<i64>,
}

impl ErasedRecords {
    /// Another address, in the records of which this one may be too.
    pub fn add(&mut self, other: Self) {
        self.erased += other.erased;
        self.open.extend(other.open);
        self.open.sort_unstable();
        self.open.dedup();
    }
}

/// A record that is to be forgotten.
struct Held {
    id: i64,
    settled: bool,
    dismissed: bool,
}

impl Store {
    /// Erases the bytes of settled and dismissed records that hold a mail address, whatever its case, also of those that nobody could
    /// say an order of. An address within a longer one counts too: rather a settled record too many.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while the database has lost commits; else the database's.
    pub async fn erase_quarantined(&self, mail: &str) -> Result<ErasedRecords, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = Self::erase_by_address(&mut tx, mail).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Refuses before it changes anything.
    pub(super) async fn erase_by_address(
        tx: &mut Tx<'_>,
        mail: &str,
    ) -> Result<ErasedRecords, StoreError> {
        let stopped = sqlx::query_scalar!(r#"SELECT hk_stopped() AS "stopped!""#)
            .fetch_one(&mut **tx)
            .await?;
        if stopped {
            return Err(StoreError::Refused("the database has lost recent commits: finish the recovery first (hikiate recover --help)".to_owned()));
        }
        // As bytes are text in no certain encoding, both sides are compared with all but ASCII written as escapes.
        let held = sqlx::query_as!(
            Held,
            r#"SELECT q.id, q.resolved_at IS NOT NULL AS "settled!", q.dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine q
               WHERE q.raw <> '' AND EXISTS (SELECT FROM unnest($1::text[]) AS t (spelled)
                 WHERE position(lower(encode(convert_to(t.spelled, 'UTF8'), 'escape')) IN lower(encode(q.raw, 'escape'))) > 0)
               ORDER BY q.id FOR UPDATE OF q"#,
            &spellings(mail)
        )
        .fetch_all(&mut **tx)
        .await?;
        let (erased, open) = forget(tx, &held).await?;
        Ok(ErasedRecords { erased, open })
    }
}

/// A mail address as it stands in text, in JSON and in a form.
fn spellings(mail: &str) -> Vec<String> {
    let mail = mail.trim();
    let at = ["@", "\\u0040", "%40"];
    at.map(|at| mail.replace('@', at)).to_vec()
}

/// Settled records about an order and its shipments and payments; those that were dismissed keep their row. Returns how many went, and
/// the ids of those that are not settled.
pub(super) async fn erase_records(
    tx: &mut Tx<'_>,
    order: i64,
) -> Result<(u64, Vec<i64>), StoreError> {
    let about = sqlx::query_as!(
        Held,
        r#"SELECT q.id, q.resolved_at IS NOT NULL AS "settled!", q.dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine q
           WHERE EXISTS (SELECT FROM subjects s WHERE s.id = $1 AND s.account_id = q.account_id AND s.external_id = q.external_id AND q.stream IN ('orders', 'read'))
             OR EXISTS (SELECT FROM aliases a WHERE a.subject_id = $1 AND a.account_id = q.account_id AND a.kind = 'shipment' AND a.external_id = q.external_id)
             OR EXISTS (SELECT FROM payment_names n WHERE n.subject_id = $1 AND n.account_id = q.account_id AND n.kind = 'key' AND n.name = q.external_id)
           ORDER BY q.id FOR UPDATE OF q"#,
        order
    )
    .fetch_all(&mut **tx)
    .await?;
    forget(tx, &about).await
}

/// Settled records go; those that were dismissed keep their row, without which they would be back in quarantine. Returns how many lost
/// their bytes, and the ids of those that are not settled.
async fn forget(tx: &mut Tx<'_>, held: &[Held]) -> Result<(u64, Vec<i64>), StoreError> {
    let ids = |wanted: fn(&Held) -> bool| -> Vec<i64> {
        let rows = held.iter().filter(|row| wanted(row));
        rows.map(|row| row.id).collect()
    };
    let gone = sqlx::query!(
        "DELETE FROM quarantine WHERE id = ANY($1)",
        &ids(|row| row.settled && !row.dismissed)
    )
    .execute(&mut **tx)
    .await?;
    let emptied = sqlx::query_scalar!(
        r#"SELECT hk_empty_records(ARRAY(SELECT id FROM quarantine WHERE id = ANY($1) AND (raw <> '' OR part IS NOT NULL))) AS "rows!""#,
        &ids(|row| row.settled && row.dismissed)
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok((
        gone.rows_affected() + emptied.unsigned_abs(),
        ids(|row| !row.settled),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_as_programs_write_it() {
        assert_eq!(
            spellings(" taro@example.jp "),
            [
                "taro@example.jp",
                "taro\\u0040example.jp",
                "taro%40example.jp"
            ]
        );
    }
}
