//! Money: what is due for what has left. Goods in proportion, everything else with the first unit.

use hikiate_sdk::{Charge, ChargeKind, LineKey, OrderSnapshot};

use super::charges;
use super::view::{Left, View};

/// `amount × part / whole`, rounded half away from zero; all of it from `part = whole` on.
#[must_use]
pub fn share(amount: i64, part: u32, whole: u32) -> i64 {
    if part >= whole {
        return amount;
    }
    divide(i128::from(amount) * i128::from(part), i128::from(whole))
}

/// Rounded half away from zero; `divisor` is positive and the quotient fits, being a part of an amount.
fn divide(value: i128, divisor: i128) -> i64 {
    let half = if value < 0 {
        -(divisor / 2)
    } else {
        divisor / 2
    };
    i64::try_from((value + half) / divisor).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl View<'_> {
    /// Items of a line that are ordered at a reading, what was given back before it shipped aside; `None` where goods of
    /// ours do not stand behind it.
    fn ordered_at(&self, order: &OrderSnapshot, key: &LineKey) -> Option<u32> {
        let known = order.lines.iter().find(|line| line.key == *key)?;
        let line = self.lines.iter().find(|line| line.key == *key)?;
        let unsent = charges::not_sent(&self.fold, order, key, |refund| {
            self.shipped_before(refund, key)
        });
        let units = known.quantity.saturating_sub(unsent);
        let goods = line.item_id.is_some() || self.is_unmapped(known);
        goods.then(|| units.saturating_mul(line.multiplier))
    }

    /// What is due of an amount of a charge once this much has left; none of it before anything has.
    pub(crate) fn due_of(
        &self,
        order: &OrderSnapshot,
        charge: &Charge,
        amount: i64,
        left: &Left,
    ) -> i64 {
        if left.values().all(|items| *items == 0) {
            return 0;
        }
        let line = charge.line.as_ref();
        let goods = line.filter(|_| charge.kind == ChargeKind::Goods);
        match goods.and_then(|key| Some((key, self.ordered_at(order, key)?))) {
            Some((key, ordered)) => share(amount, left.get(key).copied().unwrap_or(0), ordered),
            None => amount,
        }
    }

    /// What is due in all, between nothing and the total; `None` while an amount is unknown.
    pub(crate) fn due(&self, left: &Left) -> Option<i64> {
        let charged = self.charged()?;
        let items = self.due_items(&charged, left);
        let due = items.iter().map(|due| i128::from(*due)).sum::<i128>();
        let due = i64::try_from(due).unwrap_or(i64::MAX);
        Some(due.clamp(0, charged.total.max(0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_round_half_away_from_zero_and_the_last_makes_it_whole() {
        assert_eq!(share(1000, 1, 3), 333);
        assert_eq!(share(1000, 2, 3), 667);
        assert_eq!(share(1000, 3, 3), 1000);
        assert_eq!(share(1000, 4, 3), 1000);
        assert_eq!(share(1, 1, 2), 1);
        assert_eq!(share(-1, 1, 2), -1);
        assert_eq!(share(5, 0, 0), 5);
    }

    proptest! {
        #[test]
        fn a_share_never_shrinks_and_never_exceeds(amount in 0_i64..i64::MAX / 2, whole in 1_u32..5000) {
            let mut last = 0;
            for part in [0, whole / 3, whole / 2, whole] {
                let now = share(amount, part, whole);
                prop_assert!(now >= last && now <= amount);
                last = now;
            }
            prop_assert_eq!(last, amount);
        }
    }
}
