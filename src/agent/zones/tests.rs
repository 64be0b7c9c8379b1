use std::path::Path;

use super::*;
use crate::agent::clock::Clock;
use crate::dns::{Call, ChangeRequest, Listing};
use crate::engine::plan::Desired;
use crate::settings::{self, Asked};

/// A zone without records, which has every change already.
#[derive(Debug)]
struct EmptyZone;

impl DnsProvider for EmptyZone {
    fn name(&self) -> &'static str {
        "empty"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async { Ok(Listing::default()) })
    }

    fn apply<'a>(&'a self, _: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
        false
    }
}

/// Returns zones with these ids.
fn zones(ids: [usize; 2]) -> Zones {
    let text = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"192.0.2.10\"]\n";
    let asked = Asked { tcp: false, provider: "cloudflare", dry_run: true };
    let config = settings::parse(text, Path::new("goavail.toml"), &asked, &|_| None).unwrap();
    ids.into_iter().map(|id| (ZoneId::from(id), config.zone(0))).collect()
}

fn providers(zones: &Zones) -> Providers {
    let mut providers = Providers::new();
    for id in zones.keys() {
        providers.insert(*id, Box::new(EmptyZone));
    }
    providers
}

/// Places an order in each of three zones. Returns the zones in which it was carried out.
async fn carried_out(
    reconcilers: &Reconcilers,
    inbox: &mut mpsc::Receiver<Input>,
    number: u64,
) -> Vec<usize> {
    for zone in 0..3 {
        let desired = [([192, 0, 2, 10].into(), Desired::Withdraw)].into();
        let order = Order { number: number.into(), desired, ..Order::default() };
        reconcilers.place(ZoneId::from(zone), order);
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let mut zones = Vec::new();
    while let Ok(input) = inbox.try_recv() {
        if let Input::Event(Event::Dns(zone, DnsReport::Confirmed { number: its, .. })) = input {
            assert_eq!(its, number.into());
            zones.push(usize::from(zone));
        }
    }
    zones.sort_unstable();
    zones
}

#[tokio::test(start_paused = true)]
async fn a_reload_adds_replaces_and_removes_zones() {
    let (outbox, mut inbox) = mpsc::channel(64);
    let surroundings = ZoneSurroundings {
        talk: Handle::current(),
        outbox,
        store: Arc::new(StateStore::open(None)),
        counters: ProviderCounters::default(),
    };
    let before = zones([0, 1]);
    let mut first = BTreeMap::new();
    for (id, provider) in providers(&before) {
        let provider = Some(provider);
        first.insert(id, FirstListing { provider, ..FirstListing::default() });
    }
    let mut reconcilers = Reconcilers::start(&before, first, surroundings);
    assert_eq!(carried_out(&reconcilers, &mut inbox, 1).await, [0, 1]);
    let after = zones([1, 2]);
    reconcilers.reload(&after, providers(&after));
    reconcilers.beat();
    assert_eq!(carried_out(&reconcilers, &mut inbox, 2).await, [1, 2]);
    let began = Clock::start();
    reconcilers.finish().await;
    assert!(began.now().since_start().is_zero(), "they end together and at once");
}
