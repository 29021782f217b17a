//! Payment: how an order is paid and whether that is sure enough to ship.

use chrono::{DateTime, Utc};
use hikiate_sdk::Tender;

use super::view::View;
use crate::policy::{PaymentMethod, PaymentRoute};

/// How an order is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// The only method's word, `mixed`, `zero` or `unknown`.
    pub(crate) word: String,
    pub(crate) confirmed: bool,
    /// To be paid by bank transfer; `None` where nothing is.
    pub(crate) bank_wanted: Option<i64>,
    /// Came by deposit.
    pub(crate) deposited: i64,
    /// Deposits in another currency.
    pub(crate) foreign: bool,
    /// When unpaid goods go back on sale.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// That moment has passed.
    pub(crate) expired: bool,
}

impl View<'_> {
    /// Payments that are not voided.
    pub(crate) fn tenders(&self) -> impl Iterator<Item = &Tender> {
        self.order.tenders.iter().filter(|tender| !tender.cancelled)
    }

    /// How a payment is treated.
    pub(crate) fn route(&self, tender: &Tender) -> Option<&PaymentRoute> {
        self.channel.payments.get(&tender.gateway)
    }

    /// What is to be paid by a tender; the only one pays the total where its amount is not told.
    pub(crate) fn tender_amount(&self, tender: &Tender) -> Option<i64> {
        let only = self.tenders().count() == 1;
        tender.amount.or(if only { self.order.total } else { None })
    }

    /// What came by a tender as the channel shows it: captured, or paid before the order was placed.
    pub(crate) fn taken(&self, tender: &Tender) -> i64 {
        let method = self.route(tender).map(|route| route.method);
        let before = method == Some(PaymentMethod::Prepaid) && !tender.cancelled;
        let amount = self.tender_amount(tender).filter(|_| before);
        tender.captured.max(amount.unwrap_or(0))
    }

    /// What a tender pays for in the end: less what was given back of it.
    pub(crate) fn still_to_pay(&self, tender: &Tender) -> Option<i64> {
        let amount = self.tender_amount(tender)?.max(tender.captured);
        Some(amount.saturating_sub(self.given_back(tender)).max(0))
    }

    /// How the order is paid.
    pub(crate) fn payment(&self) -> Payment {
        let mut words: Vec<&str> = Vec::new();
        let mut confirmed = true;
        let mut bank_wanted: Option<i64> = None;
        let mut bank_known = true;
        for tender in self.tenders() {
            let amount = self.tender_amount(tender);
            let method = self.route(tender).map(|route| route.method);
            words.push(method.map_or("unknown", PaymentMethod::as_str));
            match method {
                Some(PaymentMethod::Card) => {
                    confirmed &=
                        amount.is_some_and(|a| tender.authorised.max(tender.captured) >= a);
                }
                Some(PaymentMethod::Prepaid) => {}
                Some(PaymentMethod::BankTransfer) => {
                    bank_known &= amount.is_some();
                    let sum = bank_wanted.unwrap_or(0).saturating_add(amount.unwrap_or(0));
                    bank_wanted = Some(sum);
                }
                None => confirmed = false,
            }
        }
        words.sort_unstable();
        words.dedup();
        let zero = self.order.total == Some(0);
        let word = match words.as_slice() {
            _ if zero => "zero",
            [] => "unknown",
            [only] => only,
            _ => "mixed",
        };
        let ours = |currency| currency == self.order.currency;
        let deposits = &self.fold.deposits;
        let deposited = deposits
            .iter()
            .filter(|(_, deposit)| ours(deposit.currency))
            .fold(0_i64, |sum, (_, deposit)| {
                sum.saturating_add(deposit.amount)
            });
        let bank_paid = bank_wanted.is_none_or(|wanted| bank_known && deposited >= wanted);
        let confirmed = zero || (confirmed && bank_paid && !words.is_empty());
        let waits = bank_wanted.is_some() && !confirmed && deposits.is_empty();
        let expires_at = match self.policy.allocation.expire_unpaid {
            Some(after) if waits => self.order.ordered_at.checked_add_signed(after),
            _ => None,
        };
        Payment {
            word: word.to_owned(),
            confirmed,
            bank_wanted,
            deposited,
            foreign: deposits.iter().any(|(_, deposit)| !ours(deposit.currency)),
            expires_at,
            expired: expires_at.is_some_and(|at| at <= self.now),
        }
    }
}
