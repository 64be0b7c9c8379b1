//! Creating one record, without what the API will not have.

use std::sync::PoisonError;

use reqwest::Method;
use serde_json::{Map, Value};

use super::Cloudflare;
use super::call::{Ask, CallError};
use super::concede::concede;
use super::record;
use super::refusal::{Kind, Refusal};
use crate::dns::{Attributes, Listing, NewRecord};

/// What became of a record that was to be created.
#[derive(Debug)]
pub(super) enum Created {
    /// It is there, without what had to be left out.
    There(Concessions),
    /// The API says that it was there already.
    Already,
    /// It may not be, whatever is left out.
    Rejected(Refusal),
}

/// What had to be left out of a record.
#[derive(Debug, Default)]
pub(super) struct Concessions {
    /// In words, with the API's reasons; empty if nothing was left out.
    words: Vec<String>,
    /// What the record carries now, if the API showed it.
    carries: Option<Attributes>,
}

impl Concessions {
    /// What was left out and why; `None` if nothing was.
    pub(super) fn in_words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.join("; "))
    }
}

/// A record that lacks some of what it is to carry.
#[derive(Debug)]
pub(super) struct Lacking {
    /// What it is to carry.
    wanted: Attributes,
    /// What it could be given.
    carries: Attributes,
}

impl Cloudflare {
    /// Creates the record of this body. What the API refuses in it is left out, one thing at a time.
    pub(super) async fn create(
        &self,
        zone: &str,
        mut body: Map<String, Value>,
    ) -> Result<Created, CallError> {
        let path = ["zones", zone, "dns_records"];
        let mut concessions = Concessions::default();
        loop {
            let ask = Ask::write(Method::POST, &path, Some(Value::Object(body.clone())));
            let refusal = match self.api.ask::<Value>(ask).await {
                Ok(answer) => {
                    concessions.carries = answer.result.as_ref().map(record::attributes);
                    return Ok(Created::There(concessions));
                }
                Err(CallError::Refused(refusal)) => refusal,
                Err(other) => return Err(other),
            };
            match refusal.kind {
                Kind::Exists => return Ok(Created::Already),
                Kind::Rejected if refusal.status >= 400 => {}
                _ => return Err(refusal.into()),
            }
            match concede(&mut body, &refusal, self.settings) {
                Some(what) => concessions.words.push(format!("{what}: {refusal}")),
                None => return Ok(Created::Rejected(refusal)),
            }
        }
    }

    /// Says what was left out of a record that is back, and keeps it in mind.
    pub(super) fn note_concessions(&self, new: &NewRecord, concessions: Concessions) {
        let Concessions { words, carries } = concessions;
        if words.is_empty() {
            return;
        }
        tracing::warn!(
            target = %new.address,
            name = new.set.name,
            left_out = words.join("; "),
            "restored without what Cloudflare refuses now; it is tried again at the next restore"
        );
        if let (Some(wanted), Some(carries)) = (&new.attributes, carries) {
            let lacking = Lacking { wanted: wanted.clone(), carries };
            let place = (new.set.clone(), new.address);
            let mut all = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(place, lacking);
        }
    }

    /// Lists records that lack something with all that they are to carry, so that the next
    /// withdrawal remembers that. A record that was edited since speaks for itself.
    pub(super) fn complete(&self, listing: &mut Listing) {
        let mut all = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(set, address), lacking| {
            let records = listing.sets.get_mut(set).into_iter().flatten();
            let mut same = records.filter(|record| record.address == *address).peekable();
            if same.peek().is_none() {
                return true;
            }
            let mut lacks = false;
            for record in same.filter(|record| record.attributes == lacking.carries) {
                record.attributes = lacking.wanted.clone();
                lacks = true;
            }
            lacks
        });
    }
}
