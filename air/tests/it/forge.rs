//! The forger's tools: take an honest trace, lie in some cells, and make all the rest agree with the lie.

use std::sync::Arc;

use starling_air::check::{Report, Statement, report};
use starling_air::chips::{cpu, hash, memory, range};
use starling_air::definition::Definition;
use starling_air::machine::Machine;
use starling_air::trace::{Recording, answer};
use starling_vm::executor::{MemoryAccess, Recorder};
use starling_vm::field::{Felt, Word};
use starling_vm::isa::{INDEX_REGISTER, MEMORY_WORDS, flag};
use starling_vm::poseidon2::constants::{EXTERNAL, INTERNAL};
use starling_vm::poseidon2::{external_layer, internal_layer};
use starling_vm::program::code_blocks;
use winterfell::math::FieldElement;

use crate::samples::{Sample, challenges};

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
        for column in &mut self.columns[memory::FIRST..] {
            column.fill(ZERO);
        }
        answer(&mut self.columns, &self.machine, &self.blocks, &uses, &mut recording)
            .expect("signatures fill their chip");
    }

    // MEMORY
    // ============================================================================================================

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

    // RANGE
    // ============================================================================================================

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

    // HASH
    // ============================================================================================================

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

/// Bytes of a u32 as elements.
pub(crate) fn bytes(value: u32) -> [Felt; 4] {
    value.to_le_bytes().map(|byte| felt(u64::from(byte)))
}

/// The value of the index register after `mstep`.
pub(crate) fn index_after(forgery: &Forgery, row: usize, bit: Felt) -> Felt {
    (forgery.register(row, INDEX_REGISTER) - bit) / felt(2)
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
