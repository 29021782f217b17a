//! Whether an external system rejects our credentials, as far as this process has heard. The database keeps the pause; this stops
//! the next call, whichever loop is about to make it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Accepted,
    /// Nothing is called.
    Rejected {
        why: String,
        /// The database knows.
        stored: bool,
    },
    /// The pause is over, and no call has been answered since.
    Tried,
}

/// Of one account, in the process that owns it.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Arc<Mutex<State>>);

impl Credentials {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call may start.
    #[must_use]
    pub fn calls(&self) -> bool {
        !matches!(*self.state(), State::Rejected { .. })
    }

    /// A call was answered with a rejection of the credentials.
    pub fn rejected(&self, why: String) {
        let mut state = self.state();
        if !matches!(*state, State::Rejected { .. }) {
            *state = State::Rejected { why, stored: false };
        }
    }

    /// A call was answered otherwise. True when it is the first one after a pause.
    #[must_use]
    pub fn accepted(&self) -> bool {
        let mut state = self.state();
        let again = *state == State::Tried;
        if again {
            *state = State::Accepted;
        }
        again
    }

    /// A rejection that the database does not know of.
    #[must_use]
    pub fn to_store(&self) -> Option<String> {
        match &*self.state() {
            State::Rejected { why, stored: false } => Some(why.clone()),
            _ => None,
        }
    }

    /// The database says that the account is paused, or that it is not any more.
    pub fn told(&self, paused: Option<&str>) {
        let mut state = self.state();
        let told = match (&*state, paused) {
            (State::Rejected { why, .. }, Some(_)) => State::Rejected {
                why: why.clone(),
                stored: true,
            },
            (_, Some(why)) => State::Rejected {
                why: why.to_owned(),
                stored: true,
            },
            (State::Rejected { stored: true, .. }, None) => State::Tried,
            (as_it_was, None) => as_it_was.clone(),
        };
        *state = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_stops_calls_until_the_pause_is_over() {
        let credentials = Credentials::default();
        assert!(credentials.calls());
        credentials.rejected("401".to_owned());
        assert!(!credentials.calls());
        // A renewal that began before the pause was stored.
        credentials.told(None);
        assert!(!credentials.calls());
        assert_eq!(credentials.to_store().as_deref(), Some("401"));
        credentials.told(Some("401"));
        assert_eq!(credentials.to_store(), None);
        assert!(
            !credentials.accepted(),
            "a call that was under way when another one was rejected"
        );
        assert!(!credentials.calls());
        credentials.told(None);
        assert!(credentials.calls());
        assert!(credentials.accepted());
        assert!(!credentials.accepted(), "told once");
    }

    #[test]
    fn a_process_that_starts_during_the_pause_makes_no_call() {
        let credentials = Credentials::default();
        credentials.told(Some("401"));
        assert!(!credentials.calls());
        assert_eq!(credentials.to_store(), None);
    }
}
