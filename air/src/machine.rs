//! The machine's AIR: all chips side by side, linked by the buses.

use core::fmt;
use std::sync::OnceLock;

use starling_vm::algebra::Algebra;

use crate::adapter::Shape;
use crate::bus::{BusColumns, CHALLENGES};
use crate::chips::{Sink, Values, bitwise, cpu, hash, memory, range, signature};
use crate::codegen::Recording;
use crate::definition::{AuxFrame, Definition, Extends, MainFrame, Row};
use crate::degree::Degree;
use crate::preset::Preset;

/// The chips of a run. Part of the statement: a program pays only for the chips that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChipSet {
    /// Cpu, memory, range and hash.
    Core = 0,
    /// [ChipSet::Core] and bitwise.
    Bitwise = 1,
    /// [ChipSet::Core] and signatures: what the rollup's kernel uses.
    Kernel = 2,
    /// All chips.
    All = 3,
}

impl ChipSet {
    /// All chip sets.
    pub const EVERY: [Self; 4] = [Self::Core, Self::Bitwise, Self::Kernel, Self::All];

    /// The chip set with this number.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::EVERY.into_iter().find(|set| set.id() == id)
    }

    /// The smallest chip set that serves a run.
    pub fn for_run(bitwise: bool, signature: bool) -> Self {
        match (bitwise, signature) {
            (false, false) => Self::Core,
            (true, false) => Self::Bitwise,
            (false, true) => Self::Kernel,
            (true, true) => Self::All,
        }
    }

    fn has_bitwise(self) -> bool {
        matches!(self, Self::Bitwise | Self::All)
    }

    fn has_signature(self) -> bool {
        matches!(self, Self::Kernel | Self::All)
    }

    /// Whether every chip of `other` is among these.
    pub fn covers(self, other: Self) -> bool {
        (self.has_bitwise() || !other.has_bitwise()) && (self.has_signature() || !other.has_signature())
    }

    /// The number that proofs and transcripts carry.
    pub fn id(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ChipSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Bitwise => "core and bitwise",
            Self::Kernel => "core and signature",
            Self::All => "core, signature and bitwise",
        })
    }
}

/// The AIR of the machine with a chip set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    chips: ChipSet,
}

/// Auxiliary columns of the core: the last is the accumulator. The signature chip adds one.
const CORE_AUX: usize = 4;

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

    /// The columns of the signature chip, if the chip set has it.
    pub fn signature(&self) -> Option<signature::Columns> {
        let periodic = hash::PERIODIC + hash::PERIODIC_COLUMNS;
        let bus = CORE_AUX;
        self.chips
            .has_signature()
            .then(|| signature::Columns::new(hash::FIRST + hash::WIDTH, periodic, bus))
    }

    /// The columns of the bitwise chip, if the chip set has it.
    pub fn bitwise(&self) -> Option<bitwise::Columns> {
        let mut first = hash::FIRST + hash::WIDTH;
        let mut periodic = hash::PERIODIC + hash::PERIODIC_COLUMNS;
        if self.chips.has_signature() {
            first += signature::WIDTH;
            periodic += signature::PERIODIC_COLUMNS;
        }
        self.chips.has_bitwise().then(|| bitwise::Columns::new(first, periodic))
    }

    fn main_into<A: Algebra>(&self, frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
        cpu::constraints(frame, out);
        memory::constraints(frame, out);
        range::constraints(frame, out);
        hash::constraints(frame, out);
        if let Some(columns) = self.signature() {
            signature::constraints(&columns, frame, out);
        }
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
        if let Some(columns) = self.signature() {
            signature::messages(&columns, main, bus);
        }
        if let Some(columns) = self.bitwise() {
            bitwise::messages(&columns, main, bus);
        }
    }

    /// What the transcript knows this AIR by: the digest of its recorded constraints, formulas and all. Recorded once for
    /// each chip set.
    pub fn identity(&self) -> [u8; 32] {
        static IDENTITIES: [OnceLock<[u8; 32]>; ChipSet::EVERY.len()] =
            [const { OnceLock::new() }; ChipSet::EVERY.len()];
        *IDENTITIES[usize::from(self.chips.id())].get_or_init(|| {
            let preset = Preset::Local100;
            let shape = Shape::new(self, &preset.options(), preset.log_lengths());
            Recording::new(self).identity(&shape)
        })
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
        let signature = self.signature().map_or(0, |_| signature::WIDTH);
        hash::FIRST + hash::WIDTH + signature + self.bitwise().map_or(0, |_| bitwise::WIDTH)
    }

    fn aux_width(&self) -> usize {
        CORE_AUX + usize::from(self.chips.has_signature())
    }

    fn num_challenges(&self) -> usize {
        CHALLENGES
    }

    fn accumulator(&self) -> usize {
        CORE_AUX - 1
    }

    fn periodic_columns(&self) -> Vec<Vec<u64>> {
        let mut out = range::periodic_columns();
        out.extend(hash::periodic_columns());
        if self.signature().is_some() {
            out.extend(signature::periodic_columns());
        }
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
        if let Some(columns) = self.signature() {
            signature::assertions(&columns, &mut out);
        }
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
        for machine in ChipSet::EVERY.map(Machine::new) {
            for (name, degree) in machine.main_constraints() {
                assert!(degree <= 9, "{name}: degree {degree}");
            }
            for (column, (degree, _)) in machine.aux_degrees().into_iter().enumerate() {
                assert!(degree <= 9, "auxiliary column {column}: degree {degree}");
            }
        }
    }
}
