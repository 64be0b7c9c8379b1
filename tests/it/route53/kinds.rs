//! Every kind of set keeps its kind: withdrawing and restoring changes its values only.

use aws_sdk_route53::types::builders::ResourceRecordSetBuilder as Builder;
use aws_sdk_route53::types::{GeoLocation, ResourceRecordSet};
use goavail::testing::dns::{ChangeRequest, DnsProvider, NewRecord, ProviderError, RecordChanges};

use super::{ALIVE, DEAD, FOREIGN, OnMoto, recollection, values};
use crate::contract::{CONFIGURED_TTL, NAMES, restoration, set_of, withdrawal};
use crate::moto::set;

const WWW: &str = NAMES[0];

/// A kind of routing, and the function that makes a set or its sibling of that kind.
type Kind = (&'static str, fn(Builder) -> Builder, fn(Builder) -> Builder);

/// Including health checks, because they belong to the set.
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

/// Returns a name without the final dot, as it was put.
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
        provider.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
        assert_eq!(now(&zone).await, std::slice::from_ref(&sibling), "{name}: withdrawn");

        let after = provider.list().await.unwrap();
        provider.apply(ChangeRequest::new(&after, &recollection(&before, DEAD))).await.unwrap();
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
        provider.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
        let left = built(one, &[FOREIGN]);
        assert_eq!(now(&zone).await, [left, sibling.clone()], "{name}: withdrawn");

        let after = provider.list().await.unwrap();
        provider.apply(ChangeRequest::new(&after, &recollection(&before, DEAD))).await.unwrap();
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
            provider
                .apply(ChangeRequest::new(&listing, &withdrawal(&listing, address)))
                .await
                .unwrap();
        }
        assert_eq!(now(&zone).await, [], "{name}: withdrawn");
        for address in [ALIVE, DEAD] {
            let listing = provider.list().await.unwrap();
            provider
                .apply(ChangeRequest::new(&listing, &recollection(&before, address)))
                .await
                .unwrap();
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
    provider.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
    assert_eq!(now(&zone).await, [built(sets.2, &[FOREIGN])]);

    let after = provider.list().await.unwrap();
    let back = recollection(&before, DEAD);
    assert_eq!(back.create.len(), 1, "one memory for both");
    provider.apply(ChangeRequest::new(&after, &back)).await.unwrap();
    assert_eq!(now(&zone).await, [utah, anywhere]);
}

#[tokio::test]
async fn a_simple_set_that_died_comes_back_with_its_time_to_live_and_health_check() {
    let simple = set(WWW, "A", &[DEAD]).ttl(45).health_check_id("hc-1").build().unwrap();
    let Some(zone) = OnMoto::with([simple.clone()]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let before = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
    assert_eq!(now(&zone).await, []);
    let after = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&after, &recollection(&before, DEAD))).await.unwrap();
    assert_eq!(now(&zone).await, [simple]);
}

/// Restores DEAD without a memory of it into a zone with `sets`. Returns the sets of its name then.
async fn restored_anew(sets: Vec<ResourceRecordSet>) -> Option<Result<Vec<String>, ProviderError>> {
    let zone = OnMoto::with(sets).await?;
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    let address = DEAD.parse().unwrap();
    let create = vec![NewRecord { set: set_of(WWW, address), address, attributes: None }];
    let answer = provider
        .apply(ChangeRequest::new(&listing, &RecordChanges { create, delete: Vec::new() }))
        .await;
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
            "one multivalue answer: one more",
            vec![multi("a", ALIVE)],
            vec![format!("{DEAD} 120 {DEAD}"), format!("a 120 {ALIVE}")],
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

/// The address was alone in a set of its own, which was deleted with it: its settings are unknown.
#[tokio::test]
async fn an_address_of_which_nothing_is_remembered_is_put_into_no_routed_set() {
    for (name, _, two) in kinds().into_iter().filter(|kind| kind.0 != "multivalue answer") {
        let left = built(two, &[ALIVE]);
        let Some(zone) = OnMoto::with([left.clone()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let listing = provider.list().await.unwrap();
        let address = DEAD.parse().unwrap();
        let create = vec![NewRecord { set: set_of(WWW, address), address, attributes: None }];
        let changes = RecordChanges { create, delete: Vec::new() };
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        let ProviderError::Rejected { culprits, source, .. } = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(culprits, [set_of(WWW, address)], "{name}");
        let said = source.to_string();
        for word in [DEAD, "www.example.com A", "state_file"] {
            assert!(said.contains(word), "{name}: {said} does not say {word}");
        }
        assert_eq!(now(&zone).await, [left], "{name}: nothing is written");
    }
}

/// One name's address has no known home; another name gets its address back.
#[tokio::test]
async fn an_address_without_a_home_at_one_name_is_put_back_at_the_others() {
    let (_, one, two) = kinds()[1];
    let api = set(NAMES[1], "A", &[ALIVE]).build().unwrap();
    let sets = [built(one, &[ALIVE]), built(two, &[FOREIGN]), api];
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    let changes = restoration(&listing, DEAD, &NAMES[..2]);
    let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    assert_eq!(done.create, [changes.create[1].clone()]);
    assert!(matches!(*rest, ProviderError::Rejected { .. }), "{rest:?}");
    let api = zone.sets_at(NAMES[1], "A").await;
    assert_eq!(api.iter().flat_map(values).collect::<Vec<_>>(), [ALIVE, DEAD]);
}

/// Route 53 allows the deletion of a health check that is in use (the API reference,
/// `DeleteHealthCheck`).
#[tokio::test]
async fn a_set_comes_back_without_a_health_check_that_was_deleted() {
    for (name, one, two) in kinds().into_iter().take(1).chain(kinds().into_iter().skip(3).take(2)) {
        let Some(moto) = crate::moto::moto() else { return };
        let check = moto.health_check().await;
        let (mut dying, sibling) = (built(one, &[DEAD]), built(two, &[ALIVE]));
        dying.health_check_id = Some(check.clone());
        let Some(zone) = OnMoto::with([dying.clone(), sibling.clone()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let before = provider.list().await.unwrap();
        provider.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
        moto.delete_health_check(&check).await;

        let after = provider.list().await.unwrap();
        provider.apply(ChangeRequest::new(&after, &recollection(&before, DEAD))).await.unwrap();
        dying.health_check_id = None;
        assert_eq!(now(&zone).await, [dying, sibling], "{name}");
    }
}

/// The rest of the set has to be written anew, too.
#[tokio::test]
async fn an_address_leaves_a_set_with_a_deleted_health_check_and_every_other_name() {
    let Some(moto) = crate::moto::moto() else { return };
    let checks = [moto.health_check().await, moto.health_check().await];
    let with = |name, check: &str| set(name, "A", &[DEAD, ALIVE]).health_check_id(check);
    let sets = [with(WWW, &checks[0]), with(NAMES[1], &checks[1]), with(NAMES[2], "hc-1")];
    let Some(zone) = OnMoto::with(sets.map(|set| set.build().unwrap())).await else { return };
    let provider = zone.managing(&NAMES).await;
    for check in &checks {
        moto.delete_health_check(check).await;
    }
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    for set in now(&zone).await {
        assert_eq!(values(&set), [ALIVE], "{set:?}");
        let kept = (set.name() == NAMES[2]).then_some("hc-1");
        assert_eq!(set.health_check_id(), kept, "{set:?}");
    }
}
