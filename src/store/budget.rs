//! Counts of calls a day, by account and class of budget.

use hikiate_sdk::budget::DayCount;

use super::streams::hold_lease;
use super::{OwnedAccount, Store, StoreError};

/// Days whose counts are kept for an operator who asks why an account stood still.
const KEPT_DAYS: i64 = 31;

/// What counts of a day say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayCounts {
    /// Calls that may still be made are among them: pull and push write them at once, and the larger one holds.
    Ahead,
    /// The calls that were made.
    Made,
}

impl Store {
    /// The newest count of each class of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn budget_days(&self, account_id: i16) -> Result<Vec<DayCount>, StoreError> {
        let rows = sqlx::query!(
            "SELECT DISTINCT ON (class) class, day, used FROM budget_days WHERE account_id = $1
             ORDER BY class, day DESC",
            account_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| DayCount {
                class: row.class,
                day: row.day,
                used: u32::try_from(row.used).unwrap_or(u32::MAX),
            })
            .collect())
    }

    /// Writes counts down, under the account's fence: those that were made in the place of what was there.
    ///
    /// # Errors
    /// The database's; the lease was lost.
    pub async fn write_budget_days(
        &self,
        owned: &OwnedAccount,
        counts: &[DayCount],
        what: DayCounts,
    ) -> Result<(), StoreError> {
        let classes: Vec<String> = counts.iter().map(|c| c.class.clone()).collect();
        let days: Vec<chrono::NaiveDate> = counts.iter().map(|c| c.day).collect();
        let used: Vec<i64> = counts.iter().map(|c| i64::from(c.used)).collect();
        let mut tx = self.pool.begin().await?;
        hold_lease(&mut tx, owned).await?;
        sqlx::query!(
            "INSERT INTO budget_days (account_id, class, day, used)
             SELECT $1, t.class, t.day, t.used FROM unnest($2::text[], $3::date[], $4::bigint[]) AS t (class, day, used)
             ORDER BY t.class, t.day
             ON CONFLICT (account_id, class, day) DO UPDATE SET used = CASE WHEN $5 THEN greatest(budget_days.used, excluded.used) ELSE excluded.used END",
            owned.id,
            &classes,
            &days,
            &used,
            what == DayCounts::Ahead
        )
        .execute(&mut *tx)
        .await?;
        if let Some(oldest) = days.iter().min() {
            let before = *oldest - chrono::TimeDelta::days(KEPT_DAYS);
            sqlx::query!(
                "DELETE FROM budget_days WHERE account_id = $1 AND day < $2",
                owned.id,
                before
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
