//! Histories that are cut or damaged: the whole blocks are read, and the damage is told.
//! `GOAVAIL_MUTATIONS=<number>` damages more files.

use std::time::Duration;

use super::past::{Past, scrambled, settings};
use crate::engine::tests::recording::variable;
use crate::history::block::{Block, HEAD};
use crate::history::reader::{Damage, HistoryFiles, HistoryItem};
use crate::replay::change::SettingChanges;
use crate::replay::moment::{NotRecorded, state_at};
use crate::replay::run::{as_asked, as_it_was};

/// The number of files that are damaged.
const MUTATIONS: u64 = 3_000;

/// Returns the history of two hours in which targets die and come back.
fn history() -> Vec<u8> {
    let mut past = Past::new(&settings(3, [2_000, 500, 200], 3));
    past.run(Duration::from_hours(2), &mut |target, now| {
        let number = u64::from(target.is_ipv4()) + now.as_secs() / 30;
        (!scrambled(number).is_multiple_of(5)).then(|| Duration::from_millis(20))
    });
    past.files().files.remove(0)
}

/// Reads a file to its end. Returns the number of entries, and the damage.
fn read(file: &[u8]) -> (usize, Damage) {
    let files = HistoryFiles { files: vec![file.to_vec()] };
    let mut reader = files.read();
    let entries = reader.by_ref().filter(|item| matches!(item, HistoryItem::Entry(_))).count();
    (entries, reader.damage())
}

/// Returns a file with one change that looks random.
fn mutated(file: &[u8], seed: u64) -> Vec<u8> {
    let mut out = file.to_vec();
    let length = u64::try_from(out.len()).unwrap();
    let at = usize::try_from(scrambled(seed) % length).unwrap();
    let other = usize::try_from(scrambled(seed + 1) % length).unwrap();
    let byte = u8::try_from(scrambled(seed + 2) % 256).unwrap();
    match seed % 5 {
        0 => out[at] ^= 1 << (byte % 8),
        1 => out.truncate(at),
        2 => out[at.min(other)..at.max(other)].fill(byte),
        3 => {
            let piece = out[at.min(other)..at.max(other)].to_vec();
            out.splice(at..at, piece);
        }
        _ => {
            out.drain(at.min(other)..at.max(other));
        }
    }
    out
}

#[test]
fn a_file_that_is_cut_anywhere_is_read_up_to_the_last_whole_block() {
    let file = history();
    let (all, damage) = read(&file);
    assert_eq!(damage, Damage::default());
    let mut before = 0;
    for cut in (HEAD.len()..file.len()).step_by(97) {
        let (entries, damage) = read(&file[..cut]);
        assert!(entries >= before && entries <= all, "{cut}");
        assert!(damage.bytes < 70_000 && damage.gaps <= 1, "{cut}: {damage:?}");
        before = entries;
    }
    assert!(before > all / 2);
}

#[test]
fn a_damaged_file_is_read_without_a_panic_and_an_end_is_found() {
    let file = history();
    let (all, _) = read(&file);
    for seed in 0..variable("GOAVAIL_MUTATIONS").unwrap_or(MUTATIONS) {
        let damaged = mutated(&file, seed * 7 + 1);
        let (entries, _) = read(&damaged);
        assert!(entries <= 2 * all, "seed {seed}: {entries} of {all}");
        if seed % 50 == 0 {
            let files = HistoryFiles { files: vec![damaged] };
            as_it_was(&files, Duration::ZERO, |_| {});
            as_asked(&files, &SettingChanges::default(), Duration::ZERO, |_| {});
        }
    }
}

/// Entries that another program wrote, with right checksums.
#[test]
fn wrong_entries_with_right_checksums_are_refused_without_a_panic() {
    let file = history();
    let whole = HistoryFiles { files: vec![file] };
    let blocks = crate::history::block::entries_of(&whole.files[0]);
    for seed in 0..variable("GOAVAIL_MUTATIONS").unwrap_or(MUTATIONS) {
        let which = usize::try_from(scrambled(seed)).unwrap_or_default() % blocks.len();
        let mut file = HEAD.to_vec();
        for (number, entries) in (0..).zip(&blocks) {
            let is_damaged = usize::try_from(number).unwrap() == which && !entries.is_empty();
            let entries = if is_damaged { mutated(entries, seed * 11) } else { entries.clone() };
            let block = Block { sequence: number, begins: number == 0, replaces: false, entries };
            file.extend(block.bytes());
        }
        read(&file);
    }
}

#[test]
fn what_follows_damage_is_compared_again_from_the_next_hour_on() {
    let mut file = history();
    let place = file.len() / 4;
    file[place] ^= 0xff;
    let was = as_it_was(&HistoryFiles { files: vec![file] }, Duration::ZERO, |_| {});
    assert_eq!(was.damage.gaps, 1, "{:?}", was.damage);
    assert!(was.damage.bytes > 0 && was.damage.unused > 0);
    assert_eq!(was.comparison.differences, 0, "{:#?}", was.comparison.first);
    assert!(was.comparison.uncompared > 0 && was.comparison.flips > 0);
}

#[test]
fn a_moment_that_damage_hides_is_refused_with_the_nearest_ones_that_are_known() {
    let mut file = history();
    let (from, to) = (file.len() / 3, file.len() / 2);
    file[from..to].fill(0);
    let files = HistoryFiles { files: vec![file] };
    let (mut known, mut hidden) = (0, 0);
    for seconds in (0..3 * 3600).step_by(97) {
        let time = Duration::from_secs(seconds);
        match state_at(&files, time) {
            Ok(past) => {
                assert!(past.wall <= time, "{time:?}");
                known += 1;
            }
            Err(NotRecorded::Between(end, next)) => {
                assert!(end < time && time < next, "{end:?} {time:?} {next:?}");
                assert!(state_at(&files, end).is_ok() && state_at(&files, next).is_ok());
                hidden += 1;
            }
            Err(NotRecorded::After(end)) => assert!(end < time && state_at(&files, end).is_ok()),
            Err(why) => panic!("{time:?}: {why:?}"),
        }
    }
    assert!(known > 20 && hidden > 3, "{known} {hidden}");
}
