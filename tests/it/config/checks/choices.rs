//! Choices of checks that are refused.

use super::super::read;
use super::with_top;

/// Lines at the top of a file of one service, and its only problem.
const CHOICES: &[(&str, &str)] = &[
    (
        "check = { port = 5 }",
        "goavail.toml:1: check.type: missing; \"icmp\", \"tcp\", \"http\", \"https\", \"exec\" or \"dns\"",
    ),
    (
        "check = {}",
        "goavail.toml:1: check.type: missing; \"icmp\", \"tcp\", \"http\", \"https\", \"exec\" or \"dns\"",
    ),
    (
        "check = { type = \"tcp\" }",
        "goavail.toml:1: check.port: missing; the TCP port, an integer from 1 to 65535",
    ),
    (
        "check = { type = \"exec\" }",
        "goavail.toml:1: check.command: missing; a list with a program and its arguments, such as [\"/usr/lib/nagios/plugins/check_smtp\", \"-H\", \"{address}\"]",
    ),
    (
        "check = { type = \"htps\" }",
        "goavail.toml:1: check.type: \"htps\" is not allowed; \"icmp\", \"tcp\", \"http\", \"https\", \"exec\" or \"dns\"",
    ),
    (
        "check = 5",
        "goavail.toml:1: check: 5 is not allowed; the name of a check, or a table such as { type = \"tcp\", port = 443 }",
    ),
    (
        "check = [\"web\"]",
        "goavail.toml:1: check: [\"web\"] is not allowed; the name of a check, or a table such as { type = \"tcp\", port = 443 }",
    ),
    (
        "check = \"web\"",
        "goavail.toml:1: check: \"web\" is not allowed here, since TOML has no room for [check.NAME] beside it; name a check as checks = [\"web\"]",
    ),
    (
        "check = \"wbe\"\n[check.web]\ntype = \"icmp\"",
        "goavail.toml:2: not valid TOML: cannot extend value of type string with a dotted key: check has a value, which leaves no room for [check.NAME]; checks = [...] has names and tables",
    ),
    (
        "checks = [\"wbe\"]\n[check.web]\ntype = \"icmp\"",
        "goavail.toml:1: checks: there is no check \"wbe\"; did you mean \"web\"?",
    ),
    (
        "checks = []",
        "goavail.toml:1: checks: [] is not allowed; a list, such as [\"web\", { type = \"icmp\" }]",
    ),
    (
        "checks = { type = \"icmp\" }",
        "goavail.toml:1: checks: a table is not allowed; a list, such as [\"web\", { type = \"icmp\" }]",
    ),
    (
        "checks = [5]",
        "goavail.toml:1: checks: 5 is not allowed; the name of a check, or a table such as { type = \"tcp\", port = 443 }",
    ),
    (
        "checks = [{ type = \"icmp\" },\n{ type = \"tcp\" }]",
        "goavail.toml:2: checks[2].port: missing; the TCP port, an integer from 1 to 65535",
    ),
    (
        "checks = [{ type = \"icmp\" }, { type = \"icmp\" }]",
        "goavail.toml:1: checks[2]: asks the same as icmp, in the same list",
    ),
    (
        "checks = [\"web\", \"web\"]\n[check.web]\ntype = \"icmp\"",
        "goavail.toml:1: checks: asks the same as web, in the same list",
    ),
    (
        "checks = [{ type = \"icmp\", mode = \"watch\" }, { type = \"tcp\", port = 5, mode = \"watch\" }]",
        "goavail.toml:1: checks: no check is counted, so no target could ever be down; at least one has mode = \"count\"",
    ),
    (
        "check = { type = \"icmp\" }\nchecks = [{ type = \"tcp\", port = 5 }]",
        "goavail.toml:2: checks: not used together with check, line 1; put that into the list",
    ),
    (
        "require = \"any\"",
        "goavail.toml:1: require: not used with one counted check; checks = [...] has several",
    ),
    (
        "require = 1\ncheck = { type = \"icmp\" }",
        "goavail.toml:1: require: not used with one counted check; checks = [...] has several",
    ),
    (
        "require = 3\nchecks = [{ type = \"icmp\" }, { type = \"tcp\", port = 5 }]",
        "goavail.toml:1: require: 3 is more than the 2 counted checks; no target could ever be up",
    ),
    (
        "require = 0\nchecks = [{ type = \"icmp\" }, { type = \"tcp\", port = 5 }]",
        "goavail.toml:1: require: 0 is not allowed; \"all\", \"any\", or the number of checks that must be up, from 1",
    ),
    (
        "require = \"some\"\nchecks = [{ type = \"icmp\" }, { type = \"tcp\", port = 5 }]",
        "goavail.toml:1: require: \"some\" is not allowed; \"all\", \"any\", or the number of checks that must be up, from 1",
    ),
    (
        "canaries = [{ address = \"192.0.2.80\", check = \"wbe\" }]\n[check.web]\ntype = \"icmp\"",
        "goavail.toml:1: canaries: there is no check \"wbe\"; did you mean \"web\"?",
    ),
    (
        "canaries = [{ address = \"192.0.2.80\", check = \"web\" }]\n[check.web]\ntype = \"https\"",
        "goavail.toml:2: check.web.host: missing; a name such as \"www.example.com\": a canary belongs to no service",
    ),
    (
        "canaries = [{ address = \"192.0.2.80\" }]",
        "goavail.toml:1: canaries.check: missing; the name of a check; without one a canary is its address alone",
    ),
    (
        "canaries = [{ address = \"192.0.2.80\", chek = \"web\" }]",
        "goavail.toml:1: canaries.chek: not a known key; a canary has address and check",
    ),
    (
        "canaries = [{ address = \"router\", check = \"web\" }]",
        "goavail.toml:1: canaries.address: \"router\" is not allowed; an IP address, such as \"192.0.2.10\"",
    ),
];

#[test]
fn each_choice_of_checks_that_is_refused_says_why() {
    let mut wrong = Vec::new();
    for (lines, want) in CHOICES {
        let got = read(&with_top(lines)).err().unwrap_or_default().join(" | ");
        if got != *want {
            wrong.push(format!("{lines}\n  want {want}\n  got  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
