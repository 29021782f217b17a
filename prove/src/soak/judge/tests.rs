use chrono::{DateTime, TimeDelta, Utc};
use hikiate::demo::amounts::{Basket, Sold};
use hikiate::demo::evidence::{
    AtShop, End, FulfilmentSeen, MailSeen, ParcelSeen, Pay, ShipmentSeen,
};
use hikiate::policy::CaptureRule;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// One card order of 1100 yen that was shipped, told, captured, written about and booked.
fn good() -> Evidence {
    let sold = Sold {
        code: "TEA".to_owned(),
        quantity: 1,
        price: 1000,
    };
    let order = OrderSeen {
        account: "shop-a".to_owned(),
        number: "HK1".to_owned(),
        email: "customer-1@example.jp".to_owned(),
        end: End::Booked,
        pay: Pay::Card,
        capture: CaptureRule::EachShipment,
        basket: Basket {
            lines: vec![sold],
            postage: 0,
            percent: 10,
            by_line: false,
        },
        shop: AtShop {
            id: "order_1".to_owned(),
            total: 1100,
            captured: 1100,
            captures: 1,
            fulfilments: vec![FulfilmentSeen {
                reference: Some("HK1-S1".to_owned()),
                lines: vec![("TEA".to_owned(), 1)],
                shipped: true,
                tracking: vec!["T1".to_owned()],
                ..FulfilmentSeen::default()
            }],
            ..AtShop::default()
        },
        status: Some("booked".to_owned()),
        quarantined: false,
    };
    let mail = MailSeen {
        message_id: "<1@x>".to_owned(),
        to: "customer-1@example.jp".to_owned(),
    };
    let shipment = ShipmentSeen {
        reference: "HK1-S1".to_owned(),
        order_number: "HK1".to_owned(),
        told: 1,
        parcels: vec![ParcelSeen {
            tracking: "T1".to_owned(),
            shipped_at: at(50),
            goods: Goods::from([("TEA".to_owned(), 1)]),
        }],
    };
    Evidence {
        orders: vec![order],
        shipments: vec![shipment],
        mails: vec![mail],
        ..Evidence::default()
    }
}

/// Twice, lost, and what the books have to say, after a change.
fn judged(windows: &[Window], change: impl FnOnce(&mut Evidence)) -> (usize, usize, i64) {
    with_people(&People::default(), windows, change)
}

fn with_people(
    people: &People<'_>,
    windows: &[Window],
    change: impl FnOnce(&mut Evidence),
) -> (usize, usize, i64) {
    let mut evidence = good();
    change(&mut evidence);
    let mut verdict = Verdict::default();
    let value = orders(&evidence, people, windows, &mut verdict);
    assert_eq!(verdict.problems.len(), verdict.twice + verdict.lost);
    (verdict.twice, verdict.lost, value)
}

#[test]
fn all_is_well() {
    assert_eq!(judged(&[], |_| {}), (0, 0, 1100));
}

#[test]
fn what_an_external_system_saw_twice_is_counted() {
    let twice = |change: fn(&mut Evidence)| judged(&[], change).0;
    assert_eq!(twice(|e| e.orders[0].shop.captured = 2200), 1);
    assert_eq!(twice(|e| e.shipments[0].told = 2), 1);
    assert_eq!(twice(|e| e.mails.push(e.mails[0].clone())), 1);
    let other = |e: &mut Evidence| {
        let mut again = e.shipments[0].clone();
        again.reference = "HK1-S2".to_owned();
        again.parcels[0].tracking = "T2".to_owned();
        e.shipments.push(again);
    };
    assert!(twice(other) > 0, "shipped again under another reference");
    let stranger = |e: &mut Evidence| e.shipments[0].order_number = "HK2".to_owned();
    assert!(twice(stranger) > 0, "shipped for nobody");
}

/// Staff capture all and give a part back: that is kept, booked and captured as much less, and not twice.
#[test]
fn what_was_given_back_is_due_no_more() {
    let given_back = |captured: i64| {
        judged(&[], |e| {
            let shop = &mut e.orders[0].shop;
            (shop.credit, shop.refunded, shop.captured) = (300, 300, captured);
        })
    };
    assert_eq!(given_back(1100), (0, 0, 800));
    assert_eq!(given_back(1400).0, 1, "captured again");
    assert_eq!(given_back(1000).1, 1);
}

/// Staff ship the order by hand, so that the shop takes no other fulfilment; a warehouse has it too.
fn by_hand(evidence: &mut Evidence) {
    let fulfilment = &mut evidence.orders[0].shop.fulfilments[0];
    fulfilment.reference = None;
    fulfilment.tracking = vec!["BYHAND1".to_owned()];
}

#[test]
fn what_staff_shipped_is_captured_and_booked_and_not_told_to_a_warehouse_once_it_was_read() {
    let alone = |e: &mut Evidence| {
        by_hand(e);
        e.shipments.clear();
        e.mails.clear();
    };
    assert_eq!(judged(&[], alone), (0, 0, 1100));
    let unpaid = |e: &mut Evidence| {
        alone(e);
        e.orders[0].shop.captured = 0;
    };
    assert_eq!(judged(&[], unpaid).1, 1);
    assert_eq!(judged(&[], by_hand), (0, 0, 1100), "sealed before");
    let late = People {
        late: BTreeSet::from(["HK1".to_owned()]),
        ..People::default()
    };
    assert_eq!(with_people(&late, &[], by_hand).0, 1, "sealed afterwards");
}

#[test]
fn an_order_that_was_ended_is_cancelled_or_booked_as_far_as_it_shipped() {
    let people = People {
        ended: BTreeSet::from(["HK1"]),
        ..People::default()
    };
    let judged = |change: fn(&mut Evidence)| with_people(&people, &[], change).1;
    let unshipped: fn(&mut Evidence) = |e| {
        e.shipments.clear();
        e.orders[0].shop.fulfilments.clear();
        e.orders[0].shop.captured = 0;
        e.orders[0].status = Some("cancelled".to_owned());
    };
    assert_eq!(judged(unshipped), 0);
    assert_eq!(judged(|_| {}), 0, "it shipped before");
    assert_eq!(
        judged(|e| e.orders[0].status = Some("allocated".to_owned())),
        1
    );
    assert_eq!(judged(|e| e.orders[0].shop.captured = 0), 1);
}

#[test]
fn what_did_not_arrive_is_lost() {
    let lost = |change: fn(&mut Evidence)| judged(&[], change).1;
    assert_eq!(lost(|e| e.orders[0].shop.captured = 0), 1);
    assert_eq!(lost(|e| e.orders[0].status = Some("shipped".to_owned())), 1);
    assert!(lost(|e| e.orders[0].status = None) > 0);
    assert!(lost(|e| e.orders[0].shop.fulfilments.clear()) > 0);
    assert_eq!(lost(|e| e.mails.clear()), 1);
}

#[test]
fn a_mail_of_the_lost_window_counts_as_sent_and_no_other_does() {
    let window = |since, until| Window {
        since: at(since),
        until: at(until),
    };
    let unmailed = |windows: &[Window]| judged(windows, |e| e.mails.clear()).1;
    assert_eq!(unmailed(&[window(40, 60)]), 0);
    assert_eq!(unmailed(&[window(10, 40)]), 1);
    assert_eq!(unmailed(&[window(60, 90)]), 1);
    assert_eq!(unmailed(&[window(10, 40), window(40, 60)]), 0);
}

#[test]
fn a_cancelled_order_is_cancelled_here_or_a_task() {
    let cancelled = |e: &mut Evidence| {
        e.orders[0].shop.cancelled = true;
        e.orders[0].shop.captured = 0;
    };
    let nothing_left = |e: &mut Evidence| {
        cancelled(e);
        e.shipments.clear();
        e.mails.clear();
    };
    assert_eq!(judged(&[], cancelled), (0, 1, 0));
    assert_eq!(judged(&[], nothing_left), (0, 1, 0));
    let known = |e: &mut Evidence| {
        nothing_left(e);
        e.orders[0].status = Some("cancelled".to_owned());
    };
    assert_eq!(judged(&[], known), (0, 0, 0));
}

#[test]
fn the_last_line() {
    let verdict = Verdict {
        orders: 9,
        kills: 3,
        done: Done {
            db_restarts: 2,
            restores: 1,
            failovers: 2,
        },
        balanced: true,
        ..Verdict::default()
    };
    assert_eq!(
        verdict.line(),
        "soak: orders=9 kills=3 db_restarts=2 restores=1 failovers=2 twice=0 lost=0 oversold=0 journal=balanced"
    );
}
