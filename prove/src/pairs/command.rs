//! The subcommand `pairs`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use clap::Args;

use super::breakage::{BREAKAGES, see};
use super::deed::Deed;
use super::explore::Mode;
use super::pair::{Bench, PairDone, Setting};

/// Tries every interleaving of every pair.
#[derive(Args, Clone, Debug)]
pub struct PairsArgs {
    /// One pair only, such as plan/cancel.
    #[arg(long)]
    pub pair: Option<String>,
    /// Every interleaving, those that only swap steps that cannot meet included.
    #[arg(long)]
    pub every: bool,
    /// One interleaving of the pair, by its letters.
    #[arg(long, requires = "pair")]
    pub schedule: Option<String>,
    /// With a fault put in on purpose, or all of them in turn.
    #[arg(long, value_name = "WORD|all")]
    pub broken: Option<String>,
    /// No more interleavings of a pair than this.
    #[arg(long, default_value_t = 5_000)]
    pub most: usize,
    /// Databases worked on at once.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
}

/// Runs it; true when nothing is wrong (with a fault: when it was found).
pub fn pairs(args: &PairsArgs) -> bool {
    if let Some(word) = &args.broken
        && args.schedule.is_none()
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(search(word));
    }
    let begun = Instant::now();
    let todo: VecDeque<[Deed; 2]> = match &args.pair {
        Some(name) => VecDeque::from([named(name)]),
        None => all(),
    };
    let workers = args.workers.clamp(1, todo.len().max(1));
    let todo = Arc::new(Mutex::new(todo));
    let running: Vec<_> = (0..workers)
        .map(|_| {
            let (args, todo) = (args.clone(), Arc::clone(&todo));
            // A thread each: a referee and its sessions are at home on one.
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(work(&args, &todo))
            })
        })
        .collect();
    let done: Vec<PairDone> = running
        .into_iter()
        .flat_map(|worker| worker.join().unwrap())
        .collect();
    let sum = |f: fn(&PairDone) -> usize| done.iter().map(f).sum::<usize>();
    let violations = sum(|d| usize::from(d.found.is_some()));
    println!(
        "{} left out as known, {} ends, {} repeated otherwise, {} pairs cut short, {:.0} s",
        sum(|d| d.redundant),
        sum(|d| d.ends),
        sum(|d| d.diverged),
        sum(|d| usize::from(d.cut)),
        begun.elapsed().as_secs_f64()
    );
    println!(
        "pairs: pairs={} interleavings={} deadlocks={} violations={violations}",
        done.len(),
        sum(|d| d.interleavings),
        sum(|d| d.deadlocks)
    );
    violations == 0
}

/// Every pair, those of a deed with itself included.
fn all() -> VecDeque<[Deed; 2]> {
    let mut pairs = VecDeque::new();
    for (n, a) in Deed::ALL.into_iter().enumerate() {
        for b in Deed::ALL.into_iter().skip(n) {
            pairs.push_back([a, b]);
        }
    }
    pairs
}

fn named(name: &str) -> [Deed; 2] {
    let (a, b) = name.split_once('/').unwrap_or((name, name));
    [a, b].map(|word| {
        Deed::named(word).unwrap_or_else(|| {
            let known = Deed::ALL.map(Deed::word).join(", ");
            panic!("unknown deed {word:?}; available: {known}")
        })
    })
}

async fn work(args: &PairsArgs, todo: &Mutex<VecDeque<[Deed; 2]>>) -> Vec<PairDone> {
    let broken = args
        .broken
        .as_ref()
        .and_then(|word| BREAKAGES.iter().find(|b| b.word == word));
    let bench = Bench::open(broken).await;
    let mut all = Vec::new();
    loop {
        let Some(pair) = todo.lock().unwrap().pop_front() else {
            return all;
        };
        let begun = Instant::now();
        let setting = Setting {
            pair,
            mode: if args.every {
                Mode::Every
            } else {
                Mode::Reduced
            },
            schedule: args.schedule.clone(),
            most: args.most,
        };
        let done = bench.try_pair(&setting).await;
        println!(
            "{}/{}: {} interleavings, {} ends, {} deadlocks, {:.1} s{}",
            pair[0].word(),
            pair[1].word(),
            done.interleavings,
            done.ends,
            done.deadlocks,
            begun.elapsed().as_secs_f64(),
            if done.cut { ", cut short" } else { "" }
        );
        if let Some(found) = &done.found {
            println!("{}\n  again: {}", found.told, found.command);
        } else if args.schedule.is_some() {
            println!("{}", done.last);
        }
        all.push(done);
    }
}

/// Looks for a fault, or for all of them.
async fn search(word: &str) -> bool {
    let mut all_seen = true;
    for breakage in BREAKAGES {
        if word != "all" && word != breakage.word {
            continue;
        }
        let seen = see(breakage).await;
        match &seen.how {
            Some(how) => println!("{}: seen after {}\n{how}", seen.word, seen.after),
            None => println!("{}: NOT SEEN in {}", seen.word, seen.after),
        }
        all_seen &= seen.how.is_some();
    }
    all_seen
}
