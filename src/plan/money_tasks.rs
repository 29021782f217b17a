//! Tasks about money: deposits that do not fit, and what others did to the payments.

use hikiate_sdk::{OrderSnapshot, Tender};

use super::payment::Payment;
use super::revenue::Unknown;
use super::shipment::Shipment;
use super::tasks::Tasks;
use super::view::View;
use crate::action::Action;

/// Adds them.
pub(crate) fn money_tasks(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    deposits(view, payment, tasks);
    if !withdrawn(view, payment, tasks) {
        lost(view, payment, tasks);
        partly_captured(view, payment, tasks);
    }
    expired(view, payment, tasks);
    too_much_taken(view, tasks);
    unexplained(view, tasks);
}

/// More money is held than the order charges.
fn too_much_taken(view: &View<'_>, tasks: &mut Tasks) {
    let cancelled = view.cancelled_at_channel.is_some();
    // Goods of a cancelled order that shipped all the same have a task of their own.
    if cancelled && view.any_shipped() {
        return;
    }
    let Some(charged) = view.charged_total() else {
        return;
    };
    let charged = if cancelled { 0 } else { charged.max(0) };
    // Points pay as well, until the order is cancelled.
    let taken = |tender: &Tender| {
        if cancelled {
            tender.captured
        } else {
            view.taken(tender)
        }
    };
    let held = |order: &OrderSnapshot| {
        order.tenders.iter().fold(0_i64, |sum, tender| {
            sum.saturating_add(taken(tender))
                .saturating_sub(view.given_or_by_hand(tender))
        })
    };
    let now = held(view.order);
    if now <= charged.saturating_add(view.slack()) {
        return;
    }
    let since = view
        .fold
        .unchanged_since(|order| held(order) == now && order.total == view.order.total);
    let what = format!(
        "{} was captured or received, and the order's charges are {}. Refund {} with `order refund`, or at the payment provider",
        view.money(now),
        view.money(charged),
        view.money(now.saturating_sub(charged))
    );
    let over = now.saturating_sub(charged);
    tasks.tell_owed(view, "over_captured", since, &what, over);
}

/// Refunds that only the payment provider knows of.
fn unexplained(view: &View<'_>, tasks: &mut Tasks) {
    let refunds: Vec<_> = view.untold_refunds().collect();
    let Some(first) = refunds.first().filter(|_| view.unexplained() > 0) else {
        return;
    };
    let names: Vec<String> = refunds
        .iter()
        .map(|refund| format!("{} ({})", refund.key, view.money(refund.amount)))
        .collect();
    let what = format!(
        "Refunded at the payment provider, but the channel's order total was not reduced: {}. State whether it is a discount, a return or a mistake",
        names.join(", ")
    );
    tasks
        .add("refund_unexplained", what)
        .action(Action::ExplainRefund {
            refund: first.key.to_string(),
        });
}

/// What shipped and cannot be booked, because something about it is not known.
pub(crate) fn not_booked(unknown: &Unknown, tasks: &mut Tasks) {
    match unknown {
        Unknown::Amount => {
            tasks.add(
                "amount_unknown",
                "Goods have shipped, but the channel has not fixed all amounts. Nothing is booked until it has. Fix the amounts at the channel"
                    .to_owned(),
            );
        }
        Unknown::Tax(lines) => {
            let what = format!(
                "Goods have shipped, but the channel reports no tax rate for {}. Nothing is booked until the rate is known. Enter the rate, or set default_tax for the channel",
                lines.join(", ")
            );
            let task = tasks.add("tax_unknown", what);
            if let Some(line) = lines.first() {
                task.action(Action::TaxRate { line: line.clone() });
            }
        }
    }
}

/// The payment of goods that a warehouse has was voided, or its deposit taken away, and nothing came in its stead. True
/// where that is a task.
fn withdrawn(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) -> bool {
    let nothing = view.tenders().all(|t| t.authorised.max(t.captured) == 0);
    let taken_away = view.fold.deposits.iter().filter(|one| one.amount < 0);
    let taken_away = taken_away.map(|one| one.id).next_back();
    // The part that was to come by transfer, whatever the rest is paid by.
    let by_transfer = taken_away.is_some() && payment.bank_wanted.is_some() && !payment.bank_paid;
    let by_nothing = nothing && payment.deposited == 0 && view.taken_before() == 0;
    let unpaid = by_transfer || by_nothing;
    if payment.confirmed || !unpaid || view.dropped() || view.voided_by_us() {
        return false;
    }
    // An edit voids the payment as well, and the channel asks for what is due now by itself.
    let edited = |shipment: &Shipment<'_>| {
        let sealed = shipment.member.map_or(i64::MAX, |member| member.id);
        let then = view.fold.reading_before(sealed);
        taken_away.is_none_or(|id| id < sealed)
            && then.is_some_and(|then| then.fact.order.total != view.order.total)
    };
    let shipments = view.fold.shipments.iter();
    let with: Vec<&Shipment<'_>> = shipments
        .filter(|shipment| shipment.instructed() && shipment.live() && !edited(shipment))
        .collect();
    if with.is_empty() {
        return false;
    }
    let since = view.fold.unchanged_since(|order| {
        let mut live = order.tenders.iter().filter(|tender| !tender.cancelled);
        live.all(|t| t.authorised.max(t.captured) == 0)
    });
    let since = since.max(taken_away.unwrap_or(0));
    if view.fold.released_after("payment_withdrawn", since) {
        return true;
    }
    let names: Vec<String> = with
        .iter()
        .map(|s| format!("{} ({})", s.fact.reference, s.fact.warehouse))
        .collect();
    let how = if taken_away.is_some() {
        "The deposit that paid the order was moved or voided"
    } else {
        "The payment was voided at the channel"
    };
    let what = format!(
        "{how}, and goods are with the warehouse: {}. Have the customer pay, request the goods back with `order recall`, or release to ship them anyway",
        names.join(", ")
    );
    tasks
        .add("payment_withdrawn", what)
        .action(Action::Cancel {})
        .release("payment_withdrawn");
    true
}

/// What was paid is not sure any more: an edit at the channel voids a payment, and asks for it anew.
fn lost(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    let lost = payment.lost.is_some_and(|lost| lost.at_channel);
    if !lost || payment.expired || view.dropped() || view.all_under_way() || view.voided_by_us() {
        return;
    }
    let sure = view.tenders().fold(view.taken_before(), |sum, tender| {
        sum.saturating_add(tender.authorised.max(tender.captured))
    });
    let due = view.order.total.map_or_else(
        || "what is to be paid".to_owned(),
        |total| view.money(total),
    );
    let deadline = if payment.expires_at.is_some() {
        "; until the deadline its stock is kept for it"
    } else {
        ""
    };
    let what = format!(
        "The order was paid and is no longer: of {due}, {} is authorised or captured at the channel. It continues once the customer pays there; otherwise cancel it{deadline}",
        view.money(sure)
    );
    tasks
        .add_due("payment_lost", what, payment.expires_at)
        .action(Action::Cancel {});
}

/// Somebody captured a part of a payment that is captured once, and the rest was released: it never pays the order.
fn partly_captured(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    let told = payment.lost.is_some_and(|lost| lost.at_channel);
    if payment.confirmed || told || payment.expired || view.dropped() || view.voided_by_us() {
        return;
    }
    let short = |tender: &&Tender| {
        let captured = tender.captured;
        captured > 0
            && tender.authorised <= captured
            && tender.amount.is_some_and(|amount| captured < amount)
            && view
                .route(tender)
                .is_some_and(|route| route.account.is_some())
    };
    for tender in view.tenders().filter(short) {
        let what = format!(
            "Of payment {}, {} of {} was captured and nothing more of it is authorised, so the order is not paid. Have the customer pay the rest at the channel, lower the order there, or cancel it and refund",
            tender.key,
            view.money(tender.captured),
            view.money(tender.amount.unwrap_or_default())
        );
        tasks
            .add_due("payment_partly_captured", what, payment.expires_at)
            .action(Action::Cancel {});
    }
}

/// Not paid in time.
fn expired(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    if !payment.expired || view.dropped() {
        return;
    }
    let by_bank = payment.bank_wanted.is_some() && !payment.bank_paid;
    let came = match (payment.bank_wanted, payment.deposited) {
        (Some(wanted), came) if came != 0 => {
            format!(
                " ({} of {} received by deposit)",
                view.money(came),
                view.money(wanted)
            )
        }
        _ => String::new(),
    };
    let late = if by_bank {
        "if it is paid late, record the deposit and it continues"
    } else {
        "if it is paid late at the channel, it continues"
    };
    let what = format!(
        "Payment deadline passed{came}; the reserved units are available again. Cancel the order, or, {late}"
    );
    let task = tasks
        .add_due("payment_overdue", what, payment.expires_at)
        .action(Action::Cancel {});
    if by_bank {
        task.action(Action::AddDeposit {});
    }
}

fn deposits(view: &View<'_>, payment: &Payment, tasks: &mut Tasks) {
    let last = view.fold.deposits.last().map(|one| one.id);
    let wanted = payment.bank_wanted.unwrap_or(0);
    let came = payment.deposited;
    let back = view.transfers_asked_back();
    let mut over = came.saturating_sub(wanted);
    if over > 0 {
        over = over.saturating_sub(back).max(0);
    }
    // What a card no longer pays, as after a refund by mistake, is paid by what came beyond.
    if let Some(charged) = view.charged_total()
        && over > 0
        && view.any_shipped()
        && view.cancelled_at_channel.is_none()
    {
        over = over.min(view.held_in_all().saturating_sub(charged).max(0));
    }
    // An order that nothing stands for is one that is not paid yet, unless goods left for it.
    let counts = came != 0 || payment.foreign || view.any_shipped();
    if payment.foreign {
        let what = format!(
            "A deposit is in a currency other than {}. Match it by hand",
            view.order.currency
        );
        tasks.tell(view, "deposit_currency", last.unwrap_or(0), &what);
    }
    if let Some(last) = last.filter(|_| view.ended().is_none()) {
        if view.cancelling() && came > back && !view.any_shipped() {
            let what = format!(
                "{} was received for a cancelled order and is not refunded. Refund it with `order refund`",
                view.money(came.saturating_sub(back))
            );
            tasks.tell(view, "deposit_for_cancelled_order", last, &what);
        } else if payment.bank_wanted.is_some()
            && over.saturating_abs() <= payment.tolerance
            && payment.bank_paid
        {
            // Paid in full, as far as it matters.
        } else if over > 0 {
            let what = format!(
                "Deposits received: {} for an order of {}. Refund {}",
                view.money(came),
                view.money(wanted),
                view.money(over)
            );
            tasks.tell(view, "deposit_overpaid", last, &what);
        } else if over < 0 && counts && !payment.expired {
            tasks.add(
                "deposit_underpaid",
                format!(
                    "Deposits received: {} of {}. Ask the customer for {}, then record the deposit",
                    view.money(came),
                    view.money(wanted),
                    view.money(over.saturating_neg())
                ),
            )
            .action(Action::AddDeposit {});
        }
    }
}
