//! Changes that Route 53 examined and rejected: the sets concerned, and the next step.

use std::collections::BTreeSet;

use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;

use super::PROVIDER;
use super::edit::Edit;
use super::failure::OneLine;
use super::sets::plain_name;
use crate::dns::ProviderError;
use crate::engine::plan::SetKey;

/// Codes of answers about the content of the request, not about the credentials or the zone. Access
/// may be denied by a condition on the names in the request, so another request may succeed.
///
/// Sources: "Errors" of `ChangeResourceRecordSets` and "Common errors" in the Route 53 API
/// reference; "Using IAM policy conditions for fine-grained access control" in the developer guide.
const ABOUT_THE_CHANGE: [&str; 7] = [
    "InvalidChangeBatch",
    "InvalidInput",
    "InvalidArgument",
    "LimitsExceeded",
    "NoSuchHealthCheck",
    "AccessDenied",
    "AccessDeniedException",
];

/// Route 53's rejection of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    code: String,
    reasons: Vec<String>,
}

impl Rejection {
    /// Returns the rejection, if the answer is about the batch.
    pub(super) fn of(
        error: &SdkError<ChangeResourceRecordSetsError, HttpResponse>,
    ) -> Option<Self> {
        let body = error.raw_response()?.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        // The documented format has no code, only the element; the SDK knows the other one.
        let is_batch = body.contains("<InvalidChangeBatch");
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|meta| meta.code());
        let code = code.or(is_batch.then_some("InvalidChangeBatch"))?;
        if !ABOUT_THE_CHANGE.contains(&code) {
            return None;
        }
        let mut reasons = messages(&body);
        if reasons.is_empty() {
            reasons.extend(meta.and_then(|meta| meta.message()).map(str::to_owned));
        }
        Some(Self { code: code.to_owned(), reasons })
    }

    /// Whether a set differs from its listing. Every other reason, such as a CNAME of the same
    /// name, will apply the next time as well.
    pub(super) fn is_conflict(&self) -> bool {
        let conflict =
            |reason: &String| reason.contains("Tried to delete") || creates_twice(reason);
        self.code == "InvalidChangeBatch"
            && (self.reasons.is_empty() || self.reasons.iter().any(conflict))
    }

    /// Returns the deleted health checks of `batch`, as far as they are named.
    pub(super) fn gone_checks(&self, batch: &[Edit]) -> BTreeSet<String> {
        let ids: BTreeSet<String> = batch.iter().filter_map(Edit::health_check).collect();
        let at: BTreeSet<_> = batch.iter().filter_map(Edit::key).map(|key| &key.name).collect();
        if self.code != "NoSuchHealthCheck" {
            return BTreeSet::new();
        }
        let mut named = BTreeSet::new();
        for id in &ids {
            if self.reasons.iter().any(|reason| reason.contains(id.as_str())) {
                named.insert(id.clone());
            }
        }
        // If none is named, a name must not lose its health checks because of another name.
        if named.is_empty() && (ids.len() == 1 || at.len() == 1) { ids } else { named }
    }

    /// Returns the sets of `batch` that were named as the cause; for a health check, the sets that
    /// have one.
    pub(super) fn culprits(&self, batch: &[Edit]) -> Vec<SetKey> {
        let mut culprits: Vec<SetKey> = batch
            .iter()
            .filter(|edit| self.code == "NoSuchHealthCheck" && edit.health_check().is_some())
            .chain(batch.iter().filter(|edit| edit.key().is_some_and(|key| self.names(key))))
            .filter_map(Edit::key)
            .cloned()
            .collect();
        culprits.sort();
        culprits.dedup();
        culprits
    }

    /// Whether a set was named, in any form.
    fn names(&self, key: &SetKey) -> bool {
        self.reasons.iter().any(|reason| {
            // Some of them name the zone, which may be a managed name itself.
            let reason = reason.split(" in zone ").next().unwrap_or(reason);
            let words =
                || reason.split(|c: char| !(c.is_ascii_alphanumeric() || "._-*\\".contains(c)));
            let family = key.family.to_string();
            let is_typed = words().any(|word| word == "A" || word == "AAAA");
            words().any(|word| plain_name(word) == key.name)
                && (!is_typed || words().any(|word| word == family))
        })
    }

    pub(super) fn message(&self) -> OneLine {
        match &self.reasons[..] {
            [] => OneLine::new(&self.code),
            reasons => OneLine::new(&format!("{}: {}", self.code, reasons.join("; "))),
        }
    }

    /// Creates the error of a change that will not be made.
    pub(super) fn rejected(&self, what: String, batch: &[Edit]) -> ProviderError {
        let (provider, culprits) = (PROVIDER, self.culprits(batch));
        ProviderError::Rejected { provider, what, culprits, source: self.message().into() }
    }

    /// Creates the error of a zone that no longer matches its listing.
    pub(super) fn changed(&self, what: String) -> ProviderError {
        ProviderError::Changed { provider: PROVIDER, what, source: self.message().into() }
    }
}

/// Whether the reason is "Tried to create resource record set … but it already exists". The
/// creation of an alias is another matter.
fn creates_twice(reason: &str) -> bool {
    reason.contains("Tried to create") && reason.contains("already exists")
}

/// Returns the content of the `Message` elements of an answer, in either of Route 53's formats:
///
/// - `<ErrorResponse><Error><Code/><Message>[one, other]</Message></Error></ErrorResponse>`
/// - `<InvalidChangeBatch><Messages><Message>one</Message>…</Messages></InvalidChangeBatch>`, the
///   one in the API reference
fn messages(body: &str) -> Vec<String> {
    let elements = body.split("<Message>").skip(1);
    let texts = elements.filter_map(|rest| rest.split_once("</Message>").map(|(text, _)| text));
    texts.map(unescaped).filter(|text| !text.is_empty()).collect()
}

/// Replaces the entities of an XML text (XML 1.0, 4.6).
fn unescaped(text: &str) -> String {
    let quoted = text.replace("&quot;", "\"").replace("&apos;", "'").replace("&#39;", "'");
    quoted.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_owned()
}

#[cfg(test)]
mod tests;
