//! What a Medusa shop answers, through the connector's own stream and look-up.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_medusa::{Medusa, Settings, site};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::{Connector, Kind, Link, Op, Prepared, Source};
use secrecy::SecretString;

use super::wait;

/// Answers everything with the same bytes.
struct Parrot {
    status: u16,
    body: Vec<u8>,
}

#[async_trait]
impl Transport for Parrot {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        Ok(Response {
            status: self.status,
            headers: Vec::new(),
            body: self.body.clone(),
        })
    }
}

fn medusa(status: u16, body: &[u8]) -> Medusa {
    let body = body.to_vec();
    let link = Link::new(Clock::default()).over(Arc::new(Parrot { status, body }));
    let token = SecretString::from("sk_parrot").into();
    let http = link.http(site("https://shop.example", token));
    Medusa::new(http.expect("the address is good"), Settings::default())
}

/// When every page is asked for.
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_nanos(1_795_000_000_000_000_000)
}

/// A page of orders, of stock, or the orders of a few ids; twice, the second time after the first's cursor.
pub(super) fn page(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let medusa = medusa(200, body);
    let records = if choice % 3 == 2 {
        wait(medusa.read(Kind::Order, &["order_1".into()])).unwrap_or_default()
    } else {
        let stream = if choice % 3 == 0 { "orders" } else { "stock" };
        match wait(medusa.page(stream, None, hikiate_sdk::Here::at(now()))) {
            Ok(page) => {
                let _any =
                    wait(medusa.page(stream, Some(&page.next), hikiate_sdk::Here::at(now())));
                page.records
            }
            Err(error) => {
                assert!(error.message.len() < 2000, "{}", error.message);
                Vec::new()
            }
        }
    };
    let size: usize = records.iter().map(|record| record.raw.len()).sum();
    // Stock records keep their item's bytes for each of its places.
    assert!(records.len() <= body.len(), "{} records", records.len());
    assert!(
        choice % 3 == 1 || size <= body.len(),
        "{size} bytes of records"
    );
    for record in &records {
        if let Err(bad) = &record.parsed {
            assert!(
                bad.reason.len() < 4000,
                "a reason of {} bytes",
                bad.reason.len()
            );
        }
    }
}

/// The answer to a write and to a look-up.
pub(super) fn answer(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let status = [200, 201, 400, 404, 409, 422, 429, 500][usize::from(choice % 8)];
    let medusa = medusa(status, body);
    let operations = medusa.operations().unwrap();
    let ops = [Op::Capture, Op::Fulfil, Op::Ship, Op::CancelOrder];
    let op = ops[usize::from(choice / 8 % 4)];
    let prepared = prepared(operations, op);
    if let Err(error) = wait(operations.look_up_one(op, &prepared)) {
        assert!(error.message.len() < 2000, "{}", error.message);
    }
    if let Err(error) = wait(operations.send_one(op, &prepared)) {
        assert!(error.message.len() < 2000, "{}", error.message);
    }
}

fn prepared(operations: &dyn hikiate_sdk::Operations, op: Op) -> Prepared {
    use hikiate_sdk::{
        Call, CancelOrderCall, CaptureCall, Currency, FulfilCall, ShipCall, ShippedLine,
        ShippedParcel,
    };
    let line = ShippedLine {
        line: "item_1".into(),
        quantity: 1,
    };
    let call = match op {
        Op::Capture => Call::Capture(CaptureCall {
            order: "order_1".into(),
            payment: "pay_1".into(),
            provider: None,
            key: "capture:shop:shop:order_1:1".to_owned(),
            amount: Some(100),
            currency: Currency::JPY,
            expected_captured_total: 100,
        }),
        Op::Fulfil => Call::Fulfil(FulfilCall {
            order: "order_1".into(),
            reference: "HK0123456789ABC-S1".into(),
            location: Some("sloc_1".to_owned()),
            lines: vec![line],
        }),
        Op::Ship => Call::Ship(ShipCall {
            order: "order_1".into(),
            reference: "HK0123456789ABC-S1".into(),
            lines: vec![line],
            parcels: vec![ShippedParcel {
                carrier: Some("yamato".to_owned()),
                tracking: Some("T1".to_owned()),
                ..ShippedParcel::default()
            }],
        }),
        _ => Call::CancelOrder(CancelOrderCall {
            order: "order_1".into(),
        }),
    };
    operations.prepare(&call).unwrap()
}

/// A page after any cursor.
pub(super) fn after(cursor: &serde_json::Value, choice: u8) {
    let empty = br#"{"orders":[],"inventory_items":[],"count":3,"offset":0,"limit":50}"#;
    let stream = if choice % 4 < 2 { "orders" } else { "stock" };
    drop(wait(medusa(200, empty).page(
        stream,
        Some(cursor),
        hikiate_sdk::Here::at(now()),
    )));
}
