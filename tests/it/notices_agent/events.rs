//! The notices about targets and about the agent.

use serde_json::Value;

use rustix::process::Signal;

use super::{Harness, WWW, about, setup};
use crate::notify::SECRET;
use crate::tcp_services::{TcpService, loopback_addresses};

/// The evidence in a notice.
fn evidence(notice: &Value, key: &str) -> f64 {
    notice["evidence"][key].as_f64().unwrap_or_else(|| panic!("no {key} in {notice:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_event_is_one_message_with_its_evidence_for_any_number_of_targets() {
    let mut harness = Harness::new().await;
    let agent = harness.confirmed("min_in_service = 1\n");
    harness.close(0);
    harness.close(1);
    let gone = harness.tells("withdrawn", &[0, 1]).await;
    assert_eq!((&gone["dry_run"], &gone["names"]), (&false.into(), &[WWW].into()));
    assert!(evidence(&gone, "losses") >= 3.0, "{gone:#}");
    assert!(evidence(&gone, "since_last_reply_s") > 0.0, "{gone:#}");
    assert!(evidence(&gone, "took_s") > 0.0, "{gone:#}");
    let text = gone["text"].as_str().unwrap();
    for part in ["probe-1: withdrew 127.", " and 127.", "from www.example.com", "losses in a row"] {
        assert!(text.contains(part), "{text} does not say {part}");
    }

    harness.close(2);
    let mut two = [harness.told().await, harness.told().await];
    two.sort_by_key(|notice| notice["kind"].as_str().unwrap().to_owned());
    let [none_left, refused] = &two;
    assert_eq!((&none_left["kind"], &refused["kind"]), (&"none_left".into(), &"refused".into()));
    assert_eq!(about(none_left), harness.named(&[0, 1, 2]));
    assert_eq!(about(refused), harness.named(&[2]));
    assert_eq!(refused["reason"], "floor");
    assert_eq!(refused["detail"], "still in service at www.example.com");
    assert_eq!((&refused["status"], &refused["severity"]), (&"opened".into(), &"critical".into()));

    harness.open(0);
    harness.open(1);
    // Something is in service again between the two, so their restorations may be two messages.
    let (mut back, mut others) = (Vec::new(), Vec::new());
    while back.len() < 2 || others.len() < 3 {
        let notice = harness.told().await;
        if notice["kind"] == "restored" {
            assert!(evidence(&notice, "replies") >= 3.0, "{notice:#}");
            assert!(evidence(&notice, "took_s") > 0.0, "{notice:#}");
            back.extend(about(&notice));
        } else {
            others.push(notice);
        }
    }
    back.sort();
    assert_eq!(back, harness.named(&[0, 1]));
    others.sort_by_key(|notice| notice["kind"].as_str().unwrap().to_owned());
    let kinds: Vec<_> = others.iter().map(|notice| &notice["kind"]).collect();
    assert_eq!(kinds, ["refusal_over", "some_back", "withdrawn"]);
    for of_one in [&others[0], &others[2]] {
        assert_eq!(about(of_one), harness.named(&[2]), "{of_one:#}");
    }
    drop(agent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_is_isolated_or_refuses_a_file_sends_a_notice() {
    let mut harness = Harness::new().await;
    let (addresses, port) = loopback_addresses(1);
    let canary = (addresses[0], port).into();
    let tcp_service = TcpService::open(canary);
    let canaries = format!("canaries = [\"{canary}\"]\n");
    let mut agent = harness.confirmed(&canaries);
    drop(tcp_service);
    (0..3).for_each(|nth| harness.close(nth));
    let isolated = harness.tells("isolated", &[]).await;
    assert!(isolated["detail"].as_str().unwrap().starts_with("missing: "), "{isolated:#}");
    // The targets first: an agent that sees the canary and not them would consider them dead.
    (0..3).for_each(|nth| harness.open(nth));
    let _tcp_service = TcpService::open(canary);
    let over = harness.tells("isolation_over", &[]).await;
    assert!(over["detail"].as_str().unwrap().starts_with("it lasted "), "{over:#}");

    agent.rewrite(&harness.config(&canaries).replace("port = ", "prot = "));
    agent.signal(Signal::HUP);
    let refused = harness.tells("reload_refused", &[]).await;
    assert!(refused["detail"].as_str().unwrap().contains("goavail.toml:2: prot"), "{refused:#}");
    assert_eq!(agent.lines_with(&[SECRET]).len(), 0);
    assert_eq!(agent.lines_with(&["withdrew"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dry_run_says_that_it_is_one() {
    let mut harness = Harness::new().await;
    let mut agent = setup(&harness.config("")).args(["monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    harness.close(1);
    let gone = harness.tells("withdrawn", &[1]).await;
    assert_eq!(gone["dry_run"], true);
    let text = gone["text"].as_str().unwrap();
    assert!(text.starts_with("probe-1 (dry-run): would withdraw 127."), "{text}");
    harness.open(1);
    let back = harness.tells("restored", &[1]).await;
    assert!(back["text"].as_str().unwrap().contains("would restore 127."), "{back:#}");
}
