//! The adjustments that a webhook makes to endpoints before a write: a TTL that its provider requires,
//! settings of its own. They are obeyed; one that adds or drops addresses is not.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::EndpointEdit;
use super::endpoint::WebhookEndpoint;
use super::listing::{for_each_element, read_element};
use crate::dns::name::canonical;
use crate::engine::plan::SetKey;

/// The reason why an adjustment is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's adjustment of {0} {1}, so the set is left as it is")]
pub(super) struct BadAdjustment(pub(super) SetKey, pub(super) &'static str);

/// Puts the endpoints of a webhook's answer in the place of those that are to be written.
///
/// # Errors
///
/// Fails with a description if the answer is not a list of endpoints.
pub(super) fn adjusted(
    edits: &mut [EndpointEdit],
    body: &[u8],
) -> Result<Vec<BadAdjustment>, String> {
    let mut answered: BTreeMap<SetKey, Vec<WebhookEndpoint>> = BTreeMap::new();
    for_each_element(body, |element| {
        let endpoint: WebhookEndpoint = read_element(element)?;
        // Endpoints of other types are not written here.
        if let Some(set) = endpoint.set() {
            answered.entry(set).or_default().push(endpoint);
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    let mut bad = Vec::new();
    for edit in edits.iter_mut().filter(|edit| edit.after.is_some()) {
        match adjustment(edit, answered.remove(&canonical_set(&edit.set)).unwrap_or_default()) {
            Ok(endpoint) => edit.after = Some(endpoint),
            Err(why) => bad.push(BadAdjustment(edit.set.clone(), why)),
        }
    }
    Ok(bad)
}

fn canonical_set(set: &SetKey) -> SetKey {
    SetKey { name: canonical(&set.name), ..set.clone() }
}

/// Returns the endpoint that takes the place of that of `edit`.
fn adjustment(
    edit: &EndpointEdit,
    answered: Vec<WebhookEndpoint>,
) -> Result<WebhookEndpoint, &'static str> {
    let mut answered = answered.into_iter();
    let Some(endpoint) = answered.next() else { return Err("leaves it out") };
    if answered.next().is_some() {
        return Err("divides it into several endpoints");
    }
    let addresses = endpoint.addresses(edit.set.family).map_err(|_| "adds a target of its own")?;
    if addresses.into_iter().collect::<BTreeSet<_>>() != edit.addresses() {
        return Err("adds or drops addresses");
    }
    if !endpoint.identifier().is_empty() {
        return Err("gives it a set identifier");
    }
    if endpoint.ttl().is_err() {
        return Err("gives it a TTL that is none");
    }
    Ok(endpoint)
}
