//! The signature chip by itself: its constraints and its bus on filled traces, then on broken ones.

use std::collections::BTreeSet;

use starling_air::bus::{BusColumns, Challenges, tag};
use starling_air::check::Ext;
use starling_air::chips::signature::fill::{Request, Witness, fill, fill_with};
use starling_air::chips::signature::{self, Columns, FINISH, GROUP, ROWS, WIDTH, capacity};
use starling_air::definition::{MainFrame, Row};
use starling_air::degree::Degree;
use starling_vm::ecgfp5::{Gf5, formulas};
use starling_vm::field::{Felt, MODULUS};
use starling_vm::poseidon2::permute;
use starling_vm::schnorr::ladder::{Digits, Walk, run_batch};
use starling_vm::schnorr::{Challenge, SecretKey};
use winter_math::FieldElement;

use crate::honest::challenges;

const ZERO: Felt = Felt::new(0);
const ONE: Felt = Felt::new(1);

fn layout() -> Columns {
    Columns::new(0, 0, 0)
}

fn request(clk: u64, seed: u8) -> Request {
    let key = SecretKey::derive(&[seed]);
    let message = [clk, 7, 8, 9].map(Felt::new);
    Request {
        clk,
        key: *key.public_key(),
        message,
        signature: key.sign(&message),
    }
}

/// The chip's columns alone, as a trace.
#[derive(Clone)]
struct Chip {
    columns: Vec<Vec<Felt>>,
    periodic: Vec<Vec<u64>>,
    challenges: Vec<Ext>,
}

impl Chip {
    fn new(length: usize, requests: &[Request]) -> Self {
        Self::filled(length, |columns| fill(columns, &layout(), requests).unwrap())
    }

    /// From witnesses that need not be honest.
    fn with(length: usize, witnesses: &[Witness]) -> Self {
        Self::filled(length, |columns| fill_with(columns, &layout(), witnesses).unwrap())
    }

    fn filled(length: usize, fill: impl FnOnce(&mut [Vec<Felt>])) -> Self {
        let mut columns = vec![vec![ZERO; length]; WIDTH];
        fill(&mut columns);
        Self {
            columns,
            periodic: signature::periodic_columns(),
            challenges: challenges(7),
        }
    }

    fn length(&self) -> usize {
        self.columns[0].len()
    }

    fn row(&self, i: usize) -> Vec<Felt> {
        self.columns.iter().map(|column| column[i]).collect()
    }

    fn with_frame<T>(&self, i: usize, f: impl FnOnce(&MainFrame<'_, Felt>) -> T) -> T {
        let periodic: Vec<Felt> = self.periodic.iter().map(|p| Felt::new(p[i % p.len()])).collect();
        f(&MainFrame {
            current: &self.row(i),
            next: &self.row(i + 1),
            periodic: &periodic,
        })
    }

    /// Names of the constraints that do not hold at row `i`.
    fn broken_at(&self, i: usize) -> Vec<&'static str> {
        let mut out: Vec<(&'static str, Felt)> = Vec::new();
        self.with_frame(i, |frame| signature::constraints(&layout(), frame, &mut out));
        out.into_iter()
            .filter(|(_, v)| *v != ZERO)
            .map(|(name, _)| name)
            .collect()
    }

    fn broken(&self) -> Vec<(usize, &'static str)> {
        let mut out: Vec<_> = (0..self.length() - 1)
            .flat_map(|i| self.broken_at(i).into_iter().map(move |name| (i, name)))
            .collect();
        let mut assertions = Vec::new();
        signature::assertions(&layout(), &mut assertions);
        for (column, row, value) in assertions {
            assert_eq!(row, Row::First);
            if self.columns[column][0] != Felt::new(value) {
                out.push((0, "assertion"));
            }
        }
        out
    }

    /// The fractions of row `i`.
    fn fraction(&self, i: usize) -> Ext {
        let mut bus = BusColumns::new(&self.challenges, 1);
        self.with_frame(i, |frame| signature::messages(&layout(), frame, &mut bus));
        let (n, d) = bus.columns()[0].parts();
        n * d.inv()
    }

    fn bus(&self) -> Ext {
        (0..self.length() - 1).fold(Ext::ZERO, |sum, i| sum + self.fraction(i))
    }

    /// What the cpu puts on the bus for `requests`, and the hash chip for `witnesses`, whose outputs it believes.
    fn others(&self, requests: &[Request], witnesses: &[Witness]) -> Ext {
        let challenges = Challenges::new(&self.challenges);
        let fraction = |tag: u64, fields: &[Felt]| {
            let value: Ext = challenges.value(tag, fields);
            (self.challenges[0] - value).inv()
        };
        let mut sum = Ext::ZERO;
        for request in requests {
            let w = request.key.to_elements();
            let clk = [Felt::new(request.clk)];
            sum += fraction(tag::SIGNATURE, &[&clk[..], &w, &request.message].concat());
        }
        for witness in witnesses {
            for k in 0..3 {
                let id = [Felt::new(4 * witness.clk + k as u64 + 1)];
                let (input, output) = (witness.challenge.inputs[k], witness.challenge.outputs[k]);
                sum -= fraction(tag::HASH_IN, &[&id[..], &input].concat());
                sum -= fraction(tag::HASH_OUT, &[&id[..], &[ZERO], &output[..4]].concat());
            }
        }
        sum
    }

    fn balanced(&self, requests: &[Request]) -> bool {
        let mut witnesses: Vec<Witness> = requests.iter().map(Request::witness).collect();
        for (witness, request) in witnesses.iter_mut().zip(requests) {
            for (k, call) in request.hash_calls().into_iter().enumerate() {
                assert_eq!(call.id, 4 * witness.clk + k as u64 + 1);
                assert_eq!(call.input, witness.challenge.inputs[k]);
                let mut output = call.input;
                permute(&mut output);
                witness.challenge.outputs[k] = output;
            }
        }
        self.balanced_with(requests, &witnesses)
    }

    /// As [Chip::balanced], with a hash chip that confirms what the witnesses say.
    fn balanced_with(&self, requests: &[Request], witnesses: &[Witness]) -> bool {
        self.bus() + self.others(requests, witnesses) == Ext::ZERO
    }

    /// The names of all constraints that do not hold somewhere.
    fn broken_names(&self) -> BTreeSet<&'static str> {
        self.broken().into_iter().map(|(_, name)| name).collect()
    }

    fn gf5(&self, column: usize, i: usize) -> Gf5 {
        Gf5(core::array::from_fn(|k| self.columns[column + k][i]))
    }

    fn set(&mut self, column: usize, i: usize, value: Gf5) {
        for (k, c) in value.0.into_iter().enumerate() {
            self.columns[column + k][i] = c;
        }
    }

    /// First row of block `number`, which must not be cut.
    fn start(&self, number: usize) -> usize {
        number * ROWS - (ROWS - self.length() % ROWS)
    }
}

// HONEST
// ================================================================================================================

#[test]
fn honest_traces_hold() {
    for (length, count) in [(512, 0), (512, 1), (512, 2), (1024, 3), (1024, 5), (2048, 10)] {
        let requests: Vec<Request> = (0..count).map(|i| request(3 * i as u64 + 2, i as u8)).collect();
        let chip = Chip::new(length, &requests);
        assert_eq!(chip.broken(), [], "{count} requests in {length} rows");
        assert!(chip.balanced(&requests), "{count} requests in {length} rows");
    }
    assert_eq!([512, 1024, 1 << 16].map(capacity), [2, 5, 341]);
}

#[test]
fn degrees() {
    let row = vec![Degree::COLUMN; WIDTH];
    let periodic = vec![Degree::COLUMN; signature::PERIODIC_COLUMNS];
    let frame = MainFrame {
        current: &row,
        next: &row,
        periodic: &periodic,
    };
    let mut out: Vec<(&'static str, Degree)> = Vec::new();
    signature::constraints(&layout(), &frame, &mut out);
    let highest = out.iter().map(|(_, d)| d.0).max();
    let mut bus = BusColumns::new(&[Degree(0); 2], 1);
    signature::messages(&layout(), &frame, &mut bus);
    let (n, d) = bus.columns()[0].parts();
    println!(
        "{} constraints, highest degree {highest:?}, numerator {n:?}, denominator {d:?}",
        out.len()
    );
    assert!(highest <= Some(8));
    assert!(n.0.max(d.0 + 1) <= 7);
}

#[test]
fn invalid_signatures_cannot_be_filled() {
    let mut wrong = request(5, 1);
    wrong.message[0] += ONE;
    let mut columns = vec![vec![ZERO; 512]; WIDTH];
    let error = fill(&mut columns, &layout(), &[request(4, 0), wrong]).unwrap_err();
    assert_eq!(error.to_string(), "the signature checked in cycle 5 is not valid");
}

// SINGLE CELLS
// ================================================================================================================

/// The cells of a block that may have any value: in row `t` of it, column `c`.
fn is_free(t: usize, c: usize) -> bool {
    let l = layout();
    let within = |first: usize, from: usize, to: usize| (first + from..first + to).contains(&c);
    let finish = 2 * GROUP + FINISH;
    match t.checked_sub(finish) {
        None => false,
        // Inputs: h1 is not there yet, or stands in i0..i3; the key's columns hold w, clk, the flag, in the first row an inverse.
        Some(0) => within(l.i, 0, 5) || within(l.j, 3, 5) || within(l.ty, 3, 5),
        Some(2 | 4) => within(l.y, 0, 5) || within(l.i, 4, 5) || within(l.j, 3, 5) || within(l.ty, 2, 5),
        // Outputs have four lanes.
        Some(1 | 3 | 5) => {
            within(l.x, 4, 5) || within(l.y, 0, 5) || within(l.i, 4, 5) || within(l.j, 0, 5) || within(l.ty, 2, 5)
        }
        // The key: clk and the flag end here.
        Some(6) => within(l.i, 0, 5) || within(l.ty, 2, 5),
        // The points: j0 is their use.
        Some(7..=10) => within(l.j, 1, 5),
        // The row after the points still repeats the key.
        Some(11) => within(l.i, 0, 20),
        Some(_) => within(l.x, 0, 30),
    }
}

fn is_point(t: usize) -> bool {
    (2 * GROUP + 39..2 * GROUP + 43).contains(&t)
}

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

// CHEATING PROVERS
// ================================================================================================================

/// A witness whose challenge is `words`, chosen before the commitment: the simulator's signature, which anybody can make
/// for any key.
fn simulated(clk: u64, victim: &Request, s: [u32; 10], words: [u64; 3]) -> Witness {
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
fn lie(witness: &mut Witness, words: [Option<u64>; 3]) {
    let challenge = &mut witness.challenge;
    for (k, word) in words.into_iter().enumerate() {
        if let Some(word) = word {
            challenge.outputs[2][k] = Felt::new(word) - challenge.inputs[2][k];
        }
    }
}

const S: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
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

/// The names that are broken at row `i` of `chip`, and nothing of its other rows.
fn names_at(chip: &Chip, i: usize) -> BTreeSet<&'static str> {
    chip.broken_at(i).into_iter().collect()
}

#[test]
fn inverses_are_inverses() {
    let requests = [request(5, 1)];
    let honest = Chip::new(512, &requests);
    let l = layout();
    let any = Gf5::new([5, 4, 3, 2, 1]);
    for t in [0, 1, 63, 64, 150, 158] {
        let i = honest.start(1) + t;
        // A sum that is none: any inverse, and the rest computed from it as the formulas say.
        for which in 0..2 {
            let mut chip = honest.clone();
            let (x, y) = (chip.gf5(l.x, i), chip.gf5(l.y, i));
            if which == 0 {
                chip.set(l.i, i, any);
            }
            let slope = formulas::chord_slope(&y, &chip.gf5(l.ty, i), &chip.gf5(l.i, i));
            let sum = formulas::sum_x(&slope, &x, &chip.gf5(l.tx, i));
            chip.set(l.j, i, if which == 0 { (x - sum).inverse_or_zero() } else { any });
            let second = formulas::second_slope(&slope, &y, &chip.gf5(l.j, i));
            let next_x = formulas::sum_x(&second, &x, &sum);
            chip.set(l.x, i + 1, next_x);
            chip.set(l.y, i + 1, formulas::sum_y(&second, &x, &y, &next_x));
            let name = [
                "signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')",
                "signature: j is the inverse of x(A) - x(A + T)",
            ][which];
            assert_eq!(names_at(&chip, i), BTreeSet::from([name]), "row {t}");
        }
    }
}

#[test]
fn exceptional_cases_have_no_witness() {
    // With x(T) = x(A) the first coefficient of i (x(T) - x(A)) - 1 is -1 whatever i is; the same for j.
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    let i = honest.start(1) + 77;
    let mut chip = honest.clone();
    chip.set(l.tx, i, chip.gf5(l.x, i));
    for inverse in [Gf5::ZERO, Gf5::ONE, Gf5::new([5, 4, 3, 2, 1])] {
        chip.set(l.i, i, inverse);
        assert!(names_at(&chip, i).contains("signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')"));
    }
    // T = -2A: A + T = -A.
    let (a, twice) = (honest.gf5(l.x, i), {
        let (x, y) = (honest.gf5(l.x, i), honest.gf5(l.y, i));
        let point = starling_vm::ecgfp5::Affine { x, y };
        (-starling_vm::ecgfp5::Point::from(point).doubled())
            .to_affine()
            .unwrap()
    });
    let mut chip = honest.clone();
    chip.set(l.tx, i, twice.x);
    chip.set(l.ty, i, twice.y);
    chip.set(l.i, i, (twice.x - a).inverse_or_zero());
    for inverse in [Gf5::ZERO, Gf5::ONE, Gf5::new([5, 4, 3, 2, 1])] {
        chip.set(l.j, i, inverse);
        assert!(names_at(&chip, i).contains("signature: j is the inverse of x(A) - x(A + T)"));
    }
}

#[test]
fn keys_are_points_of_the_group() {
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    let i = honest.start(1) + 2 * GROUP + 38;
    let w = honest.gf5(l.tx, i);
    let b = Gf5::new(formulas::B);
    let set = |x: Gf5, y: Gf5, root: Gf5| {
        let mut chip = honest.clone();
        for row in [i, i + 1] {
            chip.set(l.x, row, x);
            chip.set(l.y, row, y);
        }
        chip.set(l.j, i, root);
        names_at(&chip, i)
    };
    let (x, y) = (honest.gf5(l.x, i), honest.gf5(l.y, i));
    let root = honest.gf5(l.j, i);
    assert_eq!(set(x, y, root), BTreeSet::new());
    assert_eq!(set(x, y, -root), BTreeSet::new());
    // The other point with this w, which is not of order n.
    let other = b * x.inverse_or_zero();
    assert!(!other.is_square());
    let name = "signature: the key's x is a square";
    assert_eq!(set(other, -(w * other), root), BTreeSet::from([name]));
    // A square x and a y that satisfy x^2 + 2x + 263z = -w y alone.
    let x = Gf5::new([3, 1, 4, 1, 5]).square();
    let y = -((x.square() + x + x + b) * w.inverse_or_zero());
    let root = x.sqrt_vartime().unwrap();
    assert_eq!(set(x, y, root), BTreeSet::from(["signature: the key's y is -w x"]));
    // A square x and y = -w x, not on the curve.
    let name = "signature: the key is on the curve";
    assert_eq!(set(x, -(w * x), root), BTreeSet::from([name]));
}

#[test]
fn points_are_sums() {
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    for k in 0..4 {
        let i = honest.start(1) + 2 * GROUP + 39 + k;
        assert_eq!(names_at(&honest, i), BTreeSet::new());
        // Another point in its place, its negative, and its double.
        let mut chip = honest.clone();
        chip.set(
            l.tx,
            i,
            honest.gf5(l.tx, honest.start(1) + 2 * GROUP + 39 + (k + 1) % 4),
        );
        assert!(names_at(&chip, i).contains("signature: a point's x is that of G + u G' + v Q"));
        let mut chip = honest.clone();
        chip.set(l.ty, i, -honest.gf5(l.ty, i));
        let name = "signature: a point's y, with the sign, is that of G + u G' + v Q";
        assert_eq!(names_at(&chip, i), BTreeSet::from([name]));
        // A row may only name the point that it holds.
        for column in [l.u, l.v] {
            let mut chip = honest.clone();
            chip.columns[column][i] = -chip.columns[column][i];
            assert!(!names_at(&chip, i).is_empty());
        }
    }
}
