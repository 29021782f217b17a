//! The client against a real shop. Runs when `HIKIATE_LAB_MEDUSA` names the seed file of one (`url`, `secret_key`,
//! `location`) that has at least one order nobody has touched yet; otherwise it says that it was skipped.

use std::path::Path;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::sim::skipped;
use hikiate_sdk::{
    AccountConfig, AccountSlug, Call, CancelOrderCall, CaptureCall, ChannelState, Connector,
    ConnectorKind, ErrorClass, ExternalId, FulfilCall, Link, LookUp, Observed, Op, OrderSnapshot,
    Outcome, ShipCall, ShipmentReference, ShippedLine, ShippedParcel,
};
use serde_json::{Value, json};

use crate::MedusaKind;

async fn all(shop: &dyn Connector, stream: &str) -> Vec<Observed> {
    let (mut cursor, mut told) = (None, Vec::new());
    loop {
        let page = shop
            .source()
            .unwrap()
            .page(
                stream,
                cursor.as_ref(),
                hikiate_sdk::Here::at(hikiate_sdk::sim::SimClock::real().now()),
            )
            .await
            .unwrap();
        told.extend(
            page.records
                .into_iter()
                .map(|record| record.parsed.unwrap()),
        );
        if !page.more {
            return told;
        }
        cursor = Some(page.next);
    }
}

async fn read(shop: &dyn Connector, id: &ExternalId) -> OrderSnapshot {
    let records = shop
        .source()
        .unwrap()
        .read(
            hikiate_sdk::Kind::Order,
            &[ExternalId::from("order_nope"), id.clone()],
        )
        .await
        .unwrap();
    match records
        .into_iter()
        .map(|r| r.parsed)
        .collect::<Vec<_>>()
        .pop()
    {
        Some(Ok(Observed::Order(order, _))) => *order,
        other => panic!("{other:?}"),
    }
}

/// Looked up before and after, sent twice.
async fn once(shop: &dyn Connector, call: &Call) {
    let (ops, op) = (shop.operations().unwrap(), call.op());
    let prepared = ops.prepare(call).unwrap();
    assert_eq!(
        ops.look_up_one(op, &prepared).await.unwrap(),
        LookUp::NotFound,
        "{op}"
    );
    let first = ops.send_one(op, &prepared).await.unwrap();
    assert!(
        matches!(first, Outcome::Done { id: Some(_), .. }),
        "{op}: {first:?}"
    );
    assert_eq!(
        ops.look_up_one(op, &prepared).await.unwrap(),
        LookUp::Found(first.clone()),
        "{op}"
    );
    assert_eq!(ops.send_one(op, &prepared).await.unwrap(), first, "{op}");
}

fn fresh(order: &OrderSnapshot) -> bool {
    order.state == ChannelState::Open
        && order.fulfilments.is_empty()
        && order
            .tenders
            .iter()
            .any(|t| t.authorised > 0 && t.captured == 0 && !t.cancelled)
}

fn seed() -> Option<Value> {
    let Ok(path) = std::env::var("HIKIATE_LAB_MEDUSA") else {
        let test = "a_real_shop_is_carried_from_the_order_to_the_capture";
        skipped(
            test,
            "HIKIATE_LAB_MEDUSA names no seed file of a running shop",
        );
        return None;
    };
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

#[tokio::test]
async fn a_real_shop_is_carried_from_the_order_to_the_capture() {
    let Some(seed) = seed() else { return };
    let key = std::env::temp_dir().join(format!("hikiate-lab-key-{}", std::process::id()));
    std::fs::write(&key, seed["secret_key"].as_str().unwrap()).unwrap();
    let account = |table: Value| {
        let slug = AccountSlug::from("lab");
        let config = AccountConfig {
            slug: &slug,
            settings: &table,
            base_dir: Path::new("/"),
            timezone: "UTC",
            link: &Link::new(Clock::default()),
        };
        MedusaKind
            .build(&config)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    let shop = account(
        json!({ "url": seed["url"], "token": { "file": key }, "page_size": 2, "interval": "1s" }),
    );
    let orders: Vec<OrderSnapshot> = all(&*shop, "orders")
        .await
        .into_iter()
        .filter_map(|o| match o {
            Observed::Order(order, _) => Some(*order),
            _ => None,
        })
        .collect();
    for order in &orders {
        assert_eq!(
            order.charges.iter().filter_map(|c| c.gross).sum::<i64>(),
            order.total.unwrap(),
            "{}",
            order.display
        );
    }
    let stock = all(&*shop, "stock").await;
    assert!(stock.iter().any(
        |s| matches!(s, Observed::Stock(l) if l.location.as_deref() == seed["location"].as_str())
    ));

    let order = orders
        .iter()
        .find(|order| fresh(order))
        .unwrap_or_else(|| panic!("no order left: place one"));
    assert_eq!((order.total, order.charges.len()), (Some(5046), 3));
    let location = seed["location"].as_str().map(str::to_owned);
    for (n, line) in order.lines.iter().enumerate() {
        let reference = ShipmentReference::new(format!("HK-LAB-S{n}"));
        let lines = vec![ShippedLine {
            line: line.key.clone(),
            quantity: line.quantity,
        }];
        let id = order.external_id.clone();
        let parcels = vec![ShippedParcel {
            carrier: Some("Yamato".to_owned()),
            tracking: Some(format!("4000-{n}")),
            ..ShippedParcel::default()
        }];
        once(
            &*shop,
            &Call::Fulfil(FulfilCall {
                order: id.clone(),
                reference: reference.clone(),
                location: location.clone(),
                lines: lines.clone(),
            }),
        )
        .await;
        once(
            &*shop,
            &Call::Ship(ShipCall {
                order: id,
                reference,
                lines,
                parcels,
            }),
        )
        .await;
    }
    let tender = &order.tenders[0];
    let capture = |amount, expected_captured_total| {
        Call::Capture(CaptureCall {
            order: order.external_id.clone(),
            payment: tender.key.clone(),
            provider: None,
            key: "lab".to_owned(),
            amount,
            currency: order.currency,
            expected_captured_total,
        })
    };
    once(&*shop, &capture(Some(2000), 2000)).await;
    once(&*shop, &capture(None, 5046)).await;
    let after = read(&*shop, &order.external_id).await;
    assert_eq!(after.tenders[0].captured, 5046);
    let shipped: Vec<_> = after
        .fulfilments
        .iter()
        .map(|f| (f.reference.as_deref(), f.shipped(), f.tracking.len()))
        .collect();
    assert_eq!(
        shipped,
        [(Some("HK-LAB-S0"), true, 1), (Some("HK-LAB-S1"), true, 1)]
    );

    let ops = shop.operations().unwrap();
    let cancel = ops
        .prepare(&Call::CancelOrder(CancelOrderCall {
            order: order.external_id.clone(),
        }))
        .unwrap();
    let refused = ops.send_one(Op::CancelOrder, &cancel).await.unwrap_err();
    assert_eq!(
        (refused.class, refused.code.as_deref()),
        (ErrorClass::Rejected, Some("not_allowed")),
        "{refused}"
    );
    if let Some(other) = orders
        .iter()
        .find(|o| fresh(o) && o.external_id != order.external_id)
    {
        once(
            &*shop,
            &Call::CancelOrder(CancelOrderCall {
                order: other.external_id.clone(),
            }),
        )
        .await;
        assert!(matches!(
            read(&*shop, &other.external_id).await.state,
            ChannelState::Cancelled { .. }
        ));
    }

    std::fs::write(&key, "sk_wrong").unwrap();
    let stranger = account(json!({ "url": seed["url"], "token": { "file": key } }));
    let denied = stranger
        .source()
        .unwrap()
        .page(
            "orders",
            None,
            hikiate_sdk::Here::at(hikiate_sdk::sim::SimClock::real().now()),
        )
        .await
        .unwrap_err();
    assert_eq!(denied.class, ErrorClass::Auth, "{denied}");
    std::fs::remove_file(&key).unwrap();
}
