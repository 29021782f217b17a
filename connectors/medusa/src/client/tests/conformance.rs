//! The SDK's conformance suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::conformance::{Bench, FarSide, Subject, Times, Waiver, run, sample_call};
use hikiate_sdk::faulty::FaultyTransport;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{
    Call, CancelOrderCall, CaptureCall, Currency, ExternalId, FulfilCall, LineKey, Op, Operations,
    ParcelTold, ShipCall, ShipmentReference, ShippedLine,
};

use super::support::{LOCATION, TOKEN, account, mugs, shop};
use crate::basic;
use crate::config::Settings;
use crate::sim::MedusaSim;

const PAGE: usize = 3;
const REFERENCE: &str = "HK0000000000001-S1";

struct Shop;

struct Far {
    sim: Arc<MedusaSim>,
    clock: SimClock,
}

#[async_trait]
impl Subject for Shop {
    fn name(&self) -> String {
        "medusa".to_owned()
    }

    fn waivers(&self) -> Vec<Waiver> {
        Vec::new()
    }

    async fn fresh(&self) -> Bench {
        let clock = SimClock::at("2026-11-21T10:00:00Z".parse().unwrap());
        // Without stock, so that the stock stream starts empty.
        let sim = Arc::new(MedusaSim::new(clock.clone(), TOKEN, Currency::EUR));
        let seam = Arc::new(
            FaultyTransport::new(sim.transport()).echoing(format!("{TOKEN} taro@example.test")),
        );
        let settings = Settings {
            page_size: PAGE,
            ..Settings::default()
        };
        Bench {
            connector: Arc::new(account(seam.clone(), settings)),
            far: Arc::new(Far { sim, clock }),
            seam,
        }
    }
}

#[async_trait]
impl FarSide for Far {
    fn page_size(&self, _stream: &str) -> usize {
        PAGE
    }

    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String> {
        let mut made = Vec::with_capacity(count);
        for n in 0..count {
            if times == Times::Rising {
                self.clock.advance(Duration::from_millis(1));
            }
            made.push(match stream {
                "orders" => self.sim.place_order(mugs()),
                _ => {
                    let sku = format!("SKU-{}-{n}", self.sim.requests());
                    self.sim.add_sku(&sku, LOCATION, 5);
                    format!("stock:{sku}@{LOCATION}")
                }
            });
        }
        made
    }

    async fn seed_bad(&self, stream: &str) {
        self.clock.advance(Duration::from_millis(1));
        match stream {
            "orders" => drop(self.sim.place_undecodable_order()),
            _ => self.sim.add_unreadable_sku("BAD", LOCATION),
        }
    }

    async fn call(&self, op: Op) -> Call {
        self.sim.add_sku("MUG", LOCATION, 100);
        let id = self.sim.place_order(mugs());
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
                let past = account(self.sim.transport(), Settings::default());
                past.send(Op::Fulfil, &past.prepare(&fulfil).unwrap())
                    .await
                    .unwrap();
                let parcels = vec![ParcelTold {
                    carrier: None,
                    tracking: Some("T-1".to_owned()),
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
                key: "capture:1".to_owned(),
                amount: None,
                currency: Currency::EUR,
                captured_after: memory.total,
            }),
            Op::CancelOrder => Call::CancelOrder(CancelOrderCall { order }),
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
            Call::CancelOrder(call) => usize::from(order(&call.order).cancelled),
            _ => 0,
        }
    }

    fn planted(&self) -> Vec<String> {
        [
            "hunter2",
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
        vec![
            format!("{:?}", crate::config::read(&table)),
            format!("{:?}", basic(&TOKEN.to_owned().into())),
        ]
    }
}

#[tokio::test]
async fn the_suite_passes() {
    let card = run(&Shop).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 80 && waived == 0, "{card}");
    assert!(shop(&SimClock::real(), Currency::EUR).orders().is_empty());
}
