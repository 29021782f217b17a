//! What operators type about single shipments and parcels, and orders that they end.

use hikiate_sdk::{Call, CancelVerdict, ChannelFulfilment, Op, ReplyVerdict};

use super::build::{at, order};
use super::flow::ship_all;
use super::others;
use super::world::World;
use crate::action::Action;
use crate::facts::{FactBody, TellAgainFact, Verdict};
use crate::plan::command::{
    Now, Shipped, Wish, cancel, correct, end, hold, recall, recalled, release, returned, shipped,
    tell,
};
use crate::plan::parcels_told;
use crate::plan::types::{ShipmentStage, ShipmentState, ShippingStop, Status};
use crate::policy::CancelBy;

const S1: &str = "HK0123456789ABC-S1";
const S2: &str = "HK0123456789ABC-S2";

impl World {
    pub(super) fn asked(
        &self,
        ask: impl FnOnce(Now<'_>) -> Result<Wish, String>,
    ) -> Result<Wish, String> {
        ask(Now {
            input: &self.input,
            policy: &self.policy,
            rules: &self.rules,
            now: self.now,
        })
    }

    pub(super) fn asked_to_release(&self, rule: Option<&str>) -> Result<Vec<String>, String> {
        release(
            Now {
                input: &self.input,
                policy: &self.policy,
                rules: &self.rules,
                now: self.now,
            },
            rule,
        )
    }

    /// Stores what a command means, as the store does.
    #[track_caller]
    pub(super) fn typed(&mut self, ask: impl FnOnce(Now<'_>) -> Result<Wish, String>) -> Wish {
        let wish = self.asked(ask).unwrap();
        self.store_wish(&wish);
        wish
    }

    pub(super) fn store_wish(&mut self, wish: &Wish) {
        for fact in &wish.facts {
            let key = if fact.again {
                self.nth(format!("{}:person", fact.key))
            } else {
                fact.key.clone()
            };
            self.fact(key, fact.body.clone(), "hanako");
        }
        if let Some(new) = &wish.shipment {
            let reference = new.reference.clone();
            let state = ShipmentStage::Instructed;
            self.input
                .shipments
                .push(ShipmentState { reference, state });
        }
    }

    fn stage_of(&self, reference: &str) -> Option<ShipmentStage> {
        let mut rows = self.input.shipments.iter();
        rows.find(|row| row.reference.as_str() == reference)
            .map(|row| row.state)
    }

    /// Items that left stock in all, by the last plan.
    pub(super) fn moved(&self) -> i64 {
        self.peek().entries.iter().map(|entry| entry.quantity).sum()
    }
}

fn instructed() -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world
}

fn parcel<'a>(reference: Option<&'a str>, tracking: &'a str) -> Shipped<'a> {
    Shipped {
        reference,
        tracking,
        carrier: Some("yamato"),
        from: None,
        shipped_at: None,
        lines: &[],
        reason: "sent by hand",
    }
}

fn blocked(world: &World) -> Option<String> {
    world.peek().blocked_by
}

#[test]
fn a_recalled_shipment_is_held_once_it_is_stopped_and_its_order_is_not_cancelled() {
    let mut world = instructed();
    let wish = world.typed(|now| recall(now, S1, "wrong label"));
    assert!(
        wish.does[0].contains("tokyo gets a cancellation request"),
        "{wish:?}"
    );
    let plan = world.plan();
    assert_eq!(plan.effects.len(), 1);
    assert_eq!(plan.effects[0].intent.op, Op::CancelInstruction);
    assert_eq!(plan.status, Status::Instructed);
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    assert!(world.plan().effects.is_empty(), "asked once");
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    let gate = format!("hold:recalled:{S1}");
    assert_eq!(plan.blocked_by.as_deref(), Some(gate.as_str()));
    assert_eq!(World::kinds(&plan), [gate.as_str()]);
    assert_eq!((plan.demands[0].wanted, world.stage_of(S2)), (2, None));
    assert!(world.intents(Op::CancelOrder).is_empty());
    world.release(&format!("recalled:{S1}"));
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
    assert_eq!(world.stage_of(S2), Some(ShipmentStage::Waiting));
    let again = world.asked(|now| recall(now, S1, "x"));
    assert!(again.unwrap_err().contains("stopped already"));
}

#[test]
fn a_recall_that_came_before_sealing_takes_the_shipment_out_and_holds_its_goods() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    let wish = world.typed(|now| recall(now, S1, "wrong label"));
    assert!(wish.does[0].contains("is not sealed"), "{wish:?}");
    let plan = world.settle();
    assert_eq!(world.stage_of(S1), Some(ShipmentStage::Cancelled));
    assert_eq!(world.input.shipments.len(), 1);
    assert_eq!(plan.blocked_by, Some(format!("hold:recalled:{S1}")));
    world.wait(60);
    assert!(world.seal().is_empty());
    world.release("*");
    world.settle();
    assert_eq!(world.stage_of(S2), Some(ShipmentStage::Waiting));
}

#[test]
fn a_recall_that_is_declined_or_too_late_is_a_task_and_the_parcel_goes_its_way() {
    for verdict in [CancelVerdict::Declined, CancelVerdict::TooLate] {
        let mut world = instructed();
        world.typed(|now| recall(now, S1, "wrong label"));
        world.plan();
        world.end_op(Op::CancelInstruction, Verdict::Accepted);
        world.cancel_reply(S1, verdict);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), ["recall_failed"]);
        assert!(plan.effects.is_empty());
        world.parcel(S1, "T1", &[(1, 2)]);
        world.push_all();
        assert_eq!(world.peek().status, Status::Shipped);
        assert_eq!(world.intents(Op::Fulfil).len(), 1);
        assert_eq!(world.intended_next(), 2500);
        assert_eq!(World::kinds(&world.peek()), ["recall_failed"]);
        world.release("recall_failed");
        assert!(world.peek().tasks.is_empty());
    }
}

#[test]
fn a_recall_without_an_answer_in_time_is_a_task_that_says_what_to_type() {
    let mut world = instructed();
    world.reply(S1, ReplyVerdict::Accepted);
    world.typed(|now| recall(now, S1, "wrong label"));
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    let plan = world.plan();
    assert_eq!((plan.tasks.len(), plan.next), (0, Some(at(90))));
    world.wait(60);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["instruction_reply_overdue"]);
    let reference = S1.to_owned();
    assert_eq!(plan.tasks[0].actions, [Action::Recalled { reference }]);
    world.typed(|now| recalled(now, S1, CancelVerdict::Accepted, "said by telephone"));
    let plan = world.settle();
    assert_eq!(plan.blocked_by, Some(format!("hold:recalled:{S1}")));
}

#[test]
fn a_warehouse_that_is_only_called_gets_no_call_of_ours() {
    for by_cancel in [false, true] {
        let mut world = instructed();
        world.policy.warehouses[0].cancel = CancelBy::Phone;
        assert!(
            world
                .asked(|now| recalled(now, S1, CancelVerdict::Accepted, "x"))
                .is_err(),
            "nothing was asked"
        );
        if by_cancel {
            world.cancel();
        } else {
            world.typed(|now| recall(now, S1, "wrong label"));
        }
        let plan = world.plan();
        assert!(plan.effects.is_empty());
        assert_eq!(World::kinds(&plan), ["cancel_by_phone"]);
        world.typed(|now| recalled(now, S1, CancelVerdict::Accepted, "said by telephone"));
        let plan = world.settle();
        assert_eq!(world.stage_of(S1), Some(ShipmentStage::Cancelled));
        if by_cancel {
            assert_eq!((plan.status, plan.tasks.len()), (Status::Cancelled, 0));
            assert_eq!(world.intents(Op::CancelOrder).len(), 1);
        } else {
            assert_eq!(plan.blocked_by, Some(format!("hold:recalled:{S1}")));
        }
    }
}

#[test]
fn what_a_called_warehouse_said_of_goods_that_others_shipped_is_taken_down() {
    for verdict in [CancelVerdict::Accepted, CancelVerdict::TooLate] {
        let mut world = instructed();
        world.policy.warehouses[0].cancel = CancelBy::Phone;
        world.edit(others::show(others::by_hand(
            "ful_hand",
            2,
            Some(40),
            "BYHAND1",
        )));
        world.plan();
        let early = world.asked(|now| recalled(now, S1, verdict, "x"));
        assert!(
            early.is_err(),
            "many may change at once: nobody is called yet"
        );
        world.wait(1);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), ["cancel_by_phone"]);
        world.typed(|now| recalled(now, S1, verdict, "said by telephone"));
        let plan = world.settle();
        let tasks = World::kinds(&plan);
        if verdict == CancelVerdict::Accepted {
            assert_eq!(world.stage_of(S1), Some(ShipmentStage::Cancelled));
            assert_eq!((plan.status, tasks), (Status::Shipped, vec![]));
        } else {
            assert_eq!(tasks, ["changed_after_sealing"]);
        }
        assert_eq!(world.input.shipments.len(), 1);
    }
}

#[test]
fn a_stop_blocks_what_waits_and_alone_keeps_back_what_it_recalled() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    assert_eq!(blocked(&world).as_deref(), Some("batch"));
    let stop = |items: Option<Vec<i64>>| ShippingStop {
        id: 7,
        items,
        channel: None,
        warehouse: None,
    };
    world.input.stops = vec![stop(Some(vec![2]))];
    assert_eq!(blocked(&world).as_deref(), Some("batch"), "another item");
    world.input.stops = vec![stop(Some(vec![1]))];
    assert_eq!(blocked(&world).as_deref(), Some("stop"));
    assert!(
        world.peek().tasks.is_empty(),
        "one task of the stop, none of its orders"
    );
    for other in [
        ShippingStop {
            channel: Some("elsewhere".into()),
            ..stop(None)
        },
        ShippingStop {
            warehouse: Some("osaka".to_owned()),
            ..stop(None)
        },
    ] {
        world.input.stops = vec![other];
        assert_eq!(blocked(&world).as_deref(), Some("batch"));
    }

    let mut world = instructed();
    world.input.stops = vec![stop(Some(vec![1]))];
    world.typed(|now| {
        let mut wish = recall(now, S1, "bad batch")?;
        if let FactBody::RecallWanted(fact) = &mut wish.facts[0].body {
            fact.stop = Some(7);
        }
        Ok(wish)
    });
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert_eq!(world.stage_of(S2), Some(ShipmentStage::Waiting));
    assert_eq!(
        (plan.blocked_by.as_deref(), plan.tasks.len()),
        (Some("stop"), 0)
    );
    world.input.stops.clear();
    assert_eq!(blocked(&world).as_deref(), Some("batch"));
}

#[test]
fn an_ended_order_frees_its_stock_tells_nobody_and_can_be_taken_back() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.typed(|now| end(now, "not to be sent"));
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.closed),
        (Status::Cancelled, Some("ended"), true)
    );
    assert_eq!((plan.demands[0].wanted, plan.effects.len()), (0, 0));
    world.allocate();
    assert!(world.input.demands[0].reserved.is_empty());
    assert!(
        world
            .asked(|now| end(now, "x"))
            .unwrap_err()
            .contains("already")
    );
    world.wait(60);
    assert!(world.seal().is_empty());
    world.release("ended");
    let plan = world.settle();
    assert_eq!((plan.status, plan.closed), (Status::Allocated, false));
    assert_eq!(world.stage_of(S2), Some(ShipmentStage::Waiting));
}

#[test]
fn an_ended_order_without_its_address_stays_ended() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.typed(|now| end(now, "not to be sent"));
    world.plan();
    assert_eq!(
        world.asked_to_release(Some("ended")),
        Ok(vec!["ended".to_owned()])
    );
    world.input.personal = None;
    let refused = world.asked_to_release(Some("ended")).unwrap_err();
    assert!(refused.contains("can no longer be shipped"), "{refused}");
    let other = world.asked_to_release(Some("stock")).unwrap_err();
    assert!(!other.contains("can no longer be shipped"), "{other}");
    assert!(
        other.contains("named \"stock\"") && other.contains("ended blocks it"),
        "{other}"
    );
}

#[test]
fn a_refused_instruction_of_a_purged_order_is_settled_by_its_end_and_not_released() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.push_all();
    world.reply(S1, ReplyVerdict::Rejected);
    world.input.personal = None;
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["instruction_rejected"]);
    assert!(plan.tasks[0].detail.contains("purged"), "{:?}", plan.tasks);
    assert_eq!(plan.tasks[0].actions, [Action::End {}, Action::Cancel {}]);
    let rule = format!("rejected:{S1}");
    let refused = world.asked_to_release(Some(rule.as_str())).unwrap_err();
    assert!(refused.contains("can no longer be shipped"), "{refused}");
    let wish = world.typed(|now| end(now, "no address"));
    assert!(
        wish.stays
            .iter()
            .any(|said| said.contains("nothing undoes this")),
        "{wish:?}"
    );
    let plan = world.plan();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Cancelled, 0));
}

#[test]
fn a_cancel_that_the_channel_keeps_refusing_is_settled_by_ending_the_order() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.cancel();
    world.plan();
    let asked = world.asked(|now| end(now, "x"));
    assert!(asked.unwrap_err().contains("nothing to end"));
    for _ in 0..2 {
        world.end_op(Op::CancelOrder, Verdict::Refused);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), ["channel_cancel_rejected"]);
        assert!(plan.tasks[0].actions.contains(&Action::End {}));
        assert!(!plan.closed);
        world.release("cancel_order");
        assert_eq!(world.plan().effects[0].intent.op, Op::CancelOrder);
    }
    world.end_op(Op::CancelOrder, Verdict::Refused);
    world.plan();
    world.typed(|now| end(now, "completed at the channel"));
    let plan = world.plan();
    assert_eq!((plan.tasks.len(), plan.effects.len()), (0, 0));
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, true));
}

#[test]
fn money_that_an_ended_order_keeps_without_goods_is_one_task() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(|order| order.tenders[0].captured = 2500);
    world.plan();
    world.typed(|now| end(now, "not to be sent"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["ended_captured"]);
    assert!(plan.tasks[0].detail.contains("2500"), "{:?}", plan.tasks);
    assert_eq!((plan.status, plan.closed), (Status::Cancelled, false));
    world.release("ended_captured");
    let plan = world.plan();
    assert_eq!((plan.tasks.len(), plan.closed), (0, true));

    let mut bank = order(&[("A", 2, 1000)]);
    super::build::pay(&mut bank, "bank");
    let mut world = World::new(bank);
    world.settle();
    world.deposit("1", 2500, hikiate_sdk::Currency::JPY);
    world.settle();
    // A channel that shows it as captured as well does not make it twice as much.
    world.edit(|order| order.tenders[0].captured = 2500);
    world.typed(|now| end(now, "not to be sent"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["ended_captured"]);
    assert!(
        plan.tasks[0].detail.contains("Refund 2500"),
        "{:?}",
        plan.tasks
    );

    // Points were taken when it was placed.
    let mut points = order(&[("A", 2, 1000)]);
    super::build::pay(&mut points, "points");
    let mut world = World::new(points);
    world.settle();
    world.typed(|now| end(now, "not to be sent"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["ended_captured"]);
    assert!(
        plan.tasks[0].detail.contains("Refund 2500"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn money_that_comes_after_an_ended_order_was_settled_is_asked_about_again() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(|order| order.tenders[0].captured = 500);
    world.typed(|now| end(now, "not to be sent"));
    assert_eq!(World::kinds(&world.plan()), ["ended_captured"]);
    world.release("ended_captured");
    assert!(world.plan().tasks.is_empty());
    world.edit(|order| order.tags.push("vip".to_owned()));
    assert!(world.plan().tasks.is_empty(), "no other money");
    world.edit(|order| order.tenders[0].captured = 1500);
    assert_eq!(World::kinds(&world.plan()), ["ended_captured"]);
}

#[test]
fn what_an_ended_order_has_shipped_or_with_a_warehouse_goes_its_way() {
    let mut world = World::new(order(&[("A", 1, 1000), ("B", 1, 2000)]));
    world.stock.insert((2, "tokyo"), 0);
    world.stock.insert((1, "osaka"), 0);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.instruct_outcome(S2, Verdict::Accepted);
    let wish = world.typed(|now| end(now, "customer has left"));
    assert!(
        wish.stays[0].contains("no cancellation is requested"),
        "{wish:?}"
    );
    let plan = world.plan();
    assert_eq!(plan.effects.len(), 0);
    assert_eq!(plan.status, Status::Instructed);
    assert_eq!(plan.blocked_by.as_deref(), Some("warehouse"));
    let rules = world.asked_to_release(Some("ended"));
    assert_eq!(rules, Ok(vec!["ended".to_owned()]), "as the command said");
    world.parcel(S1, "T1", &[(1, 1)]);
    world.parcel(S2, "T2", &[(1, 1)]);
    world.push_all();
    assert_eq!(world.intended_next(), 3500);
    let plan = world.peek();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.tasks.len()),
        (Status::Shipped, Some("ended"), 0)
    );
}

#[test]
fn unsealed_goods_that_were_shipped_by_hand_are_told_captured_and_never_instructed() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    let wish = world.typed(|now| shipped(now, parcel(None, "BYHAND1")));
    assert_eq!(wish.shipment.as_ref().unwrap().warehouse, "tokyo");
    let usual = "as for every parcel: shop-jp gets a shipping notice; the amount due is captured; \
                 the customer gets one mail once everything of the order that ships has shipped";
    assert!(
        wish.does.iter().any(|does| does == usual),
        "{:?}",
        wish.does
    );
    let plan = world.plan();
    assert_eq!(world.stage_of(S1), Some(ShipmentStage::Cancelled));
    assert_eq!(plan.status, Status::Shipped);
    let entry = &plan.entries[0];
    assert_eq!((entry.warehouse.as_str(), entry.quantity), ("tokyo", -2));
    assert!(world.input.demands[0].reserved.is_empty());
    world.push_all();
    let Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    assert_eq!(ship.parcels[0].tracking.as_deref(), Some("BYHAND1"));
    assert_eq!(world.intended_next(), 2500);
    assert_eq!(world.intents(Op::Mail).len(), 1);
    world.wait(600);
    assert!(world.seal().is_empty());
    let again = world.asked(|now| shipped(now, parcel(None, "BYHAND1")));
    assert!(again.unwrap_err().contains("already known"));
    let more = world.asked(|now| shipped(now, parcel(None, "BYHAND2")));
    assert!(more.unwrap_err().contains("has nothing to ship"));
}

#[test]
fn a_part_shipped_by_hand_from_another_place_leaves_the_rest_to_the_warehouse() {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.settle();
    let lines = [("A".to_owned(), 1)];
    let part = Shipped {
        from: Some("osaka"),
        lines: &lines,
        ..parcel(None, "BYHAND1")
    };
    world.typed(|now| shipped(now, part));
    let plan = world.settle();
    assert_eq!(plan.entries[0].warehouse, "osaka");
    assert_eq!(plan.status, Status::Allocated);
    let rest = world.shipment("HK0123456789ABC-S3");
    assert_eq!(
        (rest.warehouse.as_str(), rest.lines[0].quantity),
        ("tokyo", 2)
    );
    ship_all(&mut world);
    world.push_all();
    assert_eq!(world.moved(), -3);
    assert_eq!(world.intended_next(), 3500);
    let much = [("A".to_owned(), 9)];
    let much = Shipped {
        lines: &much,
        ..parcel(None, "BYHAND9")
    };
    let mut fresh = World::new(order(&[("A", 3, 1000)]));
    fresh.settle();
    let refused = fresh.asked(|now| shipped(now, much)).unwrap_err();
    assert!(refused.contains("more than are open"), "{refused}");
}

#[test]
fn a_report_that_follows_a_parcel_told_by_hand_only_confirms_it() {
    // The same number; another number with the same contents; the same number with less inside.
    for (number, items, kinds, moved) in [
        ("T1", 2, vec![], -2),
        ("T2", 2, vec!["tracking_differs"], -2),
        ("T1", 1, vec!["notice_exceeds_shipped", "shipped_short"], -1),
    ] {
        let mut world = instructed();
        world.typed(|now| shipped(now, parcel(Some(S1), "T1")));
        let plan = world.plan();
        assert_eq!((plan.status, world.moved()), (Status::Shipped, -2));
        world.push_all();
        world.parcel(S1, number, &[(1, items)]);
        world.push_all();
        assert_eq!(world.moved(), moved, "{number}");
        assert_eq!(World::kinds(&world.peek()), kinds);
        assert_eq!(world.intents(Op::Fulfil).len(), 1);
        assert_eq!(world.intents(Op::Ship).len(), 1);
        assert_eq!(world.intended_next(), 2500);
    }
}

#[test]
fn a_parcel_beside_one_told_by_hand_counts_once_the_warehouse_has_told_both() {
    let mut world = instructed();
    let one = [("A".to_owned(), 1)];
    let part = Shipped {
        lines: &one,
        ..parcel(Some(S1), "T1")
    };
    world.typed(|now| shipped(now, part));
    world.plan();
    world.parcel(S1, "T2", &[(1, 1)]);
    world.plan();
    world.parcel(S1, "T1", &[(1, 1)]);
    world.push_all();
    assert_eq!((world.moved(), world.peek().status), (-2, Status::Shipped));
    assert!(world.peek().tasks.is_empty());
}

#[test]
fn a_box_that_the_warehouse_told_before_is_no_report_of_one_typed_later() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 1)]);
    assert_eq!(World::kinds(&world.plan()), ["shipped_short"]);
    world.push_all();
    world.typed(|now| shipped(now, parcel(Some(S1), "T2")));
    world.push_all();
    let plan = world.peek();
    assert_eq!((plan.status, world.moved()), (Status::Shipped, -2));
    assert_eq!(world.intended_next(), 2500);
    assert_eq!(world.intents(Op::Ship).len(), 2, "both are told");
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    // Said again, it is still the first box.
    world.wait(1);
    world.parcel(S1, "T1", &[(1, 1)]);
    assert!(world.plan().tasks.is_empty());
    assert_eq!(world.moved(), -2);
}

#[test]
fn a_number_is_the_same_however_its_digits_are_written() {
    for reported in [
        "4012-1234-1234",
        "４０１２１２３４１２３４",
        "4012 1234 1234",
    ] {
        let mut world = instructed();
        let one = [("A".to_owned(), 1)];
        let part = Shipped {
            lines: &one,
            ..parcel(Some(S1), "401212341234")
        };
        world.typed(|now| shipped(now, part));
        world.plan();
        let again = world.asked(|now| shipped(now, parcel(Some(S1), reported)));
        assert!(again.unwrap_err().contains("already known"), "{reported}");
        world.parcel(S1, reported, &[(1, 2)]);
        world.push_all();
        let plan = world.peek();
        assert_eq!(plan.status, Status::Shipped, "{reported}");
        assert_eq!(world.moved(), -2, "one parcel, as reported: {reported}");
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    }
}

#[test]
fn a_corrected_number_is_the_one_that_is_told_mailed_and_reported() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    world.typed(|now| correct(now, S1, "T1", "T9", "mistyped"));
    world.push_all();
    let Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    assert_eq!(ship.parcels[0].tracking.as_deref(), Some("T9"));
    assert!(world.peek().tasks.is_empty(), "nobody was told the old one");
    world.parcel(S1, "T9", &[(1, 2)]);
    world.push_all();
    assert_eq!((world.moved(), world.intents(Op::Fulfil).len()), (-2, 1));
    let told = parcels_told(world.input.facts.iter().map(crate::facts::Fact::said));
    let numbers: Vec<_> = told.iter().map(|p| p.tracking.as_deref()).collect();
    assert_eq!(numbers, [Some("T9")]);
    let again = world.asked(|now| correct(now, S1, "T1", "T9", "x"));
    assert!(again.unwrap_err().contains("already"));
}

#[test]
fn two_boxes_that_the_warehouse_reported_are_not_made_one() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 1)]);
    world.parcel(S1, "T2", &[(1, 1)]);
    world.plan();
    let refused = world.asked(|now| correct(now, S1, "T1", "T2", "x"));
    assert!(refused.unwrap_err().contains("reported both"));
    world.typed(|now| correct(now, S1, "T1", "T3", "mistyped there"));
    assert_eq!(world.moved(), -2);
    let again = world.asked(|now| correct(now, S1, "T3", "T2", "x"));
    assert!(again.is_err(), "whatever its number is now");
    assert_eq!(world.moved(), -2);
}

#[test]
fn a_number_that_was_told_is_put_right_at_the_channel_by_a_person() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    world.typed(|now| correct(now, S1, "T1", "T9", "mistyped"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["tracking_corrected"]);
    // It was right: what the channel was told holds again.
    let mut undone = world.clone();
    undone.typed(|now| correct(now, S1, "T9", "T1", "it was right"));
    assert!(World::kinds(&undone.plan()).is_empty());
    // A third number is the one to type there.
    undone.typed(|now| correct(now, S1, "T1", "T7", "mistyped"));
    let later = undone.plan();
    let detail = &later.tasks[0].detail;
    assert!(
        later.tasks.len() == 1 && detail.contains("Enter T7 there"),
        "{later:?}"
    );
    assert!(
        plan.tasks[0]
            .detail
            .contains("Enter T9 there, and notify the customer")
    );
    assert!(plan.effects.is_empty());
    world.edit(|order| {
        order.fulfilments = vec![ChannelFulfilment {
            key: "ful_1".into(),
            location: None,
            reference: Some(S1.to_owned()),
            shipped_at: Some(at(31)),
            tracking: vec!["T9".to_owned()],
            lines: vec![("l1".into(), 2)],
            cancelled_at: None,
        }];
    });
    assert!(world.plan().tasks.is_empty(), "it was typed there");
}

#[test]
fn a_shipment_is_told_again_when_the_channel_no_longer_shows_it() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    let shown = |cancelled: bool| ChannelFulfilment {
        key: "ful_1".into(),
        location: None,
        reference: Some(S1.to_owned()),
        shipped_at: Some(at(31)),
        cancelled_at: cancelled.then_some(at(40)),
        tracking: vec!["T1".to_owned()],
        lines: vec![("l1".into(), 2)],
    };
    world.edit(|order| order.fulfilments = vec![shown(false)]);
    let refused = world.asked(|now| tell(now, S1, "x")).unwrap_err();
    assert!(refused.contains("already has a fulfilment"), "{refused}");
    world.edit(|order| order.fulfilments = vec![shown(true)]);
    world.push_all();
    assert_eq!(world.intents(Op::Fulfil).len(), 1, "never by itself");
    world.typed(|now| tell(now, S1, "cancelled by mistake"));
    world.push_all();
    let Call::Fulfil(fulfil) = &world.calls(Op::Fulfil)[1] else {
        panic!("no fulfil call")
    };
    assert_eq!(fulfil.reference.as_str(), format!("{S1}.2"));
    assert_eq!(fulfil.lines[0].quantity, 2);
    assert_eq!((world.intents(Op::Ship).len(), world.moved()), (2, -2));
}

#[test]
fn a_notice_that_staff_cancelled_before_it_shipped_is_told_again_by_releasing_the_refusal() {
    // The order is read before or after the answer to the first notice.
    for read_first in [false, true] {
        let mut world = instructed();
        world.parcel(S1, "T1", &[(1, 2)]);
        world.plan();
        let gone = ChannelFulfilment {
            key: "ful_1".into(),
            location: None,
            reference: Some(S1.to_owned()),
            shipped_at: None,
            cancelled_at: Some(at(40)),
            tracking: Vec::new(),
            lines: vec![("l1".into(), 2)],
        };
        if read_first {
            world.edit(|order| order.fulfilments = vec![gone]);
            world.end_op(Op::Fulfil, Verdict::Done);
        } else {
            world.end_op(Op::Fulfil, Verdict::Done);
            world.edit(|order| order.fulfilments = vec![gone]);
        }
        world.plan();
        world.end_op(Op::Ship, Verdict::Refused);
        let plan = world.plan();
        assert!(World::kinds(&plan).contains(&"shipping_notice_rejected"));
        assert_eq!(world.intents(Op::Fulfil).len(), 1, "never by itself");
        world.release("notice");
        world.push_all();
        let Call::Fulfil(fulfil) = &world.calls(Op::Fulfil)[1] else {
            panic!("no fulfil call")
        };
        assert_eq!(fulfil.reference.as_str(), format!("{S1}.2"));
        assert!(!World::kinds(&world.plan()).contains(&"shipping_notice_rejected"));
    }
}

#[test]
fn what_the_order_lists_no_more_is_not_told_again() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    let told = ChannelFulfilment {
        key: "ful_1".into(),
        location: None,
        reference: Some(S1.to_owned()),
        shipped_at: Some(at(31)),
        cancelled_at: None,
        tracking: vec!["T1".to_owned()],
        lines: vec![("l1".into(), 2)],
    };
    world.edit(|order| order.fulfilments = vec![told]);
    world.edit(|order| order.fulfilments[0].cancelled_at = Some(at(40)));
    let tells = |world: &mut World| {
        world.plan();
        world.wait(60);
        let plan = world.plan();
        let task = plan.tasks.iter().find(|t| t.kind == "notice_cancelled");
        let tell = Action::Tell {
            reference: S1.to_owned(),
        };
        task.unwrap().actions.contains(&tell)
    };
    assert!(tells(&mut world));
    // Another line takes its place.
    world.edit(|order| order.lines[0].key = "l9".into());
    assert!(!tells(&mut world));
    let refused = world.asked(|now| tell(now, S1, "x")).unwrap_err();
    assert!(refused.contains("return received"), "{refused}");
}

#[test]
fn a_shipment_that_is_being_told_is_not_told_again() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.plan();
    let refused = world.asked(|now| tell(now, S1, "x")).unwrap_err();
    assert!(refused.contains("is in progress"), "{refused}");
    world.push_all();
    let refused = world.asked(|now| tell(now, S1, "x")).unwrap_err();
    assert!(
        refused.contains("has not been refreshed since"),
        "{refused}"
    );
    world.edit(|order| order.tags = vec!["read".to_owned()]);
    assert!(world.asked(|now| tell(now, S1, "it is not there")).is_ok());
}

#[test]
fn a_wish_to_tell_again_waits_for_the_notice_that_is_under_way() {
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.plan();
    // Typed to a version that did not look.
    let key = world.nth(format!("tell_again:{S1}:person"));
    let again = TellAgainFact {
        reference: S1.into(),
        reason: "it is not there".to_owned(),
    };
    world.fact(key, FactBody::TellAgain(again), "hanako");
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    world.push_all();
    assert_eq!(world.intents(Op::Fulfil).len(), 1);
    world.edit(|order| order.tags = vec!["read".to_owned()]);
    world.push_all();
    assert_eq!(
        world.intents(Op::Fulfil).len(),
        2,
        "the channel does not show it"
    );
}

#[test]
fn goods_that_came_back_are_a_mark_and_not_stock() {
    let mut world = instructed();
    let early = world.asked(|now| returned(now, S1, &[], "x"));
    assert!(early.unwrap_err().contains("was not shipped"));
    world.parcel(S1, "T1", &[(1, 2)]);
    world.push_all();
    let one = [("A".to_owned(), 1)];
    world.typed(|now| returned(now, S1, &one, "refused at the door"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["return_received"]);
    assert_eq!((world.moved(), plan.effects.len()), (-2, 0));
    world.typed(|now| returned(now, S1, &[], "the other one too"));
    let more = world.asked(|now| returned(now, S1, &[], "x"));
    assert!(more.unwrap_err().contains("already recorded"));
    world.release("return_received");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_cancel_says_what_it_will_do_and_what_stays() {
    let world = instructed();
    let wish = world.asked(cancel).unwrap();
    assert!(wish.does[0].contains(&format!("{S1} was sent to its warehouse: tokyo gets")));
    assert!(
        wish.does[1].contains("notified of the cancellation once"),
        "{wish:?}"
    );
    let mut waiting = World::new(order(&[("A", 2, 1000)]));
    waiting.settle();
    waiting.edit(|order| order.tenders[0].captured = 2500);
    let wish = waiting.asked(cancel).unwrap();
    assert!(
        wish.does[0].contains("is removed from the next batch"),
        "{wish:?}"
    );
    assert!(wish.does[1].contains("cannot be undone"), "{wish:?}");
    assert!(wish.stays[0].contains("2500 JPY captured"), "{wish:?}");
    assert!(wish.facts.is_empty());
}

#[test]
fn a_hold_says_what_is_sealed_already_and_shipped_all_the_same() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    assert!(world.asked(hold).unwrap().stays.is_empty());
    world.wait(30);
    world.seal();
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Allocated, Some("sending"))
    );
    let wish = world.asked(hold).unwrap();
    assert!(
        wish.stays[0].contains(&format!("order recall {S1}")),
        "{wish:?}"
    );
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    let refused = world.asked(hold).unwrap_err();
    assert!(refused.contains("no longer stops it"), "{refused}");
}

#[test]
fn a_cancel_of_an_ended_order_says_that_its_channel_is_not_told() {
    let mut world = instructed();
    world.typed(|now| end(now, "customer has left"));
    let wish = world.asked(cancel).unwrap();
    assert!(
        wish.does[0].contains("gets a cancellation request"),
        "{wish:?}"
    );
    assert!(
        !wish.does.iter().any(|does| does.contains("is notified")),
        "{wish:?}"
    );
    assert!(wish.stays[0].contains("--rule ended"), "{wish:?}");
}

#[test]
fn what_staff_marked_and_cancelled_is_settled_by_the_parcel_that_was_shipped() {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.settle();
    world.edit(others::show(others::by_hand("ful_1", 3, Some(0), "")));
    world.settle();
    world.wait(10);
    world.edit(others::cancel("ful_1", 10));
    world.plan();
    world.wait(40);
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["fulfilment_cancelled"]);
    let from = Shipped {
        from: Some("tokyo"),
        ..parcel(None, "BYHAND1")
    };
    world.typed(|now| shipped(now, from));
    world.push_all();
    let plan = world.peek();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Shipped, 0));
    assert_eq!((plan.demands[0].shipped, world.moved()), (3, -3));
    assert_eq!(world.intended_next(), 3500);
    world.wait(600);
    assert!(world.seal().is_empty());
}

/// A of one, B of another; both were shipped by staff in fulfilments of their own, or in one, and cancelled again.
fn in_doubt(together: bool) -> World {
    let mut world = World::new(order(&[("A", 1, 1000), ("B", 1, 2000)]));
    world.settle();
    for (key, line) in [("ful_1", "l1"), ("ful_2", "l2")] {
        let mut shown = others::by_hand(key, 1, Some(0), "");
        shown.lines = vec![(line.into(), 1)];
        if together {
            shown.key = "ful_1".into();
            shown.lines = vec![("l1".into(), 1), ("l2".into(), 1)];
        }
        world.edit(others::show(shown));
    }
    world.settle();
    world.edit(others::cancel("ful_1", 0));
    world.edit(others::cancel("ful_2", 0));
    world.plan();
    world
}

#[test]
fn what_was_shipped_of_one_line_says_nothing_of_another_that_staff_took_back() {
    for together in [false, true] {
        let mut world = in_doubt(together);
        world.wait(45);
        assert_eq!(World::kinds(&world.plan()), ["fulfilment_cancelled"]);
        let a = [("A".to_owned(), 1)];
        let from = Shipped {
            from: Some("tokyo"),
            lines: &a,
            ..parcel(None, "BYHAND1")
        };
        let wish = world.typed(|now| shipped(now, from));
        assert!(wish.does.iter().any(|what| what.contains("(ful_1)")));
        let plan = world.settle();
        assert_eq!(World::kinds(&plan), ["fulfilment_cancelled"]);
        let task = &plan.tasks[0];
        assert!(task.detail.contains("1 × B") && !task.detail.contains("1 × A"));
        let shipped: Vec<u32> = plan.demands.iter().map(|row| row.shipped).collect();
        assert_eq!(shipped, [1, 1], "B may have shipped");
        world.wait(600);
        assert!(world.seal().is_empty());
        // Nothing but its own word sends B.
        let key = if together { "ful_1" } else { "ful_2" };
        world.release(&format!("fulfilment_cancelled:{key}"));
        world.settle();
        world.wait(600);
        let sealed = world.seal();
        assert_eq!(sealed.len(), 1);
        assert_eq!(world.shipment(&sealed[0]).lines[0].line.as_str(), "l2");
    }
}

#[test]
fn a_fulfilment_that_is_being_corrected_is_not_shipped_by_hand_instead() {
    let mut world = in_doubt(false);
    world.wait(5);
    let from = || Shipped {
        from: Some("tokyo"),
        ..parcel(None, "BYHAND1")
    };
    let early = world.asked(|now| shipped(now, from())).unwrap_err();
    assert!(early.contains("run this again after"), "{early}");
    world.wait(25);
    assert!(world.asked(|now| shipped(now, from())).is_ok());
}

#[test]
fn an_order_completed_with_goods_open_is_settled_by_ending_it_or_by_its_parcel() {
    let completed = || {
        let mut world = World::new(order(&[("A", 2, 1000)]));
        world.settle();
        world.edit(|order| order.state = hikiate_sdk::ChannelState::Completed);
        let plan = world.settle();
        assert_eq!(World::kinds(&plan), ["completed"]);
        world
    };
    let mut world = completed();
    world.typed(|now| end(now, "not to be sent"));
    let plan = world.plan();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.tasks.len()),
        (Status::Cancelled, Some("ended"), 0)
    );
    let mut world = completed();
    world.typed(|now| shipped(now, parcel(None, "BYHAND1")));
    world.push_all();
    let plan = world.peek();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Shipped, 0));
    assert_eq!(world.intended_next(), 2500);
}

#[test]
fn a_recall_of_an_ended_order_that_fails_is_told_and_one_that_nobody_waits_for_holds_nothing() {
    for (verdict, task) in [
        (CancelVerdict::Declined, Some("recall_failed")),
        (CancelVerdict::Accepted, None),
    ] {
        let mut world = instructed();
        world.typed(|now| end(now, "given up"));
        world.typed(|now| recall(now, S1, "stop it"));
        world.plan();
        world.end_op(Op::CancelInstruction, Verdict::Accepted);
        world.cancel_reply(S1, verdict);
        let plan = world.plan();
        let kinds: Vec<_> = plan.tasks.iter().map(|task| task.kind.as_str()).collect();
        assert_eq!(kinds, Vec::from_iter(task), "{:?}", plan.tasks);
    }
    // Others shipped all of it meanwhile: its goods wait for nothing.
    let mut world = instructed();
    world.typed(|now| recall(now, S1, "stop it"));
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.edit(others::show(others::by_hand(
        "ful_1",
        2,
        Some(31),
        "BYHAND1",
    )));
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
}

#[test]
fn what_staff_ship_of_an_order_that_an_operator_cancelled_is_told() {
    let mut world = instructed();
    world.typed(|now| {
        cancel(now).map(|mut wish| {
            wish.facts.clear();
            wish
        })
    });
    world.cancel();
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    world.edit(others::show(others::by_hand(
        "ful_1",
        2,
        Some(31),
        "BYHAND1",
    )));
    let plan = world.plan();
    let task = &plan.tasks[0];
    assert_eq!(task.kind, "cancel_too_late", "{:?}", plan.tasks);
    assert!(task.detail.contains("ful_1"), "{}", task.detail);
    world.release("cancel_too_late");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_cancel_that_the_channel_refused_because_a_part_shipped_leaves_the_rest_to_a_person() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.cancel();
    world.plan();
    world.end_op(Op::CancelOrder, Verdict::Refused);
    world.edit(others::show(others::by_hand(
        "ful_1",
        1,
        Some(1),
        "BYHAND1",
    )));
    let plan = world.settle();
    let refused = |plan: &crate::plan::types::OrderPlan| {
        let mut tasks = plan.tasks.iter();
        let task = tasks.find(|task| task.kind == "channel_cancel_rejected");
        task.map(|task| task.detail.clone())
    };
    let text = refused(&plan).unwrap();
    assert!(text.contains("remove the rest at the channel"), "{text}");
    assert!(!plan.closed);
    world.release("cancel_order");
    let plan = world.settle();
    assert_eq!(refused(&plan), None);
    assert_eq!(
        world.calls(Op::CancelOrder).len(),
        1,
        "it is not asked again"
    );
}

#[test]
fn a_cancel_after_a_part_had_shipped_leaves_the_rest_to_a_person() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    world.edit(others::show(others::by_hand(
        "ful_1",
        1,
        Some(1),
        "BYHAND1",
    )));
    world.settle();
    world.cancel();
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["cancel_rest"]);
    assert!(world.calls(Op::CancelOrder).is_empty());
    // Staff take it off there.
    world.edit(|order| {
        order.lines[0].quantity = 1;
        order.charges[1].gross = Some(1000);
        order.total = Some(1500);
        order.tenders[0].amount = Some(1500);
    });
    let plan = world.settle();
    assert!(
        !World::kinds(&plan).contains(&"cancel_rest"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn a_cancel_says_what_came_of_an_earlier_recall() {
    let mut world = instructed();
    world.typed(|now| recall(now, S1, "stop it"));
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    let wish = world.asked(cancel).unwrap();
    assert!(
        wish.does[0].contains("already has the cancellation request"),
        "{wish:?}"
    );
    world.cancel_reply(S1, CancelVerdict::Declined);
    let wish = world.asked(cancel).unwrap();
    assert!(wish.does[0].contains("when asked (packed)"), "{wish:?}");
    assert!(wish.does[0].contains("call the warehouse"), "{wish:?}");
}

#[test]
fn a_parcel_of_a_cancelled_or_unpaid_order_promises_nothing() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    let now = world.now;
    world.edit(|order| order.state = hikiate_sdk::ChannelState::Cancelled { at: now });
    world.settle();
    let from = Shipped {
        from: Some("tokyo"),
        ..parcel(None, "T1")
    };
    let wish = world.asked(|now| shipped(now, from)).unwrap();
    let promises = |wish: &Wish| wish.does.iter().any(|does| does.contains("captured"));
    assert!(!promises(&wish), "{wish:?}");
    assert!(
        wish.stays
            .iter()
            .any(|s| s.contains("shows the order as cancelled")),
        "{wish:?}"
    );

    let mut unpaid = order(&[("A", 2, 1000)]);
    super::build::pay(&mut unpaid, "bank");
    let mut world = World::new(unpaid);
    world.settle();
    let wish = world.asked(|now| shipped(now, from)).unwrap();
    assert!(
        wish.stays.iter().any(|s| s.contains("not paid")),
        "{wish:?}"
    );
}

#[test]
fn a_refusal_of_goods_that_the_order_wants_no_more_asks_nobody() {
    let mut world = instructed();
    world.edit(others::show(others::by_hand(
        "ful_1",
        2,
        Some(31),
        "BYHAND1",
    )));
    // The warehouse was called and stops it, before anybody asked it to.
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.status, Status::Shipped);
}

#[test]
fn a_payment_that_was_withdrawn_while_the_goods_are_with_a_warehouse_is_a_task() {
    let mut world = instructed();
    world.edit(|order| {
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
    });
    let plan = world.settle();
    let task = &plan.tasks[0];
    assert_eq!(task.kind, "payment_withdrawn", "{:?}", plan.tasks);
    assert!(task.detail.contains(S1), "{}", task.detail);
    // The customer pays again.
    let mut paid = world.clone();
    paid.edit(|order| {
        order
            .tenders
            .push(super::build::tender("pay_2", "card", 2500))
    });
    assert!(paid.settle().tasks.is_empty());
    world.release("payment_withdrawn");
    assert!(world.settle().tasks.is_empty());
}

#[test]
fn two_causes_of_one_task_say_once_when_to_release_it() {
    // Twice what was instructed and ordered is one surplus.
    let mut world = instructed();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.parcel(S1, "T2", &[(1, 2)]);
    world.push_all();
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["over_shipped"]);
    let detail = &plan.tasks[0].detail;
    assert_eq!(detail.matches("Arrange the return").count(), 1, "{detail}");
    assert_eq!(detail.matches("release it when").count(), 1, "{detail}");
}

#[test]
fn what_an_external_system_said_without_words_is_said_so() {
    let mut world = instructed();
    world.typed(|now| recall(now, S1, "wrong label"));
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Declined);
    for fact in &mut world.input.facts {
        if let FactBody::CancelReply(reply) = &mut fact.body {
            reply.message = String::new();
        }
    }
    let plan = world.plan();
    let detail = &plan.tasks[0].detail;
    assert!(
        detail.contains("recalled: without a reason. Stop the parcel"),
        "{detail}"
    );
}

#[test]
fn an_accepted_recall_says_what_becomes_of_its_goods() {
    let mut world = instructed();
    world.typed(|now| recall(now, S1, "wrong label"));
    world.plan();
    let accepted = |world: &World| {
        let wish = world.asked(|now| recalled(now, S1, CancelVerdict::Accepted, "called"));
        wish.unwrap().does.join(" ")
    };
    let said = accepted(&world);
    assert!(said.contains("--rule recalled:"), "{said}");
    let mut ended = world.clone();
    ended.typed(|now| end(now, "not wanted"));
    let said = accepted(&ended);
    assert!(said.contains("its units are available again"), "{said}");
    // Asked back by a stop: nothing holds its goods once the stop is lifted.
    for fact in &mut world.input.facts {
        if let FactBody::RecallWanted(wanted) = &mut fact.body {
            wanted.stop = Some(7);
        }
    }
    let said = accepted(&world);
    assert!(
        said.contains("instructed again under another reference"),
        "{said}"
    );
}

#[test]
fn a_line_that_is_not_there_is_answered_with_what_can_be_typed() {
    let world = instructed();
    let lines = [("PEAR".to_owned(), 1)];
    let what = Shipped {
        lines: &lines,
        ..parcel(Some(S1), "T1")
    };
    let refused = world.asked(|now| shipped(now, what)).unwrap_err();
    assert!(refused.contains("open: A=2"), "{refused}");
}

#[test]
fn money_of_an_ended_order_is_asked_about_once_though_its_channel_takes_a_gift_card_back() {
    let mut with_card = order(&[("A", 2, 1000)]);
    let mut card = with_card.lines[0].clone();
    card.key = "card".into();
    card.by = hikiate_sdk::FulfilledBy::Nobody;
    with_card.lines.push(card);
    let mut world = World::new(with_card);
    world.edit(|order| order.tenders[0].captured = 2500);
    let mut made = others::by_hand("ful_card", 1, Some(0), "");
    made.lines = vec![("card".into(), 1)];
    world.edit(others::show(made));
    world.settle();
    world.edit(others::cancel("ful_card", 1));
    world.wait(45);
    world.typed(|now| end(now, "given up"));
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["ended_captured"], "{:?}", plan.tasks);
    world.release("ended_captured");
    assert!(world.settle().tasks.is_empty());
}
