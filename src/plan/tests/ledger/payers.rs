//! Revenue by who pays.

use hikiate_sdk::{ChannelState, RefundEffect};

use super::super::build::{order, tender};
use super::super::world::World;
use super::support::{S1, credit, refund, situation, tokyo};
use crate::facts::Verdict;

#[test]
fn revenue_is_split_by_who_pays_and_a_refund_goes_to_its_payment() {
    let mut snapshot = order(&[("A", 3, 1000)]);
    snapshot.charges.remove(0);
    snapshot.total = Some(3000);
    snapshot.tenders = vec![tender("p1", "card", 2000), tender("p2", "points", 1000)];
    let mut world = World::new(snapshot);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    let by = |world: &World, payer: &str| -> i64 {
        let rows = world
            .input
            .revenue
            .iter()
            .filter(|row| row.payment == payer);
        rows.map(|row| row.gross).sum()
    };
    assert_eq!((by(&world, "card"), by(&world, "prepaid")), (667, 333));
    world.parcel(S1, "T2", &[(1, 2)]);
    world.push_all();
    assert_eq!((by(&world, "card"), by(&world, "prepaid")), (2000, 1000));
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 2000;
        credit(order, "re_1", 300, at);
    });
    assert!(world.plan().tasks.is_empty());
    assert_eq!((by(&world, "card"), by(&world, "prepaid")), (1700, 1000));
}

#[test]
fn what_nothing_explains_is_of_one_payment_alone() {
    let mut world = situation();
    world.edit(|order| {
        order.tenders[0].amount = Some(2000);
        order.tenders[0].captured = 2100;
        order.tenders.push(tender("p2", "card", 740));
        order.tenders[1].captured = 740;
        for (tender, key) in order.tenders.iter_mut().zip(["re_1", "re_2"]) {
            let mut seen = refund(key, 100, tokyo(11, 20, 12, 0));
            seen.effect = RefundEffect::ProviderOnly;
            tender.refunded = 100;
            tender.refunds.push(seen);
        }
    });
    let plan = world.plan();
    // 2,840 came, 200 went back and 2,740 is charged: the customer has 100 too much, and no money is to be given back.
    assert_eq!(
        World::kinds(&plan),
        ["refund_unexplained"],
        "{:?}",
        plan.tasks
    );
}

#[test]
fn a_cancelled_order_has_no_payments_to_correct() {
    let mut world = situation();
    let at = world.now;
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at };
        order.tenders[0].amount = Some(1000);
        order.tenders[0].captured = 0;
    });
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}
