//! Refunds and voids that operators ask for.

use hikiate_sdk::{
    Call, Op, OrderSnapshot, PaymentRef, RecordRefundCall, RefundCall, RefundEffect, VoidCall,
};

use super::build::{order, pay, slug, tender};
use super::flow::ship_all;
use super::ledger::support::{credit, refund as seen, situation, sum};
use super::payments;
use super::world::World;
use crate::facts::{FactBody, OutcomeFact, Verdict};
use crate::plan::command::{RefundOf, refund, void};
use crate::plan::types::{EffectState, OrderPlan, RevenueKind, Status};
use crate::plan::{EntryKind, Maker, ledger};

const S1: &str = "HK0123456789ABC-S1";

impl World {
    fn refunds(&self) -> Vec<RefundCall> {
        let calls = self.calls(Op::Refund).into_iter().map(|call| match call {
            Call::Refund(call) => call,
            other => panic!("{other:?}"),
        });
        calls.collect()
    }

    pub(super) fn records(&self) -> Vec<RecordRefundCall> {
        let calls = self.calls(Op::RecordRefund).into_iter();
        let calls = calls.map(|call| match call {
            Call::RecordRefund(call) => call,
            other => panic!("{other:?}"),
        });
        calls.collect()
    }

    pub(super) fn voids(&self) -> Vec<VoidCall> {
        let calls = self.calls(Op::Void).into_iter().map(|call| match call {
            Call::Void(call) => call,
            other => panic!("{other:?}"),
        });
        calls.collect()
    }

    /// Ends the only queued effect of an operation under the external system's id.
    pub(super) fn done_as(&mut self, op: Op, id: &str) {
        let rows: Vec<_> = self.input.queue.iter().filter(|row| row.op == op).collect();
        assert_eq!(rows.len(), 1, "{op} in {:?}", self.input.queue);
        let intent = rows[0].key.clone();
        self.input.queue.retain(|row| row.key != intent);
        self.outcome(OutcomeFact {
            intent,
            verdict: Verdict::Done,
            id: Some(id.to_owned()),
            code: None,
            message: String::new(),
        });
    }

    pub(super) fn wants(&mut self, amount: &str) {
        self.typed(|now| refund(now, RefundOf::Amount(amount), None, "came late"));
    }

    fn why_not(&self, of: RefundOf<'_>) -> String {
        self.asked(|now| refund(now, of, None, "came late"))
            .unwrap_err()
    }

    fn shipped(mut self) -> Self {
        ship_all(&mut self);
        self.push_all();
        self
    }
}

pub(super) fn kinds(plan: &OrderPlan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.kind.as_str()).collect()
}

pub(super) fn ops(plan: &OrderPlan) -> Vec<Op> {
    plan.effects.iter().map(|effect| effect.intent.op).collect()
}

/// The shop itself gave the money back and took it off its total.
fn shown(
    order: &mut OrderSnapshot,
    key: &str,
    amount: i64,
    world_now: chrono::DateTime<chrono::Utc>,
) {
    credit(order, key, amount, world_now);
}

#[test]
fn a_refund_is_made_once_and_lowers_the_charges_once() {
    let mut world = situation().shipped();
    assert_eq!(sum(&world), (2740, 240));
    let rows = world.input.revenue.len();
    world.wants("300");
    let twice = world.why_not(RefundOf::Amount("300"));
    assert!(
        twice.contains("asked for on") && twice.contains("not done yet"),
        "{twice}"
    );
    let plan = world.plan();
    assert_eq!(ops(&plan), [Op::Refund]);
    assert_eq!(plan.effects[0].key, "refund:shop-jp:shop-jp:order_01:1");
    let call = world.refunds().remove(0);
    assert_eq!(
        (
            call.amount,
            call.expected_refunded_total,
            call.payment.as_str()
        ),
        (300, 300, "pay_1")
    );
    assert_eq!(
        (call.key.as_str(), call.reason.as_deref()),
        ("refund:shop-jp:shop-jp:order_01:1", Some("came late"))
    );
    assert!(world.plan().effects.is_empty(), "one at a time");
    world.done_as(Op::Refund, "re_1");
    let plan = world.plan();
    assert!(
        plan.effects.is_empty() && plan.tasks.is_empty(),
        "{:?}",
        plan.tasks
    );
    assert!(
        !plan.closed
            && plan
                .refresh
                .is_some_and(|r| r.first == chrono::Duration::minutes(1))
    );
    assert_eq!(sum(&world), (2740, 240), "until it is read");
    let at = world.now;
    world.edit(|order| shown(order, "re_1", 300, at));
    let plan = world.plan();
    assert!(
        plan.tasks.is_empty() && plan.effects.is_empty(),
        "{:?}",
        plan.tasks
    );
    assert_eq!(sum(&world), (2440, 213));
    assert!(
        world.input.revenue[rows..]
            .iter()
            .all(|row| row.kind == RevenueKind::Returns)
    );
    assert!(world.why_not(RefundOf::Amount("300")).contains("(done)"));
    world.typed(|now| refund(now, RefundOf::Amount("300"), Some("again"), "came late"));
    world.plan();
    assert_eq!(world.refunds().len(), 2);
    assert_eq!(world.refunds()[1].expected_refunded_total, 600);
    assert_eq!(world.refunds()[1].key, "refund:shop-jp:shop-jp:order_01:2");
    let ledger = ledger(&world.input, &world.policy, &world.rules, world.now)
        .unwrap()
        .unwrap();
    let refund = ledger
        .entries
        .iter()
        .find(|e| e.kind == EntryKind::Refund)
        .unwrap();
    assert_eq!((refund.maker, refund.amount), (Maker::Us, Some(300)));
}

#[test]
fn a_refund_never_exceeds_what_is_captured_and_not_given_back_by_anybody() {
    let mut world = situation().shipped();
    assert!(world.why_not(RefundOf::Amount("2741")).contains("2740 JPY"));
    assert!(
        world
            .why_not(RefundOf::Amount("0"))
            .contains("not an amount")
    );
    assert!(
        world
            .why_not(RefundOf::Amount("1.5"))
            .contains("not an amount")
    );
    let at = world.now;
    world.edit(|order| credit(order, "re_staff", 2000, at));
    world.plan();
    assert!(world.why_not(RefundOf::Amount("741")).contains("740 JPY"));
    world.typed(|now| refund(now, RefundOf::All, None, "came late"));
    world.plan();
    assert_eq!(world.refunds()[0].amount, 740);
    assert_eq!(world.refunds()[0].expected_refunded_total, 2740);
    let none = world.why_not(RefundOf::Amount("1"));
    assert!(none.contains("not reported yet"), "{none}");
}

#[test]
fn what_staff_refund_meanwhile_is_never_paid_twice_silently() {
    let mut world = situation().shipped();
    world.wants("300");
    world.plan();
    let at = world.now;
    world.edit(|order| credit(order, "re_staff", 300, at));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refunded_meanwhile"]);
    assert_eq!(plan.withdraw.len(), 1, "it was not sent");
    assert!(world.plan().effects.is_empty());
    // The same one: it is given up.
    let mut same = world.clone();
    same.release("refund_dropped");
    let plan = same.plan();
    assert!(
        plan.tasks.is_empty() && plan.effects.is_empty(),
        "{:?}",
        plan.tasks
    );
    assert_eq!(same.refunds().len(), 1);
    // Another one: it is made as well.
    world.release("refund");
    assert_eq!(ops(&world.plan()), [Op::Refund]);
    assert_eq!(world.refunds()[1].expected_refunded_total, 600);
    assert_ne!(world.refunds()[0].key, world.refunds()[1].key);
}

#[test]
fn a_rejected_refund_is_a_task_and_is_tried_again_under_another_key() {
    let mut world = situation().shipped();
    world.wants("300");
    world.plan();
    world.end_op(Op::Refund, Verdict::Refused);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_rejected"]);
    assert!(plan.effects.is_empty() && !plan.closed);
    world.release("refund");
    assert_eq!(ops(&world.plan()), [Op::Refund]);
    let keys: Vec<_> = world.refunds().into_iter().map(|call| call.key).collect();
    assert_ne!(keys[0], keys[1]);
    world.end_op(Op::Refund, Verdict::Refused);
    world.release("refund_dropped");
    let plan = world.plan();
    assert!(plan.tasks.is_empty() && plan.effects.is_empty());
}

#[test]
fn all_of_it_goes_back_only_once_no_warehouse_may_send_the_goods() {
    let mut world = situation();
    world.settle();
    world.wait(30);
    world.seal();
    let wish = world.typed(|now| refund(now, RefundOf::All, None, "stopped"));
    assert!(
        wish.does
            .iter()
            .any(|line| line.contains("waits until") && line.contains(S1)),
        "{wish:?}"
    );
    assert!(world.plan().effects.is_empty(), "sending");
    let mut rejected = world.clone();
    rejected.instruct_outcome(S1, Verdict::Refused);
    assert!(ops(&rejected.plan()).contains(&Op::Refund), "rejected");
    let mut unknown = world.clone();
    unknown.state(Op::Instruct, EffectState::Unresolved);
    assert!(unknown.plan().effects.is_empty(), "unknown");
    world.instruct_outcome(S1, Verdict::Accepted);
    assert!(world.plan().effects.is_empty(), "accepted");
    let mut left = world.clone();
    left.parcel(S1, "T1", &[(1, 2), (2, 1)]);
    let plan = left.plan();
    assert!(
        ops(&plan).contains(&Op::Refund),
        "all of it has shipped: {:?}",
        ops(&plan)
    );
    world.cancel_reply(S1, hikiate_sdk::CancelVerdict::Accepted);
    let plan = world.plan();
    assert!(
        ops(&plan).contains(&Op::Refund),
        "stopped: {:?}",
        ops(&plan)
    );
}

#[test]
fn a_part_goes_back_while_a_warehouse_has_the_goods() {
    let mut world = situation();
    world.settle();
    world.wait(30);
    world.seal();
    world.state(Op::Instruct, EffectState::Unresolved);
    world.wants("300");
    assert_eq!(ops(&world.plan()), [Op::Refund]);
}

#[test]
fn all_of_it_before_shipping_holds_what_is_not_sealed() {
    let mut world = situation();
    world.settle();
    world.typed(|now| refund(now, RefundOf::All, None, "stopped"));
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:refund_wanted"));
    assert_eq!(world.refunds()[0].amount, 2740);
    world.wait(60);
    assert!(world.seal().is_empty(), "not instructed");
    world.done_as(Op::Refund, "re_1");
    assert_eq!(
        world.plan().blocked_by.as_deref(),
        Some("hold:refund_wanted"),
        "until it is read"
    );
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 2740, at));
    let plan = world.plan();
    assert_eq!(plan.blocked_by.as_deref(), Some("hold:refunded_in_full"));
    assert_eq!(kinds(&plan), ["refunded_in_full"]);
    assert!(world.input.revenue.is_empty());
}

#[test]
fn units_that_are_refunded_before_they_ship_are_not_sent() {
    let mut world = situation();
    world.settle();
    let lines = [("l1".to_owned(), 1)];
    world.typed(|now| refund(now, RefundOf::Lines(&lines), None, "sold out"));
    world.plan();
    assert_eq!(world.refunds()[0].amount, 1100);
    assert_eq!(world.refunds()[0].lines[0].quantity, 1);
    world.done_as(Op::Refund, "re_1");
    let at = world.now;
    // The shop's record has no lines.
    world.edit(|order| credit(order, "re_1", 1100, at));
    let plan = world.settle();
    assert_eq!(plan.demands.iter().map(|row| row.wanted).sum::<u32>(), 2);
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    let more = [("l1".to_owned(), 2)];
    assert!(world.why_not(RefundOf::Lines(&more)).contains("1 of 2"));
    let unknown = [("l9".to_owned(), 1)];
    assert!(world.why_not(RefundOf::Lines(&unknown)).contains("l9"));
    let world = world.shipped();
    assert_eq!(sum(&world).0, 1640);
}

#[test]
fn captures_refunds_and_voids_never_cross() {
    let mut world = World::new(order(&[("A", 2, 1000)]));
    world.edit(|order| order.tenders[0].captured = 500);
    world.settle();
    world.wants("300");
    assert_eq!(ops(&world.plan()), [Op::Refund]);
    world.state(Op::Refund, EffectState::Unresolved);
    ship_all(&mut world);
    for _ in 0..4 {
        world.plan();
        for op in [Op::Fulfil, Op::Ship, Op::Mail] {
            if world.input.queue.iter().any(|row| row.op == op) {
                world.end_op(op, Verdict::Done);
            }
        }
    }
    assert!(world.calls(Op::Capture).is_empty(), "the refund is unknown");
    world.end_op(Op::Refund, Verdict::NotDone);
    // Whichever goes first, the other waits for its answer.
    let first = ops(&world.plan());
    assert_eq!(first, [Op::Refund]);
    assert!(world.plan().effects.is_empty());
}

#[test]
fn a_void_waits_for_goods_and_is_no_surprise_afterwards() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.typed(|now| void(now, "not wanted"));
    assert!(world.plan().effects.is_empty(), "the warehouse has it");
    let again = world.asked(|now| void(now, "")).unwrap_err();
    assert!(again.contains("asked for already"), "{again}");
    world.cancel_reply(S1, hikiate_sdk::CancelVerdict::Accepted);
    let plan = world.plan();
    assert_eq!(ops(&plan), [Op::Void]);
    // Nothing is sent again meanwhile, whatever else is released.
    world.release(&format!("rejected:{S1}"));
    let held = world.settle();
    assert_eq!(held.blocked_by.as_deref(), Some("hold:refund_wanted"));
    assert_eq!(world.voids()[0].amount, 1500);
    assert_eq!(world.voids()[0].key, plan.effects[0].key);
    assert_eq!(plan.effects[0].key, "void:shop-jp:shop-jp:order_01:1");
    world.done_as(Op::Void, "pay_1");
    world.edit(|order| {
        order.tenders[0].cancelled = true;
        order.tenders[0].authorised = 0;
    });
    let plan = world.settle();
    assert_eq!(kinds(&plan), ["payment_voided"]);
    assert_eq!(world.voids().len(), 1);
    assert!(world.calls(Op::Capture).is_empty());
    let none = world.asked(|now| void(now, "")).unwrap_err();
    assert!(none.contains("nothing is authorised"), "{none}");
    // Paid anew it goes on.
    world.edit(|order| order.tenders.push(tender("pay_2", "card", 1500)));
    let plan = world.settle();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(plan.status, Status::Allocated);
}

#[test]
fn what_is_due_for_shipped_goods_is_not_voided() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    let why = world.asked(|now| void(now, "")).unwrap_err();
    assert!(why.contains("1500 JPY is due"), "{why}");
}

#[test]
fn money_that_no_account_captured_is_recorded_and_paid_back_by_one_task() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "points");
    let mut world = World::new(snapshot);
    world
        .policy
        .channels
        .get_mut(&slug("shop-jp"))
        .unwrap()
        .records_refunds = true;
    let mut world = world.shipped();
    world.wants("300");
    let plan = world.plan();
    assert_eq!(
        (ops(&plan), kinds(&plan)),
        (vec![Op::RecordRefund], vec!["refund_to_pay"])
    );
    assert!(plan.tasks[0].detail.contains("300 JPY"));
    assert_eq!(world.records()[0].expected_refunded_total, 300);
    assert_eq!(world.records()[0].key, plan.effects[0].key);
    assert_eq!(
        plan.effects[0].key,
        "record_refund:shop-jp:shop-jp:order_01:1"
    );
    assert!(world.refunds().is_empty());
    world.done_as(Op::RecordRefund, "rec_1");
    world.release("refund_to_pay");
    let plan = world.plan();
    assert!(
        plan.effects.is_empty() && plan.tasks.is_empty(),
        "{:?}",
        plan.tasks
    );
    let at = world.now;
    world.edit(|order| {
        let mut record = seen("rec_1", 300, at);
        record.effect = RefundEffect::Lowers;
        order.tenders[0].refunded = 300;
        order.tenders[0].refunds = vec![record];
    });
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    assert_eq!(sum(&world).0, 1200);
}

/// One pear that stripe captured, at a channel that keeps records of refunds.
fn at_provider() -> World {
    let mut world = payments::world(Some(PaymentRef::by_key("pi_1")));
    world
        .policy
        .channels
        .get_mut(&slug("shop-jp"))
        .unwrap()
        .records_refunds = true;
    payments::tell(&mut world, payments::payment("pi_1"));
    payments::ship(&mut world);
    let mut paid = payments::payment("pi_1");
    paid.captured = 1500;
    payments::tell(&mut world, paid);
    world.plan();
    world
}

fn refunded_there(world: &mut World, refunds: &[(&str, i64)]) {
    let mut paid = payments::payment("pi_1");
    paid.captured = 1500;
    let at = world.now;
    paid.refunded = refunds.iter().map(|(_, amount)| amount).sum();
    paid.refunds = refunds
        .iter()
        .map(|(key, amount)| seen(key, *amount, at))
        .collect();
    payments::tell(world, paid);
}

fn recorded_at_shop(world: &mut World, records: &[(&str, i64)]) {
    let at = world.now;
    world.edit(|order| {
        order.tenders[0].refunded = records.iter().map(|(_, amount)| amount).sum();
        let record = |(key, amount): &(&str, i64)| {
            let mut record = seen(key, *amount, at);
            record.effect = RefundEffect::Lowers;
            record
        };
        order.tenders[0].refunds = records.iter().map(record).collect();
    });
}

#[test]
fn the_account_that_captured_refunds_and_the_channel_gets_one_record_after_a_pause() {
    let mut world = at_provider();
    world.wants("300");
    let plan = world.plan();
    assert_eq!(plan.effects[0].intent.account, slug("stripe"));
    assert_eq!(world.refunds()[0].payment_there().as_str(), "pi_1");
    world.done_as(Op::Refund, "re_1");
    refunded_there(&mut world, &[("re_1", 300)]);
    let plan = world.plan();
    assert!(
        plan.tasks.is_empty(),
        "ours needs no explanation: {:?}",
        plan.tasks
    );
    assert!(
        plan.effects.is_empty(),
        "the provider's plugin may record it"
    );
    assert_eq!(sum(&world).0, 1200);
    // The plugin does.
    let mut plugin = world.clone();
    recorded_at_shop(&mut plugin, &[("wc_1", 300)]);
    plugin.wait(30);
    assert!(plugin.plan().effects.is_empty() && plugin.records().is_empty());
    assert_eq!(sum(&plugin).0, 1200);
    // It does not.
    world.wait(10);
    assert_eq!(ops(&world.plan()), [Op::RecordRefund]);
    world.done_as(Op::RecordRefund, "wc_1");
    recorded_at_shop(&mut world, &[("wc_1", 300)]);
    let plan = world.plan();
    assert!(
        plan.tasks.is_empty() && plan.effects.is_empty(),
        "{:?}",
        plan.tasks
    );
    assert_eq!(sum(&world).0, 1200, "counted once");
    // The plugin does so late: a double of the record is a task and no money.
    recorded_at_shop(&mut world, &[("wc_1", 300), ("wc_2", 300)]);
    world.plan();
    world.wait(90);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["payment_differs"]);
    assert_eq!(
        (sum(&world).0, world.refunds().len(), world.records().len()),
        (1200, 1, 1)
    );
}

#[test]
fn a_refund_that_is_unknown_is_neither_repeated_nor_recorded() {
    let mut world = at_provider();
    world.wants("300");
    world.plan();
    world.state(Op::Refund, EffectState::Unresolved);
    world.wait(60);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["unknown_outcome"]);
    assert!(plan.effects.is_empty() && world.records().is_empty());
    world.typed(|now| refund(now, RefundOf::Amount("200"), None, "another"));
    assert!(world.plan().effects.is_empty(), "another waits for it");
    world.end_op(Op::Refund, Verdict::Done);
    assert_eq!(ops(&world.plan()), [Op::Refund]);
    assert_eq!(world.refunds()[1].expected_refunded_total, 500);
}

#[test]
fn an_account_that_gives_nothing_back_is_named() {
    let mut world = situation().shipped();
    let shop = world.policy.channels.get_mut(&slug("shop-jp")).unwrap();
    shop.payments.get_mut("card").unwrap().refunds = false;
    assert!(
        world
            .why_not(RefundOf::All)
            .contains("account shop-jp offers no refund")
    );
}

#[test]
fn a_dry_run_says_what_cannot_be_undone_and_stores_nothing() {
    let world = situation().shipped();
    let wish = world
        .asked(|now| refund(now, RefundOf::Amount("300"), Some("late"), "x"))
        .unwrap();
    assert_eq!(
        wish.does,
        ["refund late: shop-jp gives back 300 JPY of payment pay_1, which cannot be undone"]
    );
    assert!(
        matches!(&wish.facts[0].body, FactBody::RefundWanted(fact) if fact.parts[0].amount == 300)
    );
    assert!(world.refunds().is_empty());
}

#[test]
fn a_refund_that_its_account_does_not_show_is_a_task_after_an_hour() {
    let mut world = situation().shipped();
    world.wants("300");
    world.plan();
    world.done_as(Op::Refund, "re_1");
    let plan = world.plan();
    assert!(plan.tasks.is_empty(), "{:?}", plan.tasks);
    world.wait(60);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["refund_not_shown"]);
    assert_eq!(
        plan.refresh.map(|r| r.first),
        Some(chrono::Duration::minutes(30))
    );
    let at = world.now;
    world.edit(|order| credit(order, "re_1", 300, at));
    assert!(world.plan().tasks.is_empty());
    let explained = world.explain();
    assert!(
        explained
            .captured
            .iter()
            .any(|line| line.contains("300 JPY, done")),
        "{:?}",
        explained.captured
    );
}
