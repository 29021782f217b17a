//! `hikiate demo --bench N`: how many orders a second come from the shop into the books, and what memory
//! that takes.

use std::time::{Duration, Instant};

use super::child::peak_memory;
use super::report::{Progress, say};
use super::run::{CameOut, Stage};
use super::scenes::{self, Placed, place};
use super::{orders, verify};
use crate::store::Store;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(250);

/// Places the orders, starts the daemon, and measures until all are booked.
///
/// # Errors
/// The database's; a daemon that ended by itself.
pub(super) async fn run(
    stage: &Stage,
    count: usize,
    limit: Option<u64>,
) -> anyhow::Result<CameOut> {
    say(&format!(
        "{count} plain orders, from the daemon's start until all are booked"
    ));
    let (world, program, url) = stage.set(count, true).await?;
    let store = Store::connect(&url, 1)?;
    let placed: Vec<Placed> = orders::plain(count)
        .iter()
        .map(|wish| place(&world, wish))
        .collect();
    let begun = Instant::now();
    let deadline = begun + limit.map_or(LIMIT, Duration::from_secs);
    let pid = stage.start(&program).await?;
    let mut progress = Progress::new(count);
    let (mut memory, mut booked) = (0, 0);
    while booked < count && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        stage.alive().await?;
        memory = memory.max(peak_memory(pid).unwrap_or(0));
        // The daemon is still starting its database when there is no answer.
        let Ok(counts) = store.count_orders().await else {
            continue;
        };
        let of = |status: &str| {
            counts
                .iter()
                .find(|(word, _)| word == status)
                .map_or(0, |(_, n)| *n)
        };
        booked = usize::try_from(of("booked")).unwrap_or(0);
        let standing: Vec<String> = counts
            .iter()
            .map(|(word, n)| format!("{word} {n}"))
            .collect();
        progress.say(booked, &standing.join(", "));
    }
    let took = begun.elapsed();
    progress.end();
    // What follows the booking (notices, captures, mails) ends before the external systems are asked. Between two
    // effects of an order its queue is empty for a moment.
    let mut quiet = 0;
    while booked == count && quiet < 8 && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        quiet = if store.list_effects(false, 1).await?.is_empty() {
            quiet + 1
        } else {
            0
        };
    }
    memory = memory.max(peak_memory(pid).unwrap_or(0));
    if booked < count {
        world.trouble(format!(
            "{booked} of {count} orders were booked within {} s",
            took.as_secs()
        ));
    }
    let evidence = scenes::gather(&world, &store, &placed, &stage.root).await;
    store.close().await;
    let mut evidence = evidence?;
    evidence.troubles.extend(stage.end_daemon().await?);
    let verdict = verify::judge(&evidence);
    for problem in verdict.problems.iter().take(10) {
        say(&format!("  WRONG  {problem}"));
    }
    Ok(CameOut {
        good: verdict.good(),
        last: line(count, booked, took, memory),
    })
}

fn line(count: usize, booked: usize, took: Duration, memory: u64) -> String {
    let milliseconds = usize::try_from(took.as_millis())
        .unwrap_or(usize::MAX)
        .max(1);
    format!(
        "bench: orders={count} per_second={} rss_mib={memory}",
        booked.saturating_mul(1000) / milliseconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_what_was_booked() {
        assert_eq!(
            line(10_000, 10_000, Duration::from_millis(12_500), 48),
            "bench: orders=10000 per_second=800 rss_mib=48"
        );
        assert_eq!(
            line(10, 0, Duration::ZERO, 0),
            "bench: orders=10 per_second=0 rss_mib=0"
        );
    }
}
