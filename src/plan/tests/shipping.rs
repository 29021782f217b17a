//! Shipments, warehouses, and what the warehouse tells.

use chrono::{DateTime, Duration};
use hikiate_sdk::{Op, ReplyVerdict};

use super::build::{at, order, pay};
use super::flow::ship_all;
use super::world::World;
use crate::action::Action;
use crate::facts::{FactBody, Verdict};
use crate::plan::types::{DataLoss, ShipmentStage, ShippingStop, Status};
use crate::policy::Partial;

const S1: &str = "HK0123456789ABC-S1";

#[test]
fn two_warehouses_make_two_shipments() {
    let mut world = World::new(order(&[("A", 12, 100), ("B", 1, 100)]));
    let plan = world.settle();
    assert_eq!(plan.status, Status::Allocated);
    let (one, two) = (world.shipment(S1), world.shipment("HK0123456789ABC-S2"));
    let lines = |s: &crate::facts::ShipmentFact| -> Vec<_> {
        s.lines
            .iter()
            .map(|line| (line.line.to_string(), line.quantity))
            .collect()
    };
    assert_eq!(
        (one.warehouse.as_str(), lines(&one)),
        ("tokyo", vec![("l1".into(), 10), ("l2".into(), 1)])
    );
    assert_eq!(
        (two.warehouse.as_str(), lines(&two)),
        ("osaka", vec![("l1".into(), 2)])
    );
}

#[test]
fn a_part_without_stock_makes_the_rest_wait_or_not() {
    for (partial, shipments, status) in [
        (Partial::Wait, 0, Status::Backordered),
        (Partial::ShipReady, 1, Status::Backordered),
    ] {
        let mut world = World::new(order(&[("A", 1, 100), ("B", 3, 100)]));
        world.policy.allocation.partial = partial;
        world.stock.insert((2, "tokyo"), 0);
        world.stock.insert((2, "osaka"), 0);
        let plan = world.settle();
        assert_eq!(
            (plan.status, world.input.shipments.len()),
            (status, shipments)
        );
        assert_eq!(plan.blocked_by.as_deref(), Some("stock"));
        world.stock.insert((2, "osaka"), 3);
        let plan = world.settle();
        assert_eq!(
            (plan.status, world.input.shipments.len()),
            (Status::Allocated, 2)
        );
    }
}

#[test]
fn ready_goods_leave_in_whole_units() {
    let mut world = World::new(order(&[("B12", 2, 100)]));
    world.policy.allocation.partial = Partial::ShipReady;
    world.stock.insert((2, "tokyo"), 20);
    world.stock.insert((2, "osaka"), 0);
    assert_eq!(world.settle().demands[0].wanted, 24);
    assert_eq!(world.shipment(S1).lines[0].quantity, 12);
}

#[test]
fn earliest_day_and_wave_decide_when_it_may_be_sealed() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    let earliest = at(0) + Duration::days(3);
    world.edit(|order| order.groups[0].earliest_ship = Some(earliest));
    world.settle();
    assert_eq!(world.shipments[S1].release_at, earliest);
    world.edit(|order| order.groups[0].earliest_ship = None);
    world.plan();
    assert_eq!(world.input.shipments[0].state, ShipmentStage::Cancelled);
    assert_eq!(world.shipments["HK0123456789ABC-S2"].release_at, at(30));
    let mut osaka = World::new(order(&[("A", 1, 100)]));
    osaka.stock.insert((1, "tokyo"), 0);
    osaka.settle();
    assert_eq!(
        osaka.shipments[S1].release_at,
        at(0),
        "a wave seals at its cut-off"
    );
}

#[test]
fn an_edit_before_sealing_is_shipped_as_edited_and_after_it_only_the_rest() {
    let smaller = |order: &mut hikiate_sdk::OrderSnapshot| {
        order.lines[0].quantity = 1;
        order.charges[1].gross = Some(100);
        pay(order, "card");
    };
    let mut world = World::new(order(&[("A", 3, 100)]));
    world.settle();
    world.edit(smaller);
    world.settle();
    assert_eq!(world.shipment("HK0123456789ABC-S2").lines[0].quantity, 1);
    let mut world = World::new(order(&[("A", 3, 100)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.edit(smaller);
    let plan = world.plan();
    assert_eq!(
        (plan.demands[0].wanted, world.input.shipments.len()),
        (3, 1)
    );
}

#[test]
fn stock_that_vanishes_takes_the_waiting_shipment_with_it() {
    let mut world = World::new(order(&[("A", 2, 100)]));
    world.settle();
    world.stock.insert((1, "tokyo"), 1);
    world.stock.insert((1, "osaka"), 0);
    world.allocate();
    let plan = world.plan();
    assert!(matches!(
        plan.decisions[0].body,
        FactBody::ShipmentWithdrawn(_)
    ));
    assert_eq!(plan.status, Status::Backordered);
    let mut sealed = World::new(order(&[("A", 2, 100)]));
    sealed.settle();
    sealed.wait(30);
    sealed.seal();
    sealed.stock.insert((1, "tokyo"), 1);
    sealed.allocate();
    assert_eq!(
        sealed.input.demands[0].reserved,
        [("tokyo".to_owned(), 2, true)]
    );
    assert!(sealed.plan().decisions.is_empty());
}

#[test]
fn three_of_two_are_stored_captured_as_ordered_and_a_task() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 3)]);
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.entries[0].quantity),
        (Status::Shipped, -3)
    );
    assert_eq!((plan.demands[0].wanted, plan.demands[0].shipped), (3, 3));
    assert_eq!(World::kinds(&plan), ["over_shipped"]);
    world.push_all();
    assert_eq!(world.intended_next(), 2500);
    assert_eq!(
        world.input.revenue.iter().map(|row| row.gross).sum::<i64>(),
        2500
    );
    world.release("over_shipped");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn one_of_two_is_captured_for_one_and_a_person_decides_about_the_rest() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    let plan = world.plan();
    assert_eq!(
        (plan.status, world.intended_next()),
        (Status::Instructed, 1500)
    );
    assert_eq!(World::kinds(&plan), ["shipped_short"]);
    assert_eq!(
        plan.tasks[0].actions,
        [Action::release(&format!("short:{S1}"))]
    );
    assert!(world.intents(Op::Mail).is_empty());
    world.release(&format!("short:{S1}"));
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
    assert_eq!(world.shipment("HK0123456789ABC-S2").lines[0].quantity, 1);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(world.intended_next(), 2500);
}

/// A part has left one warehouse, another is to leave the other one, and the rest has no stock: what was reserved for
/// the first is gone with it, though allocation has not looked again.
#[test]
fn what_has_left_takes_its_reservation_with_it() {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.policy.allocation.partial = Partial::ShipReady;
    world.stock.insert((1, "tokyo"), 1);
    world.stock.insert((1, "osaka"), 1);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    let plan = world.plan();
    assert_eq!((plan.shipments.len(), plan.next), (0, Some(world.now)));
    assert_eq!(
        world.input.demands[0].reserved,
        [("osaka".to_owned(), 1, true)]
    );
    // What is left is a backorder once the allocation has looked for it.
    world.plan();
    world.allocate();
    let plan = world.plan();
    assert_eq!(
        (plan.shipments.len(), plan.status),
        (0, Status::Backordered)
    );
    world.stock.insert((1, "tokyo"), 1);
    world.settle();
    assert_eq!(world.shipment("HK0123456789ABC-S3").warehouse, "tokyo");
}

/// One warehouse has refused its part, another has sent its own, and what still waits lost a unit of its stock before:
/// only the plan after the one that sees the parcel knows that it is not covered any more.
#[test]
fn what_waits_beside_a_refusal_is_looked_at_again_once_goods_have_left() {
    let mut world = World::new(order(&[("A", 3, 1000), ("B", 1, 1000)]));
    world.policy.allocation.partial = Partial::Wait;
    for (at, units) in [((1, "tokyo"), 5), ((1, "osaka"), 0), ((2, "tokyo"), 0)] {
        world.stock.insert(at, units);
    }
    world.settle();
    world.wait(30);
    world.seal();
    let (s2, s3) = ("HK0123456789ABC-S2", "HK0123456789ABC-S3");
    world.instruct_outcome(S1, Verdict::Accepted);
    world.instruct_outcome(s2, Verdict::Accepted);
    world.edit(|order| order.lines[0].quantity = 5);
    world.settle();
    world.reply(s2, ReplyVerdict::Rejected);
    world.settle();
    let stage = |world: &World, of: &str| {
        let mut rows = world.input.shipments.iter();
        rows.find(|row| row.reference.as_str() == of)
            .map(|row| row.state)
    };
    assert_eq!(stage(&world, s3), Some(ShipmentStage::Waiting));
    world.input.demands[0].reserved = vec![("tokyo".to_owned(), 4, true)];
    world.parcel(S1, "T1", &[(1, 3)]);
    let plan = world.plan();
    assert_eq!(
        (stage(&world, s3), plan.next),
        (Some(ShipmentStage::Waiting), Some(world.now))
    );
    world.plan();
    assert_eq!(stage(&world, s3), Some(ShipmentStage::Cancelled));
}

/// A line whose item is not known any more is no reason to plan again and again.
#[test]
fn what_has_left_of_an_unknown_item_holds_nothing_up() {
    let mut world = World::new(order(&[("A", 2, 1000), ("B", 30, 1000)]));
    world.policy.allocation.partial = Partial::ShipReady;
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.input.items.remove("A");
    world.parcel(S1, "T1", &[(1, 2)]);
    world.plan();
    let plan = world.plan();
    assert_ne!(plan.next, Some(world.now));
}

/// A shipment that was said to be all there is stays so, and only what is still open is shipped once more.
#[test]
fn a_parcel_of_a_shipment_that_was_closed_short_opens_nothing_again() {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.plan();
    world.release(&format!("short:{S1}"));
    world.settle();
    world.parcel(S1, "T2", &[(1, 1)]);
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
    let waiting: Vec<_> = world
        .input
        .shipments
        .iter()
        .map(|row| (row.reference.as_str(), row.state))
        .collect();
    assert_eq!(
        waiting,
        [
            (S1, ShipmentStage::Shipped),
            ("HK0123456789ABC-S2", ShipmentStage::Cancelled),
            ("HK0123456789ABC-S3", ShipmentStage::Waiting)
        ]
    );
    assert_eq!(world.shipment("HK0123456789ABC-S3").lines[0].quantity, 1);
}

#[test]
fn a_corrected_parcel_corrects_its_movement() {
    let mut world = World::new(order(&[("A", 2, 1000), ("B", 1, 500)]));
    ship_all(&mut world);
    world.plan();
    let name = format!("T-{S1}");
    world.parcel(S1, &name, &[(1, 1), (2, 0)]);
    let plan = world.plan();
    let moved: Vec<_> = plan.entries.iter().map(|entry| entry.quantity).collect();
    assert_eq!(moved, [-1, 0]);
    assert_eq!(plan.entries[1].cause, format!("parcel:{S1}:{name}:2"));
}

#[test]
fn what_was_never_instructed_is_a_task_and_moves_nothing_else() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.parcel("HK0123456789ABC-S9", "T9", &[(1, 1)]);
    world.parcel(S1, "T8", &[(7, 1)]);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["unexpected_parcel"]);
    assert_eq!(plan.entries.len(), 1);
}

#[test]
fn what_is_reported_of_a_shipment_that_was_never_sent_has_left_and_is_a_task() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.input.stops = vec![ShippingStop {
        id: 1,
        items: None,
        channel: None,
        warehouse: None,
    }];
    assert_eq!(world.plan().blocked_by.as_deref(), Some("stop"));
    world.wait(30);
    world.parcel(S1, "T1", &[(1, 1)]);
    let plan = world.plan();
    assert_eq!(plan.status, Status::Shipped);
    assert_eq!(World::kinds(&plan), ["unexpected_parcel"]);
    assert_eq!(plan.entries.len(), 1, "it is off the shelf");
    // What was decided before a recovery ended may be of its lost window.
    for (lifted_at, told) in [(None, 0), (Some(DateTime::UNIX_EPOCH), 1)] {
        world.input.lost = DataLoss {
            epoch: 1,
            lifted_at,
            ..DataLoss::default()
        };
        let plan = world.peek();
        let kinds = World::kinds(&plan);
        let untold = kinds.iter().filter(|kind| **kind == "unexpected_parcel");
        assert_eq!(untold.count(), told, "{lifted_at:?}: {kinds:?}");
    }
    world.input.lost = DataLoss::default();
    world.release("unexpected_parcel");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_missing_reply_becomes_a_task() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    assert!(world.plan().tasks.is_empty());
    world.wait(60);
    let plan = world.plan();
    assert_eq!(
        (World::kinds(&plan), plan.tasks[0].due),
        (vec!["instruction_reply_overdue"], Some(at(90)))
    );
}

#[test]
fn with_ready_goods_only_the_shipment_that_lost_its_stock_is_taken_back() {
    let mut world = World::new(order(&[("A", 2, 100), ("B", 1, 100)]));
    world.policy.allocation.partial = Partial::ShipReady;
    world.stock.insert((1, "osaka"), 0);
    world.stock.insert((2, "tokyo"), 0);
    world.settle();
    assert_eq!(world.input.shipments.len(), 2);
    world.stock.insert((1, "tokyo"), 0);
    world.allocate();
    world.plan();
    let stages: Vec<_> = world.input.shipments.iter().map(|row| row.state).collect();
    assert_eq!(stages, [ShipmentStage::Cancelled, ShipmentStage::Waiting]);
}
