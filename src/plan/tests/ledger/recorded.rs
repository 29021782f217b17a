//! What is recorded already stays, and is mended on the day that more became known.

use hikiate_sdk::{Currency, RefundEffect};

use super::super::build::order;
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::{booked, credit, date, refund, situation, sum, tokyo};
use crate::facts::RefundReason;
use crate::plan::command::refund_is;
use crate::plan::types::{RevenueKind, RevenueRow, TaxOf};

#[test]
fn a_sale_and_a_return_that_become_known_together_are_both_booked() {
    let mut snapshot = order(&[("A", 1, 1100)]);
    snapshot.charges[1].tax_rate_bp = None;
    let mut world = World::new(snapshot);
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    world.now = tokyo(12, 10, 10, 0);
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1600;
        credit(order, "re_1", 1600, at);
    });
    world.plan();
    world.now = tokyo(12, 15, 10, 0);
    world.edit(|order| order.charges[1].tax_rate_bp = Some(1000));
    world.plan();
    let of = |month, day| -> i64 {
        let rows = booked(&world);
        rows.iter()
            .filter(|row| row.0 == date(month, day))
            .map(|row| row.3)
            .sum()
    };
    assert_eq!((of(11, 28), of(12, 10)), (1600, -1600));
}

#[test]
fn what_an_earlier_version_booked_is_not_booked_again() {
    // It told payers and countries not apart, and had an untold credit at no rate.
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].captured = 1500;
        credit(order, "re_1", 300, at);
    });
    let coarse = |key: &str, rate, gross, tax| RevenueRow {
        key: key.to_owned(),
        business_date: date(11, 21),
        kind: RevenueKind::Sales,
        payment: "mixed".to_owned(),
        currency: Currency::JPY,
        tax_of: TaxOf {
            rate_bp: rate,
            ..TaxOf::default()
        },
        gross,
        tax,
        derived: false,
        step: None,
        recorded_at: world.now,
    };
    let rows = [
        coarse("1:1000:sales", 1000, 1500, 137),
        coarse("2:0:sales", 0, -300, 0),
    ];
    world.input.revenue.extend(rows);
    world.push_all();
    assert_eq!(world.input.revenue.len(), 2);
    world.wait(24 * 60);
    let at = world.now;
    world.edit(|order| credit(order, "re_2", 1200, at));
    world.plan();
    assert_eq!(sum(&world), (0, 0));
}

#[test]
fn a_refund_of_what_an_earlier_version_booked_is_a_return_of_that_sum_alone() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    ship_all(&mut world);
    world.edit(|order| order.tenders[0].captured = 2500);
    let recorded_at = world.now;
    world.input.revenue.push(RevenueRow {
        key: "1:1000:sales".to_owned(),
        business_date: date(11, 21),
        kind: RevenueKind::Sales,
        payment: "card".to_owned(),
        currency: Currency::JPY,
        tax_of: TaxOf {
            rate_bp: 1000,
            ..TaxOf::default()
        },
        gross: 2500,
        tax: 227,
        derived: false,
        step: None,
        recorded_at,
    });
    world.push_all();
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 300, at));
    world.plan();
    let new: Vec<_> = world.input.revenue[1..].iter().collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert_eq!((new[0].kind, new[0].gross), (RevenueKind::Returns, -300));
    assert_eq!(sum(&world), (2200, 200));
}

#[test]
fn another_country_moves_what_is_booked_and_a_refund_is_a_return_of_its_sum_alone() {
    let mut world = situation();
    ship_all(&mut world);
    world.push_all();
    let before = world.input.revenue.len();
    world.ships_to("BE", |_| {});
    world.plan();
    let moved = &world.input.revenue[before..];
    assert!(!moved.is_empty());
    assert!(moved.iter().all(|row| row.kind == RevenueKind::Sales));
    assert_eq!(moved.iter().map(|row| row.gross).sum::<i64>(), 0);
    let before = world.input.revenue.len();
    let at = world.now;
    world.ships_to("BE", |order| credit(order, "re_1", 274, at));
    world.plan();
    let returned = &world.input.revenue[before..];
    assert!(
        returned
            .iter()
            .all(|row| row.kind == RevenueKind::Returns && row.tax_of.country == "BE"),
        "{returned:?}"
    );
    assert_eq!(returned.iter().map(|row| row.gross).sum::<i64>(), -274);
}

#[test]
fn what_is_recorded_is_mended_on_the_day_that_this_became_known() {
    let mut world = situation();
    world.now = tokyo(11, 26, 10, 0);
    ship_all(&mut world);
    world.push_all();
    assert_eq!(sum(&world).0, 2740);
    let at = tokyo(11, 28, 12, 0);
    world.now = at;
    world.edit(|order| {
        let mut seen = refund("re_1", 200, at);
        seen.effect = RefundEffect::ProviderOnly;
        order.tenders[0].refunded = 200;
        order.tenders[0].refunds.push(seen);
    });
    world.typed(|now| refund_is(now, "re_1", RefundReason::Discount, "as the desk says"));
    world.plan();
    assert_eq!(sum(&world).0, 2540);
    // November is closed; in December it turns out to have been a mistake.
    world.now = tokyo(12, 10, 10, 0);
    let before = world.input.revenue.len();
    world.typed(|now| refund_is(now, "re_1", RefundReason::Mistake, "it was"));
    world.plan();
    let new = &world.input.revenue[before..];
    assert_eq!(new.iter().map(|row| row.gross).sum::<i64>(), 200);
    for row in new {
        assert_eq!(row.business_date, date(12, 10), "{row:?}");
        assert_eq!(row.kind, RevenueKind::Returns, "{row:?}");
    }
}
