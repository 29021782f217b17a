//! What becomes of an order as a whole.

use crate::sim::MedusaSim;

impl MedusaSim {
    /// Completes an order, whatever of it is open; only a cancelled one is refused.
    pub fn complete(&self, order: &str) -> bool {
        self.status_from(order, "completed", |status| status != "canceled")
    }

    /// Archives a completed or cancelled order; others are refused.
    pub fn archive(&self, order: &str) -> bool {
        self.status_from(order, "archived", |status| {
            matches!(status, "completed" | "canceled")
        })
    }

    /// Deletes an order, as only its database can: it is gone from lists and by its id.
    pub fn delete(&self, order: &str) -> bool {
        self.deleted(order, true)
    }

    /// Brings a deleted order back as it was; its time of change is the old one.
    pub fn restore(&self, order: &str) -> bool {
        self.deleted(order, false)
    }

    /// Moves an order to another sales channel.
    pub fn move_to_channel(&self, id: &str, sales_channel: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(order) = state.order_mut(id) else {
            return false;
        };
        order.sales_channel = sales_channel.to_owned();
        state.touch(id, now);
        true
    }

    fn status_from(&self, id: &str, status: &str, from: fn(&str) -> bool) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(order) = state.order_mut(id).filter(|o| from(&o.status)) else {
            return false;
        };
        order.status = status.to_owned();
        state.touch(id, now);
        true
    }

    fn deleted(&self, id: &str, deleted: bool) -> bool {
        let mut state = self.state();
        let at = state.by_id.get(id).copied();
        let order = at.and_then(|at| state.orders.get_mut(at));
        let Some(order) = order.filter(|order| order.deleted != deleted) else {
            return false;
        };
        order.deleted = deleted;
        true
    }
}
