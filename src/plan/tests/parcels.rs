//! What is one parcel: files that say it in parts, again, without a number, or under another one.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Call, Op, ParcelLine, ParcelReport, ReportSource, ShipmentReference};

use super::build::{at, order};
use super::world::World;
use crate::facts::{FactBody, Verdict};
use crate::plan::parcels_told;
use crate::plan::types::Status;

pub(super) const S1: &str = "HK0123456789ABC-S1";
pub(super) const ONE: &str = "401234567890";
pub(super) const TWO: &str = "401234567901";
pub(super) const THREE: &str = "401234567912";

/// A shipment of these codes and quantities that its warehouse has accepted.
pub(super) fn instructed(lines: &[(&str, u32, i64)]) -> World {
    let mut world = World::new(order(lines));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world
}

/// A row, or the rows of one parcel, as the `files` connector reads them: without a number the time is the key.
pub(super) fn row(
    number: Option<&str>,
    lines: &[(u32, u32)],
    shipped_at: DateTime<Utc>,
) -> ParcelReport {
    ParcelReport {
        reference: ShipmentReference::new(S1),
        key: number.map_or_else(|| format!("left {shipped_at}"), str::to_owned),
        named: false,
        carrier: Some("yamato".to_owned()),
        tracking: number.map(str::to_owned),
        also: Vec::new(),
        shipped_at,
        shipped_until: None,
        contents: hikiate_sdk::Contents::Lines(
            lines.iter().map(|(n, q)| ParcelLine::new(*n, *q)).collect(),
        ),
        adds: false,
        told: None,
    }
}

/// The lines of a report that names them.
pub(super) fn lines_of(report: &mut ParcelReport) -> &mut Vec<ParcelLine> {
    match &mut report.contents {
        hikiate_sdk::Contents::Lines(lines) => lines,
        other => panic!("{other:?}"),
    }
}

/// The same of a day without a time.
pub(super) fn day(number: Option<&str>, lines: &[(u32, u32)], day: DateTime<Utc>) -> ParcelReport {
    ParcelReport {
        shipped_until: Some(day + Duration::days(1)),
        ..row(number, lines, day)
    }
}

/// A parcel's number, and its lines with quantities.
pub(super) type Contents = (Option<String>, Vec<(u32, u32)>);

impl World {
    /// A file comes a minute after what came before. As the store does, a report that says what the last one of its series
    /// said is no new fact.
    pub(super) fn hears(&mut self, file: &str, reports: Vec<ParcelReport>) {
        self.wait(1);
        for report in reports {
            let last = self
                .input
                .facts
                .iter()
                .rev()
                .find_map(|fact| match &fact.body {
                    FactBody::Parcel(last) if last.key == report.key => Some(last.clone()),
                    _ => None,
                });
            let another = |last: &ParcelReport| {
                let of = last.told.as_ref().map(|told| told.file.as_str());
                report.adds && of != Some(file)
            };
            let said = last.filter(|last| !another(last));
            let said = said.map(|last| ParcelReport { told: None, ..last });
            if said.as_ref() == Some(&report) {
                continue;
            }
            self.stores(file, report);
        }
        self.plan();
    }

    /// A report of a file is stored, whether it says anything new or not.
    pub(super) fn stores(&mut self, file: &str, mut report: ParcelReport) {
        report.told = Some(ReportSource {
            file: file.to_owned(),
            at: self.now,
            rows: Vec::new(),
        });
        let key = self.nth(format!("parcel:{S1}:{}", report.key));
        self.fact(key, FactBody::Parcel(report), "pull");
    }

    /// Parcels by number and contents.
    pub(super) fn parcels(&self) -> Vec<Contents> {
        let facts = self.input.facts.iter().map(crate::facts::Fact::said);
        let told = parcels_told(facts).into_iter();
        told.map(|parcel| {
            let lines = parcel.lines().iter().map(|line| (line.n, line.quantity));
            let lines = lines.filter(|(_, q)| *q > 0).collect();
            (parcel.tracking, lines)
        })
        .collect()
    }

    /// The numbers in the calls that said what shipped, a call each.
    pub(super) fn numbers_told(&self) -> Vec<Vec<Option<String>>> {
        let calls = self.calls(Op::Ship).into_iter();
        let parcels = calls.filter_map(|call| match call {
            Call::Ship(ship) => Some(ship.parcels),
            _ => None,
        });
        parcels
            .map(|parcels| parcels.into_iter().map(|parcel| parcel.tracking).collect())
            .collect()
    }

    /// Status, what moved, what is to be captured and the tasks, once all that is due is done.
    #[track_caller]
    pub(super) fn stands(&mut self, status: Status, moved: i64, captured: i64, kinds: &[&str]) {
        self.push_all();
        let plan = self.plan();
        let kinds_now = World::kinds(&plan);
        assert_eq!(
            (plan.status, self.moved(), self.intended_next(), kinds_now),
            (status, moved, captured, kinds.to_vec()),
            "{:?}",
            plan.tasks
        );
    }
}

pub(super) fn number(number: &str) -> Option<String> {
    Some(number.to_owned())
}

/// (a) The warehouse's own name of a parcel decides, whatever the numbers and times are.
#[test]
fn parcels_that_the_warehouse_names_are_what_it_names() {
    let named = |key: &str, number, items| ParcelReport {
        key: key.to_owned(),
        named: true,
        ..row(Some(number), &[(1, items)], at(31))
    };
    let mut world = instructed(&[("A", 3, 1000)]);
    world.hears("1", vec![named("box 1", ONE, 1), named("box 2", ONE, 1)]);
    assert_eq!(
        world.parcels(),
        [(number(ONE), vec![(1, 1)]), (number(ONE), vec![(1, 1)])]
    );
    // Another number and quantity under its name is the same parcel, corrected.
    world.hears("2", vec![named("box 2", TWO, 2)]);
    assert_eq!(
        world.parcels(),
        [(number(ONE), vec![(1, 1)]), (number(TWO), vec![(1, 2)])]
    );
    world.stands(Status::Shipped, -3, 3500, &[]);
    // More than was instructed under a third name is a third parcel.
    world.hears("3", vec![named("box 3", THREE, 1)]);
    world.stands(Status::Shipped, -4, 3500, &["over_shipped"]);
}

/// (b) A later file with the same line and clock time corrects the row.
#[test]
fn the_same_line_and_clock_time_in_a_later_file_is_the_same_row() {
    let mut world = instructed(&[("A", 4, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.push_all();
    world.hears("2", vec![row(Some(TWO), &[(1, 2)], at(31))]);
    assert_eq!(world.parcels(), [(number(TWO), vec![(1, 2)])]);
    world.stands(
        Status::Instructed,
        -2,
        2500,
        &["shipped_short", "tracking_corrected"],
    );
    let task = &world.plan().tasks[1].detail;
    assert!(
        task.contains(&format!("as {ONE}. Enter {TWO} there")),
        "{task}"
    );
    assert_eq!(
        world.numbers_told(),
        [[number(ONE)]],
        "it is not told twice"
    );
    // The newest quantity stands, too.
    world.hears("3", vec![row(Some(THREE), &[(1, 4)], at(31))]);
    assert_eq!(world.parcels(), [(number(THREE), vec![(1, 4)])]);
    world.stands(Status::Shipped, -4, 4500, &["tracking_corrected"]);
}

#[test]
fn rows_of_one_file_or_of_a_day_with_different_numbers_are_different_rows() {
    let mut world = instructed(&[("A", 4, 1000)]);
    world.hears(
        "1",
        vec![
            row(Some(ONE), &[(1, 2)], at(31)),
            row(Some(TWO), &[(1, 2)], at(31)),
        ],
    );
    world.stands(Status::Shipped, -4, 4500, &[]);
    let mut world = instructed(&[("A", 4, 1000)]);
    world.hears("1", vec![day(Some(ONE), &[(1, 2)], at(-600))]);
    world.hears("2", vec![day(Some(TWO), &[(1, 2)], at(-600))]);
    assert_eq!(world.parcels().len(), 2);
    world.stands(Status::Shipped, -4, 4500, &[]);
}

/// A cumulative file repeats the first of two boxes of one second: stored, the repeat says that they are two, in whichever
/// order the file has them.
#[test]
fn what_a_later_file_repeats_beside_another_number_is_another_row() {
    for turned in [false, true] {
        let mut world = instructed(&[("A", 2, 1000)]);
        world.hears("1", vec![row(Some(ONE), &[(1, 1)], at(31))]);
        world.push_all();
        let mut second = vec![
            row(Some(ONE), &[(1, 1)], at(31)),
            row(Some(TWO), &[(1, 1)], at(31)),
        ];
        if turned {
            second.reverse();
        }
        world.wait(1);
        for report in second {
            world.stores("2", report);
        }
        assert_eq!(
            world.parcels(),
            [(number(ONE), vec![(1, 1)]), (number(TWO), vec![(1, 1)])]
        );
        world.stands(Status::Shipped, -2, 2500, &[]);
        assert_eq!(world.numbers_told(), [[number(ONE)], [number(TWO)]]);
    }
    // What the repeat would have told is asked of an operator.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 1)], at(31))]);
    world.hears("2", vec![row(Some(TWO), &[(1, 1)], at(31))]);
    world.push_all();
    let task = world.plan().tasks[0].clone();
    let two = format!("parcel_reported_twice:{S1}");
    assert_eq!(task.kind, "shipped_short");
    assert!(
        task.detail.contains(&format!("release {two}")),
        "{}",
        task.detail
    );
    world.release(&two);
    assert_eq!(world.parcels().len(), 2);
    world.push_all();
    assert_eq!((world.moved(), world.plan().status), (-2, Status::Shipped));
}

/// A row that a later file has under another number leaves the parcel it was in, and the rest of that stays.
#[test]
fn a_row_that_moves_to_another_parcel_is_in_that_one_alone() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 1), (2, 1)], at(31))]);
    world.hears("2", vec![row(Some(TWO), &[(2, 1)], at(31))]);
    assert_eq!(
        world.parcels(),
        [(number(ONE), vec![(1, 1)]), (number(TWO), vec![(2, 1)])]
    );
    // Both lines are under way to the channel already: the number is all that it lacks.
    world.stands(Status::Shipped, -2, 2000, &["tracking_corrected"]);
    assert_eq!(world.numbers_told(), [[number(ONE)]]);
    let detail = &world.plan().tasks[0].detail;
    assert!(detail.contains(&format!("Add {TWO} there")), "{detail}");
}

/// (c), field case 08: two lines of one parcel in two files.
#[test]
fn the_same_number_with_another_line_is_the_same_parcel() {
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    let shipped = at(31) + Duration::seconds(12);
    world.hears("1", vec![row(Some("4012-3456-7802"), &[(1, 1)], at(31))]);
    world.wait(5);
    world.stands(Status::Instructed, -1, 1500, &["shipped_short"]);
    let mut second = row(Some("401234567802"), &[(2, 1)], shipped);
    second.key = "401234567802".to_owned();
    world.hears("2", vec![second]);
    assert_eq!(
        world.parcels(),
        [(number("401234567802"), vec![(1, 1), (2, 1)])]
    );
    world.stands(Status::Shipped, -2, 2000, &[]);
    // A repeat of the first file takes nothing back and adds nothing.
    world.hears("3", vec![row(Some("4012-3456-7802"), &[(1, 1)], at(31))]);
    world.stands(Status::Shipped, -2, 2000, &[]);
}

/// (d), field case 05: the number comes in a later file.
#[test]
fn a_number_that_comes_for_the_same_row_is_of_that_parcel() {
    for day_alone in [false, true] {
        let tell = |number| match day_alone {
            false => row(number, &[(1, 1)], at(31)),
            true => day(number, &[(1, 1)], at(-600)),
        };
        // One instructed, or three: then only the row says that it is the same.
        for instructed_items in [1, 3] {
            let mut world = instructed(&[("A", instructed_items, 1000)]);
            world.hears("1", vec![tell(None)]);
            world.push_all();
            assert_eq!((world.moved(), world.numbers_told().len()), (-1, 0));
            world.hears("2", vec![tell(Some(ONE))]);
            assert_eq!(world.parcels(), [(number(ONE), vec![(1, 1)])]);
            world.push_all();
            assert_eq!(world.moved(), -1);
            assert_eq!(world.numbers_told(), [[number(ONE)]]);
        }
    }
    // Of one file they are two.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears(
        "1",
        vec![
            day(None, &[(1, 1)], at(-600)),
            day(Some(ONE), &[(1, 1)], at(-600)),
        ],
    );
    assert_eq!((world.parcels().len(), world.moved()), (2, -2));
}

#[test]
fn a_number_that_would_be_too_much_as_another_parcel_is_of_the_one_without() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(None, &[(1, 2)], at(31))]);
    world.wait(60);
    world.hears("2", vec![row(Some(ONE), &[(1, 2)], at(90))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    // One row without a number, and later its lines in two boxes.
    let mut world = instructed(&[("A", 1, 1000), ("B", 1, 500)]);
    world.hears("1", vec![row(None, &[(1, 1), (2, 1)], at(31))]);
    world.hears(
        "2",
        vec![
            row(Some(ONE), &[(1, 1)], at(31)),
            row(Some(TWO), &[(2, 1)], at(31)),
        ],
    );
    let mut parcels = world.parcels();
    parcels.sort();
    assert_eq!(
        parcels,
        [(number(ONE), vec![(1, 1)]), (number(TWO), vec![(2, 1)])]
    );
    world.stands(Status::Shipped, -2, 2000, &[]);
}

/// (e) Within what was instructed, another number or time is another parcel.
#[test]
fn another_number_or_time_within_what_was_instructed_is_a_further_parcel() {
    let mut world = instructed(&[("A", 3, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 1)], at(31))]);
    world.wait(10);
    world.hears("2", vec![row(Some(TWO), &[(1, 1)], at(40))]);
    world.hears("3", vec![row(None, &[(1, 1)], at(41))]);
    assert_eq!(
        world.parcels(),
        [
            (number(ONE), vec![(1, 1)]),
            (number(TWO), vec![(1, 1)]),
            (None, vec![(1, 1)])
        ]
    );
    world.wait(121);
    world.stands(Status::Shipped, -3, 3500, &[]);
}

/// C12: of one parcel and line the last file's quantity stands, a line that is not named stays.
#[test]
fn the_last_quantity_of_a_line_stands_and_a_line_that_is_not_named_stays() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 2, 500)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2), (2, 1)], at(31))]);
    world.hears("2", vec![row(Some(ONE), &[(2, 2)], at(31))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2), (2, 2)])]);
    world.hears("3", vec![row(Some(ONE), &[(1, 2), (2, 2)], at(31))]);
    world.stands(Status::Shipped, -4, 3500, &[]);
}

#[test]
fn a_total_that_shrinks_after_it_was_told_is_corrected_and_a_task() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.push_all();
    let revenue = |world: &World| -> i64 { world.input.revenue.iter().map(|row| row.gross).sum() };
    assert_eq!((world.moved(), revenue(&world)), (-2, 2500));
    world.hears("2", vec![row(Some(ONE), &[(1, 1)], at(31))]);
    world.push_all();
    let plan = world.plan();
    assert_eq!((world.moved(), revenue(&world)), (-1, 1500));
    let kinds = World::kinds(&plan);
    assert!(
        kinds.contains(&"notice_exceeds_shipped"),
        "{:?}",
        plan.tasks
    );
    assert!(
        plan.tasks[0]
            .detail
            .contains("2 × A shipped, but the warehouse now reports 1"),
        "{:?}",
        plan.tasks
    );
}

#[test]
fn quantities_that_add_add_each_at_its_time() {
    let adds = |items, shipped_at| ParcelReport {
        adds: true,
        ..row(Some(ONE), &[(1, items)], shipped_at)
    };
    let mut world = instructed(&[("A", 5, 1000)]);
    world.hears("1", vec![adds(2, at(31))]);
    world.wait(60);
    world.hears("2", vec![adds(3, at(90))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 5)])]);
    let plan = world.plan();
    let moved: Vec<_> = plan
        .entries
        .iter()
        .map(|e| (e.quantity, e.effective_at))
        .collect();
    assert_eq!(moved, [(-2, at(31)), (-3, at(90))]);
    world.stands(Status::Shipped, -5, 5500, &[]);
}

#[test]
fn quantities_beyond_all_bounds_are_at_the_bound() {
    let adds = |items, shipped_at| ParcelReport {
        adds: true,
        ..row(Some(ONE), &[(1, items)], shipped_at)
    };
    let mut world = instructed(&[("A", 1, 1000)]);
    world.hears("1", vec![adds(u32::MAX, at(31))]);
    world.hears("2", vec![adds(u32::MAX, at(32))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, u32::MAX)])]);
    assert_eq!(World::kinds(&world.plan()), ["over_shipped"]);
}
