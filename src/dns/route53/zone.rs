//! Finding the hosted zone by its name.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{HostedZone, HostedZoneConfig};

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
/// # Errors
///
/// `Refused` if there is none, or if several are equally good.
pub(super) async fn find(client: &Client, name: &str) -> Result<String, ProviderError> {
    let what = || format!("find the hosted zone of {name}");
    let mut zones: Vec<HostedZone> = Vec::new();
    let (mut next_name, mut next_id) = (name.to_owned(), None);
    for _ in 0..MOST_PAGES {
        let request = client.list_hosted_zones_by_name().dns_name(&next_name);
        let answer = request.set_hosted_zone_id(next_id).send().await;
        let page = answer.map_err(|error| judge(&error, Asked::ToRead, what()))?;
        if page.max_items() < 1 {
            return Err(garbled(what(), &HalfAnswer));
        }
        // The listing goes on with the names that come after this one.
        zones.extend(page.hosted_zones().iter().filter(|z| plain_name(z.name()) == name).cloned());
        match (page.is_truncated(), page.next_dns_name()) {
            (true, Some(next)) if plain_name(next) == name => {
                next.clone_into(&mut next_name);
                next_id = page.next_hosted_zone_id().map(str::to_owned);
            }
            _ => break,
        }
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
