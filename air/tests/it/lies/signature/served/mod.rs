//! A served block whose signature is none. It is for the key and the message that the cpu asks about, and everything in the
//! trace is in order but one family of constraints, or one bus: so each of these would pass if that family were missing.
//!
//! Most of them need no secret key: the forger picks the commitment r or the challenge first, and a single wrong cell
//! makes the two meet. The others need the key; then somebody who may sign makes a signature that is none.
//!
//! The families that are not here cannot be alone in a block that ends where it should: a key that is no point of the
//! curve, a flag of a high half of ones (it takes 2^32 hashes to need it), groups in another order. `walks` and `blocks`
//! tell those lies in idle blocks.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use starling_air::check::Switch;
use starling_air::chips::hash;
use starling_air::chips::signature::fill::{Witness, fill_with};
use starling_air::chips::signature::{FINISH, GROUP, hash_id};
use starling_vm::ecgfp5::{Affine, Gf5, Point, Scalar, formulas};
use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::permute;
use starling_vm::schnorr::constants::G;
use starling_vm::schnorr::ladder::{Digits, Walk, run_batch};
use starling_vm::schnorr::{Challenge, PublicKey, SecretKey, Signature, verify};

use super::{Block, Chip};
use crate::forge::{ONE, ZERO, felt};
use crate::lies::Lie;

mod hashes;
mod tables;
mod walks;
mod words;

/// What a forged block violates, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Family {
    /// Constraints with these names.
    Names(Vec<&'static str>),
    /// Buses with these tags.
    Tags(Vec<u64>),
}

const NEXT_X: &str = "signature: the next x is that of 2A + T, of U where a block starts, of Q where the points are";
const NEXT_Y: &str = "signature: the next y is that of 2A + T, of U where a block starts, of Q where the points are";
const FIRST_INVERSE: &str = "signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')";
const SECOND_INVERSE: &str = "signature: j is the inverse of x(A) - x(A + T)";
const POINT_X: &str = "signature: a point's x is that of G + u G' + v Q";
const POINT_Y: &str = "signature: a point's y, with the sign, is that of G + u G' + v Q";
const SQUARE: &str = "signature: the key's x is a square";
const BELOW: &str = "signature: s is below 2^318: the first two digits over G' are -1";
const DIGITS: &str = "signature: the digits of the next row are 1 or -1";
const BITS: &str = "signature: a challenge word gains a bit a row";
const KEPT: &str = "signature: the last word is kept, and E0 once it is known";
const E21: &str = "signature: the words of the first two groups are E2 and E1";
const E0: &str = "signature: the word of the third group is E0";
const FIRST_INPUT: &str = "signature: the first input ends with w0, w1, w2";
const SECOND_INPUT: &str = "signature: the second input starts with w3, w4, the domain and 0, the third with h1";
const THIRD_INPUT: &str = "signature: the third input ends with h2, the second output with the feed-forward";
const H1: &str = "signature: h1 is the first output with the feed-forward, and is kept";
const KEY: &str = "signature: w, clk and the activity flag are kept until the key's row";
const COUNTED: &str = "signature: blocks are counted";

/// A commitment that the forger likes; it is the x-coordinate of no point that anybody knows anything about.
const COMMITMENT: Gf5 = Gf5::new([1, 2, 3, 4, 5]);

/// A scalar that the forger likes.
const S: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// A challenge that the forger likes.
const WORDS: [u64; 3] = [1 << 40, 2 << 40, 3 << 40];

// THE STATEMENT
// ================================================================================================================

/// The key that the cpu asks about, of a program with one `sig`.
fn victim() -> SecretKey {
    SecretKey::derive(&[0])
}

/// The message that it asks about.
fn message() -> Word {
    [0, 7, 8, 9].map(felt)
}

fn encoding(key: &SecretKey) -> Gf5 {
    Gf5(key.public_key().to_elements())
}

fn secret(key: &SecretKey) -> Scalar {
    Scalar::from_bytes(&key.to_bytes()).expect("a secret key")
}

/// The true challenge of a commitment.
fn challenge(r: &Gf5) -> Challenge {
    Challenge::new(r, &encoding(&victim()), &message())
}

/// The challenge that follows from these inputs of the three permutations.
fn hashed(inputs: [[Felt; 8]; 3]) -> Challenge {
    let outputs = inputs.map(|mut state| {
        permute(&mut state);
        state
    });
    Challenge {
        words: core::array::from_fn(|k| (outputs[2][k] + inputs[2][k]).as_int()),
        inputs,
        outputs,
    }
}

/// The feed-forward of a permutation's input.
fn digest(input: [Felt; 8]) -> Word {
    let mut state = input;
    permute(&mut state);
    core::array::from_fn(|k| state[k] + input[k])
}

// WHAT A KEY'S OWNER CAN DO
// ================================================================================================================

/// 2^320 - 1.
fn offset() -> Scalar {
    let top = Scalar::from_words([0, 0, 0, 0, 1 << 62]).expect("2^318 is below the order");
    top + top + top + top - Scalar::ONE
}

/// The s for which (2s + 1 - 2^320) G + c d G = k G, if it is below 2^318.
fn response(k: Scalar, c: Scalar, d: Scalar) -> Option<[u32; 10]> {
    let s = (k + offset() - c * d).halved();
    let limbs: [u32; 10] = core::array::from_fn(|i| (s.words()[i / 2] >> (32 * (i % 2))) as u32);
    (limbs[9] >> 30 == 0).then_some(limbs)
}

/// The first nonce for which `attempt` gives something.
fn with_nonce<T>(attempt: impl FnMut(Scalar) -> Option<T>) -> T {
    (1..1_000)
        .map(|k| Scalar::from_words([k, 1, k, 1, k]).expect("below the order"))
        .find_map(attempt)
        .expect("every second nonce")
}

fn generated(k: &Scalar) -> Point {
    Point::from(G).times_vartime(k)
}

// BLOCKS
// ================================================================================================================

/// A trace whose block 1 serves the cpu's request.
struct Served {
    chip: Chip,
    block: Block,
    r: Gf5,
}

/// The block for `key`, s and challenge, as the honest filler makes it from them, but for the commitment, which is the
/// challenge's; and the hash chip with the challenge's permutations. The walk may end elsewhere.
fn served(key: &PublicKey, s: [u32; 10], challenge: &Challenge) -> Served {
    let mut chip = Chip::new(1);
    let (l, block) = (chip.l, chip.block(1));
    let clk = chip.at(l.ty, block.finish).as_int();
    let digits = Digits { s: &s, challenge };
    let walk = Walk {
        table: key.table(),
        digits,
    };
    let end = run_batch(&[walk], |_, _, _| ())[0].expect("no exceptional case");
    let mut witness = Witness {
        clk,
        key: *key,
        s,
        challenge: challenge.clone(),
    };
    witness.challenge.inputs[0][..5].copy_from_slice(&end.x.0);
    fill_with(&mut chip.f.columns, &l, &[witness]).expect("the walk's own end");
    let r = Gf5(core::array::from_fn(|k| challenge.inputs[0][k]));
    chip.set(l.x, block.finish, r);
    let mut out = Served { chip, block, r };
    (0..3).for_each(|k| out.permute(k, challenge.inputs[k]));
    out
}

impl Served {
    /// Has the hash chip compute permutation `k` of the block on `input`.
    fn permute(&mut self, k: usize, input: [Felt; 8]) {
        let clk = self.chip.at(self.chip.l.ty, self.block.finish).as_int();
        let id = felt(hash_id(clk, k as u64 + 1));
        let groups = self.chip.f.length() / hash::GROUP;
        let serves = |group: &usize| {
            let row = group * hash::GROUP;
            self.chip.at(hash::ID, row) == id && self.chip.at(hash::ACTIVE, row) == ONE
        };
        let group = (0..groups).find(serves).expect("the honest block's");
        self.chip.f.set_call(group, input, id, ONE, false);
    }

    /// The row of the last digit.
    fn last(&self) -> usize {
        self.block.finish - 1
    }

    /// Goes from the accumulator of row `i` to that of the next.
    fn step(&mut self, i: usize) {
        let l = self.chip.l;
        let [x, y, tx, ty] = [l.x, l.y, l.tx, l.ty].map(|column| self.chip.gf5(column, i));
        let first = (tx - x).inverse_or_zero();
        let slope = formulas::chord_slope(&y, &ty, &first);
        let sum = formulas::sum_x(&slope, &x, &tx);
        let second = (x - sum).inverse_or_zero();
        let slope = formulas::second_slope(&slope, &y, &second);
        let next = formulas::sum_x(&slope, &x, &sum);
        self.chip.set(l.i, i, first);
        self.chip.set(l.j, i, second);
        self.chip.set(l.x, i + 1, next);
        self.chip.set(l.y, i + 1, formulas::sum_y(&slope, &x, &y, &next));
    }

    /// Walks from the first accumulator over the digits' points, and must end at the commitment.
    fn walk(&mut self) {
        (self.block.start..self.block.finish).for_each(|i| self.step(i));
        assert!(self.chip.gf5(self.chip.l.x, self.block.finish) == self.r);
    }

    /// The last step with this slope of its first chord, whatever the inverse is that gives it.
    fn last_step(&mut self, slope: Gf5) {
        let (l, i) = (self.chip.l, self.last());
        let [x, y, tx] = [l.x, l.y, l.tx].map(|column| self.chip.gf5(column, i));
        let sum = formulas::sum_x(&slope, &x, &tx);
        let second = (x - sum).inverse_or_zero();
        self.chip.set(l.j, i, second);
        let slope = formulas::second_slope(&slope, &y, &second);
        assert!(formulas::sum_x(&slope, &x, &sum) == self.r);
        let y = formulas::sum_y(&slope, &x, &y, &self.r);
        self.chip.set(l.y, i + 1, y);
    }

    /// Shows the victim's key where the block was filled with another one: the encoding in these rows of the finish.
    fn show_encoding(&mut self, rows: core::ops::Range<usize>) {
        let w = encoding(&victim());
        for t in rows {
            self.chip.set(self.chip.l.tx, self.block.finish + t, w);
        }
    }

    /// Shows the victim's point and its inverses, from the key's row on.
    fn show_point(&mut self) {
        let (l, key) = (self.chip.l, victim());
        let (q, root) = Affine::decode_with_root(encoding(&key)).expect("a key");
        for t in 6..12 {
            self.chip.set(l.x, self.block.finish + t, q.x);
            self.chip.set(l.y, self.block.finish + t, q.y);
        }
        self.chip.set(l.j, self.block.finish + 6, root);
        for t in 0..4 {
            let inverse = key.public_key().table().inverses[t & 1];
            self.chip.set(l.i, self.block.finish + 7 + t, inverse);
        }
    }

    /// Sets column `column` in rows `rows` of group `group` of the block, 3 being the next block's first.
    fn keep(&mut self, column: usize, group: usize, rows: core::ops::Range<usize>, value: u64) {
        let first = self.block.start + group * GROUP;
        self.chip.put(column, first + rows.start..first + rows.end, felt(value));
    }

    fn breaks(self, name: &str, family: Family) -> (Lie, Family) {
        (self.chip.lie(format!("a served block: {name}")), family)
    }

    fn breaks_one(self, name: &str, constraint: &'static str) -> (Lie, Family) {
        self.breaks(name, Family::Names(vec![constraint]))
    }
}

/// Zero when the last step ends at `r`: the accumulator's x and y, the point's x, the slope of the first chord.
fn misses(r: Gf5, x: Gf5, y: Gf5, tx: Gf5, slope: Gf5) -> Gf5 {
    let sum = formulas::sum_x(&slope, &x, &tx);
    let gap = x - sum;
    (y + y - slope * gap).square() - (r - formulas::sum_x(&Gf5::ZERO, &x, &sum)) * gap.square()
}

/// S with other low bits.
fn salted(salt: u32) -> [u32; 10] {
    let mut s = S;
    s[0] += salt;
    s
}

// ALL
// ================================================================================================================

static ALL: LazyLock<Vec<(Lie, Family)>> = LazyLock::new(|| {
    let mut out = walks::all();
    out.extend(tables::all());
    out.extend(words::all());
    out.extend(hashes::all());
    out
});

/// All of them.
pub(super) fn all() -> Vec<Lie> {
    ALL.iter()
        .map(|(lie, _)| Lie {
            name: lie.name.clone(),
            forgery: lie.forgery.clone(),
        })
        .collect()
}

/// The signature that block 1 of a forgery claims, if s is in its range.
fn claimed(lie: &Lie) -> Option<Signature> {
    let chip = Chip {
        l: lie.forgery.machine.signature().expect("signatures"),
        f: lie.forgery.clone(),
    };
    let (l, block) = (chip.l, chip.block(1));
    let mut elements = [ZERO; Signature::ELEMENTS];
    elements[..5].copy_from_slice(&chip.gf5(l.x, block.finish).0);
    for j in 0..160 {
        let sign = chip.at(l.sign, block.start + j);
        for (half, digit) in [(0, sign), (5, sign * chip.at(l.u, block.start + j))] {
            if digit == ONE {
                elements[5 + half + 4 - j / 32] += felt(1 << (31 - j % 32));
            }
        }
    }
    Signature::from_elements(&elements).ok()
}

/// Each lie violates its family and nothing else, and what it says is false.
#[test]
fn each_forged_block_breaks_one_family() {
    let (key, message) = (victim(), message());
    for (lie, family) in ALL.iter() {
        let name = &lie.name;
        let report = lie.forgery.report();
        let constraints = lie.forgery.machine.main_constraints();
        let names: BTreeSet<&str> = report.constraints.iter().map(|i| constraints[*i].0).collect();
        let unbalanced: Vec<u64> = report
            .tags
            .iter()
            .filter(|(_, part)| **part != starling_air::check::Ext::from(ZERO))
            .map(|(tag, _)| *tag)
            .collect();
        assert!(report.assertions.is_empty(), "{name}");
        match family {
            Family::Names(expected) => {
                assert_eq!(names, expected.iter().copied().collect(), "{name}");
                assert_eq!(unbalanced, [0; 0], "{name}");
                if let [only] = Vec::from_iter(&report.constraints)[..] {
                    assert!(report.accepted_without(Switch::Constraint(*only)), "{name}");
                }
            }
            Family::Tags(expected) => {
                assert_eq!(names, BTreeSet::new(), "{name}");
                assert_eq!(&unbalanced, expected, "{name}");
            }
        }
        let signature = claimed(lie);
        let valid = signature.is_some_and(|signature| verify(key.public_key(), &message, &signature).is_ok());
        assert!(!valid, "{name}: it is a signature");
    }
    assert_eq!(FINISH, 32);
    println!("{} forged blocks", ALL.len());
}
