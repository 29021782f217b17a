//! The mapping by value, over JSON as the real shop (2.21.2) wrote it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod money;
mod staff;

use hikiate_sdk::{ChannelGate, ChannelState, Observed, OrderSnapshot, Personal};
use serde_json::{Value, json};

use super::{order_record, stock_records};
use crate::config::Settings;

/// Two red mugs and a blue one, 19 % on 12.50 each, shipping 4.90: 50.456 in all.
fn order() -> Value {
    serde_json::from_str(
        r##"{"id":"order_1","display_id":7,"status":"pending","email":"buyer0@lab.test","currency_code":"eur",
        "created_at":"2026-11-21T22:48:31.502Z","updated_at":"2026-11-21T22:49:00.000Z","canceled_at":null,"is_draft_order":false,
        "total":50.456,"credit_line_total":0,"metadata":null,"version":1,"payment_status":"authorized",
        "items":[
          {"id":"ordli_2","title":"Mug","subtitle":"Blue","variant_sku":"MUG-BLUE","requires_shipping":true,"quantity":1,
           "unit_price":12.5,"total":14.875,"tax_total":2.375,"tax_lines":[{"rate":19}],"detail":{"quantity":1,"fulfilled_quantity":0}},
          {"id":"ordli_1","title":"Mug","subtitle":"Red","variant_sku":"MUG-RED","requires_shipping":true,"quantity":2,
           "unit_price":12.5,"total":29.75,"tax_total":4.75,"tax_lines":[{"rate":19}],"detail":{"quantity":2,"fulfilled_quantity":1}}],
        "shipping_methods":[{"id":"ordsm_1","name":"Standard","total":5.831,"tax_total":0.931,"tax_lines":[{"rate":19}]}],
        "shipping_address":{"company":null,"first_name":"Ana","last_name":"Müller","address_1":"Hauptstr. 5","address_2":"c/o Ünal",
          "city":"Köln","country_code":"de","province":null,"postal_code":"50667","phone":"+4922112345"},
        "billing_address":{"first_name":"Ana","last_name":"Müller","country_code":"de"},
        "payment_collections":[{"id":"pay_col_1","status":"authorized","amount":50.456,
          "payment_sessions":[{"provider_id":"pp_system_default","status":"authorized"}],
          "payments":[{"id":"pay_1","provider_id":"pp_system_default","amount":50.456,"canceled_at":null,"captures":[],"refunds":[]}]}],
        "fulfillments":[{"id":"ful_1","metadata":{"hikiate_ref":"HK1-S1"},"shipped_at":"2026-11-21T22:51:10.832Z","canceled_at":null,
          "items":[{"line_item_id":"ordli_1","quantity":1}],"labels":[{"tracking_number":"T1"},{"tracking_number":"T2"}]}]}"##,
    )
    .unwrap()
}

fn read(order: &Value) -> (OrderSnapshot, Personal) {
    match order_record(&order.to_string(), &Settings::default()).parsed {
        Ok(Observed::Order(snapshot, personal)) => (*snapshot, *personal),
        other => panic!("{other:?}"),
    }
}

fn with(change: impl FnOnce(&mut Value)) -> (OrderSnapshot, Personal) {
    let mut order = order();
    change(&mut order);
    read(&order)
}

fn reason(change: impl FnOnce(&mut Value)) -> String {
    let mut order = order();
    change(&mut order);
    let bad = order_record(&order.to_string(), &Settings::default())
        .parsed
        .unwrap_err();
    assert_eq!(
        bad.external_id.map(|id| id.to_string()).as_deref(),
        Some("order_1")
    );
    bad.reason
}

#[test]
fn lines_come_in_the_order_of_their_ids_with_what_is_ordered_now() {
    let (order, _) = read(&order());
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|l| {
            (
                l.key.as_str(),
                l.sku.as_deref(),
                l.title.as_str(),
                l.quantity,
                l.unit_price,
                l.tax_rate_bp,
                l.ours(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (
                "ordli_1",
                Some("MUG-RED"),
                "Mug (Red)",
                2,
                Some(1488),
                Some(1900),
                true
            ),
            (
                "ordli_2",
                Some("MUG-BLUE"),
                "Mug (Blue)",
                1,
                Some(1488),
                Some(1900),
                true
            ),
        ]
    );
    let (edited, _) = with(|o| {
        o["items"][0]["detail"]["quantity"] = json!(0);
        o["items"][0]["subtitle"] = json!("Default variant");
        o["items"][1]["variant_sku"] = Value::Null;
        o["items"][1]["requires_shipping"] = json!(false);
    });
    assert_eq!(
        (
            edited.lines[1].quantity,
            edited.lines[1].unit_price,
            edited.lines[1].title.as_str()
        ),
        (0, None, "Mug")
    );
    assert_eq!(
        (edited.lines[0].sku.as_deref(), edited.lines[0].ours()),
        (None, false)
    );
}

#[test]
fn each_status_has_its_state_and_gate() {
    let at = |status: &str| {
        let (order, _) = with(|o| {
            o["status"] = json!(status);
            o["canceled_at"] = if status == "canceled" {
                json!("2026-11-21T22:51:14.051Z")
            } else {
                Value::Null
            };
        });
        (order.state, order.gate)
    };
    assert_eq!(at("pending"), (ChannelState::Open, ChannelGate::Open));
    assert_eq!(
        at("requires_action"),
        (ChannelState::Open, ChannelGate::Frozen)
    );
    assert_eq!(at("draft"), (ChannelState::Open, ChannelGate::NotYet));
    assert_eq!(
        at("completed"),
        (ChannelState::Completed, ChannelGate::Open)
    );
    assert_eq!(at("archived"), (ChannelState::Completed, ChannelGate::Open));
    let cancelled = "2026-11-21T22:51:14.051Z".parse().unwrap();
    assert_eq!(
        at("canceled"),
        (
            ChannelState::Cancelled { at: cancelled },
            ChannelGate::Closed
        )
    );
    assert_eq!(
        at("on_the_moon"),
        (
            ChannelState::Unknown {
                raw: "on_the_moon".to_owned()
            },
            ChannelGate::Frozen
        )
    );
    assert_eq!(
        with(|o| o["is_draft_order"] = json!(true)).0.gate,
        ChannelGate::NotYet
    );
}

#[test]
fn a_fulfilment_shows_our_reference_and_tracking() {
    let (order, _) = read(&order());
    let f = &order.fulfilments[0];
    assert_eq!(
        (
            f.key.as_str(),
            f.reference.as_deref(),
            f.shipped(),
            f.cancelled()
        ),
        ("ful_1", Some("HK1-S1"), true, false)
    );
    assert_eq!(
        (f.tracking.as_slice(), f.lines[0].0.as_str(), f.lines[0].1),
        (["T1".to_owned(), "T2".to_owned()].as_slice(), "ordli_1", 1)
    );
    let (foreign, _) = with(|o| o["fulfillments"][0]["metadata"] = Value::Null);
    assert_eq!(foreign.fulfilments[0].reference, None);
}

#[test]
fn names_and_addresses_stay_in_the_personal_part() {
    let (order, personal) =
        with(|o| o["metadata"] = json!({ "notes": "ring twice", "remarks": 5 }));
    let to = &personal.ship_to["1"];
    assert_eq!(
        (
            to.name.as_str(),
            to.country.as_str(),
            to.city.as_str(),
            to.address2.as_str()
        ),
        ("Ana Müller", "DE", "Köln", "c/o Ünal")
    );
    assert_eq!(
        (personal.buyer.email.as_str(), personal.remarks.as_str()),
        ("buyer0@lab.test", "ring twice")
    );
    let facts = serde_json::to_string(&order).unwrap();
    for secret in [
        "Ana",
        "Müller",
        "Köln",
        "50667",
        "buyer0",
        "ring twice",
        "4922112345",
    ] {
        assert!(!facts.contains(secret), "{secret} in {facts}");
    }
    assert_eq!(
        (
            order.display.as_str(),
            order.groups.len(),
            order.groups[0].service.as_deref()
        ),
        ("#7", 1, Some("Standard"))
    );
    let (_, japanese) = with(|o| o["shipping_address"]["country_code"] = json!("jp"));
    assert_eq!(japanese.ship_to["1"].name, "Müller Ana");
    let (nowhere, personal) = with(|o| o["shipping_address"] = Value::Null);
    assert!(personal.ship_to.is_empty() && nowhere.groups.len() == 1);
}

#[test]
fn what_cannot_be_understood_names_its_field_and_no_value() {
    assert_eq!(
        reason(|o| drop(o.as_object_mut().unwrap().remove("total"))),
        "missing field `total`"
    );
    assert_eq!(
        reason(|o| o["created_at"] = Value::Null),
        "created_at: not as expected: an RFC 3339 formatted date and time string"
    );
    assert!(reason(|o| o["currency_code"] = json!("euro")).starts_with("currency_code: "));
    assert!(
        reason(|o| o["items"][0]["detail"]["quantity"] = json!(1.5))
            .starts_with("items.detail.quantity: 1.5 is not a quantity")
    );
    assert!(reason(|o| o["total"] = serde_json::from_str("1e29").unwrap()).contains("too large"));
    let told = reason(|o| o["shipping_address"]["city"] = json!({ "Köln": "Hauptstr. 5" }));
    assert!(
        !told.contains("Köln") && !told.contains("Hauptstr"),
        "{told}"
    );
    let told = reason(|o| o["display_id"] = json!("Ana, expected Müller at line 1"));
    assert_eq!(told, "display_id: not as expected: u64");
    let whole = order_record("[1, 2]", &Settings::default())
        .parsed
        .unwrap_err();
    assert!(whole.external_id.is_none() && !whole.reason.is_empty());
}

#[test]
fn a_level_is_told_per_location_and_half_a_piece_is_none() {
    let raw = r#"{"id":"iitem_1","sku":"A","location_levels":[{"location_id":"sloc_1","stocked_quantity":99999},
        {"location_id":"sloc_2","stocked_quantity":-2},{"location_id":"sloc_3","stocked_quantity":0.5}]}"#;
    let records = stock_records(raw);
    let levels: Vec<_> = records
        .iter()
        .map(|r| match &r.parsed {
            Ok(Observed::Stock(s)) => Ok((s.code.as_str(), s.location.as_deref(), s.quantity)),
            Ok(other) => panic!("{other:?}"),
            Err(bad) => Err(bad.external_id.as_ref().map(|id| id.as_str())),
        })
        .collect();
    assert_eq!(
        levels,
        [
            Ok(("A", Some("sloc_1"), 99_999)),
            Ok(("A", Some("sloc_2"), -2)),
            Err(Some("iitem_1"))
        ]
    );
    assert!(stock_records(r#"{"id":"iitem_1","sku":null,"location_levels":[]}"#).is_empty());
}

/// A program that cuts titles by UTF-16 units leaves half an emoji: the order is read, and only that character is replaced.
#[test]
fn half_an_emoji_loses_no_order() {
    let text = order().to_string().replace("\"Red\"", r#""Red \ud83d""#);
    let Ok(Observed::Order(read, _)) = order_record(&text, &Settings::default()).parsed else {
        panic!("not read");
    };
    let titles: Vec<&str> = read.lines.iter().map(|line| line.title.as_str()).collect();
    assert_eq!(titles, ["Mug (Red \u{FFFD})", "Mug (Blue)"]);
}

#[test]
fn what_a_buyer_asks_of_the_delivery_is_read_where_the_account_says() {
    let keys = json!({ "arrive_on": "metadata.day", "sender": "metadata.from", "message": "metadata.card", "hs_code": "items.metadata.hs" });
    let mut checks = hikiate_sdk::settings::Checks::new(&Value::Null);
    let fields = crate::wishes::Fields::read(serde_json::from_value(keys).unwrap(), &mut checks);
    let settings = Settings {
        fields: checks.finish(Some(fields)).unwrap(),
        ..Settings::default()
    };
    let mut told = order();
    told["metadata"] =
        json!({ "day": "2026-12-24", "from": { "name": "Bo" }, "card": "Alles Gute" });
    told["items"][0]["metadata"] = json!({ "hs": "6912.00" });
    let asked = |settings: &Settings| match order_record(&told.to_string(), settings).parsed {
        Ok(Observed::Order(order, personal)) => (*order, *personal),
        other => panic!("{other:?}"),
    };
    let (snapshot, personal) = asked(&settings);
    let wishes = &snapshot.groups[0].wishes;
    assert_eq!(wishes.arrive_on, "2026-12-24".parse().ok());
    assert!(wishes.sender && wishes.gift && wishes.unread.is_empty());
    assert_eq!(personal.senders["1"].name, "Bo");
    assert_eq!(personal.gifts["1"].message, "Alles Gute");
    let customs = snapshot
        .lines
        .iter()
        .map(|line| line.customs.hs_code.as_deref());
    assert_eq!(customs.collect::<Vec<_>>(), [None, Some("691200")]);
    let stored = serde_json::to_string(&snapshot).unwrap();
    assert!(
        !stored.contains("Alles") && !stored.contains("Bo\""),
        "{stored}"
    );
    // Without paths nothing is asked, and the order is stored as it was before.
    let (plain, personal) = asked(&Settings::default());
    assert!(plain.groups[0].wishes.is_empty() && personal.senders.is_empty());
    let stored = serde_json::to_string(&plain).unwrap();
    assert!(
        !stored.contains("wishes") && !stored.contains("customs"),
        "{stored}"
    );
}
