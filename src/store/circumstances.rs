//! What holds for every order that is planned together: the time, a recovery, rules that have paused themselves, and stops of
//! shipping.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{AutomationKey, Directory, Store, StoreError};
use crate::plan::FieldKey;
use crate::plan::types::ShippingStop;
use hikiate_sdk::AccountSlug;

/// One reading of them.
pub(super) struct PlanningContext {
    /// By the database's clock.
    pub(super) now: DateTime<Utc>,
    /// Recoveries so far.
    pub(super) epoch: i32,
    /// Orders are being read again after a window was lost.
    pub(super) reading: bool,
    /// When push went on again.
    pub(super) lifted_at: Option<DateTime<Utc>>,
    /// The key of what was committed to.
    pub(super) field_key: FieldKey,
    /// When each rule became active: a rule that another process has begun anew since acts from then on.
    pub(super) active_from: BTreeMap<AutomationKey, DateTime<Utc>>,
    /// Rules that are paused.
    pub(super) paused: BTreeSet<AutomationKey>,
    /// Stops of shipping that stand.
    pub(super) stops: Vec<ShippingStop>,
    /// Accounts that do not show many of their orders.
    pub(super) hidden: Vec<i16>,
    /// Channels that fulfil by themselves.
    pub(super) alarms: Vec<i16>,
}

impl Store {
    /// The key that instructions are compared by.
    pub(super) async fn field_key(
        tx: &mut Transaction<'_, Postgres>,
    ) -> Result<FieldKey, StoreError> {
        let row = sqlx::query!("SELECT id, key FROM field_keys ORDER BY id DESC LIMIT 1")
            .fetch_one(&mut **tx)
            .await?;
        Ok(FieldKey {
            id: row.id,
            bytes: row.key,
        })
    }

    async fn epochs(
        tx: &mut Transaction<'_, Postgres>,
    ) -> Result<BTreeMap<AutomationKey, DateTime<Utc>>, StoreError> {
        let rows = sqlx::query!(
            "SELECT e.automation, a.slug, e.active_from FROM automations e JOIN accounts a ON a.id = e.account_id"
        )
        .fetch_all(&mut **tx)
        .await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| {
                (
                    (row.automation, AccountSlug::new(row.slug)),
                    row.active_from,
                )
            })
            .collect())
    }

    pub(super) async fn circumstances(
        tx: &mut Transaction<'_, Postgres>,
        directory: &Directory,
    ) -> Result<PlanningContext, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT hk_now() AS "now!", r.epoch, r.phase, r.lifted_at, b.automation AS "automation?", b.account_id AS "account_id?",
                 ARRAY(SELECT account_id FROM absence_alarms) AS "hidden!",
                 ARRAY(SELECT account_id FROM channel_alarms) AS "alarms!",
                 k.id AS key_id, k.key
               FROM recovery r CROSS JOIN (SELECT id, key FROM field_keys ORDER BY id DESC LIMIT 1) AS k LEFT JOIN automation_usage b ON b.paused_at IS NOT NULL"#
        )
        .fetch_all(&mut **tx)
        .await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let mut all = PlanningContext {
            now: first.now,
            epoch: first.epoch,
            reading: matches!(first.phase.as_str(), "suspected" | "orders"),
            lifted_at: first.lifted_at,
            field_key: FieldKey {
                id: first.key_id,
                bytes: first.key.clone(),
            },
            active_from: Self::epochs(tx).await?,
            paused: BTreeSet::new(),
            stops: Self::standing_stops(tx).await?,
            hidden: first.hidden.clone(),
            alarms: first.alarms.clone(),
        };
        for row in rows {
            if let (Some(automation), Some(account)) = (row.automation, row.account_id) {
                all.paused
                    .insert((automation, directory.slug(account)?.clone()));
            }
        }
        Ok(all)
    }
}
