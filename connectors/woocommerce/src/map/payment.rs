//! The tender: how an order is paid, and what was given back.

use hikiate_sdk::{Currency, ExternalId, LineKey, PaymentRef, RefundEffect, RefundSeen, Tender};
use serde_json::Value;

use super::{minor, number};
use crate::config::{Settings, Standing};
use crate::wire::{Bundle, Order, Refund, meta};

/// The key of a refund's metadata that carries our key of it.
pub(crate) const REFUND: &str = "hikiate_refund";

/// The gateway of cash on delivery: the shop dates the payment when the order is placed.
const COD: &str = "cod";

/// One tender: the shop knows one way of paying an order. Nothing to pay is no tender.
pub(super) fn tenders(
    bundle: &Bundle,
    total: i64,
    standing: Option<Standing>,
    settings: &Settings,
    currency: Currency,
) -> Result<Vec<Tender>, String> {
    let order = &bundle.order;
    if total == 0 {
        return Ok(Vec::new());
    }
    let gateway = order.payment_method.clone().unwrap_or_default();
    let paid = order.date_paid_gmt.is_some() && gateway != COD;
    // The shop does not keep how much was paid: of an order that is edited later, all of it counts.
    let captured = if paid { total } else { 0 };
    let refunds = refunds(&bundle.refunds, currency)?;
    let mut refunded = 0_i64;
    for refund in &refunds {
        refunded = refunded.saturating_add(refund.amount);
    }
    Ok(vec![Tender {
        key: ExternalId::new(order.id.to_string()),
        gateway,
        amount: Some(total),
        authorised: captured,
        captured,
        refunded,
        cancelled: standing == Some(Standing::Cancelled) && !paid,
        provider: provider(order, settings).map(PaymentRef::by_key),
        authorised_until: None,
        pay_by: None,
        review: None,
        refunds,
    }])
}

/// The provider's id of the payment: from the key that is configured, else as the gateway wrote it.
fn provider(order: &Order, settings: &Settings) -> Option<String> {
    let told = match &settings.payment_reference {
        Some(key) => meta(order.meta_data(), key).and_then(number),
        None => order.transaction_id.clone(),
    };
    let told = told.map(|id| id.trim().to_owned());
    told.filter(|id| !id.is_empty())
}

/// In the order they were made. The shop's total leaves them out.
fn refunds(told: &[Refund], currency: Currency) -> Result<Vec<RefundSeen>, String> {
    let mut refunds = Vec::with_capacity(told.len());
    for refund in told {
        refunds.push(RefundSeen {
            key: ExternalId::new(refund.id.to_string()),
            amount: minor("refunds.amount", &refund.amount, currency)?,
            at: refund.date_created_gmt,
            effect: RefundEffect::Lowers,
            lines: refunded_units(refund)?,
        });
    }
    refunds.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    Ok(refunds)
}

/// The units that a refund names. A line without units gives back money alone; a surcharge has none.
///
/// # Errors
/// The field and why.
pub(crate) fn refunded_units(refund: &Refund) -> Result<Vec<(LineKey, u32)>, String> {
    let mut lines = Vec::new();
    for line in refund.line_items() {
        let text = number(&line.quantity).unwrap_or_default();
        let units = text.strip_prefix('-').unwrap_or(&text).to_owned();
        let units = super::whole("refunds.line_items.quantity", &Value::String(units))?;
        let of = meta(line.meta_data(), "_refunded_item_id").and_then(number);
        let of = of.ok_or("refunds.line_items: names no line of the order")?;
        if units > 0 {
            lines.push((LineKey::new(of), units));
        }
    }
    lines.sort();
    Ok(lines)
}
