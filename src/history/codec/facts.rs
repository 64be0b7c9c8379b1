//! The facts of the journal: the decisions, and those that tell of them.

use crate::engine::event::{Fact, FailedCheck, Reason, Withdrawal};
use crate::history::bytes::{ByteSource, Coded, coded_enum, coded_struct};

coded_enum!(Fact {
    1 Flipped { service, target, from, to, count, silent_for, last_error },
    2 CheckFlipped { service, target, check, from, to, count, silent_for, last_error },
    3 Verdict { service, target, verdict, agreeing, after },
    4 Refused { service, target, reason, detail },
    5 RefusalOver { service, target, reason },
    6 Alike { service, targets, kind },
    7 AlikeOver { service },
    8 Asked { service, target, why },
    9 Isolated { missing, cause },
    10 IsolationOver { lasted },
    11 EvidenceLost { service, targets },
    12 EvidenceBack { service, target, lasted, notified },
    13 Applied { zone, service, withdrawn, restored, created, took, dry_run },
    14 Drained { service, target, drain },
    15 Undrained { service, target, expired },
    16 WaitEnded { service, target },
} _ => 0);

coded_struct!(FailedCheck { check, said });
coded_struct!(Withdrawal {
    names,
    losses,
    silent_for,
    by_hand,
    asked,
    standing_by,
    agreeing,
    failed,
});

impl Coded for Reason {
    fn put(&self, out: &mut Vec<u8>) {
        let place = Self::ALL.iter().position(|it| it == self).unwrap_or_default();
        place.put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Self::ALL.get(usize::get(from)?).copied()
    }
}
