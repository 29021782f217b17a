//! Errors of an external system, each with a class; only the engine retries.

use std::time::Duration;

use crate::text::{is_error_code, sentence, without_quotes};

/// What the engine does about an error depends on its class alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing happened at the external system; try again after a back-off.
    Transient,
    /// The external system asks to slow down; uses no attempt.
    RateLimited {
        /// Its `Retry-After`, where given.
        after: Option<Duration>,
    },
    /// Nothing happened: what the call is about is in use at the external system (a lock, a key in flight). This call later; the
    /// account goes on.
    Busy {
        /// When to ask again, where given.
        after: Option<Duration>,
    },
    /// It may or may not have happened. For a read the same as `Transient`.
    OutcomeUnknown,
    /// A definite refusal with the external system's code; becomes a task.
    Rejected,
    /// What was named is not there.
    NotFound,
    /// The external system's state does not allow it (now).
    Conflict,
    /// Credentials were rejected: the account pauses and resumes automatically.
    Auth,
    /// Nothing happened: the credentials are known and may not do this. This call later, and a task if that lasts; the account goes
    /// on.
    Forbidden,
    /// The answer could not be understood.
    Protocol,
    /// Our configuration cannot work.
    Config,
}

/// An error of an external system: no secrets, and no personal data but what stands between “ and ” in its message. As it is displayed
/// it is fit for a log: without that. A text that is stored, or that an operator reads, is made of its message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", without_quotes(message))]
pub struct Error {
    /// What to do about it.
    pub class: ErrorClass,
    /// The external system's code, where it has one.
    pub code: Option<String>,
    /// What happened and where; lower case, fits after "failed: ". The external system's words are quoted
    /// ([`text::quote`](crate::text::quote)), and a log has it [without them](crate::text::without_quotes).
    pub message: String,
}

impl Error {
    /// An error of a class with its words, which are cleaned and cut: they may quote an external system.
    pub fn new(class: ErrorClass, message: impl AsRef<str>) -> Self {
        Self {
            class,
            code: None,
            message: sentence(message.as_ref()),
        }
    }

    /// The code of an error of a call that was accepted, and whose answer does not show what it makes.
    pub const NOT_SHOWN: &str = "not_shown";

    /// Adds the external system's code. What does not look like one ([`is_error_code`]) may be a sentence about a customer: it is
    /// dropped, and a code that was added before stays.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        let code = code.into();
        if is_error_code(&code) {
            self.code = Some(code);
        }
        self
    }

    /// True when the external system was never reached or said nothing happened.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(
            self.class,
            ErrorClass::Transient | ErrorClass::RateLimited { .. } | ErrorClass::Busy { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_dropped() {
        let error = || Error::new(ErrorClass::Rejected, "refused").with_code("422");
        for (code, kept) in [
            ("validation_failed", "validation_failed"),
            ("rest.invalid-param:1/2", "rest.invalid-param:1/2"),
            ("見本 花子は使えません", "422"),
            ("No such name", "422"),
            ("03-0000-0000", "422"),
            ("170-0013", "422"),
            ("metadata[x]", "metadata[x]"),
            ("", "422"),
        ] {
            assert_eq!(error().with_code(code).code.as_deref(), Some(kept));
        }
        let long = Error::new(ErrorClass::Rejected, "refused").with_code("x".repeat(65));
        assert_eq!(long.code, None);
    }
}
