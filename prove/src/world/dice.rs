//! What a seed decides.

use std::ops::RangeInclusive;

use hikiate_sdk::faulty::Prng;

/// Every choice of a run comes from here, in the order in which it is asked.
pub(super) struct Dice(Prng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Prng::new(seed))
    }

    /// A number of the range.
    pub(super) fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.0.below(high - low + 1)
    }

    /// True so many times out of a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.0.below(100) < chance
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).unwrap();
        &all[usize::try_from(self.0.below(count)).unwrap()]
    }

    /// Brings them into another order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            let other = usize::try_from(self.0.below(u64::try_from(at + 1).unwrap())).unwrap();
            all.swap(at, other);
        }
    }

    /// A seed for something else.
    pub(super) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }
}
