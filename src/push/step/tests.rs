#![expect(clippy::unwrap_used, reason = "tests")]

use hikiate_sdk::{Op, RetryPolicy};

use super::*;
use crate::facts::{IntentFact, OutcomeFact};
use crate::ops::telemetry::logged;
use crate::policy::MailKind;
use crate::push::decide::tests::effect as claimed;

fn ready(id: i64, op: Op, together: usize) -> Ready {
    let effect = ClaimedEffect {
        id,
        subject_id: id,
        op,
        ..claimed()
    };
    let spec = OperationSpec {
        together,
        ..OperationSpec::new(op, RetryPolicy::Manual, "")
    };
    let prepared = Prepared {
        bytes: Vec::new(),
        label: String::new(),
    };
    (effect, spec, prepared)
}

#[test]
fn calls_of_one_operation_go_together_up_to_what_the_connector_takes() {
    let ship = |id| ready(id, Op::Ship, 3);
    let capture = |id| ready(id, Op::Capture, 1);
    let groups = grouped(vec![
        ship(1),
        capture(2),
        ship(3),
        capture(4),
        ship(5),
        ship(6),
    ]);
    let ids: Vec<Vec<i64>> = groups
        .iter()
        .map(|group| group.iter().map(|(effect, ..)| effect.id).collect())
        .collect();
    assert_eq!(ids, [vec![1, 3, 5], vec![2], vec![4], vec![6]]);
}

#[test]
fn a_request_with_an_answer_speaks_for_the_account() {
    let error = |class| Err::<(), _>(Error::new(class, "x"));
    let class = |answers: &[Result<(), Error>]| ended(answers).map(|error| error.class);
    assert_eq!(class(&[Ok(()), error(ErrorClass::OutcomeUnknown)]), None);
    assert_eq!(
        class(&[error(ErrorClass::Transient), error(ErrorClass::Rejected)]),
        Some(ErrorClass::Transient)
    );
    let slow = ErrorClass::RateLimited { after: None };
    assert_eq!(class(&[Ok(()), error(slow)]), Some(slow));
}

/// The log line about it.
fn line(effect: &ClaimedEffect, acknowledgement: &AttemptResult) -> serde_json::Value {
    logged::line(|| report_one(&AccountSlug::new("wms"), effect, acknowledgement))
}

fn wave() -> ClaimedEffect {
    ClaimedEffect {
        number: "HB1".to_owned(),
        op: Op::Instruct,
        intent: IntentFact {
            op: Op::Instruct,
            what: IntentWhat::Batch {
                batch: "tokyo-1".to_owned(),
            },
            ..claimed().intent
        },
        ..claimed()
    }
}

fn mail() -> ClaimedEffect {
    ClaimedEffect {
        op: Op::Mail,
        intent: IntentFact {
            what: IntentWhat::Mail {
                kind: MailKind::Shipped,
            },
            ..claimed().intent
        },
        ..claimed()
    }
}

fn finished(verdict: Verdict) -> AttemptResult {
    AttemptResult::Finished {
        outcome: OutcomeFact {
            intent: String::new(),
            verdict,
            id: None,
            code: None,
            message: String::new(),
        },
    }
}

#[test]
fn a_line_about_a_wave_names_it_as_a_batch_and_one_about_an_order_as_an_order() {
    let later = AttemptResult::RetryLater {
        after: 1.0,
        attempt: true,
        error: "away".to_owned(),
    };
    let said = line(&wave(), &later);
    assert_eq!(said["message"], "not sent; retried later");
    assert_eq!(said["batch"], "tokyo-1");
    assert_eq!(said.get("order"), None, "{said}");
    let said = line(&mail(), &later);
    assert_eq!(said["order"], "HK1");
    assert_eq!(said.get("batch"), None, "{said}");
}

#[test]
fn each_warning_about_a_call_says_what_to_type() {
    let error = || "away".to_owned();
    let tried = ClaimedEffect {
        attempts: 4,
        ..wave()
    };
    let later = AttemptResult::RetryLater {
        after: 1.0,
        attempt: true,
        error: error(),
    };
    let unresolved = AttemptResult::Unresolved { error: error() };
    for (effect, acknowledgement) in [
        (wave(), finished(Verdict::Refused)),
        (wave(), unresolved),
        (tried, later),
    ] {
        let said = line(&effect, &acknowledgement);
        assert_eq!(said["level"], "WARN", "{said}");
        let words = said["message"].as_str().unwrap();
        assert!(words.contains("see `hikiate order show HB1`"), "{words}");
    }
}

#[test]
fn the_end_of_a_doubt_is_told() {
    let doubted = ClaimedEffect {
        outcome_unknown: true,
        ..mail()
    };
    let said = line(&doubted, &finished(Verdict::Done));
    assert_eq!(said["level"], "INFO");
    assert_eq!(said["message"], "the outcome is known: it took effect");
    let said = line(&mail(), &finished(Verdict::Done));
    assert_eq!(said["level"], "DEBUG", "{said}");
}
