//! The answers to the operator's commands, in words.

use std::net::IpAddr;

use super::{KeptParts, NAMED, PendingCommand};
use crate::agent::state_store::Durability;
use crate::engine::event::DrainRefusal;
use crate::status::{CommandDone, CommandKind, CommandRefused, CommandResult, Time, model};
use crate::text::{first_few, visible};

/// A command with a known outcome that is not yet reported to the operator.
#[derive(Debug)]
pub(in crate::agent) struct ResolvedCommand {
    pub(super) command: PendingCommand,
}

impl ResolvedCommand {
    /// Whether the command was carried out, so that the state must be saved.
    pub(in crate::agent) fn is_done(&self) -> bool {
        let outcomes = &self.command.outcomes;
        match self.command.kind {
            CommandKind::Drain(_) => outcomes.values().all(Result::is_ok),
            CommandKind::Undrain | CommandKind::UndrainNow | CommandKind::Return => {
                outcomes.values().any(Result::is_ok)
            }
        }
    }

    /// Reports the outcome to the operator.
    pub(in crate::agent) fn reply(self, durability: Durability, dry_run: bool) {
        let answer = if self.is_done() {
            Ok(self.command.done(durability, dry_run))
        } else {
            self.command.refused()
        };
        // The operator may have disconnected.
        let _ = self.command.reply.send(answer);
    }
}

impl PendingCommand {
    /// Returns the answer to a command that was carried out.
    fn done(&self, durability: Durability, dry_run: bool) -> CommandDone {
        let targets = self.targets(Result::is_ok);
        let answer = match self.kind {
            CommandKind::Drain(_) => {
                let until = self.until.or(self.kept.end());
                let end = until.map(Time::to_the_second);
                let end = end.map(|end| format!(" until {end} UTC")).unwrap_or_default();
                let message = format!("drained {targets}{end}{}", self.kept.in_words());
                done(message, until, warnings(durability, dry_run))
            }
            CommandKind::Return => {
                done(format!("putting {targets} back now"), None, in_dry_run(dry_run))
            }
            CommandKind::Undrain | CommandKind::UndrainNow => {
                let unsaved = durability == Durability::Unsaved;
                let warnings = unsaved.then(|| UNSAVED_UNDRAIN.to_owned());
                let at_once = match self.kind {
                    CommandKind::UndrainNow => ", without a wait",
                    _ => "",
                };
                let message = format!("gave {targets} back to the agent{at_once}");
                done(message, None, Vec::from_iter(warnings))
            }
        };
        CommandDone { services: self.names(Result::is_ok), ..answer }
    }

    /// Returns the answer to a command that was not carried out. The worst refusal is the reason.
    fn refused(&self) -> CommandResult {
        let target = self.target;
        let mut floors = Vec::new();
        for (service, outcome) in &self.outcomes {
            let name = self.services.get(service).and_then(Option::as_deref);
            match outcome {
                Err(DrainRefusal::Floor(names)) => floors.push((name, names.join(", "))),
                Err(DrainRefusal::ZoneUnknown(why)) => {
                    let place = name.map(|name| format!(" in {name}")).unwrap_or_default();
                    let message = format!(
                        "cannot check the floor for {target}{place} because the zone could not be \
                         read (use --force to skip the check): {why}"
                    );
                    return Err(CommandRefused::Unknown { message });
                }
                _ => {}
            }
        }
        if !floors.is_empty() {
            return Err(below_the_floor(target, &floors));
        }
        let gone = self.names(|outcome| *outcome == Err(DrainRefusal::NotATarget));
        if !gone.is_empty() && (self.asked.is_some() || self.services.len() > 1) {
            let service = first_few(&gone, NAMED, ", ");
            return Err(CommandRefused::NotInService { address: target, service });
        }
        if self.outcomes.values().any(|outcome| *outcome == Err(DrainRefusal::NotATarget)) {
            return Err(CommandRefused::NotATarget(target));
        }
        let targets = self.targets(Result::is_err);
        let why = self.outcomes.values().find_map(|outcome| match outcome {
            Err(DrainRefusal::NotWaiting(why)) => Some(*why),
            _ => None,
        });
        let message = match why {
            Some(why) => format!("{targets} does not wait to be put back: {why}"),
            None => format!("{targets} was not drained"),
        };
        Ok(done(message, None, vec![]))
    }

    /// Lists the targets with such an outcome: by service and address, or the address alone if
    /// services have no names.
    fn targets(&self, is_such: fn(&Result<(), DrainRefusal>) -> bool) -> String {
        let names = self.names(is_such);
        if names.is_empty() {
            return self.target.to_string();
        }
        let targets: Vec<String> =
            names.iter().map(|name| format!("{name}/{}", self.target)).collect();
        first_few(&targets, NAMED, ", ")
    }

    /// Returns the names of the services with such an outcome.
    fn names(&self, is_such: fn(&Result<(), DrainRefusal>) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        for (service, name) in &self.services {
            if self.outcomes.get(service).is_some_and(is_such) {
                names.extend(name.clone());
            }
        }
        names
    }
}

impl KeptParts {
    /// Returns the end that the drain keeps in all services.
    fn end(&self) -> Option<Time> {
        match self.ends.iter().next() {
            Some(end) if self.ends.len() == 1 => *end,
            _ => None,
        }
    }

    /// Returns the rest of the answer; empty if nothing is kept.
    fn in_words(&self) -> String {
        let mut parts = Vec::new();
        match self.ends.iter().flatten().count() {
            0 => {}
            1 if self.ends.len() == 1 => parts.push("its end".to_owned()),
            _ => parts.push("the end in each service".to_owned()),
        }
        match self.reasons.first() {
            None => {}
            Some(reason) if self.reasons.len() == 1 => {
                parts.push(format!("the reason \"{}\"", visible(reason)));
            }
            Some(_) => parts.push("the reason in each service".to_owned()),
        }
        if parts.is_empty() {
            return String::new();
        }
        format!("; kept from the drain before: {}", parts.join(", "))
    }
}

/// Returns the refusal of a drain that the floors of these services forbid.
fn below_the_floor(target: IpAddr, floors: &[(Option<&str>, String)]) -> CommandRefused {
    let mut places = Vec::new();
    for (service, names) in floors.iter().take(NAMED) {
        places
            .push(service.map_or_else(|| names.clone(), |service| format!("{names} ({service})")));
    }
    let more = floors.len().saturating_sub(NAMED);
    if more > 0 {
        places.push(format!("the names of {more} more services"));
    }
    let nothing = if floors.iter().any(|(service, _)| service.is_some()) {
        "; nothing was drained"
    } else {
        ""
    };
    CommandRefused::Guard {
        reason: model::Reason::Floor,
        message: format!(
            "draining {target} would leave fewer than min_in_service addresses at {}{nothing}; use \
             --force to drain it anyway",
            places.join(", ")
        ),
    }
}

/// The warning after an undrain that could not be saved.
const UNSAVED_UNDRAIN: &str =
    "the state file cannot be written, so a restart of the agent may drain it again; see its log";

fn done(message: String, until: Option<Time>, warnings: Vec<String>) -> CommandDone {
    CommandDone { message, until, warnings, services: Vec::new() }
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
    let restart = restart.map(str::to_owned).into_iter();
    restart.chain(in_dry_run(dry_run)).collect()
}

/// Returns the warning that nothing is written in dry-run.
fn in_dry_run(dry_run: bool) -> Vec<String> {
    let nothing = "the agent runs in dry-run: nothing is written at the provider";
    Vec::from_iter(dry_run.then(|| nothing.to_owned()))
}
