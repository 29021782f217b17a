//! Parcels beyond what was instructed: a corrected number, or a surplus.

use hikiate_sdk::Op;

use super::build::at;
use super::parcels::{ONE, S1, THREE, TWO, instructed, number, row};
use super::world::World;
use crate::facts::Verdict;
use crate::plan::command::correct;
use crate::plan::types::Status;
use crate::policy::CorrectedNumber;

/// A shipment of two that was told under one number, captured and mailed, and is reported under another one later.
fn renumbered() -> World {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.push_all();
    world.wait(60);
    world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(90))]);
    world
}

/// (f) The same goods under another number beyond what was instructed: the number is corrected, nothing moves.
#[test]
fn the_same_goods_under_another_number_beyond_what_was_instructed_are_a_corrected_number() {
    let mut world = renumbered();
    world.stands(Status::Shipped, -2, 2500, &["tracking_differs"]);
    assert_eq!(world.numbers_told(), [[number(ONE)]]);
    let task = world.plan().tasks[0].clone();
    let lines: Vec<String> = task.actions.iter().flat_map(|a| a.lines(S1)).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains(&format!("--tracking {ONE} --to {TWO}"))),
        "{lines:?}"
    );
    // The old one is right.
    let mut old = world.clone();
    old.release("tracking_differs");
    old.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(old.parcels()[0].0, number(ONE));
    // They are two boxes after all.
    let mut two = world.clone();
    two.release(&format!("parcel_reported_twice:{S1}"));
    two.stands(Status::Shipped, -4, 2500, &["over_shipped"]);
    // The new one is right: what was told is put right once, by hand where the channel cannot change it.
    world.typed(|now| correct(now, S1, ONE, TWO, "asked"));
    assert_eq!(world.parcels(), [(number(TWO), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_corrected"]);
    let detail = &world.plan().tasks[0].detail;
    assert!(
        detail.contains(&format!("Enter {TWO} there, and notify the customer")),
        "{detail}"
    );
    world.hears("3", vec![row(Some(TWO), &[(1, 2)], at(91))]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_corrected"]);
    assert_eq!(world.intents(Op::Fulfil).len(), 1);
}

#[test]
fn a_corrected_number_is_told_by_policy_without_being_asked_about() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.policy.notice.corrected_number = CorrectedNumber::Tell;
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.wait(60);
    // Nobody has been told yet: then nobody hears of the old one.
    world.end_op(Op::Fulfil, Verdict::Done);
    world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(90))]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(world.numbers_told(), [[number(TWO)]]);
    // Told already, it is put right by hand, and so is a third one.
    world.hears("3", vec![row(Some(THREE), &[(1, 2)], at(92))]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_corrected"]);
    assert_eq!(world.parcels(), [(number(THREE), vec![(1, 2)])]);
}

/// (g) Anything else beyond what was instructed moves, and is a task.
#[test]
fn other_goods_beyond_what_was_instructed_are_over_shipped() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.wait(60);
    world.hears("2", vec![row(Some(TWO), &[(1, 1)], at(90))]);
    world.stands(Status::Shipped, -3, 2500, &["over_shipped"]);
    // Two rows of one file are two boxes.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears(
        "1",
        vec![
            row(Some(ONE), &[(1, 2)], at(31)),
            row(Some(TWO), &[(1, 2)], at(31)),
        ],
    );
    world.stands(Status::Shipped, -4, 2500, &["over_shipped"]);
}

/// A number that a third file takes back is the parcel's again, told or not.
#[test]
fn a_number_that_goes_back_to_the_earlier_one_is_that_one_again() {
    // The same row, and a corrected number that is believed or asked about.
    for (minute, tell) in [(31, false), (90, true), (90, false)] {
        let mut world = instructed(&[("A", 2, 1000)]);
        if tell {
            world.policy.notice.corrected_number = CorrectedNumber::Tell;
        }
        let told = |number| row(Some(number), &[(1, 2)], at(31));
        world.hears("1", vec![told(ONE)]);
        world.push_all();
        world.wait(60);
        world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(minute))]);
        world.wait(60);
        world.stores("3", told(ONE));
        world.plan();
        assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2)])]);
        world.stands(Status::Shipped, -2, 2500, &[]);
        assert_eq!(world.numbers_told(), [[number(ONE)]]);
    }
}

/// One number of two is void: it is to be taken off where both are known.
#[test]
fn a_void_number_beside_one_that_is_known_is_to_be_taken_off() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    let parts = vec![
        row(Some(ONE), &[(1, 1)], at(31)),
        row(Some(TWO), &[(2, 1)], at(31)),
    ];
    world.hears("1", parts);
    world.push_all();
    world.wait(60);
    world.hears("2", vec![row(Some(TWO), &[(1, 1), (2, 1)], at(31))]);
    assert_eq!(world.parcels(), [(number(TWO), vec![(1, 1), (2, 1)])]);
    world.stands(Status::Shipped, -2, 2000, &["tracking_corrected"]);
    let detail = world.plan().tasks[0].detail.clone();
    for words in [
        format!("Remove {ONE} there"),
        format!("notify the customer; the shipping mail has {ONE}"),
    ] {
        assert!(detail.contains(&words), "{detail}");
    }
}

/// A shop that is told nothing of shipping, and a customer who was.
#[test]
fn a_customer_who_has_a_void_number_is_told_where_the_shop_is_told_nothing() {
    for (first, words) in [(Some(ONE), ONE), (None, "no number")] {
        let mut world = instructed(&[("A", 2, 1000)]);
        for channel in world.policy.channels.values_mut() {
            channel.shipping_notice = false;
        }
        world.hears("1", vec![row(first, &[(1, 2)], at(31))]);
        world.wait(121);
        world.push_all();
        assert!(world.intents(Op::Fulfil).is_empty());
        assert_eq!(world.intents(Op::Mail).len(), 1);
        world.wait(60);
        world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(31))]);
        world.stands(Status::Shipped, -2, 2500, &["tracking_corrected"]);
        let detail = world.plan().tasks[0].detail.clone();
        assert!(
            detail.contains(&format!(
                "Notify the customer of {TWO}; the shipping mail has {words}"
            )),
            "{detail}"
        );
        world.release("tracking_corrected");
        world.stands(Status::Shipped, -2, 2500, &[]);
    }
}
