//! The board: the updates of the event loop, and the snapshots of readers.

use std::time::{Duration, Instant};

use goavail::engine::ids::TargetRef;
use goavail::engine::types::IsolationCause;
use goavail::testing::status::model::{Health, Outcome, Reason};
use goavail::testing::status::{
    Board, CHANGES_KEPT, ClockReading, MINUTES, MetricsFormat, PUBLISH_EVERY, PUBLISH_SOON, Time,
    encode,
};

use crate::status_sample::{after, beginning, down, fine, ip, sample_board, setup, targets};

#[test]
fn a_new_board_assumes_the_best_and_knows_nothing() {
    let beginning = beginning();
    let board = Board::new(setup(&targets()), beginning);
    let status = board.reader().snapshot().status();
    assert_eq!(status.targets.len(), 12);
    for target in &status.targets {
        assert_eq!((target.health, target.in_service), (Health::AssumedUp, true));
        assert_eq!((target.last_rtt_ms, target.streak.count), (None, 0));
        assert!(target.records.iter().all(|record| record.present.is_none()), "{target:?}");
    }
    assert_eq!((status.last_change, status.last_error), (None, None));
}

/// A name, a time, the update at that time, and whether it is published.
type Step<'a> = (&'a str, Duration, &'a dyn Fn(&mut Board, Instant), bool);

#[test]
fn readers_see_nothing_before_it_is_due_and_consequences_soon() {
    let beginning = beginning();
    let target = targets()[0];
    let mut board = Board::new(setup(&targets()), beginning);
    let reader = board.reader();
    let mut at = |passed: Duration, change: &dyn Fn(&mut Board, Instant)| {
        let mut now = beginning;
        (now.clock, now.wall) = (now.clock + passed, now.wall + passed);
        change(&mut board, now.clock);
        board.tick(now)
    };
    let ms = Duration::from_millis;
    let reply =
        |board: &mut Board, at: Instant| board.reply(TargetRef::of_default(target), at, ms(3));
    let flip = |board: &mut Board, at: Instant| {
        board.update(TargetRef::of_default(target), at, &down(None, false));
    };
    let steps: [Step<'_>; 6] = [
        ("a reply can wait", ms(500), &reply, false),
        ("but not longer than a second", PUBLISH_EVERY, &reply, true),
        ("a flip waits for others", PUBLISH_EVERY + ms(10), &flip, false),
        ("but not long", PUBLISH_EVERY + PUBLISH_SOON, &reply, true),
        ("the same said again is no news", ms(1_200), &flip, false),
        ("nothing new, a second later", ms(2_050), &|_, _| (), true),
    ];
    for (name, passed, change, published) in steps {
        assert_eq!(at(passed, change), published, "{name}");
    }
    let seen = &reader.snapshot().status().targets[0];
    assert_eq!((seen.health, seen.in_service), (Health::Down, false));
}

#[test]
fn the_status_holds_the_facts_of_the_board() {
    let (board, end) = sample_board();
    let status = board.reader().snapshot().status();
    let at = |target: &str| status.targets.iter().find(|seen| seen.address == ip(target)).unwrap();
    let dead = at("198.51.100.13");
    assert_eq!((dead.health, dead.in_service, dead.known_reason()), (Health::Down, false, None));
    assert_eq!(dead.since.to_string(), "2026-11-22T03:49:46.000Z");
    assert_eq!(dead.last_reply_at.unwrap().to_string(), "2026-11-22T03:49:38.000Z");
    assert!((dead.loss_1m.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!((dead.streak.outcome, dead.streak.count), (Outcome::Loss, 310));
    assert!(dead.records.iter().all(|record| record.present == Some(false)));
    assert_eq!(dead.votes[0].peer, "192.0.2.81:8080");
    assert!((dead.votes[0].age_s - 4.0).abs() < 1e-9);
    let kept = at("198.51.100.17");
    assert_eq!(kept.known_reason(), Some(Reason::Floor));
    assert!(kept.records.iter().all(|record| record.present == Some(true)));
    let v6 = at("2001:db8:51:100::15");
    assert!(v6.records.iter().all(|record| record.r#type == "AAAA"));
    assert_eq!(status.at.wall(), end.wall);
    assert_eq!(status.last_change, status.changes.first().cloned());
    let failing: Vec<&str> = status.failing.iter().map(|failure| failure.what.as_str()).collect();
    assert_eq!(failing, ["tell Slack"], "what recovered is no longer failing");
}

#[test]
fn targets_that_stay_keep_their_state_over_a_reload_and_the_others_are_gone() {
    let (mut board, end) = sample_board();
    let before = board.reader().snapshot().status();
    let (stays, goes, comes) = (ip("198.51.100.13"), ip("198.51.100.14"), ip("198.51.100.99"));
    let mut setup = setup(&[comes, stays]);
    setup.services[0].names = vec!["api.example.com".into(), "new.example.com".into()];
    board.reload(setup, end);
    board.reply(TargetRef::of_default(goes), end.clock, Duration::from_millis(1)); // still on its way
    board.publish(end);
    let snapshot = board.reader().snapshot();
    let status = snapshot.status();
    let addresses: Vec<_> = status.targets.iter().map(|target| target.address).collect();
    assert_eq!(addresses, [comes, stays]);
    let (old, new) = (&before.targets[3], &status.targets[1]);
    assert_eq!((old.since, old.streak, old.loss_1m), (new.since, new.streak, new.loss_1m));
    let present: Vec<_> = new.records.iter().map(|record| record.present).collect();
    assert_eq!(present, [Some(false), None], "the name that stays is known, the new one is not");
    let metrics = encode(&snapshot, MetricsFormat::Text, String::new());
    assert!(!metrics.contains("198.51.100.14"), "a removed target has no series");
    let lost = "goavail_probes_total{target=\"198.51.100.13\",outcome=\"loss\"} 310\n";
    assert!(metrics.contains(lost), "one that stays keeps its count");
}

#[test]
fn an_isolated_agent_is_shown_as_isolated_with_its_cause_over_a_reload() {
    let (mut board, end) = sample_board();
    let shown = |board: &mut Board| {
        board.publish(end);
        let snapshot = board.reader().snapshot();
        let metrics = encode(&snapshot, MetricsFormat::Text, String::new());
        let agent = serde_json::to_value(snapshot.status().agent).unwrap();
        let isolated = agent["isolated"].as_bool().unwrap();
        assert!(metrics.contains(&format!("goavail_isolated {}.0\n", u8::from(isolated))));
        agent["isolation_cause"].as_str().map(str::to_owned)
    };
    for (cause, words) in [
        (IsolationCause::NoCanary, "no canary answers"),
        (IsolationCause::NothingCanBeAsked, "this machine can ask none of its targets"),
    ] {
        board.set_isolation(Some(cause));
        assert_eq!(shown(&mut board).as_deref(), Some(words));
        board.reload(setup(&targets()), end);
        assert_eq!(shown(&mut board).as_deref(), Some(words), "after a reload");
    }
    board.set_isolation(None);
    board.reload(setup(&targets()), end);
    assert_eq!(shown(&mut board), None);
}

#[test]
fn times_follow_the_wall_clock_when_it_is_set_and_do_not_waver_with_it() {
    // `(by how many milliseconds the clock is ahead, and by how many the times are moved)`
    let cases = [
        (0, 0),
        (499, 0),
        (-499, 0),
        (500, 500),
        (-500, -500),
        (1_700_000_000_000, 1_700_000_000_000),
    ];
    for (ahead, moved) in cases {
        let shift = |moment: ClockReading, by: i64| {
            let duration = Duration::from_millis(by.unsigned_abs());
            let wall = if by < 0 { moment.wall - duration } else { moment.wall + duration };
            ClockReading { wall, ..moment }
        };
        let begun = beginning();
        let target = targets()[0];
        let mut board = Board::new(setup(&[target]), begun);
        let times = |board: &Board| {
            let status = board.reader().snapshot().status();
            let seen = &status.targets[0];
            let (change, error) = (status.last_change.unwrap(), status.last_error.unwrap());
            let agent = [status.agent.started_at, status.agent.config_loaded_at];
            let target = [seen.since, seen.in_service_since.unwrap(), seen.last_reply_at.unwrap()];
            let rest = [status.changes[0].at, change.at, error.at, status.failing[0].at];
            [&agent[..], &target, &rest].concat()
        };
        board.reply(TargetRef::of_default(target), after(begun, 4).clock, Duration::from_millis(3));
        board.reload(setup(&[target]), after(begun, 5));
        board.update(TargetRef::of_default(target), after(begun, 10).clock, &down(None, false));
        board.changed(
            after(begun, 11).clock,
            "withdrew it",
            "3 losses",
            Some(TargetRef::of_default(target)),
        );
        board.failed(after(begun, 12).clock, "tell Slack", "down");
        board.publish(after(begun, 19));
        let before = times(&board);
        let want: Vec<Time> = [0, 5, 10, 10, 4, 11, 11, 12, 12]
            .map(|second| Time::new(after(begun, second).wall))
            .into();
        assert_eq!(before, want, "{ahead} ms: before");
        board.publish(shift(after(begun, 20), ahead));
        let want: Vec<Time> = [0, 5, 10, 10, 4, 11, 11, 12, 12]
            .map(|second| Time::new(shift(after(begun, second), moved).wall))
            .into();
        assert_eq!(times(&board), want, "{ahead} ms");
    }
}

#[test]
fn an_hour_and_fifty_changes_are_kept_and_no_more() {
    let beginning = beginning();
    let target = targets()[0];
    let mut board = Board::new(setup(&[target]), beginning);
    for second in (0..4 * 3_600).step_by(60) {
        let at = after(beginning, second);
        board.reply(TargetRef::of_default(target), at.clock, Duration::from_millis(5));
        board.changed(at.clock, &format!("change {second}"), "", None);
        board.failed(at.clock, &format!("failure {second}"), "");
    }
    board.publish(after(beginning, 4 * 3_600 - 60));
    let snapshot = board.reader().snapshot();
    let hour = snapshot.hour(0);
    assert_eq!((hour.len(), snapshot.hour(1).len()), (MINUTES, 0));
    assert!(hour.iter().all(|minute| minute.replies == 1));
    let status = snapshot.status();
    assert_eq!(status.changes.len(), CHANGES_KEPT);
    assert_eq!(status.changes[0].what, "change 14340");
    assert!(status.failing.len() <= 20, "{}", status.failing.len());
    assert_eq!(status.last_error.unwrap().what, "failure 14340");
}

#[test]
fn flips_verdicts_and_refusals_are_counted_once_each() {
    let beginning = beginning();
    let target = ip("198.51.100.10");
    let mut board = Board::new(setup(&[target]), beginning);
    let story = [
        fine(),
        down(Some(Reason::NoQuorum), true),
        down(Some(Reason::NoQuorum), true),
        down(Some(Reason::Floor), false),
        down(None, false),
        fine(),
        down(Some(Reason::NoQuorum), true),
    ];
    for facts in &story {
        board.update(TargetRef::of_default(target), beginning.clock, facts);
    }
    board.publish(beginning);
    let metrics = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    for want in [
        "goavail_flips_total{target=\"198.51.100.10\",to=\"down\"} 2\n",
        "goavail_flips_total{target=\"198.51.100.10\",to=\"up\"} 1\n",
        "goavail_verdicts_total{target=\"198.51.100.10\",to=\"down\"} 1\n",
        "goavail_verdicts_total{target=\"198.51.100.10\",to=\"up\"} 1\n",
        "goavail_refusals_total{reason=\"no_quorum\"} 2\n",
        "goavail_refusals_total{reason=\"floor\"} 1\n",
        "goavail_refusals_total{reason=\"isolated\"} 0\n",
    ] {
        assert!(metrics.contains(want), "{want} is not in\n{metrics}");
    }
}

#[test]
fn ten_thousand_targets_are_published_in_passing() {
    let beginning = beginning();
    let targets: Vec<_> = (0..10_000)
        .map(|n| ip(&format!("10.{}.{}.{}", n / 2_500, n / 250 % 10, n % 250)))
        .collect();
    let mut board = Board::new(setup(&targets), beginning);
    let rounds = (1..=10).map(|second| {
        let at = after(beginning, second);
        took(|| {
            for target in &targets {
                board.reply(TargetRef::of_default(*target), at.clock, Duration::from_millis(20));
            }
            board.publish(at);
        })
    });
    let least = rounds.min().unwrap_or_default();
    println!("10,000 probes written down and published in {least:?}");
    // It is some 0.03 s, unoptimized; were each probe to look at every target, it would be seconds.
    assert!(least < Duration::from_secs(1), "{least:?}");
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn took(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

#[test]
fn a_canary_that_limits_its_replies_is_shown_and_stays_known_over_a_reload() {
    let beginning = beginning();
    let mut board = Board::new(setup(&[ip("198.51.100.10")]), beginning);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    board.set_canaries(names(&["192.0.2.1", "[2001:db8::1]:53"]));
    board.set_canary_limits("[2001:db8::1]:53", Some(Duration::from_millis(3_500)));
    board.set_canaries(names(&["192.0.2.2", "[2001:db8::1]:53"]));
    board.publish(beginning);
    let shown = serde_json::to_value(board.reader().snapshot().status()).unwrap();
    let want = serde_json::json!([
        {"address": "192.0.2.2", "limits": null},
        {"address": "[2001:db8::1]:53", "limits": {"noticed_after_s": 3.5}},
    ]);
    assert_eq!(shown["canaries"], want);
    assert_eq!(shown["targets"][0]["limits"], serde_json::Value::Null);
    board.set_canary_limits("[2001:db8::1]:53", None);
    board.publish(beginning);
    let shown = board.reader().snapshot().status();
    assert!(shown.canaries.iter().all(|canary| canary.limits.is_none()));
}
