//! What can go wrong on the way, whatever the wire is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread::panicking;
use std::time::Duration;

use tokio::time::Instant;

/// What a rate-limited answer asks to wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(7);

/// How long reads do not show what a call made that is [shown late](Fault::ShownLate).
pub const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// One thing that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The external system acts, its reply is lost.
    LostReply,
    /// The request never reaches the external system, and the caller can tell.
    NotSent,
    /// The external system fails before it acts, in a way that leaves open whether it did (500).
    ErrorBefore,
    /// The external system fails after it has acted, in the same way.
    ErrorAfter,
    /// The external system asks to wait [`RETRY_AFTER`] and does nothing.
    RateLimited,
    /// The same without saying for how long.
    RateLimitedSilently,
    /// The external system says to slow down in the words of a refusal (403) and does nothing.
    SlowDown,
    /// The external system says to slow down in a reply that looks like success (200) and does nothing.
    RateLimitedInOk,
    /// The external system refuses our credentials.
    Unauthorised,
    /// The external system does not allow this call to them.
    Forbidden,
    /// The external system refuses definitely and does nothing (422, 550).
    Refused,
    /// The external system acts, its reply makes no sense.
    Garbage,
    /// The external system acts, its reply ends in the middle.
    Truncated,
    /// The external system does nothing and says so in a reply that looks like success (200 with an error in it).
    ErrorInOk,
    /// The external system acts, its reply comes after the caller has given up.
    Slow,
    /// The request is carried out twice on the way.
    Duplicate,
    /// The external system acts and answers; whoever looks for it sees it only [`SHOWN_AFTER`] later, as where a replica lags.
    ShownLate,
    /// The same, and the reply is lost.
    LostAndLate,
    /// A plug-in of the external system swallows the call: the answer is a 200 with things as they are, and nothing was done.
    Swallowed,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::LostReply,
        Self::NotSent,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::RateLimited,
        Self::RateLimitedSilently,
        Self::SlowDown,
        Self::RateLimitedInOk,
        Self::Unauthorised,
        Self::Forbidden,
        Self::Refused,
        Self::Garbage,
        Self::Truncated,
        Self::ErrorInOk,
        Self::Slow,
        Self::Duplicate,
        Self::ShownLate,
        Self::LostAndLate,
        Self::Swallowed,
    ];

    /// The words for it in a list of checks.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LostReply => "lost reply",
            Self::NotSent => "not sent",
            Self::ErrorBefore => "error before the effect",
            Self::ErrorAfter => "error after the effect",
            Self::RateLimited => "rate limited",
            Self::RateLimitedSilently => "rate limited without a time",
            Self::SlowDown => "slow down in a 403",
            Self::RateLimitedInOk => "rate limited in a 200",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
            Self::ErrorInOk => "error in ok",
            Self::Slow => "slow",
            Self::Duplicate => "duplicate",
            Self::ShownLate => "shown late",
            Self::LostAndLate => "lost reply and shown late",
            Self::Swallowed => "swallowed",
        }
    }

    /// What a call made is shown late.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::ShownLate | Self::LostAndLate)
    }

    /// Nothing on the way can do it: a transport asks the simulator behind it.
    #[must_use]
    pub fn is_asked_for(self) -> bool {
        self.is_late() || self == Self::Swallowed
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which calls a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Calls that change nothing at the external system.
    Read,
    /// Calls that may.
    Write,
}

/// Where faults are put for one account: an HTTP transport, a folder, a mail server. Ordered faults wait for
/// the next call of their target.
pub trait FaultSeam: Send + Sync {
    /// What it can do.
    fn supported(&self) -> Vec<Fault>;

    /// Orders a fault for the next call of a target.
    fn inject(&self, target: Target, fault: Fault);

    /// Orders a fault for the call of a target that comes after so many others of it, for seams in front of external systems
    /// of which one operation is several calls.
    fn inject_after(&self, others: usize, target: Target, fault: Fault) {
        if others == 0 {
            self.inject(target, fault);
        }
    }

    /// How many of each have really happened.
    fn injected(&self) -> BTreeMap<Fault, u64>;

    /// What was ordered and has not happened: a test that ends with one has not tested what it says.
    fn unmet(&self) -> Vec<Fault>;

    /// From now on each call is answered after this time. False where the seam cannot do that.
    fn answer_after(&self, _delay: Duration) -> bool {
        false
    }

    /// When each call came to the external system, faulty ones too; `None` where single calls cannot be told apart.
    fn arrivals(&self) -> Option<Vec<Instant>> {
        None
    }
}

/// Fails the test that drops it while a fault was ordered and never happened.
pub struct AllMet(Vec<Arc<dyn FaultSeam>>);

impl AllMet {
    /// Watches over these.
    #[must_use]
    pub fn of(seams: Vec<Arc<dyn FaultSeam>>) -> Self {
        Self(seams)
    }
}

impl Drop for AllMet {
    fn drop(&mut self) {
        let unmet: Vec<Fault> = self.0.iter().flat_map(|seam| seam.unmet()).collect();
        // A test that fails for another reason may well leave some.
        assert!(
            panicking() || unmet.is_empty(),
            "ordered and never happened: {unmet:?}"
        );
    }
}
