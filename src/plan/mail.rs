//! Mails to the buyer: one of a kind, once.

use hikiate_sdk::Op;

use super::demand;
use super::effects::{Candidate, Wanted, withdraw};
use super::fold::Intent;
use super::payment::Payment;
use super::tasks::Tasks;
use super::view::View;
use crate::facts::IntentWhat;
use crate::policy::MailKind;

/// Customers of its channel get a mail about what shipped: one an order, once everything of it that ships has shipped.
pub(crate) fn mails_shipments(view: &View<'_>) -> bool {
    view.policy.mail.is_some() && view.channel.mail.contains(&MailKind::Shipped)
}

/// A part has shipped, and the mail waits for the rest.
pub(crate) fn waits_for_rest(view: &View<'_>, payment: &Payment) -> bool {
    let stopped = demand::stopped(view, payment);
    mails_shipments(view)
        && view.any_shipped()
        && view.cancelled_at_channel.is_none()
        && !demand::gone(view, stopped)
        && view.fold.of_op(Op::Mail).all(Intent::void)
}

/// The mail that says that the order has left. `gone` says that nothing is left to ship.
pub(crate) fn shipped_mail(view: &View<'_>, gone: bool, tasks: &mut Tasks) -> Wanted {
    let mut wanted = Wanted::default();
    let mails: Vec<&Intent<'_>> = view
        .fold
        .of_op(Op::Mail)
        .filter(|i| {
            matches!(
                i.fact.what,
                IntentWhat::Mail {
                    kind: MailKind::Shipped
                }
            )
        })
        .collect();
    if view.cancelled_at_channel.is_some() {
        let why = "the order is cancelled at the channel";
        let open = mails.iter().filter(|intent| intent.open());
        wanted
            .withdraw
            .extend(open.filter_map(|intent| withdraw(intent, why)));
        return wanted;
    }
    let Some(account) = &view.policy.mail else {
        return wanted;
    };
    let Some(epoch) = view.epoch("mail:shipped", account) else {
        return wanted;
    };
    // What others shipped as well is no new input to the customer.
    let ours = |line: &super::view::Line<'_>| {
        line.shipped > line.by_others && (line.by_others == 0 || line.by_others < line.ordered)
    };
    let ours = view.lines.iter().any(ours);
    let cause = view
        .parcels()
        .iter()
        .map(|parcel| parcel.first_recorded_at)
        .max();
    let due = view.channel.mail.contains(&MailKind::Shipped)
        && gone
        && ours
        && cause.is_some_and(|cause| cause >= epoch);
    let waits = |parcel: &&super::shipment::Parcel<'_>| view.number_may_come(parcel);
    if due && mails.is_empty() && view.parcels().iter().any(waits) {
        wanted.pending = true;
        return wanted;
    }
    // A mail whose outcome nobody knows is never sent again and holds nothing up.
    if !due || mails.iter().any(|intent| !intent.void()) {
        wanted.pending = mails.iter().any(|intent| intent.open());
        return wanted;
    }
    let last = mails.last().and_then(|intent| intent.refusal());
    if let Some((id, outcome)) = last
        && !view.fold.released_after("mail", id)
    {
        tasks
            .add(
                "mail_rejected",
                format!(
                    "The shipping mail was not sent: {}. Correct the cause, then release to try again",
                    outcome.message
                ),
            )
            .release("mail");
        return wanted;
    }
    if !view.features.buyer_mail || view.input.personal.is_none() {
        tasks.tell(
            view,
            "mail_address_missing",
            0,
            "The shipping mail cannot be sent: the order has no usable mail address. Notify the customer another way",
        );
        return wanted;
    }
    wanted.pending = true;
    wanted.candidates.push(Candidate {
        account: account.clone(),
        op: Op::Mail,
        what: IntentWhat::Mail {
            kind: MailKind::Shipped,
        },
    });
    wanted
}
