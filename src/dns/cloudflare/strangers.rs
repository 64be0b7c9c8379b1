//! Records that were edited in place after they were read: by their id they are still there, and they
//! are something else.

use std::sync::PoisonError;

use serde_json::{Map, Value};

use super::Cloudflare;
use super::call::CallError;
use super::create::Created;
use super::name::canonical;
use super::record::{same_again, text};
use super::refusal::printable;
use crate::dns::Record;
use crate::engine::plan::SetKey;

/// A record that was deleted though it was not meant, and that is to come back.
#[derive(Debug)]
pub(super) struct Stranger {
    /// What creates it again.
    body: Map<String, Value>,
    /// What happened, in words.
    words: String,
}

/// Whether what the API shows under a record's id is that record: its name, type and address. What
/// is not shown is taken for what it should be.
pub(super) fn is_meant(set: &SetKey, record: &Record, shown: &Value) -> bool {
    let same_name = |name: &str| canonical(name) == canonical(&set.name);
    let same_address = |content: &str| content.trim().parse() == Ok(record.address);
    text(shown, "name").is_none_or(same_name)
        && text(shown, "type").is_none_or(|kind| kind == set.family.to_string())
        && text(shown, "content").is_none_or(same_address)
}

impl Stranger {
    pub(super) fn new(set: &SetKey, record: &Record, shown: &Value) -> Self {
        Self { body: same_again(shown), words: Self::words(set, record, shown) }
    }

    /// What stands in the place of a record that was to be deleted.
    pub(super) fn words(set: &SetKey, record: &Record, shown: &Value) -> String {
        let part = |field| text(shown, field).unwrap_or("?");
        let now = format!("{} {} {}", part("name"), part("type"), part("content"));
        format!(
            "record {} was edited after it was read: it was {set} {} and is {}",
            record.id,
            record.address,
            printable(&now)
        )
    }
}

impl Cloudflare {
    /// Puts back what was deleted and not meant, exactly as it was. What cannot be put back now is
    /// tried again before the zone is read the next time.
    pub(super) async fn put_back(&self, zone: &str, strangers: Vec<Stranger>) {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).extend(strangers);
        // Its error is told in the log, and the next reading meets it again.
        let _ = self.pay(zone).await;
    }

    /// Puts back what is still owed.
    ///
    /// # Errors
    ///
    /// If the API could not be asked. What it rejects is given up, with an error that holds all of it.
    pub(super) async fn pay(&self, zone: &str) -> Result<(), CallError> {
        loop {
            let next = self.owed.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(stranger) = next else { return Ok(()) };
            let Stranger { body, words } = &stranger;
            let created = self.create(zone, body.clone()).await;
            let left_out = match &created {
                Ok(Created::There(concessions)) => concessions.in_words(),
                _ => None,
            };
            match created {
                Ok(Created::There(_) | Created::Already) => {
                    tracing::warn!(
                        left_out,
                        "{words}; it was deleted by its id and is back as it was"
                    );
                }
                Ok(Created::Rejected(refusal)) => {
                    let record = Value::Object(body.clone());
                    tracing::error!(%refusal, %record, "{words}; it was deleted by its id and cannot be put back");
                }
                Err(error) => {
                    let record = Value::Object(body.clone());
                    let why = crate::chain(&error);
                    tracing::error!(why, %record, "{words}; it was deleted by its id and is not back yet");
                    self.owed.lock().unwrap_or_else(PoisonError::into_inner).push(stranger);
                    return Err(error);
                }
            }
        }
    }
}
