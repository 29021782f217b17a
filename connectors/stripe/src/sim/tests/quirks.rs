//! The simulator's own ways, as the API's documents have them.

use hikiate_sdk::Currency;
use hikiate_sdk::conformance::HookCase;
use hikiate_sdk::http::Method;

use super::super::NewPayment;
use super::*;

fn post(path: &str, key: &str, body: &str) -> Request {
    Request {
        headers: vec![("idempotency-key".to_owned(), key.to_owned())],
        ..Request::post_json(path, body.as_bytes().to_vec())
    }
}

fn json(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn paid(world: &World) -> String {
    world.sim.pay(NewPayment::paid(5000, Currency::JPY))
}

#[test]
fn a_key_is_replayed_for_24_hours_and_refused_with_another_body() {
    let world = World::new();
    let id = paid(&world);
    let refund = |amount: u32, key: &str| {
        let body = format!("payment_intent={id}&amount={amount}");
        ask(&world.sim, post("/v1/refunds", key, &body))
    };
    let first = refund(100, "k1");
    let again = refund(100, "k1");
    assert_eq!((first.status, &again.body), (200, &first.body));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = refund(200, "k1");
    assert_eq!(
        (other.status, &json(&other)["error"]["type"]),
        (400, &"idempotency_error".into())
    );
    assert_eq!(world.sim.payment(&id).unwrap().refunds.len(), 1);
    world.later(24 * 3600);
    assert_eq!(refund(200, "k1").status, 200, "forgotten");
    assert_eq!(world.sim.payment(&id).unwrap().refunded, 300);
}

/// An answer is kept once the call was begun: not where a field was wrong.
#[test]
fn what_did_not_pass_the_gate_spends_no_key() {
    let world = World::new();
    let id = paid(&world);
    let refund = |body: &str| ask(&world.sim, post("/v1/refunds", "k1", body));
    assert_eq!(refund(&format!("payment_intent={id}&amount=x")).status, 400);
    assert_eq!(
        refund(&format!("payment_intent={id}&colour=red")).status,
        400
    );
    assert_eq!(
        refund(&format!("payment_intent={id}&amount=100")).status,
        200
    );
    let capture = |key: &str| {
        ask(
            &world.sim,
            post(&format!("/v1/payment_intents/{id}/capture"), key, ""),
        )
    };
    assert_eq!(capture("k2").header("idempotent-replayed"), None);
    assert_eq!(
        capture("k2").header("idempotent-replayed"),
        Some("true"),
        "a state is an answer"
    );
}

#[test]
fn events_are_newest_first_for_30_days_and_paged_by_id() {
    let world = World::new();
    let get = |query: &str| {
        json(&ask(
            &world.sim,
            Request::get(format!("/v1/events?{query}")),
        ))
    };
    for _ in 0..3 {
        world.later(10);
        paid(&world);
    }
    let all = get("limit=100");
    let events = all["data"].as_array().unwrap();
    assert_eq!((events.len(), &all["has_more"]), (6, &false.into()));
    assert!(events[0]["created"].as_i64() > events[5]["created"].as_i64());
    let after = events[1]["id"].as_str().unwrap();
    let next = get(&format!("limit=2&starting_after={after}"));
    assert_eq!(
        (&next["data"][0]["id"], &next["has_more"]),
        (&events[2]["id"], &true.into())
    );
    let made = get("types%5B%5D=payment_intent.created");
    assert_eq!(made["data"].as_array().unwrap().len(), 3);
    world.later(31 * 86_400);
    assert!(get("").pointer("/data/0").is_none());
    let gone = ask(
        &world.sim,
        Request::get(format!("/v1/events?starting_after={after}")),
    );
    assert_eq!(
        (gone.status, &json(&gone)["error"]["code"]),
        (404, &"resource_missing".into())
    );
}

#[test]
fn without_the_key_nothing_is_told_and_nothing_done() {
    let world = World::new();
    let id = paid(&world);
    let path = format!("/v1/payment_intents/{id}/cancel");
    for request in [
        Request::get("/v1/events"),
        Request::post_json(path, Vec::new()),
    ] {
        assert_eq!(world.sim.handle(request).status, 401);
    }
    let mut put = Request::get("/v1/refunds");
    put.method = Method::Put;
    assert_eq!(ask(&world.sim, put).status, 404);
    assert_eq!(ask(&world.sim, Request::get("/v1/nothing")).status, 404);
    assert_eq!(
        ask(&world.sim, Request::get("/v1/events?limit=101")).status,
        400
    );
}

#[test]
fn hooks_are_of_the_events_since() {
    let world = World::new();
    paid(&world);
    world.sim.note_changes();
    assert!(world.sim.take_changes().is_empty());
    let id = paid(&world);
    let changes = world.sim.take_changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(world.sim.last_event(&id).as_ref(), changes.last());
    let sent = world.sim.hook("s", &changes[1], HookCase::Good).unwrap();
    assert_eq!(sent.about.len(), 1);
    assert!(world.sim.hook("s", "evt_none", HookCase::Good).is_none());
}

/// A slice of a second for a year's payments: worlds and benchmarks run on it.
#[test]
fn many_payments_are_listed_and_paged_quickly() {
    let world = World::new();
    for _ in 0..20_000 {
        world.later(1);
        paid(&world);
    }
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let path = format!("/v1/events?limit=100{after}");
        let page = json(&ask(&world.sim, Request::get(path)));
        let events = page["data"].as_array().unwrap();
        seen += events.len();
        if page["has_more"] == false {
            break;
        }
        after = format!(
            "&starting_after={}",
            events.last().unwrap()["id"].as_str().unwrap()
        );
    }
    assert_eq!(seen, 40_000);
}
