//! The last day of a longer past: the same as in a replay of all of it.

use std::net::IpAddr;
use std::time::Duration;

use super::past::{Past, address, settings};
use crate::history::reader::HistoryFiles;
use crate::replay::day::LastDay;
use crate::replay::drawing::{Axis, Drawn, DrawnLine, svg};
use crate::replay::lost::LostProbes;
use crate::replay::run::as_it_was;

const HOUR: u64 = 3_600;

/// Whether a target answers in an hour. The first one dies on the day before and stays dead, the second one
/// dies and comes back on the last day, the third one is dead when that begins, the fourth is alive.
fn answers(target: IpAddr, now: Duration) -> bool {
    let hour = now.as_secs() / HOUR;
    let dead = [3..99, 20..21, 3..8, 0..0];
    let places = (0..dead.len()).find(|number| address(*number) == target);
    !dead[places.unwrap()].contains(&hour)
}

/// The history of thirty hours.
fn files() -> HistoryFiles {
    let mut past = Past::new(&settings(4, [60_000, 500, 1_000], 3));
    past.run(Duration::from_hours(30), &mut |target, now| {
        answers(target, now).then(|| Duration::from_millis(20))
    });
    past.files()
}

/// The drawing of a target with the replay of a whole history.
fn of_all(files: &HistoryFiles, number: usize) -> String {
    let axis = Axis { from: Duration::from_hours(6), to: Duration::from_hours(30) };
    let was = as_it_was(files, axis.from, |_| {});
    let lost = LostProbes::of(files, axis);
    let place = lost.places[&("default".to_owned(), address(number))];
    let lines = vec![DrawnLine::new("as it was", was.tally.spans(place), &[])];
    let losses = lost.of.get(&place).cloned().unwrap_or_default();
    svg("", axis, &[Drawn { name: address(number).to_string(), lines, losses }])
}

/// The rectangles of a kind, without the times that they name.
fn bars<'a>(drawing: &'a str, class: &str) -> Vec<&'a str> {
    let kind = format!("<rect class=\"{class}\"");
    let lines = drawing.lines().filter(|line| line.starts_with(&kind));
    lines.map(|line| line.split('>').next().unwrap()).collect()
}

#[test]
fn the_last_day_is_drawn_as_in_a_replay_of_everything() {
    let files = files();
    let day = LastDay::of(&files).unwrap();
    for number in 0..4 {
        let (drawn, all) = (day.svg("default", address(number)).unwrap(), of_all(&files, number));
        for class in ["down", "out", "loss"] {
            assert_eq!(bars(&drawn, class), bars(&all, class), "{class} of {number}: {drawn}");
        }
        assert!(drawn.contains(&format!(
            "default/{} from 1970-01-01 06:00:00 to 1970-01-02 06:00:00 UTC",
            address(number)
        )));
    }
    let dead = day.svg("default", address(0)).unwrap();
    for class in ["down", "out"] {
        let its = bars(&dead, class);
        assert!(its.len() == 1 && its[0].contains("x=\"230.0\""), "{its:?}");
        assert!(its[0].contains("width=\"800.0\""), "{its:?}");
    }
    assert_eq!(bars(&dead, "loss").len(), 800, "a run of losses has them all along");
    let back = day.svg("default", address(1)).unwrap();
    let down = bars(&back, "down");
    assert!(down.len() == 1 && down[0].contains("x=\"696."), "at 20 h: {down:?}");
    let dead_before = day.svg("default", address(2)).unwrap();
    let down = bars(&dead_before, "down");
    assert!(down.len() == 1 && down[0].contains("width=\"68."), "up to 8 h: {down:?}");
    let alive = day.svg("default", address(3)).unwrap();
    assert_eq!(["down", "out", "loss"].map(|class| bars(&alive, class).len()), [0; 3]);
    assert!(day.svg("default", address(4)).is_none() && day.svg("other", address(0)).is_none());
}

#[test]
fn the_end_of_a_file_is_drawn_from_its_first_beginning_on_and_nothing_from_nothing() {
    let mut files = files();
    let file = files.files.remove(0);
    let half = HistoryFiles { files: vec![file[file.len() / 2..].to_vec()] };
    let day = LastDay::of(&half).unwrap();
    let dead = bars(&day.svg("default", address(0)).unwrap(), "down").concat();
    assert!(dead.contains("x=\"230.0\"") && dead.contains("width=\"800.0\""), "{dead}");
    for nothing in [vec![], vec![vec![]], vec![file[..40].to_vec()]] {
        assert!(LastDay::of(&HistoryFiles { files: nothing }).is_none());
    }
}

#[test]
fn the_time_in_which_no_agent_ran_is_grey() {
    let file = files().files.remove(0);
    let mut later = Past::new(&settings(4, [60_000, 500, 1_000], 3));
    later.began(Duration::from_hours(34));
    later.run(Duration::from_hours(2), &mut |_, _| Some(Duration::from_millis(20)));
    let both = HistoryFiles { files: vec![file, later.files().files.remove(0)] };
    let day = LastDay::of(&both).unwrap();
    // It begins at 12 h, and of 30 h to 34 h nothing is known.
    let drawn = day.svg("default", address(3)).unwrap();
    let unknown = bars(&drawn, "unknown");
    assert_eq!(unknown.len(), 1, "{drawn}");
    assert!(
        unknown[0].contains("x=\"830.0\"") && unknown[0].contains("width=\"133.3\""),
        "{drawn}"
    );
}
