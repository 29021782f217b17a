//! One order from receipt to the books.

use chrono::{Duration, NaiveDate};
use hikiate_sdk::{ChannelState, Op, ReplyVerdict};

use super::build::{at, order, pay, slug};
use super::world::World;
use crate::facts::Verdict;
use crate::plan::types::{Origin, RefreshPauses, ShipmentStage, Status};

const S1: &str = "HK0123456789ABC-S1";

#[test]
fn an_order_goes_from_receipt_to_the_books() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Unallocated, Some("stock")),
        "allocation has not looked yet"
    );
    assert_eq!((plan.demands[0].wanted, plan.demands[0].firm), (2, true));
    world.allocate();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Allocated, Some("batch"))
    );
    assert_eq!(plan.shipments[0].reference.as_str(), S1);
    assert_eq!(plan.shipments[0].warehouse, "tokyo");
    assert_eq!(plan.shipments[0].release_at, at(30));
    assert!(world.seal().is_empty(), "the grace period is not over");
    world.wait(30);
    assert_eq!(world.seal(), [S1]);
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Allocated, Some("sending"))
    );
    assert_eq!(plan.next, Some(at(90)), "the reply is due");
    world.instruct_outcome(S1, Verdict::Accepted);
    world.reply(S1, ReplyVerdict::Accepted);
    assert_eq!(world.plan().status, Status::Instructed);
    world.parcel(S1, "T1", &[(1, 2)]);
    let plan = world.plan();
    assert_eq!(plan.status, Status::Shipped);
    assert_eq!(plan.stages, [(S1.into(), ShipmentStage::Shipped)]);
    assert_eq!(plan.entries.len(), 1);
    assert_eq!(plan.entries[0].cause, format!("parcel:{S1}:T1:1"));
    assert_eq!(
        (plan.entries[0].quantity, plan.entries[0].warehouse.as_str()),
        (-2, "tokyo")
    );
    let ops: Vec<_> = plan.effects.iter().map(|effect| effect.intent.op).collect();
    assert_eq!(ops, [Op::Fulfil, Op::Mail], "one effect an account");
    assert_eq!(plan.effects[0].key, "fulfil:shop-jp:shop-jp:order_01:1");
    world.push_all();
    for op in [Op::Fulfil, Op::Ship, Op::Capture, Op::Mail] {
        assert_eq!(world.intents(op).len(), 1, "{op}");
    }
    world.wait(2 * 24 * 60);
    world.answered();
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Delivered, false));
    world.book_all();
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Booked, true));
    assert_eq!((plan.read_at, plan.tasks.len()), (None, 0));
    assert_eq!(
        world.input.revenue.iter().map(|row| row.gross).sum::<i64>(),
        2500
    );
    assert_eq!(
        world.input.revenue[0].business_date,
        NaiveDate::from_ymd_opt(2026, 11, 21).unwrap()
    );
    let words = world.explain();
    assert_eq!(words.status, Status::Booked);
    assert!(words.to_string().contains("books-journal-1"), "{words}");
}

#[test]
fn a_stub_is_read_and_nothing_else() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.input.facts.clear();
    world.input.origin = Origin::Placeholder;
    let plan = world.peek();
    assert_eq!((plan.status, plan.read_at), (Status::Received, Some(at(0))));
    // It could not be understood: its next reading has its time.
    world.input.read_at = Some(at(10));
    assert_eq!(world.peek().read_at, Some(at(10)));
    assert!(plan.demands.is_empty() && plan.effects.is_empty() && plan.tasks.is_empty());
}

#[test]
fn history_has_no_effects_and_no_demand() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.input.origin = Origin::History;
    world.edit(|order| order.state = ChannelState::Completed);
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Delivered, true));
    assert!(plan.demands.is_empty() && plan.effects.is_empty() && plan.revenue.is_empty());
    world.edit(|order| order.state = ChannelState::Cancelled { at: at(0) });
    assert_eq!(world.plan().status, Status::Cancelled);
}

#[test]
fn without_epochs_nothing_is_told_captured_mailed_or_booked() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world
        .input
        .active_from
        .retain(|(rule, _), _| rule == "instruct");
    ship_all(&mut world);
    let plan = world.plan();
    assert!(
        plan.effects.is_empty() && plan.revenue.is_empty(),
        "{plan:#?}"
    );
    // A rule that begins later does not reach back.
    for (rule, account) in [
        ("notice", "shop-jp"),
        ("capture", "shop-jp"),
        ("mail:shipped", "smtp"),
        ("booking", "books"),
    ] {
        let active = world.now + Duration::seconds(1);
        world
            .input
            .active_from
            .insert((rule.to_owned(), slug(account)), active);
    }
    world.wait(5);
    let plan = world.plan();
    assert!(
        plan.effects.is_empty() && plan.revenue.is_empty(),
        "{plan:#?}"
    );
}

#[test]
fn a_warehouse_is_not_told_of_orders_older_than_its_start() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    let start = ("instruct".to_owned(), slug("wms-tokyo"));
    world.input.active_from.insert(start, at(1));
    let plan = world.settle();
    assert!(world.input.shipments.is_empty());
    assert_eq!(
        plan.blocked_by.as_deref(),
        Some("check:order_predates_warehouse")
    );
    assert_eq!(World::kinds(&plan), ["order_predates_warehouse"]);
}

#[test]
fn an_order_without_booking_closes_when_delivered() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.policy.booking = None;
    ship_all(&mut world);
    world.push_all();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.next),
        (Status::Shipped, Some(at(30 + 2 * 24 * 60)))
    );
    world.wait(2 * 24 * 60);
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Delivered, true));
}

#[test]
fn an_order_of_nothing_to_pay_is_confirmed_and_booked_without_revenue() {
    let mut snapshot = order(&[("A", 1, 0)]);
    snapshot.charges.remove(0);
    pay(&mut snapshot, "nobody");
    snapshot.tenders.clear();
    let mut world = World::new(snapshot);
    ship_all(&mut world);
    world.push_all();
    world.wait(2 * 24 * 60);
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.closed),
        (Status::Booked, true),
        "{plan:#?}"
    );
    assert!(world.intents(Op::Capture).is_empty());
}

#[test]
fn open_orders_are_read_again_and_never_later_for_being_planned_twice() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    assert_eq!(world.plan().read_at, Some(at(30)));
    world.wait(10);
    assert_eq!(world.plan().read_at, Some(at(30)));
}

#[test]
fn an_order_that_waits_for_time_alone_is_read_more_and_more_seldom() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    let half = Duration::minutes(30);
    let often = Some(RefreshPauses::every(half));
    let seldom = Some(RefreshPauses {
        first: half,
        most: Duration::hours(6),
    });
    assert_eq!(world.plan().refresh, often, "it is to be sealed");
    ship_all(&mut world);
    assert_eq!(world.plan().refresh, often, "it is to be reported");
    world.push_all();
    assert_eq!(world.plan().refresh, seldom);
    world.wait(2 * 24 * 60);
    world.answered();
    assert_eq!(
        world.plan().refresh,
        seldom,
        "it is delivered, to be booked"
    );
    world.book_all();
    assert_eq!(world.plan().refresh, None);
}

#[test]
fn an_order_that_waits_for_its_deposit_is_read_more_and_more_seldom() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    let mut world = World::new(snapshot);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert_eq!(
        plan.refresh.map(|pauses| pauses.most),
        Some(Duration::hours(6))
    );
}

/// Carries an order until all of its shipments have left.
pub(super) fn ship_all(world: &mut World) {
    world.settle();
    world.wait(30);
    for reference in world.seal() {
        world.instruct_outcome(&reference, Verdict::Accepted);
        let lines: Vec<_> = world
            .shipment(&reference)
            .lines
            .iter()
            .map(|line| (line.n, line.quantity))
            .collect();
        world.parcel(&reference, &format!("T-{reference}"), &lines);
    }
}
