//! The forger's tools: take an honest trace, lie in some cells, and make all the rest agree with the lie.

use std::sync::Arc;

use starling_air::check::{Report, Statement, report};
use starling_air::chips::{self, cpu};
use starling_air::definition::Definition;
use starling_air::machine::Machine;
use starling_air::trace::{Recording, answer};
use starling_vm::executor::{MemoryAccess, Recorder};
use starling_vm::field::{Felt, Word};
use starling_vm::isa::{INDEX_REGISTER, MEMORY_WORDS, flag};
use starling_vm::program::code_blocks;

use crate::samples::{Sample, challenges};

mod hash;
mod memory;
mod range;

pub(crate) use self::hash::{Slip, permutation};
pub(crate) use self::memory::MemoryRow;
pub(crate) use self::range::bytes;

pub(crate) const ZERO: Felt = Felt::new(0);
pub(crate) const ONE: Felt = Felt::new(1);

pub(crate) fn felt(value: u64) -> Felt {
    Felt::new(value)
}

/// A trace that may lie.
#[derive(Clone, Debug)]
pub(crate) struct Forgery {
    /// The honest run that it started from.
    pub(crate) honest: Arc<Sample>,
    pub(crate) machine: Machine,
    pub(crate) columns: Vec<Vec<Felt>>,
    pub(crate) statement: Statement,
    /// The program's blocks, header first.
    pub(crate) blocks: Vec<Word>,
}

impl Forgery {
    pub(crate) fn of(sample: &Sample) -> Self {
        Self {
            honest: Arc::new(sample.clone()),
            machine: sample.machine(),
            columns: sample.trace.columns.clone(),
            statement: sample.statement.clone(),
            blocks: code_blocks(sample.program.instructions()),
        }
    }

    pub(crate) fn assemble(text: &str, public: &[u64], advice: &[u64]) -> Self {
        Self::of(&Sample::assemble(text, public, advice))
    }

    pub(crate) fn length(&self) -> usize {
        self.columns[0].len()
    }

    pub(crate) fn report(&self) -> Report {
        report(&self.machine, &self.columns, &self.statement, &challenges(7))
    }

    // CPU
    // ============================================================================================================

    /// The first row that executes the instruction at `pc`.
    pub(crate) fn row_at(&self, pc: u64) -> usize {
        let mut pcs = self.columns[cpu::PC].iter();
        pcs.position(|x| *x == felt(pc)).expect("the instruction runs")
    }

    pub(crate) fn bit(&self, row: usize, flag: u32) -> Felt {
        self.columns[cpu::WORD_BITS + flag.ilog2() as usize][row]
    }

    pub(crate) fn is(&self, row: usize, flag: u32) -> bool {
        self.bit(row, flag) == ONE
    }

    pub(crate) fn op_word(&self, row: usize) -> u64 {
        (0..cpu::WORD_LEN).fold(0, |word, i| word | self.columns[cpu::WORD_BITS + i][row].as_int() << i)
    }

    /// Writes an instruction's op word and immediate into a row.
    pub(crate) fn set_instruction(&mut self, row: usize, word: u64, imm: Felt) {
        for i in 0..cpu::WORD_LEN {
            self.columns[cpu::WORD_BITS + i][row] = felt(word >> i & 1);
        }
        self.columns[cpu::IMM][row] = imm;
        self.operands(row);
    }

    fn field(&self, row: usize, field: usize) -> usize {
        (0..4).fold(0, |sum, i| {
            sum | (self.columns[cpu::WORD_BITS + 4 * field + i][row].as_int() as usize & 1) << i
        })
    }

    pub(crate) fn register(&self, row: usize, r: usize) -> Felt {
        self.columns[cpu::REGISTERS + r][row]
    }

    pub(crate) fn quad(&self, row: usize, field: usize) -> Word {
        let first = self.field(row, field) & 12;
        core::array::from_fn(|lane| self.register(row, first + lane))
    }

    pub(crate) fn x(&self, row: usize, lane: usize) -> Felt {
        self.columns[cpu::X + lane][row]
    }

    pub(crate) fn set_x(&mut self, row: usize, x: [Felt; 4]) {
        for (lane, value) in x.into_iter().enumerate() {
            self.columns[cpu::X + lane][row] = value;
        }
    }

    /// Sets the operand columns of a row as its bits, which may be no bits, say.
    pub(crate) fn operands(&mut self, row: usize) {
        let registers: Vec<Felt> = (0..16).map(|r| self.register(row, r)).collect();
        let select = |field: usize| {
            let mut table = registers.clone();
            for bit in 0..4 {
                let bit = self.columns[cpu::WORD_BITS + 4 * field + bit][row];
                table = table
                    .chunks(2)
                    .map(|pair| pair[0] + bit * (pair[1] - pair[0]))
                    .collect();
            }
            table[0]
        };
        let (a, b, im) = (select(0), select(1), self.bit(row, flag::IM));
        self.columns[cpu::VA][row] = a;
        self.columns[cpu::VB][row] = b + im * (self.columns[cpu::IMM][row] - b);
    }

    /// Sets register `r` in all rows from `row` on, and the operands of the rows after it.
    pub(crate) fn set_register(&mut self, row: usize, r: usize, value: Felt) {
        for i in row..self.length() {
            self.columns[cpu::REGISTERS + r][i] = value;
            self.operands(i);
        }
    }

    /// Writes what the row's result lanes say into the registers of all later rows.
    pub(crate) fn write_back(&mut self, row: usize) {
        let (wa, wb, sp) = (self.is(row, flag::WA), self.is(row, flag::WB), self.is(row, flag::SP));
        let d = self.field(row, 2);
        let x = [0, 1, 2, 3].map(|lane| self.x(row, lane));
        match (wa, wb) {
            (false, false) => {}
            (true, false) => {
                self.set_register(row + 1, d & 14, x[2]);
                self.set_register(row + 1, (d & 14) + 1, x[3]);
            }
            (true, true) if !sp => {
                for (lane, value) in x.into_iter().enumerate() {
                    self.set_register(row + 1, (d & 12) + lane, value);
                }
            }
            _ => self.set_register(row + 1, d, x[0]),
        }
    }

    /// Takes a row of the cpu out; what stood below moves up.
    pub(crate) fn drop_row(&mut self, row: usize) {
        let last = self.length() - 1;
        for column in cpu::PC..cpu::FIRST + cpu::WIDTH {
            let values = &mut self.columns[column];
            values.remove(row);
            values.push(values[last - 1]);
        }
    }

    // ANSWERS
    // ============================================================================================================

    /// Makes the other chips answer whatever the cpu asks, as far as they can.
    pub(crate) fn settle(&mut self) {
        let length = self.length();
        let mut recording = Recording::default();
        let mut uses = vec![0; 2 * (self.blocks.len() - 1)];
        let mut signatures = self.honest.signatures.iter();
        for row in 0..length - 1 {
            if let Some(count) = uses.get_mut(self.columns[cpu::PC][row].as_int() as usize) {
                *count += 1;
            }
            let clk = self.columns[cpu::CLK][row].as_int();
            let (va, vb) = (self.columns[cpu::VA][row], self.columns[cpu::VB][row]);
            let x = [0, 1, 2, 3].map(|lane| self.x(row, lane));
            let c = self.columns[cpu::C][row];
            let (me, ca) = (self.is(row, flag::ME), self.is(row, flag::CA));
            if me && !ca {
                let imm = self.columns[cpu::IMM][row];
                let address = if self.is(row, flag::IM) { imm } else { imm + va };
                if address.as_int() < MEMORY_WORDS {
                    recording.memory(MemoryAccess {
                        address: address.as_int() as u32,
                        clk,
                        write: self.is(row, flag::O0),
                        word: x,
                    });
                }
            }
            if me
                && ca
                && let Some(signature) = signatures.next()
            {
                let key = core::array::from_fn(|r| self.register(row, r));
                let message = core::array::from_fn(|r| self.register(row, 8 + r));
                recording.signature(clk, key, message, *signature);
            } else if ca && self.is(row, flag::O2) {
                match (u32::try_from(vb.as_int()), u32::try_from(x[1].as_int())) {
                    (Ok(b), _) if self.is(row, flag::O3) && b < 32 => recording.pow2(b),
                    (Ok(b), Ok(a)) if !self.is(row, flag::O3) => recording.and(a, b),
                    _ => {}
                }
            }
            for _ in 0..self.bit(row, flag::HA).as_int() {
                let (a, b) = (self.quad(row, 0), self.quad(row, 1));
                let input = core::array::from_fn(|i| match i {
                    _ if me && i < 4 => x[i],
                    0..4 => a[i] + c * (b[i] - a[i]),
                    _ => b[i - 4] - c * (b[i - 4] - a[i - 4]),
                });
                recording.hash(clk, input, self.is(row, flag::O1));
            }
            if self.is(row, flag::SP) {
                for (lo, hi) in [(x[2], x[3]), (c, x[1])] {
                    let u63 = self.is(row, flag::O1);
                    if let (Ok(lo), Ok(hi)) = (u32::try_from(lo.as_int()), u32::try_from(hi.as_int()))
                        && (hi != u32::MAX || lo == 0)
                        && (!u63 || hi >> 31 == 0)
                    {
                        recording.range(lo, hi, u63);
                    }
                }
            }
        }
        for column in &mut self.columns[chips::memory::FIRST..] {
            column.fill(ZERO);
        }
        answer(&mut self.columns, &self.machine, &self.blocks, &uses, &mut recording)
            .expect("signatures fill their chip");
    }
}

/// The value of the index register after `mstep`.
pub(crate) fn index_after(forgery: &Forgery, row: usize, bit: Felt) -> Felt {
    (forgery.register(row, INDEX_REGISTER) - bit) / felt(2)
}

// TESTS
// ================================================================================================================

/// Settling an honest cpu gives an honest trace: otherwise the lies would prove nothing.
#[test]
fn settling_an_honest_trace_keeps_it_honest() {
    for (name, sample) in crate::samples::tour() {
        let mut forgery = Forgery::of(&sample);
        forgery.settle();
        assert_eq!(forgery.columns, sample.trace.columns, "{name}");
        forgery.settle_bytes();
        assert!(forgery.report().accepted(), "{name}");
        assert_eq!(forgery.machine.main_width(), forgery.columns.len());
    }
}
