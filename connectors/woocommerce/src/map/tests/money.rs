//! Charges, taxes, payments and refunds.

use hikiate_sdk::{Charge, ChargeKind, PaymentRef, RefundEffect, TaxSum};
use serde_json::{Value, json};

use super::{bundle, order, read, read_with, with};
use crate::config::Settings;

fn told(charge: &Charge) -> (ChargeKind, Option<i64>, Option<i64>, Option<u32>) {
    (charge.kind, charge.gross, charge.tax, charge.tax_rate_bp)
}

#[test]
fn net_and_tax_make_gross_charges_with_the_rates_of_their_classes() {
    let settings = Settings {
        fees: [("代引手数料".to_owned(), ChargeKind::CodFee)].into(),
        ..Settings::default()
    };
    let (order, _) = read_with(&bundle(&order()), &settings);
    let charges: Vec<_> = order.charges.iter().map(told).collect();
    assert_eq!(
        charges,
        [
            (ChargeKind::Goods, Some(2200), Some(200), Some(1000)),
            (ChargeKind::Goods, Some(540), Some(40), Some(800)),
            (ChargeKind::Postage, Some(550), Some(50), Some(1000)),
            (ChargeKind::CodFee, Some(330), Some(30), Some(1000)),
        ]
    );
    assert_eq!(order.charges[1].tax_class.as_deref(), Some("reduced-rate"));
    assert_eq!(order.total, Some(3620));
    let sum = |rate_bp, tax| TaxSum {
        rate_bp,
        gross: None,
        tax,
    };
    assert_eq!(order.taxes, [sum(800, 40), sum(1000, 280)]);
}

#[test]
fn a_fee_is_other_until_it_is_named_and_below_zero_a_discount() {
    let (plain, _) = read(&bundle(&order()));
    assert_eq!(plain.charges[3].kind, ChargeKind::Other);
    let (lower, _) = with(|order| {
        order["fee_lines"][0]["total"] = json!("-300.000000");
        order["fee_lines"][0]["total_tax"] = json!("-30.000000");
        order["fee_lines"][0]["taxes"][0]["total"] = json!("-30");
        order["total"] = json!("2960.000000");
    });
    assert_eq!(
        told(&lower.charges[3]),
        (ChargeKind::Discount, Some(-330), Some(-30), Some(1000))
    );
    assert_eq!(lower.charges.len(), 4, "nothing was moved by rounding");
}

/// Rounded by themselves, 4.545455 and 0.454545 are 4.55 and 0.45, and 4.545 and 0.455 are 4.55 and 0.46.
#[test]
fn net_and_tax_are_added_before_they_are_rounded() {
    let line = |net: &str, tax: &str| {
        let (order, _) = with(|order| {
            order["currency"] = json!("EUR");
            order["line_items"][0]["total"] = json!(net);
            order["line_items"][0]["total_tax"] = json!(tax);
        });
        told(&order.charges[1])
    };
    let (_, gross, tax, _) = line("4.545455", "0.454545");
    assert_eq!(
        (gross, tax),
        (Some(500), None),
        "no tax is stated that is a fraction of a cent"
    );
    let (_, gross, _, _) = line("4.545000", "0.455000");
    assert_eq!(gross, Some(500));
}

#[test]
fn what_rounding_moved_is_a_charge_and_a_larger_difference_stays_one() {
    let (moved, _) = with(|order| order["total"] = json!("3621"));
    assert_eq!(
        moved.charges.last().map(told),
        Some((ChargeKind::Rounding, Some(1), Some(0), Some(0)))
    );
    let (wrong, _) = with(|order| order["total"] = json!("3000"));
    assert_eq!(wrong.charges.len(), 4);
    assert_eq!(wrong.total, Some(3000));
}

#[test]
fn a_rate_that_the_shop_does_not_tell_is_unknown_and_never_zero() {
    let rate = |change: fn(&mut Value)| with(change).0.charges[0].tax_rate_bp;
    assert_eq!(
        rate(|o| drop(
            o["tax_lines"][0]
                .as_object_mut()
                .map(|l| l.remove("rate_percent"))
        )),
        None
    );
    assert_eq!(rate(|o| o["line_items"][1]["taxes"] = json!([])), None);
    assert_eq!(
        rate(|o| o["line_items"][1]["taxes"][0]["id"] = json!(9)),
        None
    );
    assert_eq!(
        rate(|o| o["tax_lines"][0]["rate_percent"] = json!("0")),
        Some(0)
    );
    assert_eq!(
        rate(|o| o["tax_lines"][0]["rate_percent"] = json!("7.7")),
        Some(770)
    );
    // Two taxes on one amount add up, and not where one is on the other.
    fn both(order: &mut Value) {
        order["line_items"][1]["taxes"] =
            json!([{ "id": 1, "total": "200" }, { "id": "2", "total": "160" }]);
    }
    assert_eq!(rate(both), Some(1800));
    assert_eq!(
        rate(|o| {
            both(o);
            o["tax_lines"][1]["compound"] = json!(true);
        }),
        None
    );
    let (untold, _) = with(|o| {
        drop(
            o["line_items"][1]
                .as_object_mut()
                .map(|l| l.remove("total_tax")),
        )
    });
    assert_eq!(
        untold.charges[0].gross, None,
        "an amount without its tax is not known"
    );
}

#[test]
fn sums_of_tax_are_stated_only_where_each_is_one_rate_and_rounded() {
    let taxes = |change: fn(&mut Value)| with(change).0.taxes.len();
    assert_eq!(taxes(|_| ()), 2);
    assert_eq!(
        taxes(|o| o["tax_lines"][0]["tax_total"] = json!("230.4")),
        0
    );
    assert_eq!(taxes(|o| o["tax_lines"][0]["compound"] = json!(true)), 0);
    assert_eq!(
        taxes(|o| o["tax_lines"][1]["rate_percent"] = json!(10)),
        1,
        "two classes of one rate"
    );
}

#[test]
fn a_payment_is_named_as_its_provider_knows_it() {
    let provider = |settings: &Settings, change: fn(&mut Value)| {
        let mut order = order();
        change(&mut order);
        read_with(&bundle(&order), settings).0.tenders[0]
            .provider
            .clone()
    };
    let plain = Settings::default();
    assert_eq!(
        provider(&plain, |_| ()),
        Some(PaymentRef::by_key("pi_3SIM"))
    );
    // What kind of id it is, the provider's account sees.
    for (told, key) in [
        (json!("ch_3SIM"), "ch_3SIM"),
        (json!(" ch_3SIM "), "ch_3SIM"),
        (json!(4711), "4711"),
    ] {
        let mut order = order();
        order["transaction_id"] = told.clone();
        let (plainly, _) = read(&bundle(&order));
        order["meta_data"] = json!([{ "id": 1, "key": "_stripe_charge_id", "value": told }]);
        order["transaction_id"] = json!("pi_other");
        let settings = Settings {
            payment_reference: Some("_stripe_charge_id".to_owned()),
            ..Settings::default()
        };
        let (by_meta, _) = read_with(&bundle(&order), &settings);
        for read in [plainly, by_meta] {
            let provider = read.tenders[0].provider.clone();
            assert_eq!(provider, Some(PaymentRef::by_key(key)), "{key}");
        }
    }
    assert_eq!(provider(&plain, |o| o["transaction_id"] = json!("")), None);
    let named = Settings {
        payment_reference: Some("_stripe_intent_id".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        provider(&named, |_| ()),
        Some(PaymentRef::by_key("pi_meta"))
    );
    assert_eq!(
        provider(&named, |o| o["meta_data"] = json!([])),
        None,
        "not another one"
    );
}

#[test]
fn what_is_paid_is_all_of_it_or_nothing() {
    let tender = |change: fn(&mut Value)| {
        let tender = with(change).0.tenders.remove(0);
        (
            tender.gateway,
            tender.amount,
            tender.authorised,
            tender.captured,
            tender.cancelled,
        )
    };
    let stripe = || "stripe".to_owned();
    assert_eq!(tender(|_| ()), (stripe(), Some(3620), 3620, 3620, false));
    assert_eq!(
        tender(|o| o["date_paid_gmt"] = json!(null)),
        (stripe(), Some(3620), 0, 0, false)
    );
    assert_eq!(
        tender(|o| {
            o["date_paid_gmt"] = json!(null);
            o["status"] = json!("cancelled");
        }),
        (stripe(), Some(3620), 0, 0, true)
    );
    // The shop dates the payment of cash on delivery when the order is placed.
    assert_eq!(
        tender(|o| o["payment_method"] = json!("cod")),
        ("cod".to_owned(), Some(3620), 0, 0, false)
    );
    let (free, _) = with(|o| o["total"] = json!("0.000000"));
    assert!(free.tenders.is_empty());
}

#[test]
fn refunds_lower_what_is_charged_and_name_their_units() {
    let told = json!([
        { "id": 901, "date_created": "2026-11-22T10:00:00", "date_created_gmt": "2026-11-22T01:00:00", "amount": "300.000000",
          "reason": "", "refunded_payment": false, "meta_data": [], "line_items": [] },
        { "id": 900, "date_created_gmt": "2026-11-21T12:00:00", "amount": "1100.000000", "reason": "broken", "refunded_payment": true,
          "meta_data": [{ "id": 1, "key": "hikiate_refund", "value": "k" }],
          "line_items": [
            { "id": 910, "quantity": -1, "total": "-1000", "total_tax": "-100", "meta_data": [{ "id": 2, "key": "_refunded_item_id", "value": "315" }] },
            { "id": 911, "quantity": 0, "total": "-10", "total_tax": "-1", "meta_data": [{ "id": 3, "key": "_refunded_item_id", "value": 316 }] },
          ] },
    ]);
    let (read, _) = read(&json!({ "order": order(), "refunds": told }));
    let tender = &read.tenders[0];
    assert_eq!(
        (tender.amount, tender.captured, tender.refunded),
        (Some(3620), 3620, 1400)
    );
    let refunds: Vec<_> = tender
        .refunds
        .iter()
        .map(|r| {
            let lines: Vec<_> = r
                .lines
                .iter()
                .map(|(line, n)| (line.as_str(), *n))
                .collect();
            (r.key.as_str(), r.amount, r.effect, lines)
        })
        .collect();
    assert_eq!(
        refunds,
        [
            ("900", 1100, RefundEffect::Lowers, vec![("315", 1)]),
            ("901", 300, RefundEffect::Lowers, Vec::new()),
        ]
    );
    assert_eq!(read.total, Some(3620), "the shop's total leaves them out");
}
