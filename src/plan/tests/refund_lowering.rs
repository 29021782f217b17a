//! Records of refunds that moved no money and lowered what is captured: they explain no money that goes back later.

use hikiate_sdk::{
    Call, Op, Parts, PaymentRef, PaymentSnapshot, PaymentState, RefundEffect, RefundSeen,
};

use super::build::order;
use super::ledger::support::{refund as listed, sum};
use super::payments;
use super::refund::kinds;
use super::world::World;
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::{RefundOf, refund, refund_is};

const S1: &str = "HK0123456789ABC-S1";

fn record(key: &str, amount: i64) -> RefundSeen {
    RefundSeen {
        effect: RefundEffect::Lowers,
        at: None,
        ..listed(key, amount, super::build::at(0))
    }
}

/// Staff record a refund at the shop.
fn records(world: &mut World, key: &str, amount: i64) {
    world.edit(|order| order.tenders[0].refunds.push(record(key, amount)));
}

fn captured(world: &World) -> Vec<i64> {
    let calls = world.calls(Op::Capture).into_iter();
    let amount = |call| match call {
        Call::Capture(call) => call.amount.unwrap_or(call.expected_captured_total),
        other => panic!("{other:?}"),
    };
    calls.map(amount).collect()
}

/// The provider shows so much as captured, and these refunds.
fn shows(world: &mut World, of: &PaymentSnapshot, captured: i64, refunds: &[(&str, i64)]) {
    let refunds: Vec<RefundSeen> = refunds.iter().map(|(k, n)| record(k, *n)).collect();
    let told = PaymentSnapshot {
        state: PaymentState::Paid,
        captured,
        refunded: refunds.iter().map(|refund| refund.amount).sum(),
        refunds,
        ..of.clone()
    };
    payments::tell(world, told);
}

/// 1,500 of which staff recorded 300 as refunded while it was only authorised: 1,200 is captured.
fn lowered() -> (World, PaymentSnapshot) {
    let payment = payments::payment("pi_1");
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payment.clone());
    world.settle();
    records(&mut world, "ref_1", 300);
    payments::ship(&mut world);
    assert_eq!(captured(&world), [1200]);
    shows(&mut world, &payment, 1200, &[]);
    world.push_all();
    (world, payment)
}

#[test]
fn a_record_that_lowered_the_capture_explains_no_later_refund_at_the_provider() {
    let (mut world, payment) = lowered();
    shows(&mut world, &payment, 1200, &[("re_1", 300)]);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["refund_unexplained"], "{:?}", plan.tasks);
    world.push_all();
    assert_eq!(captured(&world), [1200]);
    assert_eq!(sum(&world).0, 1200);
    // An operator says that it is a return.
    let mut explained = world.clone();
    explained.typed(|now| refund_is(now, "re_1", RefundReason::Return, "came back"));
    let plan = explained.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    explained.push_all();
    assert_eq!((captured(&explained), sum(&explained).0), (vec![1200], 900));
    // Or the shop gets a record of its own.
    records(&mut world, "ref_2", 300);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    world.push_all();
    assert_eq!((captured(&world), sum(&world).0), (vec![1200], 900));
}

#[test]
fn what_was_captured_in_full_nevertheless_is_given_back_for_its_record() {
    let payment = payments::payment("pi_1");
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payment.clone());
    world.settle();
    records(&mut world, "ref_1", 300);
    // Somebody captures all of it there.
    shows(&mut world, &payment, 1500, &[]);
    payments::ship(&mut world);
    assert!(captured(&world).is_empty());
    shows(&mut world, &payment, 1500, &[("re_1", 300)]);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    world.push_all();
    assert!(captured(&world).is_empty());
    assert_eq!(sum(&world).0, 1200);
}

#[test]
fn a_refund_of_ours_lowers_beside_an_equal_record_that_lowered_the_capture() {
    let (mut world, payment) = lowered();
    world.typed(|now| refund(now, RefundOf::Amount("300"), None, "late"));
    world.plan();
    world.done_as(Op::Refund, "re_1");
    shows(&mut world, &payment, 1200, &[("re_1", 300)]);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    world.push_all();
    assert_eq!((captured(&world), sum(&world).0), (vec![1200], 900));
}

/// Two units of 1,000 and 500 of postage, of which one has left and 1,500 is captured.
fn one_of_two() -> (World, PaymentSnapshot) {
    let payment = PaymentSnapshot {
        amount: 2500,
        authorised: 2500,
        parts: Some(Parts::Many),
        ..payments::payment("pi_1")
    };
    let mut world = payments::named(order(&[("A", 2, 1000)]), Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payment.clone());
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert_eq!(captured(&world), [1500]);
    shows(&mut world, &payment, 1500, &[]);
    world.push_all();
    (world, payment)
}

#[test]
fn a_record_after_the_first_of_several_captures_lowers_those_to_come() {
    let (mut world, payment) = one_of_two();
    // At the shop alone, off what is still to ship.
    records(&mut world, "ref_1", 400);
    world.push_all();
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    let all: i64 = captured(&world).iter().sum();
    assert_eq!(all, 2100, "{:?}", captured(&world));
    shows(&mut world, &payment, 2100, &[]);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    world.push_all();
    assert_eq!(captured(&world).iter().sum::<i64>(), 2100);
    // It explains no refund that is made there afterwards.
    shows(&mut world, &payment, 2100, &[("re_1", 400)]);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["refund_unexplained"], "{:?}", plan.tasks);
    world.push_all();
    assert_eq!(captured(&world).iter().sum::<i64>(), 2100);
    assert_eq!(sum(&world).0, 2100);
}

#[test]
fn a_refund_of_what_was_captured_first_does_not_lower_the_captures_to_come() {
    let (mut world, payment) = one_of_two();
    // The plug-in records what it gives back; the provider is read later.
    records(&mut world, "ref_1", 400);
    world.push_all();
    shows(&mut world, &payment, 1500, &[("re_1", 400)]);
    world.push_all();
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    let all: i64 = captured(&world).iter().sum();
    assert_eq!(all, 2500, "{:?}", captured(&world));
    shows(&mut world, &payment, 2500, &[("re_1", 400)]);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    assert_eq!(sum(&world).0, 2100);
}
