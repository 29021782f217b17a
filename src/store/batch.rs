//! Batches: opened when something waits, sealed once under the locks of all members, then immutable.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{BatchName, Op, Personal};

use super::facts::{FactRows, insert_facts};
use super::{Directory, Store, StoreError};
use crate::facts::{FactBody, IntentFact, IntentWhat, OrderFact, SealedFact, ShipmentFact};
use crate::plan::types::Lane;

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

/// A shipment about to be sealed, with everything its instruction says.
#[derive(Clone, Debug)]
pub struct SealRow {
    /// Row id.
    pub shipment_id: i64,
    /// The order's row.
    pub subject_id: i64,
    /// Our order number.
    pub number: String,
    /// The channel.
    pub channel: hikiate_sdk::AccountSlug,
    /// The channel's id of the order.
    pub order_external_id: String,
    /// The shipment as decided.
    pub shipment: ShipmentFact,
    /// The order as it stands.
    pub order: OrderFact,
    /// Names and addresses.
    pub personal: Option<Personal>,
    /// The warehouse's codes of the items, by item row.
    pub codes: std::collections::BTreeMap<i64, String>,
}

/// A sealed batch.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Bytes to be sent, for ever the same.
    pub body: Vec<u8>,
    /// Their SHA-256.
    pub hash: Vec<u8>,
    /// Members in row order.
    pub members: Vec<i64>,
}

impl Store {
    /// Warehouses with waiting shipments and no open batch.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_locations(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT l.id AS "location_id!", (SELECT min(s.release_at) FROM shipments s WHERE s.location_id = l.id AND s.state = 'waiting') AS release_at
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
            r#"SELECT EXISTS (SELECT FROM revenue_events WHERE batch_id IS NULL)
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
        sqlx::query!("SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id).fetch_one(&mut *tx).await?;
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
            r#"SELECT coalesce(max(n), 0) + 1 AS "n!" FROM batches WHERE account_id = $1 AND kind = $2 AND period = $3"#,
            account_id, kind, period
        )
        .fetch_one(&mut *tx)
        .await?;
        let account = directory.slug(account_id)?;
        let name = BatchName { account: account.to_string(), kind: kind.to_owned(), period: period.to_owned(), n: u32::try_from(n).unwrap_or(1) };
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

    /// Open batches whose time has come.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_batches(&self, directory: &Directory) -> Result<Vec<OpenBatch>, StoreError> {
        let mut due = Vec::new();
        for row in sqlx::query!(
            "SELECT subject_id, account_id, location_id, kind, period, n, seal_at FROM batches
             WHERE state = 'open' AND seal_at <= (SELECT hk_now()) AND (SELECT min_code FROM gate) <= $1 ORDER BY seal_at, subject_id",
            super::setup::CODE_LEVEL
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

    /// Seals a wave. Locks the batch and every order with a waiting shipment in id order, reads in a
    /// later statement, renders with `render` (pure), then freezes membership, rows and bytes.
    ///
    /// An order with unread news keeps the wave open (`Ok(None)`) until it is planned or `patience` has
    /// passed since the cut-off; then it is left to the next wave.
    ///
    /// # Errors
    /// The database's; what `render` says.
    pub async fn seal_wave<R>(
        &self,
        directory: &Directory,
        batch: &OpenBatch,
        max_rows: i64,
        patience_seconds: f64,
        policy_id: i32,
        today: NaiveDate,
        reply_within_seconds: Option<f64>,
        render: R,
    ) -> Result<Option<usize>, StoreError>
    where
        R: Fn(&[SealRow]) -> Result<(Sealed, Vec<(i64, String)>), StoreError>,
    {
        let location = batch.location_id.unwrap_or_default();
        let mut tx = self.pool.begin().await?;
        let mut lock: Vec<i64> = sqlx::query_scalar!(
            "SELECT DISTINCT subject_id FROM (SELECT subject_id FROM shipments WHERE location_id = $1 AND state = 'waiting' AND release_at <= (SELECT hk_now())
               ORDER BY release_at, id LIMIT $2) AS s",
            location, max_rows
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
        lock.push(batch.subject_id);
        sqlx::query!("SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &lock).fetch_all(&mut *tx).await?;
        let state = sqlx::query!(
            r#"SELECT state, seal_at + make_interval(secs => $2) > hk_now() AS "patient!", hk_now() AS "now!" FROM batches WHERE subject_id = $1"#,
            batch.subject_id, patience_seconds
        )
        .fetch_one(&mut *tx)
        .await?;
        if state.state != "open" {
            return Ok(None);
        }
        let rows = sqlx::query!(
            r#"SELECT s.id, s.subject_id, s.reference, o.number, o.account_id, o.external_id, (o.plan_class = 0 AND o.plan_at <= (SELECT hk_now())) AS "news!"
               FROM shipments s JOIN subjects o ON o.id = s.subject_id
               WHERE s.subject_id = ANY($1) AND s.location_id = $2 AND s.state = 'waiting' AND s.release_at <= (SELECT hk_now())
               ORDER BY s.release_at, s.id LIMIT $3"#,
            &lock, location, max_rows
        )
        .fetch_all(&mut *tx)
        .await?;
        if rows.iter().any(|r| r.news) && state.patient {
            return Ok(None);
        }
        let rows: Vec<_> = rows.into_iter().filter(|r| !r.news).collect();
        if rows.is_empty() {
            sqlx::query!("UPDATE batches SET state = 'empty' WHERE subject_id = $1", batch.subject_id).execute(&mut *tx).await?;
            sqlx::query!("UPDATE subjects SET status = 'empty', closed_at = (SELECT hk_now()) WHERE id = $1", batch.subject_id).execute(&mut *tx).await?;
            tx.commit().await?;
            return Ok(Some(0));
        }

        let orders: Vec<i64> = rows.iter().map(|r| r.subject_id).collect();
        let mut facts = std::collections::BTreeMap::new();
        let mut shipments = std::collections::BTreeMap::new();
        for row in sqlx::query!(
            "SELECT subject_id, kind, version, body FROM facts WHERE subject_id = ANY($1) AND kind IN ('order', 'shipment') ORDER BY id",
            &orders
        )
        .fetch_all(&mut *tx)
        .await?
        {
            match FactBody::read(&row.kind, row.version, row.body) {
                Ok(FactBody::Order(order)) => {
                    facts.insert(row.subject_id, *order);
                }
                Ok(FactBody::Shipment(shipment)) => {
                    shipments.insert(shipment.reference.to_string(), shipment);
                }
                _ => {}
            }
        }
        let persons = Self::load_personal(&mut tx, &orders).await?;
        let items: Vec<i64> = shipments.values().flat_map(|s| s.lines.iter().map(|l| l.item_id)).collect();
        let codes: std::collections::BTreeMap<i64, String> = sqlx::query!(
            r#"SELECT i.id, coalesce((SELECT m.code FROM item_codes m WHERE m.account_id = $2 AND m.item_id = i.id AND m.multiplier = 1 ORDER BY m.code LIMIT 1), i.code) AS "code!"
               FROM items i WHERE i.id = ANY($1)"#,
            &items, batch.account_id
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|r| (r.id, r.code))
        .collect();
        let mut members = Vec::new();
        for row in &rows {
            let (Some(order), Some(shipment)) = (facts.get(&row.subject_id), shipments.get(&row.reference)) else {
                return Err(StoreError::NotFound(format!("shipment {} has no decision among its order's facts", row.reference)));
            };
            members.push(SealRow {
                shipment_id: row.id,
                subject_id: row.subject_id,
                number: row.number.clone(),
                channel: directory.slug(row.account_id)?.clone(),
                order_external_id: row.external_id.clone(),
                shipment: shipment.clone(),
                order: order.clone(),
                personal: persons.get(&row.subject_id).cloned(),
                codes: codes.clone(),
            });
        }
        let (sealed, refused) = render(&members)?;
        let name = batch.name.to_string();
        let mut intents = FactRows::default();
        for member in members.iter().filter(|m| sealed.members.contains(&m.shipment_id)) {
            let body = FactBody::Intent(Box::new(IntentFact {
                op: Op::Instruct,
                account: directory.slug(batch.account_id)?.clone(),
                n: 1,
                what: IntentWhat::Member { batch: name.clone(), reference: member.shipment.reference.clone() },
            }));
            let key = format!("instruct:{}", member.shipment.reference);
            intents.push(member.subject_id, key, &body, body.to_json()?, state.now, state.now, today);
        }
        insert_facts(&mut tx, &intents, "plan", Some(policy_id), false).await?;
        let ids: Vec<i64> = sealed.members.clone();
        sqlx::query!(
            "UPDATE shipments s SET batch_id = $1, row_no = m.n, state = 'instructed' FROM unnest($2::bigint[]) WITH ORDINALITY AS m (id, n)
             WHERE s.id = m.id AND s.state = 'waiting'",
            batch.subject_id, &ids
        )
        .execute(&mut *tx)
        .await?;
        // A shipment whose text the layout refuses does not stop its neighbours: it is rejected with the reason.
        let (bad_ids, bad_why): (Vec<i64>, Vec<String>) = refused.into_iter().unzip();
        if !bad_ids.is_empty() {
            let mut outcomes = FactRows::default();
            for (id, why) in bad_ids.iter().zip(&bad_why) {
                let Some(member) = members.iter().find(|m| m.shipment_id == *id) else { continue };
                let body = FactBody::Reply(hikiate_sdk::InstructionReply {
                    reference: member.shipment.reference.clone(),
                    verdict: hikiate_sdk::ReplyVerdict::Rejected,
                    message: why.clone(),
                    at: None,
                });
                outcomes.push(member.subject_id, format!("reply:{}:0", member.shipment.reference), &body, body.to_json()?, state.now, state.now, today);
            }
            insert_facts(&mut tx, &outcomes, "plan", None, true).await?;
            sqlx::query!("UPDATE shipments SET state = 'rejected' WHERE id = ANY($1) AND state = 'waiting'", &bad_ids).execute(&mut *tx).await?;
        }
        sqlx::query!("UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id = ANY($1)", &orders).execute(&mut *tx).await?;
        if sealed.members.is_empty() {
            sqlx::query!("UPDATE batches SET state = 'empty' WHERE subject_id = $1", batch.subject_id).execute(&mut *tx).await?;
            sqlx::query!("UPDATE subjects SET status = 'empty', closed_at = (SELECT hk_now()) WHERE id = $1", batch.subject_id).execute(&mut *tx).await?;
        } else {
            Self::freeze(&mut tx, directory, batch, Op::Instruct, &sealed, policy_id, state.now, today, reply_within_seconds).await?;
        }
        tx.commit().await?;
        Ok(Some(sealed.members.len()))
    }

    /// Writes the sealed bytes and queues their sending.
    #[expect(clippy::too_many_arguments, reason = "called twice, from the two sealings")]
    pub(super) async fn freeze(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        directory: &Directory,
        batch: &OpenBatch,
        op: Op,
        sealed: &Sealed,
        policy_id: i32,
        now: DateTime<Utc>,
        today: NaiveDate,
        reply_within_seconds: Option<f64>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE batches SET state = 'sealed', sealed_at = (SELECT hk_now()), body = $2, hash = $3,
               reply_due = CASE WHEN $4::float8 IS NOT NULL THEN (SELECT hk_now()) + make_interval(secs => $4) END
             WHERE subject_id = $1 AND state = 'open'",
            batch.subject_id, sealed.body, sealed.hash, reply_within_seconds
        )
        .execute(&mut **tx)
        .await?;
        let mut rows = FactRows::default();
        let body = FactBody::Sealed(SealedFact { rows: u32::try_from(sealed.members.len()).unwrap_or(u32::MAX), hash: hex::encode(&sealed.hash) });
        rows.push(batch.subject_id, "sealed".to_owned(), &body, body.to_json()?, now, now, today);
        let name = batch.name.to_string();
        let account = directory.slug(batch.account_id)?.clone();
        let key = format!("{op}:{account}:{name}:1");
        let body = FactBody::Intent(Box::new(IntentFact { op, account, n: 1, what: IntentWhat::Batch { batch: name } }));
        rows.push(batch.subject_id, key.clone(), &body, body.to_json()?, now, now, today);
        insert_facts(tx, &rows, "plan", Some(policy_id), false).await?;
        Self::queue_batch(tx, batch.subject_id, batch.account_id, op, &key).await?;
        sqlx::query!("UPDATE subjects SET status = 'sealed' WHERE id = $1", batch.subject_id).execute(&mut **tx).await?;
        Ok(())
    }

    /// Queues the sending of a sealed batch under an intent that is already a fact.
    pub(super) async fn queue_batch(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        subject_id: i64,
        account_id: i16,
        op: Op,
        key: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO effects (subject_id, account_id, op, intent_id, lane, due_at)
             SELECT $1, $2, $3, id, $5, (SELECT hk_now()) FROM facts WHERE subject_id = $1 AND key = $4",
            subject_id, account_id, op.as_str(), key, Lane::of(op) as i16
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
