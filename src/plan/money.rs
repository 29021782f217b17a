//! Money: what is due for what has left. Goods in proportion, everything else with the first unit.

use hikiate_sdk::{Charge, ChargeKind, LineKey};

use super::view::{Left, View};

/// `amount × part / whole`, rounded half away from zero; all of it from `part = whole` on.
#[must_use]
pub fn share(amount: i64, part: u32, whole: u32) -> i64 {
    if part >= whole {
        return amount;
    }
    divide(i128::from(amount) * i128::from(part), i128::from(whole))
}

/// The tax inside a gross amount at a rate in basis points, rounded half away from zero.
#[must_use]
pub fn tax_inside(gross: i64, rate_bp: u32) -> i64 {
    divide(
        i128::from(gross) * i128::from(rate_bp),
        10_000 + i128::from(rate_bp),
    )
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
    /// The part of a charge that is due: as (of, in) for [`share`].
    fn part(&self, charge: &Charge, left: &Left) -> (u32, u32) {
        let of_goods = |key: &LineKey| {
            let line = self.lines.iter().find(|line| line.key == *key)?;
            (line.item_id.is_some() || self.is_unknown(key)).then_some(line)
        };
        let goods = charge
            .line
            .as_ref()
            .filter(|_| charge.kind == ChargeKind::Goods);
        match goods.and_then(of_goods) {
            Some(line) => (left.get(&line.key).copied().unwrap_or(0), line.ordered),
            None => (u32::from(left.values().any(|items| *items > 0)), 1),
        }
    }

    /// Goods of ours whose code nobody has mapped yet: what they cost is due once they ship, like that of all goods.
    fn is_unknown(&self, key: &LineKey) -> bool {
        let mut lines = self.order.lines.iter();
        let line = lines.find(|line| line.key == *key);
        line.is_some_and(|line| self.is_unmapped(line))
    }

    /// What is due of a charge's amount once this much has left; none of it before anything has.
    pub(crate) fn due_of(&self, charge: &Charge, amount: i64, left: &Left) -> i64 {
        if left.values().all(|items| *items == 0) {
            return 0;
        }
        let (part, whole) = self.part(charge, left);
        share(amount, part, whole)
    }

    /// What is due in all, between nothing and the total; `None` while an amount is unknown.
    pub(crate) fn due(&self, left: &Left) -> Option<i64> {
        let total = self.order.total?;
        let mut sum = 0_i128;
        for charge in &self.order.charges {
            sum += i128::from(self.due_of(charge, charge.gross?, left));
        }
        let due = i64::try_from(sum).unwrap_or(i64::MAX);
        Some(due.clamp(0, total.max(0)))
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

    #[test]
    fn tax_is_taken_from_inside() {
        assert_eq!(tax_inside(1100, 1000), 100);
        assert_eq!(tax_inside(1080, 800), 80);
        assert_eq!(tax_inside(999, 1000), 91);
        assert_eq!(tax_inside(-1100, 1000), -100);
        assert_eq!(tax_inside(500, 0), 0);
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
