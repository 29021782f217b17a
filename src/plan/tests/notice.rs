//! Notices to the channel, mails, and effects whose outcome is unknown.

use hikiate_sdk::{Call, ChannelFulfilment, Op};

use super::build::{at, order};
use super::flow::ship_all;
use super::others::{by_hand, show};
use super::world::World;
use crate::facts::Verdict;
use crate::plan::types::{EffectState, Status};

const S1: &str = "HK0123456789ABC-S1";

fn told(world: &World) -> Vec<(String, Vec<u32>)> {
    let told = world.calls(Op::Fulfil).into_iter().map(|call| match call {
        Call::Fulfil(call) => (
            call.reference.to_string(),
            call.lines.iter().map(|line| line.quantity).collect(),
        ),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[test]
fn each_parcel_is_told_once_under_its_own_reference() {
    let mut world = World::new(order(&[("A", 3, 100)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.plan();
    world.parcel(S1, "T2", &[(1, 2)]);
    let plan = world.plan();
    assert!(
        plan.effects.iter().all(|e| e.intent.op != Op::Fulfil),
        "one at a time"
    );
    world.push_all();
    assert_eq!(
        told(&world),
        [(S1.to_owned(), vec![1]), (format!("{S1}.2"), vec![2])]
    );
    let Call::Ship(ship) = &world.calls(Op::Ship)[1] else {
        panic!("no ship call")
    };
    assert_eq!(ship.reference.as_str(), format!("{S1}.2"));
    assert_eq!(ship.parcels[0].tracking.as_deref(), Some("T2"));
    let Call::Fulfil(fulfil) = &world.calls(Op::Fulfil)[0] else {
        panic!("no fulfil call")
    };
    assert_eq!(fulfil.location.as_deref(), Some("sloc_1"));
}

#[test]
fn what_staff_left_out_of_a_parcel_whose_number_they_told_is_told_by_us() {
    let mut world = World::new(order(&[("A", 1, 100), ("B", 2, 100)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    // Staff copy the number from the warehouse's screen and mark one line alone.
    world.edit(show(by_hand("ful_1", 1, Some(40), "T1")));
    world.parcel(S1, "T1", &[(1, 1), (2, 2)]);
    world.push_all();
    assert_eq!(told(&world), [(S1.to_owned(), vec![2])]);
    let Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    assert_eq!(ship.parcels[0].tracking.as_deref(), Some("T1"));
    world.push_all();
    assert_eq!(told(&world).len(), 1, "once");
}

#[test]
fn ship_waits_for_fulfil_to_be_done() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    assert_eq!(world.intents(Op::Ship).len(), 0);
    world.end_op(Op::Fulfil, Verdict::Accepted);
    world.plan();
    assert_eq!(world.intents(Op::Ship).len(), 0, "accepted is not done");
    world.edit(|order| order.fulfilments.push(shown(S1, false)));
    world.push_all();
    assert_eq!(world.intents(Op::Ship).len(), 1);
}

fn shown(reference: &str, shipped: bool) -> ChannelFulfilment {
    ChannelFulfilment {
        key: "ful_1".into(),
        reference: Some(reference.to_owned()),
        shipped_at: shipped.then(|| at(0)),
        cancelled_at: None,
        location: None,
        tracking: if shipped {
            vec![format!("T-{S1}")]
        } else {
            Vec::new()
        },
        lines: vec![("l1".into(), 1)],
    }
}

#[test]
fn what_the_channel_already_shows_as_shipped_is_not_told() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.edit(|order| order.fulfilments.push(shown(S1, true)));
    world.push_all();
    assert!(world.intents(Op::Fulfil).is_empty() && world.intents(Op::Ship).is_empty());
    assert_eq!(world.intents(Op::Capture).len(), 1);
}

#[test]
fn never_more_is_told_than_was_ordered_and_cases_are_told_as_cases() {
    let mut world = World::new(order(&[("B12", 1, 100)]));
    world.stock.insert((2, "tokyo"), 12);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 6)]);
    world.push_all();
    assert!(
        told(&world).is_empty(),
        "half a case is no unit of the channel"
    );
    world.parcel(S1, "T2", &[(1, 18)]);
    world.push_all();
    assert_eq!(told(&world), [(S1.to_owned(), vec![1])]);
    let Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    assert_eq!(ship.parcels.len(), 2);
}

#[test]
fn a_refused_notice_waits_for_a_person() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Refused);
    let plan = world.plan();
    assert!(World::kinds(&plan).contains(&"shipping_notice_rejected"));
    assert_eq!(
        world.intents(Op::Capture).len(),
        1,
        "money does not wait for it"
    );
    world.release("notice");
    world.push_all();
    assert_eq!(
        told(&world),
        [(S1.to_owned(), vec![1]), (S1.to_owned(), vec![1])]
    );
}

#[test]
fn an_unknown_notice_stops_notices_and_is_a_task_while_money_goes_on() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.end_op(Op::Mail, Verdict::Done);
    world.state(Op::Fulfil, EffectState::Unresolved);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("unknown_outcome"));
    assert_eq!(World::kinds(&plan), ["unknown_outcome"]);
    let ops: Vec<_> = plan.effects.iter().map(|effect| effect.intent.op).collect();
    assert_eq!(ops, [Op::Capture]);
    world.end_op(Op::Fulfil, Verdict::NotDone);
    world.push_all();
    assert_eq!(told(&world).len(), 2);
}

#[test]
fn the_mail_is_sent_once_and_an_unknown_one_holds_nothing() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.state(Op::Mail, EffectState::Unresolved);
    for _ in 0..6 {
        world.plan();
        let rows = world.input.queue.clone();
        for row in rows.iter().filter(|row| row.op != Op::Mail) {
            world.end(&row.key, Verdict::Done, "");
        }
    }
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Shipped, None)
    );
    assert_eq!(World::kinds(&plan), ["unknown_outcome"]);
    assert_eq!(world.intents(Op::Mail).len(), 1);
}

#[test]
fn without_an_address_the_mail_is_a_task_that_a_person_ends() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.input.personal = None;
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["mail_address_missing"]);
    world.release("mail_address_missing");
    world.push_all();
    assert!(world.plan().tasks.is_empty() && world.intents(Op::Mail).is_empty());
}

#[test]
fn a_case_that_left_in_two_shipments_is_told_as_one_unit_with_both_parcels() {
    let mut world = World::new(order(&[("B12", 1, 1200)]));
    for place in ["tokyo", "osaka"] {
        world.stock.insert((2, place), 6);
    }
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(sealed.len(), 2, "six items from each");
    for (n, reference) in sealed.iter().enumerate() {
        world.instruct_outcome(reference, Verdict::Accepted);
        world.parcel(reference, &format!("T{}", n + 1), &[(1, 6)]);
        world.push_all();
        assert_eq!(
            world.calls(Op::Fulfil).len(),
            n,
            "half a case is nothing yet"
        );
    }
    assert_eq!(told(&world), [(S1.to_owned(), vec![1])]);
    let Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    let tracking: Vec<_> = ship.parcels.iter().map(|p| p.tracking.as_deref()).collect();
    assert_eq!(tracking, [Some("T1"), Some("T2")]);
}

#[test]
fn what_a_told_parcel_turns_out_to_hold_more_is_told_too() {
    let mut world = World::new(order(&[("A", 3, 100)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    world.parcel(S1, "T1", &[(1, 3)]);
    world.push_all();
    assert_eq!(
        told(&world),
        [(S1.to_owned(), vec![1]), (format!("{S1}.2"), vec![2])]
    );
    let Call::Ship(ship) = &world.calls(Op::Ship)[1] else {
        panic!("no ship call")
    };
    assert_eq!(ship.parcels[0].tracking.as_deref(), Some("T1"));
    world.plan();
    assert_eq!(world.calls(Op::Fulfil).len(), 2, "told once");
}

#[test]
fn our_fulfilment_that_staff_marked_as_shipped_without_its_number_is_told() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    let mut bare = shown(S1, true);
    bare.tracking.clear();
    world.edit(|order| order.fulfilments = vec![bare.clone()]);
    let plan = world.settle();
    let task = plan
        .tasks
        .iter()
        .find(|task| task.kind == "tracking_missing");
    assert!(
        task.is_some_and(|task| task.detail.contains(S1)),
        "{:?}",
        plan.tasks
    );
    assert!(world.calls(Op::Ship).is_empty());
    bare.tracking = vec!["T-1".to_owned()];
    world.edit(|order| order.fulfilments = vec![bare.clone()]);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn a_refused_notice_is_over_once_the_channel_shows_the_parcel() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    let number = world.peek();
    assert!(!number.effects.is_empty());
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Refused);
    let plan = world.settle();
    assert!(
        plan.tasks
            .iter()
            .any(|task| task.kind == "shipping_notice_rejected")
    );
    let tracking = world
        .input
        .facts
        .iter()
        .find_map(|fact| match &fact.body {
            crate::facts::FactBody::Parcel(parcel) => parcel.tracking.clone(),
            _ => None,
        })
        .unwrap();
    let by_staff = by_hand("ful_1", 1, Some(60), &tracking);
    world.edit(show(by_staff));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn a_notice_is_over_where_staff_told_the_channel_of_the_same_units_under_another_number() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    // Such a channel has no call of its own for packing, and no fulfilment of ours to show.
    world.end_op(Op::Fulfil, Verdict::Done);
    world.plan();
    world.edit(|_| ());
    world.end_op(Op::Ship, Verdict::Refused);
    let plan = world.settle();
    assert!(World::kinds(&plan).contains(&"shipping_notice_rejected"));
    let by_staff = by_hand("ful_1", 1, Some(60), "BYHAND");
    world.edit(show(by_staff));
    let plan = world.settle();
    assert!(
        !World::kinds(&plan).contains(&"shipping_notice_rejected"),
        "{:?}",
        plan.tasks
    );
    assert_eq!(world.calls(Op::Ship).len(), 1);
    // The same where that was read before the channel refused.
    let mut world = World::new(order(&[("A", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    world.plan();
    world.edit(show(by_hand("ful_1", 1, Some(60), "BYHAND")));
    world.end_op(Op::Ship, Verdict::Refused);
    let plan = world.settle();
    assert!(!World::kinds(&plan).contains(&"shipping_notice_rejected"));
    assert_eq!(world.calls(Op::Ship).len(), 1);
}

#[test]
fn what_staff_left_out_of_a_notice_that_the_channel_refused_is_told_after_a_release() {
    let mut world = World::new(order(&[("A", 1, 100), ("B", 1, 100)]));
    ship_all(&mut world);
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    world.plan();
    world.end_op(Op::Ship, Verdict::Refused);
    let by_staff = by_hand("ful_1", 1, Some(60), "BYHAND");
    world.edit(show(by_staff));
    let plan = world.settle();
    assert!(World::kinds(&plan).contains(&"shipping_notice_rejected"));
    world.release("notice");
    world.push_all();
    let calls = world.calls(Op::Fulfil);
    let Some(Call::Fulfil(call)) = calls.last() else {
        panic!("no notice of what is left")
    };
    assert_eq!(call.reference.as_str(), format!("{S1}.2"));
    assert_eq!(call.lines.len(), 1);
    assert!(!World::kinds(&world.plan()).contains(&"shipping_notice_rejected"));
}
