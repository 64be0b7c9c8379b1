use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::*;
use crate::agent::state_store::Durability;
use crate::engine::event::{Action, DnsProblem, DnsProblemKind, DnsReport};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::engine::plan::{Family, Observed, SetKey};
use crate::engine::settings::{ServiceSettings, Settings, ZoneSettings};
use crate::status::CommandDone;

/// The services `www` and `api` in one zone, and `mx` in another. `192.0.2.1` is in all of them.
struct Harness {
    engine: Engine,
    ids: Ids,
    commands: PendingCommands,
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn service(name: &str, zone: usize, floor: usize) -> ServiceSettings {
    let its = ServiceSettings::new(vec![ip(1), ip(2)], &format!("{name}.example.com"));
    ServiceSettings { name: name.to_owned(), zone: zone.into(), floor, ..its }
}

fn set(name: &str, last: &[u8]) -> (SetKey, BTreeSet<IpAddr>) {
    let key = SetKey { name: format!("{name}.example.com"), family: Family::A };
    (key, last.iter().map(|last| ip(*last)).collect())
}

/// Returns the settings of the services with these ids among 1 to 3.
fn settings(ids: &[usize]) -> Settings {
    let mut settings = Settings::new(service("www", 1, 1));
    settings.zones = [1, 2]
        .map(|zone| (ZoneId::from(zone), ZoneSettings::new(&format!("zone-{zone}"), "a zone")))
        .into();
    let services = [service("www", 1, 1), service("api", 1, 0), service("mx", 2, 1)];
    let numbered = (1..).zip(services).filter(|(id, _)| ids.contains(id));
    settings.services = numbered.map(|(id, service)| (id.into(), service)).collect();
    settings
}

impl Harness {
    fn new() -> Self {
        let engine = Engine::new(settings(&[1, 2, 3]), BTreeMap::new(), Moment::START);
        let ids = Ids::default();
        let numbers = ["www", "api", "mx"].map(|name| usize::from(ids.service(name)));
        assert_eq!(numbers, [1, 2, 3]);
        Self { engine, ids, commands: PendingCommands::default() }
    }

    /// Puts a configuration with these services in force.
    fn reload(&mut self, ids: &[usize]) {
        self.run(vec![Event::Reloaded(Box::new(settings(ids)))]);
    }

    /// Has the engine handle events, and all that follows from its answers.
    fn run(&mut self, events: Vec<Event>) {
        let mut events = VecDeque::from(events);
        loop {
            let Some(event) = events.pop_front() else {
                events.extend(self.commands.resume(&self.engine, &self.ids, command_time()));
                if events.is_empty() {
                    return;
                }
                continue;
            };
            for action in self.engine.handle(Moment::START, event) {
                let Action::DrainAnswered { ticket, answer } = action else { continue };
                let step = self.commands.resolve(ticket, answer);
                events.extend(step.events);
                if let Some(resolved) = step.resolved {
                    resolved.reply(Durability::Saved, false);
                }
            }
        }
    }

    fn command(
        &mut self,
        target: IpAddr,
        service: Option<&str>,
        kind: CommandKind,
    ) -> oneshot::Receiver<CommandResult> {
        let (reply, answer) = oneshot::channel();
        let service = service.map(str::to_owned);
        let command = OperatorCommand { target, service, kind, reply };
        let events = self.commands.accept(command, &self.engine, &self.ids, command_time());
        self.run(events);
        answer
    }

    fn drain(&mut self, target: IpAddr, service: Option<&str>) -> oneshot::Receiver<CommandResult> {
        self.command(target, service, CommandKind::Drain(DrainRequest::default()))
    }

    /// Lists a zone with these addresses in the sets of its services.
    fn list(&mut self, zone: usize, sets: &[(&str, &[u8])]) {
        let observed: Observed = sets.iter().map(|(name, last)| set(name, last)).collect();
        self.run(vec![Event::Dns(zone.into(), DnsReport::Listed(observed))]);
    }

    /// Returns the drain of an address in a service.
    fn drain_of(&self, service: usize, address: IpAddr) -> Drain {
        self.engine.drains()[&service.into()][&address].clone()
    }

    /// Returns the services in which an address is drained.
    fn drained(&self, target: IpAddr) -> Vec<usize> {
        let drains = self.engine.drains().into_iter();
        let its = drains.filter(|(_, its)| its.contains_key(&target));
        its.map(|(id, _)| id.into()).collect()
    }
}

/// Returns the time of all commands: the engine does not leave its start.
fn command_time() -> CommandTime {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_hours(498_699);
    CommandTime { engine: Moment::START, wall }
}

/// Returns the answer, which must be there.
fn answer(receiver: &mut oneshot::Receiver<CommandResult>) -> CommandResult {
    receiver.try_recv().expect("the command is answered")
}

fn message(result: CommandResult) -> String {
    match result {
        Ok(CommandDone { message, .. }) => message,
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn a_drain_takes_an_address_out_of_all_services_at_once_when_no_floor_forbids_it() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2]), ("api", &[1])]);
    assert!(harness.drained(ip(1)).is_empty(), "the other zone is not listed yet");
    assert!(reply.try_recv().is_err());
    harness.list(2, &[("mx", &[1, 2])]);
    assert_eq!(harness.drained(ip(1)), [1, 2, 3]);
    assert!(!harness.drain_of(1, ip(1)).forced, "it was checked, and nobody asked for more");
    let done = answer(&mut reply).unwrap();
    assert_eq!(done.message, "drained www/192.0.2.1, api/192.0.2.1, mx/192.0.2.1");
    assert_eq!(done.services, ["www", "api", "mx"]);
    let mut reply = harness.command(ip(1), None, CommandKind::Undrain);
    let want = "gave www/192.0.2.1, api/192.0.2.1, mx/192.0.2.1 back to the agent";
    assert_eq!(message(answer(&mut reply)), want);
    assert!(harness.drained(ip(1)).is_empty());
}

#[test]
fn if_the_floor_of_one_service_forbids_a_drain_nothing_is_drained_and_the_service_is_named() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2])]);
    harness.list(2, &[("mx", &[1])]);
    assert!(harness.drained(ip(1)).is_empty());
    let refused = answer(&mut reply).unwrap_err();
    assert!(matches!(refused, CommandRefused::Guard { .. }));
    assert_eq!(
        refused.to_string(),
        "draining 192.0.2.1 would leave fewer than min_in_service addresses at mx.example.com \
         (mx); nothing was drained; use --force to drain it anyway"
    );
    let force = DrainRequest { force: true, ..DrainRequest::default() };
    let mut reply = harness.command(ip(1), None, CommandKind::Drain(force));
    assert!(answer(&mut reply).is_ok(), "without waiting for a listing");
    assert_eq!(harness.drained(ip(1)), [1, 2, 3]);
    assert!(harness.drain_of(1, ip(1)).forced);
}

#[test]
fn a_zone_that_cannot_be_read_leaves_all_services_as_they_are() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2])]);
    let kind = DnsProblemKind::Unavailable;
    let problem = DnsProblem { kind, what: "it is down".into(), retry_in: None };
    harness.run(vec![Event::Dns(ZoneId::from(2), DnsReport::Failing(problem))]);
    assert!(harness.drained(ip(1)).is_empty());
    assert_eq!(
        message(answer(&mut reply)),
        "cannot check the floor for 192.0.2.1 in mx because the zone could not be read (use \
         --force to skip the check): it is down"
    );
}

#[test]
fn a_command_may_name_one_service() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), Some("api"));
    assert_eq!(message(answer(&mut reply)), "drained api/192.0.2.1");
    assert_eq!(harness.drained(ip(1)), [2]);
    let mut reply = harness.command(ip(1), Some("www"), CommandKind::Undrain);
    assert_eq!(message(answer(&mut reply)), "www/192.0.2.1 was not drained");
    let mut reply = harness.command(ip(1), None, CommandKind::Undrain);
    assert_eq!(message(answer(&mut reply)), "gave api/192.0.2.1 back to the agent");
    let mut reply = harness.command(ip(1), None, CommandKind::Undrain);
    let want = "www/192.0.2.1, api/192.0.2.1, mx/192.0.2.1 was not drained";
    assert_eq!(message(answer(&mut reply)), want);
    let mut reply = harness.drain(ip(1), Some("web"));
    let want = "this agent has no service called web; there is www, api, mx";
    assert_eq!(message(answer(&mut reply)), want);
    let mut reply = harness.drain(ip(9), Some("www"));
    assert_eq!(message(answer(&mut reply)), "192.0.2.9 is not a target of the service www");
    let mut reply = harness.drain(ip(9), None);
    assert_eq!(message(answer(&mut reply)), "192.0.2.9 is not a target of this agent");
}

/// Each address alone could be drained.
#[test]
fn two_drains_at_the_same_time_do_not_break_the_floor_together() {
    let mut harness = Harness::new();
    let mut first = harness.drain(ip(1), None);
    let mut second = harness.drain(ip(2), None);
    harness.list(1, &[("www", &[1, 2])]);
    harness.list(2, &[("mx", &[1, 2])]);
    assert!(answer(&mut first).is_ok());
    assert!(second.try_recv().is_err(), "it is checked after the first one");
    harness.list(1, &[("www", &[1, 2])]);
    harness.list(2, &[("mx", &[1, 2])]);
    assert!(answer(&mut second).is_err());
    assert_eq!([harness.drained(ip(1)), harness.drained(ip(2))], [vec![1, 2, 3], vec![]]);
}

#[test]
fn a_command_that_is_given_while_the_configuration_is_reloaded_is_carried_out() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2]), ("api", &[1])]);
    harness.reload(&[1, 2, 3]);
    harness.list(2, &[("mx", &[1, 2])]);
    assert!(answer(&mut reply).is_ok());
    assert_eq!(harness.drained(ip(1)), [1, 2, 3]);
    harness.reload(&[1, 3]);
    assert_eq!(harness.drained(ip(1)), [1, 2, 3], "the drain waits for the service to come back");
    let waiting: Vec<_> = harness.engine.waiting_drains().into_iter().map(|(at, _)| at).collect();
    assert_eq!(waiting, [TargetRef { service: ServiceId::from(2), address: ip(1) }]);
    let mut reply = harness.command(ip(1), Some("api"), CommandKind::Undrain);
    assert_eq!(message(answer(&mut reply)), "gave api/192.0.2.1 back to the agent");
    harness.reload(&[3]);
    let mut reply = harness.command(ip(1), None, CommandKind::Undrain);
    assert_eq!(message(answer(&mut reply)), "gave www/192.0.2.1, mx/192.0.2.1 back to the agent");
    assert!(harness.drained(ip(1)).is_empty(), "also where the service is gone");
    let mut reply = harness.command(ip(1), Some("api"), CommandKind::Undrain);
    let want = "this agent has no service called api; there is mx";
    assert_eq!(message(answer(&mut reply)), want);
}

#[test]
fn a_drain_of_a_service_that_a_reload_removes_before_the_answer_changes_nothing() {
    let mut harness = Harness::new();
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2]), ("api", &[1])]);
    harness.reload(&[1, 2]);
    assert_eq!(message(answer(&mut reply)), "192.0.2.1 is not a target of the service mx");
    assert!(harness.drained(ip(1)).is_empty());
    let mut reply = harness.drain(ip(1), None);
    harness.list(1, &[("www", &[1, 2]), ("api", &[1])]);
    assert!(answer(&mut reply).is_ok(), "and nothing waits for ever");
    assert_eq!(harness.drained(ip(1)), [1, 2]);
}

/// `--force` over a drain is about the floor.
#[test]
fn a_drain_over_another_one_keeps_its_end_and_its_reason_and_says_so() {
    let mut harness = Harness::new();
    let hour = Duration::from_hours(1);
    let force = DrainRequest { force: true, ..DrainRequest::default() };
    let first =
        DrainRequest { lasting: Some(hour), reason: Some("reboot".into()), ..force.clone() };
    let mut reply = harness.command(ip(1), Some("www"), CommandKind::Drain(first));
    let until = answer(&mut reply).unwrap().until.unwrap();
    let mut reply = harness.command(ip(1), Some("www"), CommandKind::Drain(force.clone()));
    let done = answer(&mut reply).unwrap();
    let end = until.to_the_second();
    let want = format!(
        "drained www/192.0.2.1 until {end} UTC; kept from the drain before: its end, the reason \"reboot\""
    );
    assert_eq!(done.message, want);
    let kept = harness.drain_of(1, ip(1));
    assert_eq!((kept.until, kept.reason.as_deref()), (Some(Moment::START + hour), Some("reboot")));

    let mut reply = harness.command(ip(1), None, CommandKind::Drain(force.clone()));
    let done = answer(&mut reply).unwrap();
    assert_eq!(
        done.message,
        "drained www/192.0.2.1, api/192.0.2.1, mx/192.0.2.1; kept from the drain before: the end in \
         each service, the reason \"reboot\""
    );
    assert_eq!(done.until, None, "only one of them has an end");
    assert_eq!(harness.drain_of(1, ip(1)).until, Some(Moment::START + hour));

    let lasting = Some(2 * hour);
    let second = DrainRequest { lasting, reason: Some("disk".into()), ..force };
    let mut reply = harness.command(ip(1), Some("www"), CommandKind::Drain(second));
    assert!(!answer(&mut reply).unwrap().message.contains("kept"), "it has both of its own");
    let kept = harness.drain_of(1, ip(1));
    assert_eq!(
        (kept.until, kept.reason.as_deref()),
        (Some(Moment::START + 2 * hour), Some("disk"))
    );
}
