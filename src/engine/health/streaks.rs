//! Replies and losses of one target, and when they flip its health.

use super::evidence::Evidence;
use crate::engine::journal::SubjectState;
use crate::engine::moment::Moment;
use crate::engine::types::{Health, Thresholds};

/// The running counts of one target.
///
/// Replies reset the losses as soon as they are received. They are counted towards recovery in the
/// order in which their probes were sent, once all earlier ones are judged: a target that answers
/// every other probe therefore never completes a run, however long its timeout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Streaks {
    health: Health,
    losses: u32,
    replies: u32,
    /// The send time of the first lost probe in the current run of losses.
    run_began: Option<Moment>,
    /// Losses of probes sent up to this time no longer count.
    evidence_after: Option<Moment>,
    /// The time of the last reply within the timeout.
    last_reply: Option<Moment>,
}

impl Default for Streaks {
    fn default() -> Self {
        Self {
            health: Health::AssumedUp,
            losses: 0,
            replies: 0,
            run_began: None,
            evidence_after: None,
            last_reply: None,
        }
    }
}

impl Streaks {
    /// Returns the current health.
    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// Returns the number of losses in a row, 0 after a reply.
    pub(crate) fn losses(&self) -> u32 {
        self.losses
    }

    /// Returns the number of replies in a row, 0 after a loss.
    pub(crate) fn replies(&self) -> u32 {
        self.replies
    }

    /// Returns the send time of the first lost probe in the current run of losses.
    pub(crate) fn run_began(&self) -> Option<Moment> {
        self.run_began
    }

    /// Returns the time of the last reply within the timeout.
    pub(crate) fn last_reply(&self) -> Option<Moment> {
        self.last_reply
    }

    /// Records a reply in time, which ends the run of losses.
    pub(crate) fn receive_reply(&mut self, at: Moment) {
        self.last_reply = self.last_reply.max(Some(at));
        self.start_losses_over(at);
    }

    /// Forgets the current run of losses; probes sent up to `after` no longer count.
    pub(crate) fn start_losses_over(&mut self, after: Moment) {
        self.evidence_after = self.evidence_after.max(Some(after));
        self.losses = 0;
        self.run_began = None;
    }

    /// Counts the loss of a probe sent at `sent`; returns whether it counted.
    ///
    /// A loss counts only if its probe was sent after the newest reply in time was received.
    pub(crate) fn record_loss(&mut self, sent: Moment) -> bool {
        if !self.would_count(sent) {
            return false;
        }
        self.losses = self.losses.saturating_add(1);
        self.run_began = self.run_began.or(Some(sent));
        true
    }

    /// Whether the loss of a probe sent at `sent` would count.
    pub(crate) fn would_count(&self, sent: Moment) -> bool {
        self.evidence_after.is_none_or(|after| sent > after)
    }

    /// Counts this many more losses in a row, which all count.
    pub(crate) fn record_losses(&mut self, count: u32) {
        self.losses = self.losses.saturating_add(count);
    }

    /// Returns the counts, with the evidence, for a journal.
    pub(crate) fn state(&self, evidence: &Evidence) -> SubjectState {
        SubjectState {
            health: self.health,
            losses: self.losses,
            replies: self.replies,
            run_began: self.run_began,
            evidence_after: self.evidence_after,
            last_reply: self.last_reply,
            judged: evidence.judged,
            proof: evidence.proof,
        }
    }

    /// Returns counts as a journal has them.
    pub(crate) fn of_state(state: &SubjectState) -> Self {
        Self {
            health: state.health,
            losses: state.losses,
            replies: state.replies,
            run_began: state.run_began,
            evidence_after: state.evidence_after,
            last_reply: state.last_reply,
        }
    }

    /// Whether there are enough losses in a row to flip it down, and it is not down.
    pub(crate) fn is_missing(&self, thresholds: Thresholds) -> bool {
        self.health != Health::Down && self.losses >= thresholds.failure.get()
    }

    /// Flips the health down. The caller has made sure that the run of losses is complete and
    /// counts as evidence.
    pub(crate) fn flip_down(&mut self) {
        self.health = Health::Down;
        self.replies = 0;
    }

    /// Counts one outcome towards recovery, in the order of sending; returns whether this one
    /// flipped it up or confirmed the assumed up.
    pub(crate) fn count_in_order(&mut self, replied: bool, thresholds: Thresholds) -> bool {
        self.replies = if replied { self.replies.saturating_add(1) } else { 0 };
        let flips = self.health != Health::Up && self.replies >= thresholds.recovery.get();
        if flips {
            self.health = Health::Up;
        }
        flips
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn thresholds(failure: u32, recovery: u32) -> Thresholds {
        let [failure, recovery] = [failure, recovery].map(|n| NonZeroU32::new(n).unwrap());
        Thresholds { failure, recovery }
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// Plays one probe a second, each judged before the next is sent. `r` reply, `x` loss. The
    /// result has `D` or `U` where a probe flips the target, `.` where it does not.
    fn play(probes: &str, thresholds: Thresholds) -> String {
        let mut streaks = Streaks::default();
        let mut flips = String::new();
        for (second, probe) in (0..).zip(probes.chars()) {
            let replied = probe == 'r';
            if replied {
                streaks.receive_reply(at(second) + Duration::from_millis(10));
            } else {
                streaks.record_loss(at(second));
            }
            let up = streaks.count_in_order(replied, thresholds);
            let down = streaks.is_missing(thresholds);
            if down {
                streaks.flip_down();
            }
            flips.push(if up {
                'U'
            } else if down {
                'D'
            } else {
                '.'
            });
        }
        flips
    }

    #[test]
    fn exactly_so_many_in_a_row_flip_it() {
        let cases = [
            ("three losses take it down", (3, 3), "xxx", "..D"),
            ("two losses do not", (3, 3), "xxrrr", "....U"),
            ("a reply restarts the count", (3, 3), "xxrxxx", ".....D"),
            ("three replies confirm the assumed up, once", (3, 3), "rrrrrr", "..U..."),
            ("a loss delays the confirmation only", (3, 3), "rrxrrr", ".....U"),
            ("three replies bring it back", (3, 3), "xxxrrr", "..D..U"),
            ("a loss restarts the way back", (3, 2), "xxxrxrr", "..D...U"),
            ("down stays down quietly", (3, 3), "xxxxxx", "..D..."),
            ("one loss suffices where it was asked for", (1, 1), "xrx", "DUD"),
            ("one lost probe changes nothing", (3, 3), "rrrxrrrr", "..U....."),
        ];
        for (name, (failure, recovery), probes, want) in cases {
            assert_eq!(play(probes, thresholds(failure, recovery)), want, "{name}: {probes}");
        }
    }

    #[test]
    fn a_loss_counts_only_if_its_probe_was_sent_after_the_newest_reply_was_received() {
        let mut streaks = Streaks::default();
        streaks.receive_reply(at(10));
        assert!(!streaks.record_loss(at(9)), "sent before the reply was received");
        assert!(!streaks.record_loss(at(10)), "sent at the very moment");
        assert!(streaks.record_loss(at(11)), "sent after it");
        streaks.receive_reply(at(5));
        assert_eq!(streaks.last_reply(), Some(at(10)), "an older reply does not turn time back");
    }

    #[test]
    fn starting_over_voids_probes_already_on_their_way() {
        let mut streaks = Streaks::default();
        streaks.record_loss(at(1));
        streaks.start_losses_over(at(3));
        assert_eq!((streaks.losses(), streaks.run_began()), (0, None));
        assert!(!streaks.record_loss(at(2)));
        assert!(streaks.record_loss(at(4)));
        assert_eq!(streaks.run_began(), Some(at(4)));
    }

    proptest! {
        #[test]
        fn no_flip_without_a_full_run(
            probes in "[rx]{0,60}", failure in 1u32..6, recovery in 1u32..6,
        ) {
            let flips = play(&probes, thresholds(failure, recovery));
            for (at, flip) in flips.char_indices() {
                let run = match flip { 'D' => "x".repeat(failure as usize), 'U' => "r".repeat(recovery as usize), _ => continue };
                prop_assert!(probes[..=at].ends_with(&run), "{probes}\n{flips} at {at}");
            }
            let order: String = flips.chars().filter(|flip| *flip != '.').collect();
            prop_assert!(!order.contains("DD") && !order.contains("UU"), "{probes}\n{flips}");
        }
    }
}
