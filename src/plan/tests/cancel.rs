//! Cancels at every stage.

use hikiate_sdk::{CancelVerdict, ChannelState, Op, ReplyVerdict};

use super::build::{at, order};
use super::world::World;
use crate::facts::{FactBody, Verdict};
use crate::plan::types::{EffectState, ShipmentStage, Status};

const S1: &str = "HK0123456789ABC-S1";

fn cancelled_at_channel(world: &mut World) {
    let now = world.now;
    world.edit(|order| order.state = ChannelState::Cancelled { at: now });
}

fn instructed() -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.plan();
    world
}

#[test]
fn before_sealing_it_leaves_the_wave_and_frees_its_stock() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    cancelled_at_channel(&mut world);
    let plan = world.plan();
    assert!(matches!(
        plan.decisions[0].body,
        FactBody::ShipmentWithdrawn(_)
    ));
    assert_eq!(plan.stages, [(S1.into(), ShipmentStage::Cancelled)]);
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
    assert_eq!(plan.demands[0].wanted, 0);
    assert!(plan.effects.is_empty());
    world.allocate();
    assert!(world.input.demands[0].reserved.is_empty());
    world.wait(60);
    assert!(world.seal().is_empty());
}

#[test]
fn nothing_is_asked_while_the_instruction_is_under_way_or_unknown() {
    let mut world = instructed();
    cancelled_at_channel(&mut world);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("unknown_outcome"));
    assert!(plan.effects.is_empty());
    assert_eq!(plan.demands[0].wanted, 2, "it may leave");
    world.instruct_outcome(S1, Verdict::Accepted);
    let plan = world.plan();
    assert_eq!(plan.effects[0].intent.op, Op::CancelInstruction);
    assert_eq!(
        plan.effects[0].key,
        "cancel_instruction:wms-tokyo:shop-jp:order_01:1"
    );
    assert_eq!(plan.blocked_by.as_deref(), Some("cancel"));
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    let plan = world.plan();
    assert!(plan.effects.is_empty(), "once per shipment");
    assert_eq!((plan.status, plan.closed), (Status::Instructed, false));
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.plan();
    assert_eq!(plan.stages, [(S1.into(), ShipmentStage::Cancelled)]);
    assert_eq!(
        (plan.status, plan.closed, plan.demands[0].wanted),
        (Status::Cancelled, true, 0)
    );
}

#[test]
fn an_instruction_that_did_not_arrive_needs_no_request() {
    let mut world = instructed();
    cancelled_at_channel(&mut world);
    world.plan();
    world.instruct_outcome(S1, Verdict::NotDone);
    let plan = world.plan();
    assert!(plan.effects.is_empty());
    assert_eq!(plan.status, Status::Cancelled);
}

#[test]
fn declined_and_too_late_are_a_persons() {
    for verdict in [CancelVerdict::Declined, CancelVerdict::TooLate] {
        let mut world = instructed();
        world.instruct_outcome(S1, Verdict::Accepted);
        cancelled_at_channel(&mut world);
        world.plan();
        world.end_op(Op::CancelInstruction, Verdict::Accepted);
        world.cancel_reply(S1, verdict);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), ["cancel_too_late"]);
        assert!(plan.effects.is_empty());
        world.parcel(S1, "T1", &[(1, 2)]);
        let plan = world.plan();
        assert_eq!(plan.status, Status::Shipped, "the status follows the goods");
        assert_eq!(World::kinds(&plan), ["cancel_too_late"]);
        assert!(plan.effects.is_empty(), "no notice, no capture, no mail");
        assert!(plan.revenue.is_empty());
        world.wait(3 * 24 * 60);
        let plan = world.plan();
        assert_eq!((plan.status, plan.closed), (Status::Delivered, false));
        world.release("cancel_too_late");
        let plan = world.plan();
        assert_eq!((plan.tasks.len(), plan.closed), (0, true));
    }
}

#[test]
fn a_refused_request_is_repeated_only_when_a_person_asks() {
    let mut world = instructed();
    world.instruct_outcome(S1, Verdict::Accepted);
    cancelled_at_channel(&mut world);
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Refused);
    let plan = world.plan();
    assert_eq!(
        (World::kinds(&plan), plan.effects.len()),
        (vec!["cancellation_request_rejected"], 0)
    );
    world.release(&format!("cancel:{S1}"));
    let plan = world.plan();
    assert_eq!(
        plan.effects[0].key,
        "cancel_instruction:wms-tokyo:shop-jp:order_01:2"
    );
    world.end_op(Op::CancelInstruction, Verdict::NotDone);
    assert_eq!(world.plan().effects[0].intent.n, 3);
}

#[test]
fn an_operators_cancel_reaches_the_channel_when_nothing_can_leave_any_more() {
    let mut world = instructed();
    world.cancel();
    let plan = world.plan();
    assert!(
        plan.effects.is_empty(),
        "the instruction's outcome is not known"
    );
    world.instruct_outcome(S1, Verdict::Accepted);
    let plan = world.plan();
    assert_eq!(plan.effects.len(), 1);
    assert_eq!(plan.effects[0].intent.op, Op::CancelInstruction);
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    assert!(world.plan().effects.is_empty());
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.plan();
    assert_eq!(plan.effects[0].intent.op, Op::CancelOrder);
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, false));
    world.end_op(Op::CancelOrder, Verdict::Done);
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
}

#[test]
fn an_operators_cancel_before_sealing_asks_the_channel_at_once() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.cancel();
    let plan = world.plan();
    assert_eq!(plan.effects[0].intent.op, Op::CancelOrder);
    // The channel is faster: the queued request makes no sense any more.
    cancelled_at_channel(&mut world);
    let plan = world.plan();
    assert_eq!((plan.withdraw.len(), plan.next), (1, Some(world.now)));
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
}

#[test]
fn after_a_part_has_left_a_cancel_stops_the_rest_only() {
    let mut world = World::new(order(&[("A", 1, 1000), ("B", 1, 2000)]));
    world.stock.insert((2, "tokyo"), 0);
    world.stock.insert((1, "osaka"), 0);
    world.settle();
    world.wait(30);
    assert_eq!(world.seal().len(), 2);
    let s2 = "HK0123456789ABC-S2";
    for reference in [S1, s2] {
        world.instruct_outcome(reference, Verdict::Accepted);
    }
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    world.cancel();
    let plan = world.plan();
    assert_eq!(
        plan.effects[0].key,
        "cancel_instruction:osaka-3pl:shop-jp:order_01:1"
    );
    world.end_op(Op::CancelInstruction, Verdict::Done);
    let plan = world.plan();
    assert_eq!((plan.status, plan.demands[1].wanted), (Status::Shipped, 0));
    world.push_all();
    assert!(world.intents(Op::CancelOrder).is_empty());
    assert_eq!(world.intents(Op::Mail).len(), 1);
    let captured: i64 = world.intended_next();
    assert_eq!(captured, 1500);
    // The channel has the rest of it open, and somebody may have paid for it.
    assert_eq!(World::kinds(&world.peek()), ["cancel_rest"]);
    world.release("cancel_rest");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn what_is_queued_is_taken_back_and_what_may_have_gone_is_not() {
    for (state, withdrawn) in [(EffectState::Planned, 2), (EffectState::Sending, 1)] {
        let mut world = World::new(order(&[("A", 2, 1000)]));
        super::flow::ship_all(&mut world);
        world.plan();
        assert_eq!(world.input.queue.len(), 2);
        world.state(Op::Fulfil, state);
        cancelled_at_channel(&mut world);
        let plan = world.plan();
        assert_eq!(plan.withdraw.len(), withdrawn);
        assert_eq!(World::kinds(&plan), ["cancel_too_late"]);
    }
}

#[test]
fn a_warehouse_that_drops_an_instruction_unasked_needs_a_person() {
    let mut world = instructed();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["instruction_rejected"]);
    assert_eq!(world.input.shipments.len(), 1);
}

#[test]
fn the_words_of_a_warehouse_in_a_task_are_one_short_line_without_what_misleads() {
    let mut world = instructed();
    let words = format!(
        "no\nsuch \u{202e}address, ask taro@example.com {}",
        "x".repeat(4_000)
    );
    world.instruct_outcome(S1, Verdict::Accepted);
    world.reply_in_words(S1, ReplyVerdict::Rejected, &words);
    let plan = world.settle();
    let task = plan.tasks.iter().find(|task| task.kind.contains("reject"));
    let detail = &task.unwrap().detail;
    assert!(detail.contains("no such address, ask ***@***"), "{detail}");
    assert!(detail.chars().count() < 1_000, "{detail}");
    assert!(!detail.contains(['\n', '\u{202e}']), "{detail}");
}

#[test]
fn a_rejected_instruction_waits_for_a_person_and_then_goes_anew() {
    let mut world = instructed();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.reply(S1, ReplyVerdict::Rejected);
    let plan = world.settle();
    let gate = format!("hold:rejected:{S1}");
    assert_eq!(plan.blocked_by.as_deref(), Some(gate.as_str()));
    assert_eq!(world.input.shipments[0].state, ShipmentStage::Rejected);
    assert!(
        plan.tasks[0].detail.contains("no such address"),
        "{:?}",
        plan.tasks
    );
    world.release(&format!("rejected:{S1}"));
    let plan = world.settle();
    assert_eq!(
        (plan.status, world.input.shipments.len()),
        (Status::Allocated, 2)
    );
    assert_eq!(
        world.input.shipments[1].reference.as_str(),
        "HK0123456789ABC-S2"
    );
}

#[test]
fn an_early_cancel_of_an_unpaid_order_leaves_nothing() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    cancelled_at_channel(&mut world);
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
    assert_eq!(plan.demands[0].wanted, 0);
    assert_eq!(at(0), world.now);
}

#[test]
fn the_channel_is_not_told_of_a_cancel_while_the_instruction_itself_has_not_ended() {
    let mut world = instructed();
    world.reply(S1, ReplyVerdict::Rejected);
    world.cancel();
    assert!(
        world.plan().effects.is_empty(),
        "its send may still be repeated"
    );
    world.instruct_outcome(S1, Verdict::Accepted);
    assert_eq!(world.plan().effects[0].intent.op, Op::CancelOrder);
}
