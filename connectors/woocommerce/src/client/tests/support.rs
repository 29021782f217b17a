//! A shop to test with.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::budget::Clock;
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{
    Call, CancelOrderCall, Currency, Error, ExternalId, Here, Kind, LineKey, Link, LookUp,
    Observed, Op, Operations, OrderSnapshot, Outcome, Party, RecordRefundCall, RefundedLine,
    ShipCall, ShipmentReference, ShippedLine, ShippedParcel, Source,
};
use secrecy::SecretString;

use crate::config::Settings;
use crate::sim::{NewOrder, OrderMemory, WooSim};
use crate::{WooCommerce, site};

pub(super) const KEY: &str = "ck_hunter2";
pub(super) const SECRET: &str = "cs_hunter3";

pub(super) fn at(text: &str) -> SimClock {
    SimClock::at(text.parse().unwrap())
}

pub(super) fn shop(clock: &SimClock, currency: Currency) -> Arc<WooSim> {
    Arc::new(WooSim::new(clock.clone(), KEY, SECRET, currency))
}

pub(super) fn account(transport: Arc<dyn Transport>, settings: Settings) -> WooCommerce {
    let secret = |text: &str| SecretString::from(text.to_owned()).into();
    let link = Link::new(Clock::default()).over(transport);
    let http = link.http(site("https://shop.example", secret(KEY), secret(SECRET)));
    WooCommerce::new(http.unwrap(), settings)
}

/// Two mugs at 1,100 and a tea at 540, postage 550, 10 % in them: 3,290 yen.
pub(super) fn basket() -> NewOrder {
    NewOrder {
        lines: vec![
            ("MUG".to_owned(), 2, "1100".to_owned()),
            ("TEA".to_owned(), 1, "540".to_owned()),
        ],
        shipping: "550".to_owned(),
        tax_percent: "10".to_owned(),
        prices_include_tax: true,
        payment_method: "bacs".to_owned(),
        transaction_id: String::new(),
        status: "processing".to_owned(),
        address: Some(Party {
            name: "山田 太郎".to_owned(),
            country: "JP".to_owned(),
            ..Party::default()
        }),
        email: "taro@example.test".to_owned(),
        customer_note: String::new(),
    }
}

/// A way on which other calls come between, as on a real one.
struct Crowded(Arc<dyn Transport>);

#[async_trait]
impl Transport for Crowded {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        tokio::task::yield_now().await;
        let answer = self.0.send(request).await;
        tokio::task::yield_now().await;
        answer
    }
}

/// A shop with one order, and an account of it.
pub(super) struct World {
    pub(super) sim: Arc<WooSim>,
    pub(super) woo: WooCommerce,
    pub(super) order: String,
}

impl World {
    pub(super) fn new(fulfilments: bool, settings: Settings) -> Self {
        let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
        sim.offer_fulfilments(fulfilments);
        let order = sim.place_order(basket());
        Self {
            woo: account(Arc::new(Crowded(sim.transport())), settings),
            sim,
            order,
        }
    }

    pub(super) fn memory(&self) -> OrderMemory {
        self.sim.order(&self.order).unwrap()
    }

    pub(super) fn line(&self, n: usize) -> String {
        self.memory().lines[n].0.clone()
    }

    pub(super) fn ship(&self, reference: &str, units: &[(usize, u32)], tracking: &[&str]) -> Call {
        let lines = units.iter().map(|(n, quantity)| ShippedLine {
            line: LineKey::new(self.line(*n)),
            quantity: *quantity,
        });
        let parcels = tracking.iter().map(|number| ShippedParcel {
            carrier: Some("Yamato".to_owned()),
            tracking: Some((*number).to_owned()),
            shipped_at: Some("2026-11-21T06:00:00Z".parse().unwrap()),
            ..ShippedParcel::default()
        });
        Call::Ship(ShipCall {
            order: ExternalId::new(self.order.clone()),
            reference: ShipmentReference::from(reference),
            lines: lines.collect(),
            parcels: parcels.collect(),
        })
    }

    pub(super) fn refund(
        &self,
        key: &str,
        amount: i64,
        expected: i64,
        lines: &[(usize, u32, i64)],
    ) -> Call {
        let lines = lines.iter().map(|(n, quantity, amount)| RefundedLine {
            line: LineKey::new(self.line(*n)),
            quantity: *quantity,
            amount: *amount,
        });
        Call::RecordRefund(RecordRefundCall {
            order: ExternalId::new(self.order.clone()),
            key: key.to_owned(),
            amount,
            currency: Currency::JPY,
            expected_refunded_total: expected,
            reason: Some("damaged".to_owned()),
            lines: lines.collect(),
        })
    }

    pub(super) fn cancel(&self) -> Call {
        Call::CancelOrder(CancelOrderCall {
            order: ExternalId::new(self.order.clone()),
        })
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Outcome, Error> {
        self.woo
            .send_one(call.op(), &self.woo.prepare(call).unwrap())
            .await
    }

    pub(super) async fn look(&self, call: &Call) -> LookUp {
        let prepared = self.woo.prepare(call).unwrap();
        self.woo.look_up_one(call.op(), &prepared).await.unwrap()
    }

    /// The order as it is read by its id; `None` where it is absent.
    pub(super) async fn read(&self) -> Option<OrderSnapshot> {
        by_id(&self.woo, &self.order).await
    }
}

pub(super) async fn by_id(woo: &WooCommerce, id: &str) -> Option<OrderSnapshot> {
    let ids = [ExternalId::from(id)];
    let records = woo.read(Kind::Order, &ids).await.unwrap();
    let first = records.into_iter().next()?;
    match first.parsed.unwrap() {
        Observed::Order(order, _) => Some(*order),
        _ => None,
    }
}

/// Reads the orders to the end at a time, from a cursor on: their ids as they come, and the cursor after them.
pub(super) async fn drain(
    woo: &WooCommerce,
    cursor: Option<serde_json::Value>,
    now: &SimClock,
    mut between: impl FnMut(usize),
) -> (Vec<String>, serde_json::Value) {
    let (mut ids, mut cursor) = (Vec::new(), cursor);
    for n in 0..200 {
        let here = Here::at(now.now());
        let page = woo.page("orders", cursor.as_ref(), here).await.unwrap();
        for record in &page.records {
            if let Ok(Observed::Order(order, _)) = &record.parsed {
                ids.push(order.external_id.to_string());
            }
        }
        cursor = Some(page.next);
        if !page.more {
            break;
        }
        between(n);
    }
    (ids, cursor.unwrap())
}

pub(super) fn done(outcome: &Result<Outcome, Error>) -> bool {
    matches!(outcome, Ok(Outcome::Done { .. }))
}

pub(super) const OPS: [Op; 4] = [Op::Ship, Op::CancelOrder, Op::RecordRefund, Op::Annotate];
