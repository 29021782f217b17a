//! Telling daemons at the same database that there may be work: a notification carries nothing but who sent it, and one that is
//! lost costs no more than a poll.

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Instance, Store, StoreError};

/// The channel of PostgreSQL's NOTIFY.
const CHANNEL: &str = "hikiate_wake";

/// Hears notifications on a connection of its own.
pub(crate) struct WakeListener(PgListener);

impl Store {
    /// Tells every daemon at this database that there may be work. `from`: the daemon that tells it, `None` for a command or
    /// whoever else has no loops of its own.
    ///
    /// # Errors
    /// The database's; the poll finds the work all the same.
    pub(crate) async fn tell_of_work(&self, from: Option<&Instance>) -> Result<(), StoreError> {
        let from = from.map_or("", |instance| &instance.0);
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(from)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Begins to hear what [`Store::tell_of_work`] tells.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn hear_of_work(&self) -> Result<WakeListener, StoreError> {
        let own = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.pool.connect_options().as_ref().clone());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        Ok(WakeListener(listener))
    }
}

impl WakeListener {
    /// Waits until somebody else than this daemon tells of work.
    ///
    /// # Errors
    /// The connection's; what was told meanwhile is lost.
    pub(crate) async fn next(&mut self, but: &Instance) -> Result<(), StoreError> {
        // `None`: the connection was lost and made again, and whatever was told meanwhile is unknown.
        while let Some(told) = self.0.try_recv().await? {
            if told.payload() != but.0 {
                break;
            }
        }
        Ok(())
    }
}
