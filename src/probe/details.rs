//! Facts about the newest probes that decide nothing: durations, the end of a certificate, warnings.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::engine::ids::RequestId;

/// The facts about the newest probe of one request at one address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeDetails {
    /// The durations of its phases, as far as it came.
    pub phases: PhaseDurations,
    /// The end of the certificate that the target presented last, in seconds since 1970.
    pub certificate_ends: Option<i64>,
    /// A warning for people: the probe was answered as asked for, and yet not all is well. One about a
    /// certificate stays until another one is presented.
    pub warning: Option<String>,
}

/// The durations of a probe's phases. A phase that did not end has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhaseDurations {
    /// Time until the connection was accepted.
    pub connect: Option<Duration>,
    /// Time of the TLS handshake.
    pub tls: Option<Duration>,
    /// Time from the request to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Time from the first byte to the end of the body, or to the place where it was cut.
    pub body: Option<Duration>,
}

impl PhaseDurations {
    /// Returns the phases that ended, in their order, each with its name in the metrics.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { connect, tls, first_byte, body } = *self;
        [("connect", connect), ("tls", tls), ("first_byte", first_byte), ("body", body)]
            .into_iter()
            .filter_map(|(name, duration)| Some((name, duration?)))
    }
}

/// The facts about the newest probes of all requests.
#[derive(Debug, Default)]
pub struct Details(Mutex<HashMap<(RequestId, IpAddr), ProbeDetails>>);

impl Details {
    /// Replaces the facts about a request at an address.
    pub fn put(&self, request: RequestId, address: IpAddr, details: ProbeDetails) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((request, address), details);
    }

    /// Replaces the facts about a request at an address by those of a probe that did not come to a TLS
    /// handshake. The end of the certificate that the target presented last stays, and `warning` returns
    /// the warning about it, if there is one now.
    pub fn put_without_handshake(
        &self,
        request: RequestId,
        address: IpAddr,
        phases: PhaseDurations,
        warning: impl FnOnce(i64) -> Option<String>,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry((request, address)).or_default();
        let certificate_ends = known.certificate_ends;
        let warning = certificate_ends.and_then(warning);
        *known = ProbeDetails { phases, certificate_ends, warning };
    }

    /// Returns the facts about a request at an address. `None` before its first probe has ended.
    pub fn get(&self, request: RequestId, address: IpAddr) -> Option<ProbeDetails> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(request, address)).cloned()
    }

    /// Returns the warning of the newest probe of a request at an address, if it had one.
    pub fn warning(&self, request: RequestId, address: IpAddr) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(request, address))?.warning.clone()
    }

    /// Discards the facts about all requests for which `is_watched` is false. To be called after
    /// each change of the configuration, which bounds the number of facts.
    pub fn retain(&self, mut is_watched: impl FnMut(RequestId, IpAddr) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(request, address), _| is_watched(*request, *address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_probe_replaces_the_one_before_and_gone_targets_are_discarded() {
        let (details, address) = (Details::default(), IpAddr::from([192, 0, 2, 1]));
        let [kept, gone] = [0, 1].map(RequestId::from);
        for ends in [1, 2] {
            let certificate_ends = Some(ends);
            for request in [kept, gone] {
                details.put(
                    request,
                    address,
                    ProbeDetails { certificate_ends, ..Default::default() },
                );
            }
        }
        details.retain(|request, _| request == kept);
        assert_eq!(details.get(kept, address).and_then(|it| it.certificate_ends), Some(2));
        assert_eq!(details.get(gone, address), None);
    }

    #[test]
    fn a_target_that_cannot_be_connected_to_keeps_its_certificate_and_a_warning_about_it() {
        let (details, address) = (Details::default(), IpAddr::from([192, 0, 2, 1]));
        let known = ProbeDetails {
            phases: PhaseDurations { tls: Some(Duration::from_millis(8)), ..Default::default() },
            certificate_ends: Some(1_795_316_400),
            warning: Some("it ends in 2 days".to_owned()),
        };
        details.put(0.into(), address, known);
        let warned = |ends| Some(format!("{ends} is tomorrow"));
        details.put_without_handshake(0.into(), address, PhaseDurations::default(), warned);
        let want = ProbeDetails {
            phases: PhaseDurations::default(),
            certificate_ends: Some(1_795_316_400),
            warning: Some("1795316400 is tomorrow".to_owned()),
        };
        assert_eq!(details.get(0.into(), address), Some(want));
        details.put_without_handshake(1.into(), address, PhaseDurations::default(), warned);
        assert_eq!(details.get(1.into(), address), Some(ProbeDetails::default()));
        let rotated = ProbeDetails { certificate_ends: Some(1_800_000_000), ..Default::default() };
        details.put(0.into(), address, rotated.clone());
        assert_eq!(details.get(0.into(), address), Some(rotated));
        details.put(0.into(), address, ProbeDetails::default());
        let none = details.get(0.into(), address).unwrap().certificate_ends;
        assert_eq!(none, None, "another certificate, with an end that cannot be read");
    }

    #[test]
    fn only_phases_that_ended_are_named() {
        let connect = Some(Duration::from_millis(3));
        let phases = PhaseDurations { connect, ..Default::default() };
        assert_eq!(phases.named().collect::<Vec<_>>(), [("connect", Duration::from_millis(3))]);
    }
}
