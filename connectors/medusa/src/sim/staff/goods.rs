//! Fulfilments by hand: they carry no reference of ours.

use serde_json::{Value, json};

use crate::sim::state::State;
use crate::sim::{MedusaSim, writes};

impl MedusaSim {
    /// Packs lines (line id, quantity) at a stock location, without one at the shop's own choice; no lines mean everything
    /// that is open. Returns the fulfilment's id. Takes the goods off the shop's stock.
    pub fn staff_fulfil(
        &self,
        order: &str,
        lines: &[(&str, u32)],
        location: Option<&str>,
    ) -> Option<String> {
        let now = self.now();
        let mut state = self.state();
        let lines: Vec<(String, u32)> = match lines {
            [] => open(&state, order),
            lines => lines.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect(),
        };
        if lines.is_empty() {
            return None;
        }
        fulfil(&mut state, order, &lines, location, now)
    }

    /// Marks a fulfilment as shipped; the shop takes that once, and not for a cancelled one.
    pub fn staff_ship(&self, order: &str, fulfilment: &str, tracking: &[&str]) -> bool {
        let now = self.now();
        ship(&mut self.state(), order, fulfilment, tracking, now)
    }

    /// Cancels a fulfilment that is only packed, ours or another's: the goods are open again. A shipped one is refused.
    pub fn staff_cancel_fulfilment(&self, order: &str, fulfilment: &str) -> bool {
        let now = self.now();
        take_back(&mut self.state(), order, fulfilment, now, false).is_some()
    }

    /// Cancels a fulfilment that was shipped. The Admin API of 2.21.2 refuses it; plug-ins that write past it do not.
    pub fn staff_undo_shipment(&self, order: &str, fulfilment: &str) -> bool {
        let now = self.now();
        take_back(&mut self.state(), order, fulfilment, now, true).is_some()
    }

    /// Corrects the number of a shipped fulfilment the way it is done where a number cannot be changed: cancels it (see
    /// [`Self::staff_undo_shipment`]) and ships the same lines anew by hand. Returns the new fulfilment's id.
    pub fn staff_correct_tracking(
        &self,
        order: &str,
        fulfilment: &str,
        tracking: &[&str],
    ) -> Option<String> {
        let now = self.now();
        let mut state = self.state();
        let (lines, location) = take_back(&mut state, order, fulfilment, now, true)?;
        let made = fulfil(&mut state, order, &lines, location.as_deref(), now)?;
        ship(&mut state, order, &made, tracking, now).then_some(made)
    }
}

fn open(state: &State, order: &str) -> Vec<(String, u32)> {
    let lines = state.order(order).into_iter().flat_map(|o| &o.lines);
    lines
        .filter(|line| line.quantity > line.fulfilled)
        .map(|line| (line.id.clone(), line.quantity - line.fulfilled))
        .collect()
}

fn fulfil(
    state: &mut State,
    order: &str,
    lines: &[(String, u32)],
    location: Option<&str>,
    now: i64,
) -> Option<String> {
    let items: Vec<Value> = lines
        .iter()
        .map(|(id, quantity)| json!({ "id": id, "quantity": quantity }))
        .collect();
    let body = json!({ "items": items, "location_id": location });
    writes::fulfil(state, order, &body, now).ok()?;
    let made = state.order(order)?.fulfilments.last()?;
    Some(made.id.clone())
}

fn ship(state: &mut State, order: &str, fulfilment: &str, tracking: &[&str], now: i64) -> bool {
    let labels: Vec<Value> = tracking
        .iter()
        .map(|number| json!({ "tracking_number": number, "tracking_url": "", "label_url": "" }))
        .collect();
    let body = json!({ "items": [], "labels": labels });
    writes::ship(state, order, fulfilment, &body, now).is_ok()
}

type TakenBack = (Vec<(String, u32)>, Option<String>);

/// Cancels a fulfilment whose goods left, or one whose goods did not; returns its lines and its place.
fn take_back(
    state: &mut State,
    id: &str,
    fulfilment: &str,
    now: i64,
    shipped: bool,
) -> Option<TakenBack> {
    let order = state.order_mut(id)?;
    let at = order.fulfilments.iter().position(|f| f.id == fulfilment)?;
    let known = order.fulfilments.get_mut(at)?;
    if known.cancelled.is_some() || known.shipped.is_some() != shipped {
        return None;
    }
    known.cancelled = Some(now);
    let (items, location) = (known.items.clone(), known.location.clone());
    let mut lines = Vec::with_capacity(items.len());
    let mut goods = Vec::with_capacity(items.len());
    for (at, quantity) in items {
        let line = order.lines.get_mut(at)?;
        line.fulfilled -= quantity;
        lines.push((line.id.clone(), quantity));
        goods.push((line.sku.clone(), quantity));
    }
    for (sku, quantity) in goods {
        state.shelve(&sku, location.as_deref(), i64::from(quantity));
    }
    state.changed(id, now);
    Some((lines, location))
}
