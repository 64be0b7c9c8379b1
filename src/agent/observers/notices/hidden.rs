//! The changes that name servers do not show, by their numbers.

use std::collections::BTreeMap;

use crate::dns::confirm::change::ChangeId;
use crate::dns::confirm::effect::EffectNews;
use crate::engine::ids::ZoneId;
use crate::notify::{IncidentKey, NoticeTarget};

/// The reason for the end of a wait for a change that was undone.
const UNDONE: &str = "the change was undone, so the name servers are not asked for it any more";

/// The reason for the end of all waits in a zone.
const LOST: &str = "the name servers are not asked for it any more; look at them by hand";

/// An incident about changes of one target, and the target.
pub(super) type HiddenTarget = (IncidentKey, Option<NoticeTarget>);

/// The changes that were reported as not visible.
#[derive(Debug, Default)]
pub(super) struct HiddenChanges(BTreeMap<(ZoneId, ChangeId), HiddenTarget>);

impl HiddenChanges {
    /// Adds a change that is not visible.
    pub(super) fn add(&mut self, zone: ZoneId, id: ChangeId, of: HiddenTarget) {
        self.0.insert((zone, id), of);
    }

    /// Removes a change that is visible now. Returns the incident that it was reported in.
    pub(super) fn remove(&mut self, zone: ZoneId, id: ChangeId) -> Option<HiddenTarget> {
        self.0.remove(&(zone, id))
    }

    /// Removes the changes that are no longer waited for. Returns the incidents that end with them, and
    /// the reason.
    pub(super) fn ended(
        &mut self,
        zone: ZoneId,
        news: &EffectNews,
    ) -> (Vec<HiddenTarget>, &'static str) {
        let (ended, reason): (Vec<_>, _) = match news {
            EffectNews::GivenUp(id) => (self.0.remove(&(zone, *id)).into_iter().collect(), UNDONE),
            EffectNews::Lost => {
                let its = self.0.extract_if(.., |(of, _), _| *of == zone);
                (its.map(|(_, hidden)| hidden).collect(), LOST)
            }
            _ => (vec![], UNDONE),
        };
        // Another change of the same target may still be hidden.
        let ended =
            ended.into_iter().filter(|hidden| !self.0.values().any(|other| other == hidden));
        (ended.collect(), reason)
    }
}
