//! The budget of calls: everything that reaches the external system has had its turn.

use std::time::Duration;

use super::drain::drain;
use super::operations::operations;
use super::run::{Checked, Run, Seen, ensure};
use super::subject::{Bench, Times};
use crate::OperationSpec;
use crate::budget::{Budget, Limit};

/// A budget that is too small for what the check does in one go, and large enough to end soon.
const CALLS: u32 = 3;
const PER: Duration = Duration::from_millis(250);

pub(super) async fn checks(run: &mut Run<'_>) {
    let (streams, specs) = (run.card.streams.clone(), run.card.operations.clone());
    let names: Vec<String> = streams.into_iter().map(|s| s.name).collect();
    run.check("the budget is kept", &[], async |bench, seen| {
        kept(bench, seen, &names, &specs).await
    })
    .await;
}

/// Reads every stream and does every operation under a budget of a few calls: no window has more of them, and each visit had a
/// turn.
async fn kept(bench: &Bench, seen: &Seen, streams: &[String], specs: &[OperationSpec]) -> Checked {
    let meter = bench.link.meter();
    let window = Limit::Window {
        calls: CALLS,
        per: PER,
    };
    meter.declare(vec![Budget::account(vec![window])]);
    let mut visits = 0;
    for stream in streams {
        let count = 2 * bench.far.page_size(stream) + 1;
        bench.far.seed(stream, count, Times::Rising).await;
        visits += drain(bench, seen, stream, None).await?.pages.len();
    }
    for spec in specs {
        let operations = operations(bench)?;
        let call = bench.far.call(spec.op).await;
        let failed = |e: crate::Error| super::operations::failed(seen, &e, "under a small budget");
        let prepared = operations.prepare(&call).map_err(failed)?;
        operations
            .send_one(spec.op, &prepared)
            .await
            .map_err(failed)?;
        visits += 1;
    }
    let turns = meter.counts().calls;
    ensure(
        turns >= visits as u64,
        format!("{visits} visits had {turns} turns"),
    )?;
    let Some(mut arrivals) = bench.seam.arrivals() else {
        return Ok(());
    };
    ensure(
        arrivals.len() as u64 <= turns,
        format!("{} calls arrived and {turns} had a turn", arrivals.len()),
    )?;
    arrivals.sort_unstable();
    let (at, most) = (arrivals.iter(), CALLS as usize);
    let crowded = at
        .zip(arrivals.iter().skip(most))
        .find(|(a, b)| **b - **a < PER);
    ensure(
        crowded.is_none(),
        format!("more than {CALLS} calls arrived within {PER:?}"),
    )
}
