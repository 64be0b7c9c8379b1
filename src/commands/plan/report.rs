//! The report of `goavail plan` about one service, or about all.

use std::fmt::Write as _;

use serde_json::json;

use super::comparison::Comparison;
use super::text;
use super::verdicts::AgentState;
use crate::commands::{CommandError, CommandReport, Ending, printable};
use crate::text::counted;
use crate::text::paint::Paint;

/// The comparisons of services, and the zones that could not be read.
pub(super) struct PlanReport {
    /// The number of services of the plan.
    pub(super) services: usize,
    /// The number of their zones.
    pub(super) zones: usize,
    pub(super) comparisons: Vec<Comparison>,
    /// The names of those zones, and the errors.
    pub(super) unread: Vec<(String, CommandError)>,
}

impl PlanReport {
    /// Returns the report about the only service.
    ///
    /// # Errors
    ///
    /// Fails if its zone could not be read.
    pub(super) fn of_one(
        mut self,
        json: bool,
        colour: bool,
    ) -> Result<CommandReport, CommandError> {
        if let Some((_, error)) = self.unread.pop() {
            return Err(error);
        }
        let mut text = String::new();
        for comparison in &self.comparisons {
            text.push_str(&if json { comparison.json() } else { text::render(comparison, colour) });
        }
        Ok(CommandReport { text, ending: self.ending() })
    }

    /// Returns the report about all services: those with a difference first and in full, the others as
    /// one line each.
    pub(super) fn of_all(mut self, json: bool, colour: bool) -> CommandReport {
        self.comparisons.sort_by_key(|comparison| !comparison.difference);
        let text = if json { self.json() } else { self.text(colour) };
        CommandReport { text, ending: self.ending() }
    }

    fn json(&self) -> String {
        let unread = self
            .unread
            .iter()
            .map(|(zone, error)| json!({ "zone": zone, "error": crate::text::error_chain(error) }));
        let all = json!({
            "difference": self.is_different(),
            "services": self.comparisons,
            "unread": unread.collect::<Vec<_>>(),
        });
        let text = crate::text::pretty_json(&all);
        text.expect("a comparison has string keys only") + "\n"
    }

    fn text(&self, colour: bool) -> String {
        let paint = Paint { colour };
        let mut out = String::new();
        for (_, error) in &self.unread {
            let line = format!("! {}", printable(&crate::text::error_chain(error)));
            let _ = writeln!(out, "{}", paint.red(&line));
        }
        let different = self.comparisons.iter().filter(|comparison| comparison.difference).count();
        for comparison in &self.comparisons[..different] {
            let _ = writeln!(out, "{}", text::render(comparison, colour));
        }
        for comparison in &self.comparisons[different..] {
            let service = comparison.service.as_deref().unwrap_or_default();
            let remark = agent_remark(comparison);
            let _ = writeln!(out, "{service}: {}{remark}", text::summary(comparison));
        }
        let all = counted(self.services, "service", "services");
        let missing = match self.services - self.comparisons.len() {
            0 => String::new(),
            missing => format!(", {missing} not compared"),
        };
        let total = format!("{different} of {all} with a difference{missing}");
        let _ = writeln!(out, "\n{}", paint.bold(&total));
        out
    }

    fn is_different(&self) -> bool {
        self.comparisons.iter().any(|comparison| comparison.difference)
    }

    /// Returns the ending: a zone that could not be read is a failure even if others differ.
    fn ending(&self) -> Ending {
        match self.unread.len() {
            0 if self.is_different() => Ending::Different,
            0 => Ending::Fine,
            unread => Ending::Failed(CommandError::UnreadZones {
                unread,
                all: counted(self.zones, "zone", "zones"),
            }),
        }
    }
}

/// Returns the remark of an agent that answered, in brackets: the reason why its verdicts are not used,
/// or a warning about them.
fn agent_remark(comparison: &Comparison) -> String {
    let AgentState { name, note, .. } = &comparison.agent;
    match (name, note) {
        (Some(name), Some(note)) => printable(&format!(" (agent {name}: {note})")),
        _ => String::new(),
    }
}
