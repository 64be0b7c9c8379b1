//! Cases in which the provider's service, or the connection to it, fails.

use std::time::Duration;

use goavail::testing::dns::{
    Capability, ChangeRequest, DnsProvider, Listing, ProviderError, RecordChanges,
};

use super::{
    Call, Fault, FaultSignal, NAMES, ProviderUnderTest, address_entry, converge, plainly,
    withdrawal,
};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

/// Longer than any call: 10 s for each request, and a listing may need a few.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(45);

/// A zone with [`DEAD`] and [`ALIVE`] at the first name, a provider, and the withdrawal of
/// [`DEAD`].
struct Harness<P: ProviderUnderTest> {
    zone: P,
    provider: P::Provider,
    listing: Listing,
    withdrawal: RecordChanges,
}

impl<P: ProviderUnderTest> Harness<P> {
    async fn new() -> Self {
        let zone = P::start().await;
        zone.seed(&[DEAD, ALIVE].map(|address| address_entry(NAMES[0], address))).await;
        let provider = zone.provider().await;
        let listing = provider.list().await.unwrap();
        let withdrawal = withdrawal(&listing, DEAD);
        Self { zone, provider, listing, withdrawal }
    }

    async fn apply(&self) -> Result<(), ProviderError> {
        self.provider.apply(ChangeRequest::new(&self.listing, &self.withdrawal)).await
    }

    async fn read_meets(&self, fault: Fault) -> ProviderError {
        let met = self.zone.inject(Call::Read, fault).await;
        let error = self.provider.list().await.unwrap_err();
        met.wait().await;
        error
    }

    async fn write_meets(&self, fault: Fault) -> ProviderError {
        let met = self.zone.inject(Call::Write, fault).await;
        let error = self.apply().await.unwrap_err();
        met.wait().await;
        error
    }

    async fn holds_both(&self) {
        let both = [DEAD, ALIVE].map(|address| address_entry(NAMES[0], address));
        assert_eq!(plainly(&self.zone).await, both, "nothing may have changed");
    }

    async fn holds_only_the_living(&self) {
        assert_eq!(plainly(&self.zone).await, [address_entry(NAMES[0], ALIVE)]);
    }

    /// Checks that reading and, where needed, writing work again with the same provider.
    async fn recovers(&self) {
        converge(&self.provider, |listing| super::withdrawal(listing, DEAD)).await;
        self.holds_only_the_living().await;
    }
}

fn unavailable(error: &ProviderError) -> Option<Duration> {
    match error {
        ProviderError::Unavailable { retry_after, .. } => *retry_after,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

fn unconfirmed(error: &ProviderError) {
    assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
}

fn said_when<P: ProviderUnderTest>(retry_after: Option<Duration>, wait: Duration) {
    let says = P::CAPABILITIES.has(Capability::PausesAtLimit);
    assert_eq!(retry_after, says.then_some(wait));
}

/// Runs `call` against a provider that hangs, without waiting in real time: after the request was
/// received, only the caller's own clock can end the wait, so the clock is advanced.
pub(super) async fn without_waiting<T>(met: FaultSignal, call: impl Future<Output = T>) -> T {
    let skip = async {
        met.wait().await;
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(tokio::time::timeout(GIVES_UP_WITHIN, call), skip);
    tokio::time::resume();
    answer.expect("the call should have given up by itself")
}

pub(crate) async fn a_throttled_read_changes_nothing_and_works_later<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let wait = Duration::from_secs(17);
    let error = harness.read_meets(Fault::Throttled(wait)).await;
    said_when::<P>(unavailable(&error), wait);
    harness.recovers().await;
}

pub(crate) async fn a_throttled_write_changes_nothing_and_works_later<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let wait = Duration::from_secs(23);
    let error = harness.write_meets(Fault::Throttled(wait)).await;
    said_when::<P>(unavailable(&error), wait);
    harness.holds_both().await;
    harness.recovers().await;
}

pub(crate) async fn a_server_error_on_reading_is_no_empty_zone<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    unavailable(&harness.read_meets(Fault::ServerError).await);
    harness.recovers().await;
}

pub(crate) async fn a_server_error_on_writing_is_no_success<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let error = harness.write_meets(Fault::ServerError).await;
    let later =
        matches!(error, ProviderError::Unavailable { .. } | ProviderError::Unconfirmed { .. });
    assert!(later, "{error:?}");
    harness.recovers().await;
}

pub(crate) async fn the_pause_of_a_server_error_is_kept<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let wait = Duration::from_secs(29);
    let read = unavailable(&harness.read_meets(Fault::Overloaded(wait)).await);
    assert_eq!(read, Some(wait));
    let error = harness.write_meets(Fault::Overloaded(wait)).await;
    let ProviderError::Unconfirmed { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(wait));
    harness.recovers().await;
}

pub(crate) async fn a_page_of_html_is_no_empty_zone<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    unavailable(&harness.read_meets(Fault::Html).await);
    harness.recovers().await;
}

pub(crate) async fn half_a_body_is_no_shorter_zone<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    unavailable(&harness.read_meets(Fault::HalfABody).await);
    harness.recovers().await;
}

pub(crate) async fn half_an_answer_to_a_write_is_not_confirmed<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    unconfirmed(&harness.write_meets(Fault::HalfABody).await);
    harness.recovers().await;
}

pub(crate) async fn reading_gives_up_on_a_provider_that_hangs<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let met = harness.zone.inject(Call::Read, Fault::Hang).await;
    let answer = without_waiting(met, harness.provider.list()).await;
    unavailable(&answer.unwrap_err());
    harness.recovers().await;
}

pub(crate) async fn writing_to_a_provider_that_hangs_is_not_confirmed<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let met = harness.zone.inject(Call::Write, Fault::Hang).await;
    let answer = without_waiting(met, harness.apply()).await;
    unconfirmed(&answer.unwrap_err());
    harness.recovers().await;
}

pub(crate) async fn a_read_that_was_cut_off_is_no_empty_zone<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    unavailable(&harness.read_meets(Fault::CutBefore).await);
    harness.recovers().await;
}

pub(crate) async fn a_write_that_was_cut_off_before_it_was_done_is_done_later<
    P: ProviderUnderTest,
>() {
    let harness = Harness::<P>::new().await;
    unconfirmed(&harness.write_meets(Fault::CutBefore).await);
    harness.holds_both().await;
    harness.recovers().await;
}

pub(crate) async fn a_write_whose_answer_was_lost_is_in_force_and_not_confirmed<
    P: ProviderUnderTest,
>() {
    let harness = Harness::<P>::new().await;
    unconfirmed(&harness.write_meets(Fault::CutAfter).await);
    harness.holds_only_the_living().await;
    let listing = harness.provider.list().await.unwrap();
    assert!(withdrawal(&listing, DEAD).is_empty(), "listing again tells the truth");
}

pub(crate) async fn wrong_credentials_are_refused<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let provider = harness.zone.with_wrong_credentials().await;
    let read = provider.list().await.unwrap_err();
    let write = provider
        .apply(ChangeRequest::new(&harness.listing, &harness.withdrawal))
        .await
        .unwrap_err();
    for error in [read, write] {
        assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
    }
    harness.holds_both().await;
}

pub(crate) async fn an_unknown_zone_is_refused<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let error = harness.zone.of_unknown_zone().await.list().await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
}

pub(crate) async fn a_provider_out_of_reach_is_unavailable<P: ProviderUnderTest>() {
    let harness = Harness::<P>::new().await;
    let provider = harness.zone.out_of_reach().await;
    unavailable(&provider.list().await.unwrap_err());
    unavailable(
        &provider
            .apply(ChangeRequest::new(&harness.listing, &harness.withdrawal))
            .await
            .unwrap_err(),
    );
}
