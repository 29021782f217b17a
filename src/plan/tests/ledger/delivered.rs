//! Revenue that is recognised when goods are delivered.

use chrono::Duration;

use super::super::build::{order, pay};
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{credit, date, sum};
use crate::plan::types::RevenueKind;
use crate::policy::Recognise;

fn by_delivery() -> World {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    if let Some(booking) = &mut world.policy.booking {
        booking.recognise = Recognise::Delivered;
    }
    ship_all(&mut world);
    world.push_all();
    world
}

#[test]
fn what_was_delivered_and_booked_stays_booked_when_a_line_is_added() {
    let mut world = by_delivery();
    world.wait(5 * 24 * 60);
    world.plan();
    assert_eq!(sum(&world).0, 1500);
    world.edit(|order| {
        order.lines[0].quantity = 2;
        order.charges[1].gross = Some(2000);
        pay(order, "card");
    });
    world.plan();
    assert_eq!(sum(&world).0, 1500, "until all of it is delivered again");
    ship_all(&mut world);
    world.push_all();
    world.wait(5 * 24 * 60);
    world.plan();
    assert_eq!(sum(&world).0, 2500);
    assert!(world.input.revenue.iter().all(|row| row.gross > 0));
}

#[test]
fn a_refund_before_the_delivery_lowers_what_is_recognised_then() {
    let mut world = by_delivery();
    let refunded = world.now + Duration::days(1);
    world.wait(3 * 24 * 60);
    world.plan();
    assert_eq!(sum(&world).0, 1500);
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        credit(order, "re_1", 300, refunded);
    });
    world.plan();
    let last = world.input.revenue.last().unwrap();
    assert_eq!(
        (last.kind, last.business_date),
        (RevenueKind::Sales, date(11, 24)),
        "the delivery of the 23rd is in the books"
    );
    assert_eq!(sum(&world).0, 1200);
}
