//! How an external system says what it means: the whole answer decides, not the status alone.

use super::{Request, Response};
use crate::Error;
use crate::budget::Reading;

/// An answer with what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// What came back, whole.
    pub response: &'a Response,
    /// The request may have changed something.
    pub is_write: bool,
}

/// One external system's way to answer. Pure.
pub trait Dialect: Send + Sync {
    /// The error that the whole answer is, or `None` where it is none: throttled in a 200, a 403 that means "slow down", a
    /// refusal with a code of its own. `plain` is what the status alone says.
    ///
    /// What a body repeats of credentials is taken out of the words of an error afterwards. `Auth` must mean that nothing was
    /// carried out: the call is tried with another value of a secret that rotates. What is put into the words of an error goes
    /// through [`quote`](crate::text::quote), a code through [`error_code_or_quote`](crate::text::error_code_or_quote).
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let _ = answer;
        plain
    }

    /// What an answer says of the budget.
    fn reading(&self, answer: &Answer<'_>) -> Option<Reading> {
        let _ = answer;
        None
    }
}

/// An external system whose status codes mean what they say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Dialect for Plain {}
