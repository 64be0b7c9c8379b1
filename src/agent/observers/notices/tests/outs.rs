//! Dead targets that are out for another reason before they die: each has one page, which is closed when it
//! is back.

use super::scenes::crew::{CANARY, Crew, guarded};
use super::scenes::{SERVICE, address};
use crate::engine::ids::ServiceId;
use crate::engine::settings::{Settings, StandbySettings};

/// Returns the settings of an agent that acts alone, and of three.
fn crews() -> [(usize, Settings); 2] {
    [(1, Settings { cluster: None, ..guarded(0) }), (3, guarded(2))]
}

fn everyone(crew: &mut Crew, count: usize, reached: &[u8]) {
    let all: Vec<_> = (0..count).collect();
    crew.reach(&all, reached);
}

/// Returns the number of notices that begin an incident with this place and problem, and of those that end
/// it, not only for receivers that know keys.
fn pages(told: &[String], place: &str) -> (usize, usize) {
    let its = told.iter().filter(|line| line.ends_with(place));
    let (mut opened, mut closed) = (0, 0);
    for line in its {
        opened += usize::from(line.contains(": opened "));
        closed += usize::from(line.contains(": closed "));
    }
    (opened, closed)
}

const WITHDRAWN: &str = "192.0.2.1/withdrawn";

/// The target comes back: its page is closed, and none is open.
async fn comes_back(crew: &mut Crew, count: usize) {
    everyone(crew, count, &[1, 2, CANARY]);
    crew.run(120).await;
    let told = crew.told();
    assert!(pages(&told, WITHDRAWN).1 >= 1, "{told:?}");
    for nth in 0..count {
        assert!(crew.known(nth).is_empty(), "{nth}: {:?}", crew.known(nth));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asked_to_be_out_and_died_then_has_a_page() {
    for (count, base) in crews() {
        let mut crew = Crew::start(count, &base).await;
        crew.ask(&[1]);
        crew.run(60).await;
        let told = crew.told();
        assert_eq!(pages(&told, "192.0.2.1/asked"), (1, 0), "{told:?}");
        assert_eq!(pages(&told, WITHDRAWN), (0, 0), "{told:?}");
        crew.ask(&[]);
        everyone(&mut crew, count, &[2, CANARY]);
        crew.run(300).await;
        assert_eq!(pages(&crew.told(), WITHDRAWN), (0, 0), "it may be started again");
        crew.run(330).await;
        let told = crew.told();
        assert_eq!(pages(&told, WITHDRAWN), (1, 0), "{count}: {told:?}");
        comes_back(&mut crew, count).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_out_while_its_service_gets_another_name_has_a_page_of_that_name() {
    for (count, base) in crews() {
        let mut crew = Crew::start(count, &base).await;
        everyone(&mut crew, count, &[2, CANARY]);
        crew.run(60).await;
        assert_eq!(pages(&crew.told(), WITHDRAWN), (1, 0));
        let mut renamed = base.clone();
        let mut its = renamed.services.remove(&SERVICE).unwrap();
        its.name = "www".to_owned();
        // The agent knows a service by its name.
        renamed.services.insert(ServiceId::from(7), its);
        crew.serve(ServiceId::from(7));
        crew.reload(&renamed);
        crew.run(90).await;
        let told = crew.told();
        let (opened, closed) = pages(&told, WITHDRAWN);
        assert!(opened == 1 && closed >= 1, "{count}: {told:?}");
        for nth in 0..count {
            assert_eq!(crew.known(nth), [WITHDRAWN], "{nth}");
        }
        comes_back(&mut crew, count).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_out_while_its_zone_gets_another_name_has_a_page_of_that_name() {
    for (count, base) in crews() {
        let mut crew = Crew::start(count, &base).await;
        everyone(&mut crew, count, &[2, CANARY]);
        crew.run(60).await;
        assert_eq!(pages(&crew.told(), WITHDRAWN), (1, 0));
        let mut renamed = base.clone();
        renamed.zones.values_mut().for_each(|zone| zone.name = "main".to_owned());
        crew.reload(&renamed);
        crew.run(90).await;
        let told = crew.told();
        let (opened, closed) = pages(&told, WITHDRAWN);
        assert!(opened == 1 && closed >= 1, "{count}: {told:?}");
        comes_back(&mut crew, count).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_out_while_all_agents_start_without_a_state_file_has_a_page() {
    for (count, base) in crews() {
        let mut crew = Crew::start(count, &base).await;
        everyone(&mut crew, count, &[2, CANARY]);
        crew.run(60).await;
        assert_eq!(pages(&crew.told(), WITHDRAWN), (1, 0));
        (0..count).for_each(|nth| crew.forget(nth, &base));
        crew.run(120).await;
        let told = crew.told();
        assert_eq!(pages(&told, WITHDRAWN), (1, 0), "{count}: {told:?}");
        comes_back(&mut crew, count).await;
    }
}

/// An address is added to the file that is dead from the beginning.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_new_and_dead_has_a_page() {
    for (count, more) in crews() {
        let mut base = more.clone();
        let its = base.services.get_mut(&SERVICE).unwrap();
        its.standby = StandbySettings::default();
        let mut more = base.clone();
        base.services.get_mut(&SERVICE).unwrap().targets = [address(1), address(2)].into();
        let its = more.services.get_mut(&SERVICE).unwrap();
        its.targets = [address(1), address(2), address(3)].into();
        let mut crew = Crew::start(count, &base).await;
        everyone(&mut crew, count, &[1, 2, CANARY]);
        crew.reload(&more);
        crew.run(120).await;
        let told = crew.told();
        assert_eq!(pages(&told, "192.0.2.3/withdrawn"), (1, 0), "{count}: {told:?}");
        everyone(&mut crew, count, &[1, 2, 3, CANARY]);
        crew.run(120).await;
        assert!((0..count).all(|nth| crew.known(nth).is_empty()));
    }
}
