//! Planning due orders: claim, load, plan each by itself, commit together. An order that cannot be
//! planned is its own problem; a commit that fails is tried order by order.

use chrono::{DateTime, Utc};
use tracing::{debug, warn};

use super::Engine;
use crate::plan::plan_order;
use crate::store::{Claimed, PlannedOrder, Store, StoreError};

/// Plans up to one batch of due orders, news first. Returns how many were planned.
///
/// # Errors
/// The database's.
pub async fn plan_step(engine: &Engine) -> Result<usize, StoreError> {
    for class in 0..3 {
        let planned = match engine
            .store
            .retried("plan", || plan_class(engine, class, engine.plan_batch))
            .await
        {
            Err(error) if !error.is_away() && !error.is_retryable() => {
                debug!(%error, "a batch of plans failed; planning one by one");
                one_by_one(engine, class).await?
            }
            other => other?,
        };
        if planned > 0 {
            engine.metrics.planned(planned);
            return Ok(planned);
        }
    }
    Ok(0)
}

async fn one_by_one(engine: &Engine, class: i16) -> Result<usize, StoreError> {
    let mut planned = 0;
    for _ in 0..engine.plan_batch {
        match plan_class(engine, class, 1).await {
            Ok(0) => break,
            Ok(n) => planned += n,
            Err(error) if error.is_away() => return Err(error),
            Err(StoreError::Replan) => {}
            Err(error) => {
                let mut tx = engine.store.pool().begin().await?;
                let ids = Store::claim_due(&mut tx, class, 1).await?;
                let failed: Vec<(i64, String)> = ids
                    .iter()
                    .map(|id| {
                        (
                            *id,
                            format!("planning failed: {error}; it is tried again by itself"),
                        )
                    })
                    .collect();
                warn!(subjects = ?ids, %error, "an order could not be planned; its neighbours go on");
                engine.metrics.plan_failed(failed.len());
                Store::plan_failed(&mut tx, &failed).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(planned)
}

async fn plan_class(engine: &Engine, class: i16, limit: i64) -> Result<usize, StoreError> {
    let mut tx = engine.store.pool().begin().await?;
    if engine.store.active_policy(&mut tx).await? != Some(engine.policy_id) {
        // Another configuration is in force: this process pulls and pushes, and leaves planning to it.
        return Ok(0);
    }
    let ids = Store::claim_due(&mut tx, class, limit).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let claimed = Store::load(&mut tx, &ids, &engine.directory, &engine.epochs).await?;
    let now = engine.store.now_in(&mut tx).await?;
    let (plans, failed) = plan_all(engine, claimed, now);
    Store::commit_plans(
        &mut tx,
        &plans,
        &engine.directory,
        engine.policy_id,
        engine.policy.shop.timezone,
        now,
    )
    .await?;
    engine.metrics.plan_failed(failed.len());
    Store::plan_failed(&mut tx, &failed).await?;
    tx.commit().await?;
    Ok(ids.len())
}

fn plan_all(
    engine: &Engine,
    claimed: Claimed,
    now: DateTime<Utc>,
) -> (Vec<PlannedOrder>, Vec<(i64, String)>) {
    let mut plans = Vec::new();
    let mut failed = Vec::new();
    for (subject_id, channel_id, input) in claimed.orders {
        let planned = input.map_err(|e| e.to_string()).and_then(|input| {
            // A panic on one order is that order's failure.
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                plan_order(&input, &engine.policy, engine.rules.as_ref(), now)
            }))
            .unwrap_or(Err(crate::plan::PlanError::Panicked))
            .map_err(|e| e.to_string())
        });
        match planned {
            Ok(plan) => plans.push(PlannedOrder {
                subject_id,
                channel_id,
                plan,
            }),
            Err(error) => {
                warn!(
                    subject = subject_id,
                    error, "an order could not be planned; its neighbours go on"
                );
                failed.push((subject_id, error));
            }
        }
    }
    (plans, failed)
}
