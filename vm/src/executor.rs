//! The interpreter. One loop serves the node, which wants only the outcome, and the prover, which wants every row: what
//! is recorded is the business of a [Recorder], and the empty one costs nothing.

use std::collections::VecDeque;

use winter_math::FieldElement;

use crate::field::{Felt, MODULUS, Word};
use crate::hint;
use crate::isa::{ENTRY, INDEX_REGISTER, Instruction, LINK_REGISTER, Op, REGISTERS};
use crate::memory::Memory;
use crate::poseidon2;
use crate::program::Program;
use crate::schnorr::{self, Signature};
use crate::trap::{SHOWN_CALLS, Trap, TrapKind};

/// Most public outputs a run may have.
pub const MAX_OUTPUTS: u64 = 1 << 16;

/// What a run is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInputs {
    /// Public inputs.
    pub public: Vec<Felt>,
    /// The advice tape: values that the prover supplies and that the program must check.
    pub advice: Vec<Felt>,
}

/// What a finished run leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Public outputs.
    pub outputs: Vec<Felt>,
    /// Instructions that ran, the final jump to `halt` included.
    pub cycles: u64,
    /// The registers at the end.
    pub registers: [Felt; REGISTERS],
    /// Elements left on the advice tape.
    pub advice_left: usize,
}

/// One row of the cpu: the state before an instruction and the values it works with.
///
/// `x`, `c` and `h` are the columns of the cpu chip; what they hold for each opcode is in `specs/air.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuRow {
    /// Cycle, from 1.
    pub clk: u64,
    /// Address of the instruction.
    pub pc: u64,
    /// The registers before the instruction.
    pub registers: [Felt; REGISTERS],
    /// Result and helper lanes.
    pub x: [Felt; 4],
    /// Helper: swap bit, or the low limb of a second range pair.
    pub c: Felt,
    /// Helper: an inverse.
    pub h: Felt,
}

/// One access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccess {
    /// The word's address.
    pub address: u32,
    /// Cycle of the access.
    pub clk: u64,
    /// Whether the word was written.
    pub write: bool,
    /// The word, after a write.
    pub word: Word,
}

/// Records a run for the prover.
pub trait Recorder {
    /// An instruction is about to run.
    fn cpu(&mut self, row: CpuRow);
    /// Memory is accessed.
    fn memory(&mut self, access: MemoryAccess);
    /// Two halves are range-checked.
    fn range(&mut self, lo: u32, hi: u32, u63: bool);
    /// A permutation is computed in cycle `clk`; all eight lanes of its output are used if `full`, else four.
    fn hash(&mut self, clk: u64, input: [Felt; 8], full: bool);
    /// The bitwise chip computes `a AND b`.
    fn and(&mut self, a: u32, b: u32);
    /// The bitwise chip computes `2^b`.
    fn pow2(&mut self, b: u32);
    /// A signature is verified in cycle `clk`.
    fn signature(&mut self, clk: u64, key: [Felt; 5], message: Word, signature: [Felt; Signature::ELEMENTS]);
}

/// Records nothing.
impl Recorder for () {
    #[inline(always)]
    fn cpu(&mut self, _: CpuRow) {}
    #[inline(always)]
    fn memory(&mut self, _: MemoryAccess) {}
    #[inline(always)]
    fn range(&mut self, _: u32, _: u32, _: bool) {}
    #[inline(always)]
    fn hash(&mut self, _: u64, _: [Felt; 8], _: bool) {}
    #[inline(always)]
    fn and(&mut self, _: u32, _: u32) {}
    #[inline(always)]
    fn pow2(&mut self, _: u32) {}
    #[inline(always)]
    fn signature(&mut self, _: u64, _: [Felt; 5], _: Word, _: [Felt; Signature::ELEMENTS]) {}
}

/// Runs `program` and returns what it leaves.
///
/// # Errors
/// A [Trap] when an instruction's condition fails, or after `cycle_limit` instructions.
pub fn run(program: &Program, inputs: &RunInputs, cycle_limit: u64) -> Result<Outcome, Box<Trap>> {
    run_recorded(program, inputs, cycle_limit, &mut ())
}

/// As [run], with every row given to `recorder`.
///
/// # Errors
/// As [run].
pub fn run_recorded<R: Recorder>(
    program: &Program,
    inputs: &RunInputs,
    cycle_limit: u64,
    recorder: &mut R,
) -> Result<Outcome, Box<Trap>> {
    let mut machine = Machine::new(program, inputs);
    match machine.run(cycle_limit, recorder) {
        Ok(()) => Ok(Outcome {
            outputs: machine.outputs.into_iter().flatten().collect(),
            cycles: machine.clk - 1,
            registers: machine.registers,
            advice_left: machine.hinted.len() + inputs.advice.len() - machine.advice_next,
        }),
        Err(kind) => Err(Box::new(machine.trap(kind))),
    }
}

// THE MACHINE
// ================================================================================================================

const ZERO: Felt = Felt::new(0);
const ONE: Felt = Felt::new(1);
const LOW: u64 = u32::MAX as u64;

struct Machine<'a> {
    program: &'a Program,
    inputs: &'a RunInputs,
    registers: [Felt; REGISTERS],
    memory: Memory,
    pc: u64,
    clk: u64,
    advice_next: usize,
    hinted: VecDeque<Felt>,
    input_read: Vec<bool>,
    outputs: Vec<Option<Felt>>,
    calls: Vec<(u64, u64)>,
}

/// The values of one row beside the state.
#[derive(Clone, Copy)]
struct Lanes {
    x: [Felt; 4],
    c: Felt,
    h: Felt,
    next_pc: u64,
}

fn halves(value: Felt) -> (u64, u64) {
    let value = value.as_int();
    (value & LOW, value >> 32)
}

fn address_of(value: Felt) -> u64 {
    value.as_int()
}

impl<'a> Machine<'a> {
    fn new(program: &'a Program, inputs: &'a RunInputs) -> Self {
        Self {
            program,
            inputs,
            registers: [ZERO; REGISTERS],
            memory: Memory::default(),
            pc: ENTRY,
            clk: 1,
            advice_next: 0,
            hinted: VecDeque::new(),
            input_read: vec![false; inputs.public.len()],
            outputs: Vec::new(),
            calls: Vec::new(),
        }
    }

    fn run<R: Recorder>(&mut self, cycle_limit: u64, recorder: &mut R) -> Result<(), TrapKind> {
        let code = self.program.instructions();
        while self.pc != 0 {
            let Some(instruction) = usize::try_from(self.pc).ok().and_then(|pc| code.get(pc)) else {
                return Err(TrapKind::PcRange { target: self.pc });
            };
            if self.clk > cycle_limit {
                return Err(TrapKind::CycleLimit { limit: cycle_limit });
            }
            self.step(instruction, recorder)?;
        }
        if let Some(index) = self.input_read.iter().position(|read| !read) {
            return Err(TrapKind::InputUnread { index: index as u64 });
        }
        if let Some(index) = self.outputs.iter().position(Option::is_none) {
            return Err(TrapKind::OutputMissing { index: index as u64 });
        }
        Ok(())
    }

    fn trap(&self, kind: TrapKind) -> Trap {
        let source = |pc: u64| {
            let debug = self.program.debug();
            let span = debug.spans.get(usize::try_from(pc).ok()?).copied().flatten()?;
            let file = debug.files.get(span.file as usize).map_or("?", String::as_str);
            Some(format!("{file}:{}:{}", span.line, span.column))
        };
        let innermost = &self.calls[self.calls.len().saturating_sub(SHOWN_CALLS)..];
        Trap {
            kind,
            pc: self.pc,
            clk: self.clk,
            registers: self.registers,
            call_stack: self.calls.iter().map(|(site, _)| *site).collect(),
            call_sources: innermost.iter().map(|(site, _)| source(*site)).collect(),
            source: source(self.pc),
            instruction: self
                .program
                .instructions()
                .get(self.pc as usize)
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    fn quad(&self, register: u8) -> Word {
        let first = usize::from(register & 12);
        core::array::from_fn(|i| self.registers[first + i])
    }

    fn set_quad(&mut self, register: u8, word: Word) {
        let first = usize::from(register & 12);
        self.registers[first..first + 4].copy_from_slice(&word);
    }

    fn take_advice(&mut self, count: usize) -> Result<Vec<Felt>, TrapKind> {
        let left = self.hinted.len() + self.inputs.advice.len() - self.advice_next;
        if left < count {
            return Err(TrapKind::AdviceExhausted { wanted: count, left });
        }
        Ok((0..count)
            .map(|_| {
                self.hinted.pop_front().unwrap_or_else(|| {
                    self.advice_next += 1;
                    self.inputs.advice[self.advice_next - 1]
                })
            })
            .collect())
    }

    fn load(&mut self, address: u64) -> Result<Word, TrapKind> {
        self.memory.read(address).ok_or(TrapKind::Address { address })
    }

    fn step<R: Recorder>(&mut self, i: &Instruction, recorder: &mut R) -> Result<(), TrapKind> {
        let va = self.registers[usize::from(i.a)];
        let vb = if i.use_imm {
            i.imm
        } else {
            self.registers[usize::from(i.b)]
        };
        let vd = self.registers[usize::from(i.d)];
        let before = self.registers;
        let mut w = Lanes {
            x: [ZERO; 4],
            c: ZERO,
            h: ZERO,
            next_pc: self.pc + 1,
        };
        match i.op {
            Op::Add => w.x[0] = va + vb,
            Op::Sub => w.x[0] = va - vb,
            Op::Mul => w.x[0] = va * vb,
            Op::Mov => w.x[0] = vb,
            Op::Madd => w.x[0] = vd + va * vb,
            Op::Inv => {
                if va == ZERO {
                    return Err(TrapKind::ZeroInverse);
                }
                w.x[0] = va.inv();
            }
            Op::Eq => w.compare(va - vb),
            Op::Sel => {
                if va != ZERO && va != ONE {
                    return Err(TrapKind::NotBoolean { value: va.as_int() });
                }
                w.x[0] = if va == ONE { vb } else { vd };
            }
            Op::Adv => w.x[0] = self.take_advice(1)?[0],
            Op::Advq => w.x.copy_from_slice(&self.take_advice(4)?),
            Op::Qhorner => {
                let (d, a) = (self.quad(i.d), self.quad(i.a));
                w.x = core::array::from_fn(|k| d[k] * a[k] + vb);
            }
            Op::Qmov => w.x = self.quad(i.a),
            Op::Qadd => {
                let (a, b) = (self.quad(i.a), self.quad(i.b));
                w.x = core::array::from_fn(|k| a[k] + b[k]);
            }
            Op::Qemadd => {
                let (d, a, b) = (self.quad(i.d), self.quad(i.a), self.quad(i.b));
                let product = extension_product([a[0], a[1], a[2]], [b[0], b[1], b[2]]);
                w.x = [d[0] + product[0], d[1] + product[1], d[2] + product[2], d[3]];
            }
            Op::U32add | Op::U32addw | Op::U32addp => {
                let sum = (va + vb).as_int();
                if sum >> 33 != 0 {
                    return Err(TrapKind::NotU32 { value: sum });
                }
                w.split(sum & LOW, sum >> 32, i.op == Op::U32add)?;
                recorder.range(w.lo(), w.hi(), true);
                recorder.range(0, 0, true);
            }
            Op::U32sub | Op::U32subw | Op::U32subp | Op::U32lt | Op::Blt | Op::Bge => {
                let difference = va - vb;
                let wrapped = (difference + Felt::new(1 << 32)).as_int();
                let (low, borrow) = match difference.as_int() {
                    positive if positive <= LOW => (positive, 0),
                    _ if wrapped <= LOW => (wrapped, 1),
                    value => return Err(TrapKind::NotU32 { value }),
                };
                w.split(low, borrow, i.op == Op::U32sub)?;
                let u63 = i.op != Op::Blt;
                recorder.range(w.lo(), w.hi(), u63);
                recorder.range(0, 0, u63);
                match i.op {
                    Op::U32lt => w.x[0] = w.x[3],
                    Op::Blt | Op::Bge => {
                        w.x[0] = w.x[3];
                        if (borrow == 1) == (i.op == Op::Blt) {
                            w.next_pc = i.imm.as_int();
                        }
                    }
                    _ => {}
                }
            }
            Op::U32mul | Op::U32mulw | Op::U32mulh | Op::U32mulp | Op::U32maddp => {
                let product = if i.op == Op::U32maddp { va * vb + vd } else { va * vb };
                let (lo, hi) = halves(product);
                w.split(lo, hi, i.op == Op::U32mul)?;
                recorder.range(w.lo(), w.hi(), false);
                recorder.range(0, 0, false);
                if i.op == Op::U32mulh {
                    w.x[0] = w.x[3];
                }
            }
            Op::U32div | Op::U32rem | Op::U32divp => {
                let (n, m) = (va.as_int(), vb.as_int());
                if m == 0 {
                    return Err(TrapKind::DivideByZero);
                }
                if m > LOW {
                    return Err(TrapKind::NotU32 { value: m });
                }
                let (q, r) = (n / m, n % m);
                if q > LOW {
                    return Err(TrapKind::U32Overflow);
                }
                w.split(q, r, false)?;
                w.c = vb;
                w.x[1] = Felt::new(m - r - 1);
                recorder.range(w.lo(), w.hi(), false);
                recorder.range(m as u32, (m - r - 1) as u32, false);
                if i.op == Op::U32rem {
                    w.x[0] = w.x[3];
                }
            }
            Op::U32lo | Op::U32hi | Op::U32split | Op::U32chk => {
                let (lo, hi) = halves(va);
                if i.op == Op::U32chk && hi != 0 {
                    return Err(TrapKind::NotU32 { value: va.as_int() });
                }
                w.split(lo, hi, false)?;
                recorder.range(w.lo(), w.hi(), false);
                recorder.range(0, 0, false);
                if i.op == Op::U32hi {
                    w.x[0] = w.x[3];
                }
            }
            Op::U63chk => {
                let (lo, hi) = halves(va);
                if hi >> 31 != 0 {
                    return Err(TrapKind::NotU63 { value: va.as_int() });
                }
                w.split(lo, hi, false)?;
                recorder.range(w.lo(), w.hi(), true);
                recorder.range(0, 0, true);
            }
            Op::U63lt => {
                let (a, b) = (va.as_int(), vb.as_int());
                let less = a < b;
                let (smaller, difference) = if less { (a, b - a - 1) } else { (b, a - b) };
                for value in [smaller, difference] {
                    if value >> 63 != 0 {
                        return Err(TrapKind::NotU63 { value });
                    }
                }
                let (s0, s1) = (smaller & LOW, smaller >> 32);
                w.split(difference & LOW, difference >> 32, false)?;
                let gap = w.x[3] + Felt::new(s1) - Felt::new((1 << 32) - 2);
                // Both high halves at their largest: two values below 2^63 never get here, larger ones do.
                if gap == ZERO {
                    return Err(TrapKind::NotU63 { value: a.max(b) });
                }
                w.x[0] = Felt::new(u64::from(less));
                w.x[1] = Felt::new(s1);
                w.c = Felt::new(s0);
                w.h = gap.inv();
                recorder.range(w.lo(), w.hi(), true);
                recorder.range(s0 as u32, s1 as u32, true);
            }
            Op::U32and | Op::U32xor | Op::U32or => {
                let (Ok(a), Ok(b)) = (u32::try_from(va.as_int()), u32::try_from(vb.as_int())) else {
                    return Err(TrapKind::NotU32 {
                        value: va.as_int().max(vb.as_int()),
                    });
                };
                w.x[1] = va;
                w.x[2] = Felt::new(u64::from(a & b));
                w.x[0] = Felt::new(u64::from(match i.op {
                    Op::U32and => a & b,
                    Op::U32xor => a ^ b,
                    _ => a | b,
                }));
                recorder.and(a, b);
            }
            Op::Pow2 => {
                let shift = vb.as_int();
                if shift >= 32 {
                    return Err(TrapKind::ShiftTooLarge { value: shift });
                }
                w.x[0] = Felt::new(1 << shift);
                w.x[2] = w.x[0];
                recorder.pow2(shift as u32);
            }
            Op::Ld | Op::Ld1 | Op::St | Op::St1 => {
                let address = address_of(if i.use_imm { i.imm } else { va + i.imm });
                let write = matches!(i.op, Op::St | Op::St1);
                w.x = match i.op {
                    Op::St => self.quad(i.d),
                    Op::St1 => [vd, ZERO, ZERO, ZERO],
                    _ => self.load(address)?,
                };
                if write {
                    self.memory.write(address, w.x).ok_or(TrapKind::Address { address })?;
                }
                recorder.memory(MemoryAccess {
                    address: address as u32,
                    clk: self.clk,
                    write,
                    word: w.x,
                });
            }
            Op::Hash | Op::Mstep => {
                let (mut left, mut right) = (self.quad(i.a), self.quad(i.b));
                if i.op == Op::Mstep {
                    let index = self.registers[INDEX_REGISTER].as_int();
                    if index & 1 == 1 {
                        w.c = ONE;
                        core::mem::swap(&mut left, &mut right);
                    }
                    self.registers[INDEX_REGISTER] = Felt::new(index >> 1);
                }
                let mut state = joined(left, right);
                recorder.hash(self.clk, state, false);
                poseidon2::permute(&mut state);
                w.x = core::array::from_fn(|k| state[k] + left[k]);
            }
            Op::Perm | Op::Absorb => {
                let left = if i.op == Op::Absorb {
                    let address = address_of(va);
                    w.x = self.load(address)?;
                    recorder.memory(MemoryAccess {
                        address: address as u32,
                        clk: self.clk,
                        write: false,
                        word: w.x,
                    });
                    w.x
                } else {
                    self.quad(i.a)
                };
                let mut state = joined(left, self.quad(i.b));
                recorder.hash(self.clk, state, true);
                poseidon2::permute(&mut state);
                self.registers[..8].copy_from_slice(&state);
                if i.op == Op::Absorb {
                    self.registers[INDEX_REGISTER] = va + ONE;
                }
            }
            Op::In => {
                let index = vb.as_int();
                let count = self.inputs.public.len();
                let slot = usize::try_from(index).ok().filter(|slot| *slot < count);
                let Some(slot) = slot else {
                    return Err(TrapKind::InputRange { index, count });
                };
                if core::mem::replace(&mut self.input_read[slot], true) {
                    return Err(TrapKind::InputReadTwice { index });
                }
                w.x[0] = self.inputs.public[slot];
                w.x[2] = w.x[0];
            }
            Op::Out => {
                let index = vb.as_int();
                if index >= MAX_OUTPUTS {
                    return Err(TrapKind::OutputRange {
                        index,
                        limit: MAX_OUTPUTS,
                    });
                }
                let slot = index as usize;
                if self.outputs.len() <= slot {
                    self.outputs.resize(slot + 1, None);
                }
                if self.outputs[slot].replace(va).is_some() {
                    return Err(TrapKind::OutputWrittenTwice { index });
                }
                w.x[0] = va;
                w.x[2] = va;
            }
            Op::Sig => {
                let key: [Felt; 5] = core::array::from_fn(|k| self.registers[k]);
                let message = self.quad(8);
                let mut signature = [ZERO; Signature::ELEMENTS];
                signature.copy_from_slice(&self.take_advice(Signature::ELEMENTS)?);
                schnorr::check(&key, &message, &signature).map_err(|error| TrapKind::SignatureInvalid {
                    reason: error.to_string(),
                })?;
                recorder.signature(self.clk, key, message, signature);
            }
            Op::Jmp | Op::Jal => {
                w.x[0] = Felt::new(self.pc + 1);
                w.next_pc = vb.as_int();
                self.track_call(i, w.next_pc);
            }
            Op::Beq | Op::Bne | Op::Bz | Op::Bnz => {
                let zero_test = matches!(i.op, Op::Bz | Op::Bnz);
                w.compare(if zero_test { va } else { va - vb });
                if (w.x[0] == ONE) == matches!(i.op, Op::Beq | Op::Bz) {
                    w.next_pc = i.imm.as_int();
                }
            }
            Op::AssertEq | Op::AssertZ => {
                let right = if i.op == Op::AssertZ { ZERO } else { vb };
                if va != right {
                    return Err(TrapKind::Assert {
                        code: i.imm.as_int(),
                        left: va.as_int(),
                        right: right.as_int(),
                    });
                }
            }
            Op::Hint => {
                let supplied = hint::supply(i.imm.as_int(), &self.registers, &self.memory)?;
                for value in supplied.into_iter().rev() {
                    self.hinted.push_front(value);
                }
            }
        }
        if w.next_pc >= self.program.instructions().len() as u64 && w.next_pc != self.pc + 1 {
            return Err(TrapKind::PcRange { target: w.next_pc });
        }
        recorder.cpu(CpuRow {
            clk: self.clk,
            pc: self.pc,
            registers: before,
            x: w.x,
            c: w.c,
            h: w.h,
        });
        self.write_back(i, &w);
        self.pc = w.next_pc;
        self.clk += 1;
        Ok(())
    }

    fn write_back(&mut self, i: &Instruction, w: &Lanes) {
        use crate::isa::flag::{PAIR, QUAD, SINGLE, SP};
        let flags = i.op.info().flags;
        match flags & QUAD {
            0 => {}
            SINGLE => self.registers[usize::from(i.d)] = w.x[0],
            PAIR => self.registers[usize::from(i.d)..][..2].copy_from_slice(&w.x[2..]),
            _ if flags & SP != 0 => self.registers[usize::from(i.d)] = w.x[0],
            _ => self.set_quad(i.d, w.x),
        }
    }

    /// Keeps the call stack of diagnostics: a jump that leaves its return address is a call, a jump to the return
    /// address on top is a return.
    fn track_call(&mut self, i: &Instruction, target: u64) {
        if i.op == Op::Jal && usize::from(i.d) == LINK_REGISTER {
            self.calls.push((self.pc, self.pc + 1));
        } else if self.calls.last().is_some_and(|(_, back)| *back == target) && !i.use_imm {
            self.calls.pop();
        }
    }
}

impl Lanes {
    /// Sets the split result: halves in x2 and x3, the low one in x0 too.
    fn split(&mut self, lo: u64, hi: u64, checked: bool) -> Result<(), TrapKind> {
        if checked && hi != 0 {
            return Err(TrapKind::U32Overflow);
        }
        self.x[2] = Felt::new(lo);
        self.x[3] = Felt::new(hi);
        self.x[0] = self.x[2];
        Ok(())
    }

    fn lo(&self) -> u32 {
        self.x[2].as_int() as u32
    }

    fn hi(&self) -> u32 {
        self.x[3].as_int() as u32
    }

    /// Sets the indicator of `difference = 0` in x0 and its inverse in h.
    fn compare(&mut self, difference: Felt) {
        if difference == ZERO {
            self.x[0] = ONE;
        } else {
            self.h = difference.inv();
        }
    }
}

fn joined(left: Word, right: Word) -> [Felt; 8] {
    core::array::from_fn(|i| if i < 4 { left[i] } else { right[i - 4] })
}

/// Product in the cubic extension x^3 = x + 1.
pub fn extension_product<A: crate::algebra::Algebra>(a: [A; 3], b: [A; 3]) -> [A; 3] {
    let m = |i: usize, j: usize| a[i].clone() * b[j].clone();
    let c3 = m(1, 2) + m(2, 1);
    let c4 = m(2, 2);
    [
        m(0, 0) + c3.clone(),
        m(0, 1) + m(1, 0) + c3 + c4.clone(),
        m(0, 2) + m(1, 1) + m(2, 0) + c4,
    ]
}

const _: () = assert!(MODULUS > 1 << 63);
