//! Amounts by value.

use hikiate_sdk::{ChargeKind, Currency, Observed};
use serde_json::{Value, json};

use super::{order, read, with};
use crate::config::Settings;
use crate::map::order_record;
use crate::metadata::MetadataPath;

#[test]
fn an_unrounded_total_is_the_sum_of_its_rounded_charges() {
    let (order, _) = read(&order());
    assert_eq!((order.total, order.currency), (Some(5046), Currency::EUR));
    let charges: Vec<_> = order
        .charges
        .iter()
        .map(|c| (c.kind, c.gross, c.tax, c.tax_rate_bp))
        .collect();
    assert_eq!(
        charges,
        [
            (ChargeKind::Goods, Some(2975), Some(475), Some(1900)),
            // A sum that the shop did not round states no tax.
            (ChargeKind::Goods, Some(1488), None, Some(1900)),
            (ChargeKind::Postage, Some(583), None, Some(1900)),
        ]
    );
    assert_eq!(
        order.charges.iter().filter_map(|c| c.gross).sum::<i64>(),
        5046
    );
}

#[test]
fn what_rounding_moved_is_a_charge_and_what_it_did_not_is_left_to_be_seen() {
    // Three lines of 0.334 are 1.002: one euro in all, but 33 + 33 + 33 cents.
    let cents = |total: &str| {
        let (order, _) = with(|o| {
            let line = |n: u32| json!({ "id": format!("ordli_{n}"), "total": 0.334, "tax_total": 0, "detail": { "quantity": 1 } });
            o["items"] = json!([line(1), line(2), line(3)]);
            o["shipping_methods"] = json!([]);
            o["total"] = serde_json::from_str(total).unwrap();
        });
        order
            .charges
            .iter()
            .filter(|c| c.kind == ChargeKind::Rounding)
            .map(|c| (c.gross, c.tax, c.tax_rate_bp))
            .collect::<Vec<_>>()
    };
    assert_eq!(cents("1.002"), [(Some(1), Some(0), Some(0))]);
    assert_eq!(cents("0.961"), [(Some(-3), Some(0), Some(0))]);
    assert_eq!(cents("0.99"), []);
    assert_eq!(cents("1.03"), []);
}

#[test]
fn several_taxes_are_one_rate_only_when_they_add_up() {
    let rate = |tax: &str, rates: Value| {
        let (order, _) = with(|o| {
            o["items"][1]["tax_lines"] = rates;
            o["items"][1]["tax_total"] = serde_json::from_str(tax).unwrap();
        });
        order.charges[0].tax_rate_bp
    };
    assert_eq!(
        rate("4.75", json!([{ "rate": 14.975 }, { "rate": 4.025 }])),
        Some(1901)
    );
    assert_eq!(
        rate("4.75", json!([{ "rate": 10 }, { "rate": 9 }])),
        Some(1900)
    );
    assert_eq!(rate("4.98", json!([{ "rate": 10 }, { "rate": 9 }])), None);
    assert_eq!(rate("0", json!([])), None, "nothing was said of a rate");
    assert_eq!(rate("0", json!([{ "rate": 0 }])), Some(0));
    assert_eq!(rate("4.75", json!([])), None);
}

#[test]
fn payments_are_tenders_with_what_happened_to_them() {
    let (plain, _) = read(&order());
    let t = &plain.tenders[0];
    assert_eq!(
        (t.key.as_str(), t.gateway.as_str(), t.amount, t.authorised),
        ("pay_1", "pp_system_default", Some(5046), 5046)
    );
    assert_eq!(
        (plain.tenders.len(), t.captured, t.refunded, t.cancelled),
        (1, 0, 0, false)
    );

    let (captured, _) = with(|o| {
        let payment = &mut o["payment_collections"][0]["payments"][0];
        payment["captures"] =
            json!([{ "id": "capt_1", "amount": 20.004 }, { "id": "capt_2", "amount": 30.452 }]);
        payment["refunds"] = json!([{ "amount": 5 }]);
        o["credit_line_total"] = json!(5);
        o["total"] = json!(45.456);
    });
    let t = &captured.tenders[0];
    assert_eq!(
        (t.captured, t.refunded, captured.total),
        (5046, 500, Some(4546))
    );
    let credit = &captured.charges[3];
    assert_eq!(
        (credit.kind, credit.gross, credit.tax),
        (ChargeKind::Other, Some(-500), None)
    );
    assert_eq!(
        captured.charges.iter().filter_map(|c| c.gross).sum::<i64>(),
        4546
    );

    let (voided, _) = with(|o| {
        o["payment_collections"][0]["payments"][0]["canceled_at"] =
            json!("2026-11-21T22:51:14.191Z")
    });
    assert_eq!(
        (voided.tenders[0].authorised, voided.tenders[0].cancelled),
        (0, true)
    );
}

#[test]
fn what_nobody_has_paid_yet_is_a_tender_that_is_not_authorised() {
    // An edit in the shop voids the first payment and asks for a new one.
    let (edited, _) = with(|o| {
        let old = o["payment_collections"][0].clone();
        o["payment_collections"] = json!([
            { "id": "pay_col_2", "status": "not_paid", "amount": 20.706, "payment_sessions": [], "payments": [] },
            { "id": "pay_col_0", "status": "canceled", "amount": 1, "payment_sessions": [], "payments": [] },
            old,
        ]);
        o["payment_collections"][2]["payments"][0]["canceled_at"] =
            json!("2026-11-21T22:52:06.933Z");
    });
    let tenders: Vec<_> = edited
        .tenders
        .iter()
        .map(|t| (t.key.as_str(), t.gateway.as_str(), t.amount, t.authorised))
        .collect();
    assert_eq!(
        tenders,
        [
            ("pay_1", "pp_system_default", Some(5046), 0),
            ("pay_col_2", "", Some(2071), 0)
        ]
    );

    let (waiting, _) = with(|o| {
        o["payment_collections"][0]["payments"] = json!([]);
        o["payment_collections"][0]["payment_sessions"] = json!([{ "provider_id": "pp_card", "status": "error" }, { "provider_id": "pp_bank", "status": "pending" }]);
    });
    assert_eq!(waiting.tenders[0].gateway, "pp_bank");

    let (free, _) = with(|o| {
        o["total"] = json!(0);
        o["payment_collections"][0]["payments"] = json!([]);
    });
    assert_eq!(free.tenders, []);
}

#[test]
fn the_provider_s_id_is_given_to_the_payment_that_counts() {
    let settings = Settings {
        payment_reference: Some(
            MetadataPath::read("metadata.checkout.payment_intent", "metadata.x").unwrap(),
        ),
        ..Settings::default()
    };
    let named = |change: &dyn Fn(&mut Value)| {
        let mut told = order();
        told["metadata"] = json!({ "checkout": { "payment_intent": "pi_1" } });
        change(&mut told);
        let parsed = order_record(&told.to_string(), &settings).parsed;
        let Ok(Observed::Order(order, _)) = parsed else {
            panic!("{parsed:?}")
        };
        let names = order.tenders.into_iter().map(|tender| {
            let provider = tender.provider.and_then(|provider| provider.key);
            (tender.key.to_string(), provider.map(|key| key.to_string()))
        });
        names.collect::<Vec<_>>()
    };
    let name = |key: &str, id: Option<&str>| (key.to_owned(), id.map(str::to_owned));
    assert_eq!(named(&|_| {}), [name("pay_1", Some("pi_1"))]);
    let voided = |o: &mut Value, n: usize| {
        o["payment_collections"][0]["payments"][n]["canceled_at"] = json!("2026-11-21T23:00:00Z");
    };
    let second = |o: &mut Value| {
        let mut payment = o["payment_collections"][0]["payments"][0].clone();
        payment["id"] = json!("pay_2");
        o["payment_collections"][0]["payments"]
            .as_array_mut()
            .unwrap()
            .push(payment);
    };
    let replaced = |o: &mut Value| {
        second(o);
        voided(o, 0);
    };
    // What an edit adds is another payment of the provider: the id is of the first. A payment elsewhere may be it.
    let both = named(&second);
    assert_eq!(both, [name("pay_1", Some("pi_1")), name("pay_2", None)]);
    let two_ways = named(&|o| {
        second(o);
        o["payment_collections"][0]["payments"][0]["provider_id"] = json!("pp_gift");
    });
    assert_eq!(
        two_ways,
        [name("pay_1", Some("pi_1")), name("pay_2", Some("pi_1"))]
    );
    let edited = named(&replaced);
    assert_eq!(edited, [name("pay_1", None), name("pay_2", Some("pi_1"))]);
    let over = named(&|o| {
        replaced(o);
        voided(o, 1);
    });
    assert_eq!(over, [name("pay_1", None), name("pay_2", Some("pi_1"))]);
    for absent in [
        json!(null),
        json!({}),
        json!({ "checkout": { "payment_intent": "" } }),
    ] {
        let none = named(&|o| o["metadata"] = absent.clone());
        assert_eq!(none, [name("pay_1", None)]);
    }
}
