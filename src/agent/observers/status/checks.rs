//! The checks of targets on the board, with the facts about their newest probes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StatusObserver;
use super::conversions::{known_health, streak};
use crate::agent::ids::Ids;
use crate::engine::ids::{EndpointId, RequestId, ServiceId, TargetRef};
use crate::engine::types::Method;
use crate::engine::{CheckView, Engine, TargetView};
use crate::probe::details::Details;
use crate::settings::{CheckConfig, Config};
use crate::status::{CheckState, TargetChecks};

/// The checks that are published one by one: those of services with a check that the file chooses.
#[derive(Debug)]
pub(super) struct PublishedChecks {
    services: BTreeMap<ServiceId, Vec<CheckLabel>>,
    details: Arc<Details>,
}

/// The parts of a check that the configuration determines.
#[derive(Debug)]
struct CheckLabel {
    name: Arc<str>,
    kind: &'static str,
    request: Option<RequestId>,
}

impl PublishedChecks {
    /// Returns the checks of a configuration. `details` has the facts about their probes.
    pub(super) fn new(config: &Config, ids: &Ids, details: Arc<Details>) -> Self {
        let mut services = BTreeMap::new();
        for service in &config.services {
            if !service.checks.iter().any(CheckConfig::is_chosen) {
                continue;
            }
            let mut labels = Vec::new();
            for check in &service.checks {
                let request = match ids.method(&check.method) {
                    Method::Request(request) => Some(request),
                    Method::Echo | Method::Connect(_) => None,
                };
                let name = check.name.as_str().into();
                labels.push(CheckLabel { name, kind: check.kind, request });
            }
            services.insert(ids.service(&service.name), labels);
        }
        Self { services, details }
    }

    /// Returns the checks of another configuration.
    pub(super) fn successor(&self, config: &Config, ids: &Ids) -> Self {
        Self::new(config, ids, Arc::clone(&self.details))
    }

    /// Whether no check is published.
    pub(super) fn are_none(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether a service has several checks.
    pub(super) fn are_several(&self, service: ServiceId) -> bool {
        self.services.get(&service).is_some_and(|checks| checks.len() > 1)
    }

    /// Returns the checks of a target; `None` if they are not published.
    fn of(&self, engine: &Engine, view: TargetView) -> Option<TargetChecks> {
        let labels = self.services.get(&view.service)?;
        let target = TargetRef { service: view.service, address: view.address };
        let mut checks = Vec::with_capacity(labels.len());
        for check in engine.checks_of(target) {
            // After a reload the engine may not have followed yet.
            if let Some(label) = labels.iter().find(|label| *label.name == *check.name) {
                checks.push(self.state(label, check, target));
            }
        }
        let failed = view.failed.into_iter().map(|failed| (failed.check, failed.said));
        Some(TargetChecks { checks, failed: failed.collect() })
    }

    fn state(&self, label: &CheckLabel, view: CheckView, target: TargetRef) -> CheckState {
        let details = label.request.and_then(|request| self.details.get(request, target.address));
        let details = details.unwrap_or_default();
        CheckState {
            name: Arc::clone(&label.name),
            kind: label.kind,
            is_counted: view.counts,
            health: known_health(view.health, view.unknown),
            streak: streak(view.losses, view.replies),
            last_rtt: view.last_rtt,
            said: view.last_error,
            warning: details.warning,
            certificate_ends: details.certificate_ends,
            phases: details.phases.named().collect(),
        }
    }
}

/// Whether the results of an endpoint count for the targets of a service.
pub(super) fn is_counted(engine: &Engine, service: ServiceId, endpoint: EndpointId) -> bool {
    let method = engine.endpoint(endpoint).map(|endpoint| endpoint.method);
    let service = engine.settings().service(service);
    let mut checks = service.iter().flat_map(|service| &service.checks);
    checks.any(|its| its.counts && Some(its.check.method) == method)
}

impl StatusObserver {
    /// Publishes the checks of a target, if there are any to publish.
    pub(super) fn publish_checks(&mut self, engine: &Engine, view: TargetView) {
        let target = TargetRef { service: view.service, address: view.address };
        self.board.set_checks(target, self.checks.of(engine, view));
    }
}
