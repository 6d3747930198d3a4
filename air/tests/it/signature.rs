//! The signature chip by itself: its constraints and its bus on filled traces, then on broken ones.

use starling_air::bus::{BusColumns, Challenges, tag};
use starling_air::check::Ext;
use starling_air::chips::signature::fill::{Request, fill};
use starling_air::chips::signature::{self, Columns, GROUP, ROWS, WIDTH, capacity};
use starling_air::degree::Degree;
use starling_air::definition::{MainFrame, Row};
use starling_vm::ecgfp5::{Gf5, Point};
use starling_vm::field::Felt;
use starling_vm::poseidon2::permute;
use starling_vm::schnorr::SecretKey;
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
        let mut columns = vec![vec![ZERO; length]; WIDTH];
        fill(&mut columns, &layout(), requests).unwrap();
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
        out.into_iter().filter(|(_, v)| *v != ZERO).map(|(name, _)| name).collect()
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

    /// What the cpu and the hash chip put on the bus for `requests`.
    fn others(&self, requests: &[Request]) -> Ext {
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
            for call in request.hash_calls() {
                let id = [Felt::new(call.id)];
                let mut out = call.input;
                permute(&mut out);
                sum -= fraction(tag::HASH_IN, &[&id[..], &call.input].concat());
                sum -= fraction(tag::HASH_OUT, &[&id[..], &[ZERO], &out[..4]].concat());
            }
        }
        sum
    }

    fn holds(&self, requests: &[Request]) -> bool {
        self.broken().is_empty() && self.bus() + self.others(requests) == Ext::ZERO
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
        assert_eq!(chip.bus() + chip.others(&requests), Ext::ZERO, "{count} requests in {length} rows");
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
    let mut bus = BusColumns::new(&vec![Degree(0); 2], 1);
    signature::messages(&layout(), &frame, &mut bus);
    let (n, d) = bus.columns()[0].parts();
    println!("{} constraints, highest degree {highest:?}, numerator {n:?}, denominator {d:?}", out.len());
    assert!(highest <= Some(8));
    assert!(n.0.max(d.0 + 1) <= 6);
}
