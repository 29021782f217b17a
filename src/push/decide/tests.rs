use hikiate_sdk::{Ability, AccountSlug, Cancels, Identity, Op};

use super::*;
use crate::facts::{IntentFact, IntentWhat};

const LOOKUP: Replay = Replay::Lookup {
    settle: Duration::from_secs(5),
    first: First::Ask,
};

fn native(lifetime: Option<u64>, then: Then) -> Replay {
    Replay::Native {
        lifetime: lifetime.map(Duration::from_secs),
        then,
    }
}

fn declined() -> Result<Outcome, Error> {
    Ok(Outcome::Refused {
        code: "card_declined".into(),
        message: String::new(),
    })
}

fn looked_up(acknowledgement: &Acknowledgement) -> bool {
    matches!(
        acknowledgement,
        Acknowledgement::Ambiguous { look: true, .. }
    )
}

/// A claimed capture that was never sent.
pub(in crate::push) fn effect() -> ClaimedEffect {
    ClaimedEffect {
        id: 1,
        token: 1,
        subject_id: 1,
        number: "HK1".into(),
        op: Op::Capture,
        key: "capture:shop:shop:order_1:1".into(),
        intent: IntentFact {
            op: Op::Capture,
            account: AccountSlug::new("shop"),
            n: 1,
            what: IntentWhat::Batch {
                batch: String::new(),
            },
        },
        attempts: 0,
        sends: 0,
        looks: 0,
        ambiguous: false,
        look: false,
        doubt: Doubt::None,
        lost_since: None,
        first_sent_at: None,
        last_sent_at: None,
        frozen: None,
        personal: None,
        order: None,
        parcels: Vec::new(),
    }
}

fn lost(replay: Replay, seconds_ago: i64) -> (ClaimedEffect, OperationSpec, DateTime<Utc>) {
    let now = DateTime::from_timestamp(1_000_000, 0).unwrap_or_default();
    let sent = Some(now - chrono::Duration::seconds(seconds_ago));
    let effect = ClaimedEffect {
        ambiguous: true,
        sends: 1,
        first_sent_at: sent,
        last_sent_at: sent,
        ..effect()
    };
    (effect, spec(replay), now)
}

fn spec(replay: Replay) -> OperationSpec {
    OperationSpec::new(Op::Capture, replay, "")
}

fn error(class: ErrorClass) -> Error {
    Error::new(class, "x")
}

#[test]
fn what_can_be_looked_up_is_looked_up_before_the_first_send_too() {
    let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
    assert_eq!(next_step(&effect(), LOOKUP, now), Step::LookUp);
    assert_eq!(next_step(&effect(), Replay::Person, now), Step::Send);
}

#[test]
fn a_lost_reply_is_never_repeated_blindly() {
    let (effect, _, now) = lost(Replay::Person, 100);
    assert_eq!(next_step(&effect, Replay::Person, now), Step::Unresolved);
    let (effect, spec, now) = lost(LOOKUP, 2);
    assert_eq!(
        next_step(&effect, spec.replay, now),
        Step::Wait(Duration::from_secs(3)),
        "no verdict before it has settled"
    );
    let (effect, spec, now) = lost(spec.replay, 6);
    assert_eq!(next_step(&effect, spec.replay, now), Step::LookUp);
    assert!(
        matches!(
            after_look_up(&effect, spec.replay, Ok(Found::No)),
            Some(Acknowledgement::NotThere { .. })
        ),
        "one no is not enough"
    );
    let twice = ClaimedEffect { looks: 1, ..effect };
    assert_eq!(
        after_look_up(&twice, spec.replay, Ok(Found::No)),
        None,
        "two are"
    );
}

#[test]
fn what_a_lost_window_may_have_sent_is_asked_for_or_counts_as_sent() {
    let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
    let doubtful = |doubt, sends| ClaimedEffect {
        doubt,
        sends,
        ..effect()
    };
    let mail = OperationSpec {
        op: Op::Mail,
        ..spec(Replay::Person)
    };
    let mut known = doubtful(Doubt::Known, 0);
    assert!(matches!(
        doubted(&mut known, &mail),
        Some(Acknowledgement::Finished { outcome }) if outcome.verdict == Verdict::Done
    ));
    for (doubt, sends, spec) in [
        (Doubt::Perhaps, 0, &mail),
        (Doubt::Known, 1, &mail),
        (Doubt::Known, 0, &spec(Replay::Person)),
    ] {
        let mut effect = doubtful(doubt, sends);
        assert_eq!(doubted(&mut effect, spec), None);
        assert_eq!(next_step(&effect, spec.replay, now), Step::Unresolved);
    }
    let lookup = spec(LOOKUP);
    let mut asked = doubtful(Doubt::Perhaps, 0);
    assert_eq!(doubted(&mut asked, &lookup), None);
    assert!(!asked.ambiguous, "it is looked up before its first send");
    let mut news = doubtful(Doubt::None, 0);
    assert_eq!(doubted(&mut news, &mail), None);
    assert_eq!(next_step(&news, mail.replay, now), Step::Send);
}

#[test]
fn a_native_key_is_repeated_within_its_lifetime_only() {
    let replay = native(Some(60), Then::Person);
    let (effect, _, now) = lost(replay, 59);
    assert_eq!(next_step(&effect, replay, now), Step::Send);
    let (effect, _, now) = lost(replay, 61);
    assert_eq!(next_step(&effect, replay, now), Step::Unresolved);
}

#[test]
fn without_a_key_a_refusal_after_a_try_that_may_have_happened_proves_nothing() {
    let (effect, spec, now) = lost(LOOKUP, 6);
    for class in [
        ErrorClass::Rejected,
        ErrorClass::Conflict,
        ErrorClass::NotFound,
    ] {
        assert!(
            matches!(
                after_send(&effect, &spec, now, Err(error(class))),
                Acknowledgement::Ambiguous { .. }
            ),
            "{class:?}"
        );
    }
    assert!(
        matches!(
            after_send(&effect, &spec, now, declined()),
            Acknowledgement::Ambiguous { .. }
        ),
        "already captured: by the first try"
    );
    assert_eq!(next_step(&effect, spec.replay, now), Step::LookUp);
}

#[test]
fn under_a_key_that_is_honoured_a_refusal_is_the_stored_answer_of_the_first_try() {
    for replay in [
        native(Some(60), Then::Person),
        native(Some(60), Then::Lookup),
        native(None, Then::Person),
    ] {
        let (effect, spec, now) = lost(replay, 59);
        let answer = after_send(&effect, &spec, now, declined());
        assert!(
            matches!(&answer, Acknowledgement::Finished { outcome }
                if outcome.verdict == Verdict::Refused && outcome.code.as_deref() == Some("card_declined")),
            "{replay:?}: {answer:?}"
        );
    }
    let (effect, spec, now) = lost(native(Some(60), Then::Lookup), 61);
    assert!(
        looked_up(&after_send(&effect, &spec, now, declined())),
        "forgotten, the key stores nothing"
    );
}

#[test]
fn under_a_key_an_error_after_a_try_that_may_have_happened_is_looked_up() {
    for class in [
        ErrorClass::Rejected,
        ErrorClass::Conflict,
        ErrorClass::NotFound,
    ] {
        let (effect, spec, now) = lost(native(Some(60), Then::Lookup), 6);
        let answer = after_send(&effect, &spec, now, Err(error(class)));
        assert!(looked_up(&answer), "{class:?}: {answer:?}");
        let flagged = ClaimedEffect {
            look: true,
            ..effect
        };
        assert_eq!(next_step(&flagged, spec.replay, now), Step::LookUp);
        assert!(
            matches!(
                after_send(&flagged, &spec, now, Err(error(class))),
                Acknowledgement::Unresolved { .. }
            ),
            "{class:?}: it was looked up, is not there, and is refused again"
        );
        let (effect, spec, now) = lost(native(Some(60), Then::Person), 6);
        assert!(
            matches!(
                after_send(&effect, &spec, now, Err(error(class))),
                Acknowledgement::Unresolved { .. }
            ),
            "{class:?}"
        );
    }
}

#[test]
fn after_twenty_tries_it_is_looked_up_once_more_and_then_left_to_a_person() {
    let unknown = || Err(error(ErrorClass::OutcomeUnknown));
    for (replay, looks) in [
        (LOOKUP, true),
        (native(None, Then::Lookup), true),
        (native(None, Then::Person), false),
    ] {
        let (effect, spec, now) = lost(replay, 6);
        let nineteen = ClaimedEffect {
            attempts: 19,
            ..effect.clone()
        };
        assert!(
            matches!(
                after_send(&nineteen, &spec, now, unknown()),
                Acknowledgement::Ambiguous { look: false, .. }
            ),
            "{replay:?}"
        );
        let twenty = ClaimedEffect {
            attempts: 20,
            ..effect
        };
        let answer = after_send(&twenty, &spec, now, unknown());
        assert_eq!(looked_up(&answer), looks, "{replay:?}: {answer:?}");
        let looked = ClaimedEffect {
            look: true,
            ..twenty
        };
        assert!(
            matches!(
                after_send(&looked, &spec, now, unknown()),
                Acknowledgement::Unresolved { .. }
            ),
            "{replay:?}"
        );
    }
}

#[test]
fn after_a_set_back_a_key_is_as_old_as_the_lost_window() {
    let now = DateTime::from_timestamp(1_000_000, 0).unwrap_or_default();
    let ago = |seconds| Some(now - chrono::Duration::seconds(seconds));
    let planned_again = |lost_since| ClaimedEffect {
        doubt: Doubt::Perhaps,
        lost_since,
        ..effect()
    };
    for (then, step) in [
        (Then::Lookup, Step::LookUp),
        (Then::Person, Step::Unresolved),
    ] {
        let replay = native(Some(60), then);
        let mut old = planned_again(ago(61));
        assert_eq!(doubted(&mut old, &spec(replay)), None);
        assert_eq!(next_step(&old, replay, now), step, "{then:?}");
        let mut sent_since = ClaimedEffect {
            first_sent_at: ago(1),
            sends: 1,
            ..planned_again(ago(61))
        };
        assert_eq!(doubted(&mut sent_since, &spec(replay)), None);
        assert_eq!(
            next_step(&sent_since, replay, now),
            step,
            "the first send that is known need not be the first"
        );
        let mut young = planned_again(ago(59));
        assert_eq!(doubted(&mut young, &spec(replay)), None);
        assert_eq!(next_step(&young, replay, now), Step::Send);
    }
}

#[test]
fn what_is_sent_without_asking_is_asked_for_in_doubt() {
    let first = Replay::Lookup {
        settle: Duration::from_secs(5),
        first: First::Send,
    };
    let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
    assert_eq!(next_step(&effect(), first, now), Step::Send);
    let failed = ClaimedEffect {
        attempts: 3,
        sends: 3,
        ..effect()
    };
    assert_eq!(
        next_step(&failed, first, now),
        Step::Send,
        "none of them may have happened"
    );
    let (unclear, spec, later) = lost(first, 6);
    assert_eq!(next_step(&unclear, first, later), Step::LookUp);
    let mut doubtful = ClaimedEffect {
        doubt: Doubt::Perhaps,
        ..effect()
    };
    assert_eq!(doubted(&mut doubtful, &spec), None);
    assert_eq!(next_step(&doubtful, first, now), Step::LookUp);
    assert_eq!(after_look_up(&doubtful, first, Ok(Found::No)), None);
}

#[test]
fn before_any_lost_reply_a_refusal_is_definite_and_a_closed_door_costs_nothing() {
    let (spec, now) = (spec(LOOKUP), DateTime::UNIX_EPOCH);
    let Acknowledgement::Finished { outcome } =
        after_send(&effect(), &spec, now, Err(error(ErrorClass::Rejected)))
    else {
        unreachable!()
    };
    assert_eq!(outcome.verdict, Verdict::Refused);
    assert!(matches!(
        after_send(
            &effect(),
            &spec,
            now,
            Err(error(ErrorClass::RateLimited { after: None }))
        ),
        Acknowledgement::Later { attempt: false, .. }
    ));
    assert!(matches!(
        after_send(&effect(), &spec, now, Err(error(ErrorClass::Transient))),
        Acknowledgement::Later { attempt: true, .. }
    ));
    assert!(matches!(
        after_send(&effect(), &spec, now, Err(error(ErrorClass::Protocol))),
        Acknowledgement::Ambiguous { .. }
    ));
}

#[test]
fn an_instruction_is_in_doubt_where_its_warehouse_knows_it_by_its_shipments() {
    let files = OperationSpec {
        op: Op::Instruct,
        ..spec(native(None, Then::Lookup))
    };
    let api = OperationSpec {
        ability: Ability::Instruct {
            identity: Identity::Shipment,
            cancel: Cancels::Request,
        },
        ..files.clone()
    };
    for (spec, doubt) in [(&files, false), (&api, true)] {
        let mut effect = ClaimedEffect {
            doubt: Doubt::Perhaps,
            lost_since: Some(DateTime::UNIX_EPOCH),
            ..effect()
        };
        assert_eq!(doubted(&mut effect, spec), None);
        assert_eq!(effect.ambiguous, doubt);
        assert_eq!(effect.lost_since.is_some(), doubt);
    }
}
