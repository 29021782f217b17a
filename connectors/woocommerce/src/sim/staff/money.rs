//! Money by hand and by plug-ins.

use serde_json::{Value, json};

use crate::sim::{WooSim, money, writes};

impl WooSim {
    /// The buyer pays, or staff say so: the order is processing from then on.
    pub fn pay(&self, order: &str) -> bool {
        let waits = self
            .order(order)
            .is_some_and(|of| matches!(of.status.as_str(), "pending" | "on-hold" | "failed"));
        waits && self.set_status(order, "processing")
    }

    /// Gives back so many minor units: an amount without lines, as the record of a refund that the gateway made by itself, or that
    /// staff made elsewhere. Returns the refund's id.
    pub fn refund_by_staff(&self, order: &str, minor: i64) -> Option<String> {
        self.refund(order, minor, Vec::new(), false)
    }

    /// Gives back so many minor units for units of lines, which go back into the shop's stock where that is ticked.
    pub fn refund_lines_by_staff(
        &self,
        order: &str,
        minor: i64,
        lines: &[(&str, u32)],
        restock: bool,
    ) -> Option<String> {
        let lines = lines
            .iter()
            .map(|(line, n)| {
                Some(json!({ "id": line.parse::<u64>().ok()?, "quantity": n, "refund_total": 0 }))
            })
            .collect::<Option<_>>()?;
        self.refund(order, minor, lines, restock)
    }

    /// Removes a refund: a double of a plug-in's, or a mistake.
    pub fn delete_refund(&self, order: &str, refund: &str) -> bool {
        let now = self.now();
        let id: Option<u64> = refund.parse().ok();
        let mut state = self.state();
        let Some(known) = state.order_mut(order) else {
            return false;
        };
        let before = known.refunds.len();
        known.refunds.retain(|refund| Some(refund.id) != id);
        let gone = known.refunds.len() < before;
        if gone && !state.orders_are_posts {
            state.touch(order, now);
        }
        gone
    }

    fn refund(&self, id: &str, minor: i64, lines: Vec<Value>, restock: bool) -> Option<String> {
        let now = self.now();
        let mut state = self.state();
        let amount = money::text(money::major(minor, state.currency), 6);
        let body = json!({
            "amount": amount, "line_items": lines, "api_refund": false, "api_restock": restock,
        });
        writes::refund(&mut state, id, &body, now).ok()?;
        let made = state.order(id)?.refunds.last()?;
        Some(made.id.to_string())
    }
}
