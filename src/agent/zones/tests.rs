use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::agent::clock::Clock;
use crate::dns::{Call, ChangeRequest, Listing};
use crate::engine::ids::ServiceId;
use crate::engine::plan::Desired;
use crate::settings::{self, Asked};

/// A zone without records, which has every change already, and the number of its listings.
#[derive(Debug)]
struct EmptyZone(Arc<AtomicUsize>);

impl DnsProvider for EmptyZone {
    fn name(&self) -> &'static str {
        "empty"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Listing::default())
        })
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
    ids.into_iter().map(|id| (ZoneId::from(id), config.zone(0, |_| ServiceId::DEFAULT))).collect()
}

/// The number of listings by each provider of a configuration.
type Listings = BTreeMap<usize, Arc<AtomicUsize>>;

/// Returns a provider for each zone, and their counters of listings.
fn providers(zones: &Zones) -> (Providers, Listings) {
    let (mut providers, mut listings) = (Providers::new(), Listings::new());
    for id in zones.keys() {
        let listed = Arc::new(AtomicUsize::new(0));
        providers.insert(*id, Box::new(EmptyZone(Arc::clone(&listed))));
        listings.insert((*id).into(), listed);
    }
    (providers, listings)
}

/// Returns the zones that were listed since the last call.
fn newly_listed(listings: &Listings) -> Vec<usize> {
    let mut listed = vec![];
    for (zone, count) in listings {
        if count.swap(0, Ordering::Relaxed) > 0 {
            listed.push(*zone);
        }
    }
    listed
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
        counters: ZoneCounters::default(),
    };
    let before = zones([0, 1]);
    let (old, old_listings) = providers(&before);
    let mut first = FirstListings::default();
    for (id, provider) in old {
        let provider = Some(provider);
        first.insert(id, FirstListing { provider, ..FirstListing::default() });
    }
    let mut reconcilers = Reconcilers::start(&before, first, surroundings);
    assert_eq!(carried_out(&reconcilers, &mut inbox, 1).await, [0, 1]);
    assert_eq!(newly_listed(&old_listings), [0, 1]);
    let after = zones([1, 2]);
    let (new, new_listings) = providers(&after);
    reconcilers.reload(&after, new);
    reconcilers.beat();
    assert_eq!(carried_out(&reconcilers, &mut inbox, 2).await, [1, 2]);
    assert_eq!(newly_listed(&new_listings), [1, 2]);
    assert_eq!(newly_listed(&old_listings), [0; 0], "the new providers have replaced the old ones");
    let began = Clock::start();
    reconcilers.finish().await;
    assert!(began.now().since_start().is_zero(), "they end together and at once");
}
