//! `hikiate-prove world`: many seeds on several threads, or one with its timeline.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use super::seed::{SeedReport, Worlds};
use crate::fault::Fault;
use clap::Args;
use hikiate_sdk::faulty;

/// What to run.
#[derive(Args, Clone, Debug)]
pub struct WorldArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    pub seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub base: u64,
    /// One seed, with its timeline.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Seeds at once.
    #[arg(long, default_value_t = 6)]
    pub jobs: u64,
    /// Puts this fault into hikiate and stops at the first seed that finds it.
    #[arg(long)]
    pub broken: Option<String>,
    /// Goes on after a seed that fails, shows its timeline (unless a fault was put in), and counts.
    #[arg(long)]
    pub all: bool,
}

/// The sum of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds that ran.
    pub seeds: u64,
    /// Steps of daemons.
    pub steps: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Faults at external systems.
    pub faults: u64,
    /// How often each fault that was ordered at a call happened, and how often it did not.
    pub met: BTreeMap<faulty::Fault, (u64, u64)>,
    /// What staff and operators did by themselves.
    pub acts: u64,
    /// Seeds that found something, in their order.
    pub failed: Vec<SeedReport>,
}

impl Summary {
    /// Each fault, how often it happened, and of how often it was ordered at a call: one that never did is 0 of so many.
    #[must_use]
    pub fn met(&self) -> String {
        let each = faulty::Fault::ALL.map(|fault| {
            let (met, unmet) = self.met.get(&fault).copied().unwrap_or_default();
            format!("{fault} {met} of {}", met + unmet)
        });
        format!("prove: {}", each.join(", "))
    }

    /// The last line of a run.
    #[must_use]
    pub fn line(&self) -> String {
        let violations: usize = self.failed.iter().map(|r| r.violations.len()).sum();
        format!(
            "prove: seeds={} steps={} crashes={} faults={} acts={} violations={violations}",
            self.seeds, self.steps, self.crashes, self.faults, self.acts
        )
    }
}

/// Runs seeds on several threads; stops at the first that fails unless told to go on.
#[must_use]
pub fn run_seeds(base: u64, seeds: u64, jobs: u64, fault: Option<Fault>, all: bool) -> Summary {
    let next = AtomicU64::new(0);
    let reports: Mutex<BTreeMap<u64, SeedReport>> = Mutex::default();
    let stop = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let mut worlds = Worlds::new(fault);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= seeds || n > stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let begun = Instant::now();
                    let mut report = worlds.run(base.wrapping_add(n));
                    if all {
                        let (seed, millis) = (report.seed, begun.elapsed().as_millis());
                        println!(
                            "seed {seed}: {} steps, {millis} ms {}",
                            report.steps,
                            report.violations.join("; ")
                        );
                    }
                    if report.violations.is_empty() {
                        report.timeline.clear();
                    } else if !all {
                        stop.fetch_min(n, Ordering::Relaxed);
                    } else if fault.is_none() {
                        // Now, not at the end: a run that is cut short must not lose it.
                        println!("{}", explain(&report, None));
                    }
                    reports.lock().unwrap().insert(n, report);
                }
            });
        }
    });
    let mut summary = Summary::default();
    let stop = stop.into_inner();
    for (n, report) in reports.into_inner().unwrap() {
        if n > stop {
            break;
        }
        summary.seeds += 1;
        summary.steps += report.steps;
        summary.crashes += report.crashes;
        summary.faults += report.faults;
        for (fault, (met, unmet)) in &report.met {
            let sum = summary.met.entry(*fault).or_default();
            *sum = (sum.0 + met, sum.1 + unmet);
        }
        summary.acts += report.acts;
        if !report.violations.is_empty() {
            summary.failed.push(report);
        }
    }
    summary
}

/// A seed that failed, for an operator: what happened, what is wrong, and how to see it again.
#[must_use]
pub fn explain(report: &SeedReport, fault: Option<Fault>) -> String {
    let mut text = report.timeline.join("\n");
    for what in &report.violations {
        text.push_str(&format!("\nseed {}: {what}", report.seed));
    }
    let fault = fault.map_or_else(String::new, |f| format!(" --broken {}", f.word()));
    text.push_str(&format!(
        "\nto reproduce: scripts/with-postgres.sh cargo run -p hikiate-prove --all-features -- world --seed {}{fault}",
        report.seed
    ));
    text
}

/// The command.
#[must_use]
pub fn run(args: &WorldArgs) -> ExitCode {
    let fault = match args.broken.as_deref().map(Fault::named) {
        Some(Err(message)) => {
            println!("{message}");
            return ExitCode::from(2);
        }
        Some(Ok(fault)) => Some(fault),
        None => None,
    };
    if let Some(seed) = args.seed {
        let report = Worlds::new(fault).run(seed);
        println!("{}", explain(&report, fault));
        let failed = !report.violations.is_empty();
        return ExitCode::from(u8::from(failed));
    }
    println!("prove: seeds from {} on", args.base);
    let begun = Instant::now();
    let summary = run_seeds(args.base, args.seeds, args.jobs, fault, args.all);
    if let Some(report) = summary.failed.first().filter(|_| !args.all) {
        println!("{}", explain(report, fault));
    }
    if let Some(fault) = fault {
        match summary.failed.first() {
            Some(_) => println!("{}: caught after {} seeds", fault.word(), summary.seeds),
            None => println!("{}: not caught in {} seeds", fault.word(), summary.seeds),
        }
    }
    println!("prove: {} s", begun.elapsed().as_secs());
    println!("{}", summary.met());
    println!("{}", summary.line());
    ExitCode::from(u8::from(!summary.failed.is_empty()))
}
