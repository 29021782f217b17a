//! What an order charges and what is kept of its money, by an own reading: refunds taken off once, goods in proportion.

use hikiate::facts::RefundReason;
use hikiate_sdk::{Charge, ChargeKind, LineKey, OrderSnapshot, RefundEffect, RefundSeen, Tender};

use super::seen::{Seen, code};

/// An amount that is known up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Between {
    /// The least.
    pub(super) least: i64,
    /// The most.
    pub(super) most: i64,
}

impl Between {
    fn exactly(amount: i64) -> Self {
        Self {
            least: amount,
            most: amount,
        }
    }

    /// It may be this.
    #[must_use]
    pub(super) fn holds(self, amount: i64) -> bool {
        (self.least..=self.most).contains(&amount)
    }
}

/// A credit of the whole order, which has no rate of its own.
fn is_credit(charge: &Charge) -> bool {
    charge.kind == ChargeKind::Other && charge.line.is_none() && charge.tax_rate_bp.is_none()
}

impl<'a> Seen<'a> {
    /// What a refund is, where only the provider knows of it and somebody has said so.
    fn reason(&self, refund: &RefundSeen) -> Option<RefundReason> {
        self.explained.get(refund.key.as_str()).copied()
    }

    /// Nothing says what it is for.
    pub(super) fn unexplained(&self, refund: &RefundSeen) -> bool {
        refund.effect == RefundEffect::ProviderOnly && self.reason(refund).is_none()
    }

    fn lowers(&self, refund: &RefundSeen) -> bool {
        let said = [RefundReason::Discount, RefundReason::Return].map(Some);
        match refund.effect {
            RefundEffect::Lowers => true,
            RefundEffect::ProviderOnly => said.contains(&self.reason(refund)),
            RefundEffect::InTotal => false,
        }
    }

    /// What was given back of a payment, as far as it is known what for.
    pub(super) fn given_back(&self, tender: &Tender) -> i64 {
        let known = tender
            .refunds
            .iter()
            .filter(|refund| !self.unexplained(refund));
        known.map(|refund| refund.amount).sum()
    }

    /// What was given back by mistake: the customer owes it.
    pub(super) fn by_mistake(&self) -> i64 {
        let all = self.order().tenders.iter().flat_map(|t| &t.refunds);
        let mistakes = all.filter(|refund| self.reason(refund) == Some(RefundReason::Mistake));
        mistakes.map(|refund| refund.amount).sum()
    }

    /// What is kept of the money of a reading.
    #[must_use]
    pub(super) fn kept(&self, order: &OrderSnapshot) -> i64 {
        let kept = |tender: &Tender| tender.captured - self.given_back(tender);
        order.tenders.iter().map(kept).sum()
    }

    /// What is kept, and what points paid of an order that stands.
    #[must_use]
    pub(super) fn had(&self, order: &OrderSnapshot) -> i64 {
        let points = order.tenders.iter().filter(|t| t.gateway == "points");
        let points = points.filter_map(|tender| tender.amount).sum::<i64>();
        self.kept(order)
            + if self.cancelled_at_channel() {
                0
            } else {
                points
            }
    }

    /// What is charged in all: giving back more than was ever paid lowers nothing.
    #[must_use]
    pub(super) fn charged(&self) -> i64 {
        let order = self.order();
        let total = order.total.unwrap_or(0);
        let to_pay = |tender: &Tender| {
            let asked = if tender.cancelled {
                0
            } else {
                tender.amount.unwrap_or(0)
            };
            asked.max(tender.captured) - self.given_back(tender)
        };
        let paid: i64 = order.tenders.iter().map(to_pay).sum();
        let all = order.tenders.iter().flat_map(|tender| &tender.refunds);
        let lowers = all.filter(|refund| self.lowers(refund));
        let lowers: i64 = lowers.map(|refund| refund.amount).sum();
        total - lowers.min((total - paid).max(0))
    }

    /// What is owed for what left, and what of it others than the buyer do not pay but owe (below nothing). Each amount
    /// bears its part of what was given back, rounded.
    #[must_use]
    pub(super) fn owed(&self) -> (Between, Between) {
        let none = (Between::exactly(0), Between::exactly(0));
        if !self.something_left() {
            return none;
        }
        let charges = self
            .order()
            .charges
            .iter()
            .filter(|charge| !is_credit(charge));
        let (mut all, mut sum, mut sponsored, mut in_all, mut n) = (0, 0, 0, true, 0);
        for charge in charges {
            let gross = charge.gross.unwrap_or(0);
            let (part, whole) = self.share_of(charge);
            let due = if part >= whole {
                gross
            } else {
                // Prices of goods are not negative here: half up is half away from zero.
                (2 * gross * part + whole) / (2 * whole)
            };
            in_all &= part >= whole;
            all += gross;
            sum += due;
            n += 1;
            if charge.sponsor.is_some() {
                sponsored += due;
            }
        }
        let charged = self.charged();
        if charged == all {
            return (Between::exactly(sum), Between::exactly(sponsored));
        }
        let refunds = self.order().tenders.iter().flat_map(|t| &t.refunds);
        let steps = 2 + i64::try_from(refunds.count()).unwrap_or(0);
        let about = |amount: i64, parts: i64| {
            let mid = i128::from(amount) * i128::from(charged) / i128::from(all).max(1);
            let (mid, off) = (i64::try_from(mid).unwrap_or(0), parts * steps);
            Between {
                least: mid - off,
                most: mid + off,
            }
        };
        let buyer = if in_all {
            Between::exactly(charged)
        } else {
            about(sum, n)
        };
        let others = if sponsored == 0 {
            Between::exactly(0)
        } else {
            about(sponsored, 1)
        };
        (buyer, others)
    }

    /// Items that left of what a charge is for, and all of them; all where it is for no goods that leave a warehouse.
    fn share_of(&self, charge: &Charge) -> (i64, i64) {
        let goods = charge.kind == ChargeKind::Goods;
        let key: Option<&LineKey> = charge.line.as_ref().filter(|_| goods);
        let line = key.and_then(|key| self.order().lines.iter().find(|l| l.key == *key));
        match line.filter(|line| code(line.sku.as_deref()).1) {
            Some(line) => {
                let all = i64::from(line.quantity * code(line.sku.as_deref()).0);
                (i64::from(self.left_of(&line.key)), all)
            }
            None => (1, 1),
        }
    }

    /// The first reading since which as much was kept of as much.
    fn money_since(&self) -> i64 {
        let last = self.order();
        let same =
            |order: &OrderSnapshot| self.had(order) == self.had(last) && order.total == last.total;
        let mut since = 0;
        for (id, order) in self.readings.iter().rev() {
            if !same(order) {
                break;
            }
            since = *id;
        }
        since
    }

    /// More is kept than is charged, by so much, and nobody has released it.
    #[must_use]
    pub(super) fn too_much(&self) -> Option<i64> {
        let cancelled = self.cancelled_at_channel();
        let charged = if cancelled { 0 } else { self.charged().max(0) };
        let over = self.had(self.order()) - charged;
        let settled = self.was_released("over_captured", self.money_since())
            || self.was_released("*", self.money_since());
        let other = cancelled && self.something_left();
        (over > 0 && !settled && !other).then_some(over)
    }
}
