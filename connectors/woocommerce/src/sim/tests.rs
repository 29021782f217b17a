//! The simulator's own quirks.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use chrono::DateTime;
use hikiate_sdk::Currency;
use hikiate_sdk::http::{Method, Request};
use hikiate_sdk::sim::{SimClock, Simulator};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{NewOrder, WooSim};
use crate::client::API;
use crate::login::basic;

fn shop() -> (SimClock, Arc<WooSim>) {
    let clock = SimClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let sim = Arc::new(WooSim::new(clock.clone(), "ck", "cs", Currency::EUR));
    (clock, sim)
}

fn order() -> NewOrder {
    NewOrder {
        lines: vec![("A".to_owned(), 3, "5".to_owned())],
        shipping: "4.90".to_owned(),
        tax_percent: "10".to_owned(),
        prices_include_tax: true,
        payment_method: "bacs".to_owned(),
        transaction_id: String::new(),
        status: "on-hold".to_owned(),
        address: None,
        email: "a@example.test".to_owned(),
        customer_note: String::new(),
    }
}

fn ask(sim: &WooSim, mut request: Request) -> (u16, Value) {
    let login = basic(&"ck".to_owned().into(), &"cs".to_owned().into());
    let login = login.expose_secret().to_owned();
    request.headers.push(("authorization".to_owned(), login));
    let response = sim.handle(request);
    (
        response.status,
        serde_json::from_slice(&response.body).unwrap(),
    )
}

fn get(sim: &WooSim, path: &str) -> (u16, Value) {
    ask(sim, Request::get(format!("{API}{path}")))
}

fn send(sim: &WooSim, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::post_json(format!("{API}{path}"), body.to_string().into_bytes());
    ask(sim, Request { method, ..request })
}

#[test]
fn only_its_own_key_opens_it() {
    let (_, sim) = shop();
    let response = sim.handle(Request::get(format!("{API}/orders")));
    assert_eq!(response.status, 401);
    let mut request = Request::get(format!("{API}/orders"));
    request
        .headers
        .push(("authorization".to_owned(), "Basic xxx".to_owned()));
    let body: Value = serde_json::from_slice(&sim.handle(request).body).unwrap();
    assert_eq!(body["code"], "woocommerce_rest_authentication_error");
    assert_eq!(sim.requests(), 0);
}

#[test]
fn amounts_are_net_with_as_many_digits_as_are_asked_for() {
    let (_, sim) = shop();
    let id = sim.place_order(order());
    let (_, two) = get(&sim, &format!("/orders/{id}"));
    let line = &two["line_items"][0];
    assert_eq!(
        (line["total"].as_str(), line["total_tax"].as_str()),
        (Some("13.64"), Some("1.36"))
    );
    assert_eq!(two["total"], "19.90");
    assert_eq!(
        two["date_created"], "2027-01-15T17:00:00",
        "in the shop's zone"
    );
    assert_eq!(two["date_created_gmt"], "2027-01-15T08:00:00");
    let (_, six) = get(&sim, &format!("/orders/{id}?dp=6"));
    let line = &six["line_items"][0];
    assert_eq!(
        (line["total"].as_str(), line["total_tax"].as_str()),
        (Some("13.636364"), Some("1.363636"))
    );
}

#[test]
fn bounds_exclude_the_second_that_they_name_and_are_in_the_shops_zone_unless_told() {
    let (_, sim) = shop();
    sim.place_order(order());
    let count = |query: &str| {
        get(&sim, &format!("/orders?{query}"))
            .1
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        count("modified_after=2027-01-15T08:00:00&dates_are_gmt=true"),
        0
    );
    assert_eq!(
        count("modified_after=2027-01-15T07:59:59&dates_are_gmt=true"),
        1
    );
    assert_eq!(
        count("modified_before=2027-01-15T08:00:00&dates_are_gmt=true"),
        0
    );
    assert_eq!(count("modified_after=2027-01-15T16:59:59"), 1);
    assert_eq!(count("modified_after=2027-01-15T17:00:00"), 0);
    assert_eq!(get(&sim, "/orders?per_page=101").0, 400);
    assert_eq!(get(&sim, "/orders?orderby=colour").0, 400);
}

#[test]
fn a_shop_is_filled_and_worked_over_its_own_api() {
    let (_, sim) = shop();
    let product = json!({ "sku": "CUP", "regular_price": "12.50", "manage_stock": true, "stock_quantity": 5 });
    let (status, made) = send(&sim, Method::Post, "/products", &product);
    assert_eq!((status, made["stock_quantity"].as_i64()), (201, Some(5)));
    assert_eq!(send(&sim, Method::Post, "/products", &product).0, 400);
    let body = json!({
        "payment_method": "bacs", "set_paid": true, "billing": { "first_name": "Ana", "last_name": "Ito", "email": "a@example.test" },
        "shipping": { "first_name": "Ana", "last_name": "Ito", "country": "DE" },
        "line_items": [{ "product_id": made["id"], "quantity": 2 }],
        "shipping_lines": [{ "method_id": "flat_rate", "method_title": "DHL", "total": "4.90" }],
        "meta_data": [{ "key": "made_by", "value": "a script" }],
    });
    let (status, order) = send(&sim, Method::Post, "/orders", &body);
    assert_eq!(
        (status, order["status"].as_str()),
        (201, Some("processing"))
    );
    assert_eq!(order["total"], "29.90");
    assert_eq!(sim.stocked("CUP"), Some(3));
    let path = format!("/orders/{}", order["id"]);
    let line = order["line_items"][0]["id"].clone();
    let (_, edited) = send(
        &sim,
        Method::Put,
        &path,
        &json!({ "line_items": [{ "id": line, "quantity": 1 }] }),
    );
    assert_eq!(
        edited["total"], "29.90",
        "amounts that it is not told stay as they are"
    );
    let (_, edited) = send(
        &sim,
        Method::Put,
        &path,
        &json!({ "line_items": [{ "id": line, "quantity": 1, "subtotal": "12.50", "total": "12.50" }] }),
    );
    assert_eq!(edited["total"], "17.40");
    assert_eq!(
        send(&sim, Method::Put, &path, &json!({ "status": "picking" })).0,
        400
    );
    let (_, cancelled) = send(&sim, Method::Put, &path, &json!({ "status": "cancelled" }));
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(send(&sim, Method::Delete, &path, &json!({})).0, 200);
    assert_eq!(get(&sim, &path).1["status"], "trash");
    assert_eq!(
        send(
            &sim,
            Method::Delete,
            &format!("{path}?force=true"),
            &json!({})
        )
        .0,
        200
    );
    assert_eq!(get(&sim, &path).0, 404);
}

#[test]
fn an_order_made_over_the_api_is_taxed_as_the_shop_taxes() {
    let (_, sim) = shop();
    let product = json!({ "sku": "CUP", "regular_price": "11" });
    let (_, made) = send(&sim, Method::Post, "/products", &product);
    let body = json!({
        "payment_method": "bacs", "set_paid": true, "line_items": [{ "product_id": made["id"], "quantity": 2 }],
        "shipping_lines": [{ "method_id": "flat_rate", "method_title": "DHL", "total": "5" }],
    });
    let mut totals = Vec::new();
    for included in [false, true] {
        sim.tax("10", included);
        let (_, order) = send(&sim, Method::Post, "/orders", &body);
        totals.push((order["total"].clone(), order["total_tax"].clone()));
    }
    // Shipping is told without tax either way.
    let want = [("29.70", "2.70"), ("27.50", "2.50")];
    assert_eq!(totals, want.map(|(a, b)| (json!(a), json!(b))));
    let path = format!("/products/{}?force=true", made["id"]);
    assert_eq!(send(&sim, Method::Delete, &path, &json!({})).0, 200);
    assert_eq!(send(&sim, Method::Delete, &path, &json!({})).0, 404);
    let last = sim.orders().pop().unwrap();
    assert_eq!(
        get(&sim, &format!("/orders/{}", last.id)).1["line_items"][0]["sku"],
        json!(null)
    );
}

#[test]
fn a_refund_pays_back_and_restocks_unless_it_is_told_not_to() {
    let (_, sim) = shop();
    sim.add_product("A", 10);
    let id = sim.place_order(order());
    sim.pay(&id);
    let line = sim.order(&id).unwrap().lines[0].0.parse::<u64>().unwrap();
    let path = format!("/orders/{id}/refunds");
    let lines = json!([{ "id": line, "quantity": 1, "refund_total": 4.54, "refund_tax": [{ "id": 75, "refund_total": 0.46 }] }]);
    let (status, made) = send(
        &sim,
        Method::Post,
        &path,
        &json!({ "amount": "5.00", "line_items": lines }),
    );
    assert_eq!(
        (status, made["refunded_payment"].as_bool()),
        (201, Some(true))
    );
    assert_eq!(made["line_items"][0]["quantity"], -1);
    assert_eq!(sim.stocked("A"), Some(8));
    let memory = sim.order(&id).unwrap();
    assert!(memory.refunds[0].moved_money && memory.refunds[0].restocked);
    let (status, refused) = send(&sim, Method::Post, &path, &json!({ "amount": "14.91" }));
    assert_eq!((status, refused["data"].as_u64()), (500, Some(500)));
    assert_eq!(refused["message"], "Invalid refund amount.");
    let rest = json!({ "amount": "14.90", "api_refund": false, "api_restock": false });
    assert_eq!(send(&sim, Method::Post, &path, &rest).0, 201);
    assert_eq!(sim.order(&id).unwrap().status, "refunded");
    assert_eq!(
        get(&sim, &format!("/orders/{id}")).1["refunds"][1]["total"],
        "-14.90"
    );
}

#[test]
fn nobody_checks_what_is_fulfilled() {
    let (_, sim) = shop();
    let id = sim.place_order(order());
    let line = sim.order(&id).unwrap().lines[0].0.clone();
    for _ in 0..2 {
        assert!(sim.staff_fulfil(&id, &[(&line, 3)], "T1", true).is_some());
    }
    assert_eq!(sim.order(&id).unwrap().shipped_of(&line), 6);
    let (_, order) = get(&sim, &format!("/orders/{id}"));
    let status = order["meta_data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|m| m["key"] == "_fulfillment_status");
    assert_eq!(status.unwrap()["value"], "fulfilled");
    sim.offer_fulfilments(false);
    assert_eq!(
        get(&sim, &format!("/orders/{id}/fulfillments")).1["code"],
        "rest_no_route"
    );
    assert!(sim.staff_fulfil(&id, &[], "", true).is_none());
}
