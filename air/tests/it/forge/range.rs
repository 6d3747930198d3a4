//! Pairs, bytes and the byte table of the range chip.

use starling_air::chips::{memory, range};
use starling_vm::field::Felt;
use winterfell::math::FieldElement;

use super::{Forgery, ONE, ZERO, felt};

impl Forgery {
    /// Puts a pair with these bytes into the first unused pair of rows and settles the bytes; returns its first row.
    pub(crate) fn add_pair(&mut self, lo: [Felt; 4], hi: [Felt; 4], mode: Felt, uses: Felt) -> usize {
        let free = |row: &usize| {
            self.columns[range::USES][*row] == ZERO
                && (0..4).all(|i| self.columns[range::BYTES + i][*row] == ZERO)
                && (0..4).all(|i| self.columns[range::BYTES + i][*row + 1] == ZERO)
        };
        let row = (0..self.length() - 2).step_by(2).find(free).expect("a free pair");
        self.set_pair(row, lo, hi, mode, uses);
        self.settle_bytes();
        row
    }

    pub(crate) fn set_pair(&mut self, row: usize, lo: [Felt; 4], hi: [Felt; 4], mode: Felt, uses: Felt) {
        for i in 0..4 {
            self.columns[range::BYTES + i][row] = lo[i];
            self.columns[range::BYTES + i][row + 1] = hi[i];
        }
        let high = (0..4).fold(ZERO, |sum, i| sum + hi[i] * felt(1 << (8 * i)));
        self.columns[range::HX][row] = (high - felt(u64::from(u32::MAX))).inv();
        self.columns[range::HX][row + 1] = mode;
        self.columns[range::USES][row] = uses;
    }

    /// Counts the bytes that all chips look up, and sets the table's multiplicities. What is in no entry stays open.
    pub(crate) fn settle_bytes(&mut self) {
        self.settle_bytes_but(&[], false);
    }

    /// The same without the bytes in the columns `but`, and without the doubled ones if `undoubled`.
    pub(crate) fn settle_bytes_but(&mut self, but: &[usize], undoubled: bool) {
        let length = self.length();
        let mut counts = std::collections::HashMap::<u64, Felt>::new();
        let mut count = |value: Felt, weight: Felt| *counts.entry(value.as_int()).or_insert(ZERO) += weight;
        for i in 0..length - 1 {
            for column in (range::BYTES..range::BYTES + 4).chain(memory::STEP..memory::STEP + 3) {
                if !but.contains(&column) {
                    count(self.columns[column][i], ONE);
                }
            }
            if i % 2 == 1 && !undoubled {
                let top = self.columns[range::BYTES + 3][i];
                count(top + top, self.columns[range::HX][i]);
            }
        }
        for i in 0..length {
            let value = self.columns[range::TABLE][i].as_int();
            self.columns[range::TABLE_USES][i] = match i + 1 < length {
                true => counts.remove(&value).unwrap_or(ZERO),
                false => ZERO,
            };
        }
    }
}

/// Bytes of a u32 as elements.
pub(crate) fn bytes(value: u32) -> [Felt; 4] {
    value.to_le_bytes().map(|byte| felt(u64::from(byte)))
}
