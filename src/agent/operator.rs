//! The operator's commands on their way through the engine, and the answers to them.
//!
//! A command about an address concerns every service that has it. A drain of several services is made
//! in two steps: the floor of each one is checked, and only if none refuses, all are carried out at
//! once. Other drains wait for that, so that two commands cannot break the floor together.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::ids::Ids;
use crate::engine::event::{Drain, DrainCommand, DrainRefusal, DrainStep, Event};
use crate::engine::ids::{ServiceId, Ticket};
use crate::engine::{Engine, Moment};
use crate::status::{
    CommandKind, CommandRefused, CommandResult, DrainRequest, OperatorCommand, Time,
};
use crate::text::first_few;
pub(super) use answer::ResolvedCommand;

/// The number of services that an answer names.
const NAMED: usize = 5;

/// The commands that the engine has not answered yet.
#[derive(Debug, Default)]
pub(super) struct PendingCommands {
    /// The command and the service of each ticket.
    tickets: BTreeMap<Ticket, (CommandNumber, ServiceId)>,
    commands: BTreeMap<CommandNumber, PendingCommand>,
    next: (Ticket, CommandNumber),
    /// Whether the floors of several services are being checked for a drain.
    is_checking: bool,
    /// The drains that wait for the end of that check.
    waiting: VecDeque<OperatorCommand>,
}

/// The number of a command. No number is used twice.
type CommandNumber = u64;

/// A command with parts in the engine, one for each service.
#[derive(Debug)]
struct PendingCommand {
    target: IpAddr,
    kind: CommandKind,
    /// The time at which a drain expires. `None` for a drain without an end of its own, and for an undrain.
    until: Option<Time>,
    /// The parts of earlier drains that a drain keeps because it has none of its own.
    kept: KeptParts,
    /// The name of the service in the command, if it names one.
    asked: Option<String>,
    /// The services with their names. `None` for a name that people do not see.
    services: BTreeMap<ServiceId, Option<String>>,
    /// The current step of a drain.
    step: DrainStep,
    /// The number of answers that are missing.
    missing: usize,
    outcomes: BTreeMap<ServiceId, Result<(), DrainRefusal>>,
    reply: oneshot::Sender<CommandResult>,
}

/// The parts of earlier drains of the target that a drain keeps, of all services.
#[derive(Debug, Default)]
struct KeptParts {
    /// The ends. `None` for a service in which the drain has no end.
    ends: BTreeSet<Option<Time>>,
    reasons: BTreeSet<String>,
}

/// A reading of the clock of the engine and of the wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandTime {
    pub(super) engine: Moment,
    pub(super) wall: SystemTime,
}

impl CommandTime {
    /// Returns the wall-clock time at which the engine's clock shows `moment`.
    fn wall_at(self, moment: Moment) -> Option<Time> {
        self.wall.checked_add(moment.since(self.engine)).map(Time::new)
    }
}

/// The consequences of a command, or of an answer of the engine.
#[derive(Debug, Default)]
pub(super) struct CommandStep {
    /// The events for the engine.
    pub(super) events: Vec<Event>,
    /// The command that has its last answer now, to be reported to the operator.
    pub(super) resolved: Option<ResolvedCommand>,
}

impl PendingCommands {
    /// Accepts a command. Returns its events for the engine; none if it waits or is refused at once.
    pub(super) fn accept(
        &mut self,
        command: OperatorCommand,
        engine: &Engine,
        ids: &Ids,
        now: CommandTime,
    ) -> Vec<Event> {
        if self.is_checking && matches!(command.kind, CommandKind::Drain(_)) {
            self.waiting.push_back(command);
            return Vec::new();
        }
        let OperatorCommand { target, service, kind, reply } = command;
        let services =
            match (ConcernedServices { engine, ids }).of(target, service.as_deref(), &kind) {
                Ok(services) => services,
                Err(refused) => {
                    // The operator may have disconnected.
                    let _ = reply.send(Err(refused));
                    return Vec::new();
                }
            };
        let (mut until, mut step, mut kept) = (None, DrainStep::Both, KeptParts::default());
        if let CommandKind::Drain(drain) = &kind {
            until = drain.lasting.and_then(|lasting| now.wall.checked_add(lasting)).map(Time::new);
            let before = engine.drains();
            let before = services.keys().map(|service| before.get(service)?.get(&target));
            kept = KeptParts::of(drain, before, now);
            if services.len() > 1 && !drain.force {
                step = DrainStep::Check;
            }
        }
        self.is_checking |= step == DrainStep::Check;
        let command = PendingCommand {
            target,
            kind,
            until,
            kept,
            asked: service,
            services,
            step,
            missing: 0,
            outcomes: BTreeMap::new(),
            reply,
        };
        self.begin(command)
    }

    /// Returns the events of the next step of a command.
    fn begin(&mut self, mut command: PendingCommand) -> Vec<Event> {
        let number = self.next.1;
        self.next.1 += 1;
        let mut events = Vec::with_capacity(command.services.len());
        for service in command.services.keys() {
            let ticket = self.next.0;
            self.next.0 = ticket.next();
            self.tickets.insert(ticket, (number, *service));
            events.push(command.event(ticket, *service));
        }
        command.missing = events.len();
        self.commands.insert(number, command);
        events
    }

    /// Takes an answer of the engine to a part of a command.
    pub(super) fn resolve(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), DrainRefusal>,
    ) -> CommandStep {
        let Some((number, service)) = self.tickets.remove(&ticket) else {
            return CommandStep::default();
        };
        let Some(command) = self.commands.get_mut(&number) else { return CommandStep::default() };
        command.outcomes.insert(service, outcome);
        command.missing -= 1;
        if command.missing > 0 {
            return CommandStep::default();
        }
        let Some(mut command) = self.commands.remove(&number) else {
            return CommandStep::default();
        };
        if command.step != DrainStep::Check {
            let resolved = Some(ResolvedCommand { command });
            return CommandStep { events: Vec::new(), resolved };
        }
        self.is_checking = false;
        command.step = DrainStep::Drain;
        if command.outcomes.values().any(Result::is_err) {
            let resolved = Some(ResolvedCommand { command });
            return CommandStep { events: Vec::new(), resolved };
        }
        command.outcomes.clear();
        CommandStep { events: self.begin(command), resolved: None }
    }

    /// Returns the events of the commands that need not wait any longer.
    pub(super) fn resume(&mut self, engine: &Engine, ids: &Ids, now: CommandTime) -> Vec<Event> {
        let mut events = Vec::new();
        while !self.is_checking {
            let Some(command) = self.waiting.pop_front() else { break };
            events.extend(self.accept(command, engine, ids, now));
        }
        events
    }
}

impl KeptParts {
    /// Returns the parts that `drain` keeps of these drains, one for each service if there is one.
    fn of<'a>(
        drain: &DrainRequest,
        before: impl Iterator<Item = Option<&'a Drain>>,
        now: CommandTime,
    ) -> Self {
        let mut kept = Self::default();
        for before in before {
            let before = before.filter(|before| !before.is_over(now.engine));
            if drain.lasting.is_none() {
                let until = before.and_then(|before| before.until);
                kept.ends.insert(until.and_then(|until| now.wall_at(until)));
            }
            if drain.reason.is_none() {
                kept.reasons.extend(before.and_then(|before| before.reason.clone()));
            }
        }
        kept
    }
}

impl PendingCommand {
    /// Returns the event for one of the services.
    fn event(&self, ticket: Ticket, service: ServiceId) -> Event {
        let target = self.target;
        match &self.kind {
            CommandKind::Drain(DrainRequest { lasting, reason, force }) => {
                let (lasts, reason) = (*lasting, reason.clone());
                let (force, step) = (*force, self.step);
                let command = DrainCommand { ticket, service, target, lasts, reason, force, step };
                Event::Drain(command)
            }
            CommandKind::Undrain => Event::Undrain { ticket, service, target },
            CommandKind::UndrainNow => Event::Return { ticket, service, target, undrain: true },
            CommandKind::Return => Event::Return { ticket, service, target, undrain: false },
        }
    }
}

/// Finds the services that a command concerns.
struct ConcernedServices<'a> {
    engine: &'a Engine,
    ids: &'a Ids,
}

impl ConcernedServices<'_> {
    /// Returns the services, with their names if people see them. A target is given back also to a
    /// service that is gone, which keeps its drains.
    fn of(
        &self,
        target: IpAddr,
        service: Option<&str>,
        kind: &CommandKind,
    ) -> Result<BTreeMap<ServiceId, Option<String>>, CommandRefused> {
        let mut ids = match service {
            Some(name) => vec![self.called(name)?],
            None => self.engine.services_of(target),
        };
        if service.is_none() && matches!(kind, CommandKind::Undrain | CommandKind::UndrainNow) {
            let mut drains = self.engine.drains();
            drains.retain(|_, its| its.contains_key(&target));
            if !drains.is_empty() {
                ids = drains.into_keys().collect();
            }
        }
        if ids.is_empty() {
            // The engine answers that it is no target.
            ids.push(ServiceId::DEFAULT);
        }
        Ok(ids.into_iter().map(|id| (id, self.shown_name(id))).collect())
    }

    /// Returns the name of a service for people.
    fn shown_name(&self, service: ServiceId) -> Option<String> {
        let settings = self.engine.settings();
        if settings.service(service).is_some() {
            return settings.shown_name(service).map(str::to_owned);
        }
        self.ids.service_name(service).filter(|_| service != ServiceId::DEFAULT)
    }

    /// Returns the service with a name: one of the configuration, or one that is gone and has drains.
    fn called(&self, name: &str) -> Result<ServiceId, CommandRefused> {
        let settings = self.engine.settings();
        if let Some((id, _)) = settings.services().find(|(_, service)| service.name == name) {
            return Ok(id);
        }
        let drains = self.engine.drains();
        let mut drained = drains.into_iter().filter(|(_, its)| !its.is_empty());
        let gone = drained.find(|(id, _)| self.ids.service_name(*id).as_deref() == Some(name));
        gone.map(|(id, _)| id).ok_or_else(|| {
            let names: Vec<&str> =
                settings.services().map(|(_, service)| service.name.as_str()).collect();
            let known = first_few(&names, NAMED, ", ");
            CommandRefused::NoService { name: name.to_owned(), known }
        })
    }
}
