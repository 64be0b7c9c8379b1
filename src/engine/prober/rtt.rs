//! Estimates from a target's own round trips when a reply is overdue.

use std::time::Duration;

/// The minimum time after which a reply can be considered overdue.
pub(crate) const MIN_OVERDUE: Duration = Duration::from_millis(50);

/// Smoothed round-trip time and its variation.
///
/// Source: RFC 6298, section 2: gains 1/8 and 1/4, timeout SRTT + 4 × RTTVAR. The minimum is
/// goavail's own ([`MIN_OVERDUE`]), since an overdue reply here only hastens the next probe.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RoundTrip {
    /// SRTT and RTTVAR in seconds, once anything was measured.
    estimate: Option<(f64, f64)>,
    /// The time after sending at which a reply is overdue. It is needed several times for each probe.
    overdue_after: Option<Duration>,
}

impl RoundTrip {
    /// Adds a measured round trip to the estimate.
    pub(crate) fn measure(&mut self, rtt: Duration) {
        let sample = rtt.as_secs_f64();
        let (smoothed, variation) = match self.estimate {
            None => (sample, sample / 2.0),
            Some((smoothed, variation)) => (
                smoothed + (sample - smoothed) / 8.0,
                variation + ((smoothed - sample).abs() - variation) / 4.0,
            ),
        };
        self.estimate = Some((smoothed, variation));
        let overdue_after = Duration::from_secs_f64(smoothed + 4.0 * variation);
        self.overdue_after = Some(overdue_after.max(MIN_OVERDUE));
    }

    /// Returns the time after sending at which a reply is overdue; `None` before the first
    /// measurement.
    pub(crate) fn overdue_after(&self) -> Option<Duration> {
        self.overdue_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples_ms: &[u64]) -> Option<Duration> {
        let mut rtt = RoundTrip::default();
        for ms in samples_ms {
            rtt.measure(Duration::from_millis(*ms));
        }
        rtt.overdue_after()
    }

    #[test]
    fn a_reply_is_overdue_by_the_targets_own_measure() {
        let cases = [
            ("nothing measured, nothing overdue", &[][..], None),
            ("the first sample counts three times", &[100][..], Some(300)),
            ("a near target is overdue after the minimum", &[1, 1, 1][..], Some(50)),
            ("zero is no trap", &[0][..], Some(50)),
        ];
        for (name, samples, want) in cases {
            assert_eq!(after(samples), want.map(Duration::from_millis), "{name}");
        }
    }

    #[test]
    fn a_steady_target_is_soon_given_little_more_than_its_round_trip() {
        let overdue_after = after(&[200; 60]).unwrap();
        assert!(overdue_after < Duration::from_millis(201), "{overdue_after:?}");
    }

    #[test]
    fn an_unsteady_target_is_given_room() {
        let overdue_after = after(&[100, 300].repeat(30)).unwrap();
        assert!(overdue_after > Duration::from_millis(500), "{overdue_after:?}");
    }
}
