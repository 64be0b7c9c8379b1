//! Log lines about probes.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::field::{DisplayValue, display};
use tracing::{debug, info, trace, warn};

use super::list;
use crate::engine::Engine;
use crate::engine::ids::EndpointId;
use crate::engine::types::{Endpoint, Method, Outcome};
use crate::text::{brief, first_few};

/// The number of services and of checks that a line about an endpoint names.
const NAMED: usize = 5;

/// An endpoint as fields of a line: `target` or `canary`, by its role, the check that asks it if there
/// are several or it has settings of its own, and the services that ask it if they are named.
struct Named {
    target: Option<DisplayValue<Endpoint>>,
    canary: Option<DisplayValue<String>>,
    check: Option<DisplayValue<String>>,
    service: Option<DisplayValue<String>>,
}

impl Named {
    fn new(engine: &Engine, endpoint: Endpoint) -> Self {
        let settings = engine.settings();
        if engine.is_canary(endpoint) {
            let canary = Some(display(settings.endpoint_name(endpoint)));
            return Self { target: None, canary, check: None, service: None };
        }
        let (mut checks, mut services) = (BTreeSet::new(), Vec::new());
        for (id, service) in settings.services() {
            let asks = service.checks.iter().find(|its| its.check.method == endpoint.method);
            let Some(check) = asks.filter(|_| service.targets.contains(&endpoint.address)) else {
                continue;
            };
            services.extend(settings.shown_name(id));
            if service.checks.len() > 1 || matches!(endpoint.method, Method::Request(_)) {
                checks.insert(check.name.as_str());
            }
        }
        let [check, service] = [checks.into_iter().collect(), services].map(|names: Vec<&str>| {
            (!names.is_empty()).then(|| display(first_few(&names, NAMED, ",")))
        });
        Self { target: Some(display(endpoint)), canary: None, check, service }
    }
}

pub(super) fn judged(endpoint: EndpointId, outcome: Outcome, rtt: Option<Duration>) {
    match outcome {
        Outcome::Reply => trace!(%endpoint, ?outcome, ?rtt, "probe answered"),
        Outcome::Loss => debug!(%endpoint, ?outcome, "probe lost"),
        Outcome::Fault => debug!(%endpoint, ?outcome, "probe could not be sent"),
    }
}

pub(super) fn late(engine: &Engine, endpoint: Endpoint, rtt: Duration) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        // There may be very many of them, and the names are looked for in all services.
        return;
    }
    let Named { target, canary, check, service } = Named::new(engine, endpoint);
    let rtt = brief(rtt);
    debug!(
        target,
        canary,
        check,
        service,
        rtt,
        "reply received after the timeout; the probe still counts as lost"
    );
}

pub(super) fn faulty(engine: &Engine, endpoint: Endpoint, cause: &str, logged: bool) {
    if !logged && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let Named { target, canary, check, service } = Named::new(engine, endpoint);
    if !logged {
        debug!(target, canary, check, service, cause, "cannot send probes");
    } else if canary.is_some() {
        warn!(canary, cause, "cannot send probes to canary (local fault)");
    } else {
        warn!(
            target,
            check, service, cause, "cannot send probes (local fault); target state unchanged"
        );
    }
}

pub(super) fn fault_over(engine: &Engine, endpoint: Endpoint, logged: bool) {
    if !logged && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let Named { target, canary, check, service } = Named::new(engine, endpoint);
    if logged {
        info!(target, canary, check, service, "can send probes again");
    } else {
        debug!(target, canary, check, service, "can send probes again");
    }
}

pub(super) fn faults(count: u32, endpoints: usize, first: &[String], newest: &str) {
    warn!(
        count,
        endpoints,
        first = list(first),
        cause = newest,
        "more local faults in the last minute than were logged one by one"
    );
}

/// Writes whether an endpoint answers at the retry pace; `noticed_after` is set if it does not.
pub(super) fn limits(engine: &Engine, endpoint: Endpoint, noticed_after: Option<Duration>) {
    let Named { target, canary, check, service } = Named::new(engine, endpoint);
    let Some(noticed_after) = noticed_after.map(brief) else {
        info!(target, canary, check, service, "answers at retry_interval again");
        return;
    };
    if canary.is_some() {
        warn!(
            canary,
            silence_noticed_after = noticed_after,
            "answers fewer probes than retry_interval sends; it is probed at interval even while a \
             target is suspect, so isolation is detected later"
        );
    } else {
        warn!(
            target,
            check,
            service,
            death_noticed_after = noticed_after,
            "answers fewer probes than retry_interval sends; it is probed at interval even while a \
             reply is missing, so its failure is detected later"
        );
    }
}
