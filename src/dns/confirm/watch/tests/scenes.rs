//! Scenes: a lagging, dead, lame server; changes that overtake each other; other servers.

use super::ChangeKind::{Restored, Withdrawn};
use super::*;

/// go-acme/lego#241 and #1777: one of several name servers lags. The lag is that of the last one, and
/// is measured within two questions.
#[test]
fn a_change_is_visible_once_the_last_server_shows_it() {
    for lag in [0.0, 0.3, 2.0, 9.0] {
        let mut scene = Scene::new(&[1, 2]);
        scene.change(Withdrawn, 10, &["www"]);
        scene.run(20.0, |question, at| {
            let is_old = question.server == server(2) && at < seconds(lag);
            if is_old { holds(&[10, 11]) } else { holds(&[11]) }
        });
        let [(at, words)] = &scene.news[..] else { panic!("{:?}", scene.news) };
        assert!(words.starts_with("visible: 203.0.113.10 at www"), "{words}");
        assert!((lag..lag + 0.021).contains(at), "{lag} s were measured as {at} s");
    }
}

/// go-acme/lego#2276: the answer of one server is not that of all.
#[test]
fn a_server_that_never_shows_it_is_named_after_the_timeout_and_once_when_it_does() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(300.0, |question, at| {
        let is_old = question.server == server(2) && at < seconds(250.0);
        if is_old { holds(&[10]) } else { holds(&[11]) }
    });
    let [(first, missing), (last, shown)] = &scene.news[..] else { panic!("{:?}", scene.news) };
    assert_eq!(missing, "not visible: 203.0.113.10: ns2 (192.0.2.2): still 203.0.113.10");
    assert!((120.0..120.1).contains(first), "{first}");
    assert!(shown.starts_with("visible at last: 203.0.113.10"), "{shown}");
    assert!((250.0..256.0).contains(last), "{last}");
    assert!(scene.watch.state(scene.now)[0].state == EffectState::Visible);
}

/// The second server is dead, the third one is lame, and all others show an empty set.
fn dead_or_lame(question: &NextQuestion) -> Sighting {
    match question.server {
        it if it == server(2) => Sighting::Nothing("no answer within 1.5 s".into()),
        it if it == server(3) => Sighting::Nothing("an answer that is not authoritative".into()),
        _ => holds(&[]),
    }
}

/// 0xJacky/nginx-ui#1806: a name server that cannot be reached holds everything up. Here it holds up
/// its own answer alone.
#[test]
fn a_dead_and_a_lame_server_are_named_and_hold_up_no_other_change() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(60.0, |question, _| dead_or_lame(question));
    assert!(scene.news.is_empty());
    scene.change(Withdrawn, 11, &["api"]);
    scene.run(70.0, |question, _| dead_or_lame(question));
    let want = "not visible: 203.0.113.10: ns2 (192.0.2.2): no answer within 1.5 s; \
                ns3 (192.0.2.3): an answer that is not authoritative";
    assert_eq!(scene.words(), [want]);
    let shown = states(&mut scene.watch, scene.now);
    assert!(matches!(shown[0], ServerState::Shows(_)), "{shown:?}");
}

/// Returns a question without a route.
fn no_route() -> Sighting {
    Sighting::Fault("no connection: Network is unreachable".into())
}

/// The second server has no route, and the first one shows an empty set.
fn only_first(question: &NextQuestion, _: Duration) -> Sighting {
    if question.server == server(2) { no_route() } else { holds(&[]) }
}

#[test]
fn a_server_without_a_route_for_a_while_is_left_out_if_another_one_answers() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(9.0, only_first);
    assert_eq!(scene.news, [], "it may have a route again soon");
    let waiting = states(&mut scene.watch, scene.now);
    let words = "no connection: Network is unreachable".to_owned();
    assert_eq!(waiting[1], ServerState::Waiting(Some(words)));
    scene.run(3.0, only_first);
    assert_eq!(scene.words(), ["visible: 203.0.113.10 at www after 5ms"]);
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(121.0, |_, _| no_route());
    let want = "not visible: 203.0.113.10: ns1 (192.0.2.1): no connection: Network is unreachable; \
                ns2 (192.0.2.2): no connection: Network is unreachable";
    assert_eq!(scene.words(), [want]);
}

/// The link to one server fails at each third question: it is waited for all the same.
#[test]
fn a_route_that_comes_and_goes_excuses_no_server() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(40.0, |question, at| match question.server {
        it if it == server(1) => holds(&[]),
        _ if at.as_secs() % 20 < 8 => no_route(),
        _ => holds(&[10]),
    });
    assert_eq!(scene.news, []);
}

/// A fault from before a change says nothing about it.
#[test]
fn a_fault_excuses_a_server_for_no_later_change() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(60.0, only_first);
    assert_eq!(scene.words(), ["visible: 203.0.113.10 at www after 5ms"]);
    scene.change(Withdrawn, 11, &["www"]);
    scene.run(9.0, |question, at| match question.server {
        it if it == server(2) && at < seconds(62.0) => no_route(),
        it if it == server(2) => holds(&[11]),
        _ => holds(&[]),
    });
    assert_eq!(scene.news.len(), 1, "{:?}", scene.news);
}

#[test]
fn a_later_change_of_the_same_address_ends_the_earlier_wait() {
    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["www", "api"]);
    scene.run(5.0, |_, _| holds(&[10]));
    scene.change(Restored, 10, &["www"]);
    // The server lags: it holds the address all the time at `www`, and until now at `api`.
    scene
        .run(5.0, |question, _| if question.set == set("www") { holds(&[10]) } else { holds(&[]) });
    let words = scene.words();
    assert_eq!(words.len(), 2, "{words:?}");
    for start in ["visible: 203.0.113.10 at api after 5.", "visible: 203.0.113.10 at www after"] {
        assert!(words.iter().any(|words| words.starts_with(start)), "{words:?}");
    }

    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(121.0, |_, _| holds(&[10]));
    scene.change(Restored, 10, &["www"]);
    scene.run(1.0, |_, _| holds(&[10]));
    let words = scene.words();
    assert!(words[0].starts_with("not visible") && words[2].starts_with("visible: "), "{words:?}");
    assert_eq!(words[1], "given up");
    assert!(!scene.watch.is_waiting(), "nothing is left of the first one");
}

/// Another agent puts an address back: the servers never show the withdrawal, and no change follows.
#[test]
fn a_change_that_another_one_undid_is_not_waited_for() {
    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.change(Withdrawn, 11, &["www"]);
    scene.run(121.0, |_, _| holds(&[10, 11]));
    assert_eq!(scene.news.len(), 2, "{:?}", scene.news);
    let [first, second] = [10, 11].map(|last| ((set("www"), ip(last)), false));
    let listed = scene.now;
    scene.watch.undone(&UndoneChanges { listed, places: vec![first] });
    let state = scene.watch.state(scene.now);
    assert_eq!(state.iter().map(|it| it.address).collect::<Vec<_>>(), [ip(11)]);
    // A listing from before a change, and one about the other state, say nothing.
    scene.run(1.0, |_, _| holds(&[10, 11]));
    scene.change(Withdrawn, 11, &["www"]);
    scene.watch.undone(&UndoneChanges { listed, places: vec![second] });
    assert!(scene.watch.is_waiting());
    let place = ((set("www"), ip(11)), true);
    scene.watch.undone(&UndoneChanges { listed: scene.now, places: vec![place] });
    assert!(scene.watch.is_waiting());
    scene.watch.keep_addresses(&[ip(10)].into());
    assert!(!scene.watch.is_waiting(), "no service has it any more");
    scene.run(1.0, |_, _| holds(&[]));
    // Both were reported as not visible, and are not any more.
    assert_eq!(scene.words()[2..], ["given up", "given up"]);
}

/// The lag of the sets that are left is that of the last answer that showed them.
#[test]
fn a_change_that_is_partly_superseded_reports_no_invented_lag() {
    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["www", "api"]);
    scene
        .run(5.0, |question, _| if question.set == set("www") { holds(&[10]) } else { holds(&[]) });
    scene.change(Restored, 10, &["www"]);
    scene.run(0.0, |_, _| holds(&[10]));
    let [(_, words)] = &scene.news[..] else { panic!("{:?}", scene.news) };
    let after = words.strip_prefix("visible: 203.0.113.10 at api after ").unwrap_or_default();
    assert!(after.ends_with("ms"), "{words}");
}

/// An answer that was on its way when the change was made shows the state before it.
#[test]
fn an_answer_to_a_question_from_before_the_change_proves_nothing() {
    let mut scene = Scene::new(&[1]);
    scene.change(Restored, 10, &["www"]);
    let questions = scene.watch.take_questions(scene.now, 9);
    let sent = scene.now;
    scene.now += seconds(0.010);
    scene.change(Withdrawn, 10, &["www"]);
    let NextQuestion { server, set } = questions[0].clone();
    let sighting = holds(&[]);
    scene.watch.answered(&Answered { server, set, sent, received: scene.now, sighting });
    assert!(scene.watch.report(scene.now).iter().all(|it| matches!(it, EffectNews::State(..))));
    assert!(scene.watch.is_waiting());
}

#[test]
fn several_addresses_of_a_set_share_the_questions() {
    let mut scene = Scene::new(&[1]);
    for last in 1..=20 {
        scene.change(Withdrawn, last, &["www"]);
    }
    scene.run(1.0, |_, at| if at < seconds(0.5) { holds(&[1, 7]) } else { holds(&[]) });
    assert_eq!(scene.news.len(), 20);
    assert!(scene.asked[&server(1)] < 40, "{:?}", scene.asked);
    let first = scene.news.iter().filter(|(at, _)| *at < 0.1).count();
    assert_eq!(first, 18, "{:?}", scene.news);
}

#[test]
fn what_cannot_be_proven_is_said_once_and_not_asked() {
    let mut scene = Scene::new(&[1]);
    let proxied = Proof { obstacle: Some(Obstacle::Proxied), ..Proof::default() };
    for kind in [Withdrawn, Restored, Withdrawn] {
        scene.change_with(kind, 10, &["www"], proxied);
    }
    scene.run(1.0, |_, _| holds(&[10]));
    assert_eq!(scene.words(), ["www: Proxied"]);
    assert!(scene.asked.is_empty());
    let weighted = Proof { obstacle: Some(Obstacle::Weighted), ..Proof::default() };
    scene.change_with(Withdrawn, 10, &["www"], weighted);
    assert_eq!(scene.words()[1..], ["www: Weighted"], "another reason is news");
}

#[test]
fn servers_that_are_found_late_or_replaced_are_asked_then() {
    let mut scene = Scene::new(&[]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(3.0, |_, _| holds(&[]));
    assert!(scene.asked.is_empty() && scene.news.is_empty());
    scene.watch.set_servers(servers(&[1, 2]));
    scene.run(
        1.0,
        |question, _| if question.server == server(2) { holds(&[10]) } else { holds(&[]) },
    );
    assert!(scene.news.is_empty());
    scene.watch.set_servers(servers(&[1, 3]));
    scene.run(1.0, |_, _| holds(&[]));
    assert_eq!(scene.words(), ["visible: 203.0.113.10 at www after 4.005s"]);
    assert!(scene.watch.servers.asked().all(|it| *it != server(2)), "{:?}", scene.watch.servers);
}

/// A server that is no longer listed is left alone, although an answer of it is on its way.
#[test]
fn a_removed_server_is_not_asked_again() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    let first = scene.watch.take_questions(scene.now, 9);
    assert_eq!(first.len(), 2);
    scene.watch.set_servers(servers(&[1]));
    let (sent, received) = (scene.now, scene.now + seconds(0.005));
    for NextQuestion { server, set } in first {
        let sighting = holds(&[10]);
        scene.watch.answered(&Answered { server, set, sent, received, sighting });
    }
    scene.run(5.0, |_, _| holds(&[10]));
    assert_eq!(scene.asked.keys().collect::<Vec<_>>(), [&server(1)]);
}

#[test]
fn a_server_without_an_address_is_waited_for() {
    let mut scene = Scene::new(&[1]);
    let trouble = Some("no address: try again".to_owned());
    let mut both = servers(&[1, 2]);
    both[1] = NameServer { addresses: vec![], trouble, ..both[1].clone() };
    scene.watch.set_servers(both);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(121.0, |_, _| holds(&[]));
    assert_eq!(scene.words(), ["not visible: 203.0.113.10: ns2: no address: try again"]);
    scene.watch.set_servers(servers(&[1, 2]));
    scene.run(6.0, |_, _| holds(&[]));
    assert!(scene.words()[1].starts_with("visible at last: "), "{:?}", scene.news);
}

/// A reload names other servers when all is done: the change was seen and stays so.
#[test]
fn a_visible_change_stays_so_when_other_servers_are_asked() {
    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(1.0, |_, _| holds(&[]));
    let before = scene.watch.state(scene.now);
    assert_eq!(before[0].state, EffectState::Visible);
    scene.watch.set_servers(servers(&[3]));
    assert_eq!(scene.watch.state(scene.now), before);
}

/// The list is short; the number beside it is that of all.
#[test]
fn the_number_of_changes_that_are_not_visible_is_not_cut() {
    let mut scene = Scene::new(&[1]);
    let all: Vec<u8> = (1..=30).collect();
    for last in &all {
        scene.change(Withdrawn, *last, &["www"]);
    }
    scene.run(119.0, |_, _| holds(&all));
    scene.now += seconds(2.0);
    let news = scene.watch.report(scene.now);
    let Some(EffectNews::State(listed, all)) = news.last() else { panic!("{news:?}") };
    assert_eq!((listed.len(), *all), (REPORTED, 30));
}

#[test]
fn without_any_server_the_reason_is_given_after_the_timeout() {
    let mut scene = Scene::new(&[]);
    scene.watch.set_trouble("no resolver names them".into());
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(130.0, |_, _| holds(&[]));
    assert_eq!(scene.words(), ["not visible: 203.0.113.10: no resolver names them"]);
}

/// Caches keep a negative answer; the time for that is known from the answers before.
#[test]
fn the_ttl_of_a_negative_answer_is_known_from_the_answers_before() {
    let mut scene = Scene::new(&[1]);
    let unknown = Proof::default();
    scene.change_with(Restored, 10, &["www"], unknown);
    let negative = SeenSet { negative_ttl: Some(900), ..SeenSet::default() };
    scene.run(1.0, |_, at| {
        if at < seconds(0.2) { Sighting::Addresses(negative.clone()) } else { holds(&[10]) }
    });
    assert_eq!(scene.watch.state(scene.now)[0].ttl, Some(900));
    scene.change_with(Restored, 11, &["www"], unknown);
    scene.run(1.0, |_, _| holds(&[10, 11]));
    assert_eq!(scene.watch.state(scene.now)[0].ttl, None, "no answer said it");
}

#[test]
fn the_state_is_reported_when_it_changes_and_not_otherwise() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(2.0, |_, _| holds(&[10]));
    assert!(scene.watch.report(scene.now).is_empty());
    let waiting = states(&mut scene.watch, scene.now);
    assert_eq!(waiting, vec![ServerState::Waiting(Some("still 203.0.113.10".into())); 2]);
}
