//! From a run to the main trace.

use std::collections::HashMap;

use starling_vm::executor::{CpuRow, MemoryAccess, Outcome, Recorder, RunInputs, run_recorded};
use starling_vm::field::{Felt, Word};
use starling_vm::isa::MEMORY_WORDS;
use starling_vm::poseidon2::constants::{EXTERNAL, INTERNAL};
use starling_vm::poseidon2::{external_layer, internal_layer};
use starling_vm::program::{PROGRAM_DOMAIN, Program, code_blocks};
use starling_vm::schnorr::{PublicKey, Signature};
use starling_vm::trap::Trap;
use winter_math::batch_inversion;

use starling_vm::algebra::Algebra;

use crate::chips::signature::fill::Request;
use crate::chips::{bitwise, cpu, hash, memory, range, signature};
use crate::definition::Definition;
use crate::machine::{ChipSet, MAX_LENGTH, MIN_LENGTH, Machine};

const ZERO: Felt = Felt::new(0);
const ONE: Felt = Felt::new(1);

/// Everything that a run did.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    cpu: Vec<CpuRow>,
    memory: Vec<MemoryAccess>,
    ranges: HashMap<(u32, u32, bool), u64>,
    hashes: Vec<(u64, [Felt; 8], bool)>,
    bitwise: HashMap<BitwiseCall, u64>,
    signatures: Vec<Request>,
}

/// A call on the bitwise chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum BitwiseCall {
    And(u32, u32),
    Pow2(u32),
}

impl Recorder for Recording {
    fn cpu(&mut self, row: CpuRow) {
        self.cpu.push(row);
    }

    fn memory(&mut self, access: MemoryAccess) {
        self.memory.push(access);
    }

    fn range(&mut self, lo: u32, hi: u32, u63: bool) {
        *self.ranges.entry((lo, hi, u63)).or_default() += 1;
    }

    fn hash(&mut self, clk: u64, input: [Felt; 8], full: bool) {
        self.hashes.push((signature::hash_id(clk, 0), input, full));
    }

    fn and(&mut self, a: u32, b: u32) {
        *self.bitwise.entry(BitwiseCall::And(a, b)).or_default() += 1;
    }

    fn pow2(&mut self, b: u32) {
        *self.bitwise.entry(BitwiseCall::Pow2(b)).or_default() += 1;
    }

    fn signature(&mut self, clk: u64, key: [Felt; 5], message: Word, signature: [Felt; Signature::ELEMENTS]) {
        // The executor has checked both encodings.
        if let (Ok(key), Ok(signature)) = (PublicKey::from_elements(&key), Signature::from_elements(&signature)) {
            let request = Request {
                clk,
                key,
                message,
                signature,
            };
            self.hashes
                .extend(request.hash_calls().map(|call| (call.id, call.input, false)));
            self.signatures.push(request);
        }
    }
}

/// Rows that a run needs in each chip, dead last rows included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipRows {
    /// Instructions, and the halt.
    pub cpu: usize,
    /// Memory accesses, and the two ends.
    pub memory: usize,
    /// Two for each distinct pair, and the last pair.
    pub range: usize,
    /// Eight for each permutation, the program's included, and the last one.
    pub hash: usize,
    /// Eight for each distinct call, and the last one; none without calls.
    pub bitwise: usize,
    /// 192 for each signature.
    pub signature: usize,
}

impl ChipRows {
    /// The length of the trace: the busiest chip's rows, padded to a power of two.
    pub fn trace_length(&self) -> usize {
        let Self {
            cpu,
            memory,
            range,
            hash,
            bitwise,
            signature,
        } = *self;
        let busiest = [cpu, memory, range, hash, bitwise, signature]
            .into_iter()
            .fold(0, usize::max);
        busiest.next_power_of_two().max(MIN_LENGTH)
    }
}

/// Why a run cannot be made into a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The run trapped.
    #[error(transparent)]
    Trap(#[from] Box<Trap>),
    /// A signature that the executor accepted does not fill the chip.
    #[error("the signature of cycle {clk} does not fill the signature chip")]
    Signature {
        /// The cycle.
        clk: u64,
    },
    /// The run uses a chip that the proof may not have.
    #[error(
        "the run uses the chips {needed}, but a proof for L1 has the chips {given}: write the program without bitwise \
         instructions, or prove it with a preset that does not settle on L1"
    )]
    Chips {
        /// The chips that the run uses.
        needed: ChipSet,
        /// The chips that the proof has.
        given: ChipSet,
    },
    /// The run is too long.
    #[error("the run needs a trace of {length} rows, at most {MAX_LENGTH} are allowed")]
    TooLong {
        /// Rows needed.
        length: usize,
    },
}

/// The main trace of a run, in columns, and what the run left.
#[derive(Clone, Debug)]
pub struct MainTrace {
    /// The chips that the run uses, or those that were asked for.
    pub chips: ChipSet,
    /// The columns.
    pub columns: Vec<Vec<Felt>>,
    /// Public outputs and the like.
    pub outcome: Outcome,
    /// Rows used in each chip.
    pub rows: ChipRows,
}

/// Runs `program` and fills the main trace.
///
/// # Errors
/// When the run traps, or is too long.
pub fn build(program: &Program, inputs: &RunInputs, cycle_limit: u64) -> Result<MainTrace, TraceError> {
    build_with(program, inputs, cycle_limit, None)
}

/// As [build], with the chips of `chips`, or those that the run uses.
///
/// # Errors
/// When the run traps, is too long, or uses a chip that is not among `chips`.
pub fn build_with(
    program: &Program,
    inputs: &RunInputs,
    cycle_limit: u64,
    chips: Option<ChipSet>,
) -> Result<MainTrace, TraceError> {
    let mut recording = Recording::default();
    let outcome = run_recorded(program, inputs, cycle_limit.min(MAX_LENGTH as u64), &mut recording)?;
    let needed = ChipSet::for_run(!recording.bitwise.is_empty(), !recording.signatures.is_empty());
    let given = chips.unwrap_or(needed);
    if !given.covers(needed) {
        return Err(TraceError::Chips { needed, given });
    }
    let machine = Machine::new(given);
    let blocks = code_blocks(program.instructions());
    let rows = ChipRows {
        cpu: recording.cpu.len() + 1,
        memory: recording.memory.len() + 2,
        range: 2 * recording.ranges.len() + 2,
        hash: hash::GROUP * (blocks.len() + recording.hashes.len() + 1),
        bitwise: match recording.bitwise.len() {
            0 => 0,
            calls => bitwise::GROUP * (calls + 1),
        },
        signature: signature::ROWS * recording.signatures.len(),
    };
    let length = rows.trace_length();
    if length > MAX_LENGTH {
        return Err(TraceError::TooLong { length });
    }
    let mut columns = vec![vec![ZERO; length]; machine.main_width()];
    let uses = fill_cpu(&mut columns, program, &recording.cpu, &outcome);
    answer(&mut columns, &machine, &blocks, &uses, &mut recording)?;
    Ok(MainTrace {
        chips: machine.chips(),
        columns,
        outcome,
        rows,
    })
}

/// Fills the chips that answer the cpu: the program's `blocks`, of whose instructions the cpu uses each `uses` times, and
/// the calls of `recording`.
///
/// # Errors
/// When a signature does not fill its chip.
pub fn answer(
    columns: &mut [Vec<Felt>],
    machine: &Machine,
    blocks: &[Word],
    uses: &[u64],
    recording: &mut Recording,
) -> Result<(), TraceError> {
    fill_memory(columns, &mut recording.memory);
    fill_hash(columns, blocks, uses, &recording.hashes);
    fill_range(columns, &recording.ranges);
    if let Some(layout) = machine.signature() {
        signature::fill::fill(columns, &layout, &recording.signatures)
            .map_err(|invalid| TraceError::Signature { clk: invalid.clk })?;
    }
    if let Some(layout) = machine.bitwise() {
        fill_bitwise(columns, &layout, &recording.bitwise);
    }
    Ok(())
}

// CPU
// ================================================================================================================

/// Fills the cpu and returns how often each instruction is used by the rows that send messages.
fn fill_cpu(columns: &mut [Vec<Felt>], program: &Program, rows: &[CpuRow], outcome: &Outcome) -> Vec<u64> {
    let length = columns[0].len();
    let code = program.to_elements();
    let mut uses = vec![0; code.len()];
    for i in 0..length {
        let halted;
        let row = match rows.get(i) {
            Some(row) => row,
            None => {
                let x = [ONE, ZERO, ZERO, ZERO];
                halted = CpuRow {
                    clk: i as u64 + 1,
                    pc: 0,
                    registers: outcome.registers,
                    x,
                    c: ZERO,
                    h: ZERO,
                };
                &halted
            }
        };
        let (word, imm) = code[row.pc as usize];
        if i + 1 < length {
            uses[row.pc as usize] += 1;
        }
        let field = |shift: u32| (word >> shift) as usize & 15;
        columns[cpu::CLK][i] = Felt::new(row.clk);
        columns[cpu::PC][i] = Felt::new(row.pc);
        for (r, value) in row.registers.iter().enumerate() {
            columns[cpu::REGISTERS + r][i] = *value;
        }
        for bit in 0..cpu::WORD_LEN {
            columns[cpu::WORD_BITS + bit][i] = Felt::new(word >> bit & 1);
        }
        columns[cpu::IMM][i] = imm;
        columns[cpu::VA][i] = row.registers[field(0)];
        let immediate = word & u64::from(starling_vm::isa::flag::IM) != 0;
        columns[cpu::VB][i] = if immediate { imm } else { row.registers[field(4)] };
        for lane in 0..4 {
            columns[cpu::X + lane][i] = row.x[lane];
        }
        columns[cpu::C][i] = row.c;
        columns[cpu::H][i] = row.h;
    }
    uses
}

// MEMORY
// ================================================================================================================

fn fill_memory(columns: &mut [Vec<Felt>], accesses: &mut [MemoryAccess]) {
    let length = columns[0].len();
    accesses.sort_unstable_by_key(|access| (access.address, access.clk));
    let last = MEMORY_WORDS - 1;
    let mut address = 0;
    let mut clk = 0;
    let mut word: Word = [ZERO; 4];
    for i in 0..length {
        let mut write = false;
        let active = i.checked_sub(1).and_then(|i| accesses.get(i));
        if let Some(access) = active {
            (address, clk, word, write) = (u64::from(access.address), access.clk, access.word, access.write);
        } else if i > 0 {
            if address != last {
                (address, clk, word) = (last, 0, [ZERO; 4]);
            } else {
                clk += 1;
            }
        }
        columns[memory::ADDRESS][i] = Felt::new(address);
        columns[memory::CLK][i] = Felt::new(clk);
        for lane in 0..4 {
            columns[memory::WORD + lane][i] = word[lane];
        }
        columns[memory::WRITE][i] = Felt::new(u64::from(write));
        columns[memory::ACTIVE][i] = Felt::new(u64::from(active.is_some()));
    }
    for i in 0..length - 1 {
        let step = |column: usize| {
            columns[column][i + 1]
                .as_int()
                .wrapping_sub(columns[column][i].as_int())
        };
        let (new, step) = match step(memory::ADDRESS) {
            0 => (false, step(memory::CLK) - 1),
            step => (true, step - 1),
        };
        columns[memory::NEW][i] = Felt::new(u64::from(new));
        for byte in 0..3 {
            columns[memory::STEP + byte][i] = Felt::new(step >> (8 * byte) & 255);
        }
    }
}

// HASH
// ================================================================================================================

/// The rows of one permutation: the state and the S-box outputs of each.
pub fn permutation_rows(input: [Felt; 8]) -> [([Felt; 8], [Felt; 8]); hash::GROUP] {
    let mut rows = [([ZERO; 8], [ZERO; 8]); hash::GROUP];
    let mut s = input;
    let sbox = |s: [Felt; 8], round: usize| core::array::from_fn(|i| (s[i] + Felt::new(EXTERNAL[round][i])).pow7());
    for row in 0..hash::GROUP {
        rows[row].0 = s;
        match row {
            0 | 1 | 5 | 6 => {
                let round = if row < 2 { 2 * row } else { 2 * row - 6 };
                let w = sbox(if row == 0 { external_layer(s) } else { s }, round);
                rows[row].1 = w;
                s = external_layer(sbox(external_layer(w), round + 1));
            }
            2..=4 => {
                for (i, constant) in INTERNAL.iter().skip(8 * (row - 2)).take(8).enumerate() {
                    s[0] = (s[0] + Felt::new(*constant)).pow7();
                    rows[row].1[i] = s[0];
                    s = internal_layer(s);
                }
            }
            _ => {}
        }
    }
    rows
}

fn fill_hash(columns: &mut [Vec<Felt>], blocks: &[Word], uses: &[u64], calls: &[(u64, [Felt; 8], bool)]) {
    let length = columns[0].len();
    let idle = permutation_rows([ZERO; 8]);
    let mut capacity = [Felt::new(PROGRAM_DOMAIN), ZERO, ZERO, ZERO];
    for group in 0..length / hash::GROUP {
        let first = group * hash::GROUP;
        let (rows, id, active, rom, full) = if let Some(block) = blocks.get(group) {
            let input = core::array::from_fn(|i| if i < 4 { block[i] } else { capacity[i - 4] });
            let rows = permutation_rows(input);
            capacity = core::array::from_fn(|i| rows[7].0[4 + i]);
            (rows, group as u64, false, true, false)
        } else if let Some((id, input, full)) = calls.get(group - blocks.len()) {
            (permutation_rows(*input), *id, true, false, *full)
        } else {
            (idle, 0, false, false, false)
        };
        for (row, (s, w)) in rows.iter().enumerate() {
            let i = first + row;
            for lane in 0..8 {
                columns[hash::STATE + lane][i] = s[lane];
                columns[hash::SBOX + lane][i] = w[lane];
            }
            columns[hash::ID][i] = Felt::new(id);
            columns[hash::ACTIVE][i] = Felt::new(u64::from(active));
            columns[hash::ROM][i] = Felt::new(u64::from(rom));
        }
        let last = first + hash::GROUP - 1;
        columns[hash::FULL][last] = Felt::new(u64::from(full));
        if group + 1 < blocks.len() {
            for i in 0..2 {
                let count = uses.get(2 * group + i).copied().unwrap_or(0);
                columns[hash::USES + i][last] = Felt::new(count);
            }
        }
    }
}

// RANGE
// ================================================================================================================

/// Fills the range chip, and the multiplicities of its table for the bytes of all chips.
fn fill_range(columns: &mut [Vec<Felt>], ranges: &HashMap<(u32, u32, bool), u64>) {
    let length = columns[0].len();
    // In a fixed order, so that a run has one trace.
    let mut pairs: Vec<_> = ranges.iter().collect();
    pairs.sort_unstable();
    let mut gaps: Vec<Felt> = pairs
        .iter()
        .map(|((_, hi, _), _)| Felt::new(u64::from(*hi)) - Felt::new(u64::from(u32::MAX)))
        .map(|gap| if gap == ZERO { ONE } else { gap })
        .collect();
    gaps = batch_inversion(&gaps);
    for (k, ((lo, hi, u63), count)) in pairs.into_iter().enumerate() {
        for (i, half) in [(2 * k, lo), (2 * k + 1, hi)] {
            for (byte, value) in half.to_le_bytes().into_iter().enumerate() {
                columns[range::BYTES + byte][i] = Felt::new(u64::from(value));
            }
        }
        columns[range::USES][2 * k] = Felt::new(*count);
        columns[range::HX][2 * k] = if *hi == u32::MAX { ZERO } else { gaps[k] };
        columns[range::HX][2 * k + 1] = Felt::new(u64::from(*u63));
    }
    let mut counts = [0u64; 256];
    for i in 0..length - 1 {
        for column in (range::BYTES..range::BYTES + 4).chain(memory::STEP..memory::STEP + 3) {
            counts[columns[column][i].as_int() as usize] += 1;
        }
        if i % 2 == 1 && columns[range::HX][i] == ONE {
            counts[2 * columns[range::BYTES + 3][i].as_int() as usize] += 1;
        }
    }
    for i in 0..length {
        columns[range::TABLE][i] = Felt::new(i.min(255) as u64);
        columns[range::TABLE_USES][i] = counts.get(i).map_or(ZERO, |count| Felt::new(*count));
    }
}

// BITWISE
// ================================================================================================================

fn fill_bitwise(columns: &mut [Vec<Felt>], layout: &bitwise::Columns, calls: &HashMap<BitwiseCall, u64>) {
    let mut calls: Vec<_> = calls.iter().collect();
    calls.sort_unstable();
    for (group, (call, uses)) in calls.into_iter().enumerate() {
        let (a, b, power) = match *call {
            BitwiseCall::And(a, b) => (a, b, false),
            BitwiseCall::Pow2(b) => (0, b, true),
        };
        for row in 0..bitwise::GROUP {
            let i = group * bitwise::GROUP + row;
            let shift = 4 * (bitwise::GROUP - 1 - row);
            for bit in 0..4 {
                columns[layout.bits_a + bit][i] = Felt::new(u64::from(a >> (shift + bit) & 1));
                columns[layout.bits_b + bit][i] = Felt::new(u64::from(b >> (shift + bit) & 1));
            }
            columns[layout.sum_a][i] = Felt::new(u64::from(a >> shift));
            columns[layout.sum_b][i] = Felt::new(u64::from(b >> shift));
            columns[layout.result][i] = Felt::new(if !power {
                u64::from((a & b) >> shift)
            } else if shift == 0 {
                1 << b
            } else {
                0
            });
            columns[layout.mode][i] = Felt::new(u64::from(power));
        }
        columns[layout.uses][group * bitwise::GROUP + bitwise::GROUP - 1] = Felt::new(*uses);
    }
}
