//! Objects as the API tells them.

use serde_json::{Map, Value, json};

use super::Way;
use super::state::{Charge, Dispute, Event, Payment, Refund, State};

/// Refunds that are told inside of a charge.
const INSIDE: usize = 10;

/// What a request asks to be told inside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expand {
    charge: bool,
    refunds: bool,
    review: bool,
}

impl Expand {
    /// From a query or a form; in lists every path begins with `data.`.
    pub(super) fn of(fields: &[(String, String)], list: bool) -> Self {
        let mut expand = Self::default();
        let asked = fields.iter().filter(|(name, _)| name == "expand[]");
        for (_, path) in asked {
            let path = match list {
                true => path.strip_prefix("data.").unwrap_or_default(),
                false => path,
            };
            expand.charge |= path == "latest_charge" || path.starts_with("latest_charge.");
            expand.refunds |= path == "latest_charge.refunds";
            expand.review |= path == "review";
        }
        expand
    }
}

fn currency(payment: &Payment) -> String {
    payment.currency.code().to_ascii_lowercase()
}

pub(super) fn intent(state: &State, payment: &Payment, expand: Expand) -> Value {
    let kind = kind(payment);
    let error = payment.error.map(
        |code| json!({ "type": "invalid_request_error", "code": code, "message": "The payment attempt has expired." }),
    );
    let next = match payment.way {
        _ if payment.status != "requires_action" => Value::Null,
        Way::Card { .. } => Value::Null,
        Way::Konbini { .. } => {
            json!({ "type": "konbini_display_details", "konbini_display_details": {
            "expires_at": payment.pay_by, "hosted_voucher_url": "https://payments.stripe.example/voucher", "stores": {},
        } })
        }
        Way::BankTransfer => {
            json!({ "type": "display_bank_transfer_instructions", "display_bank_transfer_instructions": {
            "type": "jp_bank_transfer", "amount_remaining": payment.amount - payment.funded, "currency": currency(payment), "reference": "R1",
        } })
        }
    };
    let charge = payment.charge.as_ref().map(|told| match expand.charge {
        true => charge(state, payment, told, expand),
        false => json!(told.id),
    });
    let review = payment.review.as_ref().map(|review| match expand.review {
        true => json!({ "id": review.id, "object": "review", "open": review.open, "reason": if review.open { "rule" } else { "approved" },
            "payment_intent": payment.id }),
        false => json!(review.id),
    });
    let mut told = json!({
        "id": payment.id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": payment.capturable,
        "amount_received": payment.received,
        "canceled_at": payment.canceled_at,
        "cancellation_reason": payment.cancellation_reason,
        "capture_method": if payment.capture_later { "manual" } else { "automatic" },
        "client_secret": format!("{}_secret_hunter4", payment.id),
        "confirmation_method": "automatic",
        "created": payment.created,
        "currency": currency(payment),
        "customer": null,
        "description": null,
        "last_payment_error": error,
        "latest_charge": charge,
        "livemode": state.live,
        "metadata": payment.metadata,
        "next_action": next,
        "payment_method": null,
        "payment_method_types": [kind],
        "receipt_email": payment.customer.1,
        "review": review,
        "status": payment.status,
    });
    if let (Some(lacking), Some(fields)) = (&payment.lacking, told.as_object_mut()) {
        fields.remove(lacking);
    }
    told
}

fn kind(payment: &Payment) -> &'static str {
    match payment.way {
        Way::Card { .. } => "card",
        Way::Konbini { .. } => "konbini",
        Way::BankTransfer => "customer_balance",
    }
}

pub(super) fn charge(state: &State, payment: &Payment, charge: &Charge, expand: Expand) -> Value {
    let kind = kind(payment);
    let details = match payment.way {
        Way::Card { many, .. } => json!({
            "brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2030, "capture_before": charge.capture_before,
            "multicapture": { "status": if many { "available" } else { "unavailable" } },
        }),
        _ => json!({}),
    };
    // What was released counts as refunded.
    let stand = charge.refunds.iter().filter(|refund| refund.stands());
    let refunded: i64 = stand.map(|refund| refund.amount).sum();
    let captured = payment.received > 0;
    let mut told = json!({
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": payment.received,
        "amount_refunded": refunded,
        "balance_transaction": captured.then(|| charge.id.replacen("ch", "txn", 1)),
        "billing_details": { "name": payment.customer.0, "email": payment.customer.1 },
        "captured": captured,
        "created": charge.created,
        "currency": currency(payment),
        "disputed": !charge.disputes.is_empty(),
        "livemode": state.live,
        "metadata": {},
        "paid": true,
        "payment_intent": (!payment.lone).then_some(&payment.id),
        "payment_method_details": Map::from_iter([("type".to_owned(), json!(kind)), (kind.to_owned(), details)]),
        "refunded": refunded >= charge.amount,
        "status": "succeeded",
    });
    if expand.refunds {
        let all = charge.refunds.iter().rev().take(INSIDE);
        let all: Vec<Value> = all.map(|told| refund(payment, told)).collect();
        let more = charge.refunds.len() > INSIDE;
        told["refunds"] = list(&format!("/v1/charges/{}/refunds", charge.id), all, more);
    }
    told
}

pub(super) fn refund(payment: &Payment, refund: &Refund) -> Value {
    let mut told = json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.moved.then(|| refund.id.replacen("re", "txn", 1)),
        "charge": payment.charge.as_ref().map(|charge| charge.id.as_str()),
        "created": refund.created,
        "currency": currency(payment),
        "metadata": refund.metadata,
        "payment_intent": payment.id,
        "reason": refund.reason,
        "status": refund.status,
    });
    if let Some(failure) = refund.failure {
        told["failure_reason"] = json!(failure);
    }
    told
}

pub(super) fn dispute(state: &State, payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": [],
        "charge": payment.charge.as_ref().map(|charge| charge.id.as_str()),
        "created": dispute.created,
        "currency": currency(payment),
        "enhanced_eligibility_types": [],
        "evidence_details": { "due_by": dispute.created + 7 * 86_400, "has_evidence": false, "past_due": false, "submission_count": 0 },
        "is_charge_refundable": dispute.status.starts_with("warning"),
        "livemode": state.live,
        "metadata": {},
        "payment_intent": payment.id,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}

/// Its object is as little as it may be: nobody should use more of it.
pub(super) fn event(state: &State, event: &Event) -> Value {
    let (object, id) = &event.about;
    let mut about = json!({ "id": id, "object": object });
    if *object != "payment_intent" {
        about["payment_intent"] = json!(event.payment);
    }
    json!({
        "id": event.id,
        "object": "event",
        "api_version": "2020-08-27",
        "created": event.created,
        "data": { "object": about },
        "livemode": state.live,
        "pending_webhooks": 0,
        "request": { "id": null, "idempotency_key": null },
        "type": event.kind,
    })
}

pub(super) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}
