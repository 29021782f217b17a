//! Orders that somebody completes, refunds or cancels at the channel, and orders of which nothing ships.

use hikiate_sdk::{
    Call, ChannelGate, ChannelState, Currency, FulfilledBy, Op, OrderSnapshot, ReplyVerdict,
};

use super::build::{at, order, pay, tender};
use super::world::World;
use crate::facts::Verdict;
use crate::plan::types::*;
use crate::policy::{Completed, DigitalBooking, Others};

const S1: &str = "HK0123456789ABC-S1";

fn complete(order: &mut OrderSnapshot) {
    order.state = ChannelState::Completed;
    order.gate = ChannelGate::Closed;
}

fn kinds(plan: &OrderPlan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.kind.as_str()).collect()
}

fn captures(world: &World) -> Vec<i64> {
    let amount = |call: Call| match call {
        Call::Capture(capture) => capture.amount.unwrap_or(capture.expected_captured_total),
        _ => 0,
    };
    world.calls(Op::Capture).into_iter().map(amount).collect()
}

fn booked(world: &World) -> i64 {
    world.input.revenue.iter().map(|row| row.gross).sum()
}

#[test]
fn completed_with_goods_open_is_held_and_keeps_its_stock_for_a_while() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(complete);
    let plan = world.settle();
    assert_eq!(
        (plan.blocked_by.as_deref(), kinds(&plan)),
        (Some("hold:completed"), vec!["completed"])
    );
    let text = &plan.tasks[0].detail;
    assert!(text.contains("2 × A"), "{text}");
    assert_eq!(world.input.demands[0].reserved[0].1, 2);
    world.wait(72 * 60);
    let plan = world.settle();
    assert_eq!(plan.demands[0].wanted, 0, "its stock is on sale again");
    assert_eq!(kinds(&plan), ["completed"], "the task stays");
    world.release("completed");
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
}

#[test]
fn an_order_that_lost_its_goods_waits_for_its_channel_and_not_for_stock() {
    // Before anybody was told of them, and after the warehouse refused them.
    for refused in [false, true] {
        let mut world = World::new(order(&[("A", 2, 1000)]));
        world.settle();
        assert_eq!(world.input.shipments.len(), 1);
        if refused {
            world.wait(30);
            world.seal();
            world.instruct_outcome(S1, Verdict::Accepted);
            world.reply(S1, ReplyVerdict::Rejected);
            world.plan();
        }
        world.edit(|order| {
            order.lines.clear();
            order.charges.retain(|charge| charge.line.is_none());
            order.total = Some(500);
            order.tenders[0].amount = Some(500);
        });
        world.plan();
        if refused {
            world.release(&format!("rejected:{S1}"));
        }
        let plan = world.plan();
        assert_eq!(plan.blocked_by.as_deref(), Some("completion"));
        assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    }
}

#[test]
fn completed_and_released_it_waits_while_the_channel_checks_it() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(complete);
    world.settle();
    world.release("completed");
    assert_eq!(world.settle().status, Status::Allocated);
    world.edit(|order| order.gate = ChannelGate::Frozen);
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("channel_gate"));
    assert!(world.seal().is_empty());
}

#[test]
fn completed_while_a_warehouse_has_it_goes_on() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.edit(complete);
    world.push_all();
    let plan = world.plan();
    assert!(plan.tasks.is_empty() && world.calls(Op::CancelInstruction).is_empty());
    world.parcel(S1, "401", &[(1, 2)]);
    world.push_all();
    assert_eq!((captures(&world), booked(&world)), (vec![2500], 2500));
    assert_eq!(world.calls(Op::Fulfil).len(), 1);
}

#[test]
fn completed_is_what_the_channel_says_it_is() {
    for (completed, wanted) in [
        (Completed::Shipped, 0),
        (Completed::Ended, 0),
        (Completed::Ask, 2),
    ] {
        let mut world = World::new(order(&[("A", 2, 1000)]));
        for channel in world.policy.channels.values_mut() {
            channel.completed = completed;
        }
        world.settle();
        world.edit(complete);
        let plan = world.settle();
        let open = plan.demands[0].wanted - plan.demands[0].shipped;
        assert_eq!(open, wanted, "{completed:?}");
        world.push_all();
        let expected = if completed == Completed::Shipped {
            2500
        } else {
            0
        };
        assert_eq!(
            (captures(&world).iter().sum::<i64>(), booked(&world)),
            (expected, expected),
            "{completed:?}"
        );
    }
}

/// FBA, a till: the goods are the channel's to send, whether or not they are an item of ours.
#[test]
fn an_order_that_the_channel_fulfils_makes_no_demand_and_closes_with_it() {
    let mut snapshot = order(&[("A", 2, 1000)]);
    snapshot.lines[0].by = FulfilledBy::Channel;
    pay(&mut snapshot, "points");
    let mut world = World::new(snapshot);
    let plan = world.settle();
    assert_eq!((plan.tasks.len(), plan.closed), (0, false));
    assert!(
        plan.demands.iter().all(|row| row.wanted == 0),
        "{:?}",
        plan.demands
    );
    assert!(world.input.shipments.is_empty());
    world.edit(complete);
    world.push_all();
    assert_eq!(booked(&world), 2500, "it counts for the books");
    world.book_all();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.closed, plan.tasks.len()),
        (Status::Booked, true, 0)
    );
    assert_eq!((world.moved(), captures(&world)), (0, vec![]));
}

#[test]
fn a_digital_order_is_captured_and_booked_when_the_channel_completes_it() {
    let digital = || {
        let mut snapshot = order(&[("DOWNLOAD", 1, 1000)]);
        snapshot.lines[0].by = FulfilledBy::Nobody;
        World::new(snapshot)
    };
    let mut world = digital();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.tasks.len()),
        (Status::Unallocated, Some("completion"), 0)
    );
    world.push_all();
    assert!(captures(&world).is_empty());
    world.edit(complete);
    world.push_all();
    assert_eq!((captures(&world), booked(&world)), (vec![1500], 1500));
    world.edit(|order| order.tenders[0].captured = 1500);
    world.push_all();
    world.book_all();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.closed, plan.tasks.len()),
        (Status::Booked, true, 0)
    );
    assert!(world.calls(Op::CancelOrder).is_empty() && world.calls(Op::Fulfil).is_empty());

    // The channel cancels what it had completed: nothing is charged any more.
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at: at(60) };
        order.tenders[0].refunded = 1500;
    });
    world.push_all();
    assert_eq!(booked(&world), 0);

    let mut never = digital();
    if let Some(booking) = &mut never.policy.booking {
        booking.digital = DigitalBooking::Never;
    }
    never.edit(complete);
    never.push_all();
    assert_eq!((captures(&never), booked(&never)), (vec![1500], 0));

    let mut paid = digital();
    if let Some(booking) = &mut paid.policy.booking {
        booking.digital = DigitalBooking::Paid;
    }
    paid.edit(|order| order.tenders[0].captured = 1500);
    paid.push_all();
    assert_eq!(booked(&paid), 1500);
}

#[test]
fn a_digital_order_that_makes_revenue_when_paid_does_so_by_deposits_and_points() {
    let mut snapshot = order(&[("DOWNLOAD", 1, 1000)]);
    snapshot.lines[0].by = FulfilledBy::Nobody;
    snapshot.tenders = vec![
        tender("pay_1", "bank", 1200),
        tender("pay_2", "points", 300),
    ];
    let mut world = World::new(snapshot);
    if let Some(booking) = &mut world.policy.booking {
        booking.digital = DigitalBooking::Paid;
    }
    world.push_all();
    world.deposit("1", 700, Currency::JPY);
    world.push_all();
    assert_eq!(booked(&world), 0);
    world.wait(2 * 24 * 60);
    world.deposit("2", 500, Currency::JPY);
    let day = world.plan().revenue[0].business_date;
    assert_eq!((booked(&world), day), (1500, at(2 * 24 * 60).date_naive()));
    world.push_all();
    world.edit(|order| order.tags.push("vip".to_owned()));
    world.push_all();
    assert_eq!(booked(&world), 1500, "once");
}

#[test]
fn an_order_of_quantity_zero_has_nothing_to_ship_and_no_task() {
    let mut snapshot = order(&[("A", 0, 1000)]);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.blocked_by.as_deref(), Some("completion"));
}

#[test]
fn goods_that_cost_nothing_ship_as_usual() {
    let mut snapshot = order(&[("A", 1, 0)]);
    snapshot.charges.clear();
    snapshot.tenders.clear();
    snapshot.total = Some(0);
    let mut world = World::new(snapshot);
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
}

#[test]
fn a_negative_line_without_a_code_is_a_discount() {
    let mut snapshot = order(&[("A", 1, 1000), ("X", 1, -200)]);
    snapshot.lines[1].sku = None;
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
    assert_eq!(plan.demands.len(), 1);
}

#[test]
fn an_order_that_was_refunded_in_full_is_held() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        order.tenders[0].refunded = 1500;
    });
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:refunded_in_full"));
    assert!(kinds(&plan).contains(&"refunded_in_full"));
    assert_eq!(world.input.demands[0].reserved[0].1, 1, "its stock is kept");
    world.release("refunded_in_full");
    assert_eq!(world.settle().status, Status::Allocated);
}

#[test]
fn an_order_that_is_paid_anew_after_a_refund_is_not_held() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.edit(|order| {
        let mut anew = order.tenders[0].clone();
        anew.key = "pay_2".into();
        let old = &mut order.tenders[0];
        (old.captured, old.refunded, old.authorised) = (1500, 1500, 0);
        old.cancelled = true;
        order.tenders.push(anew);
    });
    let plan = world.settle();
    assert_eq!(plan.status, Status::Allocated);
    assert!(
        !kinds(&plan).contains(&"refunded_in_full"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn cancelled_and_voided_after_it_left_is_one_task_and_no_call() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.parcel_left(S1, "401", &[(1, 1)], at(20));
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at: at(25) };
        order.gate = ChannelGate::Closed;
        order.tenders[0].authorised = 0;
        order.tenders[0].cancelled = true;
    });
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["cancel_too_late"]);
    world.push_all();
    for op in [
        Op::Capture,
        Op::Fulfil,
        Op::CancelInstruction,
        Op::CancelOrder,
    ] {
        assert!(world.calls(op).is_empty(), "{op}");
    }
    assert_eq!(booked(&world), 0);
}

#[test]
fn what_a_warehouse_refuses_after_the_channel_completed_it_did_not_ship_by_that() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    for channel in world.policy.channels.values_mut() {
        channel.completed = Completed::Shipped;
    }
    world.settle();
    world.wait(30);
    world.seal();
    world.edit(complete);
    world.push_all();
    world.reply(S1, ReplyVerdict::Rejected);
    world.push_all();
    let plan = world.plan();
    assert_eq!(plan.demands[0].shipped, 0);
    assert_eq!((captures(&world), booked(&world)), (vec![], 0));
    assert_eq!(kinds(&plan), ["instruction_rejected"]);
    // The operator has put right what the warehouse named, and lets it go.
    world.release(&format!("rejected:{S1}"));
    let plan = world.settle();
    assert_eq!((plan.status, kinds(&plan)), (Status::Allocated, vec![]));
    world.wait(30);
    assert_eq!(world.seal(), ["HK0123456789ABC-S2"]);
}

#[test]
fn what_is_added_to_an_order_that_was_completed_as_shipped_is_asked_about() {
    let mut world = shipped_when_completed(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(complete);
    world.push_all();
    world.edit(|order| order.lines[0].quantity = 3);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["completed"]);
    assert!(plan.tasks[0].detail.contains("1 × A"), "{:?}", plan.tasks);
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:completed"));
    world.wait(30);
    assert!(world.seal().is_empty());
}

fn open(order: &mut OrderSnapshot) {
    order.state = ChannelState::Open;
    order.gate = ChannelGate::Open;
}

/// Completing an order at this channel says that it was shipped.
fn shipped_when_completed(snapshot: OrderSnapshot) -> World {
    let mut world = World::new(snapshot);
    for channel in world.policy.channels.values_mut() {
        channel.completed = Completed::Shipped;
    }
    world
}

#[test]
fn a_shop_that_completes_everything_by_itself_ships_and_ends_nothing() {
    for completed in [Completed::Shipped, Completed::Ended, Completed::Ask] {
        let mut snapshot = order(&[("A", 2, 1000)]);
        complete(&mut snapshot);
        let mut world = World::new(snapshot);
        world.input.channel_alarm = true;
        for channel in world.policy.channels.values_mut() {
            channel.completed = completed;
        }
        world.settle();
        world.wait(80 * 60);
        world.push_all();
        let plan = world.settle();
        assert_eq!((captures(&world), booked(&world)), (vec![], 0));
        assert_eq!(
            plan.blocked_by.as_deref(),
            Some("hold:fulfilled_by_channel"),
            "{completed:?}"
        );
        assert_eq!(world.input.demands[0].reserved[0].1, 2, "{completed:?}");
        assert!(kinds(&plan).is_empty(), "one task of the account");
        for channel in world.policy.channels.values_mut() {
            channel.others = Others::IgnoreUnshipped;
        }
        world.edit(|order| order.gate = ChannelGate::Open);
        let plan = world.settle();
        assert_eq!(plan.status, Status::Allocated, "{completed:?}");
        assert!(captures(&world).is_empty());
    }
}

#[test]
fn what_counts_as_shipped_by_completion_is_not_sent_again_unasked_when_the_order_is_opened_again() {
    let mut world = shipped_when_completed(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(complete);
    world.push_all();
    world.settle();
    let shipments = world.input.shipments.len();
    world.edit(open);
    world.wait(31);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["fulfilment_cancelled"]);
    assert_eq!(world.input.shipments.len(), shipments);
    assert_eq!(plan.demands[0].shipped, 2);
    let moved = |plan: &OrderPlan| plan.entries.iter().map(|e| e.quantity).sum::<i64>();
    assert_eq!(moved(&plan), -2);
    // Completed again, it is as before.
    let mut again = world.clone();
    again.edit(complete);
    let plan = again.settle();
    assert!(!kinds(&plan).contains(&"fulfilment_cancelled"));
    assert_eq!((moved(&plan), captures(&again)), (-2, vec![2500]));
    world.release("fulfilment_cancelled");
    world.settle();
    let plan = world.plan();
    assert_eq!((plan.status, moved(&plan)), (Status::Allocated, 0));
    assert_eq!(booked(&world), 0, "taken back");
    assert_eq!(captures(&world), [2500], "never a second time");
}

#[test]
fn what_counts_as_shipped_by_completion_is_a_task_once_the_channel_cancels_the_order() {
    let mut world = shipped_when_completed(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(complete);
    world.push_all();
    world.edit(|order| order.state = ChannelState::Cancelled { at: at(5) });
    world.wait(4 * 24 * 60);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["cancel_too_late"]);
    assert!(!plan.closed);
    let moved: i64 = plan.entries.iter().map(|e| e.quantity).sum();
    assert_eq!((moved, plan.demands[0].shipped), (-2, 2));
    world.release("cancel_too_late");
    assert!(world.settle().closed);
}

#[test]
fn an_order_that_its_completion_ended_is_ended_and_closed() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    for channel in world.policy.channels.values_mut() {
        channel.completed = Completed::Ended;
    }
    world.settle();
    world.edit(complete);
    let plan = world.settle();
    assert_eq!(plan.status, Status::Cancelled);
    assert!(plan.tasks.is_empty());
    assert!(world.calls(Op::CancelOrder).is_empty());
    let rules = world.asked_to_release(Some("ended"));
    assert_eq!(rules, Ok(vec!["ended".to_owned()]));
    world.release("ended");
    let plan = world.settle();
    assert_eq!((plan.status, plan.closed), (Status::Allocated, false));
}

/// Staff record at a shop that completes an order by it that all of its money went back.
fn records_all(world: &mut World) {
    let now = world.now;
    world.edit(|order| {
        complete(order);
        let record = hikiate_sdk::RefundSeen {
            effect: hikiate_sdk::RefundEffect::Lowers,
            ..super::ledger::support::refund("ref_1", 1500, now)
        };
        order.tenders[0].refunds.push(record);
        order.tenders[0].refunded = 1500;
    });
}

#[test]
fn what_is_completed_by_a_refund_in_full_has_not_shipped_by_that() {
    let completes = |mut world: World| {
        for channel in world.policy.channels.values_mut() {
            channel.completed = Completed::Shipped;
        }
        world
    };
    // The money is at the channel itself.
    let mut world = completes(World::new(order(&[("A", 1, 1000)])));
    world.edit(|order| order.tenders[0].captured = 1500);
    world.settle();
    records_all(&mut world);
    let held = |world: &mut World| {
        let plan = world.settle();
        let line = &plan.demands[0];
        assert_eq!((line.wanted, line.shipped, line.by_others), (1, 0, 0));
        world.wait(60);
        assert!(world.seal().is_empty());
        world.push_all();
        assert_eq!((captures(world), booked(world)), (vec![], 0));
        kinds(&plan)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&mut world), ["refunded_in_full"]);
    // It is elsewhere, and its account shows the refund later than the channel.
    let name = Some(hikiate_sdk::PaymentRef::by_key("pi_1"));
    let mut world = completes(super::payments::world(name.clone()));
    let mut payment = hikiate_sdk::PaymentSnapshot {
        state: hikiate_sdk::PaymentState::Paid,
        captured: 1500,
        ..super::payments::payment("pi_1")
    };
    super::payments::tell(&mut world, payment.clone());
    world.settle();
    records_all(&mut world);
    assert_eq!(held(&mut world), ["completed"], "until it is shown");
    payment.refunded = 1500;
    payment.refunds = vec![super::ledger::support::refund("re_1", 1500, world.now)];
    super::payments::tell(&mut world, payment);
    assert_eq!(held(&mut world), ["refunded_in_full"]);
    // It was never captured: nothing is to be paid any more.
    let mut world = completes(super::payments::world(name));
    super::payments::tell(&mut world, super::payments::payment("pi_1"));
    world.settle();
    records_all(&mut world);
    assert_eq!(held(&mut world), ["completed"]);
}
