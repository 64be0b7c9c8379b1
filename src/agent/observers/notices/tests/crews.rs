//! The one of several agents that speaks, and the one that closes the incidents of another.

use super::scenes::crew::{CANARY, Crew, guarded};
use super::scenes::{SERVICE, ZONE, address};
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact};
use crate::engine::ids::RequestId;
use crate::engine::settings::Settings;
use crate::engine::types::Method;
use crate::notify::IncidentProblem as Problem;

/// Settings by which the last primary stays.
fn with_floor(min_peers_agree: usize) -> Settings {
    let mut settings = guarded(min_peers_agree);
    settings.services.get_mut(&SERVICE).unwrap().floor = 1;
    settings
}

/// Returns the lines with this word.
fn with<'a>(told: &'a [String], word: &str) -> Vec<&'a str> {
    told.iter().map(String::as_str).filter(|line| line.contains(word)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_death_is_opened_by_one_agent_and_closed_by_one() {
    for loses_answers in [false, true] {
        let mut crew = Crew::start(3, &guarded(2)).await;
        if loses_answers {
            crew.lose_answers();
        }
        crew.reach(&[0, 1, 2], &[2, CANARY]);
        crew.run(60).await;
        let told = crew.told();
        let [opened] = &told[..] else { panic!("{told:?}") };
        assert!(opened.ends_with("opened withdrawn 192.0.2.1/withdrawn"), "{opened}");
        assert!((0..3).all(|nth| crew.known(nth) == ["192.0.2.1/withdrawn"]));
        crew.reach(&[0, 1, 2], &[1, 2, CANARY]);
        crew.run(60).await;
        let told = crew.told();
        assert_eq!(with(&told, "closed restored 192.0.2.1/withdrawn").len(), 1, "{told:?}");
        assert!(told.iter().skip(1).all(|line| line.ends_with("quietly")), "{told:?}");
        assert!((0..3).all(|nth| crew.known(nth).is_empty()));
    }
}

/// The agent that acted dies in the second in which its notice waits for others.
#[tokio::test(start_paused = true)]
async fn another_agent_says_what_the_one_that_acted_did_not_live_to_say() {
    for (base, left, problem) in [
        (guarded(1), vec![2, CANARY], Problem::Withdrawn),
        (with_floor(1), vec![CANARY], Problem::Floor),
    ] {
        let mut crew = Crew::start(3, &base).await;
        crew.reach(&[0, 1, 2], &left);
        crew.run(60).await;
        let told = crew.notices();
        let mut its = told.iter().filter(|(_, notice)| notice.incident.problem == problem);
        let opener = its.next().unwrap().0;
        let mut crew = Crew::start(3, &base).await;
        crew.reach(&[0, 1, 2], &left);
        crew.until_open(problem, true).await;
        assert!(with(&crew.told(), problem.word()).is_empty(), "{problem}");
        crew.kill(opener);
        crew.run(10).await;
        crew.miss(opener);
        crew.run(60).await;
        let told = crew.told();
        let told = with(&told, &format!("/{problem}"));
        let [said] = &told[..] else { panic!("{problem}: {told:?}") };
        assert!(said.contains(": opened ") || said.contains(": updated "), "{said}");
    }
}

/// No fact says that a peer is gone which the file has no more.
#[tokio::test(start_paused = true)]
async fn the_incident_of_a_peer_that_was_taken_out_of_the_file_is_closed_by_another() {
    let base = with_floor(1);
    let mut crew = Crew::start(3, &base).await;
    crew.reach(&[0, 1, 2], &[CANARY]);
    crew.run(30).await;
    let opener = crew.until_open(Problem::Floor, true).await;
    crew.kill(opener);
    crew.remove(opener, &base);
    crew.run(30).await;
    crew.told();
    crew.reach(&[0, 1, 2], &[1, 2, CANARY]);
    crew.run(60).await;
    let told = crew.told();
    assert_eq!(with(&told, "closed refusal_over 192.0.2.1/floor").len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_incident_of_a_peer_that_never_came_back_is_closed_by_another() {
    let base = with_floor(1);
    let mut crew = Crew::start(3, &base).await;
    crew.reach(&[0, 1, 2], &[CANARY]);
    crew.run(30).await;
    let opener = crew.until_open(Problem::Floor, true).await;
    crew.kill(opener);
    for nth in (0..3).filter(|nth| *nth != opener) {
        crew.restart(nth, &base);
    }
    crew.run(60).await;
    crew.told();
    crew.reach(&[0, 1, 2], &[1, 2, CANARY]);
    crew.run(90).await;
    let told = crew.told();
    let closed = told.iter().filter(|line| line.contains(": closed ") && line.contains("floor"));
    assert_eq!(closed.count(), 1, "{told:?}");
}

/// The agent that reports a refusal becomes isolated, while the others refuse as before.
#[tokio::test(start_paused = true)]
async fn an_isolated_agent_does_not_close_what_the_others_see_still() {
    let mut crew = Crew::start(4, &guarded(3)).await;
    crew.reach(&[0, 1, 2], &[2, CANARY]);
    crew.run(60).await;
    let opener = crew.until_open(Problem::NoQuorum, true).await;
    assert_eq!(with(&crew.told(), "no_quorum").len(), 1);
    crew.reach(&[opener], &[]);
    crew.run(90).await;
    let told = crew.told();
    assert_eq!(with(&told, "opened isolated").len(), 1, "{told:?}");
    assert!(with(&told, "closed").is_empty(), "{told:?}");
    let spoke = with(&told, "opened refused 192.0.2.1/no_quorum");
    assert_eq!(spoke.len(), 1, "{told:?}");
    assert!(!spoke[0].starts_with(&opener.to_string()), "{told:?}");
    // All is well again: the page is closed.
    crew.reach(&[0, 1, 2], &[1, 2, CANARY]);
    crew.run(120).await;
    let told = crew.told();
    assert_eq!(with(&told, "closed refusal_over 192.0.2.1/no_quorum").len(), 1, "{told:?}");
    assert!((0..4).all(|nth| crew.known(nth).is_empty()));
}

/// An agent alone has nobody to leave a refusal to. A refusal is not over while it sees nothing.
#[tokio::test(start_paused = true)]
async fn what_an_isolated_agent_had_refused_stays_open_until_it_sees_again() {
    let base = Settings { cluster: None, ..with_floor(0) };
    for restarts in [false, true] {
        let mut crew = Crew::start(1, &base).await;
        crew.reach(&[0], &[CANARY]);
        crew.run(60).await;
        assert_eq!(with(&crew.told(), "opened refused 192.0.2.1/floor").len(), 1);
        if restarts {
            crew.restart(0, &base);
            crew.run(120).await;
            crew.told();
        }
        // Its network fails, and works again while the targets are dead as before.
        for reached in [&[][..], &[CANARY]] {
            crew.reach(&[0], reached);
            crew.run(300).await;
            let told = crew.told();
            assert!(with(&told, "floor").is_empty(), "{restarts}: {told:?}");
        }
        crew.reach(&[0], &[1, 2, CANARY]);
        crew.run(90).await;
        let told = crew.told();
        let closed = told.iter().filter(|it| it.contains("closed") && it.ends_with("/floor"));
        assert_eq!(closed.count(), 1, "{told:?}");
        assert!(crew.known(0).is_empty(), "{:?}", crew.known(0));
    }
}

/// Its targets fail alike, it becomes isolated, and they are well when it sees them again.
#[tokio::test(start_paused = true)]
async fn targets_that_failed_alike_before_an_isolation_have_no_page_after_it() {
    let mut base = Settings { cluster: None, ..guarded(0) };
    let its = base.services.get_mut(&SERVICE).unwrap();
    its.checks[0].check.method = Method::Request(RequestId::from(1));
    let mut crew = Crew::start(1, &base).await;
    crew.fail(&[1, 2, 3]);
    crew.run(60).await;
    assert_eq!(with(&crew.told(), "opened refused _/alike").len(), 1);
    crew.reach(&[0], &[]);
    crew.run(120).await;
    let told = crew.told();
    assert!(with(&told, "alike").is_empty(), "{told:?}");
    crew.fail(&[]);
    crew.reach(&[0], &[1, 2, 3, CANARY]);
    crew.run(120).await;
    let told = crew.told();
    assert_eq!(with(&told, "closed refusal_over _/alike").len(), 1, "{told:?}");
    assert!(crew.known(0).is_empty(), "{:?}", crew.known(0));
}

/// The first in rank agrees about the lowest address, and sees another one alive.
#[tokio::test(start_paused = true)]
async fn nothing_left_is_paged_whichever_agent_sees_one_address_alive() {
    for holdout in 0..5 {
        let mut crew = Crew::start(5, &guarded(2)).await;
        crew.reach(&[0, 1, 2, 3, 4], &[CANARY]);
        crew.reach(&[holdout], &[2, CANARY]);
        crew.run(90).await;
        let told = crew.told();
        let paged = with(&told, "none_left");
        assert_eq!(paged.len(), 1, "{holdout}: {told:?}");
        assert!(!paged[0].starts_with(&holdout.to_string()), "{told:?}");
    }
}

/// One of two agents gets a new token. The other one still cannot write.
#[tokio::test(start_paused = true)]
async fn trouble_of_one_agent_is_not_closed_by_the_good_day_of_another() {
    let mut crew = Crew::start(2, &guarded(1)).await;
    let name = "www.example.com".to_owned();
    let (service, targets, target) = (SERVICE, vec![address(1)], address(1));
    let problem = DnsProblem {
        kind: DnsProblemKind::Refused,
        what: "403 Forbidden".to_owned(),
        retry_in: None,
    };
    let lasted = std::time::Duration::from_mins(2);
    let courses = [
        (Fact::Failing { zone: ZONE, problem }, Fact::FailingOver { zone: ZONE }),
        (
            Fact::NameFailing { zone: ZONE, name: name.clone(), what: "an alias".to_owned() },
            Fact::NameFailingOver { zone: ZONE, name },
        ),
        (
            Fact::StillUnknown { service, targets },
            Fact::EvidenceBack { service, target, lasted, notified: true },
        ),
    ];
    for (begin, end) in courses {
        for nth in 0..2 {
            crew.happens(nth, &begin);
        }
        crew.run(1).await;
        let opened = crew.notices();
        let [(0, first), (1, second)] = &opened[..] else { panic!("{opened:#?}") };
        assert_ne!(first.incident, second.incident);
        crew.happens(0, &end);
        crew.run(1).await;
        let closed = crew.notices();
        let [(0, closed)] = &closed[..] else { panic!("{closed:#?}") };
        assert_eq!(closed.incident, first.incident);
        crew.run(10).await;
        crew.notices();
    }
    crew.caution(Some("pending"));
    crew.run(2).await;
    let opened = crew.notices();
    let [(0, first), (1, second)] = &opened[..] else { panic!("{opened:#?}") };
    assert_ne!(first.incident, second.incident, "{}", first.incident);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_another_agent_takes_out_has_no_open_incident_any_more() {
    let mut crew = Crew::start(3, &guarded(1)).await;
    crew.reach(&[0, 1, 2], &[3, CANARY]);
    crew.run(90).await;
    let told = crew.told();
    assert_eq!(with(&told, "opened restored 192.0.2.3/standby_in").len(), 1, "{told:?}");
    for nth in 0..3 {
        let known = crew.known(nth);
        assert!(known.contains(&"192.0.2.3/standby_in".to_owned()), "{nth}: {known:?}");
    }
    let opener = crew.until_open(Problem::StandbyIn, true).await;
    crew.kill(opener);
    crew.run(20).await;
    crew.miss(opener);
    crew.run(5).await;
    crew.told();
    crew.reach(&[0, 1, 2], &[1, 2, 3, CANARY]);
    crew.run(60).await;
    let told = crew.told();
    let closed = with(&told, "closed withdrawn 192.0.2.3/standby_in");
    let loud = closed.iter().filter(|line| !line.ends_with("quietly"));
    assert_eq!(loud.count(), 1, "{told:?}");
    for nth in (0..3).filter(|nth| *nth != opener) {
        assert!(crew.known(nth).is_empty(), "{nth}: {:?}", crew.known(nth));
    }
}

/// The agent that put it in is dead, and somebody takes it out by hand.
#[tokio::test(start_paused = true)]
async fn a_standby_that_is_taken_out_by_hand_is_closed_by_an_agent_that_did_not_put_it_in() {
    let mut crew = Crew::start(3, &guarded(1)).await;
    crew.reach(&[0, 1, 2], &[3, CANARY]);
    crew.run(90).await;
    let opener = crew.until_open(Problem::StandbyIn, true).await;
    crew.kill(opener);
    crew.miss(opener);
    crew.run(5).await;
    crew.told();
    // The primaries are back, in DNS too, and the standby is out before an agent has acted.
    crew.edit(1, true);
    crew.edit(2, true);
    crew.edit(3, false);
    crew.reach(&[0, 1, 2], &[1, 2, 3, CANARY]);
    crew.run(60).await;
    let told = crew.told();
    assert!(with(&told, "closed withdrawn").is_empty(), "nobody acted: {told:?}");
    // It is not known by which hand: another agent may have said so.
    assert!(!with(&told, "closed over 192.0.2.3/standby_in").is_empty(), "{told:?}");
    for nth in (0..3).filter(|nth| *nth != opener) {
        assert!(crew.known(nth).is_empty(), "{nth}: {:?}", crew.known(nth));
    }
}
