//! The lookup of the hosted zone by its name.

use aws_sdk_route53::types::{HostedZone, HostedZoneConfig};

use super::access::Access;
use super::failure::{RequestKind, convert_error, incomplete, refused};
use super::sets::plain_name;
use crate::dns::ProviderError;
use crate::dns::account::RequestOrder;

/// Maximum number of pages of zones with one name.
const MOST_PAGES: usize = 10;

/// The reason why no zone of that name could be selected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NoZone {
    #[error("there is no hosted zone of that name in this account")]
    None,
    #[error("{count} {kind} zones have that name: set aws_zoneid to one of {ids}")]
    Several { count: usize, kind: &'static str, ids: String },
}

/// Returns a zone's id in the API's format, without `/hostedzone/` before it.
pub(super) fn bare_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Returns the id of the only zone called `name`; of public and private ones, the public one.
///
/// The completeness of an answer matters only if it does not contain the zone: some servers other
/// than AWS omit the description of the paging.
///
/// # Errors
///
/// Fails with `Refused` if there is none, or if several are equally suitable, and with
/// `Unavailable` if none was found and the answer may be incomplete.
pub(super) async fn find(access: &Access, name: &str) -> Result<String, ProviderError> {
    let what = format!("find the hosted zone of {name}");
    let mut zones: Vec<HostedZone> = Vec::new();
    let (mut next_name, mut next_id) = (name.to_owned(), None);
    let mut is_whole = false;
    for _ in 0..MOST_PAGES {
        let answer = access.send(RequestOrder::InOrder, |client| {
            let request = client.list_hosted_zones_by_name().dns_name(&next_name);
            request.set_hosted_zone_id(next_id.clone()).send()
        });
        let page = match answer.await {
            Ok(page) => page,
            Err(error) => return Err(convert_error(&error, RequestKind::Read, what)),
        };
        // The listing continues with the names after this one.
        zones.extend(page.hosted_zones().iter().filter(|z| plain_name(z.name()) == name).cloned());
        let next = page.next_dns_name().filter(|_| page.is_truncated());
        match next {
            Some(next) if plain_name(next) == name => {
                next.clone_into(&mut next_name);
                next_id = page.next_hosted_zone_id().map(str::to_owned);
            }
            _ => {
                is_whole = page.max_items() > 0 && page.is_truncated() == next.is_some();
                break;
            }
        }
    }
    if zones.is_empty() && !is_whole {
        return Err(incomplete(what, &IncompleteAnswer));
    }
    choose(&zones).map_err(|why| refused(what, why))
}

/// An answer without an element that every complete answer has.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not complete")]
pub(super) struct IncompleteAnswer;

fn choose(zones: &[HostedZone]) -> Result<String, NoZone> {
    let (private, public): (Vec<_>, Vec<_>) =
        zones.iter().partition(|zone| zone.config().is_some_and(HostedZoneConfig::private_zone));
    let (kind, best) = if public.is_empty() { ("private", private) } else { ("public", public) };
    match &best[..] {
        [] => Err(NoZone::None),
        [one] => Ok(bare_id(one.id()).to_owned()),
        several => {
            let mut ids: Vec<_> = several.iter().map(|zone| bare_id(zone.id())).collect();
            ids.sort_unstable();
            Err(NoZone::Several { count: ids.len(), kind, ids: ids.join(", ") })
        }
    }
}
