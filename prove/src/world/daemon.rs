//! A daemon whose steps are called one by one, that can die at any point and come back.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use hikiate::account::{Account, Breaker, Continued};
use hikiate::daemon::{allocate_step, batch_step, plan_step, seal_step};
use hikiate::engine::{Engine, PlanningLimits};
use hikiate::pull::pull_account;
use hikiate::push::push_account;
use hikiate::store::witness::Witness;
use hikiate::store::{Instance, OwnedAccount, Store, StoreError, VacuumPauses};
use sqlx::PgPool;

use super::gate::{Gate, Shock};
use super::log::Log;
use super::watched::{Heard, Watched};

/// One of the daemon's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Own,
    Pull(i16),
    Plan,
    Allocate,
    Batch,
    Seal,
    Push(i16),
    Vacuum,
}

/// What a step that ended has to say.
pub(super) enum Said {
    Work(usize),
    Owned(Vec<OwnedAccount>),
}

pub(super) type Running = Pin<Box<dyn Future<Output = Result<Said, StoreError>>>>;

/// How far a step came.
pub(super) enum Ended {
    Done(Result<Said, StoreError>),
    Died,
    Stalled(Running),
}

/// A process, as long as it lives.
pub(super) struct Daemon {
    pub(super) name: String,
    pub(super) engine: Arc<Engine>,
    pub(super) owned: Vec<OwnedAccount>,
    pub(super) gate: Arc<Gate>,
    pub(super) heard: Arc<Heard>,
    /// Steps that stand still at an external system.
    pub(super) stalled: Vec<(Step, Running)>,
}

impl Daemon {
    /// A process that has just started; `base` is what any process of this configuration looks like.
    pub(super) fn start(
        base: &Engine,
        pool: &PgPool,
        name: &str,
        instance: &str,
        log: &Log,
    ) -> Self {
        let gate = Arc::new(Gate::new(name, log.clone()));
        let heard = Arc::new(Heard::default());
        let accounts: BTreeMap<i16, Account> = base
            .accounts
            .iter()
            .map(|(id, account)| {
                let connector = Arc::new(Watched {
                    slug: account.slug.as_str().to_owned(),
                    inner: Arc::clone(&account.connector),
                    gate: Arc::clone(&gate),
                    heard: Arc::clone(&heard),
                    admin: base.store.pool().clone(),
                });
                let account = Account {
                    connector,
                    breaker: Breaker::default(),
                    credentials: Default::default(),
                    continued: Continued::default(),
                    ..account.clone()
                };
                (*id, account)
            })
            .collect();
        let engine = Engine {
            store: Store::over(pool.clone()),
            policy: Arc::clone(&base.policy),
            policy_id: base.policy_id,
            rules: Arc::clone(&base.rules),
            directory: base.directory.clone(),
            accounts,
            templates: base.templates.clone(),
            metrics: base.metrics.clone(),
            instance: Instance(instance.to_owned()),
            lease_seconds: base.lease_seconds,
            plan_batch: base.plan_batch,
            push_batch: base.push_batch,
            idle: base.idle,
            longest_idle: base.longest_idle,
            drain: base.drain,
            retention: base.retention,
            guards: PlanningLimits::new(base.guards.automation_burst),
            witness: Witness::none(),
        };
        Self {
            name: name.to_owned(),
            engine: Arc::new(engine),
            owned: Vec::new(),
            gate,
            heard,
            stalled: Vec::new(),
        }
    }

    /// Every step there is.
    pub(super) fn steps(&self) -> Vec<Step> {
        let accounts = || self.engine.accounts.keys().copied();
        let mut steps = vec![
            Step::Plan,
            Step::Allocate,
            Step::Batch,
            Step::Seal,
            Step::Own,
        ];
        steps.extend(accounts().map(Step::Pull));
        steps.extend(accounts().map(Step::Push));
        steps
    }

    pub(super) fn label(&self, step: Step) -> String {
        let slug = |id: i16| self.engine.accounts[&id].slug.as_str().to_owned();
        match step {
            Step::Pull(id) => format!("pull {}", slug(id)),
            Step::Push(id) => format!("push {}", slug(id)),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// The step as a future of its own; `None` for an account that is not ours or busy.
    pub(super) fn begin(&self, step: Step, fresh: bool) -> Option<Running> {
        if self.stalled.iter().any(|(busy, _)| *busy == step) {
            return None;
        }
        let engine = Arc::clone(&self.engine);
        let mine = |id: i16| {
            let owned = self.owned.iter().find(|o| o.id == id).cloned()?;
            Some((owned, engine.accounts[&id].clone()))
        };
        Some(match step {
            Step::Own => Box::pin(async move { engine.own(fresh).await.map(Said::Owned) }),
            Step::Plan => Box::pin(async move { plan_step(&engine).await.map(Said::Work) }),
            Step::Allocate => Box::pin(async move { allocate_step(&engine).await.map(Said::Work) }),
            Step::Batch => Box::pin(async move { batch_step(&engine).await.map(Said::Work) }),
            Step::Seal => Box::pin(async move { seal_step(&engine).await.map(Said::Work) }),
            Step::Vacuum => Box::pin(async move {
                engine.store.vacuum(&mut VacuumPauses::default()).await?;
                Ok(Said::Work(0))
            }),
            Step::Pull(id) => {
                let (owned, account) = mine(id)?;
                Box::pin(async move {
                    let busy = pull_account(&engine, &account, &owned).await?;
                    Ok(Said::Work(usize::from(busy)))
                })
            }
            Step::Push(id) => {
                let (owned, account) = mine(id)?;
                Box::pin(async move {
                    let pushed = push_account(&engine, &account, &owned).await?;
                    Ok(Said::Work(pushed))
                })
            }
        })
    }

    /// After an external system asked to wait, the virtual clock and not this machine's says when that is over.
    pub(super) fn forget_pace(&mut self) {
        if let Some(engine) = Arc::get_mut(&mut self.engine) {
            for account in engine.accounts.values_mut() {
                account.breaker = Breaker::default();
                account.link.meter().forget();
            }
        }
    }
}

/// Polls a step to its end, to a shock at its gate, or until it was polled so often.
pub(super) async fn drive(mut running: Running, gate: &Gate, polls: Option<u64>) -> Ended {
    let mut left = polls;
    let ended = poll_fn(|cx| {
        match gate.fired(cx.waker()) {
            Some(Shock::Die) => return Poll::Ready(Err(Shock::Die)),
            Some(Shock::Stall) => return Poll::Ready(Err(Shock::Stall)),
            None => {}
        }
        if left == Some(0) {
            return Poll::Ready(Err(Shock::Die));
        }
        left = left.map(|n| n - 1);
        match running.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => match gate.fired(cx.waker()) {
                Some(shock) => Poll::Ready(Err(shock)),
                None => Poll::Pending,
            },
        }
    })
    .await;
    match ended {
        Ok(done) => Ended::Done(done),
        Err(Shock::Die) => Ended::Died,
        Err(Shock::Stall) => Ended::Stalled(running),
    }
}
