//! Shipping by hand: fulfilments carry no reference of ours, and nobody checks what is in them.

use serde_json::json;

use crate::sim::{WooSim, render, writes};

impl WooSim {
    /// Packs or ships lines (line id, quantity); no lines mean everything that no fulfilment has. Returns the fulfilment's id;
    /// `None` where the shop has no fulfilments.
    pub fn staff_fulfil(
        &self,
        order: &str,
        lines: &[(&str, u32)],
        tracking: &str,
        shipped: bool,
    ) -> Option<String> {
        let now = self.now();
        let memory = self.order(order)?;
        let mut state = self.state();
        if !state.fulfilments_offered {
            return None;
        }
        let known = state.order(order).filter(|order| !order.in_bin())?;
        let stand = memory.fulfilments.iter().filter(|f| !f.deleted);
        let packed = |line: &str| {
            let units = stand.clone().flat_map(|f| &f.lines);
            units
                .filter(|(of, _)| of == line)
                .map(|(_, n)| n)
                .sum::<u32>()
        };
        let items: Vec<(u64, u32)> = if lines.is_empty() {
            let open = known.lines.iter().map(|line| {
                let left = line.quantity.saturating_sub(packed(&line.id.to_string()));
                (line.id, left)
            });
            open.filter(|(_, left)| *left > 0).collect()
        } else {
            let named = lines.iter().map(|(line, n)| Some((line.parse().ok()?, *n)));
            named.collect::<Option<_>>()?
        };
        if items.is_empty() {
            return None;
        }
        let mut meta = vec![json!({ "key": "_items", "value": writes::items(&items) })];
        if !tracking.is_empty() {
            meta.push(json!({ "key": "_tracking_number", "value": tracking }));
        }
        let status = if shipped { "fulfilled" } else { "unfulfilled" };
        let body = json!({ "status": status, "meta_data": meta });
        writes::fulfil(&mut state, order, &body, now).ok()?;
        let made = state.order(order)?.fulfilments.last()?;
        Some(made.id.to_string())
    }

    /// Marks a packed fulfilment as shipped.
    pub fn staff_ship(&self, order: &str, fulfilment: &str, tracking: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let (date, number) = (
            state.meta_of("_date_fulfilled", render::mysql(now)),
            state.meta_of("_tracking_number", json!(tracking)),
        );
        let id: Option<u64> = fulfilment.parse().ok();
        let known = state.order_mut(order).and_then(|order| {
            let mut all = order.fulfilments.iter_mut();
            all.find(|f| Some(f.id) == id && f.deleted.is_none())
        });
        let Some(known) = known.filter(|f| !f.fulfilled) else {
            return false;
        };
        known.fulfilled = true;
        known.updated = now;
        known.meta.retain(|meta| meta.key != "_tracking_number");
        known.meta.extend([date, number]);
        state.settle_fulfilments(order, now);
        true
    }

    /// Corrects the number of a fulfilment, ours or theirs.
    pub fn staff_correct_tracking(&self, order: &str, fulfilment: &str, tracking: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let id: Option<u64> = fulfilment.parse().ok();
        let number = state.meta_of("_tracking_number", json!(tracking));
        let known = state.order_mut(order).and_then(|order| {
            let mut all = order.fulfilments.iter_mut();
            all.find(|f| Some(f.id) == id && f.deleted.is_none())
        });
        let Some(known) = known else { return false };
        known.meta.retain(|meta| meta.key != "_tracking_number");
        known.meta.push(number);
        known.updated = now;
        state.settle_fulfilments(order, now);
        true
    }

    /// Deletes a fulfilment, ours or theirs, packed or shipped: lists leave it out from then on.
    pub fn staff_delete_fulfilment(&self, order: &str, fulfilment: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let id: Option<u64> = fulfilment.parse().ok();
        let known = state.order_mut(order).and_then(|order| {
            let mut all = order.fulfilments.iter_mut();
            all.find(|f| Some(f.id) == id && f.deleted.is_none())
        });
        let Some(known) = known else { return false };
        known.deleted = Some(now);
        state.settle_fulfilments(order, now);
        true
    }
}
