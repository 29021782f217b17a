//! Tenders: payments and what has happened to them.

use std::collections::BTreeSet;

use hikiate_sdk::{Currency, ExternalId, PaymentRef, RefundEffect, RefundSeen, Tender};

use super::amounts::{minor, sum};
use crate::metadata::MetadataPath;
use crate::wire::{Order, Payment, PaymentCollection};

/// What has been captured of a payment, minor units.
///
/// # Errors
/// The field and why.
pub(crate) fn captured(payment: &Payment, currency: Currency) -> Result<i64, String> {
    sum(
        "payments.captures.amount",
        payment.captures().iter().map(|capture| &capture.amount),
        currency,
    )
}

/// Minor units refunded of a payment.
pub(crate) fn refunded(payment: &Payment, currency: Currency) -> Result<i64, String> {
    sum(
        "payments.refunds.amount",
        payment.refunds().iter().map(|refund| &refund.amount),
        currency,
    )
}

/// One tender per payment; a collection nobody has paid yet is one that is not authorised. Nothing to pay is no tender.
/// `reference` is where the shop keeps the provider's id of the payment that counts.
pub(super) fn tenders(
    order: &Order,
    total: i64,
    currency: Currency,
    reference: Option<&MetadataPath>,
) -> Result<Vec<Tender>, String> {
    let mut tenders = Vec::new();
    for collection in &order.payment_collections {
        for payment in &collection.payments {
            tenders.push(paid(payment, currency)?);
        }
        if collection.payments.is_empty() && collection.status != "canceled" && total != 0 {
            tenders.push(unpaid(collection, currency)?);
        }
    }
    tenders.retain(|tender| tender.amount != Some(0));
    tenders.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(id) = reference.and_then(|path| path.text(&order.metadata)) {
        name(&mut tenders, id);
    }
    Ok(tenders)
}

/// Gives the provider's id to the payment that it can be of: the oldest alive one of each provider, since what an edit adds
/// is another payment there. Where all were cancelled with the order it is the newest, so that what its provider gives back
/// is seen.
fn name(tenders: &mut [Tender], id: &str) {
    if tenders.iter().all(|tender| tender.cancelled) {
        if let Some(newest) = tenders.last_mut() {
            newest.provider = Some(PaymentRef::by_key(id));
        }
        return;
    }
    // Ids of payments rise with the time they were made; what nobody has paid yet comes after them.
    let mut named = BTreeSet::new();
    for tender in tenders.iter_mut().filter(|tender| !tender.cancelled) {
        if named.insert(tender.gateway.clone()) {
            tender.provider = Some(PaymentRef::by_key(id));
        }
    }
}

fn paid(payment: &Payment, currency: Currency) -> Result<Tender, String> {
    let amount = minor("payments.amount", &payment.amount, currency)?;
    let cancelled = payment.canceled_at.is_some();
    Ok(Tender {
        key: ExternalId::new(payment.id.clone()),
        gateway: payment.provider_id.clone(),
        amount: Some(amount),
        authorised: if cancelled { 0 } else { amount },
        captured: captured(payment, currency)?,
        refunded: refunded(payment, currency)?,
        cancelled,
        provider: None,
        authorised_until: None,
        pay_by: None,
        review: None,
        refunds: refunds(payment, currency)?,
    })
}

fn refunds(payment: &Payment, currency: Currency) -> Result<Vec<RefundSeen>, String> {
    let mut refunds = Vec::with_capacity(payment.refunds().len());
    for refund in payment.refunds() {
        let Some(id) = &refund.id else { continue };
        refunds.push(RefundSeen {
            key: ExternalId::new(id.clone()),
            amount: minor("payments.refunds.amount", &refund.amount, currency)?,
            at: refund.created_at,
            // The shop makes a credit line of what it lowers.
            effect: RefundEffect::InTotal,
            lines: Vec::new(),
        });
    }
    refunds.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    Ok(refunds)
}

fn unpaid(collection: &PaymentCollection, currency: Currency) -> Result<Tender, String> {
    let alive = |status: &str| !matches!(status, "canceled" | "error");
    let session = collection
        .payment_sessions
        .iter()
        .find(|s| alive(&s.status))
        .or(collection.payment_sessions.first());
    Ok(Tender {
        key: ExternalId::new(collection.id.clone()),
        // Nobody has chosen a way of paying yet.
        gateway: session.map_or_else(String::new, |s| s.provider_id.clone()),
        amount: Some(minor(
            "payment_collections.amount",
            &collection.amount,
            currency,
        )?),
        authorised: 0,
        captured: 0,
        refunded: 0,
        cancelled: false,
        provider: None,
        authorised_until: None,
        pay_by: None,
        review: None,
        refunds: Vec::new(),
    })
}
