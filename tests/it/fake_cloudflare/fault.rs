//! Faults of requests, and the script that selects the requests.

use tokio::sync::{oneshot, watch};

use super::{Entry, Zone};
use crate::contract::FaultSignal;

/// The fault of a request.
pub(crate) enum Fault {
    /// 429 in the API's format, with this `Retry-After`. Nothing is done.
    Throttled(String),
    /// 503 with this `Retry-After`. Nothing is done.
    Overloaded(String),
    /// This status and this body, which need not be in the API's format. Nothing is done.
    Answer(u16, String),
    /// The correct answer, halved; then the connection ends. A write is done.
    HalfABody,
    /// No answer; the connection stays open. Nothing is done.
    Hang,
    /// This status and this HTML page from an intermediary that names itself in `Via`. Nothing is
    /// done.
    Filtered(u16, &'static str, &'static str),
    /// No answer. The request is carried out later, when the test says so.
    Late,
    /// The connection ends without an answer. Nothing is done.
    CutBefore,
    /// The request is carried out, then the connection ends without an answer.
    CutAfter,
    /// The correct answer, once the test opens the gate. Nothing is done before.
    Held(watch::Receiver<bool>),
    /// The correct answer, after a change of the zone.
    Meddle(Box<dyn FnOnce(&mut Zone) + Send>),
}

impl Fault {
    /// Returns the same fault again, for scripts that last for several requests.
    fn again(&self) -> Self {
        match self {
            Self::Throttled(wait) => Self::Throttled(wait.clone()),
            Self::Overloaded(wait) => Self::Overloaded(wait.clone()),
            Self::Answer(status, body) => Self::Answer(*status, body.clone()),
            Self::Filtered(status, page, via) => Self::Filtered(*status, page, via),
            Self::Late => Self::Late,
            Self::HalfABody => Self::HalfABody,
            Self::Hang => Self::Hang,
            Self::CutBefore => Self::CutBefore,
            Self::CutAfter => Self::CutAfter,
            Self::Held(open) => Self::Held(open.clone()),
            Self::Meddle(_) => panic!("a zone is changed once"),
        }
    }
}

/// Keeps answers back until the test opens it, or ends.
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// Returns a gate that is shut, and the fault of the requests that wait for it.
    pub(super) fn shut() -> (Self, Fault) {
        let (gate, open) = watch::channel(false);
        (Self(gate), Fault::Held(open))
    }

    /// Lets the requests be carried out and answered.
    pub(crate) fn open(self) {
        self.0.send_replace(true);
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
    ) -> FaultSignal {
        let (sender, met) = FaultSignal::pair();
        self.0.push(Line { times, which, fault, met: Some(sender) });
        met
    }

    /// Returns the fault scripted for this request.
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
