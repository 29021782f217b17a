//! What the engine relies on when it pulls.

use std::collections::BTreeSet;

use super::drain::{drain, now, page_at, shown, source, told};
use super::edges::{long_list, partial_fields, seen_late, tail_and_sweep, time_zones, told_twice};
use super::records::identity;
use super::run::{Checked, Run, Seen, ensure};
use super::subject::{Bench, Times};
use crate::faulty::{Fault, RETRY_AFTER, Target};
use crate::{ErrorClass, ExternalId, Kind};

pub(super) async fn checks(run: &mut Run<'_>) {
    for spec in run.card.streams.clone() {
        let stream = spec.name.as_str();
        for (what, pages, extra) in [
            ("none", 0, 0),
            ("one", 0, 1),
            ("a page", 1, 0),
            ("a page and one", 1, 1),
            ("two pages and one", 2, 1),
            ("ten pages", 10, 0),
        ] {
            run.check(
                &format!("paging, {what}/{stream}"),
                &[],
                async |bench, seen| {
                    let count = pages * bench.far.page_size(stream) + extra;
                    all_are_told(bench, seen, stream, count, Times::Rising).await
                },
            )
            .await;
        }
        run.check(
            &format!("equal times/{stream}"),
            &[],
            async |bench, seen| {
                let count = 2 * bench.far.page_size(stream) + 1;
                all_are_told(bench, seen, stream, count, Times::Equal).await
            },
        )
        .await;
        run.check(
            &format!("what comes later/{stream}"),
            &[],
            async |bench, seen| comes_later(bench, seen, stream).await,
        )
        .await;
        run.check(&format!("seen late/{stream}"), &[], async |bench, seen| {
            seen_late(bench, seen, stream).await
        })
        .await;
        run.check(
            &format!("tail and sweep/{stream}"),
            &[],
            async |bench, seen| tail_and_sweep(bench, seen, stream).await,
        )
        .await;
        run.check(
            &format!("a long list inside/{stream}"),
            &[],
            async |bench, seen| long_list(bench, seen, stream).await,
        )
        .await;
        run.check(
            &format!("partial fields/{stream}"),
            &[],
            async |bench, seen| partial_fields(bench, seen, stream).await,
        )
        .await;
        run.check(&format!("time zones/{stream}"), &[], async |bench, seen| {
            time_zones(bench, seen, stream).await
        })
        .await;
        run.check(
            &format!("reported twice/{stream}"),
            &[],
            async |bench, seen| told_twice(bench, seen, stream).await,
        )
        .await;
        run.check(
            &format!("reported again until acknowledged/{stream}"),
            &[],
            async |bench, seen| told_again(bench, seen, stream).await,
        )
        .await;
        run.check(
            &format!("a bad record/{stream}"),
            &[],
            async |bench, seen| bad_record(bench, seen, stream).await,
        )
        .await;
        for fault in READ_FAULTS {
            run.check(
                &format!("{fault} on reading/{stream}"),
                &[fault],
                async |bench, seen| faulty_page(bench, seen, stream, fault).await,
            )
            .await;
        }
        if spec.kind == Kind::Order {
            run.check(
                &format!("reading orders by id/{stream}"),
                &[],
                async |bench, seen| by_id(bench, seen, stream).await,
            )
            .await;
            run.check(
                &format!("excluded orders/{stream}"),
                &[],
                async |bench, seen| excluded(bench, seen, stream).await,
            )
            .await;
            run.check(
                &format!("absent by id/{stream}"),
                &[],
                async |bench, seen| absent(bench, seen, stream).await,
            )
            .await;
        }
    }
}

const READ_FAULTS: [Fault; 12] = [
    Fault::NotSent,
    Fault::LostReply,
    Fault::ErrorBefore,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Garbage,
    Fault::Truncated,
    Fault::ErrorInOk,
];

pub(super) async fn seeded(
    bench: &Bench,
    stream: &str,
    count: usize,
    times: Times,
) -> Result<BTreeSet<String>, String> {
    let ids = bench.far.seed(stream, count, times).await;
    let set: BTreeSet<String> = ids.into_iter().collect();
    ensure(
        set.len() == count,
        format!(
            "the simulator should have made {count} records and made {}",
            set.len()
        ),
    )?;
    Ok(set)
}

pub(super) fn same(told: &BTreeSet<String>, wanted: &BTreeSet<String>, when: &str) -> Checked {
    let lost: Vec<_> = wanted.difference(told).collect();
    let extra: Vec<_> = told.difference(wanted).collect();
    ensure(
        lost.is_empty(),
        format!(
            "{when}: {} of {} records were never reported, the first {:?}",
            lost.len(),
            wanted.len(),
            lost.first()
        ),
    )?;
    ensure(
        extra.is_empty(),
        format!(
            "{when}: {} records were reported that do not exist, the first {:?}",
            extra.len(),
            extra.first()
        ),
    )
}

async fn all_are_told(
    bench: &Bench,
    seen: &Seen,
    stream: &str,
    count: usize,
    times: Times,
) -> Checked {
    let wanted = seeded(bench, stream, count, times).await?;
    let whole = drain(bench, seen, stream, None).await?;
    same(&whole.ids(), &wanted, "read in one go")?;
    ensure(
        whole.bad.is_empty(),
        format!(
            "a valid record was reported as bad: {:?}",
            whole.bad.first()
        ),
    )?;
    if whole.consumes {
        return Ok(());
    }
    for after in 1..=whole.pages.len() {
        let (before, cursor) = whole.pages.split_at(after).0.split_last().map_or(
            (Vec::new(), None),
            |(last, rest)| {
                let ids = rest
                    .iter()
                    .chain([last])
                    .flat_map(|(ids, _)| ids.clone())
                    .collect();
                (ids, Some(last.1.clone()))
            },
        );
        let resumed = drain(bench, seen, stream, cursor).await?;
        let all: BTreeSet<String> = before.into_iter().chain(resumed.ids()).collect();
        same(&all, &wanted, &format!("resumed after page {after}"))?;
    }
    Ok(())
}

async fn comes_later(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    seeded(bench, stream, bench.far.page_size(stream), Times::Rising).await?;
    let first = drain(bench, seen, stream, None).await?;
    let later = seeded(bench, stream, 2, Times::Rising).await?;
    let second = drain(bench, seen, stream, first.cursor()).await?.ids();
    ensure(
        later.is_subset(&second),
        "records made after the last page were not reported from its cursor",
    )
}

async fn told_again(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let wanted = seeded(bench, stream, 1, Times::Rising).await?;
    for _ in 0..2 {
        let page = page_at(bench, stream, None, now())
            .await
            .map_err(|e| shown(seen, &e, "a page without a fault"))?;
        same(&told(&page), &wanted, "read without acknowledging")?;
    }
    Ok(())
}

async fn bad_record(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let mut wanted = seeded(bench, stream, 2, Times::Rising).await?;
    bench.far.seed_bad(stream).await;
    wanted.extend(seeded(bench, stream, 2, Times::Rising).await?);
    let drained = drain(bench, seen, stream, None).await?;
    same(&drained.ids(), &wanted, "with a bad record among them")?;
    ensure(
        !drained.bad.is_empty(),
        "the bad record was not reported: it is lost instead of quarantined",
    )?;
    ensure(
        drained.bad.iter().all(|reason| !reason.is_empty()),
        "a bad record without a reason",
    )
}

async fn faulty_page(bench: &Bench, seen: &Seen, stream: &str, fault: Fault) -> Checked {
    let wanted = seeded(bench, stream, 2, Times::Rising).await?;
    bench.inject(Target::Read, fault);
    match page_at(bench, stream, None, now()).await {
        Ok(page) => return Err(format!("gave a page of {} records", page.records.len())),
        Err(error) => {
            seen.debug(&error);
            let right = match fault {
                Fault::RateLimited => {
                    error.class
                        == ErrorClass::RateLimited {
                            after: Some(RETRY_AFTER),
                        }
                }
                Fault::RateLimitedSilently | Fault::SlowDown | Fault::RateLimitedInOk => {
                    matches!(error.class, ErrorClass::RateLimited { .. })
                }
                Fault::Unauthorised => error.class == ErrorClass::Auth,
                Fault::Forbidden => error.class == ErrorClass::Forbidden,
                Fault::Garbage | Fault::ErrorInOk => error.class == ErrorClass::Protocol,
                Fault::Truncated => {
                    matches!(error.class, ErrorClass::Protocol | ErrorClass::Transient)
                }
                _ => error.class == ErrorClass::Transient,
            };
            ensure(right, format!("was {:?}: {error}", error.class))?;
        }
    }
    bench.rested();
    same(
        &drain(bench, seen, stream, None).await?.ids(),
        &wanted,
        "fetched again after the fault",
    )
}

/// As many ids as a call takes, of which one is an order and comes twice: the others are simply absent.
async fn absent(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let wanted = seeded(bench, stream, 1, Times::Rising).await?;
    let source = source(bench)?;
    let reads = source.reads();
    let most = reads.iter().find(|(kind, _)| *kind == Kind::Order);
    let &(_, most) = most.ok_or("a source of orders that cannot refresh an order by its id")?;
    ensure(most > 0, "reads() declares a call that takes no ids")?;
    let known = wanted.iter().cycle().take(most.min(2)).cloned();
    let mut ids: Vec<ExternalId> = known.map(ExternalId::new).collect();
    for n in ids.len()..most {
        ids.push(ExternalId::from(format!("no-such-order-{n}").as_str()));
    }
    let records = source
        .read(Kind::Order, &ids)
        .await
        .map_err(|e| shown(seen, &e, "reading orders of which most are absent"))?;
    let told: BTreeSet<String> = records
        .iter()
        .filter_map(|r| r.parsed.as_ref().ok())
        .map(identity)
        .collect();
    same(&told, &wanted, "one order among unknown ids")?;
    let gone: Vec<ExternalId> = ids.into_iter().skip(most.min(2)).collect();
    let none = source
        .read(Kind::Order, &gone)
        .await
        .map_err(|e| shown(seen, &e, "reading orders that are all absent"))?;
    ensure(
        none.is_empty(),
        "unknown orders were requested, and some were returned",
    )
}

/// What the configuration leaves out is marked so, in a list and by id, and nothing else is.
async fn excluded(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let wanted = seeded(bench, stream, 1, Times::Rising).await?;
    let left_out = bench.far.seed_excluded(stream).await;
    let source = source(bench)?;
    let page = source
        .page(stream, None, crate::Here::at(now()))
        .await
        .map_err(|e| shown(seen, &e, "a page without a fault"))?;
    let ids = wanted.iter().chain(&left_out);
    let ids: Vec<ExternalId> = ids.map(|id| ExternalId::new(id.clone())).collect();
    let read = source
        .read(Kind::Order, &ids)
        .await
        .map_err(|e| shown(seen, &e, "reading orders"))?;
    for (records, how) in [(&page.records, "in its list"), (&read, "by id")] {
        let new = records.iter().filter(|record| !record.excluded);
        let new = new.filter_map(|record| record.parsed.as_ref().ok());
        same(&new.map(identity).collect(), &wanted, how)?;
    }
    let told: BTreeSet<String> = read
        .iter()
        .filter_map(|record| record.parsed.as_ref().ok())
        .map(identity)
        .collect();
    let all: BTreeSet<String> = wanted.into_iter().chain(left_out).collect();
    same(&told, &all, "by id, with what is left out")
}

async fn by_id(bench: &Bench, seen: &Seen, stream: &str) -> Checked {
    let wanted = seeded(bench, stream, 3, Times::Rising).await?;
    let source = source(bench)?;
    let mut ids: Vec<ExternalId> = wanted
        .iter()
        .take(2)
        .map(|id| ExternalId::new(id.clone()))
        .collect();
    let asked: BTreeSet<String> = wanted.iter().take(2).cloned().collect();
    ids.insert(1, ExternalId::from("there-is-no-such-order"));
    let records = source
        .read(Kind::Order, &ids)
        .await
        .map_err(|e| shown(seen, &e, "reading orders"))?;
    ensure(
        records.iter().all(|r| r.parsed.is_ok()),
        "a valid order was reported as bad",
    )?;
    let told: BTreeSet<String> = records
        .iter()
        .filter_map(|r| r.parsed.as_ref().ok())
        .map(identity)
        .collect();
    same(&told, &asked, "two orders and an unknown one by id")?;
    let none = source
        .read(Kind::Order, &[])
        .await
        .map_err(|e| shown(seen, &e, "reading no orders"))?;
    ensure(
        none.is_empty(),
        "no order was requested, and some were returned",
    )
}
