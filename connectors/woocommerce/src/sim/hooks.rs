//! The shop's own webhooks: an unsigned ping first, then whole orders, signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::hooks::Nudge;
use hikiate_sdk::http::Method;
use hikiate_sdk::{ExternalId, Kind};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{WooSim, render};
use crate::hooks::{RESOURCE, SIGNATURE};

impl WooSim {
    /// From now on the shop remembers which orders were placed or changed, for its hooks.
    pub fn note_changes(&self) {
        self.state().changes.get_or_insert_default();
    }

    /// The orders that were placed or changed since this was last asked, in order, each as often as it was.
    pub fn take_changes(&self) -> Vec<String> {
        let mut state = self.state();
        state
            .changes
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// What the shop posts about an order: all of it, or of one that is gone or in the bin its id.
    #[must_use]
    pub fn hook(&self, secret: &str, order: &str, case: HookCase) -> SentHook {
        let now = self.clock.now();
        if case == HookCase::Ping {
            return SentHook {
                method: Method::Post,
                rest: String::new(),
                query: String::new(),
                headers: vec![(
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                )],
                body: b"webhook_id=7".to_vec(),
                now,
                about: Vec::new(),
            };
        }
        let state = self.state();
        let known = state.order(order).filter(|order| !order.in_bin());
        let (event, body) = match known {
            Some(known) => ("updated", render::order(&state, known, 2)),
            None => ("deleted", json!({ "id": order.parse::<u64>().ok() })),
        };
        let resource = match case {
            HookCase::UnknownTopic => "customer",
            _ => "order",
        };
        let secret = match case {
            HookCase::BadSignature => format!("not {secret}"),
            _ => secret.to_owned(),
        };
        let body = body.to_string().into_bytes();
        let mut mac: Option<Hmac<Sha256>> = KeyInit::new_from_slice(secret.as_bytes()).ok();
        let tag = mac.as_mut().map(|mac| {
            mac.update(&body);
            mac.clone().finalize().into_bytes()
        });
        let header = |name: &str, value: String| (name.to_owned(), value);
        SentHook {
            method: Method::Post,
            rest: String::new(),
            query: String::new(),
            headers: vec![
                header("content-type", "application/json".to_owned()),
                header("x-wc-webhook-topic", format!("{resource}.{event}")),
                header(RESOURCE, resource.to_owned()),
                header("x-wc-webhook-event", event.to_owned()),
                header("x-wc-webhook-delivery-id", now.timestamp().to_string()),
                header(SIGNATURE, STANDARD.encode(tag.unwrap_or_default())),
            ],
            body,
            now,
            about: match case {
                HookCase::UnknownTopic => Vec::new(),
                _ => vec![Nudge::Read(Kind::Order, ExternalId::from(order))],
            },
        }
    }
}
