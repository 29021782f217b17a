//! How a command fails, and its exit code: the one place that maps errors to codes.

use crate::config::ConfigProblem;
use crate::daemon::RunError;
use crate::store::StoreError;
use crate::store::launcher::LauncherError;

/// What the codes mean, for `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
  0   done
  1   failed
  2   wrong usage
  3   the configuration is wrong; every problem is listed
  4   not found
  5   not allowed in the current state; nothing was changed
  75  database unavailable or daemon not running; try again";

/// Why a command did not do what it was told.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1
    Failed(anyhow::Error),
    /// 2
    Usage(String),
    /// 3
    Config(Vec<ConfigProblem>),
    /// 3, where the problem has no place in a file.
    Settings(String),
    /// 4
    NotFound(String),
    /// 5
    Refused(String),
    /// 75
    Away(String),
    /// 1, where all was done and only the answer could not be written.
    Untold(anyhow::Error),
    /// This code; everything is said already.
    Said(u8),
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Untold(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) | Self::Settings(_) => 3,
            Self::NotFound(_) => 4,
            Self::Refused(_) => 5,
            Self::Away(_) => 75,
            Self::Said(code) => *code,
        }
    }

    /// What to tell the operator, in lines.
    pub(crate) fn words(&self) -> Option<String> {
        Some(match self {
            Self::Said(_) => return None,
            Self::Failed(error) | Self::Untold(error) => format!("hikiate: {}", chain(error)),
            Self::Config(problems) => {
                let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let (n, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
                lines.push(format!("{n} problem{s}; nothing was done"));
                lines.join("\n")
            }
            Self::Usage(text)
            | Self::Settings(text)
            | Self::NotFound(text)
            | Self::Refused(text)
            | Self::Away(text) => format!("hikiate: {text}"),
        })
    }
}

/// An error with what caused it, as `{error:#}` says it, without what its effect has quoted already.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if text.ends_with(&words) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&words);
    }
    text
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        // First what does not go away by itself: the URL, the login, the rights.
        if let Some(text) = error.connection_settings() {
            return Self::Settings(text);
        }
        if let Some(why) = error.away() {
            return Self::Away(format!("the database is unavailable: {why} ({error})"));
        }
        if error.lacks_tables() {
            let text = "the database has no schema for this version: run `hikiate migrate`";
            return Self::Refused(text.to_owned());
        }
        match error {
            StoreError::NotFound(text) => Self::NotFound(text),
            StoreError::Refused(text) => Self::Refused(text),
            StoreError::Gate { .. } => Self::Refused(error.to_string()),
            StoreError::Encoding(_) => Self::Settings(error.to_string()),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<LauncherError> for Failure {
    fn from(error: LauncherError) -> Self {
        let text = error.to_string();
        match error {
            LauncherError::NotRunning { .. } | LauncherError::NotReady { .. } => Self::Away(text),
            LauncherError::Locked { .. } => Self::Refused(text),
            LauncherError::BinariesMissing { .. }
            | LauncherError::BadBinDir { .. }
            | LauncherError::Unsearchable { .. }
            | LauncherError::NoUnprivilegedUser
            | LauncherError::NobodysData { .. }
            | LauncherError::OthersState { .. }
            | LauncherError::NoPasswdEntry { .. }
            | LauncherError::VersionMismatch { .. } => Self::Settings(text),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            other => Self::Failed(other.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_errors_have_their_codes() {
        let code = |error: StoreError| Failure::from(error).code();
        assert_eq!(code(StoreError::NotFound("x".into())), 4);
        assert_eq!(code(StoreError::Refused("x".into())), 5);
        assert_eq!(code(StoreError::Gate { needs: 2, has: 1 }), 5);
        assert_eq!(code(StoreError::Encoding("SQL_ASCII".into())), 3);
        assert_eq!(code(StoreError::Database(sqlx::Error::PoolTimedOut)), 75);
        let url = sqlx::Error::Configuration("no host".into());
        assert_eq!(code(StoreError::Database(url)), 3);
        assert_eq!(code(StoreError::Replan), 1);
    }

    #[test]
    fn what_an_error_quotes_of_its_cause_is_said_once() {
        let error = StoreError::Database(sqlx::Error::Protocol("a broken answer".to_owned()));
        let words = Failure::from(error).words().unwrap_or_default();
        assert_eq!(words.matches("a broken answer").count(), 1, "{words}");
        let error = anyhow::anyhow!("no such file").context("signals");
        let words = Failure::from(error).words();
        assert_eq!(words.as_deref(), Some("hikiate: signals: no such file"));
    }

    #[test]
    fn a_missing_daemon_is_worth_another_try_and_a_second_one_is_refused() {
        let away = LauncherError::NotRunning {
            state_dir: "/nowhere".into(),
        };
        assert_eq!(Failure::from(away).code(), 75);
        let locked = LauncherError::Locked {
            dir: "/x".into(),
            lock: "/x/lock".into(),
        };
        assert_eq!(Failure::from(locked).code(), 5);
    }
}
