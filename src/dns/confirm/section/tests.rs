//! The keys of the proof of effect, as rows.

use super::*;
use crate::config::keys::Schema;
use crate::config::section::testing;

const SECTION: Section = Section::new("Zone");

/// Reads a section with these lines: the warnings and the settings, or the problems.
fn read(lines: &str) -> Result<(Vec<String>, Option<ConfirmSettings>), String> {
    let mut schema = Schema::default();
    schema.add(SECTION, ConfirmKeys::KEYS);
    let text = format!("[Zone]\n{lines}\n");
    testing::read(&text, schema, |values| ConfirmKeys::parse(SECTION, values), ConfirmKeys::build)
}

#[test]
fn it_is_off_when_absent_and_the_defaults_are_those_of_the_documentation() {
    assert_eq!(read("confirm = false"), Ok((vec![], None)));
    let (_, settings) = read("confirm = true").unwrap();
    let settings = settings.unwrap();
    assert_eq!(
        settings.in_words(),
        "each name server of the zone is asked until it shows a change, for 120 s"
    );
    let (warnings, settings) =
        read("confirm_timeout = 5\nconfirm_servers = [\"192.0.2.53\"]").unwrap();
    assert_eq!(settings, None);
    assert_eq!(
        warnings,
        [
            "x:2: Zone.confirm_timeout: not used without confirm = true",
            "x:3: Zone.confirm_servers: not used without confirm = true",
        ]
    );
}

#[test]
fn servers_are_addresses_or_names_with_a_port_if_need_be() {
    let rows = [
        ("192.0.2.53", "192.0.2.53"),
        ("192.0.2.53:53", "192.0.2.53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "2001:db8::53"),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ("NS1.Example.net.", "ns1.example.net"),
        ("ns1.example.net:5353", "ns1.example.net:5353"),
        ("localhost", "localhost"),
    ];
    for (text, want) in rows {
        let (warnings, settings) = read(&format!(
            "confirm = true\nconfirm_servers = [\"{text}\"]\nconfirm_timeout = \"30s\""
        ))
        .unwrap();
        let settings = settings.unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(settings.in_words(), format!("asked: {want} until it shows a change, for 30 s"));
    }
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    let allowed = "an IP address or a host name, with a port if it is not 53, such as \"192.0.2.53\", \
                   \"[2001:db8::53]:5353\" or \"ns1.example.net\"";
    let rows = [
        ("confirm_servers = [\"192.0.2.300\"]", format!("\"192.0.2.300\" is not allowed; {allowed}")),
        ("confirm_servers = [\"\"]", format!("\"\" is not allowed; {allowed}")),
        ("confirm_servers = [7]", format!("7 is not allowed; {allowed}")),
        ("confirm_servers = [\"ns1:x\"]", format!("\"ns1:x\" is not allowed; {allowed}")),
        (
            "confirm_servers = [\"192.0.2.53:0\"]",
            "\"192.0.2.53:0\" is not allowed; the port is from 1 to 65535".to_owned(),
        ),
        (
            "confirm_servers = [\"0.0.0.0\"]",
            "\"0.0.0.0\" is not allowed; the unspecified address is not one host's".to_owned(),
        ),
        (
            "confirm_servers = []",
            "[] is not allowed; a list with at least a name server, such as \"192.0.2.53\"".to_owned(),
        ),
        (
            "confirm_timeout = 0.5",
            "0.5 is not allowed; from 1 s to 3600 s, as a number of seconds or a text such as \"250ms\""
                .to_owned(),
        ),
    ];
    for (line, want) in rows {
        let problem = read(&format!("confirm = true\n{line}")).unwrap_err();
        let key = line.split(' ').next().unwrap();
        let at = problem.strip_prefix(&format!("x:3: Zone.{key}"));
        let found = at.map(|at| at.trim_start_matches("[0]").trim_start_matches(": "));
        assert_eq!(found, Some(want.as_str()), "{problem}");
    }
    let (warnings, _) =
        read("confirm = true\nconfirm_servers = [\"192.0.2.53\", \"192.0.2.53\"]").unwrap();
    assert_eq!(warnings, ["x:3: Zone.confirm_servers: \"192.0.2.53\" is listed twice"]);
}
