//! The machine's AIR: all chips side by side, linked by the buses.

use starling_vm::algebra::Algebra;

use crate::bus::{BusColumns, CHALLENGES};
use crate::chips::{Sink, Values, bitwise, cpu, hash, memory, range};
use crate::definition::{AuxFrame, Definition, Extends, MainFrame, Row};
use crate::degree::Degree;

/// The chips of a run. Part of the statement: a program pays only for the chips that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChipSet {
    /// Cpu, memory, range and hash.
    Core = 0,
    /// [ChipSet::Core] and bitwise.
    Bitwise = 1,
}

impl ChipSet {
    /// All chip sets.
    pub const ALL: [Self; 2] = [Self::Core, Self::Bitwise];

    /// The chip set with this number.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.id() == id)
    }

    /// The smallest chip set that serves a run.
    pub fn for_run(bitwise: bool) -> Self {
        if bitwise { Self::Bitwise } else { Self::Core }
    }

    /// The number that proofs and transcripts carry.
    pub fn id(self) -> u8 {
        self as u8
    }
}

/// The AIR of the machine with a chip set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    chips: ChipSet,
}

/// Shortest trace: the table of bytes needs 256 rows besides the last, which is dead.
pub const MIN_LENGTH: usize = 512;

/// Longest trace: cycles and addresses step by at most 2^24, and two-adicity leaves room for every blowup.
pub const MAX_LENGTH: usize = 1 << 22;

impl Machine {
    /// The AIR with the chips of `chips`.
    pub fn new(chips: ChipSet) -> Self {
        Self { chips }
    }

    /// The chip set.
    pub fn chips(&self) -> ChipSet {
        self.chips
    }

    /// The columns of the bitwise chip, if the chip set has it.
    pub fn bitwise(&self) -> Option<bitwise::Columns> {
        let periodic = hash::PERIODIC + hash::PERIODIC_COLUMNS;
        (self.chips == ChipSet::Bitwise).then(|| bitwise::Columns::new(hash::FIRST + hash::WIDTH, periodic))
    }

    fn main_into<A: Algebra>(&self, frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
        cpu::constraints(frame, out);
        memory::constraints(frame, out);
        range::constraints(frame, out);
        hash::constraints(frame, out);
        if let Some(columns) = self.bitwise() {
            bitwise::constraints(&columns, frame, out);
        }
    }

    /// The buses' sums of one row, a sum for each auxiliary column.
    pub fn messages<A: Algebra, X: Extends<A>>(&self, main: &MainFrame<'_, A>, bus: &mut BusColumns<X>) {
        cpu::messages(main, bus);
        memory::messages(main, bus);
        range::messages(main, bus);
        hash::messages(main, bus);
        if let Some(columns) = self.bitwise() {
            bitwise::messages(&columns, main, bus);
        }
    }

    /// What the transcript knows this AIR by: a hash of its version, chip set, widths and the names and degrees of its
    /// constraints.
    pub fn identity(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026 air identity v1");
        hasher.update(&[self.chips.id()]);
        for width in [self.main_width(), self.aux_width(), self.num_challenges()] {
            hasher.update(&(width as u64).to_le_bytes());
        }
        for (name, degree) in self.main_constraints() {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(degree as u64).to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Names and degrees of the main constraints, in order.
    pub fn main_constraints(&self) -> Vec<(&'static str, usize)> {
        let row = vec![Degree::COLUMN; self.main_width()];
        let periodic = vec![Degree::COLUMN; self.periodic_columns().len()];
        let mut out: Vec<(&'static str, Degree)> = Vec::new();
        self.main_into(
            &MainFrame {
                current: &row,
                next: &row,
                periodic: &periodic,
            },
            &mut out,
        );
        out.into_iter().map(|(name, degree)| (name, degree.0)).collect()
    }
}

impl Definition for Machine {
    fn main_width(&self) -> usize {
        hash::FIRST + hash::WIDTH + self.bitwise().map_or(0, |_| bitwise::WIDTH)
    }

    fn aux_width(&self) -> usize {
        4
    }

    fn num_challenges(&self) -> usize {
        CHALLENGES
    }

    fn accumulator(&self) -> usize {
        3
    }

    fn periodic_columns(&self) -> Vec<Vec<u64>> {
        let mut out = range::periodic_columns();
        out.extend(hash::periodic_columns());
        if self.bitwise().is_some() {
            out.extend(bitwise::periodic_columns());
        }
        out
    }

    fn main_degrees(&self) -> Vec<(usize, Vec<usize>)> {
        self.main_constraints()
            .into_iter()
            .map(|(_, degree)| (degree, Vec::new()))
            .collect()
    }

    fn aux_degrees(&self) -> Vec<(usize, Vec<usize>)> {
        let row = vec![Degree::COLUMN; self.main_width()];
        let periodic = vec![Degree::COLUMN; self.periodic_columns().len()];
        let aux = vec![Degree::COLUMN; self.aux_width()];
        let challenges = vec![Degree(0); CHALLENGES];
        let mut out = vec![Degree(0); self.aux_width()];
        self.eval_aux(
            &MainFrame {
                current: &row,
                next: &row,
                periodic: &periodic,
            },
            &AuxFrame {
                current: &aux,
                next: &aux,
                challenges: &challenges,
            },
            &mut out,
        );
        out.into_iter().map(|degree| (degree.0, Vec::new())).collect()
    }

    fn main_assertions(&self) -> Vec<(usize, Row, u64)> {
        let mut out = Vec::new();
        cpu::assertions(&mut out);
        memory::assertions(&mut out);
        range::assertions(&mut out);
        hash::assertions(&mut out);
        out
    }

    fn eval_main<A: Algebra>(&self, frame: &MainFrame<'_, A>, out: &mut [A]) {
        self.main_into(frame, &mut Values::new(out));
    }

    fn eval_aux<A: Algebra, X: Extends<A>>(&self, main: &MainFrame<'_, A>, aux: &AuxFrame<'_, X>, out: &mut [X]) {
        let mut bus = BusColumns::new(aux.challenges, self.aux_width());
        self.messages(main, &mut bus);
        let accumulator = self.accumulator();
        let mut step = aux.next[accumulator].clone() - aux.current[accumulator].clone();
        for (column, sum) in bus.columns().iter().enumerate() {
            if column != accumulator {
                let (numerator, denominator) = sum.parts();
                let value = aux.current[column].clone();
                step = step - value.clone();
                out[column] = value * denominator - numerator;
            }
        }
        let (numerator, denominator) = bus.columns()[accumulator].parts();
        out[accumulator] = step * denominator - numerator;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_degree_fits_blowup_8() {
        for machine in ChipSet::ALL.map(Machine::new) {
            for (name, degree) in machine.main_constraints() {
                assert!(degree <= 9, "{name}: degree {degree}");
            }
            for (column, (degree, _)) in machine.aux_degrees().into_iter().enumerate() {
                assert!(degree <= 9, "auxiliary column {column}: degree {degree}");
            }
        }
    }
}
