//! Log lines about targets that answer as asked for, with a warning: a certificate that ends soon, a
//! command with the exit code 1.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use tracing::field::display;
use tracing::{info, warn};

use super::Observer;
use crate::agent::ids::Ids;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::{EndpointId, RequestId};
use crate::engine::types::{Method, Outcome};
use crate::probe::details::Details;
use crate::settings::Config;
use crate::text::visible;

/// The first words of a warning about a certificate.
const CERTIFICATE: &str = "the certificate";

/// Reports each warning once when it begins and once when it ends.
pub(in crate::agent) struct WarningObserver {
    details: Arc<Details>,
    ids: Ids,
    /// The requests that were answered, each with whether the last answer had a warning.
    answered: BTreeMap<AskedRequest, bool>,
    /// The news about certificates since they were last taken.
    changes: Vec<CertificateChange>,
}

/// A request, and the address that it is sent to.
pub(in crate::agent) type AskedRequest = (RequestId, IpAddr);

/// News about a certificate.
pub(in crate::agent) enum CertificateChange {
    /// It ends soon, as the warning says.
    Ends(EndpointId, String),
    /// The first answer of a request was without a warning, or the first one after a warning.
    Fine(EndpointId),
    /// It is no longer asked about.
    Forgotten(AskedRequest),
}

impl WarningObserver {
    /// Creates an observer of the facts in `details`.
    pub(in crate::agent) fn new(details: Arc<Details>, ids: Ids) -> Self {
        Self { details, ids, answered: BTreeMap::new(), changes: vec![] }
    }

    /// Removes and returns the news about certificates.
    pub(super) fn take_changes(&mut self) -> Vec<CertificateChange> {
        std::mem::take(&mut self.changes)
    }

    fn answered(&mut self, engine: &Engine, id: EndpointId) {
        let Some(endpoint) = engine.endpoint(id) else { return };
        let Method::Request(request) = endpoint.method else { return };
        let key = (request, endpoint.address);
        let warning = self.details.warning(request, endpoint.address);
        let before = self.answered.insert(key, warning.is_some());
        match warning {
            Some(warning) if before != Some(true) => {
                for (service, check) in services(engine, id) {
                    let (target, service) = (endpoint.address, service.map(display));
                    let warning = &*visible(&warning);
                    warn!(%target, service, check, warning, "target answers, with a warning");
                }
                self.changes.push(if warning.starts_with(CERTIFICATE) {
                    CertificateChange::Ends(id, warning)
                } else {
                    CertificateChange::Fine(id)
                });
            }
            None if before == Some(true) => {
                for (service, check) in services(engine, id) {
                    let (target, service) = (endpoint.address, service.map(display));
                    info!(%target, service, check, "target answers without a warning again");
                }
                self.changes.push(CertificateChange::Fine(id));
            }
            None if before.is_none() => self.changes.push(CertificateChange::Fine(id)),
            _ => {}
        }
    }
}

/// Returns the services that depend on an endpoint, if they are named, each with its name of the check.
fn services(engine: &Engine, id: EndpointId) -> Vec<(Option<&str>, &str)> {
    let settings = engine.settings();
    let method = engine.endpoint(id).map(|endpoint| endpoint.method);
    let mut services = BTreeMap::new();
    for target in engine.targets_at(id) {
        let Some(its) = settings.service(target.service) else { continue };
        let check = its.checks.iter().find(|its| Some(its.check.method) == method);
        let check = check.map_or("", |check| check.name.as_str());
        services.insert(target.service, (settings.shown_name(target.service), check));
    }
    services.into_values().collect()
}

impl Observer for WarningObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        if let Fact::Judged { endpoint, outcome: Outcome::Reply, .. } = fact {
            self.answered(engine, *endpoint);
        }
    }

    fn reloaded(&mut self, config: &Config) {
        let mut watched = BTreeSet::new();
        for endpoint in self.ids.endpoints(config) {
            if let Method::Request(request) = endpoint.method {
                watched.insert((request, endpoint.address));
            }
        }
        self.details.retain(|request, address| watched.contains(&(request, address)));
        let gone = self.answered.extract_if(.., |key, _| !watched.contains(key));
        self.changes.extend(gone.map(|(key, _)| CertificateChange::Forgotten(key)));
    }
}
