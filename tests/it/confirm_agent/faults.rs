//! Name servers that do not show a change: lagging, lame, refusing, silent and forging ones.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_lags_beyond_the_timeout_is_named_and_reported_once_when_it_follows() {
    let mut harness = Harness::new(&[Manner::Well, Manner::Well]).await;
    let mut agent = harness.started(&on(1), "--no-dry-run");
    harness.show_withdrawal(&[0]);
    harness.close();
    let line = agent.wait_for_words(&["WARN", "change is not visible: out at Cloudflare after "]);
    let answer = format!("{}: still {}", harness.servers[1].text(), harness.targets[1]);
    assert!(line.has(&["still not gone from 1 of 2 name servers: ", &answer]), "{line:?}");
    let notice = harness.told("not_visible").await;
    let detail = notice["detail"].as_str().unwrap();
    assert!(line.text.contains(detail), "{line:?}: {notice:#}");
    wait_metric(&mut agent, "goavail_dns_not_visible", 1.0);
    let status: Value = serde_json::from_str(&get(&agent, "/status")).unwrap();
    assert_eq!(status["zones"][0]["effects"][0]["state"], "not_visible", "{status:#}");
    let failing = status["failing"][0]["what"].as_str().unwrap();
    assert!(failing.starts_with("make visible: withdrew "), "{failing}");
    let (_, table) = agent.command(Within::Here, &["status"]);
    let answers = answer.replace(": ", ": answers: ");
    assert!(table.contains("not visible: withdrew ") && table.contains(&answers), "{table}");
    let page = get(&agent, "/");
    assert!(page.contains("Seen at the name servers") && page.contains(&answers), "{page}");

    harness.show_withdrawal(&[1]);
    agent.wait_for_words(&["change is visible: out at", "gone from both name servers"]);
    harness.told("visible").await;
    wait_metric(&mut agent, "goavail_dns_not_visible", 0.0);
    let status: Value = serde_json::from_str(&get(&agent, "/status")).unwrap();
    assert_eq!(status["failing"], serde_json::json!([]));
    assert_eq!(agent.lines_with(&["change is not visible"]).len(), 1);
    assert_eq!(agent.lines_with(&["change is visible"]).len(), 1);
}

/// go-acme/lego#2097: each answer says which server gave it. Neither one without authority nor a forged one shows
/// anything, although all of these would show a withdrawal.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_authoritative_answers_to_the_question_count() {
    let manners = [
        Manner::Well,
        Manner::Lame,
        Manner::Refuses,
        Manner::Silent,
        Manner::OtherId,
        Manner::OtherQuestion,
    ];
    let mut harness = Harness::new(&manners).await;
    let mut agent = harness.started(&on(4), "--no-dry-run");
    harness.show_withdrawal(&[0, 1, 2, 3, 4, 5]);
    harness.close();
    let line = agent.wait_for_words(&["change is not visible: "]);
    assert!(line.has(&["still not gone from 5 of 6 name servers: ", " and 2 more"]), "{line:?}");
    let shown = until(&agent, |it| it["state"] == "not_visible");
    let answers: Vec<&str> =
        (0..6).map(|nth| shown["servers"][nth]["answer"].as_str().unwrap_or("shown")).collect();
    let none = "no answer within 1.5 s";
    assert_eq!(
        answers,
        ["shown", "an answer that is not authoritative", "REFUSED", none, none, none]
    );
    harness.servers[1..].iter().for_each(|server| server.behave(Manner::Well));
    agent.wait_for_words(&["change is visible: ", "gone from all 6 name servers"]);
}

/// 0xJacky/nginx-ui#1806: name servers that do not answer block nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn silent_servers_delay_no_change_and_no_end() {
    let mut harness = Harness::new(&[Manner::Silent]).await;
    let mut agent = harness.started(&on(3600), "--no-dry-run");
    for nth in 1..=2 {
        harness.close();
        agent.nth(nth, &["withdrew"]);
        harness.servers[0].wait_asked(1);
        harness.open();
        agent.nth(nth, &["restored"]);
    }
    agent.signal(rustix::process::Signal::TERM);
    let ended = agent.wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}
