//! Some seeds of the world, and the faults that it must be able to see.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests stop at the first surprise"
)]

use std::env;

use hikiate_prove::fault::Fault;
use hikiate_prove::world::{explain, run_seeds};

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The same seeds each time, so that a change is judged by itself; fresh ones are `make prove`'s. `HIKIATE_WORLD_BASE` and
/// `HIKIATE_WORLD_SEEDS` choose others.
#[test]
fn fixed_seeds_find_nothing() {
    let base = number("HIKIATE_WORLD_BASE").unwrap_or(910_000);
    let seeds = number("HIKIATE_WORLD_SEEDS").unwrap_or(4);
    println!("world: {seeds} seeds from {base} on");
    let summary = run_seeds(base, seeds, 2, None, false);
    println!("{}\n{}", summary.met(), summary.line());
    if let Some(report) = summary.failed.first() {
        panic!("{}", explain(report, None));
    }
    assert_eq!(summary.seeds, seeds);
    assert!(summary.crashes > 0 && summary.faults > 0);
}

/// Each is found by one of the first seeds.
fn caught(fault: Fault, within: u64) {
    let summary = run_seeds(1, within, 1, Some(fault), false);
    let words = fault.word();
    assert!(
        !summary.failed.is_empty(),
        "{words} was not seen by {within} seeds"
    );
    println!(
        "{words}: caught after {} seeds: {}",
        summary.seeds, summary.failed[0].violations[0]
    );
}

#[test]
fn a_lost_reply_that_is_ignored_is_seen() {
    caught(Fault::named("lost_reply_ignored").unwrap(), 60);
}

#[test]
fn a_reservation_that_is_kept_is_seen() {
    caught(Fault::named("reservation_undeleted").unwrap(), 60);
}

#[test]
fn revenue_that_is_not_stored_is_seen() {
    caught(Fault::named("revenue_forgotten").unwrap(), 60);
}

#[test]
fn returns_that_are_not_stored_are_seen() {
    caught(Fault::named("returns_unstored").unwrap(), 60);
}

#[test]
fn a_capture_that_is_only_pretended_is_seen() {
    caught(Fault::named("capture_pretended").unwrap(), 60);
}

#[test]
fn a_fact_that_names_somebody_is_seen() {
    caught(Fault::named("words_in_facts").unwrap(), 60);
}

#[test]
fn a_refund_that_is_only_pretended_is_seen() {
    // About one world in sixty refunds what an operator asks for.
    caught(Fault::named("refund_pretended").unwrap(), 400);
}
