//! One seed from its beginning to its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use hikiate_sdk::faulty;

use super::ground::Ground;
use super::orders::NAMES;
use super::world::World;
use crate::fault::{self, Fault};
use crate::support::Listener;

/// What came out of a seed.
#[derive(Clone, Debug, Default)]
pub struct SeedReport {
    /// Which.
    pub seed: u64,
    /// Steps that daemons took.
    pub steps: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Faults that happened at external systems.
    pub faults: u64,
    /// How often each fault that was ordered at a call happened, and how often it did not.
    pub met: BTreeMap<faulty::Fault, (u64, u64)>,
    /// What staff and operators did by themselves.
    pub acts: u64,
    /// What must not be, in words.
    pub violations: Vec<String>,
    /// What happened, line by line.
    pub timeline: Vec<String>,
}

/// Longest time a seed may take by this machine's clock.
const LONGEST: Duration = Duration::from_secs(180);

/// A thread's worlds, one after the other.
pub struct Worlds {
    runtime: tokio::runtime::Runtime,
    ground: Ground,
    fault: Option<Fault>,
}

impl Worlds {
    /// A database of its own, and everything in this thread, with a fault of our own put in or none.
    #[must_use]
    pub fn new(fault: Option<Fault>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let rewrite = fault.and_then(Fault::statement);
        let ground = runtime.block_on(Ground::new(rewrite));
        Self {
            runtime,
            ground,
            fault,
        }
    }

    /// Runs a seed.
    pub fn run(&mut self, seed: u64) -> SeedReport {
        fault::switch(self.fault);
        let listener = Listener::new(&NAMES, "hikiate");
        let mut report = tracing::subscriber::with_default(listener.clone(), || {
            self.runtime.block_on(live(seed, &mut self.ground))
        });
        fault::switch(None);
        let caught = listener.caught();
        let caught = caught
            .iter()
            .map(|line| format!("a log line names somebody: {line}"));
        report.violations.extend(caught);
        if listener.lines() == 0 {
            report
                .violations
                .push("nothing was logged: nobody listened".to_owned());
        }
        report
    }
}

async fn live(seed: u64, ground: &mut Ground) -> SeedReport {
    let mut world = World::new(seed, ground).await;
    let log = world.log.clone();
    let lived = tokio::time::timeout(LONGEST, async {
        world.play().await;
        if world.violations.is_empty() {
            world.work().await;
        }
        if world.violations.is_empty() {
            world.come_to_rest().await;
        }
        if world.violations.is_empty() {
            world.judge().await;
        }
        world.counts.faults += world.far.faults();
        let met = world.far.met();
        for (fault, (_, unmet)) in met.iter().filter(|(_, (_, unmet))| *unmet > 0) {
            let what = format!("{fault} was ordered and did not happen {unmet} times");
            world.log.say("faults", what);
        }
        SeedReport {
            seed,
            steps: world.counts.steps,
            crashes: world.counts.crashes,
            faults: world.counts.faults,
            met,
            acts: world.counts.acts,
            violations: std::mem::take(&mut world.violations),
            timeline: world.log.lines(),
        }
    });
    let report = lived.await;
    ground.pools = world.pools.clone();
    report.unwrap_or_else(|_| SeedReport {
        seed,
        violations: vec![format!("it does not finish within {LONGEST:?}")],
        timeline: log.lines(),
        ..SeedReport::default()
    })
}
