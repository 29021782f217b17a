//! Rules that pause themselves: what they make without new input is counted, in the transaction that makes it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::AccountSlug;
use serde::Serialize;
use sqlx::{Postgres, Transaction};

use super::{Directory, Store, StoreError};

/// A rule on an account.
pub type AutomationKey = (String, AccountSlug);

/// The count starts anew after this long.
const WINDOW_SECONDS: i64 = 60;
/// Orders made due again in one transaction.
const CHUNK: i64 = 1000;

/// A rule as `hikiate automation list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AutomationRow {
    /// Its name.
    pub automation: String,
    /// The account it acts on.
    pub account: String,
    /// It acts on causes stored since.
    pub active_from: Option<DateTime<Utc>>,
    /// When it paused itself.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why.
    pub reason: Option<String>,
    /// Effects an operator let through that were not made yet.
    pub allowed: i32,
    /// Orders that wait for it.
    pub waiting: i64,
}

impl Store {
    /// Counts effects that are about to be made without new input of their orders. Rules that would make more than
    /// `limit` in a minute are paused in this transaction and come back: none of their effects may be made.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_burst(
        tx: &mut Transaction<'_, Postgres>,
        made: &BTreeMap<AutomationKey, i32>,
        limit: i32,
        directory: &Directory,
    ) -> Result<BTreeSet<AutomationKey>, StoreError> {
        let mut paused = BTreeSet::new();
        // In the map's order, so that two processes lock the rows in one order.
        for (automation, n) in made {
            let account_id = directory.account(&automation.1)?;
            sqlx::query!(
                "INSERT INTO automation_usage (automation, account_id, since) VALUES ($1, $2, (SELECT hk_now())) ON CONFLICT (automation, account_id) DO NOTHING",
                automation.0, account_id
            )
            .execute(&mut **tx)
            .await?;
            let row = sqlx::query!(
                r#"SELECT since, made, allowed, paused_at IS NOT NULL AS "paused!", hk_now() AS "now!" FROM automation_usage
                   WHERE automation = $1 AND account_id = $2 FOR UPDATE"#,
                automation.0, account_id
            )
            .fetch_one(&mut **tx)
            .await?;
            if row.paused {
                paused.insert(automation.clone());
                continue;
            }
            let over = (row.now - row.since).num_seconds() >= WINDOW_SECONDS;
            let (since, before) = if over {
                (row.now, 0)
            } else {
                (row.since, row.made)
            };
            let free = row.allowed.min(*n);
            let sum = before.saturating_add(n - free);
            if sum > limit {
                let reason = format!(
                    "{before} effects in a minute, and {n} more were about to be made, without new input of their orders; the limit is {limit}"
                );
                sqlx::query!(
                    "UPDATE automation_usage SET paused_at = $3, reason = $4 WHERE automation = $1 AND account_id = $2",
                    automation.0, account_id, row.now, reason
                )
                .execute(&mut **tx)
                .await?;
                paused.insert(automation.clone());
            } else {
                sqlx::query!(
                    "UPDATE automation_usage SET since = $3, made = $4, allowed = allowed - $5 WHERE automation = $1 AND account_id = $2",
                    automation.0, account_id, since, sum, free
                )
                .execute(&mut **tx)
                .await?;
            }
        }
        Ok(paused)
    }

    /// Writes down which orders wait for a paused rule. [`StoreError::Replan`] when one was resumed meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn wait_for_rules(
        tx: &mut Transaction<'_, Postgres>,
        waits: &[(i64, AutomationKey)],
        directory: &Directory,
    ) -> Result<(), StoreError> {
        if waits.is_empty() {
            return Ok(());
        }
        let rules: Vec<String> = waits.iter().map(|w| w.1.0.clone()).collect();
        let accounts = waits
            .iter()
            .map(|w| directory.account(&w.1.1))
            .collect::<Result<Vec<i16>, StoreError>>()?;
        let subjects: Vec<i64> = waits.iter().map(|w| w.0).collect();
        // Shared with other planners and against `resume_automation`, which therefore finds every row.
        let still = sqlx::query!(
            "SELECT automation, account_id FROM automation_usage WHERE paused_at IS NOT NULL
               AND (automation, account_id) IN (SELECT * FROM unnest($1::text[], $2::smallint[])) FOR SHARE",
            &rules,
            &accounts
        )
        .fetch_all(&mut **tx)
        .await?;
        let wanted: BTreeSet<_> = rules.iter().zip(&accounts).collect();
        if still.len() != wanted.len() {
            return Err(StoreError::Replan);
        }
        sqlx::query!(
            "INSERT INTO automation_backlog (automation, account_id, subject_id) SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[]) ON CONFLICT DO NOTHING",
            &rules, &accounts, &subjects
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Every rule that was ever active, paused ones first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_automations(&self) -> Result<Vec<AutomationRow>, StoreError> {
        Ok(sqlx::query_as!(
            AutomationRow,
            r#"SELECT coalesce(e.automation, b.automation) AS "automation!", a.slug AS "account!", e.active_from AS "active_from?", b.paused_at AS "paused_at?",
                 b.reason AS "reason?", coalesce(b.allowed, 0) AS "allowed!",
                 (SELECT count(*) FROM automation_backlog w WHERE w.automation = b.automation AND w.account_id = b.account_id) AS "waiting!"
               FROM automations e FULL JOIN automation_usage b ON b.automation = e.automation AND b.account_id = e.account_id
               JOIN accounts a ON a.id = coalesce(e.account_id, b.account_id)
               ORDER BY b.paused_at IS NULL, 1, 2"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Lets a paused rule act again and `granted` effects without new input beyond the limit; the orders that
    /// waited are planned again, behind all new input. Returns how many. Typed again after a failure, it goes on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a rule nobody knows; [`StoreError::Refused`] where there is nothing to resume.
    pub async fn resume_automation(
        &self,
        automation: &str,
        account: &str,
        granted: i32,
        actor: &str,
    ) -> Result<u64, StoreError> {
        let known = self
            .list_automations()
            .await?
            .into_iter()
            .find(|row| row.automation == automation && row.account == account)
            .ok_or_else(|| {
                StoreError::NotFound(format!(
                    "no automation {automation} on {account}: `hikiate automation list` shows them"
                ))
            })?;
        if known.paused_at.is_none() && known.waiting == 0 {
            return Err(StoreError::Refused(format!(
                "automation {automation} on {account} is not paused: nothing was done"
            )));
        }
        let account_id = sqlx::query_scalar!("SELECT id FROM accounts WHERE slug = $1", account)
            .fetch_one(&self.pool)
            .await?;
        // Committed first: whoever plans after this sees the rule at work and waits for nothing.
        sqlx::query!(
            "UPDATE automation_usage SET paused_at = NULL, reason = NULL, made = 0, since = (SELECT hk_now()), allowed = $3,
               resumed_at = (SELECT hk_now()), resumed_by = $4 WHERE automation = $1 AND account_id = $2",
            automation, account_id, granted, actor
        )
        .execute(&self.pool)
        .await?;
        let mut woken = 0;
        loop {
            let n = self
                .retried("wake_waiting", || self.wake_waiting(automation, account_id))
                .await?;
            woken += n;
            if n == 0 {
                return Ok(woken);
            }
        }
    }

    async fn wake_waiting(&self, automation: &str, account_id: i16) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT id FROM subjects WHERE id IN (
               SELECT subject_id FROM automation_backlog WHERE automation = $1 AND account_id = $2 ORDER BY subject_id LIMIT $3)
             ORDER BY id FOR NO KEY UPDATE",
            automation,
            account_id,
            CHUNK
        )
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM automation_backlog WHERE automation = $1 AND account_id = $2 AND subject_id = ANY($3)",
            automation,
            account_id,
            &ids
        )
        .execute(&mut *tx)
        .await?;
        // What is due with new input keeps its place.
        sqlx::query!(
            "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 2 WHERE id = ANY($1) AND NOT (plan_class = 0 AND plan_at <= (SELECT hk_now()))",
            &ids
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(ids.len() as u64)
    }
}
