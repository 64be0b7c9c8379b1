//! The errors for Cloudflare's messages.

use goavail::testing::dns::{
    ChangeRequest, Cloudflare, CloudflareCredentials, DnsProvider, Listing, ProviderError,
};

use super::super::{NAMES, ZONE, restoration, withdrawal};
use super::printed;
use crate::fake_cloudflare::{EMAIL, Entry, FakeCloudflare, Fault, KEY, TOKEN, Zone};

const DEAD: &str = "192.0.2.10";

fn serving() -> FakeCloudflare {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        zone.seed("A", NAMES[0], DEAD);
    });
    fake
}

fn asking_as(fake: &FakeCloudflare, credentials: Option<CloudflareCredentials>) -> Cloudflare {
    let mut config = fake.config(&NAMES);
    config.credentials = credentials;
    Cloudflare::new(&config).unwrap()
}

fn global_key(key: &str) -> CloudflareCredentials {
    CloudflareCredentials::GlobalKey { key: key.into(), email: EMAIL.to_owned() }
}

fn word(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Refused { .. } => "refused",
        ProviderError::Rejected { .. } => "rejected",
        ProviderError::Partly { .. } => "partly",
        ProviderError::Unavailable { .. } => "unavailable",
        ProviderError::Unconfirmed { .. } => "unconfirmed",
        ProviderError::Already { .. } => "already",
        ProviderError::Revoked { .. } => "revoked",
        ProviderError::Changed { .. } => "changed",
    }
}

#[tokio::test]
async fn credentials_that_are_not_good_are_refused_in_cloudflares_words() {
    let token = |text: &str| Some(CloudflareCredentials::Token(text.into()));
    let wrong = TOKEN.replace("fake", "ekaf");
    let cases = [
        ("an unknown token", token(&wrong), "Invalid access token (code 9109)"),
        ("no token at all", token("short"), "Invalid format for Authorization header (code 6111)"),
        (
            "an unknown key",
            Some(global_key("wrong")),
            "Unknown X-Auth-Key or X-Auth-Email (code 9103)",
        ),
    ];
    let fake = serving();
    for (name, credentials, words) in cases {
        let provider = asking_as(&fake, credentials);
        let error = provider.list().await.unwrap_err();
        assert_eq!(word(&error), "refused", "{name}");
        assert!(printed(&error).contains(words), "{name}: {}", printed(&error));
        assert!(!format!("{error:?}").contains(&wrong), "{name}: a secret in {error:?}");
    }
}

#[tokio::test]
async fn a_global_key_with_its_email_is_as_good_as_a_token() {
    let fake = serving();
    let provider = asking_as(&fake, Some(global_key(KEY)));
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert!(fake.zone(|zone| zone.records.is_empty()));
}

#[tokio::test]
async fn without_credentials_nothing_is_asked_and_the_way_out_is_named() {
    let fake = serving();
    let provider = asking_as(&fake, None);
    let changes = restoration(&Listing::default(), DEAD, &NAMES);
    let read = provider.list().await.unwrap_err();
    let write =
        provider.apply(ChangeRequest::new(&Listing::default(), &changes)).await.unwrap_err();
    for error in [read, write] {
        assert_eq!(word(&error), "refused");
        for variable in ["CF_API_TOKEN", "CF_API_KEY", "CF_API_EMAIL"] {
            assert!(printed(&error).contains(variable), "{}", printed(&error));
        }
    }
    assert_eq!(fake.log().len(), 0);
}

#[tokio::test]
async fn a_token_is_never_asked_about_itself() {
    let fake = serving();
    let provider = asking_as(&fake, fake.config(&NAMES).credentials);
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let strange = fake.count(|entry| !entry.path.starts_with("/zones"));
    assert_eq!(strange, 0, "{:?}", fake.log());
}

#[tokio::test]
async fn an_unknown_or_doubtful_zone_is_refused_by_name() {
    let fake = serving();
    let provider = || Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let mut pending = Zone::new(2, ZONE);
    pending.status = "pending".to_owned();
    fake.zones(|zones| zones.insert(1, pending));
    provider().list().await.expect("of several zones the one that is active");

    fake.zones(|zones| zones.insert(1, Zone::new(3, ZONE)));
    let error = provider().list().await.unwrap_err();
    assert_eq!(word(&error), "refused");
    assert!(printed(&error).contains("2 zones named example.com"), "{}", printed(&error));

    let unlisted = r#"{"success":true,"result":null}"#;
    fake.script(1, |_| true, Fault::Answer(200, unlisted.to_owned()));
    let error = provider().list().await.unwrap_err();
    assert_eq!(word(&error), "unavailable", "no list is not an empty list");

    let mut config = fake.config(&NAMES);
    config.zone = "example.net".to_owned();
    let error = Cloudflare::new(&config).unwrap().list().await.unwrap_err();
    assert_eq!(
        printed(&error),
        "Cloudflare refused to list the records of example.net: \
         no zone named example.net is visible with these credentials; they see example.com, \
         example.com, example.com"
    );
}

#[tokio::test]
async fn the_apis_message_decides_the_next_step() {
    let unsuccessful = r#"{"success":false,"errors":[{"code":1,"message":"no"}],"result":null}"#;
    let nothing = r#"{"success":true,"result":[],"result_info":{"page":1,"total_count":0}}"#;
    let huge = nothing.to_owned() + &" ".repeat(33 * 1024 * 1024);
    let cases = [
        ("success:false with 200", 200, unsuccessful, "unavailable", "unavailable"),
        ("success:false with 400", 400, unsuccessful, "unavailable", "rejected"),
        ("garbage", 200, "{\"succ", "unavailable", "unconfirmed"),
        ("an empty body", 200, "", "unavailable", "unconfirmed"),
        ("a server error in HTML", 502, "<html>", "unavailable", "unconfirmed"),
        ("a body without end", 200, huge.as_str(), "unavailable", "unconfirmed"),
        ("no permission", 403, unsuccessful, "refused", "refused"),
        ("403 in HTML", 403, "<html>", "unavailable", "unavailable"),
        ("403 in JSON of somebody else's", 403, r#"{"code":1}"#, "unavailable", "unavailable"),
        ("401 without a body", 401, "", "unavailable", "unavailable"),
        ("a proxy that wants a password", 407, "", "unavailable", "unavailable"),
        ("a portal that wants a login", 302, "", "unavailable", "unavailable"),
        ("a portal's page", 200, "<html><title>Log in</title>", "unavailable", "unconfirmed"),
        ("429 in HTML", 429, "<html>", "unavailable", "unavailable"),
    ];
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    for (name, status, body, read, write) in cases {
        let answer = || Fault::Answer(status, body.to_owned());
        fake.script(1, Entry::lists, answer());
        assert_eq!(word(&provider.list().await.unwrap_err()), read, "{name}, reading");
        fake.script(2, Entry::writes, answer());
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert_eq!(word(&error), write, "{name}, writing: {}", printed(&error));
        assert!(!printed(&error).contains('\n') && printed(&error).len() < 600, "{name}");
        fake.forget_scripts();
    }
    assert_eq!(fake.zone(|zone| zone.contents("A", NAMES[0])), [DEAD], "nothing was done");
}

#[tokio::test]
async fn a_page_of_an_intermediary_is_named_by_its_title_and_its_sender() {
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let page = "<!DOCTYPE html><html><head><title>Access &amp; Control</title></head>";
    fake.script(1, |_| true, Fault::Filtered(403, page, "1.1 filter.example"));
    assert_eq!(
        printed(&provider.list().await.unwrap_err()),
        "Cloudflare could not list the records of example.com: HTTP 403 with a page titled \
         \"Access & Control\", which is not the API's answer; it came by way of 1.1 filter.example"
    );
}

#[tokio::test]
async fn a_zone_that_is_not_active_is_named_until_it_is() {
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let statuses = [
        ("pending", Some("name servers yet")),
        ("moved", Some("name servers any more")),
        ("deactivated", Some("switched it off")),
        ("active", None),
    ];
    for (status, words) in statuses {
        fake.zone(|zone| status.clone_into(&mut zone.status));
        let caution = provider.list().await.unwrap().caution;
        assert_eq!(caution.is_some(), words.is_some(), "{status}: {caution:?}");
        let caution = caution.unwrap_or_default();
        assert!(words.is_none_or(|words| caution.contains(words)), "{caution}");
        assert!(
            words.is_none()
                || caution.contains(&format!("example.com has the status \"{status}\""))
        );
    }
    let before = fake.log().len();
    provider.list().await.unwrap();
    assert_eq!(fake.log().len(), before + 2, "an active zone is not asked for again");
}

#[tokio::test]
async fn a_token_that_sees_no_zone_gets_a_hint_about_its_permissions() {
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    fake.zones(Vec::clear);
    let config = provider.list().await.unwrap_err();
    assert_eq!(word(&config), "refused");
    assert!(
        printed(&config)
            .ends_with("they see no zone at all, so they may lack the permission Zone:Read")
    );
}

#[tokio::test]
async fn a_write_that_never_left_changed_nothing() {
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    drop(fake);
    // The first request may still be sent on the old connection, and its outcome is unknown.
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap_err();
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert_eq!(word(&error), "unavailable", "{}", printed(&error));
}

#[tokio::test]
async fn a_batch_that_meets_another_zone_than_was_listed_is_planned_again() {
    let fake = serving();
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    let mut changes = restoration(&listing, "192.0.2.11", &NAMES);
    changes.delete = withdrawal(&listing, DEAD).delete;

    let there = fake.meddle(Entry::is_batch, |zone| {
        zone.seed("A", NAMES[1], "192.0.2.11");
    });
    let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    there.wait().await;
    assert_eq!(word(&error), "changed", "already there: {}", printed(&error));
    assert_eq!(fake.zone(|zone| zone.records.len()), 2, "all or nothing");

    fake.zone(|zone| zone.records.clear());
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    assert_eq!(word(&error), "changed", "already gone: {}", printed(&error));
    assert_eq!(fake.zone(|zone| zone.records.len()), 0, "all or nothing");
}
