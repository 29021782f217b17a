//! Channels that fulfil orders by themselves: the last orders of a channel, and the alarm when too many of them came
//! fulfilled at once.

use hikiate_sdk::AccountSlug;
use sqlx::{Postgres, Transaction};

use super::{PlannedOrder, Store, StoreError};

/// How many orders of a channel are looked at.
const WINDOW: i64 = 50;
/// Fewer are no alarm, whatever their share.
const AT_LEAST: i64 = 5;
/// The share, in per cent, above which it is one.
const PER_CENT: i64 = 20;

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
             SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bool[]) ON CONFLICT (subject_id) DO UPDATE SET at_once = excluded.at_once",
            &subject, &account, &at_once
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Looks at the last orders of channels, and raises the alarm of those that fulfil by themselves: the orders of the
    /// window that came so are planned again. Returns the channels that were not known as such.
    ///
    /// # Errors
    /// The database's.
    pub async fn raise_channel_alarms(
        &self,
        channels: &[AccountSlug],
    ) -> Result<Vec<String>, StoreError> {
        let slugs: Vec<String> = channels.iter().map(ToString::to_string).collect();
        let mut tx = self.pool.begin().await?;
        let raised = sqlx::query!(
            r#"INSERT INTO channel_alarms (account_id, since, at_once, looked_at)
               SELECT a.id, (SELECT hk_now()), c.n, c.of FROM accounts a CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE w.at_once) AS n, count(*) AS of
                 FROM (SELECT at_once FROM channel_window WHERE account_id = a.id ORDER BY subject_id DESC LIMIT $2) w) c
               WHERE a.slug = ANY($1) AND c.n >= $3 AND c.n * 100 > c.of * $4
               ORDER BY a.id ON CONFLICT (account_id) DO NOTHING RETURNING account_id"#,
            &slugs, WINDOW, AT_LEAST, PER_CENT
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut names = Vec::new();
        for row in raised {
            let orders = sqlx::query_scalar!(
                "SELECT subject_id FROM (SELECT subject_id, at_once FROM channel_window WHERE account_id = $1 ORDER BY subject_id DESC LIMIT $2) w
                 WHERE at_once",
                row.account_id, WINDOW
            )
            .fetch_all(&mut *tx)
            .await?;
            sqlx::query!(
                "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
                &orders
            )
            .fetch_all(&mut *tx)
            .await?;
            sqlx::query!(
                "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id = ANY($1)",
                &orders
            )
            .execute(&mut *tx)
            .await?;
            names.push(
                sqlx::query_scalar!("SELECT slug FROM accounts WHERE id = $1", row.account_id)
                    .fetch_one(&mut *tx)
                    .await?,
            );
        }
        tx.commit().await?;
        Ok(names)
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
