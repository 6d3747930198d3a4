//! Checks a main trace against the constraints and the buses, row by row and without a proof.
//!
//! This is what the soundness tests run: a proof adds only that the prover committed to the trace before the challenges
//! were drawn.

use starling_vm::field::{Felt, Word};
use winter_math::FieldElement;
use winter_math::fields::CubeExtension;

use crate::bus::{BusColumns, CHALLENGES, PublicMessage, Side, final_accumulator, tag};
use crate::definition::{Definition, MainFrame, Row};
use crate::machine::Machine;

/// Extension elements, in which the challenges live.
pub type Ext = CubeExtension<Felt>;

/// What a proof claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The program's hash.
    pub program: Word,
    /// Public inputs.
    pub inputs: Vec<Felt>,
    /// Public outputs.
    pub outputs: Vec<Felt>,
}

impl Statement {
    /// The messages by which the verifier takes part in the buses.
    pub fn messages(&self) -> Vec<PublicMessage> {
        let zero = Felt::new(0);
        let message = |side, tag: u64, rest: &[Felt]| PublicMessage {
            side,
            fields: [&[Felt::new(tag)], rest].concat(),
        };
        let mut out = vec![message(
            Side::Plus,
            tag::PROGRAM,
            &[[zero; 2].as_slice(), &self.program].concat(),
        )];
        for (tag, words) in [(tag::INPUT, &self.inputs), (tag::OUTPUT, &self.outputs)] {
            let words = words.iter().enumerate();
            out.extend(words.map(|(i, word)| message(Side::Minus, tag, &[Felt::new(i as u64), *word, zero])));
        }
        out
    }
}

/// What a trace violates first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A boundary value is wrong.
    Assertion {
        /// The column.
        column: usize,
        /// The row.
        row: Row,
    },
    /// A constraint does not hold.
    Constraint {
        /// Its index.
        index: usize,
        /// Its name.
        name: &'static str,
        /// The row.
        row: usize,
    },
    /// The buses do not balance.
    Bus,
}

/// Constraints and boundary values that a check leaves out, to show that something then goes unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// Index of a main constraint.
    pub constraint: Option<usize>,
    /// Index of a boundary value.
    pub assertion: Option<usize>,
}

/// Checks every row of `columns`; `None` when all constraints, boundary values and buses are satisfied.
pub fn check(machine: &Machine, columns: &[Vec<Felt>], statement: &Statement, challenges: &[Ext]) -> Option<Violation> {
    check_skipping(machine, columns, statement, challenges, Skip::default())
}

/// As [check], with something left out.
pub fn check_skipping(
    machine: &Machine,
    columns: &[Vec<Felt>],
    statement: &Statement,
    challenges: &[Ext],
    skip: Skip,
) -> Option<Violation> {
    let length = columns[0].len();
    for (index, (column, row, value)) in machine.main_assertions().into_iter().enumerate() {
        let i = if row == Row::First { 0 } else { length - 1 };
        if columns[column][i] != Felt::new(value) && skip.assertion != Some(index) {
            return Some(Violation::Assertion { column, row });
        }
    }
    let names = machine.main_constraints();
    let mut values = vec![Felt::new(0); names.len()];
    let rows = Rows::new(machine, columns);
    for i in 0..length - 1 {
        let (current, next, periodic) = rows.frame(i);
        machine.eval_main(
            &MainFrame {
                current: &current,
                next: &next,
                periodic: &periodic,
            },
            &mut values,
        );
        for (index, value) in values.iter().enumerate() {
            if *value != Felt::new(0) && skip.constraint != Some(index) {
                return Some(Violation::Constraint {
                    index,
                    name: names[index].0,
                    row: i,
                });
            }
        }
    }
    (bus_total(machine, columns, challenges) != final_accumulator(challenges, &statement.messages()))
        .then_some(Violation::Bus)
}

/// The sum of all fractions of a trace.
pub fn bus_total(machine: &Machine, columns: &[Vec<Felt>], challenges: &[Ext]) -> Ext {
    debug_assert_eq!(challenges.len(), CHALLENGES);
    let rows = Rows::new(machine, columns);
    let mut numerators = Vec::new();
    let mut denominators = Vec::new();
    for i in 0..columns[0].len() - 1 {
        let (current, next, periodic) = rows.frame(i);
        let frame = MainFrame {
            current: &current,
            next: &next,
            periodic: &periodic,
        };
        let mut bus = BusColumns::new(challenges, machine.aux_width());
        machine.messages(&frame, &mut bus);
        for column in bus.columns() {
            let (n, d) = column.parts();
            numerators.push(n);
            denominators.push(d);
        }
    }
    let inverses = winter_math::batch_inversion(&denominators);
    numerators
        .into_iter()
        .zip(inverses)
        .fold(Ext::ZERO, |sum, (n, d)| sum + n * d)
}

/// Access to a trace in columns, a frame at a time.
struct Rows<'a> {
    columns: &'a [Vec<Felt>],
    periodic: Vec<Vec<u64>>,
}

impl<'a> Rows<'a> {
    fn new(machine: &Machine, columns: &'a [Vec<Felt>]) -> Self {
        Self {
            columns,
            periodic: machine.periodic_columns(),
        }
    }

    fn frame(&self, i: usize) -> (Vec<Felt>, Vec<Felt>, Vec<Felt>) {
        let row = |i: usize| self.columns.iter().map(|column| column[i]).collect();
        let periodic = self
            .periodic
            .iter()
            .map(|cycle| Felt::new(cycle[i % cycle.len()]))
            .collect();
        (row(i), row(i + 1), periodic)
    }
}
