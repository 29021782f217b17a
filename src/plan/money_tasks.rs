//! Tasks about money: deposits that do not fit, and what others did to the payments.

use super::payment::Payment;
use super::shipment::Shipment;
use super::tasks::Tasks;
use super::view::View;
use crate::action::Action;

/// Adds them.
pub(crate) fn money_tasks(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    deposits(view, payment, tasks);
    withdrawn(view, payment, tasks);
    let captured: i64 = view
        .order
        .tenders
        .iter()
        .fold(0, |sum, tender| sum.saturating_add(tender.captured));
    let refunded: i64 = view
        .order
        .tenders
        .iter()
        .fold(0, |sum, tender| sum.saturating_add(tender.refunded));
    if let Some(total) = view.order.total
        && captured > total
    {
        let what = format!(
            "{} was captured for an order of {}; give the difference back at the provider",
            view.money(captured),
            view.money(total)
        );
        tasks.tell(view, "over_captured", view.head.id, &what);
    }
    if refunded > 0 {
        let what = format!(
            "{} was given back at the channel or provider; book it by hand",
            view.money(refunded)
        );
        tasks.tell(view, "refund_seen", view.head.id, &what);
    }
}

/// The payment of goods that a warehouse has was voided, and nothing came in its stead.
fn withdrawn(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    let nothing = view.tenders().all(|t| t.authorised.max(t.captured) == 0);
    let unpaid = nothing && payment.deposited == 0 && view.taken_before() == 0;
    if payment.confirmed || !unpaid || view.dropped() {
        return;
    }
    // An edit voids the payment as well, and the channel asks for what is due now by itself.
    let edited = |shipment: &Shipment<'_>| {
        let sealed = shipment.member.map_or(i64::MAX, |member| member.id);
        let then = view.fold.reading_before(sealed);
        then.is_some_and(|then| then.fact.order.total != view.order.total)
    };
    let shipments = view.fold.shipments.iter();
    let with: Vec<&Shipment<'_>> = shipments
        .filter(|shipment| shipment.instructed() && shipment.live() && !edited(shipment))
        .collect();
    if with.is_empty() {
        return;
    }
    let since = view.fold.unchanged_since(|order| {
        let mut live = order.tenders.iter().filter(|tender| !tender.cancelled);
        live.all(|t| t.authorised.max(t.captured) == 0)
    });
    if view.fold.released_after("payment_withdrawn", since) {
        return;
    }
    let names: Vec<String> = with
        .iter()
        .map(|s| format!("{} ({})", s.fact.reference, s.fact.warehouse))
        .collect();
    let what = format!(
        "the payment was withdrawn at the channel and goods are with the warehouse: {}; have the customer pay, ask them back with `order recall`, or release it to ship them all the same",
        names.join(", ")
    );
    tasks
        .add("payment_withdrawn", what)
        .action(Action::Cancel {})
        .release("payment_withdrawn");
}

fn deposits(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    let last = view.fold.deposits.last().map(|(id, _)| *id);
    let wanted = payment.bank_wanted.unwrap_or(0);
    let came = payment.deposited;
    if payment.foreign {
        let what = format!(
            "a deposit came in a currency that is not {}; match it by hand",
            view.order.currency
        );
        tasks.tell(view, "deposit_currency", last.unwrap_or(0), &what);
    }
    if let Some(last) = last.filter(|_| view.ended().is_none()) {
        if view.cancelling() && came > 0 && !view.something_left() {
            let what = format!(
                "{} came for a cancelled order; give it back",
                view.money(came)
            );
            tasks.tell(view, "deposit_cancelled", last, &what);
        } else if came > wanted {
            let what = format!(
                "{} came by deposit, {} was to be paid: {} too much; give it back",
                view.money(came),
                view.money(wanted),
                view.money(came.saturating_sub(wanted))
            );
            tasks.tell(view, "deposit_over", last, &what);
        } else if came < wanted {
            tasks.add(
                "deposit_short",
                format!(
                    "{} came by deposit, {} was to be paid: {} is missing; ask the customer for it and add what comes",
                    view.money(came),
                    view.money(wanted),
                    view.money(wanted.saturating_sub(came))
                ),
            )
            .action(Action::AddDeposit {});
        }
    }
    if payment.expired && !view.dropped() {
        tasks
            .add_due(
                "unpaid_expired",
                "not paid in time, its stock is on sale again; cancel the order, or, paid late, add the deposit and it goes on".to_owned(),
                payment.expires_at,
            )
            .action(Action::Cancel {})
            .action(Action::AddDeposit {});
    }
}
