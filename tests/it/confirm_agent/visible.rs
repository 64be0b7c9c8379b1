//! A withdrawal and a restoration, as the name servers come to show them.

use hickory_proto::rr::RecordType;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_withdrawal_and_a_restoration_are_reported_when_every_server_shows_them() {
    let mut harness = Harness::new(&[Manner::Well, Manner::Truncates]).await;
    let mut agent = harness.started(&on(600), "--no-dry-run");
    assert_eq!(metric(&agent, "goavail_dns_visible_seconds_count"), Some(0.0));
    harness.close();
    agent.wait_for_words(&["withdrew"]);
    harness.show_withdrawal(&[0]);
    let (first, second) = (harness.servers[0].clone(), harness.servers[1].clone());
    let waiting = until(&agent, |it| {
        let servers = &it["servers"];
        !servers[0]["shown_s"].is_null() && !servers[1]["answer"].is_null()
    });
    assert_eq!(waiting["state"], "waiting", "{waiting:#}");
    let still = format!("still {}", harness.targets[1]);
    assert_eq!(waiting["servers"][1]["answer"], *still, "{waiting:#}");
    assert_eq!(waiting["servers"][1]["server"], *second.text());
    assert!(agent.lines_with(&["change is visible"]).is_empty(), "one server still has it");

    harness.show_withdrawal(&[1]);
    let line = agent.wait_for_words(&["change is visible: out at Cloudflare after "]);
    assert!(
        line.has(&["gone from both name servers after ", "from caches by ", "(TTL "]),
        "{line:?}"
    );
    assert!(line.has(&["lag=", &format!("target={}", harness.targets[1])]), "{line:?}");
    harness.told("withdrawn").await;
    let notice = harness.told("visible").await;
    let detail = notice["detail"].as_str().unwrap();
    assert!(line.text.contains(detail), "{line:?}: {notice:#}");
    assert_eq!((&notice["names"][0], &notice["dry_run"]), (&WWW.into(), &false.into()));
    wait_metric(&mut agent, "goavail_dns_visible_seconds_count", 1.0);
    assert_eq!(metric(&agent, "goavail_dns_not_visible"), Some(0.0));
    let shown = until(&agent, |it| it["state"] == "visible");
    assert_eq!(shown["target"], notice["targets"][0]);
    assert!(shown["visible_s"].as_f64().unwrap() > 0.0, "{shown:#}");
    let (code, table) = agent.command(Within::Here, &["status"]);
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("visible: withdrew ") && table.contains("gone from both"), "{table}");

    harness.open();
    agent.wait_for_words(&["restored"]);
    harness.show_both(&[0, 1]);
    let line = agent.wait_for_words(&["change is visible: back at Cloudflare after "]);
    assert!(line.has(&["shown by both name servers after ", "in caches by "]), "{line:?}");
    harness.told("visible").await;
    for asked in [first.asked(), second.asked()].concat() {
        // libdns/libdns#227: a resolver that is asked too early keeps the old answer. None is asked.
        assert!(!asked.recursion, "{asked:?}");
        assert_eq!((asked.name, asked.query_type), (format!("{WWW}."), RecordType::A));
    }
    assert!(second.asked().iter().any(|asked| asked.by_tcp), "what is truncated is asked by TCP");
    assert!(agent.lines_with(&["WARN"]).iter().all(|line| !line.has(&["not visible"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn proxied_records_are_named_once_and_nobody_is_asked() {
    let mut harness = Harness::new(&[Manner::Well]).await;
    for target in harness.targets.clone() {
        let target = target.to_string();
        harness.cloudflare.zone(|zone| zone.record("A", WWW, &target).proxied = true);
    }
    let mut agent = harness.started(&on(1), "--no-dry-run");
    harness.close();
    agent.wait_for_words(&["withdrew"]);
    let line = agent.nth(1, &["name servers are not asked about this record set: it is proxied"]);
    assert!(line.has(&["name=\"www.example.com\"", "type=\"A\""]), "{line:?}");
    harness.open();
    agent.wait_for_words(&["restored"]);
    harness.close();
    agent.nth(2, &["withdrew"]);
    harness.told("restored").await;
    harness.told("withdrawn").await;
    assert_eq!(agent.lines_with(&["are not asked about this record set"]).len(), 1);
    assert!(harness.servers[0].asked().is_empty());
    assert!(agent.lines_with(&["change is"]).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_dry_run_and_when_it_is_off_nobody_is_asked() {
    for (keys, dry_run, done) in
        [(on(1), "--dry-run", "would "), (String::new(), "--no-dry-run", "")]
    {
        let mut harness = Harness::new(&[Manner::Well]).await;
        let mut agent = harness.started(&keys, dry_run);
        let words = if done.is_empty() {
            ["withdrew", "restored"]
        } else {
            ["would withdraw", "would restore"]
        };
        harness.close();
        agent.wait_for_words(&words[..1]);
        harness.open();
        agent.wait_for_words(&words[1..]);
        assert_eq!(metric(&agent, "goavail_dns_visible_seconds_count"), None);
        assert!(harness.servers[0].asked().is_empty(), "{dry_run}");
        assert!(agent.lines_with(&["change is"]).is_empty());
    }
}
