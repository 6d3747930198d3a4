//! Bits that are none, and results of other operands.

use starling_air::machine::{ChipSet, Machine};

use super::{Lies, advise, advise_at, one};
use crate::forge::{Forgery, ONE, ZERO, felt};

/// `u32.and r8, a, b` whose operands and result are those of the first group of the bitwise chip in `change`.
fn and_of(a: u32, b: u32, change: impl FnOnce(&mut Forgery)) -> Forgery {
    let (mut f, row) = one("adv r5\n adv r6", "u32.and r8, r5, r6", &[u64::from(a), u64::from(b)]);
    change(&mut f);
    let layout = f.machine.bitwise().expect("the chip");
    let [a, b, result] = [layout.sum_a, layout.sum_b, layout.result].map(|column| f.columns[column][7]);
    advise(&mut f, a);
    advise_at(&mut f, 2, b);
    f.set_x(row, [result, a, result, ZERO]);
    f.write_back(row);
    f
}

pub(super) fn bitwise_chip(lies: &mut Lies) {
    let layout = Machine::new(ChipSet::Bitwise).bitwise().expect("the chip");
    // Bits that are no bits, but add up to their nibble: the product is another.
    for bit in 0..4 {
        for (bits, other) in [(layout.bits_a, layout.bits_b), (layout.bits_b, layout.bits_a)] {
            let f = and_of(0x10, 0x10, |f| {
                let row = 6;
                // The nibble 1, all of it in this bit; its partner has only this bit.
                for i in 0..4 {
                    f.columns[bits + i][row] = ZERO;
                    f.columns[other + i][row] = ZERO;
                }
                f.columns[bits + bit][row] = if bit == 0 { felt(3) } else { ONE / felt(1 << bit) };
                f.columns[other + bit][row] = ONE;
                let value = f.columns[bits + bit][row] * felt(1 << bit);
                let (sum, of_other) = if bits == layout.bits_a {
                    (layout.sum_a, layout.sum_b)
                } else {
                    (layout.sum_b, layout.sum_a)
                };
                f.columns[sum][6] = value;
                f.columns[sum][7] = value * felt(16);
                f.columns[of_other][6] = felt(1 << bit);
                f.columns[of_other][7] = felt(1 << bit) * felt(16);
                f.columns[layout.result][6] = value;
                f.columns[layout.result][7] = value * felt(16);
            });
            lies.add(format!("bit {bit} of column {bits} is no bit"), f);
        }
    }
    for (name, column) in [("a", layout.sum_a), ("b", layout.sum_b), ("the result", layout.result)] {
        for first in [0, 3] {
            let f = and_of(0x1234_5678, 0xff00_ff00, |f| {
                let mut extra = ONE;
                for row in first..8 {
                    f.columns[column][row] += extra;
                    extra *= felt(16);
                }
            });
            lies.add(format!("{name} gains a bit in row {first}"), f);
        }
    }
    // The mode changes on the way: between power and AND, the result is free.
    let f = and_of(0x1234_5678, 0xff00_ff00, |f| {
        for row in 0..5 {
            f.columns[layout.mode][row] = ONE;
        }
        for row in 5..8 {
            f.columns[layout.result][row] += felt(1 << (4 * (row - 5)));
        }
    });
    lies.add("an AND begins as a power", f);

    let power = |exponent: u64, change: &dyn Fn(&mut Forgery)| {
        let (mut f, row) = one("adv r6", "pow2 r8, r6", &[exponent]);
        change(&mut f);
        let [b, result] = [layout.sum_b, layout.result].map(|column| f.columns[column][7]);
        advise(&mut f, b);
        f.set_x(row, [result, ZERO, result, ZERO]);
        f.write_back(row);
        f
    };
    let f = power(3, &|f| {
        f.columns[layout.bits_b + 1][6] = ONE;
        f.columns[layout.sum_b][6] = felt(2);
        f.columns[layout.sum_b][7] = felt(2 * 16 + 3);
        f.columns[layout.result][7] = felt(8 * (1 + 2 * 0xffff));
    });
    lies.add("2^35 is a power", f);
    lies.add("2^3 is 9", power(3, &|f| f.columns[layout.result][7] = felt(9)));
    let f = power(3, &|f: &mut Forgery| {
        f.columns[layout.bits_a][15] = ONE;
        f.columns[layout.sum_a][15] = ONE;
        f.columns[layout.result][15] = ONE;
        for row in 8..16 {
            f.columns[layout.mode][row] = ONE;
        }
    });
    lies.add("an idle power with an operand a", f);
    let mut f = Forgery::assemble("u32.and r4, r5, r6\n halt", &[], &[]);
    f.columns[layout.uses][7] = felt(2);
    lies.add("an AND that nobody asked for", f);
    let mut f = Forgery::assemble("u32.and r4, r5, r6\n halt", &[], &[]);
    f.machine = Machine::new(ChipSet::Core);
    f.columns.truncate(92);
    lies.add("a bitwise instruction without the bitwise chip", f);
    let mut f = Forgery::assemble("mov r4, 1\n halt", &[], &[]);
    f.machine = Machine::new(ChipSet::Bitwise);
    let length = f.length();
    f.columns.resize(105, vec![ZERO; length]);
    f.columns[layout.uses][7] = ONE;
    lies.add("an AND in a run without bitwise instructions", f);
}
