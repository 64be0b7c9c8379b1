//! Credentials that expire, that are invalid, or that are missing.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use aws_config::ConfigLoader;
use aws_types::os_shim_internal::Fs;
use goavail::testing::dns::{ChangeRequest, DnsProvider, ProviderError, Route53, Route53Config};

use super::access::{kind, told};
use super::{ALIVE, DEAD, OnMoto, aws_error, reads, response, writes};
use crate::contract::{NAMES, withdrawal};
use crate::moto::{loader, loader_with_files, plain_moto, set};
use crate::proxy::{Proxy, Request, Spoil};

/// The location of the credentials in the chain.
const FILE: &str = "/home/agent/.aws/credentials";

async fn world() -> Option<OnMoto> {
    OnMoto::with([set(NAMES[0], "A", &[DEAD, ALIVE]).build().unwrap()]).await
}

/// Returns a provider with a chain that reads the file `credentials` in `folder` whenever it is
/// built.
async fn reading(zone: &OnMoto, folder: &Path) -> Route53 {
    let folder = folder.to_owned();
    let make = move || {
        let files = Fs::from_test_dir(&folder, "/home/agent/.aws");
        loader(&[("HOME", "/home/agent")]).fs(files)
    };
    Route53::renewing(&zone.config(&NAMES), make).await
}

fn write(folder: &Path, key: &str, secret: &str) {
    let text = format!("[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n");
    fs::write(folder.join("credentials"), text).unwrap();
}

#[tokio::test]
async fn a_key_that_was_renewed_in_its_file_is_read_and_used_at_the_next_refusal() {
    let Some(zone) = world().await else { return };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "AKIAOLD", "old");
    let provider = reading(&zone, folder.path()).await;
    assert_eq!(kind(&provider.list().await.unwrap_err()), "refused");
    assert_eq!(zone.proxy.seen(reads).len(), 1, "the same key is not tried twice");
    write(folder.path(), &zone.moto.key, &zone.moto.secret);
    let listing = provider.list().await.unwrap();
    assert_eq!(zone.proxy.seen(reads).len(), 3, "once with the old one, once with the new one");
    // In the middle of a change as well.
    zone.proxy.spoil_next(writes, aws_error(403, "ExpiredToken", "The token is expired"));
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(zone.proxy.seen(writes).len(), 2);
}

#[tokio::test]
async fn every_word_for_ended_credentials_makes_one_more_request_and_not_one_for_each_attempt() {
    let codes = [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
    ];
    let Some(zone) = world().await else { return };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &zone.moto.key, &zone.moto.secret);
    let provider = reading(&zone, folder.path()).await;
    for code in codes {
        let before = zone.proxy.seen(reads).len();
        zone.proxy.spoil_next(reads, aws_error(403, code, "No"));
        provider.list().await.unwrap();
        assert_eq!(zone.proxy.seen(reads).len(), before + 2, "{code}");
    }
    let before = zone.proxy.seen(reads).len();
    for (attempt, requests) in [2, 3, 4].into_iter().enumerate() {
        for _ in 0..2 - usize::from(attempt > 0) {
            zone.proxy.spoil_next(reads, aws_error(403, "ExpiredToken", "The token is expired"));
        }
        assert_eq!(kind(&provider.list().await.unwrap_err()), "refused");
        assert_eq!(zone.proxy.seen(reads).len() - before, requests, "attempt {attempt}");
    }
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_by_name_and_nothing_is_asked() {
    let Some(zone) = world().await else { return };
    let (key, secret) = (zone.moto.key.as_str(), zone.moto.secret.as_str());
    let home = ("HOME", "/home/agent");
    let profile = |key: &str| {
        format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    };
    let in_two_lines = profile("AKIA\n  SPLIT");
    let foreign = profile("AKIA\u{200b}SPLIT");
    let env = |key, token| {
        let all = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
        ];
        loader(&all)
    };
    let rows: [(&str, ConfigLoader, &str); 4] = [
        ("a line break", env("AKIA\nSPLIT", ""), "AWS_ACCESS_KEY_ID"),
        ("in the token", env(key, "AKIA\r\nSPLIT"), "AWS_SESSION_TOKEN"),
        (
            "a value of two lines",
            loader_with_files(&[home], &[(FILE, &in_two_lines)]),
            "access key id",
        ),
        ("no ASCII", loader_with_files(&[home], &[(FILE, &foreign)]), "AWS_ACCESS_KEY_ID"),
    ];
    for (name, loader, want) in rows {
        let provider = Route53::with(&zone.config(&NAMES), loader).await;
        let error = provider.list().await.unwrap_err();
        assert_eq!(kind(&error), "refused", "{name}: {error:?}");
        let told = told(&error);
        assert!(told.contains(want) && !told.contains("SPLIT"), "{name}: {told}");
    }
    assert_eq!(zone.proxy.seen(|_| true), [], "nothing was asked");
    // Surrounding white space of a key is ignored.
    let around = env(&format!("{key}\n"), "");
    assert_eq!(
        Route53::with(&zone.config(&NAMES), around).await.list().await.unwrap().sets.len(),
        1
    );
}

fn token(request: &Request) -> bool {
    request.target == "/latest/api/token"
}

fn role_name(request: &Request) -> bool {
    request.target.trim_end_matches('/') == "/latest/meta-data/iam/security-credentials"
}

/// The answer to a request for a session with the metadata service.
fn session() -> Spoil {
    let Spoil::Answer(answer) = response(200, "text/plain", "token") else { unreachable!() };
    let header = "\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\n\r\n";
    Spoil::Answer(answer.replacen("\r\n\r\n", header, 1))
}

async fn from_metadata(zone: &OnMoto, url: &str) -> ProviderError {
    let loader = loader(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)]);
    let provider = Route53::with(&zone.config(&NAMES), loader).await;
    provider.list().await.unwrap_err()
}

/// Returns a URL without a server.
fn nobody() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_silent_metadata_service_is_unavailable_and_one_without_a_role_is_no_credentials() {
    let Some(zone) = world().await else { return };
    let error = from_metadata(&zone, &nobody()).await;
    assert_eq!(kind(&error), "unavailable", "{error:?}");
    let text = told(&error);
    assert!(text.contains("hop limit") && text.contains("AWS_EC2_METADATA_DISABLED"), "{text}");

    // The token request is never answered, as with a hop limit of 1 in a container.
    for _ in 0..10 {
        zone.proxy.spoil_next(token, Spoil::Hang);
    }
    let silent = Proxy::before(&zone.moto.host).await;
    for _ in 0..10 {
        silent.spoil_next(token, Spoil::Hang);
    }
    let error = from_metadata(&zone, &silent.url).await;
    assert_eq!(kind(&error), "unavailable", "{error:?}");
    assert!(told(&error).contains("hop limit"), "{}", told(&error));

    let without_role = Proxy::before(&zone.moto.host).await;
    without_role.spoil_next(token, session());
    without_role.spoil_next(role_name, response(404, "text/plain", "no"));
    let error = from_metadata(&zone, &without_role.url).await;
    assert_eq!(kind(&error), "refused", "{error:?}");
    assert!(told(&error).contains("no AWS credentials"), "{}", told(&error));
}

#[tokio::test]
async fn an_error_names_the_file_the_host_or_the_profile_and_is_no_debuggers_text() {
    let Some(zone) = world().await else { return };
    let home = ("HOME", "/home/agent");
    let url = zone.proxy.url.as_str();
    let sts = |request: &Request| request.method == "POST" && request.target == "/";
    zone.proxy.spoil_next(sts, {
        let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                    <Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to assume \
                    it</Message></Error></ErrorResponse>";
        response(403, "text/xml", body)
    });
    let role = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/agent"),
        ("AWS_ENDPOINT_URL_STS", url),
    ];
    let no_token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/missing/token"), role[1], role[2]];
    let closed = nobody();
    let full_uri = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", closed.as_str())];
    let foreign_uri = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/")];
    let source =
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/agent\nsource_profile = gone\n";
    let rows: [(&str, ConfigLoader, &[&str]); 6] = [
        (
            "no such profile",
            loader_with_files(&[home, ("AWS_PROFILE", "dns")], &[(FILE, "[other]\nregion = x\n")]),
            &["profile `dns`"],
        ),
        (
            "no such source",
            loader_with_files(&[home], &[("/home/agent/.aws/config", source)]),
            &["profile `gone`"],
        ),
        (
            "a role that is refused",
            loader_with_files(&role, &[("/token", "t0ken")]),
            &["AccessDenied", "Not authorized to assume it"],
        ),
        ("no file with a token", loader(&no_token), &["AWS_WEB_IDENTITY_TOKEN_FILE"]),
        ("a container's endpoint that is closed", loader(&full_uri), &["127.0.0.1", "refused"]),
        ("a container's endpoint elsewhere", loader(&foreign_uri), &["192.0.2.1"]),
    ];
    for (name, loader, wants) in rows {
        let provider = Route53::with(&zone.config(&NAMES), loader).await;
        let told = told(&provider.list().await.unwrap_err());
        assert!(wants.iter().all(|want| told.contains(want)), "{name}: {told}");
        for odd in ["Unhandled", "unhandled", "Error {", "\n", "t0ken", "dispatch failure"] {
            assert!(!told.contains(odd), "{name}: {told}");
        }
    }
    let config = Route53Config { api_url: Some(closed), ..zone.config(&NAMES) };
    let provider = Route53::with(&config, zone.moto.loader()).await;
    let told = told(&provider.list().await.unwrap_err());
    assert!(told.contains("no answer from 127.0.0.1") && told.contains("refused"), "{told}");
}

#[tokio::test]
async fn a_zone_is_found_where_an_answer_leaves_paging_out_and_not_taken_for_missing() {
    let Some(moto) = plain_moto() else { return };
    let id = moto.zone("plain.test", false).await.id;
    let proxy = Proxy::before(&moto.host).await;
    let config = |name: &str| Route53Config {
        zone: name.to_owned(),
        names: vec![format!("www.{name}")],
        ttl: 60,
        own_ttls: std::collections::BTreeMap::new(),
        profile: None,
        zone_id: None,
        region: "us-east-1".to_owned(),
        api_url: Some(proxy.url.clone()),
    };
    let provider = Route53::with(&config("plain.test"), moto.loader()).await;
    let listed = provider.list().await;
    let used = proxy.seen(|request| request.target.contains("/rrset"));
    assert!(
        used.iter().all(|request| request.target.contains(&id)) && !used.is_empty(),
        "{listed:?}"
    );

    let by_name = |request: &Request| request.target.contains("/hostedzonesbyname");
    let body = "<ListHostedZonesByNameResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
                <HostedZones/></ListHostedZonesByNameResponse>";
    proxy.spoil_next(by_name, response(200, "text/xml", body));
    let provider = Route53::with(&config("absent.test"), moto.loader()).await;
    let error = provider.list().await.unwrap_err();
    assert_eq!(kind(&error), "unavailable", "{error:?}");
    assert!(told(&error).contains("not complete"), "{}", told(&error));
}
