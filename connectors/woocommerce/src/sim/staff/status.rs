//! Statuses by hand and by plug-ins, and the bin.

use serde_json::json;

use crate::sim::{WooSim, writes};

impl WooSim {
    /// Gives an order a status, of the shop or of a plug-in of it. False for a word that nobody stands for.
    pub fn set_status(&self, id: &str, status: &str) -> bool {
        let alive = self.order(id).is_some_and(|order| order.status != "trash");
        alive && self.by_hand(id, &json!({ "status": status }))
    }

    /// Staff, a label plug-in or a rule of the shop completes it.
    pub fn complete_order(&self, id: &str) -> bool {
        self.set_status(id, "completed")
    }

    /// Staff or the buyer cancels it.
    pub fn cancel_order(&self, id: &str) -> bool {
        let known = self.order(id);
        known.is_some_and(|order| order.status != "cancelled") && self.set_status(id, "cancelled")
    }

    /// Puts it into the bin; lists leave it out, and its id still finds it.
    pub fn trash_order(&self, id: &str) -> bool {
        let now = self.now();
        let alive = self
            .order(id)
            .is_some_and(|order| order.status != "trash" && !order.deleted);
        alive && writes::delete(&mut self.state(), id, false, now).is_ok()
    }

    /// Takes it out of the bin, with the status that it had.
    pub fn restore_order(&self, id: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let order = state.order_mut(id).filter(|order| order.in_bin());
        let Some(order) = order else { return false };
        let before = order.before_bin.take();
        order.status = before.unwrap_or_else(|| "pending".to_owned());
        state.touch(id, now);
        true
    }

    /// Empties the bin of it: it is gone for good.
    pub fn delete_order(&self, id: &str) -> bool {
        let now = self.now();
        let known = self.order(id).is_some_and(|order| !order.deleted);
        known && writes::delete(&mut self.state(), id, true, now).is_ok()
    }

    /// A plug-in brings a status of its own.
    pub fn register_status(&self, status: &str) {
        self.state().statuses.insert(status.to_owned());
    }

    /// The plug-in is turned off: orders with its status are in no list any more, and their ids still find them.
    pub fn forget_status(&self, status: &str) {
        self.state().statuses.remove(status);
    }
}
