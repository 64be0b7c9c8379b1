//! `goavail plan`, the real binary, against the fake Cloudflare: its findings, its exit code, and that
//! it never writes.

mod services;

use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::ids::TargetRef;
use goavail::testing::status::model::{Drained, Outcome, Streak};
use goavail::testing::status::{Board, ClockReading, TargetState};
use serde_json::Value;

use crate::commands::{Ended, Place, now};
use crate::fake_cloudflare::{Entry, FakeCloudflare, Fault, TOKEN};
use crate::status_sample::{down, fine, ip, setup};

const NAME: &str = "www.example.com";

/// A zone, a file that manages two addresses at one name in it, and no agent.
struct Harness {
    cloudflare: FakeCloudflare,
    place: Place,
}

impl Harness {
    /// With these A records at the name, and this floor.
    fn new(records: &[&str], floor: usize) -> Self {
        Self::with(records, floor, "")
    }

    /// The same with other keys at the top of the file.
    fn with(records: &[&str], floor: usize, keys: &str) -> Self {
        let cloudflare = FakeCloudflare::start("example.com");
        cloudflare.zone(|zone| {
            for address in records {
                zone.seed("A", NAME, address);
            }
        });
        let place = Place::new(&format!(
            "min_in_service = {floor}\n{keys}[Cloudflare]\ndns_domain = \"example.com\"\n\
             hostnames = [\"www\"]\nip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n\
             api_url = \"{}\"\n",
            cloudflare.url()
        ));
        Self { cloudflare, place }
    }

    async fn plan(&self, arguments: &str) -> Ended {
        let ended = self.place.run(&format!("{arguments} plan"), &[("CF_API_TOKEN", TOKEN)]).await;
        assert_eq!(self.cloudflare.count(Entry::writes), 0, "plan wrote: {ended:?}");
        ended
    }
}

/// An agent's board with its decision about each target.
fn board(decided: &[(&str, TargetState)]) -> Board {
    let now = now();
    let targets: Vec<IpAddr> = decided.iter().map(|(target, _)| ip(target)).collect();
    board_at(now, &targets, decided)
}

fn board_at(now: ClockReading, targets: &[IpAddr], decided: &[(&str, TargetState)]) -> Board {
    let mut board = Board::new(setup(targets), now);
    for (target, facts) in decided {
        board.update(TargetRef::of_default(ip(target)), now.clock, facts);
    }
    board.publish(now);
    board
}

fn changes(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(['+', '-', '!'])).collect()
}

#[tokio::test]
async fn a_zone_as_it_should_be_is_no_difference_and_a_missing_record_is_one() {
    let harness = Harness::new(&["192.0.2.10", "192.0.2.11", "198.51.100.9"], 1);
    let (code, text, complaint) = harness.plan("").await;
    assert_eq!((code, complaint.as_str()), (0, ""), "{text}");
    assert!(text.ends_with("\nno difference if all targets were healthy\n"), "{text}");
    assert!(text.contains("none: no agent answers on "), "{text}");
    assert!(text.contains("\n  198.51.100.9  foreign  TTL 120 s  in\n"), "{text}");

    let harness = Harness::new(&["192.0.2.10", "198.51.100.9"], 1);
    let (code, text, complaint) = harness.plan("--no-dry-run").await;
    assert_eq!((code, complaint.as_str()), (3, ""), "{text}");
    assert_eq!(changes(&text), ["+ www.example.com A 192.0.2.11"], "{text}");
    assert!(text.ends_with("healthy: 1 to create, 0 to delete\n"), "{text}");
    assert_eq!(harness.cloudflare.zone(|zone| zone.records.len()), 2, "nothing was written");
}

#[tokio::test]
async fn by_a_running_agents_verdicts_a_dead_target_goes_and_foreign_ones_stay() {
    let harness = Harness::new(&["192.0.2.10", "192.0.2.10", "192.0.2.11", "198.51.100.9"], 1);
    let _agent =
        harness.place.serve(board(&[("192.0.2.10", down(None, false)), ("192.0.2.11", fine())]));
    let (code, text, complaint) = harness.plan("").await;
    assert_eq!((code, complaint.as_str()), (3, ""), "{text}");
    assert_eq!(changes(&text), ["- www.example.com A 192.0.2.10  (down, 2 records)"], "{text}");
    assert!(text.contains("eu-1 on "), "{text}");
    assert!(text.contains("if all targets were healthy: no difference\n"), "{text}");
    assert!(text.ends_with("verdicts: 0 to create, 1 to delete\n"), "{text}");
}

#[tokio::test]
async fn a_record_kept_by_the_floor_is_reported_and_is_no_difference() {
    let harness = Harness::new(&["192.0.2.10", "192.0.2.11"], 1);
    let dead = || down(None, false);
    let _agent = harness.place.serve(board(&[("192.0.2.10", dead()), ("192.0.2.11", dead())]));
    let (code, text, _) = harness.plan("").await;
    let held = "! www.example.com A 192.0.2.10  (down, stays: min_in_service is 1)";
    let gone = "- www.example.com A 192.0.2.11  (down)";
    assert_eq!((code, changes(&text)), (3, vec![gone, held]), "{text}");
    harness.cloudflare.zone(|zone| zone.records.retain(|record| record.content != "192.0.2.11"));
    let (code, text, _) = harness.plan("").await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.ends_with("\nno difference by the agent's verdicts, 1 held by the floor\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_drain_is_followed_and_a_silent_agent_is_not() {
    let harness = Harness::new(&["192.0.2.10", "192.0.2.11"], 2);
    let drained = TargetState {
        in_service: false,
        drained: Some(Drained { until: None, reason: None, forced: false }),
        ..fine()
    };
    let decided = [("192.0.2.10", drained), ("192.0.2.11", fine())];
    let agent = harness.place.serve(board(&decided));
    let (code, text, _) = harness.plan("").await;
    assert_eq!((code, changes(&text)), (3, vec!["- www.example.com A 192.0.2.10  (drained)"]));
    drop(agent);
    let now = now();
    let past =
        ClockReading { clock: now.clock.checked_sub(Duration::from_secs(20)).unwrap(), ..now };
    let targets = ["192.0.2.10", "192.0.2.11"].map(ip);
    let _agent = harness.place.serve(board_at(past, &targets, &decided));
    let (code, text, _) = harness.plan("").await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("eu-1 on ") && text.contains("its verdicts are outdated"), "{text}");
}

#[tokio::test]
async fn the_floor_holds_for_a_drain_while_a_target_may_return_unless_it_was_forced() {
    let harness = Harness::with(&["192.0.2.10", "192.0.2.11"], 2, "return_delay = 60\n");
    let held = "! www.example.com A 192.0.2.10  (drained, stays: min_in_service is 2)";
    for (forced, want) in [(false, held), (true, "- www.example.com A 192.0.2.10  (drained)")] {
        let drained = Some(Drained { until: None, reason: None, forced });
        let drained = TargetState { in_service: false, drained, ..fine() };
        let board = board(&[("192.0.2.10", drained), ("192.0.2.11", fine())]);
        let _agent = harness.place.serve(board);
        let (_, text, _) = harness.plan("").await;
        assert_eq!(changes(&text), [want], "{text}");
    }
}

#[tokio::test]
async fn right_after_an_agents_start_its_assumptions_put_nothing_back() {
    let harness = Harness::new(&["192.0.2.11"], 1);
    let assumed = TargetState {
        health: goavail::testing::status::model::Health::AssumedUp,
        streak: Streak { outcome: Outcome::Reply, count: 0 },
        ..fine()
    };
    let _agent = harness.place.serve(board(&[("192.0.2.10", assumed), ("192.0.2.11", fine())]));
    let (code, text, _) = harness.plan("").await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("out: assumed_up\n"), "{text}");
}

#[tokio::test]
async fn a_zone_that_cannot_be_read_is_said_and_nothing_is_made_up() {
    let harness = Harness::new(&["192.0.2.10"], 1);
    let place = &harness.place;
    let unread = |(code, said, complaint): Ended, part: &str| {
        assert_eq!((code, said.as_str()), (1, ""), "{complaint}");
        assert!(
            complaint.starts_with("goavail: could not read the zone: Cloudflare "),
            "{complaint}"
        );
        assert!(complaint.contains(part) && complaint.lines().count() == 1, "{complaint}");
    };
    for json in ["", "--json"] {
        unread(place.run(&format!("plan {json}"), &[]).await, "refused to list the records");
        let wrong = [("CF_API_TOKEN", "fakefakefakefakefakefakefakefakefake-bad")];
        unread(place.run(&format!("plan {json}"), &wrong).await, "refused to list the records");
    }
    let _met = harness.cloudflare.script(9, |_| true, Fault::Answer(503, "down".into()));
    unread(harness.plan("").await, "could not list the records of example.com");
    harness.cloudflare.forget_scripts();
    harness.cloudflare.zones(Vec::clear);
    unread(harness.plan("").await, "no zone named example.com is visible");
    let Harness { cloudflare, place } = harness;
    drop(cloudflare);
    let gone = place.run("plan", &[("CF_API_TOKEN", TOKEN)]).await;
    unread(gone, "could not list the records of example.com");
}

#[tokio::test]
async fn a_bad_configuration_is_refused_before_any_request() {
    let harness = Harness::new(&["192.0.2.10"], 1);
    let place = Place::new("failure_threshold = 0");
    let (code, said, complaint) = place.run("plan", &[("CF_API_TOKEN", TOKEN)]).await;
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(
        complaint.starts_with("goavail: goavail.toml:1: failure_threshold: 0 is"),
        "{complaint}"
    );
    let (code, _, complaint) = harness.plan("--dns-provider route53").await;
    assert_eq!(code, 2, "{complaint}");
    assert_eq!(harness.cloudflare.log().len(), 0);
}

#[tokio::test]
async fn the_json_says_the_same_with_the_same_exit_code() {
    let harness = Harness::new(&["192.0.2.10", "198.51.100.9"], 1);
    let env = [("CF_API_TOKEN", TOKEN)];
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (code, text, _) = harness.place.run("plan --json", &env).await;
    let alone = json(&text);
    assert_eq!((code, &alone["difference"]), (3, &Value::Bool(true)));
    assert_eq!(alone["all_healthy"]["create"][0]["address"], "192.0.2.11");
    assert_eq!(alone["decided_by"], "all_healthy");
    let decided = [("192.0.2.10", fine()), ("192.0.2.11", down(None, false))];
    let _agent = harness.place.serve(board(&decided));
    let (code, text, _) = harness.place.run("plan --json", &env).await;
    let with_agent = json(&text);
    assert_eq!((code, &with_agent["difference"]), (0, &Value::Bool(false)), "{text}");
    assert_eq!(with_agent["decided_by"], "agent");
    let foreign = &with_agent["sets"][0]["addresses"][2];
    assert_eq!((&foreign["address"], &foreign["managed"]), (&"198.51.100.9".into(), &false.into()));
    assert_eq!(harness.cloudflare.count(Entry::writes), 0);
}

#[tokio::test]
async fn a_zone_that_is_not_active_is_named() {
    let harness = Harness::new(&["192.0.2.10", "192.0.2.11"], 1);
    harness.cloudflare.zone(|zone| "pending".clone_into(&mut zone.status));
    let (code, text, _) = harness.plan("").await;
    assert_eq!(code, 0, "the records are as they should be: {text}");
    assert!(text.contains("\nwarning: zone example.com has the status \"pending\""), "{text}");
    let (_, json, _) = harness.place.run("plan --json", &[("CF_API_TOKEN", TOKEN)]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["caution"].as_str().unwrap().contains("pending"), "{json:#}");
}
