//! Single cells of a block: which are bound.

use starling_air::chips::signature::{FINISH, GROUP, ROWS, WIDTH};
use starling_vm::field::Felt;

use super::{Chip, ONE, is_free, is_point, layout, request};

#[test]
fn every_cell_is_bound_but_those_that_are_free() {
    let requests = [request(5, 1), request(9, 2)];
    let mut chip = Chip::new(512, &requests);
    // The last block too, whose last row is the trace's.
    for block in [1, 2] {
        for t in 0..ROWS - (block - 1) {
            let i = chip.start(block) + t;
            for c in 0..WIDTH {
                let (old, before) = (chip.columns[c][i], chip.fraction(i));
                // A large step, the other sign, the other bit.
                for new in [old + Felt::new(0x1234_5678_9abc), -old, ONE - old] {
                    chip.columns[c][i] = new;
                    let noticed = [i - 1, i].into_iter().any(|i| !chip.broken_at(i).is_empty());
                    let noticed = noticed || chip.fraction(i) != before;
                    // The digit over G' is free where there is none, but for its being a digit.
                    let no_digit = c == layout().u && t >= 2 * GROUP + FINISH && !is_point(t) && new == -old;
                    assert_eq!(
                        noticed,
                        new != old && !is_free(t, c) && !no_digit,
                        "block {block} row {t} column {c}"
                    );
                }
                chip.columns[c][i] = old;
            }
        }
    }
}

#[test]
fn nothing_is_free_in_the_last_row_that_matters() {
    // The last row has no constraints of its own. What the row before it does not pin are cells that are free anyway.
    let requests = [request(5, 1), request(9, 2)];
    let mut chip = Chip::new(512, &requests);
    for c in 0..WIDTH {
        let old = chip.columns[c][511];
        chip.columns[c][511] += Felt::new(77);
        assert_eq!(chip.broken_at(510).is_empty(), is_free(ROWS - 1, c), "column {c}");
        chip.columns[c][511] = old;
    }
}
