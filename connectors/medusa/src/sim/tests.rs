//! The simulator's own quirks, as the real shop showed them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use hikiate_sdk::Currency;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, FaultyTransport, SHOWN_AFTER, Target};
use hikiate_sdk::http::{Request, Response, Transport as _};
use hikiate_sdk::sim::{SimClock, Simulator};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{MedusaSim, NewOrder, can};
use crate::basic;

const KEY: &str = "sk_test";

fn shop() -> (SimClock, Arc<MedusaSim>) {
    let clock = SimClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let sim = Arc::new(MedusaSim::new(clock.clone(), KEY, Currency::EUR));
    sim.add_sku("A", "sloc_1", 10);
    (clock, sim)
}

/// 50.456: the lab's own order.
fn new_order() -> NewOrder {
    NewOrder {
        lines: vec![
            ("A".to_owned(), 2, "12.5".to_owned()),
            ("B".to_owned(), 1, "12.50".to_owned()),
        ],
        shipping: "4.9".to_owned(),
        tax_percent: "19".to_owned(),
        provider_id: "pp_system_default".to_owned(),
        authorised: true,
        address: None,
        email: "a@example.test".to_owned(),
        remarks: String::new(),
    }
}

fn ask(sim: &MedusaSim, mut request: Request) -> (u16, Value) {
    let key = basic(&KEY.to_owned().into());
    request
        .headers
        .push(("authorization".to_owned(), key.expose_secret().to_owned()));
    let Response { status, body, .. } = sim.handle(request);
    (status, serde_json::from_slice(&body).unwrap())
}

fn get(sim: &MedusaSim, path: &str) -> (u16, Value) {
    ask(sim, Request::get(path))
}

fn post(sim: &MedusaSim, path: &str, body: &Value) -> (u16, Value) {
    ask(sim, Request::post_json(path, body.to_string().into_bytes()))
}

#[test]
fn only_its_own_key_opens_it() {
    let (_, sim) = shop();
    let wrong = ("authorization".to_owned(), "Basic xxx".to_owned());
    for headers in [vec![], vec![wrong]] {
        let response = sim.handle(Request {
            headers,
            ..Request::get("/admin/orders")
        });
        assert_eq!(
            (response.status, response.body.as_slice()),
            (401, br#"{"message":"Unauthorized"}"#.as_slice())
        );
    }
    assert_eq!(sim.requests(), 0);
}

#[test]
fn totals_are_not_rounded_and_memory_is() {
    let (_, sim) = shop();
    let id = sim.place_order(new_order());
    let (_, answer) = get(&sim, &format!("/admin/orders/{id}"));
    let order = &answer["order"];
    assert_eq!(order["total"].to_string(), "50.456");
    assert_eq!(order["items"][0]["total"].to_string(), "29.75");
    assert_eq!(
        order["shipping_methods"][0]["tax_total"].to_string(),
        "0.931"
    );
    assert_eq!(sim.order(&id).unwrap().total, 5046);
}

#[test]
fn fulfilments_take_stock_and_never_more_than_is_ordered() {
    let (clock, sim) = shop();
    let id = sim.place_order(new_order());
    let line = sim.order(&id).unwrap().lines[0].0.clone();
    let path = format!("/admin/orders/{id}/fulfillments");
    let items = |quantity: u32| json!({ "items": [{ "id": line, "quantity": quantity }], "metadata": { "hikiate_ref": "R" } });
    let words = |answer: &(u16, Value)| {
        (
            answer.0,
            answer.1["type"].clone(),
            answer.1["message"].as_str().unwrap_or("").to_owned(),
        )
    };
    let over = words(&post(&sim, &path, &items(3)));
    assert_eq!(
        (over.0, over.2),
        (
            400,
            format!("Quantity to fulfill exceeds the reserved quantity for the item: {line}")
        )
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(post(&sim, &path, &items(2)).0, 200);
    let again = words(&post(&sim, &path, &items(1)));
    assert!(
        again.0 == 400 && again.2.starts_with("No stock reservation found for item"),
        "{again:?}"
    );
    let foreign = post(&sim, &path, &json!({ "items": [], "bla": 1 }));
    assert_eq!(
        words(&foreign).2,
        "Invalid request: Unrecognized fields: 'bla'"
    );
    let nowhere = post(
        &sim,
        &path,
        &json!({ "items": [], "location_id": "sloc_x" }),
    );
    assert_eq!(nowhere.0, 404);
    assert_eq!(sim.stocked("A", "sloc_1"), Some(8));
    let (_, answer) = get(&sim, &format!("/admin/orders/{id}"));
    assert_eq!(answer["order"]["updated_at"], "2027-01-15T08:00:01.000Z");
    let fulfilment = answer["order"]["fulfillments"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let ship = format!("{path}/{fulfilment}/shipments");
    let label = json!({ "tracking_number": "T" });
    assert_eq!(
        post(&sim, &ship, &json!({ "items": [], "labels": [label] })).0,
        400
    );
    let label = json!({ "tracking_number": "T", "tracking_url": "", "label_url": "" });
    let body = json!({ "items": [{ "id": line, "quantity": 99 }], "labels": [label] });
    assert_eq!(post(&sim, &ship, &body).0, 200);
    assert_eq!(words(&post(&sim, &ship, &body)).1, "not_allowed");
    let memory = sim.order(&id).unwrap();
    assert_eq!(
        (
            memory.fulfilled_as("R"),
            memory.repeated(),
            memory.is_shipped()
        ),
        (1, 0, false)
    );
}

#[test]
fn captures_leave_the_time_of_change_alone_and_repeats_do_nothing() {
    let (clock, sim) = shop();
    let id = sim.place_order(new_order());
    let payment = sim.order(&id).unwrap().payment.unwrap();
    let path = format!("/admin/payments/{payment}/capture");
    clock.advance(Duration::from_secs(9));
    assert_eq!(post(&sim, &path, &json!({ "amount": 20 })).0, 200);
    assert_eq!(
        post(&sim, &path, &json!({})).0,
        400,
        "an empty body asks for the whole amount"
    );
    assert_eq!(post(&sim, &path, &json!({ "amount": 30.47 })).0, 400);
    assert_eq!(
        post(&sim, &path, &json!({ "amount": 30.46 })).0,
        200,
        "the rounded rest is taken"
    );
    assert_eq!(post(&sim, &path, &json!({ "amount": 1000 })).0, 200);
    let memory = sim.order(&id).unwrap();
    assert_eq!(
        (
            memory.captured,
            memory.captures,
            sim.captured_total(),
            memory.repeated()
        ),
        (5046, 2, 5046, 1)
    );
    let (_, answer) = get(&sim, &format!("/admin/orders/{id}"));
    assert_eq!(answer["order"]["updated_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!(get(&sim, "/admin/payments/pay_nope"), (200, json!({})));
    assert_eq!(
        post(&sim, "/admin/payments/pay_nope/capture", &json!({})).0,
        404
    );
}

#[test]
fn a_cancel_voids_or_refunds_and_is_refused_once_fulfilled() {
    let (_, sim) = shop();
    let (open, captured, fulfilled) = (
        sim.place_order(new_order()),
        sim.place_order(new_order()),
        sim.place_order(new_order()),
    );
    let payment = |id: &str| sim.order(id).unwrap().payment.unwrap();
    assert_eq!(
        post(
            &sim,
            &format!("/admin/payments/{}/capture", payment(&captured)),
            &json!({})
        )
        .0,
        200
    );
    let line = sim.order(&fulfilled).unwrap().lines[0].0.clone();
    let items = json!({ "items": [{ "id": line, "quantity": 1 }] });
    assert_eq!(
        post(
            &sim,
            &format!("/admin/orders/{fulfilled}/fulfillments"),
            &items
        )
        .0,
        200
    );
    assert!(sim.cancel_order(&open) && !sim.cancel_order(&open));
    assert_eq!(
        post(
            &sim,
            &format!("/admin/orders/{captured}/cancel"),
            &json!({})
        )
        .0,
        200
    );
    assert!(!sim.cancel_order(&fulfilled) && !sim.cancel_order("order_nope"));
    assert_eq!(
        post(
            &sim,
            &format!("/admin/payments/{}/capture", payment(&open)),
            &json!({})
        )
        .0,
        400
    );
    let (_, answer) = get(&sim, &format!("/admin/orders/{captured}"));
    assert_eq!(
        (
            answer["order"]["status"].clone(),
            answer["order"]["total"].to_string()
        ),
        (json!("canceled"), "0".to_owned())
    );
    assert_eq!(sim.order(&captured).unwrap().refunded, 5046);
    assert_eq!(
        sim.orders().iter().filter(|order| order.cancelled).count(),
        2
    );
}

#[test]
fn lists_filter_and_page() {
    let (clock, sim) = shop();
    let ids: Vec<String> = (0..4)
        .map(|_| {
            clock.advance(Duration::from_millis(1));
            sim.place_order(new_order())
        })
        .collect();
    let list = |query: &str| {
        let (status, answer) = get(&sim, &format!("/admin/orders?{query}"));
        let found: Vec<usize> = answer["orders"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|order| ids.iter().position(|id| order["id"] == json!(id)).unwrap())
            .collect();
        (status, found, answer["count"].as_u64())
    };
    assert_eq!(list("order=updated_at&limit=2"), (200, vec![0, 1], Some(4)));
    assert_eq!(list("order=id&limit=2&offset=3"), (200, vec![3], Some(4)));
    assert_eq!(
        list("updated_at%5B%24gte%5D=2027-01-15T08:00:00.003Z"),
        (200, vec![2, 3], Some(2))
    );
    let window =
        "updated_at[$gte]=2027-01-15T08:00:00.002Z&updated_at[$lt]=2027-01-15T08:00:00.003Z";
    assert_eq!(list(window), (200, vec![1], Some(1)));
    assert_eq!(
        list("updated_at[$gt]=2027-01-15T08:00:00.003Z&updated_at[$lte]=2027-01-15T08:00:00.003Z"),
        (200, vec![], Some(0))
    );
    assert_eq!(
        list(&format!("id[]={}&id[]=x&id[]={}", ids[3], ids[0])),
        (200, vec![0, 3], Some(2))
    );
    assert_eq!(list("status[]=canceled"), (200, vec![], Some(0)));
    assert_eq!(list("bla=1").2, Some(4));
    assert_eq!(list("updated_at[$gte]=garbage").0, 500);
    sim.touch_order(&ids[0]);
    clock.advance(Duration::from_millis(1));
    sim.touch_order(&ids[0]);
    assert_eq!(list("order=updated_at"), (200, vec![1, 2, 3, 0], Some(4)));
    let (_, stock) = get(&sim, "/admin/inventory-items?limit=1");
    assert_eq!(
        stock["inventory_items"][0]["location_levels"],
        json!([{ "location_id": "sloc_1", "stocked_quantity": 10 }])
    );
}

#[test]
fn ten_thousand_orders_are_no_burden() {
    let (clock, sim) = shop();
    for _ in 0..10_000 {
        clock.advance(Duration::from_millis(1));
        sim.place_order(new_order());
    }
    let started = Instant::now();
    let mut from = "2027-01-15T08:00:00.000Z".to_owned();
    let mut told = 0;
    loop {
        let (_, page) = get(
            &sim,
            &format!("/admin/orders?order=updated_at&limit=100&updated_at[$gte]={from}"),
        );
        let orders = page["orders"].as_array().unwrap();
        told += orders.len();
        from = orders[orders.len() - 1]["updated_at"]
            .as_str()
            .unwrap()
            .to_owned();
        if orders.len() < 100 {
            break;
        }
    }
    assert!(told >= 10_000);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

/// The answer shows it; look-ups show it later, or with the next call.
#[tokio::test]
async fn what_is_shown_late_was_done() {
    let (clock, sim) = shop();
    let id = sim.place_order(new_order());
    let payment = sim.order(&id).unwrap().payment.unwrap();
    let seam = FaultyTransport::new(sim.transport()).asking(can);
    let capture = |amount: u32| {
        let body = json!({ "amount": amount }).to_string().into_bytes();
        Request::post_json(format!("/admin/payments/{payment}/capture"), body)
    };
    let shown = || {
        let (_, of_payment) = get(&sim, &format!("/admin/payments/{payment}"));
        let (_, of_order) = get(&sim, &format!("/admin/orders/{id}"));
        let of_order = &of_order["order"]["payment_collections"][0]["payments"][0];
        assert_eq!(of_payment["payment"], *of_order);
        of_order["captures"].as_array().map_or(0, Vec::len)
    };
    for (amount, before, after) in [(1, 0, 1), (2, 1, 2)] {
        seam.inject(Target::Write, Fault::ShownLate);
        let answer = seam.send(capture(amount)).await.unwrap();
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            told["payment"]["captures"].as_array().map(Vec::len),
            Some(after)
        );
        assert_eq!(sim.order(&id).unwrap().captures, after);
        clock.advance(SHOWN_AFTER - Duration::from_millis(1));
        assert_eq!(shown(), before);
        clock.advance(Duration::from_millis(1));
        assert_eq!(shown(), after);
    }
    seam.inject(Target::Write, Fault::ShownLate);
    seam.send(capture(3)).await.unwrap();
    assert_eq!(shown(), 2);
    seam.send(capture(4)).await.unwrap();
    assert_eq!(shown(), 4);
}

#[tokio::test]
async fn what_a_plug_in_swallows_is_answered_with_things_as_they_are() {
    let (_, sim) = shop();
    let id = sim.place_order(new_order());
    let payment = sim.order(&id).unwrap().payment.unwrap();
    let seam = FaultyTransport::new(sim.transport()).asking(can);
    let before = sim.order(&id).unwrap();
    for path in [
        format!("/admin/orders/{id}/cancel"),
        format!("/admin/payments/{payment}/capture"),
    ] {
        seam.inject(Target::Write, Fault::Swallowed);
        let call = Request::post_json(path, b"{}".to_vec());
        assert_eq!(seam.send(call).await.unwrap().status, 200);
        assert_eq!(sim.order(&id).unwrap(), before);
    }
    assert!(seam.unmet().is_empty());
}
