//! Standbys in the status: targets that are published only while too few others are in service.

use serde::{Deserialize, Serialize};

use super::{Health, Target};

/// The place of a standby among the tiers of its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    /// Its tier, from 1 on.
    pub tier: usize,
    /// The reason why it is published or not: `tier 1, since 0 of 2 of tier 0 are in service`.
    pub why: String,
    /// Whether it is a last resort, which is not probed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last_resort: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is given by serde")]
pub(super) fn is_false(truth: &bool) -> bool {
    !truth
}

impl Target {
    /// Whether the target is a standby that is not needed, or is not put in for another reason. That
    /// is normal.
    pub(in crate::status) fn is_standing_by(&self) -> bool {
        self.standby.is_some() && !self.in_service && self.drained.is_none()
    }

    /// Whether it is a last resort, which is not probed and has no health.
    pub(crate) fn is_last_resort(&self) -> bool {
        self.standby.as_ref().is_some_and(|standby| standby.last_resort)
    }

    /// Whether it is a standby out of service that could serve.
    pub(in crate::status) fn stands_ready(&self) -> bool {
        self.is_standing_by() && self.reason.is_none() && self.health != Health::Down
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::concern::{Concern, service};
    use crate::status::model::Reason;
    use crate::status::sample;

    fn standby(health: Health, in_service: bool, reason: Option<Reason>, there: bool) -> Target {
        let why = "tier 1, since 2 of 2 of tier 0 are in service".to_owned();
        let mut target = sample::target("192.0.2.9");
        target.records[0].present = Some(there);
        let standby = Some(Standby { tier: 1, why, last_resort: false });
        let reason = reason.map(Into::into);
        Target { health, in_service, reason, standby, ..target }
    }

    fn last_resort(mut target: Target) -> Target {
        target.standby.as_mut().unwrap().last_resort = true;
        target
    }

    #[test]
    fn a_standby_that_is_up_and_out_is_fine_and_one_that_is_missing_is_not() {
        use Health::{AssumedUp, Down, Unknown, Up};
        let refused = Some(Reason::Standby);
        let rows = [
            ("ready", standby(Up, false, None, false), Concern::Fine, "standby", true),
            ("new", standby(AssumedUp, false, None, false), Concern::Assumed, "standby", true),
            ("in use", standby(Up, true, None, true), Concern::Fine, "yes", true),
            ("down", standby(Down, false, None, false), Concern::Down, "standby", false),
            ("not seen", standby(Unknown, false, None, false), Concern::Unknown, "standby", true),
            (
                "needed and down",
                standby(Down, false, refused, false),
                Concern::Down,
                "no: standby",
                false,
            ),
            (
                "stays for others",
                standby(Up, false, refused, true),
                Concern::HeldOut,
                "kept: standby",
                false,
            ),
            (
                "last resort",
                last_resort(standby(AssumedUp, false, None, false)),
                Concern::Fine,
                "standby",
                true,
            ),
            (
                "last resort, in use",
                last_resort(standby(AssumedUp, true, None, true)),
                Concern::HeldOut,
                "yes",
                true,
            ),
        ];
        for (name, target, concern, words, serves) in rows {
            assert_eq!(Concern::of(&target), concern, "{name}");
            assert_eq!((service(&target).as_str(), target.serves()), (words, serves), "{name}");
        }
    }
}
