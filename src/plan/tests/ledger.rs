//! Money as others report it: refunds, voids, lowered totals, taxes that are told or not, and who pays.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use hikiate_sdk::{
    ChannelState, ChargeKind, Currency, Op, OrderSnapshot, RefundEffect, RefundSeen, TaxSum,
};
use proptest::prelude::*;

use super::build::{charge, order, pay, tender};
use super::flow::ship_all;
use super::world::World;
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::{refund_is, tax_rate};
use crate::plan::types::{RevenueKind, RevenueRow, Status, TaxOf};
use crate::plan::{EntryKind, Maker, ledger, unbooked};
use crate::policy::{Invoice, Recognise, TaxRounding};

const S1: &str = "HK0123456789ABC-S1";

/// A time in Tokyo.
fn tokyo(month: u32, day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    chrono_tz::Asia::Tokyo
        .with_ymd_and_hms(2026, month, day, hour, minute, 0)
        .unwrap()
        .to_utc()
}

fn date(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

/// 2 × 1,100 at 10 % and 540 at 8 %, captured, rounded down.
fn situation() -> World {
    let mut snapshot = order(&[("A", 2, 1100), ("B", 1, 540)]);
    snapshot.charges.remove(0);
    snapshot.charges[1].tax_rate_bp = Some(800);
    pay(&mut snapshot, "card");
    let mut world = World::new(snapshot);
    world.policy.shop.tax_rounding = Some(TaxRounding::Floor);
    world.edit(|order| order.tenders[0].captured = 2740);
    world
}

fn refund(key: &str, amount: i64, at: DateTime<Utc>) -> RefundSeen {
    RefundSeen {
        key: key.into(),
        amount,
        at: Some(at),
        effect: RefundEffect::InTotal,
        lines: Vec::new(),
    }
}

/// Staff give money back and the channel takes it off the total by a credit.
fn credit(order: &mut OrderSnapshot, key: &str, amount: i64, at: DateTime<Utc>) {
    let mut credit = charge(ChargeKind::Other, None, -amount, 0);
    credit.tax_rate_bp = None;
    order.charges.push(credit);
    order.total = order.total.map(|total| total - amount);
    order.tenders[0].refunded += amount;
    order.tenders[0].refunds.push(refund(key, amount, at));
}

type Booked = (NaiveDate, RevenueKind, i32, i64, i64);

fn booked(world: &World) -> Vec<Booked> {
    let rows = world.input.revenue.iter();
    rows.map(|row| {
        let date = row.business_date;
        (date, row.kind, row.tax_of.rate_bp, row.gross, row.tax)
    })
    .collect()
}

fn sum(world: &World) -> (i64, i64) {
    let rows = world.input.revenue.iter();
    rows.fold((0, 0), |sum, row| (sum.0 + row.gross, sum.1 + row.tax))
}

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
fn what_shipped_and_is_not_booked_is_listed_with_its_reason() {
    let listed = |world: &World, until| {
        let found = unbooked(&world.input, &world.policy, &world.rules, world.now, until).unwrap();
        let rows = found
            .into_iter()
            .map(|row| (row.reason, row.amount, row.day));
        rows.collect::<Vec<_>>()
    };
    let mut snapshot = order(&[("A", 1, 1100)]);
    snapshot.charges[1].tax_rate_bp = None;
    let mut world = World::new(snapshot);
    assert_eq!(listed(&world, date(12, 31)), []);
    ship_all(&mut world);
    world.push_all();
    let day = date(11, 21);
    assert_eq!(listed(&world, day), [("tax_unknown", Some(1600), day)]);
    assert_eq!(
        listed(&world, date(11, 20)),
        [],
        "nothing had shipped by then"
    );
    world.edit(|order| order.charges[1].tax_rate_bp = Some(1000));
    assert_eq!(listed(&world, day), [("planned", Some(1600), day)]);
    world.plan();
    assert_eq!(listed(&world, day), [("journal", Some(1600), day)]);
    world.edit(|order| order.charges[0].gross = None);
    assert!(listed(&world, day).contains(&("amount_unknown", None, day)));
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
        // Nobody may capture what was never authorised twice: a person collects it.
        (RefundReason::Mistake, 1500, vec!["capture_over_authorised"]),
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

/// 2 × 1,000 + 500, one piece shipped and 1,500 captured by us.
fn one_of_two() -> World {
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
    assert_eq!(World::kinds(&world.settle()), ["capture_over_authorised"]);
    world.deposit("d1", 1100, Currency::JPY);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    world.deposit("d2", 300, Currency::JPY);
    let plan = world.settle();
    let over = plan.tasks.iter().find(|task| task.kind == "deposit_over");
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
    assert_eq!(World::kinds(&plan), ["capture_over_authorised"]);
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
    assert_eq!(World::kinds(&plan), ["deposit_over"]);
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
fn points_of_a_cancelled_order_are_not_given_back_twice() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    snapshot.tenders = vec![tender("p1", "card", 500), tender("p2", "points", 1000)];
    let mut world = World::new(snapshot);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    let at = world.now;
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at };
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
    });
    let plan = world.settle();
    let late = plan
        .tasks
        .iter()
        .find(|task| task.kind == "cancel_too_late");
    let late = &late.unwrap().detail;
    assert!(!late.contains("give"), "{late}");
    assert!(late.contains("bill it anew"), "{late}");
}

#[test]
fn the_ledger_names_every_movement_with_its_id_day_and_maker() {
    let mut world = situation();
    world.now = tokyo(11, 28, 10, 0);
    ship_all(&mut world);
    world.push_all();
    world.now = tokyo(12, 10, 11, 0);
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 1100, at));
    world.plan();
    let found = ledger(&world.input, &world.policy, &world.rules, world.now)
        .unwrap()
        .unwrap();
    let of = |kind| {
        let entries = found.entries.iter().filter(|entry| entry.kind == kind);
        entries
            .map(|entry| (entry.id.as_str(), entry.day, entry.maker, entry.amount))
            .collect::<Vec<_>>()
    };
    let placed = date(11, 21);
    assert_eq!(
        of(EntryKind::Capture),
        [("pay_1", placed, Maker::Channel, Some(2740))]
    );
    assert_eq!(
        of(EntryKind::Authorisation),
        [("pay_1", placed, Maker::Channel, Some(2740))]
    );
    assert_eq!(
        of(EntryKind::Refund),
        [("re_1", date(12, 10), Maker::Channel, Some(1100))]
    );
    let charges = [
        ("l1", placed, Maker::Channel, Some(2200)),
        ("l2", placed, Maker::Channel, Some(540)),
        ("other", date(12, 10), Maker::Channel, Some(-1100)),
    ];
    assert_eq!(of(EntryKind::Charge), charges);
    assert_eq!(
        of(EntryKind::Revenue)
            .iter()
            .filter_map(|entry| entry.3)
            .sum::<i64>(),
        1640
    );
    let revenue: Vec<_> = found
        .entries
        .iter()
        .filter_map(|entry| Some((entry.amount?, entry.tax?, entry.payer.as_deref()?)))
        .collect();
    let paid = |amount, tax| (amount, tax, "card");
    let rows = world.input.revenue.iter();
    let rows = rows.map(|row| paid(row.gross, row.tax));
    assert_eq!(
        revenue.iter().copied().collect::<BTreeSet<_>>(),
        rows.collect()
    );
    assert!(
        found.entries.iter().all(|entry| {
            let told = entry.tax.is_some() && entry.payer.is_some();
            told == (entry.kind == EntryKind::Revenue)
        }),
        "of nothing else"
    );
    assert_eq!(
        (found.charged, found.due, found.held, found.recognised),
        (Some(1640), Some(1640), 1640, 1640)
    );
    assert_eq!((found.unexplained, found.overpaid), (0, 0));
    let text = found.to_string();
    assert!(
        text.contains("2026-12-10  refund")
            && text.contains("recognised")
            && text.contains("1:800:sales  card  tax 40"),
        "{text}"
    );
}

#[test]
fn points_are_held_as_well_as_what_was_captured() {
    let mut snapshot = order(&[("A", 2, 500)]);
    snapshot.charges.remove(0);
    snapshot.total = Some(1000);
    snapshot.tenders = vec![tender("p1", "card", 700), tender("p2", "points", 300)];
    let mut world = World::new(snapshot);
    world.settle();
    // Staff captured all, and a piece is taken off.
    world.edit(|order| {
        order.tenders[0].captured = 700;
        order.tenders[0].amount = Some(200);
        order.lines[0].quantity = 1;
        order.charges[0].gross = Some(500);
        order.total = Some(500);
    });
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["over_captured"]);
    assert!(
        plan.tasks[0].detail.contains("give 500 JPY back"),
        "{:?}",
        plan.tasks
    );
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].refunded = 500;
        order.tenders[0].refunds = vec![refund("re_1", 500, at)];
    });
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_capture_that_was_not_sent_is_taken_back_with_its_voided_payment_and_paid_by_nobody_meanwhile()
{
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    for _ in 0..3 {
        world.plan();
        let queue = world.input.queue.clone();
        for row in queue.iter().filter(|row| row.op != Op::Capture) {
            world.end(&row.key, Verdict::Done, "");
        }
    }
    assert_eq!(world.intents(Op::Capture).len(), 1);
    world.edit(|order| {
        let again = tender("pay_2", "card", 1500);
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
        order.tenders.push(again);
    });
    let plan = world.peek();
    assert_eq!(plan.withdraw.len(), 1);
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn what_was_given_back_by_mistake_of_a_voided_payment_stops_nothing() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let at = world.now;
    world.edit(|order| {
        let mut again = tender("pay_2", "card", 900);
        again.authorised = 900;
        let void = &mut order.tenders[0];
        (void.captured, void.refunded, void.cancelled) = (600, 200, true);
        let mut seen = refund("re_1", 200, at);
        seen.effect = RefundEffect::ProviderOnly;
        void.refunds = vec![seen];
        order.tenders.push(again);
    });
    world.plan();
    world.typed(|now| refund_is(now, "re_1", RefundReason::Mistake, "as the desk says"));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.status, Status::Allocated);
}

/// One thing that happens to the money of an order.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Ships(u8),
    Refunded { percent: u8, lowers: bool },
    Lowered(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (1_u8..4).prop_map(Deed::Ships),
        (1_u8..101, any::<bool>()).prop_map(|(percent, lowers)| Deed::Refunded { percent, lowers }),
        (1_u8..60).prop_map(Deed::Lowered),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is charged, taxed, split and given back, in whatever order: parts end at the whole, tax is that of the
    /// whole, each payer's sum is exact, and a full refund ends at nothing.
    #[test]
    fn parts_end_at_the_whole(
        prices in prop::collection::vec((1_u32..4, 1_i64..99_999, prop::sample::select(vec![0_u32, 500, 800, 1000, 1900])), 1..4),
        discount in 0_i64..500,
        currency in prop::sample::select(vec!["JPY", "EUR", "KWD"]),
        mode in prop::sample::select(vec![TaxRounding::Floor, TaxRounding::HalfUp, TaxRounding::Ceiling]),
        points in 0_i64..1_000,
        deeds in prop::collection::vec(deed(), 1..10),
        in_full in any::<bool>(),
    ) {
        let currency: Currency = currency.parse().unwrap();
        let lines: Vec<(&str, u32, i64)> = prices.iter().map(|(n, price, _)| ("A", *n, *price)).collect();
        let mut snapshot = order(&lines);
        snapshot.currency = currency;
        for (charge, (_, _, rate)) in snapshot.charges[1..].iter_mut().zip(&prices) {
            charge.tax_rate_bp = Some(*rate);
        }
        let goods: i64 = lines.iter().map(|(_, n, price)| i64::from(*n) * price).sum();
        snapshot.charges.push(charge(ChargeKind::Discount, None, -discount.min(goods), 1000));
        let total: i64 = snapshot.charges.iter().filter_map(|charge| charge.gross).sum();
        let points = points.min(total - 1);
        snapshot.total = Some(total);
        snapshot.tenders = vec![tender("p1", "card", total - points), tender("p2", "points", points)];
        snapshot.tenders.retain(|tender| tender.amount != Some(0));
        let mut world = World::new(snapshot);
        world.policy.shop.tax_rounding = Some(mode);
        world.settle();
        world.wait(30);
        world.seal();
        world.instruct_outcome(S1, Verdict::Accepted);
        let mut left: Vec<u32> = prices.iter().map(|(n, _, _)| *n).collect();
        let mut n = 0;
        for deed in deeds.iter().copied().chain([Deed::Ships(99)]) {
            n += 1;
            let at = world.now;
            match deed {
                Deed::Ships(items) => {
                    let mut items = u32::from(items);
                    let mut rows = Vec::new();
                    for (line, left) in left.iter_mut().enumerate() {
                        let now = items.min(*left);
                        *left -= now;
                        items -= now;
                        if now > 0 {
                            rows.push((u32::try_from(line).unwrap() + 1, now));
                        }
                    }
                    if !rows.is_empty() {
                        world.parcel(S1, &format!("T{n}"), &rows);
                    }
                }
                Deed::Refunded { percent, lowers } => world.edit(|order| {
                    let tender = &mut order.tenders[0];
                    tender.captured = tender.amount.unwrap();
                    let amount = (tender.captured - tender.refunded) * i64::from(percent) / 100;
                    if amount > 0 && lowers {
                        tender.refunded += amount;
                        let mut seen = refund(&format!("re_{n}"), amount, at);
                        seen.effect = RefundEffect::Lowers;
                        tender.refunds.push(seen);
                    } else if amount > 0 {
                        credit(order, &format!("re_{n}"), amount, at);
                    }
                }),
                Deed::Lowered(percent) => world.edit(|order| {
                    let charge = &mut order.charges[1];
                    let off = charge.gross.unwrap() * i64::from(percent) / 100;
                    let off = off.min(order.total.unwrap());
                    charge.gross = charge.gross.map(|gross| gross - off);
                    order.total = order.total.map(|total| total - off);
                }),
            }
            world.wait(7);
            world.push_all();
            prop_assert!(world.peek().revenue.is_empty(), "planned twice");
        }
        if in_full {
            let at = world.now;
            world.edit(|order| {
                order.state = ChannelState::Cancelled { at };
            });
            world.push_all();
            prop_assert_eq!(sum(&world), (0, 0));
            return Ok(());
        }
        let shown = world.order().clone();
        let lowered: i64 = shown.tenders.iter().flat_map(|t| &t.refunds).filter(|r| r.effect == RefundEffect::Lowers).map(|r| r.amount).sum();
        // What was lowered twice is not: as much as is paid in the end is charged at the least.
        let paid: i64 = shown.tenders.iter().map(|t| t.amount.unwrap() - t.refunded).sum();
        let total = shown.total.unwrap();
        // What was credited beyond what is charged by now is no sale below zero.
        let charged = (total - lowered.min((total - paid).max(0))).max(0);
        prop_assert_eq!(sum(&world).0, charged);
        // Tax is that of each rate's sum, rounded once.
        let mut rates: std::collections::BTreeMap<i32, (i64, i64)> = Default::default();
        for row in &world.input.revenue {
            let sum = rates.entry(row.tax_of.rate_bp).or_default();
            sum.0 += row.gross;
            sum.1 += row.tax;
        }
        for (rate, (gross, tax)) in rates {
            prop_assert_eq!(tax, crate::plan::tax_inside(gross, rate, mode), "{} at {}", gross, rate);
        }
        let of = |word: &str| -> i64 {
            let rows = world.input.revenue.iter().filter(|row| row.payment == word);
            rows.map(|row| row.gross).sum()
        };
        prop_assert_eq!(of("card") + of("prepaid"), charged);
        if paid == charged {
            prop_assert_eq!(of("prepaid"), points);
        }
    }
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
        !World::kinds(&plan).contains(&"payment_method_unknown"),
        "{:?}",
        plan.tasks
    );
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    let plan = world.plan();
    assert!(
        World::kinds(&plan).contains(&"capture_over_authorised"),
        "{:?}",
        plan.tasks
    );
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
