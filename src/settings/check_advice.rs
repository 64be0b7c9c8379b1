//! Warnings about checks that are accepted and may disappoint.

use std::collections::BTreeSet;
use std::time::Duration;

use super::checks::{BuiltChecks, CheckConfig, CheckMethod};
use super::{Probing, ServiceConfig};
use crate::config::problem::Spot;
use crate::probe::dns::settings::DnsTransport;
use crate::probe::exec::settings::ExecSettings;
use crate::probe::http::Verification;
use crate::probe::requests::RequestSettings;
use crate::text::seconds;

/// Timeout below which the three round trips of a TLS handshake may not fit.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// Number of days above which every certificate of a usual issuer would be warned about.
const MANY_DAYS: u16 = 60;

/// Interval below which the processes of a check are a load of their own.
const SHORTEST_FOR_COMMANDS: Duration = Duration::from_secs(1);

/// A service with its checks, as they were built from the file.
pub(super) struct CheckAdvice<'a> {
    /// The service that the advice is about.
    pub(super) service: &'a ServiceConfig,
    /// Its checks, with the places of the keys that chose them.
    pub(super) built: &'a BuiltChecks,
}

impl CheckAdvice<'_> {
    /// Returns the warnings about its checks, each with its place.
    pub(super) fn list(&self) -> Vec<(Spot, String)> {
        let mut warnings = Vec::new();
        let Some(chosen_at) = &self.built.chosen_at else { return warnings };
        for check in &self.service.checks {
            for what in self.about(check) {
                let spot = check.places.get("type").unwrap_or(chosen_at);
                warnings.push((spot.clone(), what));
            }
        }
        if let Some(what) = self.about_one_target() {
            warnings.push((chosen_at.clone(), what));
        }
        if let (Some(what), Some(spot)) = (self.about_one_path(), &self.built.required_at) {
            warnings.push((spot.clone(), what));
        }
        warnings
    }

    /// Returns the warnings about one check.
    fn about(&self, check: &CheckConfig) -> Vec<String> {
        let mut warnings = Vec::new();
        let CheckMethod::Request(settings) = &check.method else { return warnings };
        let timeout = check.probing.timeout;
        match &**settings {
            RequestSettings::Http(http) => {
                let Some(tls) = &http.tls else { return warnings };
                if timeout < HANDSHAKE {
                    warnings.push(format!(
                        "a timeout of {} is short for a TLS handshake, which takes up to three round \
                         trips",
                        seconds(timeout)
                    ));
                }
                if tls.verification == Verification::Off {
                    warnings.push(
                        "tls = \"off\": the certificate is not verified, and any server at the \
                         address counts as alive"
                            .to_owned(),
                    );
                }
                if tls.cert_days > MANY_DAYS {
                    warnings.push(format!(
                        "cert_days = {}: certificates that last 90 days or less are warned about for \
                         most of their life",
                        tls.cert_days
                    ));
                }
            }
            RequestSettings::Exec(exec) => return self.about_commands(exec, &check.probing),
            RequestSettings::Dns(_) => {}
        }
        warnings
    }

    /// Warns about commands that cannot all run when they are due.
    fn about_commands(&self, exec: &ExecSettings, probing: &Probing) -> Vec<String> {
        let (targets, places) = (self.service.probed().len(), exec.pool().max_running());
        let mut warnings = Vec::new();
        if let Some(user) = exec.user().filter(|user| user.is_out_of_reach()) {
            warnings.push(format!(
                "to run as {}, a command needs an agent with CAP_SETUID, CAP_SETGID and CAP_KILL, which this \
                 process does not have; without them every probe is a fault",
                user.name
            ));
        }
        if probing.interval < SHORTEST_FOR_COMMANDS {
            warnings.push(format!(
                "a process is started for each address every {}; interval = 5 costs a tenth of it",
                seconds(probing.interval),
            ));
        }
        let places = usize::try_from(places.get()).unwrap_or(usize::MAX);
        let busy = probing.timeout.as_secs_f64() / probing.interval.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a number of addresses")]
        let needed = targets as f64 * busy;
        #[expect(clippy::cast_precision_loss, reason = "a number of places")]
        if needed > places as f64 {
            warnings.push(format!(
                "with {targets} addresses every {} and up to {} for each, more than max_running = {places} \
                 may be due at once: while commands are slow, others wait for them",
                seconds(probing.interval),
                seconds(probing.timeout),
            ));
        }
        warnings
    }

    /// Warns where a check that gets an answer cannot tell a bad deploy from a dead machine.
    fn about_one_target(&self) -> Option<String> {
        let mut counted = self.service.counted();
        let is_answered = counted.any(|check| matches!(check.method, CheckMethod::Request(_)));
        (is_answered && self.service.probed().len() == 1).then(|| {
            "with one address there is no other to compare its answers with: a bad deploy takes it out \
             (only min_in_service = 1 would keep it)"
                .to_owned()
        })
    }

    /// Warns about alternatives that fail together.
    fn about_one_path(&self) -> Option<String> {
        let counted: Vec<&CheckConfig> = self.service.counted().collect();
        if counted.len() < 2 || self.service.require == counted.len() {
            return None;
        }
        let paths: BTreeSet<String> = counted.iter().filter_map(|check| path(check)).collect();
        let is_known = counted.iter().all(|check| path(check).is_some());
        let path = paths.first().filter(|_| is_known && paths.len() == 1)?;
        Some(format!(
            "all counted checks go by {path}, so they fail together; another way, such as echo requests \
             beside it, would tell a closed port from a dead machine"
        ))
    }
}

/// Returns the way of a check's packets; `None` if it is not known.
fn path(check: &CheckConfig) -> Option<String> {
    match &check.method {
        CheckMethod::Echo => Some("echo requests".to_owned()),
        CheckMethod::Connect(port) => Some(format!("TCP port {port}")),
        CheckMethod::Request(settings) => match &**settings {
            RequestSettings::Http(http) => Some(format!("TCP port {}", http.port)),
            RequestSettings::Dns(dns) => Some(match dns.transport {
                DnsTransport::Udp => format!("UDP port {}", dns.port),
                DnsTransport::Tcp => format!("TCP port {}", dns.port),
            }),
            RequestSettings::Exec(_) => None,
        },
    }
}
