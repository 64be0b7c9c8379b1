//! Dry-run tells the whole story and writes nothing, with credentials or without.

use super::{Scene, anonymous, signed};
use crate::agent::Setup;
use crate::moto::set;
use crate::route53::reads;

/// Lets one target die and return.
fn story(scene: &mut Scene, setup: Setup, first: &str) {
    let mut agent = setup.args(["monitor"]).start();
    if !first.is_empty() {
        agent.nth(1, &["WARN", "dry-run could not read the zone", first]);
    }
    agent.nth(2, &["target confirmed up"]);
    scene.close(0);
    agent.nth(1, &["would withdraw", &scene.target(0), "names=\"www.example.com\""]);
    scene.open(0);
    agent.nth(1, &["would restore", &scene.target(0)]);
    assert_eq!(agent.lines_with(&["withdrew"]).len() + agent.lines_with(&["restored"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dry_run_writes_nothing_and_needs_no_credentials() {
    let Some(mut scene) = Scene::new().await else { return };
    let www = set("www.example.com", "A", &[&scene.text(0), &scene.text(1)]).build().unwrap();
    scene.zone.put([www]).await;
    let before = scene.sets().await;
    let config = scene.config("", &["www"]);

    story(&mut scene, anonymous(&config), "no AWS credentials: tried the environment");
    assert_eq!(scene.proxy.seen(|_| true), [], "without credentials nobody is asked");

    let setup = signed(anonymous(&config), scene.moto);
    story(&mut scene, setup, "");
    assert!(!scene.proxy.seen(reads).is_empty(), "with credentials it is read for real");
    assert_eq!(scene.proxy.seen(|request| request.method != "GET"), []);
    assert_eq!(scene.sets().await, before);
}
