//! Compare and swap: a change succeeds only on sets that match their listing.

use std::sync::Arc;

use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet};
use goavail::testing::dns::{
    ChangeRequest, DnsProvider, Permit, ProviderError, RecordChanges, Route53,
};
use tokio::sync::Barrier;

use super::{ALIVE, DEAD, FOREIGN, OnMoto, aws_error, plain, recollection, values, writes};
use crate::contract::{NAMES, restoration, set_of, withdrawal};
use crate::lab::share;
use crate::moto::{plain_moto, set};
use crate::proxy::{Request, Spoil};

const WWW: &str = NAMES[0];

fn simple(name: &str, addresses: &[&str]) -> ResourceRecordSet {
    set(name, "A", addresses).build().unwrap()
}

async fn at_www(zone: &OnMoto) -> Vec<String> {
    let mut all: Vec<_> = zone.sets_at(WWW, "A").await.iter().flat_map(values).collect();
    all.sort();
    all
}

/// The possible changes of the set by an operator between our listing and our change.
#[tokio::test]
async fn a_set_that_changed_since_its_listing_is_refused_and_planned_again() {
    let was = || set(WWW, "A", &[DEAD, ALIVE]);
    let cases = [
        ("a value came", set(WWW, "A", &[DEAD, ALIVE, FOREIGN]).build(), vec![ALIVE, FOREIGN]),
        ("a value went", set(WWW, "A", &[DEAD]).build(), vec![]),
        ("its time to live", was().ttl(30).build(), vec![ALIVE]),
        ("its health check", was().health_check_id("hc-2").build(), vec![ALIVE]),
    ];
    for (name, became, want) in cases {
        let Some(zone) = OnMoto::with([was().build().unwrap()]).await else { return };
        let provider = zone.managing(&NAMES).await;
        let listing = provider.list().await.unwrap();
        zone.zone.put([became.unwrap()]).await;
        let error = provider
            .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::Changed { .. }), "{name}: {error:?}");

        let again = provider.list().await.unwrap();
        provider.apply(ChangeRequest::new(&again, &withdrawal(&again, DEAD))).await.unwrap();
        assert_eq!(at_www(&zone).await, want, "{name}");
    }
}

#[tokio::test]
async fn a_set_that_was_deleted_since_its_listing_is_not_made_again() {
    let was = simple(WWW, &[DEAD, ALIVE]);
    let Some(zone) = OnMoto::with([was.clone()]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    zone.zone.change(vec![(ChangeAction::Delete, was)]).await;
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "{error:?}");
    assert!(at_www(&zone).await.is_empty());
}

#[tokio::test]
async fn a_set_that_was_made_since_its_listing_is_not_overwritten() {
    let Some(zone) = OnMoto::with([]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    zone.zone.put([simple(WWW, &[FOREIGN])]).await;
    let restore = restoration(&listing, DEAD, &[WWW]);
    let error = provider.apply(ChangeRequest::new(&listing, &restore)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "{error:?}");
    assert_eq!(at_www(&zone).await, [FOREIGN]);
}

/// Withdraws `address` as the reconciler does: lists and plans again if the zone has changed.
/// Returns the number of repetitions.
async fn withdraw(provider: &Route53, address: &str, ready: &Barrier) -> usize {
    for refusals in 0..20 {
        let listing = provider.list().await.unwrap();
        if refusals == 0 {
            ready.wait().await;
        }
        match provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, address))).await {
            Ok(()) => return refusals,
            Err(ProviderError::Changed { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("refused twenty times");
}

/// Both list before either writes, so one of the two has to be refused in every round.
#[tokio::test]
async fn two_agents_withdraw_two_addresses_of_one_set_again_and_again_and_nothing_is_lost() {
    let Some(zone) = OnMoto::with([]).await else { return };
    let agents = [zone.managing(&NAMES).await, zone.managing(&NAMES).await].map(Arc::new);
    let mut refusals = 0;
    let rounds = share(100);
    for round in 0..rounds {
        zone.zone.put([simple(WWW, &[DEAD, FOREIGN, ALIVE])]).await;
        let ready = Barrier::new(2);
        let (one, other) =
            tokio::join!(withdraw(&agents[0], DEAD, &ready), withdraw(&agents[1], ALIVE, &ready));
        assert_eq!(one + other, 1, "round {round}: one of the two wins, the other plans again");
        assert_eq!(at_www(&zone).await, [FOREIGN], "round {round}");
        refusals += one + other;
    }
    println!("{rounds} rounds, {refusals} changes refused and planned again, none lost");
}

/// The two-agents test relies on the rules of `moto/serve.py`. The original moto accepts an
/// outdated change; once it does not, those rules may be removed.
#[tokio::test]
async fn moto_as_it_comes_takes_our_requests_and_knows_no_compare_and_swap() {
    let Some(moto) = plain_moto() else { return };
    let zone = moto.zone("plain.test", false).await;
    let name = "www.plain.test";
    zone.put([simple(name, &[DEAD, ALIVE, FOREIGN])]).await;
    let config = goavail::testing::dns::Route53Config {
        zone: "plain.test".to_owned(),
        names: vec![name.to_owned()],
        ttl: 60,
        own_ttls: std::collections::BTreeMap::new(),
        profile: None,
        zone_id: Some(zone.id.clone()),
        region: "us-east-1".to_owned(),
        api_url: Some(format!("http://{}", moto.host)),
    };
    let agents =
        [Route53::with(&config, moto.loader()).await, Route53::with(&config, moto.loader()).await];
    let listing = agents[0].list().await.unwrap();
    agents[0].apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let left = || async { zone.sets().await.iter().flat_map(values).collect::<Vec<_>>() };
    assert_eq!(left().await, [ALIVE, FOREIGN], "the withdrawal is understood");
    agents[1].apply(ChangeRequest::new(&listing, &withdrawal(&listing, ALIVE))).await.unwrap();
    assert_eq!(left().await, [DEAD, FOREIGN], "and the stale one undoes it");
}

#[tokio::test]
async fn one_request_changes_all_names_and_both_families() {
    let sets = NAMES.iter().flat_map(|name| {
        let six = set(name, "AAAA", &["2001:db8::10", "2001:db8::11"]).build().unwrap();
        [simple(name, &[DEAD, ALIVE]), six]
    });
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    let mut changes = withdrawal(&listing, DEAD);
    changes.delete.extend(withdrawal(&listing, "2001:db8::10").delete);
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let sent = zone.proxy.seen(writes);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body.matches("<Action>DELETE</Action>").count(), 6);
    assert_eq!(sent[0].body.matches("<Action>CREATE</Action>").count(), 6);
}

#[tokio::test]
async fn a_change_that_is_in_force_already_makes_no_request() {
    let Some(zone) = OnMoto::with([simple(WWW, &[DEAD])]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    let there = recollection(&listing, DEAD);
    for changes in [RecordChanges::default(), there] {
        provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    }
    assert_eq!(zone.proxy.seen(writes), []);
}

/// Three names with 200 addresses each: 1,197 values in all, where 1,000 are allowed.
async fn too_much_for_one_request() -> Option<(OnMoto, Route53)> {
    let addresses: Vec<String> = (1..=199).map(|n| format!("10.0.0.{n}")).collect();
    let mut addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    addresses.push(DEAD);
    let zone = OnMoto::with(NAMES.map(|name| simple(name, &addresses))).await?;
    let provider = zone.managing(&NAMES).await;
    Some((zone, provider))
}

#[tokio::test]
async fn a_change_beyond_the_limits_is_spread_over_requests_and_no_name_is_split() {
    let Some((zone, provider)) = too_much_for_one_request().await else { return };
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert!(zone.zone.sets().await.iter().all(|set| values(set).len() == 199));
    let sent: Vec<usize> =
        zone.proxy.seen(writes).iter().map(|r| r.body.matches("<Action>").count()).collect();
    assert_eq!(sent, [4, 2], "a deletion and a creation for each name");
}

#[tokio::test]
async fn a_change_of_which_only_a_part_went_through_says_which() {
    let cases = [
        ("throttled", aws_error(400, "Throttling", "Rate exceeded"), false),
        ("rejected", aws_error(403, "AccessDenied", "not authorized"), true),
        ("rejected in the first half", aws_error(403, "AccessDenied", "not authorized"), true),
        ("unanswered", Spoil::CutBefore, false),
    ];
    for (name, spoil, rejected) in cases {
        let Some((zone, provider)) = too_much_for_one_request().await else { return };
        let listing = provider.list().await.unwrap();
        let first: fn(&Request) -> bool = |r| writes(r) && r.body.contains("api.example.com");
        let second: fn(&Request) -> bool = |r| writes(r) && r.body.contains("www.example.com");
        let in_first = name.contains("first");
        zone.proxy.spoil_next(if in_first { first } else { second }, spoil);
        let withdrawal = withdrawal(&listing, DEAD);
        let error = provider.apply(ChangeRequest::new(&listing, &withdrawal)).await.unwrap_err();
        let ProviderError::Partly { done, rest } = error else { panic!("{name}: {error:?}") };
        let is_rejected = matches!(*rest, ProviderError::Rejected { .. });
        assert_eq!(is_rejected, rejected, "{name}: {rest:?}");
        assert_eq!(done.delete.len(), if in_first { 1 } else { 2 }, "{name}");
        for set in zone.zone.sets().await {
            let gone = !values(&set).contains(&DEAD.to_owned());
            let said = done.delete.iter().any(|(key, _)| key.name == plain(set.name()));
            assert_eq!(gone, said, "{name}: {}", set.name());
        }
    }
}

#[tokio::test]
async fn a_change_revoked_between_two_requests_is_not_sent() {
    let Some((zone, provider)) = too_much_for_one_request().await else { return };
    let listing = provider.list().await.unwrap();
    let withdrawal = withdrawal(&listing, DEAD);
    let permit = Permit::new(&|_| false);
    let error = provider
        .apply(ChangeRequest { listing: &listing, changes: &withdrawal, permit })
        .await
        .unwrap_err();
    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    assert!(matches!(*rest, ProviderError::Revoked { .. }), "{rest:?}");
    let left = zone.zone.sets().await;
    let left = left.iter().filter(|set| values(set).contains(&DEAD.to_owned())).count();
    assert_eq!(done.delete.len() + left, withdrawal.delete.len());
    assert!(left > 0);
}

/// A set with a difference that the listing does not show must not block the others.
#[tokio::test]
async fn a_set_that_never_matches_its_listing_is_planned_again_once_and_then_reported() {
    let sets = [simple(WWW, &[DEAD, ALIVE]), simple(NAMES[1], &[DEAD, ALIVE])];
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&NAMES).await;
    let message = "[Tried to delete resource record set [name='www.example.com.', type='A'] but the \
                   values provided do not match the current values]";
    let mut errors = Vec::new();
    for _ in 0..2 {
        let listing = provider.list().await.unwrap();
        zone.proxy.spoil_next(writes, aws_error(400, "InvalidChangeBatch", message));
        errors.push(
            provider
                .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
                .await
                .unwrap_err(),
        );
    }
    assert!(matches!(errors[0], ProviderError::Changed { .. }), "{errors:?}");
    let ProviderError::Rejected { culprits, .. } = &errors[1] else { panic!("{errors:?}") };
    assert_eq!(*culprits, [set_of(WWW, DEAD.parse().unwrap())]);

    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    zone.zone.put([simple(WWW, &[DEAD, ALIVE])]).await;
    zone.proxy.spoil_next(writes, aws_error(400, "InvalidChangeBatch", message));
    let listing = provider.list().await.unwrap();
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "it is forgotten: {error:?}");
}

#[tokio::test]
async fn a_new_cname_is_reported_as_the_culprit() {
    let Some(zone) = OnMoto::with([simple(NAMES[1], &[ALIVE])]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    zone.zone.put([set(WWW, "CNAME", &["lb.example.net"]).build().unwrap()]).await;
    let restore = restoration(&listing, DEAD, &NAMES[..2]);
    let error = provider.apply(ChangeRequest::new(&listing, &restore)).await.unwrap_err();
    let ProviderError::Rejected { culprits, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*culprits, [set_of(WWW, DEAD.parse().unwrap())]);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_change_that_the_next_listing_shows() {
    let Some(zone) = OnMoto::with([simple(WWW, &[DEAD, ALIVE])]).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    zone.proxy.spoil_next(writes, Spoil::CutAfter);
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "blindly again: {error:?}");
    let again = provider.list().await.unwrap();
    assert!(withdrawal(&again, DEAD).is_empty());
}
