//! Answers that do not say what was asked for.

use hikiate_sdk::faulty::{Altered, Mixed};
use hikiate_sdk::http::Method;
use hikiate_sdk::{ErrorClass, Operations as _};

use super::writing::{capture, is_done, refund, void, yen};
use super::*;

impl World {
    /// Another client of the account, on such a way.
    fn altered(&self, alter: impl Fn(Method, &mut Value) + Send + Sync + 'static) -> Stripe {
        let stripe = self.sim.transport();
        let alter = move |method, _: &str, body: &mut Value| alter(method, body);
        let link = Link::new(Clock::default()).over(Arc::new(Altered::new(stripe, alter)));
        let secret = SecretString::from(KEY.to_owned());
        let http = link.http(site("https://api.stripe.example", secret.into()));
        Stripe::new(http.unwrap(), self.account.settings.clone())
    }
}

#[tokio::test]
async fn a_field_that_is_absent_is_not_known_and_nothing_is_written() {
    let world = World::new();
    let (paid, open) = (world.sim.pay(yen(5000)), world.sim.pay(yen(5000)));
    let capture = capture(&paid, "c:1", None, 5000);
    let refund = refund(&paid, "r:1", 1000, 1000);
    let void = void(&open, 5000);
    for call in [&capture, &refund] {
        assert!(is_done(&world.send(call).await));
    }
    let before = world.sim.writes();
    for (call, place, field) in [
        (&capture, "", "metadata"),
        (&capture, "", "latest_charge"),
        (&void, "", "latest_charge"),
        (&refund, "", "latest_charge"),
        (&refund, "/latest_charge/refunds", "has_more"),
        (&refund, "/latest_charge/refunds/data/0", "metadata"),
    ] {
        let account = world.altered(move |_, body| {
            let fields = body.pointer_mut(place).unwrap().as_object_mut().unwrap();
            assert!(fields.remove(field).is_some());
        });
        let (op, prepared) = (call.op(), account.prepare(call).unwrap());
        let sent = account.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{op} {field}: {sent}");
        let found = account.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{op} {field}: {found}");
    }
    assert_eq!(world.sim.writes(), before);
}

#[tokio::test]
async fn an_answer_about_another_payment_is_not_believed() {
    let world = World::new();
    let (ours, paid, gone) = (
        world.sim.pay(yen(5000)),
        world.sim.pay(yen(5000)),
        world.sim.pay(yen(5000)),
    );
    assert!(is_done(
        &world.send(&capture(&paid, "c:1", None, 5000)).await
    ));
    assert!(is_done(
        &world.send(&refund(&paid, "r:1", 1000, 1000)).await
    ));
    assert!(is_done(&world.send(&void(&gone, 5000)).await));
    let before = world.sim.writes();
    for (call, answered) in [
        (capture(&ours, "c:1", None, 5000), &paid),
        (refund(&ours, "r:1", 1000, 1000), &paid),
        (void(&ours, 5000), &gone),
    ] {
        let mixed = Mixed {
            far: world.sim.transport(),
            asked: ours.clone(),
            answered: answered.clone(),
        };
        let link = Link::new(Clock::default()).over(Arc::new(mixed));
        let secret = SecretString::from(KEY.to_owned());
        let http = link.http(site("https://api.stripe.example", secret.into()));
        let account = Stripe::new(http.unwrap(), world.account.settings.clone());
        let (op, prepared) = (call.op(), account.prepare(&call).unwrap());
        let sent = account.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{op}: {sent}");
        let found = account.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{op}: {found}");
    }
    assert_eq!(world.sim.writes(), before);
}

#[tokio::test]
async fn a_refund_of_another_payment_and_an_answer_to_a_write_of_one_are_not_believed() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    let other = world.altered(|method, body| {
        if method != Method::Get {
            body["id"] = "pi_other".into();
        }
    });
    let call = capture(&id, "c:1", None, 5000);
    let prepared = other.prepare(&call).unwrap();
    let sent = other.send_one(call.op(), &prepared).await.unwrap_err();
    assert_eq!(sent.class, ErrorClass::OutcomeUnknown, "{sent}");
    assert!(is_done(&world.send(&call).await));
    let call = refund(&id, "r:1", 1000, 1000);
    assert!(is_done(&world.send(&call).await));
    let other = world.altered(|_, body| {
        let of = body.pointer_mut("/latest_charge/refunds/data/0/payment_intent");
        *of.unwrap() = "pi_other".into();
    });
    let prepared = other.prepare(&call).unwrap();
    let found = other.look_up_one(call.op(), &prepared).await;
    assert_eq!(found.unwrap_err().class, ErrorClass::Protocol);
}
