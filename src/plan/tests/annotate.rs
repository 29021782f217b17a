//! Notes of holds at the channel.

use chrono::Duration;
use hikiate_sdk::{Call, ChannelState, HoldWhy, Op, ReplyVerdict, ShownHold};

use super::build::{SHOP, order, slug};
use super::world::World;
use crate::facts::*;
use crate::plan::types::*;
use crate::policy::{Annotate, Release};
use crate::rules::RuleContext;

const S1: &str = "HK0123456789ABC-S1";

fn high(context: &RuleContext) -> Result<bool, String> {
    Ok(context.order.total.is_some_and(|total| total.0 >= 100_000))
}

fn undecided(_: &RuleContext) -> Result<bool, String> {
    Err("Taro Yamada is no number".to_owned())
}

fn is_many(context: &RuleContext) -> Result<bool, String> {
    Ok(context.lines.iter().any(|line| line.qty >= 5))
}

/// Notes are on, and a rule holds it.
fn held() -> World {
    let mut world = World::new(order(&[("A", 1, 200_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    for channel in world.policy.channels.values_mut() {
        channel.annotate = Annotate::Holds;
    }
    world
}

impl World {
    /// The notes that were ever planned, as text.
    fn notes(&self) -> Vec<Option<String>> {
        let text = |call: Call| match call {
            Call::Annotate(call) => call.text(),
            other => panic!("{other:?}"),
        };
        self.calls(Op::Annotate).into_iter().map(text).collect()
    }

    /// The answer to the first note comes after its lease was lost.
    fn first_note_is_late(&mut self) {
        let mut intents = self.input.facts.iter().filter_map(|fact| match &fact.body {
            FactBody::Intent(intent) if intent.op == Op::Annotate => Some(fact.key.clone()),
            _ => None,
        });
        let intent = intents.next().unwrap();
        let late = OutcomeFact {
            intent: intent.clone(),
            verdict: Verdict::Evidence,
            id: None,
            code: None,
            message: "done: ".to_owned(),
        };
        let key = format!("{intent}:evidence:7");
        self.fact(key, FactBody::Outcome(late), "push");
    }

    fn queued(&self) -> Vec<Op> {
        self.input.queue.iter().map(|row| row.op).collect()
    }
}

fn text(note: &str) -> Option<String> {
    Some(format!("on hold: {note}"))
}

#[test]
fn nothing_is_shown_where_it_is_not_wanted() {
    let mut world = held();
    for channel in world.policy.channels.values_mut() {
        channel.annotate = Annotate::default();
    }
    assert_eq!(world.plan().blocked_by.as_deref(), Some("hold:high-value"));
    assert!(world.notes().is_empty() && world.input.queue.is_empty());
}

#[test]
fn a_hold_is_shown_once_and_removed_with_its_release() {
    let mut world = held();
    world.push_all();
    assert_eq!(world.notes(), [text("high-value")]);
    // Our own write moves the shop's time of change: it is read again, and nothing follows from that.
    world.edit(|order| order.version = Some(order.version.unwrap_or(1) + 1));
    world.push_all();
    world.wait(600);
    world.push_all();
    assert_eq!(world.notes().len(), 1);
    world.release("high-value");
    world.push_all();
    assert_eq!(world.notes(), [text("high-value"), None]);
    world.wait(600);
    world.push_all();
    assert_eq!(world.notes().len(), 2, "nothing is removed twice");
}

/// A process that stood still sends its note after another one has written the newer one.
#[test]
fn a_note_that_arrives_late_is_written_over_once() {
    let mut world = held();
    world.push_all();
    world.release("high-value");
    world.push_all();
    assert_eq!(world.notes(), [text("high-value"), None]);
    world.first_note_is_late();
    world.push_all();
    assert_eq!(world.notes(), [text("high-value"), None, None]);
    world.wait(600);
    world.push_all();
    assert_eq!(world.notes().len(), 3, "that is known now");
}

/// The newer one was on its way when the older one arrived; which of them came last, nobody can tell.
#[test]
fn a_note_that_arrives_while_a_newer_one_is_on_its_way_is_written_over_once() {
    let mut world = held();
    world.push_all();
    world.release("high-value");
    world.plan();
    world.first_note_is_late();
    world.push_all();
    assert_eq!(world.notes(), [text("high-value"), None, None]);
    world.wait(600);
    world.push_all();
    assert_eq!(world.notes().len(), 3, "that is known now");
}

/// It was sent again after its lease was lost, and then the first answer came too: it shows the same.
#[test]
fn a_note_whose_own_first_answer_is_late_stays() {
    let mut world = held();
    world.push_all();
    world.first_note_is_late();
    world.wait(600);
    world.push_all();
    assert_eq!(world.notes(), [text("high-value")]);
}

#[test]
fn two_holds_are_one_note_and_one_that_comes_back_is_shown_again() {
    let mut world = held();
    world.rules.0.push(("many", Release::Auto, is_many));
    world.push_all();
    world.edit(|order| order.lines[0].quantity = 5);
    world.push_all();
    world.edit(|order| order.lines[0].quantity = 1);
    world.push_all();
    world.edit(|order| order.lines[0].quantity = 6);
    world.push_all();
    let (one, both) = (text("high-value"), text("high-value; many"));
    assert_eq!(world.notes(), [one.clone(), both.clone(), one, both]);
}

#[test]
fn a_note_has_nothing_that_was_typed_or_that_a_rule_said() {
    let mut world = held();
    world.rules.0 = vec![("abroad", Release::Manual, undecided)];
    world.plan();
    world.wait(1);
    world.hold();
    world.push_all();
    let holds = |(rule, why): (&str, HoldWhy)| ShownHold {
        rule: rule.to_owned(),
        why,
    };
    let calls = world.calls(Op::Annotate);
    let Some(Call::Annotate(last)) = calls.last() else {
        panic!("{calls:?}");
    };
    let expected = [
        ("abroad", HoldWhy::Undecided),
        ("manual", HoldWhy::Operator),
    ];
    assert_eq!(last.holds, expected.map(holds));
    let said = format!("{calls:?}");
    assert!(!said.contains("Yamada") && !said.contains("wait"), "{said}");
}

#[test]
fn what_was_not_sent_gives_way_to_the_newest_state() {
    let mut world = held();
    world.plan();
    world.wait(1);
    world.hold();
    world.plan();
    assert_eq!(world.queued(), [Op::Annotate]);
    assert_eq!(
        world.notes(),
        [
            text("high-value"),
            text("high-value; manual (by an operator)")
        ]
    );
    world.release("high-value");
    world.release("manual");
    world.plan();
    assert!(world.queued().is_empty(), "nothing of it was ever sent");
    assert_eq!(world.notes().len(), 2);
}

#[test]
fn what_is_being_sent_ends_before_the_next() {
    let mut world = held();
    world.plan();
    world.state(Op::Annotate, EffectState::Sending);
    world.release("high-value");
    world.plan();
    assert_eq!(world.notes().len(), 1);
    world.end_op(Op::Annotate, Verdict::Done);
    world.push_all();
    assert_eq!(world.notes(), [text("high-value"), None]);
}

#[test]
fn money_and_goods_go_first_and_take_a_note_back_that_was_not_sent() {
    let mut world = held();
    world.rules.0.clear();
    world.settle();
    world.wait(30);
    assert_eq!(world.seal().len(), 1);
    world.instruct_outcome(S1, Verdict::Done);
    world.reply(S1, ReplyVerdict::Accepted);
    world.plan();
    // Held while the warehouse has it: there is nothing left to hold, and no note.
    world.hold();
    world.plan();
    assert!(world.queued().is_empty());
    // A second unit is open again: the hold holds.
    world.edit(|order| order.lines[0].quantity = 2);
    world.plan();
    assert_eq!(world.queued(), [Op::Annotate]);
    world.parcel(S1, "T1", &[(1, 1)]);
    world.plan();
    assert_eq!(world.queued(), [Op::Fulfil]);
    world.push_all();
    assert!(!world.calls(Op::Ship).is_empty() && !world.calls(Op::Capture).is_empty());
    assert_eq!(world.notes().last(), Some(&text("manual (by an operator)")));
}

#[test]
fn one_that_fails_is_tried_again_ever_more_seldom_without_a_task_and_then_left() {
    for verdict in [Verdict::Refused, Verdict::Unknown] {
        let mut world = held();
        let mut pauses = Vec::new();
        loop {
            let plan = world.plan();
            assert_eq!(World::kinds(&plan), ["hold:high-value"]);
            if world.input.queue.is_empty() {
                break;
            }
            world.end_op(Op::Annotate, verdict);
            let failed_at = world.now;
            let plan = world.plan();
            assert!(world.input.queue.is_empty(), "not at once");
            if let Some(next) = plan.next {
                pauses.push((next - failed_at).num_minutes());
                world.now = next;
            } else {
                world.now += Duration::days(30);
            }
        }
        assert_eq!(pauses, [1, 8, 64, 512]);
        assert_eq!(world.notes().len(), 5);
        // Another state is tried anew; nothing was shown that would have to be removed.
        world.release("high-value");
        world.plan();
        let removes = verdict == Verdict::Unknown;
        assert_eq!(world.queued().len(), usize::from(removes));
    }
}

#[test]
fn a_cancelled_order_is_only_rid_of_its_note() {
    let mut world = held();
    world.push_all();
    world.edit(|order| {
        order.state = ChannelState::Cancelled {
            at: order.ordered_at,
        }
    });
    world.plan();
    assert_eq!(world.notes(), [text("high-value"), None]);
    // A shop that changes no cancelled order is not asked again.
    world.end_op(Op::Annotate, Verdict::Refused);
    let plan = world.plan();
    assert!(plan.closed && plan.next.is_none(), "{plan:?}");
    world.wait(6000);
    world.plan();
    assert_eq!(world.notes().len(), 2);
    let mut never = held();
    never.edit(|order| {
        order.state = ChannelState::Cancelled {
            at: order.ordered_at,
        }
    });
    never.plan();
    assert!(never.notes().is_empty());
}

#[test]
fn nothing_is_shown_before_the_channel_begins_nor_after_it_was_stopped() {
    let mut world = held();
    world.input.begin = Begin::default();
    world.plan();
    assert!(world.input.queue.is_empty());
    world.input.begin = Begin::always();
    world.plan();
    assert_eq!(world.queued(), [Op::Annotate]);
    world.input.begin = Begin::default();
    world.plan();
    assert!(world.input.queue.is_empty(), "taken back");
    world.input.begin = Begin::always();
    world.push_all();
    assert_eq!(world.notes().len(), 2);
}

#[test]
fn what_was_held_before_notes_were_on_is_not_shown() {
    let mut world = held();
    let rule = ("annotate".to_owned(), slug(SHOP));
    world.input.active_from.remove(&rule);
    world.plan();
    world.wait(10);
    let now = world.now;
    world.input.active_from.insert(rule.clone(), now);
    world.push_all();
    assert!(world.notes().is_empty());
    world.hold();
    world.push_all();
    assert_eq!(world.notes(), [text("manual (by an operator)")]);
    // Off again: what is there stays, and what was not sent is taken back.
    world.release("manual");
    world.plan();
    world.input.active_from.remove(&rule);
    world.plan();
    assert!(world.input.queue.is_empty());
    assert_eq!(world.notes().len(), 2);
}

#[test]
fn an_order_that_the_channel_does_not_show_gets_no_note() {
    let mut world = held();
    world.plan();
    let key = world.nth("presence:".to_owned());
    let body = FactBody::Presence(PresenceFact { misses: 1 });
    world.fact(key, body, "pull");
    world.answered();
    world.plan();
    assert!(world.input.queue.is_empty());
}
