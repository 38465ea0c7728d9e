//! How long to wait: after a failure twice as long each time, up to a limit; and never all at once.

use std::time::Duration;

use uuid::Uuid;

/// After so many failures in a row (the first is 1). Between half of it and all of it, by chance, so
/// that those who failed together do not come back together.
pub fn pause(failures: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(20)));
    let whole = doubled.min(longest);
    whole / 2 + (whole / 2).mul_f64(chance())
}

/// Off by up to a tenth, so that replicas that do something every `interval` do not fall in step.
pub fn about(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance())
}

/// Evenly between 0 and 1. Version 4 identifiers are random but for six bits, which are not among these.
fn chance() -> f64 {
    let random = Uuid::new_v4().as_u128() >> 96;
    let random = u32::try_from(random).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_differ() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(30));
        for (failures, whole) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 4),
            (5, 16),
            (6, 30),
            (u32::MAX, 30),
        ] {
            let whole = Duration::from_secs(whole);
            for _ in 0..100 {
                let pause = pause(failures, first, longest);
                assert!(
                    pause >= whole / 2 && pause <= whole,
                    "{failures}: {pause:?}"
                );
            }
        }
        assert_ne!(pause(6, first, longest), pause(6, first, longest));
    }
}
