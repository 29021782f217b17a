//! What to do with a claimed effect, and what an answer means. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::budget::{LONGEST_REST, REST};
use hikiate_sdk::{Error, ErrorClass, First, LookUp, OperationSpec, Outcome, RetryPolicy, Then};

use crate::account::backoff;
use crate::facts::{OutcomeFact, Verdict};
use crate::operations::{Moves, of};
use crate::store::{AttemptResult, ClaimedEffect, LossRisk, SINCE};

/// The next step for a claimed effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it.
    Send,
    /// Ask the external system first.
    LookUp,
    /// Too early for a verdict: wait.
    Wait(Duration),
    /// Only an operator can tell.
    Unresolved,
}

/// "Not there" must be said this often since the last send, a settle time apart, before an ambiguous call is repeated.
const LOOKS: i16 = 2;

/// Look-ups without a clear answer before an operator is asked.
const INCONCLUSIVE: i16 = 10;

/// The same of look-ups that were answered with an error: about an hour, since a shop's maintenance page ends by itself.
const UNCLEAR: i16 = 20;

/// What shows a state is tried so often before it is given up; it is shown again later.
const FEW_TRIES: i16 = 3;

/// After this many tries without a definite end an operator is asked.
const MOST_TRIES: i16 = 20;

/// What an effect is that was planned from what was known in a window the database has lost. One that can be
/// looked up is looked up before its first send; another may have happened, and a mail counts as sent.
#[must_use]
pub fn apply_loss_risk(effect: &mut ClaimedEffect, spec: &OperationSpec) -> Option<AttemptResult> {
    // A batch was asked for by its name when the recovery began.
    if of(spec.op).batch && !spec.knows_shipments() {
        (effect.loss_risk, effect.lost_since) = (LossRisk::None, None);
    }
    if effect.loss_risk == LossRisk::None
        || matches!(spec.retry, RetryPolicy::LookUp { .. } | RetryPolicy::Repeat)
    {
        return None;
    }
    let counts_as_sent = effect.loss_risk == LossRisk::Known
        && effect.sends == 0
        && spec.retry == RetryPolicy::Manual
        && of(spec.op).moves == Moves::Nothing;
    if counts_as_sent {
        return Some(AttemptResult::Finished {
            outcome: OutcomeFact {
                intent: effect.key.clone(),
                verdict: Verdict::Done,
                id: None,
                code: None,
                message: "counts as sent before the database was set back".to_owned(),
            },
        });
    }
    if !effect.outcome_unknown {
        // What kept it from being sent says nothing of a call in that window.
        effect.error = None;
    }
    effect.outcome_unknown = true;
    None
}

/// Decides the next step.
#[must_use]
pub fn next_step(effect: &ClaimedEffect, retry: RetryPolicy, now: DateTime<Utc>) -> Step {
    match retry {
        RetryPolicy::LookUp {
            first: First::Send, ..
        } if !effect.outcome_unknown && effect.loss_risk == LossRisk::None => Step::Send,
        RetryPolicy::LookUp { settle, .. } => look_up_step(effect, settle, now),
        RetryPolicy::IdempotencyKey { .. } if !effect.outcome_unknown => Step::Send,
        RetryPolicy::IdempotencyKey {
            after_expiry: Then::LookUp,
            ..
        } if effect.look => look_up_step(effect, Duration::ZERO, now),
        RetryPolicy::IdempotencyKey { ttl, .. } if honoured(effect, ttl, now) => Step::Send,
        RetryPolicy::IdempotencyKey {
            after_expiry: Then::LookUp,
            ..
        } => look_up_step(effect, Duration::ZERO, now),
        RetryPolicy::IdempotencyKey {
            after_expiry: Then::Manual,
            ..
        } => Step::Unresolved,
        RetryPolicy::Manual if effect.outcome_unknown => Step::Unresolved,
        RetryPolicy::Manual | RetryPolicy::Repeat => Step::Send,
    }
}

/// Whether the key of a call that may have happened is still remembered. In doubt its age counts from the start of
/// the lost window: the first send may have been then.
fn honoured(effect: &ClaimedEffect, ttl: Option<Duration>, now: DateTime<Utc>) -> bool {
    let first = [effect.first_sent_at, effect.lost_since];
    let first = first.into_iter().flatten().min();
    match (ttl, first) {
        (None, _) | (_, None) => true,
        (Some(ttl), Some(first)) => elapsed(first, now) < ttl,
    }
}

fn look_up_step(effect: &ClaimedEffect, settle: Duration, now: DateTime<Utc>) -> Step {
    if !effect.outcome_unknown {
        return Step::LookUp;
    }
    let age = effect.last_sent_at.map_or(settle, |at| elapsed(at, now));
    if age < settle {
        Step::Wait(settle - age)
    } else {
        Step::LookUp
    }
}

fn elapsed(at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - at).to_std().unwrap_or(Duration::ZERO)
}

/// What a look-up means: `None` is "send it now".
#[must_use]
pub fn after_look_up(
    effect: &ClaimedEffect,
    retry: RetryPolicy,
    found: Result<LookUp, Error>,
) -> Option<AttemptResult> {
    let settle = match retry {
        RetryPolicy::LookUp { settle, .. } => settle,
        _ => Duration::from_secs(60),
    };
    match found {
        Ok(LookUp::Found(outcome)) => Some(AttemptResult::Finished {
            outcome: outcome_fact(effect, &outcome),
        }),
        Ok(LookUp::NotFound) if !effect.outcome_unknown || effect.not_found + 1 >= LOOKS => None,
        // The next one may have it sent again: as seldom as a call that keeps failing.
        Ok(LookUp::NotFound) => Some(AttemptResult::NotFoundYet {
            after: settle
                .max(backoff(effect.attempts.saturating_sub(1)))
                .as_secs_f64(),
        }),
        Ok(LookUp::Inconclusive) if effect.lookups + 1 >= INCONCLUSIVE => {
            Some(AttemptResult::Unresolved {
                error: since(effect, "the external system cannot say whether it happened"),
            })
        }
        Ok(LookUp::Inconclusive) => Some(AttemptResult::Inconclusive {
            after: settle.as_secs_f64().max(5.0),
            error: String::new(),
        }),
        Err(error) if effect.outcome_unknown && answers(&error) => {
            let told = since(effect, &error.message);
            Some(if effect.lookups + 1 >= UNCLEAR {
                AttemptResult::Unresolved { error: told }
            } else {
                AttemptResult::Inconclusive {
                    after: settle.max(backoff(effect.lookups)).as_secs_f64(),
                    error: told,
                }
            })
        }
        Err(error) => Some(later(effect, &error)),
    }
}

/// The external system answers the look-up and says nothing of the call: unlike an outage, that need not end by itself. The order
/// may be gone there, or a right.
fn answers(error: &Error) -> bool {
    matches!(
        error.class,
        ErrorClass::Rejected
            | ErrorClass::Conflict
            | ErrorClass::NotFound
            | ErrorClass::Config
            | ErrorClass::Forbidden
            | ErrorClass::Protocol
    )
}

/// What the answer to a send means; `now` is the time of the claim.
#[must_use]
pub fn after_send(
    effect: &ClaimedEffect,
    spec: &OperationSpec,
    now: DateTime<Utc>,
    answer: Result<Outcome, Error>,
) -> AttemptResult {
    let error = match answer {
        // Without a key a refusal may be about what an earlier try did ("already captured"): look.
        Ok(Outcome::Refused { code, message })
            if effect.outcome_unknown && !replays_answers(effect, spec.retry, now) =>
        {
            Error::new(ErrorClass::Rejected, message).with_code(code)
        }
        Ok(outcome) => {
            return AttemptResult::Finished {
                outcome: outcome_fact(effect, &outcome),
            };
        }
        Err(error) => error,
    };
    if spec.retry == RetryPolicy::Repeat {
        return repeatable(effect, &error);
    }
    match error.class {
        // It was not let in, here or there: this try was none, and what was in doubt before is as it was.
        ErrorClass::RateLimited { .. } | ErrorClass::Auth | ErrorClass::Forbidden => {
            later(effect, &error)
        }
        ErrorClass::Transient | ErrorClass::Busy { .. } if effect.outcome_unknown => {
            outcome_unknown(effect, spec, &error)
        }
        ErrorClass::Transient | ErrorClass::Busy { .. } => later(effect, &error),
        ErrorClass::OutcomeUnknown | ErrorClass::Protocol => outcome_unknown(effect, spec, &error),
        // After a try that may have happened an error proves nothing: look.
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config
            if effect.outcome_unknown =>
        {
            outcome_unknown(effect, spec, &error)
        }
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config => {
            refused(effect, &error)
        }
    }
}

/// Whether a refusal of a repeated call is the answer that the first try was given.
fn replays_answers(effect: &ClaimedEffect, retry: RetryPolicy, now: DateTime<Utc>) -> bool {
    match retry {
        RetryPolicy::IdempotencyKey { ttl, .. } => honoured(effect, ttl, now),
        RetryPolicy::LookUp { .. } | RetryPolicy::Manual | RetryPolicy::Repeat => false,
    }
}

/// What shows a state holds nothing up and is nobody's to look at: it ends, and planning shows the state again later.
fn repeatable(effect: &ClaimedEffect, error: &Error) -> AttemptResult {
    let unclear = matches!(
        error.class,
        ErrorClass::OutcomeUnknown | ErrorClass::Protocol
    );
    let tried = effect.attempts + 1 >= FEW_TRIES;
    match error.class {
        _ if unclear || effect.outcome_unknown => ended(effect, error, Verdict::Unknown),
        _ if error.is_put_off() => later(effect, error),
        ErrorClass::RateLimited { .. } | ErrorClass::Auth => later(effect, error),
        ErrorClass::Transient | ErrorClass::Busy { .. } | ErrorClass::Forbidden if !tried => {
            later(effect, error)
        }
        _ => refused(effect, error),
    }
}

/// A call that cannot be expressed never left the house: a definite refusal of ours.
#[must_use]
pub(super) fn refused(effect: &ClaimedEffect, error: &Error) -> AttemptResult {
    ended(effect, error, Verdict::Refused)
}

fn ended(effect: &ClaimedEffect, error: &Error, verdict: Verdict) -> AttemptResult {
    AttemptResult::Finished {
        outcome: OutcomeFact {
            intent: effect.key.clone(),
            verdict,
            id: None,
            code: error.code.clone(),
            message: error.message.clone(),
        },
    }
}

fn outcome_unknown(effect: &ClaimedEffect, spec: &OperationSpec, error: &Error) -> AttemptResult {
    let definite = matches!(
        error.class,
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Config
    );
    let tired = effect.attempts >= MOST_TRIES;
    let unresolved = || AttemptResult::Unresolved {
        error: error.message.clone(),
    };
    let again = |after: Duration, look: bool| AttemptResult::OutcomeUnknown {
        after: after.as_secs_f64(),
        look,
        error: error.message.clone(),
    };
    match spec.retry {
        RetryPolicy::Manual | RetryPolicy::Repeat => unresolved(),
        // It was looked up since, and the same happens again: the error contradicts what the look-up says.
        _ if effect.look && (definite || tired) => unresolved(),
        // It answered and shows nothing of it, there or in two look-ups: a third call might be the third that takes effect.
        RetryPolicy::LookUp { .. }
            if effect.outcome_unknown
                && error.code.as_deref() == Some(Error::NOT_SHOWN)
                && of(spec.op).moves != Moves::Nothing =>
        {
            unresolved()
        }
        RetryPolicy::LookUp { settle, .. } => again(settle, definite || tired),
        RetryPolicy::IdempotencyKey {
            after_expiry: Then::Manual,
            ..
        } if definite || tired => unresolved(),
        RetryPolicy::IdempotencyKey { .. } if definite || tired => {
            again(Duration::from_secs(1), true)
        }
        RetryPolicy::IdempotencyKey { .. } => again(backoff(effect.attempts), false),
    }
}

/// The error of an effect that was not sent now. Where an earlier call is in doubt, what that was told stays in front: it is what an
/// operator needs to find out whether it took effect.
pub(super) fn since(effect: &ClaimedEffect, why: &str) -> String {
    let told = effect.error.as_deref().filter(|_| effect.outcome_unknown);
    let Some(told) = told else {
        return why.to_owned();
    };
    let call = told.split(SINCE).next().unwrap_or(told);
    if call == why {
        return why.to_owned();
    }
    format!("{call}{SINCE}{why}")
}

fn later(effect: &ClaimedEffect, error: &Error) -> AttemptResult {
    match error.class {
        // Our own budget knows its time; another's word is cut as the budget cuts it.
        ErrorClass::RateLimited { after: Some(after) } if error.is_put_off() => {
            AttemptResult::RetryLater {
                after: after.as_secs_f64(),
                attempt: false,
                error: since(effect, &error.message),
            }
        }
        ErrorClass::RateLimited { after } => AttemptResult::RetryLater {
            after: after.unwrap_or(REST).min(LONGEST_REST).as_secs_f64(),
            attempt: false,
            error: since(effect, &error.message),
        },
        ErrorClass::Auth => AttemptResult::RetryLater {
            after: 1.0,
            attempt: false,
            error: since(effect, &error.message),
        },
        // Other calls go on; what stays in use for long becomes a task like other failures.
        ErrorClass::Busy { after: Some(after) } => AttemptResult::RetryLater {
            after: after.min(LONGEST_REST).as_secs_f64(),
            attempt: true,
            error: since(effect, &error.message),
        },
        _ => AttemptResult::RetryLater {
            after: backoff(effect.attempts).as_secs_f64(),
            attempt: true,
            error: since(effect, &error.message),
        },
    }
}

pub(super) fn outcome_fact(effect: &ClaimedEffect, outcome: &Outcome) -> OutcomeFact {
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
