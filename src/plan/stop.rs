//! Stops of shipping: which waiting shipments they keep from being sealed.

use super::shipping::Shipping;
use super::types::ShippingStop;
use super::view::View;
use crate::facts::{FactBody, ShipmentFact};

/// A shipment that waits after this plan is matched by a stop.
pub(crate) fn stops(view: &View<'_>, shipping: &Shipping) -> bool {
    if view.input.stops.is_empty() {
        return false;
    }
    let gone = |fact: &ShipmentFact| {
        shipping.decisions.iter().any(|decision| {
            matches!(&decision.body, FactBody::ShipmentWithdrawn(gone) if gone.reference == fact.reference)
        })
    };
    let stays = view.fold.shipments.iter().filter(|s| s.waiting());
    let new = shipping
        .decisions
        .iter()
        .filter_map(|decision| match &decision.body {
            FactBody::Shipment(fact) => Some(fact),
            _ => None,
        });
    stays
        .map(|shipment| shipment.fact)
        .filter(|fact| !gone(fact))
        .chain(new)
        .any(|fact| stopped(view, fact))
}

/// A stop keeps this shipment from being sealed.
pub(crate) fn stopped(view: &View<'_>, shipment: &ShipmentFact) -> bool {
    let mut stops = view.input.stops.iter();
    stops.any(|stop| matches(view, stop, shipment))
}

fn matches(view: &View<'_>, stop: &ShippingStop, shipment: &ShipmentFact) -> bool {
    let channel = stop.channel.as_ref();
    let warehouse = stop.warehouse.as_ref();
    let items = stop.items.as_ref();
    channel.is_none_or(|channel| *channel == view.input.channel)
        && warehouse.is_none_or(|warehouse| *warehouse == shipment.warehouse)
        && items.is_none_or(|items| shipment.lines.iter().any(|l| items.contains(&l.item_id)))
}
