//! Route 53 in trouble at the very moment of a change: monitoring continues, and DNS is right in the end.

use aws_sdk_route53::types::ChangeAction;
use rustix::process::Signal;

use super::{Harness, alias, anonymous, signed};
use crate::agent::PATIENT;
use crate::moto::set;
use crate::proxy::Spoil;
use crate::route53::{aws_error, plain, reads, writes};

async fn serving() -> Option<Harness> {
    let harness = Harness::new().await?;
    let www = set("www.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([www]).await;
    Some(harness)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn throttled_and_unanswered_changes_are_made_once_while_monitoring_continues() {
    let Some(mut harness) = serving().await else { return };
    let setup = signed(anonymous(&harness.config("", &["www"])), harness.moto);
    let setup = setup.env("RUST_LOG", "info,goavail=trace");
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    harness.proxy.spoil_next(writes, aws_error(400, "Throttling", "Rate exceeded"));
    harness.proxy.spoil_next(writes, Spoil::CutAfter);
    harness.close(0);
    let throttled = "Route 53 could not change www.example.com A: Throttling: Rate exceeded";
    let throttled = agent.nth(1, &["WARN", throttled, "retry_in="]);
    let lost = "could not confirm that Route 53 did change www.example.com A";
    let lost = agent.nth(1, &["WARN", lost, "retry_in="]);
    let claimed = agent.lines_with(&["withdrew"]);
    assert!(claimed.iter().all(|line| line.at > lost.at), "claimed but not known: {claimed:?}");
    agent.nth(1, &["DNS provider recovered"]);
    assert_eq!(harness.served().await, [format!("www.example.com A: {}", harness.text(1))]);
    assert_eq!(harness.written(), 2, "what is in force is not written once more");
    let probed = agent.lines_with(&["outcome=Reply"]);
    let during = probed.iter().filter(|line| line.at > throttled.at && line.at < lost.at);
    assert!(during.count() > 0, "monitoring continues");

    harness.close(1);
    agent.nth(1, &["withdrew", &harness.target(1)]);
    assert!(harness.served().await.is_empty(), "the set goes with the last of its values");
    harness.open(1);
    agent.nth(1, &["restored", &harness.target(1)]);
    assert_eq!(harness.served().await, [format!("www.example.com A: {}", harness.text(1))]);
    assert_eq!(harness.sets().await[0].ttl(), Some(120), "as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn credentials_that_expire_are_read_from_their_file_again_in_the_middle_of_a_change() {
    let Some(mut harness) = serving().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let write = |key: &str, secret: &str| {
        let text = format!("[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n");
        std::fs::write(&file, text).unwrap();
    };
    write(&harness.moto.key, &harness.moto.secret);
    let setup = anonymous(&harness.config("", &["www"]));
    let setup = setup.env("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    harness.proxy.spoil_next(writes, aws_error(403, "ExpiredToken", "The token is expired"));
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    assert_eq!(agent.lines_with(&["ExpiredToken"]).len(), 0, "nobody has to be told");
    assert_eq!(harness.served().await, [format!("www.example.com A: {}", harness.text(1))]);

    // A key that cannot be signed with is refused at a reload, and all of the old stays in force.
    write("AKIA\n  SPLIT", &harness.moto.secret);
    agent.signal(Signal::HUP);
    agent.nth(
        1,
        &["configuration refused", "aws_access_key_id of the profile default", "not allowed"],
    );
    agent.nth(1, &["the old configuration stays in force"]);
    // It is met in the middle of a change nevertheless, and monitoring continues.
    harness.proxy.spoil_next(reads, aws_error(403, "ExpiredToken", "The token is expired"));
    harness.open(0);
    agent.nth(1, &["ERROR", "aws_access_key_id of the profile default"]);
    write(&harness.moto.key, &harness.moto.secret);
    agent.nth(1, &["restored", &harness.target(0)]);
    assert!(agent.lines_with(&["SPLIT"]).is_empty());
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_becomes_an_alias_is_left_alone_and_the_other_names_are_served() {
    let Some(mut harness) = serving().await else { return };
    let api = set("api.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([api]).await;
    let mut agent = harness.confirmed(&harness.config("", &["www", "api"]));
    let before =
        harness.zone.sets().await.into_iter().find(|set| plain(set.name()).starts_with("www"));
    let alias = alias("www.example.com");
    harness
        .zone
        .change(vec![(ChangeAction::Delete, before.unwrap()), (ChangeAction::Create, alias)])
        .await;
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0), "names=\"api.example.com\""]);
    let left = format!("api.example.com A: {}", harness.text(1));
    assert_eq!(harness.served().await, [left, "www.example.com A: ".to_owned()]);
    harness.open(0);
    agent.nth(1, &["restored", &harness.target(0), "names=\"api.example.com\""]);
}

/// A pipe that nobody fills stands for a disk that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_credentials_file_without_an_end_costs_a_reload_and_no_failover() {
    let Some(mut harness) = serving().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let (key, secret) = (&harness.moto.key, &harness.moto.secret);
    let good = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    std::fs::write(&file, &good).unwrap();
    let setup = anonymous(&harness.config("", &["www"]));
    let setup = setup.env("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);

    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    agent.signal(Signal::HUP);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    let late = ["AWS_SHARED_CREDENTIALS_FILE", "its end did not come within 10 s"];
    agent.nth(1, &["configuration refused", late[0], late[1]]);

    // The same is met when credentials are looked for anew.
    harness.proxy.spoil_next(reads, aws_error(403, "ExpiredToken", "The token is expired"));
    harness.open(0);
    agent.nth(1, &["ERROR", late[0], late[1]]);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &good).unwrap();
    agent.nth(1, &["restored", &harness.target(0)]);
    agent.signal(Signal::HUP);
    agent.nth(1, &["configuration in force"]);
}
