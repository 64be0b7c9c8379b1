//! Facts as they are compared: without words and measured times, which a run of probes does not keep.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::event::{Action, Fact, Withdrawal};
use crate::engine::journal::is_kept;

/// Returns the decisions among actions.
pub(crate) fn decisions(actions: &[Action]) -> impl Iterator<Item = &Fact> {
    actions.iter().filter_map(|action| match action {
        Action::Report(fact) if is_kept(fact) => Some(fact),
        _ => None,
    })
}

/// Returns a fact without words and measured times.
pub(crate) fn bare(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    match &mut fact {
        Fact::Flipped { count, silent_for, last_error, .. }
        | Fact::CheckFlipped { count, silent_for, last_error, .. } => {
            *count = 0;
            *silent_for = None;
            *last_error = None;
        }
        Fact::Refused { detail, .. } => detail.clear(),
        Fact::Asked { why, .. } => *why = None,
        Fact::EvidenceBack { lasted, .. } => *lasted = Duration::ZERO,
        Fact::Applied { withdrawn, .. } => {
            let bare: BTreeMap<_, _> =
                withdrawn.keys().map(|address| (*address, Withdrawal::default())).collect();
            *withdrawn = bare;
        }
        _ => {}
    }
    fact
}

/// Whether a fact is a flip: it follows from the outcomes of one endpoint and from the canaries alone.
pub(crate) fn is_flip(fact: &Fact) -> bool {
    matches!(fact, Fact::Flipped { .. } | Fact::CheckFlipped { .. })
}
