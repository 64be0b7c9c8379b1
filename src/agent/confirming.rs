//! The proof of effect: the zones in which it is on, and the way of its news to the event loop.

use std::collections::BTreeMap;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::input::Input;
use crate::dns::confirm::task::{ConfirmZone, ConfirmZones, Confirmer};
use crate::dns::providers::{PublishedService, ZoneConfig};
use crate::engine::ids::ZoneId;

/// Maximum number of news that wait.
const NEWS: usize = 64;

/// Starts the confirmer in the runtime for requests.
pub(super) fn start(
    talk: &Handle,
    zones: &BTreeMap<ZoneId, ZoneConfig>,
    outbox: mpsc::Sender<Input>,
) -> Confirmer {
    let (news, mut received) = mpsc::channel(NEWS);
    talk.spawn(async move {
        while let Some(news) = received.recv().await {
            if outbox.send(Input::Effect(news)).await.is_err() {
                return;
            }
        }
    });
    Confirmer::start(talk, confirmed(zones), news)
}

/// Returns the zones with changes that are confirmed. In dry-run there is nothing to see.
pub(super) fn confirmed(zones: &BTreeMap<ZoneId, ZoneConfig>) -> ConfirmZones {
    let mut confirmed = ConfirmZones::new();
    for (id, zone) in zones {
        let Some(settings) = zone.confirm.clone().filter(|_| !zone.dry_run) else { continue };
        let addresses = zone.services.values().flat_map(PublishedService::addresses);
        let its = ConfirmZone {
            domain: zone.provider.zone().to_owned(),
            provider: zone.provider.name(),
            addresses: addresses.collect(),
            settings,
            proxies: zone.provider.proxies_new_records(),
        };
        confirmed.insert(*id, its);
    }
    confirmed
}
