//! Random histories of the money of an order.

use hikiate_sdk::{ChannelState, ChargeKind, Currency, RefundEffect};
use proptest::prelude::*;

use super::super::build::{charge, order, tender};
use super::super::world::World;
use super::support::{S1, credit, refund, sum};
use crate::facts::Verdict;
use crate::policy::TaxRounding;

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
