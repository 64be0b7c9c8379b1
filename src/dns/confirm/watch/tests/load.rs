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
        scene.run(50.0, |_, at| if at < seconds(40.0) { holds(&[10]) } else { holds(&[]) });
        let [(at, _)] = &scene.news[..] else { panic!("{:?}", scene.news) };
        assert!((40.0..40.9).contains(at), "{at}");
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

/// Makes changes of many addresses, the n-th one at the name that `name` gives, with eight servers that
/// show them `lag` seconds later.
fn mass_change(count: u16, name: impl Fn(u16) -> String, lag: f64) -> Scene {
    let mut scene = Scene::new(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let mut changes = Vec::new();
    for n in 0..count {
        let [high, low] = n.to_be_bytes();
        let address = IpAddr::from([198, 18, high, low]);
        let sets = vec![(set(&name(n)), Proof::default())];
        changes.push(MadeChange { service: None, address, kind: Withdrawn, sets });
    }
    let mut still: BTreeMap<SetKey, SeenSet> = BTreeMap::new();
    for change in &changes {
        let seen = still.entry(change.sets[0].0.clone()).or_default();
        seen.addresses.insert(change.address);
    }
    scene.watch.add(&MadeChanges { at: scene.now, took: Duration::ZERO, changes });
    scene.run(lag + 60.0, |question, at| {
        if at >= seconds(lag) {
            return holds(&[]);
        }
        Sighting::Addresses(still[&question.set].clone())
    });
    scene
}

/// Two thousand addresses leave names of their own, or one set, at servers that lag. The work for each
/// does not grow with their number; if it did, this would take minutes.
#[test]
fn a_mass_withdrawal_is_followed() {
    let names: [fn(u16) -> String; 2] = [|n| format!("n{n}"), |_| "www".into()];
    for (name, lag) in names.into_iter().zip([0.1, 1.0]) {
        for count in [500, 2000] {
            let began = crate::dns::clock::now();
            let scene = mass_change(count, name, lag);
            println!("{count} changes, {lag} s of lag: {:?}", began.elapsed());
            assert_eq!(scene.news.len(), usize::from(count));
            assert!(scene.watch.state(scene.now).len() <= REPORTED);
        }
    }
}

/// All of many changes stay hidden past the timeout: each is reported, and asked about seldom.
#[test]
fn a_mass_withdrawal_that_is_not_visible_is_reported() {
    let scene = mass_change(500, |n| format!("n{n}"), 110.0);
    let hidden = scene.words().iter().filter(|it| it.starts_with("not visible")).count();
    assert_eq!((scene.news.len(), hidden), (500, 0), "in time");
    let scene = mass_change(500, |n| format!("n{n}"), 125.0);
    let hidden = scene.words().iter().filter(|it| it.starts_with("not visible")).count();
    assert_eq!((scene.news.len(), hidden), (1000, 500));
}
