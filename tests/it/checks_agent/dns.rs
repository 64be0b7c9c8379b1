//! One agent that asks name servers: BIND with a view for each of two addresses, and another one at a
//! third.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use rustix::process::Signal;

use super::servers::{DOMAIN, NAMED, Server, ZoneOfView, are_installed, bind, views};
use crate::agent::{Agent, Setup, Within};
use crate::lab::{Namespace, run, v4};

const PACE: &str = "interval = 0.5\ntimeout = 1.5\nretry_interval = 0.2\nfailure_threshold = 3\n";

/// A zone in which `www` has this address.
fn zone(address: &str) -> String {
    format!(
        "$TTL 60\n@ IN SOA ns.{DOMAIN}. admin.{DOMAIN}. 1 3600 600 86400 60\n@ IN NS ns\n\
         ns IN A 127.0.0.1\nwww IN A {address}\nwww.new IN A 192.0.2.1\nold IN DNAME new.{DOMAIN}.\n\
         text IN TXT none\n"
    )
}

/// The zones of a view where all is well.
const WELL: &[ZoneOfView<'_>] = &[("example.com", "good.zone"), ("example.net", "good.zone")];

/// The files of a name server with these views.
fn files(folder: &Path, all: &[(IpAddr, &[ZoneOfView<'_>])]) -> Vec<(&'static str, String)> {
    vec![
        ("good.zone", zone("192.0.2.1")),
        ("second.zone", zone("192.0.2.1")),
        ("broken.zone", "@ IN NONSENSE\n".to_owned()),
        ("named.conf", views(folder, all)),
    ]
}

/// Returns the file with a service for each question.
fn config(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut text = format!("{PACE}[zone.main]\nprovider = \"cloudflare\"\ndomain = \"{DOMAIN}\"\n");
    for (name, keys) in [
        ("www", "answer = \"192.0.2.1\""),
        ("net", "query = \"example.net\"\nquery_type = \"SOA\""),
        ("old", "query = \"www.old.example.com\"\nanswer = \"192.0.2.1\""),
        ("none", "query = \"text.example.com\"\nanswer = \"192.0.2.1\""),
    ] {
        let _ = write!(
            text,
            "[check.{name}]\ntype = \"dns\"\n{keys}\n[[service]]\nname = \"{name}\"\n\
             hostnames = [\"{name}\"]\ncheck = \"{name}\"\nip_addresses = {addresses:?}\n"
        );
    }
    text
}

/// Waits until a target of a service goes for this reason.
fn goes(agent: &mut Agent, (service, address): (&str, IpAddr), reason: &str) {
    let (service, target) = (format!("service={service} "), format!("target={address} "));
    let down = agent.nth(1, &["target down", &service, &target]);
    assert!(down.has(&[reason]), "{down:?}");
    agent.nth(1, &["would withdraw", &service, &target]);
}

/// Waits until a target of `www` comes back.
fn comes_back(agent: &mut Agent, address: IpAddr) {
    agent.nth(1, &["would restore", "service=www ", &format!("target={address} ")]);
}

fn reload(server: &Server, all: &[(IpAddr, &[ZoneOfView<'_>])]) {
    server.write("named.conf", &views(server.folder.path(), all));
    server.signal(Signal::HUP);
}

#[test]
fn a_name_server_goes_for_another_answer_or_none_and_comes_back() {
    if are_installed(&[NAMED]) {
        run(|| {
            ask_name_servers();
        });
    }
}

fn ask_name_servers() {
    let place = Namespace::new("name servers");
    let addresses = [1, 2, 3].map(v4);
    for address in addresses {
        place.ip(&format!("addr add {address}/32 dev lo\n"));
    }
    let [one, two, three] = addresses;
    let second: &[ZoneOfView<'_>] =
        &[("example.com", "second.zone"), ("example.net", "broken.zone")];
    let both = [(one, WELL), (two, second)];
    let first_server = bind(&place, |folder| files(folder, &both));
    let last_server = bind(&place, |folder| files(folder, &[(three, WELL)]));
    let text = config(&addresses);
    let mut agent = Setup::new(&text, Within::Lab(&place)).args(["monitor"]).start();
    for (service, count) in [("www", 3), ("net", 2), ("old", 3)] {
        // prometheus/blackbox_exporter#616: an alias by DNAME on the way to the record (`old`).
        agent.nth(count, &["target confirmed up", &format!("service={service} ")]);
    }
    // coredns/coredns#7184: a zone that the server cannot load, and a check that calls it well.
    goes(&mut agent, ("net", two), "SERVFAIL");
    // PowerDNS/pdns#7848: NOERROR without a record, and a check that calls it well. All three answer so.
    agent.nth(1, &["targets fail alike", "service=none"]);
    agent.nth(3, &["target down", "service=none"]);
    assert!(agent.lines_with(&["would withdraw", "service=none"]).is_empty());

    first_server.write("second.zone", &zone("192.0.2.9"));
    first_server.signal(Signal::HUP);
    last_server.signal(Signal::STOP);
    goes(&mut agent, ("www", two), "192.0.2.9");
    goes(&mut agent, ("www", three), "");
    first_server.write("second.zone", &zone("192.0.2.1"));
    let elsewhere: &[ZoneOfView<'_>] = &[("example.net", "good.zone")];
    last_server.signal(Signal::CONT);
    comes_back(&mut agent, three);
    reload(&first_server, &[(one, elsewhere), (two, second)]);
    goes(&mut agent, ("www", one), "REFUSED");
    comes_back(&mut agent, two);
    reload(&first_server, &both);
    comes_back(&mut agent, one);
}
