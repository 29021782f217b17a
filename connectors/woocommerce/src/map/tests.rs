//! The mapping by value, over JSON in the shape of the public reference and of shops of today.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod money;
mod shipments;

use hikiate_sdk::{ChannelGate, ChannelState, FulfilledBy, Observed, OrderSnapshot, Personal};
use serde_json::{Value, json};

use super::{order_record, stock_record};
use crate::config::{Settings, Standing};

/// Two mugs at 1,100 less a coupon of 100, a tea at 540 (8 %), postage 550, cash on delivery 330: 3,620 yen in all.
fn order() -> Value {
    serde_json::from_str(
        r#"{"id":727,"parent_id":0,"number":"A-0727","status":"processing","currency":"JPY","version":"10.9.0",
        "date_created":"2026-11-21T19:00:00","date_created_gmt":"2026-11-21T10:00:00",
        "date_modified":"2026-11-21T19:05:30","date_modified_gmt":"2026-11-21T10:05:30",
        "discount_total":"91.000000","total":"3620.000000","total_tax":"320.000000","prices_include_tax":true,
        "customer_id":0,"customer_note":" 玄関前に ",
        "billing":{"first_name":"太郎","last_name":"山田","company":"","address_1":"本町1-2-3","address_2":"","city":"中央区",
          "state":"JP13","postcode":"103-0001","country":"JP","email":"taro@example.test","phone":"03-0000-0000"},
        "shipping":{"first_name":"花子","last_name":"山田","company":"山田商店","address_1":"北1条1","address_2":"201","city":"札幌市",
          "state":"JP01","postcode":"060-0001","country":"JP","phone":""},
        "payment_method":"stripe","payment_method_title":"カード","transaction_id":"pi_3SIM",
        "date_paid":"2026-11-21T19:00:10","date_paid_gmt":"2026-11-21T10:00:10","date_completed":null,"date_completed_gmt":null,
        "meta_data":[{"id":1,"key":"_stripe_intent_id","value":"pi_meta"},{"id":2,"key":"test","value":"no"}],
        "line_items":[
          {"id":316,"name":"Tea","product_id":22,"variation_id":0,"quantity":1,"tax_class":"reduced-rate","subtotal":"500.000000",
           "subtotal_tax":"40.000000","total":"500.000000","total_tax":"40.000000",
           "taxes":[{"id":2,"total":"40","subtotal":"40"},{"id":1,"total":"","subtotal":""}],"meta_data":[],"sku":"TEA","price":500},
          {"id":315,"name":"Mug - Red","product_id":93,"variation_id":94,"quantity":2,"tax_class":"","subtotal":"2090.909091",
           "subtotal_tax":"209.090909","total":"2000.000000","total_tax":"200.000000",
           "taxes":[{"id":1,"total":"200","subtotal":"209.090909"}],"meta_data":[],"sku":"MUG-RED","price":1000}],
        "tax_lines":[
          {"id":320,"rate_code":"JP-TAX-1","rate_id":1,"label":"Tax","compound":false,"tax_total":"230.000000",
           "shipping_tax_total":"50.000000","rate_percent":10,"meta_data":[]},
          {"id":321,"rate_code":"JP-TAX-2","rate_id":2,"label":"Tax","compound":false,"tax_total":"40.000000",
           "shipping_tax_total":"0.000000","rate_percent":8,"meta_data":[]}],
        "shipping_lines":[{"id":317,"method_title":"宅急便","method_id":"flat_rate","total":"500.000000","total_tax":"50.000000",
           "taxes":[{"id":1,"total":"50","subtotal":""}],"meta_data":[]}],
        "fee_lines":[{"id":318,"name":"代引手数料","tax_class":"","tax_status":"taxable","amount":"","total":"300.000000",
           "total_tax":"30.000000","taxes":[{"id":1,"total":"30","subtotal":""}],"meta_data":[]}],
        "coupon_lines":[{"id":319,"code":"autumn","discount":"91","discount_tax":"9","meta_data":[]}],
        "refunds":[],"_links":{}}"#,
    )
    .unwrap()
}

fn bundle(order: &Value) -> Value {
    json!({ "order": order })
}

fn read_with(bundle: &Value, settings: &Settings) -> (OrderSnapshot, Personal) {
    match order_record(&bundle.to_string(), settings).parsed {
        Ok(Observed::Order(snapshot, personal)) => (*snapshot, *personal),
        other => panic!("{other:?}"),
    }
}

fn read(bundle: &Value) -> (OrderSnapshot, Personal) {
    read_with(bundle, &Settings::default())
}

fn with(change: impl FnOnce(&mut Value)) -> (OrderSnapshot, Personal) {
    let mut order = order();
    change(&mut order);
    read(&bundle(&order))
}

fn reason(change: impl FnOnce(&mut Value)) -> String {
    let mut order = order();
    change(&mut order);
    let record = order_record(&bundle(&order).to_string(), &Settings::default());
    let bad = record.parsed.unwrap_err();
    let id = bad.external_id.map(|id| id.to_string());
    assert_eq!(id.as_deref(), Some("727"));
    bad.reason
}

#[test]
fn an_order_is_read_whole() {
    let (order, personal) = read(&bundle(&order()));
    assert_eq!(
        (order.external_id.as_str(), order.display.as_str()),
        ("727", "#A-0727")
    );
    assert_eq!(order.ordered_at.to_rfc3339(), "2026-11-21T10:00:00+00:00");
    assert_eq!(order.version, Some(1_795_255_530));
    assert_eq!(order.state, ChannelState::Open);
    assert_eq!(order.gate, ChannelGate::Open);
    assert_eq!(order.groups[0].service.as_deref(), Some("宅急便"));
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|l| {
            let sku = l.sku.as_deref().unwrap_or_default();
            (
                l.key.as_str(),
                sku,
                l.title.as_str(),
                l.quantity,
                l.unit_price,
                l.tax_rate_bp,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("315", "MUG-RED", "Mug - Red", 2, Some(1100), Some(1000)),
            ("316", "TEA", "Tea", 1, Some(540), Some(800)),
        ]
    );
    assert!(order.lines.iter().all(|line| line.by == FulfilledBy::Us));
    assert!(!order.test && order.tags.is_empty() && order.fulfilments.is_empty());
    let to = &personal.ship_to["1"];
    assert_eq!(
        (
            to.name.as_str(),
            to.company.as_str(),
            to.region.as_str(),
            to.city.as_str()
        ),
        ("山田 花子", "山田商店", "北海道", "札幌市")
    );
    assert_eq!(
        to.phone, "03-0000-0000",
        "the buyer's, where the shop asks for one alone"
    );
    assert_eq!(
        (
            personal.buyer.region.as_str(),
            personal.buyer.email.as_str()
        ),
        ("東京都", "taro@example.test")
    );
    assert_eq!(personal.remarks, "玄関前に");
}

#[test]
fn times_without_a_zone_are_never_those_of_the_shop() {
    let (order, _) = with(|order| {
        order["date_created"] = json!("2020-01-01T00:00:00");
        order["date_created_gmt"] = json!("2026-12-31T15:00:00");
    });
    assert_eq!(order.ordered_at.to_rfc3339(), "2026-12-31T15:00:00+00:00");
    let missing = reason(|order| order["date_created_gmt"] = json!(null));
    assert!(missing.contains("date_created_gmt"), "{missing}");
}

#[test]
fn a_status_is_a_state_and_a_gate() {
    let of = |status: &str, settings: &Settings| {
        let mut order = order();
        order["status"] = json!(status);
        let (order, _) = read_with(&bundle(&order), settings);
        (order.state, order.gate)
    };
    let plain = Settings::default();
    let cancelled = ChannelState::Cancelled {
        at: "2026-11-21T10:05:30Z".parse().unwrap(),
    };
    for (status, state, gate) in [
        ("pending", ChannelState::Open, ChannelGate::NotYet),
        ("on-hold", ChannelState::Open, ChannelGate::NotYet),
        ("failed", ChannelState::Open, ChannelGate::NotYet),
        ("processing", ChannelState::Open, ChannelGate::Open),
        ("completed", ChannelState::Completed, ChannelGate::Open),
        ("refunded", ChannelState::Completed, ChannelGate::Open),
        ("cancelled", cancelled, ChannelGate::Closed),
    ] {
        assert_eq!(of(status, &plain), (state, gate), "{status}");
    }
    let unknown = ChannelState::Unknown {
        raw: "picking".to_owned(),
    };
    assert_eq!(of("picking", &plain), (unknown, ChannelGate::Frozen));
    let explained = Settings {
        statuses: [
            ("picking".to_owned(), Standing::Frozen),
            ("on-hold".to_owned(), Standing::Open),
        ]
        .into(),
        ..Settings::default()
    };
    assert_eq!(
        of("picking", &explained),
        (ChannelState::Open, ChannelGate::Frozen)
    );
    assert_eq!(
        of("on-hold", &explained),
        (ChannelState::Open, ChannelGate::Open)
    );
}

#[test]
fn drafts_and_what_is_older_than_since_are_left_out() {
    let excluded = |status: &str, settings: &Settings| {
        let mut order = order();
        order["status"] = json!(status);
        order_record(&bundle(&order).to_string(), settings).excluded
    };
    let plain = Settings::default();
    assert!(excluded("checkout-draft", &plain) && !excluded("processing", &plain));
    let since = |text: &str| Settings {
        since: Some(text.parse().unwrap()),
        ..Settings::default()
    };
    assert!(excluded("processing", &since("2026-11-21T10:05:31Z")));
    assert!(!excluded("processing", &since("2026-11-21T10:05:30Z")));
}

#[test]
fn an_order_without_a_shipping_address_has_no_ship_to() {
    let (_, personal) = with(|order| {
        for field in [
            "first_name",
            "last_name",
            "company",
            "address_1",
            "address_2",
            "city",
            "state",
            "postcode",
            "country",
        ] {
            order["shipping"][field] = json!("");
        }
    });
    assert!(personal.ship_to.is_empty());
    let (_, german) = with(|order| {
        order["shipping"]["country"] = json!("de");
        order["shipping"]["state"] = json!("DE-BY");
    });
    let to = &german.ship_to["1"];
    assert_eq!(
        (to.country.as_str(), to.region.as_str(), to.name.as_str()),
        ("DE", "DE-BY", "花子 山田")
    );
}

#[test]
fn a_product_that_was_deleted_has_no_code() {
    for sku in [json!(null), json!(""), json!(false)] {
        let (order, _) = with(|order| order["line_items"][0]["sku"] = sku);
        assert_eq!(order.lines[1].sku, None);
    }
    let (numeric, _) = with(|order| order["line_items"][0]["sku"] = json!(4_901_234));
    assert_eq!(numeric.lines[1].sku.as_deref(), Some("4901234"));
}

#[test]
fn a_test_order_is_marked_by_a_key_of_its_metadata() {
    let settings = Settings {
        test: Some("test".to_owned()),
        ..Settings::default()
    };
    for (value, test) in [
        (json!("yes"), true),
        (json!(true), true),
        (json!("no"), false),
        (json!(""), false),
    ] {
        let mut order = order();
        order["meta_data"][1]["value"] = value.clone();
        assert_eq!(
            read_with(&bundle(&order), &settings).0.test,
            test,
            "{value}"
        );
    }
}

#[test]
fn what_cannot_be_understood_is_told_by_its_field_and_never_by_its_value() {
    type Change = fn(&mut Value);
    let broken: [(&str, Change); 7] = [
        ("currency", |o| o["currency"] = json!("yens")),
        ("line_items.quantity", |o| {
            o["line_items"][0]["quantity"] = json!(0.5)
        }),
        ("total", |o| o["total"] = json!("hunter2")),
        ("text or a number", |o| {
            o["total"] = json!({ "amount": "hunter2" })
        }),
        ("line_items.total", |o| {
            o["line_items"][1]["total"] = json!("1,100")
        }),
        ("date_modified_gmt", |o| {
            o["date_modified_gmt"] = json!("hunter2")
        }),
        ("tax_lines.rate_percent", |o| {
            o["tax_lines"][0]["rate_percent"] = json!("ten")
        }),
    ];
    for (field, change) in broken {
        let said = reason(change);
        assert!(said.contains(field), "{field}: {said}");
        assert!(
            !said.contains("hunter2") || said.contains("is not a decimal"),
            "{said}"
        );
    }
}

#[test]
fn stock_is_of_products_and_variations_that_have_a_quantity_of_their_own() {
    let level = |product: Value| match stock_record(&product.to_string()).map(|r| r.parsed) {
        None => None,
        Some(Ok(Observed::Stock(level))) => Some(Ok((level.code, level.quantity))),
        Some(Err(bad)) => Some(Err(bad.reason)),
        Some(other) => panic!("{other:?}"),
    };
    let product = |manage: Value, sku: Value, quantity: Value| json!({ "id": 9, "sku": sku, "manage_stock": manage, "stock_quantity": quantity, "type": "simple" });
    let mug = || json!("MUG");
    assert_eq!(
        level(product(json!(true), mug(), json!(7))),
        Some(Ok(("MUG".to_owned(), 7)))
    );
    assert_eq!(
        level(product(json!(true), mug(), json!("-2"))),
        Some(Ok(("MUG".to_owned(), -2)))
    );
    // Not managed is not 0; the stock of the parent is none of its own.
    assert_eq!(level(product(json!(false), mug(), json!(null))), None);
    assert_eq!(level(product(json!("parent"), mug(), json!(7))), None);
    assert_eq!(level(product(json!(true), json!(""), json!(7))), None);
    let half = level(product(json!(true), mug(), json!("0.5")));
    assert!(half.is_some_and(|level| level.is_err_and(|why| why.contains("stock_quantity"))));
    let unknown = level(product(json!(true), mug(), json!(null)));
    assert!(
        unknown.is_some_and(|level| level.is_err()),
        "unknown is not 0"
    );
}
