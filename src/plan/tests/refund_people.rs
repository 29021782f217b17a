//! Refunds as people ask for them: twice in other words, several at once, before and after a cancellation.

use hikiate_sdk::{ChannelState, Op, PaymentRef};

use super::build::{order, pay, slug};
use super::flow::ship_all;
use super::ledger::support::refund as listed;
use super::payments;
use super::refund::{kinds, ops};
use super::world::World;
use crate::facts::Verdict;
use crate::plan::command::{RefundOf, cancel, refund, void};

const S1: &str = "HK0123456789ABC-S1";

/// Prepaid at a channel that keeps records of refunds; nothing has shipped.
fn prepaid() -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "points");
    let mut world = World::new(snapshot);
    let channels = &mut world.policy.channels;
    channels.get_mut(&slug("shop-jp")).unwrap().records_refunds = true;
    world
}

fn shipped(mut world: World) -> World {
    ship_all(&mut world);
    world.push_all();
    world
}

/// The channel lists a record of a refund.
fn lists(world: &mut World, key: &str, amount: i64) {
    let now = world.now;
    world.edit(|order| {
        let tender = &mut order.tenders[0];
        tender.refunds.push(listed(key, amount, now));
        tender.refunded += amount;
    });
}

#[test]
fn a_record_that_is_not_listed_yet_counts_for_the_next_one() {
    let mut world = shipped(prepaid());
    world.wants("300");
    world.wants("200");
    assert_eq!(ops(&world.plan()), [Op::RecordRefund]);
    world.done_as(Op::RecordRefund, "r1");
    assert_eq!(ops(&world.plan()), [Op::RecordRefund]);
    let totals: Vec<i64> = world
        .records()
        .iter()
        .map(|call| call.expected_refunded_total)
        .collect();
    assert_eq!(totals, [300, 500]);
    world.done_as(Op::RecordRefund, "r2");
    lists(&mut world, "r1", 300);
    lists(&mut world, "r2", 200);
    assert!(world.plan().effects.is_empty());
    world.wants("100");
    world.plan();
    let last = world.records().pop().unwrap();
    assert_eq!((last.amount, last.expected_refunded_total), (100, 600));
}

#[test]
fn a_refused_record_stays_a_task_whatever_later_records_of_ours_come_to() {
    let mut world = shipped(prepaid());
    for amount in ["102", "103", "101"] {
        world.wants(amount);
    }
    world.plan();
    world.done_as(Op::RecordRefund, "r1");
    world.plan();
    world.end_op(Op::RecordRefund, Verdict::Refused);
    world.plan();
    world.done_as(Op::RecordRefund, "r3");
    lists(&mut world, "r1", 102);
    lists(&mut world, "r3", 101);
    let plan = world.plan();
    assert!(
        kinds(&plan).contains(&"refund_record_rejected"),
        "{:?}",
        plan.tasks
    );
    // Staff record it by hand.
    lists(&mut world, "by-staff", 103);
    let plan = world.plan();
    assert!(!kinds(&plan).contains(&"refund_record_rejected"));
    assert!(plan.effects.is_empty());
}

#[test]
fn the_same_amount_or_units_for_another_reason_is_asked_for_once() {
    let mut world = shipped(prepaid());
    world.typed(|now| refund(now, RefundOf::Amount("300"), None, "late"));
    for text in ["300", " 300 ", "300.0"] {
        let again = world.asked(|now| refund(now, RefundOf::Amount(text), None, "late again"));
        let why = again.unwrap_err();
        assert!(
            why.contains("asked for on") && why.contains("--id"),
            "{why}"
        );
    }
    let named = world.asked(|now| refund(now, RefundOf::Amount("300"), Some("two"), "late again"));
    assert!(named.is_ok(), "{named:?}");
    let line = world.order().lines[0].clone();
    let by_line = [(line.key.to_string(), 1)];
    world.typed(|now| refund(now, RefundOf::Lines(&by_line), None, "broken"));
    let by_sku = [(line.sku.unwrap(), 1)];
    let why = world
        .asked(|now| refund(now, RefundOf::Lines(&by_sku), None, "torn"))
        .unwrap_err();
    assert!(why.contains("asked for on"), "{why}");
}

#[test]
fn what_is_refunded_by_hand_is_no_money_too_much_of_a_cancelled_order() {
    let mut world = prepaid();
    world.settle();
    world.typed(cancel);
    world.settle();
    let now = world.now;
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at: now };
        order.tenders[0].captured = 1500;
    });
    world.settle();
    assert_eq!(kinds(&world.plan()), ["over_captured"]);
    world.typed(|now| refund(now, RefundOf::All, None, "cancelled"));
    assert_eq!(kinds(&world.plan()), ["refund_to_pay"]);
    world.release("refund_to_pay");
    assert!(kinds(&world.plan()).is_empty());
}

#[test]
fn a_refund_by_hand_that_the_channel_recorded_is_not_given_up() {
    let mut world = prepaid();
    world.settle();
    world.typed(|now| refund(now, RefundOf::Amount("300"), Some("one"), "late"));
    assert_eq!(
        world.asked_to_release(Some("refund_dropped:one")).unwrap(),
        ["refund_dropped:one"],
        "before its record is made"
    );
    world.plan();
    world.done_as(Op::RecordRefund, "r1");
    assert!(world.asked_to_release(Some("refund_dropped:one")).is_err());
    let plan = world.plan();
    let task = plan.tasks.iter().find(|task| task.kind == "refund_to_pay");
    assert!(task.unwrap().detail.contains("has a record of it"));
}

#[test]
fn what_is_authorised_elsewhere_is_voided_after_the_channel_cancelled_the_order() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payments::payment("pi_1"));
    world.settle();
    let wish = world.asked(cancel).unwrap();
    let stays = wish.stays.join("\n");
    assert!(stays.contains("order void"), "{stays}");
    world.store_wish(&wish);
    world.settle();
    let now = world.now;
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at: now };
        order.tenders[0].cancelled = true;
    });
    world.settle();
    world.typed(|now| void(now, "cancelled"));
    assert!(ops(&world.plan()).contains(&Op::Void));
    assert_eq!(world.voids()[0].amount, 1500);
}

#[test]
fn a_full_refund_waits_for_goods_while_a_line_of_an_unknown_code_has_not_shipped() {
    let mut world = World::new(order(&[("A", 1, 1000), ("B", 1, 500)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.settle();
    // Everything that is known leaves by hand; the warehouse may still send its own.
    world.edit(|order| {
        for line in &mut order.lines {
            line.sku = Some("NEW".to_owned());
        }
        order.tenders[0].captured = order.tenders[0].authorised;
    });
    world.settle();
    world.typed(|now| refund(now, RefundOf::All, None, "stopped"));
    let plan = world.plan();
    assert!(!ops(&plan).contains(&Op::Refund), "{:?}", ops(&plan));
}

fn captured(amount: i64, capturable: i64) -> hikiate_sdk::PaymentSnapshot {
    hikiate_sdk::PaymentSnapshot {
        state: hikiate_sdk::PaymentState::Paid,
        authorised: amount + capturable,
        captured: amount,
        ..payments::payment("pi_1")
    }
}

#[test]
fn what_somebody_captured_before_its_void_pays_the_order_and_is_a_task() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, payments::payment("pi_1"));
    world.settle();
    world.typed(|now| void(now, "not wanted"));
    world.plan();
    world.end_op(Op::Void, Verdict::Refused);
    payments::tell(&mut world, captured(1500, 0));
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["void_captured"]);
    world.release("refund_dropped");
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{plan:?}");
    assert_eq!(plan.blocked_by.as_deref(), Some("batch"));
    world.wait(30);
    let sealed = world.seal();
    world.instruct_outcome(&sealed[0], Verdict::Accepted);
    world.parcel(&sealed[0], "T1", &[(1, 1)]);
    let plan = world.settle();
    assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
}

#[test]
fn a_void_that_is_too_late_is_one_task() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.typed(|now| void(now, "not wanted"));
    world.plan();
    world.parcel(S1, "T1", &[(1, 1)]);
    assert_eq!(kinds(&world.settle()), ["void_too_late"]);
}

#[test]
fn units_that_the_channel_records_as_refunded_before_the_capture_are_not_captured_elsewhere() {
    for at_first in [false, true] {
        let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
        let record = |world: &mut World| {
            let now = world.now;
            world.edit(|order| {
                let refund = hikiate_sdk::RefundSeen {
                    effect: hikiate_sdk::RefundEffect::Lowers,
                    ..listed("r1", 300, now)
                };
                order.tenders[0].refunds.push(refund);
            });
        };
        if at_first {
            record(&mut world);
        }
        payments::tell(&mut world, payments::payment("pi_1"));
        world.settle();
        if !at_first {
            record(&mut world);
        }
        let plan = world.settle();
        assert!(kinds(&plan).is_empty(), "{:?}", plan);
        payments::ship(&mut world);
        let amounts: Vec<_> = world
            .calls(Op::Capture)
            .into_iter()
            .map(|call| match call {
                hikiate_sdk::Call::Capture(call) => call.amount,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(amounts, [Some(1200)], "recorded at first: {at_first}");
    }
}

#[test]
fn a_refund_that_its_account_does_not_show_is_not_recorded_at_the_channel() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    let channels = &mut world.policy.channels;
    channels.get_mut(&slug("shop-jp")).unwrap().records_refunds = true;
    payments::tell(&mut world, payments::payment("pi_1"));
    payments::ship(&mut world);
    payments::tell(&mut world, captured(1500, 0));
    world.settle();
    world.wants("300");
    world.plan();
    world.done_as(Op::Refund, "re_1");
    // It was pending, and failed.
    world.wait(11);
    assert!(world.plan().effects.is_empty());
    world.wait(60);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_not_shown"]);
    assert!(plan.effects.is_empty(), "{:?}", ops(&plan));
    // Somebody makes it at the provider after all.
    let mut again = captured(1500, 0);
    again.refunded = 300;
    payments::tell(&mut world, again);
    assert_eq!(ops(&world.plan()), [Op::RecordRefund]);
}

#[test]
fn a_payment_of_which_somebody_captured_a_part_and_released_the_rest_is_a_task() {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    payments::tell(&mut world, captured(1493, 0));
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["payment_partly_captured"]);
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    payments::tell(&mut world, captured(1500, 0));
    assert!(kinds(&world.settle()).is_empty());
}
