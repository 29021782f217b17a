//! Creating and stopping shipments.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::budget::Clock;
use hikiate_sdk::faulty::{Altered, Fault, FaultyTransport, Mixed, SHOWN_AFTER, When};
use hikiate_sdk::http::{Method, Request, Response, Transport, TransportError};
use hikiate_sdk::sim::{SimClock, SimTransport};
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    Connector as _, Error, ErrorClass, Link, LookUp, Op, Operations, Outcome, Prepared, RetryPolicy,
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;

use super::support::{
    ACCOUNT, TOKEN, World, account, cancel, instruct, instruction, noon, reference, world,
};
use crate::config::Settings;
use crate::sim::{OpenlogiSim, STANDARD};
use crate::{Openlogi, site};

fn class(answer: &Result<Outcome, Error>) -> Option<ErrorClass> {
    answer.as_ref().err().map(|error| error.class)
}

async fn send_all(world: &World, op: Op, calls: &[Prepared]) -> Vec<Result<Outcome, Error>> {
    let calls: Vec<&Prepared> = calls.iter().collect();
    world.account.send(op, &calls).await
}

#[tokio::test]
async fn several_are_created_in_one_call_and_a_bad_one_costs_the_others_nothing() {
    let world = world();
    let good: Vec<Prepared> = (1..=30)
        .map(|n| world.prepare(&instruct(instruction(n, 1))))
        .collect();
    let answers = send_all(&world, Op::Instruct, &good).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(Outcome::Done { id: Some(_) })))
    );
    assert_eq!((world.sim.calls(), world.sim.shipments().len()), (1, 30));

    let mut unknown = instruction(41, 1);
    unknown.lines[0].code = "NO-SUCH-ITEM".to_owned();
    let calls = [
        instruct(instruction(40, 1)),
        instruct(unknown),
        instruct(instruction(42, 1_000)),
        instruct(instruction(43, 1)),
    ];
    let calls: Vec<Prepared> = calls.iter().map(|call| world.prepare(call)).collect();
    let answers = send_all(&world, Op::Instruct, &calls).await;
    let refused = |at: usize, words: &str| {
        let Err(error) = &answers[at] else {
            panic!("{answers:?}")
        };
        assert_eq!(error.class, ErrorClass::Rejected);
        assert!(error.message.contains(words), "{error}");
    };
    refused(1, "items.0.code: “商品が見つかりません");
    refused(2, "items: “在庫が不足しています");
    for (at, n) in [(0, 40), (3, 43)] {
        assert!(matches!(&answers[at], Ok(Outcome::Done { .. })));
        assert_eq!(world.sim.created(&reference(n)), 1);
    }
    // All four, the two good ones, and each bad one by itself.
    assert_eq!(world.sim.calls(), 1 + 4);
}

#[tokio::test]
async fn what_is_refused_is_told_in_openlogis_words() {
    let world = world();
    let send = async |change: &dyn Fn(&mut hikiate_sdk::Instruction)| {
        let mut told = instruction(1, 1);
        change(&mut told);
        let prepared = world.prepare(&instruct(told));
        world
            .account
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap_err()
    };
    let error = send(&|told| told.ship_to.postal_code = "999-9999".to_owned()).await;
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Rejected, Some("validation_failed"))
    );
    assert!(
        error
            .message
            .contains("recipient.postcode: refused (its words may quote the value"),
        "{error}"
    );
    world.sim.pays(false);
    let error = send(&|_| {}).await;
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Rejected, Some("payment_required"))
    );
    assert!(world.sim.shipments().is_empty());
}

#[tokio::test]
async fn what_openlogi_repeats_of_the_recipient_is_told_and_not_logged() {
    let world = world();
    world.created(3).await;
    world.sim.repeats_names(true);
    let with_phone = |n, code: &str| {
        let mut told = instruction(n, 1);
        told.ship_to.phone = "03-0000-0000".to_owned();
        told.lines[0].code = code.to_owned();
        world.prepare(&instruct(told))
    };
    let two = [
        with_phone(1, "NO-SUCH-ITEM"),
        with_phone(2, "NO-SUCH-ITEM-EITHER"),
    ];
    let mut errors = Vec::new();
    for answer in send_all(&world, Op::Instruct, &two).await {
        let error = answer.unwrap_err();
        assert!(error.message.contains("0300000000"), "{error}");
        errors.push(error);
    }
    // Of what is changed there by hand no cancellation is taken.
    assert!(world.sim.set_status(&reference(3), "modify_request"));
    let stop = world.prepare(&cancel(3));
    let stopped = world.account.send_one(Op::CancelInstruction, &stop).await;
    errors.push(stopped.unwrap_err());
    for error in errors {
        assert_eq!(error.class, ErrorClass::Rejected);
        for told in ["見本 花子", "東池袋0-0-0", "170-0013"] {
            assert!(error.message.contains(told), "{told}: {error}");
        }
        for logged in [
            error.message.clone(),
            error.to_string(),
            format!("{error:?}"),
        ] {
            let logged = without_quotes(&logged);
            assert!(logged.contains("OPENLOGI answered 4"), "{logged}");
            for told in ["見本", "花子", "東池袋", "170-0013", "0300000000"] {
                assert!(!logged.contains(told), "{told}: {logged}");
            }
        }
    }
}

/// The shipment is there already, and looking for it fails: both answers are in the one error, which is stored.
#[tokio::test]
async fn a_number_that_is_taken_and_a_look_that_fails_tell_what_openlogi_said_to_both() {
    let world = world();
    world.created(1).await;
    let seam = FaultyTransport::new(world.sim.transport()).speaking(crate::sim::words);
    let seam = Arc::new(seam.echoing("見本 花子"));
    seam.inject_when(When::new(Method::Get, "/shipments/"), Fault::ErrorBefore);
    let looking = account(seam, Settings::of(ACCOUNT));
    let prepared = looking.prepare(&instruct(instruction(1, 1))).unwrap();
    let error = looking.send_one(Op::Instruct, &prepared).await;
    let error = error.unwrap_err();
    assert_eq!(error.class, ErrorClass::OutcomeUnknown);
    assert_eq!(
        error.message,
        "POST /shipments: OPENLOGI answered 422 validation_failed: “Invalid Request”; identifier: “identifierは既に使用されています。”; looking for HK0000000000001-S1 failed: GET /shipments/TS001: OPENLOGI answered 500 internal_server_error: “internal_server_error 見本 花子”"
    );
    assert_eq!(
        error.to_string(),
        "POST /shipments: OPENLOGI answered 422 validation_failed: “…”; identifier: “…”; looking for HK0000000000001-S1 failed: GET /shipments/TS001: OPENLOGI answered 500 internal_server_error: “…”"
    );
}

/// A replica that lags answers its look-ups; each call was made once.
#[tokio::test]
async fn a_call_that_is_shown_late_is_not_found_before_and_found_then() {
    let world = world();
    let seam = FaultyTransport::new(world.sim.transport()).asking(crate::sim::can);
    let seam = Arc::new(seam);
    let late = account(Arc::clone(&seam) as _, Settings::of(ACCOUNT));
    let create = late.prepare(&instruct(instruction(1, 1))).unwrap();
    let stop = late.prepare(&cancel(1)).unwrap();
    seam.inject_when(When::new(Method::Post, "/shipments"), Fault::LostAndLate);
    let lost = late.send_one(Op::Instruct, &create).await;
    assert_eq!(class(&lost), Some(ErrorClass::OutcomeUnknown));
    let found = late.look_up_one(Op::Instruct, &create).await.unwrap();
    assert!(matches!(found, LookUp::NotFound), "{found:?}");
    let stopped = late.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&stopped), Some(ErrorClass::NotFound));
    world.clock.advance(SHOWN_AFTER);
    let found = late.look_up_one(Op::Instruct, &create).await.unwrap();
    assert!(matches!(found, LookUp::Found(_)), "{found:?}");

    seam.inject_when(When::new(Method::Delete, "/shipments"), Fault::LostAndLate);
    let lost = late.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&lost), Some(ErrorClass::OutcomeUnknown));
    assert!(world.sim.shipment(&reference(1)).unwrap().gone);
    let found = late
        .look_up_one(Op::CancelInstruction, &stop)
        .await
        .unwrap();
    assert!(matches!(found, LookUp::NotFound), "{found:?}");
    world.clock.advance(SHOWN_AFTER);
    let found = late
        .look_up_one(Op::CancelInstruction, &stop)
        .await
        .unwrap();
    assert!(matches!(found, LookUp::Found(_)), "{found:?}");
    assert_eq!(world.sim.created(&reference(1)), 1);
}

#[tokio::test]
async fn stock_that_is_not_there_is_waited_for_only_where_the_account_says_so() {
    let world = world();
    let settings = Settings {
        backorder: true,
        ..Settings::of(ACCOUNT)
    };
    let waiting = account(world.sim.transport(), settings);
    let prepared = waiting.prepare(&instruct(instruction(1, 101))).unwrap();
    waiting.send_one(Op::Instruct, &prepared).await.unwrap();
    let status = || world.sim.shipment(&reference(1)).unwrap().status;
    assert_eq!(status(), "backordered");
    world.sim.receive("MUG", STANDARD, 1);
    assert_eq!(status(), "waiting");
}

#[tokio::test]
async fn a_name_arrives_as_it_was_meant() {
    let world = world();
    let settings = Settings {
        long_names: crate::LongNames::Company,
        ..Settings::of(ACCOUNT)
    };
    let flowing = account(world.sim.transport(), settings);
    let mut told = instruction(1, 1);
    told.ship_to.name = "株式会社オープンサンプル 見本 花子".to_owned();
    let prepared = flowing.prepare(&instruct(told)).unwrap();
    flowing.send_one(Op::Instruct, &prepared).await.unwrap();
    let made = world.sim.shipment(&reference(1)).unwrap();
    assert_eq!((made.warehouse.as_str(), made.shipped_at), (STANDARD, None));
    let body = made.body;
    let to = &body["recipient"];
    assert_eq!(
        (&to["name"], &to["company"]),
        (&"見本 花子".into(), &"株式会社オープンサンプル".into())
    );
}

#[tokio::test]
async fn after_maintenance_it_is_looked_up_by_its_number() {
    let world = world();
    let calls = [
        world.prepare(&instruct(instruction(1, 1))),
        world.prepare(&instruct(instruction(2, 1))),
    ];
    world.sim.maintain(true);
    for answer in send_all(&world, Op::Instruct, &calls).await {
        let error = answer.unwrap_err();
        assert_eq!(error.class, ErrorClass::OutcomeUnknown);
        assert!(!error.message.contains("html"), "{error}");
    }
    let both: Vec<&Prepared> = calls.iter().collect();
    for look in world.account.look_up(Op::Instruct, &both).await {
        assert_eq!(
            look.unwrap_err().class,
            ErrorClass::Transient,
            "it is not \"not there\""
        );
    }
    world.sim.maintain(false);
    assert!(
        world
            .account
            .send_one(Op::Instruct, &calls[0])
            .await
            .is_ok()
    );
    let looks = world.account.look_up(Op::Instruct, &both).await;
    assert!(
        matches!(looks[0], Ok(LookUp::Found(Outcome::Done { id: Some(_) }))),
        "{looks:?}"
    );
    assert!(matches!(looks[1], Ok(LookUp::NotFound)), "{looks:?}");
    // Shipped in the meantime it is found as well.
    assert!(world.sim.ship(&reference(1), &["1"]));
    let look = world.account.look_up_one(Op::Instruct, &calls[0]).await;
    assert!(matches!(look, Ok(LookUp::Found(_))), "{look:?}");
}

#[tokio::test]
async fn a_second_shipment_under_our_number_is_looked_up_at_once() {
    let world = world();
    world.created(1).await;
    let again = world.prepare(&instruct(instruction(1, 1)));
    let answer = world.account.send_one(Op::Instruct, &again).await;
    assert!(
        matches!(&answer, Ok(Outcome::Done { id: Some(id) }) if id == "TS001-S000001"),
        "{answer:?}"
    );
    let both = [again, world.prepare(&instruct(instruction(2, 1)))];
    let answers = send_all(&world, Op::Instruct, &both).await;
    assert!(
        answers
            .iter()
            .all(|one| matches!(one, Ok(Outcome::Done { .. }))),
        "also of several: {answers:?}"
    );
    let [again, _] = both;
    assert_eq!(world.sim.created(&reference(1)), 1);
    // What cannot be seen under our number is not refused.
    world.sim.hide(true);
    let answer = world.account.send_one(Op::Instruct, &again).await;
    assert_eq!(class(&answer), Some(ErrorClass::OutcomeUnknown));
    world.sim.hide(false);
    // Something else under our number is for a person to look at.
    assert!(world.sim.change_quantity(&reference(1), "MUG", 5));
    let answer = world.account.send_one(Op::Instruct, &again).await;
    assert_eq!(class(&answer), Some(ErrorClass::Conflict));
    let words = answer.unwrap_err().message;
    assert!(words.contains("other items or quantities"), "{words}");
    let look = world.account.look_up_one(Op::Instruct, &again).await;
    assert!(matches!(look, Ok(LookUp::Inconclusive)), "{look:?}");
    // What OPENLOGI made of a parcel that came back is not what we created.
    let returned = super::support::world();
    returned.created(1).await;
    assert!(returned.sim.ship(&reference(1), &["1"]) && returned.sim.send_back(&reference(1)));
    let look = returned.account.look_up_one(Op::Instruct, &again).await;
    let Ok(LookUp::Found(Outcome::Done { id: Some(id) })) = look else {
        panic!("{look:?}")
    };
    assert_eq!(id, "TS001-S000001");
}

#[tokio::test]
async fn a_shipment_without_its_identifier_may_be_ours() {
    let world = world();
    world.created(1).await;
    assert!(world.sim.lose_field(&reference(1), "identifier"));
    let create = world.prepare(&instruct(instruction(1, 1)));
    let stop = world.prepare(&cancel(1));
    for (op, call) in [(Op::Instruct, &create), (Op::CancelInstruction, &stop)] {
        let found = world.account.look_up_one(op, call).await.unwrap();
        assert_eq!(found, LookUp::Inconclusive, "{op}");
    }
    let sent = world.account.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&sent), Some(ErrorClass::Protocol));
    assert_eq!(world.sim.created(&reference(1)), 1);
}

/// An account on a way on which the first reference becomes the second in what is read.
fn mixed(world: &World) -> Openlogi {
    let far = Arc::new(SimTransport(world.sim.clone()));
    let (asked, answered) = (reference(1), reference(2));
    let way = Mixed {
        far,
        asked,
        answered,
    };
    account(Arc::new(way), Settings::of(ACCOUNT))
}

#[tokio::test]
async fn an_answer_about_another_shipment_is_not_believed() {
    let world = world();
    world.created(2).await;
    let create = world.prepare(&instruct(instruction(1, 1)));
    let stop = world.prepare(&cancel(1));
    let reading = mixed(&world);
    for (op, call) in [(Op::Instruct, &create), (Op::CancelInstruction, &stop)] {
        let found = reading.look_up_one(op, call).await.unwrap();
        assert_eq!(found, LookUp::Inconclusive, "{op}");
    }
    let sent = reading.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&sent), Some(ErrorClass::Protocol));
    // What a write answers about another leaves it open what became of it.
    let far = Arc::new(SimTransport(world.sim.clone()));
    let way = Altered::new(far, |method, _: &str, body: &mut Value| {
        if method != Method::Get {
            let text = body.to_string().replace(&reference(1), &reference(2));
            *body = serde_json::from_str(&text).unwrap();
        }
    });
    let writing = account(Arc::new(way), Settings::of(ACCOUNT));
    for (op, call) in [(Op::Instruct, &create), (Op::CancelInstruction, &stop)] {
        let sent = writing.send_one(op, call).await;
        assert_eq!(class(&sent), Some(ErrorClass::OutcomeUnknown), "{op}");
    }
    assert_eq!(world.sim.created(&reference(1)), 1);
    assert!(world.sim.shipment(&reference(1)).unwrap().gone);
}

#[tokio::test]
async fn a_shipment_that_was_not_asked_for_spoils_the_look_up_of_no_other() {
    let world = world();
    world.created(2).await;
    // The answer has the second in place of the first; the third is listed as it is.
    world.created(3).await;
    let mixed = mixed(&world);
    let calls = [1, 3].map(|n| world.prepare(&instruct(instruction(n, 1))));
    let calls: Vec<&Prepared> = calls.iter().collect();
    let found = mixed.look_up(Op::Instruct, &calls).await;
    assert_eq!(found[0].as_ref().unwrap(), &LookUp::Inconclusive);
    let there = found[1].as_ref().unwrap();
    assert!(matches!(there, LookUp::Found(Outcome::Done { .. })));
}

/// It may be any shipment, also the one that is asked for.
#[tokio::test]
async fn an_answer_that_cannot_be_read_whole_is_no_absence() {
    let world = world();
    let create = world.prepare(&instruct(instruction(1, 1)));
    let stop = world.prepare(&cancel(1));
    world.sim.garble(true);
    let look = world.account.look_up_one(Op::Instruct, &create).await;
    assert!(matches!(look, Ok(LookUp::Inconclusive)), "{look:?}");
    let look = world
        .account
        .look_up_one(Op::CancelInstruction, &stop)
        .await;
    assert!(matches!(look, Ok(LookUp::Inconclusive)), "{look:?}");
    let answer = world.account.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&answer), Some(ErrorClass::Protocol));
    world.sim.garble(false);
    let answer = world.account.send_one(Op::CancelInstruction, &stop).await;
    assert_eq!(class(&answer), Some(ErrorClass::NotFound));
    // A status that nobody knows is neither stopped nor not stopped.
    world.created(1).await;
    assert!(world.sim.set_status(&reference(1), "frozen"));
    let look = world
        .account
        .look_up_one(Op::CancelInstruction, &stop)
        .await;
    assert!(matches!(look, Ok(LookUp::Inconclusive)), "{look:?}");
}

#[tokio::test]
async fn what_nobody_works_on_is_deleted_and_the_rest_is_asked_for() {
    let world = world();
    for n in 1..=4 {
        world.created(n).await;
    }
    let send = async |n| {
        world
            .account
            .send_one(Op::CancelInstruction, &world.prepare(&cancel(n)))
            .await
    };
    let look = async |n| {
        world
            .account
            .look_up_one(Op::CancelInstruction, &world.prepare(&cancel(n)))
            .await
    };
    assert!(matches!(look(1).await, Ok(LookUp::NotFound)));
    assert!(matches!(send(1).await, Ok(Outcome::Done { .. })));
    assert!(world.sim.shipment(&reference(1)).unwrap().gone);
    // One empty answer is no proof: the rounds tell what became of it.
    assert!(matches!(
        look(1).await,
        Ok(LookUp::Found(Outcome::Accepted { id: None }))
    ));

    for n in [2, 3] {
        assert!(world.sim.start_picking(&reference(n)));
    }
    assert!(world.sim.pack(&reference(3)));
    for n in [2, 3] {
        assert!(matches!(send(n).await, Ok(Outcome::Accepted { .. })), "{n}");
        assert!(
            matches!(look(n).await, Ok(LookUp::Found(Outcome::Accepted { .. }))),
            "{n}"
        );
        // Asked again, it is not requested twice.
        assert!(matches!(send(n).await, Ok(Outcome::Accepted { .. })), "{n}");
        assert_eq!(
            world.sim.shipment(&reference(n)).unwrap().cancel_requests,
            1
        );
    }
    assert!(world.sim.ship(&reference(4), &["1"]));
    let refused = send(4).await.unwrap();
    assert!(matches!(&refused, Outcome::Refused { code, .. } if code == "shipped"));
    assert_eq!(look(4).await.unwrap(), LookUp::Found(refused));
    assert_eq!(class(&send(5).await), Some(ErrorClass::NotFound));
    world.created(6).await;
    assert!(world.sim.set_status(&reference(6), "teleported"));
    assert_eq!(class(&send(6).await), Some(ErrorClass::Conflict));
}

/// The call stopped nothing, and a further one would not either: no operator has to find that out.
#[tokio::test]
async fn a_cancellation_in_doubt_of_what_has_shipped_since_is_too_late() {
    let world = world();
    world.created(1).await;
    let seam = Arc::new(FaultyTransport::new(world.sim.transport()).speaking(crate::sim::words));
    seam.inject_when(When::new(Method::Delete, "/shipments/"), Fault::ErrorBefore);
    let stopping = account(seam, Settings::of(ACCOUNT));
    let prepared = stopping.prepare(&cancel(1)).unwrap();
    let answer = stopping.send_one(Op::CancelInstruction, &prepared).await;
    assert_eq!(class(&answer), Some(ErrorClass::OutcomeUnknown));
    let look = async || {
        let looked = stopping.look_up_one(Op::CancelInstruction, &prepared);
        looked.await.unwrap()
    };
    assert_eq!(look().await, LookUp::NotFound, "it may still be stopped");
    assert!(world.sim.start_picking(&reference(1)));
    assert_eq!(look().await, LookUp::NotFound, "or asked for");
    assert!(world.sim.ship(&reference(1), &["1"]));
    let LookUp::Found(Outcome::Refused { code, message }) = look().await else {
        panic!("not refused")
    };
    assert_eq!(code, "shipped");
    assert!(message.contains(&reference(1)), "{message}");
}

/// Picking begins between our look and our deleting.
struct Race(Arc<OpenlogiSim>);

#[async_trait]
impl Transport for Race {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.method == Method::Delete {
            self.0.start_picking(&reference(1));
        }
        SimTransport(self.0.clone()).send(request).await
    }
}

#[tokio::test]
async fn a_shipment_whose_picking_begins_meanwhile_is_asked_for() {
    let world = world();
    world.created(1).await;
    let racing = account(Arc::new(Race(world.sim.clone())), Settings::of(ACCOUNT));
    let prepared = racing.prepare(&cancel(1)).unwrap();
    let answer = racing.send_one(Op::CancelInstruction, &prepared).await;
    assert!(matches!(answer, Ok(Outcome::Accepted { .. })), "{answer:?}");
    assert_eq!(
        world.sim.shipment(&reference(1)).unwrap().status,
        "cancel_request"
    );
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_made_otherwise() {
    let world = world();
    world.created(1).await;
    let seam = Arc::new(FaultyTransport::new(world.sim.transport()).speaking(crate::sim::words));
    seam.inject_when(When::new(Method::Delete, "/shipments/"), Fault::Refused);
    let stopping = account(seam, Settings::of(ACCOUNT));
    let prepared = stopping.prepare(&cancel(1)).unwrap();
    let answer = stopping.send_one(Op::CancelInstruction, &prepared).await;
    assert_eq!(class(&answer), Some(ErrorClass::Rejected));
    let shipment = world.sim.shipment(&reference(1)).unwrap();
    assert_eq!((shipment.gone, shipment.cancel_requests), (false, 0));
}

#[test]
fn a_call_of_an_earlier_version_can_still_be_read_and_a_batch_has_one() {
    let world = world();
    let stored = r#"{"create":{"identifier":"HK0123456789ABC-S1","recipient":{"name":"x","postcode":"170-0013","prefecture":"x","address1":"x"},"items":[{"code":"MUG","quantity":1}],"backorder_if_unavailable":false,"cash_on_delivery":false}}"#;
    for bytes in [stored, r#"{"cancel":{"reference":"HK0123456789ABC-S1"}}"#] {
        let prepared = Prepared {
            bytes: bytes.as_bytes().to_vec(),
            label: "x".to_owned(),
        };
        assert!(
            prepared.read::<crate::client::prepared::Frozen>().is_ok(),
            "{bytes}"
        );
    }
    let hikiate_sdk::Call::Instruct(mut call) = instruct(instruction(1, 1)) else {
        unreachable!("a call of another kind");
    };
    call.instructions.push(instruction(2, 1));
    let error = world
        .account
        .prepare(&hikiate_sdk::Call::Instruct(call))
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
    let spec = Operations::operations(&world.account);
    assert!(
        spec.iter()
            .all(|spec| matches!(spec.retry, RetryPolicy::LookUp { .. }))
    );
}

/// The simulator's clock goes with the runtime's, which is stepped.
struct Stepped(Arc<OpenlogiSim>, SimClock, Instant, Mutex<Vec<Duration>>);

#[async_trait]
impl Transport for Stepped {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        tokio::time::sleep(Duration::from_millis(80)).await;
        let at = self.2.elapsed();
        self.1.set(noon() + at);
        self.3.lock().unwrap().push(at);
        SimTransport(self.0.clone()).send(request).await
    }
}

/// Ten minutes of looking for one shipment after the other: nearly all of the budget is used, and nothing is throttled.
#[tokio::test(start_paused = true)]
async fn sixty_calls_a_minute_are_used_and_not_exceeded() {
    let clock = SimClock::at(noon());
    let sim = Arc::new(OpenlogiSim::new(clock.clone(), TOKEN, ACCOUNT));
    sim.limit(Some(60));
    let stepped = Arc::new(Stepped(
        sim.clone(),
        clock,
        Instant::now(),
        Mutex::default(),
    ));
    let link = Link::new(Clock::default()).over(stepped.clone());
    let token = SecretString::from(TOKEN.to_owned());
    let http = link
        .http(site("https://wms.example/api", token.into()))
        .unwrap();
    let account = Openlogi::new(http, Settings::of(ACCOUNT));
    link.meter().declare(account.budgets());
    let prepared = account.prepare(&cancel(1)).unwrap();
    let look = async || {
        while stepped.2.elapsed() < Duration::from_secs(600) {
            let looked = account.look_up_one(Op::CancelInstruction, &prepared).await;
            if let Err(Error {
                class: ErrorClass::RateLimited { after },
                ..
            }) = looked
            {
                tokio::time::sleep(after.unwrap_or_default()).await;
            }
        }
    };
    tokio::join!(look(), look(), look());
    let used = sim.calls();
    println!("{used} calls in ten minutes");
    assert_eq!(sim.throttled(), 0);
    assert!((588..=601).contains(&used), "{used} calls in ten minutes");
}
