//! Sealing: membership, rows and bytes become final under the locks of all members.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use hikiate_sdk::{AccountSlug, InstructionReply, Op, Personal, ReplyVerdict};
use tracing::warn;

use super::batch::{end_empty, lock_listed};
use super::facts::{FactRows, insert_facts};
use super::reads::read_orders_in;
use super::recheck::{Freshness, Reading, freshness};
use super::subjects::make_due;
use super::{Directory, OpenBatch, Recheck, Store, StoreError};
use crate::facts::{
    FactBody, IntentFact, IntentWhat, OrderFact, SealedFact, ShipmentFact, UnreadFact,
};
use crate::operations::Lane;
use crate::plan::{cod_of, committed};

/// Waiting shipments looked at for one batch where a second look at their orders is required.
const LOOKED_AT: i64 = 10_000;

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
    pub channel: AccountSlug,
    /// The channel's id of the order.
    pub order_external_id: String,
    /// The shipment as decided.
    pub shipment: ShipmentFact,
    /// The order as it stands.
    pub order: OrderFact,
    /// Names and addresses.
    pub personal: Option<Personal>,
    /// The warehouse's codes of the items, by item row.
    pub codes: BTreeMap<i64, String>,
}

impl SealRow {
    /// The warehouse's code of each line.
    fn codes_by_line(&self) -> Vec<(u32, String)> {
        let line = |line: &crate::facts::ShipmentLine| {
            Some((line.n, self.codes.get(&line.item_id)?.clone()))
        };
        self.shipment.lines.iter().filter_map(line).collect()
    }
}

/// A shipment whose instruction is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedRow {
    pub(super) shipment_id: i64,
    pub(super) subject_id: i64,
    pub(super) reference: String,
    pub(super) number: String,
    pub(super) channel_id: i16,
    pub(super) external_id: String,
}

/// A sealed batch.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    /// Bytes to be sent, for ever the same.
    pub body: Vec<u8>,
    /// Their SHA-256.
    pub hash: Vec<u8>,
    /// Members in row order.
    pub members: Vec<i64>,
}

/// Under which terms a batch is sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct SealTerms {
    /// Rows at the most.
    pub max_rows: i64,
    /// How long past its time a wave waits for orders with unplanned new input.
    pub patience: Duration,
    /// The next batch follows at once: what is waited for goes with that one and holds up nobody.
    pub at_once: bool,
    /// Per channel's account row, how lately its orders must have been read.
    pub recheck: BTreeMap<i16, Recheck>,
    /// When replies are overdue.
    pub reply_within_seconds: Option<f64>,
    /// Per channel, the ways of paying that are collected on delivery.
    pub on_delivery: BTreeMap<AccountSlug, BTreeSet<String>>,
    /// The policy in force.
    pub policy_id: i32,
    /// The day in the shop's zone.
    pub today: NaiveDate,
}

impl Store {
    /// Seals a wave. Locks the batch and every order with a waiting shipment in id order, reads in a
    /// later statement, renders with `render` (pure), then freezes membership, rows and bytes.
    ///
    /// An order with unplanned new input keeps the wave open (`Ok(None)`) until it is planned or the patience has
    /// passed since the cut-off; then it is left to the next wave. So does one whose last reading is too old; when
    /// it could not be read in time it goes all the same and the batch says so, or it is left to the next wave.
    ///
    /// # Errors
    /// The database's; what `render` says.
    pub async fn seal_wave<R>(
        &self,
        directory: &Directory,
        batch: &OpenBatch,
        terms: &SealTerms,
        render: R,
    ) -> Result<Option<usize>, StoreError>
    where
        R: Fn(&[SealRow]) -> Result<(Sealed, Vec<(i64, String)>), StoreError>,
    {
        let location = batch.location_id.unwrap_or_default();
        // What cannot be read and must be keeps its place at the head, and none behind it out.
        let required = terms.recheck.values().any(|recheck| recheck.required);
        let looked_at = if required {
            LOOKED_AT.max(terms.max_rows)
        } else {
            terms.max_rows
        };
        let mut tx = self.pool.begin().await?;
        // Past its patience a wave takes its rows from those without new input, so that new input at the head of it do not keep
        // out what stands behind.
        let mut lock: Vec<i64> = sqlx::query_scalar!(
            "SELECT DISTINCT subject_id FROM (SELECT subject_id FROM shipments WHERE location_id = $1 AND state = 'waiting' AND release_at <= (SELECT hk_now())
               AND ((SELECT hk_all_act()) OR NOT hk_waits(subject_id)) AND subject_id NOT IN (SELECT u.subject_id FROM unplanned_news u)
               AND ((SELECT NOT EXISTS (SELECT FROM shipping_stops WHERE lifted_at IS NULL)) OR NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = shipments.id))
               AND ($3::timestamptz + make_interval(secs => $4) > (SELECT hk_now()) OR NOT EXISTS (SELECT FROM subjects o
                 WHERE o.id = shipments.subject_id AND o.plan_class = 0 AND o.plan_at <= (SELECT hk_now())))
               ORDER BY release_at, id LIMIT $2) AS s",
            location, looked_at, batch.seal_at, terms.patience.as_seconds_f64()
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
        let missed = sqlx::query_scalar!(
            "SELECT subject_id FROM batches WHERE location_id = $1 AND kind = 'instruct' AND state = 'missed'",
            location
        )
        .fetch_all(&mut *tx)
        .await?;
        lock.extend(&missed);
        let Some(now) = lock_listed(&mut tx, batch, &lock).await? else {
            return Ok(None);
        };
        let patient = now - batch.seal_at < terms.patience;
        let rows = sqlx::query!(
            r#"SELECT s.id, s.subject_id, s.reference, o.number, o.account_id, o.external_id, s.unread_since, hk_looked_at(o.id) AS looked_at, (o.plan_class = 0 AND o.plan_at <= (SELECT hk_now())) AS "new_input!",
                 (o.plan_fails > 0 AND o.created_at <= (SELECT lifted_at FROM recovery)) IS TRUE AS "unread!"
               FROM shipments s JOIN subjects o ON o.id = s.subject_id
               WHERE s.subject_id = ANY($1) AND s.location_id = $2 AND s.state = 'waiting' AND s.release_at <= (SELECT hk_now())
                 AND hk_acts(o.account_id) AND o.id NOT IN (SELECT u.subject_id FROM unplanned_news u)
                 AND ((SELECT NOT EXISTS (SELECT FROM shipping_stops WHERE lifted_at IS NULL)) OR NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = s.id))
               ORDER BY s.release_at, s.id LIMIT $3"#,
            &lock, location, looked_at
        )
        .fetch_all(&mut *tx)
        .await?;
        let fresh: BTreeMap<i64, Freshness> = rows
            .iter()
            .map(|row| {
                let recheck = terms.recheck.get(&row.account_id).copied();
                let reading = Reading {
                    looked_at: row.looked_at,
                    unread_since: row.unread_since,
                };
                let is = freshness(recheck, reading, batch.seal_at, terms.at_once, now);
                (row.id, is)
            })
            .collect();
        let is = |row: i64, wanted: fn(&Freshness) -> bool| fresh.get(&row).is_some_and(wanted);
        let first: Vec<(i64, i64)> = rows
            .iter()
            .filter(|row| is(row.id, |f| *f == Freshness::Awaited { first: true }))
            .map(|row| (row.id, row.subject_id))
            .collect();
        Self::read_first(&mut tx, &first).await?;
        let awaited = rows
            .iter()
            .any(|row| is(row.id, |f| matches!(f, Freshness::Awaited { .. })));
        if (rows.iter().any(|r| r.new_input) && patient) || (awaited && !terms.at_once) {
            tx.commit().await?;
            return Ok(None);
        }
        // One that could not be planned since a recovery was not compared with what its warehouse has.
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|r| !r.new_input && !r.unread)
            .collect();
        let most = usize::try_from(terms.max_rows).unwrap_or(usize::MAX);
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|row| {
                is(row.id, |f| {
                    matches!(f, Freshness::Fresh | Freshness::Late { required: false })
                })
            })
            .take(most)
            .collect();
        if rows.is_empty() {
            let left = sqlx::query!(
                r#"SELECT count(*) > 0 AS "any!", coalesce(bool_or(EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = s.id)), false) AS "stopped!"
                   FROM shipments s WHERE s.location_id = $1 AND s.state = 'waiting' AND s.release_at <= (SELECT hk_now()) AND NOT hk_waits(s.subject_id)"#,
                location
            )
            .fetch_one(&mut *tx)
            .await?;
            // A stop that is lifted in time keeps no order out of its wave. Where batches follow at once, the next one would
            // find the same.
            if left.stopped || left.any && terms.at_once {
                tx.commit().await?;
                return Ok(None);
            }
            if !left.any {
                end_empty(&mut tx, &missed).await?;
            }
            end_empty(&mut tx, &[batch.subject_id]).await?;
            tx.commit().await?;
            return Ok(Some(0));
        }
        // Whatever this batch takes, what was missed before has had its turn.
        end_empty(&mut tx, &missed).await?;

        let orders: Vec<i64> = rows.iter().map(|r| r.subject_id).collect();
        let wanted: Vec<WantedRow> = rows
            .iter()
            .map(|row| WantedRow {
                shipment_id: row.id,
                subject_id: row.subject_id,
                reference: row.reference.clone(),
                number: row.number.clone(),
                channel_id: row.account_id,
                external_id: row.external_id.clone(),
            })
            .collect();
        let members = Self::seal_rows(&mut tx, directory, batch.account_id, &wanted).await?;
        let (sealed, refused) = render(&members)?;
        let name = batch.name.to_string();
        let key = Self::field_key(&mut tx).await?;
        let mut intents = FactRows::default();
        for member in members
            .iter()
            .filter(|m| sealed.members.contains(&m.shipment_id))
        {
            let body = FactBody::Intent(Box::new(IntentFact {
                op: Op::Instruct,
                account: directory.slug(batch.account_id)?.clone(),
                n: 1,
                what: IntentWhat::Member {
                    batch: name.clone(),
                    reference: member.shipment.reference.clone(),
                    committed: member.personal.as_ref().map(|personal| {
                        let order = &member.order.order;
                        let by = terms.on_delivery.get(&member.channel);
                        let is_cod = |gateway: &str| by.is_some_and(|by| by.contains(gateway));
                        let cod = cod_of(order, is_cod).map(|cod| cod.amount);
                        committed(&key, order, personal, &member.shipment.group, cod)
                    }),
                    codes: member.codes_by_line(),
                },
            }));
            intents.push(
                member.subject_id,
                format!("instruct:{}", member.shipment.reference),
                &body,
                body.to_json()?,
                now,
                now,
                terms.today,
            );
        }
        insert_facts(&mut tx, &intents, "plan", Some(terms.policy_id), false).await?;
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
                let Some(member) = members.iter().find(|m| m.shipment_id == *id) else {
                    continue;
                };
                let body = FactBody::Reply(InstructionReply {
                    reference: member.shipment.reference.clone(),
                    verdict: ReplyVerdict::Rejected,
                    message: why.clone(),
                    at: None,
                });
                outcomes.push(
                    member.subject_id,
                    format!("reply:{}:0", member.shipment.reference),
                    &body,
                    body.to_json()?,
                    now,
                    now,
                    terms.today,
                );
            }
            insert_facts(&mut tx, &outcomes, "plan", None, true).await?;
            sqlx::query!(
                "UPDATE shipments SET state = 'rejected' WHERE id = ANY($1) AND state = 'waiting'",
                &bad_ids
            )
            .execute(&mut *tx)
            .await?;
        }
        make_due(&mut tx, &orders).await?;
        // Of those that made the cut-off; what has new input goes with the next one.
        let more = sqlx::query_scalar!(
            r#"UPDATE batches SET more = EXISTS (SELECT FROM shipments s JOIN subjects o ON o.id = s.subject_id
                 WHERE s.location_id = $2 AND s.state = 'waiting' AND s.release_at <= $3 AND hk_may_go(s.id, o.id) AND NOT (o.id = ANY($4))
                   AND NOT (o.plan_class = 0 AND coalesce(o.plan_at, 'infinity') <= (SELECT hk_now()))) WHERE subject_id = $1 RETURNING more"#,
            batch.subject_id, location, batch.seal_at, &orders
        )
        .fetch_one(&mut *tx)
        .await?;
        if sealed.members.is_empty() {
            // Each that was tried was refused by itself: the batch stays open for those behind them.
            if more && !bad_ids.is_empty() {
                tx.commit().await?;
                return Ok(None);
            }
            end_empty(&mut tx, &[batch.subject_id]).await?;
        } else {
            Self::freeze(&mut tx, directory, batch, Op::Instruct, &sealed, terms, now).await?;
            let mut unread: Vec<String> = rows
                .iter()
                .filter(|row| ids.contains(&row.id) && is(row.id, |f| *f != Freshness::Fresh))
                .map(|row| row.number.clone())
                .collect();
            unread.sort();
            unread.dedup();
            Self::tell_unread(&mut tx, batch, unread, terms, now).await?;
        }
        tx.commit().await?;
        Ok(Some(sealed.members.len()))
    }

    /// Has orders read again before their shipments are sealed, and writes down since when that is waited for.
    async fn read_first(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        shipments: &[(i64, i64)],
    ) -> Result<(), StoreError> {
        if shipments.is_empty() {
            return Ok(());
        }
        let (shipments, orders): (Vec<i64>, Vec<i64>) = shipments.iter().copied().unzip();
        sqlx::query!(
            "UPDATE shipments SET unread_since = (SELECT hk_now()) WHERE id = ANY($1)",
            &shipments
        )
        .execute(&mut **tx)
        .await?;
        read_orders_in(tx, &orders, 0.0, "seal").await?;
        Ok(())
    }

    /// Tells a sealed batch which members went although they could not be read again.
    async fn tell_unread(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        batch: &OpenBatch,
        orders: Vec<String>,
        terms: &SealTerms,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if orders.is_empty() {
            return Ok(());
        }
        let body = FactBody::Unread(UnreadFact { orders });
        let json = body.to_json()?;
        let mut rows = FactRows::default();
        let key = "unread".to_owned();
        rows.push(batch.subject_id, key, &body, json, now, now, terms.today);
        insert_facts(tx, &rows, "plan", Some(terms.policy_id), false).await?;
        sqlx::query!(
            "UPDATE subjects SET plan_at = (SELECT hk_now()) WHERE id = $1",
            batch.subject_id
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// What the instructions of these shipments say. One whose order's facts this version cannot read is not among
    /// them: it waits for the newer version, and its neighbours go.
    pub(super) async fn seal_rows(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        directory: &Directory,
        account_id: i16,
        wanted: &[WantedRow],
    ) -> Result<Vec<SealRow>, StoreError> {
        let orders: Vec<i64> = wanted.iter().map(|r| r.subject_id).collect();
        let mut facts = BTreeMap::new();
        let mut shipments = BTreeMap::new();
        // As text, like a batch of plans: one tree of a body at a time.
        for row in sqlx::query!(
            r#"SELECT subject_id, kind, version, body::text AS "body!" FROM facts WHERE id IN (
               SELECT max(id) FROM facts WHERE subject_id = ANY($1) AND kind = 'order' GROUP BY subject_id
               UNION ALL SELECT id FROM facts WHERE subject_id = ANY($1) AND kind = 'shipment')"#,
            &orders
        )
        .fetch_all(&mut **tx)
        .await?
        {
            match FactBody::read_text(&row.kind, row.version, &row.body) {
                Ok(FactBody::Order(order)) => {
                    facts.insert(row.subject_id, *order);
                }
                Ok(FactBody::Shipment(shipment)) => {
                    shipments.insert(shipment.reference.to_string(), shipment);
                }
                _ => {}
            }
        }
        let persons = Self::load_personal(tx, &orders).await?;
        let items: Vec<i64> = shipments
            .values()
            .flat_map(|s| s.lines.iter().map(|l| l.item_id))
            .collect();
        let codes: BTreeMap<i64, String> = sqlx::query!(
            r#"SELECT i.id, coalesce((SELECT m.code FROM item_codes m WHERE m.account_id = $2 AND m.item_id = i.id AND m.multiplier = 1 ORDER BY m.code LIMIT 1), i.code) AS "code!"
               FROM items i WHERE i.id = ANY($1)"#,
            &items, account_id
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|r| (r.id, r.code))
        .collect();
        let mut members = Vec::new();
        for row in wanted {
            let (Some(order), Some(shipment)) =
                (facts.get(&row.subject_id), shipments.get(&row.reference))
            else {
                warn!(
                    order = row.number,
                    shipment = row.reference,
                    "its facts cannot be read by this version; it stays for a later batch: see `hikiate order show {}`",
                    row.number
                );
                continue;
            };
            members.push(SealRow {
                shipment_id: row.shipment_id,
                subject_id: row.subject_id,
                number: row.number.clone(),
                channel: directory.slug(row.channel_id)?.clone(),
                order_external_id: row.external_id.clone(),
                shipment: shipment.clone(),
                order: order.clone(),
                personal: persons.get(&row.subject_id).cloned(),
                codes: shipment
                    .lines
                    .iter()
                    .filter_map(|l| Some((l.item_id, codes.get(&l.item_id)?.clone())))
                    .collect(),
            });
        }
        Ok(members)
    }

    /// Writes the sealed bytes and queues their sending.
    pub(super) async fn freeze(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        directory: &Directory,
        batch: &OpenBatch,
        op: Op,
        sealed: &Sealed,
        terms: &SealTerms,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE batches SET state = 'sealed', sealed_at = (SELECT hk_now()), body = $2, hash = $3,
               reply_due = CASE WHEN $4::float8 IS NOT NULL THEN (SELECT hk_now()) + make_interval(secs => $4) END
             WHERE subject_id = $1 AND state = 'open'",
            batch.subject_id, sealed.body, sealed.hash, terms.reply_within_seconds
        )
        .execute(&mut **tx)
        .await?;
        let mut rows = FactRows::default();
        let body = FactBody::Sealed(SealedFact {
            rows: u32::try_from(sealed.members.len()).unwrap_or(u32::MAX),
            hash: hex::encode(&sealed.hash),
        });
        // Why it could not be sealed before is settled.
        sqlx::query!("DELETE FROM tasks WHERE subject_id = $1", batch.subject_id)
            .execute(&mut **tx)
            .await?;
        rows.push(
            batch.subject_id,
            "sealed".to_owned(),
            &body,
            body.to_json()?,
            now,
            now,
            terms.today,
        );
        let name = batch.name.to_string();
        let account = directory.slug(batch.account_id)?.clone();
        let key = format!("{op}:{account}:{name}:1");
        let body = FactBody::Intent(Box::new(IntentFact {
            op,
            account,
            n: 1,
            what: IntentWhat::Batch { batch: name },
        }));
        rows.push(
            batch.subject_id,
            key.clone(),
            &body,
            body.to_json()?,
            now,
            now,
            terms.today,
        );
        insert_facts(tx, &rows, "plan", Some(terms.policy_id), false).await?;
        Self::queue_batch(tx, batch.subject_id, batch.account_id, op, &key).await?;
        sqlx::query!(
            "UPDATE subjects SET status = 'sealed' WHERE id = $1",
            batch.subject_id
        )
        .execute(&mut **tx)
        .await?;
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
