//! Random histories: invariants after every step.

use hikiate_sdk::{CancelVerdict, ChannelState, Currency, Op, ReplyVerdict};
use proptest::prelude::*;

use super::build::{order, pay};
use super::world::World;
use crate::facts::{FactBody, Verdict};
use crate::plan::command::{Shipped, correct, end, recall, recalled, returned, shipped, tell};
use crate::plan::types::{EffectState, OrderPlan, ShipmentStage};
use crate::policy::{CaptureRule, Partial, Recognise, Release};

#[derive(Clone, Debug)]
enum Step {
    Allocate,
    Stock(u8, u8),
    Wait(u16),
    Seal,
    Instruct(Verdict),
    Reply(bool),
    Parcel(u8, u8),
    CancelReply(u8),
    Push(u8, Verdict),
    Unresolved(u8),
    Quantity(u8),
    ChannelCancel,
    OperatorCancel,
    Hold,
    Release(u8),
    Captured(u16),
    Deposit(u16),
    TakeDeposit(u16),
    Typed(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Done),
        2 => Just(Verdict::Accepted),
        1 => Just(Verdict::Refused),
        1 => Just(Verdict::NotDone),
    ];
    prop_oneof![
        6 => Just(Step::Allocate),
        1 => (0_u8..4, 0_u8..12).prop_map(|(a, b)| Step::Stock(a, b)),
        4 => (1_u16..5000).prop_map(Step::Wait),
        5 => Just(Step::Seal),
        5 => verdict.clone().prop_map(Step::Instruct),
        3 => prop::bool::weighted(0.8).prop_map(Step::Reply),
        6 => (0_u8..4, 0_u8..4).prop_map(|(a, b)| Step::Parcel(a, b)),
        1 => (0_u8..3).prop_map(Step::CancelReply),
        8 => (0_u8..4, verdict).prop_map(|(a, b)| Step::Push(a, b)),
        1 => (0_u8..4).prop_map(Step::Unresolved),
        1 => (0_u8..6).prop_map(Step::Quantity),
        1 => Just(Step::ChannelCancel),
        1 => Just(Step::OperatorCancel),
        1 => Just(Step::Hold),
        3 => (0_u8..8).prop_map(Step::Release),
        1 => (0_u16..3000).prop_map(Step::Captured),
        1 => (0_u16..4000).prop_map(Step::Deposit),
        1 => (1_u16..4000).prop_map(Step::TakeDeposit),
        2 => (0_u8..10).prop_map(Step::Typed),
    ]
}

fn act(world: &mut World, step: &Step) {
    let references: Vec<(String, ShipmentStage)> = world
        .input
        .shipments
        .iter()
        .map(|s| (s.reference.to_string(), s.state))
        .collect();
    let members = world.intents(Op::Instruct);
    // What an operator shipped was never in a batch.
    let was_sealed = |reference: &str| {
        members.iter().any(|(_, intent)| {
            matches!(&intent.what, crate::facts::IntentWhat::Member { reference: of, .. } if of.as_str() == reference)
        })
    };
    let sealed: Vec<String> = references
        .iter()
        .filter(|(reference, stage)| {
            !matches!(stage, ShipmentStage::Waiting | ShipmentStage::Cancelled)
                && was_sealed(reference)
        })
        .map(|(reference, _)| reference.clone())
        .collect();
    match step {
        Step::Allocate => world.allocate(),
        Step::Stock(which, units) => {
            let at = if which % 2 == 0 { "tokyo" } else { "osaka" };
            world
                .stock
                .insert((i64::from(which / 2) + 1, at), i64::from(*units));
        }
        Step::Wait(minutes) => world.wait(i64::from(*minutes)),
        Step::Seal => {
            world.seal();
        }
        Step::Instruct(verdict) => {
            if let Some(reference) = sealed.last() {
                world.instruct_outcome(reference, *verdict);
            }
        }
        Step::Reply(good) => {
            if let Some(reference) = sealed.last() {
                let verdict = if *good {
                    ReplyVerdict::Accepted
                } else {
                    ReplyVerdict::Rejected
                };
                world.reply(reference, verdict);
            }
        }
        Step::Parcel(name, quantity) => {
            if let Some(reference) = sealed.last().cloned() {
                let n = u32::from(name % 2) + 1;
                world.parcel(
                    &reference,
                    &format!("T{name}-{reference}"),
                    &[(n, u32::from(*quantity))],
                );
            }
        }
        Step::CancelReply(word) => {
            let verdicts = [
                CancelVerdict::Accepted,
                CancelVerdict::Declined,
                CancelVerdict::TooLate,
            ];
            if let Some(reference) = sealed.last() {
                world.cancel_reply(reference, verdicts[usize::from(*word)]);
            }
        }
        Step::Push(which, verdict) => {
            if let Some(row) = world.input.queue.get(usize::from(*which)).cloned() {
                world.end(&row.key, *verdict, "words");
            }
        }
        Step::Unresolved(which) => {
            if let Some(row) = world.input.queue.get_mut(usize::from(*which)) {
                row.state = EffectState::Unresolved;
            }
        }
        Step::Quantity(units) => world.edit(|order| {
            order.lines[0].quantity = u32::from(*units);
            order.charges[1].gross = Some(i64::from(*units) * 333);
            let captured = order.tenders[0].captured;
            let gateway = order.tenders[0].gateway.clone();
            pay(order, &gateway);
            order.tenders[0].captured = captured;
        }),
        Step::ChannelCancel => {
            let at = world.now;
            world.edit(|order| order.state = ChannelState::Cancelled { at });
        }
        Step::OperatorCancel => world.cancel(),
        Step::Hold => world.hold(),
        Step::Release(which) => {
            let reference = references
                .last()
                .map(|(r, _)| r.clone())
                .unwrap_or_default();
            let rule = match which {
                0 => "*".to_owned(),
                1 => "capture".to_owned(),
                2 => "notice".to_owned(),
                3 => format!("rejected:{reference}"),
                4 => format!("short:{reference}"),
                6 => "ended".to_owned(),
                7 => format!("recalled:{reference}"),
                _ => format!("cancel:{reference}"),
            };
            world.release(&rule);
        }
        Step::Captured(amount) => {
            world.edit(|order| order.tenders[0].captured = i64::from(*amount));
        }
        Step::Deposit(amount) => {
            let name = format!("d{}", world.input.facts.len());
            world.deposit(&name, i64::from(*amount), Currency::JPY);
        }
        Step::TakeDeposit(amount) => {
            let taken = i64::from(*amount).min(world.deposited());
            if taken > 0 {
                world.take_deposit("any", taken);
            }
        }
        Step::Typed(which) => typed(world, *which, references.last().map(|(r, _)| r.as_str())),
    }
}

/// What an operator types; what the order does not allow is refused.
fn typed(world: &mut World, which: u8, reference: Option<&str>) {
    let number = format!("BYHAND{}", world.input.facts.len());
    let reference = reference.unwrap_or_default();
    let parcel = |of| Shipped {
        reference: of,
        tracking: &number,
        carrier: None,
        from: Some("tokyo"),
        shipped_at: None,
        lines: &[],
        reason: "typed",
    };
    let told = world.input.facts.iter().find_map(|fact| match &fact.body {
        FactBody::Parcel(parcel) if parcel.reference.as_str() == reference => {
            parcel.tracking.clone()
        }
        _ => None,
    });
    let told = told.unwrap_or_default();
    let wish = world.asked(|now| match which {
        0 | 1 => recall(now, reference, "typed"),
        2 => recalled(now, reference, CancelVerdict::Accepted, "typed"),
        3 => recalled(now, reference, CancelVerdict::TooLate, "typed"),
        4 => end(now, "typed"),
        5 => shipped(now, parcel(None)),
        6 => shipped(now, parcel(Some(reference))),
        7 => correct(now, reference, &told, &format!("{number}C"), "typed"),
        8 => returned(now, reference, &[], "typed"),
        _ => tell(now, reference, "typed"),
    });
    if let Ok(wish) = wish {
        world.store_wish(&wish);
    }
}

fn check(world: &World, plan: &OrderPlan) {
    let total = world.order().total.unwrap();
    let bounds = world.payments();
    for bound in bounds.values() {
        assert!(bound.intended <= bound.ceiling, "{bound:?}");
    }
    let captures = plan
        .effects
        .iter()
        .any(|effect| effect.intent.op == Op::Capture);
    let intended = bounds.values().map(|bound| bound.intended);
    let new: i64 = intended.filter(|_| captures).sum();
    assert!(new <= total, "captured {new} of {total}");
    let told_of_instructions = world
        .input
        .shipments
        .iter()
        .any(|row| row.state == ShipmentStage::Instructed);
    let shipped = plan.demands.iter().any(|row| row.shipped > 0);
    for effect in &plan.effects {
        if effect.intent.op == Op::CancelOrder {
            assert!(
                !told_of_instructions && !shipped,
                "cancelled while goods may leave"
            );
            assert!(
                !world
                    .input
                    .facts
                    .iter()
                    .any(|fact| open_member(world, &fact.key, &fact.body))
            );
        }
    }
    let cancelled = matches!(world.order().state, ChannelState::Cancelled { .. });
    for effect in &plan.effects {
        let op = effect.intent.op;
        assert!(
            !cancelled || op == Op::CancelInstruction,
            "{op} for a cancelled order"
        );
    }
    if plan.blocked_by.as_deref() == Some("ended") && !shipped {
        assert!(!told_of_instructions, "ended while goods may leave");
        assert!(
            plan.effects.iter().all(|e| e.intent.op == Op::Mail),
            "somebody is told of an end"
        );
    }
    for row in &plan.demands {
        assert!(row.wanted >= row.shipped);
        let houses = ["tokyo", "osaka"];
        let waiting: u32 = houses.iter().map(|at| world.bound(&row.line, at).0).sum();
        assert!(waiting <= row.wanted - row.shipped, "{row:?}");
    }
}

fn open_member(world: &World, key: &str, body: &FactBody) -> bool {
    let member = matches!(body, FactBody::Intent(intent) if intent.op == Op::Instruct);
    let reference = match body {
        FactBody::Intent(intent) => match &intent.what {
            crate::facts::IntentWhat::Member { reference, .. } => Some(reference.clone()),
            _ => None,
        },
        _ => None,
    };
    let heard = world.input.facts.iter().any(|fact| match &fact.body {
        FactBody::Outcome(outcome) => outcome.intent == key,
        FactBody::Reply(reply) => Some(&reply.reference) == reference.as_ref(),
        FactBody::CancelReply(reply) => Some(&reply.reference) == reference.as_ref(),
        _ => false,
    });
    member && !heard
}

fn world(variant: u8) -> World {
    let mut snapshot = order(&[("A", 3, 333), ("B12", 1, 1200)]);
    if variant & 1 == 1 {
        pay(&mut snapshot, "bank");
    }
    let mut world = World::new(snapshot);
    world.stock.insert((2, "osaka"), 12);
    world.policy.allocation.split = variant & 2 == 0;
    if variant & 4 == 4 {
        world.policy.allocation.partial = Partial::ShipReady;
    }
    for channel in world
        .policy
        .channels
        .values_mut()
        .filter(|_| variant & 8 == 8)
    {
        channel.capture = CaptureRule::OnComplete;
    }
    if let Some(booking) = world.policy.booking.as_mut().filter(|_| variant & 16 == 16) {
        booking.recognise = Recognise::Delivered;
    }
    if variant & 32 == 32 {
        world.rules.0.push(("many", Release::Auto, |context| {
            Ok(context.lines.iter().any(|line| line.qty >= 5))
        }));
        world.rules.0.push(("three", Release::Manual, |context| {
            Ok(context.lines.iter().any(|line| line.qty == 3))
        }));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_twice_changes_nothing_and_every_invariant_holds(
        variant in 0_u8..64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = world(variant);
        let plan = world.plan();
        check(&world, &plan);
        for step in &steps {
            act(&mut world, step);
            let plan = world.plan();
            check(&world, &plan);
        }
    }

    /// Facts of different series may arrive in any order: what is due in the end is the same.
    #[test]
    fn the_order_in_which_external_systems_are_heard_does_not_matter(seed in prop::collection::vec(any::<u32>(), 40)) {
        let mut world = World::new(order(&[("A", 12, 333), ("B", 1, 1200)]));
        world.settle();
        world.wait(30);
        for reference in world.seal() {
            world.instruct_outcome(&reference, Verdict::Accepted);
            world.reply(&reference, ReplyVerdict::Accepted);
            let lines: Vec<_> = world.shipment(&reference).lines.iter().map(|l| (l.n, l.quantity)).collect();
            for (n, quantity) in lines {
                world.parcel(&reference, &format!("T{n}-{reference}"), &[(n, quantity + 1)]);
                world.parcel(&reference, &format!("T{n}-{reference}"), &[(n, quantity)]);
            }
        }
        let straight = world.peek();
        let mut facts = world.input.facts.clone();
        let series = |key: &str| key.rsplit_once(':').map_or(key.to_owned(), |(series, _)| series.to_owned());
        // A shuffle that keeps each series in its order: sort by a random number per place, then put each
        // series' facts back into its own places in order.
        let first = facts.iter().position(|fact| matches!(fact.body, FactBody::Reply(_))).unwrap();
        let mut tail = facts.split_off(first);
        let mut places: Vec<usize> = (0..tail.len()).collect();
        places.sort_by_key(|place| seed.get(*place).copied().unwrap_or(0));
        let mut shuffled: Vec<_> = places.iter().map(|place| tail[*place].clone()).collect();
        let names: std::collections::BTreeSet<_> = tail.iter().map(|fact| series(&fact.key)).collect();
        for name in names {
            let inorder: Vec<_> = tail.iter().filter(|fact| series(&fact.key) == name).cloned().collect();
            let slots: Vec<_> = (0..shuffled.len()).filter(|at| series(&shuffled[*at].key) == name).collect();
            for (slot, fact) in slots.into_iter().zip(inorder) {
                shuffled[slot] = fact;
            }
        }
        tail.clear();
        facts.extend(shuffled);
        for (at, fact) in facts.iter_mut().enumerate() {
            fact.id = at as i64 + 1;
        }
        world.input.facts = facts;
        let other = world.peek();
        prop_assert_eq!(straight.status, other.status);
        prop_assert_eq!(&straight.demands, &other.demands);
        prop_assert_eq!(straight.entries.len(), other.entries.len());
        prop_assert_eq!(&straight.stages, &other.stages);
        let sum = |plan: &OrderPlan| plan.revenue.iter().fold((0, 0), |(g, t), r| (g + r.gross, t + r.tax));
        prop_assert_eq!(sum(&straight), sum(&other));
        prop_assert_eq!(sum(&straight).0, world.order().total.unwrap());
    }
}
