//! Proxies and certificate authorities from the environment: refused where they cannot work, named
//! where they are used.

use std::fs;

use aws_smithy_types::base64;

use super::{ASKED, CLOUDFLARE, ON_ROUTE53, ROUTE53, read_with};

/// Variables and their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

const PROXY: &str = "http://u:s3cret@proxy.test:3128";

#[test]
fn an_unusable_proxy_is_refused_by_its_variable_if_a_request_would_use_it() {
    type Row<'a> = (&'a str, Variables<'a>, Option<(&'a str, &'a str)>);

    let socks =
        "SOCKS proxies cannot be used; name an HTTP proxy, or exempt the host with NO_PROXY";
    let no_url = "a value of 17 bytes is not allowed; the URL of a proxy, such as \
                  http://proxy.example.com:3128";
    let rows: [Row<'_>; 7] = [
        ("socks for all", &[("ALL_PROXY", "socks5h://s3cret:1080")], Some(("ALL_PROXY", socks))),
        ("in lower case", &[("all_proxy", "socks5://s3cret")], Some(("all_proxy", socks))),
        ("no URL", &[("HTTPS_PROXY", "http://s3cret pro")], Some(("HTTPS_PROXY", no_url))),
        (
            "exempt",
            &[
                ("ALL_PROXY", "socks5h://s3cret"),
                ("NO_PROXY", "cloudflare.com,route53.amazonaws.com"),
            ],
            None,
        ),
        ("another for https", &[("ALL_PROXY", "socks5h://s3cret"), ("HTTPS_PROXY", PROXY)], None),
        ("nobody uses it", &[("HTTP_PROXY", "nonsense with s3cret")], None),
        ("set to nothing", &[("HTTPS_PROXY", "")], None),
    ];
    for (name, env, want) in rows {
        for (text, asked, host) in [
            (CLOUDFLARE, ASKED, "api.cloudflare.com"),
            (ROUTE53, ON_ROUTE53, "route53.amazonaws.com"),
        ] {
            let read = read_with(text, asked, env);
            let want = want.map(|(variable, why)| {
                vec![format!("environment: {variable}: {why} (for {host})")]
            });
            assert_eq!(read.err(), want, "{name}, {host}");
        }
    }
    // A notice may go another way than the API.
    let text = format!("webhook_url = \"http://hooks.test/s3cret\"\n{CLOUDFLARE}");
    let refused = read_with(&text, ASKED, &[("HTTP_PROXY", "socks4://s3cret")]).unwrap_err();
    assert_eq!(refused, [format!("environment: HTTP_PROXY: {socks} (for hooks.test)")]);
}

#[test]
fn the_proxy_in_use_is_told_without_its_password_and_this_machine_needs_none() {
    let env = [("HTTPS_PROXY", PROXY), ("HTTP_PROXY", PROXY)];
    let words = |text: &str, asked| read_with(text, asked, &env).unwrap().in_words();
    let told = words(CLOUDFLARE, ASKED);
    let want = "  network     Cloudflare through the proxy http://proxy.test:3128 (HTTPS_PROXY)\n";
    assert!(told.contains(want) && !told.contains("s3cret"), "{told}");
    let told = words(ROUTE53, ON_ROUTE53);
    assert!(
        told.contains("  network     Route 53 through the proxy http://proxy.test:3128"),
        "{told}"
    );
    let told = words(&format!("slack_addr = \"T0/B0/x\"\n{CLOUDFLARE}"), ASKED);
    assert!(told.contains("(HTTPS_PROXY); Slack through the proxy"), "{told}");
    for host in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
        for (text, asked) in [(CLOUDFLARE, ASKED), (ROUTE53, ON_ROUTE53)] {
            let told = words(&format!("{text}api_url = \"{host}\"\n"), asked);
            assert!(!told.contains("  network  "), "{told}");
        }
    }
}

#[test]
fn certificate_authorities_for_aws_are_read_at_once_and_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = |der: &[u8]| {
        let body = base64::encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    let good = pem(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]);
    let with = |path: &str| read_with(ROUTE53, ON_ROUTE53, &[("AWS_CA_BUNDLE", path)]);
    let path = file("good.pem", &good);
    let told = with(&path).unwrap().in_words();
    assert!(told.contains(&format!("AWS is trusted by {path} alone (AWS_CA_BUNDLE)")), "{told}");
    let missing = folder.path().join("missing.pem").to_str().unwrap().to_owned();
    let rows = [
        (missing, "cannot be read: No such file"),
        (file("empty.pem", "nothing\n"), "holds no certificate"),
        (file("broken.pem", &format!("{good}{}", pem(b"s3cret"))), "certificate 2: "),
    ];
    for (path, why) in rows {
        let refused = with(&path).unwrap_err();
        let want = format!("environment: AWS_CA_BUNDLE: {path}: {why}");
        assert!(refused[0].starts_with(&want) && refused.len() == 1, "{refused:?}");
        assert!(read_with(CLOUDFLARE, ASKED, &[("AWS_CA_BUNDLE", &path)]).is_ok());
    }
}

#[test]
fn the_endpoint_in_awss_own_variables_must_be_a_url() {
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ROUTE_53"] {
        read_with(ROUTE53, ON_ROUTE53, &[(variable, "http://127.0.0.1:4566")]).unwrap();
        let refused = read_with(ROUTE53, ON_ROUTE53, &[(variable, "s3cret")]).unwrap_err();
        let want = format!(
            "environment: {variable}: a value of 6 bytes is not allowed; a URL that begins with https:// \
             or http://"
        );
        assert_eq!(refused, [want]);
    }
}

#[test]
fn a_url_is_refused_that_could_be_parsed_and_not_sent() {
    for url in
        ["https://${HOST}/x", "https://hook_{env}.test/", "https://a..test/", "https://%24.test"]
    {
        for text in [
            format!("webhook_url = \"{url}\"\n{CLOUDFLARE}"),
            format!("{CLOUDFLARE}api_url = \"{url}\"\n"),
        ] {
            let refused = read_with(&text, ASKED, &[]).unwrap_err();
            assert!(
                refused[0].contains("is not allowed") && refused.len() == 1,
                "{url}: {refused:?}"
            );
        }
        assert!(read_with(CLOUDFLARE, ASKED, &[("CLOUDFLARE_BASE_URL", url)]).is_err(), "{url}");
    }
    for url in [
        "https://hook.test./x",
        "https://under_score.test",
        "http://[::1]:8080/x",
        "https://b\u{fc}cher.test",
    ] {
        read_with(&format!("webhook_url = \"{url}\"\n{CLOUDFLARE}"), ASKED, &[]).unwrap();
    }
}

#[test]
fn two_listeners_that_want_one_place_are_refused() {
    let file = |listen: &str, votes: &str| {
        format!(
            "{CLOUDFLARE}[Members]\npeers = [\"192.0.2.22:8081\"]\nlocal_addr = \"{votes}\"\n\
             [Status]\nlisten = \"{listen}\"\n"
        )
    };
    for listen in ["192.0.2.21:8081", "0.0.0.0:8081", "[::]:8081"] {
        let refused = read_with(&file(listen, "192.0.2.21:8081"), ASKED, &[]).unwrap_err();
        let want = format!(
            "goavail.toml:9: Status.listen: \"{listen}\" is not allowed; votes are received there \
             (Members.local_addr); choose another port"
        );
        assert_eq!(refused, [want]);
    }
    for listen in ["192.0.2.21:8080", "127.0.0.1:8081", "[2001:db8::1]:8081"] {
        read_with(&file(listen, "192.0.2.21:8081"), ASKED, &[]).unwrap();
    }
    read_with(&file("0.0.0.0:8081", "[2001:db8::21]:8081"), ASKED, &[]).unwrap();
}
