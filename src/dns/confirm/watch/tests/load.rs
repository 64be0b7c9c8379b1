//! How much is asked: many names, many servers, servers that do not answer.

use super::ChangeKind::Withdrawn;
use super::*;

/// Fifty names change together: while the server lags, they are asked at the pace of one, and all of
/// them at once when it shows the first.
#[test]
fn many_names_cost_a_lagging_server_as_much_as_one() {
    let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut counts = Vec::new();
    for names in [&names[..1], &names[..]] {
        let mut scene = Scene::new(&[1]);
        scene.change(Withdrawn, 10, names);
        scene.run(5.0, |_, at| if at < seconds(3.0) { holds(&[10]) } else { holds(&[]) });
        let [(at, _)] = &scene.news[..] else { panic!("{:?}", scene.news) };
        assert!((3.0..3.05).contains(at), "{at}");
        counts.push(scene.asked[&server(1)]);
    }
    assert!(counts[1] <= counts[0] + 50, "{counts:?}");
}

/// A name that one server never changes does not keep it from being asked about the others.
#[test]
fn a_name_that_never_changes_does_not_hide_the_others() {
    let mut scene = Scene::new(&[1]);
    scene.change(Withdrawn, 10, &["stuck"]);
    scene.run(60.0, |_, _| holds(&[10]));
    scene.change(Withdrawn, 11, &["www"]);
    scene.run(
        2.0,
        |question, _| if question.set == set("stuck") { holds(&[10]) } else { holds(&[]) },
    );
    let [(at, words)] = &scene.news[..] else { panic!("{:?}", scene.news) };
    assert!(words.starts_with("visible: 203.0.113.11"), "{words}");
    assert!(*at < 60.1, "{at}");
}

#[test]
fn a_server_without_answers_is_asked_seldom() {
    let mut scene = Scene::new(&[1, 2]);
    scene.change(Withdrawn, 10, &["www"]);
    scene.run(10.0, |question, _| match question.server {
        it if it == server(1) => Sighting::Nothing("REFUSED".into()),
        _ => Sighting::Fault("no route".into()),
    });
    assert!((15..=20).contains(&scene.asked[&server(1)]), "{:?}", scene.asked);
    assert!((2..=3).contains(&scene.asked[&server(2)]), "{:?}", scene.asked);
}

#[test]
fn one_question_at_a_time_goes_to_a_server_and_no_more_than_there_is_room_for() {
    let all: Vec<u8> = (1..=100).collect();
    let mut scene = Scene::new(&all);
    scene.change(Withdrawn, 10, &["www", "api"]);
    let first = scene.watch.take_questions(scene.now, 30);
    let mut asked: Vec<SocketAddr> = first.iter().map(|question| question.server).collect();
    asked.dedup();
    assert_eq!(asked.len(), 30);
    assert_eq!(scene.watch.take_questions(scene.now, 256).len(), 70);
    assert_eq!(scene.watch.take_questions(scene.now, 256), []);
}

/// A thousand addresses leave one set, at a server that lags.
#[test]
fn a_mass_withdrawal_is_followed() {
    let mut scene = Scene::new(&[1, 2, 3, 4]);
    let proof = Proof::default();
    let mut changes = Vec::new();
    for n in 0..1000_u16 {
        let [high, low] = n.to_be_bytes();
        let address = IpAddr::from([198, 18, high, low]);
        let sets = vec![(set("www"), proof)];
        changes.push(MadeChange { service: None, address, kind: Withdrawn, sets });
    }
    let made = MadeChanges { at: scene.now, took: Duration::ZERO, changes };
    scene.watch.add(&made);
    let still = SeenSet {
        addresses: made.changes.iter().map(|change| change.address).collect(),
        name_exists: true,
        negative_ttl: None,
    };
    scene.run(
        0.2,
        |_, at| {
            if at < seconds(0.1) { Sighting::Addresses(still.clone()) } else { holds(&[]) }
        },
    );
    assert_eq!(scene.news.len(), 1000);
    assert!(scene.watch.state(scene.now).len() <= REPORTED);
}
