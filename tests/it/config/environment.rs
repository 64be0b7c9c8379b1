//! Secrets, and where the API is, from the environment.

use std::fs;

use goavail::testing::dns::CloudflareCredentials;
use goavail::testing::settings::{Asked, Config};
use secrecy::ExposeSecret;

use super::{ASKED, CLOUDFLARE, ON_ROUTE53, ROUTE53, cloudflare, read_with};

const FOR_REAL: Asked = Asked { dry_run: false, ..ASKED };

const MEMBERS: &str =
    "[Members]\npeers = [\"192.0.2.21:8081\"]\nlocal_addr = \"192.0.2.22:8081\"\n";

/// Variables and their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn with(env: Variables<'_>) -> Result<Config, Vec<String>> {
    read_with(CLOUDFLARE, FOR_REAL, env)
}

/// The credentials in a form that can be compared.
fn credentials(config: &Config) -> String {
    match &cloudflare(config).credentials {
        Some(CloudflareCredentials::Token(token)) => format!("token {}", token.expose_secret()),
        Some(CloudflareCredentials::GlobalKey { key, email }) => {
            format!("key {} of {email}", key.expose_secret())
        }
        None => "none".to_owned(),
    }
}

#[test]
fn credentials_are_a_token_or_a_key_with_its_address() {
    let rows: [(&str, Variables<'_>, &str); 7] = [
        ("a token", &[("CF_API_TOKEN", "t0ken")], "token t0ken"),
        ("a token with its line end", &[("CF_API_TOKEN", "t0ken\r\n")], "token t0ken"),
        ("its other name", &[("CLOUDFLARE_API_TOKEN", "t0ken")], "token t0ken"),
        ("both names", &[("CF_API_TOKEN", "t"), ("CLOUDFLARE_API_TOKEN", "t")], "token t"),
        (
            "the global key",
            &[("CF_API_KEY", "k3y"), ("CF_API_EMAIL", "ops@example.com")],
            "key k3y of ops@example.com",
        ),
        (
            "a token goes before half a key",
            &[("CF_API_TOKEN", "t"), ("CF_API_KEY", "k")],
            "token t",
        ),
        (
            "set to nothing is not set",
            &[("CF_API_TOKEN", ""), ("CF_API_TOKEN_FILE", ""), ("CLOUDFLARE_API_TOKEN", "t")],
            "token t",
        ),
    ];
    for (name, env, want) in rows {
        assert_eq!(credentials(&with(env).unwrap()), want, "{name}");
    }
}

#[test]
fn credentials_that_are_not_whole_are_refused() {
    let none = "environment: CF_API_TOKEN: missing; --no-dry-run needs it, or CF_API_KEY and \
                CF_API_EMAIL";
    let rows: [(&str, Variables<'_>, &str); 6] = [
        ("none", &[], none),
        (
            "a key alone",
            &[("CF_API_KEY", "k")],
            "environment: CF_API_EMAIL: missing; CF_API_KEY is set and needs it, or set CF_API_TOKEN \
             alone",
        ),
        (
            "an address alone",
            &[("CF_API_EMAIL", "ops@example.com")],
            "environment: CF_API_KEY: missing; CF_API_EMAIL is set and needs it, or set CF_API_TOKEN \
             alone",
        ),
        (
            "two tokens",
            &[("CF_API_TOKEN", "t"), ("CLOUDFLARE_API_TOKEN", "u")],
            "environment: CLOUDFLARE_API_TOKEN: not what CF_API_TOKEN says; set one of them",
        ),
        (
            "a token that no header can carry",
            &[("CF_API_TOKEN", "t0\nken")],
            "environment: CF_API_TOKEN: a value of 6 bytes is not allowed; visible ASCII characters \
             without blanks",
        ),
        (
            "a value and a file",
            &[("CF_API_TOKEN", "t"), ("CF_API_TOKEN_FILE", "/run/token")],
            "environment: CF_API_TOKEN_FILE: set together with CF_API_TOKEN; set one of them",
        ),
    ];
    for (name, env, want) in rows {
        assert_eq!(with(env).unwrap_err(), [want], "{name}");
    }
}

#[test]
fn dry_run_needs_no_credentials_but_refuses_half_of_them() {
    assert_eq!(credentials(&read_with(CLOUDFLARE, ASKED, &[]).unwrap()), "none");
    let half = read_with(CLOUDFLARE, ASKED, &[("CF_API_KEY", "k")]).unwrap_err();
    assert!(half[0].starts_with("environment: CF_API_EMAIL: missing"), "{half:?}");
}

#[test]
fn route53_asks_for_nothing_of_cloudflares() {
    let for_real = Asked { dry_run: false, ..ON_ROUTE53 };
    let env = [("CF_API_KEY", "k"), ("CLOUDFLARE_BASE_URL", "nonsense")];
    read_with(ROUTE53, for_real, &env).unwrap();
}

#[test]
fn a_secret_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = file("token", b"t0ken\n");
    assert_eq!(credentials(&with(&[("CF_API_TOKEN_FILE", &token)]).unwrap()), "token t0ken");
    let (key, email) = (file("key", b"k3y\r\n"), file("email", b"ops@example.com"));
    let env = [("CF_API_KEY_FILE", key.as_str()), ("CF_API_EMAIL_FILE", &email)];
    assert_eq!(credentials(&with(&env).unwrap()), "key k3y of ops@example.com");

    let missing = folder.path().join("missing");
    let rows = [
        (
            missing.to_str().unwrap().to_owned(),
            ": cannot be read: No such file or directory (os error 2)",
        ),
        (
            folder.path().to_str().unwrap().to_owned(),
            ": cannot be read: Is a directory (os error 21)",
        ),
        (file("empty", b"\n\n"), " is empty"),
        (file("binary", b"secret\n\xff\xfe"), ": not UTF-8 text, from line 2 on"),
        (file("huge", "x".repeat(64 * 1024 + 1).as_bytes()), ": larger than 65536 bytes"),
    ];
    for (path, why) in rows {
        // Longer paths are shortened; the temporary one is short enough.
        let want = format!("environment: CF_API_TOKEN_FILE: {path}{why}");
        assert_eq!(with(&[("CF_API_TOKEN_FILE", &path)]).unwrap_err(), [want]);
    }
}

#[test]
fn the_clusters_key_may_be_in_the_environment() {
    let key = |config: &Config| {
        let key = config.sections.cluster.as_ref().unwrap().crypto_key.as_ref();
        key.map(|key| key.expose_secret().to_owned())
    };
    let text = format!("{CLOUDFLARE}{MEMBERS}require_signed = true\n");
    let env = [("GOAVAIL_CRYPTO_KEY", "1234567891012345")];
    let config = read_with(&text, ASKED, &env).unwrap();
    assert_eq!(key(&config).as_deref(), Some("1234567891012345"));

    let in_file = format!("{CLOUDFLARE}{MEMBERS}crypto_key = \"abcdefghijklmnop\"\n");
    let config = read_with(&in_file, ASKED, &env).unwrap();
    assert_eq!(key(&config).as_deref(), Some("1234567891012345"), "it stands for the file's");
    let want = "goavail.toml:8: Members.crypto_key: not used; GOAVAIL_CRYPTO_KEY has a different \
                value";
    assert!(config.warnings.contains(&want.to_owned()), "{:?}", config.warnings);

    let want = "environment: GOAVAIL_CRYPTO_KEY: a value of 3 bytes is not allowed; a text of 16, 24 \
                or 32 bytes";
    let env = [("GOAVAIL_CRYPTO_KEY", "abc")];
    assert_eq!(read_with(CLOUDFLARE, ASKED, &env).unwrap_err(), [want]);
}

#[test]
fn the_environment_says_where_cloudflares_api_is() {
    let env = [("CLOUDFLARE_BASE_URL", "http://127.0.0.1:8080/client/v4/")];
    let config = read_with(CLOUDFLARE, ASKED, &env).unwrap();
    assert_eq!(cloudflare(&config).api_url, "http://127.0.0.1:8080/client/v4");

    let text = format!("{CLOUDFLARE}api_url = \"https://api.example.com\"\n");
    let config = read_with(&text, ASKED, &env).unwrap();
    assert_eq!(cloudflare(&config).api_url, "http://127.0.0.1:8080/client/v4");
    let want = "goavail.toml:5: Cloudflare.api_url: not used; CLOUDFLARE_BASE_URL has a different \
        value";
    assert_eq!(config.warnings, [want]);

    let allowed = "is not allowed; a URL such as \"https://api.example.com\"; plain http only to this machine \
         itself";
    for (url, shown) in [
        ("http://192.0.2.1", "\"http://192.0.2.1\""),
        ("nonsense", "\"nonsense\""),
        ("https://u:p@example.com", "a value of 23 bytes"),
    ] {
        let env = [("CLOUDFLARE_BASE_URL", url)];
        let want = format!("environment: CLOUDFLARE_BASE_URL: {shown} {allowed}");
        assert_eq!(read_with(CLOUDFLARE, ASKED, &env).unwrap_err(), [want]);
    }
}

#[test]
fn credentials_that_no_header_can_carry_are_refused_by_their_variable() {
    let both = |key: &'static str, secret: &'static str, token: &'static str| {
        let env = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
        ];
        read_with(ROUTE53, ON_ROUTE53, &env)
    };
    both("AKIA\n", " secret\r\n", "\n").unwrap();
    let rows = [
        (both("AK\nIA", "s", ""), "AWS_ACCESS_KEY_ID: a value of 5 bytes"),
        (both("AK IA", "s", ""), "AWS_ACCESS_KEY_ID: a value of 5 bytes"),
        (both("AKIA", "s\u{a0}s", ""), "AWS_SECRET_ACCESS_KEY: a value of 4 bytes"),
        (both("AKIA", "s", "to\u{7}ken"), "AWS_SESSION_TOKEN: a value of 6 bytes"),
    ];
    for (refused, want) in rows {
        let want =
            format!("environment: {want} is not allowed; visible ASCII characters without blanks");
        assert_eq!(refused.unwrap_err(), [want]);
    }
    // Cloudflare does not ask with it.
    read_with(CLOUDFLARE, ASKED, &[("AWS_ACCESS_KEY_ID", "AK\nIA")]).unwrap();
}

#[test]
fn an_unusable_profile_is_refused_with_its_file_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    let env = [("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap())];
    let secret = "aws_secret_access_key = s3cret\n";
    let rows = [
        (format!("[default]\naws_access_key_id = AK\n  IA\n{secret}"), "aws_access_key_id of the profile default"),
        (format!("[default]\naws_access_key_id = AKIA\naws_session_token = a b\n{secret}"), "aws_session_token"),
        ("[default]\nsource_profile = other\nrole_arn = x\n[other]\naws_access_key_id = A\u{e9}\n".to_owned(), "the profile other"),
        ("[default]\ns3cret\n".to_owned(), "on line 2"),
    ];
    for (text, want) in rows {
        fs::write(&path, &text).unwrap();
        let refused = read_with(ROUTE53, ON_ROUTE53, &env).unwrap_err().concat();
        assert!(refused.contains(want) && refused.contains(env[0].1), "{text}: {refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
        // With a key in the environment the file is not used.
        let key = [env[0], ("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")];
        read_with(ROUTE53, ON_ROUTE53, &key).unwrap();
    }
    fs::write(
        &path,
        format!("[default]\naws_access_key_id = AKIA\n{secret}[other]\naws_access_key_id = a b\n"),
    )
    .unwrap();
    read_with(ROUTE53, ON_ROUTE53, &env).unwrap();
}
