//! An order and what is given back of it, for these tests.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use hikiate_sdk::{ChargeKind, OrderSnapshot, RefundEffect, RefundSeen};

use super::super::build::{charge, order, pay};
use super::super::world::World;
use crate::facts::Verdict;
use crate::plan::types::RevenueKind;
use crate::policy::TaxRounding;

pub(super) const S1: &str = "HK0123456789ABC-S1";

/// A time in Tokyo.
pub(in crate::plan::tests) fn tokyo(month: u32, day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    chrono_tz::Asia::Tokyo
        .with_ymd_and_hms(2026, month, day, hour, minute, 0)
        .unwrap()
        .to_utc()
}

pub(in crate::plan::tests) fn date(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

/// 2 × 1,100 at 10 % and 540 at 8 %, captured, rounded down.
pub(in crate::plan::tests) fn situation() -> World {
    let mut snapshot = order(&[("A", 2, 1100), ("B", 1, 540)]);
    snapshot.charges.remove(0);
    snapshot.charges[1].tax_rate_bp = Some(800);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    world.policy.shop.tax_rounding = Some(TaxRounding::Floor);
    world.edit(|order| order.tenders[0].captured = 2740);
    world
}

pub(in crate::plan::tests) fn refund(key: &str, amount: i64, at: DateTime<Utc>) -> RefundSeen {
    RefundSeen {
        key: key.into(),
        amount,
        at: Some(at),
        effect: RefundEffect::InTotal,
        lines: Vec::new(),
    }
}

/// Staff give money back and the channel takes it off the total by a credit.
pub(in crate::plan::tests) fn credit(
    order: &mut OrderSnapshot,
    key: &str,
    amount: i64,
    at: DateTime<Utc>,
) {
    let mut credit = charge(ChargeKind::Other, None, -amount, 0);
    credit.tax_rate_bp = None;
    order.charges.push(credit);
    order.total = order.total.map(|total| total - amount);
    order.tenders[0].refunded += amount;
    order.tenders[0].refunds.push(refund(key, amount, at));
}

pub(super) type Booked = (NaiveDate, RevenueKind, i32, i64, i64);

pub(in crate::plan::tests) fn booked(world: &World) -> Vec<Booked> {
    let rows = world.input.revenue.iter();
    rows.map(|row| {
        let date = row.business_date;
        (date, row.kind, row.tax_of.rate_bp, row.gross, row.tax)
    })
    .collect()
}

pub(in crate::plan::tests) fn sum(world: &World) -> (i64, i64) {
    let rows = world.input.revenue.iter();
    rows.fold((0, 0), |sum, row| (sum.0 + row.gross, sum.1 + row.tax))
}

/// 2 × 1,000 + 500, one piece shipped and 1,500 captured by us.
pub(in crate::plan::tests) fn one_of_two() -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert_eq!(world.intended_next(), 1500);
    world
}
