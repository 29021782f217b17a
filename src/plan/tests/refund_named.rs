//! Refunds and voids are about the payment that they were asked for, and what is released of one is of that one alone.

use hikiate_sdk::{Currency, Op, Parts, PaymentRef, PaymentSnapshot, PaymentState};

use super::build::{order, pay, tender};
use super::payments;
use super::refund::{kinds, ops};
use super::world::World;
use crate::facts::{FactBody, RefundWantedFact, Verdict};
use crate::plan::command::{RefundOf, Wish, refund, void};

const S1: &str = "HK0123456789ABC-S1";

fn paid(key: &str) -> PaymentSnapshot {
    PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 1500,
        ..payments::payment(key)
    }
}

/// The channel's record names this payment now.
fn names(world: &mut World, key: &str) {
    world.edit(|order| order.tenders[0].provider = Some(PaymentRef::by_key(key)));
}

#[test]
fn an_order_that_is_paid_again_after_its_void_goes_on_under_the_same_record() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payments::payment("pi_1"));
    world.settle();
    world.typed(|now| void(now, "another card"));
    assert_eq!(ops(&world.plan()), [Op::Void]);
    assert_eq!(world.voids()[0].payment_there().as_str(), "pi_1");
    world.done_as(Op::Void, "pi_1");
    payments::tell(
        &mut world,
        PaymentSnapshot {
            state: PaymentState::Cancelled,
            authorised: 0,
            ..payments::payment("pi_1")
        },
    );
    assert_eq!(kinds(&world.settle()), ["payment_voided"]);
    names(&mut world, "pi_2");
    payments::tell(&mut world, payments::payment("pi_2"));
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    world.wait(61);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    // The second one can be voided as well.
    let mut voided = world.clone();
    voided.typed(|now| void(now, "not wanted"));
    assert_eq!(ops(&voided.plan()), [Op::Void]);
    assert_eq!(voided.voids()[1].payment_there().as_str(), "pi_2");
    world.wait(30);
    let sealed = world.seal();
    world.instruct_outcome(&sealed[0], Verdict::Accepted);
    world.parcel(&sealed[0], "T1", &[(1, 1)]);
    world.push_all();
    let calls = world.calls(Op::Capture);
    let [hikiate_sdk::Call::Capture(call)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(call.payment_there().as_str(), "pi_2");
}

#[test]
fn a_refund_that_waits_is_not_made_of_the_payment_that_replaced_its_own() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, paid("pi_1"));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.typed(|now| refund(now, RefundOf::All, Some("all"), "stopped"));
    assert!(!ops(&world.plan()).contains(&Op::Refund), "it waits");
    names(&mut world, "pi_2");
    payments::tell(&mut world, paid("pi_2"));
    world.cancel_reply(S1, hikiate_sdk::CancelVerdict::Accepted);
    world.settle();
    let plan = world.plan();
    assert!(world.calls(Op::Refund).is_empty());
    let task = plan
        .tasks
        .iter()
        .find(|t| t.kind == "refund_exceeds_captured");
    let told = &task.unwrap().detail;
    assert!(
        told.contains("pi_1 at stripe") && told.contains("no longer on the order"),
        "{told}"
    );
    // The record under another name is the same payment still.
    names(&mut world, "pi_1");
    world.edit(|order| order.tenders[0].key = "pay_2".into());
    world.settle();
    let calls = world.calls(Op::Refund);
    let [hikiate_sdk::Call::Refund(call)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!((call.payment_there().as_str(), call.amount), ("pi_1", 1500));
}

fn fact(wish: &Wish) -> RefundWantedFact {
    let mut facts = wish.facts.iter();
    let found = facts.find_map(|fact| match &fact.body {
        FactBody::RefundWanted(wanted) => Some(wanted.clone()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn all_that_is_captured_so_far_is_not_all_of_an_order_that_is_still_to_ship() {
    let name = Some(PaymentRef::by_key("pi_1"));
    let mut world = payments::named(order(&[("A", 2, 1000)]), name);
    let payment = PaymentSnapshot {
        amount: 2500,
        authorised: 2500,
        parts: Some(Parts::Many),
        ..payments::payment("pi_1")
    };
    payments::tell(&mut world, payment.clone());
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    payments::tell(
        &mut world,
        PaymentSnapshot {
            captured: 1500,
            ..payment.clone()
        },
    );
    world.push_all();
    let part = world.typed(|now| refund(now, RefundOf::All, None, "broken"));
    let part = fact(&part);
    assert_eq!((part.amount, part.full), (1500, false));
    // The rest goes on meanwhile.
    assert!(ops(&world.plan()).contains(&Op::Refund));
    // What is to be voided as well is all of it.
    let mut voided = payments::named(order(&[("A", 2, 1000)]), Some(PaymentRef::by_key("pi_1")));
    payments::tell(
        &mut voided,
        PaymentSnapshot {
            captured: 1500,
            ..payment
        },
    );
    voided.settle();
    voided.typed(|now| void(now, "stopped"));
    let all = voided.asked(|now| refund(now, RefundOf::All, None, "stopped"));
    assert!(fact(&all.unwrap()).full);
}

#[test]
fn units_that_cost_all_of_the_money_are_not_all_of_the_order_while_others_are_left() {
    let mut snapshot = order(&[("A", 1, 1500), ("B", 1, 0)]);
    snapshot.charges.remove(0);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    world.edit(|order| order.tenders[0].captured = 1500);
    world.settle();
    let asks = |lines: &[(String, u32)]| {
        let wish = world.asked(|now| refund(now, RefundOf::Lines(lines), None, "sold out"));
        let fact = fact(&wish.unwrap());
        (fact.amount, fact.full)
    };
    let pears = ("A".to_owned(), 1);
    assert_eq!(asks(std::slice::from_ref(&pears)), (1500, false));
    assert_eq!(asks(&[pears, ("B".to_owned(), 1)]), (1500, true));
}

#[test]
fn what_staff_paid_back_is_not_what_an_operator_asks_to_pay_back_afterwards() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    snapshot.tenders = vec![tender("pay_1", "bank", 1500)];
    let mut world = World::new(snapshot);
    world.deposit("d1", 1500, Currency::JPY);
    world.settle();
    let shows = |world: &mut World, amount: i64| {
        let at = world.now;
        world.edit(|order| {
            order.tenders[0].refunds = vec![super::ledger::support::refund("r1", amount, at)];
            order.tenders[0].refunded = amount;
        });
        world.settle();
    };
    let all = |world: &World| {
        let wish = world.asked(|now| refund(now, RefundOf::All, Some("all"), "stopped"));
        fact(&wish.unwrap()).amount
    };
    let mut first = world.clone();
    shows(&mut world, 300);
    assert_eq!(all(&world), 1200);
    world.wants("300");
    assert_eq!(all(&world), 900, "staff's and the operator's");
    // What the channel shows after the operator asked for it is that.
    first.wants("300");
    shows(&mut first, 300);
    assert_eq!(all(&first), 1200);
    shows(&mut first, 500);
    assert_eq!(all(&first), 1000, "and staff paid 200 besides");
}

#[test]
fn one_of_two_refunds_is_given_up_or_tried_again_alone() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, paid("pi_1"));
    payments::ship(&mut world);
    for (amount, id) in [("300", "late"), ("200", "broken")] {
        world.typed(|now| refund(now, RefundOf::Amount(amount), Some(id), "x"));
    }
    let made = |world: &World| -> Vec<i64> {
        let calls = world.calls(Op::Refund).into_iter();
        let amount = |call| match call {
            hikiate_sdk::Call::Refund(call) => call.amount,
            other => panic!("{other:?}"),
        };
        calls.map(amount).collect()
    };
    world.plan();
    world.end_op(Op::Refund, Verdict::Refused);
    world.plan();
    world.end_op(Op::Refund, Verdict::Refused);
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), made(&world)),
        (vec!["refund_rejected"], vec![300, 200])
    );
    for word in [
        "refund:late",
        "refund_dropped:late",
        "refund:broken",
        "refund_dropped:broken",
    ] {
        assert!(
            plan.tasks[0].detail.contains(word),
            "{word}: {:?}",
            plan.tasks
        );
        assert_eq!(world.asked_to_release(Some(word)).unwrap(), [word]);
    }
    let mut again = world.clone();
    again.release("refund:broken");
    assert_eq!(kinds(&again.plan()), ["refund_rejected"]);
    assert_eq!(made(&again), [300, 200, 200]);
    again.release("refund_dropped:late");
    again.plan();
    again.done_as(Op::Refund, "re_1");
    let plan = again.plan();
    assert!(
        !kinds(&plan).contains(&"refund_rejected"),
        "{:?}",
        plan.tasks
    );
    assert_eq!(made(&again), [300, 200, 200]);
    // A release of before that names none is about all of them.
    world.release("refund_dropped");
    assert!(!kinds(&world.plan()).contains(&"refund_rejected"));
}

#[test]
fn a_void_is_given_up_alone() {
    let name = Some(PaymentRef::by_key("pi_1"));
    let mut world = payments::world(name);
    payments::tell(
        &mut world,
        PaymentSnapshot {
            captured: 500,
            ..payments::payment("pi_1")
        },
    );
    world.settle();
    world.typed(|now| refund(now, RefundOf::Amount("300"), Some("1"), "x"));
    world.typed(|now| void(now, "not wanted"));
    world.plan();
    world.end_op(Op::Refund, Verdict::Refused);
    world.plan();
    world.end_op(Op::Void, Verdict::Refused);
    assert_eq!(kinds(&world.plan()), ["refund_rejected", "void_rejected"]);
    let captured = world.explain().captured.join("\n");
    assert!(
        captured.contains("void 1 of payment pay_1: not done yet"),
        "{captured}"
    );
    let mut again = world.clone();
    again.release("void:1");
    assert_eq!(ops(&again.plan()), [Op::Void]);
    world.release("void_dropped:1");
    assert_eq!(kinds(&world.plan()), ["refund_rejected"]);
}
