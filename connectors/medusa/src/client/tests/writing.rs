//! Writes against the shop's quirks.

mod answers;

use std::sync::Arc;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, FaultyTransport, Target};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    AnnotateCall, Call, CancelOrderCall, CaptureCall, Currency, Error, ErrorClass, ExternalId,
    FulfilCall, HoldWhy, LineKey, Link, LookUp, Op, Operations, Outcome, SecretPlace, SecretRef,
    ShipCall, ShipmentReference, ShippedLine, ShippedParcel, ShownHold,
};

use super::support::{LOCATION, TOKEN, account, mugs, shop};
use crate::config::Settings;
use crate::sim::MedusaSim;
use crate::{Medusa, site};

struct World {
    sim: Arc<MedusaSim>,
    medusa: Medusa,
    order: String,
}

fn world() -> World {
    let sim = shop(&SimClock::real(), Currency::EUR);
    let order = sim.place_order(mugs());
    World {
        medusa: account(sim.transport(), Settings::default()),
        sim,
        order,
    }
}

impl World {
    fn lines(&self, quantity: u32) -> Vec<ShippedLine> {
        vec![ShippedLine {
            line: LineKey::new(self.sim.order(&self.order).unwrap().lines[0].0.clone()),
            quantity,
        }]
    }

    fn fulfil(&self, reference: &str, quantity: u32) -> Call {
        Call::Fulfil(FulfilCall {
            order: ExternalId::new(self.order.clone()),
            reference: ShipmentReference::from(reference),
            location: Some(LOCATION.to_owned()),
            lines: self.lines(quantity),
        })
    }

    fn ship(&self, reference: &str, tracking: &[&str]) -> Call {
        let parcels = tracking
            .iter()
            .map(|n| ShippedParcel {
                carrier: None,
                tracking: Some((*n).to_owned()),
                ..ShippedParcel::default()
            })
            .collect();
        Call::Ship(ShipCall {
            order: ExternalId::new(self.order.clone()),
            reference: ShipmentReference::from(reference),
            lines: self.lines(1),
            parcels,
        })
    }

    fn capture(&self, amount: Option<i64>, expected_captured_total: i64) -> Call {
        Call::Capture(CaptureCall {
            order: ExternalId::new(self.order.clone()),
            payment: ExternalId::new(self.sim.order(&self.order).unwrap().payment.unwrap()),
            provider: None,
            key: "capture:1".to_owned(),
            amount,
            currency: Currency::EUR,
            expected_captured_total,
        })
    }

    fn cancel(&self) -> Call {
        Call::CancelOrder(CancelOrderCall {
            order: ExternalId::new(self.order.clone()),
        })
    }

    fn annotate(&self, rules: &[&str]) -> Call {
        let hold = |rule: &&str| ShownHold {
            rule: (*rule).to_owned(),
            why: HoldWhy::Rule,
        };
        Call::Annotate(AnnotateCall {
            order: ExternalId::new(self.order.clone()),
            holds: rules.iter().map(hold).collect(),
        })
    }

    /// Sends it, which is done, and says how many requests asked for a change.
    async fn noted(&self, rules: &[&str]) -> u64 {
        let before = self.sim.writes();
        let outcome = self.send(&self.annotate(rules)).await;
        assert_eq!(outcome.unwrap(), Outcome::Done { id: None });
        self.sim.writes() - before
    }

    async fn send(&self, call: &Call) -> Result<Outcome, Error> {
        let prepared = self.medusa.prepare(call).unwrap();
        self.medusa.send_one(call.op(), &prepared).await
    }

    /// It is a conflict, and a look-up says that it did not happen and never will.
    async fn is_too_late(&self, call: &Call) {
        let error = self.send(call).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict, "{}", call.op());
        let refused = Outcome::Refused {
            code: "cancelled".to_owned(),
            message: error.message,
        };
        assert_eq!(self.found(call).await, LookUp::Found(refused));
    }

    async fn found(&self, call: &Call) -> LookUp {
        let prepared = self.medusa.prepare(call).unwrap();
        self.medusa.look_up_one(call.op(), &prepared).await.unwrap()
    }
}

fn id(outcome: Result<Outcome, Error>) -> String {
    match outcome {
        Ok(Outcome::Done { id: Some(id), .. }) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_order_is_fulfilled_in_two_parts_and_shipped_with_its_numbers() {
    let w = world();
    for (reference, tracking) in [("HK1-S1", ["T1", "T2"]), ("HK1-S2", ["T3", "T4"])] {
        let fulfil = w.fulfil(reference, 1);
        assert_eq!(w.found(&fulfil).await, LookUp::NotFound);
        let made = id(w.send(&fulfil).await);
        assert_eq!(
            w.found(&fulfil).await,
            LookUp::Found(Outcome::Done {
                id: Some(made.clone())
            })
        );
        let ship = w.ship(reference, &tracking);
        assert_eq!(w.found(&ship).await, LookUp::NotFound);
        assert_eq!(id(w.send(&ship).await), made);
        assert!(matches!(w.found(&ship).await, LookUp::Found(_)));
    }
    let order = w.sim.order(&w.order).unwrap();
    assert!(order.is_shipped() && order.repeated() == 0);
    assert_eq!(order.fulfilments[1].tracking, ["T3", "T4"]);
    assert_eq!(order.fulfilments[0].location.as_deref(), Some(LOCATION));
    assert_eq!(w.sim.stocked("MUG", LOCATION), Some(98));
}

#[tokio::test]
async fn sending_again_does_nothing_twice() {
    let w = world();
    for call in [
        w.fulfil("HK1-S1", 2),
        w.ship("HK1-S1", &["T1"]),
        w.capture(None, 3558),
    ] {
        let first = id(w.send(&call).await);
        assert_eq!(id(w.send(&call).await), first, "{}", call.op());
    }
    let order = w.sim.order(&w.order).unwrap();
    assert_eq!(
        (order.fulfilments.len(), order.captures, order.captured),
        (1, 1, 3558)
    );
}

#[tokio::test]
async fn what_something_else_fulfilled_is_a_conflict_and_nothing_is_sent() {
    let w = world();
    id(w.send(&w.fulfil("OTHER", 1)).await);
    let error = w.send(&w.fulfil("HK1-S1", 2)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(
        error
            .message
            .contains("of 2 ordered, 1 were already fulfilled"),
        "{error}"
    );
    assert_eq!(w.sim.order(&w.order).unwrap().fulfilments.len(), 1);
}

#[tokio::test]
async fn a_shipment_needs_its_fulfilment_and_other_numbers_are_a_conflict() {
    let w = world();
    let ship = w.ship("HK1-S1", &["T1"]);
    assert_eq!(w.send(&ship).await.unwrap_err().class, ErrorClass::Conflict);
    id(w.send(&w.fulfil("HK1-S1", 1)).await);
    id(w.send(&ship).await);
    let other = w.ship("HK1-S1", &["T9"]);
    assert_eq!(w.found(&other).await, LookUp::NotFound);
    let error = w.send(&other).await.unwrap_err();
    assert!(
        error.class == ErrorClass::Conflict && error.message.contains("other tracking numbers"),
        "{error}"
    );
}

#[tokio::test]
async fn a_part_is_captured_and_then_the_rest_though_the_shop_takes_no_empty_body_then() {
    let w = world();
    id(w.send(&w.capture(Some(1000), 1000)).await);
    let rest = w.capture(None, 3558);
    assert_eq!(w.found(&rest).await, LookUp::NotFound);
    id(w.send(&rest).await);
    assert!(matches!(w.found(&rest).await, LookUp::Found(_)));
    let order = w.sim.order(&w.order).unwrap();
    assert_eq!(
        (order.captured, order.captures, order.total),
        (3558, 2, 3558)
    );
}

#[tokio::test]
async fn what_was_authorised_since_the_capture_was_decided_is_not_taken() {
    let w = world();
    // All that was authorised when it was decided; the shop's payment stands at 35.58 by now.
    let call = w.capture(None, 2000);
    id(w.send(&call).await);
    assert_eq!(w.sim.order(&w.order).unwrap().captured, 2000);
    id(w.send(&call).await);
    assert_eq!(w.sim.order(&w.order).unwrap().captured, 2000);
}

#[tokio::test]
async fn a_capture_the_shop_says_yes_to_and_does_not_do_is_a_conflict() {
    let w = world();
    id(w.send(&w.capture(None, 3558)).await);
    let error = w.send(&w.capture(Some(500), 4058)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(
        error
            .message
            .contains("the total captured is 35.58 EUR, not 40.58"),
        "{error}"
    );
    let too_much = world();
    let error = too_much
        .send(&too_much.capture(Some(4000), 4000))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Rejected, Some("invalid_data"))
    );
    assert!(
        error
            .message
            .contains("400 invalid_data: “You cannot capture more"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_shop_repeats_of_the_customer_is_told_and_not_logged() {
    let w = world();
    w.sim.repeats_names(true);
    let error = w.send(&w.capture(Some(4000), 4000)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected, "{error}");
    for told in ["Taro Yamada", "Hidden Town"] {
        assert!(error.message.contains(told), "{error}");
        for logged in [error.to_string(), format!("{error:?}")] {
            let logged = without_quotes(&logged);
            assert!(logged.contains("400 invalid_data: “…”"), "{logged}");
            assert!(!logged.contains(told), "{logged}");
        }
    }
}

#[tokio::test]
async fn a_cancel_voids_the_payment_and_nothing_can_follow() {
    let w = world();
    let cancel = w.cancel();
    assert_eq!(w.found(&cancel).await, LookUp::NotFound);
    id(w.send(&cancel).await);
    assert!(matches!(w.found(&cancel).await, LookUp::Found(_)));
    assert_eq!(id(w.send(&cancel).await), w.order);
    for call in [w.fulfil("HK1-S1", 1), w.capture(None, 3558)] {
        w.is_too_late(&call).await;
    }
    let fulfilled = world();
    id(fulfilled.send(&fulfilled.fulfil("HK1-S1", 1)).await);
    let error = fulfilled.send(&fulfilled.cancel()).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Rejected, Some("not_allowed"))
    );
}

#[tokio::test]
async fn what_staff_voided_or_unpacked_is_too_late_and_a_part_or_other_numbers_say_nothing() {
    let w = world();
    let made = id(w.send(&w.fulfil("HK1-S1", 1)).await);
    let ship = w.ship("HK1-S1", &["T1"]);
    assert_eq!(w.found(&ship).await, LookUp::NotFound);
    assert!(w.sim.staff_cancel_fulfilment(&w.order, &made));
    w.is_too_late(&ship).await;
    // It was shipped before a plug-in cancelled it: that may have been by our call, with its numbers corrected.
    let made = id(w.send(&w.fulfil("HK1-S2", 1)).await);
    id(w.send(&w.ship("HK1-S2", &["T1"])).await);
    assert!(w.sim.staff_undo_shipment(&w.order, &made));
    let other = w.ship("HK1-S2", &["T2"]);
    assert_eq!(w.found(&other).await, LookUp::NotFound);

    assert!(w.sim.void_payment(&w.order));
    w.is_too_late(&w.capture(None, 3558)).await;
    let part = world();
    id(part.send(&part.capture(Some(1000), 1000)).await);
    let rest = part.capture(None, 3558);
    assert!(part.sim.void_payment(&part.order));
    assert_eq!(part.found(&rest).await, LookUp::NotFound);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let mut w = world();
    let capture = Call::Capture(CaptureCall {
        order: ExternalId::from("order_nope"),
        payment: ExternalId::from("pay_nope"),
        provider: None,
        key: "k".to_owned(),
        amount: None,
        currency: Currency::EUR,
        expected_captured_total: 1,
    });
    let prepared = w.medusa.prepare(&capture).unwrap();
    assert_eq!(
        w.medusa
            .look_up_one(Op::Capture, &prepared)
            .await
            .unwrap_err()
            .class,
        ErrorClass::NotFound
    );
    let fulfil = w.fulfil("HK1-S1", 1);
    w.order = "order_nope".to_owned();
    let Call::Fulfil(mut call) = fulfil else {
        unreachable!("a call of another kind");
    };
    call.order = ExternalId::from("order_nope");
    assert_eq!(
        w.send(&Call::Fulfil(call)).await.unwrap_err().class,
        ErrorClass::NotFound
    );
    assert_eq!(
        w.medusa
            .send_one(Op::Mail, &prepared)
            .await
            .unwrap_err()
            .class,
        ErrorClass::Config
    );
}

#[tokio::test]
async fn a_key_that_the_shop_exchanged_is_read_again_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("key"), folder.path().join("key-next"));
    std::fs::write(&one, TOKEN).unwrap();
    let secret = SecretRef {
        file: Some(one.clone()),
        next: Some(SecretPlace {
            file: Some(two.clone()),
            ..SecretPlace::default()
        }),
        ..SecretRef::default()
    };
    let mut world = world();
    let link = Link::new(Clock::default()).over(world.sim.transport());
    let http = link.http(site("https://shop.example", secret.open().unwrap()));
    world.medusa = Medusa::new(http.unwrap(), Settings::default());

    // Both are named; the shop exchanges them; then the first file has the new one.
    std::fs::write(&two, "sk_second").unwrap();
    id(world.send(&world.fulfil("HK1-S1", 1)).await);
    world.sim.exchange_key("sk_second");
    id(world.send(&world.ship("HK1-S1", &["1Z"])).await);
    std::fs::write(&one, "sk_second").unwrap();
    std::fs::remove_file(&two).unwrap();
    id(world.send(&world.fulfil("HK1-S2", 1)).await);
    // Nobody says beforehand; the file is replaced a moment later.
    world.sim.exchange_key("sk_third");
    let refused = world
        .send(&world.ship("HK1-S2", &["2Z"]))
        .await
        .unwrap_err();
    assert_eq!(refused.class, ErrorClass::Auth);
    std::fs::write(&one, "sk_third").unwrap();
    id(world.send(&world.ship("HK1-S2", &["2Z"])).await);
    assert_eq!(world.sim.order(&world.order).unwrap().fulfilments.len(), 2);
}

#[tokio::test]
async fn a_note_leaves_all_other_metadata_alone_and_is_written_whatever_is_read() {
    let w = world();
    let order = || w.sim.order(&w.order).unwrap();
    w.sim.edit_metadata(&w.order, "gift", Some("ribbon"));
    assert_eq!(w.noted(&["high-value"]).await, 1);
    assert_eq!(order().note(), Some("on hold: high-value"));
    assert_eq!(w.noted(&["high-value"]).await, 1);
    // Staff write into it, and beside it: the next note replaces the one and not the other.
    w.sim
        .edit_metadata(&w.order, "hikiate_hold", Some("asked the customer"));
    w.sim.edit_metadata(&w.order, "checked_by", Some("staff"));
    assert_eq!(w.noted(&["high-value", "abroad"]).await, 1);
    assert_eq!(order().note(), Some("on hold: high-value; abroad"));
    assert_eq!((w.noted(&[]).await, w.noted(&[]).await), (1, 1));
    let metadata = order().metadata;
    assert_eq!(order().note(), None);
    assert_eq!(
        (&metadata["gift"], &metadata["checked_by"]),
        (&"ribbon".into(), &"staff".into())
    );
}

#[tokio::test]
async fn a_cancelled_order_keeps_its_note_and_none_is_no_refusal() {
    let w = world();
    w.noted(&["high-value"]).await;
    id(w.send(&w.cancel()).await);
    let before = w.sim.writes();
    let error = w.send(&w.annotate(&[])).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(w.noted(&["high-value"]).await, 0);
    assert_eq!(w.sim.writes(), before);
}

#[tokio::test]
async fn what_a_plug_in_swallowed_is_not_in_the_answer() {
    let world = world();
    let seam = FaultyTransport::new(world.sim.transport()).asking(crate::sim::can);
    let seam = Arc::new(seam);
    let medusa = account(Arc::clone(&seam) as _, Settings::default());
    let unseen = (ErrorClass::OutcomeUnknown, Some(Error::NOT_SHOWN));
    for (call, expected) in [
        (world.fulfil("HK0000000000001-S1", 1), unseen),
        // What is captured already is answered so too.
        (world.capture(Some(100), 100), (ErrorClass::Conflict, None)),
        (world.cancel(), unseen),
    ] {
        seam.inject(Target::Write, Fault::Swallowed);
        let (op, prepared) = (call.op(), medusa.prepare(&call).unwrap());
        let error = medusa.send_one(op, &prepared).await.unwrap_err();
        assert_eq!((error.class, error.code.as_deref()), expected, "{op}");
        let found = medusa.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(found, LookUp::NotFound), "{op}: {found:?}");
    }
    assert!(seam.unmet().is_empty());
}
