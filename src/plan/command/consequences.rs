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
            Some("it has left; arrange a return")
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
        wish.does
            .push("nothing of it was instructed: its stock is free".to_owned());
    }
    let channel = &view.input.channel;
    let under_way = view.fold.shipments.iter().any(Shipment::instructed);
    if view.cancelled_at_channel.is_some() {
        wish.stays
            .push(format!("{channel} shows it cancelled already"));
    } else if view.ended().is_some() {
        wish.stays.push(format!(
            "{channel} is not told of a cancel: the order is ended; `hikiate order release {} --rule ended` takes that back first",
            view.input.number
        ));
    } else if view.any_shipped() {
        wish.stays.push(format!(
            "{channel} is not told of a cancel: goods were shipped, only the rest is stopped"
        ));
    } else if under_way {
        wish.does.push(format!(
            "{channel} is told of the cancel once nothing can be shipped any more"
        ));
    } else {
        wish.does.push(format!(
            "{channel} is told of the cancel, which cannot be undone"
        ));
    }
    for tender in view.tenders() {
        let kept = view.held(tender);
        if kept > 0 {
            wish.stays.push(format!(
                "{} captured of payment {} is not given back by hikiate; refund it at the provider",
                view.money(kept),
                tender.key
            ));
        }
    }
    let voided = view.taken_before();
    if voided > 0 {
        wish.stays.push(format!(
            "{} taken of payments that were voided since is not given back by hikiate; refund it at the provider",
            view.money(voided)
        ));
    }
    while_stopped(&view, &mut wish);
    let deposited = view.payment().deposited;
    if deposited > 0 {
        wish.stays.push(format!(
            "{} that came by deposit is given back by hand",
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
            "{reference} is not sealed: it is taken out of the next batch to {warehouse}"
        )),
        ShipmentStage::Instructed if parcels > 0 => wish.stays.push(format!(
            "a part of {reference} was shipped from {warehouse} in {parcels} parcels, and the rest is not asked back"
        )),
        ShipmentStage::Instructed if shipment.batch_rejected().is_some() => {
            wish.does.push(format!(
                "{reference} stands in a batch that {warehouse} refused: it is taken out of it, and nobody is asked"
            ));
        }
        ShipmentStage::Instructed => {
            let phone = warehouse_of(view, shipment).is_some_and(|w| w.cancel == CancelBy::Phone);
            let stands = if !shipment.instruct_known() {
                "is in a sealed batch whose sending is not known yet"
            } else if shipment.reply.is_some() {
                "was accepted by its warehouse"
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
                    "{warehouse} was asked to stop it and did not ({said}), and is not asked again: call it"
                )
            } else if asked {
                format!("{warehouse} was asked already to stop it, and its answer decides")
            } else if phone {
                format!("a task says to call {warehouse}, and no call is made by hikiate")
            } else {
                format!("{warehouse} is asked to stop it, and its answer decides")
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
