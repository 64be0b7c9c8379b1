//! Listings that contradict the provider's confirmation, or the earlier content of the zone.

use super::Reconciler;
use super::interruption::Interruption;
use crate::dns::clock::now;
use crate::dns::{Listing, Placement};
use crate::engine::event::DnsReport;
use crate::engine::plan::{Desired, names_by_address};

impl Reconciler {
    /// Postpones confirmed changes that the listing does not show, and marks them as uncertain.
    pub(super) async fn postpone_unshown(
        &mut self,
        unshown: Vec<(Placement, bool)>,
    ) -> Result<(), Interruption> {
        let (why, now) = (crate::text::error_chain(&self.unshown_error()), now());
        for (entry, present) in &unshown {
            self.rejections.reject(entry.clone(), *present, why.clone(), now);
        }
        self.mark_uncertain(unshown.into_iter().map(|(entry, _)| entry)).await
    }

    /// Marks as uncertain every place at which `listing` shows the desired state although it was
    /// different before and this agent did not change it. Perhaps a person did; or the listing is
    /// wrong, and if it were trusted, nothing would be done and nothing would list the zone again.
    ///
    /// A place that differs from the desired state needs no such check: it is written, and the
    /// provider's answer shows the truth. With other agents the listing counts, because each of them
    /// sees the changes of the others at every verdict, and the zone is only listed again.
    pub(super) async fn question_surprises(
        &mut self,
        listing: &Listing,
    ) -> Result<(), Interruption> {
        let orders = &self.orders;
        let surprises = self.uncertain.surprises(&listing.observed(), |place| {
            let state = orders.desired(place).filter(|state| *state != Desired::Stay);
            state.map(|state| state == Desired::Serve)
        });
        if self.shared {
            self.uncertain.recheck(surprises, now());
            return Ok(());
        }
        for is_present in [false, true] {
            let same = surprises.iter().filter(|(_, present)| *present == is_present);
            let same: Vec<_> = same.map(|(entry, _)| entry.clone()).collect();
            for (target, names) in names_by_address(&same) {
                let names = names.join(",");
                if is_present {
                    tracing::info!(
                        %target,
                        names,
                        "DNS shows the address again, though this agent has not restored it; \
                         listing the zone for two more minutes before this counts"
                    );
                } else {
                    tracing::info!(
                        %target,
                        names,
                        "DNS does not show the address, though this agent has not withdrawn it; \
                         listing the zone for two more minutes before this counts"
                    );
                }
            }
        }
        self.mark_uncertain(surprises.into_iter().map(|(entry, _)| entry)).await
    }

    /// Marks places as uncertain, remembers and reports them.
    pub(super) async fn mark_uncertain(
        &mut self,
        entries: impl IntoIterator<Item = Placement>,
    ) -> Result<(), Interruption> {
        let before = self.uncertain.entries();
        self.uncertain.mark(entries, now());
        let uncertain = self.uncertain.entries();
        if uncertain == before {
            return Ok(());
        }
        self.memory.add_pending(&uncertain).await;
        self.report(DnsReport::Uncertain(uncertain)).await
    }
}
