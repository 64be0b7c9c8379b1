//! Recorders in the worlds of these tests: all agents of a scene can be recorded, whichever scene it is.

use std::cell::RefCell;
use std::fmt::Debug;

use super::cluster::random::play_seed;
use super::cluster::{alike, max_out, standby};
use super::services;
use crate::engine::{Engine, Moment};

pub(crate) use super::cluster::random::variable;

/// The recording of one agent of a scene.
pub(crate) trait Recording: Debug {
    /// The agent starts now.
    fn started(&mut self, engine: &mut Engine, now: Moment);

    /// The agent has handled an event.
    fn handled(&mut self, engine: &mut Engine, now: Moment);
}

/// Makes the recording of one agent.
pub(crate) type MakeRecording = Box<dyn FnMut() -> Box<dyn Recording>>;

thread_local! {
    static MAKE: RefCell<Option<MakeRecording>> = const { RefCell::new(None) };
}

/// The recording of an agent, if there is one.
#[derive(Debug, Default)]
pub(super) struct Tap(Option<Box<dyn Recording>>);

impl Tap {
    /// Returns the recording of another agent of this scene.
    pub(super) fn new() -> Self {
        Self(MAKE.with_borrow_mut(|make| make.as_mut().map(|make| make())))
    }

    pub(super) fn started(&mut self, engine: &mut Engine, now: Moment) {
        if let Some(recording) = &mut self.0 {
            recording.started(engine, now);
        }
    }

    pub(super) fn handled(&mut self, engine: &mut Engine, now: Moment) {
        if let Some(recording) = &mut self.0 {
            recording.handled(engine, now);
        }
    }
}

/// Plays a scene, and records its agents.
pub(crate) fn recorded(make: MakeRecording, scene: impl FnOnce()) {
    MAKE.set(Some(make));
    scene();
    MAKE.set(None);
}

/// Plays the random schedule of a cluster with this seed.
pub(crate) fn play_cluster(seed: u64, with_services: bool) {
    play_seed(seed, with_services);
}

/// Plays random steps of one agent with several services, checks and zones.
pub(crate) fn play_site(seed: u64) {
    services::random::stir(seed, 120);
}

/// The scenes with guards of their own.
pub(crate) const SCENES: [(&str, fn()); 8] = [
    ("max_out", services::max_out::random::never_more_than_the_limit_is_out_and_the_end_is_right),
    ("standby", services::standby::never_empty::the_set_is_never_empty),
    ("cluster standby", standby::by_chance_the_set_is_never_left_empty_and_ends_up_right),
    ("cluster max_out", max_out::by_chance_no_more_are_out_and_the_end_is_right),
    ("all alike", alike::a_deployment_that_breaks_all_targets_at_once_withdraws_none),
    ("one wrong", alike::one_broken_target_goes_once_and_comes_back_once),
    ("one after another", alike::a_deployment_that_breaks_one_target_after_another_never_takes_the_last),
    ("flapping", services::returns::flapping::a_target_that_dies_at_random_is_withdrawn_a_few_times_in_ten_days),
];
