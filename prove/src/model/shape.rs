//! Shapes of orders as a channel sells them, and what a change does to them.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{
    ChannelGate, ChannelState, Charge, ChargeKind, Currency, Customs, DeliveryGroup, FulfilledBy,
    LineKey, OrderLine, OrderSnapshot, Party, Personal, Tender, Wishes,
};

use super::money;
use super::rng::Rng;
use super::setting::CODES;

/// An order of one to three lines, to one or two addresses, with postage and some of: a coupon, a coupon
/// that somebody else pays, rounding; paid by card, points, bank transfer, or points and card.
#[must_use]
pub(super) fn order(shape: u32, number: usize, now: DateTime<Utc>) -> OrderSnapshot {
    let rng = &mut Rng::new(u64::from(shape));
    let groups = if rng.chance(20) { 2 } else { 1 };
    let mut snapshot = OrderSnapshot {
        external_id: format!("order_{number}").into(),
        display: format!("#{number}"),
        version: None,
        ordered_at: now,
        currency: Currency::JPY,
        state: ChannelState::Open,
        gate: if rng.chance(95) {
            ChannelGate::Open
        } else {
            ChannelGate::NotYet
        },
        groups: (1..=groups)
            .map(|n: u64| DeliveryGroup {
                key: n.to_string().as_str().into(),
                service: None,
                earliest_ship: rng.chance(10).then(|| now + Duration::hours(5)),
                ship_by: rng.chance(30).then(|| now + Duration::hours(20 + n as i64)),
                wishes: Wishes::default(),
            })
            .collect(),
        lines: Vec::new(),
        charges: vec![charge(ChargeKind::Postage, None, 500, 1000)],
        tenders: Vec::new(),
        total: None,
        fulfilments: Vec::new(),
        taxes: Vec::new(),
        tags: Vec::new(),
        test: false,
    };
    let lines = 1 + rng.below(3);
    for n in 1..=lines {
        // The first line always leaves a warehouse.
        let codes = if n == 1 { 4 } else { 5 };
        let (code, _, _, ships) = CODES[usize::from(rng.small(codes))];
        let price = 100 + 7 * i64::from(rng.small(255));
        let units = 1 + u32::from(rng.small(4));
        let rate = if rng.chance(70) { 1000 } else { 800 };
        let key: LineKey = format!("l{n}").into();
        snapshot.charges.push(charge(
            ChargeKind::Goods,
            Some(key.clone()),
            price * i64::from(units),
            rate,
        ));
        snapshot.lines.push(OrderLine {
            key,
            group: (1 + n % groups).to_string().as_str().into(),
            sku: Some(code.to_owned()),
            title: code.to_owned(),
            quantity: units,
            unit_price: Some(price),
            tax_rate_bp: Some(rate),
            by: if ships {
                FulfilledBy::Us
            } else {
                FulfilledBy::Nobody
            },
            customs: Customs::default(),
        });
    }
    if rng.chance(25) {
        snapshot
            .charges
            .push(charge(ChargeKind::Coupon, None, -200, 1000));
    }
    if rng.chance(15) {
        let mut coupon = charge(ChargeKind::Coupon, None, -150, 1000);
        coupon.sponsor = Some("mall".to_owned());
        snapshot.charges.push(coupon);
    }
    if rng.chance(20) {
        snapshot
            .charges
            .push(charge(ChargeKind::Rounding, None, -1, 0));
    }
    let ways: &[&str] = match rng.below(10) {
        0..6 => &["card"],
        6 => &["points"],
        7..9 => &["bank"],
        _ => &["points", "card"],
    };
    for (n, way) in ways.iter().enumerate() {
        let key = format!("pay_{number}_{n}");
        snapshot.tenders.push(money::unpaid(&key, way));
    }
    settle(&mut snapshot);
    if rng.chance(90) {
        authorise(&mut snapshot);
    }
    snapshot
}

/// The people of an order at its n-th address.
#[must_use]
pub(super) fn personal(address: i32) -> Personal {
    let ship_to = |key: &str| {
        let party = Party {
            address1: format!("street {address}"),
            ..Party::default()
        };
        (key.to_owned(), party)
    };
    Personal {
        ship_to: ["1", "2"].map(ship_to).into_iter().collect(),
        ..Personal::default()
    }
}

fn charge(kind: ChargeKind, line: Option<LineKey>, gross: i64, rate: u32) -> Charge {
    Charge {
        kind,
        line,
        gross: Some(gross),
        tax: None,
        tax_rate_bp: Some(rate),
        tax_class: None,
        sponsor: None,
    }
}

/// Sets total and tenders to what the charges say.
pub(super) fn settle(order: &mut OrderSnapshot) {
    let total: i64 = order.charges.iter().filter_map(|c| c.gross).sum();
    order.total = Some(total);
    money::ask(order);
}

/// The provider authorises all that is to be paid by card; an authorisation never shrinks.
pub(super) fn authorise(order: &mut OrderSnapshot) {
    let asked = |tender: &&mut Tender| tender.gateway == "card" && !tender.cancelled;
    for tender in order.tenders.iter_mut().filter(asked) {
        tender.authorised = tender.authorised.max(tender.amount.unwrap_or(0));
    }
}

/// One more line, of a code that ships.
pub(super) fn add_line(order: &mut OrderSnapshot, n: i64, which: u8, units: u32) {
    let (code, ..) = CODES[usize::from(which) % 4];
    let key: LineKey = format!("added{n}").into();
    let Some(group) = order.groups.first().map(|group| group.key.clone()) else {
        return;
    };
    let goods = charge(
        ChargeKind::Goods,
        Some(key.clone()),
        350 * i64::from(units),
        1000,
    );
    order.charges.push(goods);
    order.lines.push(OrderLine {
        key,
        group,
        sku: Some(code.to_owned()),
        title: code.to_owned(),
        quantity: units,
        unit_price: Some(350),
        tax_rate_bp: Some(1000),
        by: FulfilledBy::Us,
        customs: Customs::default(),
    });
    settle(order);
}

/// A line less; the last one stays.
pub(super) fn remove_line(order: &mut OrderSnapshot, which: usize) {
    if order.lines.len() < 2 {
        return;
    }
    let line = order.lines.remove(which % order.lines.len());
    order
        .charges
        .retain(|charge| charge.line.as_ref() != Some(&line.key));
    settle(order);
}

/// Another quantity of a line.
pub(super) fn edit(order: &mut OrderSnapshot, line: usize, units: u32) {
    let Some(line) = order.lines.get_mut(line) else {
        return;
    };
    line.quantity = units;
    let gross = line.unit_price.unwrap_or(0) * i64::from(units);
    let goods = order
        .charges
        .iter_mut()
        .find(|c| c.kind == ChargeKind::Goods && c.line.as_ref() == Some(&line.key));
    if let Some(goods) = goods {
        goods.gross = Some(gross);
    }
    settle(order);
}
