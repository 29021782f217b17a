//! What can be done to a payment, over the API or by hand, and what Stripe refuses.

use std::collections::BTreeMap;

use super::Way;
use super::route::Refused;
use super::state::{Capture, Payment, Refund, State};
use crate::map::CAPTURE_MARK;

/// A capture as it is asked for.
#[derive(Default)]
pub(super) struct CaptureAsked {
    /// `None` for all that can be captured.
    pub(super) amount: Option<i64>,
    /// The rest stays authorised.
    pub(super) keep_rest: bool,
    pub(super) metadata: BTreeMap<String, String>,
}

fn found<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Payment, Refused> {
    state
        .payment_mut(id)
        .ok_or_else(|| Refused::missing("payment_intent", id))
}

pub(super) fn capture(
    state: &mut State,
    id: &str,
    asked: CaptureAsked,
    now: i64,
) -> Result<(), Refused> {
    let refund = state.id("re");
    let payment = found(state, id)?;
    if payment.status != "requires_capture" {
        return Err(Refused::unexpected_state("capture", payment.status));
    }
    let many = matches!(payment.way, Way::Card { many: true, .. });
    if asked.keep_rest && !many {
        return Err(Refused::parameter(
            "final_capture",
            "This PaymentIntent does not support multicapture.",
        ));
    }
    let amount = asked.amount.unwrap_or(payment.capturable);
    if amount <= 0 || amount > payment.capturable {
        return Err(Refused::state(
            "amount_too_large",
            "The provided amount is greater than the remaining amount you can capture.",
        ));
    }
    let mark = asked.metadata.get(CAPTURE_MARK).cloned();
    payment.metadata.extend(asked.metadata);
    payment.captures.push(Capture { amount, mark });
    payment.received += amount;
    payment.capturable -= amount;
    if asked.keep_rest && payment.capturable > 0 {
        let about = ("payment_intent", id.to_owned());
        state.happened("payment_intent.amount_capturable_updated", id, about, now);
        return Ok(());
    }
    payment.status = "succeeded";
    let released = std::mem::take(&mut payment.capturable);
    let Some(charge) = &mut payment.charge else {
        return Ok(());
    };
    let about = ("charge", charge.id.clone());
    if released > 0 {
        charge.refunds.push(Refund {
            id: refund,
            amount: released,
            created: now,
            status: "succeeded",
            reason: None,
            failure: None,
            metadata: BTreeMap::new(),
            moved: false,
        });
    }
    state.happened("charge.captured", id, about, now);
    state.happened(
        "payment_intent.succeeded",
        id,
        ("payment_intent", id.to_owned()),
        now,
    );
    Ok(())
}

pub(super) fn cancel(
    state: &mut State,
    id: &str,
    reason: Option<String>,
    now: i64,
) -> Result<(), Refused> {
    let payment = found(state, id)?;
    if matches!(payment.status, "succeeded" | "canceled" | "processing") {
        return Err(Refused::unexpected_state("cancel", payment.status));
    }
    payment.status = "canceled";
    payment.capturable = 0;
    payment.pay_by = None;
    payment.canceled_at = Some(now);
    payment.cancellation_reason = reason;
    let about = ("payment_intent", id.to_owned());
    state.happened("payment_intent.canceled", id, about, now);
    Ok(())
}

/// Returns the refund's id.
pub(super) fn refund(
    state: &mut State,
    id: &str,
    amount: Option<i64>,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
    now: i64,
) -> Result<String, Refused> {
    let refund = state.id("re");
    let payment = found(state, id)?;
    let left = payment.received - payment.refunded();
    let (received, konbini) = (payment.received, matches!(payment.way, Way::Konbini { .. }));
    let Some(charge) = payment.charge.as_mut().filter(|_| received > 0) else {
        return Err(Refused::state(
            "payment_intent_unexpected_state",
            "This PaymentIntent does not have a successful charge to refund.",
        ));
    };
    if charge
        .disputes
        .iter()
        .any(|d| d.status == "needs_response" || d.status == "lost")
    {
        return Err(Refused::state(
            "charge_disputed",
            "The charge has been charged back; cannot issue a refund.",
        ));
    }
    let amount = amount.unwrap_or(left);
    if left == 0 {
        return Err(Refused::state(
            "charge_already_refunded",
            "The charge has already been refunded.",
        ));
    }
    if amount <= 0 || amount > left {
        return Err(Refused::parameter(
            "amount",
            "Refund amount is greater than unrefunded amount on charge.",
        ));
    }
    let about = ("charge", charge.id.clone());
    charge.refunds.push(Refund {
        id: refund.clone(),
        amount,
        created: now,
        // The customer has to say which account the money is to go to.
        status: if konbini {
            "requires_action"
        } else {
            "succeeded"
        },
        reason,
        failure: None,
        metadata,
        moved: true,
    });
    state.happened("refund.created", id, ("refund", refund.clone()), now);
    state.happened("charge.refunded", id, about, now);
    Ok(refund)
}
