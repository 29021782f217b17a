//! The subscriber that a shop owner writes: it posts the id of each order that was placed or changed.

use std::time::Duration;

use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::hooks::{Nudge, sign_timed};
use hikiate_sdk::http::Method;
use hikiate_sdk::{ExternalId, Kind};
use serde_json::json;

use super::MedusaSim;
use crate::hooks::SIGNATURE;

impl MedusaSim {
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

    /// What the subscriber posts about an order, signed by the shop's clock.
    #[must_use]
    pub fn hook(&self, secret: &str, order: &str, case: HookCase) -> SentHook {
        let now = self.clock.now();
        let body = match case {
            HookCase::Ping => json!({}),
            HookCase::UnknownTopic => json!({ "name": "customer.updated", "id": "cus_01SIM" }),
            _ => json!({ "name": "order.updated", "id": order }),
        };
        let body = body.to_string().into_bytes();
        let (secret, signed_at) = match case {
            HookCase::BadSignature => (format!("not {secret}"), now),
            HookCase::Old => (secret.to_owned(), now - Duration::from_secs(3600)),
            _ => (secret.to_owned(), now),
        };
        let about = match case {
            HookCase::Ping | HookCase::UnknownTopic => Vec::new(),
            _ => vec![Nudge::Read(Kind::Order, ExternalId::from(order))],
        };
        SentHook {
            method: Method::Post,
            rest: String::new(),
            query: String::new(),
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                (SIGNATURE.to_owned(), sign_timed(&secret, &body, signed_at)),
            ],
            body,
            now,
            about,
        }
    }
}
