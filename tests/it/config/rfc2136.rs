//! `[RFC2136]` and zones with that provider: servers, keys and their files, and the
//! grants of the server.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use goavail::testing::dns::Rfc2136Config;
use goavail::testing::settings::{Asked, Config, parse};

use super::{ASKED, settings};

const ON_RFC2136: Asked = Asked { provider: Some("rfc2136"), ..ASKED };

const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";

/// A complete section. Its last line is the key.
const SECTION: &str = "[RFC2136]\nserver = \"ns1.example.com:53\"\ndomain = \"example.com\"\n\
                       hostnames = [\"www\", \"@\"]\nip_addresses = [\"203.0.113.10\"]\n\
                       key_file = \"ddns.key\"\n";

/// Reads a file beside key files; the problems without their folder.
fn read(text: &str, asked: Asked) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let key = format!(
        "key \"Ddns.Example.\" {{\n\talgorithm hmac-sha384;\n\tsecret \"{SECRET}\";\n}};\n"
    );
    let weak = key.replace("sha384", "md5");
    let files = [("ddns.key", &key), ("weak.key", &weak), ("secret", &SECRET.to_owned())];
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    let prefix = format!("{}/", folder.path().display());
    parse(text, &folder.path().join("x"), &asked, &|_| None)
        .map_err(|errors| errors.to_string().lines().map(|it| it.replace(&prefix, "")).collect())
}

#[test]
fn a_section_has_servers_and_a_key() {
    let config = read(SECTION, ON_RFC2136).unwrap();
    let rfc2136: &Rfc2136Config = settings(&config);
    let key = rfc2136.key.as_ref().unwrap();
    assert_eq!(
        (key.name.as_str(), key.algorithm.to_string().as_str()),
        ("ddns.example", "hmac-sha384")
    );
    assert_eq!((rfc2136.ttl, rfc2136.servers.len()), (60, 1));
    assert!(!format!("{config:?}").contains(&SECRET[..12]));
    let by_name = SECTION.replace(
        "key_file = \"ddns.key\"",
        "key_name = \"ddns.\"\nalgorithm = \"hmac-sha512\"\nsecret_file = \"secret\"",
    );
    let config = read(&by_name, ON_RFC2136).unwrap();
    let rfc2136: &Rfc2136Config = settings(&config);
    assert_eq!(rfc2136.key.as_ref().unwrap().name, "ddns");
}

#[test]
fn check_prints_the_least_that_each_server_must_grant() {
    let words = read(SECTION, ON_RFC2136).unwrap().in_words();
    for line in [
        "at ns1.example.com:53 by the key ddns.example (hmac-sha384) in ddns.key",
        "in BIND     zone example.com: update-policy { grant ddns.example. name www.example.com. A \
         AAAA; grant ddns.example. name example.com. A AAAA; };",
        "update-owner-name: [www.example.com., example.com.]",
        "pdnsutil set-meta example.com TSIG-ALLOW-DNSUPDATE ddns.example",
        "can         refuse a change that comes second, make a change all or nothing",
    ] {
        assert!(words.contains(line), "{line}\n{words}");
    }
}

/// A text of the section, its replacement, and the one problem.
const BAD: [(&str, &str, &str); 13] = [
    (
        "\"ns1.example.com:53\"",
        "\"ns1:0\"",
        "x:2: RFC2136.server: \"ns1:0\" is not allowed; a name server with its port, such as",
    ),
    (
        "\"ns1.example.com:53\"",
        "[]",
        "x:2: RFC2136.server: [] is not allowed; a name server, such as \"ns1.example.com:53\", or a list",
    ),
    (
        "server = \"ns1.example.com:53\"\n",
        "",
        "x:1: RFC2136.server: missing; the primary name server",
    ),
    ("domain = \"example.com\"\n", "", "x:1: RFC2136.domain: missing; the zone's name"),
    (
        "\"www\", \"@\"",
        "\"www.example.net.\"",
        "x:4: RFC2136.hostnames: \"www.example.net.\" is not allowed; a final dot ends a whole name, and \
         this one is not in example.com",
    ),
    (
        "key_file = \"ddns.key\"\n",
        "",
        "x:1: RFC2136.key_file: missing; without a key only a server on loopback is allowed, not \
         ns1.example.com:53",
    ),
    ("ddns.key", "absent.key", "x:6: RFC2136.key_file: "),
    (
        "ddns.key",
        "weak.key",
        "x:6: RFC2136.key_file: weak.key: line 2: the algorithm is not allowed; hmac-sha256",
    ),
    (
        "ddns.key",
        "secret",
        "x:6: RFC2136.key_file: secret: line 1: only key statements are allowed",
    ),
    (
        "key_file = \"ddns.key\"",
        "key_name = \"ddns\"",
        "x:1: RFC2136.secret_file: missing; key_name needs it",
    ),
    (
        "key_file = \"ddns.key\"",
        "secret_file = \"secret\"",
        "x:1: RFC2136.key_name: missing; secret_file needs it",
    ),
    (
        "key_file",
        "key_name = \"ddns\"\nkey_file",
        "x:6: RFC2136.key_name: not used together with key_file, which has it",
    ),
    (
        "key_file = \"ddns.key\"",
        "key_name = \"a\"\nalgorithm = \"hmac-sha1\"\nsecret_file = \"secret\"",
        "x:7: RFC2136.algorithm: \"hmac-sha1\" is not allowed; hmac-sha256, hmac-sha384 or hmac-sha512; \
         HMAC-MD5 and HMAC-SHA1 are too weak",
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_is_allowed() {
    for (from, to, want) in BAD {
        let text = SECTION.replacen(from, to, 1);
        let problems = read(&text, ON_RFC2136).map(|config| config.in_words()).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(want), "{want}\n{problems:#?}");
        assert!(!problems[0].contains(&SECRET[..12]));
    }
}

#[test]
fn without_a_key_a_server_on_loopback_is_enough() {
    for server in ["127.0.0.1:5353", "[::1]:53", "localhost"] {
        let text =
            SECTION.replace("ns1.example.com:53", server).replace("key_file = \"ddns.key\"", "");
        let words = read(&text, ON_RFC2136).unwrap().in_words();
        assert!(words.contains("without a key"), "{words}");
    }
}

/// Two views of one zone are told apart by their keys.
#[test]
fn zones_of_one_name_are_one_zone_if_they_share_server_and_key() {
    let zone = |name: &str, key: &str| {
        format!(
            "[zone.{name}]\nprovider = \"rfc2136\"\ndomain = \"example.com\"\n\
             server = [\"127.0.0.1\", \"127.0.0.2\"]\n{key}\n[[service]]\nname = \"{name}\"\n\
             zone = \"{name}\"\nhostnames = [\"{name}\"]\nip_addresses = [\"203.0.113.10\"]\n"
        )
    };
    let same = zone("a", "") + &zone("b", "");
    let problems = read(&same, ASKED).unwrap_err();
    assert!(problems[0].contains("a key of its own for each"), "{problems:?}");
    let two = zone("a", "") + &zone("b", "key_file = \"ddns.key\"");
    assert_eq!(read(&two, ASKED).unwrap().zones.len(), 2);
}
