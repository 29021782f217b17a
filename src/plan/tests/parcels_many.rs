//! Many boxes of one order: what they are is decided in no more than a moment.

use std::time::{Duration, Instant};

use hikiate_sdk::ParcelReport;

use super::build::{at, order};
use super::parcels::{S1, row};
use super::world::World;
use crate::facts::Verdict;

const BOXES: u32 = 300;

/// Far more than it takes, and far less than it took: minutes.
const A_MOMENT: Duration = Duration::from_secs(20);

fn many() -> World {
    let mut world = World::new(order(&[("A", BOXES, 100)]));
    world.stock.insert((1, "tokyo"), 1000);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.wait(60);
    world
}

fn boxes() -> impl Iterator<Item = ParcelReport> {
    let number = |n| format!("4012{n:08}");
    (0..BOXES).map(move |n| row(Some(&number(n)), &[(1, 1)], at(31)))
}

#[track_caller]
fn is_decided_in_a_moment(world: &World, boxes: usize) {
    let begun = Instant::now();
    let parcels = world.parcels();
    let decided = begun.elapsed();
    let plan = world.peek();
    let planned = begun.elapsed().saturating_sub(decided);
    println!("decided in {decided:?}, planned in {planned:?}");
    assert_eq!(parcels.len(), boxes);
    let moved: i64 = plan.entries.iter().map(|entry| entry.quantity).sum();
    assert_eq!(moved, -i64::from(BOXES));
    assert!(decided < A_MOMENT, "decided in {decided:?}");
    assert!(planned < A_MOMENT, "planned in {planned:?}");
}

#[test]
fn many_boxes_of_one_file_are_decided_in_a_moment() {
    let mut world = many();
    for parcel in boxes() {
        world.stores("1", parcel);
    }
    is_decided_in_a_moment(&world, 300);
}

#[test]
fn many_boxes_that_a_later_file_repeats_are_decided_in_a_moment() {
    let mut world = many();
    for file in ["1", "2"] {
        for parcel in boxes() {
            world.stores(file, parcel);
        }
        world.wait(60);
    }
    is_decided_in_a_moment(&world, 300);
}

/// Each of them takes one out of what had no number.
#[test]
fn many_boxes_of_what_had_no_number_are_decided_in_a_moment() {
    let mut world = many();
    world.stores("1", row(None, &[(1, BOXES)], at(31)));
    world.wait(60);
    for parcel in boxes() {
        world.stores("2", parcel);
    }
    is_decided_in_a_moment(&world, 300);
}

/// Too much for two, and with other numbers: corrected ones.
#[test]
fn many_boxes_under_other_numbers_are_decided_in_a_moment() {
    let mut world = many();
    for parcel in boxes() {
        world.stores("1", parcel);
    }
    world.wait(60);
    for (n, mut parcel) in boxes().enumerate() {
        let number = format!("5012{n:08}");
        parcel.shipped_at = at(90);
        parcel.key.clone_from(&number);
        parcel.tracking = Some(number);
        world.stores("2", parcel);
    }
    is_decided_in_a_moment(&world, 300);
}
