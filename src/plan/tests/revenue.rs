//! Revenue: what, at which rate, on which day.

use chrono::{Duration, NaiveDate};
use hikiate_sdk::ChargeKind;

use super::build::{at, charge, order, pay};
use super::flow::ship_all;
use super::world::World;
use crate::facts::Verdict;
use crate::plan::types::{OrderPlan, RevenueKind, Status};
use crate::policy::Recognise;

const S1: &str = "HK0123456789ABC-S1";

#[test]
fn two_rates_a_shop_coupon_a_sponsored_coupon_and_postage_add_up() {
    let mut snapshot = order(&[("A", 1, 1080), ("B", 1, 2200)]);
    snapshot.charges[1].tax_rate_bp = Some(800);
    snapshot
        .charges
        .push(charge(ChargeKind::Coupon, None, -110, 1000));
    let mut mall = charge(ChargeKind::Coupon, None, -220, 1000);
    mall.sponsor = Some("mall".to_owned());
    snapshot.charges.push(mall);
    snapshot
        .charges
        .push(charge(ChargeKind::Rounding, None, 1, 0));
    pay(&mut snapshot, "card");
    let total = snapshot.total.unwrap();
    let mut world = World::new(snapshot);
    ship_all(&mut world);
    let plan = world.plan();
    let rows: Vec<_> = plan
        .revenue
        .iter()
        .map(|r| {
            (
                r.tax_of.rate_bp,
                r.kind == RevenueKind::Rounding,
                r.payment.as_str(),
                r.gross,
                r.tax,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (0, true, "card", 1, 0),
            (800, false, "card", 1080, 80),
            (1000, false, "card", 2370, 215),
            (1000, false, "sponsor:mall", 220, 20),
        ]
    );
    let of_customer: i64 = plan
        .revenue
        .iter()
        .filter(|r| r.payment == "card")
        .map(|r| r.gross)
        .sum();
    assert_eq!(of_customer, total);
    assert_eq!(plan.revenue[0].key, "1:0:rounding");
    assert_eq!(plan.revenue[3].key, "4:1000:sponsor");
}

#[test]
fn told_tax_is_shared_and_ends_exact() {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.edit(|order| {
        order.charges[0].tax = Some(45);
        order.charges[1].tax = Some(271);
    });
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    for name in ["T1", "T2", "T3"] {
        world.parcel(S1, name, &[(1, 1)]);
        world.plan();
    }
    let rows: Vec<_> = world
        .input
        .revenue
        .iter()
        .map(|row| (row.gross, row.tax))
        .collect();
    assert_eq!(rows, [(1500, 135), (1000, 91), (1000, 90)]);
}

#[test]
fn revenue_is_dated_by_when_goods_left_and_a_late_parcel_by_its_own_day() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
    // 30 November 23:59 in Tokyo, told ten minutes later.
    let month_end = at(13 * 60 + 59) + Duration::days(9);
    world.now = month_end + Duration::days(1);
    world.parcel_left(S1, "T2", &[(1, 1)], world.now);
    world.plan();
    world.parcel_left(S1, "T1", &[(1, 1)], month_end);
    let plan = world.plan();
    assert_eq!(
        (plan.revenue.len(), plan.revenue[0].business_date),
        (1, day(30))
    );
    assert_eq!(
        world.input.revenue[0].business_date,
        NaiveDate::from_ymd_opt(2026, 12, 1).unwrap()
    );
    // Both told at once: each on its day.
    let mut both = World::new(order(&[("A", 2, 1000)]));
    both.settle();
    both.wait(30);
    both.seal();
    both.now = month_end + Duration::days(2);
    both.parcel_left(S1, "T1", &[(1, 1)], month_end);
    both.parcel_left(S1, "T2", &[(1, 1)], both.now);
    let days: Vec<_> = both
        .plan()
        .revenue
        .iter()
        .map(|row| row.business_date)
        .collect();
    assert_eq!(
        days,
        [day(30), NaiveDate::from_ymd_opt(2026, 12, 2).unwrap()]
    );
}

#[test]
fn recognised_when_delivered_it_is_dated_by_the_delivery() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    if let Some(booking) = &mut world.policy.booking {
        booking.recognise = Recognise::Delivered;
    }
    ship_all(&mut world);
    world.push_all();
    assert!(world.input.revenue.is_empty());
    world.wait(5 * 24 * 60);
    let plan: OrderPlan = world.plan();
    assert_eq!(plan.status, Status::Delivered);
    assert_eq!(
        plan.revenue[0].business_date,
        NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
    );
    assert_eq!(plan.revenue[0].gross, 1500);
}

#[test]
fn a_parcel_abroad_counts_as_delivered_later_and_one_by_a_service_of_its_own_at_its_time() {
    let status_after = |days: i64, change: fn(&mut World)| {
        let mut world = World::new(order(&[("A", 1, 1000)]));
        change(&mut world);
        ship_all(&mut world);
        world.push_all();
        world.wait(days * 24 * 60);
        world.plan().status
    };
    let abroad: fn(&mut World) = |world| world.ships_to("DE", |_| {});
    assert_eq!(status_after(3, |_| {}), Status::Delivered);
    assert_ne!(status_after(9, abroad), Status::Delivered);
    assert_eq!(status_after(11, abroad), Status::Delivered);
    let never: fn(&mut World) = |world| {
        let services = &mut world.policy.presume_delivered.by_service;
        services.insert("standard".to_owned(), None);
    };
    assert_ne!(status_after(99, never), Status::Delivered);
    let cod: fn(&mut World) = |world| {
        world.edit(|order| {
            let fee = charge(ChargeKind::CodFee, None, 330, 1000);
            order.charges.push(fee);
            pay(order, "card");
        });
    };
    assert_ne!(status_after(99, cod), Status::Delivered);
    // As the channel names the way of paying, whatever the shop took that for.
    let gateway: fn(&mut World) = |world| {
        world.edit(|order| order.tenders[0].gateway = "pp_cod_cod".to_owned());
        let channel = world.policy.channels.values_mut().next().unwrap();
        let card = channel.payments.values().next().unwrap().clone();
        channel.payments.insert("pp_cod_cod".to_owned(), card);
    };
    assert_ne!(status_after(99, gateway), Status::Delivered);
    // And as it names the way of shipping, abroad as well.
    let service: fn(&mut World) = |world| {
        world.ships_to("DE", |order| {
            order.groups[0].service = Some("宅急便（代金引換）".to_owned());
        });
    };
    assert_ne!(status_after(99, service), Status::Delivered);
}

#[test]
fn a_correction_downwards_is_a_difference_and_nothing_is_lost() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    ship_all(&mut world);
    world.plan();
    world.parcel(S1, &format!("T-{S1}"), &[(1, 1)]);
    let plan = world.plan();
    assert_eq!((plan.revenue.len(), plan.revenue[0].gross), (1, -1000));
    assert_eq!(plan.revenue[0].key, "2:1000:sales");
}

#[test]
fn booking_that_begins_anew_books_what_ships_since_and_nothing_twice() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "401", &[(1, 1)]);
    world.plan();
    let rows = |world: &World| -> Vec<i64> {
        let rows = world.input.revenue.iter();
        rows.map(|row| row.gross).collect()
    };
    assert_eq!(rows(&world), [1500]);
    // Switched off and on again.
    world.wait(10);
    let books = ("booking".to_owned(), super::build::slug("books"));
    let now = world.now;
    world.input.active_from.insert(books, now);
    world.wait(10);
    world.plan();
    assert_eq!(rows(&world), [1500]);
    world.parcel(S1, "402", &[(1, 1)]);
    world.plan();
    assert_eq!(rows(&world), [1500, 1000]);
}

#[test]
fn what_was_delivered_and_did_not_ship_after_all_is_taken_back() {
    use super::others::{by_hand, cancel, show};
    let mut world = World::new(order(&[("A", 1, 1000)]));
    if let Some(booking) = &mut world.policy.booking {
        booking.recognise = Recognise::Delivered;
    }
    world.settle();
    world.edit(show(by_hand("ful_hand", 1, Some(0), "900000000001")));
    world.push_all();
    world.wait(5 * 24 * 60);
    world.plan();
    let sum = |world: &World| -> i64 { world.input.revenue.iter().map(|row| row.gross).sum() };
    assert_eq!(sum(&world), 1500);
    world.edit(cancel("ful_hand", 5 * 24 * 60));
    world.wait(60);
    world.plan();
    world.release("fulfilment_cancelled");
    world.plan();
    assert_eq!(sum(&world), 0);
}

#[test]
fn what_was_taken_back_before_the_rest_was_delivered_leaves_the_rest_due() {
    use super::others::{by_hand, cancel, show};
    let mut world = World::new(order(&[("A", 1, 1000)]));
    if let Some(booking) = &mut world.policy.booking {
        booking.recognise = Recognise::Delivered;
    }
    world.settle();
    world.edit(show(by_hand("ful_hand", 1, Some(0), "900000000001")));
    world.plan();
    world.edit(cancel("ful_hand", 1));
    world.wait(60);
    world.plan();
    world.release("fulfilment_cancelled");
    // It ships after all, and no reading comes between the release and its delivery.
    ship_all(&mut world);
    world.wait(5 * 24 * 60);
    world.plan();
    let sum: i64 = world.input.revenue.iter().map(|row| row.gross).sum();
    assert_eq!(sum, 1500);
}
