//! Shipments that an operator has asked back, one by one.

use chrono::{DateTime, Utc};
use hikiate_sdk::CancelVerdict;

use super::cancel::taken_back;
use super::shipment::Shipment;
use super::tasks::{Tasks, words_or_none};
use super::types::ShipmentStage;
use super::view::View;
use crate::action::Action;
use crate::policy::Warehouse;

/// What recalls ask of this plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// The first one whose goods wait for a release.
    pub(crate) gate: Option<String>,
    /// When an answer is overdue.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// Where recalls stand: what was stopped is held, what was not is a task.
pub(crate) fn recalled(view: &View<'_>, tasks: &mut Tasks) -> Recalled {
    let mut recalled = Recalled::default();
    for shipment in &view.fold.shipments {
        let Some((asked, fact)) = shipment.recall else {
            continue;
        };
        // A cancel asks for the same and tells what came of it.
        if view.cancelling() {
            continue;
        }
        let reference = &shipment.fact.reference;
        let warehouse = &shipment.fact.warehouse;
        let left = shipment.parcels.iter().map(|parcel| parcel.first_id);
        if let Some(told) = left.filter(|id| *id > asked).max() {
            let (since, but) = taken_back(shipment);
            let what = format!(
                "{reference} was shipped although it was recalled{but}. Stop the parcel at the carrier, or await the return"
            );
            tasks.tell(view, "recall_failed", told.max(since), &what);
            continue;
        }
        if let Some((told, reply)) = shipment.not_stopped().filter(|_| shipment.live()) {
            let verb = match reply.verdict {
                CancelVerdict::TooLate => "has shipped",
                _ => "will ship",
            };
            let what = format!(
                "{warehouse} {verb} {reference} although it was recalled: {}. Stop the parcel at the carrier, or await the return",
                words_or_none(&reply.message)
            );
            tasks.tell(view, "recall_failed", told, &what);
            continue;
        }
        if shipment.stage() == ShipmentStage::Cancelled || shipment.waiting() {
            let told = shipment.cancel_reply.map_or(asked, |(id, _)| id.max(asked));
            let rule = format!("recalled:{reference}");
            let moot =
                fact.stop.is_some() || view.ended().is_some() || !wanted_again(view, shipment);
            if moot || view.fold.released_with_all_after(&rule, told) {
                continue;
            }
            tasks.add(
                format!("hold:{rule}"),
                format!(
                    "{reference} was recalled, and its goods are held: {}. Release it to ship them again",
                    fact.reason
                ),
            )
            .release(&rule)
            .action(Action::End {});
            recalled.gate.get_or_insert(rule);
            continue;
        }
        if !shipment.instructed() {
            continue;
        }
        if let Some(due) = overdue(view, shipment) {
            if due <= view.now {
                let detail = format!(
                    "{warehouse} has not answered the cancellation request for {reference}. Call the warehouse, then record its answer"
                );
                tasks
                    .add_due("instruction_reply_overdue", detail, Some(due))
                    .action(Action::Recalled {
                        reference: reference.to_string(),
                    });
            } else {
                recalled.next = recalled.next.into_iter().chain([due]).min();
            }
        }
    }
    recalled
}

/// The order still wants goods that were in a shipment, and no other one has them.
pub(crate) fn wanted_again(view: &View<'_>, shipment: &Shipment<'_>) -> bool {
    shipment.fact.lines.iter().any(|row| {
        let line = view.lines.iter().find(|line| line.key == row.line);
        line.is_some_and(|line| line.ordered > line.shipped.saturating_add(line.instructed))
    })
}

/// When a request that was taken ought to have been answered.
fn overdue(view: &View<'_>, shipment: &Shipment<'_>) -> Option<DateTime<Utc>> {
    let request = view
        .fold
        .cancel_requests(&shipment.fact.reference)
        .last()
        .filter(|intent| intent.taken())?;
    view.reply_due(shipment, request.recorded_at)
}

/// The shipment's warehouse, while it is configured.
pub(crate) fn warehouse_of<'a>(view: &View<'a>, shipment: &Shipment<'_>) -> Option<&'a Warehouse> {
    let mut all = view.policy.warehouses.iter();
    all.find(|warehouse| warehouse.name == shipment.fact.warehouse)
}
