//! Payments at another account: what holds an order because of them, what is told, and when that is looked at again.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::PaymentState;

use super::provider::{AtProvider, SeenPayment};
use super::tasks::Tasks;
use super::view::View;

/// A payment that its account does not show, or shows otherwise than the channel, is a task after this long: each is read
/// in its own time.
const SETTLE: Duration = Duration::hours(1);
/// The end of an authorisation is a task this long before it.
const BEFORE_END: Duration = Duration::hours(48);

/// What an operator has to settle about a payment before goods leave: a check while something is to be instructed, else a
/// task.
pub(crate) fn doubts(view: &View<'_>) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    for tender in view.tenders() {
        if let Some(why) = &tender.review {
            let at = view.at_provider(&tender.key).map(name);
            let payment = at.unwrap_or_else(|| format!("payment {}", tender.key));
            doubts.push((
                "payment_review",
                format!("{payment} is under review ({why}). Decide it there; the order then continues automatically"),
            ));
        }
    }
    for at in view.at_providers() {
        let Some(seen) = &at.seen else { continue };
        if seen.payment.disputed > 0 {
            doubts.push((
                "payment_disputed",
                format!(
                    "{}: the customer's bank disputes {}. Answer the dispute there, or accept it and cancel the order",
                    name(at),
                    amount(&seen.payment, seen.payment.disputed)
                ),
            ));
        }
        if let PaymentState::Unknown { raw } = &seen.payment.state {
            doubts.push((
                "payment_state_unknown",
                format!(
                    "{} is {raw:?}, a state that this connector does not know, so it counts as unpaid. Check it there",
                    name(at)
                ),
            ));
        }
    }
    doubts
}

/// Tasks about payments at other accounts, and when one of them may come.
pub(crate) fn provider_tasks(view: &View<'_>, tasks: &mut Tasks) -> Option<DateTime<Utc>> {
    let mut next = Vec::new();
    let cancelled = view.cancelled_at_channel.is_some();
    for at in view.at_providers() {
        twice(at, tasks);
        if cancelled || at.tender.cancelled {
            continue;
        }
        match &at.seen {
            None => not_seen(view, at, tasks, &mut next),
            Some(seen) => differs(view, at, seen, tasks, &mut next),
        }
    }
    // What is with warehouses or has left is not held any more.
    if !view.lines.iter().any(super::checks::to_instruct) {
        for (kind, detail) in doubts(view) {
            tasks.add(kind, detail);
        }
    }
    if !cancelled {
        ends(view, tasks, &mut next);
    }
    next.into_iter().filter(|at| *at > view.now).min()
}

/// Two payments for one tender.
fn twice(at: &AtProvider, tasks: &mut Tasks) {
    if at.also.is_empty() {
        return;
    }
    let also: Vec<&str> = at.also.iter().map(|key| key.as_str()).collect();
    tasks.add(
        "payment_twice",
        format!(
            "{} is paid a second time by {}, which is not used. Void or refund it at {}",
            name(at),
            also.join(", "),
            at.account
        ),
    );
}

fn not_seen(view: &View<'_>, at: &AtProvider, tasks: &mut Tasks, next: &mut Vec<DateTime<Utc>>) {
    if !at.rivals.is_empty() {
        let others: Vec<&str> = at.rivals.iter().map(String::as_str).collect();
        tasks.add(
            "payment_shared",
            format!(
                "{} is also named by {}, so it is unclear which order it pays, and it pays neither. Correct the wrong reference at the channel, or cancel the other order there",
                name(at),
                others.join(", ")
            ),
        );
        return;
    }
    let named = at.tender.provider.as_ref();
    let named = named.filter(|known| known.key.is_some() || known.reference.is_some());
    let account = &at.account;
    let ids = view.route(&at.tender).and_then(|route| route.ids);
    let key = named.and_then(|known| known.key.as_ref());
    if let Some((ids, key)) = ids.zip(key)
        && !ids.has(key.as_str())
    {
        // Waiting would bring nothing.
        let begin = ids.begin.join(", ");
        tasks.add(
            "payment_not_found",
            format!("{} is no payment that {account} reports: their ids begin with {begin}. {}. Until then nothing ships and nothing is captured", name(at), ids.otherwise),
        );
        return;
    }
    let due = at.since + SETTLE;
    next.push(due);
    if due > view.now {
        return;
    }
    if named.is_some() {
        tasks.add(
            "payment_not_found",
            format!("{} has not been reported by {account} yet. Until then nothing ships and nothing is captured. Search for it there", name(at)),
        );
    } else {
        tasks.add(
            "payment_not_named",
            format!(
                "The channel does not say which payment of {account} its payment {} is. Until then nothing ships and nothing is captured. Enter the id where the channel's account reads it (payment_reference)",
                at.tender.key
            ),
        );
    }
}

fn differs(
    view: &View<'_>,
    at: &AtProvider,
    seen: &SeenPayment,
    tasks: &mut Tasks,
    next: &mut Vec<DateTime<Utc>>,
) {
    let (told, payment) = (&at.tender, &seen.payment);
    let mut differences = Vec::new();
    if payment.currency == view.order.currency {
        let mut compare = |what: &str, told: i64, differs: bool, is: i64| {
            if differs {
                let (told, is) = (view.money(told), view.money(is));
                differences.push(format!(
                    "{what} {told} at the channel and {is} at {}",
                    at.account
                ));
            }
        };
        if let Some(wanted) = told.amount {
            compare(
                "the amount is",
                wanted,
                wanted != payment.amount,
                payment.amount,
            );
        }
        let captured = payment.captured;
        compare(
            "captured is",
            told.captured,
            told.captured > captured,
            captured,
        );
        let refunded = payment.refunded;
        compare(
            "refunded is",
            told.refunded,
            told.refunded > refunded,
            refunded,
        );
    } else {
        differences.push(format!(
            "it is in {} there, so it pays nothing of the order",
            payment.currency
        ));
    }
    if differences.is_empty() {
        return;
    }
    let due = at.reported_at.max(seen.at) + SETTLE;
    next.push(due);
    if due <= view.now {
        tasks.add(
            "payment_differs",
            format!(
                "{} differs between its account and the channel, and the account counts: {}. Correct what is wrong",
                name(at),
                differences.join(", ")
            ),
        );
    }
}

/// An authorisation that is still needed ends, or has ended.
fn ends(view: &View<'_>, tasks: &mut Tasks, next: &mut Vec<DateTime<Utc>>) {
    if view.dropped() && !view.any_shipped() {
        return;
    }
    let zone = view.policy.shop.timezone;
    for tender in view.tenders() {
        let (Some(until), Some(wanted)) = (tender.authorised_until, view.still_to_pay(tender))
        else {
            continue;
        };
        if tender.authorised <= tender.captured || view.settled(tender) >= wanted {
            continue;
        }
        next.extend([until - BEFORE_END, until]);
        let at = view.at_provider(&tender.key).map(name);
        let payment = at.unwrap_or_else(|| format!("payment {}", tender.key));
        let open = view.money(tender.authorised.saturating_sub(tender.captured));
        let end = until.with_timezone(&zone).format("%Y-%m-%d %H:%M");
        if until <= view.now {
            tasks.add(
                "authorisation_ended",
                format!("The authorisation of {payment} ended at {end} with {open} not captured, so nothing more ships on it. Have the customer authorise it again or pay another way, or cancel the order"),
            );
        } else if until - BEFORE_END <= view.now {
            tasks.add_due(
                "authorisation_ends",
                format!("The authorisation of {payment} ends at {end} with {open} not captured. Ship before that, capture it at the provider, or have the customer authorise it again"),
                Some(until),
            );
        }
    }
}

/// A payment by its account's name of it.
pub(crate) fn name(at: &AtProvider) -> String {
    let provider = at.tender.provider.as_ref();
    let key = match &at.seen {
        Some(seen) => Some(&seen.payment.key),
        None => provider.and_then(|known| known.key.as_ref()),
    };
    let reference = provider.and_then(|known| known.reference.as_deref());
    let there = match (key, reference) {
        (Some(key), _) => format!(" ({key} at {})", at.account),
        (None, Some(reference)) => format!(" (reference {reference} at {})", at.account),
        (None, None) => format!(" (at {})", at.account),
    };
    format!("payment {}{there}", at.tender.key)
}

fn amount(payment: &hikiate_sdk::PaymentSnapshot, minor: i64) -> String {
    format!("{} {}", payment.currency.format(minor), payment.currency)
}
