//! Figures of space and speed. `cargo test --release --lib figures -- --ignored --nocapture` prints them.

use std::time::{Duration, Instant};

use super::past::{Past, address, scrambled, settings};
use crate::engine::Engine;
use crate::engine::Moment;
use crate::engine::journal::RunEnd;
use crate::engine::journal::{Noted, NotedProbe};
use crate::engine::types::Outcome;
use crate::history::begin::Begin;
use crate::history::block::{Block, HEAD};
use crate::history::entry::{EntryWriter, HistoryEntry};
use crate::history::reader::HistoryFiles;
use crate::replay::change::SettingChanges;
use crate::replay::run::{as_asked, as_it_was};

#[expect(clippy::disallowed_methods, reason = "a figure of speed is a time")]
fn start() -> Instant {
    Instant::now()
}

/// The pace of the file that ships.
const PACE: [u64; 3] = [1_000, 500, 200];

const DAY: Duration = Duration::from_hours(24);

/// Returns the bytes of a day for each of this number of targets.
fn bytes_a_day(targets: usize, answers: impl Fn(usize, Duration) -> bool) -> u64 {
    let mut past = Past::new(&settings(targets, PACE, 3));
    past.run(DAY, &mut |target, now| {
        let number = (0..targets).position(|number| address(number) == target).unwrap();
        let rtt = 10_000 + scrambled(u64::try_from(now.as_nanos()).unwrap()) % 3_000;
        answers(number, now).then(|| Duration::from_micros(rtt))
    });
    let bytes = past.files().files[0].len();
    u64::try_from(bytes / targets).unwrap()
}

#[test]
#[ignore = "prints figures of space"]
fn bytes_of_a_target_and_day() {
    for targets in [1, 20] {
        let healthy = bytes_a_day(targets, |_, _| true);
        println!("healthy, {targets} targets: {healthy} bytes a target and day");
        assert!(healthy <= 1024);
    }
    let lossy = bytes_a_day(5, |number, now| {
        let nanos = u64::try_from(now.as_nanos()).unwrap();
        !scrambled(nanos ^ u64::try_from(number).unwrap() << 50).is_multiple_of(100)
    });
    println!("1 % lost: {lossy} bytes a target and day");
    let flapping = bytes_a_day(5, |number, now| {
        (now.as_secs() + u64::try_from(number).unwrap() * 7) / 60 % 2 == 0
    });
    println!("a minute up, a minute down: {flapping} bytes a target and day");
}

/// Writes a month of this number of targets: ten lost probes a day each, and ten minutes dead in ten days.
struct Month {
    writer: EntryWriter,
    file: Vec<u8>,
    sequence: u32,
    engine: Engine,
}

impl Month {
    fn block(&mut self, begins: bool) {
        self.sequence += 1;
        let entries = self.writer.take();
        let block = Block { sequence: self.sequence, begins, replaces: false, entries };
        self.file.extend(block.bytes());
    }

    fn begin(&mut self, now: Moment, is_start: bool) {
        self.writer.reset();
        let begin = Begin {
            process: 1,
            wall: u64::try_from(now.since_start().as_nanos()).unwrap(),
            is_start,
            settings: self.engine.settings().clone(),
            drains: [].into(),
            uses: self.engine.endpoint_uses(),
            subjects: vec![],
            runs: vec![],
            listings: [].into(),
            out: vec![],
        };
        self.writer.write(now, false, &HistoryEntry::Begin(Box::new(begin)));
        self.block(true);
    }

    fn probe(&mut self, target: usize, judged: Moment, outcome: Outcome) {
        let rtt = Duration::from_millis(10);
        let waits = if outcome == Outcome::Reply { rtt } else { Duration::from_millis(500) };
        let probe = NotedProbe {
            endpoint: target.into(),
            canary: false,
            sent: judged.before(waits),
            quick: false,
            outcome,
            rtt,
            other: None,
            faulty: false,
            released: 1,
            quiet: false,
        };
        self.writer.write(judged, false, &HistoryEntry::Note(Noted::Probe(probe)));
    }

    fn run(&mut self, target: usize, at: Moment, outcome: Outcome) {
        let entry = HistoryEntry::RunBegin { endpoint: target.into(), outcome, class: 15 };
        self.writer.write(at, false, &entry);
    }

    fn end(&mut self, target: usize, at: Moment, outcome: Outcome) {
        let (judged, rtt) = (at.before(Duration::from_secs(1)), Duration::from_millis(10));
        let end = RunEnd { outcome, count: 1_000, sent: judged.before(rtt), judged, rtt };
        self.writer.write(at, false, &HistoryEntry::RunEnd(target.into(), end));
    }

    fn blip(&mut self, target: usize, at: Moment) {
        self.end(target, at, Outcome::Reply);
        self.probe(target, at, Outcome::Loss);
        self.probe(target, at, Outcome::Reply);
        self.run(target, at, Outcome::Reply);
    }

    fn write(targets: usize, days: u32) -> HistoryFiles {
        let settings = settings(targets, PACE, 3);
        let engine = Engine::new(settings, [].into(), Moment::START);
        let writer = EntryWriter::default();
        let mut month = Self { writer, file: HEAD.to_vec(), sequence: 0, engine };
        month.begin(Moment::START, true);
        for target in 0..targets {
            for _ in 0..3 {
                month.probe(target, Moment::after_start(Duration::from_secs(1)), Outcome::Reply);
            }
            month.run(target, Moment::after_start(Duration::from_secs(2)), Outcome::Reply);
        }
        for minute in 1..days * 1440 {
            let now = Moment::after_start(Duration::from_mins(minute.into()));
            for target in 0..targets {
                let dice = scrambled(u64::from(minute) << 20 ^ u64::try_from(target).unwrap());
                if dice.is_multiple_of(144) {
                    month.blip(target, now);
                }
            }
            if minute % 60 == 0 {
                month.block(false);
                month.begin(now, false);
            }
        }
        month.block(false);
        HistoryFiles { files: vec![month.file] }
    }
}

#[test]
#[ignore = "prints a figure of speed"]
fn a_month_of_a_thousand_targets() {
    let files = Month::write(1_000, 30);
    println!("{} MiB, {} entries", files.files[0].len() >> 20, files.read().count());
    let began = start();
    let was = as_it_was(&files, Duration::ZERO, |_| {});
    println!("as it was: {:.1} s", began.elapsed().as_secs_f64());
    let began = start();
    as_asked(&files, &SettingChanges::default(), Duration::ZERO, |_| {});
    println!("as asked: {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(was.damage.gaps, 0);
}

/// Returns the processor time of a minute of ten thousand targets, and the number of probes.
fn minute(mut past: Past) -> (f64, u64) {
    let (began, mut probes) = (start(), 0);
    past.run(Duration::from_mins(1), &mut |_, _| {
        probes += 1;
        Some(Duration::from_millis(10))
    });
    (began.elapsed().as_secs_f64(), probes)
}

#[test]
#[ignore = "prints a figure of cost"]
fn cost_of_recording_ten_thousand_targets() {
    let settings = settings(10_000, PACE, 3);
    for _ in 0..3 {
        let (without, _) = minute(Past::unrecorded(&settings));
        let (with, probes) = minute(Past::new(&settings));
        let nanos = (with - without) * 1e9 / f64::from(u32::try_from(probes).unwrap());
        println!(
            "a minute with a journal {with:.3} s, without {without:.3} s: {nanos:.0} ns a probe, {:.2} % of \
             a core",
            (with - without) / 60.0 * 100.0
        );
    }
}
