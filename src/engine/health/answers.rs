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
    /// Whether a probe elsewhere was sent after this run began, and before its newest wrong answer.
    fn covers(&self, sent: Moment) -> bool {
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
    pub(super) fn good(&mut self, sent: Moment) {
        self.good = [Some(sent), self.good[0]];
    }

    /// Whether a probe sent during a run of losses elsewhere was answered well, or wrongly in another
    /// way. An answer after the run's newest one shows nothing: the other target may have recovered,
    /// too.
    pub(super) fn differs_from(&self, run: &AnsweredRun) -> bool {
        let good = self.good.iter().flatten().any(|sent| run.covers(*sent));
        let wrong = self.newest_wrong.as_ref();
        good || wrong.is_some_and(|(sent, kind)| run.covers(*sent) && *kind != run.kind)
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
    fn an_answer_differs_if_it_was_given_during_the_run() {
        let run = AnsweredRun { began: at(1000), newest: at(1400), kind: "status 503".into() };
        // The times of good answers, and whether one of them differs from the run.
        let rows = [
            ("none", &[][..], false),
            ("before the run", &[500, 1000], false),
            ("during the run", &[1100], true),
            ("with the newest", &[1400], true),
            ("after the run", &[1500], false),
            ("during and after it", &[1300, 1500], true),
            ("during, and twice after it", &[1300, 1500, 1700], false),
        ];
        for (name, sent, want) in rows {
            let mut answers = Answers::default();
            for sent in sent {
                answers.good(at(*sent));
            }
            assert_eq!(answers.differs_from(&run), want, "{name}");
        }
        for (kind, sent, want) in
            [("status 503", 1200, false), ("body", 1200, true), ("body", 1500, false)]
        {
            let mut answers = Answers::default();
            answers.wrong(kind, at(sent), at(sent));
            assert_eq!(answers.differs_from(&run), want, "{kind} at {sent}");
        }
    }
}
