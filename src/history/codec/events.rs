//! The events of the journal. Those about single probes are not among them.

use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, DrainCommand, DrainStep, Event};
use crate::history::bytes::{coded_enum, coded_struct};

coded_enum!(Event {
    0 Tick,
    1 Dns(zone, report),
    2 Vote { peer, service, target, vote, age },
    3 Abstained { peer, service, target },
    4 Peer { peer, state },
    5 Drain(command),
    6 Undrain { ticket, service, target },
    7 Return { ticket, service, target, undrain },
    8 DrainEndsChanged { service, ends },
    9 Reloaded(settings),
} Self::Answered { .. } | Self::Undelivered { .. } => 0);

coded_enum!(DnsReport {
    0 Listed(observed),
    1 Applied { withdrawn, restored, created, took, is_part },
    2 Confirmed { service, number, desired, held, open },
    3 FailingSets(sets),
    4 Uncertain(records),
    5 Contradicted(records),
    6 Failing(problem),
});
coded_enum!(DnsProblemKind { 0 Refused, 1 Unavailable, 2 Unconfirmed, 3 Changed, 4 Defect });
coded_enum!(DrainStep { 0 Both, 1 Check, 2 Drain });
coded_struct!(DnsProblem { kind, what, retry_in });
coded_struct!(DrainCommand { ticket, service, target, lasts, reason, force, step });
