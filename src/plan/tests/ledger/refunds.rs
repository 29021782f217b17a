//! Money that staff give back: before and after shipping, in units, by the provider alone.

use chrono::Duration;
use hikiate_sdk::{ChannelState, Op, OrderSnapshot, RefundEffect};

use super::super::build::order;
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{S1, booked, credit, date, refund, situation, sum, tokyo};
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::refund_is;
use crate::plan::types::{RevenueKind, Status};

#[test]
fn a_refund_before_shipping_lowers_what_is_recognised_and_delays_nothing() {
    let mut world = situation();
    world.settle();
    world.now = tokyo(11, 30, 15, 2);
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 300, at));
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
    assert_eq!(plan.demands.iter().map(|row| row.wanted).sum::<u32>(), 3);
    assert!(world.input.revenue.is_empty(), "nothing on 30 November");
    world.now = tokyo(12, 1, 10, 0);
    ship_all(&mut world);
    world.push_all();
    assert!(
        world.intents(Op::Capture).is_empty(),
        "2440 is what is kept"
    );
    assert_eq!(
        booked(&world),
        [
            (date(12, 1), RevenueKind::Sales, 800, 481, 35),
            (date(12, 1), RevenueKind::Sales, 1000, 1959, 178),
        ]
    );
    assert!(world.input.revenue.iter().all(|row| row.derived));
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_refund_after_shipping_is_a_return_on_its_day() {
    let mut world = situation();
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(sum(&world), (2740, 240));
    let before = world.input.revenue.len();
    world.now = tokyo(12, 10, 11, 0);
    let at = world.now - Duration::minutes(20);
    world.edit(|order| {
        order.charges[0].gross = Some(1100);
        order.total = Some(1640);
        order.tenders[0].refunded = 1100;
        order.tenders[0].refunds = vec![refund("re_1", 1100, at)];
    });
    let plan = world.plan();
    assert_eq!(
        booked(&world)[before..],
        [(date(12, 10), RevenueKind::Returns, 1000, -1100, -100)]
    );
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert!(world.intents(Op::Capture).is_empty());
    // Until the return stands in the books, the order is not booked.
    assert_ne!(plan.status, Status::Booked);
    // The rest is given back: all of it ends at nothing.
    world.edit(|order| credit(order, "re_2", 1640, at));
    world.plan();
    assert_eq!(sum(&world), (0, 0));
}

#[test]
fn a_refund_that_lowers_the_charges_itself_is_booked_as_one_in_the_total() {
    let mut world = situation();
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].refunded = 300;
        let mut seen = refund("re_1", 300, at);
        seen.effect = RefundEffect::Lowers;
        order.tenders[0].refunds = vec![seen];
    });
    let plan = world.plan();
    assert_eq!(sum(&world), (2440, 213));
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    // A second payment of what was too much is given back without lowering anything.
    world.edit(|order| {
        order.tenders[0].captured = 3000;
        let mut seen = refund("re_2", 260, at);
        seen.effect = RefundEffect::Lowers;
        order.tenders[0].refunded = 560;
        order.tenders[0].refunds.push(seen);
    });
    assert!(world.plan().tasks.is_empty());
    assert_eq!(sum(&world), (2440, 213));
}

#[test]
fn a_refund_of_units_takes_them_off_what_is_sent_or_is_a_return_of_what_was() {
    let of_one = |order: &mut OrderSnapshot, at| {
        let mut seen = refund("re_1", 1100, at);
        seen.effect = RefundEffect::Lowers;
        seen.lines = vec![("l1".into(), 1)];
        order.tenders[0].refunded = 1100;
        order.tenders[0].refunds = vec![seen];
    };
    let mut world = situation();
    world.settle();
    let at = world.now;
    world.edit(|order| of_one(order, at));
    let plan = world.settle();
    assert_eq!(plan.demands.iter().map(|row| row.wanted).sum::<u32>(), 2);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(sum(&world), (1640, 140));
    assert!(world.plan().tasks.is_empty());
    // After it shipped: money and revenue only.
    let mut world = situation();
    ship_all(&mut world);
    world.push_all();
    let at = world.now;
    world.edit(|order| of_one(order, at));
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(sum(&world), (1640, 140));
    assert_eq!(
        world.input.revenue.last().unwrap().kind,
        RevenueKind::Returns
    );
    assert_eq!(world.moved(), -3);
}

#[test]
fn two_refunds_seen_at_once_are_booked_on_their_days() {
    let mut world = situation();
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    let before = world.input.revenue.len();
    world.now = tokyo(12, 3, 10, 0);
    world.edit(|order| {
        credit(order, "re_1", 500, tokyo(11, 30, 23, 0));
        credit(order, "re_2", 300, tokyo(12, 2, 9, 0));
    });
    world.plan();
    let days: Vec<_> = booked(&world)[before..]
        .iter()
        .map(|row| (row.0, row.3))
        .collect();
    let of = |day| {
        days.iter()
            .filter(|row| row.0 == day)
            .map(|row| row.1)
            .sum::<i64>()
    };
    assert_eq!((of(date(11, 30)), of(date(12, 2))), (-500, -300));
    assert_eq!(sum(&world).0, 1940);
}

#[test]
fn a_refund_that_is_read_after_the_parcel_and_was_made_before_it_lowers_the_sale() {
    let mut world = situation();
    world.now = tokyo(12, 1, 10, 0);
    ship_all(&mut world);
    world.push_all();
    world.edit(|order| credit(order, "re_1", 300, tokyo(11, 30, 15, 2)));
    world.plan();
    assert!(
        booked(&world)
            .iter()
            .all(|row| row.0 == date(12, 1) && row.1 == RevenueKind::Sales)
    );
    assert_eq!(sum(&world), (2440, 213));
}

#[test]
fn an_order_cancelled_after_it_left_makes_no_revenue_or_gives_it_back() {
    let cancel = |world: &mut World| {
        let at = world.now;
        world.edit(|order| {
            order.state = ChannelState::Cancelled { at };
            order.tenders[0].cancelled = true;
            order.tenders[0].authorised = 0;
        });
    };
    let sealed = || {
        let mut world = World::new(order(&[("A", 2, 1000)]));
        world.settle();
        world.wait(30);
        world.seal();
        world.instruct_outcome(S1, Verdict::Accepted);
        world
    };
    // Its result is read after the cancel.
    let mut late = sealed();
    let left = late.now;
    late.wait(120);
    cancel(&mut late);
    late.plan();
    late.wait(90);
    late.parcel_left(S1, "T1", &[(1, 2)], left);
    let plan = late.plan();
    assert!(late.input.revenue.is_empty() && late.intents(Op::Capture).is_empty());
    assert_eq!(
        World::kinds(&plan),
        ["cancel_too_late"],
        "one task, not three"
    );
    // Booked before: a return on the day of the cancel.
    let mut booked_before = sealed();
    booked_before.parcel(S1, "T1", &[(1, 2)]);
    booked_before.plan();
    assert_eq!(sum(&booked_before).0, 2500);
    booked_before.wait(24 * 60);
    cancel(&mut booked_before);
    booked_before.plan();
    let last = booked_before.input.revenue.last().unwrap();
    assert_eq!(
        (last.kind, last.gross, last.business_date),
        (RevenueKind::Returns, -2500, date(11, 22))
    );
    assert_eq!(sum(&booked_before), (0, 0));
}

#[test]
fn a_refund_that_only_the_provider_knows_waits_for_an_operator() {
    let seen = || {
        let mut world = World::new(order(&[("A", 1, 1000)]));
        ship_all(&mut world);
        world.push_all();
        let at = world.now;
        world.edit(|order| {
            order.tenders[0].captured = 1500;
            order.tenders[0].refunded = 200;
            let mut seen = refund("re_1", 200, at);
            seen.effect = RefundEffect::ProviderOnly;
            order.tenders[0].refunds = vec![seen];
        });
        world
    };
    let mut world = seen();
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["refund_unexplained"]);
    assert_eq!(sum(&world).0, 1500);
    assert!(plan.tasks[0].detail.contains("re_1 (200 JPY)"));
    for (is, booked, kinds) in [
        (RefundReason::Discount, 1300, vec![]),
        (RefundReason::Return, 1300, vec![]),
        // Nobody may capture what was never authorised twice: an operator collects it.
        (
            RefundReason::Mistake,
            1500,
            vec!["capture_exceeds_authorisation"],
        ),
    ] {
        let mut world = seen();
        world.plan();
        world.typed(|now| refund_is(now, "re_1", is, "as the desk says"));
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), kinds, "{is:?}");
        assert_eq!(sum(&world).0, booked, "{is:?}");
        assert_eq!(world.intents(Op::Capture).len(), 1);
    }
}

#[test]
fn a_refund_at_the_provider_that_an_overpayment_explains_is_no_task() {
    let mut world = situation();
    ship_all(&mut world);
    world.push_all();
    world.edit(|order| {
        order.charges[0].gross = Some(1100);
        order.total = Some(1640);
    });
    assert_eq!(World::kinds(&world.plan()), ["over_captured"]);
    let at = world.now;
    world.edit(|order| {
        let mut seen = refund("re_1", 1100, at);
        seen.effect = RefundEffect::ProviderOnly;
        order.tenders[0].refunded = 1100;
        order.tenders[0].refunds = vec![seen];
    });
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn what_is_given_back_in_full_while_a_warehouse_has_it_is_a_task() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 2500;
        credit(order, "re_1", 2500, at);
    });
    let plan = world.settle();
    let task = plan
        .tasks
        .iter()
        .find(|task| task.kind == "refunded_in_full");
    assert!(task.unwrap().detail.contains(S1), "{:?}", plan.tasks);
    world.release("refunded_in_full");
    assert!(world.settle().tasks.is_empty());
}

#[test]
fn a_refund_that_the_total_does_not_have_off_waits_for_an_operator() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 2500;
        order.tenders[0].refunded = 300;
        order.tenders[0].refunds = vec![refund("re_1", 300, at)];
    });
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["refund_unexplained"]);
    assert_eq!(plan.status, Status::Allocated, "it delays nothing");
    let mut typed = world.clone();
    typed.typed(|now| refund_is(now, "re_1", RefundReason::Discount, "scratched"));
    ship_all(&mut typed);
    typed.push_all();
    assert!(typed.plan().tasks.is_empty());
    assert_eq!(sum(&typed).0, 2200);
    // The credit comes later.
    world.edit(|order| {
        order.tenders[0].refunded = 0;
        order.tenders[0].refunds.clear();
        credit(order, "re_1", 300, at);
    });
    assert!(world.settle().tasks.is_empty());
}

#[test]
fn what_rounding_moved_of_a_refund_is_nobodys_money() {
    let mut world = World::new(order(&[("A", 1, 501)]));
    ship_all(&mut world);
    world.push_all();
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1001;
        credit(order, "re_1", 501, at);
        // 500.25 of 1000.5: each is rounded by itself.
        order.tenders[0].refunded = 500;
        order.tenders[0].refunds[0].amount = 500;
    });
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn a_return_that_staff_also_take_off_the_order_is_no_sale_below_zero() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert_eq!(sum(&world).0, 1500);
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        credit(order, "re_1", 1500, at);
    });
    world.push_all();
    assert_eq!(sum(&world).0, 0);
    world.edit(|order| {
        order.lines[0].quantity = 0;
        order.charges[0].gross = Some(0);
        order.total = order.total.map(|total| total - 1000);
    });
    world.push_all();
    assert_eq!(sum(&world).0, 0, "it was given back once");
}
