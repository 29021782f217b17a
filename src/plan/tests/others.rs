//! What others fulfil at the channel: staff who ship by hand, stores, plugins; and what becomes of it.

use chrono::Duration;
use hikiate_sdk::{ChannelFulfilment, FulfilledBy, Op, OrderSnapshot, Tender};

use super::build::{at, order};
use super::world::World;
use crate::action::Action;
use crate::facts::Verdict;
use crate::plan::command::{self, Shipped};
use crate::plan::types::*;
use crate::policy::{Change, Others, OthersShipFrom, Recognise};

const S1: &str = "HK0123456789ABC-S1";
const TOKYO: &str = "sloc_1";

/// A fulfilment that staff made, shipped at a minute.
pub(super) fn by_hand(
    key: &str,
    units: u32,
    shipped: Option<i64>,
    tracking: &str,
) -> ChannelFulfilment {
    ChannelFulfilment {
        key: key.into(),
        reference: None,
        shipped_at: shipped.map(at),
        cancelled_at: None,
        location: Some(TOKYO.to_owned()),
        tracking: Some(tracking)
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
        lines: vec![("l1".into(), units)],
    }
}

pub(super) fn show(fulfilment: ChannelFulfilment) -> impl FnOnce(&mut OrderSnapshot) {
    move |order| {
        order.fulfilments.retain(|f| f.key != fulfilment.key);
        order.fulfilments.push(fulfilment);
    }
}

pub(super) fn cancel(key: &str, minute: i64) -> impl FnOnce(&mut OrderSnapshot) + use<> {
    let key = key.to_owned();
    move |order| {
        for fulfilment in order
            .fulfilments
            .iter_mut()
            .filter(|f| f.key.as_str() == key)
        {
            fulfilment.cancelled_at = Some(at(minute));
        }
    }
}

/// What the shop shows as shipped is a line that the order does not have: nothing of the order left.
#[test]
fn a_line_that_the_order_does_not_have_is_told_and_ships_nothing() {
    let mut world = three();
    let mut strange = by_hand("ful-1", 1, Some(5), "");
    strange.lines = vec![("nope".into(), 1)];
    world.edit(show(strange));
    let plan = world.settle();
    assert_eq!(revenue(&world), (0, 0), "no postage of what did not leave");
    assert_eq!(captured(&world), 0);
    let task = plan
        .tasks
        .iter()
        .find(|t| t.kind == "fulfilment_line_unknown");
    let detail = &task.unwrap().detail;
    assert!(
        detail.contains("ful-1") && detail.contains("line nope"),
        "{detail}"
    );
    assert_eq!(plan.status, Status::Allocated);
}

/// A clock that is ahead books nothing ahead.
#[test]
fn what_staff_shipped_by_a_clock_ahead_left_when_it_was_read() {
    let mut world = three();
    world.wait(10);
    world.edit(show(by_hand("ful-1", 3, Some(525_600), "T1")));
    world.settle();
    let days: Vec<_> = world
        .input
        .revenue
        .iter()
        .map(|row| row.business_date)
        .collect();
    assert!(!days.is_empty());
    let today = at(10).with_timezone(&chrono_tz::Asia::Tokyo).date_naive();
    assert!(days.iter().all(|day| *day == today), "{days:?}");
}

/// Three at 1,000 and 500 of postage, and what staff did with them left the shelf of tokyo.
fn three() -> World {
    let mut world = World::new(order(&[("A", 3, 1000)]));
    world.settle();
    world
}

fn kinds(plan: &OrderPlan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.kind.as_str()).collect()
}

fn captured(plan: &World) -> i64 {
    plan.calls(Op::Capture)
        .iter()
        .map(|call| match call {
            hikiate_sdk::Call::Capture(capture) => {
                capture.amount.unwrap_or(capture.expected_captured_total)
            }
            _ => 0,
        })
        .sum()
}

fn revenue(world: &World) -> (i64, i64) {
    let rows = world.input.revenue.iter();
    rows.fold((0, 0), |(gross, tax), row| {
        (gross + row.gross, tax + row.tax)
    })
}

fn shipped_at_tokyo(world: &mut World, units: i64) {
    *world.stock.entry((1, "tokyo")).or_default() -= units;
}

/// The channel shows the captures that it was told.
fn show_captured(world: &mut World) {
    let captured = captured(world);
    world.edit(|order| {
        for tender in &mut order.tenders {
            tender.captured = captured;
        }
    });
}

#[test]
fn cases_that_others_shipped_stay_cases_once_their_line_is_removed() {
    let mut world = World::new(order(&[("A", 1, 1000), ("B12", 1, 1200)]));
    world.settle();
    world.wait(5);
    let mut shipped = by_hand("ful_hand", 1, Some(3), "BYHAND1");
    shipped.lines = vec![("l2".into(), 1)];
    world.edit(show(shipped));
    let items = |plan: &OrderPlan| -> (i64, u32) {
        let row = plan.demands.iter().find(|row| row.line.as_str() == "l2");
        let moved = plan.entries.iter().map(|entry| entry.quantity).sum();
        (moved, row.map_or(0, |row| row.shipped))
    };
    assert_eq!(items(&world.plan()), (-12, 12));
    world.edit(|order| {
        order.lines.remove(1);
    });
    assert_eq!(items(&world.plan()), (-12, 12));
}

#[test]
fn what_others_shipped_of_a_line_that_went_before_it_was_planned_is_off_the_shelf() {
    let mut world = World::new(order(&[("A", 1, 1000), ("B12", 1, 1200)]));
    let mut shipped = by_hand("ful_hand", 1, Some(3), "BYHAND1");
    shipped.lines = vec![("l2".into(), 1)];
    world.edit(show(shipped));
    world.edit(|order| {
        order.lines.remove(1);
    });
    let moved: Vec<i64> = world.plan().entries.iter().map(|e| e.quantity).collect();
    assert_eq!(moved, [-12]);
}

#[test]
fn what_staff_ship_by_hand_leaves_demand_and_stock_and_is_captured_and_booked_once() {
    let mut world = three();
    world.wait(5);
    shipped_at_tokyo(&mut world, 2);
    world.edit(show(by_hand("ful_hand", 2, Some(3), "BYHAND1")));
    let plan = world.plan();
    let entry = &plan.entries[0];
    assert_eq!(
        (entry.warehouse.as_str(), entry.quantity, entry.effective_at),
        ("tokyo", -2, at(3))
    );
    let row = &plan.demands[0];
    assert_eq!((row.wanted, row.shipped), (3, 2));
    assert_eq!(kinds(&plan), Vec::<&str>::new());
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(sealed.len(), 1);
    assert_eq!(world.shipment(&sealed[0]).lines[0].quantity, 1);
    world.push_all();
    assert_eq!((captured(&world), revenue(&world)), (2500, (2500, 227)));
    assert!(
        world.calls(Op::Fulfil).is_empty(),
        "the channel knows of those"
    );
    assert!(world.calls(Op::Mail).is_empty());
    show_captured(&mut world);
    world.parcel(&sealed[0], "401", &[(1, 1)]);
    world.push_all();
    show_captured(&mut world);
    world.push_all();
    assert_eq!((captured(&world), revenue(&world)), (3500, (3500, 318)));
    let told = world.calls(Op::Fulfil);
    assert_eq!(told.len(), 1);
    assert!(matches!(&told[0], hikiate_sdk::Call::Fulfil(call) if call.lines[0].quantity == 1));
    assert_eq!(world.intents(Op::Mail).len(), 1);
}

#[test]
fn a_place_that_is_not_ours_takes_nothing_and_frees_the_reservation() {
    for from in [Some("sloc_store"), None] {
        let mut world = three();
        if from.is_none() {
            for channel in world.policy.channels.values_mut() {
                channel.others_ship_from = Some(OthersShipFrom::Elsewhere);
            }
        }
        let mut fulfilment = by_hand("ful_store", 2, Some(0), "");
        fulfilment.location = from.map(str::to_owned);
        world.edit(show(fulfilment));
        let plan = world.settle();
        assert!(plan.entries.is_empty());
        let row = &world.input.demands[0];
        assert_eq!(row.reserved, [("tokyo".to_owned(), 1, true)]);
        assert!(plan.tasks.is_empty());
    }
}

#[test]
fn an_unnamed_place_blocks_the_units_until_a_later_count() {
    let mut world = three();
    let mut fulfilment = by_hand("ful_hand", 2, Some(0), "");
    fulfilment.location = None;
    world.edit(show(fulfilment.clone()));
    let plan = world.settle();
    assert_eq!(plan.entries[0].quantity, -2);
    assert_eq!(kinds(&plan), ["shipped_place_unknown"]);
    assert!(plan.tasks[0].detail.contains("2 × A"), "{:?}", plan.tasks);
    assert!(plan.next.is_some_and(|next| next > world.now));
    // Where nobody ever counts it is looked at ever more seldom, and no more once that is settled.
    let mut never = world.clone();
    never.wait(10 * 24 * 60);
    assert_eq!(never.plan().next, Some(never.now + Duration::days(1)));
    never.release("shipped_place_unknown");
    let plan = never.plan();
    assert_eq!((kinds(&plan).len(), plan.next), (0, None));
    world.input.counted.insert((1, "tokyo".to_owned()), at(60));
    assert!(world.plan().tasks.is_empty());
    // Another configuration, later, moves nothing again.
    for channel in world.policy.channels.values_mut() {
        channel.others_ship_from = Some(OthersShipFrom::Warehouse("osaka".to_owned()));
    }
    let plan = world.plan();
    assert_eq!(
        (plan.entries.len(), plan.entries[0].warehouse.as_str()),
        (1, "tokyo")
    );
}

#[test]
fn what_was_taken_of_a_payment_that_an_edit_voided_is_not_taken_again() {
    for shown in [true, false] {
        let mut world = World::new(order(&[("A", 3, 1000)]));
        world.settle();
        world.edit(show(by_hand("ful_hand", 2, Some(3), "BYHAND1")));
        world.plan();
        assert_eq!(captured(&world), 2500);
        world.end_op(Op::Capture, Verdict::Done);
        show_captured(&mut world);
        // The shop voids what is left of the payment and asks for the rest anew.
        world.edit(|order| {
            let mut rest = order.tenders[0].clone();
            rest.key = "pay_rest".into();
            (rest.amount, rest.authorised, rest.captured) = (Some(1000), 1000, 0);
            order.tenders[0].cancelled = true;
            order.tenders[0].authorised = 0;
            if !shown {
                order.tenders.clear();
            }
            order.tenders.push(rest);
        });
        let plan = world.plan();
        assert_eq!(captured(&world), 2500, "nothing more has shipped");
        assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
        world.edit(show(by_hand("ful_rest", 1, Some(9), "BYHAND2")));
        let plan = world.plan();
        assert_eq!(captured(&world), 3500);
        assert!(kinds(&plan).is_empty(), "{:?}", plan.tasks);
    }
}

#[test]
fn what_nobody_has_mapped_is_captured_when_it_ships_and_not_with_the_rest() {
    let mut world = World::new(order(&[("A", 3, 1000), ("NEW", 1, 700)]));
    world.settle();
    world.edit(show(by_hand("ful_hand", 3, Some(3), "BYHAND1")));
    world.plan();
    assert_eq!(captured(&world), 3500);
    world.end_op(Op::Capture, Verdict::Done);
    show_captured(&mut world);
    let mut rest = by_hand("ful_rest", 1, Some(9), "BYHAND2");
    rest.lines = vec![("l2".into(), 1)];
    world.edit(show(rest));
    world.plan();
    assert_eq!(captured(&world), 4200);
}

#[test]
fn what_others_take_back_as_ours_leaves_waits_for_a_reservation_of_its_own() {
    let mut world = World::new(order(&[("A", 4, 1000)]));
    world.settle();
    world.edit(show(by_hand("ful_hand", 2, Some(3), "BYHAND1")));
    world.settle();
    world.wait(30);
    let sealed = world.seal().pop().unwrap();
    world.edit(cancel("ful_hand", 5));
    world.plan();
    world.wait(31);
    world.plan();
    // In one plan two are wanted again and two leave, with the reservation that was theirs.
    world.release("fulfilment_cancelled:ful_hand");
    world.parcel(&sealed, "T1", &[(1, 2)]);
    let plan = world.plan();
    assert!(plan.shipments.is_empty(), "{:?}", plan.shipments);
    assert_eq!(world.bound(&"l1".into(), "tokyo").1, 0);
    world.settle();
    let last = world.input.shipments.last().unwrap().reference.to_string();
    assert_ne!(last, sealed);
    assert_eq!(world.shipment(&last).lines[0].quantity, 2);
}

#[test]
fn what_staff_take_back_of_an_order_that_is_being_cancelled_is_asked_about() {
    let mut world = World::new(order(&[("A", 3, 1000), ("B", 1, 2000)]));
    world.settle();
    world.edit(show(by_hand("ful_hand", 3, Some(3), "BYHAND1")));
    world.settle();
    world.cancel();
    world.edit(cancel("ful_hand", 5));
    world.plan();
    world.wait(31);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["fulfilment_cancelled", "cancel_rest"]);
    assert!(world.calls(Op::CancelOrder).is_empty());
    // It did not ship: nothing of the order did.
    world.release("fulfilment_cancelled:ful_hand");
    // The capture that waits is taken back first.
    world.plan();
    world.plan();
    assert_eq!(world.calls(Op::CancelOrder).len(), 1);
    assert_eq!(revenue(&world).0, 0);
}

#[test]
fn what_is_packed_by_others_is_not_instructed_earns_nothing_and_comes_back_when_cancelled() {
    let mut world = three();
    world.edit(show(by_hand("ful_hand", 2, None, "")));
    let plan = world.settle();
    assert_eq!(
        plan.demands[0].wanted - plan.demands[0].shipped,
        3,
        "reserved still"
    );
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(world.shipment(sealed.last().unwrap()).lines[0].quantity, 1);
    world.push_all();
    assert_eq!((captured(&world), revenue(&world)), (0, (0, 0)));
    world.edit(cancel("ful_hand", 31));
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(
        world.shipment(&sealed[0]).lines[0].quantity,
        2,
        "back at once"
    );
}

#[test]
fn revenue_of_a_delivery_by_others_that_never_was_is_taken_back_on_the_day_that_is_said() {
    let mut world = three();
    if let Some(booking) = &mut world.policy.booking {
        booking.recognise = Recognise::Delivered;
    }
    world.edit(show(by_hand("ful_hand", 3, Some(3), "BYHAND1")));
    world.plan();
    world.wait(5 * 24 * 60);
    world.plan();
    assert_eq!(revenue(&world).0, 3500);
    world.edit(cancel("ful_hand", 6000));
    world.plan();
    world.wait(24 * 60);
    world.plan();
    assert_eq!(revenue(&world).0, 3500, "nobody has said yet");
    world.release("fulfilment_cancelled:ful_hand");
    world.plan();
    assert_eq!(revenue(&world), (0, 0));
    let rows = world.input.revenue.iter().filter(|row| row.gross < 0);
    let today = world
        .now
        .with_timezone(&world.policy.shop.timezone)
        .date_naive();
    assert!(rows.map(|row| row.business_date).all(|day| day == today));
}

#[test]
fn an_undone_shipment_of_what_the_order_wants_no_more_is_released_and_not_told_as_shipped() {
    for wanted in [3, 0] {
        let mut world = three();
        world.edit(show(by_hand("ful_hand", 3, Some(3), "BYHAND1")));
        world.plan();
        world.edit(cancel("ful_hand", 5));
        world.edit(|order| order.lines[0].quantity = wanted);
        world.wait(31);
        let plan = world.plan();
        let task = plan
            .tasks
            .iter()
            .find(|task| task.kind == "fulfilment_cancelled");
        let actions = task.map(|task| task.actions.clone()).unwrap_or_default();
        let shipped = actions.contains(&Action::Shipped { reference: None });
        assert_eq!(
            (shipped, actions.len()),
            (wanted > 0, 1 + usize::from(wanted > 0))
        );
        let parcel = Shipped {
            reference: None,
            tracking: "HAND1",
            carrier: None,
            from: Some("tokyo"),
            shipped_at: None,
            lines: &[],
            reason: "it did",
        };
        let typed = world.asked(|now| command::shipped(now, parcel));
        assert_eq!(typed.is_ok(), shipped, "a task offers what can be typed");
    }
}

#[test]
fn what_stays_packed_for_three_days_is_one_task() {
    let mut world = three();
    world.edit(show(by_hand("ful_hand", 2, None, "")));
    let plan = world.plan();
    assert!(plan.tasks.is_empty());
    assert!(plan.next.is_some());
    world.wait(72 * 60);
    assert!(kinds(&world.plan()).contains(&"packed_by_others"));
    world.release("packed_by_others");
    assert!(!kinds(&world.plan()).contains(&"packed_by_others"));
}

#[test]
fn a_fulfilment_with_the_number_of_our_parcel_is_that_parcel_whichever_is_read_first() {
    let numbers = ["4012-3456-7890", "４０１２３４５６７８９０"];
    for (shop_first, number) in [true, false]
        .into_iter()
        .flat_map(|b| numbers.map(|n| (b, n)))
    {
        let mut world = three();
        world.wait(30);
        world.seal();
        world.instruct_outcome(S1, Verdict::Accepted);
        let by_shop = |world: &mut World| {
            world.edit(show(by_hand("ful_hand", 3, Some(40), number)));
            world.plan();
        };
        if shop_first {
            by_shop(&mut world);
        }
        world.wait(20);
        world.parcel(S1, "401234567890", &[(1, 3)]);
        world.plan();
        if !shop_first {
            by_shop(&mut world);
        }
        world.push_all();
        let plan = world.plan();
        let moved: i64 = plan.entries.iter().map(|entry| entry.quantity).sum();
        assert_eq!(moved, -3, "shop first: {shop_first}");
        assert_eq!((captured(&world), revenue(&world).0), (3500, 3500));
        assert!(!kinds(&plan).contains(&"shipped_twice"));
        assert_eq!(plan.status, Status::Shipped);
    }
}

#[test]
fn what_is_at_a_warehouse_and_ships_by_hand_is_asked_back_once_and_paid_once() {
    let mut world = three();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.wait(30);
    shipped_at_tokyo(&mut world, 3);
    world.edit(show(by_hand("ful_hand", 3, Some(60), "BYHAND1")));
    world.plan();
    assert!(
        world.calls(Op::CancelInstruction).is_empty(),
        "many may change at once"
    );
    world.wait(1);
    world.push_all();
    assert_eq!(world.calls(Op::CancelInstruction).len(), 1);
    show_captured(&mut world);
    world.wait(60);
    world.parcel(S1, "4012", &[(1, 3)]);
    world.push_all();
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["shipped_twice"]);
    let text = &plan.tasks[0].detail;
    assert!(text.contains("3 × A shipped twice: ful_hand"), "{text}");
    assert!(text.contains("4012"), "{text}");
    let moved: Vec<i64> = plan.entries.iter().map(|entry| entry.quantity).collect();
    assert_eq!(moved.iter().sum::<i64>(), -6);
    assert_eq!((captured(&world), revenue(&world).0), (3500, 3500));
    assert_eq!(world.calls(Op::CancelInstruction).len(), 1);
    assert!(world.calls(Op::Fulfil).is_empty());
    assert!(world.calls(Op::Mail).is_empty() && world.intents(Op::Mail).is_empty());
    assert_eq!(world.input.shipments.len(), 1, "never a second instruction");
    world.release("shipped_twice");
    assert!(world.plan().tasks.is_empty());
    world.edit(show(by_hand("ful_again", 3, Some(130), "BYHAND2")));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["shipped_twice"], "that is another one");
}

#[test]
fn a_corrected_number_moves_nothing() {
    let mut world = three();
    world.edit(show(by_hand("ful_1", 3, Some(0), "N-1")));
    world.plan();
    world.wait(10);
    world.edit(cancel("ful_1", 10));
    let plan = world.plan();
    assert_eq!((plan.demands[0].shipped, plan.tasks.len()), (3, 0));
    assert_eq!(plan.next, Some(at(40)));
    world.wait(10);
    world.edit(show(by_hand("ful_2", 3, Some(20), "N-2")));
    world.push_all();
    world.wait(60);
    let plan = world.plan();
    assert_eq!(plan.entries.iter().map(|e| e.quantity).sum::<i64>(), -3);
    assert!(plan.tasks.is_empty());
    assert_eq!((captured(&world), revenue(&world).0), (3500, 3500));
}

#[test]
fn what_was_marked_as_shipped_and_cancelled_is_held_until_somebody_knows() {
    let mut world = three();
    world.edit(show(by_hand("ful_1", 3, Some(0), "N-1")));
    world.push_all();
    show_captured(&mut world);
    world.edit(cancel("ful_1", 10));
    world.wait(45);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["fulfilment_cancelled"]);
    assert_eq!(plan.demands[0].shipped, 3, "never instructed by itself");
    let booked = revenue(&world).0;
    assert_eq!(booked, 3500);
    world.release("fulfilment_cancelled:ful_1");
    let plan = world.plan();
    assert_eq!(plan.demands[0].shipped, 0);
    assert_eq!(plan.entries.iter().map(|e| e.quantity).sum::<i64>(), 0);
    assert_eq!(revenue(&world).0, 0, "taken back");
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(world.shipment(sealed.last().unwrap()).lines[0].quantity, 3);
    assert_eq!(captured(&world), 3500, "nothing is captured a second time");
}

#[test]
fn a_notice_of_ours_that_the_shop_cancels_ships_nothing_again() {
    let shipped = || {
        let mut world = three();
        world.wait(30);
        world.seal();
        world.instruct_outcome(S1, Verdict::Accepted);
        world.parcel(S1, "4012", &[(1, 3)]);
        world.push_all();
        show_captured(&mut world);
        let mut ours = by_hand("ful_ours", 3, Some(31), "4012");
        ours.reference = Some(S1.to_owned());
        world.edit(show(ours));
        world.push_all();
        world.edit(cancel("ful_ours", 40));
        world
    };
    let mut corrected = shipped();
    corrected.wait(10);
    corrected.edit(show(by_hand("ful_new", 3, Some(50), "4013")));
    corrected.push_all();
    corrected.wait(60);
    let plan = corrected.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.entries.iter().map(|e| e.quantity).sum::<i64>(), -3);
    assert_eq!(corrected.calls(Op::Fulfil).len(), 1);

    let mut open = shipped();
    open.wait(45);
    let plan = open.plan();
    assert_eq!(kinds(&plan), ["notice_cancelled"]);
    assert!(
        plan.tasks[0]
            .detail
            .contains("Send the shipping notice again")
    );
    let settles = Action::release("notice_cancelled:ful_ours");
    assert!(plan.tasks[0].actions.contains(&settles), "{:?}", plan.tasks);
    assert_eq!(
        (plan.demands[0].shipped, open.input.shipments.len()),
        (3, 1)
    );
    assert_eq!(
        open.calls(Op::Fulfil).len(),
        1,
        "told again only when somebody says so"
    );
    open.release("notice_cancelled:ful_ours");
    let plan = open.plan();
    assert_eq!((plan.tasks.len(), plan.demands[0].shipped), (0, 3));
}

/// A of one fulfilment, B of another that staff cancelled `ago` minutes before somebody says about the first.
fn one_in_doubt(ago: i64) -> World {
    let mut world = World::new(order(&[("A", 1, 1000), ("B", 1, 2000)]));
    world.settle();
    for (key, line) in [("ful_1", "l1"), ("ful_2", "l2")] {
        let mut shown = by_hand(key, 1, Some(0), "N-1");
        shown.lines = vec![(line.into(), 1)];
        world.edit(show(shown));
    }
    world.settle();
    world.edit(cancel("ful_1", 1));
    world.wait(60 - ago);
    world.edit(cancel("ful_2", 60 - ago));
    world.wait(ago);
    world.plan();
    world
}

#[test]
fn a_release_is_of_the_fulfilment_it_names_and_of_none_that_is_being_corrected() {
    let shipped = |plan: &OrderPlan| {
        plan.demands
            .iter()
            .map(|row| row.shipped)
            .collect::<Vec<_>>()
    };
    let mut world = one_in_doubt(5);
    world.release("fulfilment_cancelled:ful_1");
    // Typed to a version that did not look whether it is asked.
    world.release("fulfilment_cancelled:ful_2");
    assert_eq!(shipped(&world.plan()), [0, 1]);
    let mut corrected = by_hand("ful_3", 1, Some(65), "N-2");
    corrected.lines = vec![("l2".into(), 1)];
    world.wait(5);
    world.edit(show(corrected));
    world.settle();
    world.wait(600);
    let sealed = world.seal();
    assert_eq!(world.shipment(&sealed[0]).lines.len(), 1);
    assert_eq!(world.shipment(&sealed[0]).lines[0].line.as_str(), "l1");

    let mut world = one_in_doubt(45);
    world.release("fulfilment_cancelled:ful_1");
    let plan = world.plan();
    assert_eq!(
        (shipped(&plan), kinds(&plan)),
        (vec![0, 1], vec!["fulfilment_cancelled"])
    );
}

#[test]
fn a_release_of_before_that_named_no_fulfilment_settles_what_was_cancelled_before_it() {
    let mut world = one_in_doubt(5);
    world.release("fulfilment_cancelled");
    let plan = world.plan();
    let shipped: Vec<u32> = plan.demands.iter().map(|row| row.shipped).collect();
    assert_eq!((shipped, kinds(&plan)), (vec![0, 0], vec![]));
    let mut again = by_hand("ful_3", 1, Some(65), "N-3");
    again.lines = vec![("l1".into(), 1)];
    world.edit(show(again));
    world.edit(cancel("ful_3", 66));
    world.wait(31);
    assert_eq!(kinds(&world.plan()), ["fulfilment_cancelled"]);
}

/// Three of ours, and a line that the shop or nobody fulfils, or a service, shown in `ful_1`.
fn with_foreign(by: FulfilledBy, sku: &str, shipped: Option<i64>) -> OrderSnapshot {
    let mut snapshot = order(&[("A", 3, 1000), (sku, 1, 500)]);
    snapshot.lines[1].by = by;
    let mut fulfilment = by_hand("ful_1", 1, shipped, "");
    fulfilment.lines = vec![("l2".into(), 1)];
    show(fulfilment)(&mut snapshot);
    snapshot
}

#[test]
fn what_becomes_of_lines_that_we_do_not_ship_is_no_contradiction_and_no_task() {
    let foreign = [
        (FulfilledBy::Nobody, "G"),
        (FulfilledBy::Channel, "B"),
        (FulfilledBy::Us, "GIFT"),
    ];
    for (by, sku) in foreign {
        let mut world = World::new(with_foreign(by, sku, Some(0)));
        world.input.channel_alarm = true;
        let plan = world.settle();
        assert_eq!(world.input.at_once, Some(false), "{sku} at once");
        assert_eq!(plan.blocked_by.as_deref(), Some("batch"));
        world.edit(cancel("ful_1", 1));
        world.wait(45);
        assert_eq!(kinds(&world.plan()), Vec::<&str>::new());
        assert_eq!(world.seal().len(), 1, "{sku} cancelled");
        // A pick-up that nobody comes for.
        let mut world = World::new(with_foreign(by, sku, None));
        world.settle();
        world.wait(73 * 60);
        assert_eq!(kinds(&world.plan()), Vec::<&str>::new(), "{sku} packed");
    }
    // What the channel cancelled of it was not delivered, unless that corrects a number.
    let mut world = World::new(with_foreign(FulfilledBy::Nobody, "G", Some(0)));
    world.push_all();
    let first = revenue(&world).0;
    assert!(first > 0);
    world.edit(cancel("ful_1", 1));
    let plan = world.plan();
    assert_eq!((revenue(&world).0, plan.next), (first, Some(at(30))));
    world.wait(30);
    world.plan();
    assert_eq!(revenue(&world), (0, 0));
    world.edit(|order| order.fulfilments[0].cancelled_at = None);
    world.plan();
    assert_eq!(revenue(&world).0, first);
    // With goods of ours in it, it is one.
    let mut snapshot = with_foreign(FulfilledBy::Nobody, "G", Some(0));
    snapshot.fulfilments[0].lines.push(("l1".into(), 3));
    assert_eq!(World::new(snapshot).plan().at_once, Some(true));
}

#[test]
fn a_time_that_stands_in_for_one_that_was_not_kept_makes_no_machine_of_staff() {
    // A reading of before shipping times were kept: the time of ordering is in their place.
    let mut snapshot = order(&[("A", 3, 1000)]);
    snapshot.ordered_at = at(-600);
    let mut world = World::new(snapshot);
    world.edit(show(by_hand("ful_hand", 3, Some(-600), "900000000001")));
    assert_eq!(world.plan().at_once, Some(false), "read ten hours later");
    world.edit(show(by_hand("ful_hand", 3, Some(-1), "900000000001")));
    world.plan();
    assert_eq!(world.input.at_once, Some(false));
    // The channel tells the true time.
    world.edit(show(by_hand("ful_hand", 3, Some(-599), "900000000001")));
    world.plan();
    assert_eq!(world.input.at_once, Some(true));
}

#[test]
fn a_recall_by_policy_only_for_whole_shipments_of_others() {
    let mut world = three();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.edit(show(by_hand("ful_hand", 1, Some(31), "BYHAND1")));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["changed_after_sealing"]);
    assert!(
        plan.tasks[0]
            .detail
            .contains("1 × A shipped elsewhere already")
    );
    world.wait(5);
    world.push_all();
    assert!(world.calls(Op::CancelInstruction).is_empty());
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.quantity_down = Change::Recall;
    }
    world.plan();
    world.wait(5);
    world.push_all();
    assert_eq!(world.calls(Op::CancelInstruction).len(), 1);
}

#[test]
fn what_a_parcel_lacks_and_others_shipped_is_not_waited_for() {
    let mut world = three();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.edit(show(by_hand("ful_hand", 1, Some(31), "BYHAND1")));
    assert_eq!(kinds(&world.plan()), ["changed_after_sealing"]);
    // The warehouse was called, and ships the other two.
    world.parcel(S1, "401", &[(1, 2)]);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.demands[0].wanted, 3, "no unit stays reserved");
    world.push_all();
    assert_eq!(world.settle().status, Status::Shipped);
    assert_eq!(captured(&world), 3500);
    // It comes all the same.
    world.parcel(S1, "402", &[(1, 1)]);
    let plan = world.plan();
    assert!(kinds(&plan).contains(&"shipped_twice"), "{:?}", plan.tasks);
}

#[test]
fn goods_that_staff_packed_at_the_channel_and_a_warehouse_ships_are_told_once() {
    let mut world = three();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world.edit(show(by_hand("ful_pack", 3, None, "")));
    assert!(
        world.settle().tasks.is_empty(),
        "they say nothing before they ship"
    );
    world.parcel(S1, "4012", &[(1, 3)]);
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["packed_by_others"]);
    let text = &plan.tasks[0].detail;
    assert!(
        text.contains("ful_pack") && text.contains(S1) && text.contains("4012"),
        "{text}"
    );
    assert!(!plan.closed);
    // Marked as shipped with that number, it is that parcel.
    let mut marked = world.clone();
    marked.edit(show(by_hand("ful_pack", 3, Some(40), "4012")));
    let plan = marked.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert!(marked.calls(Op::Fulfil).is_empty());
    // Cancelled, the channel is told by us.
    world.edit(cancel("ful_pack", 41));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    world.push_all();
    assert_eq!(world.calls(Op::Fulfil).len(), 1);
}

#[test]
fn a_channel_that_marks_everything_as_fulfilled_is_believed_as_configured() {
    let mut world = three();
    world.input.channel_alarm = true;
    world.edit(show(by_hand("ful_auto", 3, Some(0), "")));
    let plan = world.plan();
    assert_eq!(
        (plan.blocked_by.as_deref(), plan.demands[0].shipped),
        (Some("hold:fulfilled_by_channel"), 0)
    );
    assert!(
        plan.tasks.is_empty(),
        "one task of the account, none of the order"
    );
    for (others, shipped) in [(Others::Believe, 3), (Others::IgnoreUnshipped, 0)] {
        for channel in world.policy.channels.values_mut() {
            channel.others = others;
        }
        let plan = world.peek();
        assert_eq!(plan.demands[0].shipped, shipped, "{others:?}");
    }
}

#[test]
fn an_unmapped_line_that_others_shipped_is_no_task() {
    let mut world = World::new(order(&[("GHOST", 1, 1000)]));
    assert_eq!(kinds(&world.plan()), ["unmapped_sku"]);
    world.edit(show(by_hand("ful_hand", 1, Some(0), "X")));
    let plan = world.plan();
    assert!(plan.tasks.is_empty());
    assert_eq!(plan.status, Status::Shipped);
    world.push_all();
    assert_eq!(captured(&world), 1500);
}

#[test]
fn an_unmapped_line_that_staff_ship_after_a_cancel_is_a_task() {
    let mut world = World::new(order(&[("GHOST", 1, 1000)]));
    world.plan();
    world.cancel();
    world.plan();
    world.end_op(Op::CancelOrder, Verdict::Refused);
    world.edit(show(by_hand("ful_hand", 1, Some(0), "X")));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["cancel_too_late"]);
    let detail = &plan.tasks[0].detail;
    assert!(detail.contains("1 × GHOST shipped"), "{detail}");
    world.release("cancel_too_late");
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn what_is_no_goods_of_ours_is_not_shipped_too_late() {
    let foreign = [
        (FulfilledBy::Nobody, "G"),
        (FulfilledBy::Channel, "B"),
        (FulfilledBy::Us, "GIFT"),
        (FulfilledBy::Us, "discount"),
    ];
    for (by, sku) in foreign {
        let mut snapshot = with_foreign(by, sku, Some(0));
        if sku == "discount" {
            let line = &mut snapshot.lines[1];
            (line.sku, line.unit_price) = (None, Some(-500));
        }
        let shown = std::mem::take(&mut snapshot.fulfilments);
        let mut world = World::new(snapshot);
        world.settle();
        world.cancel();
        world.plan();
        world.edit(|order| order.fulfilments = shown);
        let plan = world.peek();
        assert!(!kinds(&plan).contains(&"cancel_too_late"), "{by:?} {sku}");
    }
}

#[test]
fn somebody_who_captured_already_leaves_nothing_to_capture() {
    let mut world = three();
    world.edit(|order| {
        order
            .tenders
            .iter_mut()
            .for_each(|t: &mut Tender| t.captured = 3500)
    });
    world.edit(show(by_hand("ful_hand", 3, Some(0), "X")));
    world.push_all();
    assert!(world.calls(Op::Capture).is_empty());
    assert_eq!(revenue(&world).0, 3500);
}

#[test]
fn a_number_is_a_parcel_of_ours_only_for_the_goods_inside() {
    let shipped = |tracking: &str| {
        let mut world = World::new(order(&[("A", 3, 1000), ("B", 1, 500)]));
        world.settle();
        world.wait(30);
        world.seal();
        world.instruct_outcome(S1, Verdict::Accepted);
        world.parcel(S1, tracking, &[(1, 1)]);
        world.plan();
        world
    };
    let by_others = |world: &mut World| -> i64 {
        let entries = world.plan().entries;
        -entries.iter().map(|entry| entry.quantity).sum::<i64>()
    };
    // Two were put into the box, one of them by hand.
    let mut world = shipped("401234567890");
    world.edit(show(by_hand("ful_hand", 2, Some(40), "4012-3456-7890")));
    assert_eq!(by_others(&mut world), 2);
    // Another line in the same box.
    let mut world = shipped("401234567890");
    let mut other = by_hand("ful_hand", 1, Some(40), "4012-3456-7890");
    other.lines = vec![("l2".into(), 1)];
    world.edit(show(other));
    assert_eq!(by_others(&mut world), 2);
    // What stands for no number says nothing.
    let mut world = shipped("N/A");
    world.edit(show(by_hand("ful_hand", 1, Some(40), "n/a")));
    assert_eq!(by_others(&mut world), 2);
}

#[test]
fn a_notice_of_ours_takes_no_place_of_what_others_cancelled() {
    let mut world = three();
    world.edit(show(by_hand("ful_hand", 1, Some(0), "900000000001")));
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    world.instruct_outcome(&sealed[0], Verdict::Accepted);
    world.parcel(&sealed[0], "401234567890", &[(1, 2)]);
    world.push_all();
    world.edit(cancel("ful_hand", 35));
    world.plan();
    let mut ours = by_hand("ful_ours", 2, Some(36), "401234567890");
    ours.reference = Some(sealed[0].clone());
    world.edit(show(ours));
    world.wait(60);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["fulfilment_cancelled"]);
    assert!(plan.tasks[0].detail.contains("1 × A"), "{:?}", plan.tasks);
}

#[test]
fn what_shipped_long_after_the_order_is_no_shop_that_fulfils_by_itself() {
    let first_seen = |shipped: i64| {
        let mut snapshot = order(&[("A", 3, 1000)]);
        snapshot.ordered_at = at(-600);
        show(by_hand("ful_hand", 3, Some(shipped), "900000000001"))(&mut snapshot);
        let mut world = World::new(snapshot);
        world.plan().at_once
    };
    assert_eq!(first_seen(-30), Some(false), "an outage, then all at once");
    assert_eq!(first_seen(-599), Some(true));
}

#[test]
fn a_shipping_time_that_the_channel_puts_right_is_the_day_of_the_revenue() {
    let mut world = three();
    for channel in world.policy.channels.values_mut() {
        channel.others_ship_from = Some(OthersShipFrom::Elsewhere);
    }
    let mut packed = world.order();
    packed.charges.iter_mut().for_each(|c| c.gross = None);
    world.read(packed);
    world.edit(show(by_hand("ful_hand", 3, Some(0), "900000000001")));
    world.plan();
    assert!(world.input.revenue.is_empty(), "an amount is not known yet");
    world.wait(2 * 24 * 60);
    world.edit(show(by_hand("ful_hand", 3, Some(24 * 60), "900000000001")));
    world.edit(|order| {
        order.charges[0].gross = Some(500);
        order.charges[1].gross = Some(3000);
    });
    let plan = world.plan();
    assert_eq!(plan.revenue[0].business_date, at(24 * 60).date_naive());
}

#[test]
fn a_code_that_stands_for_more_later_moves_nothing_again() {
    let mut world = World::new(order(&[("B", 3, 1000)]));
    world.settle();
    world.edit(show(by_hand("ful_hand", 2, Some(0), "900000000001")));
    let moved = |plan: &OrderPlan| plan.entries.iter().map(|e| e.quantity).sum::<i64>();
    assert_eq!(moved(&world.plan()), -2);
    if let Some(item) = world.input.items.get_mut("B") {
        item.multiplier = 12;
    }
    assert_eq!(moved(&world.peek()), -2);
    world.edit(|order| order.lines.clear());
    assert_eq!(moved(&world.peek()), -2);
}

#[test]
fn a_capture_that_waits_is_taken_back_when_the_goods_did_not_ship() {
    let mut world = three();
    world.edit(show(by_hand("ful_hand", 3, Some(0), "900000000001")));
    world.plan();
    assert_eq!(world.calls(Op::Capture).len(), 1);
    world.edit(cancel("ful_hand", 10));
    world.wait(60);
    world.plan();
    world.release("fulfilment_cancelled:ful_hand");
    let plan = world.plan();
    assert_eq!(plan.withdraw.len(), 1, "{:?}", plan.withdraw);
    assert_eq!(plan.demands[0].shipped, 0);
}
