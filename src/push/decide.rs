//! What to do with a claimed effect, and what an answer means. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::{Error, ErrorClass, First, Found, OperationSpec, Outcome, Replay, Then};

use crate::facts::{OutcomeFact, Verdict};
use crate::operations::{Moves, of};
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
/// looked up is looked up before its first send; another may have happened, and a mail counts as sent.
#[must_use]
pub fn doubted(effect: &mut ClaimedEffect, spec: &OperationSpec) -> Option<Acknowledgement> {
    // A batch was asked for by its name when the recovery began.
    if of(spec.op).batch && !spec.knows_shipments() {
        (effect.doubt, effect.lost_since) = (Doubt::None, None);
    }
    if effect.doubt == Doubt::None || matches!(spec.replay, Replay::Lookup { .. }) {
        return None;
    }
    let counts_as_sent = effect.doubt == Doubt::Known
        && effect.sends == 0
        && spec.replay == Replay::Person
        && of(spec.op).moves == Moves::Nothing;
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
        Replay::Lookup {
            first: First::Send, ..
        } if !effect.ambiguous && effect.doubt == Doubt::None => Step::Send,
        Replay::Lookup { settle, .. } => look_up_step(effect, settle, now),
        Replay::Native { .. } if !effect.ambiguous => Step::Send,
        Replay::Native {
            then: Then::Lookup, ..
        } if effect.look => look_up_step(effect, Duration::ZERO, now),
        Replay::Native { lifetime, .. } if honoured(effect, lifetime, now) => Step::Send,
        Replay::Native {
            then: Then::Lookup, ..
        } => look_up_step(effect, Duration::ZERO, now),
        Replay::Native {
            then: Then::Person, ..
        } => Step::Unresolved,
        Replay::Person if effect.ambiguous => Step::Unresolved,
        Replay::Person => Step::Send,
    }
}

/// Whether the key of a call that may have happened is still remembered. In doubt its age counts from the start of
/// the lost window: the first send may have been then.
fn honoured(effect: &ClaimedEffect, lifetime: Option<Duration>, now: DateTime<Utc>) -> bool {
    let first = [effect.first_sent_at, effect.lost_since];
    let first = first.into_iter().flatten().min();
    match (lifetime, first) {
        (None, _) | (_, None) => true,
        (Some(lifetime), Some(first)) => since(first, now) < lifetime,
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
        Replay::Lookup { settle, .. } => settle,
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

/// What the answer to a send means; `now` is the time of the claim.
#[must_use]
pub fn after_send(
    effect: &ClaimedEffect,
    spec: &OperationSpec,
    now: DateTime<Utc>,
    answer: Result<Outcome, Error>,
) -> Acknowledgement {
    let error = match answer {
        // Without a key a refusal may be about what an earlier try did ("already captured"): look.
        Ok(Outcome::Refused { code, message })
            if effect.ambiguous && !replays_answers(effect, spec.replay, now) =>
        {
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
        // After a try that may have happened an error proves nothing: look.
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config
            if effect.ambiguous =>
        {
            ambiguous(effect, spec, &error)
        }
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config => {
            refused(effect, &error)
        }
    }
}

/// Whether a refusal of a repeated call is the answer that the first try was given.
fn replays_answers(effect: &ClaimedEffect, replay: Replay, now: DateTime<Utc>) -> bool {
    match replay {
        Replay::Native { lifetime, .. } => honoured(effect, lifetime, now),
        Replay::Lookup { .. } | Replay::Person => false,
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
    let tired = effect.attempts >= MOST_TRIES;
    let unresolved = || Acknowledgement::Unresolved {
        error: error.message.clone(),
    };
    let again = |after: Duration, look: bool| Acknowledgement::Ambiguous {
        after: after.as_secs_f64(),
        look,
        error: error.message.clone(),
    };
    let backoff = crate::account::backoff(effect.attempts);
    match spec.replay {
        Replay::Person => unresolved(),
        // It was looked up since, and the same happens again.
        _ if effect.look && tired => unresolved(),
        Replay::Lookup { settle, .. } => again(settle, tired),
        Replay::Native {
            then: Then::Person, ..
        } if definite || tired => unresolved(),
        // An error that is not the operation's own answer contradicts what the look-up says.
        Replay::Native { .. } if definite && effect.look => unresolved(),
        Replay::Native { .. } if definite || tired => again(Duration::from_secs(1), true),
        Replay::Native { .. } => again(backoff, false),
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
pub(super) mod tests;
