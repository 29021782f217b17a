//! What the engine relies on where money goes back: never twice, never what staff gave back already, never beyond what was
//! captured.

use super::operations::{failed, operations};
use super::run::{Checked, Seen, ensure};
use super::subject::Bench;
use crate::{Call, Error, ErrorClass, LookUp, Op, OperationSpec, Outcome, Prepared};

/// The operations that give money back or record it.
pub(super) fn gives_back(op: Op) -> bool {
    matches!(op, Op::Refund | Op::RecordRefund)
}

async fn ready(bench: &Bench, seen: &Seen, op: Op) -> Result<(Call, Prepared), String> {
    let call = bench.far.call(op).await;
    let prepared = operations(bench)?
        .prepare(&call)
        .map_err(|e| failed(seen, &e, "prepare"))?;
    Ok((call, prepared))
}

async fn done(bench: &Bench, call: &Call, want: usize, when: &str) -> Checked {
    let done = bench.far.times_done(call.op(), call).await;
    ensure(
        done == want,
        format!("{when}: the external system did it {done} times, not {want}"),
    )
}

fn is_refused(answer: &Result<Outcome, Error>) -> bool {
    match answer {
        Ok(Outcome::Refused { .. }) => true,
        Ok(_) => false,
        Err(error) => matches!(error.class, ErrorClass::Rejected | ErrorClass::Conflict),
    }
}

/// The same bytes again make no second one, whatever the retry policy is: `send` reads before it writes, or the key is honoured.
pub(super) async fn again(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let (call, prepared) = ready(bench, seen, spec.op).await?;
    for when in ["sent", "sent again"] {
        let answer = operations(bench)?.send_one(spec.op, &prepared).await;
        seen.debug(&answer);
        ensure(
            matches!(answer, Ok(Outcome::Done { .. } | Outcome::Accepted { .. })),
            format!("{when}: {answer:?}"),
        )?;
        done(bench, &call, 1, when).await?;
    }
    Ok(())
}

/// The outcome of a refund names it as readings do: that is how the engine knows it for its own.
pub(super) async fn named(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let (_, prepared) = ready(bench, seen, spec.op).await?;
    let answer = operations(bench)?.send_one(spec.op, &prepared).await;
    seen.debug(&answer);
    let made = match &answer {
        Ok(Outcome::Done { id: Some(id) } | Outcome::Accepted { id: Some(id) }) => id.clone(),
        other => return Err(format!("sent: no id in {other:?}")),
    };
    let found = operations(bench)?.look_up_one(spec.op, &prepared).await;
    seen.debug(&found);
    match &found {
        Ok(LookUp::Found(Outcome::Done { id } | Outcome::Accepted { id })) => ensure(
            id.as_ref() == Some(&made),
            format!("the look-up names {id:?}, the call {made:?}"),
        ),
        // Where nothing can be looked up there is nothing to compare.
        Ok(LookUp::Inconclusive) => Ok(()),
        other => Err(format!("the look-up says {other:?}")),
    }
}

/// Staff did the same by hand after it was decided: the look-up does not take theirs for ours, and sending makes no second one.
pub(super) async fn by_staff(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let (call, prepared) = ready(bench, seen, spec.op).await?;
    ensure(
        bench.far.by_staff(&call).await,
        "the simulator has no staff that does it by hand",
    )?;
    let found = operations(bench)?.look_up_one(spec.op, &prepared).await;
    seen.debug(&found);
    ensure(
        !matches!(
            found,
            Ok(LookUp::Found(
                Outcome::Done { .. } | Outcome::Accepted { .. }
            ))
        ),
        format!("the look-up takes staff's for ours: {found:?}"),
    )?;
    let answer = operations(bench)?.send_one(spec.op, &prepared).await;
    seen.debug(&answer);
    if spec.op == Op::Refund {
        ensure(
            is_refused(&answer),
            format!("staff refunded the same meanwhile, and the answer is {answer:?}"),
        )?;
    }
    done(bench, &call, 0, "after staff did it").await
}

/// More than was captured is refused, and nothing is given back.
pub(super) async fn beyond(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let Call::Refund(mut call) = bench.far.call(spec.op).await else {
        return Err("the external system returned a different call".to_owned());
    };
    call.amount = call.amount.saturating_mul(1000);
    call.expected_refunded_total = call.amount;
    let call = Call::Refund(call);
    let prepared = operations(bench)?
        .prepare(&call)
        .map_err(|e| failed(seen, &e, "prepare"))?;
    let answer = operations(bench)?.send_one(spec.op, &prepared).await;
    seen.debug(&answer);
    ensure(
        is_refused(&answer),
        format!("a refund beyond what was captured was answered {answer:?}"),
    )?;
    done(bench, &call, 0, "refused").await
}
