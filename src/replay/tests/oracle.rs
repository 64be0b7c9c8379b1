//! The oracle: through all that happened to an agent, the replay of its history with the settings in force gives
//! the recorded flips, verdicts and refusals one by one. `GOAVAIL_SCHEDULES=<number>` plays a tenth of that number.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::engine::tests::recording::{
    Recording, SCENES, play_cluster, play_site, recorded, variable,
};
use crate::engine::{Engine, Moment};
use crate::history::block::Block;
use crate::history::reader::{Damage, HistoryFiles};
use crate::history::recorder::Recorder;
use crate::replay::recorded::{AsRecorded, DecisionCheck};

/// The number of schedules of each kind that are played.
const SCHEDULES: u64 = 12;

/// The bytes of a file.
pub(super) type Bytes = Rc<RefCell<Vec<u8>>>;

/// Records one agent, as the agent itself does.
#[derive(Debug)]
pub(super) struct Tape {
    file: Bytes,
    recorder: Option<Recorder>,
    now: Moment,
    marked: Moment,
    /// The place of the last block.
    last: usize,
}

/// Adds a block to a file, or puts it into the place of the last one.
fn keep(file: &Bytes, last: &mut usize, block: &Block) {
    let mut file = file.borrow_mut();
    if block.replaces {
        file.truncate(*last);
    }
    *last = file.len();
    file.extend(block.bytes());
}

impl Tape {
    pub(super) fn new(file: Bytes) -> Self {
        let (now, marked) = (Moment::START, Moment::START);
        Self { file, recorder: None, now, marked, last: 0 }
    }

    pub(super) fn finish(&mut self) {
        if let Some(mut recorder) = self.recorder.take() {
            let mark = recorder.mark(self.now, 0);
            keep(&self.file, &mut self.last, &mark);
        }
    }
}

impl Recording for Tape {
    fn started(&mut self, engine: &mut Engine, now: Moment) {
        self.finish();
        self.recorder = Some(Recorder::start(engine, now, 1));
        (self.now, self.marked) = (now, now);
    }

    fn handled(&mut self, engine: &mut Engine, now: Moment) {
        self.now = now;
        let Some(recorder) = &mut self.recorder else { return };
        let block = recorder.record(engine);
        let mark = (now.since(self.marked) >= Duration::from_mins(1)).then(|| {
            self.marked = now;
            recorder.mark(now, 0)
        });
        for block in block.iter().chain(&mark) {
            keep(&self.file, &mut self.last, block);
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.finish();
    }
}

fn replay(file: Vec<u8>) -> DecisionCheck {
    let files = HistoryFiles { files: vec![file] };
    let mut replay = AsRecorded::default();
    let mut reader = files.read();
    for item in reader.by_ref() {
        replay.take(item);
    }
    assert_eq!(reader.damage(), Damage::default());
    replay.end().0
}

/// Plays a scene, and replays each of its agents. Returns the number of decisions that were compared.
fn check(label: &str, scene: impl FnOnce()) -> u64 {
    let tapes: Rc<RefCell<Vec<Bytes>>> = Rc::default();
    let all = Rc::clone(&tapes);
    let make = move || -> Box<dyn Recording> {
        let file = Bytes::default();
        all.borrow_mut().push(Rc::clone(&file));
        Box::new(Tape::new(file))
    };
    recorded(Box::new(make), scene);
    let mut compared = 0;
    for (number, tape) in tapes.borrow().iter().enumerate() {
        let comparison = replay(tape.take());
        compared += comparison.compared;
        assert_eq!(
            (comparison.differences, comparison.uncompared),
            (0, 0),
            "{label}, agent {number}: {:#?}",
            comparison.first
        );
    }
    compared
}

/// Plays the schedules of one kind.
fn check_all(kind: &str, play: impl Fn(u64)) {
    let count = variable("GOAVAIL_SCHEDULES").map_or(SCHEDULES, |schedules| schedules.div_ceil(10));
    let seeds = variable("GOAVAIL_SEED").map_or(0..count, |seed| seed..seed + 1);
    let mut compared = 0;
    for seed in seeds {
        compared += check(&format!("{kind}, GOAVAIL_SEED={seed}"), || play(seed));
    }
    assert!(compared > 0);
    eprintln!("{kind}: {compared} decisions, one by one");
}

#[test]
fn a_cluster_decides_in_the_replay_what_it_decided() {
    check_all("cluster", |seed| play_cluster(seed, false));
}

#[test]
fn a_cluster_with_several_services_decides_in_the_replay_what_it_decided() {
    check_all("cluster with services", |seed| play_cluster(seed, true));
}

#[test]
fn an_agent_with_several_services_and_checks_decides_in_the_replay_what_it_decided() {
    check_all("site", play_site);
}

#[test]
fn the_guards_decide_in_the_replay_what_they_decided() {
    for (name, scene) in SCENES {
        assert!(check(name, scene) > 0, "{name}");
    }
}
