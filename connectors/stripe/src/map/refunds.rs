//! Money that went back: refunds, and what the customer's bank withdrew.

use chrono::{DateTime, Utc};
use hikiate_sdk::{ExternalId, RefundEffect, RefundSeen};

use super::{Intent, REFUND_MARK, UNITS, time};
use crate::wire::{Bundle, Object, need};

/// A refund of captured money.
#[derive(Debug)]
pub(crate) struct Refund {
    /// Stripe's id.
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    at: DateTime<Utc>,
    /// `pending`, `requires_action` (the customer has to say where to), `succeeded`, `failed`, `canceled`.
    status: Option<String>,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// The name of the call of ours that made it.
    pub(crate) mark: Option<String>,
}

impl Refund {
    /// The money came back, which may be weeks later, or never left.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }

    pub(crate) fn read(object: Object<'_>, told: &Intent<'_>) -> Result<Self, String> {
        let amount = need("refund.amount", object.whole("amount")?)?;
        let amount = UNITS.read(amount, told.currency);
        let created = need("refund.created", object.whole("created")?)?;
        let mark = object.inner("metadata").map(|all| all.text(REFUND_MARK));
        Ok(Self {
            id: need("refund.id", object.text("id")?)?.to_owned(),
            amount: amount.map_err(|e| format!("refund.amount: {e}"))?,
            at: time("refund.created", created)?,
            status: object.text("status")?.map(str::to_owned),
            failure: object.text("failure_reason")?.map(str::to_owned),
            mark: mark.transpose()?.flatten().map(str::to_owned),
        })
    }
}

/// All refunds of captured money, in the order they were made.
#[derive(Debug)]
pub(crate) struct Seen(Vec<Refund>);

impl Seen {
    /// Given back so far, minor units: not what failed.
    pub(crate) fn total(&self) -> Result<i64, String> {
        let stand = self.0.iter().filter(|refund| !refund.has_failed());
        let mut amounts = stand.map(|refund| refund.amount);
        amounts
            .try_fold(0_i64, i64::checked_add)
            .ok_or_else(|| "refunds: their sum is too large".to_owned())
    }

    /// The one that this call of ours made.
    pub(crate) fn of(&self, mark: &str) -> Option<&Refund> {
        let mut ours = self.0.iter();
        ours.find(|refund| refund.mark.as_deref() == Some(mark))
    }

    pub(super) fn into_snapshot(self) -> Vec<RefundSeen> {
        let stand = self.0.into_iter().filter(|refund| !refund.has_failed());
        let seen = stand.map(|refund| RefundSeen {
            key: ExternalId::new(refund.id),
            amount: refund.amount,
            at: Some(refund.at),
            effect: RefundEffect::default(),
            lines: Vec::new(),
        });
        seen.collect()
    }
}

/// The refunds of a payment. Before anything was captured there are none: what Stripe then lists as refunds is authorised money
/// that it released.
pub(crate) fn seen(bundle: &Bundle, told: &Intent<'_>) -> Result<Seen, String> {
    let Some(charge) = told.charge.filter(|_| told.received > 0) else {
        return Ok(Seen(Vec::new()));
    };
    if let Some(why) = &bundle.refunds_unread {
        return Err(why.clone());
    }
    let inside = charge.list("refunds");
    let inside = need("latest_charge.refunds", inside)?;
    let mut released = told.charged.saturating_sub(told.received);
    let mut all = Vec::new();
    for object in inside.chain(bundle.refunds.iter().map(Object)) {
        let refund = Refund::read(object, told)?;
        if object.text("reason")? == Some("expired_uncaptured_charge") {
            continue;
        }
        // A capture of a part shows the rest as refunded, at once. That moved no money, so no balance has it; one that is still on
        // its way has no place in a balance yet.
        let on_its_way = refund.status.as_deref() != Some("succeeded");
        let moved = object.has("balance_transaction") || refund.mark.is_some() || on_its_way;
        if !moved && released > 0 && refund.amount == released {
            released = 0;
            continue;
        }
        all.push(refund);
    }
    all.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    // A page may have moved between two calls.
    all.dedup_by(|a, b| a.id == b.id);
    Ok(Seen(all))
}

/// Refuses refunds without what tells ours from those of others, those of another payment, and a list that does not say whether it
/// is whole.
///
/// # Errors
/// The field, and what is wrong with it.
pub(crate) fn shown(bundle: &Bundle, told: &Intent<'_>) -> Result<(), String> {
    let Some(charge) = told.charge else {
        return Ok(());
    };
    if let Some(list) = charge.inner("refunds") {
        list.shows(&["has_more"])
            .map_err(|why| format!("latest_charge.refunds.{why}"))?;
    }
    let inside = charge.list("refunds").into_iter().flatten();
    for refund in inside.chain(bundle.refunds.iter().map(Object)) {
        refund
            .shows(&["metadata"])
            .map_err(|why| format!("refund.{why}"))?;
        let of = refund.id_of("payment_intent");
        if of.is_some() && of != Object(&bundle.intent).text("id")? {
            return Err("refund.payment_intent: another payment".to_owned());
        }
    }
    Ok(())
}

/// Statuses of disputes that take no money, and will take none.
const HARMLESS: [&str; 3] = ["won", "warning_closed", "prevented"];

/// What the customer's bank has withdrawn or may withdraw, minor units. A lost dispute stays withdrawn.
pub(super) fn disputed(bundle: &Bundle, told: &Intent<'_>) -> Result<i64, String> {
    let Some(charge) = told.charge else {
        return Ok(0);
    };
    if charge.flag("disputed")? != Some(true) {
        return Ok(0);
    }
    if let Some(why) = &bundle.disputes_unread {
        return Err(why.clone());
    }
    if bundle.disputes.is_empty() {
        return Err("latest_charge.disputed: true, but Stripe lists no dispute".to_owned());
    }
    let mut total = 0_i64;
    for dispute in bundle.disputes.iter().map(Object) {
        let status = need("dispute.status", dispute.text("status")?)?;
        if HARMLESS.contains(&status) {
            continue;
        }
        let amount = need("dispute.amount", dispute.whole("amount")?)?;
        let amount = UNITS.read(amount, told.currency);
        let amount = amount.map_err(|e| format!("dispute.amount: {e}"))?;
        total = total
            .checked_add(amount)
            .ok_or_else(|| "disputes: their sum is too large".to_owned())?;
    }
    Ok(total)
}
