//! Every kind of set is edited in kind: withdrawing and restoring changes its values and no more.

use aws_sdk_route53::types::builders::ResourceRecordSetBuilder as Builder;
use aws_sdk_route53::types::{GeoLocation, ResourceRecordSet};
use goavail::dns::{Changes, DnsProvider, NewRecord, ProviderError};

use super::{ALIVE, DEAD, FOREIGN, OnMoto, recollection, values};
use crate::contract::{CONFIGURED_TTL, NAMES, set_of, withdrawal};
use crate::moto::set;

const WWW: &str = NAMES[0];

/// A kind of routing, and what makes one set or its sibling of that kind.
type Kind = (&'static str, fn(Builder) -> Builder, fn(Builder) -> Builder);

/// Health checks, too, for they belong to the set.
fn kinds() -> [Kind; 7] {
    [
        (
            "multivalue answer",
            |set| set.set_identifier("one").multi_value_answer(true).health_check_id("hc-1"),
            |set| set.set_identifier("two").multi_value_answer(true),
        ),
        (
            "weighted",
            |set| set.set_identifier("one").weight(30).health_check_id("hc-1"),
            |set| set.set_identifier("two").weight(70),
        ),
        (
            "weighted with weight 0",
            |set| set.set_identifier("one").weight(0),
            |set| set.set_identifier("two").weight(255),
        ),
        (
            "latency",
            |set| set.set_identifier("one").region("eu-west-3".into()).health_check_id("hc-1"),
            |set| set.set_identifier("two").region("us-east-1".into()),
        ),
        (
            "failover",
            |set| set.set_identifier("one").failover("PRIMARY".into()).health_check_id("hc-1"),
            |set| set.set_identifier("two").failover("SECONDARY".into()),
        ),
        (
            "geolocation, a state and everywhere else",
            |set| {
                let utah = GeoLocation::builder().country_code("US").subdivision_code("UT");
                set.set_identifier("one").geo_location(utah.build()).health_check_id("hc-1")
            },
            |set| {
                let anywhere = GeoLocation::builder().country_code("*");
                set.set_identifier("two").geo_location(anywhere.build())
            },
        ),
        (
            "geolocation, two continents",
            |set| {
                let europe = GeoLocation::builder().continent_code("EU");
                set.set_identifier("one").geo_location(europe.build())
            },
            |set| {
                let africa = GeoLocation::builder().continent_code("AF");
                set.set_identifier("two").geo_location(africa.build())
            },
        ),
    ]
}

fn built(kind: fn(Builder) -> Builder, addresses: &[&str]) -> ResourceRecordSet {
    kind(set(WWW, "A", addresses).ttl(45)).build().unwrap()
}

/// Without the final dot, as it was put.
async fn now(zone: &OnMoto) -> Vec<ResourceRecordSet> {
    let mut sets = zone.zone.sets().await;
    for set in &mut sets {
        set.name = super::plain(set.name());
    }
    sets
}

#[tokio::test]
async fn the_only_value_of_a_set_goes_with_the_set_and_comes_back_in_kind() {
    for (name, one, two) in kinds() {
        let (dying, sibling) = (built(one, &[DEAD]), built(two, &[ALIVE]));
        let Some(zone) = OnMoto::with([dying.clone(), sibling.clone()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let before = provider.list().await.unwrap();
        provider.apply(&before, &withdrawal(&before, DEAD)).await.unwrap();
        assert_eq!(now(&zone).await, std::slice::from_ref(&sibling), "{name}: withdrawn");

        let after = provider.list().await.unwrap();
        provider.apply(&after, &recollection(&before, DEAD)).await.unwrap();
        assert_eq!(now(&zone).await, [dying, sibling], "{name}: restored");
    }
}

#[tokio::test]
async fn one_of_two_values_goes_and_comes_back_in_kind() {
    // A multivalue set has one value (the API reference, `MultiValueAnswer`).
    for (name, one, two) in kinds().into_iter().filter(|kind| kind.0 != "multivalue answer") {
        let (dying, sibling) = (built(one, &[FOREIGN, DEAD]), built(two, &[ALIVE]));
        let Some(zone) = OnMoto::with([dying.clone(), sibling.clone()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let before = provider.list().await.unwrap();
        provider.apply(&before, &withdrawal(&before, DEAD)).await.unwrap();
        let left = built(one, &[FOREIGN]);
        assert_eq!(now(&zone).await, [left, sibling.clone()], "{name}: withdrawn");

        let after = provider.list().await.unwrap();
        provider.apply(&after, &recollection(&before, DEAD)).await.unwrap();
        assert_eq!(now(&zone).await, [dying, sibling], "{name}: restored");
    }
}

#[tokio::test]
async fn a_whole_group_that_died_comes_back_in_kind() {
    for (name, one, two) in kinds() {
        let (first, second) = (built(one, &[DEAD]), built(two, &[ALIVE]));
        let Some(zone) = OnMoto::with([first.clone(), second.clone()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let before = provider.list().await.unwrap();
        for address in [DEAD, ALIVE] {
            let listing = provider.list().await.unwrap();
            provider.apply(&listing, &withdrawal(&listing, address)).await.unwrap();
        }
        assert_eq!(now(&zone).await, [], "{name}: withdrawn");
        for address in [ALIVE, DEAD] {
            let listing = provider.list().await.unwrap();
            provider.apply(&listing, &recollection(&before, address)).await.unwrap();
        }
        assert_eq!(now(&zone).await, [first, second], "{name}: restored");
    }
}

#[tokio::test]
async fn an_address_in_several_sets_leaves_all_and_comes_back_to_all() {
    let sets = kinds()[5];
    let (utah, anywhere) = (built(sets.1, &[DEAD]), built(sets.2, &[FOREIGN, DEAD]));
    let Some(zone) = OnMoto::with([utah.clone(), anywhere.clone()]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let before = provider.list().await.unwrap();
    provider.apply(&before, &withdrawal(&before, DEAD)).await.unwrap();
    assert_eq!(now(&zone).await, [built(sets.2, &[FOREIGN])]);

    let after = provider.list().await.unwrap();
    let back = recollection(&before, DEAD);
    assert_eq!(back.create.len(), 1, "one memory for both");
    provider.apply(&after, &back).await.unwrap();
    assert_eq!(now(&zone).await, [utah, anywhere]);
}

#[tokio::test]
async fn a_simple_set_that_died_comes_back_with_its_time_to_live_and_health_check() {
    let simple = set(WWW, "A", &[DEAD]).ttl(45).health_check_id("hc-1").build().unwrap();
    let Some(zone) = OnMoto::with([simple.clone()]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let before = provider.list().await.unwrap();
    provider.apply(&before, &withdrawal(&before, DEAD)).await.unwrap();
    assert_eq!(now(&zone).await, []);
    let after = provider.list().await.unwrap();
    provider.apply(&after, &recollection(&before, DEAD)).await.unwrap();
    assert_eq!(now(&zone).await, [simple]);
}

/// Restores DEAD without any memory of it into a zone with `sets`; says what its name has then.
async fn restored_anew(sets: Vec<ResourceRecordSet>) -> Option<Result<Vec<String>, ProviderError>> {
    let zone = OnMoto::with(sets).await?;
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    let address = DEAD.parse().unwrap();
    let create = vec![NewRecord { set: set_of(WWW, address), address, attributes: None }];
    let answer = provider.apply(&listing, &Changes { create, delete: Vec::new() }).await;
    let now = now(&zone).await;
    let told = |set: &ResourceRecordSet| {
        let id = set.set_identifier().unwrap_or("simple");
        format!("{id} {} {}", set.ttl().unwrap(), values(set).join(" "))
    };
    Some(answer.map(|()| now.iter().map(told).collect()))
}

#[tokio::test]
async fn an_address_of_which_nothing_is_remembered_goes_where_it_plainly_belongs() {
    let multi = |id: &str, address: &str| {
        let set = set(WWW, "A", &[address]).set_identifier(id).multi_value_answer(true);
        set.build().unwrap()
    };
    let cases = [
        ("no set: a simple one", vec![], vec![format!("simple {CONFIGURED_TTL} {DEAD}")]),
        (
            "one simple set: into it",
            vec![set(WWW, "A", &[ALIVE]).build().unwrap()],
            vec![format!("simple 120 {ALIVE} {DEAD}")],
        ),
        (
            "one weighted set: into it",
            vec![set(WWW, "A", &[ALIVE]).set_identifier("w").weight(1).build().unwrap()],
            vec![format!("w 120 {ALIVE} {DEAD}")],
        ),
        (
            "several multivalue answers: one more, with the TTL of the others",
            vec![multi("a", ALIVE), multi("b", FOREIGN)],
            vec![
                format!("{DEAD} 120 {DEAD}"),
                format!("a 120 {ALIVE}"),
                format!("b 120 {FOREIGN}"),
            ],
        ),
    ];
    for (name, sets, want) in cases {
        let Some(answer) = restored_anew(sets).await else { return };
        assert_eq!(answer.unwrap(), want, "{name}");
    }
}

#[tokio::test]
async fn an_address_that_could_go_to_several_sets_is_refused_by_name() {
    let (_, one, two) = kinds()[1];
    let Some(answer) = restored_anew(vec![built(one, &[ALIVE]), built(two, &[FOREIGN])]).await
    else {
        return;
    };
    let error = answer.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains(DEAD) && said.contains("www.example.com A"), "{said}");
}
