//! Goods as the warehouse tells them: stock movements, and where they differ from what was decided.

use chrono::{DateTime, Utc};
use hikiate_sdk::ReplyVerdict;

use super::tasks::Tasks;
use super::types::StockEntryRow;
use super::view::View;
use crate::policy::Warehouse;

/// One movement per line of a parcel. A line that a correction took out moves nothing.
pub(crate) fn entries(view: &View<'_>) -> Vec<StockEntryRow> {
    let mut entries = Vec::new();
    for shipment in &view.fold.shipments {
        for parcel in &shipment.parcels {
            for line in &shipment.fact.lines {
                if !parcel.lines_ever.contains(&line.n) {
                    continue;
                }
                entries.push(StockEntryRow {
                    cause: format!("parcel:{}:{}", parcel.name(), line.n),
                    demand_id: line.demand_id,
                    item_id: line.item_id,
                    warehouse: shipment.fact.warehouse.clone(),
                    quantity: -i64::from(parcel.items(line.n)),
                    effective_at: parcel.report.left_at,
                });
            }
        }
    }
    entries
}

/// When every parcel counts as delivered; `None` while that cannot be said.
pub(crate) fn delivered_at(view: &View<'_>) -> Option<DateTime<Utc>> {
    let last = view
        .parcels()
        .iter()
        .map(|parcel| parcel.report.left_at)
        .max()?;
    last.checked_add_signed(view.policy.presume_delivered?)
}

/// Where what was told differs from what was decided.
pub(crate) fn discrepancies(view: &View<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        let reference = &shipment.fact.reference;
        let Some(told) = shipment.parcels.iter().map(|parcel| parcel.last_id).max() else {
            continue;
        };
        let (mut over, mut short) = (Vec::new(), Vec::new());
        for line in &shipment.fact.lines {
            let (left, wanted) = (shipment.left(line.n), line.quantity);
            if left > wanted {
                over.push(format!("{left} of {wanted} on line {}", line.n));
            } else if left < wanted {
                short.push(format!("{left} of {wanted} on line {}", line.n));
            }
        }
        if !over.is_empty() {
            let what = format!(
                "{reference} left with {}; arrange the return, or leave it",
                over.join(", ")
            );
            tasks.tell(view, "over_shipped", told, &what);
        }
        if !short.is_empty() && shipment.live() {
            let rule = format!("short:{reference}");
            let detail = format!(
                "{reference} left with {}; when the rest comes later there is nothing to do, when it will not, release it and the rest is planned anew",
                short.join(", ")
            );
            tasks.add("shipped_short", detail).release(&rule);
        }
        let unknown = shipment
            .parcels
            .iter()
            .flat_map(|parcel| &parcel.report.lines)
            .filter(|line| !shipment.fact.lines.iter().any(|known| known.n == line.n))
            .map(|line| line.n.to_string())
            .collect::<Vec<_>>();
        if !unknown.is_empty() {
            let what = format!(
                "the warehouse reports line {} of {reference}, which it was never told; correct its stock by hand",
                unknown.join(", ")
            );
            tasks.tell(view, "parcel_unknown", told, &what);
        }
    }
    for parcel in &view.fold.stray {
        let what = format!(
            "the warehouse reports a parcel of {}, which is no shipment of this order; ask it",
            parcel.report.reference
        );
        tasks.tell(view, "parcel_unknown", parcel.last_id, &what);
    }
}

/// Shipments a warehouse refused, and whether one of them still waits for a person.
pub(crate) fn refusals(view: &View<'_>, tasks: &mut Tasks) -> Option<String> {
    if view.cancelling() {
        return None;
    }
    let mut first = None;
    for shipment in &view.fold.shipments {
        let reference = &shipment.fact.reference;
        let Some((id, words)) = shipment.refusal() else {
            continue;
        };
        let rule = format!("rejected:{reference}");
        if view.fold.released_with_all_after(&rule, id) {
            continue;
        }
        let what = format!(
            "{} will not ship {reference}: {words}; correct what it names, then release it",
            shipment.fact.warehouse
        );
        tasks.add("instruction_rejected", what).release(&rule);
        first.get_or_insert(rule);
    }
    first
}

/// Instructions without an answer in time; returns when the next one is late.
pub(crate) fn late_replies(view: &View<'_>, tasks: &mut Tasks) -> Option<DateTime<Utc>> {
    let mut next: Option<DateTime<Utc>> = None;
    for shipment in view.fold.shipments.iter().filter(|s| s.instructed()) {
        let warehouse = |w: &&Warehouse| w.name == shipment.fact.warehouse;
        let within = view
            .policy
            .warehouses
            .iter()
            .find(warehouse)
            .and_then(|w| w.reply_within);
        let (Some(member), Some(within)) = (shipment.member, within) else {
            continue;
        };
        let answered = shipment
            .reply
            .is_some_and(|(_, r)| r.verdict == ReplyVerdict::Accepted)
            || !shipment.parcels.is_empty()
            || member.done();
        let Some(due) = member.recorded_at.checked_add_signed(within) else {
            continue;
        };
        if answered {
            continue;
        }
        if due > view.now {
            next = next.into_iter().chain([due]).min();
            continue;
        }
        let detail = format!(
            "{} has not answered for {}; ask it whether the batch arrived",
            shipment.fact.warehouse, shipment.fact.reference
        );
        tasks.add_due("reply_late", detail, Some(due));
    }
    next
}
