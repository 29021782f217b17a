use hikiate_sdk::{Ability, AccountSlug, Cancels, Identity, Op};

use super::*;
use crate::facts::{IntentFact, IntentWhat};

const LOOKUP: RetryPolicy = RetryPolicy::LookUp {
    settle: Duration::from_secs(5),
    first: First::Ask,
};

fn native(ttl: Option<u64>, after_expiry: Then) -> RetryPolicy {
    RetryPolicy::IdempotencyKey {
        ttl: ttl.map(Duration::from_secs),
        after_expiry,
    }
}

fn declined() -> Result<Outcome, Error> {
    Ok(Outcome::Refused {
        code: "card_declined".into(),
        message: String::new(),
    })
}

fn looked_up(acknowledgement: &AttemptResult) -> bool {
    matches!(
        acknowledgement,
        AttemptResult::OutcomeUnknown { look: true, .. }
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
        lookups: 0,
        not_found: 0,
        outcome_unknown: false,
        heard: false,
        look: false,
        error: None,
        loss_risk: LossRisk::None,
        lost_since: None,
        first_sent_at: None,
        last_sent_at: None,
        frozen: None,
        personal: None,
        order: None,
        parcels: Vec::new(),
    }
}

fn lost(retry: RetryPolicy, seconds_ago: i64) -> (ClaimedEffect, OperationSpec, DateTime<Utc>) {
    let now = DateTime::from_timestamp(1_000_000, 0).unwrap_or_default();
    let sent = Some(now - chrono::Duration::seconds(seconds_ago));
    let effect = ClaimedEffect {
        outcome_unknown: true,
        sends: 1,
        first_sent_at: sent,
        last_sent_at: sent,
        ..effect()
    };
    (effect, spec(retry), now)
}

fn spec(retry: RetryPolicy) -> OperationSpec {
    OperationSpec::new(Op::Capture, retry, "")
}

fn error(class: ErrorClass) -> Error {
    Error::new(class, "x")
}

#[test]
fn what_can_be_looked_up_is_looked_up_before_the_first_send_too() {
    let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
    assert_eq!(next_step(&effect(), LOOKUP, now), Step::LookUp);
    assert_eq!(next_step(&effect(), RetryPolicy::Manual, now), Step::Send);
}

#[test]
fn a_lost_reply_is_never_repeated_blindly() {
    let (effect, _, now) = lost(RetryPolicy::Manual, 100);
    assert_eq!(
        next_step(&effect, RetryPolicy::Manual, now),
        Step::Unresolved
    );
    let (effect, spec, now) = lost(LOOKUP, 2);
    assert_eq!(
        next_step(&effect, spec.retry, now),
        Step::Wait(Duration::from_secs(3)),
        "no verdict before it has settled"
    );
    let (effect, spec, now) = lost(spec.retry, 6);
    assert_eq!(next_step(&effect, spec.retry, now), Step::LookUp);
    assert!(
        matches!(
            after_look_up(&effect, spec.retry, Ok(LookUp::NotFound)),
            Some(AttemptResult::NotFoundYet { .. })
        ),
        "one no is not enough"
    );
    let unclear = ClaimedEffect {
        lookups: 1,
        ..effect.clone()
    };
    assert!(
        matches!(
            after_look_up(&unclear, spec.retry, Ok(LookUp::NotFound)),
            Some(AttemptResult::NotFoundYet { .. })
        ),
        "one that could not say is not a no"
    );
    let twice = ClaimedEffect {
        lookups: 1,
        not_found: 1,
        ..effect
    };
    assert_eq!(
        after_look_up(&twice, spec.retry, Ok(LookUp::NotFound)),
        None,
        "two are"
    );
}

#[test]
fn what_a_lost_window_may_have_sent_is_asked_for_or_counts_as_sent() {
    let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
    let doubtful = |loss_risk, sends| ClaimedEffect {
        loss_risk,
        sends,
        ..effect()
    };
    let mail = OperationSpec {
        op: Op::Mail,
        ..spec(RetryPolicy::Manual)
    };
    let mut known = doubtful(LossRisk::Known, 0);
    assert!(matches!(
        apply_loss_risk(&mut known, &mail),
        Some(AttemptResult::Finished { outcome }) if outcome.verdict == Verdict::Done
    ));
    for (loss_risk, sends, spec) in [
        (LossRisk::Possible, 0, &mail),
        (LossRisk::Known, 1, &mail),
        (LossRisk::Known, 0, &spec(RetryPolicy::Manual)),
    ] {
        let mut effect = doubtful(loss_risk, sends);
        assert_eq!(apply_loss_risk(&mut effect, spec), None);
        assert_eq!(next_step(&effect, spec.retry, now), Step::Unresolved);
    }
    let lookup = spec(LOOKUP);
    let mut asked = doubtful(LossRisk::Possible, 0);
    assert_eq!(apply_loss_risk(&mut asked, &lookup), None);
    assert!(
        !asked.outcome_unknown,
        "it is looked up before its first send"
    );
    let mut new_input = doubtful(LossRisk::None, 0);
    assert_eq!(apply_loss_risk(&mut new_input, &mail), None);
    assert_eq!(next_step(&new_input, mail.retry, now), Step::Send);
}

#[test]
fn a_native_key_is_repeated_within_its_lifetime_only() {
    let retry = native(Some(60), Then::Manual);
    let (effect, _, now) = lost(retry, 59);
    assert_eq!(next_step(&effect, retry, now), Step::Send);
    let (effect, _, now) = lost(retry, 61);
    assert_eq!(next_step(&effect, retry, now), Step::Unresolved);
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
                AttemptResult::OutcomeUnknown { .. }
            ),
            "{class:?}"
        );
    }
    assert!(
        matches!(
            after_send(&effect, &spec, now, declined()),
            AttemptResult::OutcomeUnknown { .. }
        ),
        "already captured: by the first try"
    );
    assert_eq!(next_step(&effect, spec.retry, now), Step::LookUp);
}

/// Staff ship by hand while the reply is lost: two look-ups find nothing of ours and the shop says each time that it is shipped.
#[test]
fn what_is_rejected_looked_up_not_found_and_rejected_again_is_left_to_a_person_at_once() {
    let (effect, spec, now) = lost(LOOKUP, 6);
    let classes = [
        ErrorClass::Rejected,
        ErrorClass::Conflict,
        ErrorClass::NotFound,
        ErrorClass::Config,
    ];
    let mut answers: Vec<_> = classes.map(|class| Err(error(class))).into();
    answers.push(declined());
    for answer in answers {
        let first = after_send(&effect, &spec, now, answer.clone());
        assert!(looked_up(&first), "{answer:?}: {first:?}");
        let looked = ClaimedEffect {
            look: true,
            sends: 2,
            attempts: 2,
            ..effect.clone()
        };
        assert_eq!(next_step(&looked, spec.retry, now), Step::LookUp);
        assert!(
            matches!(
                after_look_up(&looked, spec.retry, Ok(LookUp::NotFound)),
                Some(AttemptResult::NotFoundYet { .. })
            ),
            "two answers are needed after this send too"
        );
        let second = after_send(&looked, &spec, now, answer.clone());
        assert!(
            matches!(second, AttemptResult::Unresolved { .. }),
            "{answer:?}: {second:?}"
        );
        assert!(
            matches!(
                after_send(&looked, &spec, now, Err(error(ErrorClass::OutcomeUnknown))),
                AttemptResult::OutcomeUnknown { .. }
            ),
            "no answer is no second rejection"
        );
    }
}

#[test]
fn under_a_key_that_is_honoured_a_refusal_is_the_stored_answer_of_the_first_try() {
    for retry in [
        native(Some(60), Then::Manual),
        native(Some(60), Then::LookUp),
        native(None, Then::Manual),
    ] {
        let (effect, spec, now) = lost(retry, 59);
        let answer = after_send(&effect, &spec, now, declined());
        assert!(
            matches!(&answer, AttemptResult::Finished { outcome }
                if outcome.verdict == Verdict::Refused && outcome.code.as_deref() == Some("card_declined")),
            "{retry:?}: {answer:?}"
        );
    }
    let (effect, spec, now) = lost(native(Some(60), Then::LookUp), 61);
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
        let (effect, spec, now) = lost(native(Some(60), Then::LookUp), 6);
        let answer = after_send(&effect, &spec, now, Err(error(class)));
        assert!(looked_up(&answer), "{class:?}: {answer:?}");
        let flagged = ClaimedEffect {
            look: true,
            ..effect
        };
        assert_eq!(next_step(&flagged, spec.retry, now), Step::LookUp);
        assert!(
            matches!(
                after_send(&flagged, &spec, now, Err(error(class))),
                AttemptResult::Unresolved { .. }
            ),
            "{class:?}: it was looked up, is not there, and is refused again"
        );
        let (effect, spec, now) = lost(native(Some(60), Then::Manual), 6);
        assert!(
            matches!(
                after_send(&effect, &spec, now, Err(error(class))),
                AttemptResult::Unresolved { .. }
            ),
            "{class:?}"
        );
    }
}

/// It answers as if it had made the refund, and shows none: each further call might be one more that took effect.
#[test]
fn a_second_answer_that_does_not_show_what_it_moved_is_left_to_a_person() {
    let (effect, spec, now) = lost(LOOKUP, 6);
    let not_shown = || error(ErrorClass::OutcomeUnknown).with_code(Error::NOT_SHOWN);
    let answer = |effect: &ClaimedEffect, spec: &OperationSpec, error| {
        after_send(effect, spec, now, Err(error))
    };
    let first = ClaimedEffect {
        outcome_unknown: false,
        ..effect.clone()
    };
    assert!(matches!(
        answer(&first, &spec, not_shown()),
        AttemptResult::OutcomeUnknown { look: false, .. }
    ));
    assert!(matches!(
        answer(&effect, &spec, not_shown()),
        AttemptResult::Unresolved { .. }
    ));
    for class in [ErrorClass::OutcomeUnknown, ErrorClass::Protocol] {
        assert!(
            matches!(
                answer(&effect, &spec, error(class)),
                AttemptResult::OutcomeUnknown { .. }
            ),
            "no answer to the call contradicts nothing"
        );
    }
    let record = OperationSpec::new(Op::RecordRefund, LOOKUP, "");
    assert!(
        matches!(
            answer(&effect, &record, not_shown()),
            AttemptResult::OutcomeUnknown { .. }
        ),
        "nothing moves"
    );
}

#[test]
fn after_twenty_tries_it_is_looked_up_once_more_and_then_left_to_a_person() {
    let unknown = || Err(error(ErrorClass::OutcomeUnknown));
    for (retry, lookups) in [
        (LOOKUP, true),
        (native(None, Then::LookUp), true),
        (native(None, Then::Manual), false),
    ] {
        let (effect, spec, now) = lost(retry, 6);
        let nineteen = ClaimedEffect {
            attempts: 19,
            ..effect.clone()
        };
        assert!(
            matches!(
                after_send(&nineteen, &spec, now, unknown()),
                AttemptResult::OutcomeUnknown { look: false, .. }
            ),
            "{retry:?}"
        );
        let twenty = ClaimedEffect {
            attempts: 20,
            ..effect
        };
        let answer = after_send(&twenty, &spec, now, unknown());
        assert_eq!(looked_up(&answer), lookups, "{retry:?}: {answer:?}");
        let looked = ClaimedEffect {
            look: true,
            ..twenty
        };
        assert!(
            matches!(
                after_send(&looked, &spec, now, unknown()),
                AttemptResult::Unresolved { .. }
            ),
            "{retry:?}"
        );
    }
}

#[test]
fn after_a_set_back_a_key_is_as_old_as_the_lost_window() {
    let now = DateTime::from_timestamp(1_000_000, 0).unwrap_or_default();
    let ago = |seconds| Some(now - chrono::Duration::seconds(seconds));
    let planned_again = |lost_since| ClaimedEffect {
        loss_risk: LossRisk::Possible,
        lost_since,
        ..effect()
    };
    for (then, step) in [
        (Then::LookUp, Step::LookUp),
        (Then::Manual, Step::Unresolved),
    ] {
        let retry = native(Some(60), then);
        let mut old = planned_again(ago(61));
        assert_eq!(apply_loss_risk(&mut old, &spec(retry)), None);
        assert_eq!(next_step(&old, retry, now), step, "{then:?}");
        let mut sent_since = ClaimedEffect {
            first_sent_at: ago(1),
            sends: 1,
            ..planned_again(ago(61))
        };
        assert_eq!(apply_loss_risk(&mut sent_since, &spec(retry)), None);
        assert_eq!(
            next_step(&sent_since, retry, now),
            step,
            "the first send that is known need not be the first"
        );
        let mut young = planned_again(ago(59));
        assert_eq!(apply_loss_risk(&mut young, &spec(retry)), None);
        assert_eq!(next_step(&young, retry, now), Step::Send);
    }
}

#[test]
fn what_is_sent_without_asking_is_asked_for_in_doubt() {
    let first = RetryPolicy::LookUp {
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
        loss_risk: LossRisk::Possible,
        ..effect()
    };
    assert_eq!(apply_loss_risk(&mut doubtful, &spec), None);
    assert_eq!(next_step(&doubtful, first, now), Step::LookUp);
    assert_eq!(after_look_up(&doubtful, first, Ok(LookUp::NotFound)), None);
}

#[test]
fn before_any_lost_reply_a_refusal_is_definite_and_a_closed_door_costs_nothing() {
    let (spec, now) = (spec(LOOKUP), DateTime::UNIX_EPOCH);
    let AttemptResult::Finished { outcome } =
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
        AttemptResult::RetryLater { attempt: false, .. }
    ));
    assert!(matches!(
        after_send(&effect(), &spec, now, Err(error(ErrorClass::Transient))),
        AttemptResult::RetryLater { attempt: true, .. }
    ));
    assert!(matches!(
        after_send(&effect(), &spec, now, Err(error(ErrorClass::Protocol))),
        AttemptResult::OutcomeUnknown { .. }
    ));
}

#[test]
fn the_tenth_look_up_without_a_clear_answer_is_the_last() {
    let (mut effect, _, _) = lost(LOOKUP, 10);
    let mut looked = 0;
    loop {
        looked += 1;
        match after_look_up(&effect, LOOKUP, Ok(LookUp::Inconclusive)) {
            Some(AttemptResult::Inconclusive { .. }) => effect.lookups += 1,
            Some(AttemptResult::Unresolved { .. }) => break,
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(looked, 10);
}

/// The order was deleted at the shop, or a right is missing: every look-up is answered, and none says what became of the call.
#[test]
fn after_an_hour_of_look_ups_that_are_answered_with_an_error_a_person_is_asked() {
    for class in [
        ErrorClass::Rejected,
        ErrorClass::NotFound,
        ErrorClass::Conflict,
        ErrorClass::Config,
        ErrorClass::Forbidden,
        ErrorClass::Protocol,
    ] {
        let (mut effect, _, _) = lost(LOOKUP, 10);
        effect.error = Some("timed out".to_owned());
        let mut waits = Vec::new();
        let told = loop {
            match after_look_up(&effect, LOOKUP, Err(error(class))) {
                Some(AttemptResult::Inconclusive { after, error }) => {
                    waits.push(after);
                    effect.error = Some(error);
                    effect.lookups += 1;
                }
                Some(AttemptResult::Unresolved { error }) => break error,
                other => unreachable!("{class:?}: {other:?}"),
            }
        };
        assert_eq!(told, "timed out; since then: x", "{class:?}");
        assert_eq!(waits[0], 5.0, "{class:?}: the settle time");
        let all: f64 = waits.iter().sum();
        assert!((3_600.0..10_800.0).contains(&all), "{class:?}: {all}");
    }
}

#[test]
fn a_look_up_that_is_not_answered_is_repeated_until_it_is() {
    let (effect, _, _) = lost(LOOKUP, 10);
    let looked = ClaimedEffect {
        lookups: 30,
        attempts: 30,
        ..effect
    };
    for (class, attempt) in [
        (ErrorClass::Transient, true),
        (ErrorClass::Busy { after: None }, true),
        (ErrorClass::RateLimited { after: None }, false),
        (ErrorClass::Auth, false),
    ] {
        let answer = after_look_up(&looked, LOOKUP, Err(error(class)));
        assert!(
            matches!(&answer, Some(AttemptResult::RetryLater { attempt: counts, .. }) if *counts == attempt),
            "{class:?}: {answer:?}"
        );
    }
    let before = ClaimedEffect {
        outcome_unknown: false,
        ..looked
    };
    let answer = after_look_up(&before, LOOKUP, Err(error(ErrorClass::NotFound)));
    assert!(
        matches!(answer, Some(AttemptResult::RetryLater { .. })),
        "nothing was sent, so nobody has to find out: {answer:?}"
    );
}

/// A provider that times out on each capture is not asked to make one every few seconds.
#[test]
fn the_more_often_a_call_failed_the_later_it_is_sent_again() {
    let (effect, _, _) = lost(LOOKUP, 10);
    let wait = |attempts| {
        let effect = ClaimedEffect {
            attempts,
            ..effect.clone()
        };
        match after_look_up(&effect, LOOKUP, Ok(LookUp::NotFound)) {
            Some(AttemptResult::NotFoundYet { after }) => after,
            other => unreachable!("{other:?}"),
        }
    };
    assert_eq!(wait(1), 5.0, "the settle time");
    assert!(wait(5) >= 16.0, "{}", wait(5));
    assert!(wait(15) >= 300.0, "{}", wait(15));
}

/// Whether it took effect is found out by what the call was told, not by what has kept the look-ups from an answer.
#[test]
fn what_a_call_in_doubt_was_told_stays_in_front() {
    let (mut effect, spec, now) = lost(LOOKUP, 10);
    effect.lookups = 9;
    effect.error = Some("500: “in use”".to_owned());
    let told = |result| match result {
        AttemptResult::Unresolved { error } | AttemptResult::RetryLater { error, .. } => error,
        other => unreachable!("{other:?}"),
    };
    let looked = |effect: &ClaimedEffect, found| match after_look_up(effect, LOOKUP, found) {
        Some(result) => told(result),
        None => unreachable!("it would be sent"),
    };
    assert_eq!(
        looked(&effect, Ok(LookUp::Inconclusive)),
        "500: “in use”; since then: the external system cannot say whether it happened"
    );
    let failed = looked(&effect, Err(error(ErrorClass::Transient)));
    assert_eq!(failed, "500: “in use”; since then: x");
    effect.error = Some(failed.clone());
    let failed_again = looked(&effect, Err(error(ErrorClass::Transient)));
    assert_eq!(failed_again, failed, "it does not grow");
    let limited = Err(error(ErrorClass::RateLimited { after: None }));
    assert_eq!(told(after_send(&effect, &spec, now, limited)), failed);
    effect.outcome_unknown = false;
    let plain = told(after_send(
        &effect,
        &spec,
        now,
        Err(error(ErrorClass::Transient)),
    ));
    assert_eq!(plain, "x", "nothing is in doubt");
}

#[test]
fn what_is_in_use_is_tried_again_when_it_was_said_and_counts_as_a_try() {
    let (spec, now) = (
        spec(native(Some(3600), Then::LookUp)),
        DateTime::from_timestamp(1_000_000, 0).unwrap_or_default(),
    );
    let busy = |after| Err(error(ErrorClass::Busy { after }));
    let AttemptResult::RetryLater { after, attempt, .. } =
        after_send(&effect(), &spec, now, busy(Some(Duration::from_secs(90))))
    else {
        unreachable!()
    };
    // It counts: what stays in use for long becomes a task.
    assert_eq!((after, attempt), (90.0, true));
    assert!(matches!(
        after_send(&effect(), &spec, now, busy(None)),
        AttemptResult::RetryLater { after, attempt: true, .. } if after < 60.0
    ));
    // A key in flight after a lost reply is that call: what it does is not known yet.
    let (lost, spec, now) = lost(native(Some(3600), Then::LookUp), 10);
    assert!(matches!(
        after_send(&lost, &spec, now, busy(Some(Duration::from_secs(2)))),
        AttemptResult::OutcomeUnknown { .. }
    ));
}

#[test]
fn a_closed_door_after_a_lost_reply_is_no_try_and_the_key_still_holds() {
    for retry in [
        native(None, Then::Manual),
        native(Some(3600), Then::LookUp),
        LOOKUP,
    ] {
        let (lost, spec, now) = lost(retry, 6);
        let tired = ClaimedEffect {
            attempts: 20,
            ..lost
        };
        for class in [ErrorClass::Auth, ErrorClass::RateLimited { after: None }] {
            let answer = after_send(&tired, &spec, now, Err(error(class)));
            assert!(
                matches!(answer, AttemptResult::RetryLater { attempt: false, .. }),
                "{retry:?} {class:?}: {answer:?}"
            );
        }
        // Of this one call: it counts, so that it becomes a task, and what was in doubt stays so.
        let answer = after_send(&tired, &spec, now, Err(error(ErrorClass::Forbidden)));
        assert!(
            matches!(answer, AttemptResult::RetryLater { attempt: true, .. }),
            "{retry:?}: {answer:?}"
        );
    }
}

#[test]
fn no_answer_puts_a_call_off_for_longer_than_the_account_rests() {
    let day = Some(Duration::from_secs(86_400));
    let (spec, now) = (spec(native(None, Then::Manual)), DateTime::UNIX_EPOCH);
    let after = |error| match after_send(&effect(), &spec, now, Err(error)) {
        AttemptResult::RetryLater { after, .. } => after,
        other => unreachable!("{other:?}"),
    };
    for class in [
        ErrorClass::RateLimited { after: day },
        ErrorClass::Busy { after: day },
    ] {
        assert_eq!(after(error(class)), 600.0, "{class:?}");
    }
    // Our own budget of a day says itself when it has a turn.
    let own = error(ErrorClass::RateLimited { after: day }).with_code("budget");
    assert_eq!(after(own), 86_400.0);
}

#[test]
fn an_instruction_is_in_doubt_where_its_warehouse_knows_it_by_its_shipments() {
    let files = OperationSpec {
        op: Op::Instruct,
        ..spec(native(None, Then::LookUp))
    };
    let api = OperationSpec {
        ability: Ability::Instruct {
            identity: Identity::Shipment,
            cancel: Cancels::Request,
        },
        ..files.clone()
    };
    for (spec, loss_risk) in [(&files, false), (&api, true)] {
        let mut effect = ClaimedEffect {
            loss_risk: LossRisk::Possible,
            lost_since: Some(DateTime::UNIX_EPOCH),
            ..effect()
        };
        assert_eq!(apply_loss_risk(&mut effect, spec), None);
        assert_eq!(effect.outcome_unknown, loss_risk);
        assert_eq!(effect.lost_since.is_some(), loss_risk);
    }
}

#[test]
fn what_shows_a_state_ends_without_a_task_whatever_comes_of_it() {
    let spec = OperationSpec::new(Op::Annotate, RetryPolicy::Repeat, "");
    let answer = |effect: &ClaimedEffect, class| {
        let error = Err(Error::new(class, "words"));
        match after_send(effect, &spec, DateTime::UNIX_EPOCH, error) {
            AttemptResult::Finished { outcome } => Some(outcome.verdict),
            AttemptResult::RetryLater { .. } => None,
            // No other acknowledgement may come.
            _ => Some(Verdict::Evidence),
        }
    };
    let first = effect();
    let third = ClaimedEffect {
        attempts: 2,
        ..effect()
    };
    // The process ended while it was sent.
    let unclear = ClaimedEffect {
        outcome_unknown: true,
        ..effect()
    };
    let late = ErrorClass::RateLimited { after: None };
    for class in [ErrorClass::OutcomeUnknown, ErrorClass::Protocol] {
        assert_eq!(answer(&first, class), Some(Verdict::Unknown), "{class:?}");
    }
    for class in [
        ErrorClass::Rejected,
        ErrorClass::NotFound,
        ErrorClass::Conflict,
    ] {
        assert_eq!(answer(&first, class), Some(Verdict::Refused), "{class:?}");
    }
    for class in [
        ErrorClass::Transient,
        late,
        ErrorClass::Auth,
        ErrorClass::Forbidden,
    ] {
        assert_eq!(answer(&first, class), None, "{class:?}");
        assert_eq!(answer(&unclear, class), Some(Verdict::Unknown), "{class:?}");
    }
    for class in [ErrorClass::Transient, ErrorClass::Forbidden] {
        assert_eq!(answer(&third, class), Some(Verdict::Refused), "{class:?}");
    }
    assert_eq!(answer(&third, late), None);
    for effect in [&first, &third, &unclear] {
        assert_eq!(
            next_step(effect, spec.retry, DateTime::UNIX_EPOCH),
            Step::Send
        );
        let mut doubted_one = ClaimedEffect {
            loss_risk: LossRisk::Known,
            ..effect.clone()
        };
        assert_eq!(apply_loss_risk(&mut doubted_one, &spec), None);
        assert_eq!(doubted_one.outcome_unknown, effect.outcome_unknown);
    }
}
