//! What may be missed without harm: vacuuming, deleting what is no longer kept, refreshing gauges. The cron scheduler
//! only wakes these; nothing that must happen depends on it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::{debug, warn};

use super::inputs::{LoggedInputs, log_inputs};
use super::purge::purge_step;
use super::trouble::{Outage, Trouble};
use crate::engine::Engine;
use crate::store::StoreError;

/// Starts the scheduler, in a daemon that has started then.
pub(super) async fn start(
    engine: Arc<Engine>,
    started: DateTime<Utc>,
    outage: &Outage,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let trouble = |name: &str| Arc::new(Mutex::new(Trouble::new(name.to_owned(), outage.clone())));
    let (purge, figures, slow) = (
        trouble("purge"),
        trouble("figures"),
        trouble("slow figures"),
    );
    let purging = Arc::clone(&engine);
    scheduler
        .add(Job::new_async("0 17 * * * *", move |_, _| {
            let (engine, purge) = (Arc::clone(&purging), Arc::clone(&purge));
            Box::pin(async move {
                match purge_step(&engine).await {
                    // Its next round is an hour away; the loops see the end of an outage sooner.
                    Err(error) if error.is_away() && !error.is_closed() => {
                        warn!(%error, "could not delete what is no longer kept; retrying");
                    }
                    ended => judge(&purge, &engine, ended.map(drop)).await,
                }
            })
        })?)
        .await?;
    let (vacuuming, often) = (Arc::clone(&engine), Arc::clone(&engine));
    scheduler
        .add(Job::new_async("*/5 * * * * *", move |_, _| {
            let engine = Arc::clone(&vacuuming);
            Box::pin(async move {
                if let Err(error) = engine.store.vacuum().await {
                    debug!(%error, "could not vacuum the queue tables; autovacuum will do it");
                }
            })
        })?)
        .await?;
    let logged = Arc::new(Mutex::new(LoggedInputs::since(started)));
    scheduler
        .add(Job::new_async("*/20 * * * * *", move |_, _| {
            let (engine, logged) = (Arc::clone(&often), Arc::clone(&logged));
            let figures = Arc::clone(&figures);
            Box::pin(async move { judge(&figures, &engine, refresh(&engine, &logged).await).await })
        })?)
        .await?;
    scheduler
        .add(Job::new_async("5 * * * * *", move |_, _| {
            let (engine, slow) = (Arc::clone(&engine), Arc::clone(&slow));
            Box::pin(async move { judge(&slow, &engine, refresh_slowly(&engine).await).await })
        })?)
        .await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Gauges that stand still and data that stays are trouble like that of the loops.
async fn judge(trouble: &Mutex<Trouble>, engine: &Engine, ended: Result<(), StoreError>) {
    let mut trouble = trouble.lock().await;
    match ended {
        Ok(()) => trouble.over(),
        Err(error) => trouble.met(&error, &engine.store).await,
    }
}

async fn refresh(engine: &Engine, logged: &Mutex<LoggedInputs>) -> Result<(), StoreError> {
    engine.metrics.set_figures(&engine.store.figures().await?);
    engine
        .metrics
        .set_queues(&engine.store.queue_figures().await?);
    let streams = engine.store.list_streams().await?;
    engine
        .metrics
        .set_streams(&streams, engine.store.now().await?);
    engine
        .metrics
        .set_automations(&engine.store.list_automations().await?);
    let (tasks, bad) = (
        engine.store.count_tasks().await?,
        engine.store.count_quarantine().await?,
    );
    engine.metrics.set_tasks(&tasks, &bad);
    let mut logged = logged.lock().await;
    log_inputs(engine, &mut logged, &streams, !bad.is_empty()).await?;
    engine.metrics.set_retries(engine.store.retries());
    let hooked = engine.accounts.values().filter(|account| {
        let hooks = account.connector.hooks();
        hooks.is_some_and(|hooks| !hooks.hooks().is_empty())
    });
    let hooked: Vec<String> = hooked.map(|account| account.slug.to_string()).collect();
    engine
        .metrics
        .set_hooks(&hooked, &engine.store.hook_backlogs().await?);
    let dropped = engine.store.clear_hooks().await?;
    if dropped > 0 {
        warn!(
            dropped,
            "dropped webhooks that waited for a day; polling finds what they reported"
        );
    }
    Ok(())
}

/// What goes over more rows.
async fn refresh_slowly(engine: &Engine) -> Result<(), StoreError> {
    let figures = engine.store.slow_figures().await?;
    engine.metrics.set_slow_figures(&figures);
    Ok(())
}
