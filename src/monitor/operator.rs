//! The operator's orders on their way through the engine: who waits for which answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use tokio::sync::oneshot;

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

    /// Tells the one who waits. `lasts`: drains survive a restart.
    pub(super) fn answer(
        &mut self,
        ticket: u64,
        answer: Result<(), DrainRefusal>,
        lasts: bool,
        dry_run: bool,
    ) {
        let Some(waiting) = self.waiting.remove(&ticket) else { return };
        let target = waiting.target;
        let done = |message: String, warnings: Vec<String>| {
            Ok(Done { message, until: waiting.until, warnings })
        };
        let answer = match answer {
            Ok(()) if waiting.drains => {
                let until = waiting.until.map(Time::to_the_second);
                let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
                done(format!("drained {target}{until}"), warnings(lasts, dry_run))
            }
            Ok(()) => done(format!("gave {target} back to the agent"), vec![]),
            Err(DrainRefusal::NotDrained) => done(format!("{target} was not drained"), vec![]),
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

fn warnings(lasts: bool, dry_run: bool) -> Vec<String> {
    let mut warnings = vec![];
    if !lasts {
        warnings.push("it will not survive a restart of the agent; set state_file for that".into());
    }
    if dry_run {
        warnings.push("the agent runs in dry-run: nothing is written at the provider".into());
    }
    warnings
}
