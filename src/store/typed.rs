//! Facts that operators type: all of a command's orders in one transaction, under their locks.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::commit::insert_shipments;
use super::facts::{FactRows, insert_facts};
use super::subjects::{lock_subjects, make_due};
use super::{Directory, ReceiverName, Store, StoreError};
use crate::facts::FactBody;
use crate::plan::command::Wish;
use crate::plan::types::NewShipment;

/// What is typed about one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    /// The order's row.
    pub subject_id: i64,
    /// The newest fact that was looked at; `None` where nothing that comes between matters.
    pub seen: Option<i64>,
    /// What to store.
    pub wish: Wish,
    /// Another name of a receiver, beside the facts.
    pub named: Option<ReceiverName>,
}

impl Store {
    /// Stores what was typed, of all orders or of none, and makes them due. `directory` is needed where a shipment
    /// comes into being.
    ///
    /// # Errors
    /// [`StoreError::Replan`] when an order has heard of something since it was looked at; the database's.
    pub async fn type_all(
        &self,
        all: &[Typed],
        directory: Option<&Directory>,
        actor: &str,
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        self.not_in_quarantine(all).await?;
        let ids: Vec<i64> = all.iter().map(|typed| typed.subject_id).collect();
        let mut tx = self.pool.begin().await?;
        lock_subjects(&mut tx, &ids).await?;
        let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        let newest: BTreeMap<i64, i64> = sqlx::query!(
            r#"SELECT subject_id, max(id) AS "id!" FROM facts WHERE subject_id = ANY($1) GROUP BY subject_id"#,
            &ids
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.id))
        .collect();
        let mut rows = FactRows::default();
        let mut shipments: Vec<(i64, &NewShipment)> = Vec::new();
        for typed in all {
            let id = typed.subject_id;
            if typed.seen.is_some() && typed.seen != newest.get(&id).copied() {
                return Err(StoreError::Replan);
            }
            for fact in &typed.wish.facts {
                let mut key = fact.key.clone();
                if fact.again {
                    let n = sqlx::query_scalar!(
                        r#"SELECT count(*) AS "n!" FROM facts WHERE subject_id = $1 AND starts_with(key, $2 || ':person:')"#,
                        id, key
                    )
                    .fetch_one(&mut *tx)
                    .await?;
                    key = format!("{key}:person:{}", n + 1);
                }
                let happened = fact.happened_at.unwrap_or(now);
                let body = fact.body.to_json()?;
                rows.push(id, key, &fact.body, body, happened, now, today);
            }
            if let Some(named) = &typed.named {
                Self::name_receiver(&mut tx, id, named).await?;
            }
            shipments.extend(typed.wish.shipment.iter().map(|shipment| (id, shipment)));
        }
        if !shipments.is_empty() {
            let directory = directory
                .ok_or_else(|| StoreError::Refused("no directory for a shipment".to_owned()))?;
            insert_shipments(&mut tx, &shipments, directory).await?;
        }
        insert_facts(&mut tx, &rows, actor, None, false).await?;
        make_due(&mut tx, &ids).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The rest of a shipment is not given up while a report about it could not be read: it may say that the rest has left.
    async fn not_in_quarantine(&self, all: &[Typed]) -> Result<(), StoreError> {
        let facts = all.iter().flat_map(|typed| &typed.wish.facts);
        let rules = facts.filter_map(|fact| match &fact.body {
            FactBody::Released(released) => Some(&released.rules),
            _ => None,
        });
        let short = rules
            .flatten()
            .filter_map(|rule| rule.strip_prefix("short:"));
        let references: Vec<String> = short.map(str::to_owned).collect();
        if references.is_empty() {
            return Ok(());
        }
        match self.quarantined_under(&references).await?.first() {
            Some((id, reference)) => Err(StoreError::Refused(format!(
                "record {id} about {reference} could not be read and may tell the rest: `hikiate quarantine show {id}`, then have it read again or dismiss it"
            ))),
            None => Ok(()),
        }
    }
}
