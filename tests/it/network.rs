//! The way to HTTP services, in the real binary: the proxy that is used, and the message when nobody
//! answers.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::net::TcpListener;

use crate::agent::{Ended, PATIENT, Setup, Within};
use crate::fake_cloudflare::FakeCloudflare;
use crate::moto::moto;

/// `host:port` of loopback at which nobody listens.
fn nobody() -> String {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string()
}

/// Runs `goavail plan` to its end.
fn plan(provider: &str, section: &str, env: &[(&str, &str)]) -> Ended {
    let setup = Setup::new(section, Within::Here).args(["--dns-provider", provider, "plan"]);
    let setup = env.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
    setup.start().wait_end(PATIENT)
}

const CLOUDFLARE: &str = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                          ip_addresses = [\"192.0.2.10\"]\n";

const ROUTE53: &str = "[Route53]\naws_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                       ip_addresses = [\"192.0.2.10\"]\n";

const KEYS: [(&str, &str); 4] = [
    ("CF_API_TOKEN", "t0ken-for-cloudflare"),
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "s3cret-for-aws"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

#[test]
fn a_proxy_that_does_not_answer_is_named_with_the_host_and_without_its_password() {
    let proxy = nobody();
    let url = format!("http://user:passw0rd@{proxy}");
    let env = [&KEYS[..], &[("HTTPS_PROXY", url.as_str())]].concat();
    for (provider, section, host) in [
        ("cloudflare", CLOUDFLARE, "api.cloudflare.com"),
        ("route53", ROUTE53, "route53.amazonaws.com"),
    ] {
        let ended = plan(provider, section, &env);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        let want = format!("no answer from {host} through the proxy http://{proxy} (HTTPS_PROXY)");
        assert!(ended.stderr.contains(&want), "{}", ended.stderr);
        for secret in ["passw0rd", "t0ken", "s3cret", "Unhandled("] {
            assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn this_machine_is_asked_directly_whatever_the_proxy() {
    let proxy = format!("http://{}", nobody());
    let env =
        [&KEYS[..], &[("HTTP_PROXY", proxy.as_str()), ("ALL_PROXY", proxy.as_str())]].concat();
    let cloudflare = FakeCloudflare::start("example.com");
    let section = format!("{CLOUDFLARE}api_url = \"{}\"\n", cloudflare.url());
    let ended = plan("cloudflare", &section, &env);
    assert!(
        ended.stderr.contains("goavail: ") || ended.status.code() == Some(3),
        "{}",
        ended.stderr
    );
    assert!(cloudflare.count(|_| true) > 0, "{}", ended.stderr);

    let Some(moto) = moto() else { return };
    let zone = moto.zone("example.com", false).await;
    let place = format!("aws_zoneid = \"{}\"\napi_url = \"http://{}\"\n", zone.id, moto.host);
    let mut env = env;
    env.extend([
        ("AWS_ACCESS_KEY_ID", moto.key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", moto.secret.as_str()),
    ]);
    let ended = plan("route53", &format!("{ROUTE53}{place}"), &env);
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
}

#[test]
fn a_socks_proxy_ends_the_start_by_its_name() {
    let env = [&KEYS[..], &[("ALL_PROXY", "socks5h://127.0.0.1:1080")]].concat();
    for (provider, section) in [("cloudflare", CLOUDFLARE), ("route53", ROUTE53)] {
        let ended = plan(provider, section, &env);
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("goavail: environment: ALL_PROXY: SOCKS"),
            "{}",
            ended.stderr
        );
    }
}
