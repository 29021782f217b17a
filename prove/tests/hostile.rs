//! Bytes near each parser's seeds, stored by the daemon's own steps; and the faults that this must be able to see.

use hikiate_prove::fault::Fault;
use hikiate_prove::suite::seed;
use hikiate_prove::world::{Effort, PARSERS, hostile};

/// For each parser; `make hostile` gives it more.
const EFFORT: Effort = Effort::Worlds(2);

#[test]
fn whatever_comes_is_stored_or_kept_and_what_follows_is_read() {
    let seed = seed();
    for parser in PARSERS {
        let stored = hostile(parser, EFFORT, seed, None);
        println!(
            "{parser}: from {seed}: {} inputs, {} kept",
            stored.inputs, stored.kept
        );
        assert!(
            stored.violations.is_empty(),
            "{parser}: {:?}",
            stored.violations
        );
        assert!(stored.inputs > 0);
    }
}

/// Found within the first worlds.
fn caught(parser: &'static str, word: &str) {
    let fault = Fault::named(word).ok();
    assert!(fault.is_some(), "{word} is no fault");
    let stored = hostile(parser, Effort::Worlds(40), 1, fault);
    assert!(!stored.violations.is_empty(), "{word} was not seen");
    println!(
        "{word}: caught after {} inputs: {}",
        stored.inputs, stored.violations[0]
    );
}

#[test]
fn an_order_dated_ahead_that_hides_others_is_seen() {
    caught("medusa_page", "seen_ahead");
}

#[test]
fn an_odd_record_that_is_passed_over_is_seen() {
    caught("files_stock", "odd_records_dropped");
}
