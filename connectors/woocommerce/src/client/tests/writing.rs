//! Writes against the shop's quirks and what staff did meanwhile.

use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    AnnotateCall, Call, ErrorClass, ExternalId, HoldWhy, LookUp, Operations, ShownHold,
};

use super::support::{OPS, World, done};
use crate::config::{Fulfilments, Settings};

const S1: &str = "HK0000000000001-S1";
const S2: &str = "HK0000000000001-S2";

fn noting(settings: Settings) -> World {
    World::new(false, settings)
}

#[tokio::test]
async fn a_shipment_is_a_fulfilment_with_lines_numbers_and_carrier() {
    let world = World::new(true, Settings::default());
    let call = world.ship(S1, &[(0, 2), (1, 1)], &["T1", "T2"]);
    assert!(done(&world.send(&call).await));
    assert!(done(&world.send(&call).await), "again");
    let memory = world.memory();
    let [one] = memory.fulfilments.as_slice() else {
        return assert_eq!(memory.fulfilments.len(), 1);
    };
    assert_eq!(one.reference.as_deref(), Some(S1));
    assert_eq!(one.lines, [(world.line(0), 2), (world.line(1), 1)]);
    assert_eq!(
        (one.tracking.as_str(), one.carrier.as_str()),
        ("T1, T2", "Yamato")
    );
    assert!(one.shipped && !one.notified && memory.notes.is_empty());
    assert_eq!(memory.status, "processing", "the status is left alone");
    let read = world.read().await.unwrap();
    assert_eq!(read.fulfilments[0].reference.as_deref(), Some(S1));
    assert_eq!(read.fulfilments[0].tracking, ["T1", "T2"]);
}

#[tokio::test]
async fn the_buyer_is_mailed_only_where_it_is_configured() {
    let settings = || Settings {
        notify_customer: true,
        ..Settings::default()
    };
    let world = World::new(true, settings());
    world
        .send(&world.ship(S1, &[(0, 2)], &["T1"]))
        .await
        .unwrap();
    assert!(world.memory().fulfilments[0].notified);
    let world = noting(settings());
    world
        .send(&world.ship(S1, &[(0, 2)], &["T1"]))
        .await
        .unwrap();
    assert!(world.memory().notes[0].1);
}

#[tokio::test]
async fn without_fulfilments_a_shipment_is_a_key_and_a_note() {
    let world = noting(Settings {
        shipped_note: "発送しました: {carrier} {tracking}".to_owned(),
        ..Settings::default()
    });
    let call = world.ship(S1, &[(0, 2), (1, 1)], &["T1", "T2"]);
    assert_eq!(world.look(&call).await, LookUp::NotFound);
    assert!(done(&world.send(&call).await));
    assert!(done(&world.send(&call).await), "again");
    let memory = world.memory();
    let note = format!("発送しました: Yamato T1, T2 [{S1}]");
    assert_eq!(memory.notes, [(note, false)]);
    assert_eq!(memory.shipped_of(&world.line(0)), 2);
    assert!(matches!(world.look(&call).await, LookUp::Found(_)));
    let read = world.read().await.unwrap();
    let told = &read.fulfilments[0];
    assert_eq!(
        (told.reference.as_deref(), told.tracking.join(",").as_str()),
        (Some(S1), "T1,T2")
    );
    assert_eq!(
        told.shipped_at.map(|at| at.to_rfc3339()).as_deref(),
        Some("2026-11-21T06:00:00+00:00")
    );
    // Staff clear the notes up: the shipment is found no more, and its note alone is written again.
    assert!(world.sim.delete_notes(&world.order, "発送"));
    assert_eq!(world.look(&call).await, LookUp::NotFound);
    assert!(done(&world.send(&call).await));
    assert_eq!(world.memory().reported_as(S1), 1);
}

#[tokio::test]
async fn the_way_of_reporting_is_a_setting() {
    let with = |fulfilments| Settings {
        fulfilments,
        ..Settings::default()
    };
    let world = World::new(true, with(Fulfilments::Note));
    world
        .send(&world.ship(S1, &[(0, 1)], &["T1"]))
        .await
        .unwrap();
    assert!(world.memory().fulfilments.is_empty() && world.memory().notes.len() == 1);
    let world = World::new(false, with(Fulfilments::Api));
    let refused = world.send(&world.ship(S1, &[(0, 1)], &["T1"])).await;
    assert!(refused.is_err_and(|e| e.class == ErrorClass::Config));
    // What was reported by a note stays so when the shop gets fulfilments.
    let world = noting(with(Fulfilments::Auto));
    let call = world.ship(S1, &[(0, 1)], &["T1"]);
    world.send(&call).await.unwrap();
    world.sim.offer_fulfilments(true);
    assert!(matches!(world.look(&call).await, LookUp::Found(_)));
    assert!(done(&world.send(&call).await));
    assert!(world.memory().fulfilments.is_empty());
    let next = world.ship(S2, &[(0, 1)], &["T2"]);
    assert!(done(&world.send(&next).await));
    assert_eq!(world.memory().fulfilments.len(), 1);
}

#[tokio::test]
async fn an_order_is_completed_only_where_it_is_configured_and_all_of_it_is_reported() {
    for fulfilments in [true, false] {
        let world = World::new(
            fulfilments,
            Settings {
                complete_when_shipped: true,
                ..Settings::default()
            },
        );
        world
            .send(&world.ship(S1, &[(0, 1)], &["T1"]))
            .await
            .unwrap();
        assert_eq!(world.memory().status, "processing");
        // What was refunded by unit is not to be sent any more.
        let tea = world.line(1);
        world
            .sim
            .refund_lines_by_staff(&world.order, 540, &[(&tea, 1)], false);
        let last = world.ship(S2, &[(0, 1)], &["T2"]);
        world.send(&last).await.unwrap();
        assert_eq!(world.memory().status, "completed");
        assert!(matches!(world.look(&last).await, LookUp::Found(_)));
    }
}

/// Two mugs and a tea; the last shipment is of one mug. What else is true of the order, and whether it is completed then.
#[tokio::test]
async fn an_order_is_completed_only_where_nothing_of_it_may_still_be_sent() {
    type Act = fn(&World);
    let tea_is_gone: Act = |w| {
        let tea = w.line(1);
        assert!(
            w.sim
                .staff_fulfil(&w.order, &[(&tea, 1)], "", true)
                .is_some()
        );
    };
    let cases: [(&str, Act, &str); 4] = [
        (
            "a mug is packed",
            |w| {
                let mug = w.line(0);
                assert!(
                    w.sim
                        .staff_fulfil(&w.order, &[(&mug, 1)], "", false)
                        .is_some()
                );
            },
            "processing",
        ),
        (
            "a mug was shipped, came back and was refunded",
            |w| {
                let mug = w.line(0);
                assert!(w.sim.edit_quantity(&w.order, &mug, 3));
                assert!(
                    w.sim
                        .staff_fulfil(&w.order, &[(&mug, 1)], "", true)
                        .is_some()
                );
                w.clock.advance(std::time::Duration::from_secs(60));
                assert!(
                    w.sim
                        .refund_lines_by_staff(&w.order, 1100, &[(&mug, 1)], true)
                        .is_some()
                );
            },
            "processing",
        ),
        (
            "a mug was refunded before one was shipped",
            |w| {
                let mug = w.line(0);
                assert!(w.sim.edit_quantity(&w.order, &mug, 3));
                assert!(
                    w.sim
                        .refund_lines_by_staff(&w.order, 1100, &[(&mug, 1)], true)
                        .is_some()
                );
                w.clock.advance(std::time::Duration::from_secs(60));
                assert!(
                    w.sim
                        .staff_fulfil(&w.order, &[(&mug, 1)], "", true)
                        .is_some()
                );
            },
            "completed",
        ),
        (
            "a mug was shipped, and both were refunded",
            |w| {
                let mug = w.line(0);
                assert!(w.sim.edit_quantity(&w.order, &mug, 3));
                assert!(
                    w.sim
                        .staff_fulfil(&w.order, &[(&mug, 1)], "", true)
                        .is_some()
                );
                w.clock.advance(std::time::Duration::from_secs(60));
                assert!(
                    w.sim
                        .refund_lines_by_staff(&w.order, 2200, &[(&mug, 2)], true)
                        .is_some()
                );
            },
            "completed",
        ),
    ];
    for (what, act, status) in cases {
        let settings = Settings {
            complete_when_shipped: true,
            ..Settings::default()
        };
        let world = World::new(true, settings);
        tea_is_gone(&world);
        act(&world);
        world.clock.advance(std::time::Duration::from_secs(60));
        let last = world.ship(S1, &[(0, 1)], &["T1"]);
        assert!(done(&world.send(&last).await), "{what}");
        assert_eq!(world.memory().status, status, "{what}");
        assert!(
            matches!(world.look(&last).await, LookUp::Found(_)),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_cancel_that_comes_while_a_shipment_is_reported_is_not_overwritten() {
    for fulfilments in [true, false] {
        let settings = Settings {
            complete_when_shipped: true,
            ..Settings::default()
        };
        let world = World::new(fulfilments, settings);
        let order = world.order.clone();
        world
            .sim
            .after_next_write(move |sim| assert!(sim.cancel_order(&order)));
        let call = world.ship(S1, &[(0, 2), (1, 1)], &["T1"]);
        assert!(done(&world.send(&call).await));
        assert_eq!(world.memory().status, "cancelled");
        assert_eq!(world.memory().reported_as(S1), 1);
    }
}

#[tokio::test]
async fn a_fulfilment_that_was_saved_before_an_exception_is_found_and_not_made_again() {
    let world = World::new(true, Settings::default());
    world.sim.throw_after_fulfilments();
    let call = world.ship(S1, &[(0, 2)], &["T1"]);
    let error = world.send(&call).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::OutcomeUnknown, "{error}");
    assert!(matches!(world.look(&call).await, LookUp::Found(_)));
    assert!(done(&world.send(&call).await));
    assert_eq!(world.memory().reported_as(S1), 1);
}

#[tokio::test]
async fn what_a_shop_repeats_of_the_customer_is_told_and_not_logged() {
    let world = World::new(true, Settings::default());
    world.sim.repeats_names(true);
    world.sim.throw_after_fulfilments();
    let call = world.ship(S1, &[(0, 2)], &["T1"]);
    let error = world.send(&call).await.unwrap_err();
    assert!(error.message.contains("山田 太郎"), "{error}");
    for logged in [error.to_string(), format!("{error:?}")] {
        let logged = without_quotes(&logged);
        assert!(logged.contains("the shop answered 400 "), "{logged}");
        assert!(!logged.contains("山田"), "{logged}");
    }
}

#[tokio::test]
async fn what_does_not_fit_the_order_any_more_is_a_conflict_and_writes_nothing() {
    type Act = fn(&World);
    let acts: [(&str, Act); 6] = [
        ("cancelled", |w| assert!(w.sim.cancel_order(&w.order))),
        ("in the bin", |w| assert!(w.sim.trash_order(&w.order))),
        ("no longer has line", |w| {
            assert!(w.sim.remove_line(&w.order, &w.line(0)))
        }),
        ("only 1 are not reported", |w| {
            assert!(w.sim.edit_quantity(&w.order, &w.line(0), 1))
        }),
        ("only 0 are not reported", |w| {
            assert!(w.sim.staff_fulfil(&w.order, &[], "BYHAND", true).is_some());
        }),
        ("only 1 are not reported", |w| {
            let line = w.line(0);
            assert!(
                w.sim
                    .staff_fulfil(&w.order, &[(&line, 1)], "", false)
                    .is_some()
            );
        }),
    ];
    for (words, act) in acts {
        let world = World::new(true, Settings::default());
        let call = world.ship(S1, &[(0, 2)], &["T1"]);
        act(&world);
        let error = world.send(&call).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict, "{words}: {error}");
        assert!(error.message.contains(words), "{words}: {error}");
        assert_eq!(world.sim.writes(), 0, "{words}");
        assert_eq!(world.look(&call).await, LookUp::NotFound, "{words}");
    }
}

#[tokio::test]
async fn a_report_that_staff_changed_is_not_ours_any_more() {
    let world = World::new(true, Settings::default());
    let call = world.ship(S1, &[(0, 2)], &["T1"]);
    world.send(&call).await.unwrap();
    let made = world.memory().fulfilments[0].id.clone();
    assert!(world.sim.staff_correct_tracking(&world.order, &made, "T9"));
    let error = world.send(&call).await.unwrap_err();
    assert!(
        error.class == ErrorClass::Conflict && error.message.contains("other tracking numbers")
    );
    assert_eq!(world.look(&call).await, LookUp::NotFound);
    assert_eq!(world.memory().reported_as(S1), 1);
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_a_finished_one_never() {
    let world = World::new(true, Settings::default());
    assert_eq!(world.look(&world.cancel()).await, LookUp::NotFound);
    assert!(done(&world.send(&world.cancel()).await));
    let writes = world.sim.writes();
    assert!(done(&world.send(&world.cancel()).await));
    assert_eq!(world.sim.writes(), writes);
    assert!(matches!(
        world.look(&world.cancel()).await,
        LookUp::Found(_)
    ));
    for status in ["completed", "refunded"] {
        let world = World::new(true, Settings::default());
        assert!(world.sim.set_status(&world.order, status));
        let error = world.send(&world.cancel()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict, "{status}");
    }
    // It would lift the order out of the bin.
    let world = World::new(true, Settings::default());
    world.sim.trash_order(&world.order);
    let error = world.send(&world.cancel()).await.unwrap_err();
    assert!(error.class == ErrorClass::Conflict && error.message.contains("bin"));
    assert_eq!(world.memory().status, "trash");
}

#[tokio::test]
async fn a_record_of_a_refund_moves_no_money_and_no_goods() {
    let world = World::new(true, Settings::default());
    world.sim.add_product("MUG", 5);
    let call = world.refund("refund:1", 1100, 1100, &[(0, 1, 1100)]);
    assert_eq!(world.look(&call).await, LookUp::NotFound);
    assert!(done(&world.send(&call).await));
    assert!(done(&world.send(&call).await), "again");
    let memory = world.memory();
    let [one] = memory.refunds.as_slice() else {
        return assert_eq!(memory.refunds.len(), 1);
    };
    assert_eq!((one.key.as_deref(), one.amount), (Some("refund:1"), 1100));
    assert_eq!(one.lines, [(world.line(0), 1)]);
    assert_eq!(one.shares, [(1000, 100)], "the tax in proportion");
    assert!(!one.moved_money && !one.restocked);
    assert_eq!(world.sim.stocked("MUG"), Some(5));
    assert!(matches!(world.look(&call).await, LookUp::Found(_)));
    let read = world.read().await.unwrap();
    assert_eq!(
        read.tenders[0].refunds[0].lines,
        [(world.line(0).as_str().into(), 1)]
    );
}

/// The shop prints it in the mail to the buyer and in the buyer's account (woocommerce#24346).
#[tokio::test]
async fn what_the_operator_typed_as_the_reason_of_a_refund_never_reaches_the_buyer() {
    for words in ["", "ご返金"] {
        let world = World::new(
            true,
            Settings {
                refund_reason: words.to_owned(),
                ..Settings::default()
            },
        );
        let call = world.refund("refund:1", 1100, 1100, &[]);
        let Call::RecordRefund(typed) = &call else {
            return assert_eq!(call.op(), hikiate_sdk::Op::RecordRefund);
        };
        assert_eq!(typed.reason.as_deref(), Some("damaged"));
        let prepared = world.woo.prepare(&call).unwrap();
        assert!(!String::from_utf8_lossy(&prepared.bytes).contains("damaged"));
        assert!(done(&world.send(&call).await));
        assert_eq!(world.memory().refunds[0].reason, words);
    }
}

#[tokio::test]
async fn a_refund_that_another_party_recorded_is_not_recorded_again() {
    let world = World::new(true, Settings::default());
    let call = world.refund("refund:1", 1100, 1100, &[]);
    // The gateway's plug-in hears of it from the provider.
    world.sim.refund_by_staff(&world.order, 1100);
    let error = world.send(&call).await.unwrap_err();
    assert!(
        error.class == ErrorClass::Conflict && error.message.contains("another party"),
        "{error}"
    );
    assert_eq!(
        world.look(&call).await,
        LookUp::NotFound,
        "theirs is not ours"
    );
    assert_eq!(world.memory().refunded, 1100);
}

#[tokio::test]
async fn two_refunds_at_once_are_recorded_one_after_the_other() {
    let world = World::new(true, Settings::default());
    let first = world.refund("refund:1", 1100, 1100, &[]);
    let second = world.refund("refund:2", 1100, 1100, &[]);
    // The shop takes both where neither saw the other's.
    let (first, second) = tokio::join!(world.send(&first), world.send(&second));
    assert!(done(&first));
    assert_eq!(second.unwrap_err().class, ErrorClass::Conflict);
    assert_eq!(world.memory().refunded, 1100);
}

#[tokio::test]
async fn the_last_of_two_shipments_at_once_completes_the_order() {
    let settings = Settings {
        complete_when_shipped: true,
        ..Settings::default()
    };
    let world = World::new(true, settings);
    let mugs = world.ship(S1, &[(0, 2)], &["T1"]);
    let tea = world.ship(S2, &[(1, 1)], &["T2"]);
    let (mugs, tea) = tokio::join!(world.send(&mugs), world.send(&tea));
    assert!(done(&mugs) && done(&tea));
    assert_eq!(world.memory().status, "completed");
}

#[tokio::test]
async fn more_than_is_left_is_judged_by_looking() {
    let world = World::new(true, Settings::default());
    let call = world.refund("refund:1", 3291, 3291, &[]);
    let error = world.send(&call).await.unwrap_err();
    assert!(
        error.class == ErrorClass::Conflict && error.message.contains("3290 JPY"),
        "{error}"
    );
    assert_eq!(world.sim.writes(), 0);
    // In full it is a status of its own.
    let world = World::new(true, Settings::default());
    assert!(done(
        &world.send(&world.refund("refund:1", 3290, 3290, &[])).await
    ));
    assert_eq!(world.memory().status, "refunded");
}

#[tokio::test]
async fn a_note_of_holds_is_replaced_and_leaves_the_other_keys() {
    let world = World::new(true, Settings::default());
    world.sim.edit_meta(&world.order, "gift", Some("yes"));
    let note = |rules: &[&str]| {
        Call::Annotate(AnnotateCall {
            order: ExternalId::new(world.order.clone()),
            holds: rules
                .iter()
                .map(|rule| ShownHold {
                    rule: (*rule).to_owned(),
                    why: HoldWhy::Rule,
                })
                .collect(),
        })
    };
    for (rules, shown) in [
        (&["high-value"] as &[&str], Some("on hold: high-value")),
        (&["abroad"], Some("on hold: abroad")),
        (&[], None),
    ] {
        assert!(done(&world.send(&note(rules)).await));
        let memory = world.memory();
        assert_eq!(memory.note(), shown);
        assert!(memory.meta.contains_key("gift") && memory.notes.is_empty());
    }
    // What a cache shows of the order is no reason to leave a note there.
    let before = world.sim.writes();
    assert!(done(&world.send(&note(&[])).await));
    assert_eq!(world.sim.writes(), before + 1);
}

#[tokio::test]
async fn an_unknown_order_is_not_found() {
    let mut world = World::new(true, Settings::default());
    let known = world.order.clone();
    let calls = |world: &World| {
        [
            world.ship(S1, &[(0, 1)], &["T1"]),
            world.cancel(),
            world.refund("k", 1, 1, &[]),
        ]
    };
    let mut all = calls(&world).to_vec();
    for call in &mut all {
        let text = serde_json::to_string(call)
            .unwrap()
            .replace(&format!("\"{known}\""), "\"999999\"");
        *call = serde_json::from_str(&text).unwrap();
    }
    world.order = "999999".to_owned();
    for call in &all {
        let error = world.send(call).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotFound, "{call:?}");
    }
    let offered: Vec<_> = world
        .woo
        .operations()
        .into_iter()
        .map(|spec| spec.op)
        .collect();
    assert_eq!(offered, OPS);
}
