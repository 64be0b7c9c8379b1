//! Cases in which the provider's service works.

use std::net::IpAddr;

use goavail::engine::plan::{Family, SetKey};
use goavail::testing::dns::{
    Attributes, Capability, ChangeRequest, DnsProvider, Listing, NewRecord, ProviderError,
    RecordChanges,
};

use super::{
    CONFIGURED_TTL, Entry, NAMES, ProviderUnderTest, address_entry, addresses, converge, entry,
    plainly, restoration, set_of, sorted, withdrawal,
};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";
const FOREIGN: &str = "198.51.100.7";
const SIX: &str = "2001:db8::10";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Seeds two managed addresses and a foreign one at each managed name.
fn three_at_each_name() -> Vec<Entry> {
    let each = |name: &&str| [DEAD, ALIVE, FOREIGN].map(|address| address_entry(name, address));
    NAMES.iter().flat_map(each).collect()
}

async fn seeded<P: ProviderUnderTest>(entries: &[Entry]) -> P {
    let zone = P::start().await;
    zone.seed(entries).await;
    zone
}

fn without(entries: &[Entry], name: &str, value: &str) -> Vec<Entry> {
    let stays = |entry: &&Entry| entry.name != name || entry.value != value;
    sorted(entries.iter().filter(stays).cloned().collect())
}

pub(crate) async fn lists_managed_and_foreign_addresses<P: ProviderUnderTest>() {
    let zone: P = seeded(&three_at_each_name()).await;
    let listing = zone.provider().await.list().await.unwrap();
    for name in NAMES {
        let found = addresses(&listing, &set_of(name, ip(DEAD)));
        assert_eq!(found, [ip(DEAD), ip(ALIVE), ip(FOREIGN)].into(), "{name}");
    }
}

pub(crate) async fn lists_nothing_where_there_is_nothing<P: ProviderUnderTest>() {
    let zone = P::start().await;
    let listing = zone.provider().await.list().await.unwrap();
    let records: usize = listing.sets.values().map(Vec::len).sum();
    assert_eq!(records, 0, "{listing:?}");
}

pub(crate) async fn lists_a_and_aaaa_apart<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], DEAD), address_entry(NAMES[0], SIX)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    for (family, address) in [(Family::A, DEAD), (Family::Aaaa, SIX)] {
        let set = SetKey { name: NAMES[0].to_owned(), family };
        assert_eq!(addresses(&listing, &set), [ip(address)].into(), "{set}");
    }
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, SIX))).await.unwrap();
    assert_eq!(plainly(&zone).await, [address_entry(NAMES[0], DEAD)]);
}

/// The managed names are the first and the last of the zone in the order of names, and so on the
/// first and on the last page of any order by name.
pub(crate) async fn lists_what_lies_beyond_the_first_page<P: ProviderUnderTest>() {
    let others = (0..250).map(|n| address_entry(&format!("host{n:03}.example.com"), DEAD));
    let entries: Vec<_> = others.chain(three_at_each_name()).collect();
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    for name in NAMES {
        assert_eq!(addresses(&listing, &set_of(name, ip(DEAD))).len(), 3, "{name}");
    }
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let left = NAMES.iter().fold(entries, |left, name| without(&left, name, DEAD));
    assert_eq!(plainly(&zone).await, left);
}

pub(crate) async fn withdraw_removes_only_the_address<P: ProviderUnderTest>() {
    let entries: Vec<_> = [DEAD, ALIVE, FOREIGN].map(|a| address_entry(NAMES[0], a)).into();
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(plainly(&zone).await, without(&entries, NAMES[0], DEAD));
    let again = provider.list().await.unwrap();
    let found = addresses(&again, &set_of(NAMES[0], ip(DEAD)));
    assert_eq!(found, [ip(ALIVE), ip(FOREIGN)].into(), "the provider sees its own change");
}

pub(crate) async fn withdraw_removes_every_duplicate<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], ALIVE), address_entry(NAMES[0], DEAD)]).await;
    zone.seed(&[address_entry(NAMES[0], DEAD)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let set = set_of(NAMES[0], ip(DEAD));
    let dead = listing.sets[&set].iter().filter(|record| record.address == ip(DEAD)).count();
    let duplicates = P::CAPABILITIES.has(Capability::Duplicates);
    assert_eq!(dead, if duplicates { 2 } else { 1 }, "as declared");
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(plainly(&zone).await, [address_entry(NAMES[0], ALIVE)]);
}

pub(crate) async fn withdraw_leaves_the_address_at_other_names<P: ProviderUnderTest>() {
    let others =
        ["w.example.com", "www.example.com.example.com", "xwww.example.com", "a.www.example.com"];
    let mut entries: Vec<_> = others.iter().map(|name| address_entry(name, DEAD)).collect();
    entries.push(address_entry(NAMES[0], DEAD));
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(plainly(&zone).await, without(&entries, NAMES[0], DEAD));
}

pub(crate) async fn withdraw_leaves_other_types<P: ProviderUnderTest>() {
    let entries = vec![
        address_entry(NAMES[0], DEAD),
        address_entry(NAMES[0], SIX),
        entry(NAMES[0], "TXT", "\"192.0.2.10\""),
        entry(NAMES[2], "MX", "10 mail.example.com"),
        entry("alias.example.com", "CNAME", "www.example.com"),
    ];
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(plainly(&zone).await, without(&entries[..], NAMES[0], DEAD));
}

/// The plan decides whether a set may be emptied, not the provider.
pub(crate) async fn withdraw_of_the_last_address_empties_the_set<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], DEAD), address_entry(NAMES[1], ALIVE)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(plainly(&zone).await, [address_entry(NAMES[1], ALIVE)]);
    converge(&provider, |listing| restoration(listing, DEAD, &NAMES[..1])).await;
    assert_eq!(plainly(&zone).await.len(), 2, "a set that was emptied can be filled again");
}

pub(crate) async fn withdraw_reaches_several_names_in_one_call<P: ProviderUnderTest>() {
    let entries = three_at_each_name();
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let left = NAMES.iter().fold(entries, |left, name| without(&left, name, DEAD));
    assert_eq!(plainly(&zone).await, left);
}

pub(crate) async fn withdraw_and_restore_go_together_in_one_call<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], DEAD), address_entry(NAMES[1], DEAD)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let mut changes = restoration(&listing, ALIVE, &NAMES[..2]);
    changes.delete = withdrawal(&listing, DEAD).delete;
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let left: Vec<_> = plainly(&zone).await.into_iter().map(|e| (e.name, e.value)).collect();
    let want = [NAMES[1], NAMES[0]].map(|name| (name.to_owned(), ALIVE.to_owned()));
    assert_eq!(left, want);
}

pub(crate) async fn restore_creates_with_the_configured_settings<P: ProviderUnderTest>() {
    let zone = P::start().await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let changes = [DEAD, SIX].map(|address| restoration(&listing, address, &NAMES));
    let create = changes.into_iter().flat_map(|changes| changes.create).collect();
    provider
        .apply(ChangeRequest::new(&listing, &RecordChanges { create, delete: Vec::new() }))
        .await
        .unwrap();
    let each = |name: &&str| [DEAD, SIX].map(|address| address_entry(name, address));
    let mut want: Vec<_> = NAMES.iter().flat_map(each).collect();
    for entry in &mut want {
        entry.ttl = CONFIGURED_TTL;
    }
    assert_eq!(plainly(&zone).await, sorted(want));
}

/// Returns the listed settings of `address` in `set`, as the reconciler remembers them.
fn remembered(listing: &Listing, set: &SetKey, address: IpAddr) -> Option<Attributes> {
    let records = listing.sets.get(set)?;
    records.iter().find(|record| record.address == address).map(|r| r.attributes.clone())
}

pub(crate) async fn restore_brings_back_all_that_was_remembered<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], DEAD), address_entry(NAMES[1], DEAD)]).await;
    if P::CAPABILITIES.has(Capability::Settings) {
        zone.adorn(NAMES[0], ip(DEAD)).await;
    }
    let before = zone.holds().await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert!(zone.holds().await.is_empty());

    let empty = provider.list().await.unwrap();
    let back = |name: &&str| {
        let set = set_of(name, ip(DEAD));
        let attributes = remembered(&listing, &set, ip(DEAD));
        assert!(attributes.is_some(), "{name}");
        NewRecord { set, address: ip(DEAD), attributes }
    };
    let create = NAMES[..2].iter().map(back).collect();
    provider
        .apply(ChangeRequest::new(&empty, &RecordChanges { create, delete: Vec::new() }))
        .await
        .unwrap();
    assert_eq!(zone.holds().await, before);
}

pub(crate) async fn applying_twice_is_the_same_as_once<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], DEAD), address_entry(NAMES[0], FOREIGN)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let mut changes = restoration(&listing, ALIVE, &NAMES);
    changes.delete = withdrawal(&listing, DEAD).delete;
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let once = zone.holds().await;
    same_change_again(&provider.apply(ChangeRequest::new(&listing, &changes)).await);
    assert_eq!(zone.holds().await, once);
}

pub(crate) async fn two_agents_may_make_the_same_change<P: ProviderUnderTest>() {
    let zone: P = seeded(&three_at_each_name()).await;
    let (one, other) = (zone.provider().await, zone.provider().await);
    let (listing, same) = (one.list().await.unwrap(), other.list().await.unwrap());
    let (first, second) = (withdrawal(&listing, DEAD), withdrawal(&same, DEAD));
    let (first, second) = tokio::join!(
        one.apply(ChangeRequest::new(&listing, &first)),
        other.apply(ChangeRequest::new(&same, &second))
    );
    same_change_again(&first);
    same_change_again(&second);
    converge(&one, |listing| withdrawal(listing, DEAD)).await;
    let left = NAMES.iter().fold(three_at_each_name(), |left, name| without(&left, name, DEAD));
    assert_eq!(plainly(&zone).await, left);
}

/// A change that is in force already is done, or refused because the zone has changed.
fn same_change_again(answer: &Result<(), ProviderError>) {
    assert!(matches!(answer, Ok(()) | Err(ProviderError::Changed { .. })), "{answer:?}");
}

pub(crate) async fn an_address_that_is_already_there_is_not_doubled<P: ProviderUnderTest>() {
    let zone: P = seeded(&[address_entry(NAMES[0], ALIVE)]).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    zone.seed(&[address_entry(NAMES[0], DEAD)]).await;
    same_change_again(
        &provider.apply(ChangeRequest::new(&listing, &restoration(&listing, DEAD, &NAMES))).await,
    );
    converge(&provider, |listing| restoration(listing, DEAD, &NAMES)).await;
    let held = plainly(&zone).await;
    for name in NAMES {
        let there = held.iter().filter(|e| e.name == name && e.value == DEAD);
        assert_eq!(there.count(), 1, "{name}: {held:?}");
    }
}

pub(crate) async fn an_address_that_is_already_gone_stays_gone<P: ProviderUnderTest>() {
    let entries = three_at_each_name();
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    zone.remove(NAMES[0], ip(DEAD)).await;
    same_change_again(
        &provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await,
    );
    converge(&provider, |listing| withdrawal(listing, DEAD)).await;
    let left = NAMES.iter().fold(entries, |left, name| without(&left, name, DEAD));
    assert_eq!(plainly(&zone).await, left);
}

pub(crate) async fn a_set_that_changed_since_its_listing_keeps_the_foreign_address<
    P: ProviderUnderTest,
>() {
    let entries = three_at_each_name();
    let zone: P = seeded(&entries).await;
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    zone.seed(&[address_entry(NAMES[0], "198.51.100.99")]).await;
    same_change_again(
        &provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await,
    );
    converge(&provider, |listing| withdrawal(listing, DEAD)).await;
    let mut left = NAMES.iter().fold(entries, |left, name| without(&left, name, DEAD));
    left.push(address_entry(NAMES[0], "198.51.100.99"));
    assert_eq!(plainly(&zone).await, sorted(left));
}

/// Of two changes that were planned from the same listing, the second may not empty the set.
pub(crate) async fn of_two_agents_that_take_out_the_last_two_the_second_is_refused<
    P: ProviderUnderTest,
>() {
    let zone: P = seeded(&[DEAD, ALIVE].map(|address| address_entry(NAMES[0], address))).await;
    let (one, other) = (zone.provider().await, zone.provider().await);
    let (listing, same) = (one.list().await.unwrap(), other.list().await.unwrap());
    one.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let second = other.apply(ChangeRequest::new(&same, &withdrawal(&same, ALIVE))).await;
    assert!(matches!(second, Err(ProviderError::Changed { .. })), "{second:?}");
    assert_eq!(plainly(&zone).await, [address_entry(NAMES[0], ALIVE)]);
}
