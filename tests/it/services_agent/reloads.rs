//! SIGHUP with several services: one is added, removed, renamed or moved, and the others go on.

use super::account::Account;
use super::{DOMAINS, Machines, ServiceSpec, confirmed, contents, settle};
use crate::agent::{Agent, PATIENT, Within};
use crate::fake_cloudflare::Entry;

/// The settings for the operator's commands.
const SOCKET: &str = "\n[Status]\nsocket = \"control.sock\"\n";

/// Runs a command of the operator, which must succeed.
fn run_command(agent: &Agent, arguments: &[&str]) {
    let (code, output) = agent.command(Within::Here, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {output}");
}

/// Two services on three machines, an agent for both, and its account.
struct Harness {
    machines: Machines,
    account: Account,
    services: Vec<ServiceSpec>,
    agent: Agent,
}

impl Harness {
    /// `www` is in the first zone and `mail` in the second one; the machine 1 is in both.
    fn new() -> Self {
        let machines = Machines::new(3);
        let mail = ServiceSpec { zone: 1, ..ServiceSpec::new("mail", [1, 2]) };
        let services = vec![ServiceSpec::new("www", [0, 1]), mail];
        let account = Account::cloudflare(&machines, &services);
        let agent = confirmed(&account, &machines.together(SOCKET, &services, &account), 4);
        Self { machines, account, services, agent }
    }

    /// Puts these services in force.
    fn reload(&mut self, services: Vec<ServiceSpec>) {
        self.services = services;
        let text = self.machines.together(SOCKET, &self.services, &self.account);
        self.agent.reload(&text);
    }

    /// Waits until the zones follow the machines.
    async fn settle(&mut self) {
        settle(&mut self.agent, &self.account, &self.machines, &self.services).await;
    }

    /// Returns the addresses at the only name of the service `name`.
    async fn published(&self, zone: usize, name: &str) -> Vec<String> {
        self.account.contents(zone, &format!("{name}.{}", DOMAINS[zone])).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_that_is_added_and_removed_moves_no_other() {
    let mut harness = Harness::new();
    harness.machines.kill(1);
    harness.settle().await;
    let both = harness.services.clone();

    // Its records are left as they are, and the other service still follows the machine.
    harness.reload(vec![both[1].clone()]);
    harness.machines.revive(1);
    harness.settle().await;
    assert_eq!(harness.published(0, "www").await, harness.machines.texts(&[0]));

    // Back in the file, it is watched again, and its own record comes back.
    harness.reload(both);
    harness.settle().await;
    assert_eq!(harness.published(0, "www").await, harness.machines.texts(&[0, 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_that_is_renamed_while_a_target_is_out_restores_it_when_it_answers() {
    let mut harness = Harness::new();
    harness.machines.kill(1);
    harness.settle().await;
    let mut services = harness.services.clone();
    services[0].name = "web".to_owned();
    harness.reload(services);
    let before = contents(&harness.account, &harness.services).await;
    harness.machines.kill(0);
    harness.settle().await;
    harness.machines.revive(0);
    harness.settle().await;
    assert_eq!(contents(&harness.account, &harness.services).await, before);
    harness.machines.revive(1);
    harness.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_zone_that_is_renamed_keeps_the_records_that_are_out() {
    let mut harness = Harness::new();
    harness.machines.kill(1);
    harness.settle().await;
    let text = harness.machines.together(SOCKET, &harness.services, &harness.account);
    harness.agent.reload(&text.replace("z0", "other"));
    let abandoned = harness.agent.lines_with(&["removed from the configuration"]);
    assert!(abandoned.is_empty(), "its record is restored: {abandoned:#?}");
    harness.machines.revive(1);
    harness.settle().await;
}

/// The settings of a withdrawn record belong to its domain, by whichever name its zone goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn records_come_back_as_they_were_though_their_zones_have_swapped_names() {
    let mut harness = Harness::new();
    let dead = harness.machines.text(1);
    harness.account.fake().zones(|zones| {
        for (zone, name, ttl) in [(0, "www.example.com", 300), (1, "mail.example.net", 600)] {
            let record = zones[zone].record("A", name, &dead);
            (record.ttl, record.comment) = (ttl, Some(format!("of {name}")));
        }
    });
    harness.machines.kill(1);
    harness.settle().await;
    let text = harness.machines.together(SOCKET, &harness.services, &harness.account);
    let swapped = text.replace("z0", "other").replace("z1", "z0").replace("other", "z1");
    harness.agent.reload(&swapped);
    harness.machines.revive(1);
    harness.settle().await;
    harness.account.fake().zones(|zones| {
        for (zone, name, ttl) in [(0, "www.example.com", 300), (1, "mail.example.net", 600)] {
            let record = zones[zone].record("A", name, &dead);
            let its = (record.ttl, record.comment.clone());
            assert_eq!(its, (ttl, Some(format!("of {name}"))), "{name}");
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drained_address_that_moves_to_another_service_stays_drained() {
    let mut harness = Harness::new();
    let drained = harness.machines.text(0);
    let target = format!("target={drained}");
    run_command(&harness.agent, &["drain", "--reason", "reboot", &drained]);
    harness.agent.nth(1, &["withdrew", &target]);
    let mut services = harness.services.clone();
    services[0].targets = [1].into();
    services[1].targets.insert(0);
    harness.reload(services);
    harness.agent.nth(2, &["verdict=\"out of service\"", &target]);
    assert!(!harness.published(1, "mail").await.contains(&drained));
    run_command(&harness.agent, &["undrain", &drained]);
    harness.settle().await;
    assert!(harness.published(1, "mail").await.contains(&drained));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_that_waits_for_a_removed_service_is_in_the_status_until_it_is_ended() {
    let mut harness = Harness::new();
    let drained = harness.machines.text(0);
    run_command(&harness.agent, &["drain", "--reason", "reboot", &drained]);
    harness.agent.nth(1, &["withdrew", &format!("target={drained}")]);
    harness.reload(vec![harness.services[1].clone()]);
    run_command(&harness.agent, &["drain", &harness.machines.text(1)]);
    let line = format!("drain waits: www/{drained} is not in the configuration: reboot");
    let (_, status) = harness.agent.command(Within::Here, &["status"]);
    assert!(status.contains(&line), "{status}");
    run_command(&harness.agent, &["undrain", &drained]);
    let (_, status) = harness.agent.command(Within::Here, &["status"]);
    assert!(!status.contains("drain waits"), "{status}");
}

/// The write that hangs is answered after the reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_while_a_write_hangs_in_one_zone_delays_no_other() {
    let mut harness = Harness::new();
    let cloudflare = harness.account.fake();
    let id = cloudflare.zones(|zones| zones[0].id.clone());
    let in_first_zone = move |entry: &Entry| entry.writes() && entry.path.contains(&id);
    let gate = cloudflare.hold(1, in_first_zone);
    harness.machines.kill(0);
    let written = cloudflare.wait(|log| log.iter().any(Entry::writes));
    tokio::time::timeout(PATIENT, written).await.unwrap();

    let mut services = harness.services.clone();
    let new = ServiceSpec { zone: 1, ..ServiceSpec::new("new", [1, 2]) };
    services.push(new);
    harness.reload(services);
    harness.machines.kill(2);
    // The new service creates its record for the living machine, and the old one loses the dead one.
    let others = harness.services[1..].to_vec();
    settle(&mut harness.agent, &harness.account, &harness.machines, &others).await;
    assert_eq!(harness.published(0, "www").await.len(), 2, "the write still hangs");
    gate.open();
    harness.settle().await;
}
