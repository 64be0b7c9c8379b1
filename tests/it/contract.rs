//! The contract of all DNS providers: one suite, and a harness for each provider.
//!
//! A case is a generic function in [`cases`] or [`faults`]. It knows the zone only through
//! [`ProviderUnderTest`], so it cannot depend on the provider. A harness seeds a zone, inspects it
//! by other means than the provider under test, and makes the provider's next request fail.
//! [`contract_suite!`] turns every case into a test of one harness. A case that has a meaning only for
//! providers with some capability names it, and is played where it is declared; elsewhere the test
//! says that it is not.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

pub(crate) mod cases;
mod cloudflare;
mod fault_signal;
pub(crate) mod faults;
pub(crate) mod in_memory;
pub(crate) mod property;
pub(crate) mod standby;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::plan::{Family, SetKey};
use goavail::testing::dns::{
    Capabilities, Capability, ChangeRequest, DnsProvider, Listing, NewRecord, ProviderError,
    RecordChanges,
};

pub(crate) use fault_signal::FaultSignal;

/// The zone that every harness serves.
pub(crate) const ZONE: &str = "example.com";

/// The managed names that every harness configures its provider with.
pub(crate) const NAMES: [&str; 3] = ["www.example.com", "api.example.com", "example.com"];

/// The TTL that a harness configures for new records, in seconds.
pub(crate) const CONFIGURED_TTL: u32 = 300;

/// A record in the zone, read by other means than the provider under test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The owner name, without the final dot.
    pub(crate) name: String,
    /// The type: `A`, `AAAA`, `TXT` and others.
    pub(crate) kind: String,
    /// The only value of this entry.
    pub(crate) value: String,
    /// Time to live in seconds; the same for all records of one set, as in RFC 2181.
    pub(crate) ttl: u32,
    /// All other settings of the record, in a text of the provider's own. Seeding ignores it and
    /// gives the record none.
    pub(crate) extras: String,
}

/// Returns an address record to seed, with a TTL of 120 s.
pub(crate) fn address_entry(name: &str, address: &str) -> Entry {
    let parsed: IpAddr = address.parse().unwrap();
    entry(name, &Family::of(parsed).to_string(), address)
}

/// Returns a record of any type to seed, with a TTL of 120 s.
pub(crate) fn entry(name: &str, kind: &str, value: &str) -> Entry {
    let (name, kind, value) = (name.to_owned(), kind.to_owned(), value.to_owned());
    Entry { name, kind, value, ttl: 120, extras: String::new() }
}

/// The kind of a request of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// The next request that reads.
    Read,
    /// The next request that writes.
    Write,
}

/// A fault of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The provider's answer for too many requests, with a pause if it can contain one. Nothing is
    /// done.
    Throttled(Duration),
    /// HTTP 503. Nothing is done.
    ServerError,
    /// An HTTP status from 500 on that asks for a pause. Nothing is done.
    Overloaded(Duration),
    /// HTTP 200 and an HTML page. Nothing is done.
    Html,
    /// HTTP 200 and half of the correct answer, then the connection ends. A write is done.
    HalfABody,
    /// No answer; the connection stays open. Nothing is done.
    Hang,
    /// The connection ends after the request was received. Nothing is done.
    CutBefore,
    /// The request is carried out, then the connection ends without an answer.
    CutAfter,
}

/// A provider in front of a zone of its own, which a case may disturb.
///
/// The zone is [`ZONE`], empty at the start except for mandatory records (NS, SOA), which
/// [`ProviderUnderTest::holds`] omits. Every provider that it builds manages [`NAMES`].
pub(crate) trait ProviderUnderTest: Sized {
    /// The type of the provider.
    type Provider: DnsProvider;

    /// The declared capabilities of the provider.
    const CAPABILITIES: Capabilities;

    /// Whether the harness can run on this machine. If not, it has logged that, and the cases are
    /// skipped.
    fn is_here() -> bool {
        true
    }

    /// Serves an empty zone.
    async fn start() -> Self;

    /// Returns a provider as at the start of an agent: nothing cached, valid credentials.
    async fn provider(&self) -> Self::Provider;

    /// Returns a provider with well-formed, wrong credentials.
    async fn with_wrong_credentials(&self) -> Self::Provider;

    /// Returns a provider for a zone that the account does not have.
    async fn of_unknown_zone(&self) -> Self::Provider;

    /// Returns a provider for an address without a server.
    async fn out_of_reach(&self) -> Self::Provider;

    /// Adds records to the zone. Seeding one twice makes a duplicate if the provider's zones can
    /// contain one, and has no further effect otherwise.
    async fn seed(&self, entries: &[Entry]);

    /// Gives an existing address record all settings that this provider supports.
    async fn adorn(&self, name: &str, address: IpAddr);

    /// Removes all records of an address at one name.
    async fn remove(&self, name: &str, address: IpAddr);

    /// Returns all records of the zone, sorted.
    async fn holds(&self) -> Vec<Entry>;

    /// Makes the provider's next request of this kind fail, once.
    async fn inject(&self, on: Call, fault: Fault) -> FaultSignal;
}

/// Returns the records of the zone without extras, for a comparison with seeded ones.
pub(crate) async fn plainly<P: ProviderUnderTest>(zone: &P) -> Vec<Entry> {
    let mut entries = zone.holds().await;
    for entry in &mut entries {
        entry.extras.clear();
    }
    entries.sort();
    entries
}

/// Returns `entries`, sorted as [`plainly`] sorts.
pub(crate) fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort();
    entries
}

/// Returns the set that `address` belongs to at `name`.
pub(crate) fn set_of(name: &str, address: IpAddr) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::of(address) }
}

/// Returns the changes that remove `address` from every set of `listing`, duplicates included.
pub(crate) fn withdrawal(listing: &Listing, address: &str) -> RecordChanges {
    let address: IpAddr = address.parse().unwrap();
    let mut changes = RecordChanges::default();
    for (set, records) in &listing.sets {
        let doomed = records.iter().filter(|record| record.address == address);
        changes.delete.extend(doomed.map(|record| (set.clone(), record.clone())));
    }
    changes
}

/// Returns the changes that restore `address` at those of `names` at which `listing` does not have
/// it, without a memory of its settings.
pub(crate) fn restoration(listing: &Listing, address: &str, names: &[&str]) -> RecordChanges {
    let address: IpAddr = address.parse().unwrap();
    let mut changes = RecordChanges::default();
    for set in names.iter().map(|name| set_of(name, address)) {
        if !addresses(listing, &set).contains(&address) {
            changes.create.push(NewRecord { set, address, attributes: None });
        }
    }
    changes
}

/// Returns the changes that restore `address` in every set of `before`, as remembered.
pub(crate) fn recollection(before: &Listing, address: &str) -> RecordChanges {
    let address: IpAddr = address.parse().unwrap();
    let mut changes = RecordChanges::default();
    for (set, records) in &before.sets {
        if let Some(record) = records.iter().find(|record| record.address == address) {
            let attributes = Some(record.attributes.clone());
            changes.create.push(NewRecord { set: set.clone(), address, attributes });
        }
    }
    changes
}

/// Returns the distinct addresses that `listing` has in `set`.
pub(crate) fn addresses(listing: &Listing, set: &SetKey) -> BTreeSet<IpAddr> {
    listing.observed().sets.remove(set).unwrap_or_default()
}

/// Lists, plans with `plan` and applies until nothing is left to change, as the reconciler does.
///
/// The number of passes is limited, so that a provider that makes no progress fails. The only
/// permitted error is that the zone has changed.
pub(crate) async fn converge<D: DnsProvider>(
    provider: &D,
    plan: impl Fn(&Listing) -> RecordChanges,
) {
    for _ in 0..4 {
        let listing = provider.list().await.unwrap();
        let changes = plan(&listing);
        if changes.is_empty() {
            return;
        }
        match provider.apply(ChangeRequest::new(&listing, &changes)).await {
            Ok(()) | Err(ProviderError::Changed { .. }) => {}
            Err(error) => panic!("unexpected while converging: {error:?}"),
        }
    }
    panic!("still not as planned after four rounds");
}

/// Whether the provider declares the capability that a case is about. If not, says that the case is not
/// played.
#[expect(clippy::print_stderr, reason = "a case that is not played has to be seen")]
pub(crate) fn is_declared<P: ProviderUnderTest>(case: &str, needed: Capability) -> bool {
    let declared = P::CAPABILITIES.has(needed);
    if !declared {
        eprintln!("NOT PLAYED: {case}: the provider cannot {}", needed.in_words());
    }
    declared
}

/// Makes a test of every case for one harness: `contract_suite!(Harness);` in a module named after
/// the provider.
macro_rules! contract_suite {
    ($harness:ty) => {
        $crate::contract::contract_suite! { @async $harness, cases:
            lists_managed_and_foreign_addresses
            lists_nothing_where_there_is_nothing
            lists_a_and_aaaa_apart
            lists_what_lies_beyond_the_first_page(Pages)
            withdraw_removes_only_the_address
            withdraw_removes_every_duplicate
            withdraw_leaves_the_address_at_other_names
            withdraw_leaves_other_types
            withdraw_of_the_last_address_empties_the_set
            withdraw_reaches_several_names_in_one_call
            withdraw_and_restore_go_together_in_one_call
            restore_creates_with_the_configured_settings
            restore_brings_back_all_that_was_remembered
            applying_twice_is_the_same_as_once
            two_agents_may_make_the_same_change
            an_address_that_is_already_there_is_not_doubled
            an_address_that_is_already_gone_stays_gone
            a_set_that_changed_since_its_listing_keeps_the_foreign_address
            of_two_agents_that_take_out_the_last_two_the_second_is_refused(CompareAndSwap)
        }
        $crate::contract::contract_suite! { @async $harness, faults:
            a_throttled_read_changes_nothing_and_works_later
            a_throttled_write_changes_nothing_and_works_later
            a_server_error_on_reading_is_no_empty_zone
            a_server_error_on_writing_is_no_success
            the_pause_of_a_server_error_is_kept(Pauses)
            a_page_of_html_is_no_empty_zone
            half_a_body_is_no_shorter_zone
            half_an_answer_to_a_write_is_not_confirmed
            reading_gives_up_on_a_provider_that_hangs
            writing_to_a_provider_that_hangs_is_not_confirmed
            a_read_that_was_cut_off_is_no_empty_zone
            a_write_that_was_cut_off_before_it_was_done_is_done_later
            a_write_whose_answer_was_lost_is_in_force_and_not_confirmed
        }
        $crate::contract::contract_suite! { @async $harness, standby:
            a_failover_and_its_way_back_are_whole_or_not_at_all_whatever_fails(AllOrNothing)
        }
        $crate::contract::contract_suite! { @async $harness, faults:
            wrong_credentials_are_refused
            an_unknown_zone_is_refused
            a_provider_out_of_reach_is_unavailable
        }
        #[test]
        fn foreign_records_survive_any_change() {
            if !<$harness as $crate::contract::ProviderUnderTest>::is_here() {
                return;
            }
            $crate::contract::property::foreign_records_survive_any_change::<$harness>();
        }
    };
    (@async $harness:ty, $file:ident: $($case:ident $(($needed:ident))?)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                if !<$harness as $crate::contract::ProviderUnderTest>::is_here() {
                    return;
                }
                $(
                    let needed = goavail::testing::dns::Capability::$needed;
                    if !$crate::contract::is_declared::<$harness>(stringify!($case), needed) {
                        return;
                    }
                )?
                $crate::contract::$file::$case::<$harness>().await;
            }
        )*
    };
}
pub(crate) use contract_suite;
