//! Access to the zone: credentials, the lookup by name, and the consequences of each refusal.

use std::error::Error as _;

use aws_config::ConfigLoader;
use goavail::testing::dns::{
    ChangeRequest, DnsProvider, Listing, ProviderError, Route53, Route53Config,
};

use super::{ALIVE, DEAD, OnMoto, aws_error, reads, response, writes};
use crate::contract::{NAMES, withdrawal};
use crate::moto::{loader, loader_with_files, moto, set};
use crate::proxy::{Proxy, Request, Spoil};

/// Returns a zone with both addresses, behind a proxy.
async fn world() -> Option<OnMoto> {
    OnMoto::with([set(NAMES[0], "A", &[DEAD, ALIVE]).build().unwrap()]).await
}

async fn with(zone: &OnMoto, loader: ConfigLoader) -> Route53 {
    Route53::with(&zone.config(&NAMES), loader).await
}

/// Returns the whole chain of an error as the operator reads it.
pub(super) fn told(error: &ProviderError) -> String {
    format!("{error}: {}", error.source().unwrap())
}

pub(super) fn kind(error: &ProviderError) -> &'static str {
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
async fn without_credentials_the_places_that_were_tried_are_named() {
    let Some(zone) = world().await else { return };
    let provider = with(&zone, loader(&[])).await;
    let error = provider.list().await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error:?}");
    let told = told(&error);
    for place in ["AWS_ACCESS_KEY_ID", "~/.aws", "WEB_IDENTITY", "CONTAINER", "metadata"] {
        assert!(told.contains(place), "{told} does not name {place}");
    }
    assert_eq!(zone.proxy.seen(|_| true), [], "nothing was asked");
}

fn token(request: &Request) -> bool {
    request.target == "/latest/api/token"
}

fn role_name(request: &Request) -> bool {
    request.target.trim_end_matches('/') == "/latest/meta-data/iam/security-credentials"
}

fn role(request: &Request) -> bool {
    request.target == "/latest/meta-data/iam/security-credentials/agent"
}

fn container(request: &Request) -> bool {
    request.target == "/container"
}

/// moto checks every signature, so a listing proves that the key was found and used.
#[tokio::test]
async fn credentials_are_found_in_every_usual_place() {
    let Some(zone) = world().await else { return };
    let (key, secret) = (zone.moto.key.as_str(), zone.moto.secret.as_str());
    let [role_key, role_secret, session] = &zone.moto.issued;
    let issued = format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{role_key}",
        "SecretAccessKey":"{role_secret}","Token":"{session}","Expiration":"2099-01-01T00:00:00Z","LastUpdated":"2026-01-01T00:00:00Z"}}"#
    );
    let json = || response(200, "application/json", &issued);
    zone.proxy.spoil_next(container, json());
    let Spoil::Answer(answer) = response(200, "text/plain", "token") else { unreachable!() };
    let session_token =
        answer.replace("\r\n\r\n", "\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\n\r\n");
    zone.proxy.spoil_next(token, Spoil::Answer(session_token));
    zone.proxy.spoil_next(role_name, response(200, "text/plain", "agent"));
    zone.proxy.spoil_next(role, json());

    let profile = format!("[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n");
    let named = profile.replace("default", "dns");
    let file = "/home/agent/.aws/credentials";
    let url = &zone.proxy.url;
    let sts = format!("http://{}", zone.moto.host);
    let cases = [
        ("environment", zone.moto.loader()),
        ("profile", loader_with_files(&[("HOME", "/home/agent")], &[(file, &profile)])),
        (
            "a profile by name",
            loader_with_files(
                &[("HOME", "/home/agent"), ("AWS_PROFILE", "dns")],
                &[(file, &named)],
            ),
        ),
        (
            "web identity",
            loader_with_files(
                &[
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
                    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/agent"),
                    ("AWS_ROLE_SESSION_NAME", "agent"),
                    ("AWS_ENDPOINT_URL_STS", &sts),
                ],
                &[("/token", "token of the cluster")],
            ),
        ),
        (
            "container",
            loader(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{url}/container"))]),
        ),
        ("instance metadata", loader(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)])),
    ];
    for (name, loader) in cases {
        let listing = with(&zone, loader).await.list().await;
        assert_eq!(listing.map(|l| l.sets.len()).map_err(|e| told(&e)), Ok(1), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_one_line_that_does_not_tell_it() {
    let Some(zone) = world().await else { return };
    let secret = "wrong/secret/with/forty/characters/of/it";
    let wrong = loader(&[("AWS_ACCESS_KEY_ID", &zone.moto.key), ("AWS_SECRET_ACCESS_KEY", secret)]);
    let provider = with(&zone, wrong).await;
    let error = provider.list().await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error:?}");
    let told = told(&error);
    assert!(!told.contains(secret) && !told.contains('\n'), "{told}");
    let shown = format!("{provider:?}");
    assert!(!shown.contains(secret), "{shown}");
}

#[tokio::test]
async fn a_quote_from_aws_is_one_line_without_the_session_token() {
    let Some(zone) = world().await else { return };
    let message = "The request signature does not match.\n\nThe canonical string was\n\
                   x-amz-security-token:SESSIONSECRET";
    zone.proxy.spoil_next(reads, aws_error(403, "SignatureDoesNotMatch", message));
    let told = told(&zone.managing(&NAMES).await.list().await.unwrap_err());
    let want = "Route 53 refused to list the records of example.com: \
                SignatureDoesNotMatch: The request signature does not match.";
    assert_eq!(told, want);
}

/// Returns a rejection in the format of the API reference.
fn documented(message: &str) -> Spoil {
    let namespace = "https://route53.amazonaws.com/doc/2013-04-01/";
    let body = format!(
        "<InvalidChangeBatch xmlns=\"{namespace}\"><Messages><Message>{message}</Message>\
         </Messages></InvalidChangeBatch>"
    );
    response(400, "text/xml", &body)
}

#[tokio::test]
async fn each_answer_determines_the_next_step() {
    let slow = |code: &str| aws_error(400, code, "Slow down");
    let denied = |code: &str| aws_error(403, code, "No");
    let failed = |status, code: &str| aws_error(status, code, "Sorry");
    let html = |status| response(status, "text/html", "<html>gateway</html>");
    let batch = |message: &str| aws_error(400, "InvalidChangeBatch", message);
    let cases = [
        ("throttled", slow("Throttling"), "unavailable", "unavailable"),
        ("throttled, newer", slow("ThrottlingException"), "unavailable", "unavailable"),
        ("one before us", slow("PriorRequestNotComplete"), "unavailable", "unavailable"),
        ("too many", html(429), "unavailable", "unavailable"),
        ("no permission", denied("AccessDenied"), "refused", "rejected"),
        ("unknown key", denied("InvalidClientTokenId"), "refused", "refused"),
        ("bad signature", denied("SignatureDoesNotMatch"), "refused", "refused"),
        ("old session", denied("ExpiredToken"), "refused", "refused"),
        ("no such zone", aws_error(404, "NoSuchHostedZone", "No"), "refused", "refused"),
        ("nonsense", aws_error(400, "InvalidInput", "No"), "refused", "rejected"),
        ("a proxy's refusal", html(407), "unavailable", "unavailable"),
        ("a filter's page", html(403), "unavailable", "unavailable"),
        ("a portal's empty answer", response(403, "text/plain", ""), "unavailable", "unavailable"),
        ("out of service", failed(503, "ServiceUnavailable"), "unavailable", "unavailable"),
        ("inner failure", failed(500, "InternalFailure"), "unavailable", "unconfirmed"),
        ("a gateway gave up", html(504), "unavailable", "unconfirmed"),
        ("a gateway's own trouble", html(503), "unavailable", "unconfirmed"),
        ("elsewhere", html(302), "unavailable", "unconfirmed"),
        ("a login page", html(200), "unavailable", "unconfirmed"),
        ("nothing", Spoil::CutBefore, "unavailable", "unconfirmed"),
        ("half", Spoil::HalfABody, "unavailable", "unconfirmed"),
        (
            "a rule broken",
            batch("RRSet of type A is not permitted because a CNAME already exists"),
            "refused",
            "rejected",
        ),
        (
            "as documented",
            documented("Tried to delete x, but it was not found"),
            "refused",
            "changed",
        ),
        ("as documented, a rule", documented("a CNAME already exists"), "refused", "rejected"),
        ("gone by then", batch("[Tried to delete x but it was not found]"), "refused", "changed"),
    ];
    for (name, spoil, reading, writing) in cases {
        let Some(zone) = world().await else { return };
        let provider = zone.managing(&NAMES).await;
        let listing = provider.list().await.unwrap();
        zone.proxy.spoil_next(reads, spoil.clone());
        let error = provider.list().await.unwrap_err();
        assert_eq!(kind(&error), reading, "{name}, reading: {error:?}");
        zone.proxy.spoil_next(writes, spoil);
        let error = withdraw(&provider, &listing).await.unwrap_err();
        assert_eq!(kind(&error), writing, "{name}, writing: {error:?}");
        assert!(!told(&error).contains('\n'), "{name}: {error:?}");
    }
}

/// Withdraws [`DEAD`] from every set of a listing.
async fn withdraw(provider: &Route53, listing: &Listing) -> Result<(), ProviderError> {
    provider.apply(ChangeRequest::new(listing, &withdrawal(listing, DEAD))).await
}

#[tokio::test]
async fn an_answer_without_its_end_is_no_empty_zone() {
    let Some(zone) = world().await else { return };
    let namespace = "https://route53.amazonaws.com/doc/2013-04-01/";
    let cases = [
        ("nothing in it", String::new()),
        ("more, but not where", "<IsTruncated>true</IsTruncated><MaxItems>300</MaxItems>".into()),
    ];
    for (name, inner) in cases {
        let body = format!(
            "<ListResourceRecordSetsResponse xmlns=\"{namespace}\"><ResourceRecordSets/>{inner}\
             </ListResourceRecordSetsResponse>"
        );
        zone.proxy.spoil_next(reads, response(200, "text/xml", &body));
        let error = zone.managing(&NAMES).await.list().await.unwrap_err();
        assert_eq!(kind(&error), "unavailable", "{name}: {error:?}");
    }
}

/// A provider for a zone that is looked up by its name, and the ids of moto's zones.
struct ByName {
    proxy: Proxy,
    provider: Route53,
    ids: Vec<String>,
}

async fn by_name(name: &str, zones: &[(&str, bool)]) -> Option<ByName> {
    let moto = moto()?;
    let proxy = Proxy::before(&moto.host).await;
    let mut ids = Vec::new();
    for (zone, private) in zones {
        ids.push(moto.zone(zone, *private).await.id);
    }
    let config = Route53Config {
        zone: name.to_owned(),
        names: vec![format!("www.{name}")],
        ttl: 60,
        own_ttls: std::collections::BTreeMap::new(),
        profile: None,
        zone_id: None,
        region: "eu-west-3".to_owned(),
        api_url: Some(proxy.url.clone()),
    };
    let provider = Route53::with(&config, moto.loader()).await;
    Some(ByName { proxy, provider, ids })
}

fn asks_for_zones(request: &Request) -> bool {
    request.target.contains("/hostedzonesbyname")
}

#[tokio::test]
async fn a_zone_is_found_by_its_exact_name_and_asked_for_once() {
    let neighbours = [
        ("found.test.example", false),
        ("www.found.test", false),
        ("found.test", false),
        ("a.found.test", false),
        ("xfound.test", false),
    ];
    let Some(world) = by_name("found.test", &neighbours).await else { return };
    for _ in 0..2 {
        world.provider.list().await.unwrap();
    }
    assert_eq!(world.proxy.seen(asks_for_zones).len(), 1);
    let zone = world.proxy.seen(|request| request.target.contains("/rrset"));
    assert!(zone.iter().all(|r| r.target.contains(&world.ids[2])), "{zone:?}");
}

#[tokio::test]
async fn a_public_zone_is_preferred_to_private_ones_and_a_doubt_is_refused_with_the_ids() {
    let (public, private) = (false, true);
    let cases = [
        ("none.test", vec![], Err("there is no hosted zone of that name")),
        ("one.test", vec![private], Ok(0)),
        ("both.test", vec![private, public, private], Ok(1)),
        ("publics.test", vec![public, private, public], Err("2 public zones have that name")),
        ("privates.test", vec![private, private], Err("2 private zones have that name")),
    ];
    for (name, kinds, want) in cases {
        let zones: Vec<_> = kinds.iter().map(|kind| (name, *kind)).collect();
        let Some(world) = by_name(name, &zones).await else { return };
        match (world.provider.list().await, want) {
            (Ok(_), Ok(chosen)) => {
                let used = &world.proxy.seen(|r| r.target.contains("/rrset"))[0].target;
                assert!(used.contains(&world.ids[chosen]), "{name}: {used}");
            }
            (Err(error), Err(want)) => {
                assert_eq!(kind(&error), "refused", "{name}: {error:?}");
                let told = told(&error);
                assert!(told.contains(want), "{name}: {told}");
                let equals = world.ids.iter().zip(&kinds).filter(|(_, k)| **k == kinds[0]);
                for (id, _) in equals {
                    assert!(told.contains(id), "{name}: {told} does not list {id}");
                }
            }
            (got, want) => panic!("{name}: {got:?} instead of {want:?}"),
        }
    }
}

#[tokio::test]
async fn a_zone_that_was_deleted_and_made_anew_is_found_again() {
    let Some(moto) = moto() else { return };
    let Some(world) = by_name("again.test", &[]).await else { return };
    let old = moto.zone("again.test", false).await;
    world.provider.list().await.unwrap();
    old.delete().await;
    moto.zone("again.test", false).await;
    let error = world.provider.list().await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error:?}");
    world.provider.list().await.unwrap();
}

#[tokio::test]
async fn a_zone_id_may_be_written_as_the_console_or_as_the_api_shows_it() {
    let Some(zone) = world().await else { return };
    for id in [zone.zone.id.clone(), format!("/hostedzone/{}", zone.zone.id)] {
        let config = Route53Config { zone_id: Some(id), ..zone.config(&NAMES) };
        let provider = Route53::with(&config, zone.moto.loader()).await;
        assert_eq!(provider.list().await.unwrap().sets.len(), 1);
    }
}
