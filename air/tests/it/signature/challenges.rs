//! Cheats about the challenge and the scalar.

use std::collections::BTreeSet;

use starling_air::chips::signature::fill::{Request, Witness};
use starling_air::chips::signature::{FINISH, GROUP};
use starling_vm::ecgfp5::Gf5;
use starling_vm::field::{Felt, MODULUS};
use starling_vm::schnorr::Challenge;
use starling_vm::schnorr::ladder::{Digits, Walk, run_batch};

use super::{Chip, ONE, ZERO, layout, request};

/// A witness whose challenge is `words`, chosen before the commitment: the simulator's signature, which anybody can make
/// for any key.
pub(super) fn simulated(clk: u64, victim: &Request, s: [u32; 10], words: [u64; 3]) -> Witness {
    let mut challenge = Challenge {
        inputs: [[ZERO; 8]; 3],
        outputs: [[ZERO; 8]; 3],
        words,
    };
    let walk = Walk {
        table: victim.key.table(),
        digits: Digits {
            s: &s,
            challenge: &challenge,
        },
    };
    let end = run_batch(&[walk], |_, _, _| ())[0].unwrap();
    challenge = Challenge {
        words,
        ..Challenge::new(&end.x, &Gf5(victim.key.to_elements()), &victim.message)
    };
    Witness {
        clk,
        key: victim.key,
        s,
        challenge,
    }
}

/// The output of the last permutation that would give `words`: a lie to the hash chip.
pub(super) fn lie(witness: &mut Witness, words: [Option<u64>; 3]) {
    let challenge = &mut witness.challenge;
    for (k, word) in words.into_iter().enumerate() {
        if let Some(word) = word {
            challenge.outputs[2][k] = Felt::new(word) - challenge.inputs[2][k];
        }
    }
}

pub(super) const S: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const E01: &str = "signature: the words of the first two groups are E2 and E1";
const E0: &str = "signature: the word of the third group is E0";
const KEPT: &str = "signature: the last word is kept, and E0 once it is known";
const CANONICAL: &str = "signature: a challenge word is canonical: after a high half of ones the low half is 0";

#[test]
fn a_challenge_that_is_not_the_hash_is_refused() {
    let victim = request(5, 1);
    let honest = simulated(5, &victim, S, [1 << 40, 2 << 40, 3 << 40]);
    let chip = Chip::with(512, core::slice::from_ref(&honest));
    // `fill_with` keeps the claimed E0.
    assert_eq!(chip.broken_names(), BTreeSet::from([E01, KEPT]));

    // The true E0 from row 38 on.
    let mut true_e0 = honest.clone();
    let digest = honest.challenge.outputs[2][0] + honest.challenge.inputs[2][0];
    let mut chip = Chip::with(512, core::slice::from_ref(&true_e0));
    for t in 38..GROUP {
        let i = chip.start(1) + 2 * GROUP + t;
        chip.columns[layout().kept[0]][i] = digest;
    }
    for i in chip.start(2)..chip.start(2) + GROUP {
        chip.columns[layout().kept[1]][i] = digest;
    }
    assert_eq!(chip.broken_names(), BTreeSet::from([E01, E0]));

    // With the output that fits the challenge, only the hash chip can tell.
    lie(&mut true_e0, [1 << 40, 2 << 40, 3 << 40].map(Some));
    let chip = Chip::with(512, core::slice::from_ref(&true_e0));
    assert_eq!(chip.broken(), []);
    assert!(chip.balanced_with(core::slice::from_ref(&victim), &[true_e0]));
    assert!(!chip.balanced(&[victim]));
}

#[test]
fn the_challenge_is_of_this_commitment_key_and_message() {
    // A hash of something else, which the hash chip confirms: every lane of the three inputs in turn.
    let victim = request(5, 1);
    let words = [1 << 40, 2 << 40, 3 << 40];
    let mut honest = simulated(5, &victim, S, words);
    lie(&mut honest, words.map(Some));
    let row = |chip: &Chip, k: usize| chip.start(1) + 2 * GROUP + FINISH + 2 * k;
    for k in 0..3 {
        for lane in 0..8 {
            let mut witness = honest.clone();
            witness.challenge.inputs[k][lane] += ONE;
            let mut chip = Chip::with(512, core::slice::from_ref(&honest));
            let i = row(&chip, k);
            let l = layout();
            chip.columns[if lane < 5 { l.x + lane } else { l.j + lane - 5 }][i] += ONE;
            let balanced = chip.balanced_with(core::slice::from_ref(&victim), core::slice::from_ref(&witness));
            let expected = match (k, lane) {
                // The commitment is the accumulator, and h1 its feed-forward.
                (0, 0..5) => {
                    "signature: the next x is that of 2A + T, of U where a block starts, of Q where the points are"
                }
                (0, _) => "signature: the first input ends with w0, w1, w2",
                (1, 0..4) | (2, 0..4) => {
                    "signature: the second input starts with w3, w4, the domain and 0, the third with h1"
                }
                (2, _) => "signature: the third input ends with h2, the second output with the feed-forward",
                _ => "",
            };
            if expected.is_empty() {
                // The message is the request's: the cpu's bus tells.
                assert_eq!(chip.broken(), []);
                assert!(!balanced, "input {k} lane {lane}");
            } else {
                assert!(chip.broken_names().contains(expected), "input {k} lane {lane}");
                assert!(chip.broken_names().len() == 1 || k == 0 && lane < 5);
                assert!(balanced, "input {k} lane {lane}");
            }
        }
    }
}

#[test]
fn a_challenge_word_that_is_not_canonical_is_refused() {
    let victim = request(5, 1);
    for k in 0..3 {
        for value in [0, 1, 12_345, (1 << 32) - 2] {
            let mut words = [1 << 40, 2 << 40, 3 << 40];
            // The same field element, other bits.
            words[k] = value + MODULUS;
            let mut witness = simulated(5, &victim, S, words);
            lie(&mut witness, words.map(|word| Some(word % MODULUS)));
            let chip = Chip::with(512, &[witness]);
            assert_eq!(chip.broken_names(), BTreeSet::from([CANONICAL]), "{value} in word {k}");
        }
        // The largest canonical values are none of this.
        for value in [MODULUS - 1, MODULUS - 2] {
            let mut words = [1 << 40, 2 << 40, 3 << 40];
            words[k] = value;
            let mut witness = simulated(5, &victim, S, words);
            lie(&mut witness, words.map(Some));
            assert_eq!(Chip::with(512, &[witness]).broken(), [], "{value} in word {k}");
        }
    }
}

#[test]
fn a_scalar_from_2_318_up_is_refused() {
    // s + n, for the s of a valid signature: the same end, so nothing else can tell.
    let valid = request(5, 1);
    let mut carry = 0;
    let order = starling_vm::ecgfp5::scalar::ORDER;
    let mut witness = valid.witness();
    for k in 0..10 {
        let sum = u64::from(witness.s[k]) + (order[k / 2] >> (32 * (k % 2)) & 0xffff_ffff) + carry;
        (witness.s[k], carry) = (sum as u32, sum >> 32);
    }
    assert_eq!(carry, 0);
    let bound = BTreeSet::from(["signature: s is below 2^318: the first two digits over G' are -1"]);
    let chip = Chip::with(512, core::slice::from_ref(&witness));
    assert_eq!(chip.broken_names(), bound);
    assert!(chip.balanced(core::slice::from_ref(&valid)));
    // Each of the two top bits by itself.
    for bit in [30, 31] {
        let mut s = S;
        s[9] |= 1 << bit;
        let mut witness = simulated(5, &valid, s, [1 << 40, 2 << 40, 3 << 40]);
        lie(&mut witness, [1 << 40, 2 << 40, 3 << 40].map(Some));
        assert_eq!(Chip::with(512, &[witness]).broken_names(), bound, "bit {bit}");
    }
}
