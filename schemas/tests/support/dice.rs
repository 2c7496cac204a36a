//! Random choices from a printed seed.

/// SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by the environment's `variable`, or by the clock; says so.
    pub(crate) fn from_env(variable: &str) -> Self {
        let asked = std::env::var(variable).ok().and_then(|text| text.parse().ok());
        let seed = asked.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(7, |now| now.subsec_nanos().into())
        });
        eprintln!("{variable}={seed}");
        Self(seed)
    }

    /// Always the same ones.
    #[allow(dead_code, reason = "not every test that shares this module has fixed cases")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// How many cases to try: the environment's `variable`, or `usual`.
    pub(crate) fn cases(&self, variable: &str, usual: u64) -> u64 {
        std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}
