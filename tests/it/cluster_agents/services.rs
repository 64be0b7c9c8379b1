//! Clusters with several services: each has its own votes, and an agent that lacks one, or has the
//! old form of the file, or is a Go agent, is named and harms nothing.

use std::net::IpAddr;

use goavail::engine::types::Vote;
use goavail::testing::cluster::{Seal, wire};
use secrecy::SecretString;

use super::harness::{
    Harness, KEY, Members, ZONE, about, alive, cloudflare_section, count, first, name, next, peer,
    zone_section,
};
use super::reloads::reload;
use super::scripted_peer::{answering, post, vote};
use crate::agent::Agent;
use crate::lab::{Place, link_v4, run, v4};

/// As a Go agent answers.
const GO: &str = "HTTP/1.1 200 OK\r\nDate: Thu, 07 Dec 2017 12:00:00 GMT\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n";

/// The section about one service, which is published at its own name.
fn service_section(name: &str, targets: &[IpAddr]) -> String {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    format!(
        "[[service]]\nname = \"{name}\"\nhostnames = [\"{name}\"]\nip_addresses = {targets:?}\n"
    )
}

impl Harness {
    /// Lets `targets` answer, and puts them into the zone at the name of a service.
    fn publish_at(&self, service: &str, targets: &[IpAddr]) {
        self.lab.add(targets);
        let name = format!("{service}.{ZONE}");
        for target in targets {
            self.cloudflare.zone(|zone| _ = zone.seed("A", &name, &target.to_string()));
        }
    }

    /// Waits until the zone holds exactly `targets` at the name of a service.
    fn until_published(&self, service: &str, targets: &[IpAddr]) {
        let name = format!("{service}.{ZONE}");
        let mut wanted: Vec<_> = targets.iter().map(ToString::to_string).collect();
        wanted.sort();
        // Each change is followed by a listing.
        loop {
            let requests = self.cloudflare.log().len();
            if self.cloudflare.zone(|zone| zone.contents("A", &name)) == wanted {
                break;
            }
            self.until(|log| log.len() > requests);
        }
        // The zone shows a change before it is answered, and counted.
        self.until(|log| log.iter().all(|entry| !entry.writes() || entry.answered.is_some()));
    }
}

fn web() -> [IpAddr; 2] {
    [v4(1), v4(2)]
}

fn mail() -> [IpAddr; 2] {
    [v4(3), v4(4)]
}

/// The services `www` and `mail`.
fn both() -> String {
    [zone_section(), service_section("www", &web()), service_section("mail", &mail())].concat()
}

/// The same services in the other order.
fn turned() -> String {
    [zone_section(), service_section("mail", &mail()), service_section("www", &web())].concat()
}

fn harness(agents: usize) -> Harness {
    let harness = Harness::new(agents, &[]);
    harness.publish_at("www", &web());
    harness.publish_at("mail", &mail());
    harness
}

/// Starts agents with these sections, in place 0, 1 and so on, and waits until each has confirmed
/// all its targets and knows the others.
fn start(harness: &Harness, members: &Members, sections: &[String]) -> Vec<Agent> {
    let mut agents = vec![];
    for (index, sections) in sections.iter().enumerate() {
        let config = members.config_with(name(index), sections);
        let debug = "info,goavail::cluster=debug";
        agents.push(harness.setup(index, &config).env("RUST_LOG", debug).start());
    }
    for (index, agent) in agents.iter_mut().enumerate() {
        for target in web().into_iter().chain(mail()) {
            if sections[index].contains(&format!("\"{target}\"")) {
                first(agent, &["target confirmed up", &about(target)]);
            }
        }
        for other in (0..sections.len()).filter(|other| *other != index) {
            alive(agent, other);
        }
    }
    agents
}

/// The same services, with another name for `www`.
fn renamed() -> String {
    both().replacen("\nname = \"www\"", "\nname = \"web\"", 1)
}

/// Waits until `agent` has received the vote of `voter` on a target so many times from now on.
fn votes(agent: &mut Agent, voter: usize, target: IpAddr, times: usize) {
    for _ in 0..times {
        let voter = format!("peer={}", name(voter));
        next(agent, &["vote received", &voter, &about(target)]);
    }
}

#[test]
fn agents_agree_about_each_service_by_itself_whatever_the_order_in_their_files() {
    run(|| {
        let harness = harness(3);
        let members = Members::new(3, &[]);
        let mut agents = start(&harness, &members, &[both(), turned(), both()]);
        // The replies of one target of `mail` do not reach agent 0.
        let (target, blind) = (mail()[0], link_v4(Place::Agent(0)));
        harness.lab.world().ip(&format!("rule add prio 1 from {target} to {blind} blackhole\n"));
        let refused = ["refused to act", "reason=\"no_quorum\"", &about(target)];
        first(&mut agents[0], &refused);
        harness.lab.remove(&[web()[0]]);
        harness.until_published("www", &web()[1..]);
        assert_eq!(harness.changes(), 1);
        harness.lab.remove(&[target]);
        harness.until_published("mail", &mail()[1..]);
        assert_eq!(harness.changes(), 2);
        harness.lab.world().ip("rule del prio 1\n");
        harness.lab.add(&[web()[0], target]);
        harness.until_published("www", &web());
        harness.until_published("mail", &mail());
        for agent in &mut agents {
            assert_eq!(count(agent, &["refused a vote"]), 0);
            assert_eq!(count(agent, &["peer does not watch"]), 0);
        }
    });
}

/// Agent 2 has the file of one service, and agent 1 lacks `mail`. Where two are enough, the quorum
/// comes from the others.
#[test]
fn agents_that_lack_a_service_are_named_once_and_harm_nothing() {
    run(|| {
        let harness = harness(3);
        let members = Members { targets: web().into(), ..Members::new(3, &[]) };
        let old = cloudflare_section(&web());
        let www = [zone_section(), service_section("www", &web())].concat();
        let mut agents = start(&harness, &members, &[both(), www, old]);
        let missing = harness.until_status(0, |status| {
            [(1, 1), (2, 2)].iter().all(|&(it, many)| peer(status, it).no_vote_on.len() == many)
        });
        assert_eq!(peer(&missing, 1).no_vote_on, ["mail"]);
        let last = format!("peer={}", name(2));
        for (index, services) in [(0, "mail, www"), (1, "www")] {
            let line = first(&mut agents[index], &["peer does not watch these services", &last]);
            assert!(line.has(&[&format!("services=\"{services}\"")]), "{line:?}");
            first(&mut agents[index], &["peer votes on a service", &last, "`default`"]);
        }
        for index in [0, 1] {
            let its = format!("peer={}", name(index));
            first(&mut agents[2], &["peer votes on a service", &its]);
            first(&mut agents[2], &["peer rejected our vote", &its, "status=404"]);
        }
        harness.lab.remove(&[web()[0]]);
        harness.until_published("www", &web()[1..]);
        // Nobody can agree about `mail`.
        harness.lab.remove(&[mail()[0]]);
        let refused = ["refused to act", "reason=\"no_quorum\"", &about(mail()[0])];
        first(&mut agents[0], &refused);
        // All votes are repeated in this time.
        votes(&mut agents[0], 1, web()[1], 3);
        harness.until_published("mail", &mail());
        for (index, named) in [(0, 2), (1, 1), (2, 0)] {
            let times = count(&mut agents[index], &["peer does not watch these services"]);
            assert_eq!(times, named, "agent {index}");
        }
        for (index, agent) in agents.iter_mut().enumerate() {
            let times = count(agent, &["peer votes on a service"]);
            assert_eq!(times, [1, 2, 2][index], "agent {index}");
            assert_eq!(count(agent, &["refused a vote"]), 0, "agent {index}");
        }
    });
}

/// Lets a Go agent vote again and again on a target of `default`, to agents with and without a
/// service of that name.
fn a_go_agent_votes(key: Option<&'static str>, has_default: bool) {
    let harness = harness(3);
    let bodies = answering(&harness, harness.listen(2, name(2)), GO);
    let members = Members { key, ..Members::new(3, &[]) };
    let default = if has_default { "default" } else { "other" };
    let sections = [both(), service_section(default, &[v4(5)])].concat();
    harness.publish_at(default, &[v4(5)]);
    let mut agents = vec![];
    for index in [0, 1] {
        let config = members.config_with(name(index), &sections);
        let config = config.replace("require_signed = true", "");
        let debug = "info,goavail::cluster=debug";
        agents.push(harness.setup(index, &config).env("RUST_LOG", debug).start());
    }
    for (index, agent) in agents.iter_mut().enumerate() {
        alive(agent, 1 - index);
        first(agent, &["target confirmed up", &about(v4(5))]);
    }
    let seal = key.map(|key| Seal::new(&SecretString::from(key)).unwrap());
    for _ in 0..3 {
        let body = wire::encode(seal.as_ref(), name(2), v4(5), Vote::Down).unwrap();
        let status = match (has_default, key) {
            (true, _) => 200,
            (false, None) => 404,
            (false, Some(_)) => 401,
        };
        for to in [name(0), name(1)] {
            assert_eq!(post(&harness, 2, to, &vote(to, &body, "")), status);
        }
    }
    let named = if has_default { "peer is a Go agent" } else { "peer votes on a service" };
    let go = format!("peer={}", name(2));
    for agent in &mut agents {
        first(agent, &[named, &go]);
    }
    harness.lab.remove(&[mail()[0]]);
    harness.until_published("mail", &mail()[1..]);
    votes(&mut agents[0], 1, web()[0], 2);
    for agent in &mut agents {
        assert_eq!(count(agent, &[named, &go]), 1, "{key:?} {has_default}");
    }
    let foreign = bodies.try_iter().filter(|body| body.contains("Service")).count();
    assert_eq!(foreign, 0, "{key:?} {has_default}");
}

#[test]
fn a_go_agent_with_the_key_has_no_vote_on_services_and_is_named_once() {
    run(|| a_go_agent_votes(Some(KEY), true));
}

#[test]
fn a_go_agent_in_clear_has_no_vote_on_services_and_is_named_once() {
    run(|| a_go_agent_votes(None, false));
}

#[test]
fn a_go_agent_with_the_key_has_no_vote_where_no_service_is_the_default_and_is_named_once() {
    run(|| a_go_agent_votes(Some(KEY), false));
}

/// The files are changed one after the other.
#[test]
fn a_service_that_is_renamed_by_reloads_is_named_while_the_files_differ_and_not_after() {
    run(|| {
        let harness = harness(2);
        let members = Members { min: 1, ..Members::new(2, &[]) };
        let mut agents = start(&harness, &members, &[both(), both()]);
        for target in web() {
            first(&mut agents[1], &["vote received", &about(target)]);
        }
        reload(&mut agents[1], &members.config_with(name(1), &renamed()));
        let missing = harness.until_status(0, |status| !peer(status, 1).no_vote_on.is_empty());
        assert_eq!(peer(&missing, 1).no_vote_on, ["www"]);
        first(&mut agents[0], &["peer does not watch these services", "services=\"www\""]);
        reload(&mut agents[0], &members.config_with(name(0), &renamed()));
        for (agent, other) in [(0, 1), (1, 0)] {
            harness.until_status(agent, |status| peer(status, other).no_vote_on.is_empty());
        }
        // All votes and unanswered retractions are repeated in this time.
        votes(&mut agents[1], 0, web()[1], 3);
        assert_eq!(count(&mut agents[0], &["peer does not watch these services"]), 1);
        for agent in &mut agents {
            assert_eq!(count(agent, &["peer rejected our vote"]), 0);
        }
    });
}
