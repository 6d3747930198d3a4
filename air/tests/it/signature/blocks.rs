//! Cheats about blocks: whose points they are, whom they serve, in which order their groups come.

use std::collections::BTreeSet;

use starling_air::chips::signature::{FINISH, GROUP, ROWS};
use starling_vm::ecgfp5::Gf5;
use starling_vm::field::Felt;
use starling_vm::schnorr::Challenge;
use winter_math::FieldElement;

use super::challenges::{S, lie, simulated};
use super::{Chip, ONE, ZERO, is_point, layout, request};

#[test]
fn points_of_another_block_are_refused() {
    // The cheat owns `other` and signs, with it, a challenge over the victim's key. The digits use the other key's
    // points; the finishing rows show the victim's key and points.
    let (victim, other) = (request(5, 1), request(5, 2));
    let words = [1 << 40, 2 << 40, 3 << 40];
    let mut forged = simulated(5, &other, S, words);
    let r = Gf5(core::array::from_fn(|k| forged.challenge.inputs[0][k]));
    forged.challenge = Challenge {
        words,
        ..Challenge::new(&r, &Gf5(victim.key.to_elements()), &victim.message)
    };
    lie(&mut forged, words.map(Some));
    let witnesses = [forged, other.witness()];
    let requests = [victim.clone(), other.clone()];
    let mut chip = Chip::with(512, &witnesses);
    let honest = Chip::with(512, &[simulated(5, &victim, S, words), other.witness()]);
    let (finish, l) = (chip.start(1) + 2 * GROUP + FINISH, layout());
    let mut uses = [ZERO; 4];
    for i in finish..finish + 12 {
        if is_point(i - chip.start(1)) {
            uses[i - finish - 7] = chip.columns[l.j][i];
        }
        // Rows 32 to 37 keep the lanes and show the victim's w; then the key and its points.
        let columns = if i < finish + 6 { l.tx..l.tx + 5 } else { l.x..l.tx + 10 };
        for c in columns {
            chip.columns[c][i] = honest.columns[c][i];
        }
        if is_point(i - chip.start(1)) {
            chip.columns[l.j][i] = ZERO;
        }
    }
    assert_eq!(chip.broken(), []);
    assert!(!chip.balanced_with(&requests, &witnesses));
    // Block 2 holds the points, and offers them as often as one likes; but only its number stands in the way.
    let points = chip.start(2) + 2 * GROUP + 39;
    for (k, uses) in uses.into_iter().enumerate() {
        chip.columns[l.j][points + k] += uses;
    }
    assert_eq!(chip.broken(), []);
    assert!(!chip.balanced_with(&requests, &witnesses));
    for i in chip.start(1)..finish {
        chip.columns[l.block][i] = Felt::new(2);
    }
    assert!(chip.balanced_with(&requests, &witnesses));
    assert_eq!(chip.broken_names(), BTreeSet::from(["signature: blocks are counted"]));
}

#[test]
fn the_first_block_serves_nothing() {
    // Its start lies before the trace, so its accumulator may come from anywhere.
    let mut chip = Chip::new(512, &[]);
    for t in FINISH..39 {
        let i = chip.start(1) - GROUP + t;
        chip.columns[layout().ty + 1][i] = ONE;
    }
    let name = "signature: block 0, whose start may lie before the trace, serves nothing";
    assert_eq!(chip.broken_names(), BTreeSet::from([name]));
    // With all blocks counted from 1, it could; so the first number is a boundary value.
    let (block, inverse) = (layout().block, layout().ty + 2);
    for i in 0..chip.length() {
        chip.columns[block][i] += ONE;
    }
    for number in 1..4 {
        let i = number * ROWS - (ROWS - 512 % ROWS) - GROUP + FINISH;
        chip.columns[inverse][i] = Felt::new(number as u64).inv();
    }
    assert_eq!(chip.broken(), [(0, "assertion")]);
}

#[test]
fn a_block_serves_at_most_one_request() {
    let requests = [request(5, 1)];
    let mut chip = Chip::new(512, &requests);
    for t in FINISH..39 {
        let i = chip.start(1) + 2 * GROUP + t;
        chip.columns[layout().ty + 1][i] = Felt::new(2);
    }
    assert_eq!(
        chip.broken_names(),
        BTreeSet::from(["signature: the activity flag is 0 or 1"])
    );
    // Two blocks for one request.
    let chip = Chip::with(512, &[requests[0].witness(), requests[0].witness()]);
    assert_eq!(chip.broken(), []);
    assert!(!chip.balanced(&requests));
    // No block for a request, or a block for none.
    assert!(!Chip::new(512, &[]).balanced(&requests));
    assert!(!Chip::new(512, &requests).balanced(&[]));
    // Another cycle, key or message than asked for.
    let mut other = requests[0].clone();
    other.clk += 1;
    assert!(!Chip::new(512, &[other]).balanced(&requests));
    assert!(!Chip::new(512, &[request(5, 2)]).balanced(&requests));
}

#[test]
fn groups_come_in_their_order() {
    let requests = [request(5, 1), request(9, 2)];
    let honest = Chip::new(512, &requests);
    let [a, b] = layout().phase;
    // Flags that rotate as they should but are no flags.
    let mut chip = honest.clone();
    for i in 0..chip.length() {
        let third = ONE - chip.columns[a][i] - chip.columns[b][i];
        let (first, second) = (chip.columns[a][i], chip.columns[b][i]);
        // (2, -1, 0) and its rotations.
        chip.columns[a][i] = first + first - second;
        chip.columns[b][i] = second + second - third;
    }
    assert!(chip.broken_names().contains("signature: a group's flag is 0 or 1"));
    // Two flags at once in the first group.
    let mut chip = honest;
    for i in 0..GROUP {
        (chip.columns[a][i], chip.columns[b][i]) = (ONE, ONE);
    }
    assert!(!chip.broken().is_empty());
}
