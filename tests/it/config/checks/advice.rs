//! Checks that are accepted and may disappoint, and the files that a check names.

use std::fs;
use std::path::Path;

use goavail::testing::settings::{Config, parse};

use super::super::{ASKED, read};
use super::with_top;

#[test]
fn advice_about_checks() {
    let rows: &[(&str, &str)] = &[
        (
            "check = { type = \"https\", timeout = 0.05 }",
            "goavail.toml:1: check.type: a timeout of 0.05 s is short for a TLS handshake, which takes up to three round trips",
        ),
        (
            "check = { type = \"https\", tls = \"off\" }",
            "goavail.toml:1: check.type: tls = \"off\": the certificate is not verified, and any server at the address counts as alive",
        ),
        (
            "check = { type = \"https\", cert_days = 90 }",
            "goavail.toml:1: check.type: cert_days = 90: certificates that last 90 days or less are warned about for most of their life",
        ),
        (
            "check = { type = \"http\", headers = { Authorization = \"Basic abc\" } }",
            "goavail.toml:1: check.headers.Authorization: is sent without encryption; type = \"https\" encrypts it",
        ),
        (
            "check = { type = \"exec\", command = [\"/bin/true\"], user = \"nobody\" }",
            "goavail.toml:1: check.command: has no {address}: it gives the same answer about every target",
        ),
        (
            "check = { type = \"exec\", command = [\"/bin/true\", \"{address}\"], user = \"nobody\", interval = 0.5 }",
            "goavail.toml:1: check.type: a process is started for each address every 0.5 s; interval = 5 costs a tenth of it",
        ),
        (
            "check = { type = \"exec\", command = [\"/bin/true\", \"{address}\"], user = \"nobody\", max_running = 1 }",
            "goavail.toml:1: check.type: with 2 addresses every 2 s and up to 2 s for each, more than max_running = 1 may be due at once: while commands are slow, others wait for them",
        ),
        (
            "require = \"any\"\nchecks = [{ type = \"https\" }, { type = \"tcp\", port = 443 }]",
            "goavail.toml:1: require: all counted checks go by TCP port 443, so they fail together; another way, such as echo requests beside it, would tell a closed port from a dead machine",
        ),
    ];
    for (lines, want) in rows {
        let config =
            read(&with_top(lines)).unwrap_or_else(|problems| panic!("{lines}: {problems:?}"));
        assert_eq!(config.warnings, [*want], "{lines}");
    }
    let one = with_top("check = { type = \"http\" }").replace(", \"192.0.2.11\"", "");
    let want = "goavail.toml:1: check: with one address there is no other to compare its answers with: a bad \
                deploy takes it out (only min_in_service = 1 would keep it)";
    assert_eq!(read(&one).unwrap().warnings, [want]);
}

/// The files that a check names, in a folder of their own.
fn in_folder(folder: &Path, check: &str) -> Result<Config, Vec<String>> {
    let text = with_top(&format!("check = {{ type = \"https\", {check} }}"));
    let path = folder.join("goavail.toml");
    parse(&text, &path, &ASKED, &|_| None)
        .map_err(|errors| errors.problems().iter().map(|problem| problem.what.clone()).collect())
}

#[test]
fn files_are_read_from_the_folder_of_the_configuration_and_must_hold_what_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let names = vec!["www.example.com".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    write("cert.pem", &certificate.pem());
    write("key.pem", &key.serialize_pem());
    write("other.pem", &other.serialize_pem());
    write("text", "nothing\n");
    write("empty", "\n");
    write("two", "a\nb\n");
    write("token", "Bearer s3cret-s3cret-s3cret\n");
    let rows = [
        ("ca_file = \"cert.pem\"", None),
        ("client_cert = \"cert.pem\", client_key = \"key.pem\"", None),
        ("header_files = { Authorization = \"token\" }", None),
        ("ca_file = \"text\"", Some("text holds no certificate in PEM")),
        ("ca_file = \"key.pem\"", Some("key.pem holds no certificate in PEM")),
        (
            "client_cert = \"cert.pem\", client_key = \"cert.pem\"",
            Some(
                "cert.pem holds no private key in PEM, unencrypted: PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY",
            ),
        ),
        (
            "client_cert = \"cert.pem\", client_key = \"other.pem\"",
            Some("other.pem is not the key of cert.pem: keys may not be consistent: KeyMismatch"),
        ),
        ("header_files = { A = \"empty\" }", Some("empty is empty")),
        (
            "header_files = { A = \"two\" }",
            Some(
                "two holds a value of 3 bytes is not allowed; one line; a header has no line breaks",
            ),
        ),
    ];
    for (check, want) in rows {
        match (in_folder(folder.path(), check), want) {
            (Ok(_), None) => {}
            (Err(problems), Some(want)) => assert_eq!(problems, [want], "{check}"),
            (got, _) => panic!("{check}: {got:?}"),
        }
    }
}
