//! Several services in one agent are the same as an agent for each.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;
use serde_json::Value;

use super::account::Account;
use super::scenario::{MACHINES, Scenario, scenarios};
use super::{Machines, confirmed, contents, settle};
use crate::agent::{Agent, PATIENT};
use crate::fake_cloudflare::Entry;
use crate::notify::Server;

/// Returns the scenarios to run: a few, or as many as `GOAVAIL_SCENARIOS` says.
fn selected() -> Vec<Scenario> {
    let count = std::env::var("GOAVAIL_SCENARIOS").ok().and_then(|count| count.parse().ok());
    scenarios(count.unwrap_or(3))
}

/// The records that a Cloudflare created and deleted: how many, and the new ones.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    created: BTreeMap<String, usize>,
    deleted: usize,
}

/// Returns the records that the requests in `log` created and deleted.
fn written(log: &[Entry]) -> Written {
    let mut written = Written { created: BTreeMap::new(), deleted: 0 };
    for entry in log.iter().filter(|entry| entry.writes()) {
        let created = match &entry.body {
            body if entry.is_batch() => body["posts"].as_array().cloned().unwrap_or_default(),
            body if entry.method == "POST" => vec![body.clone()],
            _ => vec![],
        };
        for record in created {
            *written.created.entry(record.to_string()).or_default() += 1;
        }
        written.deleted += match &entry.body {
            body if entry.is_batch() => body["deletes"].as_array().map_or(0, Vec::len),
            _ => usize::from(entry.method == "DELETE"),
        };
    }
    written
}

/// One receiver's notices about targets: how often each kind was sent about each target of each
/// service.
type NoticeCounts = BTreeMap<(String, String, String), usize>;

/// Counts a notice; `service` is the service of all targets of a notice that names none.
fn count(counts: &mut NoticeCounts, notice: &Value, service: &str) {
    let kind = notice["kind"].as_str().unwrap();
    // A service counts as emptied when it is for a second; the agent may end before.
    if matches!(kind, "none_left" | "some_back") {
        return;
    }
    let mut services = BTreeMap::from([(service, &notice["targets"])]);
    if let Some(named) = notice["services"].as_object() {
        services = named.iter().map(|(name, targets)| (name.as_str(), targets)).collect();
    }
    for (service, targets) in services {
        for target in targets.as_array().unwrap() {
            let target = target.as_str().unwrap().to_owned();
            *counts.entry((kind.to_owned(), service.to_owned(), target)).or_default() += 1;
        }
    }
}

/// Ends an agent, which sends its last notices then, and returns all of them.
fn ended(agent: Agent, receiver: &mut Server) -> Vec<Value> {
    agent.signal(Signal::TERM);
    let ended = agent.wait_end(PATIENT);
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut notices = vec![];
    while let Some(notice) = receiver.received() {
        notices.push(notice);
    }
    notices
}

/// The targets that the floor keeps in DNS, by service, with the number of times that each of them was
/// kept so far.
#[derive(Debug, Default)]
struct Kept {
    now: BTreeSet<(usize, usize)>,
    begun: BTreeMap<(usize, usize), usize>,
}

impl Kept {
    /// Follows the addresses that are `shown`, and waits for the lines of `agent` about it;
    /// `service` is the place of the service, and `field` its name in a line.
    fn follow(
        &mut self,
        agent: &mut Agent,
        machines: &Machines,
        (service, targets): (usize, &BTreeSet<usize>),
        (shown, field): (&[String], &str),
    ) {
        for nth in targets {
            let (key, address) = ((service, *nth), machines.text(*nth));
            let line = format!("target={address} {field}reason=\"floor\"");
            let kept = !machines.is_alive(*nth) && shown.contains(&address);
            let begun = self.begun.entry(key).or_default();
            if kept && self.now.insert(key) {
                *begun += 1;
                agent.nth(*begun, &["refused to act", &line]);
            } else if !kept && self.now.remove(&key) {
                agent.nth(*begun, &["no longer refused", &line]);
            }
        }
    }
}

/// Runs a scenario with one agent for all services, and with an agent for each of them.
async fn compare(scenario: &Scenario, mut machines: Machines, [one, many]: [Account; 2]) {
    let services = &scenario.services;
    let top = |receiver: &Server| format!("webhook_url = \"{}\"\n", receiver.url);

    let mut receiver = Server::start(&[]).await;
    let text = machines.together(&top(&receiver), services, &one);
    let targets = services.iter().map(|service| service.targets.len()).sum();
    let mut together = confirmed(&one, &text, targets);
    let mut alone = vec![];
    for service in services {
        let receiver = Server::start(&[]).await;
        let text = machines.alone(&top(&receiver), service, &many);
        let agent = many.setup(&text).args(["--type", "tcp", "--dns-provider", many.provider()]);
        alone.push((agent.args(["--no-dry-run", "monitor"]).start(), receiver));
    }
    for ((agent, _), service) in alone.iter_mut().zip(services) {
        agent.nth(service.targets.len(), &["target confirmed up"]);
    }

    let (mut kept_by_one, mut kept_by_many) = (Kept::default(), Kept::default());
    for step in &scenario.steps {
        if machines.is_alive(*step) {
            machines.kill(*step);
        } else {
            machines.revive(*step);
        }
        settle(&mut together, &one, &machines, services).await;
        for ((agent, _), service) in alone.iter_mut().zip(services) {
            settle(agent, &many, &machines, std::slice::from_ref(service)).await;
        }
        let shown = contents(&one, services).await;
        assert_eq!(shown, contents(&many, services).await, "{scenario:#?}");
        for (nth, service) in services.iter().enumerate() {
            let addresses = &shown[&service.owner_names().next().unwrap()];
            let (place, agent) = ((nth, &service.targets), &mut alone[nth].0);
            let field = format!("service={} ", service.name);
            kept_by_one.follow(&mut together, &machines, place, (addresses, &field));
            kept_by_many.follow(agent, &machines, place, (addresses, ""));
        }
    }

    let (mut sent_by_one, mut sent_by_many) = (NoticeCounts::new(), NoticeCounts::new());
    for notice in ended(together, &mut receiver) {
        count(&mut sent_by_one, &notice, "no service");
    }
    for ((agent, mut receiver), service) in alone.into_iter().zip(services) {
        for notice in ended(agent, &mut receiver) {
            count(&mut sent_by_many, &notice, &service.name);
        }
    }
    assert_eq!(sent_by_one, sent_by_many, "{scenario:#?}");
    if let [Account::Cloudflare(one), Account::Cloudflare(many)] = [one, many] {
        assert_eq!(written(&one.log()), written(&many.log()), "{scenario:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn several_services_at_cloudflare_write_and_notify_as_an_agent_for_each() {
    for scenario in selected() {
        let machines = Machines::new(MACHINES);
        let accounts = [(); 2].map(|()| Account::cloudflare(&machines, &scenario.services));
        compare(&scenario, machines, accounts).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn several_services_at_route53_write_and_notify_as_an_agent_for_each() {
    for scenario in selected().into_iter().skip(1) {
        let machines = Machines::new(MACHINES);
        let Some(one) = Account::route53(&machines, &scenario.services).await else { return };
        let Some(many) = Account::route53(&machines, &scenario.services).await else { return };
        compare(&scenario, machines, [one, many]).await;
    }
}
