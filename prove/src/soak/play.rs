//! The run itself: load and trouble, then quiet, then the reckoning.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chaos::{self, Done, Planned};
use super::failover::Failover;
use super::fleet::DAEMONS;
use super::judge::{self, Verdict};
use super::restore::Restore;
use super::run::Length;
use super::server::Follows;
use super::stage::Stage;
use super::{customers, desk, operator, staff};

/// Between two lines about how it stands.
const LINE: Duration = Duration::from_secs(10);
/// Between two reckonings, once all is quiet.
const RECKON: Duration = Duration::from_secs(3);
/// The longest pause between two tries of a call, with its jitter.
const BACK_OFF: Duration = Duration::from_secs(620);

/// Plays from the first order to the reckoning.
///
/// # Errors
/// When the database or the daemons cannot be had, so that nothing is proved.
pub(super) async fn play(stage: &Arc<Stage>, length: Length, seed: u64) -> anyhow::Result<Verdict> {
    let load = length.load;
    let (over, home) = (CancellationToken::new(), CancellationToken::new());
    // Dropped with this future: whoever works here ends with it.
    let (mut outside, mut inside) = (JoinSet::new(), JoinSet::new());
    let with = |stop: &CancellationToken| (Arc::clone(stage), stop.clone());
    let (s, stop) = with(&home);
    inside.spawn(async move { s.fleet.supervise(stop).await });
    (0..DAEMONS).for_each(|n| stage.fleet.want(n));
    let rate = length.rate;
    let (s, stop) = with(&over);
    outside.spawn(async move { customers::order(&s, rate, seed ^ 1, stop).await });
    let (s, stop) = with(&over);
    outside.spawn(async move { customers::supply(&s, seed ^ 2, stop).await });
    let (s, stop) = with(&over);
    outside.spawn(async move { customers::disturb(&s, seed ^ 3, stop).await });
    let (s, stop) = with(&over);
    outside.spawn(async move { staff::act(&s, seed ^ 5, stop).await });
    let (s, stop) = with(&over);
    outside.spawn(async move { operator::decide(&s, seed ^ 6, stop).await });
    let (s, stop) = with(&home);
    inside.spawn(async move { desk::work(&s, stop).await });
    let plan = planned(&length);
    let (s, stop) = with(&over);
    let mut trouble = tokio::spawn(async move { chaos::rage(&s, seed ^ 4, plan, stop).await });
    let end = Instant::now() + load;
    let mut early = None;
    while Instant::now() < end && early.is_none() {
        tokio::select! {
            () = sleep(LINE.min(end.saturating_duration_since(Instant::now()))) => standing(stage).await,
            ended = &mut trouble => early = Some(ended),
        }
    }
    over.cancel();
    while outside.join_next().await.is_some() {}
    let ended = match early {
        Some(ended) => ended,
        None => trouble.await,
    };
    let done = ended.context("the fault injection broke off")??;
    stage.notes.say("no more orders and no more faults");
    let verdict = reckon(stage, done, end + length.settle).await;
    home.cancel();
    while inside.join_next().await.is_some() {}
    verdict
}

/// What happens to the database, in order: a restore, a failover that loses nothing, one that does.
fn planned(length: &Length) -> VecDeque<Planned> {
    let (now, load, broken) = (Instant::now(), length.load, length.broken);
    let lose = (load / 8).clamp(Duration::from_secs(10), Duration::from_secs(40));
    let restore = Planned::Restore(Restore {
        at: now + load / 5,
        lose,
        broken,
    });
    let failover = |tenths: u32, follows| {
        Planned::Failover(Failover {
            at: now + load * tenths / 10,
            after: lose / 2,
            follows,
            broken,
        })
    };
    let failovers = [
        failover(5, Follows::Synchronously),
        failover(7, Follows::Later),
    ];
    let restore = (!length.no_restore).then_some(restore);
    let failovers = failovers.into_iter().filter(|_| !length.no_failover);
    restore.into_iter().chain(failovers).collect()
}

/// Reckons until all is well twice in a row, or time is up.
async fn reckon(stage: &Stage, done: Done, deadline: Instant) -> anyhow::Result<Verdict> {
    let mut good = 0;
    let mut said = Instant::now();
    loop {
        sleep(RECKON).await;
        let verdict = judge::judge(stage, done).await;
        let late = Instant::now() + RECKON >= deadline && !backs_off(stage, deadline).await;
        match verdict {
            Ok(verdict) if verdict.good() => {
                good += 1;
                if good >= 2 || late {
                    if verdict.counted_as_sent > 0 {
                        stage.notes.say(&format!(
                            "{} mails of the data-loss window count as sent and were not",
                            verdict.counted_as_sent
                        ));
                    }
                    return Ok(verdict);
                }
            }
            verdict if late => return verdict,
            verdict => {
                good = 0;
                if said.elapsed() >= LINE {
                    let open = verdict.map_or_else(
                        |error| format!("{error:#}"),
                        |v| {
                            format!(
                                "{} things are not settled, for example: {}",
                                v.problems.len(),
                                v.problems[0]
                            )
                        },
                    );
                    stage.notes.say(&open);
                    said = Instant::now();
                }
            }
        }
    }
}

/// A call that failed while there was trouble waits for its next try, which is still to come.
async fn backs_off(stage: &Stage, deadline: Instant) -> bool {
    if Instant::now() >= deadline + BACK_OFF {
        return false;
    }
    let waits: Result<bool, sqlx::Error> = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM effects WHERE state = 'planned' AND attempts > 0 AND due_at > hk_now() - interval '10 s')",
    )
    .fetch_one(&stage.pool)
    .await;
    waits.unwrap_or(false)
}

/// A line about how it stands.
async fn standing(stage: &Stage) {
    let counts: Result<Vec<(String, i64)>, sqlx::Error> = sqlx::query_as(
        "SELECT status, count(*) FROM subjects WHERE kind = 'order' GROUP BY status ORDER BY status",
    )
    .fetch_all(&stage.pool)
    .await;
    let words = match counts {
        Ok(counts) => counts
            .iter()
            .map(|(status, n)| format!("{status} {n}"))
            .collect::<Vec<_>>()
            .join(", "),
        Err(_) => "the database is away".to_owned(),
    };
    let placed = stage.bought().len();
    stage.notes.say(&format!("{placed} orders placed: {words}"));
}
