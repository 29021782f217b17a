//! What the shop shows as packed and shipped.

use hikiate_sdk::ChannelFulfilment;
use serde_json::{Value, json};

use super::{bundle, order, order_record, read};
use crate::config::Settings;

fn meta(pairs: &[(&str, Value)]) -> Value {
    let pairs = pairs.iter().enumerate();
    pairs
        .map(|(n, (key, value))| json!({ "id": n, "key": key, "value": value }))
        .collect()
}

fn told(meta: Value, fulfilled: bool) -> Vec<ChannelFulfilment> {
    let fulfilment = json!({
        "id": 55, "entity_type": "WC_Order", "entity_id": "727", "status": "fulfilled", "is_fulfilled": fulfilled,
        "date_updated": "2026-11-22 00:30:00", "date_deleted": null, "meta_data": meta,
    });
    read(&json!({ "order": order(), "fulfillments": [fulfilment] }))
        .0
        .fulfilments
}

#[test]
fn a_fulfilment_is_dated_by_the_clock_of_the_shops_zone() {
    let items = json!([{ "item_id": 316, "qty": 1 }, { "item_id": 315, "qty": 2 }]);
    let all = told(
        meta(&[
            ("_items", items),
            ("hikiate_ref", json!("HK1-S1")),
            ("_tracking_number", json!("T1, T2")),
            ("_date_fulfilled", json!("2026-11-22 00:10:00")),
        ]),
        true,
    );
    let [one] = all.as_slice() else {
        return assert_eq!(all.len(), 1);
    };
    assert_eq!(
        (one.key.as_str(), one.reference.as_deref()),
        ("55", Some("HK1-S1"))
    );
    // The order says that the shop is nine hours ahead.
    let at = one.shipped_at.map(|at| at.to_rfc3339());
    assert_eq!(at.as_deref(), Some("2026-11-21T15:10:00+00:00"));
    assert_eq!(one.tracking, ["T1", "T2"]);
    let lines: Vec<_> = one.lines.iter().map(|(l, n)| (l.as_str(), *n)).collect();
    assert_eq!(lines, [("315", 2), ("316", 1)]);
    assert_eq!((one.location.as_deref(), one.cancelled_at), (None, None));
}

#[test]
fn one_by_hand_has_no_reference_and_a_packed_one_no_time() {
    let packed = told(
        meta(&[("_items", json!([{ "item_id": "315", "qty": "1" }]))]),
        false,
    );
    assert_eq!(
        (packed[0].reference.clone(), packed[0].shipped_at),
        (None, None)
    );
    let left = told(
        meta(&[("_items", json!([{ "item_id": 315, "qty": 1 }]))]),
        true,
    );
    let at = left[0].shipped_at.map(|at| at.to_rfc3339());
    assert_eq!(
        at.as_deref(),
        Some("2026-11-21T15:30:00+00:00"),
        "when it was changed last"
    );
    let as_text = told(
        meta(&[("_items", json!(r#"[{"item_id":315,"qty":1}]"#))]),
        true,
    );
    assert_eq!(as_text[0].lines, left[0].lines);
}

#[test]
fn a_fulfilment_that_cannot_be_read_is_a_bad_record() {
    let fulfilment = json!({ "id": 55, "is_fulfilled": true, "meta_data": meta(&[("_items", json!([{ "sku": "MUG" }]))]) });
    let bundle = json!({ "order": order(), "fulfillments": [fulfilment] });
    let bad = order_record(&bundle.to_string(), &Settings::default()).parsed;
    assert!(bad.is_err_and(|bad| bad.reason.contains("_items")));
}

#[test]
fn what_hikiate_wrote_into_the_order_is_a_shipment_of_ours() {
    let written =
        r#"{"lines":[{"line":"315","quantity":2}],"tracking":["T1"],"at":"2026-11-21T15:10:00Z"}"#;
    let mut order = order();
    order["meta_data"] = meta(&[
        ("_hikiate_shipped_HK1-S1", json!(written)),
        ("_hikiate_shipped_HK1-S2", json!("somebody was here")),
    ]);
    let (read_alone, _) = read(&bundle(&order));
    let [one] = read_alone.fulfilments.as_slice() else {
        return assert_eq!(
            read_alone.fulfilments.len(),
            1,
            "a damaged one shows nothing"
        );
    };
    assert_eq!(one.reference.as_deref(), Some("HK1-S1"));
    assert_eq!(one.tracking, ["T1"]);
    assert_eq!(one.shipped_at.map(|at| at.timestamp()), Some(1_795_273_800));
    // Reported both ways it is one.
    let same = json!({ "id": 55, "is_fulfilled": true, "meta_data": meta(&[
        ("_items", json!([{ "item_id": 315, "qty": 2 }])), ("hikiate_ref", json!("HK1-S1")),
    ]) });
    let (both, _) = read(&json!({ "order": order, "fulfillments": [same] }));
    assert_eq!(both.fulfilments.len(), 1);
    assert_eq!(both.fulfilments[0].key.as_str(), "55");
}
