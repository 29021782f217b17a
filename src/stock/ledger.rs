//! The ledger: on hand is the last count plus what moved since it was taken.

use chrono::{DateTime, Duration, Utc};

/// A movement of stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// When it took effect, by the clock of whoever reported it.
    pub effective_at: DateTime<Utc>,
    /// Items; negative leaves.
    pub quantity: i64,
}

/// Items on hand: the counted quantity plus the movements it cannot contain.
///
/// Within `skew` of the count nobody can say whether a movement is in it. There the pessimistic reading holds:
/// what left is taken to be missing from the count still, what came to be in it already.
#[must_use]
pub fn on_hand(
    base_quantity: i64,
    base_as_of: DateTime<Utc>,
    movements: &[Movement],
    skew: Duration,
) -> i64 {
    let skew = skew.abs();
    let since = movements.iter().filter(|movement| {
        let after = movement.effective_at.signed_duration_since(base_as_of);
        if movement.quantity < 0 {
            after >= -skew
        } else {
            after > skew
        }
    });
    since.fold(base_quantity, |sum, movement| {
        sum.saturating_add(movement.quantity)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    fn moved(seconds: i64, quantity: i64) -> Movement {
        Movement {
            effective_at: at(seconds),
            quantity,
        }
    }

    #[test]
    fn movements_after_the_count_are_added_and_those_before_are_in_it() {
        let movements = [
            moved(-500, -2),
            moved(500, -3),
            moved(600, 10),
            moved(-600, 7),
        ];
        assert_eq!(on_hand(20, at(0), &movements, Duration::seconds(60)), 27);
    }

    #[test]
    fn near_the_count_the_pessimistic_reading_holds() {
        let skew = Duration::seconds(60);
        for offset in [-60, -1, 0, 1, 60] {
            assert_eq!(
                on_hand(20, at(0), &[moved(offset, -3)], skew),
                17,
                "{offset}"
            );
            assert_eq!(
                on_hand(20, at(0), &[moved(offset, 3)], skew),
                20,
                "{offset}"
            );
        }
        assert_eq!(on_hand(20, at(0), &[moved(-61, -3)], skew), 20);
        assert_eq!(on_hand(20, at(0), &[moved(61, 3)], skew), 23);
    }

    #[test]
    fn a_late_movement_changes_the_same_sum_whenever_it_becomes_known() {
        let mut movements = vec![moved(100, -1)];
        assert_eq!(on_hand(5, at(0), &movements, Duration::zero()), 4);
        movements.push(moved(-100, -1));
        assert_eq!(on_hand(5, at(0), &movements, Duration::zero()), 4);
        movements.push(moved(50, -1));
        assert_eq!(on_hand(5, at(0), &movements, Duration::zero()), 3);
    }

    #[test]
    fn without_skew_a_movement_at_the_very_moment_counts_when_it_left() {
        assert_eq!(
            on_hand(5, at(0), &[moved(0, -1), moved(0, 1)], Duration::zero()),
            4
        );
    }
}
