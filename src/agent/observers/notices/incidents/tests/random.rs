//! Random sequences of facts: in each of them every incident that is opened is closed once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// The targets of a sequence.
const TARGETS: u16 = 12;

/// One event of a sequence.
#[derive(Debug, Clone)]
enum Step {
    /// A problem with a target begins, and is reported.
    Begin(u16, bool),
    /// It ends, and is reported.
    End(u16, bool),
    /// It ends without a report.
    Vanish(u16, bool),
    /// All targets die at once.
    DieTogether,
    /// Time goes by, and the agent looks at the causes.
    Wait(u64),
    /// The agent is started again.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => (1..=TARGETS, any::<bool>()).prop_map(|(last, floor)| Step::Begin(last, floor)),
        5 => (1..=TARGETS, any::<bool>()).prop_map(|(last, floor)| Step::End(last, floor)),
        2 => (1..=TARGETS, any::<bool>()).prop_map(|(last, floor)| Step::Vanish(last, floor)),
        1 => Just(Step::DieTogether),
        4 => (1u64..90).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(one, 0..60)
}

/// The kinds of the begin and the end of a problem.
fn kinds(floor: bool) -> [NoticeKind; 2] {
    if floor {
        [NoticeKind::Refused, NoticeKind::RefusalOver]
    } else {
        [NoticeKind::Withdrawn, NoticeKind::Restored]
    }
}

fn play(agent: &mut Agent, lasting: &mut BTreeSet<(u16, IncidentProblem)>, step: &Step) {
    match *step {
        Step::Begin(last, floor) => {
            let [begin, _] = kinds(floor);
            lasting.insert((last, begin.problem(None)));
            agent.report(begin, last, &[]);
        }
        Step::End(last, floor) => {
            let [begin, end] = kinds(floor);
            // The engine reports no end without a begin.
            if lasting.remove(&(last, begin.problem(None))) {
                agent.report(end, last, &[]);
            }
        }
        Step::Vanish(last, floor) => {
            lasting.remove(&(last, kinds(floor)[0].problem(None)));
        }
        Step::DieTogether => {
            for last in 1..=TARGETS {
                play(agent, lasting, &Step::Begin(last, false));
            }
        }
        Step::Wait(seconds) => {
            let lasting: Vec<_> = lasting.iter().copied().collect();
            agent.look(seconds, &lasting);
        }
        Step::Restart => agent.restart(),
    }
}

/// Returns the first notice that is against the rules, in words.
fn offence(sent: &[Notice]) -> Option<String> {
    let mut open = BTreeMap::new();
    for notice in sent {
        let key = notice.incident.clone();
        let fault = match notice.status {
            IncidentStatus::Opened => open.insert(key, notice.at).map(|_| "opened twice"),
            IncidentStatus::Updated | IncidentStatus::Standing | IncidentStatus::Left => {
                (!open.contains_key(&key)).then_some("not open")
            }
            IncidentStatus::Closed if notice.kind == NoticeKind::Restored => {
                open.remove(&key);
                None
            }
            IncidentStatus::Closed => match open.remove(&key) {
                Some(_) => None,
                None => Some("closed without being open"),
            },
            IncidentStatus::Event => Some("it has an end"),
        };
        if let Some(fault) = fault {
            return Some(format!("{fault}: {notice:?}"));
        }
    }
    let left: Vec<_> = open.keys().map(ToString::to_string).collect();
    (!left.is_empty()).then(|| format!("never closed: {left:?}"))
}

proptest! {
    #[test]
    fn each_incident_that_is_opened_is_closed_once_when_its_cause_ends(steps in steps()) {
        let mut agent = Agent::new();
        let mut lasting = BTreeSet::new();
        for step in &steps {
            play(&mut agent, &mut lasting, step);
            let shown = agent.incidents.shown();
            let keys: BTreeSet<_> = shown.iter().map(|it| it.key.clone()).collect();
            prop_assert_eq!(keys.len(), shown.len());
        }
        agent.look(30, &[]);
        prop_assert!(agent.incidents.shown().is_empty());
        let fault = offence(&agent.sent);
        prop_assert!(fault.is_none(), "{}", fault.unwrap_or_default());
    }

    #[test]
    fn while_a_cause_lasts_its_incident_is_open(steps in steps()) {
        let mut agent = Agent::new();
        let mut lasting = BTreeSet::new();
        for step in &steps {
            play(&mut agent, &mut lasting, step);
        }
        for (last, problem) in &lasting {
            let its = key(*last, *problem);
            prop_assert!(agent.incidents.is_open(&its, Some(&target(*last))), "{}", its);
        }
    }
}
