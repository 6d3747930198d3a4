//! What the cpu is told, and single cells of an idle block.

use starling_air::chips::signature;
use starling_air::definition::{Definition, MainFrame};
use starling_air::machine::ChipSet;
use starling_air::trace::build_with;
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;

use super::Chip;
use crate::forge::{Forgery, ONE, ZERO, felt};
use crate::lies::Lie;
use crate::samples::Sample;

/// What the cpu is told.
pub(super) fn requests() -> Vec<Lie> {
    let mut out = vec![];
    let l = Chip::new(1).l;
    let row = Chip::new(1).f.row_at(10);
    // The message and the key that the cpu holds are others than those of the block.
    for r in [0, 1, 2, 3, 4, 8, 9, 10, 11] {
        let mut chip = Chip::new(1);
        let mov = (0..row)
            .rev()
            .find(|i| chip.f.register(*i, r) != chip.f.register(i + 1, r));
        let Some(mov) = mov else { continue };
        chip.f.columns[starling_air::chips::cpu::X][mov] += ONE;
        chip.f.columns[starling_air::chips::cpu::IMM][mov] += ONE;
        chip.f.operands(mov);
        chip.f.write_back(mov);
        out.push(chip.lie(format!("the signature is not for register {r}")));
    }
    // Nobody answers, and nobody asks.
    let mut chip = Chip::new(1);
    let finish = chip.block(1).finish;
    chip.put(l.ty + 1, finish..finish + 7, ZERO);
    for i in 0..chip.f.length() {
        let group = i - i % 8;
        let id = chip.at(starling_air::chips::hash::ID, group).as_int();
        if !id.is_multiple_of(4) {
            chip.put(starling_air::chips::hash::ACTIVE, [i], ZERO);
        }
    }
    out.push(chip.lie("a signature that no block checks"));
    let mut chip = Chip::new(1);
    chip.add(l.ty, finish..finish + 7, felt(100));
    for i in 0..chip.f.length() {
        let id = chip.at(starling_air::chips::hash::ID, i);
        if !id.as_int().is_multiple_of(4) {
            chip.add(starling_air::chips::hash::ID, [i], felt(400));
        }
    }
    out.push(chip.lie("a signature that was asked for in another cycle"));
    // The blocks of a run without signatures hold a valid one, of cycle 0.
    let sample = Sample::assemble("mov r0, 1\nhalt", &[], &[]);
    let trace = build_with(&sample.program, &RunInputs::default(), 1000, Some(ChipSet::Kernel)).expect("a trace");
    let mut chip = Chip {
        f: Forgery::of(&Sample { trace, ..sample }),
        l,
    };
    let finish = chip.block(2).finish;
    chip.put(l.ty + 1, finish..finish + 7, ONE);
    let group = chip.f.first_call();
    for k in 0..3 {
        let column = |lane: usize| if lane < 5 { l.x + lane } else { l.j + lane - 5 };
        let input = core::array::from_fn(|lane| chip.at(column(lane), finish + 2 * k));
        chip.f.set_call(group + k, input, felt(k as u64 + 1), ONE, false);
    }
    out.push(chip.lie("a signature that nobody asked for"));
    let mut chip = Chip::new(1);
    chip.put(l.ty + 1, [finish + 6], ONE);
    out.push(chip.lie("a block serves a request at its key only"));
    // Two instructions, one block.
    let mut chip = Chip::new(2);
    let finish = chip.block(2).finish;
    let clk = chip.at(l.ty, finish).as_int();
    chip.put(l.ty + 1, finish..finish + 7, ZERO);
    for i in 0..chip.f.length() {
        let id = chip.at(starling_air::chips::hash::ID, i).as_int();
        if !id.is_multiple_of(4) && id / 4 == clk {
            chip.put(starling_air::chips::hash::ACTIVE, [i], ZERO);
        }
    }
    out.push(chip.lie("two instructions, one served block"));
    out
}

/// Changes of single cells of an idle block that exactly one constraint notices, at most two for each constraint.
pub(super) fn cells() -> Vec<Lie> {
    let honest = Chip::new(1);
    let (l, last) = (honest.l, honest.block(2));
    let machine = honest.f.machine;
    let periodic = machine.periodic_columns();
    let mut values = vec![ZERO; machine.main_degrees().len()];
    let mut violated = |f: &Forgery, row: usize| {
        let line = |i: usize| f.columns.iter().map(|column| column[i]).collect::<Vec<_>>();
        let periodic: Vec<Felt> = periodic.iter().map(|c| felt(c[row % c.len()])).collect();
        let frame = MainFrame {
            current: &line(row),
            next: &line(row + 1),
            periodic: &periodic,
        };
        machine.eval_main(&frame, &mut values);
        (0..values.len()).filter(|i| values[*i] != ZERO).collect::<Vec<_>>()
    };
    let mut found = std::collections::BTreeMap::<usize, usize>::new();
    let mut out = vec![];
    let mut f = honest.f.clone();
    for row in last.finish..last.finish + 31 {
        for column in l.x..l.x + signature::WIDTH {
            let old = f.columns[column][row];
            f.columns[column][row] += felt(5);
            let mut all = violated(&f, row - 1);
            all.extend(violated(&f, row));
            all.sort_unstable();
            all.dedup();
            if let [only] = all[..] {
                let count = found.entry(only).or_default();
                if *count < 2 {
                    *count += 1;
                    out.push(Lie {
                        name: format!("row {} of an idle block: column {column}", row - last.start),
                        forgery: f.clone(),
                    });
                }
            }
            f.columns[column][row] = old;
        }
    }
    out
}
