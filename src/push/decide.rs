//! What to do with a claimed effect, and what an answer means. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::{Error, ErrorClass, Found, OnUnknown, OperationSpec, Outcome, Replay, Then};

use crate::broken::{self, Broken};
use crate::facts::{OutcomeFact, Verdict};
use crate::store::{Acknowledgement, ClaimedEffect, Doubt};

/// The next step for a claimed effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it.
    Send,
    /// Ask the far side first.
    LookUp,
    /// Too early for a verdict: wait.
    Wait(Duration),
    /// Only a person can tell.
    Unresolved,
}

/// "Not there" must be said this often, a settle time apart, before an ambiguous call is repeated.
const LOOKS: i16 = 2;

/// After this many tries without a definite end a person is asked.
const MOST_TRIES: i16 = 20;

/// What an effect is that was planned from what was known in a window the database has lost. One that can be
/// looked up is looked up before the first send anyway; another may have happened, and a mail counts as sent.
#[must_use]
pub fn doubted(effect: &mut ClaimedEffect, spec: &OperationSpec) -> Option<Acknowledgement> {
    if effect.doubt == Doubt::None || matches!(spec.replay, Replay::Lookup { .. }) {
        return None;
    }
    let counts_as_sent = effect.doubt == Doubt::Known
        && effect.sends == 0
        && spec.replay == Replay::Person
        && spec.on_unknown == OnUnknown::GoOn;
    if counts_as_sent {
        return Some(Acknowledgement::Finished {
            outcome: OutcomeFact {
                intent: effect.key.clone(),
                verdict: Verdict::Done,
                id: None,
                code: None,
                message: "counts as sent before the database was set back".to_owned(),
            },
        });
    }
    effect.ambiguous = true;
    None
}

/// Decides the next step.
#[must_use]
pub fn next_step(effect: &ClaimedEffect, replay: Replay, now: DateTime<Utc>) -> Step {
    match replay {
        Replay::Lookup { .. } if broken::is(Broken::LookUpSkipped) => Step::Send,
        Replay::Lookup { settle } => look_up_step(effect, settle, now),
        Replay::Native { .. } if !effect.ambiguous => Step::Send,
        Replay::Native { lifetime, then } => {
            let age = effect
                .first_sent_at
                .map_or(Duration::ZERO, |at| since(at, now));
            match (lifetime, then) {
                (None, _) => Step::Send,
                (Some(lifetime), _) if age < lifetime => Step::Send,
                (Some(_), Then::Lookup) => look_up_step(effect, Duration::ZERO, now),
                (Some(_), Then::Person) => Step::Unresolved,
            }
        }
        Replay::Person if effect.ambiguous => Step::Unresolved,
        Replay::Person => Step::Send,
    }
}

fn look_up_step(effect: &ClaimedEffect, settle: Duration, now: DateTime<Utc>) -> Step {
    if !effect.ambiguous {
        return Step::LookUp;
    }
    let age = effect.last_sent_at.map_or(settle, |at| since(at, now));
    if age < settle {
        Step::Wait(settle - age)
    } else {
        Step::LookUp
    }
}

fn since(at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - at).to_std().unwrap_or(Duration::ZERO)
}

/// What a look-up means: `None` is "send it now".
#[must_use]
pub fn after_look_up(
    effect: &ClaimedEffect,
    replay: Replay,
    found: Result<Found, Error>,
) -> Option<Acknowledgement> {
    let settle = match replay {
        Replay::Lookup { settle } => settle,
        _ => Duration::from_secs(60),
    };
    match found {
        Ok(Found::Yes(outcome)) => Some(Acknowledgement::Finished {
            outcome: outcome_fact(effect, &outcome),
        }),
        Ok(Found::No) if !effect.ambiguous || effect.looks + 1 >= LOOKS => None,
        Ok(Found::No) => Some(Acknowledgement::NotThere {
            after: settle.as_secs_f64().max(1.0),
        }),
        Ok(Found::Unclear) if effect.looks >= 10 => Some(Acknowledgement::Unresolved {
            error: "the far side cannot say whether it happened".to_owned(),
        }),
        Ok(Found::Unclear) => Some(Acknowledgement::NotThere {
            after: settle.as_secs_f64().max(5.0),
        }),
        Err(error) => Some(later(effect, &error)),
    }
}

/// What the answer to a send means.
#[must_use]
pub fn after_send(
    effect: &ClaimedEffect,
    spec: &OperationSpec,
    answer: Result<Outcome, Error>,
) -> Acknowledgement {
    let error = match answer {
        Ok(Outcome::Refused { code, message }) => {
            Error::new(ErrorClass::Rejected, message).with_code(code)
        }
        Ok(outcome) => {
            return Acknowledgement::Finished {
                outcome: outcome_fact(effect, &outcome),
            };
        }
        Err(error) => error,
    };
    match error.class {
        // Our own budget had no turn for it: this try was none.
        _ if error.is_put_off() => later(effect, &error),
        ErrorClass::Transient
        | ErrorClass::RateLimited { .. }
        | ErrorClass::Busy { .. }
        | ErrorClass::Auth
            if effect.ambiguous =>
        {
            ambiguous(effect, spec, &error)
        }
        ErrorClass::Transient
        | ErrorClass::RateLimited { .. }
        | ErrorClass::Busy { .. }
        | ErrorClass::Auth => later(effect, &error),
        ErrorClass::OutcomeUnknown | ErrorClass::Protocol => ambiguous(effect, spec, &error),
        // After a try that may have happened a refusal proves nothing ("already captured"): look.
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config
            if effect.ambiguous && !broken::is(Broken::RefusalBelieved) =>
        {
            ambiguous(effect, spec, &error)
        }
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config => {
            refused(effect, &error)
        }
    }
}

/// A call that cannot be expressed never left the house: a definite refusal of ours.
#[must_use]
pub(super) fn refused(effect: &ClaimedEffect, error: &Error) -> Acknowledgement {
    Acknowledgement::Finished {
        outcome: OutcomeFact {
            intent: effect.key.clone(),
            verdict: Verdict::Refused,
            id: None,
            code: error.code.clone(),
            message: error.message.clone(),
        },
    }
}

fn ambiguous(effect: &ClaimedEffect, spec: &OperationSpec, error: &Error) -> Acknowledgement {
    let definite = matches!(
        error.class,
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config
    );
    match spec.replay {
        _ if effect.attempts >= MOST_TRIES => Acknowledgement::Unresolved {
            error: error.message.clone(),
        },
        // The key is honoured, so a refusal of the same bytes is about what the first try left behind.
        Replay::Native { .. } if definite => Acknowledgement::Unresolved {
            error: error.message.clone(),
        },
        Replay::Person => Acknowledgement::Unresolved {
            error: error.message.clone(),
        },
        Replay::Lookup { settle } => Acknowledgement::Ambiguous {
            after: settle.as_secs_f64(),
            error: error.message.clone(),
        },
        Replay::Native { .. } => Acknowledgement::Ambiguous {
            after: crate::account::backoff(effect.attempts).as_secs_f64(),
            error: error.message.clone(),
        },
    }
}

fn later(effect: &ClaimedEffect, error: &Error) -> Acknowledgement {
    match error.class {
        ErrorClass::RateLimited { after } => Acknowledgement::Later {
            after: after.unwrap_or(Duration::from_secs(10)).as_secs_f64(),
            attempt: false,
            error: error.message.clone(),
        },
        ErrorClass::Auth => Acknowledgement::Later {
            after: 1.0,
            attempt: false,
            error: error.message.clone(),
        },
        // Other calls go on; what stays in use for long becomes a task like other failures.
        ErrorClass::Busy { after: Some(after) } => Acknowledgement::Later {
            after: after.as_secs_f64(),
            attempt: true,
            error: error.message.clone(),
        },
        _ => Acknowledgement::Later {
            after: crate::account::backoff(effect.attempts).as_secs_f64(),
            attempt: true,
            error: error.message.clone(),
        },
    }
}

fn outcome_fact(effect: &ClaimedEffect, outcome: &Outcome) -> OutcomeFact {
    let (verdict, id, code, message) = match outcome {
        Outcome::Accepted { id } => (Verdict::Accepted, id.clone(), None, String::new()),
        Outcome::Done { id } => (Verdict::Done, id.clone(), None, String::new()),
        Outcome::Refused { code, message } => {
            (Verdict::Refused, None, Some(code.clone()), message.clone())
        }
    };
    OutcomeFact {
        intent: effect.key.clone(),
        verdict,
        id,
        code,
        message,
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::{AccountSlug, Op};

    use super::*;
    use crate::facts::{IntentFact, IntentWhat};

    const SETTLE: Duration = Duration::from_secs(5);

    fn effect() -> ClaimedEffect {
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
            doubt: Doubt::None,
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
        OperationSpec {
            op: Op::Capture,
            replay,
            on_unknown: OnUnknown::Hold,
            accepted_is_done: true,
            says: "",
        }
    }

    fn error(class: ErrorClass) -> Error {
        Error::new(class, "x")
    }

    #[test]
    fn what_can_be_looked_up_is_looked_up_before_the_first_send_too() {
        let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
        assert_eq!(
            next_step(&effect(), Replay::Lookup { settle: SETTLE }, now),
            Step::LookUp
        );
        assert_eq!(next_step(&effect(), Replay::Person, now), Step::Send);
    }

    #[test]
    fn a_lost_reply_is_never_repeated_blindly() {
        let (effect, _, now) = lost(Replay::Person, 100);
        assert_eq!(next_step(&effect, Replay::Person, now), Step::Unresolved);
        let (effect, spec, now) = lost(Replay::Lookup { settle: SETTLE }, 2);
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
            on_unknown: OnUnknown::GoOn,
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
        let lookup = spec(Replay::Lookup { settle: SETTLE });
        let mut asked = doubtful(Doubt::Perhaps, 0);
        assert_eq!(doubted(&mut asked, &lookup), None);
        assert!(
            !asked.ambiguous,
            "it is looked up before the first send anyway"
        );
        let mut news = doubtful(Doubt::None, 0);
        assert_eq!(doubted(&mut news, &mail), None);
        assert_eq!(next_step(&news, mail.replay, now), Step::Send);
    }

    #[test]
    fn a_native_key_is_repeated_within_its_lifetime_only() {
        let replay = Replay::Native {
            lifetime: Some(Duration::from_secs(60)),
            then: Then::Person,
        };
        let (effect, _, now) = lost(replay, 59);
        assert_eq!(next_step(&effect, replay, now), Step::Send);
        let (effect, _, now) = lost(replay, 61);
        assert_eq!(next_step(&effect, replay, now), Step::Unresolved);
    }

    #[test]
    fn a_refusal_after_a_try_that_may_have_happened_proves_nothing() {
        let (effect, spec, _) = lost(Replay::Lookup { settle: SETTLE }, 6);
        for class in [
            ErrorClass::Rejected,
            ErrorClass::Conflict,
            ErrorClass::NotFound,
        ] {
            assert!(
                matches!(
                    after_send(&effect, &spec, Err(error(class))),
                    Acknowledgement::Ambiguous { .. }
                ),
                "{class:?}"
            );
        }
        let refused = Outcome::Refused {
            code: "already_captured".into(),
            message: String::new(),
        };
        assert!(matches!(
            after_send(&effect, &spec, Ok(refused)),
            Acknowledgement::Ambiguous { .. }
        ));
        let (effect, spec, _) = lost(
            Replay::Native {
                lifetime: None,
                then: Then::Person,
            },
            6,
        );
        assert!(matches!(
            after_send(&effect, &spec, Err(error(ErrorClass::Rejected))),
            Acknowledgement::Unresolved { .. }
        ));
    }

    #[test]
    fn before_any_lost_reply_a_refusal_is_definite_and_a_closed_door_costs_nothing() {
        let spec = spec(Replay::Lookup { settle: SETTLE });
        let Acknowledgement::Finished { outcome } =
            after_send(&effect(), &spec, Err(error(ErrorClass::Rejected)))
        else {
            unreachable!()
        };
        assert_eq!(outcome.verdict, Verdict::Refused);
        assert!(matches!(
            after_send(
                &effect(),
                &spec,
                Err(error(ErrorClass::RateLimited { after: None }))
            ),
            Acknowledgement::Later { attempt: false, .. }
        ));
        assert!(matches!(
            after_send(&effect(), &spec, Err(error(ErrorClass::Transient))),
            Acknowledgement::Later { attempt: true, .. }
        ));
        assert!(matches!(
            after_send(&effect(), &spec, Err(error(ErrorClass::Protocol))),
            Acknowledgement::Ambiguous { .. }
        ));
    }
}
