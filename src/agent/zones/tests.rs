mod scripted;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::agent::clock::Clock;
use crate::dns::{Call, ChangeRequest, Listing};
use crate::engine::event::DnsProblemKind;
use crate::engine::ids::ServiceId;
use crate::engine::plan::Desired;
use crate::settings::{self, Asked};
use scripted::{Behaviour, ScriptedSettings};

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
    let asked = Asked { tcp: None, provider: None, dry_run: true };
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
        outbox: outbox.clone(),
        store: Arc::new(StateStore::open(None)),
        counters: ZoneCounters::default(),
        confirmer: confirming::start(&Handle::current(), &Zones::new(), outbox),
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

/// Returns zones with these names and behaviours.
fn scripted(zones: &[(&str, Behaviour)]) -> Zones {
    let mut scripted = Zones::new();
    for (nth, (name, behaviour)) in zones.iter().enumerate() {
        let settings = ScriptedSettings::new("a place", *behaviour);
        scripted.insert(ZoneId::from(nth + 1), settings.zone(name));
    }
    scripted
}

#[tokio::test(start_paused = true)]
async fn the_start_does_not_wait_for_a_zone_that_hangs_and_a_refused_one_stops_no_other() {
    use Behaviour::{Answers, Hangs, Refuses};
    let began = Clock::start();
    let zones = scripted(&[("main", Answers), ("slow", Hangs), ("wrong", Refuses)]);
    let first = first_listings(zones, ZoneCounters::default()).await.unwrap();
    assert!(began.now().since_start() <= FIRST_LISTING);
    let listed = first.listings.iter().filter(|(_, first)| first.listed.is_some());
    assert_eq!(listed.map(|(zone, _)| usize::from(*zone)).collect::<Vec<_>>(), [1]);
    let refused: Vec<_> = first.refused.iter().map(|(zone, it)| (*zone, it.kind)).collect();
    assert_eq!(refused, [(ZoneId::from(3), DnsProblemKind::Refused)]);
    let problem = &first.refused[&ZoneId::from(3)].what;
    assert_eq!(
        problem,
        "scripted refused to list the records of example.com: the token is not valid"
    );
}

#[tokio::test(start_paused = true)]
async fn the_start_fails_if_every_zone_is_refused_and_if_the_only_one_is() {
    use Behaviour::{Hangs, Refuses};
    for zones in [&[("main", Refuses)][..], &[("main", Refuses), ("other", Refuses)]] {
        let first = first_listings(scripted(zones), ZoneCounters::default()).await;
        assert!(matches!(first, Err(Ended::Refused(_))), "{first:?}");
    }
    let both = scripted(&[("main", Refuses), ("slow", Hangs)]);
    let first = first_listings(both, ZoneCounters::default()).await.unwrap();
    assert_eq!(first.refused.len(), 1, "the other one may answer later");
}

/// The surroundings of reconcilers that report to `outbox`.
fn surroundings(outbox: mpsc::Sender<Input>) -> ZoneSurroundings {
    ZoneSurroundings {
        talk: Handle::current(),
        outbox: outbox.clone(),
        store: Arc::new(StateStore::open(None)),
        counters: ZoneCounters::default(),
        confirmer: confirming::start(&Handle::current(), &Zones::new(), outbox),
    }
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_was_refused_at_the_start_is_reported_to_people() {
    use Behaviour::{Answers, Refuses};
    let (outbox, mut inbox) = mpsc::channel(64);
    let zones = scripted(&[("main", Answers), ("wrong", Refuses)]);
    let first = first_listings(zones.clone(), ZoneCounters::default()).await.unwrap();
    let _reconcilers = Reconcilers::start(&zones, first, surroundings(outbox));
    let mut failing = Vec::new();
    while let Ok(input) = inbox.try_recv() {
        if let Input::Event(Event::Dns(zone, DnsReport::Failing(problem))) = input {
            failing.push((usize::from(zone), problem.kind));
        }
    }
    assert_eq!(failing, [(2, DnsProblemKind::Refused)]);
}

/// Places an order that withdraws the address of a zone.
fn withdraw(reconcilers: &Reconcilers, zone: usize, number: u64) {
    let desired = [([192, 0, 2, 10].into(), Desired::Withdraw)].into();
    let order = Order { number: number.into(), desired, ..Order::default() };
    reconcilers.place(ZoneId::from(zone), order);
    reconcilers.beat();
}

/// Waits until an order is carried out in a zone.
async fn confirmed(inbox: &mut mpsc::Receiver<Input>, zone: usize, number: u64) {
    loop {
        let input = inbox.recv().await.expect("the reconcilers run");
        if let Input::Event(Event::Dns(its, DnsReport::Confirmed { number: done, .. })) = input
            && (usize::from(its), done) == (zone, number.into())
        {
            return;
        }
    }
}

/// Returns a provider for each zone, as a reload builds them.
async fn built(zones: &Zones) -> Providers {
    build(zones).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_reload_renames_adds_and_removes_zones_while_a_write_hangs_in_one_of_them() {
    let (outbox, mut inbox) = mpsc::channel(256);
    let [hanging, other, new] =
        ["hanging", "other", "new"].map(|place| ScriptedSettings::new(place, Behaviour::Answers));
    hanging.writes.forget_permits(100);
    let before: Zones = [(1.into(), hanging.zone("main")), (2.into(), other.zone("other"))].into();
    let first = first_listings(before.clone(), ZoneCounters::default()).await.unwrap();
    let mut reconcilers = Reconcilers::start(&before, first, surroundings(outbox));
    withdraw(&reconcilers, 1, 1);
    // The write to the zone that hangs is in progress when this one is done.
    withdraw(&reconcilers, 2, 1);
    confirmed(&mut inbox, 2, 1).await;
    // The zone `main` is called `renamed` now, `other` is gone, and `new` is there.
    let after: Zones = [(3.into(), hanging.zone("renamed")), (4.into(), new.zone("new"))].into();
    reconcilers.reload(&after, built(&after).await);
    withdraw(&reconcilers, 3, 1);
    withdraw(&reconcilers, 4, 1);
    confirmed(&mut inbox, 4, 1).await;
    assert!(new.zone.lock().unwrap().records.is_empty(), "it does not wait for the one that hangs");
    assert_eq!(hanging.zone.lock().unwrap().records.len(), 1, "its write still hangs");
    hanging.writes.add_permits(100);
    confirmed(&mut inbox, 3, 1).await;
    let zone = hanging.zone.lock().unwrap();
    assert!(zone.records.is_empty());
    assert_eq!(zone.most, 1, "two reconcilers never write to one zone at the same time");
}
