//! Numbers that are none: pairs, bytes, the byte table.

use starling_air::chips::range;

use super::{Lies, advise, checked, one};
use crate::forge::{Forgery, ONE, ZERO, bytes, felt};

pub(super) fn range_chip(lies: &mut Lies) {
    let none = bytes(0);
    // The table holds 300, one row before its end.
    let top = [ZERO, ZERO, ZERO, felt(300)];
    let mut f = checked(felt(300 << 24));
    f.columns[range::TABLE][400] = felt(300);
    f.add_pair(top, none, ZERO, ONE);
    lies.add("the table jumps to 300", f);

    let (mut f, row) = one("mov r4, 1", "u32.split p4, r5", &[]);
    f.set_x(row, [ONE, ZERO, ONE, felt(u64::from(u32::MAX))]);
    f.write_back(row);
    f.settle();
    f.add_pair(bytes(1), bytes(u32::MAX), ZERO, ONE);
    lies.add("0 is split as the modulus", f);

    // The top byte of another pair, doubled, is taken minus once.
    let mut f = checked(felt(300 << 24));
    f.add_pair(top, none, ZERO, ONE);
    let other = [ZERO, ZERO, ZERO, felt(150)];
    f.add_pair(none, other, -ONE, ZERO);
    lies.add("a mode of minus one hides a wrong byte", f);

    // A byte that is none.
    for i in 0..4 {
        for high in [false, true] {
            let mut wrong = none;
            wrong[i] = -ONE / felt(1 << (8 * i));
            let mut f = match high {
                false => checked(-ONE),
                true => {
                    let (mut f, row) = one("adv r5", "u32.hi r6, r5", &[0]);
                    advise(&mut f, -felt(1 << 32));
                    f.set_x(row, [-ONE, ZERO, ZERO, -ONE]);
                    f.write_back(row);
                    f.settle();
                    f
                }
            };
            let (lo, hi) = if high { (none, wrong) } else { (wrong, none) };
            f.add_pair(lo, hi, ZERO, ONE);
            f.settle_bytes_but(&[range::BYTES + i], false);
            lies.add(format!("byte {i} is no byte, high half: {high}"), f);
        }
    }

    let (mut f, row) = one("adv r5", "u63.chk r5", &[0]);
    advise(&mut f, felt(1 << 63));
    f.set_x(row, [ZERO, ZERO, ZERO, felt(1 << 31)]);
    f.settle();
    f.add_pair(none, bytes(1 << 31), ONE, ONE);
    f.settle_bytes_but(&[], true);
    lies.add("2^63 passes for a u63", f);

    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[range::USES][10] = ONE;
    lies.add("a pair that nobody asked for", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[range::TABLE_USES][10] += ONE;
    lies.add("a byte that nobody asked for", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    for row in 9..f.length() - 1 {
        let value = f.columns[range::TABLE][row];
        f.columns[range::TABLE][row] = felt((value.as_int() + 1).min(255));
    }
    f.settle_bytes();
    lies.add("the table leaves out 9", f);
}
