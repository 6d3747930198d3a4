//! The scalar, the challenge's digits, and its words.

use starling_air::bus::tag;
use starling_vm::ecgfp5::Point;
use starling_vm::schnorr::Challenge;
use starling_vm::schnorr::constants::U_HIGH;
use starling_vm::schnorr::ladder::{Digits, Walk, run_batch};

use super::{
    BELOW, BITS, DIGITS, E0, E21, Family, KEPT, S, WORDS, challenge, generated, message, response, secret, served,
    victim, with_nonce,
};
use crate::forge::{ONE, ZERO, felt};
use crate::lies::Lie;

/// All of them.
pub(super) fn all() -> Vec<(Lie, Family)> {
    let owner = victim();
    let key = owner.public_key();
    let mut out = vec![];

    // s + n.
    let honest = owner.sign(&message());
    let mut s = *honest.s();
    let mut carry = 0;
    for (k, limb) in s.iter_mut().enumerate() {
        let order = starling_vm::ecgfp5::scalar::ORDER[k / 2] >> (32 * (k % 2)) & 0xffff_ffff;
        let sum = u64::from(*limb) + order + carry;
        (*limb, carry) = (sum as u32, sum >> 32);
    }
    assert_eq!(carry, 0);
    let mut block = served(key, s, &challenge(honest.r()));
    block.walk();
    out.push(block.breaks_one("s is the s of a signature, plus the order", BELOW));

    // The owner signs with a challenge that ends with other digits; a row of the finish makes up for them.
    let (s, c, words) = with_nonce(|k| {
        let c = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x());
        let words = c.words;
        let other = Challenge {
            words: [(words[0] ^ (5 << 32)) >> 32 << 32, words[1], words[2]],
            ..c
        };
        Some((response(k, other.scalar(), secret(&owner))?, other, words))
    });
    let mut block = served(key, s, &c);
    let (l, last) = (block.chip.l, block.block.finish + 31);
    let bit = felt(words[0]) - felt(c.words[0]);
    let sign = block.chip.at(l.sign, last);
    block.chip.put(l.v, [last], (bit + bit - ONE) * sign);
    block.chip.put(l.lane, [last], felt(words[0]));
    block.keep(l.kept[0], 2, 38..64, words[0]);
    block.keep(l.kept[0], 3, 0..64, words[0]);
    block.keep(l.kept[1], 3, 0..64, words[0]);
    block.keep(l.kept[1], 4, 0..64, words[0]);
    block.walk();
    out.push(block.breaks_one("a digit that is none makes up for others", DIGITS));

    // The forger likes a challenge and walks; the true challenge is another.
    let liked = Challenge {
        inputs: [[ZERO; 8]; 3],
        outputs: [[ZERO; 8]; 3],
        words: WORDS,
    };
    let walk = Walk {
        table: key.table(),
        digits: Digits {
            s: &S,
            challenge: &liked,
        },
    };
    let end = run_batch(&[walk], |_, _, _| ())[0].expect("no exceptional case");
    let true_challenge = challenge(&end.x);
    let [e0, e1, e2] = true_challenge.words;
    let simulated = Challenge {
        words: WORDS,
        ..true_challenge.clone()
    };
    let block = || served(key, S, &simulated);

    let mut one = block();
    one.keep(l.kept[0], 2, 38..64, e0);
    one.keep(l.kept[1], 3, 0..64, e0);
    out.push(one.breaks("the challenge is not compared", Family::Names(vec![E21, E0])));

    let mut one = block();
    one.keep(l.kept[0], 1, 1..64, e2);
    one.keep(l.kept[1], 2, 0..64, e2);
    one.keep(l.kept[0], 2, 1..38, e1);
    one.keep(l.kept[0], 2, 38..63, e0);
    out.push(one.breaks_one("other words of the challenge are kept", KEPT));

    let mut one = block();
    for (group, word) in [(0, e2), (1, e1), (2, e0)] {
        one.keep(l.lane, group, 63..64, word);
    }
    one.keep(l.kept[0], 1, 0..64, e2);
    one.keep(l.kept[0], 2, 0..38, e1);
    one.keep(l.kept[1], 2, 0..64, e2);
    one.keep(l.kept[0], 2, 38..64, e0);
    one.keep(l.kept[0], 3, 0..64, e0);
    one.keep(l.kept[1], 3, 0..64, e0);
    one.keep(l.kept[1], 4, 0..64, e0);
    out.push(one.breaks_one("the digits do not add up to the challenge's words", BITS));

    let mut one = block();
    for (k, word) in WORDS.into_iter().enumerate() {
        let output = felt(word) - true_challenge.inputs[2][k];
        one.chip.put(l.x + k, [one.block.finish + 5], output);
    }
    out.push(one.breaks("the hash is what the forger likes", Family::Tags(vec![tag::HASH_OUT])));
    out
}
