//! What the conformance suite checks: an account over a faulty transport to a Stripe of its own.

#![expect(
    clippy::unwrap_used,
    reason = "only the conformance suite runs it: it stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::{
    Bench, Exchanges, HookCase, SentHook, Specification, Subject, TestSystem, Times, Waiver,
    sample_call,
};
use hikiate_sdk::faulty::FaultyTransport;
use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{
    Call, CaptureCall, Currency, ExternalId, Link, Op, RefundCall, ShipmentReference, VoidCall,
};
use secrecy::SecretString;

use super::{NewPayment, StripeSim, Way, words};
use crate::config::{Mode, Settings};
use crate::{Stripe, site};

const PAGE: usize = 3;
const KEY: &str = "sk_test_hunter2";
const HOOK_SECRET: &str = "whsec_hunter3";

/// Where the copy of the public document is narrower than the API.
const DEVIATIONS: &[(&str, &str)] = &[(
    "review: it is not of type \"string\"",
    "marked as expandable; the copy has no schema of reviews, so that it says string",
)];

/// A Stripe account in memory.
#[derive(Default)]
pub struct Till {
    exchanges: Exchanges,
}

struct Far {
    sim: Arc<StripeSim>,
    clock: SimClock,
    page_size: usize,
}

fn customer() -> (String, String) {
    ("Taro Yamada".to_owned(), "taro@example.test".to_owned())
}

/// 50.46 euros, authorised.
fn authorised() -> NewPayment {
    NewPayment {
        customer: customer(),
        ..NewPayment::card(5046, Currency::EUR)
    }
}

fn payment(id: &str) -> String {
    format!("payment:{id}")
}

#[async_trait]
impl Subject for Till {
    fn name(&self) -> String {
        "stripe".to_owned()
    }

    fn waivers(&self) -> Vec<Waiver> {
        vec![Waiver::new(
            "time zones/payments",
            "a reading of a payment is of the moment it was asked for; the times in it are seconds since 1970",
        )]
    }

    fn specification(&self) -> Option<Specification> {
        Some(Specification {
            document: "stripe/stripe_v1_2025-01-27.trimmed.json",
            exchanges: self.exchanges.clone(),
            deviations: DEVIATIONS,
        })
    }

    async fn fresh(&self) -> Bench {
        self.bench(PAGE)
    }

    async fn fresh_full_pages(&self) -> Bench {
        self.bench(Settings::default().page_size)
    }
}

impl Till {
    /// An account with pages of this many records.
    fn bench(&self, page_size: usize) -> Bench {
        // Stripe tells whole seconds and the suite asks by the machine's clock: an hour is enough for all that is made one
        // second after the other.
        let clock = SimClock::at(SimClock::real().now() - Duration::from_secs(3600));
        let sim = Arc::new(StripeSim::new(clock.clone(), KEY));
        let seam = Arc::new(
            FaultyTransport::new(self.exchanges.over(sim.transport()))
                .echoing(format!("{KEY} taro@example.test"))
                .speaking(words),
        );
        let link = Link::new(Clock::default()).over(seam.clone());
        let secret = SecretString::from(KEY.to_owned());
        let http = link.http(site("https://api.stripe.example", secret.into()));
        let settings = Settings {
            page_size,
            mode: Some(Mode::Test),
            ..Settings::default()
        };
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        Bench {
            connector: Arc::new(Stripe::new(http.unwrap(), settings).with_hook(secrets)),
            far: Arc::new(Far {
                sim,
                clock,
                page_size,
            }),
            seam,
            link,
        }
    }
}

impl Far {
    fn later(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    /// Payments of every kind in turn, so that all of them are read and compared with the document.
    fn any(&self, n: usize) -> String {
        let day = Duration::from_secs(86_400);
        let by = |way| {
            let new = authorised();
            self.sim.pay(new.by(way))
        };
        let (id, is_done) = match n % 6 {
            1 => (by(Way::Konbini { within: day }), true),
            2 => {
                let id = by(Way::BankTransfer);
                let came = self.sim.transfer(&id, 1000);
                (id, came)
            }
            3 => {
                let id = by(Way::Card {
                    many: true,
                    hold: day,
                });
                let captured = self.sim.capture_by_hand(&id, Some(1000));
                (id, captured)
            }
            4 => {
                let id = self.sim.pay(authorised());
                let taken = self.sim.capture_by_hand(&id, None);
                let disputed = self.sim.dispute(&id, 46, false);
                (id, taken && disputed)
            }
            5 => {
                let id = self.sim.pay(authorised());
                let opened = self.sim.open_review(&id);
                (id, opened)
            }
            _ => (self.sim.pay(authorised()), true),
        };
        assert!(is_done, "payment {n} of the suite");
        id
    }
}

#[async_trait]
impl TestSystem for Far {
    fn page_size(&self, _stream: &str) -> usize {
        self.page_size
    }

    async fn seed(&self, _stream: &str, count: usize, times: Times) -> Vec<String> {
        let now = self.clock.now();
        if times == Times::Late {
            // Within the overlap of five minutes.
            self.clock.set(now - Duration::from_secs(240));
        }
        let mut made = Vec::with_capacity(count);
        for _ in 0..count {
            if times == Times::Rising {
                self.later();
            }
            made.push(payment(&self.any(made.len())));
        }
        if times == Times::Late {
            self.clock.set(now);
        }
        made
    }

    async fn seed_bad(&self, _stream: &str) {
        self.later();
        self.sim.pay_partial(authorised(), "currency");
    }

    async fn seed_long(&self, _stream: &str) -> BTreeMap<String, usize> {
        let paid = NewPayment {
            customer: customer(),
            ..NewPayment::paid(5046, Currency::EUR)
        };
        let id = self.sim.pay(paid);
        for _ in 0..150 {
            self.later();
            self.sim.refund_by_hand(&id, Some(10)).unwrap();
        }
        BTreeMap::from([(payment(&id), 150)])
    }

    async fn seed_partial(&self, _stream: &str) -> usize {
        let fields = ["currency", "amount", "status", "livemode"];
        for field in fields {
            self.later();
            self.sim.pay_partial(authorised(), field);
        }
        fields.len()
    }

    async fn seed_at(&self, _stream: &str, at: DateTime<Utc>) -> Option<String> {
        self.clock.set(at);
        Some(payment(&self.sim.pay(authorised())))
    }

    async fn tell_again(&self, _stream: &str, identity: &str) {
        self.later();
        let id = identity.strip_prefix("payment:").unwrap();
        assert!(self.sim.tell_again(id), "{identity} is not there");
    }

    async fn batch(&self, op: Op) -> Call {
        sample_call(op)
    }

    async fn answer_batch(&self, _call: &Call, _refused: &ShipmentReference) -> String {
        String::new()
    }

    async fn call(&self, op: Op) -> Call {
        let id = self.sim.pay(authorised());
        let (order, there) = (ExternalId::from("order-1"), ExternalId::new(id.clone()));
        match op {
            Op::Capture => Call::Capture(CaptureCall {
                order,
                payment: there,
                provider: None,
                key: format!("capture:{id}:1"),
                amount: None,
                currency: Currency::EUR,
                expected_captured_total: 5046,
            }),
            Op::Void => Call::Void(VoidCall {
                order,
                payment: there,
                provider: None,
                key: format!("void:{id}:1"),
                amount: 5046,
                currency: Currency::EUR,
            }),
            Op::Refund => {
                assert!(self.sim.capture_by_hand(&id, None));
                Call::Refund(RefundCall {
                    order,
                    payment: there,
                    provider: None,
                    key: format!("refund:{id}:1"),
                    amount: 1046,
                    currency: Currency::EUR,
                    expected_refunded_total: 1046,
                    reason: Some("came broken".to_owned()),
                    lines: Vec::new(),
                })
            }
            other => sample_call(other),
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        let of = |id: &ExternalId| self.sim.payment(id.as_str()).unwrap();
        match call {
            Call::Capture(call) => of(&call.payment).captures.len(),
            Call::Void(call) => usize::from(of(&call.payment).is_cancelled()),
            Call::Refund(call) => of(&call.payment).refunded_as(&call.key),
            _ => 0,
        }
    }

    async fn by_staff(&self, call: &Call) -> bool {
        match call {
            Call::Refund(call) => {
                let there = call.payment.as_str();
                self.sim.refund_by_hand(there, Some(call.amount)).is_some()
            }
            _ => false,
        }
    }

    async fn hook(&self, _hook: &str, case: HookCase) -> Option<SentHook> {
        let id = self.sim.pay(authorised());
        let event = self.sim.last_event(&id)?;
        self.sim.hook(HOOK_SECRET, &event, case)
    }

    fn planted(&self) -> Vec<String> {
        [
            "hunter2",
            "hunter3",
            "hunter4",
            "taro@example.test",
            "Yamada",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn debug_texts(&self) -> Vec<String> {
        let table = serde_json::json!({ "secret": { "env": "K" } });
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        vec![
            format!("{secrets:?}"),
            format!("{:?}", crate::config::read(&table)),
        ]
    }
}
