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
            return Arrival::unknown();
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
        if !arrived.is_posted() {
            return Arrival::not_posted();
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::Link;
    use hikiate_sdk::budget::Clock;
    use hikiate_sdk::conformance::{HookCase, SentHook};
    use hikiate_sdk::hooks::HookSecrets;
    use hikiate_sdk::sim::SimClock;
    use secrecy::SecretString;

    use super::*;
    use crate::Settings;
    use crate::sim::{NewOrder, WooSim};

    fn account(sim: &std::sync::Arc<WooSim>, hook: Option<HookSecrets>) -> WooCommerce {
        let link = Link::new(Clock::default()).over(sim.transport());
        let secret = |text: &str| SecretString::from(text.to_owned()).into();
        let http = link.http(crate::site(
            "https://shop.example",
            secret("ck"),
            secret("cs"),
        ));
        let account = WooCommerce::new(http.unwrap(), Settings::default());
        match hook {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }
    }

    fn shop() -> (std::sync::Arc<WooSim>, String) {
        let clock = SimClock::at(DateTime::UNIX_EPOCH);
        let sim = std::sync::Arc::new(WooSim::new(clock, "ck", "cs", hikiate_sdk::Currency::JPY));
        let order = sim.place_order(NewOrder {
            lines: vec![("MUG".to_owned(), 1, "1100".to_owned())],
            shipping: "0".to_owned(),
            tax_percent: "10".to_owned(),
            prices_include_tax: true,
            payment_method: "bacs".to_owned(),
            transaction_id: String::new(),
            status: "processing".to_owned(),
            address: None,
            email: String::new(),
            customer_note: String::new(),
        });
        (sim, order)
    }

    fn secrets() -> Option<HookSecrets> {
        Some(HookSecrets::new(
            "new".to_owned().into(),
            Some("old".to_owned().into()),
        ))
    }

    fn status(arrival: &Arrival) -> u16 {
        match arrival {
            Arrival::Take { reply, .. }
            | Arrival::Answer(reply)
            | Arrival::Refuse { reply, .. } => reply.status,
        }
    }

    #[test]
    fn an_order_is_made_due_while_either_secret_holds() {
        let (sim, order) = shop();
        let woo = account(&sim, secrets());
        for secret in ["new", "old"] {
            let sent = sim.hook(secret, &order, HookCase::Good);
            let taken = woo.arrive(NAME, &sent.arrived(), sent.now);
            // The shop gives all deliveries of one second one id: it names none.
            assert!(matches!(taken, Arrival::Take { key: None, .. }), "{secret}");
            assert_eq!(woo.nudges(NAME, &[], &sent.body), sent.about);
        }
        let sent = sim.hook("older", &order, HookCase::Good);
        assert_eq!(status(&woo.arrive(NAME, &sent.arrived(), sent.now)), 401);
    }

    /// In the bin or gone: the shop posts the id alone, and what is read is that it is absent.
    #[test]
    fn an_order_that_is_gone_is_made_due_too() {
        let (sim, order) = shop();
        let woo = account(&sim, secrets());
        sim.trash_order(&order);
        let sent = sim.hook("new", &order, HookCase::Good);
        assert_eq!(sent.body, format!("{{\"id\":{order}}}").into_bytes());
        assert_eq!(status(&woo.arrive(NAME, &sent.arrived(), sent.now)), 202);
        assert_eq!(woo.nudges(NAME, &[], &sent.body), sent.about);
    }

    #[test]
    fn only_the_ping_as_the_shop_writes_it_is_answered_unsigned() {
        let (sim, order) = shop();
        let woo = account(&sim, secrets());
        let ping = sim.hook("new", &order, HookCase::Ping);
        let arrival = woo.arrive(NAME, &ping.arrived(), ping.now);
        // Anything but 200 and the shop does not turn the webhook on.
        assert!(matches!(&arrival, Arrival::Answer(reply) if reply.status == 200));
        for body in [
            "",
            "webhook_id=",
            "webhook_id=7&id=8",
            "webhook_id=x",
            r#"{"id":7}"#,
        ] {
            let sent = SentHook {
                body: body.as_bytes().to_vec(),
                ..ping.clone()
            };
            assert_eq!(
                status(&woo.arrive(NAME, &sent.arrived(), sent.now)),
                401,
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_not_of_orders_is_answered_and_what_is_no_hook_is_not_there() {
        let (sim, order) = shop();
        let woo = account(&sim, secrets());
        let other = sim.hook("new", &order, HookCase::UnknownTopic);
        assert!(matches!(
            woo.arrive(NAME, &other.arrived(), other.now),
            Arrival::Answer(_)
        ));
        let mut sent = sim.hook("new", &order, HookCase::Good);
        assert_eq!(status(&woo.arrive("other", &sent.arrived(), sent.now)), 404);
        sent.method = Method::Get;
        assert_eq!(status(&woo.arrive(NAME, &sent.arrived(), sent.now)), 405);
        let off = account(&sim, None);
        assert!(off.hooks().is_empty());
        assert_eq!(status(&off.arrive(NAME, &sent.arrived(), sent.now)), 404);
    }
}
