//! Trouble with the provider, as people are told of it.

use rustix::process::Signal;
use tokio::sync::watch;

use super::{Harness, about};
use crate::agent::PATIENT;
use crate::fake_cloudflare::{Entry, Fault};

fn answer(status: u16, code: u32, message: &str) -> Fault {
    let error = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    Fault::Answer(status, format!("{{\"success\":false,\"errors\":[{error}],\"result\":null}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn refused_credentials_are_told_once_and_so_is_their_end_even_by_a_reload() {
    let mut harness = Harness::new().await;
    let mut agent = harness.confirmed("");
    harness.cloudflare.script(1, Entry::writes, answer(403, 10000, "Authentication error"));
    harness.close(0);
    let refused = harness.tells("provider_refused", &[]).await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with("Cloudflare refused to "), "{detail}");
    assert!(detail.contains("Authentication error"), "{detail}");
    // The way in which new credentials come into force.
    agent.signal(Signal::HUP);
    agent.nth(1, &["withdrew"]);
    let mut kinds = [harness.told().await["kind"].clone(), harness.told().await["kind"].clone()];
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, ["provider_back", "withdrawn"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_change_that_fails_or_is_in_doubt_is_told_with_its_targets() {
    let mut harness = Harness::new().await;
    let _agent = harness.confirmed("");
    let rows = [
        ("failing", Fault::Throttled("1".into()), "could not keep DNS in step for 127."),
        ("unconfirmed", Fault::CutAfter, "could not confirm a change of 127."),
        // Defect 23 of the Go agent: it took this for done.
        ("failing", answer(200, 1000, "not today"), "not today (code 1000)"),
    ];
    for (nth, (kind, fault, words)) in rows.into_iter().enumerate() {
        harness.cloudflare.script(1, Entry::writes, fault);
        harness.close(nth);
        // Notices of the row before may still arrive first.
        let mut notice = harness.told().await;
        while notice["kind"] != kind {
            assert_eq!(notice["kind"], "withdrawn", "{notice:#}");
            notice = harness.told().await;
        }
        assert_eq!(about(&notice), harness.named(&[nth]), "{notice:#}");
        let text = notice["text"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
        while harness.told().await["kind"] != "provider_back" {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_zone_that_is_not_active_is_told_once_and_so_is_its_end() {
    let mut harness = Harness::new().await;
    harness.cloudflare.zone(|zone| zone.status = "moved".to_owned());
    let _agent = harness.confirmed("");
    let inactive = harness.tells("zone_inactive", &[]).await;
    let detail = inactive["detail"].as_str().unwrap();
    assert!(detail.contains("zone example.com has the status \"moved\""), "{detail}");
    // The zone is read again for each change, and is unchanged.
    harness.close(0);
    harness.tells("withdrawn", &[0]).await;
    harness.cloudflare.zone(|zone| zone.status = "active".to_owned());
    harness.open(0);
    let mut kinds = [harness.told().await["kind"].clone(), harness.told().await["kind"].clone()];
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, ["restored", "zone_active"]);
}

/// The change is in force, and nobody else would send a notice about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_change_that_finishes_while_the_agent_stops_is_told() {
    let mut harness = Harness::new().await;
    let mut agent = harness.confirmed("");
    let (gate, held) = watch::channel(false);
    harness.cloudflare.script(1, Entry::writes, Fault::Held(held));
    harness.close(0);
    harness.cloudflare.wait(|log| log.iter().any(Entry::writes)).await;
    agent.signal(Signal::TERM);
    agent.nth(1, &["stopping; records stay as they are"]);
    gate.send_replace(true);
    harness.tells("withdrawn", &[0]).await;
    let ended = agent.wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("withdrew"), "{}", ended.stderr);
}
