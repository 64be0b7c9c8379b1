//! The answers of an endpoint that is asked by requests: the right ones, the wrong ones, and the wish
//! to be taken out.

use crate::engine::moment::Moment;

/// Maximum number of kinds of wrong answers that are kept of a run.
const MOST_KINDS: usize = 8;

/// A run of losses in which the target has answered wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct AnsweredRun {
    /// The send time of the first lost probe.
    began: Moment,
    /// The time at which the first wrong answer was received.
    pub(in crate::engine) known: Moment,
    /// The send time of the newest probe with a wrong answer.
    pub(in crate::engine) newest: Moment,
    /// The kinds of the wrong answers, each once, the newest last.
    kinds: Vec<String>,
}

impl AnsweredRun {
    /// Whether a probe elsewhere was sent after the first wrong answer of this run was received, and
    /// not after the newest probe of the run. An answer to an earlier one shows nothing: the cause
    /// of the failure may not have reached the other target yet. Nor does an answer to a later one: both
    /// targets may have recovered.
    pub(in crate::engine) fn covers(&self, sent: Moment) -> bool {
        self.known < sent && sent <= self.newest
    }

    /// Returns the kind of the newest wrong answer.
    pub(in crate::engine) fn kind(&self) -> &str {
        self.kinds.last().map_or("", String::as_str)
    }

    /// Whether an answer of this kind was given in this run.
    pub(in crate::engine) fn has(&self, kind: &str) -> bool {
        self.kinds.iter().any(|its| its == kind)
    }

    /// Adds a wrong answer of this kind to a probe sent at `sent`.
    fn add(&mut self, kind: &str, sent: Moment) {
        self.newest = self.newest.max(sent);
        self.kinds.retain(|its| its != kind);
        if self.kinds.len() == MOST_KINDS {
            self.kinds.remove(0);
        }
        self.kinds.push(kind.to_owned());
    }
}

/// The answers of one endpoint that is asked by requests. Other endpoints have none.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Answers {
    /// The send times of the two newest probes that were answered well.
    good: [Option<Moment>; 2],
    /// The newest run of losses with a wrong answer. It is kept until the endpoint is up again.
    pub(in crate::engine) run: Option<AnsweredRun>,
    /// The send time and the kind of the newest wrong answer.
    newest_wrong: Option<(Moment, String)>,
    /// Whether the target has asked to be taken out, since it was up.
    pub(in crate::engine) asked: bool,
    /// The send time of the newest probe to which it asked that.
    pub(in crate::engine) asked_at: Option<Moment>,
}

impl Answers {
    /// Records a wrong answer to a probe sent at `sent`, received at `now`, in a run of losses that
    /// began at `began`.
    pub(super) fn wrong(&mut self, kind: &str, [began, sent, now]: [Moment; 3]) {
        self.newest_wrong = Some((sent, kind.to_owned()));
        let run = self.run.take().filter(|run| run.began == began);
        let new = AnsweredRun { began, known: now, newest: sent, kinds: Vec::new() };
        self.run.insert(run.unwrap_or(new)).add(kind, sent);
    }

    /// Records that a probe sent at `sent` was answered well.
    pub(super) fn right(&mut self, sent: Moment) {
        self.good = [Some(sent), self.good[0]];
    }

    /// Iterates over the send times of the newest probes that were answered well.
    pub(in crate::engine) fn good(&self) -> impl Iterator<Item = Moment> + '_ {
        self.good.iter().flatten().copied()
    }

    /// Returns the send time and the kind of the newest wrong answer.
    pub(in crate::engine) fn newest_wrong(&self) -> Option<(Moment, &str)> {
        self.newest_wrong.as_ref().map(|(sent, kind)| (*sent, kind.as_str()))
    }

    /// Forgets the runs of losses, and the wish to be taken out: the endpoint is up.
    pub(super) fn is_up(&mut self) {
        self.run = None;
        self.asked = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_run_covers_the_probes_from_its_first_answer_to_its_newest_probe() {
        let mut answers = Answers::default();
        for (sent, received) in [(1000, 1050), (1400, 1450)] {
            answers.wrong("status 503", [1000, sent, received].map(at));
        }
        let run = answers.run.unwrap();
        for (sent, want) in [(500, false), (1050, false), (1051, true), (1400, true), (1401, false)]
        {
            assert_eq!(run.covers(at(sent)), want, "{sent}");
        }
    }

    #[test]
    fn the_two_newest_good_answers_are_kept_and_a_run_until_it_is_up() {
        let mut answers = Answers::default();
        for sent in [100, 200, 300] {
            answers.right(at(sent));
        }
        assert!(answers.good().eq([at(300), at(200)]));
        answers.wrong("status 503", [400, 500, 510].map(at));
        answers.asked = true;
        assert_eq!(answers.newest_wrong(), Some((at(500), "status 503")));
        assert_eq!(answers.run.as_ref().map(AnsweredRun::kind), Some("status 503"));
        answers.is_up();
        assert_eq!((answers.run.is_none(), answers.asked), (true, false));
    }

    #[test]
    fn a_run_has_its_newest_kinds_and_another_run_has_its_own() {
        let mut answers = Answers::default();
        for (n, kind) in (0_u64..).zip(["502", "500", "502", "1", "2", "3", "4", "5", "6", "7"]) {
            answers.wrong(kind, [1, n + 1, n + 2].map(at));
        }
        let run = answers.run.clone().unwrap();
        assert_eq!(run.kind(), "7");
        let kinds = ["502", "500", "1", "7"].map(|kind| run.has(kind));
        assert_eq!(kinds, [true, false, true, true]);
        answers.wrong("500", [20, 20, 21].map(at));
        let run = answers.run.unwrap();
        assert_eq!(["7", "500"].map(|kind| run.has(kind)), [false, true]);
    }
}
