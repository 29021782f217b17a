//! The ten most dangerous situations, each with all that comes of it: stock, instructions, money, what the channel and the
//! customer are told, tasks, and the journal. The first seven, and none that needs cash on delivery.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use hikiate_sdk::{
    Call, CancelVerdict, ChannelGate, ChannelState, Op, OrderSnapshot, Personal, RefundEffect,
    RefundSeen, ReplyVerdict,
};

use super::build::{at, charge, order, pay};
use super::others::{by_hand, cancel, show};
use super::world::World;
use crate::action::Action;
use crate::facts::{FactBody, IntentFact, IntentWhat, OrderFact, Verdict};
use crate::plan::types::{RevenueKind, ShipmentStage, Status};
use crate::plan::{EntryKind, Maker, ledger};
use crate::policy::{Change, OthersShipFrom, TaxRounding};

const S1: &str = "HK0123456789ABC-S1";
const S2: &str = "HK0123456789ABC-S2";

/// All columns of a row. A field that is left out means that nothing happens.
#[derive(Debug, Default, PartialEq)]
struct Columns {
    /// Items on the shelves of both warehouses, beyond the ten that were counted at each.
    moved: i64,
    reserved: u32,
    /// Shipments that are not withdrawn: number, items, stage.
    instructed: Vec<(String, u32, ShipmentStage)>,
    /// How often a warehouse was asked to stop one.
    asked_back: usize,
    /// Captures of ours that stand. Whether one was made already is looked up when it is sent (push/decide.rs).
    captured: i64,
    /// Items of each notice.
    told: Vec<u32>,
    mails: usize,
    tasks: Vec<String>,
    /// Day of November, or of December from 31 on, kind, gross and tax.
    journal: Vec<(u32, &'static str, i64, i64)>,
}

/// What was decided and not taken back.
fn standing(world: &World, op: Op) -> Vec<IntentFact> {
    let withdrawn = |key: &str| {
        world.input.facts.iter().any(|fact| match &fact.body {
            FactBody::Outcome(out) => out.intent == key && out.verdict == Verdict::Withdrawn,
            _ => false,
        })
    };
    let all = world.intents(op).into_iter();
    all.filter(|(key, _)| !withdrawn(key))
        .map(|(_, intent)| intent)
        .collect()
}

fn columns(world: &World) -> Columns {
    let mut journal: BTreeMap<(NaiveDate, &str), (i64, i64)> = BTreeMap::new();
    for row in &world.input.revenue {
        let kind = match row.kind {
            RevenueKind::Sales => "sales",
            RevenueKind::Returns => "returns",
            RevenueKind::Rounding => "rounding",
        };
        let sum = journal.entry((row.business_date, kind)).or_default();
        sum.0 += row.gross;
        sum.1 += row.tax;
    }
    let first = NaiveDate::from_ymd_opt(2026, 10, 31).unwrap();
    let day = |date: NaiveDate| u32::try_from((date - first).num_days()).unwrap();
    let live = world.input.shipments.iter();
    let live = live.filter(|row| row.state != ShipmentStage::Cancelled);
    let told = standing(world, Op::Fulfil);
    let told = told.iter().map(|intent| match &intent.what {
        IntentWhat::Call { call, .. } => match &**call {
            Call::Fulfil(call) => call.lines.iter().map(|line| line.quantity).sum(),
            _ => 0,
        },
        _ => 0,
    });
    let reserved = world.input.demands.iter().flat_map(|row| &row.reserved);
    Columns {
        moved: world.entries.values().map(|entry| entry.quantity).sum(),
        reserved: reserved.map(|held| held.1).sum(),
        instructed: live
            .map(|row| {
                let lines = world.shipment(row.reference.as_str()).lines;
                let items = lines.iter().map(|line| line.quantity).sum();
                let name = row.reference.as_str().rsplit('-').next().unwrap_or("");
                (name.to_owned(), items, row.state)
            })
            .collect(),
        asked_back: standing(world, Op::CancelInstruction).len(),
        captured: world.payments().values().map(|bound| bound.intended).sum(),
        told: told.collect(),
        mails: standing(world, Op::Mail).len(),
        tasks: world.tasks.keys().cloned().collect(),
        journal: journal
            .into_iter()
            .map(|((date, kind), (gross, tax))| (day(date), kind, gross, tax))
            .collect(),
    }
}

/// A shipment that counts: `S1`, its items, its stage.
fn stands(name: &str, items: u32, stage: ShipmentStage) -> Vec<(String, u32, ShipmentStage)> {
    vec![(name.to_owned(), items, stage)]
}

fn tasks(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// The words of the open task of a kind hold all of these.
fn says(world: &World, kind: &str, words: &[&str]) {
    let task = world.tasks.get(kind);
    let detail = task.map(|task| task.row.detail.clone()).unwrap_or_default();
    for word in words {
        assert!(detail.contains(word), "no {word:?} in {detail:?}");
    }
}

/// What can be typed about the open task of a kind.
fn offers(world: &World, kind: &str) -> Vec<Action> {
    let task = world.tasks.get(kind);
    task.map(|task| task.row.actions.clone())
        .unwrap_or_default()
}

/// A time of 27 November in Tokyo.
fn clock(hour: u32, minute: u32) -> DateTime<Utc> {
    of_day(11, 27, hour, minute)
}

fn of_day(month: u32, day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    let local = chrono_tz::Asia::Tokyo.with_ymd_and_hms(2026, month, day, hour, minute, 0);
    local.unwrap().to_utc()
}

/// Minutes after the builders' first moment.
fn minutes(time: DateTime<Utc>) -> i64 {
    (time - at(0)).num_minutes()
}

/// An order that is placed and read at 08:00.
fn read_at_eight(mut snapshot: OrderSnapshot) -> World {
    snapshot.ordered_at = clock(8, 0);
    let mut world = World::new(snapshot.clone());
    let mug = world.input.items["A"].clone();
    world.input.items.insert("MUG".to_owned(), mug);
    world.policy.shop.tax_rounding = Some(TaxRounding::Floor);
    world.input.facts.clear();
    world.now = clock(8, 0);
    world.read(snapshot);
    world
}

/// Planned as well.
fn placed(snapshot: OrderSnapshot) -> World {
    let mut world = read_at_eight(snapshot);
    world.settle();
    world
}

/// 3 MUG at 1,000 and 500 of postage, 10 %, authorised 3,500.
fn three_mugs() -> World {
    placed(order(&[("MUG", 3, 1000)]))
}

/// 2 × 1,100 at 10 % and 540 at 8 %, captured 2,740 by the shop.
fn two_rates() -> World {
    let mut snapshot = order(&[("MUG", 2, 1100), ("B", 1, 540)]);
    snapshot.charges.remove(0);
    snapshot.charges[1].tax_rate_bp = Some(800);
    pay(&mut snapshot, "card");
    snapshot.tenders[0].captured = 2740;
    placed(snapshot)
}

/// Sealed at 10:00 and accepted.
fn accepted(world: &mut World) {
    world.now = clock(10, 0);
    assert_eq!(world.seal(), [S1]);
    world.instruct_outcome(S1, Verdict::Accepted);
    world.reply(S1, ReplyVerdict::Accepted);
    world.plan();
}

/// Only osaka has it.
fn at_osaka(lines: &[(&str, u32, i64)]) -> World {
    let mut world = read_at_eight(order(lines));
    world.stock.insert((1, "tokyo"), 0);
    world.settle();
    world
}

/// The channel shows the captures that were made.
fn show_captured(world: &mut World) {
    let captured = columns(world).captured;
    world.edit(|order| {
        let tender = &mut order.tenders[0];
        tender.captured = tender.captured.max(captured);
    });
}

/// Plans, and does all that is queued. A request to stop a shipment is taken, and answered later.
fn settle(world: &mut World) {
    world.settle();
    for row in world.input.queue.clone() {
        if row.op == Op::CancelInstruction {
            world.end(&row.key, Verdict::Accepted, "");
        }
    }
    world.push_all();
    world.plan();
}

/// All three leave at 14:00, are told as F1 and mailed.
fn left_and_told() -> World {
    let mut world = three_mugs();
    accepted(&mut world);
    world.now = clock(14, 0);
    world.parcel(S1, "401234567890", &[(1, 3)]);
    settle(&mut world);
    show_captured(&mut world);
    let mut ours = by_hand("F1", 3, Some(minutes(clock(14, 1))), "401234567890");
    ours.reference = Some(S1.to_owned());
    world.edit(show(ours));
    settle(&mut world);
    world.now = clock(15, 0);
    world.edit(cancel("F1", minutes(clock(15, 0))));
    settle(&mut world);
    world
}

/// All columns once S1 of three has left and is told.
fn all_left() -> Columns {
    Columns {
        moved: -3,
        instructed: stands("S1", 3, ShipmentStage::Shipped),
        captured: 3500,
        told: vec![3],
        mails: 1,
        journal: vec![(27, "sales", 3500, 318)],
        ..Columns::default()
    }
}

#[test]
fn situation_1a_staff_ship_two_of_three() {
    for taken in [0, 3500] {
        let mut world = three_mugs();
        world.now = clock(11, 5);
        *world.stock.entry((1, "tokyo")).or_default() -= 2;
        world.edit(|order| {
            show(by_hand("F1", 2, Some(minutes(clock(11, 0))), "BYHAND1"))(order);
            order.tenders[0].captured = taken;
        });
        settle(&mut world);
        let owed = |amount: i64| if taken == 0 { amount } else { 0 };
        // S1 of three was never sent: what goes with the next file has the next number.
        let mut expected = Columns {
            moved: -2,
            reserved: 1,
            instructed: stands("S2", 1, ShipmentStage::Waiting),
            captured: owed(2500),
            journal: vec![(27, "sales", 2500, 227)],
            ..Columns::default()
        };
        assert_eq!(columns(&world), expected);
        let left = world.entries.values().map(|entry| entry.effective_at);
        assert_eq!(left.collect::<Vec<_>>(), [clock(11, 0)]);
        show_captured(&mut world);
        world.now = clock(12, 0);
        assert_eq!(world.seal(), [S2]);
        world.instruct_outcome(S2, Verdict::Accepted);
        world.now = of_day(11, 28, 10, 0);
        world.parcel(S2, "401234567890", &[(1, 1)]);
        settle(&mut world);
        (expected.moved, expected.reserved) = (-3, 0);
        expected.instructed = stands("S2", 1, ShipmentStage::Shipped);
        expected.captured = owed(3500);
        (expected.told, expected.mails) = (vec![1], 1);
        expected.journal.push((28, "sales", 1000, 91));
        assert_eq!(columns(&world), expected);
    }
}

#[test]
fn situation_1a_staff_ship_from_a_place_that_is_not_ours_or_has_no_name() {
    for (place, others) in [
        (Some("sloc_store"), None),
        (None, Some(OthersShipFrom::Elsewhere)),
        (None, None),
    ] {
        let mut world = three_mugs();
        for channel in world.policy.channels.values_mut() {
            channel.others_ship_from.clone_from(&others);
        }
        world.now = clock(11, 5);
        let mut fulfilment = by_hand("F1", 2, Some(minutes(clock(11, 0))), "BYHAND1");
        fulfilment.location = place.map(str::to_owned);
        world.edit(show(fulfilment));
        settle(&mut world);
        // Blocked units are off what can be sold as if they had left, until a count says what is there (P02).
        let blocked = place.is_none() && others.is_none();
        let mut expected = Columns {
            moved: if blocked { -2 } else { 0 },
            reserved: 1,
            instructed: stands("S2", 1, ShipmentStage::Waiting),
            captured: 2500,
            tasks: tasks(if blocked {
                &["shipped_place_unknown"]
            } else {
                &[]
            }),
            journal: vec![(27, "sales", 2500, 227)],
            ..Columns::default()
        };
        assert_eq!(columns(&world), expected);
        if blocked {
            let words = ["2 × MUG", "F1", "stock count", "others_ship_from"];
            says(&world, "shipped_place_unknown", &words);
            for (counted, open) in [(clock(10, 59), true), (clock(11, 30), false)] {
                let place = (1, "tokyo".to_owned());
                world.input.counted.insert(place, counted);
                expected.tasks = tasks(if open {
                    &["shipped_place_unknown"]
                } else {
                    &[]
                });
                settle(&mut world);
                assert_eq!(columns(&world), expected);
            }
        }
    }
}

#[test]
fn situation_1b_staff_ship_what_a_warehouse_has() {
    let mut world = three_mugs();
    accepted(&mut world);
    world.now = clock(11, 5);
    *world.stock.entry((1, "tokyo")).or_default() -= 3;
    let shipped = by_hand("F1", 3, Some(minutes(clock(11, 0))), "BYHAND1");
    world.edit(show(shipped));
    settle(&mut world);
    // Many changes at once would be something else: it is asked back a minute later.
    world.now = clock(11, 7);
    settle(&mut world);
    let mut expected = Columns {
        moved: -3,
        // May leave.
        reserved: 3,
        instructed: stands("S1", 3, ShipmentStage::Instructed),
        asked_back: 1,
        captured: 3500,
        journal: vec![(27, "sales", 3500, 318)],
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected);
    world.cancel_reply(S1, CancelVerdict::TooLate);
    show_captured(&mut world);
    world.now = clock(14, 0);
    world.parcel(S1, "401234567890", &[(1, 3)]);
    settle(&mut world);
    (expected.moved, expected.reserved) = (-6, 0);
    expected.instructed = stands("S1", 3, ShipmentStage::Shipped);
    expected.tasks = tasks(&["shipped_twice"]);
    assert_eq!(columns(&world), expected);
    let words = [
        "3 × MUG shipped twice: F1 (channel 2026-11-27 11:00)",
        "-S1 (tokyo 2026-11-27 14:00, 401234567890)",
        "paid once. Have one returned",
    ];
    says(&world, "shipped_twice", &words);
    assert_eq!(
        offers(&world, "shipped_twice"),
        [Action::release("shipped_twice")]
    );
    world.release("shipped_twice");
    settle(&mut world);
    expected.tasks.clear();
    assert_eq!(columns(&world), expected);
}

#[test]
fn situation_2a_staff_cancel_our_notice_and_make_another() {
    let mut world = left_and_told();
    assert_eq!(columns(&world), all_left(), "it may be corrected");
    world.now = clock(15, 10);
    let corrected = by_hand("F2", 3, Some(minutes(clock(15, 10))), "401234567891");
    world.edit(show(corrected));
    settle(&mut world);
    world.now = clock(16, 30);
    settle(&mut world);
    assert_eq!(columns(&world), all_left());
    assert_eq!(world.status, Status::Shipped);
}

#[test]
fn situation_2b_staff_cancel_our_notice_and_make_no_other() {
    let mut world = left_and_told();
    world.now = clock(15, 29);
    settle(&mut world);
    assert_eq!(columns(&world), all_left());
    world.now = clock(15, 30);
    settle(&mut world);
    let mut expected = Columns {
        tasks: tasks(&["notice_cancelled"]),
        ..all_left()
    };
    assert_eq!(columns(&world), expected);
    let words = [
        "cancelled fulfilment F1 (3 × MUG)",
        "the warehouse reported it as shipped",
        "Send the shipping notice again, or record the return",
    ];
    says(&world, "notice_cancelled", &words);
    // The shipment's reference stands in what can be typed.
    let reference = S1.to_owned();
    let tell = Action::Tell { reference };
    let reference = S1.to_owned();
    let returned = Action::Returned { reference };
    let settled = Action::release("notice_cancelled:F1");
    assert_eq!(
        offers(&world, "notice_cancelled"),
        [tell, returned, settled]
    );
    world.release("notice_cancelled:F1");
    settle(&mut world);
    expected.tasks.clear();
    assert_eq!(columns(&world), expected);
}

#[test]
fn situation_2c_staff_cancel_what_they_shipped() {
    let shipped = |place: Option<&str>| {
        let mut world = three_mugs();
        world.now = clock(11, 5);
        let mut by_staff = by_hand("F1", 3, Some(minutes(clock(11, 0))), "BYHAND1");
        by_staff.location = place.map(str::to_owned);
        if place == Some("sloc_1") {
            *world.stock.entry((1, "tokyo")).or_default() -= 3;
        }
        world.edit(show(by_staff));
        settle(&mut world);
        show_captured(&mut world);
        world.now = clock(12, 0);
        world.edit(cancel("F1", minutes(clock(12, 0))));
        settle(&mut world);
        world
    };
    for place in [Some("sloc_1"), Some("sloc_store"), None] {
        let mut world = shipped(place);
        let unknown = tasks(if place.is_none() {
            &["shipped_place_unknown"]
        } else {
            &[]
        });
        let mut expected = Columns {
            moved: if place == Some("sloc_store") { 0 } else { -3 },
            captured: 3500,
            tasks: unknown.clone(),
            journal: vec![(27, "sales", 3500, 318)],
            ..Columns::default()
        };
        assert_eq!(columns(&world), expected, "it may be corrected");
        world.now = clock(12, 30);
        settle(&mut world);
        expected.tasks = [tasks(&["fulfilment_cancelled"]), unknown].concat();
        assert_eq!(columns(&world), expected, "held, and never instructed");
        let words = [
            "F1 (3 × MUG)",
            "marked as shipped and then cancelled",
            "Record the shipment, or release it if it did not ship",
        ];
        says(&world, "fulfilment_cancelled", &words);
        let settled = Action::release("fulfilment_cancelled:F1");
        let offered = [Action::Shipped { reference: None }, settled];
        assert_eq!(offers(&world, "fulfilment_cancelled"), offered);
        // It did not leave: off the journal on the day that is said, as a sale that was none, and it is sent.
        world.now = of_day(11, 28, 9, 0);
        if place == Some("sloc_1") {
            *world.stock.entry((1, "tokyo")).or_default() += 3;
        }
        world.release("fulfilment_cancelled:F1");
        settle(&mut world);
        expected.tasks.clear();
        (expected.moved, expected.reserved) = (0, 3);
        expected.instructed = stands("S2", 3, ShipmentStage::Waiting);
        expected.journal.push((28, "sales", -3500, -318));
        assert_eq!(columns(&world), expected, "nothing is captured twice");
    }
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
fn moves_to(world: &mut World, street: &str, building: &str, version: i32) {
    world.input.personal = Some(living_at(street, building));
    let key = world.nth("order:".to_owned());
    let body = OrderFact {
        order: world.order(),
        features: super::build::features(),
        personal_version: version,
    };
    world.fact(key, FactBody::Order(Box::new(body)), "pull");
}

/// Three at osaka, sealed 10:00 with an address, accepted.
fn with_address(rule: Change) -> World {
    let mut world = at_osaka(&[("MUG", 3, 1000)]);
    world.input.personal = Some(living_at("1-2-3", "ハイツ 101"));
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.address = rule;
    }
    world.settle();
    accepted(&mut world);
    assert_eq!(world.shipment(S1).warehouse, "osaka");
    world.now = clock(11, 0);
    world
}

/// All columns while S1 of three waits at its warehouse.
fn waits() -> Columns {
    Columns {
        reserved: 3,
        instructed: stands("S1", 3, ShipmentStage::Instructed),
        ..Columns::default()
    }
}

#[test]
fn situation_3a_another_address_where_the_warehouse_is_only_called() {
    let mut world = with_address(Change::Ask);
    moves_to(&mut world, "9-9-9", "別館", 2);
    settle(&mut world);
    let expected = Columns {
        tasks: tasks(&["changed_after_sealing"]),
        ..waits()
    };
    assert_eq!(columns(&world), expected);
    // By field and without the text (P08); when the truck comes is not known.
    let words = [
        "-S1 is at osaka as it was sent",
        "another street",
        "another building",
        "call osaka to change or stop it",
    ];
    says(&world, "changed_after_sealing", &words);
    let detail = &world.tasks["changed_after_sealing"].row.detail;
    assert!(!detail.contains("9-9-9") && !detail.contains("別館"));
    world.wait(60);
    settle(&mut world);
    assert_eq!(columns(&world), expected, "it is not asked back by itself");
}

#[test]
fn situation_3b_another_address_where_the_warehouse_is_asked_to_recall() {
    for answer in [
        Some(CancelVerdict::Accepted),
        Some(CancelVerdict::Declined),
        None,
    ] {
        let mut world = with_address(Change::Recall);
        moves_to(&mut world, "9-9-9", "別館", 2);
        settle(&mut world);
        assert_eq!(columns(&world), waits());
        world.now = clock(11, 1);
        settle(&mut world);
        let asked = Columns {
            asked_back: 1,
            ..waits()
        };
        assert_eq!(
            columns(&world),
            asked,
            "once, and nothing new before it answered"
        );
        world.now = clock(11, 20);
        match answer {
            Some(verdict) => world.cancel_reply(S1, verdict),
            None => world.now = clock(12, 2),
        }
        settle(&mut world);
        let (reference, word) = match answer {
            Some(CancelVerdict::Accepted) => (S2, None),
            Some(_) => (S1, Some("declined")),
            None => (S1, Some("has not answered")),
        };
        let name = if word.is_none() { "S2" } else { "S1" };
        let mut expected = Columns { ..asked };
        if let Some(word) = word {
            expected.tasks = tasks(&["changed_after_sealing"]);
            says(&world, "changed_after_sealing", &[word, "as it was sent"]);
        } else {
            expected.instructed = stands("S2", 3, ShipmentStage::Waiting);
        }
        assert_eq!(columns(&world), expected);
        if word.is_none() {
            world.wait(60);
            assert_eq!(world.seal(), [S2], "with the next wave");
            world.instruct_outcome(S2, Verdict::Accepted);
        }
        world.now = clock(15, 0);
        world.parcel(reference, "401234567890", &[(1, 3)]);
        settle(&mut world);
        let left = Columns {
            instructed: stands(name, 3, ShipmentStage::Shipped),
            asked_back: 1,
            tasks: expected.tasks,
            ..all_left()
        };
        assert_eq!(columns(&world), left, "once, on leaving");
    }
}

#[test]
fn situation_3d_only_blanks_width_or_hyphens_of_the_address_differ() {
    for rule in [Change::Ask, Change::Recall] {
        let mut world = with_address(rule);
        moves_to(&mut world, "１−２−３", "ﾊｲﾂ　101", 2);
        settle(&mut world);
        world.wait(60);
        settle(&mut world);
        assert_eq!(columns(&world), waits(), "{rule:?}");
    }
}

/// What is charged, held and was given back, as the ledger has it.
fn money(world: &World) -> (Option<i64>, i64, i64) {
    let found = ledger(&world.input, &world.policy, &world.rules, world.now);
    let found = found.unwrap().unwrap();
    let back = found.entries.iter();
    let back =
        back.filter(|entry| entry.kind == EntryKind::Refund && entry.maker == Maker::Channel);
    let back = back.filter_map(|entry| entry.amount).sum();
    assert_eq!((found.unexplained, found.overpaid), (0, 0));
    (found.charged, found.held, back)
}

fn refund(key: &str, amount: i64, at: DateTime<Utc>, effect: RefundEffect) -> RefundSeen {
    RefundSeen {
        key: key.into(),
        amount,
        at: Some(at),
        effect,
        lines: Vec::new(),
    }
}

/// All leaves on 1 December.
fn leaves_in_december(world: &mut World, lines: &[(u32, u32)]) {
    world.now = of_day(12, 1, 9, 0);
    world.settle();
    world.wait(30);
    let sealed = world.seal();
    assert_eq!(sealed.len(), 1);
    world.instruct_outcome(&sealed[0], Verdict::Accepted);
    world.now = of_day(12, 1, 15, 0);
    world.parcel(&sealed[0], "401234567890", lines);
    settle(world);
}

#[test]
fn situation_4_staff_give_an_amount_back_before_it_leaves() {
    let mut world = two_rates();
    let refunded = of_day(11, 30, 15, 2);
    world.now = refunded;
    world.edit(|order| {
        let mut credit = charge(hikiate_sdk::ChargeKind::Other, None, -300, 0);
        credit.tax_rate_bp = None;
        order.charges.push(credit);
        order.total = Some(2440);
        order.tenders[0].refunded = 300;
        order.tenders[0].refunds = vec![refund("re_1", 300, refunded, RefundEffect::InTotal)];
    });
    settle(&mut world);
    let expected = Columns {
        reserved: 3,
        instructed: stands("S1", 3, ShipmentStage::Waiting),
        ..Columns::default()
    };
    assert_eq!(
        columns(&world),
        expected,
        "not delayed, and nothing on the day"
    );
    leaves_in_december(&mut world, &[(1, 2), (2, 1)]);
    let expected = Columns {
        moved: -3,
        instructed: stands("S1", 3, ShipmentStage::Shipped),
        told: vec![3],
        mails: 1,
        journal: vec![(31, "sales", 2440, 213)],
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected, "what the shop captured is kept");
    assert_eq!(money(&world), (Some(2440), 2440, 300));
    let rows = world.input.revenue.iter();
    let rows = rows.map(|row| (row.tax_of.rate_bp, row.gross, row.tax, row.derived));
    // 300 is split 241 / 59 by what is charged at each rate.
    let split = [(800, 540 - 59, 35, true), (1000, 2200 - 241, 178, true)];
    assert_eq!(rows.collect::<Vec<_>>(), split);
}

#[test]
fn situation_4_staff_give_a_unit_back_before_it_leaves() {
    let mut world = two_rates();
    let refunded = of_day(11, 30, 15, 2);
    world.now = refunded;
    world.edit(|order| {
        let mut seen = refund("re_1", 1100, refunded, RefundEffect::Lowers);
        seen.lines = vec![("l1".into(), 1)];
        order.tenders[0].refunded = 1100;
        order.tenders[0].refunds = vec![seen];
    });
    settle(&mut world);
    let mut expected = Columns {
        reserved: 2,
        ..Columns::default()
    };
    expected.instructed = columns(&world).instructed;
    assert_eq!(expected.instructed[0].1, 2, "demand 3 → 2");
    assert_eq!(columns(&world), expected);
    leaves_in_december(&mut world, &[(1, 1), (2, 1)]);
    expected.instructed[0].2 = ShipmentStage::Shipped;
    let expected = Columns {
        moved: -2,
        instructed: expected.instructed,
        told: vec![2],
        mails: 1,
        journal: vec![(31, "sales", 1640, 140)],
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected);
}

#[test]
fn situation_4_staff_give_all_back_and_do_not_cancel() {
    let mut world = two_rates();
    let refunded = of_day(11, 30, 15, 2);
    world.now = refunded;
    world.edit(|order| {
        order.tenders[0].refunded = 2740;
        order.tenders[0].refunds = vec![refund("re_1", 2740, refunded, RefundEffect::Lowers)];
    });
    settle(&mut world);
    world.wait(60);
    assert!(world.seal().is_empty(), "held");
    assert_eq!(world.blocked_by.as_deref(), Some("hold:refunded_in_full"));
    let expected = Columns {
        reserved: 3,
        tasks: tasks(&["refunded_in_full"]),
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected);
    says(&world, "refunded_in_full", &["2740 JPY", "not cancelled"]);
}

#[test]
fn situation_5_staff_give_a_line_back_after_the_month_is_closed() {
    let mut world = two_rates();
    world.now = of_day(11, 28, 10, 0);
    assert_eq!(world.seal(), [S1]);
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "401234567890", &[(1, 2), (2, 1)]);
    settle(&mut world);
    // The journal of November is closed.
    world.now = of_day(12, 5, 10, 0);
    world.answered();
    world.book_all();
    settle(&mut world);
    let mut expected = Columns {
        moved: -3,
        instructed: stands("S1", 3, ShipmentStage::Shipped),
        told: vec![3],
        mails: 1,
        journal: vec![(28, "sales", 2740, 240)],
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected);
    assert_eq!(world.status, Status::Booked);
    let november = world.input.revenue.clone();
    world.now = of_day(12, 10, 11, 0);
    let refunded = world.now - Duration::minutes(20);
    world.edit(|order| {
        // What comes back to the shelf is the warehouse's to say: restocking is not read.
        order.lines[0].quantity = 1;
        order.charges[0].gross = Some(1100);
        order.total = Some(1640);
        order.tenders[0].refunded = 1100;
        let mut seen = refund("re_1", 1100, refunded, RefundEffect::InTotal);
        seen.lines = vec![("l1".into(), 1)];
        order.tenders[0].refunds = vec![seen];
    });
    settle(&mut world);
    expected.journal.push((40, "returns", -1100, -100));
    assert_eq!(columns(&world), expected);
    assert_eq!(money(&world), (Some(1640), 1640, 1100));
    assert_eq!(world.input.revenue[..november.len()], november);
    assert_ne!(
        world.status,
        Status::Booked,
        "until the return stands in the books"
    );
}

fn complete(order: &mut OrderSnapshot) {
    order.state = ChannelState::Completed;
    order.gate = ChannelGate::Closed;
}

#[test]
fn situation_6a_staff_complete_what_a_warehouse_has() {
    for answered in [true, false] {
        let mut world = at_osaka(&[("MUG", 2, 1000)]);
        world.now = clock(10, 0);
        assert_eq!(world.seal(), [S1]);
        world.instruct_outcome(S1, Verdict::Accepted);
        if answered {
            world.reply(S1, ReplyVerdict::Accepted);
        }
        world.plan();
        world.now = clock(11, 0);
        world.edit(complete);
        settle(&mut world);
        // A warehouse that has accepted has until it ships; one that has said nothing is asked about (`instruction_reply_overdue`).
        let mut expected = Columns {
            reserved: 2,
            instructed: stands("S1", 2, ShipmentStage::Instructed),
            tasks: tasks(if answered {
                &[]
            } else {
                &["instruction_reply_overdue"]
            }),
            ..Columns::default()
        };
        assert_eq!(columns(&world), expected, "not asked back");
        if !answered {
            says(
                &world,
                "instruction_reply_overdue",
                &["osaka has not replied to instruction", S1],
            );
        }
        world.now = clock(15, 0);
        world.parcel(S1, "401234567890", &[(1, 2)]);
        settle(&mut world);
        show_captured(&mut world);
        settle(&mut world);
        expected = Columns {
            moved: -2,
            instructed: stands("S1", 2, ShipmentStage::Shipped),
            captured: 2500,
            told: vec![2],
            mails: 1,
            journal: vec![(27, "sales", 2500, 227)],
            ..Columns::default()
        };
        assert_eq!(columns(&world), expected);
        assert!(world.calls(Op::CancelOrder).is_empty());
        let at = world.entries.values().map(|entry| entry.effective_at);
        assert_eq!(at.collect::<Vec<_>>(), [clock(15, 0)]);
    }
}

#[test]
fn situation_6b_staff_complete_what_was_not_sealed() {
    let mut world = at_osaka(&[("MUG", 2, 1000)]);
    world.now = clock(11, 0);
    world.edit(complete);
    settle(&mut world);
    let mut expected = Columns {
        reserved: 2,
        tasks: tasks(&["completed"]),
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected, "held, with its stock");
    assert_eq!(world.blocked_by.as_deref(), Some("hold:completed"));
    let words = [
        "Completed at the channel without a shipment",
        "not shipped: 2 × MUG",
    ];
    says(&world, "completed", &words);
    let three = [
        Action::Shipped { reference: None },
        Action::End {},
        Action::release("completed"),
    ];
    assert_eq!(offers(&world, "completed"), three);
    world.wait(72 * 60 - 1);
    settle(&mut world);
    assert_eq!(columns(&world), expected);
    world.wait(1);
    settle(&mut world);
    expected.reserved = 0;
    assert_eq!(
        columns(&world),
        expected,
        "its stock is free, the task stays"
    );
    world.release("completed");
    settle(&mut world);
    expected.reserved = 2;
    expected.instructed = stands("S2", 2, ShipmentStage::Waiting);
    expected.tasks.clear();
    assert_eq!(columns(&world), expected);
}

fn cancel_and_void(order: &mut OrderSnapshot, at: DateTime<Utc>) {
    order.state = ChannelState::Cancelled { at };
    order.gate = ChannelGate::Closed;
    order.tenders[0].cancelled = true;
    order.tenders[0].authorised = 0;
}

#[test]
fn situation_7_the_shop_cancels_and_voids_what_has_left() {
    let mut world = three_mugs();
    accepted(&mut world);
    world.now = clock(17, 0);
    world.edit(|order| cancel_and_void(order, clock(17, 0)));
    settle(&mut world);
    world.now = clock(17, 1);
    settle(&mut world);
    let mut expected = Columns {
        reserved: 3,
        instructed: stands("S1", 3, ShipmentStage::Instructed),
        asked_back: 1,
        ..Columns::default()
    };
    assert_eq!(columns(&world), expected, "it may be too late");
    world.now = clock(18, 30);
    world.parcel_left(S1, "401234567890", &[(1, 3)], clock(15, 0));
    settle(&mut world);
    (expected.moved, expected.reserved) = (-3, 0);
    expected.instructed = stands("S1", 3, ShipmentStage::Shipped);
    expected.tasks = tasks(&["cancel_too_late"]);
    assert_eq!(
        columns(&world),
        expected,
        "one task, not three, and no capture"
    );
    let at = world.entries.values().map(|entry| entry.effective_at);
    assert_eq!(at.collect::<Vec<_>>(), [clock(15, 0)]);
    let words = [
        "-S1 shipped from tokyo on 2026-11-27 15:00 (401234567890) although the order is cancelled",
        "Stop the parcel at the carrier, or await the return. If the customer keeps the goods, bill them again",
    ];
    says(&world, "cancel_too_late", &words);
    world.wait(24 * 60);
    settle(&mut world);
    assert_eq!(columns(&world), expected);

    // Its result was read before the cancel, and it is booked: a return.
    let mut world = three_mugs();
    accepted(&mut world);
    world.now = clock(15, 10);
    world.parcel_left(S1, "401234567890", &[(1, 3)], clock(15, 0));
    world.plan();
    assert_eq!(columns(&world).journal, [(27, "sales", 3500, 318)]);
    world.now = clock(17, 0);
    world.edit(|order| cancel_and_void(order, clock(17, 0)));
    settle(&mut world);
    let expected = Columns {
        asked_back: 0,
        journal: vec![(27, "returns", -3500, -318), (27, "sales", 3500, 318)],
        ..expected
    };
    assert_eq!(columns(&world), expected, "what waited is taken back");
    assert!(world.input.queue.is_empty());
}
