//! Tests whether one rate is higher than another by more than chance: Fisher's exact test, one-sided.
//!
//! It is exact for any number of requests. With a small share, a window has few failures in the new application, and
//! tests that approximate with a normal distribution are then wrong. The test never trips more often than its level
//! says.

#![allow(clippy::cast_precision_loss, reason = "nobody has 2^53 requests in a window")]

/// The probability that the new side has this many of all failures or more, if both sides are the same. Each pair is
/// failures and requests.
pub fn fisher((bad, all): (u64, u64), (other_bad, other_all): (u64, u64)) -> f64 {
    let is_higher = u128::from(bad) * u128::from(other_all) > u128::from(other_bad) * u128::from(all);
    if !is_higher {
        return 1.0;
    }
    let failures = bad + other_bad;
    let first = ln_choose(all, bad) + ln_choose(other_all, other_bad) - ln_choose(all + other_all, failures);
    let mut term = first.exp();
    let mut sum = term;
    // Above the mean, each term is smaller than the one before.
    for more in bad..failures.min(all) {
        let taken = (all - more) as f64 * (failures - more) as f64;
        term *= taken / ((more + 1) as f64 * (other_all + more + 1 - failures) as f64);
        sum += term;
        if term < sum * 1e-15 {
            break;
        }
    }
    sum.min(1.0)
}

fn ln_choose(all: u64, some: u64) -> f64 {
    ln_factorial(all) - ln_factorial(some) - ln_factorial(all - some)
}

/// The logarithm of a factorial, by Stirling's series. The series is not accurate enough below 16.
fn ln_factorial(number: u64) -> f64 {
    if number < 16 {
        return (1..=number).map(|each| each as f64).product::<f64>().ln();
    }
    let n = number as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= expected * 1e-7, "{found} is not {expected}");
    }

    /// The expected values were computed as sums of exact fractions.
    #[test]
    fn known_tables_have_their_known_probability() {
        is_close(fisher((3, 4), (1, 4)), 0.242_857_142_857);
        is_close(fisher((10, 10), (0, 10)), 5.412_544_112_234e-6);
        is_close(fisher((6, 120), (4, 2280)), 2.461_988_076_368e-6);
        is_close(fisher((12, 200), (13, 400)), 0.087_197_068_797);
        is_close(fisher((30, 1000), (60, 3000)), 0.045_394_431_956);
        is_close(fisher((1, 100), (0, 1900)), 0.05);
        is_close(fisher((25, 500), (10, 20000)), 3.869_597_122_554e-33);
    }

    #[test]
    fn what_is_not_higher_is_not_significant() {
        for (new, old) in [((0, 0), (0, 0)), ((0, 100), (0, 100)), ((5, 100), (5, 100)), ((1, 100), (50, 100))] {
            assert!((fisher(new, old) - 1.0).abs() < f64::EPSILON, "{new:?} {old:?}");
        }
    }

    #[test]
    fn large_numbers_have_a_probability_too() {
        let chance = fisher((1_000, 1_000_000), (19_000, 20_000_000));
        assert!(chance > 0.01 && chance < 0.1, "{chance}");
        assert!(fisher((900_000, 1_000_000), (19_000, 20_000_000)) < 1e-100);
    }
}
