//! The schedule of one endpoint, and its flows.

use super::*;
use crate::engine::types::Outcome;

const PACE: Pace = Pace {
    interval: Duration::from_secs(1),
    timeout: Duration::from_millis(500),
    retry_interval: Duration::from_millis(200),
};

fn at(milliseconds: u64) -> Moment {
    Moment::after_start(Duration::from_millis(milliseconds))
}

fn watch() -> Watch {
    let endpoint = Endpoint::echo(std::net::IpAddr::from([192, 0, 2, 10]));
    Watch::new(endpoint, at(300))
}

/// Sends whenever a probe is due until `end`; returns the send times.
fn send_until(watch: &mut Watch, end: Moment, seq: &mut u64) -> Vec<u64> {
    let mut sent = Vec::new();
    while watch.due <= end {
        let now = watch.due;
        watch.send((*seq).into(), now, PACE);
        *seq += 1;
        sent.push(u64::try_from(now.since_start().as_millis()).unwrap());
    }
    sent
}

#[test]
fn probes_keep_their_own_phase() {
    let mut watch = watch();
    assert_eq!(send_until(&mut watch, at(3500), &mut 0), [300, 1300, 2300, 3300]);
}

#[test]
fn a_late_start_skips_the_missed_slots_and_keeps_the_phase() {
    let mut watch = watch();
    watch.send(0.into(), at(4900), PACE);
    assert_eq!(watch.due, at(5300));
}

#[test]
fn a_suspect_is_probed_at_the_retry_interval_and_a_cleared_one_returns_to_its_phase() {
    let mut watch = watch();
    let mut seq = 0;
    send_until(&mut watch, at(300), &mut seq);
    assert!(watch.set_suspect(true, at(350), PACE));
    assert!(!watch.set_suspect(true, at(360), PACE), "no news twice");
    assert_eq!(send_until(&mut watch, at(900), &mut seq), [500, 700, 900]);
    watch.set_suspect(false, at(950), PACE);
    assert_eq!(send_until(&mut watch, at(2400), &mut seq), [1300, 2300]);
}

#[test]
fn each_suspicion_opens_another_flow() {
    let mut watch = watch();
    let before = watch.flow();
    watch.set_suspect(true, at(0), PACE);
    assert_ne!(watch.flow(), before);
    let during = watch.flow();
    watch.set_suspect(false, at(0), PACE);
    assert_eq!(watch.flow(), during);
}

#[test]
fn it_wakes_for_the_overdue_reply_before_the_timeout() {
    let mut watch = watch();
    watch.send(0.into(), at(300), PACE);
    assert_eq!(watch.wake(PACE, true), at(800), "nothing measured: the timeout");
    watch.rtt.measure(Duration::from_millis(1));
    assert_eq!(watch.wake(PACE, true), at(350), "measured: the minimum");
    assert_eq!(watch.wake(PACE, false), at(800), "not watchful: the timeout");
    assert!(!watch.is_overdue(at(349), PACE));
    assert!(watch.is_overdue(at(350), PACE));
    watch.set_suspect(true, at(350), PACE);
    assert_eq!(watch.wake(PACE, true), at(500), "suspect: the retry");
}

#[test]
fn another_flow_is_tried_for_as_long_as_nothing_answers_and_kept_once_something_does() {
    let mut watch = watch();
    let mut flows = vec![];
    for seq in 0..12 {
        let now = at(seq * 1000);
        watch.send(seq.into(), now, PACE);
        flows.push(u16::from(watch.flow()));
        if seq < 8 {
            watch.outstanding.expire(now + PACE.timeout, PACE.timeout, Outcome::Loss);
        } else {
            watch.outstanding.judge(seq.into(), Outcome::Reply);
        }
    }
    assert_eq!(flows, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
}
