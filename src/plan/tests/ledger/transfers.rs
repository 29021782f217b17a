//! Money that comes by transfer, and what was given back by mistake.

use hikiate_sdk::{ChargeKind, Currency, OrderSnapshot, RefundEffect};

use super::super::build::{charge, order, pay, tender};
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{S1, credit, date, one_of_two, refund, situation, sum, tokyo};
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::refund_is;
use crate::plan::types::Status;

#[test]
fn what_came_in_part_and_was_given_back_is_not_the_whole_order() {
    let at = tokyo(11, 20, 12, 0);
    let held = |edit: &dyn Fn(&mut OrderSnapshot)| {
        let mut world = situation();
        world.edit(|order| {
            order.tenders[0].captured = 0;
            order.tenders[0].authorised = 2740;
            edit(order);
        });
        let plan = world.plan();
        World::kinds(&plan).contains(&"refunded_in_full")
    };
    // Taken by mistake in part, and given back with a credit; the authorisation stands.
    assert!(!held(&|order| {
        order.tenders[0].captured = 300;
        credit(order, "re_1", 300, at);
    }));
    // Points are given back in part; the card pays the rest.
    assert!(!held(&|order| {
        order.tenders[0].amount = Some(1740);
        order.tenders[0].authorised = 1740;
        order.tenders.insert(0, tender("p0", "points", 1000));
        credit(order, "re_1", 300, at);
    }));
    // Given back whole, not void, and paid anew by another card.
    assert!(!held(&|order| {
        let mut other = tender("p2", "card", 2740);
        other.authorised = 2740;
        order.tenders.push(other);
        order.tenders[0].captured = 2740;
        order.tenders[0].refunded = 2740;
    }));
    assert!(held(&|order| {
        order.tenders[0].captured = 2740;
        order.tenders[0].refunded = 2740;
    }));
}

#[test]
fn what_was_given_back_by_mistake_and_comes_by_transfer_is_neither_too_much_nor_missing() {
    let mut world = situation();
    world.now = tokyo(11, 26, 10, 0);
    ship_all(&mut world);
    world.push_all();
    let at = world.now;
    world.edit(|order| {
        let mut seen = refund("re_1", 1100, at);
        seen.effect = RefundEffect::ProviderOnly;
        order.tenders[0].refunded = 1100;
        order.tenders[0].refunds.push(seen);
    });
    world.typed(|now| refund_is(now, "re_1", RefundReason::Mistake, "as the desk says"));
    assert_eq!(
        World::kinds(&world.settle()),
        ["capture_exceeds_authorisation"]
    );
    world.deposit("d1", 1100, Currency::JPY);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    world.deposit("d2", 300, Currency::JPY);
    let plan = world.settle();
    let over = plan
        .tasks
        .iter()
        .find(|task| task.kind == "deposit_overpaid");
    assert!(
        over.is_some_and(|task| task.detail.contains("300")),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn what_was_given_back_twice_by_mistake_is_to_be_collected_though_nothing_is_due() {
    let mut world = situation();
    world.now = tokyo(11, 26, 10, 0);
    ship_all(&mut world);
    world.push_all();
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 2740, at));
    world.plan();
    world.edit(|order| {
        let mut seen = refund("re_2", 2740, at);
        seen.effect = RefundEffect::ProviderOnly;
        order.tenders[0].refunded += 2740;
        order.tenders[0].refunds.push(seen);
    });
    world.typed(|now| refund_is(now, "re_2", RefundReason::Mistake, "as the desk says"));
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["capture_exceeds_authorisation"]);
    assert!(plan.tasks[0].detail.contains("2740"), "{:?}", plan.tasks);
    assert_eq!(sum(&world), (0, 0));
}

#[test]
fn a_credit_lowers_what_is_to_come_by_transfer_though_the_payment_says_otherwise() {
    let mut snapshot = order(&[("A", 2, 1100)]);
    pay(&mut snapshot, "bank");
    let mut world = World::new(snapshot);
    world.settle();
    let at = world.now;
    let lower = |order: &mut OrderSnapshot| {
        credit(order, "re_1", 300, at);
        // A credit alone: nothing was given back.
        order.tenders[0].refunded = 0;
        order.tenders[0].refunds.clear();
    };
    let mut before = world.clone();
    before.edit(lower);
    before.deposit("d1", 2400, Currency::JPY);
    let plan = before.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.status, Status::Allocated);
    // Paid first: what is too much is told.
    world.deposit("d1", 2700, Currency::JPY);
    world.edit(lower);
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["deposit_overpaid"]);
    assert!(plan.tasks[0].detail.contains("300"), "{:?}", plan.tasks);
}

#[test]
fn what_nobody_has_begun_to_pay_moves_nothing_that_is_booked() {
    let mut world = situation();
    ship_all(&mut world);
    world.push_all();
    let before = world.input.revenue.len();
    assert!(before > 0);
    world.edit(|order| {
        let mut added = order.lines[0].clone();
        added.key = "l9".into();
        added.quantity = 1;
        order.lines.push(added);
        order
            .charges
            .push(charge(ChargeKind::Goods, Some("l9"), 1000, 1000));
        order.total = order.total.map(|total| total + 1000);
        order.tenders.push(tender("p9", "nobody-knows", 1000));
    });
    world.plan();
    assert_eq!(
        world.input.revenue.len(),
        before,
        "{:?}",
        world.input.revenue
    );
}

#[test]
fn a_refund_of_before_the_parcel_that_is_read_in_the_next_month_is_booked_then() {
    let mut world = situation();
    world.now = tokyo(11, 26, 10, 0);
    let made = tokyo(11, 25, 10, 0);
    ship_all(&mut world);
    world.push_all();
    let before = world.input.revenue.len();
    assert!(before > 0);
    world.now = tokyo(12, 10, 10, 0);
    world.edit(|order| credit(order, "re_1", 300, made));
    world.plan();
    let new = &world.input.revenue[before..];
    assert_eq!(new.iter().map(|row| row.gross).sum::<i64>(), -300);
    assert!(
        new.iter().all(|row| row.business_date == date(12, 10)),
        "{new:?}"
    );
}

#[test]
fn nothing_is_to_be_given_back_by_a_sum_that_is_not_known() {
    let mut world = one_of_two();
    world.edit(|order| order.tenders[0].captured = 2500);
    world.plan();
    world.typed(|now| crate::plan::command::end(now, "not to be sent"));
    world.edit(|order| order.total = None);
    let plan = world.plan();
    assert!(
        !World::kinds(&plan).contains(&"ended_captured"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn what_nobody_has_paid_when_it_leaves_is_told() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.edit(|order| {
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
        order.tenders.push(tender("col_2", "", 2500));
    });
    let plan = world.settle();
    assert!(
        !World::kinds(&plan).contains(&"payment_method_unmapped"),
        "{:?}",
        plan.tasks
    );
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    let plan = world.plan();
    assert!(
        World::kinds(&plan).contains(&"capture_exceeds_authorisation"),
        "{:?}",
        plan.tasks
    );
}
