//! Panics of a daemon's loops, as long as they are a task.

use super::{Store, StoreError};

impl Store {
    /// Keeps that a round of a loop panicked. What is older than an hour is forgotten: the loop has worked since.
    ///
    /// # Errors
    /// The database's.
    pub async fn loop_panicked(&self, name: &str, why: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO loop_panics AS p (loop, first_at, last_at, times, why) SELECT $1, now, now, 1, $2 FROM hk_now() AS now
             ON CONFLICT (loop) DO UPDATE SET last_at = excluded.last_at, why = excluded.why,
               first_at = CASE WHEN p.last_at < excluded.last_at - interval '1 hour' THEN excluded.first_at ELSE p.first_at END,
               times = CASE WHEN p.last_at < excluded.last_at - interval '1 hour' THEN 1 ELSE least(p.times, 1000000) + 1 END",
            name,
            why
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
