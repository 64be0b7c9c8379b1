//! The corpus of the fuzzer, and small changes of each of its files, read by the same functions. Anything
//! from outside is refused or read, and ends nothing.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::collections::BTreeSet;
use std::path::Path;

use goavail::testing::fuzz::ENTRIES;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::lab::share;

/// How many changes of each file are read, unless `GOAVAIL_FUZZ_CHANGES` says otherwise.
const CHANGES: u32 = 400;

fn changes() -> u32 {
    let asked = std::env::var("GOAVAIL_FUZZ_CHANGES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| share(CHANGES))
}

/// Bytes that decide something in one of the forms: signs of JSON and TOML, lengths, pointers.
const SPECIAL: &[u8] = b"\0\x01\x7f\x80\xc0\xff\"\\{}[],:=-.eE0n\n%&?/";

/// The files of an entry's corpus.
fn corpus(entry: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(entry);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes some bytes, as a fuzzer does: others, fewer, more, or parts twice.
fn change(bytes: &[u8], random: &mut SmallRng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=changed.len());
        let end = random.random_range(at..=changed.len().min(at + 40));
        match random.random_range(0..5) {
            0 => drop(changed.drain(at..end)),
            1 => changed.insert(at, SPECIAL[random.random_range(0..SPECIAL.len())]),
            2 if at < changed.len() => changed[at] ^= 1 << random.random_range(0..8),
            3 => {
                let part = changed[at..end].to_vec();
                let place = random.random_range(0..=changed.len());
                changed.splice(place..place, part);
            }
            _ => changed.truncate(end),
        }
    }
    changed
}

#[test]
fn every_entry_reads_its_corpus_and_small_changes_of_it() {
    for (name, read) in ENTRIES {
        let files = corpus(name);
        assert!(files.len() > 1, "{name} has no corpus");
        for (nth, file) in (0..).zip(&files) {
            read(file);
            let mut random = SmallRng::seed_from_u64(nth);
            for _ in 0..changes() {
                read(&change(file, &mut random));
            }
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_an_entry() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, ENTRIES.iter().map(|entry| entry.0.to_owned()).collect());
}
