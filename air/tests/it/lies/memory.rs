//! Loads that see something else than the last store.

use starling_air::chips::memory;
use starling_vm::field::Felt;

use super::Lies;
use crate::forge::{Forgery, MemoryRow, ONE, ZERO, felt};

/// A store at 5 in cycle 2, a load from `from` in cycle 3 that gives `word`.
fn load_gives(from: u64, word: [Felt; 4]) -> Forgery {
    let text = format!("advq q0\n st q0, [5]\n ld q2, [{from}]\n halt");
    let mut f = Forgery::assemble(&text, &[], &[11, 12, 13, 14]);
    let row = f.row_at(3);
    f.set_x(row, word);
    f.write_back(row);
    f.settle();
    f
}

pub(super) fn memory_chip(lies: &mut Lies) {
    let stored = [11, 12, 13, 14].map(felt);
    for lane in 0..4 {
        let mut word = stored;
        word[lane] = felt(99);
        lies.add(format!("lane {lane} of a load is stale"), load_gives(5, word));
        let mut word = [ZERO; 4];
        word[lane] = felt(99);
        lies.add(
            format!("lane {lane} of unwritten memory is not zero"),
            load_gives(7, word),
        );
    }

    // The flag of a new address is 2: the address steps by twice the step, the word changes its sign.
    let mut f = load_gives(7, stored.map(|x| -x));
    f.columns[memory::NEW][1] = felt(2);
    f.set_step_bytes(1, 0);
    f.settle_bytes();
    lies.add("half an address on, minus the word", f);

    let word = [99; 4].map(felt);
    let text = "advq q0\n st q0, [5]\n mov r4, 1\n ld q2, [5]\n halt";
    let mut f = Forgery::assemble(text, &[], &[11, 12, 13, 14]);
    let row = f.row_at(4);
    f.set_x(row, word);
    f.write_back(row);
    f.settle();
    f.set_memory(&[
        MemoryRow::new(5, 2, true, stored),
        MemoryRow {
            active: false,
            ..MemoryRow::new(5, 3, true, word)
        },
        MemoryRow::new(5, 4, false, word),
    ]);
    lies.add("an inactive row writes", f);

    // The row of the load stands at another address, as if it were the same.
    let mut f = load_gives(8, stored);
    f.set_memory(&[MemoryRow::new(5, 2, true, stored), MemoryRow::new(8, 3, false, stored)]);
    f.columns[memory::NEW][1] = ZERO;
    f.set_step_bytes(1, 0);
    f.settle_bytes();
    lies.add("the address changes without notice", f);

    // A load sees what a later store writes.
    for (name, step) in [
        ("", 0),
        (" by a step of minus three", 1),
        (" in its second byte", 2),
        (" in its third byte", 3),
    ] {
        let text = "advq q0\n ld q2, [5]\n st q0, [5]\n halt";
        let mut f = Forgery::assemble(text, &[], &[11, 12, 13, 14]);
        let row = f.row_at(2);
        f.set_x(row, stored);
        f.write_back(row);
        f.settle();
        f.set_memory(&[MemoryRow::new(5, 3, true, stored), MemoryRow::new(5, 2, false, stored)]);
        f.set_step_bytes(1, 0);
        if step > 0 {
            f.columns[memory::STEP + step - 1][1] = -felt(2) / felt(1 << (8 * (step - 1)));
        }
        match step {
            0 => f.settle_bytes(),
            _ => f.settle_bytes_but(&[memory::STEP + step - 1], false),
        }
        lies.add(format!("a load sees a later store{name}"), f);
    }

    // Memory is read before it is written, in another order of rows.
    let mut f = load_gives(5, [ZERO; 4]);
    f.set_memory(&[
        MemoryRow::new(5, 3, false, [ZERO; 4]),
        MemoryRow::new(5, 2, true, stored),
    ]);
    lies.add("a load comes before an earlier store", f);

    for (name, column, value) in [
        ("a load counts twice", memory::ACTIVE, 2),
        ("a load is not answered", memory::ACTIVE, 0),
        ("a load is answered as a store", memory::WRITE, 1),
        ("a store that is half a store", memory::WRITE, 2),
    ] {
        let mut f = load_gives(5, stored);
        f.columns[column][2] = felt(value);
        lies.add(name, f);
    }
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[memory::ACTIVE][3] = ONE;
    lies.add("an access that no instruction made", f);
}
