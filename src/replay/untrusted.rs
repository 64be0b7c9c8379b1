//! Histories of any content, for the fuzzer.

use std::time::Duration;

use super::change::SettingChanges;
use super::moment::state_at;
use super::run::{as_asked, as_it_was};
use crate::history::block::{Block, HEAD};
use crate::history::reader::HistoryFiles;

/// Replays a file of any content, as it was and with other settings, and looks at its last moment. Bytes
/// without the head of a history are entries: each length of two bytes is followed by a block of as many,
/// which gets the checksums that let a reader believe it.
pub(crate) fn read_any(bytes: &[u8]) {
    let file = if bytes.starts_with(HEAD) { bytes.to_vec() } else { believed(bytes) };
    let files = HistoryFiles { files: vec![file] };
    let was = as_it_was(&files, Duration::ZERO, |_| {});
    was.summary();
    as_asked(&files, &SettingChanges::default(), Duration::ZERO, |_| {});
    let _ = state_at(&files, was.end);
}

/// Returns a file with these entries.
fn believed(mut entries: &[u8]) -> Vec<u8> {
    let mut file = HEAD.to_vec();
    let mut sequence = 0;
    while let Some((length, rest)) = entries.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (block, rest) = rest.split_at(length);
        let begins = sequence == 0;
        let block = Block { sequence, begins, replaces: false, entries: block.to_vec() };
        file.extend(block.bytes());
        (sequence, entries) = (sequence + 1, rest);
    }
    file
}
