//! Answers that are lost, late, torn, forged or of no sense.

use goavail::testing::dns::{ChangeRequest, DnsProvider, Listing, Permit, ProviderError, Rfc2136};
use goavail::testing::text::error_chain;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::A;

use super::relay::Spoil;
use super::servers::Software;
use super::{OnServer, Relay, config};
use crate::contract::{Call, NAMES, address_entry, converge, withdrawal};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

/// A zone on BIND with both addresses, a provider and its listing; `None` without BIND.
async fn both() -> Option<(OnServer, Rfc2136, Listing)> {
    if !Software::Bind.is_here() {
        return None;
    }
    let zone = OnServer::start(Software::Bind).await;
    zone.seed(&[DEAD, ALIVE].map(|address| address_entry(NAMES[0], address)));
    let provider = zone.provider();
    let listing = provider.list().await.unwrap();
    Some((zone, provider, listing))
}

async fn withdraw(provider: &Rfc2136, listing: &Listing) -> Result<(), ProviderError> {
    provider.apply(ChangeRequest::new(listing, &withdrawal(listing, DEAD))).await
}

/// A change of an answer on its way.
type Lie = fn(&mut Message);

fn other_id(message: &mut Message) {
    message.metadata.id = message.metadata.id.wrapping_add(1);
}

fn other_question(message: &mut Message) {
    for query in &mut message.queries {
        query.set_name(super::client::name("other.example.com"));
    }
}

fn no_authority(message: &mut Message) {
    message.metadata.authoritative = false;
}

fn truncated(message: &mut Message) {
    message.metadata.truncation = true;
}

fn a_query(message: &mut Message) {
    message.metadata.message_type = MessageType::Query;
}

fn other_address(message: &mut Message) {
    for record in &mut message.answers {
        record.data = RData::A(A::new(203, 0, 113, 66));
    }
}

fn unsigned(message: &mut Message) {
    message.signature = None;
}

/// `external-dns#6652`: an error in the middle was taken for the end, and a part for the whole.
#[tokio::test]
async fn a_lying_answer_is_no_listing() {
    let Some((zone, provider, listing)) = both().await else { return };
    let lies: [(Lie, &str); 7] = [
        (other_id, "an answer to another request"),
        (other_question, "an answer to another question"),
        (no_authority, "the signature of the answer is wrong"),
        (truncated, "truncated"),
        (a_query, "an answer to another request"),
        (other_address, "the signature of the answer is wrong"),
        (unsigned, "the answer is not signed"),
    ];
    for (lie, want) in lies {
        let _met = zone.relay.spoil(Call::Read, Spoil::Altered(lie));
        let error = provider.list().await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{want}: {error:?}");
        assert!(error_chain(&error).contains(want), "{}", error_chain(&error));
        assert_eq!(provider.list().await.unwrap(), listing, "{want}");
    }
}

#[tokio::test]
async fn a_lying_answer_confirms_no_change() {
    let Some((zone, provider, _)) = both().await else { return };
    let lies: [Lie; 5] = [other_id, other_question, truncated, a_query, unsigned];
    for lie in lies {
        let listing = provider.list().await.unwrap();
        let changes = crate::contract::restoration(&listing, DEAD, &NAMES[..1]);
        let changes = if changes.is_empty() { withdrawal(&listing, DEAD) } else { changes };
        let _met = zone.relay.spoil(Call::Write, Spoil::Altered(lie));
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
        let after = provider.list().await.unwrap();
        assert_ne!(after, listing, "it was done, and reading tells");
    }
}

#[tokio::test]
async fn garbage_and_single_bytes_are_read_as_what_they_are() {
    let Some((zone, provider, listing)) = both().await else { return };
    for reply in [
        (|_: &Message| vec![]) as fn(&Message) -> Vec<u8>,
        |_| vec![0xff; 700],
        |it| it.metadata.id.to_be_bytes().to_vec(),
    ] {
        let _met = zone.relay.spoil(Call::Read, Spoil::Answer(reply));
        let error = provider.list().await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
        let _met = zone.relay.spoil(Call::Write, Spoil::Answer(reply));
        let error = withdraw(&provider, &listing).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
    }
    let _met = zone.relay.spoil(Call::Read, Spoil::Fragments);
    assert_eq!(provider.list().await.unwrap(), listing);
    let _met = zone.relay.spoil(Call::Write, Spoil::Fragments);
    withdraw(&provider, &listing).await.unwrap();
}

#[tokio::test]
async fn every_rcode_has_its_kind_of_failure() {
    let Some((zone, provider, listing)) = both().await else { return };
    for (code, want) in [
        (ResponseCode::YXDomain, "Changed"),
        (ResponseCode::YXRRSet, "Changed"),
        (ResponseCode::NXDomain, "Changed"),
        (ResponseCode::NXRRSet, "Changed"),
        (ResponseCode::NotAuth, "Refused"),
        (ResponseCode::Refused, "Refused"),
        (ResponseCode::NotZone, "Refused"),
        (ResponseCode::NotImp, "Refused"),
        (ResponseCode::ServFail, "Unavailable"),
        (ResponseCode::FormErr, "Rejected"),
        (ResponseCode::NoError, "Unconfirmed"),
    ] {
        let _met = zone.relay.spoil(Call::Write, Spoil::Rcode(code));
        let error = withdraw(&provider, &listing).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(want), "{code}: {error:?}");
    }
    assert_eq!(provider.list().await.unwrap(), listing, "nothing was done");
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_goes_to_no_other_server() {
    let Some((zone, _, listing)) = both().await else { return };
    let second = Relay::before(zone.server.address).await;
    let provider = Rfc2136::new(&config(&[zone.relay.address, second.address], &NAMES));
    let _met = zone.relay.spoil(Call::Write, Spoil::CutAfter);
    let error = withdraw(&provider, &listing).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
    assert_eq!(second.updates(), 0);
    let after = provider.list().await.unwrap();
    assert!(withdrawal(&after, DEAD).is_empty(), "reading settles it");
}

#[tokio::test]
async fn the_next_server_is_asked_while_the_first_is_out_of_reach() {
    let Some((zone, _, listing)) = both().await else { return };
    let nobody = super::servers::own_address();
    let provider = Rfc2136::new(&config(&[nobody, zone.relay.address], &NAMES));
    assert_eq!(provider.list().await.unwrap(), listing);
    withdraw(&provider, &listing).await.unwrap();
}

/// A server that accepts connections and does not answer, or answers SERVFAIL, hides no healthy primary.
#[tokio::test]
async fn the_next_server_is_asked_for_a_listing_while_the_first_does_not_answer() {
    let Some((zone, _, listing)) = both().await else { return };
    for spoil in [Spoil::Hang, Spoil::CutBefore, Spoil::Rcode(ResponseCode::ServFail)] {
        let first = Relay::before(zone.server.address).await;
        let provider = Rfc2136::new(&config(&[first.address, zone.relay.address], &NAMES));
        let _met = first.spoil(Call::Read, spoil);
        assert_eq!(provider.list().await.unwrap(), listing);
    }
}

#[tokio::test]
async fn a_change_that_was_revoked_goes_to_no_other_server() {
    let Some((zone, _, listing)) = both().await else { return };
    let second = Relay::before(zone.server.address).await;
    let provider = Rfc2136::new(&config(&[zone.relay.address, second.address], &NAMES));
    let _met = zone.relay.spoil(Call::Write, Spoil::Rcode(ResponseCode::NotImp));
    let changes = withdrawal(&listing, DEAD);
    let permit = Permit::new(&|_| false);
    let request = ChangeRequest { permit, ..ChangeRequest::new(&listing, &changes) };
    let error = provider.apply(request).await.unwrap_err();
    assert!(matches!(error, ProviderError::Revoked { .. }), "{error:?}");
    assert_eq!((zone.relay.updates(), second.updates()), (1, 0));
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_asked_again_for_the_rest() {
    let Some((zone, _, listing)) = both().await else { return };
    let relay = Relay::closing_after_each("127.0.0.1", zone.server.address).await;
    let provider = Rfc2136::new(&config(&[relay.address], &NAMES));
    assert_eq!(provider.list().await.unwrap(), listing);
}

#[tokio::test]
async fn a_server_that_dies_is_unavailable_and_its_zone_converges_once_it_is_back() {
    let Some((mut zone, provider, listing)) = both().await else { return };
    zone.server.kill();
    let error = provider.list().await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
    let error = withdraw(&provider, &listing).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Unconfirmed { .. } | ProviderError::Unavailable { .. }),
        "{error:?}"
    );
    zone.server.restart();
    converge(&provider, |listing| withdrawal(listing, DEAD)).await;
    assert_eq!(zone.holds().len(), 1);
}
