//! Description of the configuration in words, as printed by `goavail check`.

use super::{Config, Probing};
use crate::engine::plan::Family;
use crate::engine::prober::retries;
use crate::engine::types::Endpoint;
use crate::probe::checks::CheckKind;
use crate::text::{counted, listed, seconds};

impl Config {
    /// Describes the agent's task, a line for each part. The text contains no secret and no URL.
    pub fn in_words(&self) -> String {
        let mut parts = vec![
            ("agent", self.agent()),
            ("watches", self.watching()),
            ("pace", self.pace()),
            ("retries", self.retries()),
            ("death", self.death()),
            ("return", self.comeback()),
            ("records", self.records()),
            ("access", self.provider.access()),
            ("repair", self.repair()),
            ("floor", self.floor()),
            ("canaries", self.guard_of_self()),
        ];
        parts.extend(self.sections.describe());
        let guards = self.guards_off_in_words().unwrap_or_else(|| "none".to_owned());
        parts.push(("guards off", guards));
        let network = self.network.as_ref().map(|words| ("network", words.clone()));
        let sound = format!("{}: the configuration is valid\n", self.path.display());
        let parts =
            parts.into_iter().chain(network).map(|(name, words)| format!("  {name:<12}{words}\n"));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        std::iter::once(sound).chain(parts).chain(warnings).collect()
    }

    /// Lists the guards that are off, by the keys that turn them on; `None` if all are on.
    pub fn guards_off_in_words(&self) -> Option<String> {
        (!self.guards_off.is_empty()).then(|| self.guards_off.join(", "))
    }

    fn agent(&self) -> String {
        let provider = self.provider.name();
        if self.dry_run {
            format!("{}, in dry-run: nothing is changed at {provider}", self.name)
        } else {
            format!("{}, changing records at {provider}", self.name)
        }
    }

    fn watching(&self) -> String {
        let port = self.tcp_port;
        let first = self.targets.first().map(|address| Endpoint { address: *address, port });
        let how = first.map(|endpoint| CheckKind::of(endpoint).in_words(endpoint));
        let how = how.unwrap_or_default();
        format!(
            "{} {how}: {}",
            counted(self.targets.len(), "address", "addresses"),
            listed(&self.targets)
        )
    }

    fn pace(&self) -> String {
        let pace = &self.probing;
        let burst = match pace.burst.get() {
            1 => String::new(),
            several => format!("; up to {several} addresses at once"),
        };
        let endpoints = self.targets.len() + self.canaries.len();
        let most = retries::most_a_second(endpoints, pace.interval, pace.retry_interval).ceil();
        format!(
            "a probe every {}, every {} while a reply is missing; none within {} is a loss{burst}; \
             at most {most} probes a second",
            seconds(pace.interval),
            seconds(pace.retry_interval),
            seconds(pace.timeout),
        )
    }

    /// Describes the retries for a target that does not answer.
    fn retries(&self) -> String {
        let pace = &self.probing;
        if pace.retry_interval >= pace.interval {
            return format!("every {}, which needs no rehearsal", seconds(pace.retry_interval));
        }
        let slow = Probing { retry_interval: pace.interval, ..pace.clone() }.detection();
        format!(
            "rehearsed at the start and hourly; an address that does not answer all of it is asked \
             every {}, and its death noticed after {} at best, {} at worst",
            seconds(pace.interval),
            seconds(slow.best),
            seconds(slow.worst),
        )
    }

    fn death(&self) -> String {
        let delay = self.probing.detection();
        format!(
            "{}, noticed after {} at best, {} at worst",
            counted(self.probing.failure_threshold.get() as usize, "loss", "losses in a row"),
            seconds(delay.best),
            seconds(delay.worst),
        )
    }

    fn comeback(&self) -> String {
        let delay = self.probing.recovery();
        format!(
            "{}, noticed a round trip after {} at best, {} at worst",
            counted(self.probing.recovery_threshold.get() as usize, "reply", "replies in a row"),
            seconds(delay.best),
            seconds(delay.worst),
        )
    }

    fn records(&self) -> String {
        let kinds: Vec<Family> = [Family::A, Family::Aaaa]
            .into_iter()
            .filter(|family| self.targets.iter().any(|target| Family::of(*target) == *family))
            .collect();
        let kinds = kinds.iter().map(Family::to_string).collect::<Vec<_>>().join(" and ");
        let provider = &self.provider;
        let (names, zone, new) =
            (listed(provider.names()), provider.zone(), provider.new_records());
        format!("{kinds} at {names} in zone {zone} at {}; new ones: {new}", provider.name())
    }

    fn repair(&self) -> String {
        match self.resync_interval {
            Some(pace) => format!("DNS is compared and repaired every {}", seconds(pace)),
            None => "DNS is changed when a target flips, and otherwise left alone".to_owned(),
        }
    }

    fn floor(&self) -> String {
        let each = self.provider.floor_applies_to();
        match self.min_in_service {
            0 => "none: the last address of a record set may be withdrawn".to_owned(),
            1 => format!("1 address stays in every record set{each}"),
            floor => format!("{floor} addresses stay in every record set{each}"),
        }
    }

    fn guard_of_self(&self) -> String {
        if self.canaries.is_empty() {
            return "none: a fault of this agent's own network looks like a death".to_owned();
        }
        let canaries = listed(&self.canaries);
        format!("{canaries}; while none answers, this agent withdraws nothing")
    }
}
