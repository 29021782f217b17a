//! Orders that change after their instruction was sent.

use hikiate_sdk::{CancelVerdict, FulfilledBy, Op, OrderSnapshot, Personal};

use super::build::{at, order, pay};
use super::world::World;
use crate::facts::{Fact, FactBody, OrderFact, Verdict};
use crate::plan::command::recall;
use crate::plan::types::*;
use crate::policy::Change;

const S1: &str = "HK0123456789ABC-S1";
const S2: &str = "HK0123456789ABC-S2";

/// Three pieces at tokyo, accepted, with an address.
fn instructed() -> World {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.input.personal = Some(living_at("1-2-3", "ハイツ 101"));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world
}

fn living_at(street: &str, building: &str) -> Personal {
    let mut personal = Personal::default();
    let party = personal.ship_to.entry("1".to_owned()).or_default();
    party.name = "山田 太郎".to_owned();
    party.address1 = street.to_owned();
    party.address2 = building.to_owned();
    personal
}

/// The order is read with another address.
fn moves_to(world: &mut World, street: &str, building: &str) {
    world.input.personal = Some(living_at(street, building));
    let version = world
        .input
        .facts
        .iter()
        .filter(|f| matches!(f.body, FactBody::Order(_)))
        .count();
    let key = world.nth("order:".to_owned());
    let body = OrderFact {
        order: world.order(),
        features: super::build::features(),
        personal_version: i32::try_from(version).unwrap() + 1,
    };
    world.fact(key, FactBody::Order(Box::new(body)), "pull");
}

fn quantity(n: u32) -> impl FnOnce(&mut OrderSnapshot) {
    move |order| {
        order.lines[0].quantity = n;
        order.charges[1].gross = Some(1000 * i64::from(n));
        pay(order, "card");
    }
}

fn recalls(world: &mut World, rule: fn(&mut crate::policy::ChangeRules) -> &mut Change) {
    for warehouse in &mut world.policy.warehouses {
        *rule(&mut warehouse.change) = Change::Recall;
    }
}

fn kinds(plan: &OrderPlan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.kind.as_str()).collect()
}

#[test]
fn a_lower_quantity_after_sealing_is_told_with_both_quantities() {
    let mut world = instructed();
    world.edit(quantity(1));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let text = &plan.tasks[0].detail;
    assert!(
        text.contains(S1) && text.contains("3 × A instructed, 1 wanted"),
        "{text}"
    );
    world.release(&format!("changed:{S1}"));
    assert!(world.plan().tasks.is_empty());
    world.edit(quantity(2));
    assert_eq!(
        kinds(&world.plan()),
        ["changed_after_sealing"],
        "another edit asks again"
    );
}

#[test]
fn what_leaves_beyond_what_was_ordered_by_then_is_over_shipped() {
    let mut world = instructed();
    world.edit(quantity(1));
    world.plan();
    world.parcel(S1, "401", &[(1, 3)]);
    let plan = world.plan();
    assert!(kinds(&plan).contains(&"over_shipped"), "{:?}", plan.tasks);
    // The other way round it is a return.
    let mut world = instructed();
    world.parcel(S1, "401", &[(1, 3)]);
    world.plan();
    world.edit(|order| order.lines[0].quantity = 2);
    let plan = world.plan();
    assert!(!kinds(&plan).contains(&"over_shipped"), "{:?}", plan.tasks);
    assert!(!kinds(&plan).contains(&"changed_after_sealing"));
}

#[test]
fn a_removed_line_after_sealing_is_told() {
    let mut world = instructed();
    world.edit(|order| {
        order.lines.clear();
        order.charges.truncate(1);
        pay(order, "card");
    });
    let plan = world.plan();
    assert!(kinds(&plan).contains(&"changed_after_sealing"));
    world.parcel(S1, "401", &[(1, 3)]);
    assert!(kinds(&world.plan()).contains(&"over_shipped"));
}

#[test]
fn a_line_that_is_no_longer_ours_to_ship_gives_its_stock_back_and_is_told_after_sealing() {
    let by = |by: FulfilledBy| move |world: &mut World| world.edit(|order| order.lines[0].by = by);
    let service = |world: &mut World| {
        if let Some(item) = world.input.items.get_mut("A") {
            item.stocked = false;
        }
    };
    let channel = by(FulfilledBy::Channel);
    let nobody = by(FulfilledBy::Nobody);
    let all: [&dyn Fn(&mut World); 3] = [&channel, &nobody, &service];
    for becomes in all {
        let mut world = World::new(order(&[("A", 3, 1000), ("B", 1, 500)]));
        world.settle();
        becomes(&mut world);
        let plan = world.settle();
        assert_eq!(plan.demands[0].wanted, 0);
        assert!(world.input.demands[0].reserved.is_empty());
        // What the channel ships of it comes from no shelf of ours.
        let mut shipped = super::others::by_hand("ful_hand", 3, Some(5), "X");
        shipped.location = None;
        world.edit(super::others::show(shipped));
        assert!(world.settle().entries.is_empty());
        world.wait(30);
        let sealed = world.seal();
        assert_eq!(sealed.len(), 1);
        assert_eq!(world.shipment(&sealed[0]).lines.len(), 1);

        let mut world = instructed();
        becomes(&mut world);
        let plan = world.plan();
        assert_eq!(kinds(&plan), ["changed_after_sealing"]);
        let detail = &plan.tasks[0].detail;
        assert!(detail.contains("3 × A instructed, 0 wanted"), "{detail}");
        assert_eq!(plan.demands[0].wanted, 3, "until it is stopped");
    }
}

#[test]
fn another_address_after_sealing_is_told_by_field_and_without_the_text() {
    let mut world = instructed();
    moves_to(&mut world, "9-9-9", "別館");
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let text = &plan.tasks[0].detail;
    assert!(
        text.contains("another street") && text.contains("another building"),
        "{text}"
    );
    assert!(!text.contains("9-9-9") && !text.contains("別館"));
    world.parcel(S1, "401", &[(1, 3)]);
    let plan = world.plan();
    assert!(
        plan.tasks[0]
            .detail
            .contains("shipped from tokyo as it was sent")
    );
    world.release(&format!("changed:{S1}"));
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn blanks_width_and_hyphens_of_an_address_are_no_change() {
    let mut world = instructed();
    moves_to(&mut world, "１−２−３", "ﾊｲﾂ　101");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn another_address_after_the_goods_shipped_is_none_of_our_business() {
    let mut world = instructed();
    world.parcel(S1, "401", &[(1, 3)]);
    world.plan();
    moves_to(&mut world, "9-9-9", "");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn another_date_or_service_after_sealing_is_told() {
    let mut world = instructed();
    world.edit(|order| {
        order.groups[0].service = Some("frozen".to_owned());
        order.groups[0].earliest_ship = Some(at(9000));
    });
    let text = world.plan().tasks[0].detail.clone();
    assert!(
        text.contains("another service") && text.contains("another date"),
        "{text}"
    );
}

#[test]
fn a_recall_is_asked_once_and_the_order_as_it_stands_follows_only_after_it_was_accepted() {
    let mut world = instructed();
    recalls(&mut world, |rules| &mut rules.address);
    moves_to(&mut world, "9-9-9", "");
    let plan = world.plan();
    assert!(plan.tasks.is_empty() && plan.effects.is_empty());
    assert_eq!(plan.next, Some(at(31)));
    world.wait(1);
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.settle();
    assert_eq!(
        world.input.shipments.len(),
        1,
        "nothing new before the answer"
    );
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert_eq!(plan.tasks.len(), 0, "{:?}", plan.tasks);
    assert_eq!(world.shipment(S2).lines[0].quantity, 3);
    assert_eq!(world.calls(Op::CancelInstruction).len(), 1);
}

#[test]
fn a_lowered_quantity_that_was_recalled_is_neither_short_nor_backordered() {
    let mut world = instructed();
    recalls(&mut world, |rules| &mut rules.quantity_down);
    world.edit(quantity(1));
    world.plan();
    world.wait(1);
    world.plan();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert_eq!((plan.demands[0].wanted, plan.demands[0].shipped), (1, 0));
    assert_eq!(world.shipment(S2).lines[0].quantity, 1);
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
}

#[test]
fn a_recall_that_is_declined_or_not_answered_is_a_task_and_nothing_ships_twice() {
    for declined in [true, false] {
        let mut world = instructed();
        recalls(&mut world, |rules| &mut rules.address);
        moves_to(&mut world, "9-9-9", "");
        world.plan();
        world.wait(1);
        world.plan();
        world.end_op(Op::CancelInstruction, Verdict::Accepted);
        let plan = world.plan();
        assert!(plan.tasks.is_empty());
        if declined {
            world.cancel_reply(S1, CancelVerdict::Declined);
        } else {
            assert!(
                plan.next.is_some(),
                "looked at again when the answer is late"
            );
            world.wait(61);
        }
        let plan = world.settle();
        let text = plan
            .tasks
            .iter()
            .find(|task| task.kind == "changed_after_sealing")
            .map(|task| task.detail.as_str())
            .unwrap_or_default();
        let word = if declined { "declined" } else { "not answered" };
        assert!(text.contains(word), "{text}");
        assert_eq!(world.input.shipments.len(), 1);
    }
}

#[test]
fn many_changes_at_once_recall_nothing() {
    let mut world = instructed();
    recalls(&mut world, |rules| &mut rules.address);
    moves_to(&mut world, "9-9-9", "");
    world.plan();
    world.input.many_changes.insert(S1.into());
    world.wait(1);
    let plan = world.plan();
    assert!(plan.effects.is_empty());
    assert!(
        plan.tasks.is_empty(),
        "one task of the account names them all"
    );
}

#[test]
fn an_added_line_after_sealing_ships_as_a_second_shipment() {
    let mut world = instructed();
    world.edit(quantity(4));
    let plan = world.settle();
    assert!(plan.tasks.is_empty());
    assert_eq!(world.shipment(S2).lines[0].quantity, 1);
}

#[test]
fn a_cancel_of_a_warehouse_that_is_only_called_is_a_task() {
    let mut world = instructed();
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.cancel = Change::Ask;
    }
    world.cancel();
    let plan = world.plan();
    assert!(plan.effects.is_empty());
    assert_eq!(kinds(&plan), ["cancel_by_phone"]);
}

#[test]
fn what_is_let_go_as_it_was_sent_is_asked_again_only_when_it_changes_again() {
    let mut world = instructed();
    moves_to(&mut world, "9-9-9", "");
    world.plan();
    world.release(&format!("changed:{S1}"));
    assert!(world.plan().tasks.is_empty());
    // A note, a tag, a payment: nothing that the warehouse was told.
    world.edit(|order| order.tenders[0].captured = 0);
    world.edit(|order| order.lines.push(order.lines[0].clone()));
    world.edit(|order| {
        order.lines.pop();
    });
    let mut personal = world.input.personal.clone().unwrap();
    personal.remarks = "leave it at the door".to_owned();
    world.input.personal = Some(personal);
    assert!(world.plan().tasks.is_empty());
    moves_to(&mut world, "8-8-8", "");
    assert_eq!(kinds(&world.plan()), ["changed_after_sealing"]);
}

#[test]
fn a_change_that_was_taken_back_before_anybody_asked_recalls_nothing() {
    let mut world = instructed();
    recalls(&mut world, |rules| &mut rules.address);
    moves_to(&mut world, "9-9-9", "");
    world.plan();
    moves_to(&mut world, "1-2-3", "ハイツ 101");
    world.wait(5);
    world.push_all();
    assert!(world.calls(Op::CancelInstruction).is_empty());
    // The warehouse stops it by itself: that is a refusal, which somebody looks at.
    world.cancel_reply(S1, CancelVerdict::Accepted);
    let plan = world.settle();
    assert_eq!(world.input.shipments.len(), 1, "{:?}", plan.tasks);
    assert!(!plan.tasks.is_empty());
}

/// Staff take the line off and add one with another price for the same item.
fn moved_to_another_line(order: &mut OrderSnapshot) {
    let mut line = order.lines[0].clone();
    line.key = "9".into();
    line.quantity = 2;
    order.lines[0].quantity = 0;
    order.lines.push(line);
    order.charges.truncate(1);
    pay(order, "card");
}

#[test]
fn an_item_that_staff_moved_to_another_line_is_not_sent_again_unasked() {
    // At its warehouse when the edit is seen: the same item waits for the word on what was sent.
    let mut world = instructed();
    world.edit(moved_to_another_line);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let text = &plan.tasks[0].detail;
    assert!(text.contains("2 × A of another line wait"), "{text}");
    assert_eq!(
        plan.blocked_by.as_deref(),
        Some("hold:changed_after_sealing")
    );
    assert_eq!(world.input.shipments.len(), 1);
    // It ships as it was sent: more than was ordered by then.
    world.parcel(S1, "401", &[(1, 3)]);
    let plan = world.settle();
    assert!(kinds(&plan).contains(&"over_shipped"), "{:?}", plan.tasks);
    assert_eq!(world.input.shipments.len(), 1);
    world.release("over_shipped");
    world.settle();
    assert_eq!(world.shipment(S2).lines[0].quantity, 2);

    // Let go as it was sent, the other line goes as well.
    let mut world = instructed();
    world.edit(moved_to_another_line);
    world.settle();
    world.release(&format!("changed:{S1}"));
    world.settle();
    assert_eq!(world.shipment(S2).lines[0].quantity, 2);

    // Another line of it that was added after it had shipped is an exchange.
    let mut world = instructed();
    world.parcel(S1, "401", &[(1, 3)]);
    world.settle();
    world.edit(moved_to_another_line);
    world.settle();
    assert_eq!(world.shipment(S2).lines[0].quantity, 2);
}

#[test]
fn a_waiting_line_is_taken_back_when_its_item_turns_out_to_be_sent() {
    let mut world = instructed();
    let mut added = world.order().lines[0].clone();
    added.key = "9".into();
    world.edit(|order| order.lines.push(added));
    world.settle();
    assert_eq!(world.input.shipments.len(), 2);
    world.edit(quantity(0));
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let taken_back = |fact: &Fact| matches!(&fact.body, FactBody::ShipmentWithdrawn(out) if out.reference == S2.into());
    assert!(world.input.facts.iter().any(taken_back));
}

#[test]
fn a_line_that_means_another_item_after_sealing_is_told() {
    let mut world = instructed();
    // Another code of the same item is none.
    let same = world.input.items["A"].clone();
    world.input.items.insert("A-NEW".to_owned(), same);
    world.edit(|order| order.lines[0].sku = Some("A-NEW".into()));
    assert!(world.plan().tasks.is_empty());
    world.edit(|order| order.lines[0].sku = Some("B".into()));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let text = &plan.tasks[0].detail;
    assert!(text.contains("A instructed, B wanted"), "{text}");
    world.release(&format!("changed:{S1}"));
    assert!(world.plan().tasks.is_empty());
}

/// Staff set the line to one and add another one with two of the same item.
fn two_moved_to_another_line(order: &mut OrderSnapshot) {
    let mut line = order.lines[0].clone();
    line.key = "9".into();
    line.quantity = 2;
    order.lines[0].quantity = 1;
    order.lines.push(line);
}

/// The first of two boxes says nothing about the second: the warehouse was never told of the edit.
#[test]
fn what_an_edit_took_off_may_still_leave_in_a_second_box_until_somebody_says_that_it_will_not() {
    let mut world = instructed();
    world.edit(two_moved_to_another_line);
    world.settle();
    world.parcel(S1, "4012", &[(1, 1)]);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["changed_after_sealing", "shipped_short"]);
    let text = &plan.tasks[0].detail;
    assert!(
        text.contains("a part of") && text.contains("2 × A instructed, 0 wanted"),
        "{text}"
    );
    assert_eq!(
        plan.blocked_by.as_deref(),
        Some("hold:changed_after_sealing")
    );
    assert_eq!(world.input.shipments.len(), 1, "nothing is sent again");
    // Whoever knows says so, in either word, and the other line is sent. Let go as it was sent, all of it still leaves.
    for (rule, wanted, tasks) in [
        (format!("changed:{S1}"), 3, vec!["shipped_short"]),
        (format!("short:{S1}"), 1, vec![]),
    ] {
        let mut world = world.clone();
        world.release(&rule);
        let plan = world.settle();
        assert_eq!((kinds(&plan), plan.demands[0].wanted), (tasks, wanted));
        assert_eq!(world.shipment(S2).lines[0].quantity, 2, "{rule}");
    }
    // The rest comes in a second box.
    world.parcel(S1, "4013", &[(1, 2)]);
    world.settle();
    assert_eq!(world.input.shipments.len(), 1);

    // Without another line: the task stays, and the unit is not on sale while the warehouse may send it.
    for (before, after) in [(Some(2), None), (None, Some(2))] {
        let mut world = instructed();
        if let Some(n) = before {
            world.edit(quantity(n));
            world.settle();
        }
        world.parcel(S1, "4012", &[(1, 2)]);
        world.settle();
        if let Some(n) = after {
            world.edit(quantity(n));
        }
        let plan = world.settle();
        assert_eq!(kinds(&plan), ["changed_after_sealing", "shipped_short"]);
        assert_eq!(plan.demands[0].wanted, 3, "until somebody knows");
        world.release(&format!("changed:{S1}"));
        let plan = world.settle();
        assert_eq!(kinds(&plan), ["shipped_short"]);
        assert_eq!(plan.demands[0].wanted, 3, "it may leave as it was sent");
        world.release(&format!("short:{S1}"));
        let plan = world.settle();
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
        assert_eq!(plan.demands[0].wanted, 2);
    }
}

/// The rest of a shipment that will not come is out of it for good, whatever changes of the order later.
#[test]
fn what_was_closed_short_stays_closed_when_the_order_changes_again() {
    let mut world = instructed();
    world.edit(quantity(2));
    world.settle();
    world.parcel(S1, "4012", &[(1, 2)]);
    world.settle();
    for rule in ["changed", "short"] {
        world.release(&format!("{rule}:{S1}"));
    }
    let stands = |world: &mut World| {
        let plan = world.settle();
        let wanted = (plan.demands[0].wanted, plan.demands[0].shipped);
        let stages: Vec<_> = world.input.shipments.iter().map(|row| row.state).collect();
        assert_eq!((kinds(&plan), wanted), (vec![], (2, 2)));
        assert_eq!(stages, [ShipmentStage::Shipped]);
    };
    stands(&mut world);
    moves_to(&mut world, "9-9-9", "");
    stands(&mut world);
}

/// A box of a shipment that was let go as it was sent makes no other change of it.
#[test]
fn what_was_let_go_is_not_asked_again_box_by_box() {
    let mut world = World::new(order(&[("A", 3, 1000), ("B", 2, 500)]));
    world.input.personal = Some(living_at("1-2-3", ""));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    moves_to(&mut world, "9-9-9", "");
    world.edit(|order| order.lines.iter_mut().for_each(|line| line.quantity = 1));
    world.settle();
    world.release(&format!("changed:{S1}"));
    assert!(world.settle().tasks.is_empty());
    // Whatever else differs, too.
    let other = world.input.items["B"].clone();
    world.input.items.insert("A".to_owned(), other);
    world.settle();
    world.release(&format!("changed:{S1}"));
    assert!(world.settle().tasks.is_empty());
    let wanted = |plan: &OrderPlan| plan.demands.iter().map(|d| d.wanted).collect::<Vec<_>>();
    for (number, line) in [("4012", (2, 2)), ("4013", (1, 1))] {
        world.parcel(S1, number, &[line]);
        let plan = world.settle();
        assert!(!kinds(&plan).contains(&"changed_after_sealing"), "{number}");
        // The warehouse was told to send all of it.
        assert_eq!(wanted(&plan), [3, 2], "{number}");
    }
    // An operator says that the rest will not come.
    let mut short = world.clone();
    short.release(&format!("short:{S1}"));
    let plan = short.settle();
    assert_eq!(wanted(&plan), [1, 2]);
    assert!(!kinds(&plan).contains(&"changed_after_sealing"));
    // Or it comes.
    world.parcel(S1, "4014", &[(1, 2)]);
    let plan = world.settle();
    assert_eq!((wanted(&plan), world.moved()), (vec![3, 2], -5));
    assert!(!kinds(&plan).contains(&"changed_after_sealing"));
}

/// Where it goes changes with the last box: that is a change of its own.
#[test]
fn another_address_before_the_last_box_is_asked_although_an_earlier_one_was_let_go() {
    let mut world = instructed();
    moves_to(&mut world, "9-9-9", "");
    world.edit(quantity(2));
    world.settle();
    world.release(&format!("changed:{S1}"));
    assert!(world.settle().tasks.is_empty());
    moves_to(&mut world, "8-8-8", "");
    world.parcel(S1, "4012", &[(1, 3)]);
    assert!(kinds(&world.settle()).contains(&"changed_after_sealing"));
}

/// A line's code changes while its shipment waits, or is asked back: what is instructed then is what the order wants.
#[test]
fn a_line_that_means_another_item_before_it_is_sealed_or_after_a_recall_is_instructed_as_it_is() {
    let to_b = |order: &mut OrderSnapshot| order.lines[0].sku = Some("B".into());
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.settle();
    assert_eq!(world.shipment(S1).lines[0].item_id, 1);
    world.stock.insert((2, "tokyo"), 0);
    world.stock.insert((2, "osaka"), 0);
    world.edit(to_b);
    let plan = world.settle();
    assert_eq!(
        (plan.status, plan.demands[0].item_id),
        (Status::Backordered, 2)
    );
    assert!(
        world.input.demands[0].reserved.is_empty(),
        "what was reserved of the other item is free"
    );
    world.stock.insert((2, "tokyo"), 10);
    world.settle();
    world.wait(30);
    assert_eq!(world.seal().len(), 1);
    let (s2, _) = (world.shipment(S2), world.plan());
    assert_eq!((s2.lines[0].item_id, s2.lines[0].quantity), (2, 2));

    let mut world = instructed();
    world.edit(to_b);
    world.plan();
    world.typed(|now| recall(now, S1, "the item changed"));
    world.settle();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    world.settle();
    world.release(&format!("recalled:{S1}"));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    let s2 = world.shipment(S2);
    assert_eq!((s2.lines[0].item_id, s2.lines[0].quantity), (2, 3));
}

/// A code that is mapped anew means another item although nobody edited the order.
#[test]
fn a_code_that_stands_for_another_item_after_sealing_is_told_while_it_can_be_stopped() {
    let mut world = instructed();
    let other = world.input.items["B"].clone();
    world.input.items.insert("A".to_owned(), other);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    let text = &plan.tasks[0].detail;
    assert!(text.contains("another item instructed, A wanted"), "{text}");

    let mut world = instructed();
    world.parcel(S1, "4012", &[(1, 3)]);
    world.plan();
    let other = world.input.items["B"].clone();
    world.input.items.insert("A".to_owned(), other);
    assert!(world.plan().tasks.is_empty());
}

/// What was let go was one other item; a third one is another change.
#[test]
fn a_code_that_comes_to_stand_for_a_third_item_is_asked_again() {
    let mut world = instructed();
    let other = world.input.items["B"].clone();
    world.input.items.insert("A".to_owned(), other);
    assert_eq!(kinds(&world.plan()), ["changed_after_sealing"]);
    world.release(&format!("changed:{S1}"));
    assert!(world.plan().tasks.is_empty());
    let mut third = world.input.items["B"].clone();
    third.item_id = 4;
    world.input.items.insert("A".to_owned(), third);
    assert_eq!(kinds(&world.plan()), ["changed_after_sealing"]);
}

/// The first line's item and what is reserved of it at tokyo.
fn held_at_tokyo(world: &World) -> (i64, u32) {
    let row = &world.input.demands[0];
    let here = row.reserved.iter().filter(|held| held.0 == "tokyo");
    (row.item_id, here.map(|held| held.1).sum())
}

/// A warehouse that had stopped a shipment ships it all the same, while another one of the item that the code means now
/// is on its way: that keeps what it needs.
#[test]
fn a_late_parcel_of_the_item_before_takes_nothing_from_what_is_on_its_way() {
    let mut world = instructed();
    world.edit(|order| order.lines[0].sku = Some("B".into()));
    world.plan();
    world.typed(|now| recall(now, S1, "the item changed"));
    world.settle();
    world.end_op(Op::CancelInstruction, Verdict::Accepted);
    world.cancel_reply(S1, CancelVerdict::Accepted);
    world.settle();
    world.release(&format!("recalled:{S1}"));
    world.settle();
    world.wait(30);
    assert_eq!(world.seal(), [S2]);
    world.instruct_outcome(S2, Verdict::Accepted);
    world.settle();
    assert_eq!(held_at_tokyo(&world), (2, 3));
    world.parcel(S1, "4012", &[(1, 3)]);
    let plan = world.plan();
    assert_eq!((plan.demands[0].item_id, plan.demands[0].wanted), (2, 6));
    assert_eq!(held_at_tokyo(&world), (2, 3));
    world.settle();
    world.parcel(S2, "4013", &[(1, 3)]);
    world.settle();
    assert_eq!(held_at_tokyo(&world), (2, 0));
}

/// What is planned anew of a shipment that was closed short is of the item that the code means by then.
#[test]
fn the_rest_of_a_short_shipment_is_instructed_as_its_code_is_meant_by_then() {
    let mut world = instructed();
    world.parcel(S1, "4012", &[(1, 1)]);
    world.settle();
    let other = world.input.items["B"].clone();
    world.input.items.insert("A".to_owned(), other);
    world.settle();
    assert_eq!(held_at_tokyo(&world), (1, 2), "the rest may still leave");
    world.release(&format!("short:{S1}"));
    world.settle();
    let s2 = world.shipment(S2);
    assert_eq!((s2.lines[0].item_id, s2.lines[0].quantity), (2, 2));
}
