//! Webhooks: each says which order to read, and nothing else.

use chrono::{DateTime, Utc};
use hikiate_sdk::hooks::{
    Arrival, Arrived, Denied, Encoding, HookSpec, HookTrust, Hooks, MAX_HOOK_BODY, Nudge, reply,
    verify_hmac,
};
use hikiate_sdk::http::Method;
use hikiate_sdk::{ExternalId, Kind};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{WooCommerce, is_id};

/// The hook's part of the address.
pub(crate) const NAME: &str = "orders";
/// The header with the HMAC-SHA256 over the raw body, in base64.
pub(crate) const SIGNATURE: &str = "x-wc-webhook-signature";
/// The header that says what the body is of: `order`, `product`, …
pub(crate) const RESOURCE: &str = "x-wc-webhook-resource";

/// What is posted: a whole order, or of one that is gone its id alone. Anything beside it is passed over.
#[derive(Deserialize)]
struct Posted {
    id: Value,
}

fn order(body: &[u8]) -> Option<ExternalId> {
    let posted: Posted = serde_json::from_slice(body).ok()?;
    let id = match posted.id {
        Value::Number(id) => id.to_string(),
        Value::String(id) => id,
        _ => return None,
    };
    is_id(&id).then(|| ExternalId::new(id))
}

/// What the shop posts, unsigned, to see whether somebody answers: `webhook_id=7`. It wants a 200 and nothing else.
fn is_ping(arrived: &Arrived<'_>) -> bool {
    let id = arrived.body.strip_prefix(b"webhook_id=");
    arrived.method == Method::Post
        && id.is_some_and(|id| (1..=19).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
}

impl Hooks for WooCommerce {
    fn hooks(&self) -> Vec<HookSpec> {
        let spec = HookSpec {
            name: NAME.to_owned(),
            register: "under WooCommerce, Settings, Advanced, Webhooks: one webhook for each of the topics order created, updated, deleted and restored, API version 3, with the secret of this account".to_owned(),
            trust: HookTrust::Secret,
            // A whole order is posted; one that is refused for its size counts as a failure, and five of those end a webhook.
            body_limit: MAX_HOOK_BODY,
            keep: Vec::new(),
        };
        self.hook.iter().map(|_on| spec.clone()).collect()
    }

    fn arrive(&self, hook: &str, arrived: &Arrived<'_>, _now: DateTime<Utc>) -> Arrival {
        let Some(secrets) = self.hook.as_ref().filter(|_| hook == NAME) else {
            return Arrival::Refuse {
                why: "unknown hook",
                reply: reply(404, ""),
            };
        };
        let Some(signature) = arrived.header(SIGNATURE) else {
            return if is_ping(arrived) {
                Arrival::Answer(reply(200, "ready\n"))
            } else {
                Arrival::denied(Denied::Malformed)
            };
        };
        if let Err(denied) = verify_hmac(secrets, Encoding::Base64, &[arrived.body], signature) {
            return Arrival::denied(denied);
        }
        if arrived.method != Method::Post || !arrived.rest.is_empty() {
            return Arrival::Refuse {
                why: "it is not a POST to the hook's address",
                reply: reply(405, ""),
            };
        }
        // The header is not signed: what it can be changed to makes at most another order due.
        let of_orders = arrived.header(RESOURCE) == Some("order");
        if !of_orders || order(arrived.body).is_none() {
            return Arrival::Answer(reply(200, "ignored\n"));
        }
        Arrival::Take {
            // The shop's id of a delivery is the same for all of one second.
            key: None,
            reply: reply(202, "stored\n"),
        }
    }

    fn nudges(&self, hook: &str, _headers: &[(String, String)], body: &[u8]) -> Vec<Nudge> {
        let id = order(body).filter(|_| hook == NAME);
        id.map(|id| Nudge::Read(Kind::Order, id))
            .into_iter()
            .collect()
    }
}
