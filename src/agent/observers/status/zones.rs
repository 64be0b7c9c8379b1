//! The zones and their providers in the status.

use super::StatusObserver;
use crate::engine::Engine;
use crate::engine::event::DnsProblem;
use crate::engine::ids::ZoneId;

/// The name of the work that fails while the provider does.
const PROVIDER: &str = "keep DNS in step";

/// The name of the work that fails while changes to the zone have no effect.
const ZONE: &str = "serve the zone";

/// Returns the name of work in a zone, with the name of the zone if there is more than one.
pub(super) fn work_in(zone: ZoneId, work: &str, engine: &Engine) -> String {
    match engine.settings().shown_zone(zone) {
        Some(name) => format!("{work} in {name}"),
        None => work.to_owned(),
    }
}

impl StatusObserver {
    /// Publishes a failure of the provider of a zone.
    pub(super) fn failing(&mut self, engine: &Engine, zone: ZoneId, problem: &DnsProblem) {
        let (at, work) = (self.at(), work_in(zone, PROVIDER, engine));
        self.board.failed_in(zone, at, &work, &problem.what);
        if problem.retry_in.is_none() {
            // Nothing is due and nothing is retried, so this does not keep failing.
            self.board.recovered(&work);
        }
    }

    /// Publishes that the provider of a zone recovered.
    pub(super) fn recovered(&mut self, engine: &Engine, zone: ZoneId) {
        self.works_again(engine, zone, PROVIDER);
    }

    /// Publishes that work in a zone succeeds. A reload may have changed whether zones are named.
    fn works_again(&mut self, engine: &Engine, zone: ZoneId, work: &str) {
        self.board.recovered(&work_in(zone, work, engine));
        if zone == ZoneId::DEFAULT {
            self.board.recovered(work);
        }
    }

    /// Publishes a problem with one name of a zone, or the end of it.
    pub(super) fn name_failing(
        &mut self,
        engine: &Engine,
        (zone, name): (ZoneId, &str),
        problem: Option<&str>,
    ) {
        let work = format!("look after the records of {name}");
        match problem {
            Some(problem) => {
                let work = work_in(zone, &work, engine);
                self.board.failed_in(zone, self.at(), &work, problem);
            }
            None => self.works_again(engine, zone, &work),
        }
        self.board.counters().set_name_failing(zone, name, problem.is_some());
    }

    /// Publishes a problem with a whole zone in its last listing, or the end of it.
    pub(super) fn publish_caution(&mut self, engine: &Engine, zone: ZoneId) {
        let Some(observed) = engine.observed(zone) else { return };
        if self.cautions.get(&zone) == observed.caution.as_ref() {
            return;
        }
        if let Some(caution) = &observed.caution {
            let work = work_in(zone, ZONE, engine);
            self.board.failed_in(zone, self.at(), &work, caution);
            self.cautions.insert(zone, caution.clone());
        } else {
            self.cautions.remove(&zone);
            self.works_again(engine, zone, ZONE);
        }
    }
}
