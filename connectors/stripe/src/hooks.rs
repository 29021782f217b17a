//! The webhook: what Stripe posts says which payment to read, and nothing else. An event's own payment is as old as the event.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::hooks::{
    Arrival, Arrived, HookSpec, HookTrust, Hooks, MAX_HOOK_BODY, Nudge, reply, verify_timed,
};
use hikiate_sdk::{ExternalId, Kind};
use serde_json::Value;

use crate::client::{Stripe, TYPES};
use crate::config::Mode;
use crate::wire::{Object, intent_of};

/// The hook's part of the address.
pub(crate) const NAME: &str = "events";
/// The header with `t=UNIX,v1=HEX`, `v1` once for each secret while one is rolled (docs.stripe.com/webhooks/signature).
pub(crate) const SIGNATURE: &str = "stripe-signature";
/// How far Stripe's clock and ours may be apart, waiting on the way included: what its own libraries take.
const TOLERANCE: Duration = Duration::from_secs(300);

impl Hooks for Stripe {
    fn hooks(&self) -> Vec<HookSpec> {
        let spec = HookSpec {
            name: NAME.to_owned(),
            register: "a webhook endpoint of the Stripe account (the connector's README lists the event types)".to_owned(),
            trust: HookTrust::Secret,
            body_limit: MAX_HOOK_BODY,
            keep: Vec::new(),
        };
        self.hook.iter().map(|_on| spec.clone()).collect()
    }

    fn arrive(&self, hook: &str, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Arrival {
        let Some(secrets) = self.hook.as_ref().filter(|_| hook == NAME) else {
            return Arrival::unknown();
        };
        let signature = arrived.header(SIGNATURE);
        if let Err(denied) = verify_timed(secrets, signature, arrived.body, now, TOLERANCE) {
            return Arrival::denied(denied);
        }
        if !arrived.is_posted() {
            return Arrival::not_posted();
        }
        let Ok(event) = serde_json::from_slice::<Value>(arrived.body) else {
            return Arrival::Refuse {
                why: "its body is not JSON",
                reply: reply(400, "the body is not JSON\n"),
            };
        };
        // A no would make Stripe send it again for days, and then switch the endpoint off.
        if self.about(&event).is_none() {
            return Arrival::Answer(reply(200, "ignored\n"));
        }
        let id = Object(&event).text("id").ok().flatten();
        Arrival::Take {
            key: id.filter(|id| !id.is_empty()).map(str::to_owned),
            reply: reply(202, "stored\n"),
        }
    }

    fn nudges(&self, hook: &str, _headers: &[(String, String)], body: &[u8]) -> Vec<Nudge> {
        let event = serde_json::from_slice::<Value>(body).ok();
        let event = event.filter(|_| hook == NAME);
        let about = event.as_ref().and_then(|event| self.about(event));
        let nudge = about.map(|id| Nudge::Read(Kind::Payment, ExternalId::from(id)));
        nudge.into_iter().collect()
    }
}

impl Stripe {
    /// The payment that an event is about; `None` for events of no interest, and of the other mode.
    fn about<'e>(&self, event: &'e Value) -> Option<&'e str> {
        let told = Object(event);
        let kind = told.text("type").ok()??;
        let live = told.flag("livemode").ok().flatten();
        let other = live
            .zip(self.settings.mode)
            .is_some_and(|(live, mode)| live != (mode == Mode::Live));
        if other || !TYPES.contains(&kind) {
            return None;
        }
        intent_of(told.inner("data")?.inner("object")?)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use hikiate_sdk::Link;
    use hikiate_sdk::budget::Clock;
    use hikiate_sdk::hooks::{HookSecrets, sign_timed};
    use hikiate_sdk::http::Method;
    use serde_json::json;

    use super::*;
    use crate::Settings;

    fn account(secrets: Option<HookSecrets>) -> Stripe {
        let secret = secrecy::SecretString::from("sk_test_1".to_owned());
        let http =
            Link::new(Clock::default()).http(crate::site("https://stripe.example", secret.into()));
        let settings = Settings {
            mode: Some(Mode::Test),
            ..Settings::default()
        };
        let account = Stripe::new(http.unwrap(), settings);
        match secrets {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }
    }

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }

    fn event(kind: &str, object: &Value) -> Value {
        json!({ "id": "evt_1", "object": "event", "type": kind, "livemode": false, "data": { "object": object } })
    }

    fn post(account: &Stripe, signature: String, body: &Value) -> Arrival {
        let body = body.to_string();
        let headers = [(SIGNATURE.to_owned(), signature)];
        let arrived = Arrived {
            method: Method::Post,
            rest: "",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        account.arrive(NAME, &arrived, at())
    }

    fn signed(secret: &str, body: &Value) -> String {
        sign_timed(secret, body.to_string().as_bytes(), at())
    }

    #[test]
    fn without_a_secret_there_is_no_hook() {
        let off = account(None);
        assert!(off.hooks().is_empty());
        let refused = post(&off, String::new(), &json!({}));
        assert!(matches!(refused, Arrival::Refuse { .. }), "{refused:?}");
    }

    /// While a secret is rolled Stripe signs with both, and we hold one or both of them.
    #[test]
    fn one_of_several_signatures_under_one_of_two_secrets_is_enough() {
        let body = event(
            "payment_intent.succeeded",
            &json!({ "object": "payment_intent", "id": "pi_1" }),
        );
        let both = |a: &str, b: &str| {
            let (first, second) = (signed(a, &body), signed(b, &body));
            format!("{first},{}", second.split_once(',').unwrap().1)
        };
        let secrets = HookSecrets::new("new".to_owned().into(), Some("old".to_owned().into()));
        let on = account(Some(secrets));
        for (signature, good) in [
            (signed("new", &body), true),
            (signed("old", &body), true),
            (both("other", "new"), true),
            (both("other", "another"), false),
            (signed("other", &body), false),
        ] {
            let arrival = post(&on, signature, &body);
            assert_eq!(matches!(arrival, Arrival::Take { .. }), good, "{arrival:?}");
        }
    }

    #[test]
    fn whatever_is_about_a_payment_names_it_and_all_else_is_answered_with_a_yes() {
        let on = account(Some(HookSecrets::new("s".to_owned().into(), None)));
        let about = |body: &Value| {
            let arrival = post(&on, signed("s", body), body);
            let nudges = on.nudges(NAME, &[], body.to_string().as_bytes());
            match arrival {
                Arrival::Take { key, .. } => {
                    assert_eq!(key.as_deref(), Some("evt_1"));
                    nudges.into_iter().next()
                }
                Arrival::Answer(reply) => {
                    assert_eq!((reply.status, nudges.len()), (200, 0));
                    None
                }
                Arrival::Refuse { why, .. } => panic!("{why}"),
            }
        };
        let payment = Some(Nudge::Read(Kind::Payment, "pi_1".into()));
        for (kind, object) in [
            (
                "payment_intent.canceled",
                json!({ "object": "payment_intent", "id": "pi_1" }),
            ),
            (
                "charge.refunded",
                json!({ "object": "charge", "id": "ch_1", "payment_intent": "pi_1" }),
            ),
            (
                "refund.failed",
                json!({ "object": "refund", "payment_intent": { "id": "pi_1" } }),
            ),
            (
                "charge.dispute.created",
                json!({ "object": "dispute", "payment_intent": "pi_1" }),
            ),
            (
                "review.opened",
                json!({ "object": "review", "payment_intent": "pi_1" }),
            ),
        ] {
            assert_eq!(about(&event(kind, &object)), payment, "{kind}");
        }
        let charge = json!({ "object": "charge", "id": "ch_1", "payment_intent": null });
        let mut other_mode = event(
            "charge.captured",
            &json!({ "object": "charge", "payment_intent": "pi_1" }),
        );
        other_mode["livemode"] = json!(true);
        for ignored in [
            event("charge.refunded", &charge),
            event(
                "customer.updated",
                &json!({ "object": "customer", "id": "cus_1" }),
            ),
            event(
                "payment_intent.created",
                &json!({ "object": "payment_intent", "id": "pi_1/x" }),
            ),
            json!({ "id": "evt_1", "type": "v2.core.event_destination.ping" }),
            json!([]),
            other_mode,
        ] {
            assert_eq!(about(&ignored), None, "{ignored}");
        }
    }

    #[test]
    fn another_method_or_path_is_refused() {
        let on = account(Some(HookSecrets::new("s".to_owned().into(), None)));
        let body = b"{}";
        let headers = [(SIGNATURE.to_owned(), sign_timed("s", body, at()))];
        for (method, rest) in [(Method::Put, ""), (Method::Post, "/more")] {
            let arrived = Arrived {
                method,
                rest,
                query: "",
                headers: &headers,
                body,
            };
            let refused = on.arrive(NAME, &arrived, at());
            assert!(matches!(refused, Arrival::Refuse { .. }), "{refused:?}");
        }
    }
}
