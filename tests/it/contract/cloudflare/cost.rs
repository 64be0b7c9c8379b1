//! The number of requests of a change, and the content of one request.

use goavail::testing::dns::{ChangeRequest, Cloudflare, DnsProvider, Permit, ProviderError};

use super::super::{addresses, converge, set_of, withdrawal};
use super::printed;
use crate::contract::ZONE;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Fault, Setup, Zone};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("host{n:03}.{ZONE}")).collect()
}

/// Returns a zone in which each of `names` has a dead and a live address, and a provider for it.
fn serving(setup: Setup, names: &[String]) -> (FakeCloudflare, Cloudflare) {
    let fake = FakeCloudflare::start_with(ZONE, setup, || {});
    fake.zone(|zone| {
        for name in names {
            zone.seed("A", name, DEAD);
            zone.seed("A", name, ALIVE);
        }
    });
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let provider = Cloudflare::new(&fake.config(&names)).unwrap();
    (fake, provider)
}

/// Returns the requests of the first withdrawal of a process, and of a later restore: method and
/// path.
async fn requests_of_a_failover(names: usize) -> [Vec<String>; 2] {
    let names = hosts(names);
    let (fake, provider) = serving(Setup::default(), &names);
    let listing = provider.list().await.unwrap();
    let withdrawal = withdrawal(&listing, DEAD);
    assert_eq!(withdrawal.delete.len(), names.len());
    provider.apply(ChangeRequest::new(&listing, &withdrawal)).await.unwrap();
    let first = fake.log().len();

    let listing = provider.list().await.unwrap();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let restoration = super::super::restoration(&listing, DEAD, &names);
    assert_eq!(restoration.create.len(), names.len());
    provider.apply(ChangeRequest::new(&listing, &restoration)).await.unwrap();

    let zone = fake.zone(|zone| zone.id.clone());
    let shown = |entry: &Entry| {
        let path = entry.path.replace(&zone, "ZONE");
        format!("{} {}", entry.method, path.split(['?', '&']).next().unwrap_or_default())
    };
    let log: Vec<_> = fake.log().iter().map(shown).collect();
    [log[..first].to_vec(), log[first..].to_vec()]
}

#[tokio::test]
async fn a_failover_costs_the_same_requests_for_one_name_and_for_fifty() {
    let [first, later] = requests_of_a_failover(1).await;
    let reading = ["GET /zones/ZONE/dns_records"; 2];
    let batch = "POST /zones/ZONE/dns_records/batch";
    assert_eq!(first, [&["GET /zones"][..], &reading, &[batch]].concat(), "4, with the zone's id");
    assert_eq!(later, [&reading[..], &[batch]].concat(), "3 from then on");
    assert_eq!(requests_of_a_failover(50).await, [first, later]);
}

#[tokio::test]
async fn a_change_too_large_for_one_batch_goes_in_several_and_reports_its_progress() {
    let (fake, provider) = serving(Setup::default(), &hosts(450));
    let listing = provider.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    let size = |entry: &Entry| entry.body["deletes"].as_array().map_or(0, Vec::len);
    fake.script(1, move |entry| size(entry) == 50, Fault::Throttled("1".to_owned()));
    let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    let log = fake.log();
    let sizes: Vec<_> = log.iter().filter(|entry| entry.is_batch()).map(size).collect();
    assert_eq!(sizes, [200, 200, 50]);
    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    assert!(matches!(*rest, ProviderError::Unavailable { .. }), "{rest:?}");
    assert_eq!((done.create.len(), done.delete.len()), (0, 400));
    assert_eq!(fake.zone(|zone| zone.records.len()), 500);

    converge(&provider, |listing| withdrawal(listing, DEAD)).await;
    assert_eq!(fake.zone(|zone| zone.records.len()), 450, "the living stay at all names");
}

#[tokio::test]
async fn a_change_revoked_between_two_batches_is_not_sent() {
    let (fake, provider) = serving(Setup::default(), &hosts(450));
    let listing = provider.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    let permit = Permit::new(&|_| false);
    let error = provider
        .apply(ChangeRequest { listing: &listing, changes: &changes, permit })
        .await
        .unwrap_err();
    assert_eq!(fake.count(Entry::is_batch), 1);
    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    assert!(matches!(*rest, ProviderError::Revoked { .. }), "{rest:?}");
    assert_eq!((done.create.len(), done.delete.len()), (0, 200));
}

#[tokio::test]
async fn a_zone_that_changes_between_two_pages_is_read_again_and_not_taken_for_shorter() {
    let setup = Setup { largest_page: 100, ..Setup::default() };
    let names = hosts(80);
    let (fake, provider) = serving(setup, &names);
    let second = |entry: &Entry| entry.path.contains("page=2");
    let met = fake.meddle(second, |zone| {
        zone.records.remove(0);
    });
    let error = provider.list().await.unwrap_err();
    met.wait().await;
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
    assert!(printed(&error).contains("changed from 160 to 159"), "{}", printed(&error));

    let listing = provider.list().await.unwrap();
    let found = |name: &String| addresses(&listing, &set_of(name, DEAD.parse().unwrap())).len();
    assert_eq!(names.iter().map(found).sum::<usize>(), 159);
}

#[tokio::test]
async fn an_idn_is_the_same_name_in_unicode_and_in_punycode() {
    let fake = FakeCloudflare::start("xn--bcher-kva.example");
    fake.zone(|zone| {
        zone.seed("A", "www.xn--bcher-kva.example", DEAD);
    });
    let mut config = fake.config(&["www.bücher.example"]);
    config.zone = "bücher.example".to_owned();
    let provider = Cloudflare::new(&config).unwrap();
    let listing = provider.list().await.unwrap();
    let set = set_of("www.bücher.example", DEAD.parse().unwrap());
    assert_eq!(addresses(&listing, &set), [DEAD.parse().unwrap()].into());

    let mut changes = super::super::restoration(&listing, ALIVE, &["www.bücher.example"]);
    changes.delete = withdrawal(&listing, DEAD).delete;
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let held = fake.zone(|zone| zone.contents("A", "www.xn--bcher-kva.example"));
    assert_eq!(held, [ALIVE]);
    assert_eq!(fake.zone(|zone| zone.records.len()), 1);
}

#[tokio::test]
async fn the_zones_id_is_looked_up_again_once_it_leads_nowhere() {
    let (fake, provider) = serving(Setup::default(), &hosts(1));
    let listing = provider.list().await.unwrap();
    // The zone is deleted and created anew, with another id.
    fake.zones(|zones| {
        let mut anew = Zone::new(2, ZONE);
        anew.seed("A", &hosts(1)[0], DEAD);
        zones[0] = anew;
    });
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "{error:?}");
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(fake.zone(|zone| zone.records.len()), 0);
    assert_eq!(fake.count(|entry| entry.path.starts_with("/zones?")), 2);

    fake.zones(|zones| zones[0] = Zone::new(3, ZONE));
    let error = provider.list().await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
    provider.list().await.unwrap();
}
