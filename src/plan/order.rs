//! Planning an order: the whole set of its facts in, what ought to be out. Planning twice changes nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{AccountSlug, Op, ShipmentReference};

use super::annotate::annotate;
use super::begin::{self, Whose};
use super::blockers::blockers;
use super::cancel::{Cancel, cancel};
use super::capture::captures;
use super::changes::changes;
use super::checks::{Check, checks, gate_open};
use super::deposits::rest_posting;
use super::effects::{Wanted, choose, withdraw};
use super::ended;
use super::fold::Fold;
use super::goods::{
    delivered_at, discrepancies, entries, imported_after_all, late_replies, refusals,
};
use super::holds::{Holds, holds, open_holds};
use super::lost::{instructed_before, unexplained, unknown};
use super::mail::shipped_mail;
use super::money_tasks::{money_tasks, not_booked};
use super::notice::notices;
use super::payment::Payment;
use super::places::placed;
use super::presence;
use super::provider;
use super::provider_tasks::provider_tasks;
use super::recall::recalled;
use super::refund::{LOOK_AGAIN, refunds};
use super::rest::{at_rest, resting};
use super::revenue::{Revenue, revenue};
use super::shipping::shipping;
use super::status::{StatusInputs, status};
use super::stop::stops;
use super::tasks::Tasks;
use super::types::{EffectState, NewFact, OrderInput, OrderPlan, RefreshPauses, Status};
use super::view::View;
use super::{by_hand, checks, demand, renumbered, reported};
use crate::action::Action;
use crate::facts::{FactBody, TaxRateFact};
use crate::policy::Policy;
use crate::rules::HoldRules;

/// A code without an item is looked up again this often; an item that comes into being makes the orders that wait for it due at once.
pub(super) const ITEMS: Duration = Duration::minutes(10);

/// Why an order cannot be planned. It is this order's failure and no other's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The configuration has no such channel.
    #[error(
        "order {number}: channel account {channel} is not configured; add [channels.{channel}] or plan the order in the process that has it"
    )]
    Channel {
        /// Our number.
        number: String,
        /// The account.
        channel: AccountSlug,
    },
    /// Its payments at other accounts were not looked at.
    #[error(
        "order {number}: its payments at another account were not checked, so the order is not processed. This is a bug in hikiate; report it"
    )]
    Unseen {
        /// Our number.
        number: String,
    },
    /// Planning panicked, which is a bug of ours; the other orders go on.
    #[error("planning this order hit a bug in hikiate: keep its facts and report it")]
    Panicked,
    /// A shipment reference was decided twice.
    #[error(
        "order {number}: shipment {reference} was decided twice; its facts are damaged, restore them from a backup"
    )]
    Damaged {
        /// Our number.
        number: String,
        /// The reference.
        reference: ShipmentReference,
    },
}

impl PlanError {
    pub(crate) fn channel(input: &OrderInput) -> Self {
        Self::Channel {
            number: input.number.clone(),
            channel: input.channel.clone(),
        }
    }
}

/// While only time is waited for, an order is read again at least this often.
const SELDOM: Duration = Duration::hours(6);

/// Everything planning found, for the plan and for the words about it.
pub(crate) struct Planned<'a> {
    pub(crate) view: Option<View<'a>>,
    pub(crate) payment: Option<Payment>,
    pub(crate) holds: Holds,
    /// When it is planned again without new input, and for what.
    pub(crate) moments: Vec<(DateTime<Utc>, Next)>,
    pub(crate) plan: OrderPlan,
}

/// What happens at a moment without new input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// An unpaid order gives its stock back.
    Unpaid,
    /// Its parcels count as delivered.
    Delivered,
    /// It has vanished, and its stock is free for others from then on.
    Vanished,
    /// A warehouse's reply is late.
    ReplyLate,
    /// Unknown codes are looked up again.
    Items,
    /// A layout that refuses a part of it is tried again.
    Layout,
    /// What somebody did at the channel is not waited for any longer.
    AtChannel,
    /// A changed shipment is recalled, or the answer to that is late.
    Changes,
    /// A stock count may say where goods left that others shipped.
    Placed,
    /// The answer to a recall is late.
    Recalled,
    /// A parcel that was told ahead ships.
    Ships,
    /// A parcel is told without the number that did not come.
    Unnumbered,
    /// The note of its holds is written again.
    Note,
    /// A payment at a provider is late, or its authorisation ends.
    Payments,
    /// A refund is recorded at the channel, if nobody has by then.
    Recorded,
    /// The rest of this plan.
    Planned,
}

/// Plans an order.
///
/// # Errors
/// [`PlanError`] when its channel is not configured or its facts contradict each other.
pub fn plan_order(
    input: &OrderInput,
    policy: &Policy,
    rules: &dyn HoldRules,
    now: DateTime<Utc>,
) -> Result<OrderPlan, PlanError> {
    planned(input, policy, rules, now).map(|planned| planned.plan)
}

pub(crate) fn planned<'a>(
    input: &'a OrderInput,
    policy: &'a Policy,
    rules: &dyn HoldRules,
    now: DateTime<Utc>,
) -> Result<Planned<'a>, PlanError> {
    let fold = Fold::of(input, now);
    let Some(head) = fold.readings.last().copied() else {
        let mut plan = quiet(input, Status::Received, None);
        // One that is not to be found, or cannot be understood, is not asked for without a pause.
        let look = fold.absence.map(|absence| absence.look_at(None, now));
        plan.read_at = input.read_at.into_iter().chain(look).min().or(Some(now));
        plan.refresh = look.map(|at| RefreshPauses::every(at - now));
        return Ok(Planned {
            view: None,
            payment: None,
            holds: Holds::default(),
            moments: Vec::new(),
            plan,
        });
    };
    let zombie = begin::zombie(input, policy);
    let whose = begin::of(input, &fold, &head.fact.order, zombie, now);
    if !whose.reserves() && input.demands.is_empty() && input.shipments.is_empty() {
        let plan = resting(input, &head.fact.order, whose);
        return Ok(Planned {
            view: None,
            payment: None,
            holds: Holds::default(),
            moments: Vec::new(),
            plan,
        });
    }
    let channel = policy
        .channels
        .get(&input.channel)
        .ok_or_else(|| PlanError::channel(input))?;
    provider::seen(input, channel)?;
    for (at, shipment) in fold.shipments.iter().enumerate() {
        let reference = &shipment.fact.reference;
        if fold
            .shipments
            .iter()
            .skip(at + 1)
            .any(|other| other.fact.reference == *reference)
        {
            let (number, reference) = (input.number.clone(), reference.clone());
            return Err(PlanError::Damaged { number, reference });
        }
    }
    let view = View::of(input, policy, channel, now, fold, head);
    let acted = begin::acted(&view.fold);
    if whose != Whose::Ours && !acted {
        return Ok(at_rest(view, zombie));
    }
    if let Some(found) = instructed_before(&view).or_else(|| begin::taken_over(&view)) {
        // Planned again at once, with what was found among its facts.
        let mut plan = quiet(input, Status::Instructed, None);
        // What it does afterwards, it does on the same new input.
        plan.seen = None;
        plan.next = Some(now);
        plan.read_at = input.read_at;
        plan.decisions = found.decisions;
        plan.shipments = found.new;
        plan.stages = found.stages;
        return Ok(Planned {
            view: None,
            payment: None,
            holds: Holds::default(),
            moments: Vec::new(),
            plan,
        });
    }
    Ok(live(view, rules))
}

/// A plan that does nothing.
pub(super) fn quiet(input: &OrderInput, status: Status, blocked_by: Option<String>) -> OrderPlan {
    OrderPlan {
        status,
        blocked_by,
        next: None,
        read_at: None,
        refresh: None,
        closed: false,
        decisions: Vec::new(),
        demands: Vec::new(),
        shipments: Vec::new(),
        stages: Vec::new(),
        entries: Vec::new(),
        effects: Vec::new(),
        withdraw: Vec::new(),
        seen: newest(input),
        waits: BTreeSet::new(),
        revenue: Vec::new(),
        rest: None,
        at_once: None,
        tasks: Vec::new(),
    }
}

/// Whether the channel fulfilled it by itself, where that is not stored yet.
fn seen_at_once(view: &View<'_>) -> Option<bool> {
    let goods = view.lines.iter().any(|line| line.item_id.is_some());
    let at_once = view.at_once;
    (view.whose == Whose::Ours && goods && view.input.at_once != Some(at_once)).then_some(at_once)
}

fn newest(input: &OrderInput) -> Option<i64> {
    input.facts.last().map(|fact| fact.id)
}

fn live<'a>(view: View<'a>, rules: &dyn HoldRules) -> Planned<'a> {
    let now = view.now;
    let mut tasks = Tasks::default();
    let payment = view.payment();
    let failed = checks(&view);
    // Calls for it were made before its channel was stopped; now it waits as it stands.
    let acts = view.whose == Whose::Ours;
    let holds = if acts {
        holds(&view, rules)
    } else {
        Holds {
            open: open_holds(&view.fold),
            ..Holds::default()
        }
    };
    let unexplained = unexplained(&view, &mut tasks);
    let blockers = blockers(&view, &mut tasks);
    let awaits = begin::awaits_take_over(&view);
    let released = acts
        && !awaits
        && failed.is_empty()
        && unexplained.is_none()
        && blockers.first.is_none()
        && holds.open.is_empty()
        && payment.confirmed
        && gate_open(&view)
        && view.missing().is_none()
        && !view.dropped();
    let recalled = recalled(&view, &mut tasks);
    let refused = refusals(&view, &mut tasks)
        .or(unexplained)
        .or(blockers.first)
        .or(recalled.gate);
    let changes = changes(&view, &mut tasks);
    let mut placed = placed(&view, &mut tasks);
    let stopped = demand::stopped(&view, &payment);
    let mut shipping = shipping(
        &view,
        released,
        refused.is_some() || view.input.lost.reading,
        stopped,
        &changes.unsent,
    );
    let demands = demand::rows(&view, &payment, released, &shipping.taken_out);

    let cancel = cancel(&view, &changes.recall, &mut tasks);
    let gone = demand::gone(&view, stopped);
    let (refunds, recorded) = refunds(&view, &mut tasks);
    let mut telling = [
        refunds,
        notices(&view, &mut tasks),
        captures(&view, gone, &mut tasks),
        shipped_mail(&view, gone, &mut tasks),
    ];
    let mut kept_back = false;
    for part in &mut telling {
        kept_back |= presence::keep_back(&view, part);
    }
    let mut wanted = Wanted::default();
    for part in telling.into_iter().chain([cancel.wanted.clone()]) {
        wanted.candidates.extend(part.candidates);
        wanted.withdraw.extend(part.withdraw);
        wanted.pending |= part.pending;
    }
    one_way(&view, &mut wanted);
    let note = annotate(&view, &holds.open, &wanted.candidates);
    wanted.candidates.extend(note.candidate);
    wanted.withdraw.extend(note.withdraw);
    presence::take_back(&view, &mut wanted);
    if !acts {
        wanted.candidates.clear();
        let open = view.fold.intents.iter().filter(|intent| intent.open());
        let why = "the channel was stopped";
        wanted.withdraw = open.filter_map(|intent| withdraw(intent, why)).collect();
    }
    let (effects, waits) = choose(&view, wanted.candidates, &wanted.withdraw);

    let delivered = delivered_at(&view).filter(|_| gone);
    let is_delivered = delivered.is_some_and(|at| at <= now);
    let unseen = view.left_unseen();
    let found = if unseen {
        Revenue::Rows(Vec::new())
    } else {
        revenue(&view, delivered.filter(|_| is_delivered))
    };
    let (mut new_revenue, not_known) = match found {
        Revenue::Rows(rows) => (rows, None),
        Revenue::Unknown(unknown) => (Vec::new(), Some(unknown)),
    };
    let booked = view.policy.booking.is_some()
        && view.cancelled_at_channel.is_none()
        && new_revenue.is_empty()
        && not_known.is_none()
        && !unseen
        && view
            .input
            .revenue
            .iter()
            .all(|row| view.fold.booked.contains_key(row.key.as_str()));
    if !acts {
        new_revenue.clear();
    }
    let waiting = shipping
        .waiting
        .iter()
        .map(|((line, _), n)| (line.clone(), *n))
        .collect();
    let standing = StatusInputs {
        released,
        gate: before(&view, awaits)
            .or_else(|| gate(&view, &failed, &holds, &payment, refused))
            .or_else(|| {
                let inactive = !shipping.inactive.is_empty();
                inactive.then(|| "check:order_predates_warehouse".to_owned())
            })
            .or_else(|| shipping.cod_split.then(|| "check:cod_split".to_owned())),
        stopped,
        cancelled: cancel.complete,
        ended: view.ended().is_some(),
        stop: stops(&view, &shipping),
        unknown: cancel.unknown,
        delivered: is_delivered,
        booked,
        waiting,
    };
    let (status, blocked_by) = status(&view, &standing);

    discrepancies(&view, &mut tasks);
    by_hand::tasks(&view, &mut tasks);
    reported::tasks(&view, &mut tasks);
    renumbered::tasks(&view, &mut tasks);
    imported_after_all(&view, &mut tasks);
    booking_refused(&view, &mut tasks);
    money_tasks(&view, &payment, &mut tasks);
    let payments = provider_tasks(&view, &mut tasks);
    if let Some(unknown) = &not_known {
        not_booked(unknown, &mut tasks);
    }
    ended::money(&view, &mut tasks);
    unknown_outcomes(&view, &mut tasks);
    presence::tell(&view, gone, kept_back, &mut tasks);
    let late = late_replies(&view, &mut tasks);
    if !shipping.inactive.is_empty() {
        let names = shipping.inactive.join(", ");
        let what = "was added as a warehouse after this order was stored, and gets no instructions for older orders";
        tasks
            .add(
                "order_predates_warehouse",
                format!("{names} {what}. Ship it by hand and cancel it"),
            )
            .action(Action::Cancel {});
    }
    if shipping.cod_split {
        tasks
            .add(
                "cod_split",
                "The order is cash on delivery but would ship in more than one parcel, and only one can collect the money. Bring its goods to one warehouse and one address, have it paid another way, or cancel it".to_owned(),
            )
            .action(Action::Cancel {});
    }
    let rest = rest_posting(&view, &payment).filter(|_| acts && !unseen);
    let pending = wanted.pending || unseen || not_known.is_some();
    let closed = closed(&view, &cancel, status, pending, &tasks);
    let unmatched = (awaits || unknown(&view).next().is_some())
        && view
            .lines
            .iter()
            .any(|line| line.item_id.is_some() && line.state.is_none());
    if !cancel.complete && !closed && acts && view.ended().is_none() {
        waiting_for_people(&failed, &holds, &mut tasks);
    }
    let unpaid = payment.expires_at.filter(|at| *at > now && !view.dropped());
    let unmapped = failed.iter().any(|check| check.kind == "unmapped_sku");
    let unwritable = failed.iter().any(|check| check.kind == "not_writable");
    // A shipment found at its warehouse is taken over once the order's demand is stored, and what was taken back
    // leaves room for what is right now.
    let renumbered = renumbered::decisions(&view);
    let at_once =
        unmatched || shipping.again || !wanted.withdraw.is_empty() || !renumbered.is_empty();
    let again = [
        (Next::Unpaid, unpaid),
        (Next::Delivered, delivered.filter(|at| *at > now)),
        (Next::Vanished, view.given_up_at().filter(|at| *at > now)),
        (Next::ReplyLate, late),
        (Next::Items, unmapped.then(|| now + ITEMS)),
        (Next::Layout, unwritable.then(|| now + Duration::minutes(1))),
        (Next::AtChannel, blockers.next),
        (Next::Changes, changes.next),
        (Next::Placed, placed.next),
        (Next::Recalled, recalled.next),
        (Next::Ships, view.ships_at()),
        (Next::Unnumbered, view.number_due()),
        (Next::Payments, payments),
        (Next::Recorded, recorded),
        (Next::Note, note.next.filter(|_| acts)),
        (Next::Planned, at_once.then_some(now)),
    ];
    let moments: Vec<_> = again
        .into_iter()
        .filter_map(|(what, at)| at.map(|at| (at, what)))
        .collect();
    let mut decisions = holds.decisions.clone();
    if !new_revenue.is_empty() {
        decisions.extend(rates_by_default(&view));
    }
    decisions.append(&mut placed.decisions);
    decisions.extend(changes.decisions);
    decisions.extend(renumbered);
    decisions.append(&mut shipping.decisions);
    let mut entries = entries(&view);
    entries.append(&mut placed.entries);
    let sent = matches!(status, Status::Shipped | Status::Delivered | Status::Booked);
    let deposit = blocked_by.as_deref() == Some("payment")
        && payment.bank_wanted.is_some()
        && !payment.bank_paid
        && view.fold.shipments.is_empty();
    let idle = tasks.rows.is_empty()
        && view.input.queue.is_empty()
        && effects.is_empty()
        && waits.is_empty();
    let (read_at, refresh) = read_again(&view, closed, idle && (sent || deposit));
    let plan = OrderPlan {
        status,
        blocked_by,
        next: moments.iter().map(|(at, _)| *at).min(),
        read_at,
        refresh,
        closed,
        decisions,
        demands,
        shipments: shipping.new,
        stages: shipping.stages,
        entries,
        effects,
        seen: newest(view.input).filter(|_| acts && wanted.withdraw.is_empty() && waits.is_empty()),
        withdraw: wanted.withdraw,
        waits,
        revenue: new_revenue,
        rest,
        at_once: seen_at_once(&view),
        tasks: tasks.rows,
    };
    Planned {
        view: Some(view),
        payment: Some(payment),
        holds,
        moments,
        plan,
    }
}

/// Money goes one way at a time, also where two accounts move it.
fn one_way(view: &View<'_>, wanted: &mut Wanted) {
    let back = |op: Op| matches!(op, Op::Refund | Op::Void);
    if view.money_goes_back() || wanted.candidates.iter().any(|one| back(one.op)) {
        let crosses = |op: Op| matches!(op, Op::Capture | Op::CancelOrder);
        wanted.candidates.retain(|one| !crosses(one.op));
    }
}

/// The rates that revenue is recorded by for want of others: they stay, whatever is configured later.
fn rates_by_default(view: &View<'_>) -> Vec<NewFact> {
    let charged = view.charged();
    let rates = charged.iter().flat_map(|charged| view.by_default(charged));
    rates
        .map(|(line, rate_bp)| NewFact {
            key: format!("tax_rate:{line}:default"),
            body: FactBody::TaxRate(TaxRateFact {
                line,
                rate_bp,
                reason: "default_tax".to_owned(),
            }),
        })
        .collect()
}

/// What comes before every other gate: its channel, and the system before.
fn before(view: &View<'_>, awaits: bool) -> Option<String> {
    let word = view.whose.gate().or(awaits.then_some("adopted"));
    word.map(str::to_owned)
}

/// The first gate that fails before stock is looked at.
fn gate(
    view: &View<'_>,
    failed: &[Check],
    holds: &Holds,
    payment: &Payment,
    refused: Option<String>,
) -> Option<String> {
    if let Some(missing) = view.missing() {
        return Some(missing);
    }
    if let Some(check) = failed.first() {
        return Some(format!("check:{}", check.kind));
    }
    if let Some(hold) = holds.open.first() {
        return Some(format!("hold:{}", hold.rule));
    }
    if !payment.confirmed {
        return Some("payment".to_owned());
    }
    if !gate_open(view) {
        return Some("channel_gate".to_owned());
    }
    refused.map(|rule| format!("hold:{rule}"))
}

fn waiting_for_people(failed: &[Check], holds: &Holds, tasks: &mut Tasks) {
    checks::tasks(failed, tasks);
    for hold in &holds.open {
        let what = format!("{}. Check the order, then release it", hold.reason);
        tasks
            .add(format!("hold:{}", hold.rule), what)
            .release(&hold.rule);
    }
}

/// Revenue whose entry the books' layout forbids; it is tried again with each later journal.
fn booking_refused(view: &View<'_>, tasks: &mut Tasks) {
    let open = |event: &String| !view.fold.booked.contains_key(event.as_str());
    let mut refused = view.fold.booking_refused.iter().rev();
    if let Some(last) = refused.find(|refused| refused.events.iter().any(open)) {
        tasks.add(
            "booking_refused",
            format!(
                "The journal entry for its revenue cannot be written: {}. Fix the layout or [booking] titles and restart; it is retried automatically every hour",
                last.message
            ),
        );
    }
}

fn unknown_outcomes(view: &View<'_>, tasks: &mut Tasks) {
    for row in view
        .input
        .queue
        .iter()
        .filter(|row| row.state == EffectState::Unresolved)
    {
        let why = row.error.as_deref();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        let what = format!(
            "Outcome unknown: {} was sent, but no usable reply arrived{why}. Check {}, then record whether it took effect",
            row.key, row.account
        );
        tasks
            .add("unknown_outcome", what)
            .action(Action::ResolveEffect { effect: row.id });
    }
}

fn closed(view: &View<'_>, cancel: &Cancel, status: Status, pending: bool, tasks: &Tasks) -> bool {
    let last = if view.policy.booking.is_some() {
        Status::Booked
    } else {
        Status::Delivered
    };
    let late = tasks.rows.iter().any(|row| row.kind == "cancel_too_late");
    let over = match status {
        Status::Cancelled if view.ended().is_some() => {
            !tasks.rows.iter().any(|row| row.kind == ended::MONEY)
        }
        Status::Cancelled => cancel.channel_knows,
        // Goods that left a cancelled order are an operator's until the task is released.
        Status::Delivered if view.cancelled_at_channel.is_some() => !late,
        status => status == last,
    };
    over && !pending && view.input.queue.is_empty()
}

/// When it is read again at its channel, and how after that. `patient` says that only time is waited for: nothing is to be
/// decided, sealed or reported.
pub(super) fn read_again(
    view: &View<'_>,
    closed: bool,
    patient: bool,
) -> (Option<DateTime<Utc>>, Option<RefreshPauses>) {
    let asked = view.input.read_at;
    if closed {
        return (asked.filter(|at| *at <= view.now), None);
    }
    let every = view.channel.refresh;
    let refresh = match view.fold.absence {
        Some(absence) => Some(RefreshPauses::every(
            absence.look_at(every, view.now) - view.now,
        )),
        None if view.refund_just_made() => Some(RefreshPauses::every(LOOK_AGAIN)),
        None => every.map(|first| RefreshPauses {
            first,
            most: if patient { first.max(SELDOM) } else { first },
        }),
    };
    let again = refresh.and_then(|refresh| view.now.checked_add_signed(refresh.first));
    (asked.into_iter().chain(again).min(), refresh)
}
