//! Records that were edited in place after they were listed: their id still exists and denotes
//! another record.

use std::sync::PoisonError;

use serde_json::{Map, Value};

use super::Cloudflare;
use super::call::CallError;
use super::create::Created;
use super::record::{recreation_body, text};
use crate::dns::Record;
use crate::dns::name::canonical;
use crate::engine::plan::SetKey;
use crate::text::excerpt;

/// A record that was deleted by mistake and has to be restored.
#[derive(Debug)]
pub(super) struct EditedRecord {
    /// The body that creates it again.
    body: Map<String, Value>,
    /// A description of the mistake.
    words: String,
}

/// Whether the API's record with this id is the listed record, by its name, type and address. A
/// missing field counts as equal.
pub(super) fn is_same_record(set: &SetKey, record: &Record, shown: &Value) -> bool {
    text(shown, "name").is_none_or(|name| canonical(name) == canonical(&set.name))
        && text(shown, "type").is_none_or(|kind| kind == set.family.to_string())
        && text(shown, "content").is_none_or(|text| text.trim().parse() == Ok(record.address))
}

impl EditedRecord {
    pub(super) fn new(set: &SetKey, record: &Record, shown: &Value) -> Self {
        Self { body: recreation_body(shown), words: Self::words(set, record, shown) }
    }

    /// Describes the record in the place of one to delete.
    pub(super) fn words(set: &SetKey, record: &Record, shown: &Value) -> String {
        let now = ["name", "type", "content"].map(|field| text(shown, field).unwrap_or("?"));
        format!(
            "record {} was edited after it was listed: it was {set} {} and is {}",
            record.id,
            record.address,
            excerpt(&now.join(" "))
        )
    }
}

impl Cloudflare {
    /// Restores records that were deleted by mistake, exactly as they were. A restore that fails is
    /// repeated before the next listing.
    pub(super) async fn restore_edited(&self, zone: &str, edited: Vec<EditedRecord>) {
        self.to_restore.lock().unwrap_or_else(PoisonError::into_inner).extend(edited);
        // The error is logged, and the next listing repeats the restore.
        let _ = self.restore_all(zone).await;
    }

    /// Restores all records that were deleted by mistake.
    ///
    /// # Errors
    ///
    /// Fails if the API cannot be reached. A record that the API rejects is given up, with an error
    /// message that contains all of it.
    pub(super) async fn restore_all(&self, zone: &str) -> Result<(), CallError> {
        loop {
            let next = self.to_restore.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(edited) = next else { return Ok(()) };
            let EditedRecord { body, words } = &edited;
            let created = self.create(zone, body.clone(), self.settings.of_zone()).await;
            let left_out = match &created {
                Ok(Created::There(omissions)) => omissions.in_words(),
                _ => None,
            };
            match created {
                Ok(Created::There(_) | Created::Already) => {
                    tracing::warn!(
                        left_out,
                        "{words}; it was deleted by mistake and has been restored"
                    );
                }
                Ok(Created::Rejected(refusal)) => {
                    let record = Value::Object(body.clone());
                    tracing::error!(%refusal, %record, "{words}; it was deleted by mistake and cannot be restored");
                }
                Err(error) => {
                    let record = Value::Object(body.clone());
                    let why = crate::text::error_chain(&error);
                    tracing::error!(why, %record, "{words}; it was deleted by mistake and is not restored yet");
                    self.to_restore.lock().unwrap_or_else(PoisonError::into_inner).push(edited);
                    return Err(error);
                }
            }
        }
    }
}
