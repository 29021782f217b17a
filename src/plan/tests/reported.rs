//! Reports with no number, with one that comes later, with a time that cannot be.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{
    Call, ChannelFulfilment, Contents, Op, ParcelLine, ParcelReport, ShipmentReference,
};

use super::build::{at, order};
use super::world::World;
use crate::facts::{FactBody, Verdict};
use crate::plan::command::{Now, Shipped, correct, shipped};
use crate::plan::types::Status;
use crate::policy::Partial;

const S1: &str = "HK0123456789ABC-S1";
const S2: &str = "HK0123456789ABC-S2";

fn instructed(items: u32) -> World {
    let mut world = World::new(order(&[("A", items, 1000)]));
    world.policy.notice.wait_for_number = Duration::zero();
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world
}

impl World {
    /// A file told a parcel, a minute after what was told before.
    fn file(&mut self, tracking: Option<&str>, items: u32, shipped_at: DateTime<Utc>) {
        self.file_of(S1, tracking, items, shipped_at);
    }

    fn file_of(
        &mut self,
        reference: &str,
        tracking: Option<&str>,
        items: u32,
        shipped_at: DateTime<Utc>,
    ) {
        self.wait(1);
        let key = tracking.filter(|number| number.is_ascii() && *number != "-");
        let key = key.map_or_else(|| format!("left {shipped_at}"), str::to_owned);
        let report = ParcelReport {
            also: Vec::new(),
            shipped_until: None,
            adds: false,
            told: None,
            reference: ShipmentReference::new(reference),
            key: key.clone(),
            named: false,
            carrier: None,
            tracking: tracking.map(str::to_owned),
            shipped_at,
            contents: Contents::Lines(vec![ParcelLine::new(1, items)]),
        };
        let key = self.nth(format!("parcel:{reference}:{key}"));
        self.fact(key, FactBody::Parcel(report), "pull");
    }

    /// The channel shows what we told under this number.
    fn shown(&mut self, number: &str) {
        self.edit(|order| {
            order.fulfilments = vec![ChannelFulfilment {
                key: "ful_1".into(),
                location: None,
                reference: Some(S1.to_owned()),
                shipped_at: Some(at(31)),
                tracking: vec![number.to_owned()],
                lines: vec![("l1".into(), 2)],
                cancelled_at: None,
            }];
        });
    }

    fn number_told(&self) -> Vec<Option<String>> {
        let calls = self.calls(Op::Ship).into_iter();
        let parcels = calls.filter_map(|call| match call {
            Call::Ship(ship) => Some(ship.parcels),
            _ => None,
        });
        parcels.flatten().map(|parcel| parcel.tracking).collect()
    }
}

#[test]
fn a_dash_in_place_of_a_number_is_told_to_nobody_and_asked_about_until_it_is_typed() {
    let mut world = instructed(2);
    world.file(Some("-"), 2, at(31));
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Shipped, -2));
    assert_eq!(world.number_told(), [None]);
    assert_eq!(World::kinds(&plan), ["tracking_not_reported"]);
    let line = plan.tasks[0].actions[0].lines(S1).join("");
    assert!(line.contains("--tracking - --to NUMBER"), "{line}");
    let mut released = world.clone();
    released.release("tracking_not_reported");
    assert!(released.plan().tasks.is_empty());

    world.typed(|now| correct(now, S1, "-", "401234567890", "asked"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["tracking_corrected"]);
    let detail = &plan.tasks[0].detail;
    assert!(
        detail.contains("without a number. Enter 401234567890 there"),
        "{detail}"
    );
    let again = world.asked(|now| correct(now, S1, "-", "401234567890", "asked"));
    assert!(again.unwrap_err().contains("already"));
    // It was mistyped, and the channel shows the right one since.
    world.typed(|now| correct(now, S1, "401234567890", "401234567891", "mistyped"));
    assert!(
        world.plan().tasks[0]
            .detail
            .contains("Enter 401234567891 there")
    );
    world.shown("401234567891");
    assert!(world.plan().tasks.is_empty(), "{:?}", world.plan().tasks);
}

#[test]
fn a_number_that_a_later_file_brings_is_the_number_of_the_same_parcel() {
    for (first, left_later) in [(None, 31), (Some("-"), 31), (None, 95), (Some("-"), 95)] {
        let mut world = instructed(2);
        world.file(first, 2, at(31));
        world.push_all();
        world.wait(90);
        world.file(Some("401234567890"), 2, at(left_later));
        world.push_all();
        let plan = world.plan();
        assert_eq!(
            (plan.status, world.moved()),
            (Status::Shipped, -2),
            "{first:?}"
        );
        assert_eq!(World::kinds(&plan), ["tracking_corrected"], "{first:?}");
        assert_eq!(world.intents(Op::Fulfil).len(), 1);
        assert_eq!(world.intended_next(), 2500);
    }
    // A file that is read late has it without its number.
    let mut world = instructed(2);
    world.file(Some("401234567890"), 2, at(31));
    world.push_all();
    world.file(Some("-"), 2, at(31));
    world.push_all();
    assert_eq!((world.moved(), world.intents(Op::Fulfil).len()), (-2, 1));
    assert!(world.plan().tasks.is_empty(), "{:?}", world.plan().tasks);
    // Before anybody was told, it is simply the number.
    let mut world = instructed(2);
    world.file(None, 2, at(31));
    world.plan();
    world.end_op(Op::Fulfil, Verdict::Done);
    world.file(Some("401234567890"), 2, at(31));
    world.push_all();
    assert_eq!(world.number_told(), [Some("401234567890".to_owned())]);
    assert!(world.plan().tasks.is_empty());
}

#[test]
fn a_report_without_a_number_confirms_what_an_operator_typed() {
    let mut world = instructed(2);
    world.typed(|now| {
        let what = Shipped {
            reference: Some(S1),
            tracking: "401234567890",
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &[],
            reason: "seen",
        };
        shipped(now, what)
    });
    world.push_all();
    world.file(Some("未定"), 2, at(40));
    world.push_all();
    assert_eq!(world.moved(), -2);
    assert!(world.plan().tasks.is_empty(), "{:?}", world.plan().tasks);
}

#[test]
fn parcels_that_may_be_two_stay_two() {
    // One at a time of its own each, and no more than was instructed.
    let mut world = instructed(2);
    world.file(None, 1, at(31));
    world.wait(10);
    world.file(Some("401234567890"), 1, at(40));
    world.push_all();
    assert_eq!((world.plan().status, world.moved()), (Status::Shipped, -2));
    assert!(world.plan().tasks.is_empty(), "{:?}", world.plan().tasks);
    // Two with numbers are two as long as both were instructed.
    let mut world = instructed(4);
    world.file(Some("401234567890"), 2, at(31));
    world.file(Some("401234567901"), 2, at(31));
    world.push_all();
    assert_eq!((world.plan().status, world.moved()), (Status::Shipped, -4));
    assert!(world.plan().tasks.is_empty(), "{:?}", world.plan().tasks);
}

#[test]
fn a_parcel_without_a_number_can_be_given_one() {
    let mut world = instructed(2);
    world.file(None, 2, at(31));
    world.push_all();
    assert!(
        world.plan().tasks.is_empty(),
        "mail without a number is no fault"
    );
    world.typed(|now| correct(now, S1, "-", "401234567890", "found"));
    world.typed(|now| correct(now, S1, "401234567890", "401234567891", "mistyped"));
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["tracking_corrected"]);
    assert!(plan.tasks[0].detail.contains("Enter 401234567891 there"));
    assert_eq!(world.moved(), -2);
}

#[test]
fn a_time_that_cannot_be_is_when_it_was_told_and_a_task() {
    for (shipped_at, words) in [
        (at(31) - Duration::days(365), "before the order was placed"),
        (
            at(31) - Duration::days(2000 * 365),
            "before the order was placed",
        ),
        (at(31) + Duration::days(36 * 365), "after it was reported"),
    ] {
        let mut world = instructed(2);
        world.file(Some("401234567890"), 2, shipped_at);
        let told = world.now;
        world.push_all();
        let plan = world.plan();
        assert_eq!(plan.status, Status::Shipped);
        assert_eq!(World::kinds(&plan), ["shipped_date"]);
        assert!(
            plan.tasks[0].detail.contains(words),
            "{}",
            plan.tasks[0].detail
        );
        let moved: Vec<_> = plan
            .entries
            .iter()
            .map(|entry| entry.effective_at)
            .collect();
        assert_eq!(moved, [told]);
        let days: Vec<_> = world
            .input
            .revenue
            .iter()
            .map(|row| row.business_date)
            .collect();
        assert!(!days.is_empty());
        let today = world.policy.shop.timezone;
        let today = told.with_timezone(&today).date_naive();
        assert!(days.iter().all(|day| *day == today), "{days:?}");
        // A report with the right date is believed.
        world.file(Some("401234567890"), 2, at(31));
        let plan = world.plan();
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
        assert_eq!(plan.entries[0].effective_at, at(31));
    }
}

#[test]
fn a_date_without_a_time_is_believed() {
    let mut world = instructed(2);
    world.wait(14 * 60);
    // Midnight in Tokyo of the day on which it was ordered, and of the next one.
    for shipped_at in [at(-600), at(14 * 60)] {
        world.file(Some("401234567890"), 2, shipped_at);
        let plan = world.plan();
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    }
}

#[test]
fn what_is_typed_has_a_number_and_a_time_that_can_be() {
    let world = instructed(2);
    let typed = |tracking, shipped_at| {
        move |now: Now<'_>| {
            let what = Shipped {
                reference: Some(S1),
                tracking,
                carrier: None,
                from: None,
                shipped_at,
                lines: &[],
                reason: "seen",
            };
            shipped(now, what)
        }
    };
    let early = world.asked(typed("401234567890", Some(at(-60 * 24 * 365))));
    assert!(early.unwrap_err().contains("before order"));
    let none = world.asked(typed("-", None));
    assert!(none.unwrap_err().contains("is not a tracking number"));
}

/// A layout that has only a date tells two boxes of one day as it tells one box twice.
#[test]
fn two_reports_that_may_be_two_boxes_count_as_two_and_are_asked_about() {
    let mut world = instructed(4);
    world.file(Some("-"), 2, at(31));
    world.push_all();
    world.file(Some("401234567890"), 2, at(31));
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Shipped, -4));
    assert_eq!(
        World::kinds(&plan),
        ["tracking_not_reported", "parcel_reported_twice"]
    );
    assert_eq!(world.intents(Op::Fulfil).len(), 2, "both are told");
    let line = plan.tasks[1].actions[0].lines(S1).join("");
    assert!(line.contains("--tracking - --to 401234567890"), "{line}");
    // Two boxes.
    let mut two = world.clone();
    two.release(&format!("parcel_reported_twice:{S1}"));
    two.release("tracking_not_reported");
    assert!(two.plan().tasks.is_empty());
    assert_eq!(two.moved(), -4);
    // One: the rest is still to come.
    world.typed(|now| correct(now, S1, "-", "401234567890", "asked"));
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Instructed, -2));
    // The channel was told of both, and of the number with the second.
    assert_eq!(
        World::kinds(&plan),
        ["notice_exceeds_shipped", "shipped_short"]
    );
}

/// Each shipment is asked about by itself; what was released before shipments were told apart stands.
#[test]
fn one_answer_to_what_was_told_twice_is_of_one_shipment() {
    let mut world = World::new(order(&[("A", 8, 1000)]));
    world.policy.allocation.partial = Partial::ShipReady;
    for at in ["tokyo", "osaka"] {
        world.stock.insert((1, at), 4);
    }
    world.settle();
    world.wait(30);
    assert_eq!(world.seal().len(), 2);
    world.wait(30);
    for (reference, number) in [(S1, "401234567890"), (S2, "401234567901")] {
        world.instruct_outcome(reference, Verdict::Accepted);
        for told in ["-", number] {
            world.file_of(reference, Some(told), 2, at(31));
        }
    }
    let asked = |world: &mut World| -> [bool; 2] {
        let tasks = world.plan().tasks;
        let twice = tasks
            .iter()
            .find(|task| task.kind == "parcel_reported_twice");
        [S1, S2].map(|of| twice.is_some_and(|task| task.detail.contains(of)))
    };
    assert_eq!(asked(&mut world), [true, true]);
    let mut before = world.clone();
    before.release("parcel_reported_twice");
    assert_eq!(asked(&mut before), [false, false]);
    world.release(&format!("parcel_reported_twice:{S1}"));
    assert_eq!(asked(&mut world), [false, true]);
    world.release(&format!("parcel_reported_twice:{S2}"));
    assert_eq!(asked(&mut world), [false, false]);
}

#[test]
fn one_of_several_parcels_without_a_number_is_named_by_its_key() {
    let mut world = instructed(4);
    world.file(Some("-"), 2, at(31));
    world.file(Some("-"), 2, at(32));
    let keys = [format!("left {}", at(31)), format!("left {}", at(32))];
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["tracking_not_reported"]);
    let lines = plan.tasks[0].actions.iter().flat_map(|a| a.lines(S1));
    let correct_lines = lines.filter(|line| line.contains("parcel correct"));
    let correct_lines: Vec<_> = correct_lines.collect();
    assert_eq!(correct_lines.len(), keys.len());
    for (line, key) in correct_lines.iter().zip(&keys) {
        assert!(line.contains(&format!("--tracking '{key}' --to")), "{line}");
        assert!(plan.tasks[0].detail.contains(key.as_str()));
    }
    let refused = world.asked(|now| correct(now, S1, "-", "401234567890", "asked"));
    let refused = refused.unwrap_err();
    assert!(
        keys.iter().all(|key| refused.contains(key.as_str())),
        "{refused}"
    );
    world.typed(|now| correct(now, S1, &keys[1], "401234567890", "asked"));
    let numbers = |world: &World| -> Vec<Option<String>> {
        let facts = world.input.facts.iter().map(crate::facts::Fact::said);
        let told = crate::plan::parcels_told(facts);
        told.into_iter().map(|parcel| parcel.tracking).collect()
    };
    let number = |n: &str| Some(n.to_owned());
    assert_eq!(numbers(&world), [None, number("401234567890")]);
    // The only one that is left needs no key.
    world.typed(|now| correct(now, S1, "-", "401234567901", "asked"));
    assert_eq!(
        numbers(&world),
        [number("401234567901"), number("401234567890")]
    );
}

/// The same number, written differently in the next export, is the same parcel: the newest report stands.
#[test]
fn a_number_that_a_later_file_writes_differently_is_no_second_parcel() {
    let mut world = instructed(4);
    world.file(Some("4012-3456-7893"), 2, at(31));
    world.push_all();
    world.file(Some("401234567893"), 2, at(31));
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Instructed, -2));
    assert_eq!(World::kinds(&plan), ["shipped_short"]);
    assert_eq!(world.intents(Op::Fulfil).len(), 1);
    // What the newest says is inside is the truth.
    world.file(Some("4012 3456 7893"), 4, at(31));
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Shipped, -4));
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    let facts = world.input.facts.iter().map(crate::facts::Fact::said);
    assert_eq!(crate::plan::parcels_told(facts).len(), 1);
}

/// Files before a weekend name the day on which it will be shipped: it has not been until then.
#[test]
fn what_is_told_ahead_ships_when_its_time_has_come() {
    let mut world = instructed(2);
    let monday = at(31) + Duration::days(3);
    world.file(Some("401234567890"), 2, monday);
    world.push_all();
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!((plan.status, plan.next), (Status::Instructed, Some(monday)));
    assert_eq!((world.moved(), world.intended_next()), (0, 0));
    assert!(world.intents(Op::Fulfil).is_empty());
    assert!(world.input.revenue.is_empty());
    world.now = monday;
    world.push_all();
    let plan = world.plan();
    assert_eq!((plan.status, world.moved()), (Status::Shipped, -2));
    assert_eq!(plan.entries[0].effective_at, monday);
    assert_eq!(world.intents(Op::Ship).len(), 1);
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    // Further ahead than a month it is no plan but a slip.
    let mut world = instructed(2);
    world.file(Some("401234567890"), 2, at(31) + Duration::days(32));
    let told = world.now;
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["shipped_date"]);
    assert_eq!(plan.entries[0].effective_at, told);
}
