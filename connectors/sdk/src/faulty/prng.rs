//! A small deterministic generator, so that a failing seed replays.

/// SplitMix64. The same seed gives the same series on every machine and version; not for secrets.
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    /// Starts a series.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// True this many times out of a thousand.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_series() {
        let series = |seed| {
            let mut p = Prng::new(seed);
            [p.next_u64(), p.next_u64(), p.next_u64()]
        };
        assert_eq!(series(7), series(7));
        assert_ne!(series(7), series(8));
        assert_eq!(Prng::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
        let mut prng = Prng::new(1);
        let hits = (0..10_000).filter(|_| prng.per_mille(100)).count();
        assert!((900..1100).contains(&hits), "{hits}");
        assert_eq!(prng.below(0), 0);
    }
}
