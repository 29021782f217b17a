//! Where readings go wrong quietly: lists cut short, fields left out, local times, rows seen late.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::drain::{drain, drain_at, now};
use super::records::{identity, parts, reported_at};
use super::run::{Checked, Seen, ensure};
use super::source::{same, seeded};
use super::subject::{Bench, Times};
use crate::Observed;

/// The ends of days, months and hours in Tokyo, UTC, Berlin and New York: midnights, 29 February, the hours
/// that a change of clocks leaves out and repeats.
const INSTANTS: [&str; 17] = [
    "2026-11-20T14:59:59Z",
    "2026-11-20T15:00:00Z",
    "2026-12-31T14:59:59Z",
    "2026-12-31T15:00:00Z",
    "2026-12-31T23:59:59Z",
    "2027-01-01T00:00:00Z",
    "2028-02-28T14:59:59Z",
    "2028-02-28T15:00:00Z",
    "2028-02-29T12:00:00Z",
    "2028-02-29T15:00:00Z",
    "2027-03-28T00:59:59Z",
    "2027-03-28T01:00:00Z",
    "2027-03-14T06:59:59Z",
    "2027-03-14T07:00:00Z",
    "2026-11-01T05:30:00Z",
    "2026-11-01T06:30:00Z",
    "2026-11-01T07:00:00Z",
];

/// A record committed after the page that should have had it, with a time before that page's end.
pub(super) async fn seen_late(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let count = bench.far.page_size(stream) + 1;
    seeded(bench, stream, count, Times::Rising).await?;
    let first = drain(bench, seen, stream, None).await?;
    let late = seeded(bench, stream, 2, Times::Late).await?;
    let second = drain(bench, seen, stream, first.cursor()).await?.ids();
    ensure(
        late.is_subset(&second),
        "records dated before the end of the last page, but visible only after it, were never reported",
    )
}

/// All of the overlap is read again at least once in so long.
const SWEPT_WITHIN: TimeDelta = TimeDelta::hours(1);

/// What is seen late behind a later round, which may have read a short tail only, is told by the next sweep.
pub(super) async fn tail_and_sweep(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    seeded(bench, stream, 2, Times::Rising).await?;
    let mut cursor = drain(bench, seen, stream, None).await?.cursor();
    for round in ["second", "third", "fourth"] {
        cursor = drain(bench, seen, stream, cursor).await?.cursor();
        let late = seeded(bench, stream, 2, Times::Late).await?;
        let tail = drain(bench, seen, stream, cursor).await?;
        let then = now() + SWEPT_WITHIN;
        let sweep = drain_at(bench, seen, stream, tail.cursor(), then).await?;
        cursor = sweep.cursor();
        let told: BTreeSet<String> = tail.ids().into_iter().chain(sweep.ids()).collect();
        ensure(
            late.is_subset(&told),
            format!(
                "records that became visible after the {round} round were reported neither by the next round nor an hour later"
            ),
        )?;
    }
    Ok(())
}

/// An order of 150 lines is told with 150 lines or not at all.
pub(super) async fn long_list(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let long = bench.far.seed_long(stream).await;
    let most = long.values().sum::<usize>();
    ensure(
        most >= 100,
        format!("the simulator should have made a list of 100 or more and made {most}"),
    )?;
    let drained = drain(bench, seen, stream, None).await?;
    let wanted = long.keys().cloned().collect();
    same(&drained.ids(), &wanted, "with a long list inside")?;
    for observed in &drained.good {
        let (id, told) = (identity(observed), parts(observed));
        let made = long.get(&id).copied().unwrap_or_default();
        ensure(
            told == made,
            format!("{id} has {made} parts but was reported with {told}"),
        )?;
    }
    Ok(())
}

/// What lacks a field it cannot do without is told as bad, never filled in; its neighbours go on.
pub(super) async fn partial_fields(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let mut wanted = seeded(bench, stream, 1, Times::Rising).await?;
    let lacking = bench.far.seed_partial(stream).await;
    ensure(
        lacking > 0,
        "the external system made no record that lacks a field",
    )?;
    wanted.extend(seeded(bench, stream, 1, Times::Rising).await?);
    let drained = drain(bench, seen, stream, None).await?;
    same(&drained.ids(), &wanted, "with partial records among them")?;
    // A page may begin with what the one before ended with.
    let told: BTreeSet<_> = drained.bad.iter().collect();
    ensure(
        told.len() == lacking,
        format!("{lacking} records lack a field, but these were reported as bad: {told:?}"),
    )
}

/// Each instant comes through as it was.
pub(super) async fn time_zones(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let (mut made, mut good) = (Vec::new(), Vec::new());
    for text in INSTANTS {
        let at: DateTime<Utc> = text
            .parse()
            .map_err(|e| format!("the suite's own instant {text}: {e}"))?;
        let Some(id) = bench.far.seed_at(stream, at).await else {
            continue;
        };
        // Read when it happened: what is to come, or long past, need not be believed.
        let drained = drain_at(bench, seen, stream, None, at).await?;
        good.extend(drained.good);
        made.push((id, at));
    }
    ensure(
        made.len() + 1 >= INSTANTS.len(),
        format!(
            "the external system wrote {} of {} instants",
            made.len(),
            INSTANTS.len()
        ),
    )?;
    for (id, at) in made {
        let told = good.iter().find(|o| identity(o) == id);
        let told = told.ok_or_else(|| format!("{id} of {at} was never reported"))?;
        ensure(
            reported_at(told) == Some(at),
            format!(
                "{id} happened at {at} but was reported as {:?}",
                reported_at(told)
            ),
        )?;
    }
    Ok(())
}

/// The same record told a second time says the same under the same name.
pub(super) async fn told_twice(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let wanted = seeded(bench, stream, 1, Times::Rising).await?;
    let first = drain(bench, seen, stream, None).await?;
    for id in &wanted {
        bench.far.tell_again(stream, id).await;
    }
    let second = drain(bench, seen, stream, first.cursor()).await?;
    same(&second.ids(), &wanted, "reported a second time")?;
    ensure(
        second.good.iter().all(|o| {
            first
                .good
                .iter()
                .any(|known| unversioned(known) == unversioned(o))
        }),
        "the same record, reported twice, differs",
    )
}

/// Without what moves though nothing happened: the channel's count or time of changes, the file and its reading.
fn unversioned(observed: &Observed) -> Observed {
    let mut observed = observed.clone();
    match &mut observed {
        Observed::Order(order, _) => order.version = None,
        Observed::Parcel(parcel) => parcel.told = None,
        Observed::Stock(level) => level.read_at = None,
        Observed::Payment(payment) => payment.version = None,
        Observed::InstructionReply(_) | Observed::CancelReply(_) => {}
    }
    observed
}
