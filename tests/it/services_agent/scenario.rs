//! Random scenarios: several services on a few machines that die and come back.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::ServiceSpec;

/// The number of machines of a scenario.
pub(super) const MACHINES: u8 = 5;

/// Several services, and the machines that die or come back, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) services: Vec<ServiceSpec>,
    pub(super) steps: Vec<usize>,
}

/// Returns `count` scenarios, the same ones in every run.
pub(super) fn scenarios(count: usize) -> Vec<Scenario> {
    let mut runner = TestRunner::deterministic();
    let strategy = scenario();
    let scenarios =
        (0..count).map(|_| strategy.new_tree(&mut runner).expect("a scenario").current());
    scenarios.collect()
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let services = prop::collection::vec(service(), 2..=4);
    let steps = prop::collection::vec(0..usize::from(MACHINES), 4..=7);
    (services, steps).prop_map(|(mut services, steps)| {
        for (number, service) in services.iter_mut().enumerate() {
            service.name = format!("s{number}");
            for hostname in &mut service.hostnames {
                *hostname = format!("{hostname}{number}");
            }
        }
        Scenario { services, steps }
    })
}

fn service() -> impl Strategy<Value = ServiceSpec> {
    let targets = prop::collection::btree_set(0..usize::from(MACHINES), 1..=4);
    (0..2_usize, targets, 1..=2_usize, 0..=2_usize, 2..=3_u32).prop_map(
        |(zone, targets, names, min_in_service, failure_threshold)| ServiceSpec {
            name: String::new(),
            zone,
            hostnames: ["www", "api"][..names].iter().map(|&name| name.to_owned()).collect(),
            targets: targets.into_iter().collect::<BTreeSet<_>>(),
            min_in_service,
            failure_threshold,
        },
    )
}
