//! A secret that was typed into the wrong place is refused there, or kept, and repeated nowhere.

use goavail::testing::settings::Asked;

use super::{ASKED, CLOUDFLARE, ON_ROUTE53, ROUTE53, read_with};

/// Forms of tokens: Cloudflare's, a Slack webhook's path, AWS's two kinds of keys.
const SECRETS: [&str; 4] = [
    "Sn3lZJTBX6kkg7OdcBUAxO963GEIyGQqnFTOFYY",
    "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "https://hooks.slack.com/services/T0/B0/s3cret",
];

/// The rest of a secret in `texts`.
fn left_of(secret: &str, texts: &str) -> bool {
    let pieces = secret.split('/').filter(|piece| piece.len() > 5 && !piece.contains("hooks"));
    pieces
        .filter(|piece| !piece.starts_with("http") && *piece != "services")
        .any(|p| texts.contains(p))
}

/// All that is told of a file and an environment.
fn told(text: &str, asked: Asked, env: &[(&str, &str)]) -> String {
    match read_with(text, asked, env) {
        Ok(config) => config.warnings.concat() + &config.in_words(),
        Err(problems) => problems.concat(),
    }
}

#[test]
fn a_secret_in_a_variable_that_names_a_file_is_not_repeated() {
    let variables = [
        "CF_API_TOKEN_FILE",
        "CLOUDFLARE_API_TOKEN_FILE",
        "CF_API_KEY_FILE",
        "CF_API_EMAIL_FILE",
        "GOAVAIL_CRYPTO_KEY_FILE",
        "CLOUDFLARE_BASE_URL",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ];
    let aws = [
        "AWS_CA_BUNDLE",
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONFIG_FILE",
        "ALL_PROXY",
    ];
    for secret in SECRETS {
        for variable in variables {
            let told = told(CLOUDFLARE, ASKED, &[(variable, secret)]);
            assert!(!left_of(secret, &told), "{variable}: {told}");
        }
        for variable in aws {
            let told = told(ROUTE53, ON_ROUTE53, &[(variable, secret)]);
            assert!(!left_of(secret, &told), "{variable}: {told}");
        }
    }
    let refused = read_with(CLOUDFLARE, ASKED, &[("CF_API_TOKEN_FILE", SECRETS[0])]).unwrap_err();
    let want = "environment: CF_API_TOKEN_FILE: a value of 39 bytes: cannot be read: No such file or \
                directory (os error 2)";
    assert_eq!(refused, [want]);
}

#[test]
fn a_secret_as_the_name_of_a_key_or_a_section_is_not_repeated() {
    for secret in SECRETS {
        let files = [
            format!("\"{secret}\" = 1\n{CLOUDFLARE}"),
            format!("\"{secret}\" = 1\n\"{secret}\" = 2\n{CLOUDFLARE}"),
            format!("{CLOUDFLARE}\"{secret}\" = \"x\"\n"),
            format!("{CLOUDFLARE}[\"{secret}\"]\n"),
            format!("{CLOUDFLARE}[Cloudflare.\"{secret}\"]\n"),
            format!("{secret}\n{CLOUDFLARE}"),
            format!("{secret} = {secret}\n{CLOUDFLARE}"),
            format!("slack_addr = {secret}\n{CLOUDFLARE}"),
        ];
        for text in files {
            let told = told(&text, ASKED, &[]);
            assert!(told.contains("goavail.toml:"), "it is refused: {text}: {told}");
            assert!(!left_of(secret, &told), "{text}: {told}");
        }
    }
    let refused = read_with(&format!("{} = 1\n{CLOUDFLARE}", SECRETS[0]), ASKED, &[]).unwrap_err();
    let [refused] = refused.as_slice() else { panic!("{refused:?}") };
    let want = "goavail.toml:1: (a name of 39 bytes, not shown): not a known key; there are ";
    assert!(refused.starts_with(want), "{refused}");
}

#[test]
fn a_secret_as_the_value_of_another_key_is_refused_without_it() {
    let top = [
        "failure_threshold",
        "interval",
        "timeout",
        "port",
        "min_in_service",
        "canaries",
        "resync_interval",
    ];
    let within = ["dns_domain", "ttl", "ip_addresses", "dns_proxied", "api_url"];
    let lists = ["canaries", "ip_addresses"];
    for secret in SECRETS {
        let value = |key| {
            if lists.contains(key) { format!("[\"{secret}\"]") } else { format!("\"{secret}\"") }
        };
        for key in &top {
            let told = told(&format!("{key} = {}\n{CLOUDFLARE}", value(key)), ASKED, &[]);
            assert!(told.contains(key) && !left_of(secret, &told), "{key}: {told}");
        }
        for key in within.iter().filter(|key| **key != "dns_domain" || secret.contains('/')) {
            // A good value becomes bad by it; other problems may be reported as well.
            let text = format!("[Cloudflare]\n{key} = {}\n", value(key));
            let told = told(&text, ASKED, &[]);
            if !(secret.starts_with("https") && *key == "api_url") {
                assert!(told.contains(&format!("Cloudflare.{key}: ")), "{key}: {told}");
            }
            assert!(!left_of(secret, &told), "{key}: {told}");
        }
        let members =
            format!("{CLOUDFLARE}[Members]\nlocal_addr = \"{secret}\"\npeers = [\"{secret}\"]\n");
        let status = format!("{CLOUDFLARE}[Status]\nlisten = \"{secret}\"\n");
        for text in [members, status] {
            let told = told(&text, ASKED, &[]);
            assert!(told.contains("is not allowed") && !left_of(secret, &told), "{told}");
        }
    }
    // A webhook as the agent's name would be in every notice, and as a path in the log.
    for secret in [SECRETS[1], SECRETS[3]] {
        let told = told(&format!("name = \"{secret}\"\n{CLOUDFLARE}"), ASKED, &[]);
        assert!(told.contains("goavail.toml:1: name: ") && !left_of(secret, &told), "{told}");
    }
    for line in [
        format!("state_file = \"{}\"\n{CLOUDFLARE}", SECRETS[3]),
        format!("{CLOUDFLARE}[Status]\nsocket = \"{}\"\n", SECRETS[3]),
    ] {
        let told = told(&line, ASKED, &[]);
        assert!(told.contains("is not allowed") && !left_of(SECRETS[3], &told), "{told}");
    }
}
