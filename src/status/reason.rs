//! Reasons in JSON: the same words as in the log and the metrics.

use serde::Serialize as _;
use serde::de::{Deserialize as _, Deserializer, Error as _, Unexpected};
use serde::ser::Serializer;

use crate::engine::event::Reason;

/// Writes the word for a reason, or null.
#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is given by serde"
)]
pub(super) fn serialize<S: Serializer>(reason: &Option<Reason>, to: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_label).serialize(to)
}

/// Reads the word for a reason, or null.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Reason>, D::Error> {
    let Some(word) = Option::<String>::deserialize(from)? else { return Ok(None) };
    match Reason::ALL.into_iter().find(|reason| reason.as_label() == word) {
        None => Err(D::Error::invalid_value(Unexpected::Str(&word), &"a reason")),
        known => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Row {
        #[serde(default, with = "super")]
        reason: Option<Reason>,
    }

    #[test]
    fn each_reason_is_written_as_its_word_and_read_back() {
        for reason in Reason::ALL.map(Some) {
            let written = to_value(Row { reason }).unwrap();
            assert_eq!(written, json!({"reason": reason.map(Reason::as_label)}));
            assert_eq!(from_value::<Row>(written).unwrap(), Row { reason });
        }
    }

    #[test]
    fn no_reason_is_null_and_another_word_is_refused() {
        assert_eq!(to_value(Row { reason: None }).unwrap(), json!({"reason": null}));
        assert_eq!(from_value::<Row>(json!({})).unwrap(), Row { reason: None });
        let refused = from_value::<Row>(json!({"reason": "full"})).unwrap_err().to_string();
        assert!(refused.contains("full") && refused.contains("a reason"), "{refused}");
    }
}
