//! The reasons of targets in the status: the same words as in the log and the metrics.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::engine::event::Reason;
use crate::text::one_line;

/// The reason of a target, as an agent states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatedReason {
    /// A reason of this version.
    Known(Reason),
    /// The word of a newer agent. An older client shows it and does not interpret it.
    Newer(String),
}

impl StatedReason {
    /// Returns the reason; `None` if it is one of a newer version.
    pub(crate) fn known(&self) -> Option<Reason> {
        match self {
            Self::Known(reason) => Some(*reason),
            Self::Newer(_) => None,
        }
    }

    /// Returns the word for the reason.
    pub(crate) fn as_label(&self) -> &str {
        match self {
            Self::Known(reason) => reason.as_label(),
            Self::Newer(word) => word,
        }
    }
}

impl From<Reason> for StatedReason {
    fn from(reason: Reason) -> Self {
        Self::Known(reason)
    }
}

impl fmt::Display for StatedReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_label())
    }
}

impl Serialize for StatedReason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_label().serialize(to)
    }
}

impl<'de> Deserialize<'de> for StatedReason {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let known = Reason::ALL.into_iter().find(|reason| reason.as_label() == word);
        Ok(known.map_or_else(|| Self::Newer(one_line(&word, '?')), Self::Known))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::status::concern::{Concern, service};
    use crate::status::model::{Health, Status};
    use crate::status::{sample, table};

    #[test]
    fn each_reason_is_written_as_its_word_and_read_back() {
        for reason in Reason::ALL.map(StatedReason::Known) {
            let written = to_value(&reason).unwrap();
            assert_eq!(written, json!(reason.as_label()));
            assert_eq!(from_value::<StatedReason>(written).unwrap(), reason);
        }
    }

    #[test]
    fn an_older_client_shows_the_reason_of_a_newer_agent() {
        let mut status = sample::status();
        status.targets.truncate(1);
        let mut written = to_value(&status).unwrap();
        for (in_service, present, want) in [
            (true, true, "yes: overload"),
            (false, true, "kept: overload"),
            (false, false, "no: overload"),
        ] {
            let target = &mut written["targets"][0];
            target["reason"] = json!("overload");
            target["in_service"] = json!(in_service);
            target["records"][0]["present"] = json!(present);
            let read: Status = from_value(written.clone()).unwrap();
            let target = &read.targets[0];
            assert_eq!((target.health, target.known_reason()), (Health::Up, None));
            assert_eq!((service(target).as_str(), Concern::of(target)), (want, Concern::HeldOut));
            assert!(table::table(&read, false).contains(want), "{want}");
        }
        written["targets"][0]["reason"] = json!("over\u{1b}[31mload");
        let read: Status = from_value(written.clone()).unwrap();
        assert_eq!(read.targets[0].reason.as_ref().unwrap().as_label(), "over?[31mload");
        written["targets"][0]["reason"] = json!(null);
        assert_eq!(from_value::<Status>(written.clone()).unwrap().targets[0].reason, None);
        written["targets"][0].as_object_mut().unwrap().remove("reason");
        assert_eq!(from_value::<Status>(written).unwrap().targets[0].reason, None);
    }
}
