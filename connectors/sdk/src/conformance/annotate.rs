//! What the engine relies on where a note is shown: the last one stands, whatever came before it.

use super::operations::{failed, operations};
use super::run::{Checked, Seen, ensure};
use super::subject::Bench;
use crate::{AnnotateCall, Call, HoldWhy, Op, OperationSpec, Outcome, RetryPolicy, ShownHold};

/// A note, and nothing else, is sent again without being looked up.
pub(super) fn repeats(spec: &OperationSpec) -> Checked {
    let (note, repeat) = (spec.op == Op::Annotate, spec.retry == RetryPolicy::Repeat);
    ensure(
        note == repeat,
        format!("{} declares {:?}", spec.op, spec.retry),
    )
}

/// The same note twice is one note, another one takes its place, and none removes it, also where there is none.
pub(super) async fn repeated(bench: &Bench, seen: &Seen) -> Checked {
    let Call::Annotate(first) = bench.far.call(Op::Annotate).await else {
        return Err("the external system returned a different call".to_owned());
    };
    ensure(!first.holds.is_empty(), "the call shows no hold")?;
    let mut longer = first.clone();
    longer.holds.push(ShownHold {
        rule: "another-rule".to_owned(),
        why: HoldWhy::Operator,
    });
    let none = AnnotateCall {
        order: first.order.clone(),
        holds: Vec::new(),
    };
    let all = [first, longer, none].map(Call::Annotate);
    let [first, longer, none] = &all;
    let steps = [
        ("first", first),
        ("the same again", first),
        ("another", longer),
        ("removed", none),
        ("removed again", none),
        ("back again", first),
    ];
    for (when, call) in steps {
        let prepared = operations(bench)?
            .prepare(call)
            .map_err(|e| failed(seen, &e, when))?;
        let outcome = operations(bench)?.send_one(Op::Annotate, &prepared).await;
        seen.debug(&outcome);
        ensure(
            matches!(outcome, Ok(Outcome::Done { .. })),
            format!("{when}: {outcome:?}"),
        )?;
        for other in &all {
            let want = usize::from(other == call);
            let done = bench.far.times_done(Op::Annotate, other).await;
            ensure(
                done == want,
                format!("{when}: shown {done} times instead of {want}: {other:?}"),
            )?;
        }
    }
    Ok(())
}
