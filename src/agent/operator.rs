//! The operator's orders on their way through the engine: who waits for which answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::state_store::Lasting;
use crate::engine::event::{DrainOrder, DrainRefusal, Event};
use crate::status::{self, Answer, Command, Done, Refused, Time, model};

/// Who waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Operator {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    target: IpAddr,
    /// When the drain ends by itself; `None` also for an undrain.
    until: Option<Time>,
    drains: bool,
    reply: oneshot::Sender<Answer>,
}

impl Operator {
    /// Takes an order in; returns what to tell the engine.
    pub(super) fn take(&mut self, command: Command, now: SystemTime) -> Event {
        let ticket = self.next;
        self.next += 1;
        let Command { target, order, reply } = command;
        let (event, until, drains) = match order {
            status::Order::Drain(drain) => {
                let until = drain.lasting.and_then(|lasting| now.checked_add(lasting));
                let (lasts, reason, force) = (drain.lasting, drain.reason, drain.force);
                let order = DrainOrder { ticket, target, lasts, reason, force };
                (Event::Drain(order), until.map(Time::new), true)
            }
            status::Order::Undrain => (Event::Undrain { ticket, target }, None, false),
        };
        self.waiting.insert(ticket, Waiting { target, until, drains, reply });
        event
    }

    /// What became of an order, for the one who waits; `None` if nobody does.
    pub(super) fn settle(
        &mut self,
        ticket: u64,
        outcome: Result<(), DrainRefusal>,
    ) -> Option<Settled> {
        self.waiting.remove(&ticket).map(|waiting| Settled { waiting, outcome })
    }
}

/// An order of which the outcome is known, and its giver not told yet.
#[derive(Debug)]
pub(super) struct Settled {
    waiting: Waiting,
    outcome: Result<(), DrainRefusal>,
}

impl Settled {
    /// Whether it was carried out, and so may have to be remembered.
    pub(super) fn is_done(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Tells the one who waits.
    pub(super) fn tell(self, lasting: Lasting, dry_run: bool) {
        let Self { waiting, outcome } = self;
        let target = waiting.target;
        let answer = match outcome {
            Ok(()) if waiting.drains => {
                let until = waiting.until.map(Time::to_the_second);
                let until = until.map(|until| format!(" until {until} UTC")).unwrap_or_default();
                let message = format!("drained {target}{until}");
                Ok(done(message, waiting.until, drained(lasting, dry_run)))
            }
            Ok(()) => {
                let forgets = (lasting == Lasting::Unwritten).then(|| UNWRITTEN_UNDRAIN.to_owned());
                Ok(done(format!("gave {target} back to the agent"), None, Vec::from_iter(forgets)))
            }
            Err(DrainRefusal::NotDrained) => {
                Ok(done(format!("{target} was not drained"), None, vec![]))
            }
            Err(DrainRefusal::NotATarget) => Err(Refused::NotATarget(target)),
            Err(DrainRefusal::Floor(names)) => Err(Refused::Guard {
                reason: model::Reason::Floor,
                message: format!(
                    "draining {target} would leave fewer than min_in_service addresses at {}; \
                     --force does it all the same",
                    names.join(", ")
                ),
            }),
            Err(DrainRefusal::ZoneUnknown(why)) => Err(Refused::Unknown {
                message: format!(
                    "nobody knows what draining {target} would leave, for the zone could not be \
                     read; --force does it all the same: {why}"
                ),
            }),
        };
        // Whoever asked may have gone.
        let _ = waiting.reply.send(answer);
    }
}

const UNWRITTEN_UNDRAIN: &str =
    "the state file cannot be written, so a restart of the agent may drain it again; see its log";

fn done(message: String, until: Option<Time>, warnings: Vec<String>) -> Done {
    Done { message, until, warnings }
}

/// What is to be known about a drain.
fn drained(lasting: Lasting, dry_run: bool) -> Vec<String> {
    let forgotten = match lasting {
        Lasting::Kept => None,
        Lasting::NoFile => {
            Some("it will not survive a restart of the agent; set state_file for that")
        }
        Lasting::Unwritten => Some(
            "it will not survive a restart of the agent, for the state file cannot be written; see \
             its log",
        ),
    };
    let nothing =
        dry_run.then_some("the agent runs in dry-run: nothing is written at the provider");
    forgotten.into_iter().chain(nothing).map(str::to_owned).collect()
}
