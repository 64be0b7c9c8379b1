//! The proof of effect: which zones it is on in, and the way of its news to the event loop.

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::input::Input;
use super::zones::Zones;
use crate::dns::confirm::task::{ConfirmZone, ConfirmZones, Confirmer};

/// Maximum number of news that wait.
const NEWS: usize = 64;

/// Starts the confirmer in the runtime for requests.
pub(super) fn start(talk: &Handle, zones: &Zones, outbox: mpsc::Sender<Input>) -> Confirmer {
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

/// Returns the zones of which changes are confirmed. In dry-run there is nothing to see.
pub(super) fn confirmed(zones: &Zones) -> ConfirmZones {
    let mut confirmed = ConfirmZones::new();
    for (id, zone) in zones {
        let Some(settings) = zone.confirm.clone().filter(|_| !zone.dry_run) else { continue };
        let its = ConfirmZone {
            domain: zone.provider.zone().to_owned(),
            provider: zone.provider.name(),
            settings,
            proxies: zone.provider.proxies_new_records(),
        };
        confirmed.insert(*id, its);
    }
    confirmed
}
