//! One round of pushing for one owned account: claim, look up where that is the rule, commit that these
//! are about to be sent, send outside any transaction, acknowledge what came back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::budget::Urgency;
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{AccountSlug, Error, ErrorClass, OperationSpec, Outcome, Prepared, one_each};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::field::display;
use tracing::{debug, info, warn};

use super::decide::{
    Step, after_look_up, after_send, apply_loss_risk, next_step, outcome_fact, refused, since,
};
use super::prepare::prepare;
use crate::account::{Account, Permit};
use crate::engine::Engine;
use crate::facts::{IntentWhat, Verdict};
use crate::operations::{NOT_NEEDED, goes_without};
use crate::store::witness::Kept;
use crate::store::{AttemptResult, ClaimedEffect, OwnedAccount, StoreError, ToSend};

/// A call under way is not taken for lost before this many leases have passed; its own time-out ends earlier.
const SENDING_LEASES: i32 = 3;

/// Claims and carries out due effects of an account. Returns how many were claimed.
///
/// # Errors
/// The database's; an external system's errors are the effects'.
pub async fn push_account(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
) -> Result<usize, StoreError> {
    // As at the head of a pull: an account that reads nothing has only this.
    account.pause_if_refused(&engine.store, owned).await?;
    let Some(operations) = account.connector.operations() else {
        return Ok(0);
    };
    if owned.paused.is_some() || !account.credentials.calls() {
        return Ok(0);
    }
    account.count_ahead(&engine.store, owned).await?;
    if account.link.meter().rest().as_secs() > 0 {
        return Ok(0);
    }
    // Held to the end: it is the permit where the account is only tried.
    let gate = account.gate(&engine.store).await?;
    let room = match &gate {
        Permit::Denied => return Ok(0),
        Permit::Probe(_) => 1,
        Permit::Normal => i64::try_from(account.room())
            .unwrap_or(1)
            .min(engine.push_batch),
    };
    let specs: BTreeMap<_, _> = operations
        .operations()
        .into_iter()
        .map(|s| (s.op, s))
        .collect();
    let alone = matches!(gate, Permit::Probe(_));
    let claimed = claim(engine, owned, room, specs.values().filter(|_| !alone)).await?;
    let count = claimed.len();
    if claimed.is_empty() {
        return Ok(0);
    }
    let now = engine.store.now().await?;
    account.link.set_clock(now);
    let mut done = Vec::new();
    let (mut send, mut look): (Vec<Ready>, Vec<Ready>) = (Vec::new(), Vec::new());
    for mut effect in claimed {
        let Some(spec) = specs.get(&effect.op).cloned() else {
            if goes_without(effect.op, |op| specs.contains_key(&op)) {
                let mut outcome = outcome_fact(&effect, &Outcome::Done { id: None });
                outcome.code = Some(NOT_NEEDED.to_owned());
                done.push((effect, AttemptResult::Finished { outcome }));
                continue;
            }
            let error = Error::new(
                ErrorClass::Config,
                format!("{} does not offer {}", account.slug, effect.op),
            )
            .with_code("not_offered");
            done.push((effect.clone(), refused(&effect, &error)));
            continue;
        };
        if effect.heard {
            let outcome = outcome_fact(&effect, &Outcome::Done { id: None });
            done.push((effect, AttemptResult::Finished { outcome }));
            continue;
        }
        if let Some(acknowledgement) = apply_loss_risk(&mut effect, &spec) {
            done.push((effect, acknowledgement));
            continue;
        }
        let prepared = match prepare(&effect, operations, &engine.policy, &engine.templates) {
            Ok(prepared) => prepared,
            Err(error) => {
                done.push((effect.clone(), refused(&effect, &error)));
                continue;
            }
        };
        match next_step(&effect, spec.retry, now) {
            Step::Send => send.push((effect, spec, prepared)),
            Step::LookUp => look.push((effect, spec, prepared)),
            Step::Wait(wait) => done.push((
                effect,
                AttemptResult::Wait {
                    after: wait.as_secs_f64(),
                },
            )),
            Step::Unresolved => {
                let error = since(
                    &effect,
                    "the outcome is unknown and this external system offers no look-up",
                );
                done.push((effect, AttemptResult::Unresolved { error }));
            }
        }
    }
    let looked = look_up_all(engine, account, look).await;
    account.pause_if_refused(&engine.store, owned).await?;
    for (effect, spec, prepared, verdict) in looked {
        match verdict {
            Some(acknowledgement) => done.push((effect, acknowledgement)),
            None => send.push((effect, spec, prepared)),
        }
    }
    let today = engine.today(now);
    acknowledge(engine, account, &done, today).await?;
    // Only calls that are about to start are marked as sending, so that a lost process leaves no more
    // of them unknown than were under way.
    let mut send = grouped(send).into_iter().peekable();
    while send.peek().is_some() {
        if !account.calls() {
            let back = send.by_ref().flatten();
            let back = back.map(|(effect, ..)| {
                let resting = resting(account, &effect);
                (effect, resting)
            });
            acknowledge(engine, account, &back.collect::<Vec<_>>(), today).await?;
            break;
        }
        let next: Vec<_> = send.by_ref().take(account.link.meter().width()).collect();
        let sent = send_all(engine, account, owned, next, now).await?;
        acknowledge(engine, account, &sent, today).await?;
    }
    Ok(count)
}

/// A claimed effect with what is sent for it.
type Ready = (ClaimedEffect, OperationSpec, Prepared);

/// Claims effects for so many requests: what may go together with a claimed one is claimed with it.
async fn claim(
    engine: &Engine,
    owned: &OwnedAccount,
    room: i64,
    specs: impl Iterator<Item = &OperationSpec>,
) -> Result<Vec<ClaimedEffect>, StoreError> {
    let (store, lease) = (&engine.store, engine.lease_seconds);
    let mut claimed = store.claim_effects(owned, room, lease).await?;
    for spec in specs.filter(|spec| spec.together > 1) {
        let mine = claimed.iter().filter(|e| e.op == spec.op).count();
        let room = mine.div_ceil(spec.together) * spec.together - mine;
        if room > 0 {
            let room = i64::try_from(room).unwrap_or(i64::MAX);
            claimed.extend(store.claim_more(owned, spec.op, room, lease).await?);
        }
    }
    Ok(claimed)
}

/// Calls that go in one request: of one operation, and at most as many as its connector takes.
fn grouped(calls: Vec<Ready>) -> Vec<Vec<Ready>> {
    let mut groups: Vec<Vec<Ready>> = Vec::new();
    for call in calls {
        let (op, most) = (call.0.op, call.1.together);
        let fits = |group: &&mut Vec<Ready>| {
            group.len() < most && group.first().is_some_and(|first| first.0.op == op)
        };
        match groups.iter_mut().rev().find(fits) {
            Some(group) => group.push(call),
            None => groups.push(vec![call]),
        }
    }
    groups
}

/// How a request ended for the account: what it says of itself, else an error only where no call was answered.
fn ended<T>(answers: &[Result<T, Error>]) -> Option<&Error> {
    let errors = || answers.iter().filter_map(|answer| answer.as_ref().err());
    let own = |e: &&Error| matches!(e.class, ErrorClass::RateLimited { .. } | ErrorClass::Auth);
    errors().find(own).or_else(|| {
        let answered = answers.iter().any(Result::is_ok);
        errors().next().filter(|_| !answered)
    })
}

/// The same error for each call of a request that was not made.
fn none_of<T>(calls: usize, error: &Error) -> Vec<Result<T, Error>> {
    (0..calls).map(|_| Err(error.clone())).collect()
}

fn resting(account: &Account, effect: &ClaimedEffect) -> AttemptResult {
    let why = if account.credentials.calls() {
        format!("not sent: calls to {} keep failing", account.slug)
    } else {
        format!("not sent: {} rejects its credentials", account.slug)
    };
    AttemptResult::RetryLater {
        after: 1.0,
        attempt: false,
        error: since(effect, &why),
    }
}

async fn acknowledge(
    engine: &Engine,
    account: &Account,
    done: &[(ClaimedEffect, AttemptResult)],
    today: NaiveDate,
) -> Result<(), StoreError> {
    if done.is_empty() {
        return Ok(());
    }
    report(account, done);
    engine
        .store
        .retried("acknowledge", || engine.store.acknowledge(done, today))
        .await
}

type Looked = (
    ClaimedEffect,
    OperationSpec,
    Prepared,
    Option<AttemptResult>,
);

async fn look_up_all(engine: &Engine, account: &Account, look: Vec<Ready>) -> Vec<Looked> {
    let mut tasks = JoinSet::new();
    // So few at a time that a system that is away is noticed before all were asked.
    let at_once = Arc::new(Semaphore::new(account.link.meter().width()));
    for group in grouped(look) {
        let account = account.clone();
        let metrics = engine.metrics.clone();
        let at_once = Arc::clone(&at_once);
        tasks.spawn(async move {
            let _permit = at_once.acquire_owned().await;
            let calls: Vec<&Prepared> = group.iter().map(|(.., prepared)| prepared).collect();
            let op = group.first().map(|(effect, ..)| effect.op);
            if !account.calls() {
                let rests = |(effect, spec, prepared): Ready| {
                    let resting = resting(&account, &effect);
                    (effect, spec, prepared, Some(resting))
                };
                return group.into_iter().map(rests).collect();
            }
            let found = match (op, account.connector.operations()) {
                (Some(op), Some(operations)) => {
                    let look_up = Urgency::of(op).scope(operations.look_up(op, &calls));
                    one_each(calls.len(), look_up.await)
                }
                (None, _) => Vec::new(),
                (Some(_), None) => none_of(calls.len(), &offers_nothing()),
            };
            account.record_result(&metrics, ended(&found));
            let looked = group.into_iter().zip(found);
            looked
                .map(|((effect, spec, prepared), found)| {
                    let verdict = after_look_up(&effect, spec.retry, found);
                    (effect, spec, prepared, verdict)
                })
                .collect::<Vec<Looked>>()
        });
    }
    let mut looked = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(group) => looked.extend(group),
            // The effects' leases run out and they are claimed again.
            Err(error) => {
                warn!(account = %account.slug, %error, "a look-up failed: see `hikiate effect list`; its calls are claimed again once their leases expire")
            }
        }
    }
    looked
}

async fn send_all(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    send: Vec<Vec<Ready>>,
    now: DateTime<Utc>,
) -> Result<Vec<(ClaimedEffect, AttemptResult)>, StoreError> {
    if send.is_empty() {
        return Ok(Vec::new());
    }
    let marks: Vec<ToSend> = send
        .iter()
        .flatten()
        .map(|(effect, _, prepared)| ToSend {
            id: effect.id,
            token: effect.token,
            body: prepared.bytes.clone(),
            label: prepared.label.clone(),
        })
        .collect();
    let lease = engine.lease_seconds * SENDING_LEASES;
    let kept = engine.witness.kept();
    let mut marked = engine
        .store
        .retried("mark_sending", || {
            engine.store.mark_sending(owned, &marks, lease)
        })
        .await?;
    let marked_ids: Vec<i64> = marked.bytes.keys().copied().collect();
    if let Some(round) = marked.round
        && let Err(why) = witnessed(engine, account, kept.as_ref(), round).await?
    {
        // Nothing was sent: they go back as they were.
        let marked = send.into_iter().flatten().map(|(effect, ..)| effect);
        let marked = marked.filter(|effect| marked_ids.contains(&effect.id));
        return Ok(marked
            .map(|effect| {
                let later = AttemptResult::RetryLater {
                    after: 5.0,
                    attempt: false,
                    error: since(&effect, &why),
                };
                (effect, later)
            })
            .collect());
    }
    let mut tasks = JoinSet::new();
    for group in send {
        // Not marked: the lease was lost, and somebody else has it now.
        let mine = group.into_iter().filter_map(|(effect, spec, prepared)| {
            let bytes = marked.bytes.remove(&effect.id)?;
            Some((effect, spec, Prepared { bytes, ..prepared }))
        });
        let group: Vec<Ready> = mine.collect();
        let Some(op) = group.first().map(|(effect, ..)| effect.op) else {
            continue;
        };
        let account = account.clone();
        let metrics = engine.metrics.clone();
        tasks.spawn(async move {
            let calls: Vec<&Prepared> = group.iter().map(|(.., prepared)| prepared).collect();
            let started = Instant::now();
            let answers = match account.connector.operations() {
                Some(operations) => {
                    let send = Urgency::of(op).scope(operations.send(op, &calls));
                    one_each(calls.len(), send.await)
                }
                None => none_of(calls.len(), &offers_nothing()),
            };
            account.record_result(&metrics, ended(&answers));
            let took = started.elapsed();
            let answered = group.into_iter().zip(answers);
            let done = answered.map(|((effect, spec, _), answer)| {
                let acknowledgement = after_send(&effect, &spec, now, answer);
                let outcome = word(&acknowledgement);
                metrics.called(account.slug.as_str(), op.as_str(), outcome, took);
                (effect, acknowledgement)
            });
            done.collect::<Vec<_>>()
        });
    }
    let mut done = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(answered) => done.extend(answered),
            Err(error) => {
                warn!(account = %account.slug, %error, "a request was lost; its calls have an unknown outcome once their leases expire: see `hikiate effect list`")
            }
        }
    }
    account.pause_if_refused(&engine.store, owned).await?;
    Ok(done)
}

/// Puts on disk outside the database that a round is about to be sent. A round that the file had seen before it was counted
/// (`kept`) says that the database was set back, and a disk that takes nothing that it could not be noticed: nothing is sent then.
async fn witnessed(
    engine: &Engine,
    account: &Account,
    kept: Option<&Kept>,
    round: i64,
) -> Result<Result<(), String>, StoreError> {
    let (store, slug) = (&engine.store, account.slug.as_str());
    if let Some(kept) = kept.filter(|kept| kept.had_seen(slug, round)) {
        store
            .watch_round(&engine.witness, kept, slug, round)
            .await?;
        return Ok(Err("the database lost recent commits".to_owned()));
    }
    let (witness, slug) = (engine.witness.clone(), account.slug.to_string());
    let written = tokio::task::spawn_blocking(move || witness.sending(&slug, round)).await;
    let why = match written {
        Ok(Ok(())) => return Ok(Ok(())),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    warn!(account = %account.slug, why, "cannot write the witness file: nothing is sent until that works");
    Ok(Err(format!("cannot write the witness file: {why}")))
}

fn offers_nothing() -> Error {
    Error::new(ErrorClass::Config, "the account offers no operations")
}

fn word(acknowledgement: &AttemptResult) -> &'static str {
    match acknowledgement {
        AttemptResult::Finished { outcome } => match outcome.verdict {
            Verdict::Done => "done",
            Verdict::Accepted => "accepted",
            Verdict::Unknown => "unknown",
            _ => "rejected",
        },
        AttemptResult::RetryLater { .. } => "retry_later",
        AttemptResult::OutcomeUnknown { .. } => "unknown",
        AttemptResult::NotFoundYet { .. } => "not_found",
        AttemptResult::Inconclusive { .. } => "inconclusive",
        AttemptResult::Wait { .. } => "wait",
        AttemptResult::Unresolved { .. } => "unresolved",
    }
}

fn report(account: &Account, done: &[(ClaimedEffect, AttemptResult)]) {
    for (effect, acknowledgement) in done {
        report_one(&account.slug, effect, acknowledgement);
    }
}

/// Its number is an order's, or that of a wave or a journal with many orders in it: `hikiate order show` shows either.
fn report_one(account: &AccountSlug, effect: &ClaimedEffect, acknowledgement: &AttemptResult) {
    let (number, op, id) = (&effect.number, effect.op, effect.id);
    let batch = match &effect.intent.what {
        IntentWhat::Batch { batch } => Some(display(batch)),
        _ => None,
    };
    let order = batch.is_none().then(|| display(number));
    match acknowledgement {
        AttemptResult::Finished { outcome } if outcome.verdict == Verdict::Refused => {
            warn!(%account, order, batch, %op, effect = id, code = outcome.code, error = without_quotes(&outcome.message), "rejected: see `hikiate order show {number}`");
        }
        AttemptResult::Finished { outcome } if outcome.verdict == Verdict::Unknown => {
            info!(%account, order, batch, %op, effect = id, error = without_quotes(&outcome.message), "outcome unknown; safe to repeat, retried later");
        }
        AttemptResult::Finished { .. } if effect.outcome_unknown => {
            info!(%account, order, batch, %op, effect = id, "the outcome is known: it took effect");
        }
        AttemptResult::Finished { .. } => {
            debug!(%account, order, batch, %op, effect = id, "done");
        }
        AttemptResult::Unresolved { error } => {
            warn!(%account, order, batch, %op, effect = id, error = without_quotes(error), "outcome unknown: see `hikiate order show {number}`, check the external system, then run `hikiate effect resolve {id} done` or `not-done`, with --reason");
        }
        AttemptResult::OutcomeUnknown { error, .. } => {
            info!(%account, order, batch, %op, effect = id, error = without_quotes(error), "outcome not known yet; to be looked up or resent under the same key");
        }
        AttemptResult::RetryLater { error, .. } if effect.attempts >= 4 => {
            warn!(%account, order, batch, %op, effect = id, tries = effect.attempts + 1, error = without_quotes(error), "repeated attempts failed: see `hikiate order show {number}` and `hikiate tasks`; retried later");
        }
        AttemptResult::RetryLater { error, .. } => {
            info!(%account, order, batch, %op, effect = id, error = without_quotes(error), "not sent; retried later");
        }
        AttemptResult::NotFoundYet { .. } => {
            debug!(%account, order, batch, %op, effect = id, "looked up: not found yet");
        }
        AttemptResult::Inconclusive { error, .. } => {
            debug!(%account, order, batch, %op, effect = id, error = without_quotes(error), "looked up: no clear answer");
        }
        AttemptResult::Wait { .. } => {
            debug!(%account, order, batch, %op, effect = id, "waits until it can be looked up");
        }
    }
}

#[cfg(test)]
mod tests;
