//! Deposits, captures and revenue.

use chrono::Duration;
use hikiate_sdk::{Call, CaptureCall, Currency, Op, Parts};

use super::build::{at, order, pay, tender};
use super::flow::ship_all;
use super::world::World;
use crate::action::Action;
use crate::facts::Verdict;
use crate::plan::types::Status;
use crate::policy::CaptureRule;

const S1: &str = "HK0123456789ABC-S1";

fn captures(world: &World) -> Vec<CaptureCall> {
    let captures = world.calls(Op::Capture).into_iter().map(|call| match call {
        Call::Capture(call) => call,
        other => panic!("{other:?}"),
    });
    captures.collect()
}

fn by_transfer() -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    World::new(snapshot)
}

#[test]
fn an_unpaid_transfer_keeps_its_stock_until_the_deadline_and_comes_back_when_paid_late() {
    let mut world = by_transfer();
    let plan = world.settle();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Unallocated, Some("payment"))
    );
    assert_eq!((plan.demands[0].wanted, plan.demands[0].firm), (1, false));
    assert_eq!(
        world.input.demands[0].reserved,
        [("tokyo".to_owned(), 1, false)]
    );
    let deadline = at(0) + Duration::days(7);
    assert_eq!((plan.next, plan.tasks.len()), (Some(deadline), 0));
    world.now = deadline;
    let plan = world.plan();
    assert_eq!(
        (plan.demands[0].wanted, World::kinds(&plan)),
        (0, vec!["payment_overdue"])
    );
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    world.allocate();
    assert!(
        world.input.demands[0].reserved.is_empty(),
        "on sale again within one cycle"
    );
    world.deposit("d1", 1500, Currency::JPY);
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
}

#[test]
fn a_deposit_that_does_not_fit_is_a_task_of_its_own() {
    let tasks = |deposits: &[(&str, i64, Currency)]| {
        let mut world = by_transfer();
        for (name, amount, currency) in deposits {
            world.deposit(name, *amount, *currency);
        }
        let plan = world.settle();
        (
            World::kinds(&plan).join(" "),
            plan.status,
            plan.tasks.first().map(|t| t.detail.clone()),
        )
    };
    let (kind, status, detail) = tasks(&[("d1", 1499, Currency::JPY)]);
    assert_eq!(
        (kind.as_str(), status),
        ("deposit_underpaid", Status::Unallocated)
    );
    assert!(detail.unwrap().contains("Ask the customer for 1 JPY"));
    let (kind, status, detail) = tasks(&[("d1", 1501, Currency::JPY)]);
    assert_eq!(
        (kind.as_str(), status),
        ("deposit_overpaid", Status::Allocated)
    );
    assert!(detail.unwrap().contains("Refund 1 JPY"));
    let (kind, _, detail) = tasks(&[("d1", 1500, Currency::JPY), ("d2", 1500, Currency::JPY)]);
    assert_eq!(kind, "deposit_overpaid");
    assert!(detail.unwrap().contains("Refund 1500 JPY"));
    let (kind, status, _) = tasks(&[("d1", 1500, Currency::EUR)]);
    assert_eq!(
        (kind.as_str(), status),
        ("deposit_currency deposit_underpaid", Status::Unallocated)
    );
}

#[test]
fn a_whole_untouched_payment_is_captured_without_an_amount() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    ship_all(&mut world);
    world.push_all();
    let captures = captures(&world);
    assert_eq!(captures.len(), 1);
    assert_eq!(
        (captures[0].amount, captures[0].expected_captured_total),
        (None, 2500)
    );
    assert_eq!(captures[0].key, "capture:shop-jp:shop-jp:order_01:1");
}

#[test]
fn each_shipment_captures_what_has_left_and_the_last_makes_it_whole() {
    let mut world = World::new(order(&[("A", 3, 333)]));
    world.edit(|order| {
        order.charges[1].gross = Some(1000);
        pay(order, "card");
    });
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    for (n, name) in ["T1", "T2", "T3"].iter().enumerate() {
        world.parcel(S1, name, &[(1, 1)]);
        world.push_all();
        assert_eq!(captures(&world).len(), n + 1);
    }
    let amounts: Vec<_> = captures(&world).iter().map(|c| c.amount).collect();
    assert_eq!(amounts, [Some(833), Some(334), Some(333)]);
    assert_eq!(captures(&world)[2].expected_captured_total, 1500);
    let gross: i64 = world.input.revenue.iter().map(|row| row.gross).sum();
    let tax: i64 = world.input.revenue.iter().map(|row| row.tax).sum();
    assert_eq!((gross, tax), (1500, 136));
}

/// Two of A leave in two parcels, captured as the account can.
fn two_parcels(parts: Parts, capture: CaptureRule) -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    for channel in world.policy.channels.values_mut() {
        channel.capture = capture;
        for route in channel.payments.values_mut() {
            route.parts = parts;
        }
    }
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    for parcel in ["T1", "T2"] {
        world.parcel(S1, parcel, &[(1, 1)]);
        world.push_all();
    }
    world
}

#[test]
fn what_can_be_captured_once_is_captured_when_nothing_is_left_to_ship() {
    let world = two_parcels(Parts::Many, CaptureRule::EachShipment);
    assert_eq!(captures(&world).len(), 2);
    for parts in [Parts::Once, Parts::Whole] {
        // The check of the configuration refuses the first rule for it; a change of the account may still bring it.
        for rule in [CaptureRule::EachShipment, CaptureRule::OnComplete] {
            let mut world = two_parcels(parts, rule);
            let all: Vec<_> = captures(&world)
                .iter()
                .map(|c| c.expected_captured_total)
                .collect();
            assert_eq!(all, [2500], "{parts:?} {rule:?}");
            let plan = world.settle();
            assert_eq!(World::kinds(&plan), Vec::<String>::new(), "{parts:?}");
        }
    }
}

#[test]
fn on_complete_captures_once() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    for channel in world.policy.channels.values_mut() {
        channel.capture = CaptureRule::OnComplete;
    }
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert!(captures(&world).is_empty());
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    assert_eq!(captures(&world).len(), 1);
}

#[test]
fn several_payments_are_captured_in_order_after_what_is_paid_already() {
    let mut snapshot = order(&[("A", 2, 1000)]);
    snapshot.tenders = vec![
        tender("p1", "card", 700),
        tender("p2", "card", 1500),
        tender("p3", "points", 300),
    ];
    let mut world = World::new(snapshot);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    world.parcel(S1, "T2", &[(1, 1)]);
    world.push_all();
    let amounts: Vec<_> = captures(&world)
        .iter()
        .map(|c| (c.payment.to_string(), c.amount))
        .collect();
    assert_eq!(
        amounts,
        [
            ("p1".to_owned(), None),
            ("p2".to_owned(), Some(500)),
            ("p2".to_owned(), Some(1000))
        ]
    );
}

#[test]
fn what_somebody_captured_in_the_console_counts() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.edit(|order| order.tenders[0].captured = 2500);
    ship_all(&mut world);
    world.push_all();
    assert!(captures(&world).is_empty());
    let mut part = World::new(order(&[("A", 2, 1000)]));
    part.edit(|order| order.tenders[0].captured = 1000);
    ship_all(&mut part);
    part.push_all();
    assert_eq!(
        (
            captures(&part)[0].amount,
            captures(&part)[0].expected_captured_total
        ),
        (Some(1500), 2500)
    );
    // Our own capture shows up in the next reading and is not taken for somebody else's.
    part.edit(|order| order.tenders[0].captured = 2500);
    part.push_all();
    assert_eq!(captures(&part).len(), 1);
    assert!(part.plan().tasks.is_empty());
}

#[test]
fn a_queued_capture_is_taken_back_when_somebody_was_faster() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    for _ in 0..3 {
        world.plan();
        for row in world
            .input
            .queue
            .clone()
            .iter()
            .filter(|row| row.op != Op::Capture)
        {
            world.end(&row.key, Verdict::Done, "");
        }
    }
    assert_eq!(captures(&world).len(), 1);
    world.edit(|order| order.tenders[0].captured = 1500);
    let plan = world.plan();
    // Our intent came first, so the reading may show it; it stays and the external system is asked.
    assert!(plan.withdraw.is_empty());
    world.end_op(Op::Capture, Verdict::Withdrawn);
    assert!(world.plan().effects.is_empty());
}

#[test]
fn never_more_than_was_authorised() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    ship_all(&mut world);
    world.edit(|order| order.tenders[0].authorised = 2000);
    world.push_all();
    assert_eq!(captures(&world).len(), 1);
    assert_eq!(captures(&world)[0].amount, Some(2000));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["capture_exceeds_authorisation"]);
    assert!(
        plan.tasks[0].detail.starts_with("500 JPY"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn a_refused_capture_is_tried_again_only_when_a_person_asks() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    for _ in 0..2 {
        world.plan();
        for row in world.input.queue.clone() {
            world.end(&row.key, Verdict::Done, "");
        }
    }
    world.plan();
    world.end_op(Op::Capture, Verdict::Refused);
    let plan = world.plan();
    assert_eq!(
        (World::kinds(&plan), plan.effects.len()),
        (vec!["capture_rejected"], 0)
    );
    assert!(plan.tasks[0].detail.contains("words"));
    world.release("capture");
    assert_eq!(
        world.plan().effects[0].key,
        "capture:shop-jp:shop-jp:order_01:2"
    );
}

#[test]
fn what_others_did_to_the_money_is_told() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.push_all();
    world.edit(|order| order.tenders[0].captured = 1600);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["over_captured"]);
    assert!(plan.tasks[0].detail.contains("Refund 100 JPY"));
    let first = Action::Refund {
        amount: "100".to_owned(),
    };
    assert_eq!(
        plan.tasks[0].actions,
        [first, Action::release("over_captured")]
    );
    // Once it is given back, nothing remains for anybody.
    world.edit(|order| order.tenders[0].refunded = 100);
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
}
