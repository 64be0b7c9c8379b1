//! A service with a standby: over and back, reloads and restarts in each phase, agents that are killed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::account::Account;
use super::{Machines, ServiceSpec};
use crate::agent::{Agent, PATIENT};

const NAME: &str = "www.example.com";

/// The places of the primary and of the standby among the machines.
const PRIMARY: usize = 0;
const STANDBY: usize = 1;

fn services() -> [ServiceSpec; 1] {
    [ServiceSpec::new("www", [PRIMARY])]
}

/// Returns the configuration of an agent for a primary and a standby, with its memory in a folder.
fn config(machines: &Machines, account: &Account, state: &TempDir) -> String {
    let top = format!("state_file = \"{}\"\n", state.path().join("state.json").display());
    let text = machines.together(&top, &services(), account);
    format!("{text}standby = [\"{}\"]\n", machines.text(STANDBY))
}

fn start(account: &Account, config: &str) -> Agent {
    account.setup(config).args(["--no-dry-run", "monitor"]).start()
}

async fn published(account: &Account) -> Vec<String> {
    account.contents(0, NAME).await
}

/// Waits until the name has the address of one machine alone. It is never without any.
async fn until(agent: &mut Agent, account: &Account, want: &str) {
    loop {
        let now = published(account).await;
        assert!(!now.is_empty(), "the name is empty");
        if now == [want] {
            return;
        }
        // The agent logs a line after each change of DNS.
        agent.wait_for(|_| true, PATIENT);
    }
}

/// Lets the primary die and live, with a reload or a restart in each phase.
async fn over_and_back(account: &Account, machines: &mut Machines) {
    let state = tempfile::tempdir().unwrap();
    let text = config(machines, account, &state);
    let [primary, standby] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    let mut agent = start(account, &text);
    agent.nth(2, &["target confirmed up"]);
    for _ in 0..2 {
        machines.kill(PRIMARY);
        until(&mut agent, account, &standby).await;
        agent.nth(1, &["restored", "standby=\"tier 1, since 0 of 1 of tier 0 are in service\""]);
        agent.reload(&text);
        agent.kill();
        agent = start(account, &text);
        agent.nth(1, &["target down"]);
        until(&mut agent, account, &standby).await;
        machines.revive(PRIMARY);
        until(&mut agent, account, &primary).await;
        agent.nth(1, &["withdrew", "standby=\"tier 1, since 1 of 1 of tier 0 is in service\""]);
    }
}

#[tokio::test]
async fn at_cloudflare_a_standby_takes_over_with_all_settings_and_hands_back() {
    let mut machines = Machines::new(2);
    let account = Account::cloudflare(&machines, &services());
    let [primary, standby] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    account.fake().zones(|zones| {
        zones[0].seed("A", "foreign.example.com", &standby);
        let record = zones[0].record("A", NAME, &primary);
        (record.ttl, record.comment) = (120, Some("the site".to_owned()));
        record.tags = vec!["team:web".to_owned()];
    });
    let state = tempfile::tempdir().unwrap();
    let text = config(&machines, &account, &state);
    let mut agent = start(&account, &text);
    agent.nth(2, &["target confirmed up"]);
    machines.kill(PRIMARY);
    until(&mut agent, &account, &standby).await;
    let record = account.fake().zones(|zones| zones[0].record("A", NAME, &standby).clone());
    assert_eq!((record.ttl, record.comment.as_deref()), (120, Some("the site")));
    assert_eq!(record.tags, ["team:web"]);
    machines.revive(PRIMARY);
    until(&mut agent, &account, &primary).await;
    drop(agent);
    over_and_back(&account, &mut machines).await;
    let record = account.fake().zones(|zones| zones[0].record("A", NAME, &primary).clone());
    assert_eq!((record.ttl, record.comment.as_deref()), (120, Some("the site")));
    assert_eq!(
        account.fake().zones(|zones| zones[0].contents("A", "foreign.example.com")),
        [standby]
    );
}

#[tokio::test]
async fn at_route_53_a_standby_takes_over_and_hands_back() {
    let mut machines = Machines::new(2);
    let Some(account) = Account::route53(&machines, &services()).await else { return };
    over_and_back(&account, &mut machines).await;
}

/// The number of agents that are killed.
fn kills() -> u32 {
    std::env::var("GOAVAIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

#[tokio::test]
async fn an_agent_that_is_killed_at_any_moment_of_a_failover_is_healed_by_the_next() {
    let mut machines = Machines::new(2);
    let account = Account::cloudflare(&machines, &services());
    let [primary, standby] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    account.fake().zones(|zones| zones[0].record("A", NAME, &primary).ttl = 120);
    let state = tempfile::tempdir().unwrap();
    let text = config(&machines, &account, &state);
    let mut dice = StdRng::seed_from_u64(7);
    for nth in 0..kills() {
        let mut agent = start(&account, &text);
        agent.nth(2, &["target confirmed up"]);
        machines.kill(PRIMARY);
        agent.wait_for(|line| !line.has(&["target confirmed up"]), PATIENT);
        tokio::time::sleep(Duration::from_micros(dice.random_range(0..60_000))).await;
        if nth % 2 == 1 {
            until(&mut agent, &account, &standby).await;
            machines.revive(PRIMARY);
            agent.nth(1, &["target up"]);
            tokio::time::sleep(Duration::from_micros(dice.random_range(0..60_000))).await;
        }
        agent.kill();
        let mut next = start(&account, &text);
        let alive = if machines.is_alive(PRIMARY) { &primary } else { &standby };
        until(&mut next, &account, alive).await;
        let ttl = account.fake().zones(|zones| zones[0].record("A", NAME, alive).ttl);
        assert_eq!(ttl, 120, "kill {nth}");
        if !machines.is_alive(PRIMARY) {
            machines.revive(PRIMARY);
            until(&mut next, &account, &primary).await;
        }
    }
}

/// Returns the configuration of an agent for a primary and a last resort, with its memory in a folder.
fn with_last_resort(machines: &Machines, account: &Account, state: &TempDir) -> String {
    config(machines, account, state).replace("standby = ", "last_resort = ")
}

/// Lets the primary die and live, with a reload and a restart in between. Nobody answers at the last resort.
async fn resort_and_back(account: &Account, machines: &mut Machines) {
    let state = tempfile::tempdir().unwrap();
    let text = with_last_resort(machines, account, &state);
    let [primary, last_resort] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    machines.kill(STANDBY);
    let mut agent = start(account, &text);
    agent.nth(1, &["target confirmed up"]);
    for _ in 0..2 {
        machines.kill(PRIMARY);
        until(&mut agent, account, &last_resort).await;
        agent.nth(
            1,
            &["restored", "standby=\"last resort, since 0 of 1 of tier 0 are in service\""],
        );
        agent.reload(&text);
        agent.kill();
        agent = start(account, &text);
        agent.nth(1, &["target down"]);
        until(&mut agent, account, &last_resort).await;
        machines.revive(PRIMARY);
        until(&mut agent, account, &primary).await;
        agent
            .nth(1, &["withdrew", "standby=\"last resort, since 1 of 1 of tier 0 is in service\""]);
    }
}

#[tokio::test]
async fn at_cloudflare_a_last_resort_goes_in_unasked_with_all_settings_and_leaves() {
    let mut machines = Machines::new(2);
    let account = Account::cloudflare(&machines, &services());
    let [primary, last_resort] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    account.fake().zones(|zones| zones[0].record("A", NAME, &primary).ttl = 120);
    resort_and_back(&account, &mut machines).await;
    let ttl = account.fake().zones(|zones| zones[0].record("A", NAME, &primary).ttl);
    assert_eq!(ttl, 120);
    let state = tempfile::tempdir().unwrap();
    let mut agent = start(&account, &with_last_resort(&machines, &account, &state));
    agent.nth(1, &["target confirmed up"]);
    machines.kill(PRIMARY);
    until(&mut agent, &account, &last_resort).await;
    let ttl = account.fake().zones(|zones| zones[0].record("A", NAME, &last_resort).ttl);
    assert_eq!(ttl, 120, "it has the settings of the record that left");
}

#[tokio::test]
async fn at_route_53_a_last_resort_goes_in_unasked_and_leaves() {
    let mut machines = Machines::new(2);
    let Some(account) = Account::route53(&machines, &services()).await else { return };
    resort_and_back(&account, &mut machines).await;
}

#[tokio::test]
async fn an_agent_that_is_killed_while_it_resorts_is_healed_by_the_next() {
    let mut machines = Machines::new(2);
    let account = Account::cloudflare(&machines, &services());
    let [primary, last_resort] = [PRIMARY, STANDBY].map(|nth| machines.text(nth));
    account.fake().zones(|zones| zones[0].record("A", NAME, &primary).ttl = 120);
    let state = tempfile::tempdir().unwrap();
    let text = with_last_resort(&machines, &account, &state);
    let mut dice = StdRng::seed_from_u64(11);
    for nth in 0..kills() {
        let mut agent = start(&account, &text);
        agent.nth(1, &["target confirmed up"]);
        machines.kill(PRIMARY);
        agent.wait_for(|line| !line.has(&["target confirmed up"]), PATIENT);
        tokio::time::sleep(Duration::from_micros(dice.random_range(0..60_000))).await;
        agent.kill();
        let mut next = start(&account, &text);
        until(&mut next, &account, &last_resort).await;
        let ttl = account.fake().zones(|zones| zones[0].record("A", NAME, &last_resort).ttl);
        assert_eq!(ttl, 120, "kill {nth}");
        next.nth(1, &["target down"]);
        machines.revive(PRIMARY);
        next.nth(1, &["target up"]);
        tokio::time::sleep(Duration::from_micros(dice.random_range(0..60_000))).await;
        next.kill();
        let mut third = start(&account, &text);
        until(&mut third, &account, &primary).await;
        let ttl = account.fake().zones(|zones| zones[0].record("A", NAME, &primary).ttl);
        assert_eq!(ttl, 120, "kill {nth}");
    }
}
