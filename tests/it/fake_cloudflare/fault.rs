//! What may go wrong with a request, and the script that says with which.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Entry, Zone};
use crate::contract::Met;

/// What becomes of a request.
pub(crate) enum Fault {
    /// 429 in the API's words, with this `Retry-After`. Nothing is done.
    Throttled(String),
    /// This status and this body, which need not be the API's. Nothing is done.
    Answer(u16, String),
    /// The true answer, halved; then the connection ends. A write is done.
    HalfABody,
    /// No answer, ever; the connection stays open. Nothing is done.
    Hang,
    /// This status and this HTML page from something on the way, which names itself in `Via`.
    /// Nothing is done.
    Filtered(u16, &'static str, &'static str),
    /// No answer, ever. What was asked is carried out later, when the test says so.
    Late,
    /// The connection ends without an answer. Nothing is done.
    CutBefore,
    /// The request is carried out, then the connection ends without an answer.
    CutAfter,
    /// The true answer, this much later.
    Slow(Duration),
    /// The true answer, after the zone was changed.
    Meddle(Box<dyn FnOnce(&mut Zone) + Send>),
}

impl Fault {
    /// The same once more, for scripts that last for several requests.
    fn again(&self) -> Self {
        match self {
            Self::Throttled(wait) => Self::Throttled(wait.clone()),
            Self::Answer(status, body) => Self::Answer(*status, body.clone()),
            Self::Filtered(status, page, via) => Self::Filtered(*status, page, via),
            Self::Late => Self::Late,
            Self::HalfABody => Self::HalfABody,
            Self::Hang => Self::Hang,
            Self::CutBefore => Self::CutBefore,
            Self::CutAfter => Self::CutAfter,
            Self::Slow(time) => Self::Slow(*time),
            Self::Meddle(_) => panic!("a zone is changed once"),
        }
    }
}

/// The faults to come.
#[derive(Default)]
pub(super) struct Script(Vec<Line>);

struct Line {
    times: usize,
    which: Box<dyn Fn(&Entry) -> bool + Send>,
    fault: Fault,
    met: Option<oneshot::Sender<()>>,
}

impl Script {
    pub(super) fn add(
        &mut self,
        times: usize,
        which: Box<dyn Fn(&Entry) -> bool + Send>,
        fault: Fault,
    ) -> Met {
        let (sender, met) = Met::pair();
        self.0.push(Line { times, which, fault, met: Some(sender) });
        met
    }

    /// The fault that is kept for this request.
    pub(super) fn meet(&mut self, entry: &Entry) -> Option<Fault> {
        let position = self.0.iter().position(|line| (line.which)(entry))?;
        let line = &mut self.0[position];
        if let Some(met) = line.met.take() {
            let _ = met.send(()); // The test may have no wish to know.
        }
        line.times -= 1;
        if line.times > 0 { Some(line.fault.again()) } else { Some(self.0.remove(position).fault) }
    }
}
