//! Asking for one shipment back, and what its warehouse said by telephone.

use hikiate_sdk::{CancelReply, CancelVerdict};

use super::super::types::ShipmentStage;
use super::consequences::stop;
use super::{Now, Wish, WishedFact, shipment_of, while_stopped};
use crate::action::Action;
use crate::facts::{CancelAnsweredFact, FactBody, RecallWantedFact};

/// `order recall`.
///
/// # Errors
/// Why there is nothing to ask back.
pub fn recall(on: Now<'_>, reference: &str, reason: &str) -> Result<Wish, String> {
    let view = on.ours()?;
    let shipment = shipment_of(&view, reference)?;
    match shipment.stage() {
        ShipmentStage::Shipped => {
            return Err(format!(
                "{reference} has shipped: stop the parcel at the carrier or await the return, then run `hikiate return received {reference}`"
            ));
        }
        ShipmentStage::Cancelled => return Err(format!("{reference} is stopped already")),
        ShipmentStage::Rejected => {
            return Err(format!(
                "{reference} was rejected by its warehouse: there is nothing to recall"
            ));
        }
        _ if shipment.recall.is_some() => {
            return Err(format!(
                "{reference} was recalled before: `hikiate order explain {}` shows the result",
                view.input.number
            ));
        }
        _ if view.cancelling() => {
            return Err(format!(
                "order {} is being cancelled, which already recalls {reference}",
                view.input.number
            ));
        }
        _ if !shipment.parcels.is_empty() => {
            return Err(format!(
                "a part of {reference} has shipped: the rest cannot be recalled separately; call {}",
                shipment.fact.warehouse
            ));
        }
        ShipmentStage::Waiting | ShipmentStage::Instructed => {}
    }
    let mut wish = Wish::default();
    stop(&view, shipment, &mut wish);
    while_stopped(&view, &mut wish);
    wish.does.push(format!(
        "once it is stopped, its goods are required again and held: `hikiate order release {} --rule recalled:{reference}` lets them ship; \
         `hikiate order end` or `order cancel` ends them",
        view.input.number
    ));
    wish.stays.push(format!(
        "{} and the payments are not changed; a cancellation request cannot be withdrawn from a warehouse",
        view.input.channel
    ));
    let body = FactBody::RecallWanted(RecallWantedFact {
        reference: shipment.fact.reference.clone(),
        reason: reason.to_owned(),
        stop: None,
    });
    wish.facts
        .push(WishedFact::once(format!("recall_wanted:{reference}"), body));
    Ok(wish)
}

/// `order recalled`: the answer, typed.
///
/// # Errors
/// Why no answer is awaited.
pub fn recalled(
    on: Now<'_>,
    reference: &str,
    verdict: CancelVerdict,
    reason: &str,
) -> Result<Wish, String> {
    let view = on.ours()?;
    let shipment = shipment_of(&view, reference)?;
    let asks =
        |action: &Action| matches!(action, Action::Recalled { reference: of } if of == reference);
    let tasks = on.planned()?.plan.tasks;
    let called = tasks.iter().any(|task| task.actions.iter().any(asks));
    if !called && shipment.recall.is_none() && !shipment.recalled && !view.cancelling() {
        return Err(format!(
            "{reference} was not recalled: run `hikiate order recall {reference}` first"
        ));
    }
    if shipment.stage() != ShipmentStage::Instructed {
        return Err(format!(
            "no answer is awaited for {reference}: `hikiate order explain {}` shows its state",
            view.input.number
        ));
    }
    let reply = CancelReply {
        reference: shipment.fact.reference.clone(),
        verdict,
        message: reason.to_owned(),
        at: Some(on.now),
        absent: false,
    };
    let mut wish = Wish::default();
    wish.does.push(match verdict {
        CancelVerdict::Accepted => {
            let stopped = shipment.recall.is_some_and(|(_, fact)| fact.stop.is_some());
            let goods = if view.dropped() {
                "its units are available again: nothing more of the order is to be shipped".to_owned()
            } else if shipment.recall.is_some() && !stopped {
                format!("its goods are held until `hikiate order release {} --rule recalled:{reference}`", view.input.number)
            } else {
                "what the order still requires of it is instructed again under another reference, unless a hold or a stop prevents it".to_owned()
            };
            format!(
                "{reference} counts as stopped by {}; {goods}",
                shipment.fact.warehouse
            )
        }
        _ => format!("{reference} will be shipped: a task stays open until it is resolved"),
    });
    let body = FactBody::CancelAnswered(CancelAnsweredFact { reply });
    wish.facts.push(WishedFact::again(
        format!("cancel_answered:{reference}"),
        body,
    ));
    Ok(wish)
}
