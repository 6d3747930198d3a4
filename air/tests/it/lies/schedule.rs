//! Chips that run out of step with the periodic columns: everything that a chip holds stands some rows too late, so that
//! a permutation, a pair, a call or a signature begins in the middle of its schedule.

use core::ops::Range;

use starling_air::chips::{bitwise, hash, range, signature};
use starling_air::definition::{Definition, MainFrame};
use starling_vm::field::Felt;

use super::Lies;
use crate::forge::{Forgery, felt};
use crate::samples::Sample;

/// A chip out of step: its name in the constraints, its columns, and how many rows late it is.
struct Late {
    chip: &'static str,
    columns: Vec<usize>,
    rows: usize,
}

/// A run that uses every chip that has a schedule.
fn honest() -> Forgery {
    let others = "hash q2, q0, q1\n mov r0, 12\n mov r1, 10\n u32.and r4, r0, r1\n u32.addp p2, r0, r1\n";
    Forgery::of(&Sample::signing(1, others))
}

fn late(f: &Forgery) -> Vec<Late> {
    let layout = f.machine.signature().expect("signatures");
    let end = f.columns.len();
    // The byte table has no schedule, and its ends are boundary values.
    let pairs: Vec<usize> = (range::BYTES..range::TABLE).chain(range::USES..range::HX + 1).collect();
    let all = |columns: Range<usize>| columns.collect::<Vec<_>>();
    let chips = [
        ("range", pairs, vec![1]),
        ("hash", all(hash::FIRST..hash::FIRST + hash::WIDTH), vec![1, 4, 7]),
        ("signature", all(layout.x..layout.x + signature::WIDTH), vec![1, 32, 63]),
        ("bitwise", all(end - bitwise::WIDTH..end), vec![1, 2, 7]),
    ];
    let mut out = vec![];
    for (chip, columns, offsets) in chips {
        for rows in offsets {
            let columns = columns.clone();
            out.push(Late { chip, columns, rows });
        }
    }
    out
}

impl Late {
    /// Moves the chip down. What stood in the last rows comes first.
    fn apply(&self, f: &mut Forgery) {
        for column in &self.columns {
            f.columns[*column].rotate_right(self.rows);
        }
        if self.chip == "range" {
            f.settle_bytes();
        }
    }
}

/// Every chip by itself, and all of the trace.
pub(super) fn schedules(lies: &mut Lies) {
    let honest = honest();
    for late in late(&honest) {
        let mut f = honest.clone();
        late.apply(&mut f);
        lies.add(format!("the {} chip is {} rows late", late.chip, late.rows), f);
    }
    for rows in [1, 8, 64] {
        let mut f = honest.clone();
        for column in &mut f.columns {
            column.rotate_right(rows);
        }
        lies.add(format!("the whole trace is {rows} rows late"), f);
    }
}

/// The rows in which some constraint of a chip does not hold, if the periodic columns are `late` rows late.
fn broken(f: &Forgery, chip: &str, late: usize) -> Vec<usize> {
    let names = f.machine.main_constraints();
    let mut values = vec![felt(0); names.len()];
    let line = |i: usize| f.columns.iter().map(|column| column[i]).collect::<Vec<Felt>>();
    let cycles = f.machine.periodic_columns();
    let mut out = vec![];
    for i in 0..f.length() - 1 {
        let periodic: Vec<Felt> = cycles
            .iter()
            .map(|c| felt(c[(i + f.length() - late) % c.len()]))
            .collect();
        let frame = MainFrame {
            current: &line(i),
            next: &line(i + 1),
            periodic: &periodic,
        };
        f.machine.eval_main(&frame, &mut values);
        let of_chip = names
            .iter()
            .zip(&values)
            .filter(|((name, _), _)| name.starts_with(chip));
        if of_chip.into_iter().any(|(_, value)| *value != felt(0)) {
            out.push(i);
        }
    }
    out
}

/// It is the schedule alone that these lies are out of step with: moved by as many rows, it admits them.
#[test]
fn a_late_chip_is_in_step_with_a_late_schedule() {
    let honest = honest();
    for late in late(&honest) {
        let (chip, rows) = (late.chip, late.rows);
        let mut f = honest.clone();
        late.apply(&mut f);
        // The row before the first is the last one, which is not constrained.
        let seam = |rows_broken: Vec<usize>| rows_broken.into_iter().filter(|i| i + 1 != rows).collect::<Vec<_>>();
        assert_eq!(seam(broken(&f, &format!("{chip}:"), rows)), [0; 0], "{chip}, {rows}");
        assert!(!seam(broken(&f, &format!("{chip}:"), 0)).is_empty(), "{chip}, {rows}");
        assert!(!f.report().accepted(), "{chip}, {rows}");
    }
}
