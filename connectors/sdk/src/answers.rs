//! One answer for each call, in order, and each about what was asked.

use std::future::Future;

use crate::{Error, ErrorClass, Prepared};

/// The answers to `calls` calls, one each. Any other number of them says nothing of any call: it may have happened.
#[must_use]
pub fn one_each<T>(calls: usize, answers: Vec<Result<T, Error>>) -> Vec<Result<T, Error>> {
    if answers.len() == calls {
        return answers;
    }
    let error = miscounted(answers.len(), calls);
    (0..calls).map(|_| Err(error.clone())).collect()
}

/// Refuses an answer about another object than was asked for, as a proxy gives it that mixes up replies: nothing of it is believed.
/// `class` is [`ErrorClass::Protocol`] for a read and [`ErrorClass::OutcomeUnknown`] for a write, which may have been carried out.
///
/// # Errors
/// Of that class, with the request as its label.
pub fn same_object(class: ErrorClass, label: &str, asked: &str, told: &str) -> Result<(), Error> {
    if told == asked {
        return Ok(());
    }
    Err(Error::new(
        class,
        format!(
            "{label}: the answer is about another object than {asked}: look for a proxy or a cache on the way that mixes up replies"
        ),
    ))
}

/// The answer to one call.
pub(crate) fn only<T>(answers: Vec<Result<T, Error>>) -> Result<T, Error> {
    <[Result<T, Error>; 1]>::try_from(answers)
        .map_err(|answers| miscounted(answers.len(), 1))
        .and_then(|[answer]| answer)
}

fn miscounted(answers: usize, calls: usize) -> Error {
    Error::new(
        ErrorClass::OutcomeUnknown,
        format!(
            "the connector returned {answers} answers for {calls} calls: this is a bug in the connector, report it"
        ),
    )
}

/// One request for each call, one after the other: for external systems that take one at a time.
pub async fn one_by_one<'a, T, A>(calls: &[&'a Prepared], one: impl Fn(&'a Prepared) -> A) -> Vec<T>
where
    A: Future<Output = T>,
{
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(one(call).await);
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_another_object_is_refused() {
        let same = |told| same_object(ErrorClass::Protocol, "GET /orders/1", "1", told);
        assert!(same("1").is_ok());
        for told in ["2", "", "11"] {
            assert!(matches!(same(told), Err(error)
                if error.class == ErrorClass::Protocol && error.message.starts_with("GET /orders/1: ")));
        }
    }

    #[test]
    fn a_wrong_number_of_answers_says_nothing_of_any_call() {
        let answers = |n| (0..n).map(Ok).collect::<Vec<Result<usize, Error>>>();
        let right = one_each(2, answers(2));
        assert!(matches!(right.as_slice(), [Ok(0), Ok(1)]));
        for given in [0, 1, 3] {
            let unknown = one_each(2, answers(given));
            assert_eq!(unknown.len(), 2);
            for answer in unknown {
                let words = format!("{given} answers for 2");
                assert!(matches!(answer, Err(error)
                    if error.class == ErrorClass::OutcomeUnknown && error.message.contains(&words)));
            }
        }
        assert!(matches!(only(answers(1)), Ok(0)));
        assert!(only(answers(2)).is_err() && only(answers(0)).is_err());
    }
}
