//! A world: everything a seed runs on.

use chrono::{DateTime, Duration, Utc};
use hikiate::engine::Engine;
use hikiate::ops::metrics::Metrics;
use hikiate::store::witness::Witness;
use hikiate::store::{Instance, Store, StoreError};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::daemon::{Daemon, Ended, Said, Step, drive};
use super::dice::Dice;
use super::far::Far;
use super::gate::Shock;
use super::ground::{Ground, pool, rest};
use super::hooks::HookWire;
use super::log::Log;
use super::orders::Placed;
use super::seen::Seen;
use super::shop::Shop;
use super::terms::{Terms, start};
use crate::fault::{self, Around};

/// What went on, for the last line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) crashes: u64,
    pub(super) faults: u64,
    pub(super) acts: u64,
}

/// A world while it runs.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) terms: Terms,
    pub(super) log: Log,
    pub(super) far: Far,
    pub(super) now: DateTime<Utc>,
    pub(super) orders: Vec<Placed>,
    pub(super) daemons: Vec<Daemon>,
    pub(super) counts: Counts,
    pub(super) violations: Vec<String>,
    /// Every task an operator has seen: order or batch, kind.
    pub(super) flagged: std::collections::BTreeSet<(String, String)>,
    /// How often people did what a task says: order or batch, kind.
    pub(super) tries: std::collections::BTreeMap<(String, String), u32>,
    /// Items of which pieces went past hikiate, by warehouse.
    pub(super) shrunk: std::collections::BTreeSet<(usize, String)>,
    /// When shelves were counted, by warehouse and its clock.
    pub(super) counted: Vec<(usize, DateTime<Utc>)>,
    pub(super) hooks: HookWire,
    pub(super) engine: Engine,
    pub(super) admin: PgPool,
    pub(super) pools: [PgPool; 2],
    options: PgConnectOptions,
    lives: usize,
    _dir: TempDir,
}

impl World {
    pub(super) async fn new(seed: u64, ground: &mut Ground) -> Self {
        ground.empty().await;
        let mut dice = Dice::new(seed);
        fastrand::seed(dice.seed());
        let terms = Terms::draw(&mut dice);
        let log = Log::at(start());
        log.say("seed", format!("{seed}: {terms:?}"));
        let dir = folders();
        let (far, loaded) = Far::build(&terms, dice.seed(), dir.path()).await;
        let admin = ground.admin.clone();
        let store = Store::over(admin.clone());
        store
            .set_clock(Some(start()), Duration::zero())
            .await
            .unwrap();
        let instance = Instance("setup".to_owned());
        let engine =
            hikiate::daemon::start(store, loaded, Metrics::new(), instance, Witness::none())
                .await
                .unwrap();
        let hooks = HookWire::new(&engine, seed);
        let mut world = Self {
            hooks,
            dice,
            terms,
            log,
            far,
            now: start(),
            orders: Vec::new(),
            daemons: Vec::new(),
            counts: Counts::default(),
            violations: Vec::new(),
            flagged: std::collections::BTreeSet::new(),
            tries: std::collections::BTreeMap::new(),
            shrunk: std::collections::BTreeSet::new(),
            counted: Vec::new(),
            engine,
            admin,
            pools: ground.pools.clone(),
            options: ground.options.clone(),
            lives: 0,
            _dir: dir,
        };
        for (at, warehouse) in world.far.warehouses.iter().enumerate() {
            for (item, code) in super::terms::ITEMS.iter().enumerate() {
                warehouse.set_stock(code, world.terms.stock[at][item]);
            }
        }
        world.birth(0, "A").await;
        if world.terms.two_daemons {
            world.birth(1, "B").await;
        }
        world
    }

    /// Something that must never be.
    pub(super) fn violated(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.log.say("VIOLATION", &what);
            self.violations.push(what);
        }
    }

    /// Starts a process in a place.
    async fn birth(&mut self, at: usize, instance: &str) {
        self.lives += 1;
        let name = ["A", "B"][at];
        let daemon = Daemon::start(&self.engine, &self.pools[at], name, instance, &self.log);
        self.daemons.push(daemon);
        self.run(at, Step::Own, true).await;
    }

    /// A process is gone and another comes in its place, as itself or as somebody else.
    pub(super) async fn crash(&mut self, at: usize) {
        self.counts.crashes += 1;
        self.log
            .say(&self.daemons[at].name, "*** is gone; another starts");
        let same = self.dice.percent(70);
        let instance = if same {
            self.daemons[at].engine.instance.0.clone()
        } else {
            format!("{}{}", self.daemons[at].name, self.lives)
        };
        drop(self.daemons.remove(at));
        // Mostly its sessions serve the next process: new ones cost more than everything else a death brings.
        if self.dice.percent(5) || !rest(&self.pools[at], &self.admin).await {
            self.pools[at].close().await;
            self.pools[at] = pool(&self.options, ["A", "B"][at]);
        }
        if fault::is(Around::SendingForgotten) {
            sqlx::query("UPDATE effects SET state = 'leased' WHERE state = 'sending'")
                .execute(&self.admin)
                .await
                .unwrap();
        }
        self.lives += 1;
        let name = ["A", "B"][at];
        let born = Daemon::start(&self.engine, &self.pools[at], name, &instance, &self.log);
        self.daemons.insert(at, born);
        self.run(at, Step::Own, true).await;
    }

    /// A whole step without an accident. True when it found work.
    pub(super) async fn run(&mut self, at: usize, step: Step, fresh: bool) -> bool {
        let daemon = &self.daemons[at];
        let Some(running) = daemon.begin(step, fresh) else {
            return false;
        };
        self.counts.steps += 1;
        let gate = std::sync::Arc::clone(&daemon.gate);
        let ended = drive(running, &gate, None).await;
        self.settle_step(at, step, ended)
    }

    /// Takes in how a step ended. True when it found work.
    pub(super) fn settle_step(&mut self, at: usize, step: Step, ended: Ended) -> bool {
        let daemon = &mut self.daemons[at];
        let label = daemon.label(step);
        let name = daemon.name.clone();
        match ended {
            Ended::Done(Ok(Said::Work(0))) | Ended::Died => false,
            Ended::Done(Ok(Said::Work(n))) => {
                self.log.say(&name, format!("{label}: {n}"));
                true
            }
            Ended::Done(Ok(Said::Owned(owned))) => {
                let changed = owned != daemon.owned;
                if changed {
                    let paused = owned.iter().filter(|o| o.paused.is_some()).count();
                    let text = format!("owns {} accounts, {paused} paused", owned.len());
                    self.log.say(&name, text);
                }
                daemon.owned = owned;
                false
            }
            Ended::Done(Err(StoreError::Replan | StoreError::LostLease(_))) => {
                self.log.say(&name, format!("{label}: overtaken"));
                true
            }
            Ended::Done(Err(error)) => {
                self.violated(format!("step {label} failed: {error}"));
                false
            }
            Ended::Stalled(running) => {
                daemon.stalled.push((step, running));
                false
            }
        }
    }

    /// A step with an accident of some kind.
    pub(super) async fn stumble(&mut self, at: usize, step: Step) {
        let daemon = &self.daemons[at];
        let Some(running) = daemon.begin(step, false) else {
            return;
        };
        self.counts.steps += 1;
        let gate = std::sync::Arc::clone(&daemon.gate);
        let label = daemon.label(step);
        let name = daemon.name.clone();
        // Mostly at the first calls: one that was made and not yet noted is the worst place to stop.
        let after = *self.dice.pick(&[0, 1, 1, 2, 3]);
        let polls = match self.dice.range(0..=3) {
            0..=1 => {
                gate.arm(after, Shock::Die);
                None
            }
            // One call of a process stands still at a time.
            2 if daemon.stalled.is_empty() => {
                gate.arm(after, Shock::Stall);
                None
            }
            _ => Some(self.dice.range(1..=30)),
        };
        let ended = drive(running, &gate, polls).await;
        gate.disarm();
        if matches!(ended, Ended::Died) {
            if let Some(polls) = polls {
                self.log
                    .say(&name, format!("*** dies in {label} (poll {polls})"));
            }
            self.crash(at).await;
        } else {
            self.settle_step(at, step, ended);
        }
    }

    /// Lets every step that stands still go on to its end.
    pub(super) async fn resume(&mut self, at: usize) {
        while let Some((step, running)) = self.daemons[at].stalled.pop() {
            let gate = std::sync::Arc::clone(&self.daemons[at].gate);
            gate.release();
            // Another process may have looked for its call in vain and made it as well. Only if each sees at once what the other did
            // does it happen once: the limit of a process that stood still in a call, which no look-up moves (docs/guarantees.md).
            self.far.catch_up();
            let ended = drive(running, &gate, None).await;
            self.far.catch_up();
            self.settle_step(at, step, ended);
        }
    }

    /// Moves every clock; each external system's runs beside ours.
    pub(super) async fn advance(&mut self, by: Duration) {
        self.now += by;
        self.log.set(self.now);
        self.far.cloud_clock.set(self.now + self.terms.skew(0));
        self.engine
            .store
            .set_clock(Some(self.now), Duration::zero())
            .await
            .unwrap();
        for daemon in &mut self.daemons {
            daemon.forget_pace();
        }
    }

    /// What an order's shop, and whoever has its money, remember of it.
    pub(super) fn seen(&self, at: usize) -> Seen {
        self.far.order(&self.orders[at])
    }

    /// The shop that an order is in.
    pub(super) fn shop_of(&self, at: usize) -> Shop {
        self.far.shops[self.orders[at].shop].clone()
    }

    /// The clock of a warehouse.
    pub(super) fn warehouse_now(&self, at: usize) -> DateTime<Utc> {
        self.now + self.terms.skew(at + 1)
    }
}

/// A place for the external systems' folders; in memory where that is possible, because each file in them is flushed.
fn folders() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}
