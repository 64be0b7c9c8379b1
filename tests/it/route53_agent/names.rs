//! Names that Route 53 lists escaped, beside others: each set is read, shown and written once.

use super::{FOREIGN, Harness, anonymous, signed};
use crate::agent::PATIENT;
use crate::moto::set;

const HOSTS: [&str; 4] = ["@", "*", "_x.y", "www"];
const NAMES: [&str; 4] = ["example.com", "*.example.com", "_x.y.example.com", "www.example.com"];

/// All four names serve both targets and a foreign address.
async fn serving() -> Option<Harness> {
    let harness = Harness::new().await?;
    let (first, second) = (harness.text(0), harness.text(1));
    let serving = |name: &&str| set(name, "A", &[&first, &second, FOREIGN]).build().unwrap();
    harness.zone.put(NAMES.iter().map(serving)).await;
    Some(harness)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dead_address_leaves_a_wildcard_and_every_other_name_and_comes_back() {
    let Some(mut harness) = serving().await else { return };
    let before = harness.sets().await;
    let mut agent = harness.confirmed(&harness.config("", &HOSTS));
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    let left: Vec<_> = harness.served().await;
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|line| !line.contains(&harness.text(0))), "{left:?}");
    harness.open(0);
    agent.nth(1, &["restored", &harness.target(0)]);
    assert_eq!(harness.sets().await, before);
    assert_eq!(harness.written(), 2, "one request for all four names, each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plan_shows_each_whole_set_that_would_be_sent_and_every_value_once() {
    let Some(harness) = serving().await else { return };
    let (first, second) = (harness.text(0), harness.text(1));
    let new = set("www.example.com", "A", &[&first, FOREIGN]).build().unwrap();
    let weighted = |id: &str, value: &str| {
        let set = set("api.example.com", "A", &[value]).set_identifier(id);
        set.weight(1).build().unwrap()
    };
    harness.zone.put([new, weighted("one", &first), weighted("two", FOREIGN)]).await;
    let config = harness.config("", &[&HOSTS[..], &["api"]].concat());
    let plan = |json: &[&str]| {
        let setup = signed(anonymous(&config), harness.moto);
        let ended = setup.args(["plan"]).args(json.iter().copied()).start().wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
        ended.stdout
    };
    let text = plan(&[]);
    for line in [
        format!("+ www.example.com A {second}"),
        format!("  DELETE www.example.com A {first} {FOREIGN}  (TTL 120 s)"),
        format!("  CREATE www.example.com A {first} {FOREIGN} {second}  (TTL 120 s)"),
        format!(
            "? api.example.com A {second}  (goes only into the routed set that the agent remembers)"
        ),
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in:\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let sends = json["all_healthy"]["sends"].as_array().unwrap();
    assert_eq!(sends.len(), 2, "{sends:?}");
    assert_eq!(sends[0]["values"], serde_json::json!([first, FOREIGN]));
    assert_eq!(json["all_healthy"]["needs_memory"].as_array().unwrap().len(), 1);
    assert_eq!(harness.written(), 0);
}

/// PRIMARY's set is deleted with its only address; nobody remembers after the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_without_a_memory_puts_an_address_into_no_routed_set_and_names_state_file() {
    let Some(mut harness) = Harness::new().await else { return };
    let (first, second) = (harness.text(0), harness.text(1));
    let failover = |id: &str, value: &str| {
        let set = set("www.example.com", "A", &[value]).set_identifier(id);
        set.failover(id.into()).build().unwrap()
    };
    let api = set("api.example.com", "A", &[&first, &second]).build().unwrap();
    harness.zone.put([failover("PRIMARY", &first), failover("SECONDARY", &second), api]).await;
    let config = harness.config("", &["www", "api"]);
    let mut agent = harness.confirmed(&config);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    agent.kill();
    harness.open(0);
    let mut next = harness.start(&config);
    next.nth(1, &["restored", &harness.target(0), "names=\"api.example.com\""]);
    next.nth(1, &["is not restored at www.example.com A", "state_file"]);
    let served = harness.served().await;
    assert!(served.contains(&format!("www.example.com A: {second}")), "{served:?}");
    assert!(served.iter().any(|s| s.starts_with("api") && s.contains(&first)), "{served:?}");
}
