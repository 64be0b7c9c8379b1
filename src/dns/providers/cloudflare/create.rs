//! Creating one record, without the parts that the API rejects.

use std::sync::PoisonError;

use reqwest::Method;
use serde_json::{Map, Value};

use super::Cloudflare;
use super::call::{Ask, CallError};
use super::omit::omit;
use super::record::{self, NewRecordSettings};
use super::refusal::{ApiRefusal, RefusalKind};
use crate::dns::{Attributes, Listing, NewRecord};

/// The outcome of creating a record.
#[derive(Debug)]
pub(super) enum Created {
    /// It was created, without the omitted parts.
    There(Omissions),
    /// The API reports that it existed already.
    Already,
    /// It is rejected, even without all optional parts.
    Rejected(ApiRefusal),
}

/// The parts that were omitted from a record.
#[derive(Debug, Default)]
pub(super) struct Omissions {
    /// Descriptions with the API's reasons; empty if nothing was omitted.
    words: Vec<String>,
    /// The settings of the record now, if the API returned them.
    carries: Option<Attributes>,
}

impl Omissions {
    /// Describes the omissions; `None` if there are none.
    pub(super) fn in_words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.join("; "))
    }
}

/// A record that lacks some of its settings.
#[derive(Debug)]
pub(super) struct IncompleteRecord {
    /// The intended settings.
    wanted: Attributes,
    /// The settings that it could be created with.
    carries: Attributes,
}

impl Cloudflare {
    /// Creates the record of this body. Parts that the API rejects are omitted, one at a time, or
    /// replaced by those of `settings`.
    pub(super) async fn create(
        &self,
        zone: &str,
        mut body: Map<String, Value>,
        settings: NewRecordSettings,
    ) -> Result<Created, CallError> {
        let path = ["zones", zone, "dns_records"];
        let mut omissions = Omissions::default();
        loop {
            let ask = Ask::write(Method::POST, &path, Some(Value::Object(body.clone())));
            let refusal = match self.api.ask::<Value>(ask).await {
                Ok(answer) => {
                    omissions.carries = answer.result.as_ref().map(record::attributes);
                    return Ok(Created::There(omissions));
                }
                Err(CallError::Refused(refusal)) => refusal,
                Err(other) => return Err(other),
            };
            match refusal.kind {
                RefusalKind::Exists => return Ok(Created::Already),
                RefusalKind::Rejected if refusal.status >= 400 => {}
                _ => return Err(refusal.into()),
            }
            match omit(&mut body, &refusal, settings) {
                Some(what) => omissions.words.push(format!("{what}: {refusal}")),
                None => return Ok(Created::Rejected(refusal)),
            }
        }
    }

    /// Logs the omissions of a restored record, and remembers the intended settings.
    pub(super) fn record_omissions(&self, new: &NewRecord, omissions: Omissions) {
        let Omissions { words, carries } = omissions;
        if words.is_empty() {
            return;
        }
        tracing::warn!(
            target = %new.address,
            name = new.set.name,
            left_out = words.join("; "),
            "restored without the settings that Cloudflare rejects now; they are requested again with \
             the next restore"
        );
        if let (Some(wanted), Some(carries)) = (&new.attributes, carries) {
            let incomplete = IncompleteRecord { wanted: wanted.clone(), carries };
            let place = (new.set.clone(), new.address);
            let mut all = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(place, incomplete);
        }
    }

    /// Lists incomplete records with their intended settings, so that the next withdrawal remembers
    /// those. A record that was edited since then is listed as it is.
    pub(super) fn complete(&self, listing: &mut Listing) {
        let mut all = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(set, address), incomplete| {
            let records = listing.sets.get_mut(set).into_iter().flatten();
            let mut same = records.filter(|record| record.address == *address).peekable();
            if same.peek().is_none() {
                return true;
            }
            let mut lacks = false;
            for record in same.filter(|record| record.attributes == incomplete.carries) {
                record.attributes = incomplete.wanted.clone();
                lacks = true;
            }
            lacks
        });
    }
}
