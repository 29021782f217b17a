//! The pure model, bounded: fixed seeds, and every fault it must find. Fresh seeds are `make model`'s.

#![expect(clippy::panic, reason = "tests stop at the first surprise")]

use hikiate_prove::fault::Fault;
use hikiate_prove::model::{Run, tool};

/// Steps of one seed.
const STEPS: u64 = 4_000;
/// A fault that is not found in this many steps is not found.
const UNTIL: u64 = 300_000;

fn holds(seed: u64, steps: u64) {
    let summary = tool::many(seed, steps, 2, 1, None);
    println!("model: seed={seed} steps={}", summary.steps);
    assert!(
        summary.failures.is_empty(),
        "{}",
        summary.failures.join("\n")
    );
    assert!(summary.steps >= steps);
}

#[test]
fn every_invariant_holds_on_fixed_seeds() {
    for seed in [1, 2, 20_261_121] {
        holds(seed, STEPS);
    }
    // A full refund after a shipment that has left, while a line that staff added has not.
    holds(622_768_313, 1_000);
}

#[test]
fn a_run_is_the_same_whenever_it_is_drawn() {
    let (one, other) = (Run::random(7, 3), Run::random(7, 3));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    let (mut steps, mut again) = (0, 0);
    assert!(one.check(&mut steps).is_ok() && other.check(&mut again).is_ok());
    assert_eq!(steps, again);
}

fn caught(fault: Fault) {
    let summary = tool::many(1, UNTIL, 2, 1, Some(fault));
    let failure = summary.failures.first();
    let failure = failure.unwrap_or_else(|| panic!("{} was not caught", fault.word()));
    println!(
        "{} was caught after {} steps:\n{failure}",
        fault.word(),
        summary.until
    );
    // A small case says how to play it again and is a fraction of a run.
    assert!(failure.contains("--keep"), "{failure}");
    assert!(failure.lines().count() < 45, "not made small:\n{failure}");
}

macro_rules! mutants {
    ($($name:ident: $word:literal;)*) => {
        $(#[test] fn $name() { caught(Fault::named($word).unwrap()); })*
    };
}

mutants! {
    an_older_reading_that_wins_is_caught: "older_reading";
    a_cancelled_order_that_keeps_its_stock_is_caught: "reservation_kept";
    a_capture_of_what_was_ordered_is_caught: "capture_ordered";
    a_key_from_a_sequence_is_caught: "key_from_sequence";
    a_rank_that_is_ignored_is_caught: "rank_ignored";
    a_call_repeated_without_looking_is_caught: "look_up_skipped";
    goods_that_ship_without_a_movement_are_caught: "movement_forgotten";
    shipments_by_staff_that_are_ignored_are_caught: "others_ignored";
    a_parcel_typed_by_staff_that_counts_twice_is_caught: "numbers_ignored";
    a_shipment_by_staff_that_was_undone_and_ships_at_once_is_caught: "undone_at_once";
    a_completed_order_that_ships_is_caught: "completed_ignored";
    a_change_after_sealing_that_nobody_hears_of_is_caught: "change_untold";
    a_note_of_a_stalled_process_that_stays_is_caught: "stalled_note_ignored";
    a_vanished_order_that_ships_is_caught: "absence_ignored";
    an_ended_order_that_ships_is_caught: "end_ignored";
    a_recalled_shipment_that_ships_is_caught: "recall_ignored";
    a_channel_that_begins_by_itself_is_caught: "begins_by_itself";
    a_refund_that_lowers_twice_is_caught: "refund_lowers_twice";
    a_refund_that_is_captured_again_is_caught: "refund_captured_again";
    returns_that_are_not_booked_are_caught: "returns_forgotten";
    tax_that_is_rounded_row_by_row_is_caught: "tax_by_row";
    a_refund_that_nothing_explains_and_nobody_hears_of_is_caught: "unexplained_untold";
}
