//! `max_out` with the real binary: three of four die at once, and two go.

use super::account::Account;
use super::{Machines, ServiceSpec, confirmed};
use crate::agent::{Agent, PATIENT};

const NAME: &str = "www.example.com";

const COUNT: usize = 4;

fn services() -> [ServiceSpec; 1] {
    [ServiceSpec::new("www", 0..COUNT)]
}

/// Returns the machines that are not published. There are never more than two.
async fn out(account: &Account, machines: &Machines) -> Vec<usize> {
    let published = account.contents(0, NAME).await;
    let out: Vec<usize> =
        (0..COUNT).filter(|nth| !published.contains(&machines.text(*nth))).collect();
    assert!(out.len() <= 2, "{published:?}");
    out
}

/// Waits until these machines alone are not published.
async fn until(agent: &mut Agent, (account, machines): (&Account, &Machines), want: &[usize]) {
    while out(account, machines).await != want {
        // The agent logs a line after each change of DNS.
        agent.wait_for(|_| true, PATIENT);
    }
}

async fn three_of_four(account: &Account, machines: &mut Machines) {
    let text = machines.together("max_out = \"50%\"\n", &services(), account);
    let mut agent = confirmed(account, &text, COUNT);
    for nth in [0, 1, 2] {
        machines.kill(nth);
    }
    let held = ["refused to act", "reason=\"max_out\"", "2 of 4 addresses are out"];
    let line = agent.nth(1, &held);
    let is_held = |nth: usize| line.has(&[&format!("target={} ", machines.text(nth))]);
    let held = (0..COUNT).find(|nth| is_held(*nth)).unwrap();
    let gone: Vec<usize> = [0, 1, 2].into_iter().filter(|nth| *nth != held).collect();
    until(&mut agent, (account, machines), &gone).await;

    // The next agent finds two out, and sees all three dead.
    agent.kill();
    let mut agent = account.setup(&text).args(["--no-dry-run", "monitor"]).start();
    agent.nth(3, &["target down"]);
    agent.nth(1, &["refused to act", "reason=\"max_out\"", &machines.text(held)]);
    assert_eq!(out(account, machines).await, gone);

    machines.revive(gone[0]);
    let mut want = vec![gone[1], held];
    want.sort_unstable();
    until(&mut agent, (account, machines), &want).await;
    agent.nth(1, &["no longer refused", "reason=\"max_out\"", &machines.text(held)]);
    for nth in want {
        machines.revive(nth);
    }
    until(&mut agent, (account, machines), &[]).await;
}

#[tokio::test]
async fn at_cloudflare_two_of_three_that_die_at_once_go_and_the_third_when_one_is_back() {
    let mut machines = Machines::new(4);
    let account = Account::cloudflare(&machines, &services());
    three_of_four(&account, &mut machines).await;
}

#[tokio::test]
async fn at_route_53_two_of_three_that_die_at_once_go_and_the_third_when_one_is_back() {
    let mut machines = Machines::new(4);
    let Some(account) = Account::route53(&machines, &services()).await else { return };
    three_of_four(&account, &mut machines).await;
}
