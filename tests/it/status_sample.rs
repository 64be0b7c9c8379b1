//! A board with an hour behind it and a bit of everything on it, for the tests of its views.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use goavail::engine::ids::{TargetRef, ZoneId};
use goavail::engine::plan::{Family, Observed, SetKey};
use goavail::testing::status::model::{Agent, Drained, Health, Mode, Outcome, Reason, Streak};
use goavail::testing::status::{
    Board, ClockReading, PeerStatus, ReceivedVote, Setup, TargetState, Time,
};

/// The beginning of the sample board, in seconds of Unix time: 2026-11-22 02:59:00.
pub(crate) const BEGAN: u64 = 1_795_316_340;

/// The duration of the sample board in seconds.
pub(crate) const LASTED: u64 = 3_660;

#[expect(clippy::disallowed_methods, reason = "an Instant can be had in no other way")]
pub(crate) fn beginning() -> ClockReading {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGAN);
    ClockReading { clock: Instant::now(), wall }
}

/// `seconds` after `beginning`.
pub(crate) fn after(beginning: ClockReading, seconds: u64) -> ClockReading {
    let passed = Duration::from_secs(seconds);
    ClockReading { clock: beginning.clock + passed, wall: beginning.wall + passed }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn setup(targets: &[IpAddr]) -> Setup {
    let beginning = Time::new(SystemTime::UNIX_EPOCH + Duration::from_secs(BEGAN));
    let agent = Agent {
        name: "eu-1".into(),
        version: "0.1.0".into(),
        started_at: beginning,
        dry_run: false,
        mode: Mode::Cluster,
        r#type: "ip".into(),
        provider: "Cloudflare".into(),
        zone: "example.com".into(),
        isolated: false,
        isolation_cause: None,
        config_loaded_at: beginning,
        guards_off: vec!["canaries".into(), "require_signed".into()],
    };
    let names = vec!["www.example.com".into(), "api.example.com".into()];
    Setup::single(agent, "cloudflare", targets.to_vec(), names)
}

/// The state of a healthy target.
pub(crate) fn fine() -> TargetState {
    TargetState {
        probe: None,
        health: Health::Up,
        judged: None,
        in_service: true,
        reason: None,
        streak: Streak { outcome: Outcome::Reply, count: 1_800 },
        drained: None,
        standby: None,
        returning: None,
    }
}

pub(crate) fn down(reason: Option<Reason>, in_service: bool) -> TargetState {
    let streak = Streak { outcome: Outcome::Loss, count: 310 };
    TargetState { health: Health::Down, in_service, reason, streak, ..fine() }
}

/// Returns twelve targets.
pub(crate) fn targets() -> Vec<IpAddr> {
    let v4 = (10..20).map(|last| ip(&format!("198.51.100.{last}")));
    v4.chain([ip("2001:db8:51:100::15"), ip("2001:db8:51:100:aaaa:bbbb:cccc:dddd")]).collect()
}

/// The board after an hour: one target is down and out, one is down and kept by the floor, one is
/// contested, one is drained, one is losing probes, one is not confirmed, the others are well.
pub(crate) fn sample_board() -> (Board, ClockReading) {
    let beginning = beginning();
    let end = after(beginning, LASTED);
    let targets = targets();
    let mut board = Board::new(setup(&targets), beginning);
    for second in (0..LASTED).step_by(2) {
        let at = after(beginning, second);
        for (place, target) in targets.iter().enumerate() {
            probe(&mut board, place, *target, at.clock, second);
        }
        board.tick(at);
    }
    decide(&mut board, &targets, beginning);
    surround(&mut board, &targets, beginning);
    board.publish(end);
    (board, end)
}

/// One probe of the target at `place`.
fn probe(board: &mut Board, place: usize, target: IpAddr, at: Instant, second: u64) {
    let wave = 700 * (second / 60 * (3 + place as u64) % 11) + 90 * (second * 7 % 13);
    let rtt = Duration::from_micros(4_000 + 2_500 * place as u64 + wave);
    let lost = match place {
        3 => second >= 3_040,
        5 => second >= 2_400 && second % 600 < 480,
        7 => second >= 3_300,
        8 => second.is_multiple_of(14) || second >= 3_656,
        11 => return,
        _ => second == 1_000,
    };
    if lost {
        board.loss(TargetRef::of_default(target), at);
    } else {
        board.reply(TargetRef::of_default(target), at, rtt);
    }
}

fn decide(board: &mut Board, targets: &[IpAddr], beginning: ClockReading) {
    let at = |seconds| after(beginning, seconds).clock;
    for target in &targets[..11] {
        board.update(TargetRef::of_default(*target), at(8), &fine());
    }
    let drained = TargetState {
        in_service: false,
        reason: Some(Reason::Drained),
        drained: Some(Drained {
            until: Some(Time::new(after(beginning, LASTED + 5_400).wall)),
            reason: Some("kernel update <b>&amp; reboot</b>".into()),
            forced: false,
        }),
        ..fine()
    };
    let losing = Streak { outcome: Outcome::Loss, count: 2 };
    board.update(TargetRef::of_default(targets[3]), at(3_046), &down(None, false));
    board.update(TargetRef::of_default(targets[7]), at(3_306), &down(Some(Reason::Floor), false));
    board.update(
        TargetRef::of_default(targets[5]),
        at(3_610),
        &down(Some(Reason::Contested), true),
    );
    board.update(TargetRef::of_default(targets[1]), at(2_000), &drained);
    board.update(
        TargetRef::of_default(targets[8]),
        at(3_659),
        &TargetState { streak: losing, ..fine() },
    );
    let vote =
        |peer: &str, health| ReceivedVote { peer: peer.into(), health, heard: at(LASTED - 4) };
    for (place, target) in targets.iter().enumerate() {
        let here = if matches!(place, 3 | 7) { Health::Down } else { Health::Up };
        board.set_votes(
            TargetRef::of_default(*target),
            vec![vote("192.0.2.81:8080", here), vote("192.0.2.82:8080", here)],
        );
    }
}

fn surround(board: &mut Board, targets: &[IpAddr], beginning: ClockReading) {
    let at = |seconds| after(beginning, seconds).clock;
    let set = |name: &str, family| SetKey { name: name.into(), family };
    let there = |family| -> BTreeSet<IpAddr> {
        let out = [targets[1], targets[3]];
        let kept = targets.iter().filter(|target| Family::of(**target) == family);
        kept.filter(|target| !out.contains(target)).copied().collect()
    };
    let sets = ["www.example.com", "api.example.com"].into_iter().flat_map(|name| {
        [Family::A, Family::Aaaa].map(|family| (set(name, family), there(family)))
    });
    board.set_observed(ZoneId::DEFAULT, Some(&sets.collect::<Observed>()));
    let peer = |address: &str, alive, heard| PeerStatus {
        address: address.into(),
        alive,
        signed: alive,
        last_heard: Some(at(heard)),
        no_vote_on: vec![],
    };
    board.set_peers(vec![
        peer("192.0.2.81:8080", true, LASTED - 4),
        peer("192.0.2.82:8080", true, LASTED - 2),
        peer("192.0.2.83:8080", false, 1_200),
    ]);
    board.changed(
        at(2_001),
        "withdrew 198.51.100.11 from www.example.com, api.example.com",
        "drained by operator: kernel update",
        Some(TargetRef::of_default(targets[1])),
    );
    board.changed(
        at(3_047),
        "withdrew 198.51.100.13 from www.example.com, api.example.com",
        "3 losses in a row after the last reply at 03:49:38; agree eu-1, 192.0.2.81:8080, \
         192.0.2.82:8080; 4 left at www.example.com, at least 3",
        Some(TargetRef::of_default(targets[3])),
    );
    board.failed(at(2_900), "list the records of example.com", "connection reset by peer");
    board.recovered("list the records of example.com");
    board.failed(at(LASTED - 5), "tell Slack", "503 Service Unavailable");
    let counters = board.counters();
    counters.set_dns_requests(ZoneId::DEFAULT, "ok", 1);
    counters.dns_change(ZoneId::DEFAULT, "withdraw", "done");
    counters.set_votes("192.0.2.81:8080", "accepted", 1);
    counters.set_votes("192.0.2.83:8080", "accepted", 1);
    counters.set_notices("slack", "failed", 1);
    counters.reload("refused");
    counters.failover(Duration::from_millis(1_420));
}
