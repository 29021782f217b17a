//! The tool: many runs on all cores, counted and timed.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::run::Run;
use crate::fault::{self, Fault};
use clap::Args;

/// Options.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Steps in all.
    #[arg(long, default_value_t = 1_000_000)]
    pub steps: u64,
    /// The seed; drawn from the clock and printed when it is left out.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Plays one run of the seed only.
    #[arg(long, requires = "seed")]
    pub run: Option<u64>,
    /// Of that run, plays these commands only: 0,4,9.
    #[arg(long, requires = "run", value_delimiter = ',')]
    pub keep: Vec<usize>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    pub threads: u64,
    /// Puts a fault in, which must be found.
    #[arg(long)]
    pub broken: Option<String>,
}

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Commands played, each followed by all checks.
    pub steps: u64,
    /// Runs that went wrong, in words.
    pub failures: Vec<String>,
    /// Steps until the first of them, that run included.
    pub until: u64,
}

/// Plays runs of a seed until so many steps are done; stops early once `most` have failed.
#[must_use]
pub fn many(seed: u64, steps: u64, threads: u64, most: usize, fault: Option<Fault>) -> Summary {
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                fault::switch(fault);
                while done.load(Ordering::Relaxed) < steps && !stop.load(Ordering::Relaxed) {
                    let run = Run::random(seed, next.fetch_add(1, Ordering::Relaxed));
                    let mut played = 0;
                    let result = run.check(&mut played);
                    let sum = done.fetch_add(played, Ordering::Relaxed) + played;
                    if let Err(failure) = result {
                        let mut summary = failed.lock().unwrap();
                        if summary.failures.is_empty() {
                            summary.until = sum;
                        }
                        summary.failures.push(run.describe(&failure));
                        if summary.failures.len() >= most {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut summary = failed.into_inner().unwrap();
    summary.steps = done.into_inner();
    summary
}

/// Runs the tool.
#[must_use]
pub fn main(options: &Options) -> ExitCode {
    let fault = match &options.broken {
        None => None,
        Some(word) => match Fault::named(word) {
            Ok(fault) => Some(fault),
            Err(message) => {
                println!("model: {message}");
                return ExitCode::from(2);
            }
        },
    };
    let drawn = || {
        std::time::UNIX_EPOCH
            .elapsed()
            .map_or(1, |age| age.as_nanos() as u64 % 1_000_000_007)
    };
    let seed = options.seed.unwrap_or_else(drawn);
    if let Some(number) = options.run {
        return one(options, Run::random(seed, number), fault);
    }
    println!("model: seed={seed} threads={}", options.threads);
    let begun = Instant::now();
    let summary = many(seed, options.steps, options.threads, 3, fault);
    for failure in &summary.failures {
        println!("{failure}");
    }
    let millis = begun.elapsed().as_millis().max(1) as u64;
    // On a busy machine the clock says more about others: a minute of two free cores is 120 s of work.
    let worked = worked().map_or_else(String::new, |hundredths| {
        let rate = summary.steps * 12_000 / hundredths.max(1);
        format!(" per_minute_of_two_free_cores={rate}")
    });
    println!(
        "model: steps={} seconds={}.{} per_minute={}{worked} violations={}",
        summary.steps,
        millis / 1000,
        millis % 1000 / 100,
        summary.steps * 60_000 / millis,
        summary.failures.len()
    );
    match (summary.failures.is_empty(), fault) {
        (true, None) => ExitCode::SUCCESS,
        (false, Some(fault)) => {
            println!(
                "model: {} was caught after {} steps",
                fault.word(),
                summary.until
            );
            ExitCode::SUCCESS
        }
        (true, Some(fault)) => {
            println!("model: {} was not caught", fault.word());
            ExitCode::FAILURE
        }
        (false, None) => ExitCode::FAILURE,
    }
}

/// Hundredths of a second this process has worked, where Linux tells.
fn worked() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

fn one(options: &Options, run: Run, fault: Option<Fault>) -> ExitCode {
    fault::switch(fault);
    let all: Vec<usize> = (0..run.commands.len()).collect();
    let keep = if options.keep.is_empty() {
        all
    } else {
        options.keep.clone()
    };
    match run.play(&keep, &mut 0) {
        Ok(()) => {
            println!("model: run {} holds", run.number);
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("model: {violation}");
            ExitCode::FAILURE
        }
    }
}
