//! Payments by hand. None of it but a refund's credit line moves the order's time of change.

use serde_json::{Value, json};

use crate::sim::state::{Collection, State};
use crate::sim::{MedusaSim, money, writes};

impl MedusaSim {
    /// Confirms an edit that changes nothing, which voids the payment and asks for a new one. Refused where nothing is
    /// authorised and not captured.
    pub fn void_payment(&self, order: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let alive = |state: &State| {
            let order = state.order(order).filter(|o| o.status != "canceled");
            order.is_some_and(|o| {
                o.payments()
                    .any(|p| p.cancelled.is_none() && p.captured() < p.amount)
            })
        };
        let voided = alive(&state);
        if voided {
            settle(&mut state, order, now);
        }
        voided
    }

    /// The customer pays what is asked for and not paid yet: after an edit, a void, or at last. Returns the payment's id.
    pub fn reauthorise(&self, order: &str) -> Option<String> {
        let mut state = self.state();
        let at = state.by_id.get(order).copied()?;
        let known = state.order(order).filter(|o| o.status != "canceled")?;
        let unpaid = known
            .collections
            .iter()
            .position(|c| !c.cancelled && c.payment.is_none())?;
        let amount = known.collections.get(unpaid)?.amount;
        let payment = state.payment(at, amount);
        let id = payment.id.clone();
        let collection = state.order_mut(order)?.collections.get_mut(unpaid)?;
        collection.payment = Some(payment);
        Some(id)
    }

    /// Captures all of the payment that stands.
    pub fn capture_by_staff(&self, order: &str) -> bool {
        self.captured_by_hand(order, &json!({}))
    }

    /// Captures so many minor units of the payment that stands.
    pub fn capture_part_by_staff(&self, order: &str, minor: i64) -> bool {
        let amount = money::json(money::major(minor, self.state().currency));
        minor > 0 && self.captured_by_hand(order, &json!({ "amount": amount }))
    }

    fn captured_by_hand(&self, order: &str, what: &Value) -> bool {
        let mut state = self.state();
        let payment = state.order(order).and_then(|o| {
            let stands = o
                .payments()
                .find(|p| p.cancelled.is_none() && p.captured() < p.amount);
            stands.map(|p| p.id.clone())
        });
        payment.is_some_and(|id| writes::capture(&mut state, &id, what, true).is_ok())
    }

    /// Gives back so many minor units of one payment, as the API does.
    pub fn refund_by_staff(&self, order: &str, minor: i64) -> bool {
        let now = self.now();
        let mut state = self.state();
        let amount = money::major(minor, state.currency);
        let payment = state.order(order).and_then(|known| {
            let mut payments = known.payments();
            let payment = payments.find(|p| p.captured() - p.refunded() >= amount);
            payment.map(|payment| payment.id.clone())
        });
        let what = json!({ "amount": money::json(amount) });
        payment.is_some_and(|id| writes::refund(&mut state, &id, &what, now).is_ok())
    }
}

/// What the shop does to the payments of an edited order: what is not captured whole is voided, and what is still to be
/// paid is asked for in one unpaid collection.
pub(super) fn settle(state: &mut State, id: &str, now: i64) {
    let (currency, fresh) = (state.currency, state.id("pay_col"));
    let Some(order) = state.order_mut(id) else {
        return;
    };
    for collection in &mut order.collections {
        let Some(payment) = &mut collection.payment else {
            continue;
        };
        let rounded = |amount| money::minor(amount, currency);
        if rounded(payment.captured()) < rounded(payment.amount) {
            payment.cancelled = payment.cancelled.or(Some(now));
            collection.cancelled = payment.captures.is_empty();
        }
    }
    let pending = order.price() - order.credit - order.kept();
    let unpaid = order
        .collections
        .iter_mut()
        .find(|c| !c.cancelled && c.payment.is_none());
    match unpaid {
        Some(collection) if pending > 0 => collection.amount = pending,
        Some(collection) => collection.cancelled = true,
        None if pending > 0 => order.collections.push(Collection {
            id: fresh,
            amount: pending,
            cancelled: false,
            payment: None,
        }),
        None => {}
    }
}
