//! A bucket of tokens: so many at once, so many a second.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In the long run, a second.
    pub per_second: f64,
    /// At once, after a rest.
    pub burst: u32,
}

impl Rate {
    /// A rate.
    pub const fn new(per_second: f64, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// This part of it, at least one at once.
    pub fn share(self, part: f64) -> Self {
        Self {
            per_second: self.per_second * part,
            burst: ((f64::from(self.burst) * part) as u32).max(1),
        }
    }
}

/// What is left of a [Rate].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: f64::from(rate.burst),
            at: now,
        }
    }

    /// Takes one token, or says how long to wait for it.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A rate of next to nothing waits for long, not for an overflow.
        let seconds = (1.0 - self.tokens) / rate.per_second.max(1e-6);
        Err(Duration::from_secs_f64(seconds.min(86_400.0)))
    }

    /// Gives one token back. A full bucket stays full.
    pub(crate) fn give(&mut self, rate: Rate) {
        self.tokens = (self.tokens + 1.0).min(f64::from(rate.burst));
    }

    /// Whether nothing was taken that has not come back.
    pub(crate) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.refill(rate, now);
        self.tokens >= f64::from(rate.burst)
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate.per_second).min(f64::from(rate.burst));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let (rate, start) = (Rate::new(2.0, 3), Instant::now());
        let mut bucket = Bucket::new(rate, start);
        assert!((0..3).all(|_| bucket.take(rate, start).is_ok()));
        assert_eq!(bucket.take(rate, start), Err(Duration::from_millis(500)));
        assert!(bucket.take(rate, start + Duration::from_millis(500)).is_ok());
        assert!(bucket.take(rate, start + Duration::from_millis(600)).is_err());
        assert!(bucket.is_full(rate, start + Duration::from_secs(10)));
        assert_eq!(bucket.tokens, 3.0);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_never_more_than_the_burst() {
        let (rate, start) = (Rate::new(0.0, 2), Instant::now());
        let mut bucket = Bucket::new(rate, start);
        assert!((0..2).all(|_| bucket.take(rate, start).is_ok()));
        bucket.give(rate);
        assert!(bucket.take(rate, start).is_ok());
        assert!(bucket.take(rate, start).is_err());
        for _ in 0..5 {
            bucket.give(rate);
        }
        assert!((0..2).all(|_| bucket.take(rate, start).is_ok()));
        assert!(bucket.take(rate, start).is_err());
    }
}
