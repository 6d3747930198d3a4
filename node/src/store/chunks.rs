//! Values in pieces, for sled.
//!
//! sled keeps up to 17 entries on a page, and writes a page that is longer than a quarter of a segment of its log, 128 KiB,
//! to a file of its own that it never syncs. A proof has 150 KB: so long values are cut into chunks that keep every page
//! below that.
//!
//! A table's tree holds, for each key, a head: `0` and the value, or `1` and the number of chunks (four bytes). Chunks
//! lie in a tree for all tables, under the table's name, 0, the key's length (four bytes), the key, and the chunk's number
//! (four bytes); all numbers big-endian.

use super::Table;

/// Bytes of a chunk, and of the longest value that has none.
pub(super) const BYTES: usize = 4 << 10;

const WHOLE: u8 = 0;
const CUT: u8 = 1;

/// A key's head: the value itself, or how many chunks it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    Whole(&'a [u8]),
    Cut(u32),
}

impl<'a> Head<'a> {
    /// The head of a value; `None` for a value beyond 2^32 chunks.
    pub(super) fn of(value: &'a [u8]) -> Option<Self> {
        if value.len() <= BYTES {
            return Some(Self::Whole(value));
        }
        u32::try_from(value.len().div_ceil(BYTES)).ok().map(Self::Cut)
    }

    /// Reads a head; `None` if these bytes are none.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&WHOLE, value) => Some(Self::Whole(value)),
            (&CUT, count) => Some(Self::Cut(u32::from_be_bytes(count.try_into().ok()?))),
            _ => None,
        }
    }

    /// The head's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Whole(value) => [&[WHOLE], *value].concat(),
            Self::Cut(count) => [&[CUT][..], &count.to_be_bytes()].concat(),
        }
    }
}

/// Where a chunk lies.
pub(super) fn key(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    let length = (key.len() as u32).to_be_bytes();
    [table.name().as_bytes(), &[0], &length, key, &number.to_be_bytes()].concat()
}
