//! Byte strings as field elements.

use super::hash_elements;
use crate::field::{Felt, Word};

/// Bytes in one element: the most that fit below the modulus whatever they are.
pub const BYTES_PER_ELEMENT: usize = 7;

/// A byte string as elements: its length, then seven bytes an element, the first byte lowest. One string has one packing.
pub fn pack_bytes(bytes: &[u8]) -> Vec<Felt> {
    let mut elements = vec![Felt::new(bytes.len() as u64)];
    elements.extend(bytes.chunks(BYTES_PER_ELEMENT).map(|chunk| {
        let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Felt::new(value)
    }));
    elements
}

/// The digest of a byte string in the domain `domain`: that of its packed elements.
pub fn hash_bytes(domain: u64, bytes: &[u8]) -> Word {
    hash_elements(domain, &pack_bytes(bytes))
}
