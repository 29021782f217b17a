//! Demand: what is wanted of the stock, from the moment an order is known.

use std::collections::BTreeMap;

use hikiate_sdk::LineKey;

use super::checks::unshippable;
use super::payment::Payment;
use super::types::DemandRow;
use super::view::{Line, View};

impl Line<'_> {
    /// Items wanted in all; never below what has left or stands in a sealed shipment.
    pub(crate) fn wanted(&self, stopped: bool) -> u32 {
        let committed = self.shipped.saturating_add(self.instructed);
        if stopped {
            committed
        } else {
            self.ordered.max(committed)
        }
    }

    /// Items still to leave.
    pub(crate) fn open(&self, stopped: bool) -> u32 {
        self.wanted(stopped).saturating_sub(self.shipped)
    }
}

/// Nothing more is wanted than what is under way: cancelled, ended, not paid in time, or vanished for too long.
pub(crate) fn stopped(view: &View<'_>, payment: &Payment) -> bool {
    view.dropped()
        || payment.expired
        || view.completed_stops()
        || !view.whose.reserves()
        || view.given_up_at().is_some_and(|at| at <= view.now)
}

/// Something has shipped, and nothing is left to ship.
pub(crate) fn gone(view: &View<'_>, stopped: bool) -> bool {
    let open = |line: &Line<'_>| line.item_id.is_some() && line.open(stopped) > 0;
    view.any_shipped() && !view.lines.iter().any(open)
}

/// The demand rows. `taken_out` are items that count as instructed and leave their sealed shipments with this plan.
pub(crate) fn rows(
    view: &View<'_>,
    payment: &Payment,
    released: bool,
    taken_out: &BTreeMap<LineKey, u32>,
) -> Vec<DemandRow> {
    let stopped = stopped(view, payment) || unshippable(view);
    let mut rows = Vec::new();
    for line in &view.lines {
        let out = taken_out.get(&line.key).copied().unwrap_or(0);
        let line = &Line {
            instructed: line.instructed.saturating_sub(out),
            ..line.clone()
        };
        let Some(item_id) = line.item_id else {
            continue;
        };
        if line.state.is_none() && !view.whose.reserves() {
            continue;
        }
        let group = view
            .order
            .groups
            .iter()
            .find(|group| group.key == line.group);
        let ship_by = group.and_then(|group| group.ship_by);
        let open = line.open(stopped);
        rows.push(DemandRow {
            group: line.group.clone(),
            line: line.key.clone(),
            item_id,
            wanted: line.wanted(stopped),
            shipped: line.shipped,
            by_others: line.by_others,
            firm: released || (open > 0 && open == line.instructed),
            behind: view.input.begin.from.is_none(),
            promised_at: ship_by.unwrap_or(view.order.ordered_at),
            ordered_at: view.order.ordered_at,
        });
    }
    rows
}
