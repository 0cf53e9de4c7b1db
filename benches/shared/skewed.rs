//! Chance that prefers some: few users, teams and services are busy, most are not.

use super::random::Random;

/// A number below `bound`, low ones far more often, but all of them somewhere: half are spread evenly, half by a power
/// law.
pub fn skewed(random: &mut Random, bound: u64) -> u64 {
    let unit = random.next() as f64 / u64::MAX as f64;
    let power = if random.below(2) == 0 { 1.0 } else { 4.0 };
    ((bound as f64 * unit.powf(power)) as u64).min(bound - 1)
}
