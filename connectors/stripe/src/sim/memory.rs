//! What the account remembers, for tests and for the judges of worlds; asked past the API.

use std::collections::BTreeMap;

use hikiate_sdk::Currency;

use super::StripeSim;
use super::state::{Payment, Refund};
use crate::map::{REFUND_MARK, UNITS};

/// A payment as Stripe remembers it. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentMemory {
    /// Id.
    pub id: String,
    /// The id of its charge, once somebody has paid.
    pub charge: Option<String>,
    /// Stripe's word.
    pub status: String,
    /// Its currency.
    pub currency: Currency,
    /// To be paid.
    pub amount: i64,
    /// Can still be captured.
    pub capturable: i64,
    /// Captured in all.
    pub captured: i64,
    /// Given back of it in all.
    pub refunded: i64,
    /// Withdrawn, or about to be.
    pub disputed: i64,
    /// Captures by their amount, each with the name of the call of ours that made it.
    pub captures: Vec<(i64, Option<String>)>,
    /// Refunds of captured money.
    pub refunds: Vec<RefundMemory>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
}

/// A refund as Stripe remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundMemory {
    /// Id.
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// The name of the call of ours that made it; none for what staff did.
    pub mark: Option<String>,
    /// Stripe's word.
    pub status: String,
}

impl PaymentMemory {
    /// Cancelled, by whomever, or its authorisation ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status == "canceled"
    }

    /// How many refunds a call of ours made.
    #[must_use]
    pub fn refunded_as(&self, mark: &str) -> usize {
        let mut refunds = self.refunds.iter();
        refunds
            .by_ref()
            .filter(|refund| refund.mark.as_deref() == Some(mark))
            .count()
    }

    /// How many captures a call of ours made.
    #[must_use]
    pub fn captured_as(&self, mark: &str) -> usize {
        let mut captures = self.captures.iter();
        captures
            .by_ref()
            .filter(|(_, by)| by.as_deref() == Some(mark))
            .count()
    }

    /// Calls of ours that took effect more than once.
    #[must_use]
    pub fn repeated(&self) -> usize {
        let captures = self.captures.iter().filter_map(|(_, mark)| mark.as_deref());
        let refunds = self
            .refunds
            .iter()
            .filter_map(|refund| refund.mark.as_deref());
        let twice = |mut marks: Vec<&str>| {
            let all = marks.len();
            marks.sort_unstable();
            marks.dedup();
            all - marks.len()
        };
        twice(captures.collect()) + twice(refunds.collect())
    }
}

impl StripeSim {
    /// All payments in the order they were made.
    #[must_use]
    pub fn payments(&self) -> Vec<PaymentMemory> {
        self.state().payments.iter().map(memory).collect()
    }

    /// One payment.
    #[must_use]
    pub fn payment(&self, id: &str) -> Option<PaymentMemory> {
        self.state().payment(id).map(memory)
    }

    /// Requests answered with the right key so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Requests that ask for a change, refused and replayed ones included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }
}

fn memory(payment: &Payment) -> PaymentMemory {
    let minor = |wire: i64| UNITS.read(wire, payment.currency).unwrap_or(wire);
    let charge = payment.charge.as_ref();
    let refunds = charge.iter().flat_map(|charge| &charge.refunds);
    let disputes = charge.iter().flat_map(|charge| &charge.disputes);
    let disputes = disputes.filter(|d| !matches!(d.status, "won" | "warning_closed"));
    let refund = |refund: &Refund| RefundMemory {
        id: refund.id.clone(),
        amount: minor(refund.amount),
        mark: refund.metadata.get(REFUND_MARK).cloned(),
        status: refund.status.to_owned(),
    };
    PaymentMemory {
        id: payment.id.clone(),
        charge: charge.map(|charge| charge.id.clone()),
        status: payment.status.to_owned(),
        currency: payment.currency,
        amount: minor(payment.amount),
        capturable: minor(payment.capturable),
        captured: minor(payment.received),
        refunded: minor(payment.refunded()),
        disputed: disputes.map(|dispute| minor(dispute.amount)).sum(),
        captures: payment
            .captures
            .iter()
            .map(|capture| (minor(capture.amount), capture.mark.clone()))
            .collect(),
        refunds: refunds.filter(|refund| refund.moved).map(refund).collect(),
        metadata: payment.metadata.clone(),
    }
}
