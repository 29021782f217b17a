//! One seed from its beginning to its verdict.

use std::time::Duration;

use hikiate::broken::{self, Broken};

use super::world::World;

/// What came out of a seed.
#[derive(Clone, Debug, Default)]
pub struct SeedReport {
    /// Which.
    pub seed: u64,
    /// Steps that daemons took.
    pub steps: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Faults that happened at far sides.
    pub faults: u64,
    /// What must not be, in words.
    pub violations: Vec<String>,
    /// What happened, line by line.
    pub timeline: Vec<String>,
}

/// Longest time a seed may take by this machine's clock.
const LONGEST: Duration = Duration::from_secs(180);

/// Runs a seed, with a fault of our own put in or none, on a runtime of its own in this thread.
#[must_use]
pub fn run_seed(seed: u64, fault: Option<Broken>) -> SeedReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    broken::switch(fault);
    let report = runtime.block_on(async {
        let mut world = World::new(seed).await;
        let log = world.log.clone();
        let lived = tokio::time::timeout(LONGEST, async {
            world.play().await;
            if world.violations.is_empty() {
                world.come_to_rest().await;
            }
            if world.violations.is_empty() {
                world.judge().await;
            }
            world.counts.faults += world.far.faults();
            SeedReport {
                seed,
                steps: world.counts.steps,
                crashes: world.counts.crashes,
                faults: world.counts.faults,
                violations: std::mem::take(&mut world.violations),
                timeline: world.log.lines(),
            }
        });
        lived.await.unwrap_or_else(|_| SeedReport {
            seed,
            violations: vec![format!("it does not end within {LONGEST:?}")],
            timeline: log.lines(),
            ..SeedReport::default()
        })
    });
    broken::switch(None);
    report
}
