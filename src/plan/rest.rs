//! Orders that are not ours to act on, or not yet: they reserve or they do not, and nothing else is done.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{ChannelState, OrderSnapshot};

use super::begin::Whose;
use super::holds::Holds;
use super::order::{ITEMS, Next, Planned, quiet, read_again};
use super::places::{Placed, placed};
use super::shipping::shipping;
use super::tasks::Tasks;
use super::types::{OrderInput, OrderPlan, Status};
use super::view::View;
use super::{checks, demand};
use crate::action::Action;

/// An order that was left to the system before is a task once it is this long unfulfilled.
const LEFT_FOR: Duration = Duration::days(7);

/// The plan of such an order, without what it wants of the stock.
pub(super) fn resting(input: &OrderInput, order: &OrderSnapshot, whose: Whose) -> OrderPlan {
    let status = match (whose, &order.state) {
        (_, ChannelState::Cancelled { .. }) => Status::Cancelled,
        // Everything that ships was shipped by others.
        (Whose::Ended, _) | (Whose::History, ChannelState::Completed) => Status::Delivered,
        (Whose::NotBegun | Whose::Left | Whose::Ours, _) => Status::Unallocated,
        (Whose::Zombie | Whose::History, _) => Status::Received,
    };
    let mut plan = quiet(input, status, whose.gate().map(str::to_owned));
    plan.closed = matches!(whose, Whose::Ended | Whose::History);
    plan
}

/// The whole plan.
pub(super) fn at_rest(view: View<'_>, zombie: Duration) -> Planned<'_> {
    let payment = view.payment();
    let stopped = demand::stopped(&view, &payment);
    // Takes what was decided before out of the next wave.
    let shipping = shipping(&view, false, false, stopped, &[]);
    let mut plan = resting(view.input, view.order, view.whose);
    let mut tasks = Tasks::default();
    let unfulfilled = unfulfilled(&view, &mut tasks);
    let unmapped = checks::checks(&view)
        .iter()
        .any(|check| check.kind == "unmapped_sku");
    let later = [
        payment.expires_at,
        view.given_up_at(),
        (view.whose == Whose::NotBegun)
            .then(|| view.order.ordered_at.checked_add_signed(zombie))
            .flatten(),
        view.input
            .begin
            .left_until
            .filter(|_| view.whose == Whose::Left),
        unfulfilled,
        unmapped.then(|| view.now + ITEMS),
    ];
    let reserves = view.whose.reserves();
    plan.next = later
        .into_iter()
        .flatten()
        .filter(|at| *at > view.now && reserves)
        .min();
    (plan.read_at, plan.refresh) = read_again(&view, !reserves, tasks.rows.is_empty());
    // What others shipped of it is off the shelf all the same.
    let mut untold = Tasks::default();
    let moved = if view.whose == Whose::History {
        Placed::default()
    } else {
        placed(&view, &mut untold)
    };
    plan.decisions = moved.decisions;
    plan.decisions.extend(shipping.decisions);
    plan.entries = moved.entries;
    plan.stages = shipping.stages;
    plan.demands = demand::rows(&view, &payment, false, &shipping.taken_out);
    plan.tasks = tasks.rows;
    Planned {
        view: Some(view),
        payment: Some(payment),
        holds: Holds::default(),
        moments: plan
            .next
            .map(|at| (at, Next::Planned))
            .into_iter()
            .collect(),
        plan,
    }
}

/// The task of an order that the system before has not fulfilled; returns when it is one.
fn unfulfilled(view: &View<'_>, tasks: &mut Tasks) -> Option<DateTime<Utc>> {
    let begun = view
        .input
        .begin
        .begun_at
        .filter(|_| view.whose == Whose::Left)?;
    let first = view.fold.readings.first()?.recorded_at;
    let due = begun.max(first).checked_add_signed(LEFT_FOR)?;
    if due <= view.now {
        let channel = view.input.channel.to_string();
        tasks
            .add_due(
                "left_unfulfilled",
                format!(
                    "Left to the previous system, and still unfulfilled after {} days. Ship or cancel it there, adopt it, or forget it to free its stock",
                    LEFT_FOR.num_days()
                ),
                Some(due),
            )
            .action(Action::Adopt {
                channel: channel.clone(),
            })
            .action(Action::Forget { channel });
    }
    Some(due)
}
