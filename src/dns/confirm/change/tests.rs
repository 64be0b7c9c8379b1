//! Which changes the answers of name servers can prove, and for how long caches keep an older one.

use super::*;
use crate::dns::Route53Set;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn www(family: Family) -> SetKey {
    SetKey { name: "www.example.com".into(), family }
}

fn cloudflare(ttl: u32, proxied: bool) -> Attributes {
    let (comment, tags, other_fields) = (None, vec![], serde_json::Map::new());
    Attributes { ttl, extra: Extra::Cloudflare { proxied, comment, tags, other_fields } }
}

fn route53(routing: Routing) -> Attributes {
    let set = Route53Set { routing, ..Route53Set::default() };
    Attributes { ttl: 60, extra: Extra::Route53(set) }
}

/// Returns a zone in which `www` has `count` A records with these settings.
fn listing(count: u8, attributes: &Attributes) -> Listing {
    let mut listing = Listing::default();
    for last in 1..=count {
        let (id, attributes) = (String::new(), attributes.clone());
        listing.add(www(Family::A), Record { address: ip(last), id, attributes });
    }
    listing
}

/// openwrt/packages#20023, qdm12/ddns-updater#47 and #104: a proxied name never shows its address.
#[test]
fn proxied_records_and_sets_of_which_one_is_chosen_prove_nothing() {
    let location = Routing::Geo { continent: Some("EU".into()), country: None, subdivision: None };
    let rows = [
        (cloudflare(1, false), 3, None),
        (cloudflare(1, true), 3, Some(Obstacle::Proxied)),
        (route53(Routing::Simple), 20, None),
        (route53(Routing::MultiValue), 7, None),
        (route53(Routing::MultiValue), 9, Some(Obstacle::ManyValues)),
        (route53(Routing::Weighted(10)), 1, Some(Obstacle::Weighted)),
        (route53(Routing::Latency("eu-west-1".into())), 1, Some(Obstacle::Latency)),
        (route53(Routing::Failover("PRIMARY".into())), 1, Some(Obstacle::Failover)),
        (route53(location), 1, Some(Obstacle::Location)),
        (Attributes { ttl: 60, extra: Extra::None }, 20, None),
    ];
    for (attributes, count, want) in rows {
        let listing = listing(count, &attributes);
        let record = Record { address: ip(1), id: String::new(), attributes: attributes.clone() };
        let deletion = Proof::of_deletion(&listing, &www(Family::A), &record);
        assert_eq!(deletion.obstacle, want, "{attributes:?} withdrawn");
        let creation = Proof::of_creation(&listing, &www(Family::A), Some(&attributes));
        assert_eq!(creation.obstacle, want, "{attributes:?} restored");
        assert!(!creation.is_by_configuration);
        let unknown = Proof::of_creation(&listing, &www(Family::A), None);
        assert_eq!((unknown.obstacle, unknown.is_by_configuration), (want, true));
    }
}

#[test]
fn the_ninth_multivalue_record_and_a_proxied_neighbour_count() {
    let multivalue = route53(Routing::MultiValue);
    let eight = listing(8, &multivalue);
    let record = Record { address: ip(1), id: String::new(), attributes: multivalue.clone() };
    assert_eq!(Proof::of_deletion(&eight, &www(Family::A), &record).obstacle, None);
    let ninth = Proof::of_creation(&eight, &www(Family::A), Some(&multivalue));
    assert_eq!(ninth.obstacle, Some(Obstacle::ManyValues));

    let proxied = listing(1, &cloudflare(1, true));
    let neighbour = Proof::of_creation(&proxied, &www(Family::Aaaa), Some(&cloudflare(1, false)));
    assert_eq!(neighbour.obstacle, Some(Obstacle::Proxied), "Cloudflare proxies the whole name");
    let weighted = listing(1, &route53(Routing::Weighted(1)));
    let simple = route53(Routing::Simple);
    let neighbour = Proof::of_creation(&weighted, &www(Family::Aaaa), Some(&simple));
    assert_eq!(neighbour.obstacle, None, "the other family is another set");
}

#[test]
fn caches_keep_the_set_from_before_the_change() {
    let rows = [
        ("the record's own", listing(2, &cloudflare(120, false)), 120, Some(120)),
        ("automatic", listing(2, &cloudflare(1, false)), 300, Some(300)),
        ("Route 53", listing(2, &route53(Routing::Simple)), 60, Some(60)),
        ("an empty set", Listing::default(), 60, None),
    ];
    for (name, listing, of_deletion, of_creation) in rows {
        let record = listing.sets.values().flatten().next().cloned();
        if let Some(record) = record {
            let proof = Proof::of_deletion(&listing, &www(Family::A), &record);
            assert_eq!(proof.ttl, Some(of_deletion), "{name}");
        }
        let proof = Proof::of_creation(&listing, &www(Family::A), Some(&cloudflare(30, false)));
        assert_eq!(proof.ttl, of_creation, "{name}");
    }
}

#[test]
fn the_records_of_one_address_are_one_change() {
    let sets: Vec<SetKey> =
        ["a", "b"].map(|name| SetKey { name: name.into(), family: Family::A }).into();
    let mut records = Vec::new();
    for set in &sets {
        let place = (set.clone(), ip(1));
        records.push((None, ChangeKind::Withdrawn, place, Proof::default()));
        let place = (set.clone(), ip(9));
        records.push((None, ChangeKind::Added, place, Proof::default()));
    }
    let made = MadeChanges::new(crate::dns::clock::now(), Duration::ZERO, records);
    let found: Vec<_> =
        made.changes.iter().map(|it| (it.address, it.kind, it.sets.len())).collect();
    assert_eq!(found, [(ip(1), ChangeKind::Withdrawn, 2), (ip(9), ChangeKind::Added, 2)]);
}

/// Nothing waits for the confirmer: not a reconciler, and not an agent that ends.
#[tokio::test]
async fn a_full_queue_and_a_confirmer_that_is_gone_hold_nothing_up() {
    let (queue, inbox) = EffectSender::queue();
    let sender = EffectSender::new(ZoneId::DEFAULT, &queue);
    let made = MadeChanges::new(crate::dns::clock::now(), Duration::ZERO, []);
    for _ in 0..=QUEUE {
        sender.send(made.clone());
    }
    drop(inbox);
    sender.send(made.clone());
    EffectSender::default().send(made);
}
