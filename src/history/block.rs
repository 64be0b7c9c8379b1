//! The blocks of a file: found again after damage, and checked.

use super::crc::crc32c;

/// The beginning of each file: its kind and the version of its form.
pub(crate) const HEAD: &[u8] = b"goavail history 1\n";

/// The beginning of each block. Text has none of it, and a reader that has lost its place looks for it.
pub(crate) const MARKER: [u8; 8] = [0xf1, b'g', b'o', b'a', b'v', 0x0d, 0x0a, 0x1a];

/// The number of bytes before the entries of a block.
pub(super) const HEADER: usize = MARKER.len() + 4 + 4 + 1 + 4 + 4;

/// The most bytes of entries in a block.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// A block of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The number of the block; the next one has the number after it.
    pub sequence: u32,
    /// Whether it can be read without those before it.
    pub begins: bool,
    /// Whether it takes the place of the block before it.
    pub replaces: bool,
    /// The bytes of the entries.
    pub entries: Vec<u8>,
}

/// A block as a file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundBlock<'a> {
    pub(super) sequence: u32,
    pub(super) begins: bool,
    pub(super) entries: &'a [u8],
}

impl Block {
    /// Returns the bytes of the block in a file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.entries.len());
        out.extend_from_slice(&MARKER);
        let length = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.push(u8::from(self.begins));
        let check = crc32c(&out[MARKER.len()..]);
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_slice(&crc32c(&self.entries).to_le_bytes());
        out.extend_from_slice(&self.entries);
        out
    }
}

/// Finds the blocks of a file, and counts the bytes that are none.
#[derive(Debug, Clone)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    /// The number of bytes that were skipped.
    pub(super) skipped: usize,
}

impl<'a> Blocks<'a> {
    /// Finds the blocks in the bytes of a file.
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { rest: file.strip_prefix(HEAD).unwrap_or(file), skipped: 0 }
    }

    /// Returns the block at the front, if it is whole, and the bytes after it.
    fn front(&self) -> Option<(FoundBlock<'a>, &'a [u8])> {
        let (header, after) = self.rest.split_at_checked(HEADER)?;
        let fields = header.strip_prefix(&MARKER)?;
        if word(fields, 9)? != crc32c(&fields[..9]) {
            return None;
        }
        let length =
            usize::try_from(word(fields, 0)?).ok().filter(|length| *length <= MOST_BYTES)?;
        let (entries, rest) = after.split_at_checked(length)?;
        if word(fields, 13)? != crc32c(entries) {
            return None;
        }
        Some((FoundBlock { sequence: word(fields, 4)?, begins: fields[8] == 1, entries }, rest))
    }
}

/// Returns the number at a place.
fn word(fields: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(fields.get(at..at + 4)?.try_into().ok()?))
}

impl<'a> Iterator for Blocks<'a> {
    type Item = FoundBlock<'a>;

    fn next(&mut self) -> Option<FoundBlock<'a>> {
        while !self.rest.is_empty() {
            if let Some((found, rest)) = self.front() {
                self.rest = rest;
                return Some(found);
            }
            let next = self.rest[1..].windows(MARKER.len()).position(|it| it == MARKER);
            let skipped = next.map_or(self.rest.len(), |place| place + 1);
            self.skipped += skipped;
            self.rest = &self.rest[skipped..];
        }
        None
    }
}

/// Returns the entries of each block of a file.
#[cfg(test)]
pub(crate) fn entries_of(file: &[u8]) -> Vec<Vec<u8>> {
    Blocks::new(file).map(|found| found.entries.to_vec()).collect()
}
