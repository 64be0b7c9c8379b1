//! The operator's commands on their way through the engine, and the answers to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::state_store::Durability;
use crate::engine::event::{DrainCommand, DrainRefusal, Event};
use crate::engine::ids::{ServiceId, Ticket};
use crate::status::{
    CommandDone, CommandKind, CommandRefused, CommandResult, OperatorCommand, Time, model,
};

/// The commands that the engine has not answered yet, by their tickets.
#[derive(Debug, Default)]
pub(super) struct PendingCommands {
    pending: BTreeMap<Ticket, PendingCommand>,
    next_ticket: Ticket,
}

#[derive(Debug)]
struct PendingCommand {
    target: IpAddr,
    /// The time at which the drain expires. `None` for a drain without an end, and for an undrain.
    until: Option<Time>,
    is_drain: bool,
    reply: oneshot::Sender<CommandResult>,
}

impl PendingCommands {
    /// Accepts a command about a target of `service`, and returns its event for the engine.
    pub(super) fn accept(
        &mut self,
        command: OperatorCommand,
        service: ServiceId,
        now: SystemTime,
    ) -> Event {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.next();
        let OperatorCommand { target, kind, reply } = command;
        let (event, until, is_drain) = match kind {
            CommandKind::Drain(drain) => {
                let until = drain.lasting.and_then(|lasting| now.checked_add(lasting));
                let (lasts, reason, force) = (drain.lasting, drain.reason, drain.force);
                let command = DrainCommand { ticket, service, target, lasts, reason, force };
                (Event::Drain(command), until.map(Time::new), true)
            }
            CommandKind::Undrain => (Event::Undrain { ticket, service, target }, None, false),
        };
        self.pending.insert(ticket, PendingCommand { target, until, is_drain, reply });
        event
    }

    /// Resolves a command with the engine's answer. `None` if no command has this ticket.
    pub(super) fn resolve(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), DrainRefusal>,
    ) -> Option<ResolvedCommand> {
        self.pending.remove(&ticket).map(|command| ResolvedCommand { command, outcome })
    }
}

/// A command with a known outcome that is not yet reported to the operator.
#[derive(Debug)]
pub(super) struct ResolvedCommand {
    command: PendingCommand,
    outcome: Result<(), DrainRefusal>,
}

impl ResolvedCommand {
    /// Whether the command was carried out, so that the state must be saved.
    pub(super) fn is_done(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Reports the outcome to the operator.
    pub(super) fn reply(self, durability: Durability, dry_run: bool) {
        let Self { command, outcome } = self;
        let target = command.target;
        let answer = match outcome {
            Ok(()) if command.is_drain => {
                let until = command.until.map(Time::to_the_second);
                let until = until.map(|until| format!(" until {until} UTC")).unwrap_or_default();
                let message = format!("drained {target}{until}");
                Ok(done(message, command.until, warnings(durability, dry_run)))
            }
            Ok(()) => {
                let unsaved = durability == Durability::Unsaved;
                let warnings = unsaved.then(|| UNSAVED_UNDRAIN.to_owned());
                Ok(done(format!("gave {target} back to the agent"), None, Vec::from_iter(warnings)))
            }
            Err(DrainRefusal::NotDrained) => {
                Ok(done(format!("{target} was not drained"), None, vec![]))
            }
            Err(DrainRefusal::NotATarget) => Err(CommandRefused::NotATarget(target)),
            Err(DrainRefusal::Floor(names)) => Err(CommandRefused::Guard {
                reason: model::Reason::Floor,
                message: format!(
                    "draining {target} would leave fewer than min_in_service addresses at {}; \
                     use --force to drain it anyway",
                    names.join(", ")
                ),
            }),
            Err(DrainRefusal::ZoneUnknown(why)) => Err(CommandRefused::Unknown {
                message: format!(
                    "cannot check the floor for {target} because the zone could not be read (use \
                     --force to skip the check): {why}"
                ),
            }),
        };
        // The operator may have disconnected.
        let _ = command.reply.send(answer);
    }
}

/// The warning after an undrain that could not be saved.
const UNSAVED_UNDRAIN: &str =
    "the state file cannot be written, so a restart of the agent may drain it again; see its log";

fn done(message: String, until: Option<Time>, warnings: Vec<String>) -> CommandDone {
    CommandDone { message, until, warnings }
}

/// Returns the warnings about a drain.
fn warnings(durability: Durability, dry_run: bool) -> Vec<String> {
    let restart = match durability {
        Durability::Saved => None,
        Durability::NoFile => {
            Some("it will not survive a restart of the agent; set state_file to keep it")
        }
        Durability::Unsaved => Some(
            "it will not survive a restart of the agent because the state file cannot be written; \
             see its log",
        ),
    };
    let nothing =
        dry_run.then_some("the agent runs in dry-run: nothing is written at the provider");
    restart.into_iter().chain(nothing).map(str::to_owned).collect()
}
