//! Each act with the side effects that the real shop showed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use hikiate_sdk::http::Request;
use hikiate_sdk::sim::{SimClock, Simulator};
use hikiate_sdk::{Currency, Party};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::basic;
use crate::sim::{MedusaSim, NewOrder, OrderMemory};

const KEY: &str = "sk_test";
const PLACE: &str = "sloc_1";

struct World {
    clock: SimClock,
    sim: Arc<MedusaSim>,
    id: String,
}

/// One order of two A at 12.50, one B at 12.50 and shipping at 4.90, 19 %: 50.456, authorised.
fn world() -> World {
    let clock = SimClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let sim = Arc::new(MedusaSim::new(clock.clone(), KEY, Currency::EUR));
    sim.add_sku("A", PLACE, 10);
    sim.add_sku("B", PLACE, 10);
    let id = sim.place_order(NewOrder {
        lines: vec![
            ("A".to_owned(), 2, "12.5".to_owned()),
            ("B".to_owned(), 1, "12.5".to_owned()),
        ],
        shipping: "4.9".to_owned(),
        tax_percent: "19".to_owned(),
        provider_id: "pp_system_default".to_owned(),
        authorised: true,
        address: Some(party("Old Town")),
        email: "a@example.test".to_owned(),
        remarks: "ring twice".to_owned(),
    });
    clock.advance(Duration::from_secs(1));
    World { clock, sim, id }
}

fn party(city: &str) -> Party {
    Party {
        name: "Taro Yamada".to_owned(),
        country: "DE".to_owned(),
        city: city.to_owned(),
        ..Party::default()
    }
}

impl World {
    fn ask(&self, mut request: Request) -> (u16, Value) {
        let key = basic(&KEY.to_owned().into());
        let header = ("authorization".to_owned(), key.expose_secret().to_owned());
        request.headers.push(header);
        let response = self.sim.handle(request);
        (
            response.status,
            serde_json::from_slice(&response.body).unwrap(),
        )
    }

    fn told(&self) -> Value {
        let path = format!("/admin/orders/{}", self.id);
        let (status, mut answer) = self.ask(Request::get(path));
        assert_eq!(status, 200);
        answer["order"].take()
    }

    fn post(&self, path: &str, body: &Value) -> u16 {
        let path = format!("/admin/{path}");
        self.ask(Request::post_json(path, body.to_string().into_bytes()))
            .0
    }

    fn memory(&self) -> OrderMemory {
        self.sim.order(&self.id).unwrap()
    }

    fn line(&self, n: usize) -> String {
        self.memory().lines[n].0.clone()
    }

    /// What an act says, whether it moved the time of change, and by how much the version.
    fn act<T>(&self, act: impl FnOnce(&MedusaSim, &str) -> T) -> (T, bool, u64) {
        let before = self.told();
        self.clock.advance(Duration::from_secs(1));
        let said = act(&self.sim, &self.id);
        let after = self.told();
        let version = |order: &Value| order["version"].as_u64().unwrap();
        (
            said,
            before["updated_at"] != after["updated_at"],
            version(&after) - version(&before),
        )
    }

    /// Status, amount, and per payment whether it is voided with what was captured and refunded.
    fn money(&self) -> Vec<String> {
        let told = self.told();
        let collections = told["payment_collections"].as_array().unwrap();
        let amounts = |list: &Value| -> Vec<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|moved| moved["amount"].to_string()).collect()
        };
        let words = |c: &Value| {
            let mut words = format!("{} {}", c["status"].as_str().unwrap(), c["amount"]);
            for p in c["payments"].as_array().unwrap() {
                let void = if p["canceled_at"].is_null() {
                    "stands"
                } else {
                    "void"
                };
                words += &format!(
                    " {void} +{:?} -{:?}",
                    amounts(&p["captures"]),
                    amounts(&p["refunds"])
                );
            }
            words.replace('"', "")
        };
        collections.iter().map(words).collect()
    }
}

const MOVED: bool = true;
const STILL: bool = false;

#[test]
fn packed_by_hand_takes_stock_and_no_reference_and_can_be_cancelled() {
    let w = world();
    let line = w.line(0);
    let (made, moved, version) =
        w.act(|sim, id| sim.staff_fulfil(id, &[(&line, 2)], Some(PLACE)).unwrap());
    assert_eq!((moved, version), (MOVED, 1));
    assert_eq!(w.sim.stocked("A", PLACE), Some(8));
    let seen = &w.memory().fulfilments[0];
    assert_eq!(
        (seen.reference.as_deref(), seen.location.as_deref()),
        (None, Some(PLACE))
    );
    assert_eq!((seen.shipped, seen.cancelled), (false, false));
    assert_eq!(seen.lines, [("A".to_owned(), 2)]);
    assert!(
        !w.sim.cancel_order(&w.id),
        "packed orders are not cancelled"
    );

    let (done, moved, version) = w.act(|sim, id| sim.staff_cancel_fulfilment(id, &made));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    assert_eq!(w.sim.stocked("A", PLACE), Some(10));
    assert_eq!(w.memory().lines[0].3, 0);
    assert!(w.memory().fulfilments[0].cancelled);
    assert!(w.told()["fulfillments"][0]["canceled_at"].is_string());
    assert!(!w.sim.staff_cancel_fulfilment(&w.id, &made), "once only");
    assert!(!w.sim.staff_ship(&w.id, &made, &["T"]), "it is cancelled");
    assert!(w.sim.cancel_order(&w.id), "nothing that stands is packed");
}

#[test]
fn no_lines_mean_all_that_is_open_and_more_than_that_is_refused() {
    let w = world();
    let (first, second) = (w.line(0), w.line(1));
    assert!(w.sim.staff_fulfil(&w.id, &[(&first, 3)], None).is_none());
    assert!(
        w.sim
            .staff_fulfil(&w.id, &[(&first, 1)], Some("sloc_no"))
            .is_none()
    );
    assert!(w.sim.staff_fulfil(&w.id, &[(&first, 1)], None).is_some());
    assert!(w.sim.staff_fulfil(&w.id, &[], None).is_some());
    let lines: Vec<u32> = w.memory().lines.iter().map(|l| l.3).collect();
    assert_eq!(lines, [2, 1]);
    assert!(w.sim.staff_fulfil(&w.id, &[], None).is_none());
    assert!(w.sim.staff_fulfil(&w.id, &[(&second, 1)], None).is_none());
    assert!(w.sim.staff_fulfil("order_no", &[], None).is_none());
}

#[test]
fn shipped_by_hand_stays_shipped_unless_something_writes_past_the_shop() {
    let w = world();
    let made = w.sim.staff_fulfil(&w.id, &[], Some(PLACE)).unwrap();
    let (done, moved, version) = w.act(|sim, id| sim.staff_ship(id, &made, &["BYHAND1"]));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    assert!(w.memory().is_shipped());
    assert_eq!(w.memory().fulfilments[0].tracking, ["BYHAND1"]);
    assert!(!w.sim.staff_ship(&w.id, &made, &["BYHAND2"]), "once only");
    assert!(
        !w.sim.staff_cancel_fulfilment(&w.id, &made),
        "it is shipped"
    );

    let (again, moved, _) = w.act(|sim, id| sim.staff_correct_tracking(id, &made, &["BYHAND2"]));
    assert_eq!(moved, MOVED);
    let memory = w.memory();
    let seen: Vec<_> = memory
        .fulfilments
        .iter()
        .map(|f| (f.id.clone(), f.shipped, f.cancelled, f.tracking.join(",")))
        .collect();
    let again = again.unwrap();
    assert_eq!(
        seen,
        [
            (made, true, true, "BYHAND1".to_owned()),
            (again.clone(), true, false, "BYHAND2".to_owned())
        ]
    );
    assert!(memory.is_shipped());
    assert_eq!(memory.fulfilments[1].lines, memory.fulfilments[0].lines);
    assert_eq!(w.sim.stocked("A", PLACE), Some(8));

    assert!(w.sim.staff_undo_shipment(&w.id, &again));
    assert!(!w.sim.staff_undo_shipment(&w.id, &again), "once only");
    assert!(!w.memory().is_shipped());
    assert_eq!(w.sim.stocked("A", PLACE), Some(10));
}

#[test]
fn an_order_is_completed_with_open_goods_and_archived_only_afterwards() {
    let w = world();
    assert!(!w.sim.archive(&w.id), "it is open");
    let (done, moved, version) = w.act(MedusaSim::complete);
    assert_eq!((done, moved, version), (true, MOVED, 0));
    assert_eq!(w.memory().status, "completed");
    assert!(!w.sim.cancel_order(&w.id), "it is completed");
    assert!(
        w.sim.staff_fulfil(&w.id, &[], None).is_some(),
        "still shipped"
    );
    let (done, moved, version) = w.act(MedusaSim::archive);
    assert_eq!((done, moved, version), (true, MOVED, 0));
    assert_eq!(w.memory().status, "archived");
}

#[test]
fn a_cancelled_order_stays_cancelled_in_the_archive() {
    let w = world();
    assert!(w.sim.cancel_order(&w.id));
    assert!(!w.sim.complete(&w.id), "it is cancelled");
    assert!(!w.sim.edit_address(&w.id, None) && !w.sim.mark_test(&w.id));
    assert!(w.sim.archive(&w.id));
    assert_eq!(
        (w.memory().status.as_str(), w.memory().cancelled),
        ("archived", true)
    );
    assert!(w.told()["canceled_at"].is_string());
    assert!(w.sim.staff_fulfil(&w.id, &[], None).is_none());
}

#[test]
fn an_edit_voids_the_payment_and_asks_for_the_new_total() {
    let w = world();
    let (a, b) = (w.line(0), w.line(1));
    let (done, moved, version) = w.act(|sim, id| sim.edit_quantity(id, &a, 1));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    assert_eq!(w.told()["total"].to_string(), "35.581");
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[] -[]", "not_paid 35.581"]
    );

    assert!(w.sim.remove_line(&w.id, &b));
    assert_eq!(w.told()["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[] -[]", "not_paid 20.706"]
    );
    assert!(!w.sim.edit_quantity(&w.id, &b, 5), "it is gone");
    assert!(!w.sim.remove_line(&w.id, "ordli_no"));

    let added = w.sim.add_line(&w.id, "B", 3, "12.5").unwrap();
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[] -[]", "not_paid 65.331"]
    );
    assert!(w.sim.add_line(&w.id, "B", 0, "1").is_none());
    assert!(w.sim.add_line(&w.id, "B", 1, "dear").is_none());
    let lines: Vec<_> = w.memory().lines.into_iter().map(|l| (l.0, l.2)).collect();
    assert_eq!(lines, [(a, 1), (b, 0), (added, 3)]);

    let (paid, moved, version) = w.act(|sim, id| sim.reauthorise(id).unwrap());
    assert_eq!((moved, version), (STILL, 0));
    assert_eq!(
        w.money(),
        [
            "canceled 50.456 void +[] -[]",
            "authorized 65.331 stands +[] -[]"
        ]
    );
    assert_eq!(w.memory().payment, Some(paid));
    assert!(
        w.sim.reauthorise(&w.id).is_none(),
        "nothing more is asked for"
    );
}

#[test]
fn an_edit_goes_not_below_what_is_packed() {
    let w = world();
    let a = w.line(0);
    let made = w.sim.staff_fulfil(&w.id, &[(&a, 1)], None).unwrap();
    assert!(!w.sim.remove_line(&w.id, &a));
    assert!(w.sim.edit_quantity(&w.id, &a, 1));
    assert!(w.sim.staff_fulfil(&w.id, &[(&a, 1)], None).is_none());
    assert!(w.sim.staff_cancel_fulfilment(&w.id, &made));
    assert!(w.sim.remove_line(&w.id, &a));
    let items = json!({ "items": [{ "id": a, "quantity": 1 }] });
    let path = format!("orders/{}/fulfillments", w.id);
    assert_eq!(w.post(&path, &items), 400, "the line is gone");
}

#[test]
fn a_captured_payment_survives_an_edit_and_the_rest_is_asked_for() {
    let w = world();
    let a = w.line(0);
    let (done, moved, version) = w.act(MedusaSim::capture_by_staff);
    assert_eq!((done, moved, version), (true, STILL, 0));
    assert!(!w.sim.capture_by_staff(&w.id), "all of it is captured");
    assert!(!w.sim.void_payment(&w.id), "all of it is captured");
    assert!(w.sim.edit_quantity(&w.id, &a, 1));
    assert_eq!(w.money(), ["completed 50.456 stands +[50.456] -[]"]);
    assert!(w.sim.edit_quantity(&w.id, &a, 4));
    assert_eq!(
        w.money(),
        ["completed 50.456 stands +[50.456] -[]", "not_paid 29.75"]
    );
    assert!(w.sim.edit_quantity(&w.id, &a, 2));
    assert_eq!(
        w.money(),
        ["completed 50.456 stands +[50.456] -[]", "canceled 29.75"]
    );
}

#[test]
fn an_edit_after_a_part_was_captured_voids_the_rest() {
    let w = world();
    let payment = w.memory().payment.unwrap();
    let path = format!("payments/{payment}/capture");
    assert_eq!(w.post(&path, &json!({ "amount": 10 })), 200);
    assert!(w.sim.edit_quantity(&w.id, &w.line(0), 1));
    assert_eq!(
        w.money(),
        [
            "partially_captured 50.456 void +[10] -[]",
            "not_paid 25.581"
        ]
    );
    assert!(w.sim.cancel_order(&w.id));
    assert_eq!(w.told()["total"].to_string(), "25.581");
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[10] -[10]", "canceled 25.581"]
    );
}

#[test]
fn a_void_changes_nothing_but_the_payment() {
    let w = world();
    let payment = w.memory().payment.unwrap();
    let (done, moved, version) = w.act(MedusaSim::void_payment);
    assert_eq!((done, moved, version), (true, STILL, 0));
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[] -[]", "not_paid 50.456"]
    );
    let path = format!("payments/{payment}/capture");
    assert_eq!(w.post(&path, &json!({})), 400);
    assert!(!w.sim.void_payment(&w.id), "nothing is authorised");
    assert!(!w.sim.capture_by_staff(&w.id), "nothing is authorised");
    let fresh = w.sim.reauthorise(&w.id).unwrap();
    assert_eq!(
        w.post(&format!("payments/{fresh}/capture"), &json!({})),
        200
    );
    let memory = w.memory();
    assert_eq!(
        (memory.captured, memory.captures, memory.repeated()),
        (5046, 1, 0)
    );
}

#[test]
fn a_refund_is_a_credit_line_as_far_as_nothing_was_owed_back() {
    let w = world();
    assert!(!w.sim.refund_by_staff(&w.id, 100), "nothing is captured");
    assert!(w.sim.capture_by_staff(&w.id));
    let (done, moved, version) = w.act(|sim, id| sim.refund_by_staff(id, 500));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    let told = w.told();
    assert_eq!(
        (
            told["total"].to_string(),
            told["credit_line_total"].to_string()
        ),
        ("45.456".to_owned(), "5".to_owned())
    );
    let refund = &told["payment_collections"][0]["payments"][0]["refunds"][0];
    assert!(refund["id"].is_string() && refund["created_at"].is_string());

    // Lowered by 14.875: so much is owed back already, and giving it back moves nothing.
    assert!(w.sim.edit_quantity(&w.id, &w.line(0), 1));
    let (done, moved, version) = w.act(|sim, id| sim.refund_by_staff(id, 1000));
    assert_eq!((done, moved, version), (true, STILL, 0));
    assert_eq!(w.told()["total"].to_string(), "30.581");
    let (done, moved, version) = w.act(|sim, id| sim.refund_by_staff(id, 1000));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    assert_eq!(w.told()["total"].to_string(), "25.456");
    assert_eq!(w.memory().refunded, 2500);
    assert!(!w.sim.refund_by_staff(&w.id, 2547), "more than is left");
    assert!(!w.sim.refund_by_staff(&w.id, 0) && !w.sim.refund_by_staff(&w.id, -1));
}

#[test]
fn address_test_mark_and_tags_leave_the_payment_alone() {
    let w = world();
    let acts: [fn(&MedusaSim, &str) -> bool; 3] = [
        |sim, id| sim.edit_address(id, Some(party("New Town"))),
        |sim, id| sim.mark_test(id),
        |sim, id| sim.tag(id, &["gift"]),
    ];
    for act in acts {
        assert_eq!(w.act(act), (true, MOVED, 0));
    }
    let told = w.told();
    assert_eq!(told["shipping_address"]["city"], "New Town");
    assert_eq!(told["billing_address"]["city"], "Old Town");
    assert_eq!(
        told["metadata"],
        json!({ "remarks": "ring twice", "test": true, "tags": ["gift"] })
    );
    assert_eq!(w.money(), ["authorized 50.456 stands +[] -[]"]);
    assert!(w.sim.edit_address(&w.id, None));
    assert!(w.told()["shipping_address"].is_null());
}

#[test]
fn another_service_is_added_to_the_first_and_costs_a_new_payment() {
    let w = world();
    let (done, moved, version) = w.act(|sim, id| sim.edit_service(id, "Express", "7"));
    assert_eq!((done, moved, version), (true, MOVED, 1));
    let told = w.told();
    let names: Vec<_> = told["shipping_methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|way| (way["name"].as_str().unwrap(), way["total"].to_string()))
        .collect();
    assert_eq!(
        names,
        [
            ("Standard", "5.831".to_owned()),
            ("Express", "8.33".to_owned())
        ]
    );
    assert_eq!(
        w.money(),
        ["canceled 50.456 void +[] -[]", "not_paid 58.786"]
    );
    assert!(!w.sim.edit_service(&w.id, "Express", "dear"));
}

#[test]
fn a_deleted_order_is_nowhere_and_comes_back_as_it_was() {
    let w = world();
    let before = w.told();
    w.clock.advance(Duration::from_secs(60));
    assert!(w.sim.delete(&w.id) && !w.sim.delete(&w.id));
    let path = format!("/admin/orders/{}", w.id);
    assert_eq!(w.ask(Request::get(path)).0, 404);
    let found = |query: &str| {
        let (_, answer) = w.ask(Request::get(format!("/admin/orders?{query}")));
        (
            answer["count"].as_u64(),
            answer["orders"].as_array().map(Vec::len),
        )
    };
    let by_id = format!("id[]={}", w.id);
    for query in ["order=updated_at", &by_id] {
        assert_eq!(found(query), (Some(0), Some(0)), "{query}");
    }
    assert!(w.sim.staff_fulfil(&w.id, &[], None).is_none());
    assert!(!w.sim.complete(&w.id) && !w.sim.edit_quantity(&w.id, &w.line(0), 1));
    assert_eq!(w.post(&format!("orders/{}/cancel", w.id), &json!({})), 404);
    assert!(w.memory().deleted, "the judge still knows it");
    assert!(w.sim.restore(&w.id) && !w.sim.restore(&w.id));
    assert_eq!(w.told(), before, "with the same time of change");
    assert_eq!(found(&by_id), (Some(1), Some(1)));
}
