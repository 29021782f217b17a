//! The webhook: what a subscriber of the shop posts says which order to read, and nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::hooks::{
    Arrival, Arrived, HookSpec, HookTrust, Hooks, Nudge, reply, verify_timed,
};
use hikiate_sdk::{ExternalId, Kind};
use serde::Deserialize;

use crate::client::{Medusa, is_plain};

/// The hook's part of the address.
pub(crate) const NAME: &str = "orders";
/// The header with `t=UNIX,v1=HEX`.
pub(crate) const SIGNATURE: &str = "x-hikiate-signature";
/// How far the shop's clock and ours may be apart, waiting on the way included.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Far more than an id needs.
const BODY: usize = 4096;

/// What is posted; anything beside it is passed over.
#[derive(Deserialize)]
struct Posted {
    /// Of what changed: `order_…`. Absent in a ping.
    id: Option<String>,
    /// Of this delivery, the same when it is sent again.
    delivery: Option<String>,
}

impl Posted {
    fn order(&self) -> Option<&str> {
        let id = self.id.as_deref()?;
        (id.starts_with("order_") && is_plain(id)).then_some(id)
    }
}

impl Hooks for Medusa {
    fn hooks(&self) -> Vec<HookSpec> {
        let spec = HookSpec {
            name: NAME.to_owned(),
            register: "a subscriber in the shop that posts the id of each order that was placed or changed, signed (the connector's README says how)".to_owned(),
            trust: HookTrust::Secret,
            body_limit: BODY,
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
        match serde_json::from_slice::<Posted>(arrived.body) {
            Err(_) => Arrival::Refuse {
                why: "its body does not match the connector's README",
                reply: reply(400, "the body is not {\"id\": \"order_…\"}\n"),
            },
            Ok(posted) if posted.order().is_none() => Arrival::Answer(reply(200, "ignored\n")),
            Ok(posted) => Arrival::Take {
                key: posted.delivery.filter(|id| is_plain(id)),
                reply: reply(202, "stored\n"),
            },
        }
    }

    fn nudges(&self, hook: &str, _headers: &[(String, String)], body: &[u8]) -> Vec<Nudge> {
        let posted = serde_json::from_slice::<Posted>(body).ok();
        posted
            .filter(|_| hook == NAME)
            .and_then(|posted| posted.order().map(ExternalId::from))
            .map(|id| Nudge::Read(Kind::Order, id))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::Link;
    use hikiate_sdk::budget::Clock;
    use hikiate_sdk::hooks::{HookSecrets, sign_timed};
    use hikiate_sdk::http::Method;
    use secrecy::SecretString;

    use super::*;
    use crate::Settings;
    use crate::sim::MedusaSim;

    fn account(hook: Option<HookSecrets>) -> Medusa {
        let currency = hikiate_sdk::Currency::EUR;
        let sim = MedusaSim::new(hikiate_sdk::sim::SimClock::real(), "sk", currency);
        let link = Link::new(Clock::default()).over(std::sync::Arc::new(sim).transport());
        let token = SecretString::from("sk".to_owned());
        let http = link.http(crate::site("https://shop.example", token.into()));
        let account = Medusa::new(http.unwrap(), Settings::default());
        match hook {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }
    }

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }

    fn post(
        account: &Medusa,
        secret: &str,
        body: &str,
        change: impl Fn(&mut Arrived<'_>),
    ) -> Arrival {
        let signature = sign_timed(secret, body.as_bytes(), at());
        let headers = [(SIGNATURE.to_owned(), signature)];
        let mut arrived = Arrived {
            method: Method::Post,
            rest: "",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        change(&mut arrived);
        account.arrive(NAME, &arrived, at())
    }

    #[test]
    fn without_a_secret_there_is_no_hook() {
        let off = account(None);
        assert!(off.hooks().is_empty());
        let refused = post(&off, "", r#"{"id":"order_1"}"#, |_| {});
        assert!(matches!(refused, Arrival::Refuse { .. }), "{refused:?}");
    }

    #[test]
    fn both_secrets_hold_while_one_is_replaced() {
        let (new, old) = ("new".to_owned().into(), "old".to_owned().into());
        let on = account(Some(HookSecrets::new(new, Some(old))));
        assert_eq!(on.hooks().len(), 1);
        for (secret, good) in [("new", true), ("old", true), ("other", false)] {
            let arrival = post(&on, secret, r#"{"id":"order_1"}"#, |_| {});
            assert_eq!(matches!(arrival, Arrival::Take { .. }), good, "{secret}");
        }
    }

    #[test]
    fn only_an_orders_id_is_taken_and_a_delivery_names_itself() {
        let on = account(Some(HookSecrets::new("s".to_owned().into(), None)));
        let key = |body: &str| match post(&on, "s", body, |_| {}) {
            Arrival::Take { key, .. } => Some(key),
            Arrival::Answer(reply) => {
                assert_eq!(reply.status, 200);
                None
            }
            Arrival::Refuse { why, .. } => Some(Some(why.to_owned())),
        };
        assert_eq!(key(r#"{"id":"order_1"}"#), Some(None));
        let named = r#"{"id":"order_1","delivery":"d-1"}"#;
        assert_eq!(key(named), Some(Some("d-1".to_owned())));
        for ignored in [
            r#"{"id":"cus_1"}"#,
            r#"{"id":"order_1/../x"}"#,
            "{}",
            r#"{"id":null}"#,
        ] {
            assert_eq!(key(ignored), None, "{ignored}");
            assert!(on.nudges(NAME, &[], ignored.as_bytes()).is_empty());
        }
        assert!(key("[1]").flatten().unwrap().contains("README"));
        let nudges = on.nudges(NAME, &[], named.as_bytes());
        assert_eq!(nudges, [Nudge::Read(Kind::Order, "order_1".into())]);
        assert!(on.nudges("other", &[], named.as_bytes()).is_empty());
    }

    #[test]
    fn another_method_or_path_is_refused() {
        let on = account(Some(HookSecrets::new("s".to_owned().into(), None)));
        let body = r#"{"id":"order_1"}"#;
        let refused = post(&on, "s", body, |a| a.method = Method::Put);
        assert!(matches!(refused, Arrival::Refuse { .. }), "{refused:?}");
        let refused = post(&on, "s", body, |a| a.rest = "/more");
        assert!(matches!(refused, Arrival::Refuse { .. }), "{refused:?}");
    }
}
