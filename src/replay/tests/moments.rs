//! The state at a past moment is that of the agent at that moment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::oracle::{Bytes, Tape};
use crate::engine::explanation::{Explanation, Guard};
use crate::engine::ids::TargetRef;
use crate::engine::tests::recording::{Recording, play_cluster, play_site, recorded, variable};
use crate::engine::{Engine, Moment};
use crate::history::reader::HistoryFiles;
use crate::replay::moment::{NotRecorded, PastState, state_at};

/// The number of schedules of each kind that are played.
const SCHEDULES: u64 = 6;

/// One event of so many is looked at in a cluster, where schedules are short, and one of so many elsewhere.
const ONE_OF: [u32; 2] = [7, 97];

/// The explanations at some moments of one process.
#[derive(Debug, Default)]
struct Seen {
    began: Option<Moment>,
    has_restarted: bool,
    moments: BTreeMap<Moment, Vec<(TargetRef, Explanation)>>,
}

/// Records one agent, and looks at some of its moments.
#[derive(Debug)]
struct Witness {
    tape: Tape,
    one_of: u32,
    events: u32,
    file: Bytes,
    /// The bytes of the first process.
    first: Bytes,
    seen: Rc<RefCell<Seen>>,
}

impl Recording for Witness {
    fn started(&mut self, engine: &mut Engine, now: Moment) {
        self.tape.started(engine, now);
        let mut seen = self.seen.borrow_mut();
        if seen.began.is_some() && !seen.has_restarted {
            seen.has_restarted = true;
            *self.first.borrow_mut() = self.file.borrow().clone();
        }
        seen.began.get_or_insert(now);
    }

    fn handled(&mut self, engine: &mut Engine, now: Moment) {
        self.tape.handled(engine, now);
        self.events += 1;
        let mut seen = self.seen.borrow_mut();
        // Later events of the same moment are part of it.
        let is_looked_at =
            self.events.is_multiple_of(self.one_of) || seen.moments.contains_key(&now);
        if is_looked_at && !seen.has_restarted {
            let targets: Vec<_> = engine.targets().map(|it| (it.service, it.address)).collect();
            let targets =
                targets.into_iter().map(|(service, address)| TargetRef { service, address });
            let explained = targets.filter_map(|it| Some((it, engine.explain(it)?))).collect();
            seen.moments.insert(now, explained);
        }
    }
}

/// The parts of an explanation that the history has exactly: all but a fault of this machine that led to
/// nothing, and so stopped no change.
fn exact(it: &Explanation) -> impl PartialEq + std::fmt::Debug + use<> {
    let guards = it.guards.iter();
    let guards = guards.filter(|its| its.guard != Guard::Probing || it.change.is_called_for);
    let answers: Vec<_> = guards.map(|its| (its.guard, its.answer, its.reason)).collect();
    (it.health, it.verdict, it.since, it.reason, it.change, answers)
}

/// How much was compared.
#[derive(Debug, Default)]
struct Compared {
    explanations: usize,
    answers: usize,
    /// The number of moments after the last mark of a process.
    skipped: usize,
    moments: usize,
}

/// Compares the moments of each agent of a scene.
fn compare(label: &str, one_of: u32, compared: &mut Compared, scene: impl FnOnce()) {
    type Agent = (Bytes, Bytes, Rc<RefCell<Seen>>);
    let agents: Rc<RefCell<Vec<Agent>>> = Rc::default();
    let all = Rc::clone(&agents);
    let make = move || -> Box<dyn Recording> {
        let agent = Agent::default();
        all.borrow_mut().push(agent.clone());
        let (file, first, seen) = agent;
        Box::new(Witness {
            tape: Tape::new(Rc::clone(&file)),
            one_of,
            events: 0,
            file,
            first,
            seen,
        })
    };
    recorded(Box::new(make), scene);
    for (file, first, seen) in agents.borrow().iter() {
        let seen = seen.borrow();
        let file = if seen.has_restarted { first } else { file };
        let files = HistoryFiles { files: vec![file.take()] };
        for (at, explanations) in &seen.moments {
            let time = Duration::from_nanos(1) + at.since(seen.began.unwrap());
            compared.moments += 1;
            let past = match state_at(&files, time) {
                Ok(PastState { engine, .. }) => engine,
                // The last mark of a process may be earlier.
                Err(NotRecorded::After(_)) => {
                    compared.skipped += 1;
                    continue;
                }
                Err(why) => panic!("{label}, {at:?}: {why:?}"),
            };
            for (target, live) in explanations {
                let past = past.explain(*target).unwrap();
                let name = format!("{label}, {at:?}, {target:?}: {live:#?}\n{past:#?}");
                assert!(exact(&past) == exact(live), "{name}");
                compared.explanations += 1;
                compared.answers += live.guards.len();
            }
        }
    }
}

fn compare_all(kind: &str, one_of: u32, play: impl Fn(u64)) {
    let count = variable("GOAVAIL_SCHEDULES").map_or(SCHEDULES, |schedules| schedules.div_ceil(20));
    let seeds = variable("GOAVAIL_SEED").map_or(0..count, |seed| seed..seed + 1);
    let mut compared = Compared::default();
    for seed in seeds.clone() {
        let label = format!("{kind}, GOAVAIL_SEED={seed}");
        compare(&label, one_of, &mut compared, || play(seed));
    }
    eprintln!("{kind}: {compared:?}");
    // One schedule alone may be short.
    if seeds.end - seeds.start >= SCHEDULES {
        assert!(compared.explanations > 1_000, "{compared:?}");
        assert!(compared.skipped * 20 < compared.moments, "{compared:?}");
    }
}

#[test]
fn an_agent_of_a_cluster_is_explained_as_it_was() {
    compare_all("cluster", ONE_OF[0], |seed| play_cluster(seed, false));
}

#[test]
fn an_agent_with_several_services_is_explained_as_it_was() {
    compare_all("site", ONE_OF[1], play_site);
}
