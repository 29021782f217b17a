//! What the shop's staff leave on an order.

use hikiate_sdk::{ChannelGate, ChannelState, ChargeKind, FulfilledBy, Observed};
use serde_json::{Value, json};

use super::{order, read, with};
use crate::config::{Settings, TestMark};
use crate::map::order_record;

#[test]
fn a_cancel_is_seen_through_an_archived_or_completed_order() {
    let cancelled = "2026-11-21T22:51:14.051Z";
    for status in ["canceled", "archived", "completed"] {
        let (order, _) = with(|o| {
            o["status"] = json!(status);
            o["canceled_at"] = json!(cancelled);
        });
        let at = cancelled.parse().unwrap();
        assert_eq!(
            (order.state, order.gate),
            (ChannelState::Cancelled { at }, ChannelGate::Closed),
            "{status}"
        );
    }
}

#[test]
fn a_negative_line_without_a_code_is_a_discount_that_nobody_ships() {
    let discount = |sku: Value| {
        let (order, _) = with(|o| {
            let items = o["items"].as_array_mut().unwrap();
            items.push(json!({
                "id": "ordli_3", "title": "Discount", "variant_sku": sku, "quantity": 1, "unit_price": -3, "total": -3.57,
                "tax_total": -0.57, "tax_lines": [{ "rate": 19 }], "detail": { "quantity": 1, "fulfilled_quantity": 0 },
            }));
            o["total"] = json!(46.886);
        });
        let line = order.lines[2].clone();
        let charge = order.charges[2].clone();
        let sum: i64 = order.charges.iter().filter_map(|c| c.gross).sum();
        assert_eq!(order.total, Some(sum));
        (
            line.by,
            line.unit_price,
            charge.kind,
            charge.gross,
            charge.tax,
        )
    };
    let nobody = (
        FulfilledBy::Nobody,
        Some(-357),
        ChargeKind::Discount,
        Some(-357),
        Some(-57),
    );
    assert_eq!(discount(Value::Null), nobody);
    assert_eq!(discount(json!("")), nobody);
    // With a code it is a thing that somebody sold below zero; an operator has to look at that.
    let coded = discount(json!("MUG-RED"));
    assert_eq!((coded.0, coded.2), (FulfilledBy::Us, ChargeKind::Goods));
}

#[test]
fn a_line_of_nothing_is_told_with_nothing() {
    let (order, _) = with(|o| {
        o["items"] = json!([{
            "id": "ordli_1", "title": "Mug", "variant_sku": "MUG-RED", "requires_shipping": true, "quantity": 0,
            "total": 0, "tax_total": 0, "tax_lines": [{ "rate": 19 }], "detail": { "quantity": 0, "fulfilled_quantity": 0 },
        }]);
        o["shipping_methods"] = json!([]);
        o["payment_collections"] = json!([]);
        o["total"] = json!(0);
    });
    let line = &order.lines[0];
    assert_eq!(
        (line.quantity, line.unit_price, line.ours()),
        (0, None, true)
    );
    assert_eq!((order.total, order.tenders.len()), (Some(0), 0));
    assert_eq!(order.charges.iter().filter_map(|c| c.gross).sum::<i64>(), 0);
}

#[test]
fn an_edit_adds_a_shipping_method_and_the_newest_is_the_service() {
    let (order, _) = with(|o| {
        let methods = o["shipping_methods"].as_array_mut().unwrap();
        methods.insert(
            0,
            json!({ "id": "ordsm_2", "name": "Express", "total": 0, "tax_total": 0 }),
        );
    });
    assert_eq!(order.groups[0].service.as_deref(), Some("Express"));
}

#[test]
fn a_fulfilment_tells_its_place_and_when_it_was_shipped_and_cancelled() {
    let (order, _) = with(|o| {
        o["fulfillments"] = json!([
            { "id": "ful_2", "metadata": null, "location_id": "sloc_1", "shipped_at": null, "canceled_at": "2026-11-21T23:00:00Z",
              "items": [{ "line_item_id": "ordli_2", "quantity": 1 }], "labels": [] },
            { "id": "ful_1", "metadata": {}, "location_id": null, "shipped_at": "2026-11-21T22:51:10.832Z", "canceled_at": null,
              "items": [{ "line_item_id": "ordli_1", "quantity": 2 }], "labels": [{ "tracking_number": "BYHAND1" }] },
        ]);
    });
    let seen: Vec<_> = order
        .fulfilments
        .iter()
        .map(|f| {
            (
                f.key.as_str(),
                f.reference.as_deref(),
                f.location.as_deref(),
                f.shipped(),
                f.cancelled(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("ful_1", None, None, true, false),
            ("ful_2", None, Some("sloc_1"), false, true)
        ]
    );
}

fn marked(settings: &Settings, metadata: &Value, channel: &str) -> (Vec<String>, bool) {
    let mut order = order();
    order["metadata"] = metadata.clone();
    order["sales_channel_id"] = json!(channel);
    match order_record(&order.to_string(), settings).parsed {
        Ok(Observed::Order(order, _)) => (order.tags, order.test),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_tags_that_the_account_names_are_taken_over() {
    let settings = Settings {
        tags: vec!["vip".to_owned(), "gift".to_owned(), "gift".to_owned()],
        ..Settings::default()
    };
    let tags =
        |settings: &Settings, told: Value| marked(settings, &json!({ "tags": told }), "sc_1").0;
    assert_eq!(
        tags(&settings, json!(["vip", "Ana Müller", "gift"])),
        ["gift", "vip"]
    );
    assert_eq!(tags(&settings, json!("gift , other,vip2")), ["gift"]);
    for none in [
        json!(null),
        json!(5),
        json!([5]),
        json!(""),
        json!({ "gift": true }),
    ] {
        assert!(tags(&settings, none.clone()).is_empty(), "{none}");
    }
    assert!(tags(&Settings::default(), json!(["gift"])).is_empty());
    assert!(read(&order()).0.tags.is_empty());
}

#[test]
fn an_order_is_a_test_only_by_the_mark_that_the_account_names() {
    let by = |mark: Option<TestMark>| Settings {
        test: mark,
        ..Settings::default()
    };
    let key = by(Some(TestMark::Metadata("try".to_owned())));
    let channel = by(Some(TestMark::SalesChannel("sc_9".to_owned())));
    let test = |settings: &Settings, value: Value, channel: &str| {
        marked(settings, &json!({ "try": value }), channel).1
    };
    for yes in [
        json!(true),
        json!("true"),
        json!(" YES "),
        json!("1"),
        json!(1),
    ] {
        assert!(test(&key, yes.clone(), "sc_1"), "{yes}");
        assert!(
            !test(&by(None), yes, "sc_9"),
            "nothing marks a test by itself"
        );
    }
    for no in [
        json!(false),
        json!("no"),
        json!(""),
        json!(0),
        json!(null),
        json!([true]),
    ] {
        assert!(!test(&key, no.clone(), "sc_9"), "{no}");
    }
    assert!(test(&channel, json!(false), "sc_9"));
    assert!(!test(&channel, json!(true), "sc_1"));
}
