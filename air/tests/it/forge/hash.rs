//! Permutations in the hash chip.

use starling_air::chips::hash;
use starling_vm::field::Felt;
use starling_vm::poseidon2::constants::{EXTERNAL, INTERNAL};
use starling_vm::poseidon2::{external_layer, internal_layer};

use super::{Forgery, ONE, ZERO, felt};

impl Forgery {
    /// Fills group `group` of the hash chip with the rows of a permutation.
    pub(crate) fn set_group(&mut self, group: usize, rows: &[([Felt; 8], [Felt; 8]); hash::GROUP]) {
        for (row, (s, w)) in rows.iter().enumerate() {
            let i = group * hash::GROUP + row;
            for lane in 0..8 {
                self.columns[hash::STATE + lane][i] = s[lane];
                if row + 1 < hash::GROUP {
                    self.columns[hash::SBOX + lane][i] = w[lane];
                }
            }
        }
    }

    /// Sets a column in some rows of a group.
    pub(crate) fn set_in_group(&mut self, group: usize, rows: core::ops::Range<usize>, column: usize, value: Felt) {
        for row in rows {
            self.columns[column][group * hash::GROUP + row] = value;
        }
    }

    /// Makes group `group` serve a call: input, id, activity, mode.
    pub(crate) fn set_call(&mut self, group: usize, input: [Felt; 8], id: Felt, active: Felt, full: bool) {
        self.set_group(group, &permutation(input, None));
        self.set_in_group(group, 0..8, hash::ID, id);
        self.set_in_group(group, 0..8, hash::ACTIVE, active);
        self.set_in_group(group, 7..8, hash::FULL, felt(u64::from(full)));
    }

    /// The first group after the program's.
    pub(crate) fn first_call(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn input_of(&self, group: usize) -> [Felt; 8] {
        core::array::from_fn(|lane| self.columns[hash::STATE + lane][group * hash::GROUP])
    }

    pub(crate) fn output_of(&self, group: usize) -> [Felt; 8] {
        core::array::from_fn(|lane| self.columns[hash::STATE + lane][group * hash::GROUP + 7])
    }
}

/// Where a permutation goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slip {
    /// One is added to the S-box output of this lane in this row.
    Sbox(usize, usize),
    /// One is added to this lane of the state that follows this row.
    State(usize, usize),
}

/// The rows of a permutation that goes wrong in one place, and right from there on.
pub(crate) fn permutation(input: [Felt; 8], slip: Option<Slip>) -> [([Felt; 8], [Felt; 8]); hash::GROUP] {
    let mut rows = [([ZERO; 8], [ZERO; 8]); hash::GROUP];
    let mut s = input;
    for row in 0..hash::GROUP {
        rows[row].0 = s;
        let mut w = [ZERO; 8];
        let wrong = |lane: usize| match slip {
            Some(Slip::Sbox(r, l)) if (r, l) == (row, lane) => ONE,
            _ => ZERO,
        };
        match row {
            0 | 1 | 5 | 6 => {
                let round = if row < 2 { 2 * row } else { 2 * row - 6 };
                let mixed = if row == 0 { external_layer(s) } else { s };
                w = core::array::from_fn(|i| power7(mixed[i] + felt(EXTERNAL[round][i])) + wrong(i));
                let second = external_layer(w);
                s = external_layer(core::array::from_fn(|i| {
                    power7(second[i] + felt(EXTERNAL[round + 1][i]))
                }));
            }
            2..=4 => {
                let count = if row == 4 { 6 } else { 8 };
                for i in 0..count {
                    s[0] = power7(s[0] + felt(INTERNAL[8 * (row - 2) + i])) + wrong(i);
                    w[i] = s[0];
                    s = internal_layer(s);
                }
                for i in count..8 {
                    w[i] = wrong(i);
                }
            }
            _ => {}
        }
        if let Some(Slip::State(r, lane)) = slip
            && r == row
        {
            s[lane] += ONE;
        }
        rows[row].1 = w;
    }
    rows
}

fn power7(x: Felt) -> Felt {
    let square = x * x;
    square * square * square * x
}
