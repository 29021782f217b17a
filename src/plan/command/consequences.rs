//! What comes of taking goods back: shipment by shipment, and of the money.

use super::super::recall::warehouse_of;
use super::super::shipment::Shipment;
use super::super::types::{ShipmentStage, Status};
use super::super::view::View;
use super::{Now, Wish, while_stopped};
use crate::policy::CancelBy;

/// What `order cancel` does now; empty for an order that was not read yet. It stores nothing of its own here: the wish to cancel is a decision like a hold.
///
/// # Errors
/// Why the order is not ours to cancel, or that there is nothing left to cancel.
pub fn cancel(on: Now<'_>) -> Result<Wish, String> {
    let planned = on.planned()?;
    let over = match planned.plan.status {
        Status::Cancelled => Some("there is nothing to cancel"),
        Status::Shipped | Status::Delivered | Status::Booked => {
            Some("it has shipped; arrange a return")
        }
        _ if planned.plan.closed => Some("it is closed"),
        _ => None,
    };
    if let Some(over) = over {
        let (number, status) = (&on.input.number, planned.plan.status.as_str());
        return Err(format!("order {number} is {status}: {over}"));
    }
    if planned.view.is_none() {
        // It was not read yet: the wish waits for it.
        return Ok(Wish::default());
    }
    let view = on.ours()?;
    let mut wish = Wish::default();
    for shipment in &view.fold.shipments {
        stop(&view, shipment, &mut wish);
    }
    if wish.does.is_empty() && wish.stays.is_empty() {
        wish.does.push(
            "nothing of it was instructed: its reserved units are available again".to_owned(),
        );
    }
    let channel = &view.input.channel;
    let under_way = view.fold.shipments.iter().any(Shipment::instructed);
    if view.cancelled_at_channel.is_some() {
        wish.stays
            .push(format!("{channel} already shows it as cancelled"));
    } else if view.ended().is_some() && view.purged() {
        wish.stays.push(format!(
            "{channel} is not notified of the cancellation: the order is ended, and its personal data was purged"
        ));
    } else if view.ended().is_some() {
        wish.stays.push(format!(
            "{channel} is not notified of the cancellation: the order is ended; `hikiate order release {} --rule ended` undoes that first",
            view.input.number
        ));
    } else if view.any_shipped() {
        wish.stays.push(format!(
            "{channel} is not notified of the cancellation: goods have shipped, only the rest is stopped"
        ));
    } else if under_way {
        wish.does.push(format!(
            "{channel} is notified of the cancellation once nothing can ship any more"
        ));
    } else {
        wish.does.push(format!(
            "{channel} is notified of the cancellation, which cannot be undone"
        ));
    }
    for tender in view.tenders() {
        let asked = view
            .given_or_by_hand(tender)
            .saturating_sub(view.given_back(tender));
        let kept = view.held(tender).saturating_sub(asked);
        if kept > 0 {
            wish.stays.push(format!(
                "{} captured of payment {} is not refunded by the cancellation: `hikiate order refund {} --all` does that",
                view.money(kept),
                tender.key,
                view.input.number
            ));
        }
        let account = view.route(tender).and_then(|route| route.account.as_ref());
        let open = view.open_authorisation(tender);
        if let Some(account) = account.filter(|account| **account != view.input.channel)
            && open > 0
        {
            wish.stays.push(format!(
                "{} stays authorised of payment {} at {account}: `hikiate order void {}` releases it",
                view.money(open),
                tender.key,
                view.input.number
            ));
        }
    }
    let voided = view.taken_before();
    if voided > 0 {
        wish.stays.push(format!(
            "{} captured of payments that were voided later is not refunded by hikiate; refund it at the provider",
            view.money(voided)
        ));
    }
    while_stopped(&view, &mut wish);
    let back = view.transfers_asked_back();
    let deposited = view.payment().deposited.saturating_sub(back);
    if deposited > 0 {
        wish.stays.push(format!(
            "{} received by deposit must be refunded: `hikiate order refund` records that",
            view.money(deposited)
        ));
    }
    Ok(wish)
}

/// What stopping a shipment means where it stands.
pub(super) fn stop(view: &View<'_>, shipment: &Shipment<'_>, wish: &mut Wish) {
    let reference = &shipment.fact.reference;
    let warehouse = &shipment.fact.warehouse;
    let parcels = shipment.parcels.len();
    match shipment.stage() {
        ShipmentStage::Waiting => wish.does.push(format!(
            "{reference} is not sealed: it is removed from the next batch to {warehouse}"
        )),
        ShipmentStage::Instructed if parcels > 0 => wish.stays.push(format!(
            "a part of {reference} was shipped from {warehouse} in {parcels} parcels, and no cancellation of the rest is requested"
        )),
        ShipmentStage::Instructed if shipment.batch_rejected().is_some() => {
            wish.does.push(format!(
                "{reference} is in a batch that {warehouse} rejected: it is removed from the batch, and no cancellation is requested"
            ));
        }
        ShipmentStage::Instructed => {
            let phone = warehouse_of(view, shipment).is_some_and(|w| w.cancel == CancelBy::Phone);
            let stands = if !shipment.instruct_known() {
                "is in a sealed batch that is not known to be sent"
            } else if shipment.accepted() {
                "was accepted by its warehouse"
            } else if shipment.rejected() {
                "was rejected by its warehouse, which also reports what cannot be believed"
            } else {
                "was sent to its warehouse"
            };
            let reply = shipment.not_stopped();
            let asked = view.fold.cancel_requests(reference).any(|intent| intent.taken());
            let asks = if let Some((_, reply)) = reply {
                let said = match reply.message.as_str() {
                    "" => "without a reason".to_owned(),
                    words => words.to_owned(),
                };
                format!(
                    "{warehouse} did not stop it when asked ({said}) and is not asked again: call the warehouse"
                )
            } else if asked {
                format!("{warehouse} already has the cancellation request, and its answer decides")
            } else if phone {
                format!("a task asks you to call {warehouse}; hikiate sends no cancellation request")
            } else {
                format!("{warehouse} gets a cancellation request, and its answer decides")
            };
            wish.does.push(format!("{reference} {stands}: {asks}"));
        }
        ShipmentStage::Shipped => {
            wish.stays
                .push(format!("{reference} was shipped from {warehouse}"));
        }
        ShipmentStage::Cancelled | ShipmentStage::Rejected => {}
    }
}
