//! What Stripe posts to a webhook endpoint.

use std::time::Duration;

use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::hooks::{Nudge, sign_timed};
use hikiate_sdk::http::Method;
use hikiate_sdk::{ExternalId, Kind};
use serde_json::json;

use super::{StripeSim, render};
use crate::hooks::SIGNATURE;

impl StripeSim {
    /// From now on the account remembers events for its hooks.
    pub fn note_changes(&self) {
        self.state().changes.get_or_insert_default();
    }

    /// The ids of the events since this was last asked, in the order in which they were made.
    pub fn take_changes(&self) -> Vec<String> {
        let mut state = self.state();
        let changes = state.changes.as_mut().map(std::mem::take);
        changes.unwrap_or_default()
    }

    /// The last event about a payment.
    #[must_use]
    pub fn last_event(&self, payment: &str) -> Option<String> {
        let state = self.state();
        let mut events = state.events.iter().rev();
        events
            .find(|event| event.payment == payment)
            .map(|event| event.id.clone())
    }

    /// What is posted about an event, signed by Stripe's clock; `None` for one that is not there.
    #[must_use]
    pub fn hook(&self, secret: &str, event: &str, case: HookCase) -> Option<SentHook> {
        let now = self.clock.now();
        let state = self.state();
        let place = state.event_at.get(event)?;
        let at = state
            .events
            .partition_point(|known| (known.created, known.n) < *place);
        let event = state.events.get(at)?;
        let mut body = render::event(&state, event);
        match case {
            HookCase::Ping => {
                body = json!({ "id": "evt_ping", "object": "v2.core.event", "type": "v2.core.event_destination.ping" });
            }
            HookCase::UnknownTopic => {
                body["type"] = json!("customer.updated");
                body["data"]["object"] = json!({ "id": "cus_1", "object": "customer" });
            }
            _ => {}
        }
        let about = match case {
            HookCase::Ping | HookCase::UnknownTopic => Vec::new(),
            _ => {
                let payment = ExternalId::new(event.payment.clone());
                vec![Nudge::Read(Kind::Payment, payment)]
            }
        };
        let (secret, signed_at) = match case {
            HookCase::BadSignature => (format!("not {secret}"), now),
            HookCase::Old => (secret.to_owned(), now - Duration::from_secs(3600)),
            _ => (secret.to_owned(), now),
        };
        let body = body.to_string().into_bytes();
        Some(SentHook {
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
        })
    }
}
