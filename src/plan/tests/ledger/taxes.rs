//! Taxes that are told, rounded, stated by the channel, or not known.

use hikiate_sdk::{ChargeKind, TaxSum};

use super::super::build::{charge, order, pay};
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{S1, booked, credit, date, sum};
use crate::facts::Verdict;
use crate::plan::command::tax_rate;
use crate::plan::types::Status;
use crate::policy::{Invoice, TaxRounding};

#[test]
fn ten_lines_are_taxed_once() {
    let lines: Vec<(&str, u32, i64)> = (0..10).map(|_| ("A", 1, 108)).collect();
    let mut snapshot = order(&lines);
    snapshot.charges.remove(0);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    world.policy.shop.tax_rounding = Some(TaxRounding::Floor);
    ship_all(&mut world);
    world.plan();
    assert_eq!(sum(&world), (1080, 98));
}

#[test]
fn a_sum_that_the_channel_states_wins_and_a_coupon_of_the_mall_is_taxed_beside_it() {
    let mut snapshot = order(&[("A", 1, 1100)]);
    snapshot.charges.remove(0);
    let mut mall = charge(ChargeKind::Coupon, None, -220, 1000);
    mall.sponsor = Some("mall".to_owned());
    snapshot.charges.push(mall);
    pay(&mut snapshot, "card");
    snapshot.taxes = vec![TaxSum {
        rate_bp: 1000,
        gross: Some(880),
        tax: 81,
    }];
    let mut world = World::new(snapshot);
    ship_all(&mut world);
    world.plan();
    let rows: Vec<_> = world
        .input
        .revenue
        .iter()
        .map(|row| (row.payment.as_str(), row.gross, row.tax))
        .collect();
    assert_eq!(rows, [("card", 880, 81), ("sponsor:mall", 220, 20)]);
}

#[test]
fn each_shipment_is_an_invoice_of_its_own_where_the_shop_says_so() {
    let tax = |invoice| {
        let mut snapshot = order(&[("A", 1, 105)]);
        snapshot.charges.remove(0);
        pay(&mut snapshot, "card");
        let mut world = World::new(snapshot);
        world.policy.shop.tax_rounding = Some(TaxRounding::Floor);
        world.policy.shop.invoice = invoice;
        ship_all(&mut world);
        world.push_all();
        // Another piece is ordered, and leaves in a shipment of its own.
        world.edit(|order| {
            order.lines[0].quantity = 2;
            order.charges[0].gross = Some(210);
            pay(order, "card");
        });
        ship_all(&mut world);
        world.push_all();
        assert!(world.input.shipments.len() > 1);
        sum(&world)
    };
    assert_eq!(tax(Invoice::Order), (210, 19));
    assert_eq!(tax(Invoice::Shipment), (210, 18));
}

#[test]
fn an_unknown_rate_books_nothing_until_somebody_tells_it() {
    let unknown = || {
        let mut snapshot = order(&[("A", 1, 1100)]);
        snapshot.charges[1].tax_rate_bp = None;
        let mut world = World::new(snapshot);
        ship_all(&mut world);
        world.push_all();
        world
    };
    let mut world = unknown();
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["tax_unknown"]);
    assert!(world.input.revenue.is_empty() && !plan.closed);
    assert_ne!(plan.status, Status::Booked);
    // An operator, a new reading, or the channel's default.
    let mut typed = world.clone();
    typed.typed(|now| tax_rate(now, "l1", 800, "reduced"));
    typed.wait(60 * 24);
    let plan = typed.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(sum(&typed), (1600, 45 + 81));
    assert!(
        booked(&typed).iter().all(|row| row.0 == date(11, 21)),
        "on the day it shipped"
    );
    let mut read = world.clone();
    read.edit(|order| order.charges[1].tax_rate_bp = Some(1000));
    read.plan();
    assert_eq!(sum(&read), (1600, 145));
    for channel in world.policy.channels.values_mut() {
        channel.default_tax = Some(1000);
    }
    world.plan();
    assert_eq!(sum(&world), (1600, 145));
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn an_unknown_amount_books_nothing() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.edit(|order| order.charges[0].gross = None);
    let mut unknown = World::new(order(&[("A", 1, 1000)]));
    unknown.settle();
    unknown.wait(30);
    unknown.seal();
    unknown.instruct_outcome(S1, Verdict::Accepted);
    unknown.edit(|order| {
        order.charges[0].gross = None;
        order.total = None;
    });
    unknown.parcel(S1, "T1", &[(1, 1)]);
    unknown.push_all();
    let plan = unknown.plan();
    assert!(
        World::kinds(&plan).contains(&"amount_unknown"),
        "{:?}",
        plan.tasks
    );
    assert_ne!(plan.status, Status::Booked);
    unknown.edit(|order| {
        order.charges[0].gross = Some(500);
        order.total = Some(1500);
    });
    unknown.plan();
    assert_eq!(sum(&unknown).0, 1500);
}

#[test]
fn a_configured_rate_that_changes_books_nothing_anew() {
    let mut snapshot = order(&[("A", 1, 1100)]);
    snapshot.charges[1].tax_rate_bp = None;
    let mut world = World::new(snapshot);
    let default = |world: &mut World, rate| {
        for channel in world.policy.channels.values_mut() {
            channel.default_tax = Some(rate);
        }
    };
    default(&mut world, 1000);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(sum(&world), (1600, 145));
    let rows = world.input.revenue.len();
    default(&mut world, 800);
    world.policy.shop.tax_rounding = Some(TaxRounding::Ceiling);
    world.edit(|order| order.display = "#1002".to_owned());
    world.plan();
    assert_eq!(world.input.revenue.len(), rows);
    // A full refund ends at nothing all the same.
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1600;
        credit(order, "re_1", 1600, at);
    });
    world.plan();
    assert_eq!(sum(&world), (0, 0));
}

#[test]
fn what_is_not_known_of_a_line_that_is_gone_does_not_matter() {
    let mut snapshot = order(&[("A", 1, 1000), ("B", 1, 540)]);
    snapshot.charges[2].tax_rate_bp = None;
    let mut world = World::new(snapshot);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(World::kinds(&world.plan()), ["tax_unknown"]);
    world.edit(|order| {
        order.lines.pop();
        order.charges.pop();
        pay(order, "card");
    });
    let plan = world.plan();
    assert!(
        !World::kinds(&plan).contains(&"tax_unknown"),
        "{:?}",
        plan.tasks
    );
    assert_eq!(sum(&world).0, 1500);
}

#[test]
fn a_tax_of_nothing_without_a_rate_is_not_stated() {
    let mut snapshot = order(&[("A", 1, 540)]);
    snapshot.charges.remove(0);
    snapshot.charges[0].tax_rate_bp = None;
    snapshot.charges[0].tax = Some(0);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    ship_all(&mut world);
    world.push_all();
    world.typed(|now| tax_rate(now, "l1", 800, "reduced"));
    world.plan();
    assert_eq!(sum(&world), (540, 40));
}
