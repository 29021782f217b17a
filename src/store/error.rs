//! Errors of the store, and the only place that retries a transaction.

use std::future::Future;
use std::sync::atomic::Ordering;

use sqlx::migrate::MigrateError;
use tracing::debug;

/// PostgreSQL's code of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL's words.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A fact's body could not be written or read.
    #[error("fact body: {0}")]
    Json(#[from] serde_json::Error),
    /// Another process owns the account now; what was under way is rolled back.
    #[error(
        "account {0} is owned by another process now; this page was rolled back and will be pulled by its owner"
    )]
    LostLease(String),
    /// The queue changed between planning and commit; the plan is made again.
    #[error("an effect was claimed while its order was planned; planning again")]
    Replan,
    /// A migration failed.
    #[error("migration: {0}")]
    Migrate(#[from] MigrateError),
    /// The schema is newer than this binary.
    #[error(
        "the database needs hikiate code level {needs}, this binary has {has}: run the newer version"
    )]
    Gate {
        /// Needed.
        needs: i32,
        /// Ours.
        has: i32,
    },
    /// Something named by an operator is not there.
    #[error("{0}")]
    NotFound(String),
    /// The state does not allow it.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    /// What is wrong with the settings by which the database is reached; `None` when they are not to blame.
    #[must_use]
    pub fn connection_settings(&self) -> Option<String> {
        match self {
            Self::Database(sqlx::Error::Configuration(why)) => {
                Some(format!("the database's URL cannot be used: {why}"))
            }
            Self::Database(sqlx::Error::Database(answer)) => {
                let code = answer.code();
                let refuses = |code: &str| code.starts_with("28") || code == "3D000";
                code.is_some_and(|code| refuses(&code))
                    .then(|| format!("the database refuses us: {answer}"))
            }
            _ => None,
        }
    }

    /// The database has no tables of this version.
    #[must_use]
    pub fn lacks_tables(&self) -> bool {
        self.code().is_some_and(|code| code == UNDEFINED_TABLE)
    }

    /// Deadlock or serialization failure: the same transaction may succeed at once.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.code()
            .is_some_and(|code| code == "40P01" || code == "40001")
    }

    /// The database refuses what was to be stored (a value it cannot hold, a constraint, a limit): the same again is
    /// refused again.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Json(_))
            || self.code().is_some_and(|code| {
                ["22", "23", "54"]
                    .iter()
                    .any(|class| code.starts_with(class))
            })
    }

    /// What was refused, without PostgreSQL's words, which quote values.
    #[must_use]
    pub fn refusal(&self) -> String {
        let code = self.code().unwrap_or_else(|| "no code".to_owned());
        let why = match code.get(..2) {
            Some("22") => "a value that it cannot hold",
            Some("23") => "a rule of its own forbids it",
            Some("54") => "it is too long",
            _ => "it cannot be written",
        };
        format!("the database does not take this record ({code}): {why}")
    }

    /// Where in the database it happened, without PostgreSQL's detail and context, which quote rows.
    #[must_use]
    pub fn place(&self) -> String {
        let Some(sqlx::Error::Database(error)) = self.database() else {
            return "not in the database".to_owned();
        };
        let code = error.code();
        let parts = [
            ("code", code.as_deref()),
            ("table", error.table()),
            ("constraint", error.constraint()),
        ];
        let known = parts
            .into_iter()
            .filter_map(|(what, name)| Some(format!("{what} {}", name?)));
        known.collect::<Vec<_>>().join(", ")
    }

    /// The server is away or going away: wait for it.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self.database() {
            Some(
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Tls(_),
            ) => true,
            _ => self
                .code()
                .is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        }
    }

    /// PostgreSQL's or the connection's own error, also where a migration met it.
    fn database(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database(error)
            | Self::Migrate(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => Some(error),
            _ => None,
        }
    }

    fn code(&self) -> Option<String> {
        match self.database() {
            Some(sqlx::Error::Database(error)) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }
}

impl super::Store {
    /// Runs a transaction again after a deadlock or serialization failure, at most five times in all.
    ///
    /// # Errors
    /// The last error.
    pub async fn retried<T, F, Fut>(&self, what: &'static str, mut run: F) -> Result<T, StoreError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 1;
        loop {
            match run().await {
                Err(error) if error.is_retryable() && tries < 5 => {
                    debug!(what, tries, %error, "transaction retried");
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Transactions run again since the start.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_database_that_goes_away_during_a_migration_is_waited_for() {
        let gone = || sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into());
        assert!(StoreError::Database(gone()).is_away());
        assert!(StoreError::Migrate(MigrateError::Execute(gone())).is_away());
        assert!(StoreError::Migrate(MigrateError::ExecuteMigration(gone(), 2)).is_away());
        assert!(!StoreError::Migrate(MigrateError::VersionMissing(1)).is_away());
    }
}
