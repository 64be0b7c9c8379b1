//! Dry-run tells the whole story and writes nothing, with credentials or without.

use super::{Harness, anonymous, signed};
use crate::agent::Setup;
use crate::moto::set;
use crate::route53::reads;

/// Lets one target die and return.
fn story(harness: &mut Harness, setup: Setup, first: &str) {
    let mut agent = setup.args(["monitor"]).start();
    if !first.is_empty() {
        agent.nth(1, &["WARN", "dry-run could not read the zone", first]);
    }
    agent.nth(2, &["target confirmed up"]);
    harness.close(0);
    agent.nth(1, &["would withdraw", &harness.target(0), "names=\"www.example.com\""]);
    harness.open(0);
    agent.nth(1, &["would restore", &harness.target(0)]);
    assert_eq!(agent.lines_with(&["withdrew"]).len() + agent.lines_with(&["restored"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dry_run_writes_nothing_and_needs_no_credentials() {
    let Some(mut harness) = Harness::new().await else { return };
    let www = set("www.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([www]).await;
    let before = harness.sets().await;
    let config = harness.config("", &["www"]);

    story(&mut harness, anonymous(&config), "no AWS credentials: tried the environment");
    assert_eq!(harness.proxy.seen(|_| true), [], "without credentials nobody is asked");

    let setup = signed(anonymous(&config), harness.moto);
    story(&mut harness, setup, "");
    assert!(!harness.proxy.seen(reads).is_empty(), "with credentials it is read for real");
    assert_eq!(harness.proxy.seen(|request| request.method != "GET"), []);
    assert_eq!(harness.sets().await, before);
}
