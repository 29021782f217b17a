//! How a refund or void ends that is paid by hand, given up, too late or never shown: no money twice, and no order without a
//! way out.

use hikiate_sdk::{ChannelState, Currency, Op};

use super::build::{order, pay, slug, tender};
use super::flow::ship_all;
use super::refund::{kinds, ops};
use super::world::World;
use crate::facts::{FactBody, PresenceFact, Verdict};
use crate::plan::command::{RefundOf, refund, void};

/// An order paid by bank transfer, whose deposit came.
fn transferred(payments: &[&str]) -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    snapshot.tenders = payments
        .iter()
        .map(|key| tender(key, "bank", 1500))
        .collect();
    let mut world = World::new(snapshot);
    world.deposit("d1", 1500, Currency::JPY);
    world.settle();
    world
}

fn all(world: &World) -> Result<String, String> {
    let wish = world.asked(|now| refund(now, RefundOf::All, None, "stopped"))?;
    Ok(wish.does.join("\n"))
}

#[test]
fn a_deposit_is_paid_back_once_whatever_payments_the_channel_lists_for_it() {
    let mut world = transferred(&["pay_1", "pay_2"]);
    world.edit(|order| order.tenders[0].cancelled = true);
    let says = all(&world).unwrap();
    assert_eq!(says.matches("1500 JPY").count(), 1, "{says}");
    assert!(says.contains("pay_2"), "{says}");
    world.typed(|now| refund(now, RefundOf::All, None, "stopped"));
    let none = world.asked(|now| refund(now, RefundOf::Amount("1"), None, "more"));
    assert!(none.is_err(), "{none:?}");
}

#[test]
fn what_is_paid_back_in_full_by_hand_holds_the_goods_until_somebody_decides() {
    let mut world = transferred(&["pay_1"]);
    world.typed(|now| refund(now, RefundOf::All, None, "stopped"));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_to_pay"]);
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:refunded_in_full"));
    world.wait(60);
    assert!(world.seal().is_empty(), "not instructed");
    world.release("refund_to_pay");
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refunded_in_full"]);
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:refunded_in_full"));
    world.release("refunded_in_full");
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.blocked_by.as_deref(), Some("batch"));
}

/// Points, at a channel that keeps records, refunded in part after all has shipped.
fn recorded() -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "points");
    let mut world = World::new(snapshot);
    let channels = &mut world.policy.channels;
    channels.get_mut(&slug("shop-jp")).unwrap().records_refunds = true;
    ship_all(&mut world);
    world.push_all();
    world.wants("300");
    world
}

#[test]
fn a_rejected_record_that_was_made_by_hand_leaves_the_payment_to_be_made() {
    let mut world = recorded();
    assert_eq!(ops(&world.plan()), [Op::RecordRefund]);
    world.end_op(Op::RecordRefund, Verdict::Refused);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_to_pay", "refund_record_rejected"]);
    world.release("refund_record_rejected");
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_to_pay"]);
    assert!(plan.effects.is_empty());
    world.release("refund_to_pay");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn an_order_that_its_channel_cancelled_gets_no_record_and_waits_for_none() {
    let mut world = recorded();
    let now = world.now;
    world.edit(|order| order.state = ChannelState::Cancelled { at: now });
    let plan = world.plan();
    assert!(plan.effects.is_empty(), "{:?}", ops(&plan));
    world.release("refund_to_pay");
    let queued = world.plan();
    assert!(!kinds(&queued).contains(&"refund_record_rejected"));
    assert!(world.records().is_empty());
}

#[test]
fn a_void_that_waited_until_the_goods_had_shipped_is_a_task_and_can_be_given_up() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome("HK0123456789ABC-S1", Verdict::Accepted);
    world.typed(|now| void(now, "not wanted"));
    world.plan();
    assert_eq!(
        world.asked_to_release(Some("void_dropped:1")).unwrap(),
        ["void_dropped:1"],
        "while it waits"
    );
    world.parcel("HK0123456789ABC-S1", "T1", &[(1, 1)]);
    let plan = world.settle();
    assert!(kinds(&plan).contains(&"void_too_late"), "{:?}", plan.tasks);
    assert!(world.voids().is_empty());
    world.release("refund_dropped");
    world.push_all();
    assert_eq!(world.calls(Op::Capture).len(), 1);
    assert!(world.asked_to_release(Some("void_dropped:1")).is_err());
}

#[test]
fn a_void_of_an_order_that_vanished_and_is_to_ship_all_the_same_is_a_task() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.typed(|now| void(now, "not wanted"));
    for misses in [1, 2] {
        let key = world.nth("presence:".to_owned());
        world.fact(key, FactBody::Presence(PresenceFact { misses }), "pull");
    }
    assert_eq!(kinds(&world.plan()), ["vanished"]);
    world.release("vanished");
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["refund_not_possible"]);
    assert!(world.voids().is_empty());
    world.release("void_dropped:1");
    assert!(!kinds(&world.settle()).contains(&"refund_not_possible"));
}

#[test]
fn a_void_that_its_account_does_not_show_is_a_task_after_an_hour() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.typed(|now| void(now, "not wanted"));
    assert_eq!(ops(&world.plan()), [Op::Void]);
    world.done_as(Op::Void, "pay_1");
    assert!(kinds(&world.plan()).is_empty());
    world.wait(61);
    assert_eq!(kinds(&world.plan()), ["refund_not_shown"]);
    assert_eq!(world.voids().len(), 1);
    // Whoever saw to it has still to say what becomes of the goods.
    world.release("refund_not_shown");
    assert_eq!(kinds(&world.plan()), ["payment_voided"]);
}
