//! What the engine relies on when it pushes: nothing twice, nothing called done that may not be.

use super::annotate::{repeated, repeats};
use super::batch::partial_batch;
use super::calls::sample_call;
use super::refund::{again, beyond, by_staff, gives_back, named};
use super::run::{Checked, Run, Seen, ensure};
use super::subject::Bench;
use crate::faulty::{Fault, RETRY_AFTER, Target};
use crate::{
    Ability, Call, Cancels, Error, ErrorClass, LookUp, Op, OperationSpec, Operations, Outcome,
    Prepared, RetryPolicy, Then,
};

pub(super) async fn checks(run: &mut Run<'_>) {
    let specs = run.card.operations.clone();
    if specs.is_empty() {
        return;
    }
    run.check(
        "operations not offered are rejected",
        &[],
        async |bench, seen| {
            let operations = operations(bench)?;
            for op in Op::ALL
                .into_iter()
                .filter(|op| specs.iter().all(|s| s.op != *op))
            {
                match operations.prepare(&sample_call(op)) {
                    Ok(_) => return Err(format!("{op} is not offered, but was prepared")),
                    Err(error) => {
                        seen.debug(&error);
                        ensure(
                            error.class == ErrorClass::Config,
                            format!("{op} was {:?}", error.class),
                        )?;
                    }
                }
            }
            let twice = specs
                .iter()
                .filter(|s| specs.iter().filter(|t| t.op == s.op).count() > 1)
                .count();
            ensure(twice == 0, "an operation is declared twice")?;
            for spec in &specs {
                ensure(
                    spec.ability.fits(spec.op),
                    format!(
                        "{} declares {:?}, which belongs to another operation",
                        spec.op, spec.ability
                    ),
                )?;
                ensure(
                    spec.members > 0 && spec.together > 0,
                    format!("{} declares 0 for members or together", spec.op),
                )?;
                repeats(spec)?;
            }
            Ok(())
        },
    )
    .await;
    for spec in &specs {
        let op = spec.op;
        run.check(
            &format!("prepare is pure/{op}"),
            &[],
            async |bench, seen| pure(bench, seen, op).await,
        )
        .await;
        run.check(&format!("done once/{op}"), &[], async |bench, seen| {
            done_once(bench, seen, spec).await
        })
        .await;
        for fault in WRITE_FAULTS {
            run.check(&format!("{fault}/{op}"), &[fault], async |bench, seen| {
                faulty(bench, seen, spec, fault).await
            })
            .await;
        }
        for part in 1..run.writes(op).await {
            run.check(
                &format!("lost after part {part}/{op}"),
                &[Fault::LostReply],
                async |bench, seen| lost_part(bench, seen, spec, part).await,
            )
            .await;
        }
        if op == Op::Annotate {
            run.check(&format!("repeated/{op}"), &[], async |bench, seen| {
                repeated(bench, seen).await
            })
            .await;
        }
        if gives_back(op) {
            run.check(&format!("the same again/{op}"), &[], async |bench, seen| {
                again(bench, seen, spec).await
            })
            .await;
            run.check(&format!("named/{op}"), &[], async |bench, seen| {
                named(bench, seen, spec).await
            })
            .await;
            run.check(
                &format!("staff did the same/{op}"),
                &[],
                async |bench, seen| by_staff(bench, seen, spec).await,
            )
            .await;
        }
        if op == Op::Refund {
            run.check(
                &format!("more than captured/{op}"),
                &[],
                async |bench, seen| beyond(bench, seen, spec).await,
            )
            .await;
        }
        if matches!(op, Op::Instruct | Op::PostJournal) {
            run.check(&format!("partial batch/{op}"), &[], async |bench, seen| {
                partial_batch(bench, seen, spec).await
            })
            .await;
        }
        if spec.together > 1 {
            run.check(
                &format!("one of several rejected/{op}"),
                &[],
                async |bench, seen| one_refused(bench, seen, spec).await,
            )
            .await;
            run.check(
                &format!("several lost/{op}"),
                &[Fault::LostReply],
                async |bench, seen| several_lost(bench, seen, spec).await,
            )
            .await;
        }
        if matches!(spec.retry, RetryPolicy::IdempotencyKey { .. }) {
            run.check(
                &format!("duplicate/{op}"),
                &[Fault::Duplicate],
                async |bench, seen| duplicate(bench, seen, spec).await,
            )
            .await;
        }
        if looks_up(spec) {
            for fault in LOOK_UP_FAULTS {
                run.check(
                    &format!("{fault} on looking up/{op}"),
                    &[fault],
                    async |bench, seen| faulty_look_up(bench, seen, spec, fault).await,
                )
                .await;
            }
        }
    }
}

const WRITE_FAULTS: [Fault; 14] = [
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Refused,
    Fault::Garbage,
    Fault::Truncated,
    Fault::ErrorInOk,
];

const LOOK_UP_FAULTS: [Fault; 6] = [
    Fault::LostReply,
    Fault::ErrorBefore,
    Fault::RateLimitedInOk,
    Fault::Garbage,
    Fault::Truncated,
    Fault::ErrorInOk,
];

pub(super) fn operations(bench: &Bench) -> Result<&dyn Operations, String> {
    bench
        .connector
        .operations()
        .ok_or_else(|| "a fresh account offers no operations".to_owned())
}

fn looks_up(spec: &OperationSpec) -> bool {
    matches!(
        spec.retry,
        RetryPolicy::LookUp { .. }
            | RetryPolicy::IdempotencyKey {
                after_expiry: Then::LookUp,
                ..
            }
    )
}

/// A call made ready, on its way.
struct Ready<'a> {
    bench: &'a Bench,
    seen: &'a Seen,
    operations: &'a dyn Operations,
    spec: &'a OperationSpec,
    call: Call,
    prepared: Prepared,
}

async fn ready<'a>(
    bench: &'a Bench,
    seen: &'a Seen,
    spec: &'a OperationSpec,
) -> Result<Ready<'a>, String> {
    let operations = operations(bench)?;
    let call = bench.far.call(spec.op).await;
    ensure(
        call.op() == spec.op,
        format!(
            "the simulator should have returned a call of {} and returned {}",
            spec.op,
            call.op()
        ),
    )?;
    let prepared = operations
        .prepare(&call)
        .map_err(|e| failed(seen, &e, "prepare"))?;
    seen.debug(&prepared);
    Ok(Ready {
        bench,
        seen,
        operations,
        spec,
        call,
        prepared,
    })
}

pub(super) fn failed(seen: &Seen, error: &Error, what: &str) -> String {
    seen.debug(error);
    format!("{what} failed: {:?}: {error}", error.class)
}

impl Ready<'_> {
    async fn send(&self) -> Result<Outcome, Error> {
        let result = self.operations.send_one(self.spec.op, &self.prepared).await;
        self.seen.debug(&result);
        result
    }

    async fn send_well(&self, when: &str) -> Checked {
        let outcome = self
            .send()
            .await
            .map_err(|e| format!("{when}: {:?}: {e}", e.class))?;
        match outcome {
            Outcome::Refused { code, message } => {
                Err(format!("{when}: rejected with {code}: {message}"))
            }
            Outcome::Done { .. } if !self.spec.completes_on_accept && !self.ends_either_way() => {
                Err(format!(
                    "{when}: done, although the result is declared to come later"
                ))
            }
            Outcome::Done { .. } | Outcome::Accepted { .. } => Ok(()),
        }
    }

    /// A cancellation that is done at once or answered later, as the instruction's ability says.
    fn ends_either_way(&self) -> bool {
        let either = |spec: &OperationSpec| {
            let cancel = Cancels::CommandThenRequest;
            matches!(spec.ability, Ability::Instruct { cancel: how, .. } if how == cancel)
        };
        self.spec.op == Op::CancelInstruction && self.operations.operations().iter().any(either)
    }

    async fn done(&self, want: usize, when: &str) -> Checked {
        let done = self.bench.far.times_done(self.spec.op, &self.call).await;
        ensure(
            done == want,
            format!("{when}: the external system did it {done} times, not {want}"),
        )
    }

    async fn look(&self) -> Result<LookUp, Error> {
        let found = self
            .operations
            .look_up_one(self.spec.op, &self.prepared)
            .await;
        self.seen.debug(&found);
        found
    }

    /// The look-up's verdict is this one, or, where nothing can be looked up, none at all.
    async fn lookups(&self, there: bool, when: &str) -> Checked {
        let found = self.look().await;
        if !looks_up(self.spec) {
            let silent = matches!(found, Ok(LookUp::Inconclusive) | Err(_));
            return ensure(
                silent,
                format!("{when}: cannot be looked up, but the look-up says {found:?}"),
            );
        }
        let right = match &found {
            Ok(LookUp::Found(outcome)) => there && !matches!(outcome, Outcome::Refused { .. }),
            Ok(LookUp::NotFound) => !there,
            Ok(LookUp::Inconclusive) | Err(_) => false,
        };
        let want = if there { "there" } else { "not there" };
        ensure(
            right,
            format!("{when}: it is {want}, and the look-up says {found:?}"),
        )
    }

    /// What the engine does next about an open outcome ends with exactly one effect.
    async fn settled(&self, happened: bool, when: &str) -> Checked {
        self.done(usize::from(happened), when).await?;
        self.lookups(happened, when).await?;
        match self.spec.retry {
            RetryPolicy::IdempotencyKey { .. } | RetryPolicy::Repeat => {
                self.send_well(&format!("{when}, the same bytes again"))
                    .await?
            }
            RetryPolicy::LookUp { .. } if !happened => {
                self.send_well(&format!("{when}, looked up, sent again"))
                    .await?
            }
            RetryPolicy::LookUp { .. } => {}
            RetryPolicy::Manual => return Ok(()),
        }
        self.done(1, &format!("{when}, in the end")).await
    }
}

async fn pure(bench: &Bench, seen: &Seen, op: Op) -> Checked {
    let operations = operations(bench)?;
    let call = bench.far.call(op).await;
    let stored =
        serde_json::to_string(&call).map_err(|e| format!("the call cannot be stored: {e}"))?;
    let again: Call = serde_json::from_str(&stored)
        .map_err(|e| format!("the stored call cannot be parsed: {e}"))?;
    let first = operations
        .prepare(&call)
        .map_err(|e| failed(seen, &e, "prepare"))?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let second = operations
        .prepare(&again)
        .map_err(|e| failed(seen, &e, "prepare, again"))?;
    ensure(
        first == second,
        "the same call gave different bytes a second later",
    )?;
    ensure(
        !first.bytes.is_empty() && !first.label.is_empty(),
        "prepare returned no bytes",
    )?;
    let done = bench.far.times_done(op, &call).await;
    ensure(done == 0, "prepare called the external system")
}

async fn done_once(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let ready = ready(bench, seen, spec).await?;
    ready.done(0, "before").await?;
    ready.lookups(false, "before").await?;
    ready.send_well("sent").await?;
    ready.done(1, "sent").await?;
    ready.lookups(true, "sent").await
}

async fn faulty(bench: &Bench, seen: &Seen, spec: &OperationSpec, fault: Fault) -> Checked {
    let ready = ready(bench, seen, spec).await?;
    // Of several requests the last one decides.
    let others = bench.far.writes(spec.op).saturating_sub(1);
    bench.inject_after(others, Target::Write, fault);
    let result = ready.send().await;
    let class = match (&result, fault) {
        (Ok(Outcome::Refused { .. }), Fault::Refused) => return ready.done(0, "refused").await,
        (Ok(outcome), _) => return Err(format!("was {outcome:?}")),
        (Err(error), _) => error.class,
    };
    let right = match fault {
        Fault::NotSent => class == ErrorClass::Transient,
        Fault::RateLimited => {
            class
                == ErrorClass::RateLimited {
                    after: Some(RETRY_AFTER),
                }
        }
        Fault::RateLimitedSilently | Fault::SlowDown | Fault::RateLimitedInOk => {
            matches!(class, ErrorClass::RateLimited { .. })
        }
        Fault::Unauthorised => class == ErrorClass::Auth,
        Fault::Forbidden => class == ErrorClass::Forbidden,
        // Definite both: of this very call, or of something else that is in its way.
        Fault::Refused => matches!(class, ErrorClass::Rejected | ErrorClass::Conflict),
        Fault::Garbage | Fault::Truncated | Fault::ErrorInOk => {
            matches!(class, ErrorClass::Protocol | ErrorClass::OutcomeUnknown)
        }
        _ => class == ErrorClass::OutcomeUnknown,
    };
    ensure(right, format!("was {class:?}"))?;
    bench.rested();
    match fault {
        Fault::LostReply | Fault::ErrorAfter | Fault::Garbage | Fault::Truncated => {
            ready.settled(true, "afterwards").await
        }
        Fault::ErrorBefore | Fault::ErrorInOk => ready.settled(false, "afterwards").await,
        Fault::Refused => ready.done(0, "refused").await,
        _ => {
            ready.done(0, "afterwards").await?;
            ready.send_well("sent again").await?;
            ready.done(1, "sent again").await
        }
    }
}

/// The reply to a part is lost: it was carried out, the call was not, and neither is repeated.
async fn lost_part(bench: &Bench, seen: &Seen, spec: &OperationSpec, part: usize) -> Checked {
    let ready = ready(bench, seen, spec).await?;
    bench.inject_after(part - 1, Target::Write, Fault::LostReply);
    match ready.send().await {
        Err(error) if error.class == ErrorClass::OutcomeUnknown => {}
        other => return Err(format!("was {other:?}")),
    }
    ready.settled(false, "afterwards").await
}

async fn duplicate(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let ready = ready(bench, seen, spec).await?;
    bench.inject(Target::Write, Fault::Duplicate);
    ready.send_well("delivered twice").await?;
    ready.done(1, "delivered twice").await
}

/// Two good calls with a refused one between them, as they go in one request.
async fn three(
    bench: &Bench,
    seen: &Seen,
    op: Op,
    middle: Call,
) -> Result<[(Call, Prepared); 3], String> {
    let operations = operations(bench)?;
    let prepare = |call: Call| {
        let prepared = operations.prepare(&call);
        prepared
            .map(|prepared| (call, prepared))
            .map_err(|e| failed(seen, &e, "prepare"))
    };
    Ok([
        prepare(bench.far.call(op).await)?,
        prepare(middle)?,
        prepare(bench.far.call(op).await)?,
    ])
}

/// What is refused of one leaves the others done, and each is given its own answer.
async fn one_refused(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let op = spec.op;
    let middle = bench.far.refused(op).await;
    let calls = three(bench, seen, op, middle).await?;
    let prepared: Vec<&Prepared> = calls.iter().map(|(_, prepared)| prepared).collect();
    let mut answers = Vec::new();
    for group in prepared.chunks(spec.together) {
        answers.extend(operations(bench)?.send(op, group).await);
    }
    answers.iter().for_each(|answer| seen.debug(answer));
    ensure(
        answers.len() == calls.len(),
        format!("{} answers for {} calls", answers.len(), calls.len()),
    )?;
    for (n, ((call, _), answer)) in calls.iter().zip(&answers).enumerate() {
        let refused = match answer {
            Ok(Outcome::Refused { .. }) => true,
            Ok(_) => false,
            Err(error) => matches!(
                error.class,
                ErrorClass::Rejected | ErrorClass::NotFound | ErrorClass::Conflict
            ),
        };
        let want = n == 1;
        ensure(
            refused == want,
            format!("call {} of 3 was answered {answer:?}", n + 1),
        )?;
        let done = bench.far.times_done(op, call).await;
        ensure(
            done == usize::from(!want),
            format!("call {} of 3 was done {done} times", n + 1),
        )?;
    }
    Ok(())
}

/// A lost reply says nothing of any call of its request.
async fn several_lost(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let op = spec.op;
    let middle = bench.far.call(op).await;
    let calls = three(bench, seen, op, middle).await?;
    let prepared: Vec<&Prepared> = calls.iter().map(|(_, prepared)| prepared).collect();
    let first = prepared.get(..spec.together.min(3)).unwrap_or_default();
    bench.inject(Target::Write, Fault::LostReply);
    let answers = operations(bench)?.send(op, first).await;
    answers.iter().for_each(|answer| seen.debug(answer));
    let unknown = |answer: &Result<Outcome, Error>| matches!(answer, Err(error) if error.class == ErrorClass::OutcomeUnknown);
    ensure(
        answers.len() == first.len() && answers.iter().all(unknown),
        format!("the reply was lost, and the answers are {answers:?}"),
    )
}

/// A look-up that cannot be understood must never be taken for "not there": it would be sent a second time.
async fn faulty_look_up(bench: &Bench, seen: &Seen, spec: &OperationSpec, fault: Fault) -> Checked {
    let ready = ready(bench, seen, spec).await?;
    ready.send_well("sent").await?;
    bench.inject(Target::Read, fault);
    match ready.look().await {
        Ok(LookUp::NotFound) => Err("it is there, but the look-up said no".to_owned()),
        Ok(LookUp::Found(_)) => {
            Err("reported success although the answer could not be parsed".to_owned())
        }
        Ok(LookUp::Inconclusive) => Ok(()),
        Err(error) => ensure(
            error.class != ErrorClass::OutcomeUnknown,
            "a look-up changes nothing, its outcome is not unknown",
        ),
    }?;
    bench.rested();
    ready.lookups(true, "asked again").await
}
