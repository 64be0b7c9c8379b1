//! A death and a return, and all that lies beside them in the zone.

use std::net::IpAddr;

use super::{
    Harness, QUICK, WWW, cloudflare_in, config, first, nth, publish, setup, target, until, writes,
};
use crate::agent::{Agent, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, Record};
use crate::lab::{Lab, run, v4, v6};

/// Everything in the zone but the identifiers, sorted.
fn holds(cloudflare: &FakeCloudflare) -> Vec<String> {
    let text = |record: &Record| format!("{:?}", Record { id: String::new(), ..record.clone() });
    let mut records: Vec<_> = cloudflare.zone(|zone| zone.records.iter().map(text).collect());
    records.sort();
    records
}

/// `before` without the records that `gone` picks.
fn without(before: &[String], gone: impl Fn(&str) -> bool) -> Vec<String> {
    before.iter().filter(|record| !gone(record)).cloned().collect()
}

const NAMES: [&str; 3] = [WWW, "api.example.com", "example.com"];

/// A zone of the kind that grows over years: three pages of it, and everything at once that could
/// be mistaken for a managed record.
fn furnish(cloudflare: &FakeCloudflare, [dead, alive, dead6, alive6]: [IpAddr; 4]) {
    publish(cloudflare, &NAMES, &[dead, alive, dead6, alive6]);
    let dead = dead.to_string();
    cloudflare.zone(|zone| {
        for n in 0..130 {
            zone.seed("A", &format!("host{n}.example.com"), &format!("198.51.100.{n}"));
        }
        zone.seed("A", WWW, "203.0.113.9");
        zone.seed("A", "other.example.com", &dead);
        zone.seed("A", "www.example.com.example.com", &dead);
        zone.seed("A", "ww.example.com", &dead);
        zone.seed("TXT", WWW, &dead);
        zone.seed("MX", "example.com", "mail.example.com");
        zone.seed("CNAME", "alias.example.com", WWW);
        for record in &mut zone.records {
            match (record.name.as_str(), record.content == dead) {
                (WWW, true) => {
                    (record.ttl, record.comment) = (300, Some("ask Ann before touching".into()));
                }
                ("api.example.com", true) => {
                    (record.ttl, record.proxied, record.tags) = (1, true, vec!["team:api".into()]);
                    // Without it no private address can be proxied.
                    record.more.insert("private_routing".to_owned(), true.into());
                }
                _ => {}
            }
        }
    });
}

#[test]
fn a_death_takes_out_its_own_records_and_the_return_brings_all_back() {
    run(|| {
        let harness =
            Harness::with(fake_cloudflare::Setup { largest_page: 50, ..Default::default() });
        let [dead, alive, dead6, alive6] = [v4(1), v4(2), v6(1), v6(2)];
        let addresses = [dead, alive, dead6, alive6];
        harness.lab.add(&addresses);
        furnish(&harness.cloudflare, addresses);
        let before = holds(&harness.cloudflare);
        let names = ["www", "api", "@"];
        let mut agent =
            harness.confirmed(&config(QUICK, &names, &addresses, &harness.cloudflare), 4);
        assert_eq!(writes(&harness.cloudflare), 0, "all is as it should be");

        harness.lab.remove(&[dead, dead6]);
        for address in [dead, dead6] {
            let line = first(&mut agent, &["withdrew", &target(address)]);
            assert!(NAMES.iter().all(|name| line.has(&[name])), "{}", line.text);
        }
        let is_gone = |record: &str| {
            let of_type = |kind, address: IpAddr| {
                record.contains(&format!("kind: {kind:?}"))
                    && record.contains(&format!("content: \"{address}\""))
            };
            let managed = NAMES.iter().any(|name| record.contains(&format!("name: {name:?}")));
            managed && (of_type("A", dead) || of_type("AAAA", dead6))
        };
        assert_eq!(holds(&harness.cloudflare), without(&before, is_gone));
        assert_eq!(
            before.len() - holds(&harness.cloudflare).len(),
            6,
            "two addresses, three names"
        );

        harness.lab.add(&[dead, dead6]);
        for address in [dead, dead6] {
            first(&mut agent, &["restored", &target(address)]);
        }
        assert_eq!(holds(&harness.cloudflare), before, "with TTL, proxy, comment and tags");
    });
}

#[test]
fn duplicates_go_together_and_one_of_them_comes_back() {
    run(|| {
        let harness = Harness::serving(&[v4(1), v4(2)]);
        let before = holds(&harness.cloudflare);
        publish(&harness.cloudflare, &[WWW, WWW], &[v4(1)]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1), v4(2)]), 2);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
        assert_eq!(harness.in_service(), [v4(2).to_string()]);
        harness.lab.add(&[v4(1)]);
        first(&mut agent, &["restored"]);
        assert_eq!(holds(&harness.cloudflare), before);
    });
}

/// The requests of one agent's life: start, a death, a return.
fn life(lab: &Lab, cloudflare: &FakeCloudflare, names: &[&str], address: IpAddr) -> Agent {
    let absolute: Vec<_> = names.iter().map(|name| format!("{name}.example.com")).collect();
    let absolute: Vec<_> = absolute.iter().map(String::as_str).collect();
    publish(cloudflare, &absolute, &[address]);
    let text = config(QUICK, names, &[address], cloudflare);
    let mut agent =
        setup(&text, Within::Lab(lab.agent(0))).args(["--no-dry-run", "monitor"]).start();
    first(&mut agent, &["target confirmed up"]);
    lab.remove(&[address]);
    first(&mut agent, &["withdrew"]);
    assert!(cloudflare.zone(|zone| zone.records.is_empty()));
    lab.add(&[address]);
    first(&mut agent, &["restored"]);
    assert_eq!(cloudflare.zone(|zone| zone.records.len()), names.len());
    // The change is read once more.
    until(cloudflare, |log| {
        let written = log.iter().rposition(Entry::writes).unwrap_or_default();
        log[written..].iter().filter(|entry| entry.lists()).count() == 2
    });
    agent
}

#[test]
fn fifty_names_cost_as_many_requests_as_one() {
    run(|| {
        let lab = Lab::new();
        let many: Vec<_> = (0..50).map(|n| format!("n{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let requests = |names: &[&str], address| {
            lab.add(&[address]);
            let cloudflare = cloudflare_in(lab.agent(0), fake_cloudflare::Setup::default());
            let _agent = life(&lab, &cloudflare, names, address);
            let asked = |entry: Entry| format!("{} {}", entry.method, entry.path);
            cloudflare.log().into_iter().map(asked).collect::<Vec<_>>()
        };
        let one = requests(&["www"], v4(1));
        let other = requests(&many, v4(2));
        // On a busy machine the reading in advance may come too late to be one of its own.
        assert!(other.len().abs_diff(one.len()) <= 2, "{other:#?}\n{one:#?}");
        let written = |requests: &[String]| {
            let writes = requests.iter().filter(|asked| !asked.starts_with("GET"));
            writes.cloned().collect::<Vec<_>>()
        };
        assert_eq!(written(&other), written(&one), "request for request");
        let writing = one.iter().filter(|asked| asked.ends_with("/batch")).count();
        assert_eq!(writing, 2, "one to withdraw, one to restore");
        eprintln!("a start, a death and a return: {} requests", one.len());
    });
}

#[test]
fn targets_that_die_together_are_withdrawn_together_and_the_others_stay() {
    run(|| {
        let addresses: Vec<_> = (1..=8).map(v4).collect();
        let harness = Harness::serving(&addresses);
        let mut agent = harness.confirmed(&harness.config("", &addresses), 8);
        harness.lab.remove(&addresses[..4]);
        nth(&mut agent, 4, &["withdrew"]);
        let left: Vec<_> = addresses[4..].iter().map(ToString::to_string).collect();
        assert_eq!(harness.in_service(), left);
        assert_eq!(super::count(&mut agent, &["target down"]), 4);
    });
}
