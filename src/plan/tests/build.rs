//! Builders of policies and orders.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone, Utc};
use hikiate_sdk::{
    AccountSlug, ChannelGate, ChannelState, Charge, ChargeKind, Currency, Customs, DeliveryGroup,
    FulfilledBy, OrderLine, OrderSnapshot, Tender, Wishes,
};

use crate::calendar::Term;
use crate::facts::{Features, GroupFeatures};
use crate::policy::{
    Allocation, Booking, CaptureRule, Catalogue, Channel, Close, Dispatch, MailKind, Partial,
    PaymentMethod, PaymentRoute, Policy, Presume, Recognise, ReplyTerm, Shop, Titles, Warehouse,
};

pub(super) const SHOP: &str = "shop-jp";

pub(super) fn slug(name: &str) -> AccountSlug {
    AccountSlug::new(name)
}

/// Minutes after the first moment, 21 November 2026 10:00 in Tokyo.
pub(super) fn at(minutes: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 1, 0, 0).unwrap() + Duration::minutes(minutes)
}

pub(super) fn policy() -> Policy {
    let payment = |method, account: Option<&str>| PaymentRoute {
        method,
        account: account.map(slug),
        parts: hikiate_sdk::Parts::Many,
        reads: false,
        ids: None,
        refunds: true,
        voids: true,
    };
    let channel = Channel {
        payments: BTreeMap::from([
            ("card".to_owned(), payment(PaymentMethod::Card, Some(SHOP))),
            ("points".to_owned(), payment(PaymentMethod::Prepaid, None)),
            (
                "bank".to_owned(),
                payment(PaymentMethod::BankTransfer, None),
            ),
            ("cod".to_owned(), payment(PaymentMethod::Cod, None)),
        ]),
        shipping_notice: true,
        annotate: Default::default(),
        capture: CaptureRule::EachShipment,
        mail: vec![MailKind::Shipped],
        locations: BTreeMap::from([("tokyo".to_owned(), "sloc_1".to_owned())]),
        carriers: BTreeMap::new(),
        others_ship_from: None,
        completed: Default::default(),
        completed_hold: Some(Duration::hours(72)),
        others: Default::default(),
        refresh: Some(Duration::minutes(30)),
        begun: true,
        zombie: Duration::days(90),
        recheck: None,
        recheck_required: false,
        vanished_after: Some(Duration::hours(72)),
        default_tax: None,
        records_refunds: false,
    };
    let warehouse = |name: &str, account: &str, dispatch| Warehouse {
        name: name.to_owned(),
        account: slug(account),
        location: None,
        dispatch,
        reply_within: Some(ReplyTerm::Within(Duration::minutes(60))),
        change: Default::default(),
        cancel: Default::default(),
        services: Default::default(),
        slots: Default::default(),
    };
    let grace = Dispatch::Continuous {
        grace: Duration::minutes(30),
        max_rows: 100,
    };
    let wave = Dispatch::Wave {
        cutoffs: Vec::new(),
        max_rows: 100,
        files_per_cutoff: None,
    };
    Policy {
        shop: Shop {
            name: "Shop".to_owned(),
            timezone: chrono_tz::Asia::Tokyo,
            country: "JP".to_owned(),
            currency: Currency::JPY,
            tax_rounding: None,
            invoice: Default::default(),
            calendar: Default::default(),
        },
        channels: BTreeMap::from([(slug(SHOP), channel)]),
        warehouses: vec![
            warehouse("tokyo", "wms-tokyo", grace),
            warehouse("osaka", "osaka-3pl", wave),
        ],
        allocation: Allocation {
            split: true,
            partial: Partial::Wait,
            expire_unpaid: Some(Term::Span(Duration::days(7))),
        },
        payments: Default::default(),
        presume_delivered: Presume {
            home: Some(Duration::days(2)),
            abroad: Some(Duration::days(10)),
            ..Presume::default()
        },
        notice: Default::default(),
        mail: Some(slug("smtp")),
        holds: Vec::new(),
        booking: Some(Booking {
            recognise: Recognise::Shipped,
            digital: Default::default(),
            account: slug("books"),
            close: Close::Every(Duration::hours(24)),
            titles: Titles {
                sales: "sales".to_owned(),
                returns: "returns".to_owned(),
                receivables: BTreeMap::new(),
                receivable: "receivable".to_owned(),
                tax: "tax".to_owned(),
                rounding: "rounding".to_owned(),
                advance: "advance".to_owned(),
                deposits: None,
            },
        }),
        catalogue: Catalogue::SameCode,
    }
}

pub(super) fn charge(kind: ChargeKind, line: Option<&str>, gross: i64, rate: u32) -> Charge {
    Charge {
        kind,
        line: line.map(Into::into),
        gross: Some(gross),
        tax: None,
        tax_rate_bp: Some(rate),
        tax_class: None,
        sponsor: None,
    }
}

pub(super) fn tender(key: &str, gateway: &str, amount: i64) -> Tender {
    let authorised = if gateway == "card" { amount } else { 0 };
    Tender {
        key: key.into(),
        gateway: gateway.to_owned(),
        amount: Some(amount),
        authorised,
        captured: 0,
        refunded: 0,
        cancelled: false,
        provider: None,
        authorised_until: None,
        pay_by: None,
        review: None,
        refunds: Vec::new(),
    }
}

/// An order of lines `l1`, `l2`, … given as code, quantity and unit price, with 500 of postage, paid by card.
pub(crate) fn order(lines: &[(&str, u32, i64)]) -> OrderSnapshot {
    let mut snapshot = OrderSnapshot {
        external_id: "order_01".into(),
        display: "#1001".to_owned(),
        version: None,
        ordered_at: at(0),
        currency: Currency::JPY,
        state: ChannelState::Open,
        gate: ChannelGate::Open,
        groups: vec![DeliveryGroup {
            key: "1".into(),
            service: Some("standard".to_owned()),
            earliest_ship: None,
            ship_by: None,
            wishes: Wishes::default(),
        }],
        lines: Vec::new(),
        charges: vec![charge(ChargeKind::Postage, None, 500, 1000)],
        tenders: Vec::new(),
        total: None,
        fulfilments: Vec::new(),
        taxes: Vec::new(),
        tags: Vec::new(),
        test: false,
    };
    for (n, (sku, quantity, price)) in lines.iter().enumerate() {
        let key = format!("l{}", n + 1);
        let gross = price * i64::from(*quantity);
        snapshot
            .charges
            .push(charge(ChargeKind::Goods, Some(&key), gross, 1000));
        snapshot.lines.push(OrderLine {
            key: key.into(),
            group: "1".into(),
            sku: Some((*sku).to_owned()),
            title: format!("Title of {sku}"),
            quantity: *quantity,
            unit_price: Some(*price),
            tax_rate_bp: Some(1000),
            by: FulfilledBy::Us,
            customs: Customs::default(),
        });
    }
    pay(&mut snapshot, "card");
    snapshot
}

/// Sets the total to the charges' sum and one tender that pays it.
pub(super) fn pay(order: &mut OrderSnapshot, gateway: &str) {
    let total = order.charges.iter().filter_map(|charge| charge.gross).sum();
    order.total = Some(total);
    order.tenders = vec![tender("pay_1", gateway, total)];
}

pub(super) fn features() -> Features {
    let group = GroupFeatures {
        country: "JP".to_owned(),
        region: "東京都".to_owned(),
        postal_prefix: "100".to_owned(),
        missing: Vec::new(),
        phone_ok: true,
        receiver_differs: false,
    };
    Features {
        groups: BTreeMap::from([("1".to_owned(), group)]),
        buyer_mail: true,
        remarks: false,
    }
}
