//! Rows of the memory chip.

use starling_air::chips::memory;
use starling_vm::field::{Felt, Word};
use starling_vm::isa::MEMORY_WORDS;

use super::{Forgery, ONE, ZERO, felt};

/// A row of the memory chip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryRow {
    pub(crate) address: Felt,
    pub(crate) clk: Felt,
    pub(crate) write: bool,
    pub(crate) word: Word,
    pub(crate) active: bool,
}

impl MemoryRow {
    pub(crate) fn new(address: u64, clk: u64, write: bool, word: Word) -> Self {
        Self {
            address: felt(address),
            clk: felt(clk),
            write,
            word,
            active: true,
        }
    }
}

impl Forgery {
    /// Fills the memory chip with `rows`, as they are, after a first row that reads zero at address 0.
    pub(crate) fn set_memory(&mut self, rows: &[MemoryRow]) {
        let length = self.length();
        let mut row = MemoryRow {
            active: false,
            ..MemoryRow::new(0, 0, false, [ZERO; 4])
        };
        let last = felt(MEMORY_WORDS - 1);
        for i in 0..length {
            match i.checked_sub(1).and_then(|i| rows.get(i)) {
                Some(given) => row = *given,
                None if i > 0 && row.address != last => {
                    row = MemoryRow {
                        active: false,
                        ..MemoryRow::new(MEMORY_WORDS - 1, 0, false, [ZERO; 4])
                    }
                }
                None if i > 0 => {
                    row.clk += ONE;
                    row.write = false;
                    row.active = false;
                }
                None => {}
            }
            self.set_memory_row(i, &row);
        }
        for i in 0..length - 1 {
            self.set_memory_step(i);
        }
        self.settle_bytes();
    }

    pub(crate) fn set_memory_row(&mut self, i: usize, row: &MemoryRow) {
        self.columns[memory::ADDRESS][i] = row.address;
        self.columns[memory::CLK][i] = row.clk;
        for (lane, value) in row.word.into_iter().enumerate() {
            self.columns[memory::WORD + lane][i] = value;
        }
        self.columns[memory::WRITE][i] = felt(u64::from(row.write));
        self.columns[memory::ACTIVE][i] = felt(u64::from(row.active));
    }

    /// Sets the step from row `i` to the next, as it must be for the two rows.
    pub(crate) fn set_memory_step(&mut self, i: usize) {
        let step = |column: usize| self.columns[column][i + 1] - self.columns[column][i];
        let (address, clk) = (step(memory::ADDRESS), step(memory::CLK));
        let (new, step) = if address == ZERO {
            (ZERO, clk - ONE)
        } else {
            (ONE, address - ONE)
        };
        self.columns[memory::NEW][i] = new;
        self.set_step_bytes(i, step.as_int());
    }

    pub(crate) fn set_step_bytes(&mut self, i: usize, step: u64) {
        for byte in 0..3 {
            self.columns[memory::STEP + byte][i] = felt(step >> (8 * byte) & 255);
        }
    }
}
