//! What must hold after every step, by an own reading of the facts.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hikiate::facts::{FactBody, Features, GroupFeatures, IntentWhat, ShipmentFact, Verdict};
use hikiate::plan::types::{NewEffect, OrderPlan, ShipmentStage, Status, Withdraw};
use hikiate_sdk::{Call, LineKey, Op};

use super::queue::Owner;
use super::seen::{Seen, SeenShipment, code};
use super::store::Order;
use super::violation::{Violation, ensure};
use super::world::World;

/// Names and addresses that are in order.
#[must_use]
pub(super) fn features() -> Features {
    let group = GroupFeatures {
        country: "JP".to_owned(),
        region: "東京都".to_owned(),
        postal_prefix: "100".to_owned(),
        missing: Vec::new(),
        phone_ok: true,
        receiver_differs: false,
    };
    let groups = ["1", "2"].map(|key| (key.to_owned(), group.clone()));
    Features {
        groups: groups.into_iter().collect(),
        buyer_mail: true,
        remarks: false,
    }
}

/// A reading that came stands as the head if none newer came.
pub(super) fn newest(order: &Order) -> Result<(), Violation> {
    let head = order
        .input
        .facts
        .iter()
        .rev()
        .find_map(|fact| match &fact.body {
            FactBody::Order(head) => Some(head),
            _ => None,
        });
    let Some(version) = head.and_then(|head| head.order.version) else {
        return Ok(());
    };
    ensure(i64::try_from(version) == Ok(order.newest), || {
        format!(
            "version {version} is kept although {} arrived",
            order.newest
        )
    })
}

/// One effect at a time per order and account.
pub(super) fn queue(world: &World) -> Result<(), Violation> {
    let mut busy = BTreeSet::new();
    for row in &world.rows {
        let unresolved = row.state == hikiate::plan::types::EffectState::Unresolved;
        let Owner::Order(order) = row.owner else {
            continue;
        };
        ensure(unresolved || busy.insert((order, &row.account)), || {
            format!(
                "{} is the second effect of its order at {}",
                row.key, row.account
            )
        })?;
    }
    Ok(())
}

/// A plan before it is written.
pub(super) fn plan(world: &World, at: usize, plan: &OrderPlan) -> Result<(), Violation> {
    let order = &world.orders[at];
    let Some(seen) = Seen::of(order, world.now) else {
        return Ok(());
    };
    ensure(seen.acts || plan.effects.is_empty(), || {
        let keys: Vec<&str> = plan.effects.iter().map(|e| e.key.as_str()).collect();
        format!("{keys:?} for an order that hikiate must not act on")
    })?;
    for effect in &plan.effects {
        let op = effect.intent.op;
        ensure(
            !seen.cancelled_at_channel()
                || matches!(
                    op,
                    Op::CancelInstruction | Op::Annotate | Op::Refund | Op::Void
                ),
            || format!("{} for an order that the channel cancelled", effect.key),
        )?;
        match op {
            Op::Capture => capture(&seen, plan)?,
            Op::CancelOrder => cancel_order(world, at, &seen, plan)?,
            Op::CancelInstruction => cancel_instruction(&seen, effect)?,
            Op::Fulfil => fulfil(&seen, effect)?,
            Op::Ship => ship(&seen, effect)?,
            Op::Annotate => annotate(world, order, &seen, plan, effect)?,
            Op::Mail => {
                let mails = seen
                    .standing
                    .iter()
                    .filter(|(_, i)| i.op == Op::Mail)
                    .count();
                ensure(mails == 0, || "a second mail".to_owned())?;
                ensure(seen.ours.values().any(|items| *items > 0), || {
                    "a mail about goods that a third party shipped".to_owned()
                })?;
            }
            Op::Refund | Op::Void => gives_back(world, order, &seen, effect)?,
            Op::RecordRefund => {
                return Err(Violation::new("a record at a shop that keeps none"));
            }
            Op::Instruct | Op::PostJournal => {
                return Err(Violation::new(format!("{op} planned by the order itself")));
            }
        }
    }
    tasks(plan)?;
    if !seen.acts && !seen.acted {
        return looked_at(plan);
    }
    demand(order, &seen, plan)?;
    money(&seen, plan)?;
    shipments(world, order, &seen, plan)?;
    changes(order, &seen, plan)?;
    status(order, &seen, plan)
}

/// Every task says what to do.
fn tasks(plan: &OrderPlan) -> Result<(), Violation> {
    for task in &plan.tasks {
        let says = ["; ", ", ", ". "]
            .iter()
            .any(|end| task.detail.contains(end));
        ensure(says || !task.actions.is_empty(), || {
            format!(
                "task {} does not say what to do: {}",
                task.kind, task.detail
            )
        })?;
    }
    Ok(())
}

/// What is kept beyond what is charged is named with its amount, and so is each refund that nothing explains.
fn money(seen: &Seen<'_>, plan: &OrderPlan) -> Result<(), Violation> {
    let said = |kind: &str| plan.tasks.iter().find(|task| task.kind == kind);
    let refunds = seen.order().tenders.iter().flat_map(|t| &t.refunds);
    let slack = i64::try_from(refunds.count()).unwrap_or(0);
    if let Some(over) = seen.too_much().filter(|over| *over > slack) {
        let amount = format!("{over} JPY");
        let named = said("over_captured").is_some_and(|task| task.detail.contains(&amount));
        ensure(named, || {
            format!("{amount} too much is kept, and there is no task")
        })?;
    }
    for refund in seen.unexplained() {
        let task = said("refund_unexplained");
        ensure(
            task.is_some_and(|task| task.detail.contains(refund.key.as_str())),
            || {
                format!(
                    "refund {} is not explained, and there is no task",
                    refund.key
                )
            },
        )?;
    }
    Ok(())
}

/// An order that is not ours to act on: stock is reserved at the most.
fn looked_at(plan: &OrderPlan) -> Result<(), Violation> {
    let does = !plan.shipments.is_empty() || !plan.revenue.is_empty();
    ensure(!does, || {
        format!("shipments or revenue of an order that hikiate must not act on: {plan:?}")
    })
}

/// A sealed shipment that is not as the order wants it is recalled, or somebody is asked.
fn changes(order: &Order, seen: &Seen<'_>, plan: &OrderPlan) -> Result<(), Violation> {
    if seen.cancel_wanted || seen.cancelled_at_channel() {
        return Ok(());
    }
    for (reference, shipment) in &seen.shipments {
        if !Seen::may_leave(shipment) || shipment.parcels || !seen.change_is_open(reference) {
            continue;
        }
        let with = order.sealed_with.get(*reference);
        let moved = with.is_some_and(|with| *with != seen.sealed_with(&shipment.fact.group));
        let asked = plan
            .tasks
            .iter()
            .any(|task| task.kind == "changed_after_sealing");
        let decided = plan.decisions.iter().any(|decision| {
            matches!(&decision.body, FactBody::ChangeSeen(seen) if seen.reference.as_str() == *reference)
        });
        ensure(!moved || asked || decided || shipment.changed, || {
            format!(
                "{reference} goes to an address or by a service that the order no longer has, and there is no task"
            )
        })?;
    }
    for line in &seen.order().lines {
        let here = seen
            .shipments
            .values()
            .filter(|s| Seen::may_leave(s) && !s.parcels);
        let mut here = here.filter(|s| s.fact.lines.iter().any(|row| row.line == line.key));
        let wanted = line.quantity * seen.items_in(&line.key);
        let over = seen.shipped_of(&line.key) + seen.at_warehouses(&line.key) > wanted;
        let Some(shipment) = here.next().filter(|_| over) else {
            continue;
        };
        // One of those that have it is named; which one is for the planner to say.
        let named = |name: &str| plan.tasks.iter().any(|task| task.kind == name);
        let settled = seen
            .shipments
            .iter()
            .any(|(reference, s)| s.changed || !seen.change_is_open(reference));
        let decided = plan
            .decisions
            .iter()
            .any(|d| matches!(d.body, FactBody::ChangeSeen(_)));
        let told =
            named("changed_after_sealing") || named("over_shipped") || named("shipped_twice");
        ensure(told || settled || decided, || {
            format!(
                "{} still has line {}, of which the order requires {wanted} and {} shipped, and there is no task",
                shipment.fact.reference,
                line.key,
                seen.shipped_of(&line.key)
            )
        })?;
    }
    Ok(())
}

/// A shipment that is about to be sealed: nothing stops it, and with it no more leaves than was ordered.
pub(super) fn sealing(
    order: &Order,
    shipment: &ShipmentFact,
    now: DateTime<Utc>,
) -> Result<(), Violation> {
    let Some(seen) = Seen::of(order, now) else {
        return Err(Violation::new("an order that was never fetched is sealed"));
    };
    let reference = &shipment.reference;
    // A moment that has come and was not planned for is no new input.
    let due = order.plan_at.is_some_and(|at| at <= now);
    if let Some(why) = seen.stopped_by(now).filter(|_| !due) {
        return Err(Violation::new(format!(
            "{reference} is sealed although {why}"
        )));
    }
    let lines: BTreeSet<&LineKey> = shipment.lines.iter().map(|row| &row.line).collect();
    for line in lines {
        let rows = shipment.lines.iter().filter(|row| row.line == *line);
        let here: u32 = rows.map(|row| row.quantity).sum();
        let (left, there) = (seen.shipped_of(line), seen.at_warehouses(line));
        let sold = seen.order().lines.iter().find(|sold| sold.key == *line);
        let wanted = sold.map_or(0, |sold| sold.quantity) * seen.items_in(line);
        ensure(here + left + there <= wanted, || {
            format!(
                "{here} of line {line} are sealed in {reference} although {left} shipped and {there} are instructed of {wanted}"
            )
        })?;
    }
    Ok(())
}

fn amount(call: &Call) -> i64 {
    match call {
        Call::Capture(call) => call.amount.unwrap_or(call.expected_captured_total),
        _ => 0,
    }
}

/// All we ever meant to capture is owed for what has left, and was authorised.
fn capture(seen: &Seen<'_>, plan: &OrderPlan) -> Result<(), Violation> {
    let new = plan
        .effects
        .iter()
        .filter_map(|effect| match &effect.intent.what {
            IntentWhat::Call { call, .. } if effect.intent.op == Op::Capture => Some(&**call),
            _ => None,
        });
    let new: Vec<&Call> = new.collect();
    let gone = |key: &str| plan.withdraw.iter().any(|gone| gone.outcome.intent == key);
    let before = seen.calls(Op::Capture).filter(|(key, _, _)| !gone(key));
    let before: Vec<&Call> = before.map(|(_, call, _)| call).collect();
    let of = |calls: &[&Call], payment: &str| -> i64 {
        let mine =
            |call: &&&Call| matches!(call, Call::Capture(c) if c.payment.as_str() == payment);
        calls.iter().filter(mine).map(|call| amount(call)).sum()
    };
    let total: i64 = new.iter().map(|call| amount(call)).sum();
    ensure(seen.any_shipped(), || {
        format!("{total} is captured before anything shipped")
    })?;
    // What is kept, and what is paid by other ways, is no more than is owed: what was given back is not captured again.
    let tenders = &seen.order().tenders;
    let mut held = 0;
    for tender in tenders.iter().filter(|tender| tender.gateway == "card") {
        let known = of(&before, tender.key.as_str()).max(tender.captured);
        held += known - seen.given_back(tender) + of(&new, tender.key.as_str());
    }
    let others = tenders.iter().filter(|tender| tender.gateway != "card");
    let others: i64 = others.filter_map(|tender| tender.amount).sum();
    let (owed, _) = seen.owed();
    ensure(held + others <= owed.most, || {
        format!("{held} and {others} by other ways are captured, {owed:?} is owed for what shipped")
    })?;
    for (payment, ceiling) in &seen.ceilings {
        let sum = of(&before, payment) + of(&new, payment);
        ensure(sum <= *ceiling, || {
            format!("{sum} is captured of {payment}, of at most {ceiling}")
        })?;
    }
    Ok(())
}

/// Money goes back because an operator decided so, never beyond what is captured and not given back by anybody, while nothing
/// about the order's money is in the dark; and all of it, or what is authorised, only once no goods can leave on it.
fn gives_back(
    world: &World,
    order: &Order,
    seen: &Seen<'_>,
    effect: &NewEffect,
) -> Result<(), Violation> {
    let key = &effect.key;
    let IntentWhat::Call { call, decision, .. } = &effect.intent.what else {
        return Err(Violation::new(format!("{key} is no call")));
    };
    let mut facts = order.input.facts.iter();
    let decided = facts.find(|fact| fact.key == *decision);
    let (payment, all) = match (call.as_ref(), decided.map(|fact| &fact.body)) {
        (Call::Refund(call), Some(FactBody::RefundWanted(wanted))) => {
            let mut parts = wanted.parts.iter();
            let part = parts.find(|part| part.payment == call.payment);
            ensure(part.is_some_and(|p| p.amount == call.amount), || {
                format!("{key} gives back {}, not what was decided", call.amount)
            })?;
            (&call.payment, wanted.full)
        }
        (Call::Void(call), Some(FactBody::VoidWanted(wanted))) => {
            ensure(wanted.payments.contains(&call.payment), || {
                format!("{key} voids what nobody decided to void")
            })?;
            (&call.payment, true)
        }
        _ => return Err(Violation::new(format!("{key} without a decision"))),
    };
    let mut tenders = seen.order().tenders.iter();
    let Some(tender) = tenders.find(|tender| tender.key == *payment) else {
        return Err(Violation::new(format!(
            "{key} is of no payment of the order"
        )));
    };
    if let Call::Refund(call) = call.as_ref() {
        let ours = seen.calls(Op::Refund).filter(|(other, _, _)| other != key);
        let ours: i64 = ours
            .map(|(_, other, _)| match other {
                Call::Refund(other) if other.payment == *payment => other.amount,
                _ => 0,
            })
            .sum();
        let given = tender.refunded.max(ours);
        ensure(given + call.amount <= tender.captured, || {
            format!(
                "{key} gives back {} of {}, of which {given} is given back",
                call.amount, tender.captured
            )
        })?;
    }
    let moves = [Op::Capture, Op::Refund, Op::Void, Op::CancelOrder];
    let numbers = world.rows.iter().filter(|row| match row.owner {
        Owner::Order(at) => world.orders[at].input.number == order.input.number,
        Owner::Wave(_) | Owner::Books(_) => false,
    });
    let mut under_way = numbers.filter(|row| moves.contains(&row.op) && row.key != *key);
    if let Some(row) = under_way.next() {
        return Err(Violation::new(format!(
            "{key} while {} is under way",
            row.key
        )));
    }
    let lines = seen.order().lines.iter();
    let shipped = lines
        .filter(|line| code(line.sku.as_deref()).1)
        .all(|line| seen.shipped_of(&line.key) >= line.quantity * seen.items_in(&line.key));
    let leaves = |one: &SeenShipment<'_>| Seen::may_leave(one) && !one.has_left();
    let leaves = seen.shipments.iter().find(|(_, one)| leaves(one));
    match leaves.filter(|_| all && !shipped) {
        Some((reference, _)) => Err(Violation::new(format!("{key} while {reference} may ship"))),
        None => Ok(()),
    }
}

/// The channel is told of a cancel only when nothing can leave any more and nothing is in the dark.
fn cancel_order(
    world: &World,
    at: usize,
    seen: &Seen<'_>,
    plan: &OrderPlan,
) -> Result<(), Violation> {
    ensure(seen.cancel_wanted, || {
        "a cancel that was never requested".to_owned()
    })?;
    ensure(!seen.any_shipped(), || {
        "a cancel of shipped goods".to_owned()
    })?;
    for (reference, shipment) in &seen.shipments {
        ensure(!Seen::may_leave(shipment), || {
            format!("the channel is notified of a cancel while {reference} may ship")
        })?;
    }
    let taken_back = |id: i64| plan.withdraw.iter().any(|gone| gone.effect_id == id);
    let under_way = world
        .rows
        .iter()
        .find(|row| row.owner == Owner::Order(at) && row.op != Op::Mail && !taken_back(row.id));
    ensure(under_way.is_none(), || {
        let key = under_way.map_or("", |row| row.key.as_str());
        format!("the channel is notified of a cancel while {key} is in progress")
    })
}

fn cancel_instruction(seen: &Seen<'_>, effect: &NewEffect) -> Result<(), Violation> {
    let IntentWhat::Call { call, .. } = &effect.intent.what else {
        return Ok(());
    };
    let Call::CancelInstruction(call) = call.as_ref() else {
        return Ok(());
    };
    let known = seen.shipments.get(call.reference.as_str());
    let asked = seen.cancel_wanted
        || seen.cancelled_at_channel()
        || known.is_some_and(|s| s.recalled || s.changed);
    ensure(asked, || {
        format!("{} is stopped without a reason", call.reference)
    })?;
    let right = known.is_some_and(|s| Seen::may_leave(s) && !s.parcels);
    ensure(right, || {
        format!(
            "{} is stopped although it is not in progress",
            call.reference
        )
    })?;
    // Before anybody heard that the wave arrived, a request to stop might come before it.
    ensure(known.is_some_and(|s| s.heard), || {
        format!("{} is stopped while its outcome is unknown", call.reference)
    })
}

/// Only holds that nobody let go of are shown, only where that is configured, and the last thing that was shown is not shown again.
fn annotate(
    world: &World,
    order: &Order,
    seen: &Seen<'_>,
    plan: &OrderPlan,
    effect: &NewEffect,
) -> Result<(), Violation> {
    let mut channels = world.setting.policy.channels.values();
    ensure(channels.all(|channel| !channel.annotate.is_never()), || {
        "a note where none is required".to_owned()
    })?;
    let IntentWhat::Call { call, .. } = &effect.intent.what else {
        return Ok(());
    };
    let Call::Annotate(note) = call.as_ref() else {
        return Ok(());
    };
    let over = seen.cancelled_at_channel() || seen.cancel_wanted || seen.ended;
    let decided = plan.decisions.iter().filter_map(|fact| match &fact.body {
        FactBody::Held(held) => Some(held.rule.as_str()),
        _ => None,
    });
    let decided: BTreeSet<&str> = decided.collect();
    let open = |rule: &str| seen.held.contains(rule) || decided.contains(rule);
    let strange = note.holds.iter().find(|hold| over || !open(&hold.rule));
    ensure(strange.is_none(), || format!("a note of {strange:?}"))?;
    let mut facts = order.input.facts.iter().rev();
    let last = facts.find_map(|fact| match &fact.body {
        FactBody::Outcome(end) if end.intent.starts_with("annotate:") => Some(end),
        _ => None,
    });
    let last = last.filter(|end| end.verdict == Verdict::Done);
    let again = last.filter(|end| !arrived_since(order, &end.intent));
    let again = again.is_some_and(|end| {
        let mut calls = seen.calls(Op::Annotate);
        calls.any(|(key, call, _)| {
            key == end.intent && matches!(call, Call::Annotate(shown) if shown == note)
        })
    });
    ensure(!again, || format!("the same note again: {:?}", note.holds))
}

/// Another note turned out to have arrived after this one was planned: which of them is shown, nobody knows.
fn arrived_since(order: &Order, intent: &str) -> bool {
    let facts = order.input.facts.iter();
    let mut since = facts.skip_while(|fact| fact.key != intent);
    since.any(|fact| match &fact.body {
        FactBody::Outcome(end) => {
            end.verdict == Verdict::Evidence
                && end.intent.starts_with("annotate:")
                && end.intent != intent
        }
        _ => false,
    })
}

/// No more units are told than left and were sold.
fn fulfil(seen: &Seen<'_>, effect: &NewEffect) -> Result<(), Violation> {
    let IntentWhat::Call { call, .. } = &effect.intent.what else {
        return Ok(());
    };
    let Call::Fulfil(new) = call.as_ref() else {
        return Ok(());
    };
    for line in &seen.order().lines {
        let units = |call: &Call| match call {
            Call::Fulfil(call) => {
                let rows = call.lines.iter().filter(|row| row.line == line.key);
                rows.map(|row| row.quantity).sum()
            }
            _ => 0_u32,
        };
        let added = new.lines.iter().filter(|row| row.line == line.key);
        let added: u32 = added.map(|row| row.quantity).sum();
        if added == 0 {
            continue;
        }
        let told: u32 = seen
            .calls(Op::Fulfil)
            .filter(|(key, call, _)| !seen.told_again(key, call))
            .map(|(_, call, _)| units(call))
            .sum();
        let all = (told + added) * code(line.sku.as_deref()).0;
        let left = seen.ours_of(&line.key);
        ensure(all <= left && told + added <= line.quantity, || {
            format!(
                "{all} items of line {} are reported, {left} shipped",
                line.key
            )
        })?;
    }
    Ok(())
}

/// Tracking follows a notice of the same parcels, once.
fn ship(seen: &Seen<'_>, effect: &NewEffect) -> Result<(), Violation> {
    let IntentWhat::Call { call, .. } = &effect.intent.what else {
        return Ok(());
    };
    let Call::Ship(new) = call.as_ref() else {
        return Ok(());
    };
    let before = seen.calls(Op::Fulfil);
    let mut before = before
        .filter(|(_, call, _)| matches!(call, Call::Fulfil(c) if c.reference == new.reference));
    ensure(before.next().is_some(), || {
        format!("{} without a notice", effect.key)
    })?;
    let mut twice = seen
        .calls(Op::Ship)
        .filter(|(_, call, _)| matches!(call, Call::Ship(c) if c.reference == new.reference));
    ensure(twice.next().is_none(), || {
        format!("{} a second time", effect.key)
    })
}

/// Demand is what was ordered, less nothing; a stopped order wants no more than what is under way.
fn demand(order: &Order, seen: &Seen<'_>, plan: &OrderPlan) -> Result<(), Violation> {
    let sealed = seen.shipments.values().any(|shipment| shipment.sealed);
    let stopped = seen.cancel_wanted || seen.cancelled_at_channel() || seen.ended;
    // Given up after a while, by what the channel shows or does not show.
    let given_up = seen.completed || seen.misses > 1 || !seen.acts;
    // What is not paid, or is no longer, waits until its deadline.
    let paid = seen.order().tenders.iter().all(|tender| {
        let sure = tender.authorised.max(tender.captured);
        let told = tender.amount.is_none_or(|amount| sure >= amount);
        tender.gateway != "bank" && (tender.cancelled || tender.gateway == "points" || told)
    });
    for row in &plan.demands {
        let left = seen.shipped_of(&row.line);
        ensure(row.shipped == left, || {
            format!(
                "{} of line {} shipped, demand says {}",
                left, row.line, row.shipped
            )
        })?;
        ensure(row.wanted >= row.shipped, || format!("{row:?}"))?;
        let line = seen.order().lines.iter().find(|line| line.key == row.line);
        let ordered = line.map_or(0, |l| l.quantity * code(l.sku.as_deref()).0);
        if stopped && !sealed {
            ensure(row.wanted == left, || {
                format!(
                    "a stopped order still requires {} of line {}",
                    row.wanted, row.line
                )
            })?;
        } else if !stopped && paid && !given_up {
            let right = row.wanted >= ordered && (sealed || row.wanted == ordered.max(left));
            ensure(right, || {
                format!(
                    "{ordered} of line {} are ordered, {} required",
                    row.line, row.wanted
                )
            })?;
        }
    }
    let known = order.input.demands.iter();
    for row in known {
        let told = plan.demands.iter().any(|new| new.line == row.line);
        ensure(told, || {
            format!("line {} had a demand and lost it", row.line)
        })?;
    }
    Ok(())
}

/// New shipments take what is firmly reserved and not spoken for, of an order that nothing holds.
fn shipments(
    world: &World,
    order: &Order,
    seen: &Seen<'_>,
    plan: &OrderPlan,
) -> Result<(), Violation> {
    let holds = |body: &FactBody| matches!(body, FactBody::Held(_));
    let held = plan.decisions.iter().any(|decision| holds(&decision.body))
        || seen.held.iter().any(|rule| !lets_go(plan, rule));
    let why = if held {
        Some("it is held")
    } else {
        seen.stopped_by(world.now)
    };
    let may = why.is_none();
    let may_begin = may && !seen.recall_waits();
    let why_not = || why.unwrap_or("a recall waits for an operator");
    ensure(may_begin || plan.shipments.is_empty(), || {
        format!("a shipment is decided although {}", why_not())
    })?;
    let stage = |reference: &str| {
        let set = plan.stages.iter().find(|(of, _)| of.as_str() == reference);
        let row = order
            .input
            .shipments
            .iter()
            .find(|r| r.reference.as_str() == reference);
        set.map(|(_, stage)| *stage).or(row.map(|row| row.state))
    };
    for shipment in seen.shipments.values() {
        let waits = stage(shipment.fact.reference.as_str()) == Some(ShipmentStage::Waiting);
        ensure((may && !shipment.recalled) || !waits, || {
            format!(
                "{} still waits although {}",
                shipment.fact.reference,
                why.unwrap_or("it is recalled")
            )
        })?;
    }
    for row in &order.input.demands {
        for place in super::setting::PLACES.map(|(place, _)| place) {
            let firm = row.reserved.iter().filter(|r| r.0 == place && r.2);
            let firm: u32 = firm.map(|r| r.1).sum();
            let new = plan.shipments.iter().filter(|s| s.warehouse == place);
            let new = new
                .flat_map(|s| &s.lines)
                .filter(|(demand, _)| *demand == row.id);
            let new: u32 = new.map(|(_, quantity)| quantity).sum();
            if new == 0 {
                continue;
            }
            let waiting: u32 = seen
                .shipments
                .values()
                .filter(|s| s.fact.warehouse == place)
                .filter(|s| stage(s.fact.reference.as_str()) == Some(ShipmentStage::Waiting))
                .flat_map(|s| &s.fact.lines)
                .filter(|line| line.line == row.line)
                .map(|line| line.quantity)
                .sum();
            // What has left takes its reservation with it.
            let mine = plan
                .entries
                .iter()
                .filter(|e| e.demand_id == Some(row.id) && e.warehouse == place);
            let left = mine.map(|e| order.moved_before(e) - e.quantity);
            let left = u32::try_from(left.sum::<i64>()).unwrap_or(0);
            ensure(new + waiting + left <= firm, || {
                format!(
                    "{new} and {waiting} of line {} are to ship from {place}, {firm} are reserved and {left} shipped",
                    row.line
                )
            })?;
        }
    }
    Ok(())
}

fn lets_go(plan: &OrderPlan, rule: &str) -> bool {
    plan.decisions
        .iter()
        .any(|decision| matches!(&decision.body, FactBody::Released(gone) if gone.names(rule)))
}

/// What has ended holds nothing, and does not go back without new input.
fn status(order: &Order, seen: &Seen<'_>, plan: &OrderPlan) -> Result<(), Violation> {
    let over = matches!(
        plan.status,
        Status::Cancelled | Status::Shipped | Status::Delivered | Status::Booked
    );
    let open = plan.demands.iter().find(|row| row.wanted > row.shipped);
    ensure(!over || open.is_none(), || {
        format!("a {} order still requires {open:?}", plan.status.as_str())
    })?;
    if plan.status == Status::Cancelled {
        ensure(!seen.any_shipped(), || {
            "cancelled, but goods shipped".to_owned()
        })?;
        let leaving = seen.shipments.values().find(|s| Seen::may_leave(s));
        ensure(leaving.is_none(), || {
            let reference = leaving.map(|s| s.fact.reference.to_string());
            format!("cancelled, but {reference:?} may ship")
        })?;
    }
    let quiet = !order.new_input && matches!(order.status, Status::Shipped | Status::Delivered);
    // What the channel takes back of lines that we do not ship counts no longer after a while.
    let back = plan.status < order.status && seen.any_shipped();
    ensure(!quiet || !back, || {
        format!(
            "{} after {} without new input",
            plan.status.as_str(),
            order.status.as_str()
        )
    })
}

/// Planning again right away finds nothing new, unless the plan asked for it (`at_once`): where something has just left,
/// its reservation goes first, and then what is shipped may change.
pub(super) fn nothing_new(
    plan: &OrderPlan,
    again: &OrderPlan,
    at_once: bool,
) -> Result<(), Violation> {
    let unless_asked = |n: usize| if at_once { 0 } else { n };
    // What is due once the reservation is gone takes back a note that was planned before it.
    let is_note = |gone: &Withdraw| at_once && gone.outcome.intent.starts_with("annotate:");
    let withdrawals = again.withdraw.iter().filter(|gone| !is_note(gone));
    let new = [
        ("decisions", unless_asked(again.decisions.len())),
        ("shipments", unless_asked(again.shipments.len())),
        ("stages", unless_asked(again.stages.len())),
        ("withdrawals", withdrawals.count()),
        ("revenue", unless_asked(again.revenue.len())),
        // What was taken back leaves room for what is right now.
        (
            "effects",
            if plan.withdraw.is_empty() {
                unless_asked(again.effects.len())
            } else {
                0
            },
        ),
    ];
    for (what, n) in new {
        ensure(n == 0, || {
            format!(
                "planning again brings {n} new {what}: {:?} {:?} {:?}",
                again.decisions, again.stages, again.effects
            )
        })?;
    }
    ensure(
        again.demands == plan.demands && again.entries == plan.entries,
        || "planning again changes demand or stock".to_owned(),
    )
}

/// The order as written.
pub(super) fn written(order: &Order) -> Result<(), Violation> {
    for row in &order.input.demands {
        let places: BTreeSet<&str> = row.reserved.iter().map(|r| r.0.as_str()).collect();
        ensure(places.len() == row.reserved.len(), || {
            format!("two reservations of one demand at one place: {row:?}")
        })?;
    }
    Ok(())
}

/// Two plans of the same events in another order.
pub(super) fn same_end(one: &OrderPlan, other: &OrderPlan) -> Result<(), Violation> {
    let sums = |plan: &OrderPlan| {
        let mut sums = std::collections::BTreeMap::new();
        for row in &plan.revenue {
            // A sale that is given back at once is none where both are read together.
            let of = (row.payment.clone(), row.tax_of.clone());
            let sum: &mut (i64, i64) = sums.entry(of).or_default();
            sum.0 += row.gross;
            sum.1 += row.tax;
        }
        sums.retain(|_, sum| *sum != (0, 0));
        sums
    };
    let entries = |plan: &OrderPlan| {
        let mut rows: Vec<_> = plan
            .entries
            .iter()
            .filter(|e| e.quantity != 0)
            .map(|e| (e.cause.clone(), e.quantity, e.effective_at))
            .collect();
        rows.sort();
        rows
    };
    let stages = |plan: &OrderPlan| {
        let mut rows: Vec<_> = plan
            .stages
            .iter()
            .map(|(r, s)| (r.to_string(), format!("{s:?}")))
            .collect();
        rows.sort();
        rows
    };
    let ops = |plan: &OrderPlan| {
        let mut rows: Vec<_> = plan
            .effects
            .iter()
            .map(|e| (e.key.clone(), e.intent.op))
            .collect();
        rows.sort();
        rows
    };
    let same = [
        (
            "status",
            one.status == other.status && one.blocked_by == other.blocked_by,
        ),
        ("demand", one.demands == other.demands),
        ("stock", entries(one) == entries(other)),
        ("shipments", stages(one) == stages(other)),
        ("revenue", sums(one) == sums(other)),
        ("effects", ops(one) == ops(other)),
    ];
    for (what, is) in same {
        ensure(is, || {
            format!("the same events in another order give different {what}")
        })?;
    }
    Ok(())
}
