//! Answers that do not say what was asked for.

use hikiate_sdk::RefundCall;
use hikiate_sdk::faulty::{Altered, Mixed};
use hikiate_sdk::http::Method;
use serde_json::Value;

use super::*;

impl World {
    /// Another account of the shop, on such a way.
    fn altered(&self, alter: impl Fn(Method, &mut Value) + Send + Sync + 'static) -> Medusa {
        let shop = self.sim.transport();
        let alter = move |method, _: &str, body: &mut Value| alter(method, body);
        account(Arc::new(Altered::new(shop, alter)), Settings::default())
    }

    fn refund(&self, key: &str, amount: i64, expected: i64) -> Call {
        Call::Refund(RefundCall {
            order: ExternalId::new(self.order.clone()),
            payment: ExternalId::new(self.sim.order(&self.order).unwrap().payment.unwrap()),
            provider: None,
            key: key.to_owned(),
            amount,
            currency: Currency::EUR,
            expected_refunded_total: expected,
            reason: None,
            lines: Vec::new(),
        })
    }
}

#[tokio::test]
async fn a_field_that_is_absent_is_not_known_and_nothing_is_written() {
    let w = world();
    let capture = w.capture(Some(1000), 1000);
    let refund = w.refund("refund:1", 100, 100);
    for call in [&capture, &refund] {
        id(w.send(call).await);
    }
    let before = w.sim.writes();
    for (call, place, field) in [
        (&capture, "/payment", "captures"),
        (&capture, "/payment", "refunds"),
        (&refund, "/payment", "captures"),
        (&refund, "/payment", "refunds"),
        (&refund, "/payment/refunds/0", "note"),
    ] {
        let medusa = w.altered(move |_, body| {
            let fields = body.pointer_mut(place).unwrap().as_object_mut().unwrap();
            assert!(fields.remove(field).is_some());
        });
        let (op, prepared) = (call.op(), medusa.prepare(call).unwrap());
        let sent = medusa.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{op} without {field}");
        let found = medusa.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{op} without {field}");
    }
    assert_eq!(w.sim.writes(), before);
}

#[tokio::test]
async fn an_answer_about_another_order_or_payment_is_not_believed() {
    let w = world();
    let other = || World {
        medusa: account(w.sim.transport(), Settings::default()),
        sim: Arc::clone(&w.sim),
        order: w.sim.place_order(mugs()),
    };
    let (paid, shipped, cancelled) = (other(), other(), other());
    id(paid.send(&paid.capture(None, 3558)).await);
    id(paid.send(&paid.refund("refund:1", 100, 100)).await);
    id(shipped.send(&shipped.fulfil("HK1-S1", 1)).await);
    id(shipped.send(&shipped.ship("HK1-S1", &["T1"])).await);
    id(cancelled.send(&cancelled.cancel()).await);
    let before = w.sim.writes();
    let payment = |of: &World| w.sim.order(&of.order).unwrap().payment.unwrap();
    let order = |of: &World| of.order.clone();
    for (call, asked, answered) in [
        (w.capture(None, 3558), payment(&w), payment(&paid)),
        (w.refund("refund:1", 100, 100), payment(&w), payment(&paid)),
        (w.fulfil("HK1-S1", 1), order(&w), order(&shipped)),
        (w.ship("HK1-S1", &["T1"]), order(&w), order(&shipped)),
        (w.cancel(), order(&w), order(&cancelled)),
    ] {
        let shop = w.sim.transport();
        let mixed = Mixed {
            far: shop,
            asked,
            answered,
        };
        let medusa = account(Arc::new(mixed), Settings::default());
        let (op, prepared) = (call.op(), medusa.prepare(&call).unwrap());
        let sent = medusa.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{op}: {sent}");
        let found = medusa.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{op}: {found}");
    }
    assert_eq!(w.sim.writes(), before);
}

#[tokio::test]
async fn the_answer_to_a_write_of_another_leaves_it_open_what_became_of_it() {
    let w = world();
    let medusa = w.altered(|method, body| {
        let told = ["/order/id", "/payment/id"].into_iter();
        let told = told.filter(|_| method != Method::Get);
        for place in told {
            if let Some(told) = body.pointer_mut(place) {
                *told = "other".into();
            }
        }
    });
    let calls = [
        w.capture(Some(1000), 1000),
        w.refund("refund:1", 100, 100),
        w.annotate(&["high-value"]),
        w.fulfil("HK1-S1", 1),
        w.ship("HK1-S1", &["T1"]),
    ];
    for call in calls {
        let (op, prepared) = (call.op(), medusa.prepare(&call).unwrap());
        let sent = medusa.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::OutcomeUnknown, "{op}: {sent}");
        // The read after it is about the right one.
        assert!(w.send(&call).await.is_ok(), "{op}");
    }
}

#[tokio::test]
async fn the_answer_to_a_write_that_does_not_say_what_moved_leaves_it_open() {
    let w = world();
    for (call, field) in [
        (w.capture(Some(1000), 1000), "captures"),
        (w.refund("refund:1", 100, 100), "refunds"),
    ] {
        let medusa = w.altered(move |method, body| {
            if method != Method::Get {
                let payment = body["payment"].as_object_mut().unwrap();
                assert!(payment.remove(field).is_some());
            }
        });
        let (op, prepared) = (call.op(), medusa.prepare(&call).unwrap());
        let sent = medusa.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::OutcomeUnknown, "{op}: {sent}");
        assert!(sent.message.contains("captured and refunded"), "{sent}");
        // It has happened, and the read after it says so.
        let found = medusa.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(found, LookUp::Found(Outcome::Done { .. })), "{op}");
    }
}

#[tokio::test]
async fn fulfilments_that_are_not_told_are_not_known_to_be_absent() {
    let w = world();
    let cancelled = World {
        medusa: account(w.sim.transport(), Settings::default()),
        sim: Arc::clone(&w.sim),
        order: w.sim.place_order(mugs()),
    };
    id(cancelled.send(&cancelled.cancel()).await);
    let medusa = w.altered(|method, body| {
        if method == Method::Get {
            let order = body["order"].as_object_mut().unwrap();
            assert!(order.remove("fulfillments").is_some());
        }
    });
    let fulfil = w.fulfil("HK1-S1", 1);
    // The shop itself fulfils no unit twice: a write needs no list.
    let prepared = medusa.prepare(&fulfil).unwrap();
    assert!(medusa.send_one(Op::Fulfil, &prepared).await.is_ok());
    id(w.send(&w.ship("HK1-S1", &["T1"])).await);
    for call in [
        fulfil,
        w.ship("HK1-S1", &["T1"]),
        cancelled.fulfil("HK1-S1", 1),
    ] {
        let (op, prepared) = (call.op(), medusa.prepare(&call).unwrap());
        let found = medusa.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{op}: {found}");
        let found = w.medusa.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(found, LookUp::Found(_)), "{op}");
    }
}
