//! What is given back of an order that has shipped in part.

use hikiate_sdk::RefundEffect;

use super::super::build::order;
use super::super::world::World;
use super::support::{S1, credit, one_of_two, refund, sum};
use crate::facts::Verdict;

#[test]
fn what_is_given_back_of_a_part_is_of_what_had_shipped_and_is_not_captured_again() {
    let mut world = one_of_two();
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        credit(order, "re_1", 1500, at);
    });
    let plan = world.plan();
    assert!(
        !World::kinds(&plan).contains(&"refunded_in_full"),
        "{:?}",
        plan.tasks
    );
    assert_eq!((world.intended_next(), sum(&world).0), (1500, 0));
    // The rest ships: it alone is captured and booked.
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    assert_eq!((world.intended_next(), sum(&world).0), (2500, 1000));
    // More than had shipped is of the rest as well.
    let mut more = one_of_two();
    more.edit(|order| {
        order.tenders[0].captured = 1500;
        credit(order, "re_1", 1800, at);
        order.tenders[0].refunded = 1500;
    });
    more.plan();
    assert_eq!((more.intended_next(), sum(&more).0), (1500, 0));
    more.parcel(S1, "T2", &[(1, 1)]);
    more.push_all();
    assert_eq!(sum(&more).0, 700);
}

#[test]
fn what_is_given_back_before_and_after_a_part_shipped_is_taken_off_once_each() {
    // 2 × 1,000 + 500; half of it is given back, one piece ships, then more than that one is worth by now.
    let mut world = World::new(order(&[("A", 2, 1000)]));
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 2500;
        credit(order, "re_1", 1250, at);
    });
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert_eq!(sum(&world).0, 750);
    let at = world.now;
    world.edit(|order| credit(order, "re_2", 1000, at));
    world.push_all();
    assert_eq!(
        sum(&world).0,
        0,
        "the rest of it is of what has not shipped"
    );
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    assert_eq!(sum(&world).0, 250);
}

#[test]
fn a_unit_that_came_back_is_not_the_one_that_is_still_to_be_sent() {
    let mut world = one_of_two();
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        order.tenders[0].refunded = 1000;
        let mut seen = refund("re_1", 1000, at);
        seen.effect = RefundEffect::Lowers;
        seen.lines = vec![("l1".into(), 1)];
        order.tenders[0].refunds = vec![seen];
    });
    let plan = world.plan();
    assert_eq!(plan.demands[0].wanted, 2);
    assert_eq!((world.intended_next(), sum(&world).0), (1500, 500));
    assert!(
        !World::kinds(&plan).contains(&"changed_after_sealing"),
        "{:?}",
        plan.tasks
    );
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    assert_eq!((world.intended_next(), sum(&world).0), (2500, 1500));
}
