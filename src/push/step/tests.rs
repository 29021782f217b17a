use hikiate_sdk::{Op, RetryPolicy};

use super::*;
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
