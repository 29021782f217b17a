//! Channels that have not begun, and orders that are older than the beginning.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{ChannelFulfilment, ChannelState, Op, ReplyVerdict};

use super::build::{at, order, slug};
use super::world::World;
use crate::facts::{ClassFact, FactBody, OrderClass, Verdict};
use crate::plan::command::{Shipped, shipped};
use crate::plan::types::{Begin, OrderPlan, Origin, Status};
use crate::plan::{Whose, whose};
use crate::policy::OthersShipFrom;

const S1: &str = "HK0123456789ABC-S1";
const DAY: i64 = 24 * 60;

fn begun(from: DateTime<Utc>) -> Begin {
    Begin {
        from: Some(from),
        begun_at: Some(at(0)),
        ..Begin::default()
    }
}

/// An order of 2 × A, placed at minute 0, whose channel stands like this.
fn world(begin: Begin) -> World {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.input.begin = begin;
    world
}

fn class(world: &mut World, class: OrderClass) {
    let key = world.nth("class:person".to_owned());
    let fact = ClassFact {
        class,
        reason: "seen".to_owned(),
    };
    world.fact(key, FactBody::Class(fact), "hanako");
}

fn by_hand(quantity: u32, shipped: bool) -> ChannelFulfilment {
    ChannelFulfilment {
        key: "ful_hand".into(),
        reference: None,
        shipped_at: shipped.then(|| at(0)),
        cancelled_at: None,
        location: None,
        tracking: vec!["BYHAND1".to_owned()],
        lines: vec![("l1".into(), quantity)],
    }
}

fn ship_by_hand(world: &mut World, quantity: u32, shipped: bool) {
    world.edit(|order| order.fulfilments = vec![by_hand(quantity, shipped)]);
}

fn stands(world: &World) -> Whose {
    whose(&world.input, &world.policy, world.now).unwrap()
}

#[track_caller]
fn does_nothing(plan: &OrderPlan) {
    assert!(
        plan.effects.is_empty() && plan.shipments.is_empty(),
        "{plan:?}"
    );
    assert!(
        plan.revenue.is_empty() && plan.decisions.is_empty() && plan.tasks.is_empty(),
        "{plan:?}"
    );
}

#[test]
fn before_its_channel_begins_an_order_reserves_and_nothing_else() {
    let mut world = world(Begin::default());
    let plan = world.settle();
    does_nothing(&plan);
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.closed),
        (Status::Unallocated, Some("begin"), false)
    );
    assert!(plan.demands[0].behind && !plan.demands[0].firm);
    assert_eq!(
        world.input.demands[0].reserved,
        [("tokyo".to_owned(), 2, false)]
    );
    let words = world.explain();
    assert!(
        words
            .because
            .contains("hikiate begin shop-jp --from TIME --dry-run"),
        "{}",
        words.because
    );

    world.input.begin = begun(at(0));
    let plan = world.settle();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Allocated, Some("batch"))
    );
    assert!(!plan.demands[0].behind);
}

#[test]
fn a_rule_that_is_true_before_the_beginning_decides_nothing_yet() {
    let mut world = world(Begin::default());
    world
        .rules
        .0
        .push(("high", crate::policy::Release::Manual, |_| Ok(true)));
    does_nothing(&world.plan());
    world.input.begin = begun(at(0));
    assert_eq!(world.plan().blocked_by.as_deref(), Some("hold:high"));
}

#[test]
fn an_order_that_grows_too_old_gives_its_stock_back_and_is_history_in_the_end() {
    let mut world = world(Begin::default());
    world.settle();
    let plan = world.plan();
    assert_eq!(
        plan.next,
        Some(at(90 * DAY)),
        "it is looked at again by itself"
    );
    world.now = at(90 * DAY);
    let plan = world.plan();
    does_nothing(&plan);
    assert_eq!(
        (plan.demands[0].wanted, plan.blocked_by.as_deref()),
        (0, Some("begin"))
    );
    world.allocate();
    assert!(world.input.demands[0].reserved.is_empty());

    world.input.begin = begun(at(91 * DAY));
    let plan = world.plan();
    does_nothing(&plan);
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref(), plan.closed),
        (Status::Received, Some("history"), true)
    );
}

#[test]
fn a_test_order_is_history_before_and_after_the_beginning() {
    for begin in [Begin::default(), begun(at(0))] {
        let mut world = world(begin);
        world.edit(|order| order.test = true);
        let plan = world.plan();
        does_nothing(&plan);
        assert!(plan.closed && plan.demands.iter().all(|row| row.wanted == 0));
        assert_eq!(stands(&world), Whose::History);
    }
}

/// The same order with two later beginnings: what was closed meanwhile is not decided for good.
#[test]
fn what_ends_before_the_beginning_is_history_only_when_it_was_placed_before_it() {
    let ends: [fn(&mut World); 3] = [
        |world| ship_by_hand(world, 2, true),
        |world| world.edit(|order| order.state = ChannelState::Completed),
        |world| world.edit(|order| order.state = ChannelState::Cancelled { at: at(1) }),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut world = world(Begin::default());
        world.settle();
        end(&mut world);
        let plan = world.plan();
        assert!(plan.effects.is_empty() && plan.revenue.is_empty() && plan.tasks.is_empty());
        assert!(plan.closed, "{n}");
        assert_eq!(
            plan.demands[0].wanted, plan.demands[0].shipped,
            "{n}: nothing is reserved"
        );
        assert_eq!(stands(&world), Whose::Ended, "{n}: nothing is decided yet");
        let mut older = world.clone();
        older.input.begin = begun(at(10));
        let plan = older.plan();
        assert!(
            plan.closed && plan.effects.is_empty() && plan.revenue.is_empty(),
            "{n}"
        );

        world.input.begin = begun(at(0));
        assert_eq!(stands(&world), Whose::Ours, "{n}");
        let plan = world.plan();
        assert!(plan.shipments.is_empty(), "{n}: {plan:?}");
        match n {
            0 => {
                let ops: Vec<_> = plan.effects.iter().map(|e| e.intent.op).collect();
                assert_eq!(ops, [Op::Capture], "told by nobody, captured and booked");
                assert_eq!(plan.revenue.iter().map(|row| row.gross).sum::<i64>(), 2500);
            }
            1 => {
                assert_eq!(plan.blocked_by.as_deref(), Some("hold:completed"));
                world.release("completed");
                assert_eq!(
                    world.settle().status,
                    Status::Allocated,
                    "an operator wants it sent"
                );
            }
            _ => assert_eq!((plan.status, plan.closed), (Status::Cancelled, true)),
        }
    }
}

/// Staff ship from our shelf before the beginning: the unit is off the shelf at once, not when somebody begins.
#[test]
fn what_is_shipped_by_hand_before_the_beginning_is_off_the_shelf() {
    let mut world = world(Begin::default());
    world
        .policy
        .channels
        .get_mut(&slug("shop-jp"))
        .unwrap()
        .others_ship_from = Some(OthersShipFrom::Warehouse("tokyo".to_owned()));
    world.settle();
    ship_by_hand(&mut world, 1, true);
    let plan = world.plan();
    let moved: Vec<_> = plan
        .entries
        .iter()
        .map(|e| (e.warehouse.as_str(), e.quantity))
        .collect();
    assert_eq!(moved, [("tokyo", -1)]);
    assert_eq!((plan.demands[0].wanted, plan.demands[0].shipped), (2, 1));
    assert!(plan.effects.is_empty() && plan.tasks.is_empty() && !plan.closed);
}

#[test]
fn before_its_channel_begins_a_parcel_by_hand_is_told_at_the_channel_and_not_here() {
    let parcel = Shipped {
        reference: None,
        tracking: "BYHAND1",
        carrier: None,
        from: Some("tokyo"),
        shipped_at: None,
        lines: &[],
        reason: "by hand",
    };
    let mut before = world(Begin::default());
    before.settle();
    let refused = before.asked(|now| shipped(now, parcel)).unwrap_err();
    assert!(
        refused.contains("channel shop-jp has not begun"),
        "{refused}"
    );
    let mut since = world(Begin::always());
    since.settle();
    let wish = since.asked(|now| shipped(now, parcel)).unwrap();
    since.store_wish(&wish);
    let moved = since.plan().entries.iter().map(|e| e.quantity).sum::<i64>();
    assert_eq!(moved, -2);
}

#[test]
fn an_older_order_that_was_first_seen_closed_is_history() {
    let mut snapshot = order(&[("A", 2, 1000)]);
    snapshot.state = ChannelState::Completed;
    let mut world = World::new(snapshot);
    world.input.begin = begun(at(10));
    let plan = world.plan();
    does_nothing(&plan);
    assert!(plan.closed && plan.demands.is_empty());
    world.edit(|order| order.state = ChannelState::Open);
    assert_eq!(
        stands(&world),
        Whose::History,
        "it was over before the beginning"
    );
}

#[test]
fn what_an_earlier_version_took_for_history_stays_so() {
    let mut world = world(begun(at(-10)));
    world.input.origin = Origin::History;
    does_nothing(&world.plan());
}

#[test]
fn an_older_order_is_left_alone_and_keeps_its_units_until_its_channel_shows_it_fulfilled() {
    let mut world = world(begun(at(10)));
    let plan = world.settle();
    does_nothing(&plan);
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Unallocated, Some("left"))
    );
    assert_eq!(world.input.demands[0].reserved[0].1, 2);
    assert_eq!(plan.next, Some(at(7 * DAY)));
    ship_by_hand(&mut world, 2, false);
    assert_eq!(
        world.plan().demands[0].wanted,
        2,
        "only packed: the units are still there"
    );

    let mut late = world.clone();
    late.now = at(7 * DAY);
    let plan = late.plan();
    assert_eq!(World::kinds(&plan), ["left_unfulfilled"]);
    assert!(
        plan.tasks[0]
            .detail
            .contains("Left to the previous system, and still unfulfilled")
    );
    assert!(plan.effects.is_empty());

    ship_by_hand(&mut world, 2, true);
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.revenue.is_empty() && plan.tasks.is_empty());
    assert_eq!(
        (plan.status, plan.closed, plan.demands[0].shipped),
        (Status::Delivered, true, 2)
    );
}

fn complete(world: &mut World) {
    world.edit(|order| order.state = ChannelState::Completed);
}

fn moved(plan: &OrderPlan) -> i64 {
    plan.entries.iter().map(|entry| entry.quantity).sum()
}

#[test]
fn what_the_old_system_reports_as_shipped_by_completing_the_order_is_off_the_shelf() {
    for begin in [begun(at(10)), Begin::default()] {
        let mut world = world(begin);
        world.settle();
        world.wait(60);
        complete(&mut world);
        let plan = world.settle();
        assert_eq!(
            (plan.status, plan.closed, plan.demands[0].shipped),
            (Status::Delivered, true, 2)
        );
        assert_eq!(moved(&plan), -2, "the units are not on sale again");
        assert!(plan.effects.is_empty() && plan.revenue.is_empty() && plan.tasks.is_empty());
        // Time and what is decided about younger orders change nothing of that.
        world.wait(200 * DAY);
        world.input.channel_alarm = true;
        assert_eq!(moved(&world.plan()), -2);
        // Opened again, it reserves as before.
        let mut again = world.clone();
        again.now = at(120);
        again.edit(|order| order.state = ChannelState::Open);
        let plan = again.settle();
        assert_eq!((moved(&plan), again.input.demands[0].reserved[0].1), (0, 2));
        // Cancelled, nobody has said that the goods are back.
        world.edit(|order| order.state = ChannelState::Cancelled { at: at(90) });
        assert_eq!(moved(&world.plan()), -2);
    }
}

#[test]
fn what_reserved_nothing_any_more_takes_nothing_when_it_is_completed() {
    // Given up at the end that was set, and too old before its channel has begun.
    let given_up = Begin {
        left_until: Some(at(DAY)),
        ..begun(at(10))
    };
    for (begin, later) in [(given_up, at(2 * DAY)), (Begin::default(), at(91 * DAY))] {
        let mut world = world(begin);
        world.settle();
        world.now = later;
        world.settle();
        complete(&mut world);
        let plan = world.settle();
        assert_eq!((moved(&plan), plan.closed), (0, true));
    }
}

#[test]
fn an_order_that_is_left_gives_its_units_back_at_the_end_that_was_set() {
    let mut world = world(Begin {
        left_until: Some(at(DAY)),
        ..begun(at(10))
    });
    assert_eq!(world.settle().next, Some(at(DAY)));
    world.now = at(DAY);
    let plan = world.plan();
    does_nothing(&plan);
    assert_eq!((plan.closed, plan.demands[0].wanted), (true, 0));
}

#[test]
fn an_adopted_order_is_planned_as_new_and_one_named_history_reserves_nothing() {
    let mut adopted = world(begun(at(10)));
    adopted.settle();
    class(&mut adopted, OrderClass::Adopted);
    assert_eq!(adopted.settle().status, Status::Allocated);

    let mut history = world(begun(at(10)));
    history.settle();
    class(&mut history, OrderClass::History);
    let plan = history.plan();
    does_nothing(&plan);
    assert_eq!((plan.closed, plan.demands[0].wanted), (true, 0));
    history.input.begin = begun(at(0));
    assert_eq!(
        stands(&history),
        Whose::History,
        "what an operator said of it holds wherever the beginning is"
    );
}

#[test]
fn an_order_of_before_channels_had_a_beginning_stays_ours() {
    let mut world = world(Begin {
        known: true,
        ..begun(at(10))
    });
    assert_eq!(world.settle().status, Status::Allocated);
}

/// Nothing is instructed; what the warehouse tells under the old reference is told, captured, mailed and booked once.
#[test]
fn what_the_old_system_instructed_is_taken_over_and_never_instructed() {
    let mut world = world(Begin::default());
    world.settle();
    class(
        &mut world,
        OrderClass::AdoptedInstructed {
            reference: "NE-1001".into(),
            warehouse: "osaka".to_owned(),
            account: slug("osaka-3pl"),
        },
    );
    world.input.begin = begun(at(10));
    let plan = world.peek();
    world.write(&plan);
    assert!(plan.shipments[0].instructed);
    assert_eq!(plan.shipments[0].warehouse, "osaka");
    assert_eq!(plan.next, Some(world.now));
    let plan = world.settle();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Instructed, Some("warehouse"))
    );
    world.wait(120);
    assert!(world.seal().is_empty() && world.settle().shipments.is_empty());
    world.reply("NE-1001", ReplyVerdict::Accepted);
    world.parcel("NE-1001", "4012", &[(1, 2)]);
    let plan = world.plan();
    assert_eq!(plan.entries[0].warehouse, "osaka");
    assert_eq!(plan.revenue.len(), 1);
    world.push_all();
    for op in [Op::Fulfil, Op::Ship, Op::Capture, Op::Mail] {
        assert_eq!(world.intents(op).len(), 1, "{op}");
    }
    let instructed: Vec<_> = world.intents(Op::Instruct);
    assert_eq!(instructed.len(), 1, "the one of the system before");
}

#[test]
fn a_pre_order_that_the_old_system_instructed_is_taken_over_without_stock_of_its_own() {
    let mut world = world(Begin::default());
    world.stock.clear();
    world.now = at(91 * DAY);
    world.settle();
    assert!(world.input.demands.is_empty(), "too old to reserve");
    world.input.begin = begun(at(91 * DAY));
    class(
        &mut world,
        OrderClass::AdoptedInstructed {
            reference: "NE-1001".into(),
            warehouse: "tokyo".to_owned(),
            account: slug("wms-tokyo"),
        },
    );
    let plan = world.peek();
    world.write(&plan);
    assert_eq!(
        plan.next,
        Some(world.now),
        "nothing will be allocated to it"
    );
    let plan = world.peek();
    world.write(&plan);
    let plan = world.plan();
    assert_eq!(plan.status, Status::Instructed);
    world.parcel("NE-1001", "401", &[(1, 2)]);
    assert_eq!(moved(&world.plan()), -2);
}

/// Before the old shipment is known here, the order may not get one of ours.
#[test]
fn an_order_that_the_old_system_instructed_waits_until_each_line_has_an_item() {
    let mut world = world(begun(at(10)));
    let items = std::mem::take(&mut world.input.items);
    class(
        &mut world,
        OrderClass::AdoptedInstructed {
            reference: "NE-1001".into(),
            warehouse: "tokyo".to_owned(),
            account: slug("wms-tokyo"),
        },
    );
    let plan = world.settle();
    assert!(plan.shipments.is_empty() && world.input.shipments.is_empty());
    assert_eq!(plan.blocked_by.as_deref(), Some("adopted"));
    world.input.items = items;
    for _ in 0..3 {
        let plan = world.peek();
        world.write(&plan);
    }
    let references: Vec<_> = world
        .input
        .shipments
        .iter()
        .map(|s| s.reference.as_str())
        .collect();
    assert_eq!(references, ["NE-1001"]);
}

/// A channel that is stopped while its goods leave: what was queued is withdrawn, what is heard is kept, and all of it
/// is done once the channel goes on.
#[test]
fn a_stopped_channel_hears_and_does_nothing_until_it_goes_on() {
    let mut world = world(begun(at(0)));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "T1", &[(1, 1)]);
    let plan = world.plan();
    assert!(!plan.effects.is_empty() && !plan.revenue.is_empty());
    let from = world.input.begin;
    world.input.begin.from = None;
    let plan = world.plan();
    assert_eq!(plan.withdraw.len(), 1, "the notice is taken back");
    assert_eq!(plan.seen, None, "what it was not acted on stays new input");
    world.parcel(S1, "T2", &[(1, 1)]);
    let plan = world.plan();
    assert!(plan.effects.is_empty() && plan.revenue.is_empty());
    assert_eq!((plan.entries.len(), plan.closed), (2, false));
    assert!(world.input.queue.is_empty());

    world.input.begin = from;
    world.wait(1);
    world.plan();
    world.push_all();
    let done = |op| {
        let intents = world.intents(op);
        let ended = |key: &str| {
            world.input.facts.iter().any(|fact| matches!(&fact.body, FactBody::Outcome(o) if o.intent == key && o.verdict == Verdict::Done))
        };
        intents.iter().filter(|(key, _)| ended(key)).count()
    };
    assert_eq!((done(Op::Capture), done(Op::Mail)), (1, 1));
    let gross: i64 = world.input.revenue.iter().map(|row| row.gross).sum();
    assert_eq!(gross, 2500);
}

#[test]
fn a_waiting_shipment_leaves_its_wave_when_the_channel_is_stopped() {
    let mut world = world(begun(at(0)));
    world.settle();
    world.input.begin.from = None;
    let plan = world.peek();
    assert_eq!(plan.stages.len(), 1);
    world.write(&plan);
    world.now += Duration::minutes(60);
    assert!(world.seal().is_empty());
}
