//! What an order charges as it stands: its charges, with what was given back of them taken off.

use hikiate_sdk::{Charge, ChargeKind, LineKey, OrderSnapshot, RefundEffect, RefundSeen, Tender};

use super::apportion::apportion;
use super::view::View;
use crate::facts::RefundReason;

/// One amount of an order after refunds.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) charge: &'a Charge,
    /// Tax included, minor units.
    pub(crate) gross: i64,
}

/// What an order charges.
#[derive(Clone, Debug)]
pub(crate) struct Charged<'a> {
    pub(crate) order: &'a OrderSnapshot,
    pub(crate) items: Vec<Item<'a>>,
    /// Sum of what is charged, as the channel totals it, less what refunds take off besides.
    pub(crate) total: i64,
    /// An amount without lines was spread over the charges.
    pub(crate) derived: bool,
}

impl<'a> Charged<'a> {
    /// Nothing is charged: the order was cancelled.
    pub(crate) fn nothing(order: &'a OrderSnapshot) -> Self {
        let items = order.charges.iter();
        Self {
            order,
            items: items.map(|charge| Item { charge, gross: 0 }).collect(),
            total: 0,
            derived: false,
        }
    }

    /// Charges the same.
    pub(crate) fn is(&self, other: &Charged<'_>) -> bool {
        let same = |(a, b): (&Item<'_>, &Item<'_>)| (a.charge, a.gross) == (b.charge, b.gross);
        self.total == other.total
            && self.items.len() == other.items.len()
            && self.items.iter().zip(&other.items).all(same)
    }

    fn takes_off(&mut self, amount: i64, lines: &[(LineKey, u32)]) {
        let named = |item: &Item<'_>| {
            let line = item.charge.line.as_ref();
            item.gross != 0 && line.is_some_and(|line| lines.iter().any(|(key, _)| key == line))
        };
        let only = self.items.iter().any(named);
        let weights: Vec<i64> = self
            .items
            .iter()
            .map(|item| if only && !named(item) { 0 } else { item.gross })
            .collect();
        self.derived |= !only && weights.iter().filter(|weight| **weight != 0).count() > 1;
        for (item, part) in self.items.iter_mut().zip(apportion(amount, &weights)) {
            item.gross = item.gross.saturating_add(part);
        }
    }
}

/// A negative amount of the whole order without a rate of its own (a credit, a refund, goodwill).
fn is_credit(charge: &Charge) -> bool {
    charge.tax_rate_bp.is_none()
        && charge.line.is_none()
        && charge.sponsor.is_none()
        && charge.kind != ChargeKind::Rounding
        && charge.gross.is_some_and(|gross| gross < 0)
}

fn refunds(order: &OrderSnapshot) -> impl Iterator<Item = &RefundSeen> {
    order.tenders.iter().flat_map(|tender| &tender.refunds)
}

/// What was given back of a payment and stands in no refund of its own: the channel tells a sum alone, and no total has
/// it off.
fn unlisted(tender: &Tender) -> i64 {
    let listed = tender.refunds.iter();
    let listed = listed.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
    tender.refunded.saturating_sub(listed).max(0)
}

/// Units of a line that were given back before they shipped or after, and that its quantity still counts.
pub(crate) fn given_back(order: &OrderSnapshot, line: &LineKey) -> u32 {
    refunds(order)
        .flat_map(|refund| &refund.lines)
        .filter(|(key, _)| key == line)
        .fold(0, |sum, (_, units)| sum.saturating_add(*units))
}

impl<'a> View<'a> {
    /// What a refund does to what is charged, once an operator has said so where only the provider knows of it.
    pub(crate) fn effect_of(&self, refund: &RefundSeen) -> Option<RefundEffect> {
        match (refund.effect, self.fold.refund_reasons.get(&refund.key)) {
            (RefundEffect::ProviderOnly, None) => None,
            (RefundEffect::ProviderOnly, Some(RefundReason::Discount | RefundReason::Return)) => {
                Some(RefundEffect::Lowers)
            }
            (effect, _) => Some(effect),
        }
    }

    /// Refunds that nothing explains.
    pub(crate) fn unexplained_refunds(&self) -> impl Iterator<Item = &'a RefundSeen> {
        refunds(self.order).filter(|refund| self.effect_of(refund).is_none())
    }

    /// What was given back of a payment, what nothing explains aside.
    pub(crate) fn given_back(&self, tender: &Tender) -> i64 {
        let unexplained = tender.refunds.iter();
        let unexplained = unexplained.filter(|refund| self.effect_of(refund).is_none());
        unexplained.fold(tender.refunded, |sum, refund| {
            sum.saturating_sub(refund.amount)
        })
    }

    /// What was given back of a payment by mistake: it is still to be paid.
    pub(crate) fn by_mistake(&self, tender: &Tender) -> i64 {
        let mistakes = tender.refunds.iter().filter(|refund| {
            self.fold.refund_reasons.get(&refund.key) == Some(&RefundReason::Mistake)
        });
        mistakes.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount))
    }

    /// What is paid of an order, or is to be: all payments, less what was given back of them.
    fn paid_in_the_end(&self, order: &OrderSnapshot) -> i64 {
        let live = order.tenders.iter().filter(|tender| !tender.cancelled);
        let only = live.count() == 1;
        order.tenders.iter().fold(0_i64, |sum, tender| {
            let told = tender.amount.or(order.total.filter(|_| only));
            let amount = told.filter(|_| !tender.cancelled).unwrap_or(0);
            sum.saturating_add(amount.max(tender.captured))
                .saturating_sub(self.given_back(tender))
        })
    }

    /// What is charged at a reading, `back` of it put on again; `None` while an amount is unknown.
    pub(crate) fn charged_at(&self, order: &'a OrderSnapshot, back: i64) -> Option<Charged<'a>> {
        let total = order.total?;
        let mut items = Vec::with_capacity(order.charges.len());
        let mut credit = back;
        for charge in &order.charges {
            let gross = charge.gross?;
            if is_credit(charge) {
                credit = credit.saturating_add(gross);
            } else {
                items.push(Item { charge, gross });
            }
        }
        let mut charged = Charged {
            order,
            items,
            total: total.saturating_add(back),
            derived: false,
        };
        if credit != 0 {
            charged.takes_off(credit, &[]);
        }
        // Giving back what was paid beyond the charges, or is paid anew, lowers none of them.
        let mut room = total.saturating_sub(self.paid_in_the_end(order)).max(0);
        let listed = refunds(order)
            .filter(|refund| self.effect_of(refund) == Some(RefundEffect::Lowers))
            .map(|refund| (refund.amount, refund.lines.as_slice()));
        let unlisted = order
            .tenders
            .iter()
            .map(|tender| (unlisted(tender), &[][..]));
        for (amount, lines) in listed.chain(unlisted) {
            let off = amount.min(room);
            room -= off;
            if off != 0 {
                charged.takes_off(off.saturating_neg(), lines);
                charged.total = charged.total.saturating_sub(off);
            }
        }
        Some(charged)
    }

    /// What the order charges now; `None` while an amount is unknown.
    pub(crate) fn charged(&self) -> Option<Charged<'a>> {
        self.charged_at(self.order, 0)
    }

    /// What the order charges in all; `None` while an amount is unknown.
    pub(crate) fn charged_total(&self) -> Option<i64> {
        self.charged().map(|charged| charged.total)
    }
}
