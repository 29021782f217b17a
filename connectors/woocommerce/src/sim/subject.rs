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
    AnnotateCall, Call, CancelOrderCall, Currency, ExternalId, HoldWhy, LineKey, Link, Op, Party,
    RecordRefundCall, RefundedLine, ShipCall, ShipmentReference, ShippedLine, ShippedParcel,
    ShownHold,
};
use secrecy::SecretString;

use super::{NewOrder, WooSim, words};
use crate::config::{Fulfilments, Settings};
use crate::login::basic;
use crate::map::SHIPPED;
use crate::{WooCommerce, site};

const PAGE: usize = 3;
const KEY: &str = "ck_hunter2";
const SECRET: &str = "cs_hunter3";
const HOOK_SECRET: &str = "whsec_hunter4";
const REFERENCE: &str = "HK0000000000001-S1";
const REFUND: &str = "record_refund:HK0000000000001:1";

/// A shop in memory.
pub struct Shop {
    fulfilments: bool,
    exchanges: Exchanges,
}

struct Far {
    sim: Arc<WooSim>,
    clock: SimClock,
    fulfilments: bool,
    page_size: usize,
}

impl Shop {
    /// One that has fulfilments.
    #[must_use]
    pub fn with_fulfilments() -> Self {
        Self {
            fulfilments: true,
            exchanges: Exchanges::default(),
        }
    }

    /// One that has none, where an order is completed once all of it is reported.
    #[must_use]
    pub fn with_notes() -> Self {
        Self {
            fulfilments: false,
            exchanges: Exchanges::default(),
        }
    }

    /// What went over its wire.
    #[must_use]
    pub fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }
}

fn account(link: &Link, settings: Settings) -> WooCommerce {
    let secret = |text: &str| SecretString::from(text.to_owned()).into();
    let http = link.http(site("https://shop.example", secret(KEY), secret(SECRET)));
    let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
    WooCommerce::new(http.unwrap(), settings).with_hook(secrets)
}

/// `lines` times two mugs at 12.50, and shipping at 4.90, 19 % in them.
fn mugs(lines: usize) -> NewOrder {
    NewOrder {
        lines: vec![("MUG".to_owned(), 2, "12.5".to_owned()); lines],
        shipping: "4.9".to_owned(),
        tax_percent: "19".to_owned(),
        prices_include_tax: true,
        payment_method: "bacs".to_owned(),
        transaction_id: String::new(),
        status: "processing".to_owned(),
        address: Some(Party {
            name: "Taro Yamada".to_owned(),
            country: "DE".to_owned(),
            city: "Hidden Town".to_owned(),
            ..Party::default()
        }),
        email: "taro@example.test".to_owned(),
        customer_note: "leave at the secret door".to_owned(),
    }
}

#[async_trait]
impl Subject for Shop {
    fn name(&self) -> String {
        if self.fulfilments {
            "woocommerce with fulfilments".to_owned()
        } else {
            "woocommerce with notes".to_owned()
        }
    }

    fn waivers(&self) -> Vec<Waiver> {
        vec![
            Waiver::new(
                "time zones/stock",
                "the shop reports quantities as of the answer, without a time",
            ),
            Waiver::new(
                "hook, old/orders",
                "the shop signs no time: an old webhook that comes again makes an order due once more",
            ),
        ]
    }

    /// The public document is no OpenAPI; the connector's own contract tests compare with it.
    fn specification(&self) -> Option<Specification> {
        None
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
        let sim = Arc::new(WooSim::new(clock.clone(), KEY, SECRET, Currency::EUR));
        sim.offer_fulfilments(self.fulfilments);
        let login = basic(&KEY.to_owned().into(), &SECRET.to_owned().into());
        let login = secrecy::ExposeSecret::expose_secret(&login).to_owned();
        let seam = Arc::new(
            FaultyTransport::new(self.exchanges.over(sim.transport()))
                .echoing(format!("{KEY} {SECRET} {login} taro@example.test"))
                .speaking(words),
        );
        let link = Link::new(Clock::default()).over(seam.clone());
        let settings = Settings {
            page_size,
            fulfilments: Fulfilments::Auto,
            complete_when_shipped: !self.fulfilments,
            ..Settings::default()
        };
        Bench {
            connector: Arc::new(account(&link, settings)),
            far: Arc::new(Far {
                sim,
                clock,
                page_size,
                fulfilments: self.fulfilments,
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
            made.push(if stream == "orders" {
                self.sim.place_order(mugs(1))
            } else {
                let sku = format!("SKU-{}-{n}", self.sim.requests());
                self.sim.add_product(&sku, 5);
                format!("stock:{sku}@")
            });
        }
        if times == Times::Late {
            self.clock.set(now);
        }
        made
    }

    async fn seed_bad(&self, stream: &str) {
        self.later();
        if stream == "orders" {
            self.sim.place_partial_order(mugs(1), "currency");
        } else {
            self.sim.add_unreadable_product("BAD");
        }
    }

    async fn seed_long(&self, stream: &str) -> BTreeMap<String, usize> {
        if stream == "orders" {
            return BTreeMap::from([(self.sim.place_order(mugs(150)), 150)]);
        }
        let names: Vec<String> = (0..150).map(|n| format!("SHIRT-{n:03}")).collect();
        let variations: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 5)).collect();
        self.sim.add_variable_product("SHIRT", &variations);
        names
            .iter()
            .map(|name| (format!("stock:{name}@"), 1))
            .collect()
    }

    async fn seed_partial(&self, stream: &str) -> usize {
        if stream != "orders" {
            self.sim.add_partial_product("PARTIAL");
            return 1;
        }
        let fields = [
            "currency",
            "date_created_gmt",
            "date_modified_gmt",
            "status",
            "total",
            "line_items",
        ];
        for field in fields {
            self.later();
            self.sim.place_partial_order(mugs(1), field);
        }
        fields.len()
    }

    async fn seed_excluded(&self, _stream: &str) -> Option<String> {
        let draft = NewOrder {
            status: "checkout-draft".to_owned(),
            ..mugs(1)
        };
        Some(self.sim.place_order(draft))
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
        let id = self.sim.place_order(mugs(1));
        let order = ExternalId::new(id.clone());
        let line = LineKey::new(self.sim.order(&id).unwrap().lines[0].0.clone());
        match op {
            Op::Ship => Call::Ship(ShipCall {
                order,
                reference: ShipmentReference::from(REFERENCE),
                lines: vec![ShippedLine { line, quantity: 2 }],
                parcels: vec![ShippedParcel {
                    carrier: Some("DHL".to_owned()),
                    tracking: Some("T-1".to_owned()),
                    shipped_at: Some(self.clock.now()),
                    ..ShippedParcel::default()
                }],
            }),
            Op::CancelOrder => Call::CancelOrder(CancelOrderCall { order }),
            Op::RecordRefund => Call::RecordRefund(RecordRefundCall {
                order,
                key: REFUND.to_owned(),
                amount: 1250,
                currency: Currency::EUR,
                expected_refunded_total: 1250,
                reason: Some("damaged".to_owned()),
                lines: vec![RefundedLine {
                    line,
                    quantity: 1,
                    amount: 1250,
                }],
            }),
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

    /// Without fulfilments a shipment is a key of the order's metadata, then a note, then the status.
    fn writes(&self, op: Op) -> usize {
        if op == Op::Ship && !self.fulfilments {
            3
        } else {
            1
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        let order = |id: &ExternalId| self.sim.order(id.as_str()).unwrap();
        match call {
            Call::Ship(call) => {
                let order = order(&call.order);
                let reference = call.reference.as_str();
                let whole = self.fulfilments
                    || order.status == "completed"
                        && order.meta.contains_key(&format!("{SHIPPED}{reference}"));
                if whole {
                    order.reported_as(reference)
                } else {
                    0
                }
            }
            Call::CancelOrder(call) => usize::from(order(&call.order).status == "cancelled"),
            Call::RecordRefund(call) => {
                let order = order(&call.order);
                let paid_twice = order.refunds.iter().any(|r| r.moved_money || r.restocked);
                if paid_twice {
                    usize::MAX
                } else {
                    order.refunded_as(&call.key)
                }
            }
            Call::Annotate(call) => {
                usize::from(order(&call.order).note() == call.text().as_deref())
            }
            _ => 0,
        }
    }

    async fn by_staff(&self, call: &Call) -> bool {
        match call {
            Call::RecordRefund(call) => {
                let made = self.sim.refund_by_staff(call.order.as_str(), call.amount);
                made.is_some()
            }
            _ => false,
        }
    }

    async fn hook(&self, _hook: &str, case: HookCase) -> Option<SentHook> {
        let order = self.sim.place_order(mugs(1));
        Some(self.sim.hook(HOOK_SECRET, &order, case))
    }

    fn planted(&self) -> Vec<String> {
        let login = basic(&KEY.to_owned().into(), &SECRET.to_owned().into());
        let login = secrecy::ExposeSecret::expose_secret(&login).to_owned();
        let mut planted = [
            "hunter2",
            "hunter3",
            "hunter4",
            "taro@example.test",
            "Yamada",
            "Hidden Town",
            "secret door",
        ]
        .map(str::to_owned)
        .to_vec();
        planted.push(login.trim_start_matches("Basic ").to_owned());
        planted
    }

    fn debug_texts(&self) -> Vec<String> {
        let table = serde_json::json!({
            "url": "https://shop.example", "key": { "env": "K" }, "secret": { "env": "S" },
        });
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        vec![
            format!("{secrets:?}"),
            format!("{:?}", crate::config::read(&table)),
            format!(
                "{:?}",
                basic(&KEY.to_owned().into(), &SECRET.to_owned().into())
            ),
        ]
    }
}
