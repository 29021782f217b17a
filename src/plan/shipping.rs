//! Shipments: what leaves from which warehouse, and what is taken out of the next wave again.

use std::collections::BTreeMap;

use hikiate_sdk::{LineKey, ShipmentReference};

use super::lost::last_number;
use super::number::shipment_reference;
use super::types::{NewFact, NewShipment, ShipmentStage};
use super::view::{Line, View};
use crate::facts::{FactBody, ShipmentFact, ShipmentLine, ShipmentWithdrawnFact};
use crate::policy::{Dispatch, Partial, Warehouse};

/// What is decided about shipments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shipping {
    pub(crate) decisions: Vec<NewFact>,
    pub(crate) new: Vec<NewShipment>,
    pub(crate) stages: Vec<(ShipmentReference, ShipmentStage)>,
    /// Items that stay in or come into waiting shipments, by line and warehouse.
    pub(crate) waiting: BTreeMap<(LineKey, String), u32>,
    /// Items of sealed shipments that this plan takes out of a refused batch.
    pub(crate) taken_out: BTreeMap<LineKey, u32>,
    /// Warehouses that would ship a part, but are instructed only for orders stored later.
    pub(crate) inactive: Vec<String>,
    /// What the carrier collects would leave in more than one parcel, so nothing more is decided.
    pub(crate) cod_split: bool,
    /// What is shipped may change once what has left took its reservations with it: to be planned again at once.
    pub(crate) again: bool,
}

/// Decides shipments. `ready` says that nothing holds the order; `refused` that a warehouse refused a part of
/// it, so that nothing new is decided; `stopped` that nothing more is to leave; `unsent` are shipments that changed in a
/// batch which was refused.
pub(crate) fn shipping(
    view: &View<'_>,
    ready: bool,
    refused: bool,
    stopped: bool,
    unsent: &[ShipmentReference],
) -> Shipping {
    let mut shipping = Shipping::default();
    let ready = ready && !stopped;
    let covered = view.lines.iter().all(|line| covered(line, stopped));
    // What is paid on delivery leaves at once or not at all.
    let cod = view.cod().is_some();
    let waits = (cod || view.policy.allocation.partial == Partial::Wait) && !covered;
    let reason = if view.cancelling() {
        Some("the order is cancelled")
    } else if view.ended().is_some() {
        Some("the order is ended")
    } else if view.missing().is_some() {
        Some("its channel does not show the order")
    } else if !ready {
        Some("the order is held")
    } else if waits {
        Some("a part of the order has no stock")
    } else {
        None
    };
    let mut gone: Vec<(usize, &str)> = Vec::new();
    for (at, shipment) in view.fold.shipments.iter().enumerate() {
        let out = view.cancelling()
            || stopped
            || shipment.recall.is_some()
            || unsent.contains(&shipment.fact.reference);
        if out && shipment.batch_rejected().is_some() {
            gone.push((at, "it is not to ship as it is, and its batch was rejected"));
            for line in &shipment.fact.lines {
                let sum = shipping.taken_out.entry(line.line.clone()).or_default();
                *sum = sum.saturating_add(line.quantity);
            }
            // Its items count as instructed until the decision is among the facts.
            shipping.again = true;
            continue;
        }
        if !shipment.waiting() {
            continue;
        }
        let why = reason
            .or_else(|| shipment.recall.map(|_| "it was recalled"))
            .or_else(|| stale(view, shipment, stopped));
        if let Some(why) = why {
            gone.push((at, why));
        }
    }
    for (at, shipment) in view.fold.shipments.iter().enumerate() {
        if let Some((_, why)) = gone.iter().find(|(gone, _)| *gone == at) {
            let reference = shipment.fact.reference.clone();
            shipping.decisions.push(NewFact {
                key: format!("shipment_withdrawn:{reference}"),
                body: FactBody::ShipmentWithdrawn(ShipmentWithdrawnFact {
                    reference: reference.clone(),
                    reason: (*why).to_owned(),
                }),
            });
            shipping.stages.push((reference, ShipmentStage::Cancelled));
            // Without goods it may be over once nothing of it stands in a shipment.
            shipping.again |= !view.wants_goods();
            continue;
        }
        let stage = shipment.stage();
        if shipment.stored.is_some_and(|stored| stored != stage) {
            shipping
                .stages
                .push((shipment.fact.reference.clone(), stage));
        }
        if shipment.waiting() {
            for line in &shipment.fact.lines {
                let at = (line.line.clone(), shipment.fact.warehouse.clone());
                let sum = shipping.waiting.entry(at).or_default();
                *sum = sum.saturating_add(line.quantity);
            }
        }
    }
    if ready && !waits {
        if view.lines.iter().any(moved) {
            let open = |line: &Line<'_>| line.open(stopped) > line.instructed;
            shipping.again |= view
                .lines
                .iter()
                .any(|line| line.item_id.is_some() && open(line));
        } else if !refused {
            let before = shipping.clone();
            create(view, &mut shipping);
            let (new, there) = (shipping.new.len(), under_way(view, &before));
            if cod && new > 0 && new + there > 1 {
                shipping = before;
                shipping.cod_split = true;
            }
        }
    }
    shipping
}

/// Shipments that may leave or have left, but for those that this plan takes out.
fn under_way(view: &View<'_>, decided: &Shipping) -> usize {
    let out = |reference: &ShipmentReference| {
        let mut stages = decided.stages.iter();
        stages.any(|(of, stage)| of == reference && *stage == ShipmentStage::Cancelled)
    };
    let live = |shipment: &&super::shipment::Shipment<'_>| {
        !out(&shipment.fact.reference)
            && !matches!(
                shipment.stage(),
                ShipmentStage::Cancelled | ShipmentStage::Rejected
            )
    };
    view.fold.shipments.iter().filter(live).count()
}

/// More or less of it has left than its stored demand says, by us or others: its reservations, as loaded, still hold what
/// is gone. Without an item no demand is stored, and nothing is shipped of it.
fn moved(line: &Line<'_>) -> bool {
    let now = (line.shipped, line.by_others);
    let stored = line.state.filter(|_| line.item_id.is_some());
    stored.is_some_and(|stored| (stored.shipped, stored.by_others) != now)
}

/// Firm reservations of a line at a warehouse.
fn firm_at(line: &Line<'_>, warehouse: &str) -> u32 {
    let here = line
        .reserved()
        .iter()
        .filter(|(at, _, firm)| *firm && at == warehouse);
    here.fold(0, |sum, (_, quantity, _)| sum.saturating_add(*quantity))
}

fn covered(line: &Line<'_>, stopped: bool) -> bool {
    if line.item_id.is_none() {
        return true;
    }
    let firm = line.reserved().iter().filter(|r| r.2);
    let reserved = firm.fold(0_u32, |sum, r| sum.saturating_add(r.1));
    // What is in a sealed shipment is on its way, whatever its reservation says.
    reserved.max(line.instructed) >= line.open(stopped)
}

/// Items of a line in sealed shipments from a warehouse, still to leave.
fn instructed_at(view: &View<'_>, line: &LineKey, warehouse: &str) -> u32 {
    let here = |s: &&super::shipment::Shipment<'_>| s.instructed() && s.fact.warehouse == warehouse;
    let shipments = view.fold.shipments.iter().filter(here);
    shipments.fold(0, |sum, shipment| {
        sum.saturating_add(shipment.remaining_qty(line))
    })
}

/// Why a waiting shipment no longer fits the order or its stock.
fn stale(
    view: &View<'_>,
    shipment: &super::shipment::Shipment<'_>,
    stopped: bool,
) -> Option<&'static str> {
    let group = view
        .order
        .groups
        .iter()
        .find(|group| group.key == shipment.fact.group);
    if group.and_then(|group| group.earliest_ship) != shipment.earliest_then {
        return Some("its earliest day has changed");
    }
    for shipped in &shipment.fact.lines {
        let Some(line) = view.lines.iter().find(|line| line.key == shipped.line) else {
            return Some("a line of it is gone");
        };
        if line.group != shipment.fact.group || line.item_id != Some(shipped.item_id) {
            return Some("a line of it has changed");
        }
        let open = line.open(stopped).saturating_sub(line.instructed);
        if line.waiting > open.saturating_sub(line.packed) {
            return Some("less of it is required");
        }
        let warehouse = &shipment.fact.warehouse;
        let waiting_here = view
            .fold
            .shipments
            .iter()
            .filter(|s| s.waiting() && s.fact.warehouse == *warehouse)
            .fold(0_u32, |sum, s| {
                sum.saturating_add(s.remaining_qty(&line.key))
            });
        let free =
            firm_at(line, warehouse).saturating_sub(instructed_at(view, &line.key, warehouse));
        if waiting_here > free {
            return Some("its reservation was withdrawn");
        }
    }
    None
}

fn create(view: &View<'_>, shipping: &mut Shipping) {
    let mut k = last_number(view);
    for group in &view.order.groups {
        for warehouse in &view.policy.warehouses {
            let mut lines = Vec::new();
            for line in view.lines.iter().filter(|line| line.group == group.key) {
                let Some((item_id, state)) = line.item_id.zip(line.state) else {
                    continue;
                };
                let quantity = take(view, shipping, line, &warehouse.name);
                if quantity == 0 || item_id != state.item_id {
                    continue;
                }
                lines.push(ShipmentLine {
                    n: u32::try_from(lines.len())
                        .unwrap_or(u32::MAX)
                        .saturating_add(1),
                    demand_id: state.id,
                    line: line.key.clone(),
                    item_id,
                    quantity,
                });
            }
            if lines.is_empty() {
                continue;
            }
            if !active(view, warehouse) {
                shipping.inactive.push(warehouse.name.clone());
                continue;
            }
            for line in &lines {
                let at = (line.line.clone(), warehouse.name.clone());
                let sum = shipping.waiting.entry(at).or_default();
                *sum = sum.saturating_add(line.quantity);
            }
            k += 1;
            let reference = shipment_reference(&view.input.number, k);
            shipping.new.push(NewShipment {
                reference: reference.clone(),
                warehouse: warehouse.name.clone(),
                account: warehouse.account.clone(),
                release_at: release_at(view, warehouse, group.earliest_ship),
                instructed: false,
                lines: lines
                    .iter()
                    .map(|line| (line.demand_id, line.quantity))
                    .collect(),
            });
            shipping.decisions.push(NewFact {
                key: format!("shipment:{reference}"),
                body: FactBody::Shipment(ShipmentFact {
                    reference,
                    warehouse: warehouse.name.clone(),
                    account: warehouse.account.clone(),
                    group: group.key.clone(),
                    lines,
                }),
            });
        }
    }
}

/// The warehouse was to be instructed when the order was first stored.
fn active(view: &View<'_>, warehouse: &Warehouse) -> bool {
    let first = view
        .fold
        .readings
        .first()
        .map(|reading| reading.recorded_at);
    view.epoch("instruct", &warehouse.account)
        .zip(first)
        .is_some_and(|(from, at)| at >= from)
}

/// Items of a line to ship from a warehouse now.
fn take(view: &View<'_>, shipping: &Shipping, line: &Line<'_>, warehouse: &str) -> u32 {
    let spoken = |at: &str| {
        let waiting = shipping
            .waiting
            .get(&(line.key.clone(), at.to_owned()))
            .copied();
        instructed_at(view, &line.key, at).saturating_add(waiting.unwrap_or(0))
    };
    let free = |at: &str| firm_at(line, at).saturating_sub(spoken(at));
    let waiting: u32 = shipping
        .waiting
        .iter()
        .filter(|((key, _), _)| *key == line.key)
        .fold(0, |sum, (_, quantity)| sum.saturating_add(*quantity));
    let open = line
        .open(false)
        .saturating_sub(line.instructed)
        .saturating_sub(waiting)
        .saturating_sub(line.packed);
    let everywhere = view
        .policy
        .warehouses
        .iter()
        .fold(0_u32, |sum, w| sum.saturating_add(free(&w.name)));
    let here = free(warehouse).min(open);
    if everywhere >= open {
        return here;
    }
    // A part of a case is of no use to the customer while the rest has no stock.
    here - here % line.multiplier
}

fn release_at(
    view: &View<'_>,
    warehouse: &Warehouse,
    earliest: Option<chrono::DateTime<chrono::Utc>>,
) -> chrono::DateTime<chrono::Utc> {
    let from_now = match &warehouse.dispatch {
        Dispatch::Wave { .. } => view.now,
        Dispatch::Continuous { grace, .. } => {
            view.now.checked_add_signed(*grace).unwrap_or(view.now)
        }
    };
    earliest.map_or(from_now, |earliest| earliest.max(from_now))
}
