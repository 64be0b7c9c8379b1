//! The checks of a service, built from the keys that choose them.

use std::num::NonZeroUsize;

use super::config::{CheckConfig, CheckMethod};
use super::parsed::{ParsedCheck, ParsedChecks};
use super::selection::{Choice, ChosenChecks, Require};
use super::{Asker, CheckContext, CheckQuestion};
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::probe::dns::settings::DEFAULT_PORT;
use crate::probe::http::HttpSettings;
use crate::settings::pace_keys::PaceKeys;

/// The layers from which the checks of a service come.
pub(in crate::settings) struct CheckLayers<'a> {
    /// The checks of the file.
    pub(in crate::settings) parsed: &'a ParsedChecks,
    /// The choice at the top of the file, and its pace.
    pub(in crate::settings) top: (&'a ChosenChecks, &'a PaceKeys),
    /// The number of targets that may be probed at the same moment.
    pub(in crate::settings) burst: NonZeroUsize,
    /// The service's own choice, and its pace; `None` in a file of one service.
    pub(in crate::settings) service: Option<(&'a ChosenChecks, &'a PaceKeys)>,
}

/// The checks of a service with the places of the keys that chose them.
pub(in crate::settings) struct BuiltChecks {
    /// The checks, in the order of the file.
    pub(in crate::settings) checks: Vec<CheckConfig>,
    /// The number of counted checks that must be up.
    pub(in crate::settings) require: usize,
    /// The pace of each check with the places of its values, in the same order.
    pub(in crate::settings) paces: Vec<PaceKeys>,
    /// The place of the choice; `None` if nothing was chosen.
    pub(in crate::settings) chosen_at: Option<Spot>,
    /// The place of `require`.
    pub(in crate::settings) required_at: Option<Spot>,
}

impl CheckLayers<'_> {
    /// Returns the pace of a service, in which its checks may differ.
    fn pace(&self) -> PaceKeys {
        match self.service {
            Some((_, pace)) => pace.over(self.top.1),
            None => self.top.1.clone(),
        }
    }

    /// Returns the choice that counts: the service's own, or that of the top level.
    fn choice(&self) -> &ChosenChecks {
        let own = self.service.map(|(choice, _)| choice);
        own.filter(|choice| choice.is_given(self.parsed)).unwrap_or(self.top.0)
    }

    /// Builds the checks of the service with this name and these owner names. If any value is refused,
    /// the result is discarded later.
    pub(in crate::settings) fn build(
        &self,
        name: &str,
        names: &[String],
        file: &mut SectionContext<'_>,
    ) -> BuiltChecks {
        let (choice, pace) = (self.choice(), self.pace());
        let resolved = choice.resolve(self.parsed, file.report);
        let mut is_whole = resolved.is_some() || !choice.is_given(self.parsed);
        let choices = resolved.unwrap_or_default();
        let asker = Asker::service(name, names);
        let mut taken: Vec<String> =
            choices.iter().filter_map(|choice| choice.check.name.clone()).collect();
        let (mut checks, mut paces) = (Vec::<CheckConfig>::new(), Vec::new());
        for Choice { check, spot } in &choices {
            let mut context = CheckContext { spot: &check.spot, file };
            let keys = check.keys.as_ref();
            let Some(question) = keys.and_then(|keys| keys.question(&asker, &mut context)) else {
                is_whole = false;
                continue;
            };
            let pace = check.pace.over(&pace);
            let built = self.check(check, question, &pace, &mut taken);
            if let Some(first) = checks.iter().find(|other| is_same(other, &built)) {
                let what = format!("asks the same as {}, in the same list", first.name);
                file.report.refuse_once(spot, what);
            }
            checks.push(built);
            paces.push(pace);
        }
        let chosen_at = choice.spot(self.parsed).cloned();
        if checks.is_empty() {
            checks.push(CheckConfig::plain(CheckMethod::Echo, &pace, self.burst));
            paces.push(pace);
        }
        if let Some(spot) = chosen_at.as_ref().filter(|_| is_whole && !choices.is_empty()) {
            refuse_uncounted(&checks, spot, file.report);
        }
        let counted = checks.iter().filter(|check| check.is_counted()).count();
        let require = self.require(counted, name, is_whole.then_some(file.report));
        let required_at = self.required_at().cloned();
        BuiltChecks { checks, require, paces, chosen_at, required_at }
    }

    fn check(
        &self,
        check: &ParsedCheck,
        question: CheckQuestion,
        pace: &PaceKeys,
        taken: &mut Vec<String>,
    ) -> CheckConfig {
        let CheckQuestion { method, words, values } = question;
        let kind = check.kind.or("icmp");
        let name = check.name.clone().unwrap_or_else(|| free_name(kind, &method, taken));
        let mut places = pace.known_places();
        for (key, spot) in [("type", check.kind.spot()), ("mode", check.mode.spot())] {
            places.extend(spot.map(|spot| (key, spot.clone())));
        }
        let (mode, probing) = (check.mode(), pace.probing(self.burst));
        CheckConfig { name, kind, method, mode, probing, words, values, places }
    }

    /// Returns the place of the `require` that counts.
    fn required_at(&self) -> Option<&Spot> {
        let own = self.service.and_then(|(choice, _)| choice.require.spot());
        own.or(self.top.0.require.spot())
    }

    /// Returns the number of the `counted` checks that must be up. Problems go to `report`, if there is one.
    fn require(&self, counted: usize, name: &str, report: Option<&mut Report>) -> usize {
        let own = self.service.map(|(choice, _)| &choice.require);
        let own = own.filter(|require| !require.is_absent());
        let require = own.unwrap_or(&self.top.0.require);
        let Some(at) = require.present() else { return counted.max(1) };
        let number = match at.value {
            Require::All => counted,
            Require::Any => 1,
            Require::AtLeast(number) => number,
        };
        let Some(report) = report else { return number.clamp(1, counted.max(1)) };
        // At the top it is a default, also of services with one check.
        let is_default = own.is_none() && self.service.is_some();
        if counted == 1 && !is_default {
            let what = "not used with one counted check; checks = [...] has several";
            report.refuse_once(&at.spot, what);
        } else if number > counted && counted > 1 {
            let of = self.service.map(|_| format!(" of service {name}")).unwrap_or_default();
            let what = format!(
                "{} is more than the {counted} counted checks{of}; no target could ever be up",
                at.shown
            );
            report.refuse_once(&at.spot, what);
        }
        number.clamp(1, counted.max(1))
    }
}

/// Refuses checks that are all watched only.
fn refuse_uncounted(checks: &[CheckConfig], spot: &Spot, report: &mut Report) {
    if checks.iter().any(CheckConfig::is_counted) {
        return;
    }
    let spot = match checks {
        [one] => one.places.get("mode").unwrap_or(spot),
        _ => spot,
    };
    let what =
        "no check is counted, so no target could ever be down; at least one has mode = \"count\"";
    report.refuse_once(spot, what);
}

/// Whether two checks send the same probes.
fn is_same(one: &CheckConfig, other: &CheckConfig) -> bool {
    one.method == other.method && one.probing == other.probing
}

/// Returns the name of a check without one: its type, its port if that is not the usual one, and a number
/// if there is such a check already.
fn free_name(kind: &str, method: &CheckMethod, taken: &mut Vec<String>) -> String {
    let usual = match kind {
        "http" | "https" => Some(HttpSettings::default_port(kind == "https")),
        "dns" => Some(DEFAULT_PORT),
        _ => None,
    };
    let port = method.port().filter(|port| Some(*port) != usual);
    let name = port.map_or_else(|| kind.to_owned(), |port| format!("{kind}-{port}"));
    let mut candidates = (2..).map(|nth| format!("{name}-{nth}"));
    let mut free = name.clone();
    while taken.contains(&free) {
        free = candidates.next().unwrap_or_default();
    }
    taken.push(free.clone());
    free
}
