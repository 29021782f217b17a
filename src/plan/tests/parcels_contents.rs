//! Parcels that do not name our lines: their items by code, or everything of the shipment.

use hikiate_sdk::{CodeLine, Contents, Op, ParcelReport};

use super::build::at;
use super::parcels::{ONE, S1, THREE, TWO, day, instructed, number, row};
use super::world::World;
use crate::plan::command::{Shipped, shipped};
use crate::plan::types::Status;

/// A parcel by codes.
fn codes(number: &str, codes: &[(&str, u32)]) -> ParcelReport {
    let line = |(code, quantity): &(&str, u32)| CodeLine {
        code: (*code).to_owned(),
        quantity: *quantity,
    };
    ParcelReport {
        contents: Contents::Codes(codes.iter().map(line).collect()),
        ..row(Some(number), &[], at(31))
    }
}

/// The same at another time, so that it is no row of before.
fn later(report: ParcelReport) -> ParcelReport {
    ParcelReport {
        shipped_at: at(32),
        ..report
    }
}

/// A parcel that says a number and a day alone.
fn whole(number: Option<&str>) -> ParcelReport {
    ParcelReport {
        contents: Contents::Whole,
        ..day(number, &[], at(-600))
    }
}

/// What moved: the parcel, the shipment's line, and items.
fn inside(world: &mut World) -> Vec<(String, i64)> {
    let entries = world.plan().entries.into_iter();
    let moved = entries.filter(|entry| entry.quantity != 0);
    moved
        .map(|entry| {
            let cause = entry.cause.strip_prefix(&format!("parcel:{S1}:"));
            (cause.unwrap_or_default().to_owned(), -entry.quantity)
        })
        .collect()
}

fn held(number: &str, n: u32, items: i64) -> (String, i64) {
    (format!("{number}:{n}"), items)
}

#[test]
fn a_code_is_of_the_line_that_was_instructed_with_it() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500)]);
    world.hears("1", vec![codes(ONE, &[("B", 1), ("A", 1)])]);
    assert_eq!(inside(&mut world), [held(ONE, 1, 1), held(ONE, 2, 1)]);
    world.stands(Status::Instructed, -2, 2000, &["shipped_short"]);
    world.hears("2", vec![later(codes(TWO, &[("a", 1)]))]);
    world.stands(Status::Shipped, -3, 3000, &[]);
    // The same parcel with another quantity is corrected, and a code that it leaves out stays.
    world.hears("3", vec![codes(ONE, &[("A", 0)])]);
    assert_eq!(inside(&mut world), [held(ONE, 2, 1), held(TWO, 1, 1)]);
}

#[test]
fn lines_of_one_code_are_filled_in_their_order() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500), ("A", 3, 900)]);
    world.hears("1", vec![codes(ONE, &[("A", 3)]), codes(TWO, &[("A", 2)])]);
    let filled = [held(ONE, 1, 2), held(ONE, 3, 1), held(TWO, 3, 2)];
    assert_eq!(inside(&mut world), filled);
    world.stands(Status::Instructed, -5, 5200, &["shipped_short"]);
    // Told again it is the same; less of the first one leaves room, which the second one takes.
    world.hears("2", vec![codes(ONE, &[("A", 3)])]);
    assert_eq!(inside(&mut world), filled);
    world.hears("3", vec![codes(ONE, &[("A", 1)])]);
    let left = [held(ONE, 1, 1), held(TWO, 1, 1), held(TWO, 3, 1)];
    assert_eq!(inside(&mut world), left);
    // More than was instructed is on the last line, and over-shipped.
    let third = later(codes(THREE, &[("A", 1)]));
    world.hears("4", vec![codes(ONE, &[("A", 3)]), third]);
    let mut over = filled.to_vec();
    over.push(held(THREE, 3, 1));
    assert_eq!(inside(&mut world), over);
    let kinds = World::kinds(&world.plan()).join(" ");
    assert_eq!(kinds, "over_shipped shipped_short");
}

#[test]
fn a_number_that_comes_later_is_of_the_same_goods_by_code() {
    let mut world = instructed(&[("A", 1, 1000), ("A", 1, 1000)]);
    let bare = ParcelReport {
        key: "left".to_owned(),
        tracking: None,
        ..codes(ONE, &[("A", 2)])
    };
    world.hears("1", vec![bare]);
    world.hears("2", vec![codes(ONE, &[("A", 2)])]);
    assert_eq!(inside(&mut world), [held("left", 1, 1), held("left", 2, 1)]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(world.numbers_told().last(), Some(&vec![number(ONE)]));
}

#[test]
fn a_code_of_no_line_moves_nothing_until_a_right_file_comes() {
    let mut world = instructed(&[("A", 1, 1000)]);
    world.instructed_by("A");
    world.hears("1", vec![codes(ONE, &[("X", 1)])]);
    world.stands(Status::Instructed, 0, 0, &["parcel_code_differs"]);
    let detail = world.plan().tasks[0].detail.clone();
    let words = format!("{S1} ({ONE}) with a row of X, which is not the code of any of its lines");
    assert!(detail.contains(&words), "{detail}");
    world.hears("2", vec![codes(ONE, &[("A", 1)])]);
    world.stands(Status::Shipped, -1, 1500, &[]);
}

#[test]
fn a_parcel_without_contents_is_everything_and_its_further_numbers_move_nothing() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500)]);
    world.hears("1", vec![whole(Some(ONE)), whole(Some(TWO))]);
    assert_eq!(inside(&mut world), [held(ONE, 1, 2), held(ONE, 2, 1)]);
    world.stands(Status::Shipped, -3, 3000, &[]);
    let told = world.numbers_told();
    assert_eq!(told, [[number(ONE), number(TWO)]], "both numbers are told");
    // An export repeats both, in whichever order, and nothing changes.
    world.hears("2", vec![whole(Some(TWO)), whole(Some(ONE))]);
    world.stands(Status::Shipped, -3, 3000, &[]);
    assert_eq!(world.numbers_told(), told);
}

/// A slip that is printed anew has another number: nobody is told of it before somebody said which is right.
#[test]
fn another_number_in_a_later_file_is_a_corrected_one() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![whole(Some(ONE))]);
    world.push_all();
    world.hears("2", vec![whole(Some(TWO))]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_differs"]);
    assert_eq!(world.numbers_told(), [[number(ONE)]]);
}

#[test]
fn a_number_that_comes_later_or_is_left_out_later_is_of_the_same_parcel() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![whole(None)]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    world.hears("2", vec![whole(Some(ONE))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    let later = ParcelReport {
        contents: Contents::Whole,
        ..day(None, &[], at(31))
    };
    world.hears("3", vec![later]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
}

#[test]
fn everything_is_what_other_parcels_do_not_hold_whichever_is_known_first() {
    let lines = || row(Some(ONE), &[(1, 1)], at(31));
    for turned in [false, true] {
        let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500)]);
        let mut files = [lines(), whole(Some(TWO))];
        if turned {
            files.reverse();
        }
        for (n, report) in files.into_iter().enumerate() {
            world.hears(&n.to_string(), vec![report]);
        }
        let mut found = inside(&mut world);
        found.sort();
        let expected = [held(ONE, 1, 1), held(TWO, 1, 1), held(TWO, 2, 1)];
        assert_eq!(found, expected, "{turned}");
        // What was told as a whole lacks the number of the part.
        let kinds: &[&str] = if turned { &["tracking_corrected"] } else { &[] };
        world.stands(Status::Shipped, -3, 3000, kinds);
    }
}

#[test]
fn what_an_operator_typed_is_everything_when_it_is_reported() {
    let typed = |tracking| {
        let mut world = instructed(&[("A", 2, 1000)]);
        let what = Shipped {
            reference: Some(S1),
            tracking,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &[],
            reason: "by telephone",
        };
        world.typed(|now| shipped(now, what));
        world.hears("1", vec![whole(Some(ONE))]);
        world
    };
    let mut same = typed(ONE);
    same.stands(Status::Shipped, -2, 2500, &[]);
    assert_eq!(same.parcels().len(), 1);
    let mut other = typed(TWO);
    other.stands(Status::Shipped, -2, 2500, &["tracking_differs"]);
    assert_eq!(other.intents(Op::Capture).len(), 1);
}

/// A second parcel when nothing is left is beyond what was instructed, as it is by lines.
#[test]
fn everything_beside_parcels_that_hold_all_is_a_corrected_number_or_too_much() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.hears("2", vec![whole(Some(TWO))]);
    world.stands(Status::Shipped, -2, 2500, &["tracking_differs"]);
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears(
        "1",
        vec![
            row(Some(ONE), &[(1, 1)], at(31)),
            row(Some(THREE), &[(1, 1)], at(31)),
        ],
    );
    world.hears("2", vec![whole(Some(TWO))]);
    world.stands(Status::Shipped, -4, 2500, &["over_shipped"]);
}
