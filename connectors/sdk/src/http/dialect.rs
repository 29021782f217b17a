//! How an external system says what it means: the whole answer decides, not the status alone.

use super::{Request, Response};
use crate::Error;
use crate::budget::Reading;
use crate::text::{error_code_or_quote, quote};

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

impl Answer<'_> {
    /// The external system's words, or a part of them, for the message of an error: quoted for a write, since they may repeat a
    /// name or an address that was sent; as they are for a read.
    #[must_use]
    pub fn words(&self, theirs: &str) -> String {
        if self.is_write {
            quote(theirs)
        } else {
            theirs.to_owned()
        }
    }

    /// The external system's code, or the name of a field, for the same: quoted for a write unless it has the form of one.
    #[must_use]
    pub fn code(&self, theirs: &str) -> String {
        if self.is_write {
            error_code_or_quote(theirs)
        } else {
            theirs.to_owned()
        }
    }
}

/// One external system's way to answer. Pure.
pub trait Dialect: Send + Sync {
    /// The error that the whole answer is, or `None` where it is none: throttled in a 200, a 403 that means "slow down", a
    /// refusal with a code of its own. `plain` is what the status alone says.
    ///
    /// What a body repeats of credentials is taken out of the words of an error afterwards. `Auth` must mean that nothing was
    /// carried out: the call is tried with another value of a secret that rotates. What is put into the words of an error goes
    /// through [`Answer::words`] and [`Answer::code`].
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
