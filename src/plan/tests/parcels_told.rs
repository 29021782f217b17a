//! Parcels as others are told of them: days, codes, several labels, numbers that are waited for.

use chrono::Duration;
use hikiate_sdk::{Op, ParcelReport, ReplyVerdict};

use super::build::at;
use super::parcels::{ONE, S1, TWO, day, instructed, lines_of, row};
use super::world::World;
use crate::facts::{FactBody, IntentWhat};
use crate::plan::command::{Shipped, shipped};
use crate::plan::types::{ItemRef, Status};
use crate::plan::{left_at_that, parcels_told};

fn number(number: &str) -> Option<String> {
    Some(number.to_owned())
}

/// C11: a day without a time happened when it was told, within that day; a day to come has not happened.
#[test]
fn a_day_happened_when_it_was_told_at_the_latest_at_its_end() {
    // It was ordered at `at(0)`; the day began ten hours before and ends 14 hours after.
    for (told, effective) in [(60, 61), (20 * 60, 14 * 60)] {
        let mut world = instructed(&[("A", 2, 1000)]);
        world.wait(told - 30);
        world.hears("1", vec![day(Some(ONE), &[(1, 2)], at(-600))]);
        let plan = world.plan();
        assert_eq!(
            plan.entries[0].effective_at,
            at(effective),
            "told at {told}"
        );
        assert_eq!(plan.status, Status::Shipped);
        // Told again on another day, it still happened when it was told first.
        world.wait(24 * 60);
        let mut again = day(Some(ONE), &[(1, 2)], at(-600));
        again.carrier = None;
        world.hears("2", vec![again]);
        let plan = world.plan();
        assert_eq!(plan.entries[0].effective_at, at(effective), "told again");
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    }
    let tomorrow = at(14 * 60);
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![day(Some(ONE), &[(1, 2)], tomorrow)]);
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Instructed, 0));
    assert_eq!(plan.next, Some(tomorrow), "planned again when it begins");
    assert!(world.intents(Op::Fulfil).is_empty() && world.intents(Op::Capture).is_empty());
    world.now = tomorrow;
    world.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(world.plan().entries[0].effective_at, tomorrow);
}

#[test]
fn goods_do_not_ship_ten_minutes_before_their_order() {
    for (minutes, kinds) in [(-10, vec![]), (-11, vec!["shipped_date"])] {
        let mut world = instructed(&[("A", 2, 1000)]);
        world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(minutes))]);
        let plan = world.plan();
        assert_eq!(World::kinds(&plan), kinds);
        let effective = if kinds.is_empty() {
            at(minutes)
        } else {
            at(31)
        };
        assert_eq!(plan.entries[0].effective_at, effective);
    }
    // A day that ended before the order was placed.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![day(Some(ONE), &[(1, 2)], at(-24 * 60 - 11))]);
    assert_eq!(World::kinds(&world.plan()), ["shipped_date"]);
}

/// The code of a row, where the warehouse tells it.
fn coded(number: &str, lines: &[(u32, &str)]) -> ParcelReport {
    let quantities: Vec<(u32, u32)> = lines.iter().map(|(n, _)| (*n, 1)).collect();
    let mut report = row(Some(number), &quantities, at(31));
    for (line, (_, code)) in lines_of(&mut report).iter_mut().zip(lines) {
        line.code = Some((*code).to_owned());
    }
    report
}

/// Field case 09: the row says line 1 and names the item of line 2.
#[test]
fn a_row_whose_code_is_of_another_item_than_its_line_moves_nothing() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![coded(ONE, &[(1, "B")])]);
    world.stands(Status::Instructed, 0, 0, &["parcel_code_differs"]);
    assert!(world.intents(Op::Fulfil).is_empty() && world.input.revenue.is_empty());
    let task = world.plan().tasks[0].clone();
    assert!(
        task.detail
            .contains("line 1 as B, but it was instructed as A"),
        "{}",
        task.detail
    );
    // A file with the right row.
    let mut right = world.clone();
    right.hears("2", vec![coded(ONE, &[(2, "B")])]);
    right.stands(Status::Instructed, -1, 1000, &["shipped_short"]);
    // An operator knows what was shipped.
    let mut typed = world.clone();
    let lines = [("A".to_owned(), 1)];
    typed.typed(|now| {
        let what = Shipped {
            reference: Some(S1),
            tracking: ONE,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &lines,
            reason: "asked",
        };
        shipped(now, what)
    });
    typed.stands(Status::Instructed, -1, 1500, &["shipped_short"]);
    // Or it is left as it is.
    world.release("parcel_code_differs");
    world.stands(Status::Instructed, 0, 0, &[]);
}

/// What an operator has left at that is no answer: an instruction without one is asked about.
#[test]
fn a_row_that_is_left_at_that_is_no_reply_to_the_instruction() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![coded(ONE, &[(1, "B")])]);
    world.wait(60 * 24 * 7);
    world.stands(Status::Instructed, 0, 0, &["parcel_code_differs"]);
    world.release("parcel_code_differs");
    world.stands(Status::Instructed, 0, 0, &["instruction_reply_overdue"]);
}

/// Only while nothing else was heard: a good row, a quantity of 0, a reply, or a bad row that came later is a word.
#[test]
fn rows_that_are_left_at_that_are_no_word_while_nothing_else_was_told() {
    let no_word = |world: &World| left_at_that(&world.input, S1, world.now);
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    assert!(!no_word(&world), "there is no row");
    world.hears("1", vec![coded(ONE, &[(1, "B")])]);
    assert!(!no_word(&world), "nobody has looked");
    world.release("parcel_code_differs");
    assert!(no_word(&world));
    let told: [&dyn Fn(&mut World); 4] = [
        &|world| world.hears("2", vec![coded(TWO, &[(1, "A")])]),
        &|world| world.hears("2", vec![row(Some(TWO), &[(1, 0)], at(31))]),
        &|world| world.reply_in_words(S1, ReplyVerdict::Rejected, "no stock"),
        &|world| world.hears("2", vec![coded(TWO, &[(2, "A")])]),
    ];
    for (n, tell) in told.into_iter().enumerate() {
        let mut world = world.clone();
        tell(&mut world);
        assert!(!no_word(&world), "{n}");
    }
}

/// The warehouse will not ship it, and also reports a row that nobody can believe, in either order: once an operator has left that row
/// at that, it is rejected like any other.
#[test]
fn a_rejected_instruction_with_a_row_that_is_left_at_that_is_rejected() {
    for report_first in [false, true] {
        let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
        let report = |world: &mut World| world.hears("1", vec![coded(ONE, &[(1, "B")])]);
        if report_first {
            report(&mut world);
        }
        world.reply_in_words(S1, ReplyVerdict::Rejected, "no stock");
        if !report_first {
            report(&mut world);
        }
        world.stands(Status::Instructed, 0, 0, &["parcel_code_differs"]);
        let detail = world.plan().tasks[0].detail.clone();
        assert!(detail.contains("it will not ship it: no stock"), "{detail}");
        world.release("parcel_code_differs");
        assert_eq!(
            World::kinds(&world.plan()),
            ["instruction_rejected"],
            "{report_first}"
        );
        world.release(&format!("rejected:{S1}"));
        assert!(World::kinds(&world.plan()).is_empty());
    }
}

/// What the task says to type is taken: for the shipment, under the number of the parcel that has the row.
#[test]
fn what_was_shipped_in_place_of_a_misread_row_can_be_typed_under_its_number() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![coded(ONE, &[(1, "A"), (2, "A")])]);
    let plan = world.plan();
    let task = plan.tasks.iter().find(|t| t.kind == "parcel_code_differs");
    let reference = Some(S1.to_owned());
    let offered = crate::action::Action::Shipped { reference };
    assert!(task.unwrap().actions.contains(&offered), "{task:?}");
    let left = world.now;
    world.wait(30);
    let lines = [("B".to_owned(), 1)];
    world.typed(|now| {
        let what = Shipped {
            reference: Some(S1),
            tracking: ONE,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &lines,
            reason: "asked",
        };
        shipped(now, what)
    });
    assert_eq!(
        world.parcels(),
        [(Some(ONE.to_owned()), vec![(1, 1), (2, 1)])]
    );
    let first = &world.plan().entries[0];
    assert!(
        first.effective_at <= left,
        "what was believed keeps its time"
    );
    world.stands(Status::Shipped, -2, 2000, &[]);
    // A number of a parcel that has no such row is refused as before.
    let again = world.asked(|now| {
        let what = Shipped {
            reference: Some(S1),
            tracking: ONE,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &[],
            reason: "asked",
        };
        shipped(now, what)
    });
    assert!(again.is_err());
}

#[test]
fn a_code_that_is_right_unknown_or_beside_right_rows_holds_nothing_up() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    // In full width, and a barcode that nobody has mapped.
    world.hears("1", vec![coded(ONE, &[(1, "ａ "), (2, "4900000000000")])]);
    world.stands(Status::Shipped, -2, 2000, &[]);
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![coded(ONE, &[(1, "A"), (2, "A")])]);
    world.stands(
        Status::Instructed,
        -1,
        1500,
        &["shipped_short", "parcel_code_differs"],
    );
}

impl World {
    /// Its instruction named this code on line 1.
    pub(super) fn instructed_by(&mut self, code: &str) {
        for fact in &mut self.input.facts {
            if let FactBody::Intent(intent) = &mut fact.body
                && let IntentWhat::Member { codes, .. } = &mut intent.what
            {
                *codes = vec![(1, code.to_owned())];
            }
        }
    }

    /// What the warehouse's list says of a code.
    fn listed(&mut self, code: &str, item_id: i64, multiplier: u32) {
        let item = ItemRef {
            item_id,
            multiplier,
            stocked: true,
        };
        let account = self.shipment(S1).account;
        self.input.codes.insert((account, code.to_owned()), item);
    }
}

/// Field-B4: line number and code must agree, and a code that nobody knows does not.
#[test]
fn a_code_that_is_not_the_one_of_its_line_is_not_taken_for_the_line() {
    let written = |code: &str| {
        let mut world = instructed(&[("A", 1, 1000)]);
        world.instructed_by("W-1");
        world.input.codes.clear();
        world.listed("W-2", 1, 1);
        world.hears("1", vec![coded(ONE, &[(1, code)])]);
        world
    };
    // As it was instructed, as the warehouse's list has the item, as the channel has the line.
    for right in ["ｗ-1 ", "W-2", "A"] {
        let mut world = written(right);
        world.stands(Status::Shipped, -1, 1500, &[]);
    }
    let mut world = written("4900000000000");
    world.stands(Status::Instructed, 0, 0, &["parcel_code_differs"]);
    let detail = world.plan().tasks[0].detail.clone();
    assert!(
        detail.contains("line 1 as 4900000000000, but it was instructed as W-1"),
        "{detail}"
    );
    assert!(detail.contains("mapping file"), "{detail}");
    // The mapping file has it from now on.
    world.listed("4900000000000", 1, 1);
    world.stands(Status::Shipped, -1, 1500, &[]);
}

/// Instructions name a code of one item; a row that names a code of several tells as many of each.
#[test]
fn a_row_of_a_code_of_several_items_tells_as_many() {
    for (code, quantity) in [("A", 8), ("ａ4", 2)] {
        let mut world = instructed(&[("A", 8, 100)]);
        world.instructed_by("A");
        world.listed("A4", 1, 4);
        let mut report = coded(ONE, &[(1, code)]);
        lines_of(&mut report)[0].quantity = quantity;
        world.hears("1", vec![report]);
        world.stands(Status::Shipped, -8, 1300, &[]);
    }
}

/// Field case 30: two numbers in one cell are two labels of one parcel.
#[test]
fn a_parcel_with_several_labels_is_told_with_all_of_them() {
    let labels = |more: &[&str]| ParcelReport {
        also: more.iter().map(|&number| number.to_owned()).collect(),
        ..row(Some(ONE), &[(1, 2)], at(31))
    };
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![labels(&[TWO])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(world.numbers_told(), [[number(ONE), number(TWO)]]);
    let told = parcels_told(world.input.facts.iter().map(crate::facts::Fact::said));
    assert_eq!((told.len(), &told[0].also), (1, &vec![TWO.to_owned()]));
    // A row with the second label alone is the same parcel.
    world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(40))]);
    world.wait(10);
    world.stands(Status::Shipped, -2, 2500, &[]);
    // A label that comes later is added where the channel was told.
    world.hears("3", vec![labels(&[TWO, "401234567912"])]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_corrected"]);
    let detail = &world.plan().tasks[0].detail;
    assert!(detail.contains("Add 401234567912 there"), "{detail}");
}

/// Notice and mail wait for the number, and no longer than it is said.
#[test]
fn a_notice_waits_two_hours_for_the_number_and_is_told_without() {
    for number_comes in [Some(119), None] {
        let mut world = instructed(&[("A", 2, 1000)]);
        world.hears("1", vec![row(None, &[(1, 2)], at(31))]);
        let told = world.now;
        world.push_all();
        let plan = world.plan();
        assert_eq!((plan.status, world.moved()), (Status::Shipped, -2));
        assert_eq!(world.intended_next(), 2500, "money waits for nothing");
        assert!(world.intents(Op::Fulfil).is_empty() && world.intents(Op::Mail).is_empty());
        assert_eq!(plan.next, Some(told + Duration::hours(2)));
        if let Some(minutes) = number_comes {
            world.wait(minutes - 1);
            world.hears("2", vec![row(Some(ONE), &[(1, 2)], at(31))]);
        } else {
            world.now = told + Duration::hours(2);
        }
        world.stands(Status::Shipped, -2, 2500, &[]);
        let expected = number_comes.map(|_| ONE.to_owned());
        assert_eq!(world.numbers_told(), [[expected]]);
        assert_eq!(world.intents(Op::Mail).len(), 1);
        // A number that comes after all is for an operator to type there, once.
        world.hears("3", vec![row(Some(ONE), &[(1, 2)], at(31))]);
        let kinds: &[&str] = if number_comes.is_some() {
            &[]
        } else {
            &["tracking_corrected"]
        };
        world.stands(Status::Shipped, -2, 2500, kinds);
        assert_eq!(
            (world.intents(Op::Ship).len(), world.intents(Op::Mail).len()),
            (1, 1)
        );
    }
}

/// Field case 07: a rounded number is a bad row, so that nothing is known; the row that comes in its place is the parcel.
#[test]
fn a_row_that_was_refused_for_its_number_is_told_once_when_it_comes_right() {
    let mut world = instructed(&[("A", 1, 1000)]);
    world.stands(Status::Instructed, 0, 0, &[]);
    world.wait(30);
    world.hears("2", vec![row(Some("401235000000"), &[(1, 1)], at(31))]);
    world.stands(Status::Shipped, -1, 1500, &[]);
    assert_eq!(world.numbers_told(), [[number("401235000000")]]);
}
