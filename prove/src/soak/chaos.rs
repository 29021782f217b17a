//! What happens to the daemons and their database, from a seed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hikiate_sdk::faulty::Prng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::failover::Failover;
use super::fleet::DAEMONS;
use super::restore::Restore;
use super::stage::Stage;

/// What happens to the database once, at its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Planned {
    /// It is set back to a backup.
    Restore(Restore),
    /// Its standby takes its place.
    Failover(Failover),
}

impl Planned {
    fn at(&self) -> Instant {
        match self {
            Self::Restore(restore) => restore.at,
            Self::Failover(failover) => failover.at,
        }
    }

    async fn play(self, stage: &Stage, chance: &mut Prng, done: &mut Done) -> anyhow::Result<()> {
        match self {
            Self::Restore(restore) => restore.play(stage, chance, done).await,
            Self::Failover(failover) => failover.play(stage, chance, done).await,
        }
    }
}

/// How often the database was taken away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// Killed or restarted at once.
    pub(super) db_restarts: usize,
    /// Set back to a backup.
    pub(super) restores: usize,
    /// Replaced by its standby.
    pub(super) failovers: usize,
}

/// Makes trouble until told to stop, with what is planned in its order, and has both daemons and the database running again at the end.
///
/// # Errors
/// When the database does not come back or the backup cannot be had: nothing can be proved then.
pub(super) async fn rage(
    stage: &Stage,
    seed: u64,
    mut plan: VecDeque<Planned>,
    stop: CancellationToken,
) -> anyhow::Result<Done> {
    let mut chance = Prng::new(seed);
    let mut done = Done::default();
    let mut away: Option<(usize, Instant)> = None;
    while !stop.is_cancelled() {
        let pause = Duration::from_millis(2500 + chance.below(4500));
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(pause) => {}
        }
        if plan.front().is_some_and(|next| next.at() <= Instant::now())
            && let Some(due) = plan.pop_front()
        {
            if let Some((n, _)) = away.take() {
                stage.fleet.want(n);
            }
            due.play(stage, &mut chance, &mut done).await?;
            continue;
        }
        if let Some((n, until)) = away
            && until <= Instant::now()
        {
            stage.notes.say(&format!("daemon {} comes back", n + 1));
            stage.fleet.want(n);
            away = None;
        }
        one(stage, &mut chance, &mut done, &mut away).await?;
    }
    for planned in plan {
        planned.play(stage, &mut chance, &mut done).await?;
    }
    (0..DAEMONS).for_each(|n| stage.fleet.want(n));
    Ok(done)
}

/// One piece of trouble.
pub(super) async fn one(
    stage: &Stage,
    chance: &mut Prng,
    done: &mut Done,
    away: &mut Option<(usize, Instant)>,
) -> anyhow::Result<()> {
    let absent = away.map(|(n, _)| n);
    // Every run has each kind of kill, however short it is.
    let dice = match (stage.fleet.kills(), done.db_restarts) {
        (0, _) => 0,
        (_, 0) => 80,
        (_, 1) => 90,
        _ => chance.below(100),
    };
    match dice {
        0..=59 => {
            let n = usize::try_from(chance.below(2)).unwrap_or(0);
            if absent != Some(n) {
                kill(stage, n, chance.below(1500)).await?;
            }
        }
        60..=74 if absent.is_none() => {
            let n = usize::try_from(chance.below(2)).unwrap_or(0);
            let seconds = 5 + chance.below(20);
            stage
                .notes
                .say(&format!("daemon {} is stopped for {seconds} s", n + 1));
            stage.fleet.send_home(n).await?;
            *away = Some((n, Instant::now() + Duration::from_secs(seconds)));
        }
        60..=79 => {
            // Both at the same moment.
            for n in (0..DAEMONS).filter(|n| absent != Some(*n)) {
                kill(stage, n, 0).await?;
            }
        }
        80..=89 => {
            stage.notes.say("kill -9 of PostgreSQL");
            stage.server.kill().await?;
            done.db_restarts += 1;
        }
        _ => {
            stage.notes.say("pg_ctl restart -m immediate");
            stage.server.restart().await?;
            done.db_restarts += 1;
        }
    }
    Ok(())
}

/// `kill -9` of a daemon, which comes back after a while.
async fn kill(stage: &Stage, n: usize, milliseconds: u64) -> anyhow::Result<()> {
    if stage.fleet.kill(n).await? {
        stage.notes.say(&format!("kill -9 of daemon {}", n + 1));
    }
    sleep(Duration::from_millis(milliseconds)).await;
    stage.fleet.want(n);
    Ok(())
}
