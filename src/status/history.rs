//! The last minute and the last hour of one target's probes, in fixed memory.
//!
//! One writer, the event loop, adds outcomes. Any number of readers read them and never delay the
//! writer: a minute is one atomic word, so that it is read whole. A target takes 550 bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of minutes that are kept, including the current one.
pub const MINUTES: usize = 60;

/// The outcomes of the probes of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minute {
    /// The number of probes answered in time.
    pub replies: u16,
    /// The number of lost probes.
    pub losses: u16,
    /// The mean round-trip time in microseconds; 0 without replies.
    pub mean_rtt_us: u32,
}

impl Minute {
    fn pack(self) -> u64 {
        u64::from(self.replies) << 48 | u64::from(self.losses) << 32 | u64::from(self.mean_rtt_us)
    }

    fn unpack(word: u64) -> Self {
        let bytes = word.to_be_bytes();
        Self {
            replies: u16::from_be_bytes([bytes[0], bytes[1]]),
            losses: u16::from_be_bytes([bytes[2], bytes[3]]),
            mean_rtt_us: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        }
    }

    fn reply(self, rtt: Duration) -> Self {
        let rtt = i64::from(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
        let replies = self.replies.saturating_add(1);
        let mean = i64::from(self.mean_rtt_us);
        let mean = mean + (rtt - mean) / i64::from(replies);
        Self { replies, mean_rtt_us: u32::try_from(mean).unwrap_or(u32::MAX), ..self }
    }

    fn loss(self) -> Self {
        Self { losses: self.losses.saturating_add(1), ..self }
    }
}

/// The last hour by the minute.
///
/// Time is counted in whole minutes since the board was made. Each minute has its place in a ring.
#[derive(Debug)]
pub(super) struct History {
    minutes: [AtomicU64; MINUTES],
    /// The newest minute that has been opened.
    newest: AtomicU64,
}

impl Default for History {
    fn default() -> Self {
        Self { minutes: [const { AtomicU64::new(0) }; MINUTES], newest: AtomicU64::new(0) }
    }
}

impl History {
    /// Returns a history with the same minutes that changes on its own. For the writer alone.
    pub(super) fn duplicate(&self) -> Self {
        let minutes = self.minutes.each_ref();
        Self {
            minutes: minutes.map(|minute| AtomicU64::new(minute.load(Ordering::Relaxed))),
            newest: AtomicU64::new(self.newest.load(Ordering::Relaxed)),
        }
    }

    /// Adds a reply received in `minute`. For the writer alone.
    pub(super) fn reply(&self, minute: u64, rtt: Duration) {
        self.update(minute, |word| word.reply(rtt));
    }

    /// Adds a loss judged in `minute`. For the writer alone.
    pub(super) fn loss(&self, minute: u64) {
        self.update(minute, Minute::loss);
    }

    fn update(&self, minute: u64, change: impl FnOnce(Minute) -> Minute) {
        let newest = self.newest.load(Ordering::Relaxed);
        let minute = minute.max(newest); // an outcome a little late belongs to the open minute
        self.open(newest, minute);
        let place = self.place(minute);
        let word = change(Minute::unpack(place.load(Ordering::Relaxed)));
        place.store(word.pack(), Ordering::Relaxed);
    }

    /// Clears the minutes after the newest one up to `minute`, the oldest first.
    fn open(&self, newest: u64, minute: u64) {
        let stale = minute.saturating_sub(newest).min(MINUTES as u64);
        for passed in (0..stale).rev() {
            self.place(minute - passed).store(0, Ordering::Relaxed);
        }
        self.newest.store(minute, Ordering::Release);
    }

    fn place(&self, minute: u64) -> &AtomicU64 {
        let place = usize::try_from(minute % MINUTES as u64).unwrap_or_default();
        &self.minutes[place]
    }

    /// Returns the hour that ends with `minute`, the oldest minute first: always [`MINUTES`] of them.
    pub(super) fn hour(&self, minute: u64) -> Vec<Minute> {
        let newest = self.newest.load(Ordering::Acquire);
        let kept = (newest + 1).saturating_sub(MINUTES as u64)..=newest;
        (0..MINUTES as u64)
            .rev()
            .map(|ago| match minute.checked_sub(ago) {
                Some(at) if kept.contains(&at) => {
                    Minute::unpack(self.place(at).load(Ordering::Relaxed))
                }
                _ => Minute::default(),
            })
            .collect()
    }
}

/// The share of lost probes in the last minute, counted in slices of 5 s.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// The numbers of replies and losses in each slice.
    slices: [(u16, u16); SLICES],
    newest: u64,
}

const SLICES: usize = 12;
const SLICE: u64 = 5;

impl Window {
    /// Adds one outcome, `second` seconds after the board was made.
    pub(super) fn add(&mut self, second: u64, lost: bool) {
        self.advance(second);
        let slice = &mut self.slices[Self::place(self.newest)];
        let count = if lost { &mut slice.1 } else { &mut slice.0 };
        *count = count.saturating_add(1);
    }

    /// Returns the share of lost probes, 0 to 1; `None` without any probe.
    pub(super) fn loss(&mut self, second: u64) -> Option<f64> {
        self.advance(second);
        let replies: u32 = self.slices.iter().map(|(replies, _)| u32::from(*replies)).sum();
        let losses: u32 = self.slices.iter().map(|(_, losses)| u32::from(*losses)).sum();
        (losses + replies > 0).then(|| f64::from(losses) / f64::from(losses + replies))
    }

    fn advance(&mut self, second: u64) {
        let slice = (second / SLICE).max(self.newest);
        for passed in 0..(slice - self.newest).min(SLICES as u64) {
            self.slices[Self::place(slice - passed)] = (0, 0);
        }
        self.newest = slice;
    }

    fn place(slice: u64) -> usize {
        usize::try_from(slice % SLICES as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_micros(1_500);

    #[test]
    fn an_hour_is_sixty_minutes_with_the_newest_last() {
        let history = History::default();
        for minute in 0..100 {
            history.reply(minute, Duration::from_micros(minute));
            history.loss(minute);
        }
        let hour = history.hour(99);
        let rtts: Vec<u32> = hour.iter().map(|minute| minute.mean_rtt_us).collect();
        assert_eq!(rtts, (40..100).collect::<Vec<u32>>());
        assert!(hour.iter().all(|minute| (minute.replies, minute.losses) == (1, 1)), "{hour:?}");
    }

    /// Returns the places of the minutes that are not empty.
    fn filled(hour: &[Minute]) -> Vec<usize> {
        let places = hour.iter().enumerate();
        places.filter(|(_, minute)| **minute != Minute::default()).map(|(place, _)| place).collect()
    }

    #[test]
    fn minutes_without_probes_are_empty_and_never_an_older_hours() {
        let history = History::default();
        (0..60).for_each(|minute| history.reply(minute, RTT));
        history.loss(75);
        // At minute 75 the hour is 16 to 75; minutes 60 to 74 had no probes.
        let want: Vec<usize> = (0..44).chain([59]).collect();
        assert_eq!(filled(&history.hour(75)), want);
        // No outcome for a long time.
        assert_eq!(filled(&history.hour(1_000)), Vec::<usize>::new());
        // An outcome after that finds a clean ring.
        history.reply(10_000, RTT);
        assert_eq!(filled(&history.hour(10_000)), [59]);
    }

    #[test]
    fn a_minute_holds_the_mean_and_survives_packing() {
        let history = History::default();
        for micros in [1_000, 2_000, 6_000] {
            history.reply(0, Duration::from_micros(micros));
        }
        history.loss(0);
        let want = Minute { replies: 3, losses: 1, mean_rtt_us: 3_000 };
        assert_eq!(history.hour(0)[59], want);
        for minute in [want, Minute { replies: u16::MAX, losses: 0, mean_rtt_us: u32::MAX }] {
            assert_eq!(Minute::unpack(minute.pack()), minute);
        }
    }

    #[test]
    fn more_outcomes_than_a_minute_can_hold_do_no_harm() {
        let history = History::default();
        for _ in 0..70_000 {
            history.reply(0, Duration::from_hours(2));
            history.loss(0);
        }
        let minute = history.hour(0)[59];
        assert_eq!((minute.replies, minute.losses, minute.mean_rtt_us), (65_535, 65_535, u32::MAX));
    }

    #[test]
    fn an_outcome_judged_after_its_minute_counts_in_the_current_one() {
        let history = History::default();
        history.reply(5, RTT);
        history.loss(4);
        let hour = history.hour(5);
        assert_eq!((hour[58], hour[59].losses), (Minute::default(), 1));
    }

    #[test]
    fn the_window_forgets_after_a_minute() {
        // One probe a second, `x` for a loss; the second of the query, and the expected share.
        let cases = [
            ("nothing yet", "", 0, None),
            ("all lost", "xx", 3, Some(1.0)),
            ("one in four", "x...", 10, Some(0.25)),
            ("still there after 55 s", "x.", 55, Some(0.5)),
            ("gone after a minute", "x.", 60, None),
            ("long silence", "x.", 100_000, None),
        ];
        for (name, probes, asked, want) in cases {
            let mut window = Window::default();
            for (second, probe) in (1..).zip(probes.chars()) {
                window.add(second, probe == 'x');
            }
            let got = window.loss(asked);
            assert_eq!(got, want, "{name}");
        }
    }
}
