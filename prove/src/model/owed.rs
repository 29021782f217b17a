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

    /// The channel's order does not have it, and nobody said what it is for.
    fn untold(&self, refund: &RefundSeen) -> bool {
        refund.effect == RefundEffect::ProviderOnly && self.reason(refund).is_none()
    }

    /// What was given back at the provider alone and nothing explains: neither a word of an operator nor that as much
    /// more had been taken than is charged.
    fn unexplained_sum(&self) -> i64 {
        let order = self.order();
        let all = order.tenders.iter().flat_map(|tender| &tender.refunds);
        let untold = all.filter(|refund| self.untold(refund));
        let untold: i64 = untold.map(|refund| refund.amount).sum();
        let given_back: i64 = order.tenders.iter().map(|tender| tender.refunded).sum();
        let charged = if self.cancelled_at_channel() {
            0
        } else {
            self.charged().max(0)
        };
        let came = self.came(order);
        let overpaid = (came - (given_back - untold) - charged).max(0);
        (untold - overpaid).max(0)
    }

    /// Refunds that need a word: nothing explains all of them.
    pub(super) fn unexplained(&self) -> Vec<&'a RefundSeen> {
        let all = self.readings.last().into_iter();
        let all = all.flat_map(|(_, order)| &order.tenders);
        let all = all.flat_map(|tender| &tender.refunds);
        let untold: Vec<&RefundSeen> = all.filter(|refund| self.untold(refund)).collect();
        if self.unexplained_sum() > 0 {
            untold
        } else {
            Vec::new()
        }
    }

    fn lowers(&self, refund: &RefundSeen) -> bool {
        let said = [RefundReason::Discount, RefundReason::Return].map(Some);
        match refund.effect {
            RefundEffect::Lowers => true,
            RefundEffect::ProviderOnly => said.contains(&self.reason(refund)),
            RefundEffect::InTotal => false,
        }
    }

    /// What was given back of a payment, what only the provider knows of aside.
    fn told_back(&self, tender: &Tender) -> i64 {
        let told = tender.refunds.iter().filter(|refund| !self.untold(refund));
        told.map(|refund| refund.amount).sum()
    }

    /// What was given back of a payment, what nothing explains aside: that is of the first payments.
    pub(super) fn given_back(&self, tender: &Tender) -> i64 {
        let untold = |tender: &Tender| tender.refunded - self.told_back(tender);
        let before = self.order().tenders.iter();
        let before = before.take_while(|one| one.key != tender.key);
        let rest = self.unexplained_sum() - before.map(untold).sum::<i64>();
        tender.refunded - untold(tender).min(rest.max(0))
    }

    /// What was given back by mistake: the customer owes it.
    pub(super) fn by_mistake(&self) -> i64 {
        let all = self.order().tenders.iter().flat_map(|t| &t.refunds);
        let mistakes = all.filter(|refund| self.reason(refund) == Some(RefundReason::Mistake));
        mistakes.map(|refund| refund.amount).sum()
    }

    /// What is kept of the money of a reading: what nothing explains counts as kept.
    #[must_use]
    pub(super) fn kept(&self, order: &OrderSnapshot) -> i64 {
        let kept = |tender: &Tender| tender.captured - tender.refunded;
        let kept: i64 = order.tenders.iter().map(kept).sum();
        let all = order.tenders.iter().flat_map(|tender| &tender.refunds);
        let untold = all.filter(|refund| self.untold(refund));
        let untold: i64 = untold.map(|refund| refund.amount).sum();
        kept + self.unexplained_sum().min(untold)
    }

    /// What points paid of an order that stands.
    fn points(&self, order: &OrderSnapshot) -> i64 {
        if self.cancelled_at_channel() {
            return 0;
        }
        let points = order.tenders.iter().filter(|t| t.gateway == "points");
        points.filter_map(|tender| tender.amount).sum()
    }

    /// What was taken in all, and what points paid.
    fn came(&self, order: &OrderSnapshot) -> i64 {
        let captured: i64 = order.tenders.iter().map(|tender| tender.captured).sum();
        captured + self.points(order)
    }

    /// What is kept, and what points paid of an order that stands.
    #[must_use]
    pub(super) fn had(&self, order: &OrderSnapshot) -> i64 {
        self.kept(order) + self.points(order)
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
            asked.max(tender.captured) - self.told_back(tender)
        };
        let paid: i64 = order.tenders.iter().map(to_pay).sum();
        let all = order.tenders.iter().flat_map(|tender| &tender.refunds);
        let lowers = all.filter(|refund| self.lowers(refund));
        let lowers: i64 = lowers.map(|refund| refund.amount).sum();
        total - lowers.min((total - paid).max(0))
    }

    /// What is owed for what left, and what of it others than the buyer do not pay but owe (below nothing). What was
    /// given back is taken off what had left by then, and the rest of it in proportion: at the least all of it is taken
    /// off what left, at the most its part. Each amount bears its part, rounded.
    #[must_use]
    pub(super) fn owed(&self) -> (Between, Between) {
        let none = (Between::exactly(0), Between::exactly(0));
        if !self.any_shipped() {
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
            let of = |part: i64, whole: i64| {
                let part = i128::from(amount) * i128::from(part) / i128::from(whole).max(1);
                i64::try_from(part).unwrap_or(0)
            };
            let (share, first) = (of(charged, all), of((sum - (all - charged)).max(0), sum));
            let slack = parts * steps;
            Between {
                least: share.min(first) - slack,
                most: share.max(first) + slack,
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
            // What others owe is due with the first goods, and what was given back of those may be all of it.
            let about = about(sponsored, 1);
            Between {
                most: about.most.max(0),
                ..about
            }
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
                (i64::from(self.shipped_of(&line.key)), all)
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

    /// What operators pay back by hand, and no reading shows.
    #[must_use]
    pub(super) fn paid_by_hand(&self) -> i64 {
        let given_up =
            |asked: &i64, name: &str| self.was_released(&format!("refund_dropped:{name}"), *asked);
        let by_hand = self.by_hand.iter();
        let by_hand = by_hand.filter(|(asked, name, _)| !given_up(asked, name));
        by_hand.map(|(_, _, amount)| amount).sum()
    }

    /// More is kept than is charged, by so much, and nobody has released it.
    #[must_use]
    pub(super) fn too_much(&self) -> Option<i64> {
        let cancelled = self.cancelled_at_channel();
        let charged = if cancelled { 0 } else { self.charged().max(0) };
        let over = self.had(self.order()) - charged - self.paid_by_hand();
        let settled = self.was_released("over_captured", self.money_since())
            || self.was_released("*", self.money_since());
        let other = cancelled && self.any_shipped();
        (over > 0 && !settled && !other).then_some(over)
    }
}
