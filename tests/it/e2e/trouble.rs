//! Cloudflare in trouble, at the start and at the very moment of a withdrawal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{
    Harness, PATIENT, QUICK, WWW, cloudflare_in, config, config_at, count, first, nth, publish,
    setup, target, until, until_written, writes,
};
use crate::agent::{Agent, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, Fault};
use crate::lab::{Lab, run, v4};

/// One agent with a Cloudflare of its own, both in one place with others, and two addresses.
struct Pair {
    cloudflare: FakeCloudflare,
    agent: Agent,
    dies: IpAddr,
    lives: IpAddr,
}

impl Pair {
    fn start(lab: &Lab, number: u32) -> Self {
        let [dies, lives] = [v4(2 * number + 1), v4(2 * number + 2)];
        lab.add(&[dies, lives]);
        let cloudflare = cloudflare_in(lab.agent(0), fake_cloudflare::Setup::default());
        publish(&cloudflare, &[WWW], &[dies, lives]);
        let text = config(QUICK, &["www"], &[dies, lives], &cloudflare);
        let agent = setup(&text, Within::Lab(lab.agent(0)));
        let agent = agent.args(["--no-dry-run", "monitor"]).start();
        Self { cloudflare, agent, dies, lives }
    }
}

/// A fault, its number, its requests, and the log line about it.
struct Trouble {
    name: &'static str,
    fault: Fault,
    times: usize,
    which: fn(&Entry) -> bool,
    said: &'static str,
}

fn trouble(name: &'static str, fault: Fault, times: usize, said: &'static str) -> Trouble {
    Trouble { name, fault, times, which: Entry::writes, said }
}

fn troubles() -> Vec<Trouble> {
    let answer = |status, body: &str| Fault::Answer(status, body.into());
    let no = r#"{"success":false,"errors":[{"code":1000,"message":"not today"}],"result":null}"#;
    let html = "<html><title>Down for maintenance</title></html>";
    let lists = |trouble: Trouble| Trouble { which: |entry| !entry.writes(), ..trouble };
    vec![
        trouble("500, twice", answer(500, no), 2, "HTTP 500"),
        trouble("429 that says when", Fault::Throttled("2".into()), 1, "retry_in=\"2s\""),
        trouble("success:false with 200", answer(200, no), 1, "not today (code 1000)"),
        trouble("HTML with 200", answer(200, html), 1, "a page titled \"Down for maintenance\""),
        trouble("half an answer", Fault::HalfABody, 1, "could not confirm"),
        trouble("cut off before the change", Fault::CutBefore, 1, "could not confirm"),
        trouble("cut off after the change", Fault::CutAfter, 1, "could not confirm"),
        lists(trouble("500 for every reading", answer(500, ""), 3, "HTTP 500")),
        lists(trouble("half a list", Fault::HalfABody, 2, "could not list")),
    ]
}

#[test]
fn dns_is_right_in_the_end_after_any_fault_of_the_api_at_a_flip() {
    run(|| {
        let lab = Lab::new();
        let mut all = Vec::new();
        for (number, trouble) in (0..).zip(troubles()) {
            all.push((Pair::start(&lab, number), trouble.name, trouble.said));
            let (pair, ..) = all.last_mut().unwrap();
            nth(&mut pair.agent, 2, &["target confirmed up"]);
            pair.cloudflare.script(trouble.times, trouble.which, trouble.fault);
        }
        let dead: Vec<_> = all.iter().map(|(pair, ..)| pair.dies).collect();
        lab.remove(&dead);
        for (pair, name, said) in &mut all {
            first(&mut pair.agent, &["WARN", said, "retry_in="]);
            first(&mut pair.agent, &["DNS provider recovered"]);
            let left = || pair.cloudflare.zone(|zone| zone.contents("A", WWW));
            assert_eq!(left(), [pair.lives.to_string()], "{name}");
        }
        lab.add(&dead);
        for (pair, name, _) in &mut all {
            first(&mut pair.agent, &["restored", &target(pair.dies)]);
            let mut both = [pair.dies, pair.lives].map(|address| address.to_string());
            both.sort();
            assert_eq!(pair.cloudflare.zone(|zone| zone.contents("A", WWW)), both, "{name}");
            assert_eq!(count(&mut pair.agent, &["target down"]), 1, "{name}");
        }
    });
}

#[test]
fn retry_after_is_waited_for() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1)]), 1);
        harness.cloudflare.script(1, Entry::writes, Fault::Throttled("2".into()));
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
        let log = harness.cloudflare.log();
        let times: Vec<_> = log.iter().filter(|e| e.writes()).map(|e| e.arrived).collect();
        assert_eq!(times.len(), 2);
        assert!(times[1] - times[0] >= Duration::from_secs(2), "{:?}", times[1] - times[0]);
    });
}

#[test]
fn retry_after_is_waited_for_after_the_first_listing() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        harness.cloudflare.script(1, |entry| !entry.writes(), Fault::Throttled("3".into()));
        let mut agent = harness.start(&harness.config("", &[v4(1)]));
        first(&mut agent, &["WARN", "continuing without a listing of the zone"]);
        until(&harness.cloudflare, |log| log.len() >= 2);
        let log = harness.cloudflare.log();
        let pause = log[1].arrived - log[0].arrived;
        assert!(pause >= Duration::from_secs(3), "{pause:?}");
    });
}

#[test]
fn while_the_api_hangs_all_are_watched_at_full_pace() {
    run(|| {
        let addresses: Vec<_> = (1..=20).map(v4).collect();
        let harness = Harness::serving(&addresses);
        let mut agent = harness.confirmed(&harness.config("", &addresses), 20);
        harness.cloudflare.script(1, Entry::writes, Fault::Hang);
        harness.lab.remove(&[v4(1)]);
        until_written(&harness.cloudflare, 1);
        let hangs = harness.cloudflare.log().iter().find(|e| e.writes()).unwrap().arrived;
        harness.lab.remove(&[v4(2)]);
        first(&mut agent, &["target down", &target(v4(2))]);
        assert_eq!(count(&mut agent, &["could not confirm"]), 0, "it still hangs");
        let gave_up = first(&mut agent, &["WARN", "could not confirm"]).at;
        nth(&mut agent, 2, &["withdrew"]);
        let left: Vec<_> = addresses[2..].iter().map(ToString::to_string).collect();
        assert_eq!(harness.in_service().len(), left.len());

        let living = agent.lines_with(&["outcome=Reply"]);
        let during = living.iter().filter(|line| line.at > hangs && line.at < gave_up).count();
        // 18 addresses, a probe every 0.2 s; fewer on a busy machine, none if it waited.
        let due = 18.0 * (gave_up - hangs).as_secs_f64() / 0.2;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let share = during as f64 / due;
        eprintln!("{during} replies of {due:.0} while the API hung");
        assert!(share > 0.3, "{during} of {due}");
    });
}

#[test]
fn refused_credentials_and_an_unknown_zone_end_the_start_with_exit_code_2() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let text = harness.config("", &[v4(1)]);
        let unknown = text.replace("example.com", "example.org");
        let wrong = "wrong".repeat(8);
        let rows = [
            (text.clone(), wrong.as_str(), "Invalid access token"),
            (unknown, super::TOKEN, "no zone named example.org"),
        ];
        for (text, token, why) in rows {
            let setup = harness.setup(&text).env("CF_API_TOKEN", token);
            let ended = setup.args(["--no-dry-run", "monitor"]).start().wait_end(PATIENT);
            assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
            let last: Vec<_> =
                ended.stderr.lines().filter(|line| line.starts_with("goavail: ")).collect();
            assert_eq!(last.len(), 1, "{}", ended.stderr);
            assert!(last[0].contains("Cloudflare refused to") && last[0].contains(why), "{last:?}");
            assert!(!ended.stderr.contains(&wrong), "no secret is told");
        }
        assert_eq!(writes(&harness.cloudflare), 0);
    });
}

#[test]
fn an_api_out_of_reach_at_the_start_ends_nothing_and_is_used_once_it_is_there() {
    run(|| {
        let lab = Lab::new();
        lab.add(&[v4(1)]);
        let port = 8054;
        let nobody = format!("http://127.0.0.1:{port}/client/v4");
        let text = config_at(QUICK, &["www"], &[v4(1)], &nobody);
        let agent = setup(&text, Within::Lab(lab.agent(0)));
        let mut agent = agent.args(["--no-dry-run", "monitor"]).start();
        first(&mut agent, &["WARN", "continuing without a listing of the zone"]);
        first(&mut agent, &["watching"]);
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let late = fake_cloudflare::Setup { listen, ..Default::default() };
        let late = cloudflare_in(lab.agent(0), late);
        publish(&late, &[WWW], &[v4(1)]);
        first(&mut agent, &["target confirmed up"]);
        lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
        assert!(late.zone(|zone| zone.records.is_empty()));
    });
}
