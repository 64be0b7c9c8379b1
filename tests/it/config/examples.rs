//! The files in `examples/`: each is good as it stands, and each of its keys that are comments is good too.

use std::path::{Path, PathBuf};

use goavail::testing::settings::{Config, parse};

use super::ASKED;
use crate::lab;

/// The names of the files.
const EXAMPLES: [&str; 10] = [
    "services",
    "https",
    "cloudflare-https",
    "exec",
    "nameservers",
    "active-standby",
    "rfc2136",
    "webhook",
    "notify",
    "cluster",
];

/// The program that the example of a command starts, in Debian's `monitoring-plugins-basic`.
const PLUGIN: &str = "/usr/lib/nagios/plugins/check_smtp";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.toml"))
}

/// Returns an example; `None` if this machine lacks a program that it needs.
fn text(name: &str) -> Option<String> {
    if name == "exec" && !Path::new(PLUGIN).exists() {
        lab::skip("no Nagios plugins; install monitoring-plugins-basic");
        return None;
    }
    Some(std::fs::read_to_string(path(name)).expect("the example is there"))
}

fn read(name: &str, text: &str) -> Result<Config, Vec<String>> {
    parse(text, &path(name), &ASKED, &|_| None)
        .map_err(|errors| errors.problems().iter().map(ToString::to_string).collect())
}

#[test]
fn each_example_is_good_with_every_guard_on_and_stays_on_this_machine() {
    for name in EXAMPLES {
        let Some(text) = text(name) else { continue };
        let config = read(name, &text).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert!(config.warnings.is_empty(), "{name}: {:?}", config.warnings);
        assert!(config.guards_off.is_empty(), "{name}: {:?}", config.guards_off);
        let mut targets = config.services.iter().flat_map(|service| &service.targets);
        assert!(targets.all(std::net::IpAddr::is_loopback), "{name}");
    }
}

#[test]
fn each_key_of_an_example_that_is_a_comment_is_good_by_itself_or_names_a_file_that_is_not_there() {
    let mut found = 0;
    for name in EXAMPLES {
        let Some(text) = text(name) else { continue };
        for line in text.lines() {
            let is_key = line.strip_prefix('#').is_some_and(|bare| {
                bare.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
            });
            if !is_key {
                continue;
            }
            found += 1;
            let with = text.replacen(line, &line[1..], 1);
            for problem in read(name, &with).err().unwrap_or_default() {
                let is_file =
                    ["_file", "client_cert", "client_key"].iter().any(|key| line.contains(key));
                assert!(is_file || line.contains("profile"), "{name}: {line}: {problem}");
            }
        }
    }
    assert!(found > 20, "{found}");
}
