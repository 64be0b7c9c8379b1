//! The content of a listing, the sets it omits, and the number of its requests.

use std::collections::BTreeSet;

use aws_sdk_route53::types::{
    AliasTarget, CidrRoutingConfig, GeoProximityLocation, ResourceRecordSet,
};
use goavail::engine::plan::SetKey;
use goavail::testing::dns::{ChangeRequest, DnsProvider};

use super::{ALIVE, DEAD, FOREIGN, OnMoto, plain, reads, recollection, values};
use crate::contract::{restoration, withdrawal};
use crate::moto::set;

fn simple(name: &str, addresses: &[&str]) -> ResourceRecordSet {
    set(name, "A", addresses).build().unwrap()
}

/// Returns every set of the zone in words.
async fn told(zone: &OnMoto) -> Vec<String> {
    let told = |set: &ResourceRecordSet| format!("{} {}", plain(set.name()), values(set).join(" "));
    zone.zone.sets().await.iter().map(told).collect()
}

/// Defect 33 of the Go agent: it took the first set that was listed for its own.
#[tokio::test]
async fn a_name_that_is_not_there_is_not_mistaken_for_the_next_one() {
    let others = ["a.m.example.com", "n.example.com", "mm.example.com", "m-1.example.com"];
    let Some(zone) = OnMoto::with(others.map(|name| simple(name, &[ALIVE]))).await else { return };
    let provider = zone.managing(&["m.example.com"]).await;
    let listing = provider.list().await.unwrap();
    assert!(listing.observed().sets.values().all(BTreeSet::is_empty), "{listing:?}");
    provider
        .apply(ChangeRequest::new(&listing, &restoration(&listing, DEAD, &["m.example.com"])))
        .await
        .unwrap();
    let mut want = others.map(|name| format!("{name} {ALIVE}")).to_vec();
    want.push(format!("m.example.com {DEAD}"));
    want.sort();
    let mut got = told(&zone).await;
    got.sort();
    assert_eq!(got, want);
}

/// Defect 34 of the Go agent: it kept the first label of a name only.
#[tokio::test]
async fn every_label_of_a_name_counts() {
    let sets =
        ["a.b.example.com", "a.example.com", "b.example.com"].map(|n| simple(n, &[DEAD, ALIVE]));
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&["a.b.example.com"]).await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let want = [
        format!("a.example.com {DEAD} {ALIVE}"),
        format!("b.example.com {DEAD} {ALIVE}"),
        format!("a.b.example.com {ALIVE}"),
    ];
    assert_eq!(told(&zone).await, want);
}

/// Defect 32 of the Go agent: a page without any set ended it.
#[tokio::test]
async fn a_page_without_any_set_is_an_empty_listing() {
    let Some(zone) = OnMoto::with([]).await else { return };
    let provider = zone.managing(&["zzz.example.com"]).await;
    let listing = provider.list().await.unwrap();
    assert!(listing.sets.is_empty(), "{listing:?}");
    provider
        .apply(ChangeRequest::new(&listing, &restoration(&listing, DEAD, &["zzz.example.com"])))
        .await
        .unwrap();
    assert_eq!(told(&zone).await, [format!("zzz.example.com {DEAD}")]);
}

#[tokio::test]
async fn a_wildcard_is_a_name_like_any_other() {
    let sets = ["*.example.com", "www.example.com"].map(|name| simple(name, &[DEAD, ALIVE]));
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&["*.example.com", "other.example.com"]).await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let want = [format!("*.example.com {ALIVE}"), format!("www.example.com {DEAD} {ALIVE}")];
    assert_eq!(told(&zone).await, want);
}

#[tokio::test]
async fn an_address_is_written_back_as_it_was_spelt() {
    let odd = set("www.example.com", "AAAA", &["2001:DB8:0::1", "2001:db8::2"]).build().unwrap();
    let Some(zone) = OnMoto::with([odd]).await else { return };
    let provider = zone.managing(&["www.example.com"]).await;
    let listing = provider.list().await.unwrap();
    provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, "2001:db8::2")))
        .await
        .unwrap();
    assert_eq!(told(&zone).await, ["www.example.com 2001:DB8:0::1"]);
}

/// A request for one name returns those after it as well, even if they were read already.
#[tokio::test]
async fn names_that_are_listed_escaped_beside_others_are_read_once_each_and_changed() {
    let names = ["example.com", "*.example.com", "_x.y.example.com", "www.example.com"];
    let Some(zone) = OnMoto::with(names.map(|name| simple(name, &[DEAD, ALIVE]))).await else {
        return;
    };
    let provider = zone.managing(&names).await;
    let listing = provider.list().await.unwrap();
    let read: Vec<usize> = listing.sets.values().map(Vec::len).collect();
    assert_eq!(read, [2, 2, 2, 2], "{listing:?}");
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let again = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&again, &recollection(&listing, DEAD))).await.unwrap();
    let mut want = names.map(|name| format!("{name} {ALIVE} {DEAD}"));
    want.sort();
    let mut got = told(&zone).await;
    got.sort();
    assert_eq!(got, want);
}

/// Sets that do not support a withdrawal, each at `www.example.com`.
fn unfit() -> Vec<(&'static str, ResourceRecordSet, &'static str)> {
    let target = AliasTarget::builder()
        .hosted_zone_id("Z35SXDOTRQ7X7K")
        .dns_name("lb-1.example.net")
        .evaluate_target_health(false)
        .build()
        .unwrap();
    let www = || ResourceRecordSet::builder().name("www.example.com").r#type("A".into());
    let routed = || set("www.example.com", "A", &[DEAD]).set_identifier("one");
    let cidr = CidrRoutingConfig::builder().collection_id("c").location_name("l").build().unwrap();
    let near = GeoProximityLocation::builder().aws_region("eu-west-3").build();
    let policy = "which cannot be managed";
    vec![
        (
            "an alias",
            www().alias_target(target).build().unwrap(),
            "www.example.com A is an alias of lb-1.example.net: only sets that hold addresses can \
             be managed",
        ),
        ("IP-based routing", routed().cidr_routing_config(cidr).build().unwrap(), policy),
        ("geoproximity", routed().geo_proximity_location(near).build().unwrap(), policy),
        (
            "a CNAME",
            set("www.example.com", "CNAME", &["lb.example.net"]).build().unwrap(),
            "www.example.com is a CNAME of lb.example.net",
        ),
    ]
}

#[tokio::test]
async fn a_name_that_cannot_be_managed_is_left_out_with_its_reason_and_the_others_are_listed() {
    for (name, odd, why) in unfit() {
        let is_cname = odd.r#type().as_str() == "CNAME";
        let Some(zone) = OnMoto::with([odd, simple("api.example.com", &[DEAD])]).await else {
            return;
        };
        let provider = zone.managing(&["www.example.com", "api.example.com"]).await;
        let listing = provider.list().await.unwrap();
        let listed: Vec<String> = listing.sets.keys().map(SetKey::to_string).collect();
        assert_eq!(listed, ["api.example.com A"], "{name}");
        let unfit: Vec<String> = listing.unfit.keys().map(SetKey::to_string).collect();
        let both = ["www.example.com A", "www.example.com AAAA"];
        assert_eq!(unfit, &both[..if is_cname { 2 } else { 1 }], "{name}");
        assert!(listing.unfit.values().all(|said| said.contains(why)), "{name}: {listing:?}");
        provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
        assert_eq!(zone.sets_at("api.example.com", "A").await, [], "{name}");

        let elsewhere = zone.managing(&["api.example.com"]).await.list().await.unwrap();
        assert_eq!(elsewhere.unfit.len(), 0, "{name}: at another name it is nobody's business");
    }
}

/// Page after page ends within the sets of one name.
#[tokio::test]
async fn many_sets_of_one_name_are_read_to_the_last() {
    let Some(zone) = OnMoto::with([simple("a.example.com", &[DEAD])]).await else { return };
    let fillers = (0..240).map(|n| simple(&format!("host{n:03}.example.com"), &[FOREIGN]));
    let routed = |n: u32, kind, address: String| {
        let set = set("www.example.com", kind, &[&address]).set_identifier(format!("id {n:03}"));
        set.weight(1).build().unwrap()
    };
    let four = (0..100).map(|n| routed(n, "A", format!("10.0.0.{n}")));
    let six = (0..100).map(|n| routed(n, "AAAA", format!("2001:db8::{n}")));
    zone.zone.put(fillers.chain(four).chain(six)).await;
    let provider = zone.managing(&["a.example.com", "www.example.com"]).await;
    let listing = provider.list().await.unwrap();
    let read: Vec<usize> = listing.sets.values().map(Vec::len).collect();
    assert_eq!(read, [1, 100, 100]);
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, "10.0.0.77"))).await.unwrap();
    let left = zone.sets_at("www.example.com", "A").await;
    assert_eq!(left.len(), 99);
    assert!(left.iter().flat_map(values).all(|value| value != "10.0.0.77"));
}

/// 700 other sets on three pages, and names far apart among them.
#[tokio::test]
async fn a_listing_takes_no_more_requests_than_names_or_pages() {
    let hosts: Vec<String> = (0..700).map(|n| format!("host{n:03}.example.com")).collect();
    let Some(zone) = OnMoto::with([]).await else { return };
    zone.zone.put(hosts.iter().map(|name| simple(name, &[DEAD]))).await;
    let odd: Vec<&str> = hosts.iter().step_by(7).map(String::as_str).collect();
    let absent: Vec<String> = (0..700).map(|n| format!("host{n:03}x.example.com")).collect();
    let absent: Vec<&str> = absent.iter().map(String::as_str).collect();
    let cases = [
        ("one name", vec!["host650.example.com"], 1, 1),
        ("two names, 600 sets apart", vec!["host005.example.com", "host650.example.com"], 2, 2),
        ("a hundred names all over", odd, 100, 3),
        ("names that are not there", absent, 0, 3),
        ("a name after everything", vec!["zzz.example.com"], 0, 1),
        ("a name, and a wildcard by itself", vec!["*.example.com", "host001.example.com"], 1, 2),
    ];
    for (name, managed, found, requests) in cases {
        let before = zone.proxy.seen(reads).len();
        let listing = zone.managing(&managed).await.list().await.unwrap();
        assert_eq!(listing.sets.len(), found, "{name}");
        assert_eq!(zone.proxy.seen(reads).len() - before, requests, "{name}: requests");
    }
}

#[tokio::test]
async fn only_the_managed_names_are_listed() {
    let sets = ["example.com", "www.example.com", "api.example.com"].map(|n| simple(n, &[DEAD]));
    let Some(zone) = OnMoto::with(sets).await else { return };
    let listing = zone.managing(&["www.example.com"]).await.list().await.unwrap();
    let listed: Vec<String> = listing.sets.keys().map(SetKey::to_string).collect();
    assert_eq!(listed, ["www.example.com A"]);
}
