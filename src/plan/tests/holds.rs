//! Holds and checks.

use hikiate_sdk::{ChannelGate, ChannelState, FulfilledBy};

use super::build::{features, order, pay};
use super::flow::ship_all;
use super::others::{by_hand, show};
use super::world::World;
use crate::action::Action;
use crate::facts::{FactBody, HoldRelease, OrderFact};
use crate::plan::command::{cancel, end};
use crate::plan::types::{OrderPlan, Status};
use crate::policy::Release;
use crate::rules::RuleContext;

fn high(context: &RuleContext) -> Result<bool, String> {
    context
        .order
        .total
        .map(|total| total.0 >= 100_000)
        .ok_or("no total".to_owned())
}

fn many(context: &RuleContext) -> Result<bool, String> {
    Ok(context.lines.iter().any(|line| line.qty >= 5))
}

fn abroad(context: &RuleContext) -> Result<bool, String> {
    Ok(context.groups.iter().any(|group| group.country != "JP"))
}

impl World {
    /// The customer gives an address in another country.
    fn sent_abroad(&mut self) {
        let mut features = features();
        for group in features.groups.values_mut() {
            group.country = "US".to_owned();
        }
        let body = OrderFact {
            order: self.order(),
            features,
            personal_version: 1,
        };
        let key = self.nth("order:".to_owned());
        self.fact(key, FactBody::Order(Box::new(body)), "pull");
    }
}

fn blocked(plan: &OrderPlan) -> (Status, &str) {
    (plan.status, plan.blocked_by.as_deref().unwrap_or("-"))
}

#[test]
fn a_rule_holds_until_a_person_releases_and_not_again_on_the_same_facts() {
    let mut world = World::new(order(&[("A", 1, 200_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    let plan = world.plan();
    assert_eq!(blocked(&plan), (Status::Unallocated, "hold:high-value"));
    assert_eq!(plan.decisions[0].key, "held:high-value:1");
    assert_eq!(World::kinds(&plan), ["hold:high-value"]);
    assert!(
        !plan.demands[0].firm && plan.demands[0].wanted == 1,
        "reserved while held"
    );
    world.release("high-value");
    assert!(world.plan().decisions.is_empty());
    // The order changes, so the rule looks again.
    world.edit(|order| order.lines[0].title = "Other".to_owned());
    let plan = world.plan();
    assert_eq!(plan.decisions[0].key, "held:high-value:2");
    world.release("high-value");
    assert!(world.settle().blocked_by.as_deref() == Some("batch"));
}

fn recalled(context: &RuleContext) -> Result<bool, String> {
    Ok(context.lines.iter().any(|line| line.sku == "A"))
}

#[test]
fn what_no_release_lifts_is_named_with_what_to_do() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    snapshot.lines[0].group = "2".into();
    snapshot.groups[0].key = "2".into();
    let mut world = World::new(snapshot);
    world.settle();
    for rule in [None, Some("manual")] {
        let why = world.asked_to_release(rule).unwrap_err();
        assert!(
            why.contains("has no open hold")
                && why.contains("check:address_incomplete blocks it")
                && why.contains("Complete it at the channel"),
            "{why}"
        );
    }
}

#[test]
fn a_release_excuses_the_holds_it_names_and_no_rule_that_comes_later() {
    let mut world = World::new(order(&[("A", 1, 200_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    world.plan();
    world.release("high-value");
    assert_eq!(world.settle().blocked_by.as_deref(), Some("batch"));
    world.rules.0.push(("recall", Release::Manual, recalled));
    let plan = world.plan();
    assert_eq!(blocked(&plan), (Status::Unallocated, "hold:recall"));
    world.release("recall");
    assert_eq!(world.settle().blocked_by.as_deref(), Some("batch"));
}

#[test]
fn a_release_of_before_that_named_no_holds_excuses_those_that_were_open_then() {
    let mut world = World::new(order(&[("A", 1, 200_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    world.plan();
    world.hold();
    world.release(crate::facts::ReleasedFact::ALL_BEFORE);
    assert_eq!(world.settle().blocked_by.as_deref(), Some("batch"));
    world.rules.0.push(("recall", Release::Manual, recalled));
    let plan = world.plan();
    assert_eq!(blocked(&plan), (Status::Unallocated, "hold:recall"));
}

#[test]
fn a_rule_that_is_true_and_excused_is_told() {
    let mut world = World::new(order(&[("A", 1, 200_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    world.plan();
    assert!(world.explain().excused.is_empty(), "it holds");
    world.release("high-value");
    world.settle();
    let told = world.explain();
    let excused = &told.excused[0];
    assert_eq!(
        (
            excused.rule.as_str(),
            excused.by.as_str(),
            excused.reason.as_str()
        ),
        ("high-value", "operator", "looked at")
    );
    let line = "  excused    high-value is true but was released by operator at 2026-";
    assert!(told.to_string().contains(line), "{told}");
    world.edit(|order| {
        order.charges[1].gross = Some(1000);
        pay(order, "card");
    });
    world.settle();
    assert!(
        world.explain().excused.is_empty(),
        "it is not true any more"
    );
}

#[test]
fn an_auto_rule_lets_go_by_itself() {
    let mut world = World::new(order(&[("A", 5, 1000)]));
    world.rules.0.push(("many", Release::Auto, many));
    assert_eq!(blocked(&world.plan()), (Status::Unallocated, "hold:many"));
    world.edit(|order| {
        order.lines[0].quantity = 2;
        order.charges[1].gross = Some(2000);
        pay(order, "card");
    });
    let plan = world.plan();
    assert!(matches!(&plan.decisions[0].body, FactBody::Released(r) if r.rules == ["many"]));
    assert_eq!(world.settle().blocked_by.as_deref(), Some("batch"));
}

#[test]
fn a_rule_that_cannot_be_decided_holds_until_it_can() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    world.edit(|order| order.total = None);
    let plan = world.plan();
    assert!(
        plan.tasks
            .iter()
            .any(|t| t.detail.contains("could not be decided: no total"))
    );
    assert!(matches!(&plan.decisions[0].body, FactBody::Held(h) if h.release == HoldRelease::Auto));
    // Decided to be true, it is an operator's.
    world.edit(|order| {
        order.charges[1].gross = Some(200_000);
        pay(order, "card");
    });
    let plan = world.plan();
    assert!(
        matches!(&plan.decisions[0].body, FactBody::Held(h) if h.release == HoldRelease::Manual)
    );
    // A second order of the same kind is decided to be false.
    let mut other = World::new(order(&[("A", 1, 1000)]));
    other.rules = world.rules.clone();
    other.edit(|order| order.total = None);
    other.plan();
    other.edit(|order| pay(order, "card"));
    assert!(matches!(
        other.plan().decisions[0].body,
        FactBody::Released(_)
    ));
}

#[test]
fn rules_do_not_look_again_once_instructed_or_purged() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.rules.0.push(("all", Release::Manual, |_| Ok(true)));
    assert!(world.plan().decisions.is_empty(), "instructed");
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.rules.0.push(("all", Release::Manual, |_| Ok(true)));
    world.input.personal = None;
    assert!(world.plan().decisions.is_empty(), "purged");
}

impl World {
    fn purge(&mut self) {
        self.input.purged = true;
        self.input.personal = None;
    }
}

/// What may be typed about its task, and units that it wants and has.
fn purged(world: &World, plan: &OrderPlan) -> (Vec<Action>, u32, u32) {
    assert_eq!(
        blocked(plan),
        (Status::Unallocated, "check:personal_data_purged")
    );
    let task = plan.tasks.iter();
    let mut task = task.filter(|task| task.kind == "personal_data_purged");
    let task = task.next().unwrap();
    assert!(
        task.detail.contains("can no longer be shipped from here") && task.detail.contains("1 × A"),
        "{}",
        task.detail
    );
    let because = world.explain().because;
    assert!(because.contains("personal_data_purged"), "{because}");
    let reserved = world.input.demands.iter().flat_map(|row| &row.reserved);
    (
        task.actions.clone(),
        plan.demands[0].wanted,
        reserved.map(|row| row.1).sum(),
    )
}

#[test]
fn what_is_added_to_a_purged_order_takes_no_units_and_no_instruction() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.push_all();
    world.purge();
    let plan = world.plan();
    assert!(!World::kinds(&plan).contains(&"personal_data_purged"));
    world.read(order(&[("A", 2, 1000)]));
    let plan = world.settle();
    let by_hand = vec![Action::Shipped { reference: None }, Action::End {}];
    assert_eq!(purged(&world, &plan), (by_hand, 1, 0));
    assert_eq!(world.input.shipments.len(), 1, "nothing else is decided");
    world.typed(|now| end(now, "the customer took it in the shop"));
    let plan = world.plan();
    assert!(!World::kinds(&plan).contains(&"personal_data_purged"));
}

#[test]
fn a_purged_order_that_never_shipped_is_held_and_can_be_cancelled_or_ended() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.purge();
    let plan = world.settle();
    let all = vec![
        Action::Shipped { reference: None },
        Action::Cancel {},
        Action::End {},
    ];
    assert_eq!(purged(&world, &plan), (all, 0, 0));
    assert!(world.seal().is_empty(), "its shipment left the next wave");
    world.asked(cancel).unwrap();
    world.asked(|now| end(now, "x")).unwrap();
}

#[test]
fn what_others_fulfilled_of_an_order_takes_no_rule_off_the_rest_of_it() {
    // A gift card that the shop fulfils at first sight; one of three that staff shipped.
    let mut gift = order(&[("A", 1, 200_000), ("G", 1, 500)]);
    gift.lines[1].by = FulfilledBy::Nobody;
    let part = order(&[("A", 3, 70_000)]);
    for (mut order, line) in [(gift, "l2"), (part, "l1")] {
        let mut fulfilled = by_hand("ful_1", 1, Some(0), "");
        fulfilled.lines = vec![(line.into(), 1)];
        order.fulfilments.push(fulfilled);
        let mut world = World::new(order);
        world.rules.0.push(("high-value", Release::Manual, high));
        assert_eq!(
            world.settle().blocked_by.as_deref(),
            Some("hold:high-value")
        );
        world.wait(600);
        assert!(world.seal().is_empty());
        world.release("high-value");
        world.settle();
        world.wait(600);
        assert_eq!(world.seal().len(), 1, "released once is released");
    }
}

#[test]
fn what_is_left_of_an_order_is_looked_at_again_when_it_changes_and_not_because_a_part_shipped() {
    let mut world = World::new(order(&[("A", 3, 70_000)]));
    world.rules.0.push(("high-value", Release::Manual, high));
    world.rules.0.push(("abroad", Release::Manual, abroad));
    world.plan();
    world.release("high-value");
    world.settle();
    world.edit(show(by_hand("ful_1", 1, Some(0), "")));
    let plan = world.settle();
    assert!(plan.decisions.is_empty(), "{:?}", plan.decisions);
    assert_eq!(plan.blocked_by.as_deref(), Some("batch"));
    world.sent_abroad();
    let plan = world.settle();
    let kinds = World::kinds(&plan);
    assert!(kinds.contains(&"hold:abroad"), "{kinds:?}");
    world.wait(600);
    assert!(world.seal().is_empty());
}

#[test]
fn a_hold_takes_a_shipment_out_of_the_wave_and_a_release_makes_a_new_one() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.hold();
    let plan = world.plan();
    assert!(matches!(
        plan.decisions[0].body,
        FactBody::ShipmentWithdrawn(_)
    ));
    assert_eq!(blocked(&plan), (Status::Unallocated, "hold:manual"));
    world.wait(60);
    assert!(world.seal().is_empty());
    world.release("manual");
    world.settle();
    world.wait(30);
    assert_eq!(world.seal(), ["HK0123456789ABC-S2"]);
}

#[test]
fn checks_stop_the_order_and_say_what_to_do() {
    type Change = fn(&mut hikiate_sdk::OrderSnapshot);
    let cases: [(&str, Change); 8] = [
        ("unmapped_sku", |o| o.lines[0].sku = Some("X".to_owned())),
        ("unmapped_sku", |o| o.lines[0].sku = None),
        ("payment_method_unmapped", |o| {
            o.tenders[0].gateway = "new".to_owned()
        }),
        ("totals_unknown", |o| o.charges[0].gross = None),
        ("totals_mismatch", |o| o.total = Some(1)),
        ("totals_mismatch", |o| o.tenders[0].amount = Some(1)),
        ("address_incomplete", |o| {
            o.lines[0].group = "2".into();
            o.groups[0].key = "2".into();
        }),
        ("channel_state_unknown", |o| {
            o.state = ChannelState::Unknown {
                raw: "odd".to_owned(),
            }
        }),
    ];
    for (kind, change) in cases {
        let mut snapshot = order(&[("A", 1, 1000)]);
        change(&mut snapshot);
        let mut world = World::new(snapshot);
        let plan = world.settle();
        assert_eq!(
            blocked(&plan),
            (Status::Unallocated, format!("check:{kind}").as_str())
        );
        assert!(
            World::kinds(&plan).contains(&kind),
            "{kind}: {:?}",
            plan.tasks
        );
        assert!(world.input.shipments.is_empty());
        world.read(order(&[("A", 1, 1000)]));
        assert_eq!(
            blocked(&world.settle()),
            (Status::Allocated, "batch"),
            "{kind}"
        );
    }
}

#[test]
fn a_service_is_neither_unmapped_nor_shipped() {
    let mut world = World::new(order(&[("A", 1, 1000), ("GIFT", 1, 300), ("X", 1, 200)]));
    world.edit(|order| order.lines[2].by = FulfilledBy::Nobody);
    let plan = world.settle();
    assert_eq!(plan.demands.len(), 1);
    assert_eq!(blocked(&plan), (Status::Allocated, "batch"));
}

#[test]
fn the_channels_gate_and_a_missing_authorisation_wait_without_a_task() {
    let mut frozen = order(&[("A", 1, 1000)]);
    frozen.gate = ChannelGate::Frozen;
    let mut world = World::new(frozen.clone());
    let plan = world.settle();
    assert_eq!(
        (blocked(&plan), plan.tasks.len()),
        ((Status::Unallocated, "channel_gate"), 0)
    );
    frozen.tenders[0].authorised = 1499;
    let mut world = World::new(frozen);
    world.edit(|order| order.gate = ChannelGate::Open);
    let plan = world.settle();
    assert_eq!(
        (blocked(&plan), plan.tasks.len()),
        ((Status::Unallocated, "payment"), 0)
    );
    world.edit(|order| order.tenders[0].authorised = 1500);
    assert_eq!(blocked(&world.settle()), (Status::Allocated, "batch"));
}

/// Staff capture a part, take items out of the order, and the shop voids what is left of the payment.
#[test]
fn what_is_owed_is_paid_by_what_was_captured_before_the_rest_was_voided() {
    let mut voided = order(&[("A", 1, 1000)]);
    voided.tenders[0].cancelled = true;
    voided.tenders[0].authorised = 0;
    voided.tenders[0].captured = 1499;
    let mut world = World::new(voided);
    assert_eq!(
        blocked(&world.settle()),
        (Status::Unallocated, "payment"),
        "one is missing"
    );
    world.edit(|order| {
        let mut second = order.tenders[0].clone();
        second.key = "pay_2".into();
        second.captured = 1;
        order.tenders.push(second);
    });
    assert_eq!(
        blocked(&world.settle()),
        (Status::Allocated, "batch"),
        "two voided payments together"
    );
}
