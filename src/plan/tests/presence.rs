//! Orders that their channel does not show when they are read by their id.

use std::collections::BTreeSet;

use chrono::Duration;
use hikiate_sdk::{ChannelState, Op, ReplyVerdict};

use super::build::order;
use super::world::World;
use crate::facts::*;
use crate::plan::types::*;

impl World {
    /// The channel was asked for the order by its id.
    fn looked(&mut self, misses: u8) {
        let key = self.nth("presence:".to_owned());
        self.fact(key, FactBody::Presence(PresenceFact { misses }), "pull");
        self.answered();
    }

    /// Two looks a settle apart found nothing.
    fn vanish(&mut self) {
        self.looked(1);
        self.plan();
        self.now += ABSENCE_SETTLE;
        self.looked(2);
    }

    fn blocked(&mut self) -> String {
        self.plan().blocked_by.unwrap_or_default()
    }

    fn sealed() -> Self {
        let mut world = Self::new(order(&[("A", 2, 1000)]));
        world.settle();
        world.wait(30);
        assert_eq!(world.seal().len(), 1);
        world.instruct_outcome(S1, Verdict::Done);
        world.reply(S1, ReplyVerdict::Accepted);
        assert_eq!(world.plan().status, Status::Instructed);
        world
    }
}

const S1: &str = "HK0123456789ABC-S1";

#[test]
fn one_look_keeps_it_back_and_decides_nothing() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.looked(1);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("absent"));
    assert!(plan.tasks.is_empty() && plan.stages.len() == 1, "{plan:?}");
    assert_eq!(plan.read_at, Some(world.now + ABSENCE_SETTLE));
    assert_eq!(plan.demands[0].wanted, 2, "its stock waits");
    // A plan made later than the second look was due asks for it with a pause, not at once and for ever.
    world.wait(60);
    world.answered();
    let plan = world.plan();
    assert_eq!(plan.read_at, Some(world.now + ABSENCE_SETTLE));
    world.looked(0);
    world.settle();
    assert_eq!(world.blocked(), "batch");
}

#[test]
fn a_vanished_order_is_held_keeps_its_stock_for_a_time_and_has_one_task() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.vanish();
    let since = world.now - ABSENCE_SETTLE;
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:vanished"));
    assert_eq!(World::kinds(&plan), ["vanished"]);
    let text = &plan.tasks[0].detail;
    assert!(text.contains("until 2026-11-24 10:"), "{text}");
    assert_eq!(plan.next, Some(since + Duration::hours(72)));
    assert_eq!(plan.read_at, Some(world.now + Duration::minutes(30)));
    assert!(plan.demands[0].wanted == 2 && !plan.demands[0].firm);
    world.wait(72 * 60);
    let plan = world.plan();
    assert_eq!((plan.demands[0].wanted, plan.closed), (0, false));
    assert_eq!(World::kinds(&plan), ["vanished"]);
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:vanished"));
    // Back after all, it takes its place again.
    world.looked(0);
    world.settle();
    assert_eq!(world.blocked(), "batch");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn without_an_end_the_stock_of_a_vanished_order_waits_for_ever() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world
        .policy
        .channels
        .values_mut()
        .next()
        .unwrap()
        .vanished_after = None;
    world.settle();
    world.vanish();
    world.wait(10_000);
    assert_eq!(world.plan().demands[0].wanted, 2);
}

#[test]
fn a_release_ships_a_vanished_order_until_it_vanishes_anew() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.vanish();
    world.plan();
    world.release("vanished");
    world.settle();
    assert_eq!(world.blocked(), "batch");
    world.looked(0);
    world.vanish();
    assert_eq!(world.blocked(), "hold:vanished");
}

#[test]
fn a_vanished_order_that_an_operator_cancels_is_closed_and_its_channel_not_told() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.vanish();
    world.plan();
    world.cancel();
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
    assert!(plan.effects.is_empty() && plan.tasks.is_empty(), "{plan:?}");
    // Shown again, the channel is told.
    world.looked(0);
    let plan = world.plan();
    assert_eq!(plan.effects[0].intent.op, Op::CancelOrder);
}

#[test]
fn a_cancel_waits_with_its_word_to_the_channel_while_one_look_has_not_found_the_order() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.looked(1);
    world.cancel();
    let plan = world.plan();
    assert!(plan.effects.is_empty() && !plan.closed);
    world.looked(0);
    assert_eq!(world.plan().effects[0].intent.op, Op::CancelOrder);
}

#[test]
fn goods_that_leave_of_a_vanished_order_are_not_captured_told_mailed_or_booked() {
    let mut world = World::sealed();
    world.vanish();
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["vanished"]);
    assert!(
        plan.tasks[0].detail.contains(S1),
        "{}",
        plan.tasks[0].detail
    );
    assert!(plan.effects.is_empty(), "it is not asked back");
    world.wait(10);
    world.parcel(S1, "1", &[(1, 2)]);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["vanished_shipped"]);
    assert!(plan.effects.is_empty() && plan.revenue.is_empty());
    assert!(!plan.entries.is_empty(), "the stock has left all the same");
    world.wait(5 * 24 * 60);
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.revenue.is_empty() && !plan.closed);
    // Back again, all of it happens as usual.
    world.looked(0);
    world.push_all();
    for op in [Op::Fulfil, Op::Ship, Op::Capture, Op::Mail] {
        assert_eq!(world.intents(op).len(), 1, "{op}");
    }
    assert_eq!(
        world.input.revenue.iter().map(|r| r.gross).sum::<i64>(),
        2500
    );
}

#[test]
fn what_left_of_a_vanished_order_is_booked_and_closed_once_a_person_has_settled_it() {
    let mut world = World::sealed();
    world.vanish();
    world.parcel(S1, "1", &[(1, 2)]);
    world.plan();
    world.release("vanished_shipped");
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.tasks.is_empty(), "{plan:?}");
    assert_eq!(
        world.input.revenue.iter().map(|r| r.gross).sum::<i64>(),
        2500
    );
    world.wait(3 * 24 * 60);
    world.plan();
    world.book_all();
    let plan = world.plan();
    assert_eq!((plan.status, plan.closed), (Status::Booked, true));
}

#[test]
fn an_order_that_is_done_and_then_deleted_troubles_nobody() {
    let mut world = World::sealed();
    world.parcel(S1, "1", &[(1, 2)]);
    world.push_all();
    world.vanish();
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    world.wait(3 * 24 * 60);
    world.plan();
    world.book_all();
    assert!(world.plan().closed);
}

#[test]
fn what_was_queued_and_not_sent_is_taken_back_when_the_order_vanishes() {
    let mut world = World::sealed();
    world.parcel(S1, "1", &[(1, 2)]);
    let queued = world.plan().effects.len();
    assert!(queued > 0);
    world.looked(1);
    let plan = world.plan();
    assert!(plan.withdraw.is_empty(), "not on one look");
    world.now += ABSENCE_SETTLE;
    world.looked(2);
    let plan = world.plan();
    assert_eq!(plan.withdraw.len(), queued);
    assert!(plan.effects.is_empty());
    assert_eq!(World::kinds(&world.plan()), ["vanished_shipped"]);
}

#[test]
fn what_is_taken_back_for_two_reasons_is_taken_back_once() {
    let mut world = World::sealed();
    world.parcel(S1, "1", &[(1, 2)]);
    let queued = world.plan().effects.len();
    world.edit(|order| {
        order.state = ChannelState::Cancelled {
            at: super::build::at(0),
        }
    });
    world.looked(1);
    world.looked(2);
    let plan = world.peek();
    let rows: BTreeSet<i64> = plan.withdraw.iter().map(|w| w.effect_id).collect();
    assert_eq!((rows.len(), plan.withdraw.len()), (queued, queued));
}

#[test]
fn while_its_account_hides_many_nothing_is_decided_of_one_unless_a_person_believes_it() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.input.hidden = true;
    world.vanish();
    world.wait(100 * 60);
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("absent"));
    assert!(plan.tasks.is_empty() && plan.demands[0].wanted == 2);
    let body = AbsenceBelievedFact {
        reason: "the shop was emptied".to_owned(),
    };
    let key = world.nth("absence_believed".to_owned());
    world.fact(key, FactBody::AbsenceBelieved(body), "operator");
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["vanished"]);
    assert_eq!(plan.demands[0].wanted, 0);
}

#[test]
fn a_stub_that_is_not_to_be_found_is_asked_for_with_a_pause() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.input.facts.clear();
    world.input.origin = Origin::Placeholder;
    world.looked(1);
    let plan = world.peek();
    assert_eq!(plan.status, Status::Received);
    assert_eq!(plan.read_at, Some(world.now + ABSENCE_SETTLE));
}
