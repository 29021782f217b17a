//! Payments at another account than the channel's: what that account reports counts.

use chrono::Duration;
use hikiate_sdk::{
    Call, CaptureCall, ChannelState, Currency, Op, OrderSnapshot, Parts, PaymentIds, PaymentRef,
    PaymentSnapshot, PaymentState, RefundEffect, RefundSeen,
};
use proptest::prelude::*;

use super::build::{at, order, slug};
use super::world::World;
use crate::facts::{FactBody, PaymentFact, Verdict};
use crate::plan::types::Status;
use crate::plan::{Claim, Maker, NameKind, NamedPayment, PlanError, ledger, owners, plan_order};
use crate::policy::{PaymentMethod, PaymentRoute};

const S1: &str = "HK0123456789ABC-S1";

/// One pear for 1,000 and 500 of postage, paid at `stripe` by a payment of this name.
pub(super) fn world(name: Option<PaymentRef>) -> World {
    named(order(&[("A", 1, 1000)]), name)
}

pub(super) fn named(mut snapshot: OrderSnapshot, name: Option<PaymentRef>) -> World {
    snapshot.tenders[0].provider = name;
    let mut world = World::new(snapshot);
    let route = PaymentRoute {
        method: PaymentMethod::Card,
        account: Some(slug("stripe")),
        parts: Parts::Many,
        reads: true,
        ids: None,
        refunds: true,
        voids: true,
    };
    for channel in world.policy.channels.values_mut() {
        channel.payments.insert("card".to_owned(), route.clone());
    }
    let epoch = ("capture".to_owned(), slug("stripe"));
    world.input.active_from.insert(epoch, at(-1000));
    let policy = world.policy.clone();
    world.input.see_payments(&policy);
    world
}

fn by_key() -> World {
    world(Some(PaymentRef::by_key("pi_1")))
}

/// A payment of 1,500 that is authorised in full.
pub(super) fn payment(key: &str) -> PaymentSnapshot {
    PaymentSnapshot {
        key: key.into(),
        reference: None,
        version: None,
        currency: Currency::JPY,
        state: PaymentState::Authorised,
        amount: 1500,
        authorised: 1500,
        captured: 0,
        refunded: 0,
        disputed: 0,
        authorised_until: None,
        pay_by: None,
        parts: None,
        refunds: Vec::new(),
    }
}

fn waiting(key: &str) -> PaymentSnapshot {
    PaymentSnapshot {
        state: PaymentState::Waiting,
        authorised: 0,
        ..payment(key)
    }
}

pub(super) fn tell(world: &mut World, payment: PaymentSnapshot) {
    let fact = PaymentFact {
        account: slug("stripe"),
        payment,
    };
    let key = world.nth(format!("payment:{}", fact.series()));
    world.fact(key, FactBody::Payment(Box::new(fact)), "pull");
}

fn captures(world: &World) -> Vec<CaptureCall> {
    let captures = world.calls(Op::Capture).into_iter().map(|call| match call {
        Call::Capture(call) => call,
        other => panic!("{other:?}"),
    });
    captures.collect()
}

/// Everything leaves, and what is queued is done.
pub(super) fn ship(world: &mut World) {
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
}

fn blocked(world: &mut World) -> Option<String> {
    world.settle().blocked_by
}

#[test]
fn the_channel_s_word_alone_ships_nothing_and_the_account_is_given_its_own_id() {
    let mut world = by_key();
    assert_eq!(world.order().tenders[0].authorised, 1500, "as it says");
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert!(plan.shipments.is_empty() && plan.tasks.is_empty());
    let explained = world.explain();
    assert_eq!(
        explained.captured,
        ["payment pay_1 (pi_1 at stripe): not reported by its account yet"]
    );
    tell(&mut world, payment("pi_1"));
    ship(&mut world);
    let calls = captures(&world);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].payment_there().as_str(), "pi_1");
    assert_eq!(
        calls[0].payment.as_str(),
        "pay_1",
        "the channel's name of it"
    );
    assert_eq!(
        (calls[0].amount, calls[0].expected_captured_total),
        (None, 1500)
    );
    let (_, intent) = world.intents(Op::Capture).remove(0);
    assert_eq!(intent.account, slug("stripe"));
    let captured = PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 1500,
        ..payment("pi_1")
    };
    tell(&mut world, captured);
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.tasks.is_empty(), "{plan:?}");
    // The channel's own record of it stays as it was, without a task.
    world.wait(24 * 60);
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    assert_eq!(
        world.explain().captured,
        [
            "payment pay_1 (pi_1 at stripe): paid, 1500 JPY captured, 1500 JPY decided, 1500 JPY authorised"
        ]
    );
}

#[test]
fn a_payment_is_found_by_reference_before_or_after_its_id_is_known() {
    let told = PaymentSnapshot {
        reference: Some("1001".to_owned()),
        ..payment("pi_1")
    };
    let mut world = world(Some(PaymentRef::by_reference("1001")));
    tell(
        &mut world,
        PaymentSnapshot {
            reference: Some("1002".to_owned()),
            ..payment("pi_2")
        },
    );
    assert_eq!(blocked(&mut world).as_deref(), Some("payment"), "another's");
    tell(&mut world, told);
    ship(&mut world);
    assert_eq!(captures(&world)[0].payment_there().as_str(), "pi_1");
    world.edit(|order| {
        order.tenders[0].provider = Some(PaymentRef {
            key: Some("pi_1".into()),
            reference: Some("1001".to_owned()),
        });
    });
    assert!(world.plan().effects.is_empty(), "captured already");
}

#[test]
fn a_capture_follows_its_payment_when_the_channel_renames_its_own() {
    let mut world = by_key();
    tell(&mut world, payment("pi_1"));
    ship(&mut world);
    world.edit(|order| order.tenders[0].key = "pay_2".into());
    assert!(world.plan().effects.is_empty());
    tell(
        &mut world,
        PaymentSnapshot {
            captured: 1500,
            ..payment("pi_1")
        },
    );
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.tasks.is_empty(), "{plan:?}");
    assert_eq!(captures(&world).len(), 1);
}

/// A payment of 1,500 of which all is captured.
fn paid(key: &str) -> PaymentSnapshot {
    PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 1500,
        ..payment(key)
    }
}

fn names(world: &mut World, key: &str) {
    world.edit(|order| order.tenders[0].provider = Some(PaymentRef::by_key(key)));
}

fn there(world: &World) -> Vec<(String, i64)> {
    let calls = captures(world).into_iter();
    calls
        .map(|call| {
            let amount = call.amount.unwrap_or(call.expected_captured_total);
            (call.payment_there().to_string(), amount)
        })
        .collect()
}

/// What was captured, by maker, and what is held.
fn books(world: &World) -> (Vec<(Maker, Option<i64>)>, i64) {
    let books = ledger(&world.input, &world.policy, &world.rules, world.now);
    let books = books.unwrap().unwrap();
    let captures = books.entries.iter();
    let captures = captures.filter(|entry| entry.kind.as_str() == "capture");
    let captures = captures.map(|entry| (entry.maker, entry.amount));
    (captures.collect(), books.held)
}

#[test]
fn a_capture_is_listed_once_when_the_channel_renames_its_payment() {
    let mut world = by_key();
    tell(&mut world, payment("pi_1"));
    ship(&mut world);
    world.edit(|order| order.tenders[0].key = "pay_2".into());
    tell(&mut world, paid("pi_1"));
    world.plan();
    assert_eq!(books(&world), (vec![(Maker::Us, Some(1500))], 1500));
    // What others take is one entry as well, by whichever name it was read.
    let mut others = by_key();
    tell(&mut others, paid("pi_1"));
    others.edit(|order| order.tenders[0].key = "pay_2".into());
    tell(&mut others, paid("pi_1"));
    others.plan();
    assert_eq!(books(&others), (vec![(Maker::Provider, Some(1500))], 1500));
}

#[test]
fn what_was_captured_of_a_payment_that_was_named_by_mistake_is_not_this_order_s() {
    let mut world = world(Some(PaymentRef::by_key("pi_x")));
    tell(&mut world, paid("pi_x"));
    world.settle();
    assert_eq!(books(&world), (vec![(Maker::Provider, Some(1500))], 1500));
    names(&mut world, "pi_1");
    tell(&mut world, payment("pi_1"));
    world.plan();
    assert_eq!(books(&world), (vec![], 0));
    ship(&mut world);
    assert_eq!(there(&world), [("pi_1".to_owned(), 1500)]);
    tell(&mut world, paid("pi_1"));
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    assert_eq!(books(&world), (vec![(Maker::Us, Some(1500))], 1500));
}

#[test]
fn our_own_capture_of_a_payment_that_is_named_no_more_pays_until_an_operator_says_otherwise() {
    let mut world = world(Some(PaymentRef::by_key("pi_x")));
    tell(&mut world, payment("pi_x"));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.plan();
    assert_eq!(there(&world), [("pi_x".to_owned(), 1500)]);
    // Not sent yet, it is taken back, though the new name's payment was not reported.
    let mut early = world.clone();
    names(&mut early, "pi_1");
    assert_eq!(early.plan().withdraw.len(), 1);
    early.push_all();
    tell(&mut early, payment("pi_1"));
    early.push_all();
    assert_eq!(there(&early).last(), Some(&("pi_1".to_owned(), 1500)));
    assert_eq!(early.intended_next(), 1500);
    assert_eq!(World::kinds(&early.plan()), [""; 0]);
    // Sent, the money is there, and the customer is not charged twice.
    world.push_all();
    tell(&mut world, paid("pi_x"));
    names(&mut world, "pi_1");
    tell(&mut world, payment("pi_1"));
    let plan = world.plan();
    assert!(plan.effects.is_empty(), "{plan:?}");
    assert_eq!(World::kinds(&plan), ["payment_replaced"]);
    assert_eq!(books(&world), (vec![(Maker::Us, Some(1500))], 1500));
    let mut replaced = world.clone();
    replaced.release("payment_replaced");
    let plan = replaced.plan();
    assert!(plan.tasks.is_empty() && plan.effects.is_empty(), "{plan:?}");
    let mut mistaken = world.clone();
    mistaken.release("payment_mistaken");
    mistaken.push_all();
    assert_eq!(there(&mistaken).last(), Some(&("pi_1".to_owned(), 1500)));
    tell(&mut mistaken, paid("pi_1"));
    assert_eq!(World::kinds(&mistaken.plan()), [""; 0]);
    assert_eq!(books(&mistaken).1, 1500);
    tell(
        &mut world,
        PaymentSnapshot {
            refunded: 1500,
            ..paid("pi_x")
        },
    );
    world.push_all();
    assert_eq!(there(&world).last(), Some(&("pi_1".to_owned(), 1500)));
    tell(&mut world, paid("pi_1"));
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
}

#[test]
fn a_customer_who_pays_days_later_is_waited_for_until_the_day_the_provider_names() {
    let mut world = by_key();
    let by = at(0) + Duration::days(9);
    tell(
        &mut world,
        PaymentSnapshot {
            pay_by: Some(by),
            ..waiting("pi_1")
        },
    );
    let plan = world.settle();
    assert_eq!(
        (plan.blocked_by.as_deref(), plan.next),
        (Some("payment"), Some(by))
    );
    assert!(
        !plan.demands[0].firm && plan.demands[0].wanted == 1,
        "kept for it"
    );
    // Longer than unpaid orders are waited for, and paid on the last day.
    world.now = by - Duration::hours(1);
    assert_eq!(world.plan().demands[0].wanted, 1);
    let paid = PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 1500,
        ..payment("pi_1")
    };
    let mut late = world.clone();
    tell(&mut world, paid.clone());
    ship(&mut world);
    assert!(captures(&world).is_empty(), "it is paid");
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    // Not paid: it ends, and money that comes all the same is taken.
    late.now = by;
    tell(
        &mut late,
        PaymentSnapshot {
            state: PaymentState::Expired,
            ..waiting("pi_1")
        },
    );
    let plan = late.plan();
    assert_eq!(
        (plan.demands[0].wanted, World::kinds(&plan)),
        (0, vec!["payment_overdue"])
    );
    tell(&mut late, paid);
    assert_eq!(late.settle().status, Status::Allocated);
}

#[test]
fn what_ended_or_is_not_known_at_the_provider_pays_nothing() {
    let mut states = vec![
        PaymentState::Cancelled,
        PaymentState::Expired,
        PaymentState::Waiting,
    ];
    states.push(PaymentState::Refused {
        reason: "card_declined".to_owned(),
    });
    for state in states {
        let mut world = by_key();
        tell(
            &mut world,
            PaymentSnapshot {
                state: state.clone(),
                ..payment("pi_1")
            },
        );
        assert_eq!(blocked(&mut world).as_deref(), Some("payment"), "{state:?}");
    }
    let mut world = by_key();
    let raw = "requires_magic".to_owned();
    tell(
        &mut world,
        PaymentSnapshot {
            state: PaymentState::Unknown { raw },
            ..payment("pi_1")
        },
    );
    assert_eq!(
        blocked(&mut world).as_deref(),
        Some("check:payment_state_unknown")
    );
    // Authorised again under the same name.
    tell(&mut world, payment("pi_1"));
    assert_eq!(world.settle().status, Status::Allocated);
}

#[test]
fn an_authorisation_that_is_lost_at_the_provider_holds_what_has_not_shipped() {
    let mut world = by_key();
    tell(&mut world, payment("pi_1"));
    assert_eq!(world.settle().status, Status::Allocated);
    tell(
        &mut world,
        PaymentSnapshot {
            state: PaymentState::Cancelled,
            authorised: 0,
            ..payment("pi_1")
        },
    );
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert_eq!(World::kinds(&plan), ["payment_lost"]);
}

#[test]
fn a_review_and_a_dispute_hold_before_shipping_and_are_tasks_after() {
    let reasons = vec!["elevated_risk".to_owned()];
    let review = PaymentSnapshot {
        state: PaymentState::Review { reasons },
        ..payment("pi_1")
    };
    let disputed = PaymentSnapshot {
        captured: 1500,
        disputed: 1500,
        state: PaymentState::Paid,
        ..payment("pi_1")
    };
    for (told, kind) in [(review, "payment_review"), (disputed, "payment_disputed")] {
        let mut world = by_key();
        tell(&mut world, told.clone());
        let plan = world.settle();
        assert_eq!(plan.blocked_by, Some(format!("check:{kind}")));
        assert_eq!(World::kinds(&plan), [kind]);
        assert!(plan.shipments.is_empty());
        tell(&mut world, payment("pi_1"));
        assert_eq!(world.settle().status, Status::Allocated, "settled there");
        ship(&mut world);
        tell(&mut world, told);
        let plan = world.plan();
        assert_eq!(
            (plan.status, World::kinds(&plan)),
            (Status::Shipped, vec![kind])
        );
    }
}

#[test]
fn the_end_of_an_authorisation_is_told_two_days_before_and_holds_once_it_is_there() {
    let mut world = by_key();
    let end = at(0) + Duration::days(6);
    tell(
        &mut world,
        PaymentSnapshot {
            authorised_until: Some(end),
            ..payment("pi_1")
        },
    );
    world.hold();
    world.settle();
    world.now = end - Duration::hours(49);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["hold:manual"]);
    world.now = plan.next.unwrap();
    assert_eq!(world.now, end - Duration::hours(48));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["authorisation_ends", "hold:manual"]);
    assert_eq!(plan.tasks.iter().find_map(|task| task.due), Some(end));
    world.release("manual");
    assert_eq!(world.settle().status, Status::Allocated, "it ships");
    world.now = end;
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert_eq!(World::kinds(&plan), ["authorisation_ended"]);
    tell(
        &mut world,
        PaymentSnapshot {
            authorised_until: Some(end + Duration::days(7)),
            ..payment("pi_1")
        },
    );
    assert_eq!(world.settle().status, Status::Allocated, "authorised anew");
}

#[test]
fn what_the_channel_shows_otherwise_is_a_task_once_both_had_time_to_be_read() {
    let mut world = by_key();
    tell(
        &mut world,
        PaymentSnapshot {
            amount: 1400,
            authorised: 1400,
            ..payment("pi_1")
        },
    );
    assert_eq!(
        blocked(&mut world).as_deref(),
        Some("payment"),
        "100 are missing"
    );
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    world.wait(60);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["payment_differs"]);
    let told = &plan.tasks[0].detail;
    assert!(
        told.contains("1500 JPY at the channel and 1400 JPY at stripe"),
        "{told}"
    );
    let mut dollars = by_key();
    tell(
        &mut dollars,
        PaymentSnapshot {
            currency: Currency::EUR,
            ..payment("pi_1")
        },
    );
    dollars.wait(60);
    let plan = dollars.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert_eq!(World::kinds(&plan), ["payment_differs"]);
    // Captured and given back at the channel alone.
    let mut alone = by_key();
    tell(&mut alone, payment("pi_1"));
    alone.edit(|order| (order.tenders[0].captured, order.tenders[0].refunded) = (1500, 300));
    alone.wait(60);
    let plan = alone.settle();
    assert_eq!(
        (plan.status, World::kinds(&plan)),
        (Status::Allocated, vec!["payment_differs"])
    );
    let told = &plan.tasks[0].detail;
    assert!(
        told.contains("captured is 1500 JPY") && told.contains("refunded is 300 JPY"),
        "{told}"
    );
    alone.edit(|order| (order.tenders[0].captured, order.tenders[0].refunded) = (0, 0));
    assert_eq!(World::kinds(&alone.plan()), [""; 0]);
}

#[test]
fn a_payment_that_nobody_names_or_reports_is_a_task_after_an_hour() {
    for (name, kind) in [
        (None, "payment_not_named"),
        (Some(PaymentRef::by_key("pi_1")), "payment_not_found"),
        (Some(PaymentRef::by_reference("1001")), "payment_not_found"),
    ] {
        let mut world = world(name);
        tell(&mut world, payment("pi_9"));
        let plan = world.settle();
        assert_eq!((World::kinds(&plan), plan.next), (vec![], Some(at(60))));
        world.wait(60);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), [kind]);
        assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
        assert!(captures(&world).is_empty());
    }
}

#[test]
fn a_payment_that_its_account_cannot_have_is_a_task_at_once_that_says_what_to_do() {
    let named = |key: &str| {
        let mut world = world(Some(PaymentRef::by_key(key)));
        let channels = world.policy.channels.values_mut();
        for route in channels.flat_map(|channel| channel.payments.values_mut()) {
            route.ids = Some(PaymentIds {
                begin: &["pi_", "pp_"],
                all: false,
                otherwise: "Set charges = true",
            });
        }
        world
    };
    let plan = named("ch_1").settle();
    assert_eq!(World::kinds(&plan), ["payment_not_found"]);
    let told = &plan.tasks[0].detail;
    assert!(
        told.contains("(ch_1 at stripe)") && told.contains("pi_, pp_. Set charges = true."),
        "{told}"
    );
    assert_eq!(World::kinds(&named("pp_1").settle()), [""; 0]);
}

#[test]
fn a_second_payment_of_one_name_is_told_and_never_used() {
    let mut world = world(Some(PaymentRef::by_reference("1001")));
    let of = |key: &str, state, authorised| PaymentSnapshot {
        reference: Some("1001".to_owned()),
        state,
        authorised,
        ..payment(key)
    };
    // The first try was declined; the second counts.
    let declined = PaymentState::Refused {
        reason: "declined".to_owned(),
    };
    tell(&mut world, of("pi_1", declined, 0));
    tell(&mut world, of("pi_2", PaymentState::Authorised, 1500));
    ship(&mut world);
    assert_eq!(captures(&world)[0].payment_there().as_str(), "pi_2");
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    tell(&mut world, of("pi_3", PaymentState::Authorised, 1500));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["payment_twice"]);
    assert!(plan.tasks[0].detail.contains("pi_3"), "{:?}", plan.tasks);
    assert_eq!(captures(&world).len(), 1);
}

fn claim(order: &str, kind: NameKind, name: &str, live: bool) -> NamedPayment {
    NamedPayment {
        account: slug("stripe"),
        name: name.to_owned(),
        claim: Claim {
            order: order.to_owned(),
            kind,
            learnt: false,
            live,
        },
    }
}

#[test]
fn a_payment_that_two_orders_name_is_neither_s_until_one_lets_go() {
    let mut world = world(Some(PaymentRef::by_reference("1001")));
    tell(
        &mut world,
        PaymentSnapshot {
            reference: Some("1001".to_owned()),
            ..payment("pi_1")
        },
    );
    assert_eq!(world.settle().status, Status::Allocated);
    let claims = |world: &mut World, claims: Vec<NamedPayment>| {
        world.input.claims = claims;
        let policy = world.policy.clone();
        world.input.see_payments(&policy);
        world.settle()
    };
    let number = world.input.number.clone();
    let mine = claim(&number, NameKind::Reference, "1001", true);
    let theirs = |live| claim("HKOTHER", NameKind::Reference, "1001", live);
    let plan = claims(&mut world, vec![mine.clone(), theirs(true)]);
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert!(World::kinds(&plan).contains(&"payment_shared"), "{plan:?}");
    let told = plan.tasks.iter().find(|task| task.kind == "payment_shared");
    assert!(told.unwrap().detail.contains("HKOTHER"));
    // The other one is cancelled at the channel.
    let plan = claims(&mut world, vec![mine.clone(), theirs(false)]);
    assert_eq!(
        (plan.status, World::kinds(&plan)),
        (Status::Allocated, vec![])
    );
    // Who names it by the provider's id has it.
    let by_key = claim("HKOTHER", NameKind::Key, "pi_1", true);
    let plan = claims(&mut world, vec![mine, by_key]);
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
}

#[test]
fn the_owner_of_a_payment_is_who_names_it_best() {
    let claim = |order: i64, kind, learnt, live| Claim {
        order,
        kind,
        learnt,
        live,
    };
    let (key, reference) = (NameKind::Key, NameKind::Reference);
    let of = |claims: &[Claim<i64>]| owners(claims).into_iter().collect::<Vec<_>>();
    assert!(of(&[]).is_empty());
    assert_eq!(of(&[claim(1, reference, false, true)]), [1]);
    let both = [
        claim(1, reference, false, true),
        claim(2, reference, false, true),
    ];
    assert_eq!(of(&both), [1, 2], "nobody knows");
    assert_eq!(
        of(&[claim(1, reference, false, true), claim(2, key, false, true)]),
        [2]
    );
    assert_eq!(
        of(&[claim(1, reference, false, true), claim(1, key, true, true)]),
        [1]
    );
    assert_eq!(
        of(&[claim(1, key, true, true), claim(2, key, false, true)]),
        [2]
    );
    assert_eq!(
        of(&[claim(1, key, false, false), claim(2, key, false, true)]),
        [2]
    );
    assert_eq!(
        of(&[
            claim(1, key, false, false),
            claim(2, reference, false, true)
        ]),
        [1]
    );
}

#[test]
fn what_others_do_to_it_at_the_provider_is_seen_and_is_the_provider_s() {
    let mut world = by_key();
    tell(&mut world, payment("pi_1"));
    world.settle();
    tell(
        &mut world,
        PaymentSnapshot {
            captured: 600,
            ..payment("pi_1")
        },
    );
    ship(&mut world);
    let calls = captures(&world);
    assert_eq!(
        (calls[0].amount, calls[0].expected_captured_total),
        (Some(900), 1500)
    );
    let refund = RefundSeen {
        key: "re_1".into(),
        amount: 200,
        at: None,
        effect: RefundEffect::ProviderOnly,
        lines: Vec::new(),
    };
    let given = PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 1500,
        refunded: 200,
        refunds: vec![refund],
        ..payment("pi_1")
    };
    tell(&mut world, given);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["refund_unexplained"]);
    let books = ledger(&world.input, &world.policy, &world.rules, world.now);
    let entries = books.unwrap().unwrap().entries;
    let by = |maker: Maker| {
        let mine = entries.iter().filter(|entry| entry.maker == maker);
        let mine = mine.map(|entry| (entry.kind.as_str(), entry.amount));
        mine.collect::<Vec<_>>()
    };
    assert_eq!(
        by(Maker::Provider),
        [
            ("authorisation", Some(1500)),
            ("capture", Some(600)),
            ("refund", Some(200))
        ]
    );
    assert_eq!(by(Maker::Us)[0], ("capture", Some(900)));
    // The channel records it and says what it is: the money went back once.
    world.edit(|order| {
        order.tenders[0].refunds = vec![RefundSeen {
            key: "ref_7".into(),
            amount: 200,
            at: None,
            effect: RefundEffect::Lowers,
            lines: Vec::new(),
        }];
        order.tenders[0].refunded = 200;
    });
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
    let books = ledger(&world.input, &world.policy, &world.rules, world.now);
    assert_eq!(books.unwrap().unwrap().held, 1300);
}

#[test]
fn what_was_given_back_of_a_payment_that_a_record_had_lowered_before_is_not_captured_again() {
    let record = |key: &str, amount| RefundSeen {
        key: key.into(),
        amount,
        at: None,
        effect: RefundEffect::Lowers,
        lines: Vec::new(),
    };
    let mut world = by_key();
    tell(&mut world, payment("pi_1"));
    world.settle();
    // Staff record a refund at the shop alone while the money is only authorised: less is captured.
    world.edit(|order| order.tenders[0].refunds = vec![record("ref_1", 1300)]);
    ship(&mut world);
    assert_eq!(captures(&world)[0].amount, Some(200));
    let given = PaymentSnapshot {
        state: PaymentState::Paid,
        captured: 200,
        refunded: 200,
        refunds: vec![record("re_1", 200)],
        ..payment("pi_1")
    };
    tell(&mut world, given);
    world.push_all();
    world.edit(|order| order.tenders[0].refunds.push(record("ref_2", 200)));
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), [""; 0]);
    world.push_all();
    assert_eq!(captures(&world).len(), 1);
    let sums: i64 = world.input.revenue.iter().map(|row| row.gross).sum();
    assert_eq!(sums, 0);
}

#[test]
fn a_payment_that_is_captured_once_waits_until_nothing_is_left_to_ship() {
    let mut world = named(order(&[("A", 2, 1000)]), Some(PaymentRef::by_key("pi_1")));
    let whole = PaymentSnapshot {
        amount: 2500,
        authorised: 2500,
        parts: Some(Parts::Once),
        ..payment("pi_1")
    };
    tell(&mut world, whole.clone());
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert!(captures(&world).is_empty(), "the rest would be released");
    world.parcel(S1, "T2", &[(1, 1)]);
    let mut part = world.clone();
    world.push_all();
    assert_eq!(captures(&world).len(), 1);
    // One that is captured as a whole or not at all, of which less is due.
    tell(
        &mut part,
        PaymentSnapshot {
            parts: Some(Parts::Whole),
            ..whole
        },
    );
    part.edit(|order| {
        order.charges[0].gross = Some(400);
        order.total = Some(2400);
        order.tenders[0].amount = Some(2400);
    });
    part.push_all();
    assert!(captures(&part).is_empty());
    assert!(World::kinds(&part.plan()).contains(&"capture_whole"));
}

#[test]
fn a_queued_capture_of_what_is_captured_once_is_taken_back_when_something_is_left_to_ship_again() {
    let mut world = named(order(&[("A", 2, 1000)]), Some(PaymentRef::by_key("pi_1")));
    let once = PaymentSnapshot {
        amount: 2500,
        authorised: 2500,
        parts: Some(Parts::Once),
        ..payment("pi_1")
    };
    tell(&mut world, once.clone());
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 2)]);
    world.plan();
    assert_eq!(there(&world), [("pi_1".to_owned(), 2500)]);
    let more = |world: &mut World| {
        world.edit(|known| {
            let mut more = order(&[("A", 2, 1000), ("B", 1, 500)]);
            more.tenders[0].provider = known.tenders[0].provider.clone();
            *known = more;
        });
    };
    let mut sent = world.clone();
    let mut taken = world.clone();
    more(&mut world);
    let plan = world.plan();
    assert_eq!(plan.withdraw.len(), 1, "{plan:?}");
    assert!(!plan.effects.iter().any(|e| e.intent.op == Op::Capture));
    // The line is taken out again: nothing is left.
    world.edit(|known| {
        let mut less = order(&[("A", 2, 1000)]);
        less.tenders[0].provider = known.tenders[0].provider.clone();
        *known = less;
    });
    world.push_all();
    assert_eq!(world.intended_next(), 2500);
    // Somebody captured first.
    more(&mut taken);
    tell(
        &mut taken,
        PaymentSnapshot {
            captured: 2500,
            ..once
        },
    );
    assert_eq!(taken.plan().withdraw.len(), 1);
    // What was sent is what it is.
    sent.push_all();
    more(&mut sent);
    assert!(sent.plan().withdraw.is_empty());
}

#[test]
fn an_order_is_not_planned_before_its_payments_were_looked_at() {
    let mut world = by_key();
    world.input.payments = None;
    let plan = plan_order(&world.input, &world.policy, &world.rules, world.now);
    assert!(matches!(plan, Err(PlanError::Unseen { .. })), "{plan:?}");
}

#[test]
fn a_cancelled_order_asks_nobody_for_its_payment() {
    let mut world = by_key();
    let when = world.now;
    world.edit(|order| order.state = ChannelState::Cancelled { at: when });
    world.wait(120);
    assert_eq!(World::kinds(&world.plan()), [""; 0]);
}

#[derive(Clone, Debug)]
enum Step {
    Order,
    Name(bool, bool),
    Report,
    Again,
    Stranger(u8),
    Mistake(u8, u16),
    Push,
    Ship,
    Wait(u16),
    Capture(u16),
    Declined,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Order),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Step::Name(a, b)),
        4 => Just(Step::Report),
        2 => Just(Step::Again),
        3 => (0_u8..3).prop_map(Step::Stranger),
        2 => (0_u8..2, 1500_u16..9000).prop_map(|(n, taken)| Step::Mistake(n, taken)),
        5 => Just(Step::Push),
        3 => Just(Step::Ship),
        2 => (1_u16..3000).prop_map(Step::Wait),
        1 => (1_u16..900).prop_map(Step::Capture),
        1 => Just(Step::Declined),
    ]
}

/// The provider: one payment, captured as it is asked and reported when it likes.
struct Provider {
    captured: i64,
    ours: i64,
    last: Option<PaymentSnapshot>,
}

impl Provider {
    fn report(&mut self, world: &mut World) {
        let told = PaymentSnapshot {
            reference: Some("1001".to_owned()),
            captured: self.captured,
            ..payment("pi_1")
        };
        self.last = Some(told.clone());
        tell(world, told);
    }

    /// Does what is queued; never more than it authorised, and only for the payment that it is asked for by its own id.
    fn push(&mut self, world: &mut World) {
        for row in world.input.queue.clone() {
            if row.op == Op::Capture {
                let calls = world.intents(Op::Capture);
                let (_, intent) = calls.iter().find(|(key, _)| *key == row.key).unwrap();
                let crate::facts::IntentWhat::Call { call, .. } = &intent.what else {
                    panic!("{intent:?}")
                };
                let Call::Capture(call) = call.as_ref() else {
                    panic!("{call:?}")
                };
                assert_eq!(call.payment_there().as_str(), "pi_1", "another's");
                assert_eq!(intent.account, slug("stripe"));
                let amount = call.amount.unwrap_or(1500);
                if self.captured + amount > 1500 {
                    world.end(&row.key, Verdict::Refused, "more than is authorised");
                    continue;
                }
                self.captured += amount;
                self.ours += amount;
            }
            world.end(&row.key, Verdict::Done, "");
        }
    }
}

fn act(world: &mut World, provider: &mut Provider, step: &Step) {
    match step {
        Step::Order => world.edit(|_| {}),
        Step::Name(key, reference) => world.edit(|order| {
            let reference = (*reference || !*key).then(|| "1001".to_owned());
            order.tenders[0].provider = Some(PaymentRef {
                key: key.then(|| "pi_1".into()),
                reference,
            });
        }),
        Step::Report => provider.report(world),
        Step::Again => {
            if let Some(last) = provider.last.clone() {
                tell(world, last);
            }
        }
        Step::Stranger(n) => tell(
            world,
            PaymentSnapshot {
                reference: Some(format!("200{n}")),
                amount: 9000,
                authorised: 9000,
                ..payment(&format!("pi_other{n}"))
            },
        ),
        // Another's payment, captured by whoever it is of, is named as this order's.
        Step::Mistake(n, taken) => {
            let key = format!("pi_paid{n}");
            let taken = i64::from(*taken);
            let theirs = PaymentSnapshot {
                state: PaymentState::Paid,
                amount: taken,
                authorised: taken,
                captured: taken,
                ..payment(&key)
            };
            tell(world, theirs);
            names(world, &key);
        }
        Step::Push => provider.push(world),
        Step::Ship => {
            world.allocate();
            world.plan();
            for reference in world.seal() {
                world.instruct_outcome(&reference, Verdict::Accepted);
                world.parcel(&reference, "T1", &[(1, 1)]);
            }
        }
        Step::Wait(minutes) => world.wait(i64::from(*minutes)),
        Step::Capture(amount) => {
            let room = 1500 - provider.captured - (world.intended_next() - provider.ours).max(0);
            provider.captured += i64::from(*amount).min(room.max(0));
        }
        Step::Declined => tell(
            world,
            PaymentSnapshot {
                reference: Some("1001".to_owned()),
                state: PaymentState::Refused {
                    reason: "declined".to_owned(),
                },
                authorised: 0,
                ..payment("pi_0")
            },
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes first, by whatever name, doubled or beside others' payments: it is captured once and in full.
    #[test]
    fn a_payment_is_captured_once_and_nobody_else_s_ever(
        unnamed in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let name = (!unnamed).then(|| PaymentRef::by_reference("1001"));
        let mut world = world(name);
        let mut provider = Provider { captured: 0, ours: 0, last: None };
        for step in &steps {
            act(&mut world, &mut provider, step);
            let plan = world.plan();
            for effect in plan.effects.iter().filter(|effect| effect.intent.op == Op::Capture) {
                prop_assert!(provider.last.is_some(), "captured unread: {:?}", effect);
            }
            prop_assert!(provider.captured <= 1500);
        }
        act(&mut world, &mut provider, &Step::Name(true, true));
        provider.report(&mut world);
        for _ in 0..6 {
            world.wait(30);
            act(&mut world, &mut provider, &Step::Ship);
            world.plan();
            world.release("capture");
            world.plan();
            provider.push(&mut world);
            provider.report(&mut world);
        }
        let plan = world.plan();
        prop_assert_eq!(provider.captured, 1500, "{:?}", plan);
        prop_assert!(plan.effects.iter().all(|effect| effect.intent.op != Op::Capture));
    }
}
