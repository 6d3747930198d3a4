//! The cpu: one row an instruction.
//!
//! | columns | meaning |
//! |---|---|
//! | clk | cycle, from 1 |
//! | pc | address of the instruction |
//! | r0..r15 | the registers before the instruction |
//! | a, b, d | register fields of the op word, four bits each, lowest first |
//! | flags | the fourteen flags of the op word: al qd sp me ha ca br o0 o1 o2 o3 wa wb im |
//! | imm | the immediate |
//! | va | register a |
//! | vb | register b, or the immediate |
//! | x0..x3 | results; what an instruction does not use of them is free |
//! | c | swap bit of `mstep`, or the low half of the second range pair |
//! | h | an inverse |

use starling_vm::algebra::Algebra;
use starling_vm::executor::extension_product;
use starling_vm::isa::INDEX_REGISTER;

use super::Sink;
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame, Row};

/// First column.
pub const FIRST: usize = 0;
/// Column of the cycle.
pub const CLK: usize = FIRST;
/// Column of the program counter.
pub const PC: usize = FIRST + 1;
/// First column of the registers.
pub const REGISTERS: usize = FIRST + 2;
/// First column of the op word's bits: a, b, d, then the flags, as in the word.
pub const WORD_BITS: usize = FIRST + 18;
/// Bits of the op word.
pub const WORD_LEN: usize = starling_vm::isa::OP_WORD_BITS;
/// Column of the immediate.
pub const IMM: usize = WORD_BITS + WORD_LEN;
/// Column of operand a.
pub const VA: usize = IMM + 1;
/// Column of operand b.
pub const VB: usize = IMM + 2;
/// First column of the results.
pub const X: usize = IMM + 3;
/// Column of the helper c.
pub const C: usize = IMM + 7;
/// Column of the helper h.
pub const H: usize = IMM + 8;
/// Columns in all.
pub const WIDTH: usize = 53;

const _: () = assert!(H + 1 - FIRST == WIDTH);

/// Values of cells in the first and the last row.
pub fn assertions(out: &mut Vec<(usize, Row, u64)>) {
    out.push((CLK, Row::First, 1));
    out.push((PC, Row::First, starling_vm::isa::ENTRY));
    for r in 0..16 {
        out.push((REGISTERS + r, Row::First, 0));
    }
    // The run has reached the halt at address 0.
    out.push((PC, Row::Last, 0));
}

/// The values that constraints and messages share.
struct View<'a, A> {
    cur: &'a [A],
    next: &'a [A],
    quad_a: [A; 4],
    quad_b: [A; 4],
}

/// `table[index]`, where `bits` are the index's two bits, lowest first: the table's degree and two more.
fn select4<A: Algebra>(bits: &[A], table: [&A; 4]) -> A {
    let step = |bit: &A, low: &A, high: &A| low.clone() + bit.clone() * (high.clone() - low.clone());
    let low = step(&bits[0], table[0], table[1]);
    let high = step(&bits[0], table[2], table[3]);
    step(&bits[1], &low, &high)
}

/// The same for a table of sixteen and four bits.
fn select16<A: Algebra>(bits: &[A], table: &[A]) -> A {
    let quarters: [A; 4] = core::array::from_fn(|q| select4(bits, core::array::from_fn(|i| &table[4 * q + i])));
    select4(&bits[2..], core::array::from_fn(|q| &quarters[q]))
}

/// Indicators of the index with one more bit, which becomes the lowest.
fn finer<A: Algebra, const N: usize, const M: usize>(bit: &A, indicators: &[A; N]) -> [A; M] {
    let set: [A; N] = core::array::from_fn(|i| indicators[i].clone() * bit.clone());
    core::array::from_fn(|i| match i % 2 {
        0 => indicators[i / 2].clone() - set[i / 2].clone(),
        _ => set[i / 2].clone(),
    })
}

impl<'a, A: Algebra> View<'a, A> {
    fn new(frame: &MainFrame<'a, A>) -> Self {
        let cur = frame.current;
        let quad = |field: usize| -> [A; 4] {
            core::array::from_fn(|lane| {
                let lanes = core::array::from_fn(|q| &cur[REGISTERS + 4 * q + lane]);
                select4(&cur[WORD_BITS + 4 * field + 2..], lanes)
            })
        };
        Self {
            cur,
            next: frame.next,
            quad_a: quad(0),
            quad_b: quad(1),
        }
    }

    fn at(&self, column: usize) -> A {
        self.cur[column].clone()
    }

    fn flag(&self, index: usize) -> A {
        self.at(WORD_BITS + 12 + index)
    }

    fn x(&self, lane: usize) -> A {
        self.at(X + lane)
    }

    /// imm + (1 - im) a: the address of a memory access.
    fn address(&self) -> A {
        self.at(IMM) + (A::one() - self.flag(IM)) * self.at(VA)
    }

    /// The left input of the hash chip, lane `i`: a, or b when the swap bit is set, or the word just loaded.
    fn hash_left(&self, i: usize) -> A {
        self.swapped(i) + self.flag(ME) * (self.x(i) - self.quad_a[i].clone())
    }

    fn swapped(&self, i: usize) -> A {
        self.quad_a[i].clone() + self.at(C) * (self.quad_b[i].clone() - self.quad_a[i].clone())
    }

    fn hash_right(&self, i: usize) -> A {
        self.quad_b[i].clone() - self.at(C) * (self.quad_b[i].clone() - self.quad_a[i].clone())
    }
}

const AL: usize = 0;
const QD: usize = 1;
const SP: usize = 2;
const ME: usize = 3;
const HA: usize = 4;
const CA: usize = 5;
const BR: usize = 6;
const O0: usize = 7;
const O1: usize = 8;
const O2: usize = 9;
const O3: usize = 10;
const WA: usize = 11;
const WB: usize = 12;
const IM: usize = 13;

const TWO_32: u64 = 1 << 32;

/// The chip's constraints.
pub fn constraints<A: Algebra>(frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let v = View::new(frame);
    let one = A::one();
    let not = |x: &A| A::one() - x.clone();
    let k = A::constant;

    for i in 0..WORD_LEN {
        let bit = v.at(WORD_BITS + i);
        out.zero(
            "cpu: every bit of the op word is 0 or 1",
            bit.clone() * (bit - one.clone()),
        );
    }
    out.zero(
        "cpu: the cycle counts up",
        v.next[CLK].clone() - v.at(CLK) - one.clone(),
    );

    // Operands.
    let registers = &v.cur[REGISTERS..REGISTERS + 16];
    let bits = |field: usize| &v.cur[WORD_BITS + 4 * field..WORD_BITS + 4 * field + 4];
    let (va, vb, imm, pc) = (v.at(VA), v.at(VB), v.at(IMM), v.at(PC));
    out.zero("cpu: va is register a", va.clone() - select16(bits(0), registers));
    let register_b = select16(bits(1), registers);
    out.zero(
        "cpu: vb is register b, or the immediate",
        vb.clone() - register_b.clone() - v.flag(IM) * (imm.clone() - register_b),
    );
    let vd = select16(bits(2), registers);
    let quad_d: [A; 4] =
        core::array::from_fn(|lane| select4(&bits(2)[2..], core::array::from_fn(|q| &registers[4 * q + lane])));

    let f = |i: usize| v.flag(i);
    let [o0, o1, o2, o3] = [f(O0), f(O1), f(O2), f(O3)];
    let (n0, n1, n2, n3) = (not(&o0), not(&o1), not(&o2), not(&o3));
    let [x0, x1, x2, x3] = [v.x(0), v.x(1), v.x(2), v.x(3)];
    let (c, h) = (v.at(C), v.at(H));

    // Class al: field arithmetic.
    let product = va.clone() * vb.clone();
    let difference = va.clone() - vb.clone();
    let al = f(AL);
    let sum_or_difference = va.clone() + (one.clone() - o0.doubled()) * vb.clone();
    out.zero(
        "cpu: x0 = a + b, a - b, a * b or b",
        al.clone()
            * n3.clone()
            * n2.clone()
            * (x0.clone()
                - n1.clone() * sum_or_difference
                - o1.clone() * (n0.clone() * product.clone() + o0.clone() * vb.clone())),
    );
    out.zero(
        "cpu: x0 = d + a * b, or d + a * (b - d)",
        al.clone() * o3.clone() * (x0.clone() - vd.clone() - product.clone() + o0.clone() * va.clone() * vd.clone()),
    );
    out.zero(
        "cpu: the condition of sel is 0 or 1",
        al.clone() * o3.clone() * o0.clone() * va.clone() * (va.clone() - one.clone()),
    );
    let unary = al * n3.clone() * o2.clone() * n1.clone();
    out.zero(
        "cpu: x0 is the inverse of a; or a = b, or a - b has the inverse h and x0 is 0",
        unary.clone()
            * (n0.clone() * (x0.clone() * va.clone() - one.clone())
                + o0.clone() * (difference.clone() * h.clone() - one.clone() + x0.clone())),
    );
    out.zero(
        "cpu: eq: a = b or x0 = 0",
        unary * o0.clone() * difference.clone() * x0.clone(),
    );

    // Class qd: arithmetic on quads.
    let ext = {
        let take = |q: &[A; 4]| [q[0].clone(), q[1].clone(), q[2].clone()];
        extension_product(take(&v.quad_a), take(&v.quad_b))
    };
    for i in 0..4 {
        let (a, b, d) = (v.quad_a[i].clone(), v.quad_b[i].clone(), quad_d[i].clone());
        let emadd = if i < 3 { d.clone() + ext[i].clone() } else { d.clone() };
        out.zero(
            "cpu: quads: x = d * a + b; a; d + a * b in the extension; or a + b",
            f(QD)
                * (v.x(i)
                    - o0.clone() * (d * a.clone() + vb.clone())
                    - o1.clone() * a.clone()
                    - o2.clone() * emadd
                    - o3.clone() * (a + b)),
        );
    }

    // Class sp: operations whose result is split into the range-checked halves (x2, x3).
    let (sp, br) = (f(SP), f(BR));
    let halves = x2.clone() + x3.clone() * k(TWO_32);
    let is_add = o1.clone() * n2.clone() * n0.clone();
    let o0_n2 = o0.clone() * n2.clone();
    let is_sub = o0_n2.clone() * (o1.clone() + br.clone() * n1.clone());
    let is_div = o0_n2 * n1.clone() * not(&br);
    let is_lt = o0.clone() * o1.clone() * o2.clone();
    out.zero(
        "cpu: a + b = x2 + 2^32 x3",
        sp.clone() * is_add.clone() * (va.clone() + vb.clone() - halves.clone()),
    );
    out.zero(
        "cpu: a - b = x2 - 2^32 x3",
        sp.clone() * is_sub.clone() * (difference.clone() + x3.clone() * k(TWO_32) - x2.clone()),
    );
    out.zero(
        "cpu: carry and borrow are 0 or 1",
        sp.clone() * (is_add + is_sub) * x3.clone() * (x3.clone() - one.clone()),
    );
    out.zero(
        "cpu: a = x2 + 2^32 x3",
        sp.clone() * n0.clone() * (o1.clone() * o2.clone() + n1.clone() * n2.clone()) * (va.clone() - halves.clone()),
    );
    out.zero(
        "cpu: a * b (+ d) = x2 + 2^32 x3",
        sp.clone() * o2.clone() * n1.clone() * (product + o0.clone() * vd.clone() - halves.clone()),
    );
    out.zero(
        "cpu: b * x2 + x3 = a: x2 is the quotient, x3 the remainder",
        sp.clone() * is_div.clone() * (vb.clone() * x2.clone() + x3.clone() - va.clone()),
    );
    out.zero(
        "cpu: div: the second pair's low half is b",
        sp.clone() * is_div.clone() * (c.clone() - vb.clone()),
    );
    out.zero(
        "cpu: div: the second pair's high half is b - remainder - 1",
        sp.clone() * is_div * (x1.clone() - vb.clone() + x3.clone() + one.clone()),
    );
    let sp_lt = sp.clone() * is_lt.clone();
    out.zero(
        "cpu: lt: x0 is 0 or 1",
        sp_lt.clone() * x0.clone() * (x0.clone() - one.clone()),
    );
    out.zero(
        "cpu: lt: the first pair is b - a - 1 if x0 = 1, a - b if x0 = 0",
        sp_lt.clone() * (halves + (x0.doubled() - one.clone()) * difference.clone() + x0.clone()),
    );
    out.zero(
        "cpu: lt: the second pair is a if x0 = 1, b if x0 = 0",
        sp_lt.clone() * (c.clone() + x1.clone() * k(TWO_32) - vb.clone() - x0.clone() * difference.clone()),
    );
    out.zero(
        "cpu: lt: the sum of both pairs does not wrap: the high halves do not add up to 2^32 - 2",
        sp_lt * (h.clone() * (x1.clone() + x3.clone() - k(TWO_32 - 2)) - one.clone()),
    );
    out.zero(
        "cpu: the result x0 of a split is x2, or x3 for the high half and for branches",
        sp.clone() * not(&is_lt) * (x0.clone() - x2.clone() - (f(WA) * f(WB) + br.clone()) * (x3.clone() - x2.clone())),
    );
    out.zero(
        "cpu: a checked operation has no high half",
        sp.clone() * not(&br) * o3.clone() * x3.clone(),
    );

    // Class me: memory.
    for i in 0..4 {
        let scalar = if i == 0 { o1.clone() * vd.clone() } else { A::zero() };
        out.zero(
            "cpu: the word stored is quad d, or (register d, 0, 0, 0)",
            f(ME) * o0.clone() * (v.x(i) - n1.clone() * quad_d[i].clone() - scalar),
        );
    }

    // Class ca: calls.
    let call = f(CA) * not(&f(ME));
    out.zero(
        "cpu: call: x1 is a for the bitwise chip, else 0",
        call.clone() * (x1 - o2.clone() * n3.clone() * va.clone()),
    );
    out.zero(
        "cpu: call: x0 is the answer x2, a + b - 2 x2 for xor, a + b - x2 for or",
        call.clone()
            * (x0.clone()
                - x2.clone()
                - o2.clone()
                    * ((o0.clone() + o1.clone()) * (va.clone() + vb.clone() - x2.doubled()) - o0.clone() * x2.clone())),
    );
    out.zero("cpu: out: the value is a", call * o3.clone() * n2 * (x2 - va.clone()));

    // Class ha: hashing.
    let ha = f(HA);
    out.zero(
        "cpu: the swap bit is 0 or 1, and 0 but in mstep",
        ha.clone() * c.clone() * (c.clone() - o0.clone()),
    );

    // Class br: control flow.
    let target_test = difference.clone() + f(IM) * imm.clone();
    let conditional = br.clone() * o3.clone();
    let on_equal = conditional.clone() * not(&sp);
    out.zero(
        "cpu: branch: a = b, or a - b has the inverse h and x0 is 0",
        on_equal.clone() * (target_test.clone() * h - one.clone() + x0.clone()),
    );
    out.zero(
        "cpu: branch: a = b or x0 = 0",
        on_equal * target_test.clone() * x0.clone(),
    );
    out.zero("cpu: assert: a = b", br.clone() * o0.clone() * n3 * target_test);
    let past = pc.clone() + one.clone();
    out.zero(
        "cpu: jump: x0 is the address of the next instruction",
        br.clone() * o2.clone() * (x0.clone() - past.clone()),
    );
    let taken = x0.clone() + o1.clone() * (one.clone() - x0.doubled());
    out.zero(
        "cpu: the next address: one more, or the target of a jump or of a branch taken",
        v.next[PC].clone() - past.clone() - br.clone() * o2 * (vb - past.clone()) - conditional * taken * (imm - past),
    );

    // Write-back.
    let (wa, wb) = (f(WA), f(WB));
    let both = wa.clone() * wb.clone();
    let high = both.clone() * sp.clone();
    let single = wb - both.clone() + high.clone();
    let pair = wa - both.clone();
    let quad = both - high;
    let d = bits(2);
    let d2 = [one.clone() - d[3].clone(), d[3].clone()];
    let d4: [A; 4] = finer(&d[2], &d2);
    let d8: [A; 8] = finer(&d[1], &d4);
    let d16: [A; 16] = finer(&d[0], &d8);
    let full = ha.clone() * o1;
    let step = ha.clone() * o0;
    let stream = ha * f(ME);
    for r in 0..16 {
        let (old, new) = (registers[r].clone(), v.next[REGISTERS + r].clone());
        let change = new.clone() - old.clone();
        let written = single.clone() * d16[r].clone() * (x0.clone() - old.clone())
            + pair.clone() * d8[r / 2].clone() * (v.x(2 + r % 2) - old.clone())
            + quad.clone() * d4[r / 4].clone() * (v.x(r % 4) - old.clone());
        let value = if r < 8 {
            not(&full) * change - written
        } else if r == INDEX_REGISTER {
            not(&(step.clone() + stream.clone())) * change.clone() - written
                + step.clone() * (new.doubled() + c.clone() - old)
                + stream.clone() * (change - one.clone())
        } else {
            change - written
        };
        out.zero("cpu: a register changes only as the instruction writes it", value);
    }
}

/// The messages: hash input and output into column 0, all others into column 1.
pub fn messages<A: Algebra, E: Extends<A>>(frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let v = View::new(frame);
    let f = |i: usize| v.flag(i);

    // Column 0: a permutation's input and output, known by 4 clk.
    let id = v.at(CLK).doubled().doubled();
    let input: [A; 9] = core::array::from_fn(|i| match i {
        0 => id.clone(),
        1..=4 => v.hash_left(i - 1),
        _ => v.hash_right(i - 5),
    });
    bus.send(0, f(HA), tag::HASH_IN, &input);
    // Four lanes less the left input, or all eight as the next row's q0 and q1.
    let full = f(O1);
    let output: [A; 10] = core::array::from_fn(|i| match i {
        0 => id.clone(),
        1 => full.clone(),
        2..=5 => {
            let lane = i - 2;
            let unfed = v.x(lane) - v.quad_a[lane].clone();
            let swap = v.at(C) * (v.quad_b[lane].clone() - v.quad_a[lane].clone());
            unfed.clone() - swap + full.clone() * (v.next[REGISTERS + lane].clone() - unfed)
        }
        _ => full.clone() * v.next[REGISTERS + i - 2].clone(),
    });
    bus.send(0, f(HA), tag::HASH_OUT, &output);

    // Column 1: memory, signature and the other calls share a fraction, an instruction makes at most one of them.
    let (me, ca) = (f(ME), f(CA));
    let both = me.clone() * ca.clone();
    let word = [v.address(), v.at(CLK), f(O0), v.x(0), v.x(1), v.x(2), v.x(3)];
    let memory: E = bus.value(tag::MEMORY, &word);
    let signed: [A; 10] = core::array::from_fn(|i| match i {
        0 => v.at(CLK),
        1..=5 => v.at(REGISTERS + i - 1),
        _ => v.at(REGISTERS + i + 2),
    });
    let signature: E = bus.value(tag::SIGNATURE, &signed);
    let call: E = bus.value(tag::INPUT, &[v.at(VB), v.x(2), v.x(1)]);
    let call = call + E::embed(f(O3) + f(O2).doubled());
    let message =
        memory.scale(me.clone() - both.clone()) + signature.scale(both.clone()) + call.scale(ca.clone() - both.clone());
    bus.send_value(1, me + ca - both, message);

    let mut op_word = A::zero();
    for i in (0..WORD_LEN).rev() {
        op_word = op_word.doubled() + v.at(WORD_BITS + i);
    }
    bus.send(1, A::one(), tag::ROM, &[v.at(PC), op_word, v.at(IMM)]);
    bus.send(1, f(SP), tag::RANGE, &[v.x(2), v.x(3), f(O1)]);
    bus.send(1, f(SP), tag::RANGE, &[v.at(C), v.x(1), f(O1)]);
}
