//! Errors of the store, and the only place that retries a transaction.

use std::future::Future;
use std::sync::atomic::Ordering;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tracing::debug;

/// PostgreSQL's code of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// Of a role that lacks a right.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Of a transaction that may change nothing.
const READ_ONLY: &str = "25006";

/// Of a database that is not there.
const INVALID_CATALOG: &str = "3D000";

/// How the driver begins to say that what it reached did not answer as PostgreSQL does before a session: a proxy without a server
/// behind it hangs up, and a server without room for a process refuses.
const NO_GREETING: &str = "unexpected response from SSLRequest: 0x00";

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
    /// The database is in this encoding, not in UTF-8.
    #[error(
        "the encoding of the database is {0} and must be UTF8: create one with `CREATE DATABASE hikiate OWNER hikiate ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0` (your names), copy into it what this one holds (pg_dump, pg_restore), and set its URL"
    )]
    Encoding(String),
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
        match self.database()? {
            sqlx::Error::Configuration(why) => {
                Some(format!("the database's URL cannot be used: {why}"))
            }
            sqlx::Error::Database(answer) => {
                let refused = |code: &str| {
                    code.starts_with("28")
                        || [INVALID_CATALOG, INSUFFICIENT_PRIVILEGE].contains(&code)
                };
                refused(&answer.code()?).then(|| format!("the database refuses us: {answer}"))
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

    /// The database does not serve us, whatever it is asked: wait for it.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.away().is_some()
    }

    /// The same at a start, where a URL, a login or rights that are refused are for the operator to correct first.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.is_away() && self.connection_settings().is_none()
    }

    /// Why the database does not serve us, where that is its own state and no fault of what it was asked: it is away, full,
    /// takes no changes or refuses us.
    #[must_use]
    pub fn away(&self) -> Option<&'static str> {
        match self.database()? {
            sqlx::Error::Io(_) => Some("it cannot be reached"),
            sqlx::Error::Tls(_) => Some("no verified connection to it can be made"),
            sqlx::Error::Protocol(why) if why.starts_with(NO_GREETING) => {
                Some("no server answers at its address")
            }
            sqlx::Error::PoolTimedOut => Some("it gives no connection in time"),
            sqlx::Error::PoolClosed => Some("its connections are closed"),
            sqlx::Error::Database(answer) => {
                let answered = answer.try_downcast_ref::<PgDatabaseError>();
                let ended = answered.is_some_and(|answer| {
                    matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic)
                });
                unserved(&answer.code()?, ended)
            }
            _ => None,
        }
    }

    /// No connection was to be had in time; why not, the pool does not tell.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.database(), Some(sqlx::Error::PoolTimedOut))
    }

    /// We have closed the pool ourselves: this process is stopping.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.database(), Some(sqlx::Error::PoolClosed))
    }

    /// The session takes no changes.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.code().is_some_and(|code| code == READ_ONLY)
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

/// What an answer with this code says of the database, if it says that it serves nobody, or not us; `ended`: the session ended
/// with it.
fn unserved(code: &str, ended: bool) -> Option<&'static str> {
    Some(match code {
        READ_ONLY => "it takes no changes: a standby, or default_transaction_read_only is on",
        "53000" | "53100" => "it has no room",
        "53300" => "it has no connection for us",
        "57P04" | INVALID_CATALOG => "it is not there",
        INSUFFICIENT_PRIVILEGE => "our role lacks a right",
        _ if code.starts_with("08") => "its connection is broken",
        _ if code.starts_with("28") => "it refuses our login",
        _ if code.starts_with("57P") => "it is stopping or starting",
        // A transaction of ours was left open too long.
        _ if code.starts_with("25") => return None,
        // The same code is an ordinary statement's, too.
        "55000" if ended => "it takes no connections",
        _ if ended => "it ends our sessions",
        _ => return None,
    })
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
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;
    use std::io;

    use sqlx::error::{DatabaseError, ErrorKind};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// An answer with this code.
    #[derive(Debug)]
    struct Answer(&'static str);

    impl fmt::Display for Answer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Answer {}

    impl DatabaseError for Answer {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(Cow::Borrowed(self.0))
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn what_an_operator_must_correct_first_ends_a_start_and_is_waited_for_later() {
        let answered = |code| StoreError::Database(sqlx::Error::Database(Box::new(Answer(code))));
        for code in ["28000", "28P01", "3D000", "42501"] {
            let error = answered(code);
            assert!(error.is_away() && !error.passes(), "{code}");
            let text = error.connection_settings().unwrap_or_default();
            assert!(text.contains("refuses us"), "{code}: {text}");
        }
        for code in ["08006", "25006", "53100", "53300", "57P03"] {
            let error = answered(code);
            assert!(error.is_away() && error.passes(), "{code}");
            assert_eq!(error.connection_settings(), None, "{code}");
        }
        assert!(!answered("42703").is_away() && !answered("55000").is_away());
    }

    #[tokio::test]
    async fn a_proxy_without_a_server_behind_it_is_waited_for() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://nobody@{}/none", proxy.local_addr().unwrap());
        let hangs_up = async {
            let (mut client, _) = proxy.accept().await.unwrap();
            // What is left unread would make it a reset connection, which is another error.
            let mut asked = [0; 8];
            client.read_exact(&mut asked).await.unwrap();
        };
        let (reached, ()) = tokio::join!(crate::store::Store::reach(&url), hangs_up);
        let error = reached.unwrap_err();
        assert!(error.is_away() && error.passes(), "{error}");
        let ours = sqlx::Error::Protocol("too many arguments".to_owned());
        assert!(
            !StoreError::Database(ours).is_away(),
            "a statement's own fault"
        );
    }

    #[test]
    fn a_database_that_goes_away_during_a_migration_is_waited_for() {
        let gone = || sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into());
        assert!(StoreError::Database(gone()).is_away());
        assert!(StoreError::Migrate(MigrateError::Execute(gone())).is_away());
        assert!(StoreError::Migrate(MigrateError::ExecuteMigration(gone(), 2)).is_away());
        assert!(!StoreError::Migrate(MigrateError::VersionMissing(1)).is_away());
    }

    #[test]
    fn what_is_the_databases_own_state_is_told_from_a_statement_that_fails() {
        for code in [
            "08006", "08P01", "25006", "28000", "28P01", "3D000", "42501", "53000", "53100",
            "53300", "57P01", "57P03", "57P04",
        ] {
            assert!(unserved(code, false).is_some(), "{code}");
        }
        for code in [
            "22001", "23505", "25P02", "40001", "40P01", "42P01", "42703", "53200", "53400",
            "54000", "55000", "55P03", "57014", "P0001", "XX000",
        ] {
            assert_eq!(unserved(code, false), None, "{code}");
        }
        for code in ["53200", "55000", "58P01", "XX000"] {
            assert!(unserved(code, true).is_some(), "{code} ended the session");
        }
        assert_eq!(unserved("25P03", true), None, "we let a transaction lie");
    }
}
