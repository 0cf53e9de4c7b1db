//! A small seeded generator (SplitMix64): the same seed gives the same test on every machine.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Cuts `items` into runs of 1 to `len_max`.
    pub fn batches<'a, T>(&mut self, mut items: &'a [T], len_max: usize) -> Vec<&'a [T]> {
        let mut batches = Vec::new();
        while !items.is_empty() {
            let len = 1 + self.below(len_max.min(items.len()));
            let (batch, rest) = items.split_at(len);
            batches.push(batch);
            items = rest;
        }
        batches
    }
}

/// Runs `round` with one seed after another; a failure prints the seed that repeats it alone.
pub fn rounds(default: u64, mut round: impl FnMut(&mut Random)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("ANALYTICS_TEST_SEED") {
        return round(&mut Random::new(seed));
    }
    for seed in 1..=number("ANALYTICS_TEST_ROUNDS").unwrap_or(default) {
        let _told = TellSeed(seed);
        round(&mut Random::new(seed));
    }
}

struct TellSeed(u64);

impl Drop for TellSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {0}; repeat it alone with ANALYTICS_TEST_SEED={0}", self.0);
        }
    }
}
