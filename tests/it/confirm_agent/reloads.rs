//! A reload while a change is waited for, name servers that cannot be found, a later change.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wait_goes_on_over_a_reload_and_ends_when_it_is_turned_off() {
    let mut harness = Harness::new(&[Manner::Well]).await;
    let mut agent = harness.started(&on(3600), "--no-dry-run");
    let server = harness.servers[0].clone();
    harness.close();
    agent.wait_for_words(&["withdrew"]);
    server.wait_asked(1);
    let other = harness.config(&on(1800)).replace("probe-1", "probe-2");
    agent.reload(&other);
    server.wait_asked(1);
    assert!(agent.lines_with(&["change is"]).is_empty());
    harness.show_withdrawal(&[0]);
    agent.wait_for_words(&["change is visible: out at", "gone from the only name server"]);

    harness.open();
    agent.wait_for_words(&["restored"]);
    server.wait_asked(1);
    // The next timeout would be over at once.
    agent.reload(&harness.config("confirm = false\n"));
    harness.close();
    agent.nth(2, &["withdrew"]);
    assert_eq!(metric(&agent, "goavail_dns_not_visible"), None);
    harness.show_withdrawal(&[0]);
    agent.reload(&harness.config(&on(3600)));
    harness.show_both(&[0]);
    harness.open();
    agent.nth(2, &["restored"]);
    agent.wait_for_words(&["change is visible: back at"]);
    assert_eq!(agent.lines_with(&["change is"]).len(), 2, "nothing is left of the wait before");
}

/// The failures in the status.
fn failing(agent: &Agent) -> String {
    let status: Value = serde_json::from_str(&get(agent, "/status")).unwrap();
    status["failing"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn name_servers_that_cannot_be_found_are_reported_once_and_the_change_after_the_timeout() {
    let mut harness = Harness::new(&[]).await;
    let keys = "confirm = true\nconfirm_servers = [\"ns1.goavail.invalid\"]\nconfirm_timeout = 1\n";
    let mut agent = harness.started(keys, "--no-dry-run");
    let words = ["WARN", "cannot find the name servers of the zone; retrying: "];
    let line = agent.nth(1, &words);
    assert!(line.has(&["ns1.goavail.invalid: no address"]), "{line:?}");
    harness.close();
    agent.wait_for_words(&["withdrew"]);
    let line = agent.wait_for_words(&["change is not visible: "]);
    assert!(
        line.has(&["still not gone from any name server: ", "ns1.goavail.invalid"]),
        "{line:?}"
    );
    harness.told("not_visible").await;
    assert_eq!(agent.lines_with(&words).len(), 1);
    let server = NameServer::start(&harness.targets[..1], Manner::Well);
    let found = keys.replace("ns1.goavail.invalid", &server.text());
    agent.reload(&harness.config(&found));
    agent.wait_for_words(&["found the name servers of the zone"]);
    agent.wait_for_words(&["change is visible: out at"]);

    // Turned off, it fails no longer.
    agent.reload(&harness.config(keys));
    agent.nth(2, &words);
    let work = "find the name servers";
    while !failing(&agent).contains(work) {
        std::thread::yield_now();
    }
    agent.reload(&harness.config("confirm = false\n"));
    while failing(&agent).contains(work) {
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_return_ends_the_wait_for_the_withdrawal() {
    let mut harness = Harness::new(&[Manner::Well]).await;
    let mut agent = harness.started(&on(3600), "--no-dry-run");
    harness.close();
    agent.wait_for_words(&["withdrew"]);
    harness.servers[0].wait_asked(2);
    harness.open();
    agent.wait_for_words(&["restored"]);
    // The server has shown both targets all the time.
    agent.wait_for_words(&["change is visible: back at"]);
    assert_eq!(agent.lines_with(&["change is"]).len(), 1);
}

/// A person puts the address back at the provider: the withdrawal is never seen, and not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_withdrawal_that_a_person_undid_is_not_waited_for() {
    let mut harness = Harness::new(&[Manner::Well]).await;
    let mut agent = harness.started(&on(1), "--no-dry-run");
    harness.close();
    agent.wait_for_words(&["change is not visible: out at"]);
    wait_metric(&mut agent, "goavail_dns_not_visible", 1.0);
    let target = harness.targets[1].to_string();
    harness.open();
    harness.cloudflare.zone(|zone| _ = zone.seed("A", WWW, &target));
    wait_metric(&mut agent, "goavail_dns_not_visible", 0.0);
    let status: Value = serde_json::from_str(&get(&agent, "/status")).unwrap();
    assert_eq!(status["failing"], serde_json::json!([]));
    assert_eq!(agent.lines_with(&["change is"]).len(), 1);
    let opened = harness.told("not_visible").await;
    let closed = harness.told("over").await;
    assert_eq!((&opened["status"], &closed["status"]), (&"opened".into(), &"closed".into()));
    assert_eq!(opened["incident"], closed["incident"]);
    assert!(closed["detail"].as_str().unwrap().starts_with("the change was undone"), "{closed:#}");
}
