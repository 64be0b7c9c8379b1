//! A standby that takes the place of the last address, and the way back, while the provider fails.

use std::net::IpAddr;
use std::time::Duration;

use goavail::testing::dns::{ChangeRequest, DnsProvider, Listing, NewRecord, RecordChanges};

use super::faults::without_waiting;
use super::{
    Call, Fault, NAMES, ProviderUnderTest, address_entry, addresses, converge, plainly, set_of,
    sorted,
};

const PRIMARY: &str = "192.0.2.10";
const STANDBY: &str = "198.51.100.7";
const FOREIGN: &str = "192.0.2.99";

/// Every fault of a write, in the order of their harm.
const FAULTS: [Fault; 7] = [
    Fault::Throttled(Duration::from_secs(1)),
    Fault::ServerError,
    Fault::Html,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::HalfABody,
    Fault::Hang,
];

/// Returns the changes by which one address takes the place of another, with its settings.
fn exchange(listing: &Listing, leaves: &str, comes: &str) -> RecordChanges {
    let [leaves, comes]: [IpAddr; 2] = [leaves, comes].map(|address| address.parse().unwrap());
    let set = set_of(NAMES[0], comes);
    let mut changes = RecordChanges::default();
    let records = listing.sets.get(&set).into_iter().flatten();
    let gone: Vec<_> = records.filter(|record| record.address == leaves).cloned().collect();
    if !addresses(listing, &set).contains(&comes) {
        let attributes = gone.first().map(|record| record.attributes.clone());
        changes.create.push(NewRecord { set: set.clone(), address: comes, attributes });
    }
    changes.delete.extend(gone.into_iter().map(|record| (set.clone(), record)));
    changes
}

/// Lets a fault meet the exchange of two addresses, and then the exchange be made.
async fn exchange_meets<P: ProviderUnderTest>(zone: &P, fault: Fault, [leaves, comes]: [&str; 2]) {
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let changes = exchange(&listing, leaves, comes);
    let met = zone.inject(Call::Write, fault).await;
    let request = ChangeRequest::new(&listing, &changes);
    let answer = if fault == Fault::Hang {
        without_waiting(met, provider.apply(request)).await
    } else {
        let answer = provider.apply(request).await;
        met.wait().await;
        answer
    };
    assert!(answer.is_err(), "{fault:?}");
    let foreign = address_entry(NAMES[1], FOREIGN);
    let either =
        [leaves, comes].map(|at| sorted(vec![address_entry(NAMES[0], at), foreign.clone()]));
    let held = plainly(zone).await;
    assert!(either.contains(&held), "{fault:?}: {held:?}");
    converge(&provider, |listing| exchange(listing, leaves, comes)).await;
    assert_eq!(plainly(zone).await, either[1], "{fault:?}");
}

pub(crate) async fn a_failover_and_its_way_back_are_whole_or_not_at_all_whatever_fails<
    P: ProviderUnderTest,
>() {
    let zone = P::start().await;
    let entries = [address_entry(NAMES[0], PRIMARY), address_entry(NAMES[1], FOREIGN)];
    zone.seed(&entries).await;
    for fault in FAULTS {
        exchange_meets(&zone, fault, [PRIMARY, STANDBY]).await;
        exchange_meets(&zone, fault, [STANDBY, PRIMARY]).await;
    }
}
