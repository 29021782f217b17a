//! What the shop itself can do to a call: it shows it late, or a plug-in swallows it.

use hikiate_sdk::faulty::{Fault, SHOWN_AFTER};
use hikiate_sdk::http::{Method, Request};
use serde_json::Value;

use super::render;
use super::state::{Order, State};

/// An order as it was before a call, for look-ups of it and of its payments.
pub(super) struct Late {
    /// From then on there is nothing late about it.
    until: i64,
    order: Value,
    payments: Vec<(String, Value)>,
}

impl Late {
    pub(super) fn of(state: &State, order: &Order, now: i64) -> Self {
        let payments = order.payments();
        Self {
            until: now + SHOWN_AFTER.as_secs().cast_signed() * 1000,
            order: render::order(state, order),
            payments: payments
                .map(|payment| (payment.id.clone(), render::payment(order, payment)))
                .collect(),
        }
    }

    /// The order, as long as it is shown as it was.
    pub(super) fn order(&self, now: i64) -> Option<Value> {
        (now < self.until).then(|| self.order.clone())
    }

    /// The same of a payment.
    pub(super) fn payment(&self, id: &str, now: i64) -> Option<Value> {
        let mut payments = self.payments.iter().filter(|_| now < self.until);
        let (_, payment) = payments.find(|(known, _)| known == id)?;
        Some(payment.clone())
    }
}

/// Whether the shop can be asked for a fault of a request, for a faulty transport. Every call may be swallowed. A note of holds is
/// not shown late: its operation declares no time in which it would have to be shown.
#[must_use]
pub fn can(fault: Fault, request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let about = match parts.as_slice() {
        ["admin", "orders", _] => fault == Fault::Swallowed,
        ["admin", "orders" | "payments", _, _, ..] => true,
        _ => false,
    };
    about && request.method == Method::Post
}
