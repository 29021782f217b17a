//! The daemon's loops. A loop that finds work goes on at once; one that finds none waits a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::acts::{LoggedActs, acts_step};
use super::rounds::{Idle, Rounds};
use super::trouble::Outage;
use super::wake::{Wake, listen, tell};
use super::{allocate_step, batch_step, plan_step, recover_step, seal_step};
use crate::account::Account;
use crate::engine::Engine;
use crate::ops::health::Readiness;
use crate::pull::pull_account;
use crate::push::push_account;
use crate::store::{OwnedAccount, StoreError};

/// Why the daemon ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The schema is newer than this binary.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The housekeeping scheduler could not be started.
    #[error("housekeeping: {0}")]
    Housekeeping(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// How often the database is compared with what was sent, beside each new connection and each send.
const RECOVERY_PAUSE: Duration = Duration::from_secs(5);
/// The pause between two steps of a recovery.
const RECOVERY_STEP: Duration = Duration::from_secs(1);
/// How late a command of an operator may be in the log.
const ACTS_PAUSE: Duration = Duration::from_secs(10);

/// What readiness calls a daemon that plans nothing, because another configuration or a newer version is in force.
const PLANNING: &str = "planning";

type Owned = Arc<RwLock<Vec<OwnedAccount>>>;

/// Runs until `stop`: then nothing new is claimed, what is under way ends, and the leases are given back.
///
/// # Errors
/// [`RunError`]; a database that is away is waited for.
pub async fn run(
    engine: Arc<Engine>,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let owned: Owned = Arc::new(RwLock::new(engine.own(true).await?));
    let started = engine.store.now().await?;
    let accounts = owned.read().await.len();
    info!(accounts, instance = engine.instance.0, "accounts owned");
    let mut loops = JoinSet::new();
    let wake = Wake::new();
    loops.spawn(tell(Arc::clone(&engine), wake.clone(), stop.clone()));
    loops.spawn(listen(Arc::clone(&engine), wake.clone(), stop.clone()));
    let outage = Outage::new(&readiness);
    let rounds = |name: String, idle: Idle| Rounds {
        name,
        idle,
        readiness: readiness.clone(),
        outage: outage.clone(),
        stop: stop.clone(),
        store: engine.store.clone(),
    };
    let woken = || {
        let pause = wake.pause(engine.idle, engine.longest_idle);
        Idle::Woken(wake.clone(), pause)
    };
    for account in engine.accounts.values() {
        for work in [Work::Pull, Work::Push] {
            let (engine, account, owned) =
                (Arc::clone(&engine), account.clone(), Arc::clone(&owned));
            let name = format!("{work:?} {}", account.slug);
            loops.spawn(rounds(name, woken()).every(move || {
                account_round(
                    Arc::clone(&engine),
                    account.clone(),
                    Arc::clone(&owned),
                    work,
                )
            }));
        }
    }
    for (name, step) in [
        ("plan", Step::Plan),
        ("allocate", Step::Allocate),
        ("batches", Step::Batches),
        ("seal", Step::Seal),
    ] {
        let engine = Arc::clone(&engine);
        let rounds = rounds(name.to_owned(), woken());
        let told = readiness.clone();
        loops.spawn(rounds.every(move || step_round(Arc::clone(&engine), step, told.clone())));
    }
    {
        let (engine, owned) = (Arc::clone(&engine), Arc::clone(&owned));
        let pause =
            Duration::from_secs(u64::try_from(engine.lease_seconds).unwrap_or(60).max(3) / 3);
        let rounds = rounds("lease".to_owned(), Idle::For(pause));
        loops.spawn(rounds.every(move || renew(Arc::clone(&engine), Arc::clone(&owned))));
    }
    {
        let (engine, owned, told) = (Arc::clone(&engine), Arc::clone(&owned), readiness.clone());
        let said = Arc::new(Mutex::new(None));
        let rounds = rounds("recovery".to_owned(), Idle::For(RECOVERY_PAUSE));
        loops.spawn(rounds.every(move || {
            recovery(
                Arc::clone(&engine),
                Arc::clone(&owned),
                told.clone(),
                Arc::clone(&said),
            )
        }));
    }
    {
        let engine = Arc::clone(&engine);
        let logged = Arc::new(Mutex::new(LoggedActs::since(started)));
        let rounds = rounds("acts".to_owned(), Idle::For(ACTS_PAUSE));
        loops.spawn(rounds.every(move || acts_step(Arc::clone(&engine), Arc::clone(&logged))));
    }
    let mut housekeeping =
        super::housekeeping::start(Arc::clone(&engine), started, &outage).await?;
    stop.cancelled().await;
    info!("stopping: no new work is started; waiting for calls in progress");
    let drained = tokio::time::timeout(engine.drain, async {
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                warn!(%error, "a background loop failed");
            }
        }
    });
    if drained.await.is_err() {
        warn!(
            "calls in progress did not end in time; their outcome is unknown and is looked up at the next start"
        );
        loops.shutdown().await;
    }
    housekeeping.shutdown().await?;
    let owned = owned.read().await.clone();
    if let Err(error) = engine.release(&owned).await {
        warn!(%error, "could not release leases; they expire automatically");
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Pull,
    Push,
}

#[derive(Clone, Copy)]
enum Step {
    Plan,
    Allocate,
    Batches,
    Seal,
}

async fn account_round(
    engine: Arc<Engine>,
    account: Account,
    owned: Owned,
    work: Work,
) -> Result<bool, StoreError> {
    let mine = owned
        .read()
        .await
        .iter()
        .find(|o| o.id == account.id)
        .cloned();
    let Some(mine) = mine else { return Ok(false) };
    let worked = match work {
        Work::Pull => pull_account(&engine, &account, &mine).await,
        Work::Push => push_account(&engine, &account, &mine).await.map(|n| n > 0),
    };
    let counts = account.link.meter().counts();
    engine.metrics.budget(account.slug.as_str(), counts);
    worked
}

async fn step_round(
    engine: Arc<Engine>,
    step: Step,
    readiness: Readiness,
) -> Result<bool, StoreError> {
    Ok(match step {
        Step::Plan => {
            let planned = plan_step(&engine).await?;
            match engine.guards.standing().why() {
                Some(why) => readiness.block(PLANNING, why),
                None => readiness.clear(PLANNING),
            }
            planned
        }
        Step::Allocate => allocate_step(&engine).await?,
        Step::Batches => batch_step(&engine).await?,
        Step::Seal => seal_step(&engine).await?,
    } > 0)
}

/// Looks whether the database lost recent commits, tells of it once a minute, and goes on with its recovery.
async fn recovery(
    engine: Arc<Engine>,
    owned: Owned,
    readiness: Readiness,
    said: Arc<Mutex<Option<tokio::time::Instant>>>,
) -> Result<bool, StoreError> {
    let mine = owned.read().await.clone();
    let stopped = recover_step(&engine, &mine).await?;
    engine.metrics.stopped(stopped.is_some());
    match stopped {
        None => {
            readiness.clear("recovery");
            return Ok(false);
        }
        Some(why) => {
            let now = tokio::time::Instant::now();
            let mut said = said.lock().await;
            if said.is_none_or(|at| now - at >= Duration::from_secs(60)) {
                warn!(why, "sending and sealing are stopped: see `hikiate tasks`");
                *said = Some(now);
            }
            readiness.block("recovery", why);
        }
    }
    tokio::time::sleep(RECOVERY_STEP).await;
    Ok(true)
}

async fn renew(engine: Arc<Engine>, owned: Owned) -> Result<bool, StoreError> {
    let now_owned = engine.own(false).await?;
    let mut owned = owned.write().await;
    let (taken, given_up) = (lacking(&owned, &now_owned), lacking(&now_owned, &owned));
    *owned = now_owned;
    if !(taken.is_empty() && given_up.is_empty()) {
        let instance = &engine.instance.0;
        info!(
            accounts = owned.len(),
            instance, taken, given_up, "accounts owned"
        );
    }
    Ok(false)
}

/// Accounts that the first list lacks and the second one has, in words.
fn lacking(from: &[OwnedAccount], among: &[OwnedAccount]) -> String {
    let lacks = |account: &&OwnedAccount| from.iter().all(|has| has.id != account.id);
    let mut slugs: Vec<&str> = among
        .iter()
        .filter(lacks)
        .map(|a| a.slug.as_str())
        .collect();
    slugs.sort_unstable();
    slugs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(id: i16, slug: &str, token: i64) -> OwnedAccount {
        OwnedAccount {
            id,
            slug: slug.to_owned(),
            token,
            paused: None,
            taken: false,
        }
    }

    #[test]
    fn accounts_that_are_owned_as_before_are_no_change() {
        let before = [owned(1, "wh", 7), owned(2, "shop", 8)];
        let after = [
            owned(2, "shop", 9),
            owned(3, "mail", 1),
            owned(4, "books", 1),
        ];
        assert_eq!(lacking(&before, &after), "books, mail");
        assert_eq!(lacking(&after, &before), "wh");
        assert_eq!(lacking(&before, &before), "");
        assert_eq!(lacking(&[], &before), "shop, wh");
    }
}
