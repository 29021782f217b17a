//! Members of batches that were refused or given up.

use hikiate_sdk::{ChannelState, Op};

use super::build::order;
use super::world::World;
use crate::facts::{FactBody, MemberFact, MemberState, ReleasedFact, Verdict};
use crate::plan::types::{ShipmentStage, Status};

const S1: &str = "HK0123456789ABC-S1";

fn instructed() -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.plan();
    world
}

fn hears(world: &mut World, state: MemberState) {
    let key = world.nth(format!("member:{S1}"));
    let body = FactBody::Member(MemberFact {
        batch: "tokyo-instruct-20261121T1300-1".to_owned(),
        reference: S1.into(),
        state,
    });
    world.fact(key, body, "plan");
}

fn refused(world: &mut World) {
    let message = "no such column".to_owned();
    hears(world, MemberState::Refused { message });
}

fn abandoned(world: &mut World) {
    let reason = "never read".to_owned();
    hears(world, MemberState::Abandoned { reason });
}

fn released(world: &mut World, rule: &str) {
    let body = FactBody::Released(ReleasedFact {
        rules: vec![rule.to_owned()],
        reason: "looked".to_owned(),
        context: String::new(),
    });
    let key = world.nth("released:person".to_owned());
    world.fact(key, body, "hanako");
}

fn cancelled(world: &mut World) {
    let now = world.now;
    world.edit(|order| order.state = ChannelState::Cancelled { at: now });
}

#[test]
fn a_refused_batch_keeps_its_members_and_each_of_them_shows_it() {
    let mut world = instructed();
    refused(&mut world);
    let plan = world.plan();
    assert_eq!(plan.status, Status::Allocated);
    assert_eq!(plan.blocked_by.as_deref(), Some("batch_rejected"));
    assert!(plan.tasks.is_empty(), "the batch has one: {:?}", plan.tasks);
    assert!(plan.shipments.is_empty() && plan.effects.is_empty());
    assert_eq!(plan.demands[0].wanted, 2);
    // Sent again, and taken.
    hears(&mut world, MemberState::SentAgain);
    assert_eq!(world.plan().blocked_by.as_deref(), Some("sending"));
    world.instruct_outcome(S1, Verdict::Accepted);
    assert!(world.plan().blocked_by.as_deref() != Some("batch_rejected"));
}

#[test]
fn a_cancel_takes_its_shipment_out_of_a_refused_batch_without_asking_the_warehouse() {
    let mut world = instructed();
    refused(&mut world);
    world.plan();
    cancelled(&mut world);
    let plan = world.plan();
    let decision = plan.decisions.first().map(|fact| &fact.body);
    assert!(matches!(decision, Some(FactBody::ShipmentWithdrawn(_))));
    assert!(
        plan.effects
            .iter()
            .all(|e| e.intent.op != Op::CancelInstruction)
    );
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
    assert_eq!(plan.demands[0].wanted, 0);
}

#[test]
fn a_cancel_while_the_batch_is_sent_again_waits_for_its_outcome() {
    let mut world = instructed();
    refused(&mut world);
    hears(&mut world, MemberState::SentAgain);
    world.plan();
    cancelled(&mut world);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("unknown_outcome"));
    assert!(plan.decisions.is_empty() && plan.effects.is_empty());
}

#[test]
fn an_order_of_an_abandoned_batch_is_held_until_it_is_released_and_goes_out_anew() {
    let mut world = instructed();
    abandoned(&mut world);
    let plan = world.plan();
    let gate = format!("hold:abandoned:{S1}");
    assert_eq!(plan.blocked_by.as_deref(), Some(gate.as_str()));
    assert_eq!(plan.tasks.len(), 1, "{:?}", plan.tasks);
    assert_eq!(plan.tasks[0].kind, "instruction_abandoned");
    assert_eq!(plan.stages, [(S1.into(), ShipmentStage::Rejected)]);
    assert!(plan.shipments.is_empty());
    assert!(world.plan().shipments.is_empty(), "not by itself");
    released(&mut world, &format!("abandoned:{S1}"));
    let plan = world.plan();
    assert_eq!(plan.shipments[0].reference.as_str(), "HK0123456789ABC-S2");
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn a_cancelled_order_of_an_abandoned_batch_is_over() {
    let mut world = instructed();
    cancelled(&mut world);
    world.plan();
    abandoned(&mut world);
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn what_the_warehouse_tells_of_an_abandoned_shipment_counts() {
    let mut world = instructed();
    abandoned(&mut world);
    released(&mut world, &format!("abandoned:{S1}"));
    assert_eq!(world.plan().shipments.len(), 1);
    world.parcel(S1, "1", &[(1, 2)]);
    let plan = world.plan();
    let withdrawn = plan.decisions.first().map(|fact| &fact.body);
    assert!(
        matches!(withdrawn, Some(FactBody::ShipmentWithdrawn(_))),
        "{plan:?}"
    );
    assert_eq!(plan.entries.iter().map(|e| e.quantity).sum::<i64>(), -2);
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

/// As before sealing: nobody has it, so it is planned anew as it is wanted now.
#[test]
fn an_order_that_is_edited_in_a_refused_batch_is_planned_anew_without_a_recall() {
    let mut world = instructed();
    refused(&mut world);
    world.plan();
    world.edit(|order| order.lines[0].quantity = 1);
    let plan = world.plan();
    let decision = plan.decisions.first().map(|fact| &fact.body);
    assert!(
        matches!(decision, Some(FactBody::ShipmentWithdrawn(_))),
        "{plan:?}"
    );
    assert!(plan.effects.is_empty());
    for _ in 0..3 {
        world.plan();
        world.allocate();
    }
    let last = world.input.shipments.last().unwrap();
    assert_eq!(last.reference.as_str(), "HK0123456789ABC-S2");
    assert_eq!(world.shipment("HK0123456789ABC-S2").lines[0].quantity, 1);
}
