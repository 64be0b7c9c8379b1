//! Reads the entries of a history, past any damage.

use super::block::Blocks;
use super::bytes::ByteSource;
use super::entry::{Dated, EntryReader};

/// A history in memory: its files, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct HistoryFiles {
    /// The bytes of each file.
    pub files: Vec<Vec<u8>>,
}

/// The next part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryItem {
    /// A dated entry.
    Entry(Box<Dated>),
    /// Something is missing: the entries up to the next beginning cannot be used.
    Gap,
}

/// The damage that a reader has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The number of times that something was missing.
    pub gaps: u32,
    /// The number of bytes that are no blocks.
    pub bytes: usize,
    /// The number of blocks that could not be used, since one before them is missing.
    pub unused: u32,
}

/// Reads the entries of files, one after the other.
#[derive(Debug)]
pub(crate) struct HistoryReader<'a> {
    files: std::slice::Iter<'a, Vec<u8>>,
    blocks: Blocks<'a>,
    source: ByteSource<'a>,
    entries: EntryReader,
    /// The number that the next block has, if the ones before it were read.
    next: Option<u32>,
    damage: Damage,
    /// Whether a gap is to be told.
    gap: bool,
}

impl HistoryFiles {
    /// Reads the entries from the beginning.
    pub(crate) fn read(&self) -> HistoryReader<'_> {
        HistoryReader {
            files: self.files.iter(),
            blocks: Blocks::new(&[]),
            source: ByteSource::new(&[]),
            entries: EntryReader::default(),
            next: None,
            damage: Damage::default(),
            gap: false,
        }
    }
}

impl HistoryReader<'_> {
    /// Returns the damage so far.
    pub(crate) fn damage(&self) -> Damage {
        self.damage
    }

    /// Goes to the next block that can be used. Returns false at the end.
    fn next_block(&mut self) -> bool {
        loop {
            let skipped = self.blocks.skipped;
            let Some(block) = self.blocks.next() else {
                self.count_skipped(self.blocks.skipped - skipped);
                let Some(file) = self.files.next() else { return false };
                self.blocks = Blocks::new(file);
                continue;
            };
            self.count_skipped(self.blocks.skipped - skipped);
            if block.begins {
                // A process that starts, or a file that repeats the state, loses nothing.
                self.entries.reset();
            } else if self.next != Some(block.sequence) {
                if self.next.take().is_some() {
                    self.lose();
                }
                self.damage.unused += 1;
                continue;
            }
            self.next = Some(block.sequence.wrapping_add(1));
            self.source = ByteSource::new(block.entries);
            return true;
        }
    }

    fn count_skipped(&mut self, bytes: usize) {
        self.damage.bytes += bytes;
    }

    /// Records that something is missing.
    fn lose(&mut self) {
        self.damage.gaps += 1;
        self.gap = true;
    }
}

impl Iterator for HistoryReader<'_> {
    type Item = HistoryItem;

    fn next(&mut self) -> Option<HistoryItem> {
        loop {
            if std::mem::take(&mut self.gap) {
                return Some(HistoryItem::Gap);
            }
            if self.source.is_empty() {
                if !self.next_block() {
                    return std::mem::take(&mut self.gap).then_some(HistoryItem::Gap);
                }
                continue;
            }
            if let Some(dated) = self.entries.read(&mut self.source) {
                return Some(HistoryItem::Entry(Box::new(dated)));
            }
            // The checksum is right and the entries are not: another program wrote them.
            self.source = ByteSource::new(&[]);
            self.next = None;
            self.lose();
        }
    }
}
