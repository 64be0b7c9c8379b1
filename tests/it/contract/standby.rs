//! A standby that takes the place of the last address, and the way back, while the provider fails.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use goavail::testing::dns::{ChangeRequest, DnsProvider, Listing, NewRecord, RecordChanges};

use super::faults::without_waiting;
use super::{
    Call, Entry, Fault, NAMES, ProviderUnderTest, address_entry, addresses, converge, plainly,
    set_of, sorted,
};

const PRIMARIES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11))];
const STANDBY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
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

/// Returns the changes by which some addresses take the place of others, with their settings.
fn exchange(listing: &Listing, leave: &[IpAddr], come: &[IpAddr]) -> RecordChanges {
    let set = set_of(NAMES[0], come[0]);
    let mut changes = RecordChanges::default();
    let records = listing.sets.get(&set).into_iter().flatten();
    let gone: Vec<_> = records.filter(|record| leave.contains(&record.address)).cloned().collect();
    let attributes = gone.first().map(|record| record.attributes.clone());
    let present = addresses(listing, &set);
    for address in come.iter().copied().filter(|address| !present.contains(address)) {
        let (set, attributes) = (set.clone(), attributes.clone());
        changes.create.push(NewRecord { set, address, attributes });
    }
    changes.delete.extend(gone.into_iter().map(|record| (set.clone(), record)));
    changes
}

/// Returns the entries of a zone with these addresses at the first name.
fn entries(addresses: &[IpAddr]) -> Vec<Entry> {
    let own = addresses.iter().map(|address| address_entry(NAMES[0], &address.to_string()));
    own.chain([address_entry(NAMES[1], FOREIGN)]).collect()
}

/// Lets a fault meet the exchange of addresses, and then the exchange be made.
async fn exchange_meets<P: ProviderUnderTest>(
    zone: &P,
    fault: Fault,
    [leave, come]: [&[IpAddr]; 2],
) {
    let provider = zone.provider().await;
    let listing = provider.list().await.unwrap();
    let changes = exchange(&listing, leave, come);
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
    let either = [leave, come].map(|addresses| sorted(entries(addresses)));
    let held = plainly(zone).await;
    assert!(either.contains(&held), "{fault:?}: {held:?}");
    converge(&provider, |listing| exchange(listing, leave, come)).await;
    assert_eq!(plainly(zone).await, either[1], "{fault:?}");
}

/// A standby for the only address, a last resort for two, and the ways back.
pub(crate) async fn a_failover_and_its_way_back_are_whole_or_not_at_all_whatever_fails<
    P: ProviderUnderTest,
>() {
    for primaries in [&PRIMARIES[..1], &PRIMARIES] {
        let zone = P::start().await;
        zone.seed(&entries(primaries)).await;
        for fault in FAULTS {
            exchange_meets(&zone, fault, [primaries, &[STANDBY]]).await;
            exchange_meets(&zone, fault, [&[STANDBY], primaries]).await;
        }
    }
}
