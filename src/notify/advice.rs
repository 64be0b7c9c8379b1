//! The next step for a person, by problem.

use super::IncidentProblem;

impl IncidentProblem {
    /// Returns the next step for a person, where one is known.
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Withdrawn => "find out why it is dead; it comes back by itself once it answers",
            Self::Drained => "`goavail undrain` gives it back",
            Self::StandbyIn => "bring the addresses before it back; it goes out by itself then",
            Self::NoneLeft => "bring an address back, undrain one, or add one that works",
            Self::Floor => {
                "bring one of the others back; until then a dead address stays in DNS, because \
                 min_in_service is reached"
            }
            Self::MaxOut => {
                "if the check is wrong, mend it; if they are dead, drain them by hand or raise max_out"
            }
            Self::NoQuorum => {
                "look at `goavail status` of the other agents: they see it alive, or are not there"
            }
            Self::Contested => {
                "some agents reach it and others do not: look at the network between them"
            }
            Self::Alike => {
                "look at the last deployment; if the machines are really dead, drain them by hand"
            }
            Self::Standby => "look at the standby: it is needed and not fit, or cannot go yet",
            Self::Unknown => "look at the route and the permissions of this agent",
            Self::NotVisible => "look at that name server: it still gives out what was changed",
            Self::Certificate => "renew the certificate",
            Self::Provider => {
                "check the credentials and the provider's own status; if a dead address waits, \
                 change DNS by hand"
            }
            Self::NameFailing => {
                "mend this record set at the provider, or take the name out of the file"
            }
            Self::ZoneInactive => {
                "compare the delegation of the zone with the provider's name servers"
            }
            Self::Isolated => "look at the network of this agent",
            Self::Reload => "run `goavail check`, mend the file, and reload again",
            Self::Stopped => "look at its log; the service manager should have started it again",
            Self::Created => "compare the name with the one that you meant",
            Self::Asked | Self::Visible => return None,
        })
    }
}
