//! A batch of which the external system takes a part.

use std::collections::BTreeMap;

use super::drain::drain;
use super::operations::{failed, operations};
use super::run::{Checked, Seen, ensure};
use super::subject::Bench;
use crate::{Call, Observed, OperationSpec, ReplyVerdict};

/// One of three is refused: the others are taken, and each is told its own verdict.
pub(super) async fn partial_batch(bench: &Bench, seen: &Seen, spec: &OperationSpec) -> Checked {
    let operations = operations(bench)?;
    let call = bench.far.batch(spec.op).await;
    let Call::Instruct(batch) = &call else {
        return Err(format!(
            "{} takes several calls at once, and its answers are not known",
            spec.op
        ));
    };
    let members: Vec<_> = batch.instructions.iter().map(|i| &i.reference).collect();
    let [first, second, third] = members.as_slice() else {
        return Err(format!("a batch of three has {} members", members.len()));
    };
    let prepared = operations
        .prepare(&call)
        .map_err(|e| failed(seen, &e, "prepare"))?;
    let sent = operations.send_one(spec.op, &prepared).await;
    sent.map_err(|e| failed(seen, &e, "sending a batch"))?;
    let stream = bench.far.answer_batch(&call, second).await;
    let heard: BTreeMap<_, _> = drain(bench, seen, &stream, None)
        .await?
        .good
        .into_iter()
        .filter_map(|o| match o {
            Observed::InstructionReply(reply) => Some((reply.reference, reply.verdict)),
            _ => None,
        })
        .collect();
    for (reference, verdict) in [
        (first, ReplyVerdict::Accepted),
        (second, ReplyVerdict::Rejected),
        (third, ReplyVerdict::Accepted),
    ] {
        let told = heard.get(reference);
        ensure(
            told == Some(&verdict),
            format!("{reference} was {verdict:?} but reported as {told:?}"),
        )?;
    }
    Ok(())
}
