//! A session of a pair: an engine of its own whose connections go through a held wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use hikiate::engine::{Engine, PlanningLimits};
use hikiate::store::Store;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::breakage::Breakage;
use crate::wire::{Answer, Gate, Go, Round, Wire};

/// How soon the server looks for a deadlock.
const DEADLOCK_MS: u64 = 8;

/// What a session reports.
#[derive(Debug)]
pub(super) enum Event {
    /// It wants to say this.
    Held {
        who: usize,
        pid: i32,
        sql: String,
        go: oneshot::Sender<Go>,
    },
    /// The server has answered.
    Answered { who: usize, answer: Answer },
    /// Its deed is over.
    Returned {
        who: usize,
        result: Result<String, String>,
    },
}

struct Desk {
    who: usize,
    held: AtomicBool,
    events: UnboundedSender<Event>,
    broken: Option<&'static Breakage>,
}

#[async_trait]
impl Gate for Desk {
    fn rewrite(&self, sql: &str) -> Option<String> {
        self.broken
            .and_then(|broken| (broken.rewrite)(self.who, sql))
    }

    async fn before(&self, round: &Round) -> Go {
        if !self.held.load(Ordering::SeqCst) {
            return Go::On;
        }
        let (go, come) = oneshot::channel();
        let sql = round.statements.join("; ");
        let held = Event::Held {
            who: self.who,
            pid: round.pid,
            sql,
            go,
        };
        if self.events.send(held).is_err() {
            return Go::CutBefore;
        }
        come.await.unwrap_or(Go::CutBefore)
    }

    fn after(&self, _round: &Round, answer: &Answer) {
        if self.held.load(Ordering::SeqCst) {
            let answer = answer.clone();
            self.events
                .send(Event::Answered {
                    who: self.who,
                    answer,
                })
                .ok();
        }
    }
}

pub(super) struct Seat {
    pub(super) engine: Arc<Engine>,
    desk: Arc<Desk>,
    _wire: Wire,
}

impl Seat {
    pub(super) fn take(
        who: usize,
        like: &Engine,
        server: &PgConnectOptions,
        events: UnboundedSender<Event>,
        broken: Option<&'static Breakage>,
    ) -> Self {
        let desk = Arc::new(Desk {
            who,
            held: AtomicBool::new(false),
            events,
            broken,
        });
        let wire = Wire::listen(server, Arc::clone(&desk) as _).unwrap();
        let options = wire.options().options([
            ("deadlock_timeout", format!("{DEADLOCK_MS}ms")),
            ("timezone", "UTC".to_owned()),
            ("lock_timeout", "20s".to_owned()),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        Self {
            engine: Arc::new(over(like, pool)),
            desk,
            _wire: wire,
        }
    }

    /// From now on every statement is held, or none.
    pub(super) fn hold(&self, held: bool) {
        self.desk.held.store(held, Ordering::SeqCst);
    }
}

/// Longer than the server takes to look for a deadlock once.
pub(super) fn deadlock_looked_for() -> std::time::Duration {
    std::time::Duration::from_millis(DEADLOCK_MS + 4)
}

/// The same process on other connections.
fn over(like: &Engine, pool: PgPool) -> Engine {
    Engine {
        store: Store::over(pool),
        policy: Arc::clone(&like.policy),
        policy_id: like.policy_id,
        rules: Arc::clone(&like.rules),
        directory: like.directory.clone(),
        accounts: like.accounts.clone(),
        templates: like.templates.clone(),
        metrics: like.metrics.clone(),
        instance: like.instance.clone(),
        witness: like.witness.clone(),
        lease_seconds: like.lease_seconds,
        plan_batch: like.plan_batch,
        push_batch: like.push_batch,
        idle: like.idle,
        longest_idle: like.longest_idle,
        drain: like.drain,
        retention: hikiate::policy::Retention::default(),
        guards: PlanningLimits::default(),
    }
}
