//! Files that are no TOML, wholly or in a line.

use super::{CLOUDFLARE, refused};

/// Each row: the fault, the lines above the `[Cloudflare]` section, the message.
#[test]
fn a_line_that_is_no_toml_is_told_of_with_its_key() {
    let rows = [
        (
            "no value",
            "interval =\nfailure_threshold = 3",
            "goavail.toml:1: interval: not valid TOML: string values must be quoted, expected literal \
             string",
        ),
        (
            "no quotes",
            "name = probe-1",
            "goavail.toml:1: name: not valid TOML: string values must be quoted, expected literal \
             string",
        ),
        (
            "a unit without quotes",
            "interval = 250ms",
            "goavail.toml:1: interval: not valid TOML: string values must be quoted, expected literal \
             string",
        ),
        (
            "no equals sign",
            "interval",
            "goavail.toml:1: not valid TOML: key with no value, expected `=`",
        ),
        (
            "no closing quote",
            "name = \"probe",
            "goavail.toml:1: name: not valid TOML: invalid basic string, expected `\"`",
        ),
    ];
    for (name, text, want) in rows {
        assert_eq!(refused(&format!("{text}\n{CLOUDFLARE}")), [want], "{name}");
    }
}

#[test]
fn lines_that_are_toml_are_judged_beside_those_that_are_not() {
    let text = "interval = 0\ntimeout = ?\nfailure_threshold = 0\n[Cloudflare]\nttl = 5\n";
    let want = [
        "goavail.toml:1: interval: 0 is not allowed; from 0.05 s to 3600 s, as a number of seconds \
         or a text such as \"250ms\"",
        "goavail.toml:2: timeout: not valid TOML: string values must be quoted, expected literal \
         string",
        "goavail.toml:3: failure_threshold: 0 is not allowed; an integer from 1 to 1000",
        "goavail.toml:5: Cloudflare.ttl: 5 is not allowed; 1, which is automatic, or an integer of \
         seconds from 30 to 86400",
    ];
    assert_eq!(refused(text), want, "what is missing may have been in the broken line");
}

#[test]
fn a_key_that_a_broken_line_may_have_swallowed_is_not_called_unknown() {
    for text in ["[Members\npeers = [\"192.0.2.1:8081\"]", "canaries = [\"192.0.2.1\"\ntimeout = 1"]
    {
        let problems = refused(&format!("{text}\n{CLOUDFLARE}"));
        assert!(!problems.is_empty());
        for problem in &problems {
            assert!(problem.contains("not valid TOML"), "{problem}");
        }
    }
}

#[test]
fn a_section_given_twice_is_refused_however_it_is_spelt() {
    let with = |header: &str| format!("{CLOUDFLARE}[Members]\nmembers_port = 1\n{header}\n");
    let want = "goavail.toml:7: members: already given in line 5";
    assert_eq!(refused(&with("[members]")), [want]);
    assert_eq!(refused(&with("[Members]")), ["goavail.toml:7: Members: given twice"]);
}

#[test]
fn a_file_with_nothing_set_gets_one_line() {
    let want = "goavail.toml: nothing is set in it; the goavail.toml that ships shows what can be";
    for text in ["", "\n\n", "# interval = 1\n", "\u{feff}"] {
        assert_eq!(refused(text), [want]);
    }
}

#[test]
fn an_empty_section_lacks_what_it_needs_at_its_line() {
    let want = [
        "goavail.toml:2: Cloudflare.dns_domain: missing; the zone's name, such as \"example.com\"",
        "goavail.toml:2: Cloudflare.hostnames: missing; a list with at least a host name, such as \
         \"www\"",
        "goavail.toml:2: Cloudflare.ip_addresses: missing; a list with at least an address to watch",
    ];
    assert_eq!(refused("interval = 1\n[Cloudflare]\n"), want);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_no_mistakes() {
    let text = format!("\u{feff}interval = 1\n{CLOUDFLARE}").replace('\n', "\r\n");
    super::good(&text);
    let problems = refused(&text.replace("interval = 1", "interval = 0"));
    assert!(problems[0].starts_with("goavail.toml:1: interval: 0 is not allowed"), "{problems:?}");
}

#[test]
fn a_long_value_is_shortened_and_kept_on_one_line() {
    let text = format!("name = \"\"\"{}\n{}\"\"\"\n{CLOUDFLARE}", "a".repeat(20), "b".repeat(500));
    let shown = format!("\"\"\"{}\\n{}…", "a".repeat(20), "b".repeat(36));
    let want = format!(
        "goavail.toml:1: name: {shown} is not allowed; a name of 1 to 255 characters without \
         control or invisible characters"
    );
    assert_eq!(refused(&text), [want]);
}
