//! A second machine, written from the opcode table with plain integers: slow, short, and independent of the executor.

use std::collections::{HashMap, VecDeque};

use p3_field::PrimeField64;
use p3_goldilocks::{Goldilocks, default_goldilocks_poseidon2_8};
use p3_symmetric::Permutation;
use starling_vm::isa::{Instruction, Op, Operand};

pub(crate) const P: u128 = 0xffff_ffff_0000_0001;
const U32: u128 = 1 << 32;
const U63: u128 = 1 << 63;

/// The variant of `TrapKind` that the model expects.
pub(crate) type Stop = &'static str;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) registers: [u64; 16],
    pub(crate) memory: HashMap<u64, [u64; 4]>,
    pub(crate) pc: u64,
    pub(crate) cycles: u64,
    pub(crate) inputs: Vec<u64>,
    pub(crate) read: Vec<bool>,
    pub(crate) outputs: HashMap<u64, u64>,
    pub(crate) advice: VecDeque<u64>,
}

pub(crate) fn add(a: u64, b: u64) -> u64 {
    ((u128::from(a) + u128::from(b)) % P) as u64
}

pub(crate) fn sub(a: u64, b: u64) -> u64 {
    ((u128::from(a) + P - u128::from(b)) % P) as u64
}

pub(crate) fn mul(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % P) as u64
}

pub(crate) fn inverse(a: u64) -> u64 {
    let (mut result, mut base, mut exponent) = (1, a, P - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul(result, base);
        }
        base = mul(base, base);
        exponent >>= 1;
    }
    result
}

pub(crate) fn permute(left: [u64; 4], right: [u64; 4]) -> [u64; 8] {
    let mut s = core::array::from_fn(|i| Goldilocks::new(if i < 4 { left[i] } else { right[i - 4] }));
    default_goldilocks_poseidon2_8().permute_mut(&mut s);
    s.map(|x: Goldilocks| x.as_canonical_u64())
}

pub(crate) fn compress(left: [u64; 4], right: [u64; 4]) -> [u64; 4] {
    let s = permute(left, right);
    core::array::from_fn(|i| add(s[i], left[i]))
}

impl Model {
    pub(crate) fn new(inputs: &[u64], advice: &[u64]) -> Self {
        Self {
            pc: 1,
            read: vec![false; inputs.len()],
            inputs: inputs.to_vec(),
            advice: advice.iter().copied().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn run(&mut self, code: &[Instruction], limit: u64) -> Result<(), Stop> {
        while self.pc != 0 {
            let i = code.get(self.pc as usize).ok_or("PcRange")?;
            if self.cycles == limit {
                return Err("CycleLimit");
            }
            let mut next = self.clone();
            next.pc = self.pc + 1;
            next.step(i)?;
            if next.pc != self.pc + 1 && next.pc >= code.len() as u64 {
                return Err("PcRange");
            }
            next.cycles += 1;
            *self = next;
        }
        if self.read.contains(&false) {
            return Err("InputUnread");
        }
        let most = self.outputs.keys().max().map_or(0, |k| k + 1);
        if self.outputs.len() as u64 != most {
            return Err("OutputMissing");
        }
        Ok(())
    }

    fn quad(&self, first: u8) -> [u64; 4] {
        core::array::from_fn(|i| self.registers[usize::from(first) + i])
    }

    fn set(&mut self, first: u8, values: &[u64]) {
        self.registers[usize::from(first)..][..values.len()].copy_from_slice(values);
    }

    fn step(&mut self, i: &Instruction) -> Result<(), Stop> {
        let a = self.registers[usize::from(i.a)];
        let b = if i.use_imm {
            i.imm.as_int()
        } else {
            self.registers[usize::from(i.b)]
        };
        let d = self.registers[usize::from(i.d)];
        let imm = i.imm.as_int();
        let is_memory = i.op.info().operands.contains(&Operand::Mem);
        let address = if !is_memory || i.use_imm { imm } else { add(a, imm) };
        let (wa, wb, wd) = (u128::from(a), u128::from(b), u128::from(d));
        // The difference a - b, as an integer within 2^32 of zero.
        let near = || -> Result<i128, Stop> {
            let difference = u128::from(sub(a, b));
            let signed = if difference < P / 2 {
                difference as i128
            } else {
                difference as i128 - P as i128
            };
            if (-(U32 as i128)..U32 as i128).contains(&signed) {
                Ok(signed)
            } else {
                Err("NotU32")
            }
        };
        let low = |v: u128| (v % U32) as u64;
        let both = |v: u128| [(v % U32) as u64, (v / U32) as u64];
        let u32s = || if wa < U32 && wb < U32 { Ok(()) } else { Err("NotU32") };
        match i.op {
            Op::Add => self.set(i.d, &[add(a, b)]),
            Op::Sub => self.set(i.d, &[sub(a, b)]),
            Op::Mul => self.set(i.d, &[mul(a, b)]),
            Op::Mov => self.set(i.d, &[b]),
            Op::Inv if a == 0 => return Err("ZeroInverse"),
            Op::Inv => self.set(i.d, &[inverse(a)]),
            Op::Eq => self.set(i.d, &[u64::from(a == b)]),
            Op::Adv | Op::Advq => {
                let count = if i.op == Op::Adv { 1 } else { 4 };
                if self.advice.len() < count {
                    return Err("AdviceExhausted");
                }
                let values: Vec<u64> = self.advice.drain(..count).collect();
                self.set(i.d, &values);
            }
            Op::Madd => self.set(i.d, &[add(d, mul(a, b))]),
            Op::Sel if a > 1 => return Err("NotBoolean"),
            Op::Sel => self.set(i.d, &[if a == 1 { b } else { d }]),
            Op::Qhorner => {
                let (x, y) = (self.quad(i.d), self.quad(i.a));
                self.set(i.d, &[0, 1, 2, 3].map(|k| add(mul(x[k], y[k]), b)));
            }
            Op::Qmov => self.set(i.d, &self.quad(i.a)),
            Op::Qadd => {
                let (x, y) = (self.quad(i.a), self.quad(i.b));
                self.set(i.d, &[0, 1, 2, 3].map(|k| add(x[k], y[k])));
            }
            Op::Qemadd => {
                let (acc, x, y) = (self.quad(i.d), self.quad(i.a), self.quad(i.b));
                // The product as a polynomial of degree 4, then x^4 = x^2 + x and x^3 = x + 1.
                let mut c = [0; 5];
                for j in 0..3 {
                    for k in 0..3 {
                        c[j + k] = add(c[j + k], mul(x[j], y[k]));
                    }
                }
                (c[2], c[1]) = (add(c[2], c[4]), add(c[1], c[4]));
                (c[1], c[0]) = (add(c[1], c[3]), add(c[0], c[3]));
                self.set(i.d, &[0, 1, 2].map(|k| add(acc[k], c[k])));
            }
            Op::U32add | Op::U32addw | Op::U32addp => {
                let sum = u128::from(add(a, b));
                match i.op {
                    _ if sum >= 2 * U32 => return Err("NotU32"),
                    Op::U32add if sum >= U32 => return Err("U32Overflow"),
                    Op::U32addp => self.set(i.d, &both(sum)),
                    _ => self.set(i.d, &[low(sum)]),
                }
            }
            Op::U32sub | Op::U32subw | Op::U32subp | Op::U32lt => {
                let difference = near()?;
                let wrapped = (difference + U32 as i128) as u128;
                match i.op {
                    Op::U32sub if difference < 0 => return Err("U32Overflow"),
                    Op::U32lt => self.set(i.d, &[u64::from(difference < 0)]),
                    Op::U32subp => self.set(i.d, &[low(wrapped), u64::from(difference < 0)]),
                    _ => self.set(i.d, &[low(wrapped)]),
                }
            }
            Op::U32mul | Op::U32mulw | Op::U32mulh | Op::U32mulp => {
                let product = wa * wb % P;
                match i.op {
                    Op::U32mul if product >= U32 => return Err("U32Overflow"),
                    Op::U32mulh => self.set(i.d, &both(product)[1..]),
                    Op::U32mulp => self.set(i.d, &both(product)),
                    _ => self.set(i.d, &[low(product)]),
                }
            }
            Op::U32maddp => self.set(i.d, &both((wa * wb + wd) % P)),
            Op::U32div | Op::U32rem | Op::U32divp => match () {
                () if b == 0 => return Err("DivideByZero"),
                () if wb >= U32 => return Err("NotU32"),
                () if wa / wb >= U32 => return Err("U32Overflow"),
                () if i.op == Op::U32div => self.set(i.d, &[a / b]),
                () if i.op == Op::U32rem => self.set(i.d, &[a % b]),
                () => self.set(i.d, &[a / b, a % b]),
            },
            Op::U32lo => self.set(i.d, &[low(wa)]),
            Op::U32hi => self.set(i.d, &[a >> 32]),
            Op::U32split => self.set(i.d, &both(wa)),
            Op::U32chk if wa >= U32 => return Err("NotU32"),
            Op::U63chk if wa >= U63 => return Err("NotU63"),
            Op::U32chk | Op::U63chk => {}
            Op::U63lt => {
                let (smaller, larger) = (wa.min(wb), wa.max(wb));
                let difference = larger - smaller - u128::from(a < b);
                let top = U63 - U32;
                if smaller >= U63 || difference >= U63 || (smaller >= top && difference >= top) {
                    return Err("NotU63");
                }
                self.set(i.d, &[u64::from(a < b)]);
            }
            Op::U32and | Op::U32xor | Op::U32or => {
                u32s()?;
                self.set(
                    i.d,
                    &[match i.op {
                        Op::U32and => a & b,
                        Op::U32xor => a ^ b,
                        _ => a | b,
                    }],
                );
            }
            Op::Pow2 if b >= 32 => return Err("ShiftTooLarge"),
            Op::Pow2 => self.set(i.d, &[1 << b]),
            Op::Ld | Op::Ld1 | Op::St | Op::St1 if address >= 1 << 24 => return Err("Address"),
            Op::Ld | Op::Ld1 => {
                let word = self.memory.get(&address).copied().unwrap_or_default();
                self.set(i.d, if i.op == Op::Ld { &word } else { &word[..1] });
            }
            Op::St => {
                self.memory.insert(address, self.quad(i.d));
            }
            Op::St1 => {
                self.memory.insert(address, [d, 0, 0, 0]);
            }
            Op::Hash => self.set(i.d, &compress(self.quad(i.a), self.quad(i.b))),
            Op::Mstep => {
                let (left, right) = (self.quad(i.a), self.quad(i.b));
                let index = self.registers[12];
                let result = if index % 2 == 1 {
                    compress(right, left)
                } else {
                    compress(left, right)
                };
                self.registers[12] = index / 2;
                self.set(i.d, &result);
            }
            Op::Perm => {
                let s = permute(self.quad(i.a), self.quad(i.b));
                self.set(0, &s);
            }
            Op::Absorb => {
                let at = self.registers[12];
                if at >= 1 << 24 {
                    return Err("Address");
                }
                let word = self.memory.get(&at).copied().unwrap_or_default();
                let s = permute(word, self.quad(i.b));
                self.set(0, &s);
                self.registers[12] = at + 1;
            }
            Op::In => {
                let slot = b as usize;
                match self.read.get(slot) {
                    None => return Err("InputRange"),
                    Some(true) => return Err("InputReadTwice"),
                    Some(false) => {}
                }
                self.read[slot] = true;
                self.set(i.d, &[self.inputs[slot]]);
            }
            Op::Out if b >= 1 << 16 => return Err("OutputRange"),
            Op::Out => {
                if self.outputs.insert(b, a).is_some() {
                    return Err("OutputWrittenTwice");
                }
            }
            Op::Sig => return Err("SignatureInvalid"),
            Op::Jmp => self.pc = b,
            Op::Jal => {
                let back = self.pc;
                self.set(i.d, &[back]);
                self.pc = b;
            }
            Op::Beq if a == b => self.pc = imm,
            Op::Bne if a != b => self.pc = imm,
            Op::Bz if a == 0 => self.pc = imm,
            Op::Bnz if a != 0 => self.pc = imm,
            Op::Beq | Op::Bne | Op::Bz | Op::Bnz => {}
            Op::Blt | Op::Bge => {
                if (near()? < 0) == (i.op == Op::Blt) {
                    self.pc = imm;
                }
            }
            Op::AssertEq if a != b => return Err("Assert"),
            Op::AssertZ if a != 0 => return Err("Assert"),
            Op::AssertEq | Op::AssertZ => {}
            Op::Hint => return Err("HintUnknown"),
        }
        Ok(())
    }
}
