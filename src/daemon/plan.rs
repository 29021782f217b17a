//! Planning due orders: claim, load, plan each by itself, commit together. An order that cannot be
//! planned is its own problem; a commit that fails is tried order by order, and so is a batch during which a
//! process died.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use tracing::{debug, error, info, warn};

use crate::engine::Engine;
use crate::operations::automation_of;
use crate::plan::{not_written, plan_order};
use crate::store::{
    AutomationKey, Claimed, CrashGuard, PlannedOrder, Standing, Store, StoreError, TaskChange, Tx,
    log_tasks,
};

/// New input, what is due by time, and what is planned again as a whole.
const NEWS: i16 = 0;
const TIMERS: i16 = 1;
const AGAIN: i16 = 2;

/// In which order a batch looks through the classes: new input first, but every fourth batch begins with what is due by time and
/// every sixteenth with what is planned again, so that neither waits for an end of the news.
fn classes(batch: u32) -> [i16; 3] {
    match batch % 16 {
        15 => [AGAIN, TIMERS, NEWS],
        n if n % 4 == 3 => [TIMERS, NEWS, AGAIN],
        _ => [NEWS, TIMERS, AGAIN],
    }
}

/// Whether one suspect is planned after this batch even where the batch was full: among news without an end, suspects would never be.
fn suspect_too(batch: u32) -> bool {
    batch % 16 == 7
}

/// What to claim.
#[derive(Clone, Copy)]
enum Due {
    /// Of the first of these plan classes in which something is due.
    First {
        limit: i64,
        classes: [i16; 3],
    },
    Suspect,
}

/// How one transaction ended.
enum PlanTurn {
    Planned(usize),
    /// Some of what was claimed was being planned by a process that died; it is planned alone from now on.
    Interrupted,
}

/// Plans up to one batch of due orders, new input first, and then one suspect where the batch was not full or it is a suspect's turn.
/// Returns how many were planned.
///
/// # Errors
/// The database's.
pub async fn plan_step(engine: &Engine) -> Result<usize, StoreError> {
    let limit = engine.plan_batch;
    // Most looks find nothing: one statement then, and no transaction.
    let there_is = engine.store.due_orders(engine.policy_id).await?;
    tell_standing(engine, there_is.standing);
    let mut planned = 0;
    let mut theirs = false;
    if there_is.orders {
        let batch = engine.guards.next_batch();
        theirs = suspect_too(batch);
        let classes = classes(batch);
        let planning = || plan_due(engine, Due::First { limit, classes });
        planned = match engine.store.retried("plan", planning).await {
            Err(error) if !error.is_away() && !error.is_retryable() => {
                debug!(%error, "planning a batch of orders failed; planning them one by one");
                one_by_one(engine, Due::First { limit: 1, classes }, limit).await?
            }
            other => other?,
        };
    }
    let room = theirs || i64::try_from(planned).is_ok_and(|n| n < limit);
    let suspects =
        room && (there_is.suspects || (there_is.orders && engine.store.has_suspects().await?));
    if suspects {
        planned += one_by_one(engine, Due::Suspect, 1).await?;
    }
    engine.metrics.planned(planned);
    Ok(planned)
}

/// Says once that this process plans nothing, and once that it plans again.
fn tell_standing(engine: &Engine, standing: Standing) {
    if !engine.guards.found(standing) {
        return;
    }
    match standing.why() {
        Some(why) => warn!("{why}"),
        None => info!("the configuration of this daemon is in force: it plans again"),
    }
}

async fn one_by_one(engine: &Engine, due: Due, most: i64) -> Result<usize, StoreError> {
    let mut planned = 0;
    for _ in 0..most {
        match plan_due(engine, due).await {
            Ok(0) => break,
            Ok(n) => planned += n,
            Err(error) if error.is_away() => return Err(error),
            Err(StoreError::Replan) => {}
            Err(error) => {
                // Before it was written down, nothing of an order can have failed.
                let failed = engine.guards.failed().last().cloned();
                let Some((_, ids)) = failed else {
                    return Err(error);
                };
                let mut tx = engine.store.pool().begin().await?;
                let failed: Vec<(i64, String)> = ids
                    .iter()
                    .map(|id| {
                        (
                            *id,
                            format!("planning failed: {error}; retried automatically"),
                        )
                    })
                    .collect();
                warn!(subjects = ?ids, %error, "an order could not be planned: see `hikiate tasks`; the others continue");
                engine.metrics.plan_failed(failed.len());
                Store::plan_failed(&mut tx, &failed).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(planned)
}

async fn claim(tx: &mut Tx<'_>, due: Due, policy_id: i32) -> Result<Vec<i64>, StoreError> {
    match due {
        Due::Suspect => Store::claim_suspect(tx, policy_id).await,
        Due::First { limit, classes } => {
            for class in classes {
                let ids = Store::claim_due(tx, class, limit, policy_id).await?;
                if !ids.is_empty() {
                    return Ok(ids);
                }
            }
            Ok(Vec::new())
        }
    }
}

/// Deletes the rows of batches that failed while the process went on.
async fn forget_failed(engine: &Engine) -> Result<(), StoreError> {
    loop {
        let row = engine.guards.failed().last().map(|batch| batch.0);
        let Some(row) = row else { return Ok(()) };
        engine.store.forget_planning(row).await?;
        engine.guards.failed().retain(|batch| batch.0 != row);
    }
}

async fn plan_due(engine: &Engine, due: Due) -> Result<usize, StoreError> {
    forget_failed(engine).await?;
    loop {
        // Each turn that ends in suspicion deletes a row, so this ends.
        if let PlanTurn::Planned(n) = turn(engine, due).await? {
            return Ok(n);
        }
    }
}

async fn turn(engine: &Engine, due: Due) -> Result<PlanTurn, StoreError> {
    let mut tx = engine.store.pool().begin().await?;
    let ids = claim(&mut tx, due, engine.policy_id).await?;
    if ids.is_empty() {
        return Ok(PlanTurn::Planned(0));
    }
    let row = match engine.store.begin_planning(&engine.instance, &ids).await? {
        CrashGuard::Row(row) => row,
        CrashGuard::Interrupted(rows) => {
            let (suspects, aside) = Store::suspect(&mut tx, &rows).await?;
            tx.commit().await?;
            warn!(
                orders = suspects.len(),
                "a process crashed while planning these orders; they are planned one by one"
            );
            if !aside.is_empty() {
                error!(subjects = ?aside, "planning these orders crashed the process each time; they are set aside, see `hikiate tasks`");
                engine.metrics.plan_failed(aside.len());
            }
            return Ok(PlanTurn::Interrupted);
        }
    };
    let alone = matches!(due, Due::Suspect);
    let done = match plan_claimed(engine, &mut tx, &ids, row, alone).await {
        Ok(made) => tx.commit().await.map(|()| made).map_err(StoreError::from),
        Err(error) => {
            // Now, not some time later: what is claimed next must not pass by these orders.
            let _gone = tx.rollback().await;
            Err(error)
        }
    };
    match done {
        Ok(made) => {
            log_tasks(&made.tasks);
            if made.alarmed {
                tell_alarms(engine).await?;
            }
            for (automation, account) in made.paused {
                error!(automation, %account, "an automation acted on too many orders without new input and paused itself: see `hikiate automation list`, check what it did, then run `hikiate automation resume {automation} {account}`");
                engine
                    .metrics
                    .automation_paused(&automation, account.as_str());
            }
            Ok(PlanTurn::Planned(ids.len()))
        }
        Err(error) => {
            engine.guards.failed().push((row, ids));
            Err(error)
        }
    }
}

async fn plan_claimed(
    engine: &Engine,
    tx: &mut Tx<'_>,
    ids: &[i64],
    row: i64,
    alone: bool,
) -> Result<Made, StoreError> {
    let mut claimed = Store::load(tx, ids, &engine.directory).await?;
    for input in claimed.orders.iter_mut().filter_map(|o| o.2.as_mut().ok()) {
        input.not_written = not_written(input, &engine.policy, |account| {
            let id = engine.directory.account(account).ok()?;
            engine.accounts.get(&id)?.connector.operations()
        });
        input.see_payments(&engine.policy);
    }
    let now = claimed.now;
    let (plans, failed, mut made) = within_limits(engine, tx, &mut claimed, now).await?;
    made.tasks = Store::commit_plans(
        tx,
        &plans,
        &engine.directory,
        engine.policy_id,
        engine.policy.shop.timezone,
        now,
    )
    .await?;
    engine.metrics.plan_failed(failed.len());
    Store::plan_failed(tx, &failed).await?;
    let suspect = ids.first().copied().filter(|_| alone);
    Store::end_planning(tx, row, suspect).await?;
    Ok(made)
}

/// What a batch of plans brought beside its rows.
#[derive(Default)]
struct Made {
    /// Rules that have paused themselves.
    paused: Vec<AutomationKey>,
    /// Orders that seemed shipped are held, because their channel fulfils by itself.
    alarmed: bool,
    /// Tasks that were opened and settled.
    tasks: Vec<TaskChange>,
}

type Plans = (Vec<PlannedOrder>, Vec<(i64, String)>);

/// Plans, and plans again what came of channels that fulfil by themselves, and without the rules that made too much of
/// orders that have no new input.
async fn within_limits(
    engine: &Engine,
    tx: &mut Tx<'_>,
    claimed: &mut Claimed,
    now: DateTime<Utc>,
) -> Result<(Vec<PlannedOrder>, Vec<(i64, String)>, Made), StoreError> {
    let undecided = undecided(engine)?;
    let mut made = Made::default();
    let mut counted: BTreeMap<AutomationKey, i32> = BTreeMap::new();
    loop {
        let (plans, failed) = plan_all(engine, claimed, now);
        let alarmed = Store::count_window(tx, &plans, &undecided).await?;
        let mut again = false;
        for (_, channel, input) in &mut claimed.orders {
            if let Ok(input) = input
                && alarmed.contains(channel)
                && !input.channel_alarm
            {
                input.channel_alarm = true;
                again = true;
            }
        }
        if again {
            made.alarmed = true;
            continue;
        }
        let mut more = without_news(claimed, &plans);
        for (rule, n) in &mut more {
            *n -= counted.get(rule).copied().unwrap_or(0);
        }
        more.retain(|_, n| *n > 0);
        let paused = if more.is_empty() {
            Default::default()
        } else {
            let limit = engine.guards.automation_burst;
            Store::count_burst(tx, &more, limit, &engine.directory).await?
        };
        if paused.is_empty() {
            return Ok((plans, failed, made));
        }
        for (rule, n) in more {
            *counted.entry(rule).or_default() += n;
        }
        for (_, _, input) in &mut claimed.orders {
            if let Ok(input) = input {
                input.paused.extend(paused.iter().cloned());
            }
        }
        made.paused.extend(paused);
    }
}

/// Channels of which nobody has said what their own fulfilments mean.
fn undecided(engine: &Engine) -> Result<BTreeSet<i16>, StoreError> {
    let channels = engine.policy.undecided_channels();
    let ids = channels.iter();
    ids.map(|channel| engine.directory.account(channel))
        .collect()
}

/// Tells of channels that fulfil by themselves, and has what was believed before planned again.
pub(super) async fn tell_alarms(engine: &Engine) -> Result<(), StoreError> {
    let waking = || engine.store.wake_alarmed();
    for channel in engine.store.retried("wake_alarmed", waking).await? {
        error!(
            channel,
            "the channel appears to fulfil its own orders; these are held until you set `others` in [channels.{channel}]"
        );
    }
    Ok(())
}

/// Effects per rule that these plans make of orders nobody told us anything about since their last plan.
fn without_news(claimed: &Claimed, plans: &[PlannedOrder]) -> BTreeMap<AutomationKey, i32> {
    let mut made = BTreeMap::new();
    let quiet = |id: i64| {
        let order = claimed.orders.iter().find(|order| order.0 == id);
        order.is_some_and(|(_, _, input)| input.as_ref().is_ok_and(|input| !input.new_input))
    };
    for planned in plans.iter().filter(|p| !p.plan.effects.is_empty()) {
        if !quiet(planned.subject_id) {
            continue;
        }
        for effect in &planned.plan.effects {
            if let Some(rule) = automation_of(effect.intent.op, &effect.intent.what) {
                let key = (rule.into_owned(), effect.intent.account.clone());
                *made.entry(key).or_default() += 1;
            }
        }
    }
    made
}

fn plan_all(engine: &Engine, claimed: &Claimed, now: DateTime<Utc>) -> Plans {
    let mut plans = Vec::new();
    let mut failed = Vec::new();
    for (subject_id, channel_id, input) in &claimed.orders {
        let planned = input
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|input| {
                // A panic on one order is that order's failure.
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    plan_order(input, &engine.policy, engine.rules.as_ref(), now)
                }))
                .unwrap_or(Err(crate::plan::PlanError::Panicked))
                .map_err(|e| e.to_string())
            });
        match planned {
            Ok(plan) => plans.push(PlannedOrder {
                subject_id: *subject_id,
                channel_id: *channel_id,
                plan,
            }),
            Err(error) => {
                warn!(
                    subject = subject_id,
                    error,
                    "an order could not be planned: see `hikiate tasks`; the others continue"
                );
                failed.push((*subject_id, error));
            }
        }
    }
    (plans, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_share_and_new_input_the_largest() {
        let first = (0..160).map(|batch| classes(batch)[0]);
        let share = |class| first.clone().filter(|first| *first == class).count();
        assert_eq!((share(NEWS), share(TIMERS), share(AGAIN)), (120, 30, 10));
        let suspects = (0..160).filter(|batch| suspect_too(*batch)).count();
        assert_eq!(suspects, 10);
        for batch in 0..16 {
            let mut all = classes(batch);
            all.sort_unstable();
            assert_eq!(all, [NEWS, TIMERS, AGAIN]);
        }
    }
}
