//! Route 53 in trouble at the very moment of a change: monitoring goes on, and DNS is right in the end.

use aws_sdk_route53::types::ChangeAction;
use rustix::process::Signal;

use super::{Scene, alias, anonymous, signed};
use crate::agent::PATIENT;
use crate::moto::set;
use crate::proxy::Spoil;
use crate::route53::{aws_error, plain, writes};

async fn serving() -> Option<Scene> {
    let scene = Scene::new().await?;
    let www = set("www.example.com", "A", &[&scene.text(0), &scene.text(1)]).build().unwrap();
    scene.zone.put([www]).await;
    Some(scene)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn throttled_and_unanswered_changes_are_made_once_while_monitoring_goes_on() {
    let Some(mut scene) = serving().await else { return };
    let setup = signed(anonymous(&scene.config("", &["www"])), scene.moto);
    let setup = setup.env("RUST_LOG", "info,goavail=trace");
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    scene.proxy.spoil_next(writes, aws_error(400, "Throttling", "Rate exceeded"));
    scene.proxy.spoil_next(writes, Spoil::CutAfter);
    scene.close(0);
    let throttled = "Route 53 could not change www.example.com A: Throttling: Rate exceeded";
    let throttled = agent.nth(1, &["WARN", throttled, "retry_in="]);
    let lost = "could not confirm that Route 53 did change www.example.com A";
    let lost = agent.nth(1, &["WARN", lost, "retry_in="]);
    let claimed = agent.lines_with(&["withdrew"]);
    assert!(claimed.iter().all(|line| line.at > lost.at), "claimed but not known: {claimed:?}");
    agent.nth(1, &["the DNS provider does as it is asked again"]);
    assert_eq!(scene.served().await, [format!("www.example.com A: {}", scene.text(1))]);
    assert_eq!(scene.written(), 2, "what is in force is not written once more");
    let probed = agent.lines_with(&["outcome=Reply"]);
    let meanwhile = probed.iter().filter(|line| line.at > throttled.at && line.at < lost.at);
    assert!(meanwhile.count() > 0, "the watching goes on");

    scene.close(1);
    agent.nth(1, &["withdrew", &scene.target(1)]);
    assert!(scene.served().await.is_empty(), "the set goes with the last of its values");
    scene.open(1);
    agent.nth(1, &["restored", &scene.target(1)]);
    assert_eq!(scene.served().await, [format!("www.example.com A: {}", scene.text(1))]);
    assert_eq!(scene.sets().await[0].ttl(), Some(120), "as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn credentials_that_expire_end_nothing_and_a_reload_uses_the_new_ones_at_once() {
    let Some(mut scene) = serving().await else { return };
    let config = scene.config("", &["www"]);
    let mut agent = scene.confirmed(&config);
    scene.proxy.spoil_next(writes, aws_error(403, "ExpiredToken", "The token is expired"));
    scene.close(0);
    agent.nth(1, &["ERROR", "ExpiredToken: The token is expired", "retry_in=\"1m\""]);
    assert_eq!(agent.lines_with(&["withdrew"]).len(), 0);
    agent.signal(Signal::HUP);
    agent.nth(1, &["configuration in force"]);
    agent.nth(1, &["withdrew", &scene.target(0)]);
    agent.nth(1, &["the DNS provider does as it is asked again"]);
    assert_eq!(scene.served().await, [format!("www.example.com A: {}", scene.text(1))]);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_becomes_an_alias_is_left_alone_and_the_other_names_are_served() {
    let Some(mut scene) = serving().await else { return };
    let api = set("api.example.com", "A", &[&scene.text(0), &scene.text(1)]).build().unwrap();
    scene.zone.put([api]).await;
    let mut agent = scene.confirmed(&scene.config("", &["www", "api"]));
    let before =
        scene.zone.sets().await.into_iter().find(|set| plain(set.name()).starts_with("www"));
    let alias = alias("www.example.com");
    scene
        .zone
        .change(vec![(ChangeAction::Delete, before.unwrap()), (ChangeAction::Create, alias)])
        .await;
    scene.close(0);
    agent.nth(1, &["withdrew", &scene.target(0), "names=\"api.example.com\""]);
    let left = format!("api.example.com A: {}", scene.text(1));
    assert_eq!(scene.served().await, [left, "www.example.com A: ".to_owned()]);
    scene.open(0);
    agent.nth(1, &["restored", &scene.target(0), "names=\"api.example.com\""]);
}
