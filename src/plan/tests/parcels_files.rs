//! What files say of parcels again: corrected to nothing, in numbered boxes, added up, or late.

use super::build::at;
use super::parcels::{ONE, instructed, number, row};
use super::world::World;
use crate::plan::types::Status;

#[test]
fn a_quantity_that_is_corrected_to_nothing_takes_it_back() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2), (2, 1)], at(31))]);
    world.push_all();
    assert_eq!(world.moved(), -3);
    world.hears("2", vec![row(Some(ONE), &[(1, 0)], at(31))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(2, 1)])]);
    world.push_all();
    let plan = world.plan();
    let kinds = World::kinds(&plan);
    assert_eq!(world.moved(), -1);
    assert!(kinds.contains(&"told_too_much"), "{kinds:?}");
}

#[test]
fn a_zero_that_corrects_nothing_says_nothing() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 0)], at(31))]);
    assert_eq!(world.parcels(), []);
    world.stands(Status::Instructed, 0, 0, &[]);
    assert!(world.plan().entries.iter().all(|entry| entry.quantity == 0));
    world.hears("2", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.stands(Status::Shipped, -2, 2500, &[]);
}
