//! Finding the hosted zone by its name.

use aws_sdk_route53::types::{HostedZone, HostedZoneConfig};

use super::access::Access;
use super::failure::{Asked, garbled, judge, refused};
use super::sets::plain_name;
use crate::dns::ProviderError;

/// How many pages of zones of one name are read; nobody has so many.
const MOST_PAGES: usize = 10;

/// Why no zone of that name could be chosen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NoZone {
    #[error("there is no hosted zone of that name in this account")]
    None,
    #[error("{count} {kind} zones have that name: set aws_zoneid to one of {ids}")]
    Several { count: usize, kind: &'static str, ids: String },
}

/// A zone's id as the API wants it, without `/hostedzone/` before it.
pub(super) fn bare_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The id of the one zone called `name`; of public and private ones the public.
///
/// Whether an answer is whole matters only where it does not hold the zone: some servers that are not
/// AWS's leave out what describes paging.
///
/// # Errors
///
/// `Refused` if there is none, or if several are equally good; `Unavailable` if none was found and the
/// answer may not be all.
pub(super) async fn find(access: &Access, name: &str) -> Result<String, ProviderError> {
    let what = || format!("find the hosted zone of {name}");
    let mut zones: Vec<HostedZone> = Vec::new();
    let (mut next_name, mut next_id) = (name.to_owned(), None);
    let mut is_whole = false;
    for _ in 0..MOST_PAGES {
        let answer = access.ask(|client| {
            let request = client.list_hosted_zones_by_name().dns_name(&next_name);
            request.set_hosted_zone_id(next_id.clone()).send()
        });
        let page = answer.await.map_err(|error| judge(&error, Asked::ToRead, what()))?;
        // The listing goes on with the names that come after this one.
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
        return Err(garbled(what(), &HalfAnswer));
    }
    choose(&zones).map_err(|why| refused(what(), why))
}

/// An answer that lacks what every whole answer has.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not complete")]
pub(super) struct HalfAnswer;

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
