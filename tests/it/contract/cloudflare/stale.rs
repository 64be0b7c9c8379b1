//! A listing that is older than the last write.

use goavail::testing::dns::{ChangeRequest, Cloudflare, DnsProvider, ProviderError, RecordChanges};

use super::super::{NAMES, ZONE, restoration, withdrawal};
use crate::fake_cloudflare::{Entry, FakeCloudflare, Zone};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

/// Plans from a listing: the dead address out, the live one at every name.
fn plan(listing: &goavail::testing::dns::Listing) -> RecordChanges {
    let mut changes = restoration(listing, ALIVE, &NAMES);
    changes.delete = withdrawal(listing, DEAD).delete;
    changes
}

#[tokio::test]
async fn a_change_hidden_by_a_stale_listing_is_made_after_one_fruitless_listing() {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        for name in NAMES {
            zone.seed("A", name, DEAD);
        }
        zone.freeze_listing();
        // One name was changed already, and listings do not show that.
        zone.records.retain(|record| record.name != NAMES[0]);
        zone.seed("A", NAMES[0], ALIVE);
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    let error = provider.apply(ChangeRequest::new(&listing, &plan(&listing))).await.unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "list and plan again: {error:?}");

    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &plan(&listing))).await.unwrap();
    for name in NAMES {
        assert_eq!(fake.zone(|zone| zone.contents("A", name)), [ALIVE], "{name}");
    }
    assert!(fake.count(Entry::writes) <= 2 + NAMES.len() + 2, "{:?}", fake.log());
    fake.zone(Zone::thaw_listing);
    assert!(plan(&provider.list().await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_zone_that_others_change_is_listed_again_each_time() {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        for name in NAMES {
            zone.seed("A", name, DEAD);
        }
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    for name in NAMES {
        let listing = provider.list().await.unwrap();
        let only = |set: &goavail::engine::plan::SetKey| set.name == name;
        let mut changes = withdrawal(&listing, DEAD);
        changes.delete.retain(|(set, _)| only(set));
        fake.zone(|zone| zone.records.retain(|record| record.name != name));
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Changed { .. }), "{name}: {error:?}");
    }
}
