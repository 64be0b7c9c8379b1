//! The answers of an endpoint that is asked by requests: the right ones, the wrong ones, and the wish
//! to be taken out.

use crate::engine::moment::Moment;

/// A run of losses in which the target has answered wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct AnsweredRun {
    /// The send time of the first lost probe.
    pub(in crate::engine) began: Moment,
    /// The send time of the newest probe with a wrong answer.
    pub(in crate::engine) newest: Moment,
    /// The kind of the newest wrong answer.
    pub(in crate::engine) kind: String,
}

impl AnsweredRun {
    /// Whether a probe elsewhere was sent after this run began, and not after the newest probe of the
    /// run. An answer to a later one shows nothing: both targets may have recovered.
    pub(in crate::engine) fn covers(&self, sent: Moment) -> bool {
        self.began < sent && sent <= self.newest
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
}

impl Answers {
    /// Records a wrong answer to a probe sent at `sent`, in a run of losses that began at `began`.
    pub(super) fn wrong(&mut self, kind: &str, sent: Moment, began: Moment) {
        self.newest_wrong = Some((sent, kind.to_owned()));
        self.run = Some(AnsweredRun { began, newest: sent, kind: kind.to_owned() });
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
    fn a_run_covers_the_probes_from_its_first_to_its_newest() {
        let run = AnsweredRun { began: at(1000), newest: at(1400), kind: "status 503".into() };
        for (sent, want) in [(500, false), (1000, false), (1100, true), (1400, true), (1401, false)]
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
        answers.wrong("status 503", at(500), at(400));
        answers.asked = true;
        assert_eq!(answers.newest_wrong(), Some((at(500), "status 503")));
        let run = AnsweredRun { began: at(400), newest: at(500), kind: "status 503".into() };
        assert_eq!(answers.run, Some(run));
        answers.is_up();
        assert_eq!((answers.run.is_none(), answers.asked), (true, false));
    }
}
