//! Values of checks that are refused.

use super::super::read;
use super::with_top;

/// Returns the only problem of a file of one service with this table as its check.
fn problem_of(check: &str) -> String {
    match read(&with_top(&format!("check = {{ {check} }}"))) {
        Ok(config) => panic!("{check}: accepted: {}", config.in_words()),
        Err(problems) => problems.join(" | "),
    }
}

/// Other keys of a check, a key with its value, and the words of the refusal.
const VALUES: &[(&str, &str, &str)] = &[
    ("type = \"https\"", "port = 0", "port: 0 is not allowed; an integer from 1 to 65535"),
    (
        "type = \"https\"",
        "path = \"healthz\"",
        "path: \"healthz\" is not allowed; a path such as \"/healthz\" or \"/status?full=1\", of visible ASCII characters; others are written as in %C3%A4",
    ),
    (
        "type = \"https\"",
        "path = \"/a b\"",
        "path: \"/a b\" is not allowed; a path such as \"/healthz\" or \"/status?full=1\", of visible ASCII characters; others are written as in %C3%A4",
    ),
    (
        "type = \"https\"",
        "path = \"/a#b\"",
        "path: \"/a#b\" is not allowed; the part from # on is never sent; leave it out",
    ),
    (
        "type = \"https\"",
        "path = \"https://a.example/x\"",
        "path: \"https://a.example/x\" is not allowed; the path alone, such as \"/healthz\"; the key host has the name",
    ),
    (
        "type = \"https\"",
        "host = \"a.example:8443\"",
        "host: \"a.example:8443\" is not allowed; a host name or an IP address alone; the key port has the port",
    ),
    (
        "type = \"https\"",
        "host = \"https://a.example\"",
        "host: \"https://a.example\" is not allowed; a host name or an IP address alone; the keys port and path have the rest",
    ),
    (
        "type = \"https\"",
        "host = \"*.example.com\"",
        "host: \"*.example.com\" is not allowed; a wildcard is no host's name; give one of the names that it stands for",
    ),
    (
        "type = \"https\"",
        "host = \"a b\"",
        "host: \"a b\" is not allowed; a name has letters, digits, hyphens and underscores, not ' '",
    ),
    (
        "type = \"https\"",
        "host = 5",
        "host: 5 is not allowed; a host name, such as \"www.example.com\", or an IP address",
    ),
    (
        "type = \"https\"",
        "method = \"POST\"",
        "method: \"POST\" is not allowed; \"GET\" or \"HEAD\"",
    ),
    (
        "type = \"https\"",
        "status = 200",
        "status: 200 is not allowed; a list, such as [\"200-299\"]",
    ),
    (
        "type = \"https\"",
        "status = []",
        "status: [] is not allowed; a list with at least one status, or no status",
    ),
    (
        "type = \"https\"",
        "status = [\"2xx\"]",
        "status: \"2xx\" is not allowed; written as \"200-299\"",
    ),
    (
        "type = \"https\"",
        "status = [\"299-200\"]",
        "status: \"299-200\" is not allowed; a range begins with its lower status, as in \"200-299\"",
    ),
    (
        "type = \"https\"",
        "status = [99]",
        "status: 99 is not allowed; a status from 100 to 599, such as 204, or a range of them, such as \"200-299\"",
    ),
    (
        "type = \"https\"",
        "status = [\"200-700\"]",
        "status: \"200-700\" is not allowed; a status from 100 to 599, such as 204, or a range of them, such as \"200-299\"",
    ),
    (
        "type = \"https\"",
        "drain_status = [204]",
        "drain_status: 204 is in status too (200-299); one status has one meaning",
    ),
    (
        "type = \"https\"",
        "body = \"\"",
        "body: \"\" is not allowed; a text of at least one character, which is looked for in the body",
    ),
    (
        "type = \"https\"",
        "body_regex = \"a(b\"",
        "body_regex: \"a(b\" is not allowed; a regular expression, such as \"ready: (yes|true)\"; found open group without closing ')'",
    ),
    (
        "type = \"https\"",
        "body_regex = \"(?=x)\"",
        "body_regex: \"(?=x)\" is not allowed; a regular expression, such as \"ready: (yes|true)\"; look-around is not supported",
    ),
    (
        "type = \"https\", method = \"HEAD\"",
        "body = \"ok\"",
        "body: the answer to HEAD has no body; method = \"GET\" has one",
    ),
    (
        "type = \"https\", max_body = 1",
        "body = \"ok\"",
        "body: a text of 2 bytes is never found in the first 1 bytes, which are looked at (max_body)",
    ),
    (
        "type = \"https\", body = \"all ok\"",
        "body_not = \"ok\"",
        "body_not: \"ok\" is part of body, \"all ok\"; no answer fits both",
    ),
    (
        "type = \"https\"",
        "max_body = 0",
        "max_body: 0 is not allowed; an integer from 1 to 16777216",
    ),
    (
        "type = \"https\"",
        "headers = [\"A: b\"]",
        "headers: a value of type array is not allowed; a table of headers, such as { Accept = \"text/html\" }",
    ),
    (
        "type = \"https\"",
        "headers = { Host = \"a.example\" }",
        "headers.Host: Host is not allowed; cannot be set here: the key host sets it",
    ),
    (
        "type = \"https\"",
        "headers = { Content-Length = \"0\" }",
        "headers.Content-Length: Content-Length is not allowed; cannot be set here: a request has no body",
    ),
    (
        "type = \"https\"",
        "headers = { connection = \"close\" }",
        "headers.connection: connection is not allowed; cannot be set here: each probe has a connection of its own",
    ),
    (
        "type = \"https\"",
        "headers = { \"A b\" = \"c\" }",
        "headers.A b: A b is not allowed; the name of a header has letters, digits and hyphens",
    ),
    (
        "type = \"https\"",
        "headers = { A = \"b\\r\\nC: d\" }",
        "headers.A: a value of 7 bytes is not allowed; one line; a header has no line breaks",
    ),
    (
        "type = \"https\"",
        "headers = { A = \" b\" }",
        "headers.A: a value of 2 bytes is not allowed; a text without blanks at its ends, which would not be sent",
    ),
    (
        "type = \"https\"",
        "headers = { A = 5 }",
        "headers.A: a value of type integer is not allowed; a text, in quotes",
    ),
    (
        "type = \"https\"",
        "headers = { A = \"b\", a = \"c\" }",
        "headers.a: already given in line 1",
    ),
    (
        "type = \"https\"",
        "tls = \"yes\"",
        "tls: \"yes\" is not allowed; \"verify\" (issuer and name), \"chain\" (issuer alone) or \"off\" (nothing)",
    ),
    (
        "type = \"https\"",
        "cert_days = -1",
        "cert_days: -1 is not allowed; an integer from 0 to 825",
    ),
    (
        "type = \"https\"",
        "client_cert = \"c.pem\"",
        "client_cert: not used without client_key, the file with its private key",
    ),
    (
        "type = \"https\"",
        "client_key = \"k.pem\"",
        "client_key: not used without client_cert, the file with its certificate",
    ),
    (
        "type = \"https\"",
        "ca_file = \"/nowhere/ca.pem\"",
        "ca_file: /nowhere/ca.pem: cannot be read: No such file or directory (os error 2)",
    ),
    (
        "type = \"https\", tls = \"off\"",
        "ca_file = \"/nowhere/ca.pem\"",
        "ca_file: not used with tls = \"off\", which verifies nothing",
    ),
    (
        "type = \"https\"",
        "header_files = { A = \"/nowhere/a\" }",
        "header_files.A: /nowhere/a: cannot be read: No such file or directory (os error 2)",
    ),
    ("type = \"icmp\"", "port = 80", "port: an echo request has no port; type = \"tcp\" has one"),
    ("type = \"icmp\"", "mode = \"off\"", "mode: \"off\" is not allowed; \"count\" or \"watch\""),
    (
        "type = \"icmp\"",
        "mode = \"watch\"",
        "mode: no check is counted, so no target could ever be down; at least one has mode = \"count\"",
    ),
    ("type = \"icmp\"", "intervall = 5", "intervall: not a known key; did you mean interval?"),
    (
        "type = \"exec\"",
        "command = \"/bin/true\"",
        "command: \"/bin/true\" is not allowed; a list, such as [\"/usr/lib/nagios/plugins/check_smtp\", \"-H\", \"{address}\"]",
    ),
    (
        "type = \"exec\"",
        "command = []",
        "command: [] is not allowed; a list, such as [\"/usr/lib/nagios/plugins/check_smtp\", \"-H\", \"{address}\"]",
    ),
    (
        "type = \"exec\"",
        "command = [\"true\"]",
        "command: \"true\" is not allowed; the absolute path of a program, which is started without a shell",
    ),
    (
        "type = \"exec\"",
        "command = [\"/bin/{address}\"]",
        "command: the same program is started for all targets; placeholders stand in its arguments",
    ),
    (
        "type = \"exec\", user = \"nobody\"",
        "command = [\"/bin/true\", \"{adress}\"]",
        "command: {adress} is not replaced; did you mean {address}?",
    ),
    (
        "type = \"exec\", user = \"nobody\"",
        "command = [\"/bin/true\", \"{port}\"]",
        "command: {port} is not known: give port",
    ),
    (
        "type = \"exec\", command = [\"/bin/true\", \"{address}\"], user = \"nobody\"",
        "port = 5",
        "port: not used: no argument of command has {port}",
    ),
    (
        "type = \"exec\", command = [\"/bin/true\"]",
        "user = \"no-such-user\"",
        "user: there is no user \"no-such-user\" on this machine",
    ),
    (
        "type = \"exec\", command = [\"/bin/true\"], user = \"nobody\"",
        "max_running = 0",
        "max_running: 0 is not allowed; an integer from 1 to 1000",
    ),
    (
        "type = \"dns\"",
        "query = \"a b\"",
        "query: \"a b\" is not allowed; a name has letters, digits, hyphens and underscores, not ' '",
    ),
    (
        "type = \"dns\"",
        "query = \"*.example.com\"",
        "query: \"*.example.com\" is not allowed; a wildcard is no name to ask for; give one of the names that it stands for",
    ),
    (
        "type = \"dns\"",
        "query_type = \"AXFR\"",
        "query_type: \"AXFR\" is not allowed; a type of records, such as \"A\", \"AAAA\", \"MX\", \"NS\", \"SOA\" or \"TXT\"",
    ),
    (
        "type = \"dns\"",
        "rcode = \"OK\"",
        "rcode: \"OK\" is not allowed; an rcode: \"NOERROR\", \"NXDOMAIN\", \"REFUSED\", \"SERVFAIL\", \"NOTIMP\", \"FORMERR\" or \"NOTAUTH\"",
    ),
    (
        "type = \"dns\"",
        "answer = \"2001:db8::1\"",
        "answer: \"2001:db8::1\" is not allowed; an IPv4 address, as query_type is A",
    ),
    (
        "type = \"dns\", query_type = \"AAAA\"",
        "answer = \"192.0.2.1\"",
        "answer: \"192.0.2.1\" is not allowed; an IPv6 address, as query_type is AAAA",
    ),
    (
        "type = \"dns\", rcode = \"NXDOMAIN\"",
        "answer = \"192.0.2.1\"",
        "answer: not used with rcode = \"NXDOMAIN\", where there is no answer",
    ),
    (
        "type = \"dns\"",
        "transport = \"tls\"",
        "transport: \"tls\" is not allowed; \"udp\" or \"tcp\"",
    ),
];

#[test]
fn each_value_of_a_check_that_is_refused_says_which_ones_are_allowed() {
    let mut wrong = Vec::new();
    for (others, value, want) in VALUES {
        let want = format!("goavail.toml:1: check.{want}");
        let got = problem_of(&format!("{others}, {value}"));
        if got != want {
            wrong.push(format!("{value}\n  want {want}\n  got  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_key_of_another_type_is_refused_with_the_types_that_have_it() {
    let rows: [(&str, &str, &[&str]); 4] = [
        ("path", "\"/\"", &["http", "https"]),
        ("tls", "\"off\"", &["https"]),
        ("command", "[\"/bin/true\"]", &["exec"]),
        ("query", "\"www.example.com\"", &["dns"]),
    ];
    for (key, value, types) in rows {
        let quoted: Vec<String> = types.iter().map(|kind| format!("\"{kind}\"")).collect();
        let want =
            format!("goavail.toml:1: check.{key}: belongs to type = {} only", quoted.join(" or "));
        for kind in ["icmp", "tcp", "http", "https", "exec", "dns"] {
            let check = format!("check = {{ type = \"{kind}\", {key} = {value} }}");
            let problems = read(&with_top(&check)).err().unwrap_or_default();
            assert_eq!(problems.contains(&want), !types.contains(&kind), "{check}: {problems:?}");
        }
    }
}
