//! Channels that fulfil orders by themselves: the last orders of a channel, and the alarm when too many of them came
//! fulfilled at once.

use std::collections::BTreeSet;

use hikiate_sdk::AccountSlug;
use sqlx::{Postgres, Transaction};

use super::subjects::make_due;
use super::{PlannedOrder, Store, StoreError};

/// How many orders of a channel are looked at.
const WINDOW: i64 = 50;
/// Fewer are no alarm, whatever their share.
const AT_LEAST: i64 = 5;
/// The share, in per cent, above which it is one.
const PER_CENT: i64 = 20;
/// The class of the locks under which a channel's window is counted.
const LOCK: i32 = 0x686b_6377;

impl Store {
    /// Writes what the plans found about their channel.
    pub(super) async fn write_window(
        tx: &mut Transaction<'_, Postgres>,
        plans: &[PlannedOrder],
    ) -> Result<(), StoreError> {
        let rows: Vec<(i64, i16, bool)> = plans
            .iter()
            .filter_map(|p| Some((p.subject_id, p.channel_id, p.plan.at_once?)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let subject: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let account: Vec<i16> = rows.iter().map(|row| row.1).collect();
        let at_once: Vec<bool> = rows.iter().map(|row| row.2).collect();
        sqlx::query!(
            "INSERT INTO channel_window (subject_id, account_id, at_once)
             SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bool[]) ON CONFLICT (subject_id) DO UPDATE SET at_once = excluded.at_once
             WHERE channel_window.at_once <> excluded.at_once",
            &subject, &account, &at_once
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Writes what these plans found, looks at the last orders of the `undecided` channels that they found orders of which
    /// were fulfilled at once, and raises the alarm of those that fulfil by themselves. Returns the channels whose alarm
    /// stands: nothing may be made of their orders that believes them. One transaction at a time does this for a channel, so
    /// that each sees what the others found.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_window(
        tx: &mut Transaction<'_, Postgres>,
        plans: &[PlannedOrder],
        undecided: &BTreeSet<i16>,
    ) -> Result<BTreeSet<i16>, StoreError> {
        let found = plans.iter().filter(|p| p.plan.at_once == Some(true));
        let channels: BTreeSet<i16> = found
            .map(|p| p.channel_id)
            .filter(|channel| undecided.contains(channel))
            .collect();
        if channels.is_empty() {
            return Ok(channels);
        }
        for channel in &channels {
            sqlx::query!(
                r#"SELECT pg_advisory_xact_lock($1, $2) AS "locked?: ()""#,
                LOCK,
                i32::from(*channel)
            )
            .fetch_one(&mut **tx)
            .await?;
        }
        Self::write_window(tx, plans).await?;
        let channels: Vec<i16> = channels.into_iter().collect();
        sqlx::query!(
            "INSERT INTO channel_alarms (account_id, since, at_once, looked_at)
             SELECT t.id, (SELECT hk_now()), c.n, c.of FROM unnest($1::smallint[]) AS t (id) CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE w.at_once) AS n, count(*) AS of
               FROM (SELECT at_once FROM channel_window WHERE account_id = t.id ORDER BY subject_id DESC LIMIT $2) w) c
             WHERE c.n >= $3 AND c.n * 100 > c.of * $4
             ORDER BY t.id ON CONFLICT (account_id) DO NOTHING",
            &channels, WINDOW, AT_LEAST, PER_CENT
        )
        .execute(&mut **tx)
        .await?;
        let standing = sqlx::query_scalar!(
            "SELECT account_id FROM channel_alarms WHERE account_id = ANY($1)",
            &channels
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(standing.into_iter().collect())
    }

    /// Has orders planned again that were believed before their channel's alarm was raised: those that came at once since
    /// the oldest of the window. Returns the channels; done once for each alarm, also when the process that raised it died.
    ///
    /// # Errors
    /// The database's.
    pub async fn wake_alarmed(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let alarms = sqlx::query!(
            "SELECT c.account_id, a.slug FROM channel_alarms c JOIN accounts a ON a.id = c.account_id WHERE NOT c.woken ORDER BY a.id"
        )
        .fetch_all(&mut *tx)
        .await?;
        if alarms.is_empty() {
            return Ok(Vec::new());
        }
        let channels: Vec<i16> = alarms.iter().map(|alarm| alarm.account_id).collect();
        let orders = sqlx::query_scalar!(
            "SELECT id FROM subjects WHERE id IN (
               SELECT w.subject_id FROM channel_window w WHERE w.account_id = ANY($1) AND w.at_once AND w.subject_id >= (
                 SELECT min(l.subject_id) FROM (SELECT subject_id FROM channel_window WHERE account_id = w.account_id ORDER BY subject_id DESC LIMIT $2) l))
             ORDER BY id FOR NO KEY UPDATE",
            &channels, WINDOW
        )
        .fetch_all(&mut *tx)
        .await?;
        make_due(&mut tx, &orders).await?;
        sqlx::query!(
            "UPDATE channel_alarms SET woken = true WHERE account_id = ANY($1)",
            &channels
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(alarms.into_iter().map(|alarm| alarm.slug).collect())
    }

    /// Ends the alarms of channels whose configuration says what their fulfilments mean: all but `undecided`.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_channel_alarms(&self, undecided: &[AccountSlug]) -> Result<(), StoreError> {
        let slugs: Vec<String> = undecided.iter().map(ToString::to_string).collect();
        sqlx::query!(
            "DELETE FROM channel_alarms USING accounts a WHERE a.id = channel_alarms.account_id AND NOT a.slug = ANY($1)",
            &slugs
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
