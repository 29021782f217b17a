//! What may be missed without harm: vacuuming, deleting what is no longer kept, refreshing gauges. The cron scheduler
//! only wakes these; nothing that must happen depends on it.

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::{debug, warn};

use super::inputs::{LoggedInputs, log_inputs};
use super::purge::purge_step;
use super::trouble::{Outage, Trouble};
use crate::engine::Engine;
use crate::store::{Store, StoreError, VacuumPauses};

/// Starts the scheduler, in a daemon that has started then.
pub(super) async fn start(
    engine: Arc<Engine>,
    started: DateTime<Utc>,
    outage: &Outage,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let trouble = |name: &str| Arc::new(Mutex::new(Trouble::new(name.to_owned(), outage.clone())));
    let (purging, purge) = (Arc::clone(&engine), trouble("purge"));
    at(&scheduler, "0 17 * * * *", move || {
        let (engine, purge) = (Arc::clone(&purging), Arc::clone(&purge));
        async move {
            let ended = purge_step(&engine).await;
            judge(&purge, &engine.store, ended.map(drop)).await;
        }
    })
    .await?;
    let vacuuming = Arc::clone(&engine);
    let pauses = Arc::new(Mutex::new(VacuumPauses::default()));
    at(&scheduler, "*/5 * * * * *", move || {
        let (engine, pauses) = (Arc::clone(&vacuuming), Arc::clone(&pauses));
        async move { vacuum(&engine, &pauses).await }
    })
    .await?;
    let (often, figures) = (Arc::clone(&engine), trouble("figures"));
    let logged = Arc::new(Mutex::new(LoggedInputs::since(started)));
    at(&scheduler, "*/20 * * * * *", move || {
        let (engine, logged) = (Arc::clone(&often), Arc::clone(&logged));
        let figures = Arc::clone(&figures);
        async move { judge(&figures, &engine.store, refresh(&engine, &logged).await).await }
    })
    .await?;
    let slow = trouble("slow figures");
    at(&scheduler, "5 * * * * *", move || {
        let (engine, slow) = (Arc::clone(&engine), Arc::clone(&slow));
        async move { judge(&slow, &engine.store, refresh_slowly(&engine).await).await }
    })
    .await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Runs a job at these times, but never beside itself: on a large database one may take longer than it is to its next time, and
/// each run takes a connection, which the leases need.
async fn at<F, Fut>(scheduler: &JobScheduler, times: &str, run: F) -> Result<(), JobSchedulerError>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let alone = Alone::default();
    let job = Job::new_async(times, move |_, _| {
        let (alone, run) = (alone.clone(), run());
        Box::pin(async move { alone.run(run).await })
    })?;
    scheduler.add(job).await.map(drop)
}

/// Passes a run over while the last one goes on.
#[derive(Clone, Default)]
struct Alone(Arc<Mutex<()>>);

impl Alone {
    async fn run(&self, run: impl Future<Output = ()>) {
        if let Ok(_mine) = self.0.try_lock() {
            run.await;
        }
    }
}

async fn vacuum(engine: &Engine, pauses: &Mutex<VacuumPauses>) {
    let mut pauses = pauses.lock().await;
    if let Err(error) = engine.store.vacuum(&mut pauses).await {
        debug!(%error, "could not vacuum the queue tables; autovacuum will do it");
    }
}

/// Gauges that stand still and data that stays are trouble like that of the loops, but not while these wait for the database.
async fn judge(trouble: &Mutex<Trouble>, store: &Store, ended: Result<(), StoreError>) {
    let mut trouble = trouble.lock().await;
    match ended {
        Ok(()) => trouble.over(),
        Err(error) => trouble.missed(&error, store),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::ops::health::Readiness;

    #[tokio::test]
    async fn the_database_is_back_before_the_next_time_of_a_job() {
        let broken = || StoreError::Database(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        let store = Store::connect("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
        let readiness = Readiness::default();
        let outage = Outage::new(&readiness);
        let mut plan = Trouble::new("plan".to_owned(), outage.clone());
        let slow = Mutex::new(Trouble::new("slow figures".to_owned(), outage));
        plan.met(&broken(), &store).await;
        for _ in 0..5 {
            judge(&slow, &store, Err(broken())).await;
        }
        let reasons = readiness.reasons();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        plan.over();
        assert!(readiness.reasons().is_empty(), "{:?}", readiness.reasons());
    }

    #[tokio::test]
    async fn a_job_never_runs_beside_itself() {
        let (alone, runs) = (Alone::default(), AtomicU32::new(0));
        let run = async || {
            runs.fetch_add(1, Ordering::SeqCst);
        };
        let long = async {
            run().await;
            // Its next time comes before its end.
            alone.run(run()).await;
        };
        alone.run(long).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        alone.run(run()).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }
}
