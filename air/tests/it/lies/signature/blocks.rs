//! Challenge words of an idle block, and blocks that are not what they seem.

use starling_air::chips::signature::{self, FINISH, GROUP, ROWS};
use starling_vm::schnorr::constants::U;
use winterfell::math::FieldElement;

use super::{Block, Chip, Slip};
use crate::forge::{ONE, felt};
use crate::lies::Lie;

/// Digits of the challenge and its words.
pub(super) fn words() -> Vec<Lie> {
    let mut out = vec![];
    let last = Chip::new(1).block(2);
    for slip in [Slip::Lane, Slip::Ones] {
        let mut chip = Chip::new(1);
        chip.settle(last, Some((last.start + 5, slip)));
        out.push(chip.lie(format!("a word of the challenge: {slip:?}")));
    }
    let l = Chip::new(1).l;
    for (name, column) in [("sign", l.sign), ("u", l.u), ("v", l.v)] {
        let mut chip = Chip::new(1);
        chip.put(column, [last.finish + 20], felt(3));
        chip.settle(last, None);
        out.push(chip.lie(format!("a digit is 3: {name}")));
    }
    let mut chip = Chip::new(1);
    for i in last.start + 2 * GROUP..last.start + 2 * GROUP + 33 {
        let sign = chip.at(l.sign, i);
        chip.put(l.v, [i], sign);
    }
    chip.settle(last, None);
    out.push(chip.lie("a word of the challenge is p or more"));
    let mut chip = Chip::new(1);
    chip.add(l.kept[1], last.finish + 6..last.finish + 32, ONE);
    out.push(chip.lie("the word before the last is forgotten"));
    let mut chip = Chip::new(1);
    chip.add(l.kept[0], last.finish + 6..last.finish + 32, ONE);
    chip.add(l.x, [last.finish + 5], ONE);
    out.push(chip.lie("the third word is another"));
    out
}

/// The schedule of groups and blocks.
pub(super) fn blocks() -> Vec<Lie> {
    let mut out = vec![];
    let mut chip = Chip::new(1);
    let (l, last) = (chip.l, chip.block(2));
    chip.put(l.block, last.start..last.finish + 32, felt(7));
    out.push(chip.lie("a block has another number"));
    // Blocks of one or of two groups, in the place of two idle ones.
    for (name, groups) in [("the third group comes first", 1), ("the third group comes second", 2)] {
        let mut chip = Chip::new(3);
        let first = chip.block(4);
        let third = first.start + 2 * GROUP;
        let pattern = chip.f.columns[l.x..l.x + signature::WIDTH]
            .iter()
            .map(|column| column[third..third + GROUP].to_vec())
            .collect::<Vec<_>>();
        for n in 0..6 / groups {
            let start = first.start + n * groups * GROUP;
            let finish = start + groups * GROUP - FINISH;
            let block = Block { start, finish };
            for g in 0..groups {
                for (column, values) in (l.x..).zip(&pattern) {
                    chip.f.columns[column][start + g * GROUP..start + (g + 1) * GROUP].copy_from_slice(values);
                }
            }
            let rows = start..finish + 32;
            chip.put(l.block, rows, felt(4 + n as u64));
            chip.put(l.phase[0], start..start + (groups - 1) * GROUP, ONE);
            // The first two digits over G' are -1 where a first group starts.
            if groups == 2 {
                for i in start..start + 2 {
                    let value = -chip.at(l.sign, i);
                    chip.put(l.u, [i], value);
                }
            }
            chip.set(l.x, start, U.x);
            chip.set(l.y, start, U.y);
            chip.settle(block, None);
        }
        out.push(chip.lie(name));
    }
    // A request is served by block 0, of which 128 rows are there.
    for counted_from in [0, 1] {
        let mut chip = Chip::new(1);
        let (one, two) = (chip.block(1), chip.block(2));
        chip.copy(one.start + GROUP, 0, 2 * GROUP);
        chip.copy(two.start, one.start, ROWS);
        // What block 0 leaves, and what the idle block does.
        for (block, before) in [(one, 2 * GROUP - 1), (two, one.finish + 31)] {
            let (lane, rows) = (chip.at(l.lane, before), block.start..block.start + GROUP);
            chip.put(l.kept[0], rows.clone(), lane);
            let kept = chip.at(l.kept[0], before);
            chip.put(l.kept[1], rows, kept);
            chip.put(l.kept[1], block.start + GROUP..block.start + 2 * GROUP, lane);
        }
        chip.count_uses(0, GROUP + FINISH);
        chip.add(l.block, 0..512, felt(counted_from));
        for (number, finish) in [GROUP + FINISH, one.finish, two.finish].into_iter().enumerate() {
            chip.put(l.ty + 2, [finish], felt(number as u64 + counted_from).inv());
        }
        out.push(chip.lie(format!("block 0 serves a request, as number {counted_from}")));
    }
    // One request, two blocks that serve it twice and minus once.
    let mut chip = Chip::new(1);
    let (one, two) = (chip.block(1), chip.block(2));
    chip.copy(one.start + 2 * GROUP, two.start + 2 * GROUP, GROUP);
    chip.copy(one.start, two.start, 2 * GROUP);
    let lane = chip.at(l.lane, two.start - 1);
    chip.put(l.kept[0], two.start..two.start + GROUP, lane);
    chip.put(l.kept[1], two.start..two.start + GROUP, lane);
    chip.put(l.kept[1], two.start + GROUP..two.start + 2 * GROUP, lane);
    chip.put(l.ty + 2, [two.finish], felt(2).inv());
    for (block, active) in [(one, felt(2)), (two, -ONE)] {
        chip.put(l.ty + 1, block.finish..block.finish + 7, active);
    }
    out.push(chip.lie("a request is served twice, and minus once"));
    out
}
