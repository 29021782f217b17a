//! Stops of shipping: what matches one is not sealed while it stands.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::AccountSlug;
use serde::Serialize;
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::subjects::{lock_subjects, make_due};
use super::{Store, StoreError};
use crate::facts::{FactBody, RecallWantedFact};
use crate::plan::types::ShippingStop;

/// What a new stop matches; what is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopScope {
    /// An item's code, ours or that of any account.
    pub sku: Option<String>,
    /// A channel account.
    pub channel: Option<String>,
    /// A warehouse by our name.
    pub warehouse: Option<String>,
}

/// A row of `stop-shipping list`.
#[derive(Clone, Debug, Serialize)]
pub struct StopRow {
    /// Names it in `stop-shipping lift`.
    pub id: i64,
    /// Only shipments with this item.
    pub sku: Option<String>,
    /// Only orders of this channel account.
    pub channel: Option<String>,
    /// Only shipments from this warehouse.
    pub warehouse: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Shipments that wait because of it.
    pub waiting: i64,
    /// Matching shipments that a warehouse has already and that have not been shipped.
    pub instructed: i64,
}

/// What making a stop did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Names the stop.
    pub id: i64,
    /// Shipments that are not sealed.
    pub waiting: i64,
    /// Shipments that a warehouse has: references by warehouse.
    pub instructed: Vec<(String, Vec<String>)>,
    /// Shipments whose warehouse is asked to cancel them.
    pub recalled: usize,
}

impl Store {
    /// Makes a stop, and with `recall` asks for each matching shipment back that a warehouse has. A `dry` one is made
    /// and rolled back, so that its counts are true.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an item, channel or warehouse that is not there.
    pub async fn stop_shipping(
        &self,
        scope: &StopScope,
        recall: bool,
        reason: &str,
        actor: &str,
        today: NaiveDate,
        dry: bool,
    ) -> Result<Stopped, StoreError> {
        let channel = match &scope.channel {
            Some(slug) => Some(self.account_id(slug).await?),
            None => None,
        };
        let mut tx = self.pool.begin().await?;
        let location = match &scope.warehouse {
            Some(name) => Some(
                sqlx::query_scalar!("SELECT id FROM locations WHERE slug = $1", name)
                    .fetch_optional(&mut *tx)
                    .await?
                    .ok_or_else(|| {
                        StoreError::NotFound(format!(
                            "no warehouse {name:?}: `hikiate stock show` shows them"
                        ))
                    })?,
            ),
            None => None,
        };
        if let Some(sku) = &scope.sku {
            let known = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM items WHERE code = $1) OR EXISTS (SELECT FROM item_codes WHERE code = $1) AS "known!""#,
                sku
            )
            .fetch_one(&mut *tx)
            .await?;
            if !known {
                return Err(StoreError::NotFound(format!(
                    "no item {sku:?}: `hikiate stock show` shows them"
                )));
            }
        }
        let same = sqlx::query_scalar!(
            "SELECT id FROM shipping_stops WHERE lifted_at IS NULL AND sku IS NOT DISTINCT FROM $1 AND channel_id IS NOT DISTINCT FROM $2
               AND location_id IS NOT DISTINCT FROM $3 ORDER BY id LIMIT 1",
            scope.sku, channel, location
        )
        .fetch_optional(&mut *tx)
        .await?;
        // The same stop typed again is that stop; it may still ask for more back.
        let id = match same {
            Some(id) => id,
            None => {
                sqlx::query_scalar!(
                    "INSERT INTO shipping_stops (sku, channel_id, location_id, reason, actor, since) VALUES ($1, $2, $3, $4, $5, (SELECT hk_now())) RETURNING id",
                    scope.sku, channel, location, reason, actor
                )
                .fetch_one(&mut *tx)
                .await?
            }
        };
        replan(&mut tx, id).await?;
        let mut stopped = Stopped {
            id,
            ..Stopped::default()
        };
        let mut members = Vec::new();
        for row in sqlx::query!(
            "SELECT s.subject_id, s.reference, s.state, l.slug FROM stopped_shipments x JOIN shipments s ON s.id = x.shipment_id JOIN locations l ON l.id = s.location_id
             WHERE x.stop_id = $1 ORDER BY l.slug, s.id",
            id
        )
        .fetch_all(&mut *tx)
        .await?
        {
            if row.state == "waiting" {
                stopped.waiting += 1;
                continue;
            }
            match stopped.instructed.last_mut() {
                Some((place, list)) if *place == row.slug => list.push(row.reference.clone()),
                _ => stopped.instructed.push((row.slug, vec![row.reference.clone()])),
            }
            members.push((row.subject_id, row.reference));
        }
        if recall {
            stopped.recalled = recall_all(&mut tx, id, &members, reason, actor, today).await?;
        }
        if dry {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(stopped)
    }

    /// Stops that stand, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_stops(&self) -> Result<Vec<StopRow>, StoreError> {
        Ok(sqlx::query_as!(
            StopRow,
            r#"SELECT t.id, t.sku, a.slug AS "channel?", l.slug AS "warehouse?", t.reason, t.actor, t.since,
                 (SELECT count(*) FROM stopped_shipments x WHERE x.stop_id = t.id AND x.state = 'waiting') AS "waiting!",
                 (SELECT count(*) FROM stopped_shipments x WHERE x.stop_id = t.id AND x.state = 'instructed') AS "instructed!"
               FROM shipping_stops t LEFT JOIN accounts a ON a.id = t.channel_id LEFT JOIN locations l ON l.id = t.location_id
               WHERE t.lifted_at IS NULL ORDER BY t.id"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Lifts a stop: what it kept back is sealed with the next batch. Returns how many shipments that are; none for one
    /// that was lifted before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn lift_stop(&self, id: i64, reason: &str, actor: &str) -> Result<i64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let lifted = sqlx::query_scalar!("SELECT lifted_at IS NOT NULL AS \"lifted!\" FROM shipping_stops WHERE id = $1 FOR UPDATE", id)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("no stop {id}: `hikiate stop-shipping list` shows them")))?;
        if lifted {
            return Ok(0);
        }
        replan(&mut tx, id).await?;
        let waiting = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM stopped_shipments WHERE stop_id = $1 AND state = 'waiting'"#,
            id
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!(
            "UPDATE shipping_stops SET lifted_at = (SELECT hk_now()), lifted_by = $2, lifted_why = $3 WHERE id = $1",
            id, actor, reason
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(waiting)
    }

    /// Stops that stand, for planning.
    pub(super) async fn standing_stops(
        tx: &mut Transaction<'_, Postgres>,
    ) -> Result<Vec<ShippingStop>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT t.id, a.slug AS "channel?", l.slug AS "warehouse?", t.sku IS NOT NULL AS "some!",
                 coalesce((SELECT array_agg(i.item_id ORDER BY i.item_id) FROM stopped_items i WHERE i.stop_id = t.id), '{}') AS "items!"
               FROM shipping_stops t LEFT JOIN accounts a ON a.id = t.channel_id LEFT JOIN locations l ON l.id = t.location_id
               WHERE t.lifted_at IS NULL ORDER BY t.id"#
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ShippingStop {
                id: row.id,
                items: row.some.then_some(row.items),
                channel: row.channel.map(AccountSlug::new),
                warehouse: row.warehouse,
            })
            .collect())
    }
}

/// Locks the orders of a stop's shipments and makes them due, behind the new input.
async fn replan(tx: &mut Transaction<'_, Postgres>, stop: i64) -> Result<(), StoreError> {
    let orders = sqlx::query_scalar!(
        r#"SELECT DISTINCT subject_id AS "id!" FROM stopped_shipments WHERE stop_id = $1"#,
        stop
    )
    .fetch_all(&mut **tx)
    .await?;
    lock_subjects(tx, &orders).await?;
    sqlx::query!(
        "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 2 WHERE id = ANY($1) AND NOT (plan_class = 0 AND plan_at <= (SELECT hk_now())) IS TRUE",
        &orders
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Asks for shipments back that were not asked for before. Their orders are locked.
async fn recall_all(
    tx: &mut Transaction<'_, Postgres>,
    stop: i64,
    members: &[(i64, String)],
    reason: &str,
    actor: &str,
    today: NaiveDate,
) -> Result<usize, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
        .fetch_one(&mut **tx)
        .await?;
    let orders: Vec<i64> = members.iter().map(|m| m.0).collect();
    let asked: BTreeSet<String> = sqlx::query_scalar!(
        "SELECT key FROM facts WHERE subject_id = ANY($1) AND kind = 'recall_wanted'",
        &orders
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .collect();
    let mut rows = FactRows::default();
    let mut n = 0;
    for (subject, reference) in members {
        let key = format!("recall_wanted:{reference}");
        if asked.contains(&key) {
            continue;
        }
        n += 1;
        let body = FactBody::RecallWanted(RecallWantedFact {
            reference: reference.as_str().into(),
            reason: reason.to_owned(),
            stop: Some(stop),
        });
        rows.push(*subject, key, &body, body.to_json()?, now, now, today);
    }
    let asked = insert_facts(tx, &rows, actor, None, false).await?;
    let orders: Vec<i64> = asked.into_iter().collect();
    make_due(tx, &orders).await?;
    Ok(n)
}
