//! Every movement of money by its name, points and captures.

use std::collections::BTreeSet;

use hikiate_sdk::{ChannelState, Op, RefundEffect};

use super::super::build::{order, tender};
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{S1, credit, date, refund, situation, tokyo};
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::refund_is;
use crate::plan::types::Status;
use crate::plan::{EntryKind, Maker, ledger};

#[test]
fn points_of_a_cancelled_order_are_not_given_back_twice() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    snapshot.tenders = vec![tender("p1", "card", 500), tender("p2", "points", 1000)];
    let mut world = World::new(snapshot);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    let at = world.now;
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at };
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
    });
    let plan = world.settle();
    let late = plan
        .tasks
        .iter()
        .find(|task| task.kind == "cancel_too_late");
    let late = &late.unwrap().detail;
    assert!(!late.contains("refund"), "{late}");
    assert!(late.contains("bill them again"), "{late}");
}

#[test]
fn a_capture_is_held_once_it_is_answered_or_shown() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    // Without a notice the capture is the next call.
    for channel in world.policy.channels.values_mut() {
        channel.shipping_notice = false;
    }
    ship_all(&mut world);
    world.settle();
    let of = |world: &World| {
        let found = ledger(&world.input, &world.policy, &world.rules, world.now);
        let found = found.unwrap().unwrap();
        let kinds = found.entries.iter().map(|entry| entry.kind);
        let kinds: Vec<_> = kinds
            .filter(|kind| matches!(kind, EntryKind::Capture | EntryKind::ToCapture))
            .collect();
        (kinds, found.held)
    };
    assert_eq!(of(&world), (vec![EntryKind::ToCapture], 0));
    world.push_all();
    let (kinds, held) = of(&world);
    assert_eq!(kinds, [EntryKind::Capture]);
    assert!(held > 0);
}

#[test]
fn the_ledger_names_every_movement_with_its_id_day_and_maker() {
    let mut world = situation();
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    world.now = tokyo(12, 10, 11, 0);
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 1100, at));
    world.plan();
    let found = ledger(&world.input, &world.policy, &world.rules, world.now)
        .unwrap()
        .unwrap();
    let of = |kind| {
        let entries = found.entries.iter().filter(|entry| entry.kind == kind);
        entries
            .map(|entry| (entry.id.as_str(), entry.day, entry.maker, entry.amount))
            .collect::<Vec<_>>()
    };
    let placed = date(11, 21);
    assert_eq!(
        of(EntryKind::Capture),
        [("pay_1", placed, Maker::Channel, Some(2740))]
    );
    assert_eq!(
        of(EntryKind::Authorisation),
        [("pay_1", placed, Maker::Channel, Some(2740))]
    );
    assert_eq!(
        of(EntryKind::Refund),
        [("re_1", date(12, 10), Maker::Channel, Some(1100))]
    );
    let charges = [
        ("l1", placed, Maker::Channel, Some(2200)),
        ("l2", placed, Maker::Channel, Some(540)),
        ("other", date(12, 10), Maker::Channel, Some(-1100)),
    ];
    assert_eq!(of(EntryKind::Charge), charges);
    assert_eq!(
        of(EntryKind::Revenue)
            .iter()
            .filter_map(|entry| entry.3)
            .sum::<i64>(),
        1640
    );
    let revenue: Vec<_> = found
        .entries
        .iter()
        .filter_map(|entry| Some((entry.amount?, entry.tax?, entry.payer.as_deref()?)))
        .collect();
    let paid = |amount, tax| (amount, tax, "card");
    let rows = world.input.revenue.iter();
    let rows = rows.map(|row| paid(row.gross, row.tax));
    assert_eq!(
        revenue.iter().copied().collect::<BTreeSet<_>>(),
        rows.collect()
    );
    assert!(
        found.entries.iter().all(|entry| {
            let told = entry.tax.is_some() && entry.payer.is_some();
            told == (entry.kind == EntryKind::Revenue)
        }),
        "of nothing else"
    );
    assert_eq!(
        (found.charged, found.due, found.held, found.recognised),
        (Some(1640), Some(1640), 1640, 1640)
    );
    assert_eq!((found.unexplained, found.overpaid), (0, 0));
    let text = found.to_string();
    assert!(
        text.contains("2026-12-10  refund")
            && text.contains("recognised")
            && text.contains("1:800:sales  card  tax 40"),
        "{text}"
    );
}

#[test]
fn points_are_held_as_well_as_what_was_captured() {
    let mut snapshot = order(&[("A", 2, 500)]);
    snapshot.charges.remove(0);
    snapshot.total = Some(1000);
    snapshot.tenders = vec![tender("p1", "card", 700), tender("p2", "points", 300)];
    let mut world = World::new(snapshot);
    world.settle();
    // Staff captured all, and a piece is taken off.
    world.edit(|order| {
        order.tenders[0].captured = 700;
        order.tenders[0].amount = Some(200);
        order.lines[0].quantity = 1;
        order.charges[0].gross = Some(500);
        order.total = Some(500);
    });
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["over_captured"]);
    assert!(
        plan.tasks[0].detail.contains("Refund 500 JPY"),
        "{:?}",
        plan.tasks
    );
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].refunded = 500;
        order.tenders[0].refunds = vec![refund("re_1", 500, at)];
    });
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_capture_that_was_not_sent_is_taken_back_with_its_voided_payment_and_paid_by_nobody_meanwhile()
{
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    for _ in 0..3 {
        world.plan();
        let queue = world.input.queue.clone();
        for row in queue.iter().filter(|row| row.op != Op::Capture) {
            world.end(&row.key, Verdict::Done, "");
        }
    }
    assert_eq!(world.intents(Op::Capture).len(), 1);
    world.edit(|order| {
        let again = tender("pay_2", "card", 1500);
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
        order.tenders.push(again);
    });
    let plan = world.peek();
    assert_eq!(plan.withdraw.len(), 1);
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn what_was_given_back_by_mistake_of_a_voided_payment_stops_nothing() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let at = world.now;
    world.edit(|order| {
        let mut again = tender("pay_2", "card", 900);
        again.authorised = 900;
        let void = &mut order.tenders[0];
        (void.captured, void.refunded, void.cancelled) = (600, 200, true);
        let mut seen = refund("re_1", 200, at);
        seen.effect = RefundEffect::ProviderOnly;
        void.refunds = vec![seen];
        order.tenders.push(again);
    });
    world.plan();
    world.typed(|now| refund_is(now, "re_1", RefundReason::Mistake, "as the desk says"));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.status, Status::Allocated);
}
