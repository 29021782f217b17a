#![expect(clippy::unwrap_used, reason = "tests")]

use hikiate_medusa::sim::{FulfilmentMemory, OrderMemory};

use super::*;
use crate::demo::amounts::{Basket, Sold};
use crate::demo::evidence::{MailSeen, ParcelSeen};
use crate::demo::journal::Entry;
use crate::store::TaskLine;

/// Two orders of two lines over 10 % tax and postage, 3300 + 550 yen each, both shipped and booked.
fn good() -> Evidence {
    let mut evidence = Evidence::default();
    for (n, pay) in [(1, Pay::Card), (2, Pay::Bank)] {
        let number = format!("HK{n}");
        let sold = |code: &str, quantity| Sold {
            code: code.to_owned(),
            quantity,
            price: 1000,
        };
        let basket = Basket {
            lines: vec![sold("A", 2), sold("B", 1)],
            postage: 500,
            percent: 10,
        };
        let tracking = format!("T{n}");
        let lines = vec![("A".to_owned(), 2), ("B".to_owned(), 1)];
        let captured = if pay == Pay::Card { 3850 } else { 0 };
        evidence.orders.push(OrderSeen {
            account: "shop-a".to_owned(),
            number: number.clone(),
            email: format!("customer-{n}@example.jp"),
            end: End::Booked,
            pay,
            capture: CaptureRule::EachShipment,
            basket,
            shop: OrderMemory {
                id: format!("order_{n}"),
                status: "pending".to_owned(),
                cancelled: false,
                deleted: false,
                undecodable: false,
                total: 3850,
                credit: 0,
                payment: None,
                captured,
                captures: usize::from(captured > 0),
                captures_by_staff: 0,
                captured_by_staff: 0,
                recaptures: 0,
                refunded: 0,
                refunds: Vec::new(),
                lines: Vec::new(),
                fulfilments: vec![FulfilmentMemory {
                    id: format!("ful_{n}"),
                    reference: Some(format!("{number}-S1")),
                    location: None,
                    lines: lines.clone(),
                    shipped: true,
                    cancelled: false,
                    tracking: vec![tracking.clone()],
                }],
                metadata: Default::default(),
            },
            status: Some("booked".to_owned()),
            quarantined: false,
        });
        evidence.shipments.push(ShipmentSeen {
            reference: format!("{number}-S1"),
            order_number: number,
            files: 1,
            parcels: vec![ParcelSeen {
                tracking,
                shipped_at: chrono::DateTime::UNIX_EPOCH,
                goods: lines.into_iter().collect(),
            }],
        });
        evidence.mails.push(MailSeen {
            message_id: format!("<mail-{n}@x>"),
            to: format!("customer-{n}@example.jp"),
        });
    }
    let entry = |n: u32, debit: &str| Entry {
        file: "a.journal".to_owned(),
        reference: format!("HB-{n}"),
        lines: vec![
            (debit.to_owned(), 3850),
            ("Income:Sales".to_owned(), -3500),
            ("Liabilities:Tax".to_owned(), -350),
        ],
    };
    evidence.journal = vec![entry(1, RECEIVABLE), entry(2, ADVANCES)];
    evidence
}

/// An order that nobody can read, as it ought to be.
fn unreadable() -> (OrderSeen, TaskLine) {
    let mut order = good().orders.remove(0);
    order.number = "HK9".to_owned();
    order.email = String::new();
    order.end = End::Unreadable;
    order.pay = Pay::Zero;
    order.status = None;
    order.quarantined = true;
    order.shop.id = "order_9".to_owned();
    order.shop.undecodable = true;
    order.shop.captured = 0;
    order.shop.fulfilments.clear();
    let since = chrono::DateTime::UNIX_EPOCH;
    let task = |kind: &str| TaskLine {
        kind: kind.to_owned(),
        subject: "shop-a/1".to_owned(),
        detail: String::new(),
        since,
        due_at: None,
        actions: Vec::new(),
    };
    (order, task("quarantine"))
}

fn judged(change: impl FnOnce(&mut Evidence)) -> Verdict {
    let mut evidence = good();
    change(&mut evidence);
    judge(&evidence)
}

#[test]
fn what_is_right_is_called_right_and_the_line_says_it() {
    let verdict = judged(|evidence| {
        let (order, task) = unreadable();
        evidence.orders.push(order);
        evidence.tasks.push(task);
    });
    assert_eq!(verdict.problems, Vec::<String>::new());
    assert_eq!(
        verdict.line(),
        "demo: orders=3 booked=2 cancelled=0 open=1 tasks=1 owed=3850 captured=3850 twice=0 lost=0 journal=balanced"
    );
}

#[test]
fn a_capture_above_what_is_due_is_twice() {
    let verdict = judged(|evidence| evidence.orders[0].shop.captured = 7700);
    assert!(!verdict.good());
    assert_eq!(
        (verdict.owed, verdict.captured, verdict.twice),
        (3850, 7700, 1)
    );
    // Money of a bank transfer or a paid order is nothing we may capture.
    assert_eq!(
        judged(|evidence| evidence.orders[1].shop.captured = 3850).twice,
        1
    );
}

#[test]
fn a_missing_capture_is_not_evened_out_by_another_orders_double_one() {
    let verdict = judged(|evidence| evidence.orders[0].shop.captured = 0);
    assert!(!verdict.good() && verdict.owed != verdict.captured);
    let verdict = judged(|evidence| {
        evidence.orders[1].pay = Pay::Card;
        evidence.orders[0].shop.captured = 0;
        evidence.orders[1].shop.captured = 7700;
    });
    assert_eq!(
        (verdict.owed, verdict.captured, verdict.twice),
        (7700, 7700, 1)
    );
    assert!(!verdict.good());
}

#[test]
fn what_is_captured_on_completion_is_not_owed_before() {
    let part = |evidence: &mut Evidence| {
        evidence.orders[0].end = End::Backordered;
        evidence.orders[0].status = Some("backordered".to_owned());
        evidence.shipments[0].parcels[0].goods.remove("B");
        evidence.orders[0].shop.fulfilments[0].lines.pop();
        evidence.orders[0].shop.captured = 2200 + 550;
        evidence.journal[0].lines[0].1 = 2200 + 550;
        evidence.journal[0].lines[1].1 = -2500;
        evidence.journal[0].lines[2].1 = -250;
    };
    let verdict = judged(part);
    assert_eq!(
        (verdict.problems.len(), verdict.owed, verdict.open),
        (0, 2750, 1),
        "{:?}",
        verdict.problems
    );
    let verdict = judged(|evidence| {
        part(evidence);
        evidence.orders[0].capture = CaptureRule::OnComplete;
    });
    assert_eq!((verdict.owed, verdict.twice), (0, 1));
}

#[test]
fn what_an_external_system_saw_twice_is_counted() {
    let cases: [fn(&mut Evidence); 6] = [
        |evidence| evidence.shipments[0].files = 2,
        |evidence| {
            let copy = evidence.orders[0].shop.fulfilments[0].clone();
            evidence.orders[0].shop.fulfilments.push(FulfilmentMemory {
                tracking: Vec::new(),
                shipped: false,
                ..copy
            });
        },
        |evidence| {
            evidence.orders[0].shop.fulfilments[0]
                .tracking
                .push("T1".to_owned())
        },
        |evidence| {
            let copy = evidence.mails[0].clone();
            evidence.mails.push(copy);
        },
        |evidence| {
            evidence.mails.push(MailSeen {
                message_id: "<other@x>".to_owned(),
                to: "customer-1@example.jp".to_owned(),
            })
        },
        |evidence| {
            // The same goods again under another reference.
            let again = ShipmentSeen {
                reference: "HK1-S2".to_owned(),
                ..evidence.shipments[0].clone()
            };
            evidence.shipments.push(again);
        },
    ];
    for (n, change) in cases.into_iter().enumerate() {
        let verdict = judged(change);
        assert!(
            verdict.twice >= 1 && !verdict.good(),
            "case {n}: {verdict:?}"
        );
    }
}

#[test]
fn what_did_not_arrive_is_counted() {
    let cases: [fn(&mut Evidence); 5] = [
        |evidence| evidence.orders[0].status = None,
        |evidence| evidence.orders[0].shop.fulfilments[0].shipped = false,
        |evidence| evidence.orders[0].shop.fulfilments.clear(),
        |evidence| evidence.orders[0].shop.fulfilments[0].lines[0].1 = 1,
        |evidence| {
            evidence.mails.remove(0);
        },
    ];
    for (n, change) in cases.into_iter().enumerate() {
        let verdict = judged(change);
        assert!(
            verdict.lost >= 1 && !verdict.good(),
            "case {n}: {verdict:?}"
        );
    }
    let (mut order, task) = unreadable();
    order.quarantined = false;
    let verdict = judged(|evidence| {
        evidence.orders.push(order);
        evidence.tasks.push(task);
    });
    assert_eq!(verdict.lost, 1);
}

#[test]
fn books_that_do_not_balance_or_say_something_else_are_unbalanced() {
    let cases: [fn(&mut Evidence); 5] = [
        |evidence| evidence.journal[0].lines[1].1 = -3499,
        |evidence| {
            evidence.journal.pop();
        },
        |evidence| {
            let copy = evidence.journal[0].clone();
            evidence.journal.push(copy);
        },
        |evidence| evidence.journal[0].lines[0].0 = "Assets:Cash".to_owned(),
        |evidence| evidence.journal[0].lines.clear(),
    ];
    for (n, change) in cases.into_iter().enumerate() {
        let verdict = judged(change);
        assert!(
            !verdict.balanced && !verdict.good(),
            "case {n}: {verdict:?}"
        );
        assert!(verdict.line().ends_with("journal=unbalanced"));
    }
}

#[test]
fn an_order_that_ends_otherwise_than_it_ought_to_is_a_problem() {
    let cases: [fn(&mut Evidence); 5] = [
        |evidence| evidence.orders[0].status = Some("shipped".to_owned()),
        |evidence| evidence.orders[0].end = End::Cancelled,
        |evidence| evidence.orders[0].end = End::Backordered,
        |evidence| evidence.orders[0].shop.total = 3851,
        |evidence| evidence.shipments[0].order_number = "HK7".to_owned(),
    ];
    for (n, change) in cases.into_iter().enumerate() {
        assert!(!judged(change).good(), "case {n}");
    }
}

#[test]
fn tasks_nobody_expected_and_troubles_on_the_way_are_problems() {
    let (order, task) = unreadable();
    assert!(!judged(|evidence| evidence.tasks.push(task.clone())).good());
    assert!(!judged(|evidence| evidence.orders.push(order.clone())).good());
    let mut other = task;
    other.kind = "unknown_outcome".to_owned();
    let verdict = judged(|evidence| evidence.tasks.push(other));
    assert!(
        verdict
            .problems
            .iter()
            .any(|problem| problem.contains("unknown_outcome"))
    );
    assert!(!judged(|evidence| evidence.troubles.push("a process is left".to_owned())).good());
    let last = judged(|_| ()).problems.last().cloned();
    assert_eq!(last, None);
    assert!(
        good()
            .orders
            .iter()
            .map(name)
            .next()
            .unwrap()
            .contains("HK1")
    );
}
