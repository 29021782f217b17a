//! What the conformance suite checks: an account over a faulty transport to a shop of its own.

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
    AnnotateCall, Call, CancelOrderCall, CaptureCall, Currency, ExternalId, FulfilCall, HoldWhy,
    LineKey, Link, Op, Operations, Party, RefundCall, ShipCall, ShipmentReference, ShippedLine,
    ShippedParcel, ShownHold,
};
use secrecy::SecretString;

use super::{MedusaSim, NewOrder, SALES_CHANNEL, words};
use crate::config::Settings;
use crate::{Medusa, basic, site};

const PAGE: usize = 3;
const TOKEN: &str = "sk_hunter2";
const HOOK_SECRET: &str = "whsec_hunter3";
const LOCATION: &str = "sloc_01SIM";
const REFERENCE: &str = "HK0000000000001-S1";

/// Where the public document of 2.8 and a running shop (2.21.2, read with the same fields) differ.
const DEVIATIONS: &[(&str, &str)] = &[
    (".canceled_at is not documented", "seen live on every order"),
    (
        ".is_draft_order is not documented",
        "seen live on every order",
    ),
    (
        ".fulfillments[].items is not documented",
        "seen live; asked for by name",
    ),
    (
        ".fulfillments[].labels is not documented",
        "seen live; asked for by name",
    ),
    (
        "/fulfillments: request.location_id is required and absent",
        "seen live: without it the shop takes the shipping option's own place",
    ),
    (
        "/shipments: request.metadata is required and absent",
        "seen live: a shipment without it is accepted",
    ),
    (
        "/cancel: request: no body of application/json",
        "seen live: an empty object is accepted",
    ),
];

/// A shop in memory.
#[derive(Default)]
pub struct Shop {
    exchanges: Exchanges,
}

struct Far {
    sim: Arc<MedusaSim>,
    clock: SimClock,
    page_size: usize,
}

fn account(link: &Link, settings: Settings) -> Medusa {
    let token = SecretString::from(TOKEN.to_owned());
    let http = link.http(site("https://shop.example", token.into()));
    let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
    Medusa::new(http.unwrap(), settings).with_hook(secrets)
}

/// `lines` times two mugs at 12.50, and shipping at 4.90, 19 %.
fn mugs(lines: usize) -> NewOrder {
    NewOrder {
        lines: vec![("MUG".to_owned(), 2, "12.5".to_owned()); lines],
        shipping: "4.9".to_owned(),
        tax_percent: "19".to_owned(),
        provider_id: "pp_system_default".to_owned(),
        authorised: true,
        address: Some(Party {
            name: "Taro Yamada".to_owned(),
            country: "DE".to_owned(),
            city: "Hidden Town".to_owned(),
            ..Party::default()
        }),
        email: "taro@example.test".to_owned(),
        remarks: "leave at the secret door".to_owned(),
    }
}

#[async_trait]
impl Subject for Shop {
    fn name(&self) -> String {
        "medusa".to_owned()
    }

    fn waivers(&self) -> Vec<Waiver> {
        vec![Waiver::new(
            "time zones/stock",
            "the shop reports quantities as of the answer, without a time",
        )]
    }

    fn specification(&self) -> Option<Specification> {
        Some(Specification {
            document: "medusa/admin_v2.8.trimmed.json",
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

impl Shop {
    /// An account with pages of this many records.
    fn bench(&self, page_size: usize) -> Bench {
        let clock = SimClock::at("2026-11-21T10:00:00Z".parse().unwrap());
        // Without stock, so that the stock stream starts empty.
        let sim = Arc::new(MedusaSim::new(clock.clone(), TOKEN, Currency::EUR));
        let seam = Arc::new(
            FaultyTransport::new(self.exchanges.over(sim.transport()))
                .echoing(format!("{TOKEN} taro@example.test"))
                .speaking(words),
        );
        let link = Link::new(Clock::default()).over(seam.clone());
        let settings = Settings {
            page_size,
            sales_channel: Some(SALES_CHANNEL.to_owned()),
            ..Settings::default()
        };
        Bench {
            connector: Arc::new(account(&link, settings)),
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
        self.clock.advance(Duration::from_millis(1));
    }
}

#[async_trait]
impl TestSystem for Far {
    fn page_size(&self, _stream: &str) -> usize {
        self.page_size
    }

    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String> {
        let now = self.clock.now();
        if times == Times::Late {
            // Within the overlap of five minutes.
            self.clock.set(now - Duration::from_secs(240));
        }
        let mut made = Vec::with_capacity(count);
        for n in 0..count {
            if times == Times::Rising {
                self.later();
            }
            made.push(match stream {
                "orders" => self.sim.place_order(mugs(1)),
                _ => {
                    let sku = format!("SKU-{}-{n}", self.sim.requests());
                    self.sim.add_sku(&sku, LOCATION, 5);
                    format!("stock:{sku}@{LOCATION}")
                }
            });
        }
        if times == Times::Late {
            self.clock.set(now);
        }
        made
    }

    async fn seed_bad(&self, stream: &str) {
        self.later();
        match stream {
            "orders" => drop(self.sim.place_undecodable_order()),
            _ => self.sim.add_unreadable_sku("BAD", LOCATION),
        }
    }

    async fn seed_long(&self, stream: &str) -> BTreeMap<String, usize> {
        if stream == "orders" {
            return BTreeMap::from([(self.sim.place_order(mugs(150)), 150)]);
        }
        let place = |n| {
            let location = format!("sloc_{n:03}");
            self.sim.add_sku("MUG", &location, 5);
            (format!("stock:MUG@{location}"), 1)
        };
        (0..150).map(place).collect()
    }

    async fn seed_partial(&self, stream: &str) -> usize {
        if stream != "orders" {
            self.sim.add_partial_sku("PARTIAL", LOCATION);
            return 1;
        }
        let fields = [
            "currency_code",
            "created_at",
            "updated_at",
            "status",
            "total",
            "items",
        ];
        for field in fields {
            self.later();
            self.sim.place_partial_order(mugs(1), field);
        }
        fields.len()
    }

    async fn seed_excluded(&self, _stream: &str) -> Option<String> {
        let id = self.sim.place_order(mugs(1));
        self.sim.move_to_channel(&id, "sc_other").then_some(id)
    }

    async fn seed_at(&self, _stream: &str, at: DateTime<Utc>) -> Option<String> {
        self.clock.set(at);
        Some(self.sim.place_order(mugs(1)))
    }

    async fn tell_again(&self, stream: &str, identity: &str) {
        self.later();
        // Stock is told whole each time.
        if stream == "orders" {
            self.sim.touch_order(identity);
        }
    }

    async fn batch(&self, op: Op) -> Call {
        sample_call(op)
    }

    async fn answer_batch(&self, _call: &Call, _refused: &ShipmentReference) -> String {
        String::new()
    }

    async fn call(&self, op: Op) -> Call {
        self.sim.add_sku("MUG", LOCATION, 100);
        let id = self.sim.place_order(mugs(1));
        let order = ExternalId::new(id.clone());
        let memory = self.sim.order(&id).unwrap();
        let lines = vec![ShippedLine {
            line: LineKey::new(memory.lines[0].0.clone()),
            quantity: 2,
        }];
        let reference = ShipmentReference::from(REFERENCE);
        let fulfil = Call::Fulfil(FulfilCall {
            order: order.clone(),
            reference: reference.clone(),
            location: None,
            lines: lines.clone(),
        });
        match op {
            Op::Fulfil => fulfil,
            Op::Ship => {
                let past = Link::new(Clock::default()).over(self.sim.transport());
                let past = account(&past, Settings::default());
                past.send_one(Op::Fulfil, &past.prepare(&fulfil).unwrap())
                    .await
                    .unwrap();
                let parcels = vec![ShippedParcel {
                    carrier: None,
                    tracking: Some("T-1".to_owned()),
                    ..ShippedParcel::default()
                }];
                Call::Ship(ShipCall {
                    order,
                    reference,
                    lines,
                    parcels,
                })
            }
            Op::Capture => Call::Capture(CaptureCall {
                order,
                payment: ExternalId::new(memory.payment.unwrap()),
                provider: None,
                key: "capture:1".to_owned(),
                amount: None,
                currency: Currency::EUR,
                expected_captured_total: memory.total,
            }),
            Op::Refund => {
                assert!(self.sim.capture_by_staff(&id));
                Call::Refund(RefundCall {
                    order,
                    payment: ExternalId::new(memory.payment.unwrap()),
                    provider: None,
                    key: "refund:shop:shop:order:1".to_owned(),
                    amount: 1250,
                    currency: Currency::EUR,
                    expected_refunded_total: 1250,
                    reason: Some("came late".to_owned()),
                    lines: Vec::new(),
                })
            }
            Op::CancelOrder => Call::CancelOrder(CancelOrderCall { order }),
            Op::Annotate => Call::Annotate(AnnotateCall {
                order,
                holds: vec![ShownHold {
                    rule: "high-value".to_owned(),
                    why: HoldWhy::Rule,
                }],
            }),
            other => sample_call(other),
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        let order = |id: &ExternalId| self.sim.order(id.as_str()).unwrap();
        match call {
            Call::Fulfil(call) => order(&call.order).fulfilled_as(call.reference.as_str()),
            Call::Ship(call) => order(&call.order)
                .fulfilments
                .iter()
                .filter(|f| f.shipped && f.tracking == ["T-1"])
                .count(),
            Call::Capture(call) => order(&call.order).captures,
            Call::Refund(call) => {
                let refunds = order(&call.order).refunds;
                let ours = refunds
                    .iter()
                    .filter(|(_, note)| note.starts_with(&call.key));
                ours.count()
            }
            Call::CancelOrder(call) => usize::from(order(&call.order).cancelled),
            Call::Annotate(call) => {
                let order = order(&call.order);
                // What the customer wrote stays beside it.
                let kept = order.metadata.contains_key("remarks");
                usize::from(kept && order.note() == call.text().as_deref())
            }
            _ => 0,
        }
    }

    async fn by_staff(&self, call: &Call) -> bool {
        match call {
            Call::Refund(call) => self.sim.refund_by_staff(call.order.as_str(), call.amount),
            _ => false,
        }
    }

    async fn hook(&self, _hook: &str, case: HookCase) -> Option<SentHook> {
        let order = self.sim.place_order(mugs(1));
        Some(self.sim.hook(HOOK_SECRET, &order, case))
    }

    fn planted(&self) -> Vec<String> {
        [
            "hunter2",
            "hunter3",
            "taro@example.test",
            "Yamada",
            "Hidden Town",
            "secret door",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn debug_texts(&self) -> Vec<String> {
        let table = serde_json::json!({ "url": "https://shop.example", "token": { "env": "K" } });
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        vec![
            format!("{secrets:?}"),
            format!("{:?}", crate::config::read(&table)),
            format!("{:?}", basic(&TOKEN.to_owned().into())),
        ]
    }
}
