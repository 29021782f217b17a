//! Status: that of the least advanced open demand, and the first gate that fails.

use super::types::Status;
use super::view::{Line, View};

/// What the status is derived from, beside the view.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatusInputs {
    /// Nothing holds the order.
    pub(crate) released: bool,
    /// The first gate that fails before stock is looked at.
    pub(crate) gate: Option<String>,
    /// No more is wanted than what is under way.
    pub(crate) stopped: bool,
    /// A cancel has nothing left to do.
    pub(crate) cancelled: bool,
    /// An operator ended it.
    pub(crate) ended: bool,
    /// A stop of shipping keeps what waits from being sealed.
    pub(crate) stop: bool,
    /// A cancel waits for an unknown outcome.
    pub(crate) unknown: bool,
    /// Every parcel counts as delivered.
    pub(crate) delivered: bool,
    /// Delivered, and every revenue event is in the books.
    pub(crate) booked: bool,
    /// Lines and items that come into a shipment by this plan, in no sealed batch.
    pub(crate) waiting: Vec<(hikiate_sdk::LineKey, u32)>,
}

/// Status and `blocked_by`.
pub(crate) fn status(view: &View<'_>, standing: &StatusInputs) -> (Status, Option<String>) {
    if standing.cancelled {
        return (Status::Cancelled, None);
    }
    let unknown = view.unresolved() || standing.unknown;
    let lines = view.lines.iter().filter(|line| line.item_id.is_some());
    let open: Vec<(Status, &str)> = lines
        .filter_map(|line| of_line(view, standing, line))
        .collect();
    let least = open.iter().min_by_key(|(status, _)| *status).copied();
    if standing.ended && least.is_none() && !view.any_shipped() {
        let blocked = if unknown { "unknown_outcome" } else { "ended" };
        return (Status::Cancelled, Some(blocked.to_owned()));
    }
    let Some((status, gate)) = least.or_else(|| nothing_open(view)) else {
        let status = match (standing.delivered, standing.booked) {
            (true, true) => Status::Booked,
            (true, false) => Status::Delivered,
            (false, _) => Status::Shipped,
        };
        let blocked = match (unknown, standing.ended) {
            (true, _) => Some("unknown_outcome"),
            (false, true) => Some("ended"),
            (false, false) => None,
        };
        return (status, blocked.map(str::to_owned));
    };
    let blocked = if unknown {
        "unknown_outcome".to_owned()
    } else if view.cancelling() {
        "cancel".to_owned()
    } else {
        standing
            .gate
            .clone()
            .filter(|_| status < Status::Allocated)
            .unwrap_or(gate.to_owned())
    };
    (status, Some(blocked))
}

/// An order of which nothing is open and nothing has left: held by a check, or unpaid for too long.
fn nothing_open(view: &View<'_>) -> Option<(Status, &'static str)> {
    if view.nothing_ships() && !view.any_shipped() {
        return Some((Status::Unallocated, "completion"));
    }
    (!view.any_shipped()).then_some((Status::Unallocated, "stock"))
}

/// The least advanced part of a line, and what it waits for.
fn of_line(
    view: &View<'_>,
    standing: &StatusInputs,
    line: &Line<'_>,
) -> Option<(Status, &'static str)> {
    let open = line.open(standing.stopped);
    if open == 0 {
        return None;
    }
    let waiting = standing
        .waiting
        .iter()
        .filter(|(key, _)| *key == line.key)
        .fold(0_u32, |sum, (_, items)| sum.saturating_add(*items));
    let free = open.saturating_sub(line.instructed).saturating_sub(waiting);
    if free > 0 && (!standing.released || standing.gate.is_some()) {
        return Some((Status::Unallocated, "stock"));
    }
    if free > 0 {
        let reserved = |firm: bool| {
            let rows = line.reserved().iter().filter(|(_, _, is)| *is || !firm);
            rows.fold(0_u32, |sum, (_, items, _)| sum.saturating_add(*items))
        };
        let status = match (reserved(false) < open, reserved(true) < open) {
            (true, _) if line.awaits_allocation(open) => Status::Unallocated,
            (true, _) => Status::Backordered,
            (false, true) => Status::Unallocated,
            // It waits for the rest of the order.
            (false, false) => Status::Allocated,
        };
        return Some((status, "stock"));
    }
    if waiting > 0 {
        let gate = if standing.stop { "stop" } else { "batch" };
        return Some((Status::Allocated, gate));
    }
    let taken =
        |s: &&super::shipment::Shipment<'_>| s.instructed() && s.remaining_qty(&line.key) > 0;
    let mut here = view.fold.shipments.iter().filter(taken);
    if here.clone().any(|s| s.batch_rejected().is_some()) {
        return Some((Status::Allocated, "batch_rejected"));
    }
    let all_taken = here.all(|s| s.taken());
    Some(if all_taken {
        (Status::Instructed, "warehouse")
    } else {
        // Sealed is not sent: the warehouse may have nothing of it.
        (Status::Allocated, "sending")
    })
}
