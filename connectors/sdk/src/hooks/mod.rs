//! Webhooks. A hook carries no facts: it makes something due to be read, and what is read is what counts. Dropped, doubled
//! and reordered hooks therefore lose nothing, since the streams go on being polled.

mod secrets;
mod signature;
#[cfg(test)]
mod tests;

pub use secrets::{HOOK_SECRET, HOOK_SECRET_PREVIOUS, HookSecrets};
#[cfg(any(test, feature = "sim"))]
pub use signature::sign_timed;
pub use signature::{Denied, Encoding, verify_hmac, verify_standard, verify_timed, verify_token};

use chrono::{DateTime, Utc};

use crate::http::{Method, Response};
use crate::{ExternalId, Kind};

/// The largest body that any hook may take, in bytes.
pub const MAX_HOOK_BODY: usize = 256 * 1024;

/// The hooks of an account. Everything here is pure: no clock, no network, no state.
pub trait Hooks: Send + Sync {
    /// The hooks that are on. One whose secret is not configured is not listed, and is then answered as if it did not exist.
    fn hooks(&self) -> Vec<HookSpec>;

    /// Judges a request to a hook by its raw bytes, before anything is stored; `now` is by the engine's clock. Secrets are
    /// compared in constant time ([`verify_hmac`] and its neighbours). A reply never repeats what was sent, except where a
    /// challenge has to be answered so.
    fn arrive(&self, hook: &str, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Arrival;

    /// What a hook that was taken makes due; nothing for a topic that this connector does not know. `headers` are those of
    /// [`HookSpec::keep`]. Never panics, whatever the bytes are.
    fn nudges(&self, hook: &str, headers: &[(String, String)], body: &[u8]) -> Vec<Nudge>;
}

/// One hook of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSpec {
    /// Its part of the address: lower-case letters, digits and `-`.
    pub name: String,
    /// What to register at the external system, a sentence for an operator.
    pub register: String,
    /// How a request is known to be genuine.
    pub trust: HookTrust,
    /// Larger bodies are refused unread, in bytes; at most [`MAX_HOOK_BODY`].
    pub body_limit: usize,
    /// Names, in lower case, of the headers that [`Hooks::nudges`] needs; only those are stored. Never a credential or a
    /// signature.
    pub keep: Vec<&'static str>,
}

/// How a request to a hook is known to be genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookTrust {
    /// By a secret that [`Hooks::arrive`] checks.
    Secret,
    /// Not at all: the external system cannot sign. Such a hook can only cause a refresh of something that is known
    /// already.
    SenderCannotSign,
}

/// A request to a hook.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    /// The method.
    pub method: Method,
    /// The path behind the hook's address: empty, or from a `/` on.
    pub rest: &'a str,
    /// The query without its `?`; empty for none.
    pub query: &'a str,
    /// Headers as they came, names in lower case.
    pub headers: &'a [(String, String)],
    /// The raw body: what signatures are made over.
    pub body: &'a [u8],
}

impl Arrived<'_> {
    /// A POST to the hook's own address, with nothing behind it.
    #[must_use]
    pub fn is_posted(&self) -> bool {
        self.method == Method::Post && self.rest.is_empty()
    }

    /// The value of a header (name in lower case) that came exactly once. Of two, one would be checked and the other used.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Arrived<'_> {
    /// Without headers and body: they hold signatures and personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrived")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What becomes of a request to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is stored, and then answered so.
    Take {
        /// The sender's id of the delivery, by which one that comes again is known. `None` where there is none: then an equal
        /// body that still waits is the same.
        key: Option<String>,
        /// The answer once it is stored.
        reply: Response,
    },
    /// Nothing is stored: a ping, a challenge, a topic of no interest.
    Answer(Response),
    /// Nothing is stored: it is not genuine, or too old.
    Refuse {
        /// For the log: what is wrong, without any of what was sent.
        why: &'static str,
        /// The answer.
        reply: Response,
    },
}

impl Arrival {
    /// Refuses a request whose signature does not hold, with 401.
    #[must_use]
    pub fn denied(denied: Denied) -> Self {
        Self::Refuse {
            why: denied.why(),
            reply: reply(401, ""),
        }
    }

    /// Refuses a request to a hook that the account does not have, with 404.
    #[must_use]
    pub fn unknown() -> Self {
        Self::Refuse {
            why: "unknown hook",
            reply: reply(404, ""),
        }
    }

    /// Refuses what is not [`Arrived::is_posted`], with 405.
    #[must_use]
    pub fn not_posted() -> Self {
        Self::Refuse {
            why: "it is not a POST to the hook's address",
            reply: reply(405, ""),
        }
    }
}

/// What a hook makes due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Nudge {
    /// This one, by its id.
    Read(Kind, ExternalId),
    /// The stream of this name.
    Wake(String),
}

/// A reply in words of ours, which repeats nothing of the request.
#[must_use]
pub fn reply(status: u16, text: &'static str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: text.as_bytes().to_vec(),
    }
}
