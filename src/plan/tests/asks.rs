//! What an order asks of its delivery: to the instruction, or held; and cash on delivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use hikiate_sdk::{
    AccountConfig, Charge, ChargeKind, Connector, Gift, Op, OrderSnapshot, Party, Personal,
    ShippedLine, ShippedParcel, TaxSum, Temperature, UnreadWish,
};
use serde_json::json;

use super::build::{at, order, pay, policy, slug};
use super::world::World;
use crate::facts::{FactBody, Verdict};
use crate::plan::types::{OrderPlan, Status};
use crate::plan::{asked, cod_of, not_written};
use crate::policy::Change;
use crate::registry::CONNECTORS;

const S1: &str = "HK0123456789ABC-S1";

/// The account of a warehouse whose layout has a column with this value, if any.
fn files(value: Option<&str>) -> Arc<dyn Connector> {
    let kind = CONNECTORS.iter().find(|kind| kind.name() == "files");
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../../config/layouts/japanese-3pl-utf8.toml");
    let column =
        |value| format!("columns = [\n  {{ name = \"x\", value = \"{{{{ {value} }}}}\" }},\n");
    let text = match value {
        Some(value) => text.replacen("columns = [\n", &column(value), 1),
        None => text.to_owned(),
    };
    std::fs::write(folder.path().join("layout.toml"), text).unwrap();
    let account = AccountConfig {
        slug: &slug("wms"),
        settings: &json!({ "folder": "none", "layout": "layout.toml" }),
        base_dir: folder.path(),
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    kind.unwrap().build(&account).unwrap()
}

fn living() -> Personal {
    let mut personal = Personal::default();
    let party = personal.ship_to.entry("1".to_owned()).or_default();
    *party = Party {
        name: "山田 太郎".to_owned(),
        country: "JP".to_owned(),
        postal_code: "100-0001".to_owned(),
        region: "東京都".to_owned(),
        city: "千代田区".to_owned(),
        address1: "千代田1-1".to_owned(),
        phone: "03-1234-5678".to_owned(),
        ..Party::default()
    };
    personal
}

fn asks(change: impl FnOnce(&mut OrderSnapshot)) -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    change(&mut snapshot);
    let mut world = World::new(snapshot);
    world.input.personal = Some(living());
    world
}

/// Plans until it is decided what ships, with the layout asked each time.
fn settle(world: &mut World, layout: &Arc<dyn Connector>) -> OrderPlan {
    for _ in 0..3 {
        world.input.not_written = not_written(&world.input, &world.policy, |_| layout.operations());
        world.plan();
        world.allocate();
    }
    world.plan()
}

#[track_caller]
fn held(plan: &OrderPlan, kind: &str, words: &[&str]) {
    assert_eq!(plan.blocked_by, Some(format!("check:{kind}")));
    let task = plan.tasks.iter().find(|task| task.kind == kind).unwrap();
    for word in words {
        assert!(task.detail.contains(word), "{word}: {}", task.detail);
    }
    assert!(plan.shipments.is_empty());
}

#[test]
fn what_the_layout_has_no_column_for_holds_the_order() {
    type Ask = fn(&mut OrderSnapshot);
    let cases: [(Ask, &str, &str); 3] = [
        (
            |order| order.groups[0].wishes.arrive_on = "2026-12-24".parse().ok(),
            "a delivery date",
            "row.arrive_on",
        ),
        (
            |order| order.groups[0].wishes.temperature = Some(Temperature::Frozen),
            "a chilled or frozen parcel",
            "row.temperature",
        ),
        (
            |order| pay(order, "cod"),
            "cash on delivery",
            "row.cod_amount",
        ),
    ];
    for (ask, what, value) in cases {
        let mut world = asks(ask);
        let plan = settle(&mut world, &files(None));
        held(&plan, "not_writable", &[what, value, "Fix the layout"]);
        let plan = settle(&mut world, &files(Some(value)));
        assert_eq!(plan.blocked_by.as_deref(), Some("batch"), "{what}");
    }
}

#[test]
fn a_word_that_the_warehouses_table_lacks_holds_the_order() {
    let mut world = asks(|order| order.groups[0].wishes.slot = Some("夜".to_owned()));
    let layout = files(Some("row.slot"));
    assert_eq!(
        settle(&mut world, &layout).blocked_by.as_deref(),
        Some("batch"),
        "no table"
    );
    let mut world = asks(|order| order.groups[0].wishes.slot = Some("夜".to_owned()));
    for warehouse in &mut world.policy.warehouses {
        warehouse.slots = BTreeMap::from([("朝".to_owned(), "0812".to_owned())]);
        warehouse.services = BTreeMap::from([("express".to_owned(), "2".to_owned())]);
    }
    let plan = settle(&mut world, &layout);
    let service = "\"standard\" is not in [warehouses.tokyo.services]";
    held(
        &plan,
        "not_writable",
        &["\"夜\" is not in [warehouses.tokyo.slots]", service],
    );
}

#[test]
fn what_cannot_be_read_holds_the_order() {
    let mut world = asks(|order| {
        order.groups[0].wishes.unread = vec![UnreadWish {
            field: "arrive_on".to_owned(),
            why: "is no day".to_owned(),
        }];
    });
    let plan = settle(&mut world, &files(None));
    held(
        &plan,
        "wish_unreadable",
        &["arrive_on is no day", "at the channel"],
    );
    world.edit(|order| order.groups[0].wishes.unread.clear());
    assert_eq!(
        settle(&mut world, &files(None)).blocked_by.as_deref(),
        Some("batch")
    );
}

#[test]
fn a_warehouse_is_told_in_its_own_words() {
    let policy = policy();
    let mut snapshot = order(&[("A", 2, 1000)]);
    let group = &mut snapshot.groups[0];
    group.wishes.slot = Some("夜".to_owned());
    group.wishes.arrive_on = "2026-12-24".parse().ok();
    let mut personal = living();
    personal.gifts.insert(
        "1".to_owned(),
        Gift {
            noshi: "内祝".to_owned(),
            ..Gift::default()
        },
    );
    let mut warehouse = policy.warehouses[0].clone();
    warehouse.slots = BTreeMap::from([("夜".to_owned(), "1921".to_owned())]);
    warehouse.services = BTreeMap::from([("standard".to_owned(), String::new())]);
    let told = asked(&snapshot, &snapshot.groups[0], &personal, None, &warehouse);
    assert_eq!(
        (told.service, told.asks.slot.as_deref()),
        (None, Some("1921"))
    );
    assert_eq!(told.asks.gift.noshi, "内祝");
    assert!(told.unmapped.is_empty() && told.asks.cod.is_none());
    let prices = told.asks.prices.unwrap();
    assert_eq!(
        (prices.goods, prices.postage, prices.total),
        (2000, 500, 2500)
    );
}

#[test]
fn what_is_collected_is_what_is_not_paid_otherwise() {
    let cod = |order: &OrderSnapshot| cod_of(order, |gateway| gateway == "cod");
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "cod");
    snapshot.taxes = vec![TaxSum {
        rate_bp: 1000,
        gross: Some(1500),
        tax: 136,
    }];
    let all = cod(&snapshot).unwrap();
    assert_eq!((all.amount, all.tax), (1500, Some(136)));
    let mut points = snapshot.tenders[0].clone();
    points.key = "pay_2".into();
    points.gateway = "points".to_owned();
    points.amount = Some(300);
    snapshot.tenders[0].amount = Some(1200);
    snapshot.tenders.push(points);
    let rest = cod(&snapshot).unwrap();
    assert_eq!((rest.amount, rest.tax), (1200, None));
    snapshot.tenders[0].amount = None;
    assert_eq!(cod(&snapshot), None, "nobody knows how much");
    assert_eq!(cod(&order(&[("A", 1, 1000)])), None);
}

/// An order that is paid on delivery, and its shipment.
fn collected(lines: &[(&str, u32, i64)]) -> World {
    let mut snapshot = order(lines);
    snapshot.charges.push(Charge {
        kind: ChargeKind::CodFee,
        line: None,
        gross: Some(330),
        tax: None,
        tax_rate_bp: Some(1000),
        tax_class: None,
        sponsor: None,
    });
    snapshot.total = snapshot.total.map(|total| total + 330);
    pay(&mut snapshot, "cod");
    let mut world = World::new(snapshot);
    world.input.personal = Some(living());
    world
}

#[test]
fn cash_on_delivery_leaves_at_once_and_nothing_is_captured() {
    let mut world = collected(&[("A", 2, 1000)]);
    let plan = world.settle();
    assert_eq!(
        plan.blocked_by.as_deref(),
        Some("batch"),
        "{:?}",
        plan.tasks
    );
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "401234567890", &[(1, 2)]);
    world.push_all();
    let plan = world.plan();
    assert!(world.intents(Op::Capture).is_empty());
    assert_eq!(
        (plan.status, World::kinds(&plan)),
        (Status::Shipped, vec![])
    );
    let payers: Vec<_> = world
        .input
        .revenue
        .iter()
        .map(|row| row.payment.as_str())
        .collect();
    assert_eq!(payers, ["cod"]);
    world.wait(60 * 24 * 30);
    assert_eq!(
        world.plan().status,
        Status::Shipped,
        "delivered is never presumed"
    );
}

#[test]
fn what_is_collected_does_not_leave_in_two_parcels() {
    let mut world = collected(&[("A", 1, 1000)]);
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.cod = Change::Ask;
    }
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.edit(|order| {
        order.lines[0].quantity = 2;
        order.charges[1].gross = Some(2000);
        pay(order, "cod");
    });
    let plan = world.settle();
    assert_eq!(World::kinds(&plan), ["changed_after_sealing", "cod_split"]);
    assert_eq!(world.input.shipments.len(), 1);
    // Paid in another way, the rest leaves in a second one.
    world.edit(|order| pay(order, "card"));
    world.settle();
    assert_eq!(world.input.shipments.len(), 2);
}

#[test]
fn another_amount_to_collect_is_recalled_and_another_date_is_asked_about() {
    let mut world = collected(&[("A", 2, 1000)]);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    let mut dated = world.clone();
    dated.edit(|order| order.groups[0].wishes.arrive_on = "2026-12-24".parse().ok());
    let plan = dated.plan();
    let task = &plan.tasks[0];
    assert_eq!(task.kind, "changed_after_sealing");
    assert!(
        task.detail.contains("another delivery date"),
        "{}",
        task.detail
    );
    world.edit(|order| {
        order.charges[1].gross = order.charges[1].gross.map(|gross| gross - 500);
        order.total = order.total.map(|total| total - 500);
        pay(order, "cod");
    });
    world.plan();
    world.wait(2);
    let plan = world.plan();
    let recalls = plan
        .effects
        .iter()
        .filter(|e| e.intent.op == Op::CancelInstruction);
    assert_eq!(recalls.count(), 1, "{:?}", plan.tasks);
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.cod = Change::Ask;
    }
    let task = &world.plan().tasks[0].detail;
    for words in ["the carrier collects", "2830", "2330"] {
        assert!(task.contains(words), "{words}: {task}");
    }
}

/// Two pieces with the warehouse, paid to the carrier.
fn with_the_warehouse() -> World {
    let mut world = collected(&[("A", 2, 1000)]);
    for warehouse in &mut world.policy.warehouses {
        warehouse.change.cod = Change::Ask;
    }
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.plan();
    world
}

fn on(day: &'static str) -> impl FnOnce(&mut OrderSnapshot) {
    move |order| order.groups[0].wishes.arrive_on = day.parse().ok()
}

#[test]
fn another_date_or_way_of_paying_after_the_goods_shipped_changes_nothing_of_them() {
    let mut world = with_the_warehouse();
    world.parcel(S1, "T1", &[(1, 2)]);
    world.settle();
    let mut dated = world.clone();
    dated.edit(on("2026-12-24"));
    let mut timed = world.clone();
    timed.edit(|order| order.groups[0].wishes.slot = Some("14-16".to_owned()));
    world.edit(|order| pay(order, "card"));
    for (mut world, what) in [(dated, "date"), (timed, "slot"), (world, "cod")] {
        let plan = world.settle();
        assert!(
            !World::kinds(&plan).contains(&"changed_after_sealing"),
            "{what}: {:?}",
            plan.tasks
        );
        let mut facts = world.input.facts.iter();
        assert!(
            !facts.any(|fact| matches!(fact.body, FactBody::ChangeSeen(_))),
            "{what}"
        );
    }
}

#[test]
fn another_date_before_the_last_box_is_asked_although_an_earlier_one_was_let_go() {
    let mut world = with_the_warehouse();
    world.edit(on("2026-12-24"));
    let plan = world.settle();
    assert!(World::kinds(&plan).contains(&"changed_after_sealing"));
    world.release(&format!("changed:{S1}"));
    let mut same = world.clone();
    same.parcel(S1, "T1", &[(1, 2)]);
    let plan = same.settle();
    assert!(!World::kinds(&plan).contains(&"changed_after_sealing"));
    world.edit(on("2026-12-25"));
    world.parcel(S1, "T1", &[(1, 2)]);
    let plan = world.settle();
    assert!(World::kinds(&plan).contains(&"changed_after_sealing"));
}

#[test]
fn the_channel_is_told_of_each_parcel_by_name_in_its_own_words() {
    let mut world = World::new(order(&[("A", 3, 100)]));
    let channel = world.policy.channels.values_mut().next().unwrap();
    channel.carriers = BTreeMap::from([("yamato".to_owned(), "1001".to_owned())]);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "401234567890", &[(1, 3)]);
    world.push_all();
    let left = world.plan().entries[0].effective_at;
    let hikiate_sdk::Call::Ship(ship) = &world.calls(Op::Ship)[0] else {
        panic!("no ship call")
    };
    let told = ShippedParcel {
        key: format!("{S1}:401234567890"),
        carrier: Some("1001".to_owned()),
        tracking: Some("401234567890".to_owned()),
        shipped_at: Some(left),
        lines: vec![ShippedLine {
            line: "l1".into(),
            quantity: 3,
        }],
    };
    assert_eq!(ship.parcels, [told]);
    assert!(left >= at(0));
}

#[test]
fn a_carrier_that_the_channel_has_no_word_for_waits_with_a_task() {
    let mut world = World::new(order(&[("A", 1, 100)]));
    let carriers = |world: &mut World, name: &str| {
        let channel = world.policy.channels.values_mut().next().unwrap();
        channel.carriers = BTreeMap::from([(name.to_owned(), "1001".to_owned())]);
    };
    carriers(&mut world, "sagawa");
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.parcel(S1, "401234567890", &[(1, 1)]);
    world.push_all();
    let plan = world.plan();
    assert_eq!(World::kinds(&plan), ["carrier_unmapped"]);
    assert!(
        plan.tasks[0]
            .detail
            .contains("\"yamato\" is not in [channels.")
    );
    assert!(world.calls(Op::Ship).is_empty());
    carriers(&mut world, "yamato");
    world.push_all();
    assert_eq!(world.calls(Op::Ship).len(), 1);
    assert!(World::kinds(&world.plan()).is_empty());
}
