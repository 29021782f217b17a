//! Splitting an amount into whole minor units whose sum is the amount.

/// Splits `amount` in proportion to `weights` by the largest remainder: each part is its exact share rounded down or up,
/// and the parts add up. Weights may be negative as long as their sum is not zero; where it is, the first takes all.
#[must_use]
pub fn apportion(amount: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if sum == 0 {
        let rest = weights.iter().skip(1).map(|_| 0);
        return weights.iter().take(1).map(|_| amount).chain(rest).collect();
    }
    // A negative sum turns every sign, so that remainders are never negative.
    let (whole, sign) = (sum.abs(), sum.signum());
    let exact = |weight: i64| i128::from(amount) * i128::from(weight) * sign;
    let mut parts: Vec<i128> = weights
        .iter()
        .map(|weight| exact(*weight).div_euclid(whole))
        .collect();
    let missing = i128::from(amount) - parts.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| {
        let weight = weights.get(*at).copied().unwrap_or(0);
        std::cmp::Reverse(exact(weight).rem_euclid(whole))
    });
    for at in order
        .into_iter()
        .take(usize::try_from(missing).unwrap_or(0))
    {
        if let Some(part) = parts.get_mut(at) {
            *part += 1;
        }
    }
    parts
        .into_iter()
        .map(|part| i64::try_from(part).unwrap_or(if part < 0 { i64::MIN } else { i64::MAX }))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_remainder_gets_what_rounding_leaves() {
        assert_eq!(apportion(-300, &[2200, 540]), [-241, -59]);
        assert_eq!(apportion(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(apportion(-880, &[1100, -220]), [-1100, 220]);
        assert_eq!(apportion(5, &[0, 0]), [5, 0]);
        assert_eq!(apportion(5, &[]), [0_i64; 0]);
        assert_eq!(apportion(7, &[-1, -1]), [4, 3]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_moves_by_a_unit(
            amount in -1_000_000_000_i64..1_000_000_000,
            weights in prop::collection::vec(-1_000_000_i64..1_000_000, 1..8),
        ) {
            let parts = apportion(amount, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            let sum: i64 = weights.iter().sum();
            if sum != 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let off = i128::from(*part) * i128::from(sum) - i128::from(amount) * i128::from(*weight);
                    prop_assert!(off.abs() < i128::from(sum).abs());
                }
                prop_assert_eq!(apportion(sum, &weights), weights);
            }
        }
    }
}
