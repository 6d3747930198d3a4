//! The challenge is the hash of something else.

use starling_air::bus::tag;
use starling_vm::ecgfp5::Point;
use starling_vm::schnorr::Challenge;
use starling_vm::schnorr::constants::U_HIGH;
use starling_vm::schnorr::ladder::{Digits, Walk, run_batch};

use super::{
    COMMITMENT, FIRST_INPUT, Family, H1, S, SECOND_INPUT, THIRD_INPUT, challenge, digest, encoding, generated, hashed,
    response, secret, served, victim, with_nonce,
};
use crate::forge::{ONE, felt};
use crate::lies::Lie;

/// All of them.
pub(super) fn all() -> Vec<(Lie, Family)> {
    let owner = victim();
    let key = owner.public_key();
    let mut out = vec![];

    // The owner signs with the challenge of another key, or another domain.
    for (name, input, lane, family) in [
        ("the hash is of another key", 0, 5, FIRST_INPUT),
        ("the hash is of another key's end", 1, 1, SECOND_INPUT),
        ("the hash is of another domain", 1, 2, SECOND_INPUT),
    ] {
        let mut block = with_nonce(|k| {
            let mut inputs = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x()).inputs;
            inputs[input][lane] += ONE;
            let left = digest(inputs[0]);
            let right = digest(inputs[1]);
            // The chip adds what should stand in the second input.
            let mut right = right;
            if input == 1 {
                right[lane] -= ONE;
            }
            inputs[2] = core::array::from_fn(|k| if k < 4 { left[k] } else { right[k - 4] });
            let c = hashed(inputs);
            Some(served(key, response(k, c.scalar(), secret(&owner))?, &c))
        });
        block.walk();
        out.push(block.breaks_one(name, family));
    }

    // The victim's own signature of another message.
    let other = [1, 7, 8, 9].map(felt);
    let signature = owner.sign(&other);
    let theirs = Challenge::new(signature.r(), &encoding(&owner), &other);
    let ours = challenge(signature.r());
    let mixed = hashed([ours.inputs[0], ours.inputs[1], theirs.inputs[2]]);
    let mut block = served(key, *signature.s(), &mixed);
    block.walk();
    out.push(block.breaks_one("a signature of another message, whose hash comes in late", THIRD_INPUT));
    let mut block = served(key, *signature.s(), &theirs);
    block.walk();
    out.push(block.breaks("a signature of another message", Family::Tags(vec![tag::SIGNATURE])));
    let mut block = served(key, *signature.s(), &theirs);
    let (l, second) = (block.chip.l, block.block.finish + 2);
    block.chip.put(l.x + 4, [second], ours.inputs[1][4]);
    for lane in 5..8 {
        block.chip.put(l.j + lane - 5, [second], ours.inputs[1][lane]);
    }
    block.walk();
    out.push(block.breaks(
        "a signature of another message, which the hash chip has hashed",
        Family::Tags(vec![tag::HASH_IN]),
    ));

    // The challenge does not depend on the commitment, so it is known before.
    let h1 = [5; 4].map(felt);
    let mut inputs = challenge(&COMMITMENT).inputs;
    inputs[2][..4].copy_from_slice(&h1);
    let fixed = hashed(inputs);
    let walk = Walk {
        table: key.table(),
        digits: Digits {
            s: &S,
            challenge: &fixed,
        },
    };
    let end = run_batch(&[walk], |_, _, _| ())[0].expect("no exceptional case");
    let inputs = [challenge(&end.x).inputs[0], inputs[1], inputs[2]];
    let mut block = served(key, S, &hashed(inputs));
    block.walk();
    out.push(block.breaks_one("the first digest is what the forger likes", H1));
    // The owner signs with the challenge that follows when something else than the first digest is hashed.
    let mut block = with_nonce(|k| {
        let mut inputs = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x()).inputs;
        let first = digest(inputs[0]);
        inputs[2][..4].copy_from_slice(&h1);
        // The chip feeds the first digest forward, whatever was hashed.
        let c = hashed(inputs);
        let words = core::array::from_fn(|k| (c.outputs[2][k] + first[k]).as_int());
        let c = Challenge { words, ..c };
        let mut block = served(key, response(k, c.scalar(), secret(&owner))?, &c);
        let (l, finish) = (block.chip.l, block.block.finish);
        for (k, lane) in first.into_iter().enumerate() {
            block.chip.put(l.i + k, finish + 1..finish + 6, lane);
        }
        Some(block)
    });
    block.walk();
    out.push(block.breaks_one("the first digest is not what is hashed", SECOND_INPUT));
    out
}
