//! The signature chip by itself: its constraints and its bus on filled traces, then on broken ones.

use std::collections::BTreeSet;

use starling_air::bus::{BusColumns, Challenges, tag};
use starling_air::check::Ext;
use starling_air::chips::signature::fill::{Request, Witness, fill, fill_with};
use starling_air::chips::signature::{self, Columns, FINISH, GROUP, ROWS, WIDTH, capacity};
use starling_air::definition::{MainFrame, Row};
use starling_air::degree::Degree;
use starling_vm::ecgfp5::Gf5;
use starling_vm::field::Felt;
use starling_vm::poseidon2::permute;
use starling_vm::schnorr::SecretKey;
use winter_math::FieldElement;

use crate::honest::challenges;

mod blocks;
mod cells;
mod challenges;
mod points;

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

/// The names that are broken at row `i` of `chip`, and nothing of its other rows.
fn names_at(chip: &Chip, i: usize) -> BTreeSet<&'static str> {
    chip.broken_at(i).into_iter().collect()
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
