//! What a lost window sent of an order that this database does not know.

use hikiate_sdk::{ChannelFulfilment, OrderSnapshot};

use super::build::{at, order, slug};
use super::world::World;
use crate::action::Action;
use crate::plan::types::{
    DataLoss, OrderPlan, Status, TaskRow, UnrecordedLine, UnrecordedShipment,
};
use crate::policy::Partial;

const TOKYO: &str = "wms-tokyo";
const OSAKA: &str = "osaka-3pl";

fn reference(k: u32) -> String {
    format!("HK0123456789ABC-S{k}")
}

/// A shipment as its file says it: items and how many.
fn sent(account: &str, k: u32, lines: &[(i64, u32)]) -> UnrecordedShipment {
    let line = |(n, (item, quantity)): (u32, &(i64, u32))| UnrecordedLine {
        n,
        code: if *item == 1 { "A" } else { "B" }.to_owned(),
        item_id: Some(*item),
        quantity: *quantity,
    };
    UnrecordedShipment {
        account: slug(account),
        reference: reference(k).as_str().into(),
        told: false,
        lines: (!lines.is_empty()).then(|| (1..).zip(lines).map(line).collect()),
    }
}

/// An order that was just read again, and what was sent of it.
fn world(lines: &[(&str, u32, i64)], found: Vec<UnrecordedShipment>) -> World {
    let mut world = World::new(order(lines));
    world.input.lost = DataLoss {
        epoch: 1,
        found,
        ..DataLoss::default()
    };
    world
}

/// Staff ship three by hand.
fn by_hand(order: &mut OrderSnapshot) {
    order.fulfilments = vec![ChannelFulfilment {
        key: "ful_hand".into(),
        location: None,
        reference: None,
        shipped_at: Some(at(1)),
        cancelled_at: None,
        tracking: vec!["BYHAND1".to_owned()],
        lines: vec![("l1".into(), 3)],
    }];
}

/// Number, warehouse, and lines as (line, n, quantity).
type Taken = (String, String, Vec<(String, u32, u32)>);

/// Plans until nothing more is taken over; returns what was.
fn taken(world: &mut World) -> Vec<Taken> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let plan = world.peek();
        world.write(&plan);
        for new in plan.shipments.iter().filter(|new| new.instructed) {
            let fact = world.shipment(new.reference.as_str());
            let lines = fact.lines.iter();
            all.push((
                fact.reference.as_str()[15..].to_owned(),
                fact.warehouse.clone(),
                lines
                    .map(|line| (line.line.to_string(), line.n, line.quantity))
                    .collect(),
            ));
        }
    }
    all
}

fn task(plan: &OrderPlan) -> &TaskRow {
    let tasks: Vec<_> = plan
        .tasks
        .iter()
        .filter(|task| task.kind == "unrecorded_shipment")
        .collect();
    assert_eq!(tasks.len(), 1, "{:?}", plan.tasks);
    tasks[0]
}

fn row(line: &str, n: u32, quantity: u32) -> (String, u32, u32) {
    (line.to_owned(), n, quantity)
}

#[test]
fn a_split_order_is_taken_over_as_it_was_split() {
    let split = vec![
        sent(TOKYO, 1, &[(1, 10), (2, 1)]),
        sent(OSAKA, 2, &[(1, 2)]),
    ];
    let mut world = world(&[("A", 12, 100), ("B", 1, 100)], split);
    let plan = world.peek();
    assert!(plan.shipments.is_empty(), "its demand is stored first");
    assert_eq!(plan.next, Some(world.now));
    let all = taken(&mut world);
    assert_eq!(
        all,
        [
            (
                "-S1".to_owned(),
                "tokyo".to_owned(),
                vec![row("l1", 1, 10), row("l2", 2, 1)]
            ),
            ("-S2".to_owned(), "osaka".to_owned(), vec![row("l1", 1, 2)]),
        ]
    );
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(world.bound(&"l1".into(), "tokyo"), (0, 10));
    assert_eq!(world.bound(&"l1".into(), "osaka"), (0, 2));
    assert!(world.seal().is_empty(), "nothing is instructed again");
    world.parcel(&reference(1), "T1", &[(1, 10), (2, 1)]);
    world.parcel(&reference(2), "T2", &[(1, 2)]);
    assert_eq!(world.plan().status, Status::Shipped);
}

#[test]
fn numbers_may_have_gaps_and_are_not_used_again() {
    let mut world = world(&[("A", 12, 100)], vec![sent(OSAKA, 3, &[(1, 9)])]);
    assert_eq!(taken(&mut world).len(), 1);
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    let rest: Vec<_> = world
        .input
        .shipments
        .iter()
        .map(|row| row.reference.as_str())
        .collect();
    assert_eq!(rest, [reference(3), reference(4)]);
    let lines = world.shipment(&reference(4)).lines;
    assert_eq!((lines.len(), lines[0].quantity), (1, 3));
}

#[test]
fn what_is_known_already_and_what_waits_is_not_sent_again() {
    let mut world = World::new(order(&[("A", 12, 100)]));
    world.settle();
    assert_eq!(world.input.shipments.len(), 2, "tokyo 10 and osaka 2 wait");
    // Both went, and a third from an edit that was read in the lost window.
    world.edit(|order| order.lines[0].quantity = 15);
    world.input.lost = DataLoss {
        epoch: 1,
        found: vec![
            sent(TOKYO, 1, &[(1, 10)]),
            sent(OSAKA, 2, &[(1, 2)]),
            sent(OSAKA, 3, &[(1, 3)]),
        ],
        ..DataLoss::default()
    };
    let all = taken(&mut world);
    assert_eq!(
        all,
        [("-S3".to_owned(), "osaka".to_owned(), vec![row("l1", 1, 3)])]
    );
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(world.input.shipments.len(), 3);
    assert!(world.seal().is_empty());
}

#[test]
fn a_waiting_shipment_that_did_not_go_gives_way_to_the_one_that_did() {
    let mut world = World::new(order(&[("A", 2, 100)]));
    world.settle();
    assert_eq!(world.shipment(&reference(1)).warehouse, "tokyo");
    world.input.lost = DataLoss {
        epoch: 1,
        found: vec![sent(OSAKA, 2, &[(1, 2)])],
        ..DataLoss::default()
    };
    assert_eq!(taken(&mut world).len(), 1);
    world.settle();
    world.wait(60);
    assert!(world.seal().is_empty(), "the first was taken back");
}

#[test]
fn lines_of_one_item_are_told_apart_by_what_fits() {
    for lines in [[2, 3], [3, 2]] {
        let found = vec![sent(TOKYO, 1, &[(1, 2)]), sent(OSAKA, 2, &[(1, 3)])];
        let mut world = world(&[("A", lines[0], 100), ("A", lines[1], 100)], found);
        let all = taken(&mut world);
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].2[0].2, 3);
        let whole = if lines[0] == 3 { "l1" } else { "l2" };
        assert_eq!(all[1].2[0].0, whole);
        assert!(world.settle().tasks.is_empty());
    }
    // In one shipment a line stands once.
    let found = vec![sent(TOKYO, 1, &[(1, 2), (1, 3)])];
    let mut world = world(&[("A", 3, 100), ("A", 2, 100)], found);
    let all = taken(&mut world);
    assert_eq!(all[0].2, [row("l2", 1, 2), row("l1", 2, 3)]);
}

#[test]
fn cases_are_counted_in_items() {
    let found = vec![sent(TOKYO, 1, &[(2, 10)]), sent(OSAKA, 2, &[(2, 2)])];
    let mut world = world(&[("B12", 1, 1200)], found);
    assert_eq!(taken(&mut world).len(), 2);
    assert!(world.settle().tasks.is_empty());
}

#[test]
fn what_does_not_fit_is_left_to_a_person_as_a_whole() {
    let unknown = || {
        let mut odd = sent(OSAKA, 2, &[(1, 2)]);
        odd.lines.as_mut().unwrap()[0].item_id = None;
        odd
    };
    let nobody = sent("elsewhere", 2, &[(1, 2)]);
    for second in [
        sent(OSAKA, 2, &[(1, 3)]),
        sent(OSAKA, 2, &[(2, 2)]),
        sent(OSAKA, 2, &[]),
        sent(OSAKA, 1, &[(1, 2)]),
        nobody,
        unknown(),
    ] {
        let found = vec![sent(TOKYO, 1, &[(1, 10)]), second];
        let mut world = world(&[("A", 12, 100)], found);
        assert!(taken(&mut world).is_empty());
        let plan = world.settle();
        let TaskRow {
            detail, actions, ..
        } = task(&plan);
        assert!(
            detail.contains("HK0123456789ABC-S1 at wms-tokyo (A=10)"),
            "{detail}"
        );
        assert_eq!(
            actions[0].lines("HK0123456789ABC"),
            [
                "hikiate recover --instructed ACCOUNT/HK0123456789ABC-Sn --line CODE=QUANTITY --reason TEXT"
            ]
        );
        assert_eq!(actions[1], Action::release("lost-1"));
        assert!(
            world.input.shipments.is_empty(),
            "and nothing leaves meanwhile"
        );
        // The warehouse has nothing of it, an operator says: other numbers are used from then on.
        world.release("lost-1");
        let plan = world.settle();
        assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
        let last = world
            .input
            .lost
            .found
            .iter()
            .map(|sent| sent.reference.as_str())
            .max();
        for row in &world.input.shipments {
            assert!(row.reference.as_str() > last.unwrap(), "{row:?}");
        }
        assert_eq!(world.input.shipments.len(), 2);
        assert!(taken(&mut world).is_empty());
    }
}

#[test]
fn a_person_says_the_lines_that_no_file_tells() {
    let found = vec![sent(TOKYO, 1, &[]), sent(OSAKA, 2, &[])];
    let mut world = world(&[("A", 12, 100)], found);
    assert!(taken(&mut world).is_empty());
    task(&world.settle());
    let told = |account, k, lines: &[(i64, u32)]| UnrecordedShipment {
        told: true,
        ..sent(account, k, lines)
    };
    world.input.lost.found[0] = told(TOKYO, 1, &[(1, 10)]);
    assert!(taken(&mut world).is_empty(), "the other is still not known");
    world.input.lost.found[1] = told(OSAKA, 2, &[(1, 2)]);
    assert_eq!(taken(&mut world).len(), 2);
    assert!(world.settle().tasks.is_empty());
}

#[test]
fn without_its_lines_one_shipment_is_the_whole_order_once_all_have_answered() {
    let mut world = world(&[("A", 3, 100), ("B", 1, 100)], vec![sent(OSAKA, 1, &[])]);
    world.input.lost.reading = true;
    assert!(
        taken(&mut world).is_empty(),
        "another account may know the rest"
    );
    assert!(world.peek().tasks.is_empty(), "nobody is asked yet");
    world.input.lost.reading = false;
    let all = taken(&mut world);
    assert_eq!(
        all,
        [(
            "-S1".to_owned(),
            "osaka".to_owned(),
            vec![row("l1", 1, 3), row("l2", 2, 1)]
        )]
    );
    assert!(world.settle().tasks.is_empty());
    // A later number may be a part only; an operator can say that it is not.
    let mut world = self::world(&[("A", 3, 100)], vec![sent(OSAKA, 2, &[])]);
    assert!(taken(&mut world).is_empty());
    task(&world.settle());
    world.input.lost.found[0].told = true;
    assert_eq!(taken(&mut world).len(), 1);
}

#[test]
fn a_part_that_was_sent_leaves_the_rest_to_be_sent() {
    let mut world = World::new(order(&[("A", 4, 100)]));
    world.policy.allocation.partial = Partial::ShipReady;
    world.input.lost = DataLoss {
        epoch: 1,
        found: vec![sent(OSAKA, 1, &[(1, 1)])],
        ..DataLoss::default()
    };
    assert_eq!(taken(&mut world).len(), 1);
    world.settle();
    assert_eq!(world.input.shipments.len(), 2);
    world.wait(60);
    assert_eq!(world.seal(), [reference(2)]);
    world.parcel(&reference(1), "T1", &[(1, 1)]);
    world.parcel(&reference(2), "T2", &[(1, 3)]);
    assert_eq!(world.plan().status, Status::Shipped);
}

#[test]
fn what_others_have_shipped_meanwhile_is_taken_over_all_the_same() {
    for told in [false, true] {
        let found = UnrecordedShipment {
            told,
            ..sent(TOKYO, 1, &[(1, 3)])
        };
        let mut world = world(&[("A", 3, 100)], vec![found]);
        world.edit(by_hand);
        assert_eq!(taken(&mut world).len(), 1, "told {told}");
        let plan = world.settle();
        let kinds = World::kinds(&plan);
        assert!(!kinds.contains(&"unrecorded_shipment"), "{kinds:?}");
        assert!(world.seal().is_empty(), "nothing is instructed again");
    }
}

#[test]
fn without_its_lines_a_person_says_that_it_was_the_whole_order_though_others_shipped_it() {
    let mut world = world(&[("A", 3, 100)], vec![sent(TOKYO, 1, &[])]);
    world.edit(by_hand);
    assert!(taken(&mut world).is_empty());
    task(&world.settle());
    world.input.lost.found[0].told = true;
    assert_eq!(taken(&mut world)[0].2, [row("l1", 1, 3)]);
    assert!(!World::kinds(&world.settle()).contains(&"unrecorded_shipment"));
}

#[test]
fn a_person_says_what_was_sent_though_the_order_wants_less_now() {
    let mut world = world(&[("A", 2, 100)], vec![sent(TOKYO, 1, &[(1, 3)])]);
    assert!(taken(&mut world).is_empty());
    task(&world.settle());
    world.input.lost.found[0].told = true;
    assert_eq!(taken(&mut world)[0].2, [row("l1", 1, 3)]);
    let plan = world.settle();
    let kinds = World::kinds(&plan);
    assert!(!kinds.contains(&"unrecorded_shipment"), "{kinds:?}");
    assert!(world.seal().is_empty(), "nothing is instructed again");
}
