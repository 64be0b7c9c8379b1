//! The urgency of a target's state, and the texts about it, shared by the table and the page.

use std::collections::HashMap;

use super::model::{CheckStatus, Health, Outcome, Reason, ServiceStatus, Status, Target};

/// The urgency of a target's state, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Down, and still in DNS.
    DownInDns,
    /// Down and out of DNS, as it should be.
    Down,
    /// Alive, but not fully in DNS: drained, held back, or with a record missing; or a last resort in
    /// DNS.
    HeldOut,
    /// Of unknown health.
    Unknown,
    /// Losing probes at present.
    Losing,
    /// Up and in DNS, while a check is down, or answers with a warning.
    Noted,
    /// Assumed up since the start.
    Assumed,
    /// Up and in DNS, or a standby that is up and not needed.
    Fine,
}

impl Concern {
    /// Returns the urgency of a target's state.
    pub(super) fn of(target: &Target) -> Self {
        let (present, missing) = presence(target);
        let losing = target.streak.outcome == Outcome::Loss && target.streak.count > 0;
        // No record is withdrawn before its zone was read.
        let unread = present + missing == 0;
        match target.health {
            Health::Down if present > 0 || unread && target.drained.is_none() => Self::DownInDns,
            Health::Down => Self::Down,
            Health::Unknown => Self::Unknown,
            _ if target.stands_ready() && present == 0 => match target.health {
                Health::AssumedUp if !target.is_last_resort() => Self::Assumed,
                _ if losing => Self::Losing,
                _ => Self::Fine,
            },
            _ if !target.serves() || target.reason.is_some() || missing > 0 => Self::HeldOut,
            // All others are out.
            _ if target.is_last_resort() => Self::HeldOut,
            _ if losing => Self::Losing,
            _ if target.checks.iter().any(CheckStatus::is_notable) => Self::Noted,
            Health::AssumedUp => Self::Assumed,
            Health::Up => Self::Fine,
        }
    }
}

/// Returns the number of names with the target's record, and the number of names without.
fn presence(target: &Target) -> (usize, usize) {
    let (mut present, mut missing) = (0, 0);
    for record in &target.records {
        match record.present {
            Some(true) => present += 1,
            Some(false) => missing += 1,
            None => {}
        }
    }
    (present, missing)
}

/// Returns the targets with their indices in [`Status::targets`], the worst first.
pub(super) fn by_concern(status: &Status) -> Vec<(usize, &Target)> {
    let mut targets: Vec<_> = status.targets.iter().enumerate().collect();
    targets.sort_by_cached_key(|(_, target)| Concern::of(target));
    targets
}

/// One service with its targets, the worst first, by their indices in [`Status::targets`].
#[derive(Debug)]
pub(super) struct ServiceGroup<'a> {
    pub(super) service: &'a ServiceStatus,
    pub(super) targets: Vec<(usize, &'a Target)>,
    /// The number of targets that are not fine.
    pub(super) concerning: usize,
}

impl ServiceGroup<'_> {
    /// Returns the urgency of the worst of its targets.
    pub(super) fn worst(&self) -> Concern {
        self.targets.first().map_or(Concern::Fine, |(_, target)| Concern::of(target))
    }

    /// Describes the service in a few words: `1 of 2 in service, zone main, by echo
    /// requests`.
    pub(super) fn summary(&self) -> String {
        let ServiceStatus { zone, checks, in_service, of, standby_in, .. } = self.service;
        let mut words = vec![format!("{in_service} of {of} in service")];
        words.extend(standby_in.map(|standbys| format!("{standbys} standby in")));
        words.push(format!("zone {zone}"));
        words.extend(checks.iter().cloned());
        words.join(", ")
    }
}

/// Returns the services with their targets, the worst first.
pub(super) fn by_service(status: &Status) -> Vec<ServiceGroup<'_>> {
    let mut places = HashMap::new();
    let mut groups = Vec::with_capacity(status.services.len());
    for service in &status.services {
        places.insert(service.name.as_str(), groups.len());
        groups.push(ServiceGroup { service, targets: Vec::new(), concerning: 0 });
    }
    for (index, target) in status.targets.iter().enumerate() {
        if let Some(place) = places.get(target.service.as_str()) {
            groups[*place].targets.push((index, target));
        }
    }
    for group in &mut groups {
        group.targets.sort_by_cached_key(|(_, target)| Concern::of(target));
        group.concerning =
            group.targets.partition_point(|(_, target)| Concern::of(target) < Concern::Fine);
    }
    groups.sort_by_key(ServiceGroup::worst);
    groups
}

/// Returns whether the target is in service, or the reason why not, in at most 15 characters.
pub(super) fn service(target: &Target) -> String {
    let (present, missing) = presence(target);
    match (target.in_service, &target.reason) {
        _ if target.drained.is_some() && target.known_reason() != Some(Reason::Floor) => {
            "no: drained".to_owned()
        }
        (false, None) if target.standby.is_some() && present == 0 => "standby".to_owned(),
        (false, Some(reason)) if present > 0 => format!("kept: {reason}"),
        (false, Some(reason)) => format!("no: {reason}"),
        (false, None) if present > 0 || missing == 0 => "no: pending".to_owned(),
        (false, None) => "no".to_owned(),
        (true, Some(reason)) => format!("yes: {reason}"),
        (true, None) if missing > 0 => format!("in {present} of {}", present + missing),
        (true, None) => "yes".to_owned(),
    }
}

/// Returns the number of votes for each health: `up 2 down 1`.
pub(super) fn votes(target: &Target) -> String {
    let down = target.votes.iter().filter(|vote| vote.health == Health::Down).count();
    match (target.votes.len() - down, down) {
        (0, 0) => "-".to_owned(),
        (up, 0) => format!("up {up}"),
        (0, down) => format!("down {down}"),
        (up, down) => format!("up {up} down {down}"),
    }
}

/// Formats a round-trip time in at most 7 characters.
pub(super) fn rtt(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(ms) if ms < 9.995 => format!("{ms:.2} ms"),
        Some(ms) if ms < 99.95 => format!("{ms:.1} ms"),
        Some(ms) if ms < 9_999.5 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.0} s", ms / 1_000.0),
    }
}

/// Formats a share of 1 as a percentage in at most 5 characters. It is `0%` only without any loss, and
/// `100%` only without any reply.
pub(super) fn loss(part: Option<f64>) -> String {
    let Some(part) = part else { return "-".to_owned() };
    let percent = part * 100.0;
    match percent {
        _ if percent <= 0.0 => "0%".to_owned(),
        _ if percent < 0.1 => "<0.1%".to_owned(),
        _ if percent < 9.95 => format!("{percent:.1}%"),
        _ if percent >= 100.0 => "100%".to_owned(),
        _ => format!("{:.0}%", percent.min(99.0)),
    }
}

/// Returns the word for a health in the table and on the page.
pub(super) fn health(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Down => "down",
        Health::AssumedUp => "assumed",
        Health::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::Drained;
    use crate::status::sample;

    #[test]
    fn a_dead_target_in_dns_comes_first_and_a_healthy_one_last() {
        let base = sample::target("192.0.2.10");
        let mut missing = base.clone();
        missing.records[0].present = Some(false);
        let down = Target { health: Health::Down, in_service: false, ..base.clone() };
        let mut losing = base.clone();
        (losing.streak.outcome, losing.streak.count) = (Outcome::Loss, 1);
        let cases = [
            ("down, record still there", down.clone(), Concern::DownInDns),
            (
                "down, peers do not agree, zone not read",
                Target {
                    in_service: true,
                    reason: Some(Reason::NoQuorum.into()),
                    records: Vec::new(),
                    ..down.clone()
                },
                Concern::DownInDns,
            ),
            (
                "down by the verdict, zone not read",
                Target { records: Vec::new(), ..down.clone() },
                Concern::DownInDns,
            ),
            (
                "down and drained, zone not read",
                Target {
                    reason: Some(Reason::Drained.into()),
                    drained: Some(Drained { until: None, reason: None, forced: false }),
                    records: Vec::new(),
                    ..down.clone()
                },
                Concern::Down,
            ),
            ("down and out", Target { records: missing.records.clone(), ..down }, Concern::Down),
            ("up, but a record is missing", missing, Concern::HeldOut),
            ("not seen", Target { health: Health::Unknown, ..base.clone() }, Concern::Unknown),
            ("losing", losing, Concern::Losing),
            ("assumed", Target { health: Health::AssumedUp, ..base.clone() }, Concern::Assumed),
            ("fine", base, Concern::Fine),
        ];
        for (name, target, want) in &cases {
            assert_eq!(Concern::of(target), *want, "{name}");
        }
        assert!(cases.is_sorted_by_key(|(_, _, concern)| *concern));
    }

    #[test]
    fn a_drained_target_that_the_floor_keeps_is_shown_as_kept() {
        let base = sample::target("192.0.2.10");
        let drained = Some(Drained { until: None, reason: None, forced: false });
        for (reason, want) in [(Reason::Floor, "kept: floor"), (Reason::Drained, "no: drained")] {
            let (drained, reason) = (drained.clone(), Some(reason.into()));
            let target = Target { in_service: false, drained, reason, ..base.clone() };
            assert_eq!(service(&target), want);
            assert_eq!(Concern::of(&target), Concern::HeldOut);
        }
    }

    #[test]
    fn figures_keep_to_their_columns_and_never_round_to_a_lie() {
        let rtts = [
            (None, "-"),
            (Some(0.0), "0.00 ms"),
            (Some(9.994), "9.99 ms"),
            (Some(9.996), "10.0 ms"),
            (Some(99.96), "100 ms"),
            (Some(9_999.6), "10 s"),
        ];
        for (milliseconds, want) in rtts {
            assert_eq!(rtt(milliseconds), want, "{milliseconds:?}");
        }
        let losses = [
            (0.0, "0%"),
            (0.0004, "<0.1%"),
            (0.0167, "1.7%"),
            (0.5, "50%"),
            (0.999, "99%"),
            (1.0, "100%"),
        ];
        for (part, want) in losses {
            assert_eq!(loss(Some(part)), want, "{part}");
        }
        assert_eq!(loss(None), "-", "no probe was judged");
    }

    #[test]
    fn a_withdrawal_is_pending_until_a_listing_shows_that_the_record_is_gone() {
        let mut target = Target { in_service: false, ..sample::target("192.0.2.10") };
        let cases = [(None, "no: pending"), (Some(true), "no: pending"), (Some(false), "no")];
        for (present, want) in cases {
            target.records[0].present = present;
            assert_eq!(service(&target), want, "{present:?}");
        }
    }

    #[test]
    fn service_says_why_not_in_fifteen_characters() {
        let mut target = sample::target("192.0.2.10");
        assert_eq!(service(&target), "yes");
        for reason in Reason::ALL {
            for (in_service, present) in [(true, true), (false, true), (false, false)] {
                target.reason = Some(reason.into());
                target.in_service = in_service;
                target.records[0].present = Some(present);
                let text = service(&target);
                assert!(text.len() <= 15 && text.contains(reason.as_label()), "{text}");
            }
        }
    }
}
