//! What is done with a request to a hook, whatever it came through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::hooks::{Arrival, Arrived, HookSpec, MAX_HOOK_BODY, reply};
use hikiate_sdk::http::Response;
use hikiate_sdk::{AccountSlug, Connector};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::warn;

use super::clock::Clock;
use super::writer::Writer;
use crate::ops::metrics::{HookOutcome, Metrics};
use crate::store::{HookKept, NewHook, Store};

/// The longest id of a delivery that is kept as it is.
const LONGEST_KEY: usize = 100;
/// How often a hook that refuses requests says so in the log.
const QUIET: Duration = Duration::from_secs(60);

/// Takes hooks for the accounts of a process, whoever owns them.
pub struct HookDesk {
    store: Store,
    accounts: BTreeMap<String, Open>,
    writer: Writer,
    clock: Clock,
    metrics: Metrics,
}

/// An account that has hooks.
struct Open {
    id: i16,
    connector: Arc<dyn Connector>,
    hooks: BTreeMap<String, OpenHook>,
}

struct OpenHook {
    spec: HookSpec,
    said: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for HookDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookDesk")
            .field("accounts", &self.accounts.keys())
            .finish_non_exhaustive()
    }
}

impl HookDesk {
    /// The hooks of these accounts.
    #[must_use]
    pub fn new<'a>(
        store: Store,
        accounts: impl IntoIterator<Item = (i16, &'a AccountSlug, &'a Arc<dyn Connector>)>,
        metrics: Metrics,
    ) -> Self {
        let accounts = accounts
            .into_iter()
            .filter_map(|(id, slug, connector)| {
                let hooks: BTreeMap<String, OpenHook> = connector
                    .hooks()?
                    .hooks()
                    .into_iter()
                    .map(|spec| {
                        let said = Mutex::default();
                        (spec.name.clone(), OpenHook { spec, said })
                    })
                    .collect();
                let open = Open {
                    id,
                    connector: Arc::clone(connector),
                    hooks,
                };
                Some((slug.as_str().to_owned(), open))
            })
            .collect();
        Self {
            writer: Writer::start(store.clone()),
            store,
            accounts,
            clock: Clock::default(),
            metrics,
        }
    }

    /// The largest body that a hook takes; `None` where there is no such hook.
    #[must_use]
    pub fn body_limit(&self, account: &str, hook: &str) -> Option<usize> {
        let open = self.accounts.get(account)?.hooks.get(hook)?;
        Some(open.spec.body_limit.min(MAX_HOOK_BODY))
    }

    /// Judges a request, stores what is to be stored, and answers: after the commit.
    pub async fn receive(&self, account: &str, hook: &str, arrived: &Arrived<'_>) -> Response {
        match self.clock.now(&self.store).await {
            Ok(now) => self.receive_at(account, hook, arrived, now).await,
            Err(_) => {
                self.count(account, hook, HookOutcome::Unavailable);
                busy()
            }
        }
    }

    /// The same at a time by the database's clock.
    pub async fn receive_at(
        &self,
        account: &str,
        hook: &str,
        arrived: &Arrived<'_>,
        now: DateTime<Utc>,
    ) -> Response {
        let Some((open, door)) = self.door(account, hook) else {
            self.unknown();
            return reply(404, "");
        };
        let Some(hooks) = open.connector.hooks() else {
            return reply(404, "");
        };
        let (outcome, reply) = match hooks.arrive(hook, arrived, now) {
            Arrival::Answer(reply) => (HookOutcome::Answered, reply),
            Arrival::Refuse { why, reply } => {
                door.say_refused(account, hook, why);
                (HookOutcome::Refused, reply)
            }
            Arrival::Take { key, reply } => {
                let new = door.row(open.id, hook, key, arrived);
                match self.writer.keep(new).await {
                    Some(HookKept::Stored) => (HookOutcome::Stored, reply),
                    Some(HookKept::Known) => (HookOutcome::Known, reply),
                    Some(HookKept::Full) => (HookOutcome::Full, busy()),
                    // The same again is refused again.
                    Some(HookKept::Refused) => {
                        door.say_refused(account, hook, "the database does not take it");
                        (HookOutcome::Refused, self::reply(400, ""))
                    }
                    None => (HookOutcome::Unavailable, busy()),
                }
            }
        };
        self.count(account, hook, outcome);
        reply
    }

    /// Counts what became of a request that never came this far.
    pub(super) fn count(&self, account: &str, hook: &str, outcome: HookOutcome) {
        self.metrics.hook(account, hook, outcome);
    }

    /// Counts a request to a hook that does not exist.
    pub(super) fn unknown(&self) {
        self.metrics.hook_unknown();
    }

    fn door(&self, account: &str, hook: &str) -> Option<(&Open, &OpenHook)> {
        let open = self.accounts.get(account)?;
        Some((open, open.hooks.get(hook)?))
    }
}

impl OpenHook {
    fn row(
        &self,
        account_id: i16,
        hook: &str,
        key: Option<String>,
        arrived: &Arrived<'_>,
    ) -> NewHook {
        let keep = |name: &str| self.spec.keep.contains(&name) && !is_secret(name);
        let headers: Vec<&(String, String)> = arrived
            .headers
            .iter()
            .filter(|(name, _)| keep(name))
            .collect();
        let headers = serde_json::json!(headers);
        // An empty one tells no deliveries apart.
        let key = key.filter(|key| !key.is_empty());
        let named = key.is_some();
        let key = match key {
            Some(key) if key.len() <= LONGEST_KEY && !key.contains('\0') => key,
            Some(key) => hashed(&[key.as_bytes()]),
            None => hashed(&[headers.to_string().as_bytes(), b"\n", arrived.body]),
        };
        NewHook {
            account_id,
            hook: hook.to_owned(),
            key,
            named,
            headers,
            body: arrived.body.to_vec(),
        }
    }

    /// Whoever sends forged hooks must not fill the log.
    fn say_refused(&self, account: &str, hook: &str, why: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() >= QUIET) {
            *said = Some(Instant::now());
            warn!(
                account,
                hook,
                why,
                "a webhook was refused; compare its secret here and at the sender, and both clocks; said once a minute"
            );
        }
    }
}

/// Never stored, whatever a connector asks for.
fn is_secret(header: &str) -> bool {
    [
        "authorization",
        "cookie",
        "signature",
        "token",
        "secret",
        "hmac",
    ]
    .iter()
    .any(|part| header.contains(part))
}

fn hashed(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// For the sender to repeat it.
pub(super) fn busy() -> Response {
    Response {
        headers: vec![("retry-after".to_owned(), "30".to_owned())],
        ..reply(503, "not now\n")
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::hooks::HookTrust;
    use hikiate_sdk::http::Method;

    use super::*;

    fn row(key: Option<&str>, body: &str) -> NewHook {
        let spec = HookSpec {
            name: "all".to_owned(),
            register: "every change".to_owned(),
            trust: HookTrust::Secret,
            body_limit: 100,
            keep: Vec::new(),
        };
        let said = Mutex::default();
        let arrived = Arrived {
            method: Method::Post,
            rest: "",
            query: "",
            headers: &[],
            body: body.as_bytes(),
        };
        OpenHook { spec, said }.row(1, "all", key.map(str::to_owned), &arrived)
    }

    #[test]
    fn a_key_that_the_database_does_not_take_is_made_one_that_it_takes() {
        let plain = row(Some("d-1"), "{}");
        assert_eq!((plain.key.as_str(), plain.named), ("d-1", true));
        for odd in ["d\0".to_owned(), "d".repeat(101)] {
            let (one, again) = (row(Some(&odd), "1"), row(Some(&odd), "2"));
            assert!(one.named && one.key.starts_with("sha256:"), "{odd:?}");
            assert_eq!(one.key, again.key, "one delivery");
        }
        // Of an empty one all deliveries would be the same.
        let (one, other) = (row(Some(""), "1"), row(Some(""), "2"));
        assert!(!one.named && one.key != other.key);
        assert_eq!(one.key, row(None, "1").key);
    }
}
