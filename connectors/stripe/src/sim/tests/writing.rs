//! What is written, and what others did meanwhile.

use hikiate_sdk::{
    Call, CaptureCall, Currency, Error, ErrorClass, LookUp, Op, Operations, Outcome, Prepared,
    RefundCall, VoidCall,
};

use super::super::{NewPayment, Trouble, Way};
use super::*;

pub(super) fn yen(amount: i64) -> NewPayment {
    NewPayment::card(amount, Currency::JPY)
}

pub(super) fn capture(id: &str, key: &str, amount: Option<i64>, expected: i64) -> Call {
    Call::Capture(CaptureCall {
        order: "order-1".into(),
        payment: id.into(),
        provider: None,
        key: key.to_owned(),
        amount,
        currency: Currency::JPY,
        expected_captured_total: expected,
    })
}

pub(super) fn refund(id: &str, key: &str, amount: i64, expected: i64) -> Call {
    Call::Refund(RefundCall {
        order: "order-1".into(),
        payment: id.into(),
        provider: None,
        key: key.to_owned(),
        amount,
        currency: Currency::JPY,
        expected_refunded_total: expected,
        reason: None,
        lines: Vec::new(),
    })
}

pub(super) fn void(id: &str, amount: i64) -> Call {
    Call::Void(VoidCall {
        order: "order-1".into(),
        payment: id.into(),
        provider: None,
        key: "void:1".to_owned(),
        amount,
        currency: Currency::JPY,
    })
}

impl World {
    fn prepared(&self, call: &Call) -> Prepared {
        self.account.prepare(call).unwrap()
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Outcome, Error> {
        self.account.send_one(call.op(), &self.prepared(call)).await
    }

    async fn look(&self, call: &Call) -> LookUp {
        let prepared = self.prepared(call);
        let found = self.account.look_up_one(call.op(), &prepared);
        found.await.unwrap()
    }

    /// It is refused as a conflict, in these words, and nothing is written.
    async fn conflicts(&self, call: &Call, words: &str) {
        let error = self.conflict(call, words).await;
        assert_eq!(self.look(call).await, LookUp::NotFound, "{error}");
    }

    /// The same of what can never happen any more: a look-up says that it did not, and why.
    async fn is_too_late(&self, call: &Call, code: &str, words: &str) {
        let refused = Outcome::Refused {
            code: code.to_owned(),
            message: self.conflict(call, words).await.message,
        };
        assert_eq!(self.look(call).await, LookUp::Found(refused));
    }

    async fn conflict(&self, call: &Call, words: &str) -> Error {
        let before = self.sim.writes();
        let error = self.send(call).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(self.sim.writes(), before, "{error}");
        error
    }
}

pub(super) fn is_done(outcome: &Result<Outcome, Error>) -> bool {
    matches!(outcome, Ok(Outcome::Done { .. }))
}

#[tokio::test]
async fn all_or_a_part_is_captured_once_and_the_rest_is_released() {
    let world = World::new();
    let (whole, part) = (world.sim.pay(yen(5000)), world.sim.pay(yen(5000)));
    let sent = world.send(&capture(&whole, "c:1", None, 5000)).await;
    assert!(is_done(&sent), "{sent:?}");
    assert!(is_done(
        &world.send(&capture(&part, "c:2", Some(4000), 4000)).await
    ));
    let seen = world.sim.payment(&part).unwrap();
    assert_eq!(
        (seen.captured, seen.capturable, seen.refunded),
        (4000, 0, 0)
    );
    assert_eq!(seen.captures, [(4000, Some("c:2".to_owned()))]);
    assert_eq!(seen.metadata.get("hikiate_capture").unwrap(), "c:2");
    // The reading agrees: what was released is no refund.
    let read = world.read(&part).await;
    assert_eq!(
        (read.authorised, read.captured, read.refunded),
        (4000, 4000, 0)
    );
    assert!(matches!(
        world.look(&capture(&whole, "c:1", None, 5000)).await,
        LookUp::Found(_)
    ));
}

#[tokio::test]
async fn more_is_authorised_by_now_and_only_what_was_expected_is_captured() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    assert!(is_done(&world.send(&capture(&id, "c:1", None, 4500)).await));
    assert_eq!(world.sim.payment(&id).unwrap().captured, 4500);
}

#[tokio::test]
async fn several_captures_keep_the_rest_until_the_last_one() {
    let world = World::new();
    let hold = Duration::from_secs(7 * 86_400);
    let id = world.sim.pay(yen(5000).by(Way::Card { many: true, hold }));
    for (n, (amount, total, left)) in [(1000, 1000, 4000), (1500, 2500, 2500), (2500, 5000, 0)]
        .into_iter()
        .enumerate()
    {
        let call = capture(&id, &format!("c:{n}"), Some(amount), total);
        assert_eq!(world.look(&call).await, LookUp::NotFound);
        assert!(is_done(&world.send(&call).await));
        // The same again is the same.
        assert!(is_done(&world.send(&call).await));
        let seen = world.sim.payment(&id).unwrap();
        assert_eq!(
            (seen.captured, seen.capturable, seen.repeated()),
            (total, left, 0)
        );
    }
    assert_eq!(world.sim.payment(&id).unwrap().status, "succeeded");
    // What will not leave is released.
    let id = world.sim.pay(yen(5000).by(Way::Card { many: true, hold }));
    assert!(is_done(
        &world.send(&capture(&id, "c:9", Some(1000), 1000)).await
    ));
    assert!(is_done(&world.send(&void(&id, 4000)).await));
    let read = world.read(&id).await;
    assert_eq!((read.captured, read.authorised), (1000, 1000));
    assert_eq!(read.state, hikiate_sdk::PaymentState::Paid);
}

#[tokio::test]
async fn what_staff_captured_or_cancelled_is_not_taken_for_ours() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    assert!(world.sim.capture_by_hand(&id, None));
    let call = capture(&id, "c:1", None, 5000);
    world
        .conflicts(&call, "captured already (5000 JPY), and not by hikiate")
        .await;
    let id = world.sim.pay(yen(5000));
    assert!(world.sim.cancel_by_hand(&id));
    let call = capture(&id, "c:1", None, 5000);
    world
        .is_too_late(&call, "cancelled", "cancelled at Stripe")
        .await;
    // Staff captured a part of what can be captured in parts.
    let hold = Duration::from_secs(7 * 86_400);
    let id = world.sim.pay(yen(5000).by(Way::Card { many: true, hold }));
    assert!(is_done(
        &world.send(&capture(&id, "c:1", Some(1000), 1000)).await
    ));
    let call = capture(&id, "c:2", Some(5000), 6000);
    world.conflicts(&call, "only 4000 JPY are left").await;
    let call = capture(&id, "c:2", Some(1000), 1000);
    world
        .conflicts(&call, "it would be 2000 JPY instead of 1000 JPY")
        .await;
    // What was captured before the rest was cancelled may be more than ours, or less.
    assert!(world.sim.cancel_by_hand(&id));
    let call = capture(&id, "c:2", Some(1000), 2000);
    world.conflicts(&call, "cancelled at Stripe").await;
    let id = world.sim.pay(yen(3000).by(Way::BankTransfer));
    world
        .conflicts(
            &capture(&id, "c:1", None, 3000),
            "is requires_action at Stripe",
        )
        .await;
    let mut euros = capture(&id, "c:1", None, 3000);
    if let Call::Capture(call) = &mut euros {
        call.currency = Currency::EUR;
    }
    world.conflicts(&euros, "is in JPY at Stripe").await;
}

#[tokio::test]
async fn an_order_that_names_a_charge_is_captured_voided_and_refunded_by_its_payment() {
    let world = World::new();
    let charge = |id: &str| world.sim.payment(id).unwrap().charge.unwrap();
    let id = world.sim.pay(yen(5000));
    let take = capture(&charge(&id), "c:1", None, 5000);
    assert_eq!(world.look(&take).await, LookUp::NotFound);
    for _ in 0..2 {
        assert!(is_done(&world.send(&take).await));
    }
    let back = refund(&charge(&id), "r:1", 1000, 1000);
    assert!(is_done(&world.send(&back).await));
    let seen = world.sim.payment(&id).unwrap();
    assert_eq!(
        (seen.captured, seen.refunded, seen.repeated()),
        (5000, 1000, 0)
    );
    for call in [&take, &back] {
        assert!(matches!(
            world.look(call).await,
            LookUp::Found(Outcome::Done { .. })
        ));
    }
    let open = world.sim.pay(yen(5000));
    assert!(is_done(&world.send(&void(&charge(&open), 5000)).await));
    assert!(world.sim.payment(&open).unwrap().is_cancelled());
    // One of the old Charges API has no payment that could be captured.
    let lone = world.sim.pay(yen(5000));
    assert!(world.sim.part_charge(&lone));
    let error = world
        .send(&capture(&charge(&lone), "c:1", None, 5000))
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);
    assert!(error.message.contains("without a PaymentIntent"), "{error}");
}

/// A name is not money: whoever wrote it, and however it came there.
#[tokio::test]
async fn the_name_of_a_capture_without_its_money_is_no_capture() {
    let world = World::new();
    let hold = Duration::from_secs(7 * 86_400);
    let whole = world.sim.pay(yen(5000));
    let parts = world.sim.pay(yen(5000).by(Way::Card { many: true, hold }));
    assert!(is_done(
        &world.send(&capture(&parts, "c:0", Some(3000), 3000)).await
    ));
    for (id, call, have) in [
        (
            &whole,
            capture(&whole, "c:1", None, 5000),
            "0 JPY captured, not 5000 JPY",
        ),
        (
            &whole,
            capture(&whole, "c:1", Some(4000), 4000),
            "0 JPY captured, not 4000 JPY",
        ),
        (
            &parts,
            capture(&parts, "c:1", Some(1000), 4000),
            "3000 JPY captured, not 4000 JPY",
        ),
    ] {
        assert!(world.sim.write_metadata(id, "hikiate_capture", "c:1"));
        let writes = world.sim.writes();
        let error = world.send(&call).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::OutcomeUnknown);
        assert!(error.message.contains(have), "{error}");
        assert_eq!(world.look(&call).await, LookUp::Inconclusive);
        assert_eq!(world.sim.writes(), writes, "nothing is written");
    }
    // What the bank has not decided yet is under way.
    let call = capture(&whole, "c:1", None, 5000);
    assert!(world.sim.set_status(&whole, "processing"));
    let accepted = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { id: Some(_) });
    assert!(accepted(&world.send(&call).await.unwrap()));
    assert!(matches!(world.look(&call).await, LookUp::Found(outcome) if accepted(&outcome)));
    assert!(world.sim.set_status(&whole, "canceled"));
    assert_eq!(world.look(&call).await, LookUp::Inconclusive);
}

#[tokio::test]
async fn the_name_of_a_refund_on_another_amount_is_no_refund() {
    let world = World::new();
    let id = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
    let other = world.sim.refund_by_hand(&id, Some(700)).unwrap();
    let named = ("hikiate", "r:1");
    assert!(world.sim.write_refund_metadata(&id, &other, named));
    let call = refund(&id, "r:1", 1000, 1700);
    let error = world.send(&call).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::OutcomeUnknown);
    assert!(
        error.message.contains("one of 700 JPY, not 1000 JPY"),
        "{error}"
    );
    assert_eq!(world.look(&call).await, LookUp::Inconclusive);
    assert_eq!(world.sim.payment(&id).unwrap().refunded, 700);
}

#[tokio::test]
async fn a_refund_of_staff_meanwhile_stops_ours() {
    let world = World::new();
    let id = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
    let call = refund(&id, "r:1", 1000, 1000);
    assert!(world.sim.refund_by_hand(&id, Some(1000)).is_some());
    world.conflicts(&call, "1000 JPY are refunded already; with this refund it would be 2000 JPY instead of 1000 JPY").await;
    // Known of, it is no obstacle.
    assert!(is_done(&world.send(&refund(&id, "r:2", 1000, 2000)).await));
    world
        .conflicts(
            &refund(&id, "r:3", 4000, 6000),
            "only 5000 JPY are captured",
        )
        .await;
    let open = world.sim.pay(yen(5000));
    world
        .conflicts(
            &refund(&open, "r:1", 1000, 1000),
            "nothing of it is captured",
        )
        .await;
}

#[tokio::test]
async fn a_refund_is_found_by_its_name_and_its_failure_is_told() {
    let world = World::new();
    let id = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
    let call = refund(&id, "r:1", 1000, 1000);
    assert!(is_done(&world.send(&call).await));
    // A key that Stripe has forgotten: what is read first is enough.
    world.later(25 * 3600);
    assert!(is_done(&world.send(&call).await));
    let seen = world.sim.payment(&id).unwrap();
    assert_eq!((seen.refunded, seen.refunded_as("r:1")), (1000, 1));
    assert!(world.sim.fail_refund(&id, &seen.refunds[0].id));
    match world.look(&call).await {
        LookUp::Found(Outcome::Refused { code, message }) => {
            assert_eq!(code, "expired_or_canceled_card");
            assert!(message.contains("back in the Stripe balance"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // It is made again as a new one.
    assert!(is_done(&world.send(&refund(&id, "r:2", 1000, 1000)).await));
}

/// The customer has to say where the money is to go; it counts as given back until that comes to nothing.
#[tokio::test]
async fn a_refund_of_cash_waits_for_the_customer() {
    let world = World::new();
    let within = Duration::from_secs(86_400);
    let id = world.sim.pay(yen(3000).by(Way::Konbini { within }));
    assert!(world.sim.pay_at_store(&id));
    assert!(is_done(&world.send(&refund(&id, "r:1", 3000, 3000)).await));
    let refund_id = world.sim.payment(&id).unwrap().refunds[0].id.clone();
    assert_eq!(
        world.sim.payment(&id).unwrap().refunds[0].status,
        "requires_action"
    );
    assert_eq!(world.read(&id).await.refunded, 3000);
    assert!(world.sim.take_refund(&id, &refund_id));
    assert_eq!(world.read(&id).await.refunded, 3000);
}

#[tokio::test]
async fn a_disputed_payment_is_not_refunded() {
    let world = World::new();
    let id = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
    assert!(world.sim.dispute(&id, 5000, false));
    let error = world
        .send(&refund(&id, "r:1", 1000, 1000))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Conflict, Some("charge_disputed"))
    );
}

#[tokio::test]
async fn a_void_releases_all_that_is_left_whoever_is_first() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    world
        .conflicts(&void(&id, 4000), "Stripe releases all or nothing")
        .await;
    assert!(is_done(&world.send(&void(&id, 5000)).await));
    assert!(world.sim.payment(&id).unwrap().is_cancelled());
    let by_hand = world.sim.pay(yen(5000));
    assert!(world.sim.cancel_by_hand(&by_hand));
    assert!(
        is_done(&world.send(&void(&by_hand, 5000)).await),
        "nothing is authorised any more"
    );
    let paid = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
    let words = "it can be refunded, but not voided";
    world
        .is_too_late(&void(&paid, 5000), "captured", words)
        .await;
    // Some was released, perhaps by our call.
    let part = world.sim.pay(yen(5000));
    assert!(world.sim.capture_by_hand(&part, Some(4000)));
    world.conflicts(&void(&part, 5000), words).await;
    // A store is told to take no money any more.
    let within = Duration::from_secs(86_400);
    let open = world.sim.pay(yen(3000).by(Way::Konbini { within }));
    assert!(is_done(&world.send(&void(&open, 3000)).await));
    assert!(!world.sim.pay_at_store(&open));
}

/// The error was stored with the key: the same bytes bring the same error, whatever happened.
#[tokio::test]
async fn a_stored_500_is_looked_up() {
    let world = World::new();
    for (after, refunds) in [(true, 1), (false, 0)] {
        let id = world.sim.pay(NewPayment::paid(5000, Currency::JPY));
        let call = refund(&id, "r:1", 1000, 1000);
        world.sim.trouble(Trouble::StoredError { after });
        let first = world.send(&call).await.unwrap_err();
        assert_eq!(first.class, ErrorClass::OutcomeUnknown);
        let again = world.send(&call).await;
        if after {
            assert!(is_done(&again), "what is read first finds it: {again:?}");
            assert!(matches!(
                world.look(&call).await,
                LookUp::Found(Outcome::Done { .. })
            ));
        } else {
            assert_eq!(again.unwrap_err().class, ErrorClass::Conflict);
            assert_eq!(world.look(&call).await, LookUp::NotFound);
        }
        assert_eq!(world.sim.payment(&id).unwrap().refunds.len(), refunds);
    }
}

#[tokio::test]
async fn a_key_in_flight_and_a_locked_object_wait_and_a_decline_is_a_no() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    let call = capture(&id, "c:1", None, 5000);
    for trouble in [Trouble::KeyInFlight, Trouble::Locked] {
        world.sim.trouble(trouble);
        let error = world.send(&call).await.unwrap_err();
        assert!(
            matches!(error.class, ErrorClass::Busy { after: Some(_) }),
            "{error}"
        );
    }
    world.sim.trouble(Trouble::Declined);
    for _ in 0..2 {
        match world.send(&call).await {
            Ok(Outcome::Refused { code, message }) => {
                assert_eq!(code, "generic_decline");
                assert!(message.contains("card_declined"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.sim.payment(&id).unwrap().captured, 0);
    // Another call has another key.
    assert!(is_done(&world.send(&capture(&id, "c:2", None, 5000)).await));
}

#[tokio::test]
async fn a_key_that_may_not_write_says_so_and_writes_nothing() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    world.sim.forbid("rak_payment_intent_write");
    let error = world
        .send(&capture(&id, "c:1", None, 5000))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Forbidden);
    assert!(
        error.message.contains("rak_payment_intent_write"),
        "{error}"
    );
    assert_eq!(world.sim.payment(&id).unwrap().captured, 0);
}

#[tokio::test]
async fn bytes_of_one_operation_are_no_other() {
    let world = World::new();
    let id = world.sim.pay(yen(5000));
    let prepared = world.prepared(&void(&id, 5000));
    let error = world
        .account
        .send_one(Op::Refund, &prepared)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
    let error = world
        .account
        .look_up_one(Op::Capture, &prepared)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
}

#[tokio::test]
async fn three_decimals_go_over_the_wire_in_tens() {
    let world = World::new();
    let dinar: Currency = "KWD".parse().unwrap();
    let id = world.sim.pay(NewPayment::paid(5120, dinar));
    let mut call = refund(&id, "r:1", 1000, 1000);
    if let Call::Refund(call) = &mut call {
        call.currency = dinar;
    }
    assert!(is_done(&world.send(&call).await));
    assert_eq!(world.read(&id).await.refunded, 1000);
}
