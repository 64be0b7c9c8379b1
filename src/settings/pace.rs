//! Detection and recovery times, derived from the pace of probing.

use std::time::Duration;

use super::Probing;

/// Lower and upper bound of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// The delay in the best case.
    pub best: Duration,
    /// The delay in the worst case.
    pub worst: Duration,
}

impl Probing {
    /// Returns the time from the last moment at which a target could have answered until it is seen
    /// down.
    ///
    /// With `N = failure_threshold`: the first lost probe starts at once in the best case and an
    /// interval later in the worst. The other `N - 1` follow every `retry_interval`, and the last
    /// of them is a loss when its timeout expires.
    ///
    /// ```text
    /// best  =            (N - 1) × retry_interval + timeout
    /// worst = interval + (N - 1) × retry_interval + timeout
    /// ```
    pub fn detection(&self) -> Delay {
        let best = self.retry_interval * (self.failure_threshold.get() - 1) + self.timeout;
        Delay { best, worst: self.interval + best }
    }

    /// Returns the time from the moment a target that is down answers again until it is seen up.
    ///
    /// With `M = recovery_threshold` and probes a whole `interval` apart. One round trip is added
    /// in both cases and not counted here:
    ///
    /// ```text
    /// best  = (M - 1) × interval
    /// worst =  M      × interval
    /// ```
    pub fn recovery(&self) -> Delay {
        let best = self.interval * (self.recovery_threshold.get() - 1);
        Delay { best, worst: self.interval + best }
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;

    /// `pace` holds interval, timeout and retry interval in milliseconds, and the two thresholds.
    fn probing(pace: (u64, u64, u64, u32, u32)) -> Probing {
        let (interval, timeout, retry, failures, replies) = pace;
        Probing {
            failure_threshold: NonZeroU32::new(failures).unwrap(),
            recovery_threshold: NonZeroU32::new(replies).unwrap(),
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            retry_interval: Duration::from_millis(retry),
            burst: NonZeroUsize::MIN,
        }
    }

    #[test]
    fn detection_and_recovery_follow_their_formulas() {
        let cases = [
            ("the design's figures", (1000, 500, 200, 3, 3), [900, 1900, 2000, 3000]),
            ("the defaults", (2000, 2000, 2000, 3, 3), [6000, 8000, 4000, 6000]),
            ("one loss decides", (1000, 100, 200, 1, 1), [100, 1100, 0, 1000]),
            ("slow back, fast away", (1000, 1000, 50, 2, 10), [1050, 2050, 9000, 10_000]),
        ];
        for (name, pace, want) in cases {
            let probing = probing(pace);
            let (down, up) = (probing.detection(), probing.recovery());
            let got = [down.best, down.worst, up.best, up.worst].map(|delay| delay.as_millis());
            assert_eq!(got, want, "{name}");
        }
    }
}
