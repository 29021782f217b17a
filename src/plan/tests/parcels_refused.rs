//! A warehouse that says no to what it reported as shipped.

use hikiate_sdk::{CancelVerdict, ChannelState, ReplyVerdict};

use super::build::at;
use super::parcels::{ONE, S1, TWO, instructed, row};
use super::world::World;
use crate::plan::types::Status;

const KIND: &str = "shipped_rejected";

/// Two of `A` of which so many were reported as shipped.
fn shipped(items: u32) -> World {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, items)], at(31))]);
    world.push_all();
    world.wait(60);
    world
}

#[track_caller]
fn detail(world: &mut World) -> String {
    let plan = world.plan();
    let task = plan.tasks.iter().find(|task| task.kind == KIND);
    task.unwrap().detail.clone()
}

#[test]
fn a_rejection_of_what_was_reported_as_shipped_is_one_task_and_moves_nothing() {
    let mut world = shipped(2);
    world.reply(S1, ReplyVerdict::Rejected);
    world.stands(Status::Shipped, -2, 2500, &[KIND]);
    let words = detail(&mut world);
    for said in [S1, ONE, "will not ship", "no such address", "0"] {
        assert!(words.contains(said), "{said}: {words}");
    }
    let mut looked_at = world.clone();
    looked_at.release(KIND);
    looked_at.stands(Status::Shipped, -2, 2500, &[]);
    // It says that it has it after all, or tells more of it.
    let mut taken = world.clone();
    taken.reply(S1, ReplyVerdict::Accepted);
    taken.stands(Status::Shipped, -2, 2500, &[]);
    // It did not ship: the parcel is corrected to nothing, and the rejection stands.
    world.hears("2", vec![row(Some(ONE), &[(1, 0)], at(31))]);
    world.push_all();
    let plan = world.plan();
    let kinds = World::kinds(&plan);
    assert_eq!(world.moved(), 0);
    assert!(kinds.contains(&"instruction_rejected"), "{kinds:?}");
    assert!(!kinds.contains(&KIND), "{kinds:?}");
}

#[test]
fn a_rejection_after_a_part_was_shipped_is_told_until_more_of_it_is() {
    let mut world = shipped(1);
    world.reply(S1, ReplyVerdict::Rejected);
    world.stands(Status::Instructed, -1, 1500, &["shipped_short", KIND]);
    world.hears("2", vec![row(Some(TWO), &[(1, 1)], at(90))]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    // A rejection that came before the parcel was mended there.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.reply(S1, ReplyVerdict::Rejected);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.stands(Status::Shipped, -2, 2500, &[]);
}

#[test]
fn a_cancel_that_is_accepted_for_what_was_reported_as_shipped_is_one_task() {
    let mut world = shipped(2);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    world.stands(Status::Shipped, -2, 2500, &[KIND]);
    let words = detail(&mut world);
    assert!(words.contains("stopped"), "{words}");
    // That it cannot be stopped any more is what was known.
    for verdict in [CancelVerdict::TooLate, CancelVerdict::Declined] {
        let mut world = shipped(2);
        world.cancel_reply(S1, verdict);
        world.stands(Status::Shipped, -2, 2500, &[]);
    }
}

/// What is asked about anyway is asked about once.
#[test]
fn a_cancel_that_is_accepted_after_it_shipped_too_late_is_in_the_task_about_that() {
    let mut world = instructed(&[("A", 2, 1000)]);
    let now = world.now;
    world.edit(|order| order.state = ChannelState::Cancelled { at: now });
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.push_all();
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.plan();
    let told: Vec<&str> = plan.tasks.iter().map(|task| task.detail.as_str()).collect();
    let told: Vec<&&str> = told
        .iter()
        .filter(|t| t.contains("has stopped it"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("although the order is cancelled"),
        "{told:?}"
    );
    assert!(!World::kinds(&plan).contains(&KIND));
}
