//! What an order is said to be: no more than is known.

use chrono::Duration;
use hikiate_sdk::{CancelVerdict, ChannelState, Op, ReplyVerdict, ShipmentReference};

use super::build::{at, order, slug};
use super::flow::ship_all;
use super::ledger::support::situation;
use super::world::World;
use crate::facts::{OutcomeFact, Verdict};
use crate::operations::NOT_NEEDED;
use crate::plan::command::{RefundOf, Wish, end, recall, refund, void};
use crate::plan::types::{EffectState, ShippingStop, Status};
use crate::plan::{Elsewhere, SealedBatch, Sending};

const S1: &str = "HK0123456789ABC-S1";

fn sealed(sending: Option<Sending>) -> Elsewhere {
    let batch = SealedBatch {
        number: "HBTOKYO1".to_owned(),
        sealed_at: at(30),
        sending,
    };
    Elsewhere {
        batches: [(ShipmentReference::new(S1), batch)].into(),
        ..Elsewhere::default()
    }
}

fn in_a_sealed_batch() -> World {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    assert_eq!(world.seal(), [S1]);
    world.plan();
    world
}

#[test]
fn what_is_kept_back_waits_for_that_and_not_for_a_cut_off() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let mut elsewhere = Elsewhere {
        waves: [("tokyo".to_owned(), at(40))].into(),
        ..Elsewhere::default()
    };
    let told = world.explain_with(&elsewhere);
    assert!(told.shipments[0].contains("sealed at"), "{told:?}");
    assert!(told.next.iter().any(|next| next.what.contains("cut-off")));
    let why = "paused by hanako: their import is broken";
    elsewhere.paused = [(slug("wms-tokyo"), why.to_owned())].into();
    let told = world.explain_with(&elsewhere);
    assert!(told.because.contains(why), "{told:?}");
    assert!(told.shipments[0].contains(why), "{told:?}");
    assert!(!told.next.iter().any(|next| next.what.contains("cut-off")));
    world.input.stops = vec![ShippingStop {
        id: 7,
        items: None,
        channel: None,
        warehouse: Some("tokyo".to_owned()),
    }];
    world.plan();
    let told = world.explain_with(&elsewhere);
    assert!(told.because.contains("stop-shipping list"), "{told:?}");
    assert!(told.shipments[0].contains("stop-shipping list"), "{told:?}");
}

#[test]
fn a_batch_that_was_not_sent_is_not_at_the_warehouse() {
    let world = in_a_sealed_batch();
    let fails = Sending::Fails {
        tries: 5,
        error: "no such folder".to_owned(),
    };
    for (sending, words) in [
        (Some(Sending::Waits), "not sent yet: tokyo does not have it"),
        (
            Some(fails),
            "NOT SENT: 5 attempts failed, last error: no such folder",
        ),
        (
            Some(Sending::Doubtful),
            "a look-up checks whether it arrived",
        ),
        (Some(Sending::Now), "being sent"),
        (Some(Sending::Unknown), "it is unknown whether it arrived"),
        (None, "not known to have arrived at tokyo"),
    ] {
        let told = world.explain_with(&sealed(sending));
        assert_eq!(told.blocked_by.as_deref(), Some("sending"));
        assert!(
            told.because
                .contains("not known to have arrived at the warehouse")
        );
        let shipment = &told.shipments[0];
        assert!(
            shipment.contains("batch HBTOKYO1 (sealed 2026-") && shipment.contains(words),
            "{shipment}"
        );
        assert!(!told.to_string().contains("accepted by"), "{told}");
    }
}

#[test]
fn sent_and_accepted_are_different_words() {
    let mut world = in_a_sealed_batch();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    let told = world.explain_with(&sealed(None));
    assert_eq!(told.blocked_by.as_deref(), Some("warehouse"));
    assert!(told.because.contains("neither accepted it"), "{told}");
    assert!(told.shipments[0].contains("sent to tokyo with batch HBTOKYO1"));
    world.reply(S1, ReplyVerdict::Accepted);
    world.plan();
    let told = world.explain_with(&sealed(None));
    assert!(
        told.because.contains("the warehouse has accepted it"),
        "{told}"
    );
    assert!(told.shipments[0].contains(": accepted by tokyo"), "{told}");
}

#[test]
fn goods_are_named_by_code_and_title_and_times_are_local_to_the_minute() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.edit(|order| order.lines[0].title = "りんご".to_owned());
    world.settle();
    let told = world.explain();
    assert!(
        told.stock[0].starts_with("A \"りんご\": 2 ordered"),
        "{told}"
    );
    assert!(told.shipments[0].contains("(2 × A \"りんご\")"), "{told}");
    assert!(!told.to_string().contains("+00:00"), "{told}");
    world.edit(|order| order.lines[0].title = "二十世紀梨\u{3000}特選".to_owned());
    let told = world.explain();
    let shown = "A \"二十世紀梨\u{3000}特選\": 2 ordered";
    assert!(told.stock[0].starts_with(shown), "{told}");
}

#[test]
fn what_lacks_stock_says_where_to_look() {
    let hint = "see `hikiate stock show A-1`";
    let elsewhere = Elsewhere {
        items: [(1, "A-1".to_owned())].into(),
        ..Elsewhere::default()
    };
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let told = world.explain_with(&elsewhere);
    assert!(!told.to_string().contains("stock show"), "{told}");
    let mut world = World::new(order(&[("A", 5, 1000)]));
    for at in ["tokyo", "osaka"] {
        world.stock.insert((1, at), 1);
    }
    world.settle();
    let told = world.explain_with(&elsewhere);
    assert!(told.stock[0].starts_with("A "), "{told}");
    assert!(told.stock[0].ends_with(hint), "{told}");
}

#[test]
fn the_next_moments_say_what_happens_then() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let mut elsewhere = Elsewhere::default();
    elsewhere.waves.insert("tokyo".to_owned(), at(45));
    elsewhere.waves.insert("osaka".to_owned(), at(50));
    let told = world.explain_with(&elsewhere);
    let next: Vec<_> = told.next.iter().map(|n| (n.at, n.what.as_str())).collect();
    assert!(
        next.contains(&(at(45), "cut-off of tokyo: its batch is sealed and sent")),
        "{next:?}"
    );
    assert!(!told.to_string().contains("osaka"), "{told}");
    ship_all(&mut world);
    world.push_all();
    let told = world.explain();
    let delivered = told
        .next
        .iter()
        .find(|n| n.what == "it counts as delivered");
    assert!(
        delivered.is_some_and(|n| n.at > world.now + Duration::days(1)),
        "{told}"
    );
}

#[test]
fn who_cancelled_is_told() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.edit(|order| order.state = ChannelState::Cancelled { at: at(7) });
    assert_eq!(world.settle().status, Status::Cancelled);
    let told = world.explain();
    assert!(
        told.because
            .starts_with("cancelled at the channel at 2026-"),
        "{told}"
    );
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.cancel();
    world.settle();
    world.end_op(Op::CancelOrder, Verdict::Done);
    world.edit(|order| order.state = ChannelState::Cancelled { at: at(9) });
    world.settle();
    let told = world.explain();
    assert!(
        told.because.starts_with("cancelled by operator at 2026-"),
        "{told}"
    );
}

#[test]
fn what_waits_for_a_paused_account_says_so() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.plan();
    let mut elsewhere = Elsewhere::default();
    elsewhere
        .paused
        .insert(slug("smtp"), "the password was refused".to_owned());
    let told = world.explain_with(&elsewhere);
    let mail: Vec<_> = told
        .told
        .iter()
        .filter(|line| line.starts_with("mail:"))
        .collect();
    assert!(
        mail.iter()
            .any(|line| line.contains("account smtp is paused: the password was refused")),
        "{told}"
    );
}

#[test]
fn a_mail_that_waits_for_the_rest_says_so() {
    let waits = |world: &World| {
        let told = world.explain().told;
        told.iter()
            .any(|line| line.starts_with("mail: waits until"))
    };
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.settle();
    world.wait(30);
    assert_eq!(world.seal(), [S1]);
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    assert!(!waits(&world), "nothing has shipped");
    world.parcel(S1, "T1", &[(1, 1)]);
    world.plan();
    world.push_all();
    assert!(waits(&world), "one of three has");
    assert!(world.intents(Op::Mail).is_empty());
    world.parcel(S1, "T2", &[(1, 2)]);
    world.plan();
    world.push_all();
    assert!(!waits(&world));
    assert_eq!(world.intents(Op::Mail).len(), 1);
}

#[test]
fn what_a_channel_does_not_need_is_no_notice() {
    let fulfilled = |code: Option<&str>| {
        let mut world = World::new(order(&[("A", 1, 1000)]));
        ship_all(&mut world);
        world.plan();
        let mut queue = world.input.queue.iter();
        let intent = queue.find(|row| row.op == Op::Fulfil).unwrap().key.clone();
        world.input.queue.retain(|row| row.key != intent);
        world.outcome(OutcomeFact {
            intent,
            verdict: Verdict::Done,
            id: None,
            code: code.map(str::to_owned),
            message: String::new(),
        });
        let told = world.explain().told;
        told.iter().any(|line| line.starts_with("fulfil:"))
    };
    assert!(fulfilled(None));
    assert!(!fulfilled(Some(NOT_NEEDED)));
}

#[test]
fn a_refund_that_waits_for_a_paused_account_says_so() {
    let elsewhere = Elsewhere {
        paused: [(slug("shop-jp"), "paused by hanako: a check".to_owned())].into(),
        ..Elsewhere::default()
    };
    let why = "waits: account shop-jp is paused: paused by hanako: a check";
    let mut world = situation();
    ship_all(&mut world);
    world.push_all();
    let wish = world
        .asked(|now| refund(now, RefundOf::Amount("300"), None, "came late"))
        .unwrap();
    let told = |on: &Elsewhere, world: &World, wish: &Wish| {
        on.keeps_back(wish, &world.input, &world.policy)
    };
    assert_eq!(told(&elsewhere, &world, &wish), [why]);
    assert_eq!(told(&Elsewhere::default(), &world, &wish), [""; 0]);
    let waits = |world: &World| {
        let captured = world.explain_with(&elsewhere).captured;
        captured.iter().any(|line| line.ends_with(why))
    };
    assert!(!waits(&world), "nothing is asked for yet");
    world.wants("300");
    assert!(waits(&world));

    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    let wish = world.asked(|now| void(now, "not wanted")).unwrap();
    assert_eq!(told(&elsewhere, &world, &wish), [why]);
    world.typed(|now| void(now, "not wanted"));
    assert!(waits(&world));
}

/// What is called undone is made by hand.
#[test]
fn money_whose_call_is_in_doubt_is_said_to_have_perhaps_moved() {
    let doubt = "outcome unknown: it may have been made";
    let mut refunded = situation();
    ship_all(&mut refunded);
    refunded.push_all();
    refunded.wants("300");
    refunded.plan();
    let mut voided = World::new(order(&[("A", 1, 1000)]));
    voided.settle();
    voided.typed(|now| void(now, "not wanted"));
    voided.plan();
    let mut captured = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut captured);
    for _ in 0..3 {
        captured.plan();
        for row in captured.input.queue.clone() {
            if row.op != Op::Capture {
                captured.end(&row.key, Verdict::Done, "");
            }
        }
    }
    for (op, starts, world) in [
        (Op::Refund, "refund ", refunded),
        (Op::Void, "void 1 of payment pay_1", voided),
        (Op::Capture, "payment pay_1", captured),
    ] {
        let said = |world: &World| {
            let lines = world.explain().captured.into_iter();
            let lines: Vec<_> = lines.filter(|line| line.starts_with(starts)).collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            lines.concat()
        };
        assert!(!said(&world).contains(doubt), "{}", said(&world));
        let mut unresolved = world.clone();
        unresolved.state(op, EffectState::Unresolved);
        let mut looked_up = world.clone();
        for row in looked_up.input.queue.iter_mut().filter(|row| row.op == op) {
            row.outcome_unknown = true;
        }
        for world in [unresolved, looked_up] {
            let said = said(&world);
            assert!(said.ends_with(doubt), "{said}");
            assert!(!said.contains("not done"), "{said}");
        }
    }
}

#[test]
fn a_shipment_that_is_asked_back_says_so_and_what_came_of_it() {
    let shipment = |world: &World| world.explain().shipments[0].clone();
    let mut world = in_a_sealed_batch();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.typed(|now| recall(now, S1, "wrong label"));
    world.plan();
    assert!(
        shipment(&world).contains("CANCELLATION REQUESTED: the request to tokyo is in progress")
    );
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.plan();
    assert!(shipment(&world).contains("CANCELLATION REQUESTED from tokyo, no answer yet"));
    assert!(
        world
            .explain()
            .to_string()
            .contains("if the recall is not answered")
    );
    // It refuses the shipment instead: no answer is waited for any more.
    let mut refused = world.clone();
    refused.reply(S1, ReplyVerdict::Rejected);
    refused.plan();
    let told = refused.explain().to_string();
    assert!(!told.contains("if the recall is not answered"), "{told}");
    world.cancel_reply(S1, CancelVerdict::Declined);
    world.plan();
    let said = shipment(&world);
    assert!(
        said.contains("CANCELLATION REQUESTED: tokyo says it will be shipped"),
        "{said}"
    );
}

#[test]
fn who_ended_an_order_when_why_and_how_to_undo_it_is_told() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.typed(|now| end(now, "fraud"));
    world.settle();
    let told = world.explain();
    assert_eq!(told.blocked_by.as_deref(), Some("ended"));
    for words in [
        ": fraud;",
        "at 2026-11-21",
        "order release HK0123456789ABC --rule ended",
    ] {
        assert!(told.because.contains(words), "{told}");
    }
}

#[test]
fn a_stopped_channel_is_said_to_keep_back_what_is_due() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    let began = world.input.begin;
    world.input.begin.from = None;
    world.plan();
    let told = world.explain();
    assert!(
        told.because.contains("channel shop-jp is stopped"),
        "{told}"
    );
    world.input.begin = began;
    assert_eq!(world.explain().because, "nothing blocks it");
}

#[test]
fn a_cancelled_order_of_which_no_payment_stands_is_not_called_unpaid() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.edit(|order| {
        order.state = ChannelState::Cancelled { at: at(7) };
        for tender in &mut order.tenders {
            tender.cancelled = true;
        }
    });
    world.settle();
    let told = world.explain();
    assert_eq!(told.payment, "no payment: the order is cancelled", "{told}");
}
