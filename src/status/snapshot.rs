//! A published snapshot of the board, and the conversion to the object behind `/status`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::checks::TargetChecks;
use super::counters::StatusCounters;
use super::history::Minute;
use super::input::{PeerStatus, Setup, ZoneSetup};
use super::model::{
    Agent, Canary, EffectStatus, OpenIncidentStatus, Peer, ServiceStatus, Status, Target,
    WaitingDrain, ZoneStatus,
};
use super::probes::ProbeView;
use super::recent::Recent;
use super::row::{ServiceRows, TargetRow};
use super::time::{ClockReading, Time};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::types::IsolationCause;

/// The effects of changes in each zone, the newest first.
pub(super) type ZoneEffects = BTreeMap<ZoneId, Vec<EffectStatus>>;

/// The content of the board at one time. Readers convert it to the form that they serve.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) now: ClockReading,
    /// The reading that converts instants to wall-clock times.
    pub(super) dates: ClockReading,
    /// The times of the agent's start and of the last reload.
    pub(super) begun: [Instant; 2],
    /// The number of whole minutes since the board was made.
    pub(super) minute: u64,
    pub(super) agent: Arc<Agent>,
    /// The cause of the agent's isolation, while there is one.
    pub(super) isolation: Option<IsolationCause>,
    pub(super) zones: Arc<[ZoneSetup]>,
    /// The services with their targets. Shared with the board until they change.
    pub(super) services: Vec<Arc<ServiceRows>>,
    /// The service and the row of each target, since `/verdict` is requested often.
    pub(super) places: Arc<HashMap<TargetRef, [usize; 2]>>,
    /// The probes of the targets, each of them once.
    pub(super) probes: Vec<ProbeView>,
    /// The checks of the targets that have some.
    pub(super) checks: Vec<Arc<TargetChecks>>,
    pub(super) peers: Arc<[PeerStatus]>,
    pub(super) canaries: Arc<[Canary]>,
    pub(super) waiting_drains: Arc<[WaitingDrain]>,
    pub(super) effects: Arc<ZoneEffects>,
    pub(super) incidents: Arc<Vec<OpenIncidentStatus>>,
    pub(super) recent: Recent,
    pub(super) counters: StatusCounters,
}

impl Snapshot {
    pub(super) fn empty(setup: &Setup, now: ClockReading) -> Self {
        Self {
            now,
            dates: now,
            begun: [now.clock; 2],
            minute: 0,
            agent: Arc::new(setup.agent.clone()),
            isolation: None,
            zones: Arc::new([]),
            services: Vec::new(),
            places: Arc::default(),
            probes: Vec::new(),
            checks: Vec::new(),
            peers: Arc::new([]),
            canaries: Arc::new([]),
            waiting_drains: Arc::new([]),
            effects: Arc::default(),
            incidents: Arc::default(),
            recent: Recent::default(),
            counters: StatusCounters::default(),
        }
    }

    /// Returns the object behind `/status`, as if the last iteration were just now.
    pub fn status(&self) -> Status {
        let targets = self.targets().map(|(service, row)| self.target(service, row));
        self.status_with(targets.collect())
    }

    /// Returns the object behind `/status` with these targets.
    pub(super) fn status_with<T>(&self, targets: T) -> Status<T> {
        let dates = &self.dates;
        let changes = self.recent.changes(dates);
        let [started_at, config_loaded_at] = self.begun.map(|at| dates.wall_at(at));
        Status {
            at: Time::new(self.now.wall),
            silence_s: 0.0,
            agent: Agent {
                started_at,
                config_loaded_at,
                isolated: self.isolation.is_some(),
                isolation_cause: self.isolation.map(|cause| cause.as_str().to_owned()),
                ..Agent::clone(&self.agent)
            },
            targets,
            services: self.services.iter().map(|service| self.service(service)).collect(),
            zones: self.zones.iter().map(|zone| self.zone(zone)).collect(),
            peers: self.peers.iter().map(|peer| self.peer(peer)).collect(),
            waiting_drains: self.waiting_drains.to_vec(),
            canaries: self.canaries.to_vec(),
            incidents: self.incidents.to_vec(),
            last_change: changes.first().cloned(),
            last_error: self.recent.last_error(dates),
            failing: self.recent.failing(dates),
            changes,
        }
    }

    /// Iterates over all targets with their services, in the order of [`Status::targets`].
    pub(super) fn targets(&self) -> impl Iterator<Item = (&ServiceRows, &TargetRow)> {
        self.services.iter().flat_map(|service| service.rows.iter().map(|row| (&**service, row)))
    }

    /// Returns the last hour of the target with this index in [`Status::targets`]; empty if there is
    /// none.
    pub fn hour(&self, mut index: usize) -> Vec<Minute> {
        for service in &self.services {
            if let Some(row) = service.rows.get(index) {
                return self.probe(row).history.hour(self.minute);
            }
            index -= service.rows.len();
        }
        Vec::new()
    }

    /// Returns the targets at an address, of one service or of all, so that `/verdict` costs less than
    /// `/status`.
    pub fn find(&self, service: Option<&str>, address: IpAddr) -> Vec<Target> {
        let mut found = Vec::new();
        for its in &self.services {
            if service.is_some_and(|service| service != &*its.name) {
                continue;
            }
            let target = TargetRef { service: its.id, address };
            let row = self.places.get(&target).and_then(|[_, place]| its.rows.get(*place));
            found.extend(row.map(|row| self.target(its, row)));
        }
        found
    }

    /// Whether the agent has a service of this name.
    pub(super) fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|service| *service.name == *name)
    }

    /// Returns the probe of a target.
    pub(super) fn probe(&self, row: &TargetRow) -> &ProbeView {
        let made = row.probe.and_then(|place| self.probes.get(place));
        made.unwrap_or_else(|| ProbeView::unmade())
    }

    /// Returns the checks of a target, if its service has chosen ones.
    pub(super) fn checks_of(&self, row: &TargetRow) -> Option<&TargetChecks> {
        self.checks.get(row.checks?).map(Arc::as_ref)
    }

    /// Whether the configuration names its services. Otherwise `default` is the only one.
    pub(super) fn names_services(&self) -> bool {
        self.services.iter().any(|service| service.id != ServiceId::DEFAULT)
    }

    /// Returns the setup of a zone.
    pub(super) fn zone_setup(&self, zone: ZoneId) -> Option<&ZoneSetup> {
        self.zones.iter().find(|known| known.id == zone)
    }

    fn service(&self, service: &ServiceRows) -> ServiceStatus {
        let zone = self.zone_setup(service.zone);
        let (standbys, primaries): (Vec<_>, Vec<_>) =
            service.rows.iter().partition(|row| row.standby.is_some());
        let standby_in = standbys.iter().filter(|row| row.in_service).count();
        ServiceStatus {
            name: service.name.to_string(),
            zone: zone.map(|zone| zone.name.clone()).unwrap_or_default(),
            provider: zone.map(|zone| zone.provider.clone()).unwrap_or_default(),
            checks: service.checks.to_vec(),
            names: service.names.to_vec(),
            in_service: primaries.iter().filter(|row| row.in_service).count(),
            of: primaries.len(),
            standby_in: (!standbys.is_empty()).then_some(standby_in),
        }
    }

    fn zone(&self, zone: &ZoneSetup) -> ZoneStatus {
        let (last_error, failing) = self.recent.of_zone(zone.id, &self.dates);
        let (name, provider, domain) =
            (zone.name.clone(), zone.provider.clone(), zone.domain.clone());
        let effects = self.effects.get(&zone.id).cloned().unwrap_or_default();
        ZoneStatus { name, provider, domain, last_error, failing, effects }
    }

    fn target(&self, service: &ServiceRows, row: &TargetRow) -> Target {
        self.view(service, row).to_owned()
    }

    /// Returns the time in seconds since a probe was judged.
    pub(super) fn evidence_age(&self, probe: &ProbeView) -> Option<f64> {
        Some(self.now.clock.saturating_duration_since(probe.judged?).as_secs_f64())
    }

    fn peer(&self, peer: &PeerStatus) -> Peer {
        Peer {
            address: peer.address.clone(),
            alive: peer.alive,
            signed: peer.signed,
            last_heard: peer.last_heard.map(|at| self.dates.wall_at(at)),
            no_vote_on: peer.no_vote_on.iter().map(ToString::to_string).collect(),
        }
    }
}
