//! What files say of parcels again: corrected to nothing, in numbered boxes, added up, or late.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Call, Op, ParcelReport, ReportSource};

use super::build::at;
use super::parcels::{Contents, ONE, S1, THREE, TWO, day, instructed, number, row};
use super::world::World;
use crate::facts::FactBody;
use crate::plan::command::correct;
use crate::plan::types::Status;

/// A row that adds to what was told before.
fn adds(report: ParcelReport) -> ParcelReport {
    ParcelReport {
        adds: true,
        ..report
    }
}

impl World {
    /// A report of a file that is of an earlier time than its reading.
    fn hears_late(&mut self, file: &str, told: DateTime<Utc>, mut report: ParcelReport) {
        self.wait(1);
        report.told = Some(ReportSource {
            file: file.to_owned(),
            at: told,
            rows: Vec::new(),
        });
        let key = self.nth(format!("parcel:{S1}:{}", report.key));
        self.fact(key, FactBody::Parcel(report), "pull");
        self.plan();
    }

    fn boxes(&self) -> Vec<Contents> {
        let mut boxes = self.parcels();
        boxes.sort();
        boxes
    }
}

#[test]
fn a_quantity_that_is_corrected_to_nothing_takes_it_back() {
    let mut world = instructed(&[("A", 2, 1000), ("B", 1, 500)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 2), (2, 1)], at(31))]);
    world.push_all();
    assert_eq!(world.moved(), -3);
    world.hears("2", vec![row(Some(ONE), &[(1, 0)], at(31))]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(2, 1)])]);
    world.push_all();
    let plan = world.plan();
    let kinds = World::kinds(&plan);
    assert_eq!(world.moved(), -1);
    assert!(kinds.contains(&"notice_exceeds_shipped"), "{kinds:?}");
}

#[test]
fn a_zero_that_corrects_nothing_says_nothing() {
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(Some(ONE), &[(1, 0)], at(31))]);
    assert_eq!(world.parcels(), []);
    world.stands(Status::Instructed, 0, 0, &[]);
    assert!(world.plan().entries.iter().all(|entry| entry.quantity == 0));
    world.hears("2", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.stands(Status::Shipped, -2, 2500, &[]);
}

/// Tells a row, as a time or as a day.
type Tell = fn(Option<&str>, &[(u32, u32)], i64) -> ParcelReport;

/// (d) One row without a number, and later its pieces in boxes with numbers.
#[test]
fn numbered_boxes_that_would_be_too_much_beside_goods_without_a_number_are_those_goods() {
    let two = [(number(ONE), vec![(1, 1)]), (number(TWO), vec![(1, 1)])];
    // As times and as days, in one file and in one each.
    let times: [Tell; 2] = [
        |number, lines, minute| row(number, lines, at(minute)),
        |number, lines, _| day(number, lines, at(-600)),
    ];
    for tell in times {
        for instructed_items in [2, 3] {
            let mut world = instructed(&[("A", instructed_items, 1000)]);
            world.hears("1", vec![tell(None, &[(1, 2)], 31)]);
            world.wait(60);
            let boxes = vec![
                tell(Some(ONE), &[(1, 1)], 90),
                tell(Some(TWO), &[(1, 1)], 90),
            ];
            world.hears("2", boxes);
            assert_eq!(world.boxes(), two, "{instructed_items} instructed");
            assert_eq!(world.moved(), -2);
            // What has no number is told once more, in a file that knows less.
            world.stores("3", tell(None, &[(1, 2)], 31));
            assert_eq!(world.boxes(), two);
            world.push_all();
            assert_eq!(world.moved(), -2);
        }
        // A file for each box: what is in neither so far is still without a number.
        let mut world = instructed(&[("A", 2, 1000)]);
        world.hears("1", vec![tell(None, &[(1, 2)], 31)]);
        world.wait(60);
        world.hears("2", vec![tell(Some(ONE), &[(1, 1)], 90)]);
        assert_eq!(
            world.boxes(),
            [(None, vec![(1, 1)]), (number(ONE), vec![(1, 1)])]
        );
        world.hears("3", vec![tell(Some(TWO), &[(1, 1)], 91)]);
        assert_eq!(world.boxes(), two);
        world.stands(Status::Shipped, -2, 2500, &[]);
    }
    // A box with more than was told before.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.hears("1", vec![row(None, &[(1, 1)], at(31))]);
    world.wait(60);
    world.hears("2", vec![row(Some(ONE), &[(1, 2)], at(90))]);
    assert_eq!(world.boxes(), [(number(ONE), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
}

#[test]
fn quantities_that_add_add_with_each_new_file_whatever_their_times_are() {
    for number in [Some(ONE), None] {
        for tell in [row, day] {
            let left = at(-600);
            let mut world = instructed(&[("A", 5, 1000)]);
            world.hears("1", vec![adds(tell(number, &[(1, 2)], left))]);
            world.hears("2", vec![adds(tell(number, &[(1, 2)], left))]);
            assert_eq!(world.parcels()[0].1, [(1, 4)], "the same row, told anew");
            assert_eq!(world.moved(), -4);
            // The first file again, under another layout.
            let mut again = adds(tell(number, &[(1, 1)], left));
            again.carrier = None;
            world.stores("1", again);
            assert_eq!(world.parcels()[0].1, [(1, 3)]);
        }
    }
    // Another number at the same time is another box, not a corrected one.
    let mut world = instructed(&[("A", 5, 1000)]);
    world.hears("1", vec![adds(row(Some(ONE), &[(1, 2)], at(31)))]);
    world.hears("2", vec![adds(row(Some(TWO), &[(1, 3)], at(31)))]);
    assert_eq!(
        world.parcels(),
        [(number(ONE), vec![(1, 2)]), (number(TWO), vec![(1, 3)])]
    );
    world.stands(Status::Shipped, -5, 5500, &[]);
}

/// A series that added up, and is a label of another parcel after all.
#[test]
fn labels_that_added_up_apart_leave_no_movement_behind() {
    let mut world = instructed(&[("A", 6, 1000)]);
    world.hears("1", vec![adds(row(Some(ONE), &[(1, 1)], at(31)))]);
    world.hears("2", vec![adds(row(Some(TWO), &[(1, 1)], at(32)))]);
    world.hears("3", vec![adds(row(Some(TWO), &[(1, 1)], at(33)))]);
    let mut both = adds(row(Some(ONE), &[(1, 1)], at(34)));
    both.also.push(TWO.to_owned());
    world.hears("4", vec![both]);
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 4)])]);
    assert_eq!(world.moved(), -4);
}

#[test]
fn a_file_that_is_older_than_one_read_before_it_does_not_count_as_newer() {
    let mut world = instructed(&[("A", 2, 1000)]);
    let earlier = world.now;
    world.wait(60);
    world.hears("new", vec![row(Some(ONE), &[(1, 2)], at(31))]);
    world.hears_late("old", earlier, row(Some(ONE), &[(1, 1)], at(31)));
    assert_eq!(world.parcels(), [(number(ONE), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    // A number that was corrected since.
    let mut world = instructed(&[("A", 2, 1000)]);
    world.wait(60);
    world.hears("new", vec![row(Some(TWO), &[(1, 2)], at(31))]);
    world.push_all();
    world.hears_late("old", earlier, row(Some(ONE), &[(1, 2)], at(31)));
    assert_eq!(world.parcels(), [(number(TWO), vec![(1, 2)])]);
    world.stands(Status::Shipped, -2, 2500, &[]);
    let numbers: Vec<_> = world.calls(Op::Ship).into_iter().collect();
    assert_eq!(numbers.len(), 1, "nobody is told anew: {numbers:?}");
    assert!(matches!(&numbers[0], Call::Ship(_)));
    // A file whose time is the same is the newer one, as it was read later.
    let now = world.now;
    world.hears_late("same", now, row(Some(THREE), &[(1, 2)], at(31)));
    assert_eq!(World::kinds(&world.plan()), ["tracking_corrected"]);
}

/// What an operator typed stands where it was typed, whatever the times of files are.
#[test]
fn an_older_file_does_not_go_before_what_an_operator_typed() {
    let mut world = instructed(&[("A", 1, 1000)]);
    let earlier = world.now - Duration::minutes(1);
    world.hears("1", vec![row(Some(ONE), &[(1, 1)], at(31))]);
    let wish = world.asked(|now| correct(now, S1, ONE, TWO, "typed"));
    world.store_wish(&wish.unwrap());
    world.plan();
    world.hears_late("2", earlier, row(Some(THREE), &[(1, 1)], at(31)));
    assert_eq!(world.parcels(), [(number(TWO), vec![(1, 1)])]);
    assert_eq!(world.moved(), -1);
}

/// Rows that were bad and are read again one by one are rows of one file all the same; a file that has them all stands for them.
#[test]
fn rows_of_one_file_that_are_read_again_one_by_one_add_up() {
    for adding in [false, true] {
        let mut world = instructed(&[("A", 4, 1000)]);
        let left = world.now;
        let told = |world: &mut World, file: &str, rows: &[u64], items| {
            let mut report = row(Some(ONE), &[(1, items)], left);
            report.adds = adding;
            report.told = Some(ReportSource {
                file: file.to_owned(),
                at: left,
                rows: rows.to_vec(),
            });
            let key = world.nth(format!("parcel:{S1}:{ONE}"));
            world.fact(key, FactBody::Parcel(report), "pull");
            world.plan();
            world.parcels()
        };
        let holds = |items| [(number(ONE), vec![(1, items)])];
        assert_eq!(told(&mut world, "1", &[2, 3], 1), holds(1));
        assert_eq!(told(&mut world, "1", &[5], 1), holds(2));
        assert_eq!(told(&mut world, "1", &[6], 1), holds(3));
        assert_eq!(told(&mut world, "1", &[5], 1), holds(3), "read once more");
        world.push_all();
        assert_eq!(world.moved(), -3);
        // The same rows with all of their file.
        if !adding {
            assert_eq!(told(&mut world, "1", &[2, 3, 5, 6], 4), holds(4));
            assert_eq!(told(&mut world, "2", &[2], 2), holds(2), "another file");
            world.push_all();
            assert_eq!(world.moved(), -2);
        }
        // Which rows those of older versions are is not known.
        let mut world = instructed(&[("A", 4, 1000)]);
        told(&mut world, "1", &[], 1);
        assert_eq!(told(&mut world, "1", &[5], 2), holds(2));
    }
}
