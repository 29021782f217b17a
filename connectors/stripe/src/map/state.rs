//! What state a payment is in, by its status and what explains it (docs.stripe.com/payments/paymentintents/lifecycle).

use chrono::{DateTime, Utc};
use hikiate_sdk::PaymentState;

use super::{Intent, time};
use crate::wire::Object;

/// The attempt of a customer who pays later (a convenience store, a voucher) was not paid in time.
const NOT_PAID: &str = "payment_intent_payment_attempt_expired";

/// Why Stripe itself cancels what was authorised: nobody captured it in time.
const ENDED: [&str; 2] = ["automatic", "expired"];

/// The state.
pub(super) fn of(intent: Object<'_>, told: &Intent<'_>) -> Result<PaymentState, String> {
    Ok(match told.status {
        "requires_payment_method" if has_lapsed(intent)? => PaymentState::Expired,
        // A declined card too: the customer may try another.
        "requires_payment_method" | "requires_confirmation" | "requires_action" | "processing" => {
            PaymentState::Waiting
        }
        "requires_capture" => review(intent)?.unwrap_or(PaymentState::Authorised),
        "succeeded" => review(intent)?.unwrap_or(PaymentState::Paid),
        // A part was captured, the rest released.
        "canceled" if told.received > 0 => PaymentState::Paid,
        "canceled" => match intent.text("cancellation_reason")? {
            Some(reason) if ENDED.contains(&reason) => PaymentState::Expired,
            _ => PaymentState::Cancelled,
        },
        raw => PaymentState::Unknown {
            raw: raw.to_owned(),
        },
    })
}

fn has_lapsed(intent: Object<'_>) -> Result<bool, String> {
    let Some(error) = intent.inner("last_payment_error") else {
        return Ok(false);
    };
    Ok(error.text("code")? == Some(NOT_PAID))
}

/// Radar put it under review, and nobody has decided yet.
fn review(intent: Object<'_>) -> Result<Option<PaymentState>, String> {
    let Some(review) = intent.inner("review") else {
        return Ok(None);
    };
    if review.flag("open")? != Some(true) {
        return Ok(None);
    }
    let reason = review.text("reason")?.unwrap_or("open");
    let reasons = vec![format!("Stripe review: {reason}")];
    Ok(Some(PaymentState::Review { reasons }))
}

/// Until when it can be paid, where the customer is shown how to: the one time in whatever is to be done next.
pub(super) fn pay_by(intent: Object<'_>) -> Result<Option<DateTime<Utc>>, String> {
    let Some(next) = intent.inner("next_action") else {
        return Ok(None);
    };
    for shown in next.inners() {
        for name in ["expires_at", "expires_after"] {
            if let Some(at) = shown.whole(name)? {
                return time(name, at).map(Some);
            }
        }
    }
    Ok(None)
}
