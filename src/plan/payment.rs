//! Payment: how an order is paid and whether that is sure enough to ship.

use chrono::{DateTime, Utc};
use hikiate_sdk::{OrderSnapshot, Tender};

use super::deposits;
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
    /// Deposits cover it, within the tolerance.
    pub(crate) bank_paid: bool,
    /// What deposits may differ, either way.
    pub(crate) tolerance: i64,
    /// Came by deposit.
    pub(crate) deposited: i64,
    /// Deposits in another currency.
    pub(crate) foreign: bool,
    /// It was confirmed before and is no longer.
    pub(crate) lost: Option<Lost>,
    /// When unpaid goods go back on sale.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// That moment has passed.
    pub(crate) expired: bool,
}

/// Payments of which the rest was voided after all that is owed had been captured: the money is there, as when staff capture a
/// part and then take items out of the order. None where they cover less.
fn kept_of_voided(order: &OrderSnapshot) -> Vec<&Tender> {
    let kept = |tender: &Tender| tender.captured.saturating_sub(tender.refunded);
    let voided = order.tenders.iter().filter(|tender| tender.cancelled);
    let taken: Vec<&Tender> = voided.filter(|tender| kept(tender) > 0).collect();
    let sum = taken.iter().map(|tender| kept(tender)).sum::<i64>();
    if order.total.is_some_and(|total| sum >= total) {
        taken
    } else {
        Vec::new()
    }
}

/// A payment that is not sure any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// When it was heard of.
    pub(crate) at: DateTime<Utc>,
    /// Another payment than a deposit is missing: the channel shows less than is to be paid.
    pub(crate) at_channel: bool,
}

/// How an order is paid, as one reading shows it and with what had come by deposit then.
struct Funds {
    word: String,
    confirmed: bool,
    bank_wanted: Option<i64>,
    bank_paid: bool,
    /// All but bank transfers is sure.
    others_sure: bool,
}

/// What is to be paid by a tender; the only one pays the total where its amount is not told.
pub(super) fn amount_of(order: &OrderSnapshot, tender: &Tender) -> Option<i64> {
    let only = live(order).count() == 1;
    tender.amount.or(if only { order.total } else { None })
}

fn live(order: &OrderSnapshot) -> impl Iterator<Item = &Tender> {
    order.tenders.iter().filter(|tender| !tender.cancelled)
}

impl View<'_> {
    /// Payments that are not voided.
    pub(crate) fn tenders(&self) -> impl Iterator<Item = &Tender> {
        live(self.order)
    }

    /// How a payment is treated.
    pub(crate) fn route(&self, tender: &Tender) -> Option<&PaymentRoute> {
        self.channel.payments.get(&tender.gateway)
    }

    /// What is to be paid by a tender; the only one pays the total where its amount is not told.
    pub(crate) fn tender_amount(&self, tender: &Tender) -> Option<i64> {
        amount_of(self.order, tender)
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
        let currency = self.order.currency;
        let deposits = &self.fold.deposits;
        let deposited = deposits::sum(deposits, currency, i64::MAX);
        let funds = self.funds(self.order, deposited);
        let lost = if funds.confirmed { None } else { self.lost() };
        // What warehouses have keeps no stock from others, and an order of which a part has shipped is not over by that.
        let pay_by = self.pay_by();
        let later = !funds.bank_paid || pay_by.is_some();
        let waits = !funds.confirmed && (later || lost.is_some());
        let since = lost.map_or_else(|| self.waits_since(), |lost| lost.at);
        let shop = &self.policy.shop;
        let expires_at = match self.policy.allocation.expire_unpaid {
            Some(term) if waits && !self.any_shipped() && !self.all_under_way() => {
                let term = term.ends(since, &shop.calendar, shop.timezone);
                // Who may pay until a day is waited for until then.
                term.map(|end| pay_by.map_or(end, |by| by.max(end)))
            }
            _ => None,
        };
        Payment {
            word: funds.word,
            confirmed: funds.confirmed,
            bank_wanted: funds.bank_wanted,
            bank_paid: funds.bank_paid,
            tolerance: self.tolerance(self.order),
            deposited,
            foreign: deposits::foreign(deposits, currency),
            lost,
            expires_at,
            expired: expires_at.is_some_and(|at| at <= self.now),
        }
    }

    /// What is there or can be taken: an authorisation that ended is worth what was captured of it.
    fn sure(&self, tender: &Tender) -> i64 {
        let ended = tender.authorised_until.is_some_and(|end| end <= self.now);
        let authorised = if ended { 0 } else { tender.authorised };
        authorised.max(tender.captured)
    }

    /// Since when an order that was never paid waits: an authorisation that ended made it wait anew.
    fn waits_since(&self) -> DateTime<Utc> {
        let ends = self.tenders().filter_map(|tender| tender.authorised_until);
        let ended = ends.filter(|end| *end <= self.now);
        ended.fold(self.order.ordered_at, DateTime::max)
    }

    /// The last moment until which a customer may pay, or might have paid, something that is not paid.
    fn pay_by(&self) -> Option<DateTime<Utc>> {
        let tenders = self.order.tenders.iter();
        let open = tenders.filter(|tender| self.sure(tender) == 0);
        open.filter_map(|tender| tender.pay_by).max()
    }

    /// What deposits may differ from what is to be paid.
    fn tolerance(&self, order: &OrderSnapshot) -> i64 {
        if order.currency == self.policy.shop.currency {
            self.policy.payments.deposit_tolerance
        } else {
            0
        }
    }

    fn funds(&self, order: &OrderSnapshot, deposited: i64) -> Funds {
        let mut words: Vec<&str> = Vec::new();
        let mut sure = true;
        let mut bank_wanted: Option<i64> = None;
        let mut bank_known = true;
        for tender in live(order) {
            let amount = amount_of(order, tender);
            let method = self.route(tender).map(|route| route.method);
            words.push(method.map_or("unknown", PaymentMethod::as_str));
            match method {
                Some(PaymentMethod::Card) => {
                    sure &= amount.is_some_and(|a| self.sure(tender) >= a);
                }
                // What the carrier collects is owed until then, and nothing waits for it.
                Some(PaymentMethod::Prepaid | PaymentMethod::Cod) => {}
                Some(PaymentMethod::BankTransfer) => {
                    bank_known &= amount.is_some();
                    let sum = bank_wanted.unwrap_or(0).saturating_add(amount.unwrap_or(0));
                    bank_wanted = Some(sum);
                }
                None => sure = false,
            }
        }
        let bank_wanted = bank_wanted.map(|wanted| match self.by_bank(order) {
            Some(most) => wanted.min(most),
            None => wanted,
        });
        words.sort_unstable();
        words.dedup();
        if words.is_empty() {
            let kept = kept_of_voided(order).into_iter();
            let methods = kept.filter_map(|tender| self.route(tender).map(|route| route.method));
            words.extend(methods.map(PaymentMethod::as_str));
            words.dedup();
        }
        let zero = order.total == Some(0);
        let word = match words.as_slice() {
            _ if zero => "zero",
            [] => "unknown",
            [only] => only,
            _ => "mixed",
        };
        let bank_paid = bank_wanted.is_none_or(|wanted| {
            let missing = wanted.saturating_sub(deposited);
            // A tolerance pays nothing by itself.
            let enough = missing <= 0 || (deposited > 0 && missing <= self.tolerance(order));
            bank_known && enough
        });
        let others_sure = sure && !words.is_empty();
        Funds {
            word: word.to_owned(),
            confirmed: zero || (others_sure && bank_paid),
            bank_wanted,
            bank_paid,
            others_sure,
        }
    }

    /// What is left of the total for bank transfers: a credit lowers it, and not every channel lowers the payment with it.
    /// `None` where an amount is not known.
    fn by_bank(&self, order: &OrderSnapshot) -> Option<i64> {
        let mut left = order.total?;
        for tender in &order.tenders {
            let amount = if tender.cancelled {
                0
            } else {
                amount_of(order, tender)?
            };
            let method = self.route(tender).map(|route| route.method);
            let by_others = if method == Some(PaymentMethod::BankTransfer) {
                0
            } else {
                amount.max(tender.captured)
            };
            left = left.saturating_sub(by_others);
            left = left.saturating_add(tender.refunded);
        }
        Some(left.max(0))
    }

    /// When the payment was last confirmed and then no longer, by what was told in its order.
    fn lost(&self) -> Option<Lost> {
        let mut readings = self.fold.readings.iter().peekable();
        let mut deposits = self.fold.deposits.iter().peekable();
        let mut order: Option<&OrderSnapshot> = None;
        let mut confirmed = false;
        let mut lost = None;
        loop {
            let reading = readings.peek().map(|reading| reading.id);
            let deposit = deposits.peek().map(|one| one.id);
            let (id, at) = match (reading, deposit) {
                (None, None) => return lost,
                (Some(reading), deposit) if deposit.is_none_or(|deposit| reading < deposit) => {
                    let Some(reading) = readings.next() else {
                        return lost;
                    };
                    order = Some(&reading.fact.order);
                    (reading.id, reading.recorded_at)
                }
                _ => {
                    let Some(one) = deposits.next() else {
                        return lost;
                    };
                    (one.id, one.at)
                }
            };
            let Some(order) = order else { continue };
            let came = deposits::sum(&self.fold.deposits, order.currency, id);
            let funds = self.funds(order, came);
            match (confirmed, funds.confirmed) {
                (_, true) => lost = None,
                (true, false) => {
                    lost = Some(Lost {
                        at,
                        at_channel: false,
                    });
                }
                (false, false) => {}
            }
            if let Some(lost) = &mut lost {
                lost.at_channel = !funds.others_sure;
            }
            confirmed = funds.confirmed;
        }
    }
}
