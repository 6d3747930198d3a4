//! Checks a main trace against the constraints and the buses, row by row and without a proof.
//!
//! This is what the soundness tests run: a proof adds only that the prover committed to the trace before the challenges
//! were drawn.

use std::collections::{BTreeMap, BTreeSet};

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
        rows.eval(machine, i, &mut values);
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

// REPORTS
// ================================================================================================================

/// A part of the AIR that can be left out, to show that something then goes unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switch {
    /// A main constraint, by index.
    Constraint(usize),
    /// A boundary value, by index.
    Assertion(usize),
    /// A message site, by index: the chip no longer sends this message.
    Site(usize),
    /// A bus, by tag: nobody sends messages with this tag, the verifier included.
    Tag(u64),
}

/// Everything that a trace violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Indexes of violated boundary values.
    pub assertions: BTreeSet<usize>,
    /// Indexes of violated main constraints.
    pub constraints: BTreeSet<usize>,
    /// What each message site adds to the buses.
    pub sites: Vec<Ext>,
    /// What each bus is out of balance by, the verifier's part included.
    pub tags: BTreeMap<u64, Ext>,
}

impl Report {
    /// What all buses together are out of balance by.
    pub fn imbalance(&self) -> Ext {
        self.tags.values().fold(Ext::ZERO, |sum, part| sum + *part)
    }

    /// Whether the trace satisfies everything.
    pub fn accepted(&self) -> bool {
        self.assertions.is_empty() && self.constraints.is_empty() && self.imbalance() == Ext::ZERO
    }

    /// Whether the trace satisfies everything but `switch`.
    pub fn accepted_without(&self, switch: Switch) -> bool {
        let none = |set: &BTreeSet<usize>, but: Option<usize>| set.iter().all(|index| Some(*index) == but);
        let (mut assertion, mut constraint, mut left_out) = (None, None, Ext::ZERO);
        match switch {
            Switch::Constraint(index) => constraint = Some(index),
            Switch::Assertion(index) => assertion = Some(index),
            Switch::Site(index) => left_out = self.sites.get(index).copied().unwrap_or(Ext::ZERO),
            Switch::Tag(tag) => left_out = self.tags.get(&tag).copied().unwrap_or(Ext::ZERO),
        }
        none(&self.assertions, assertion) && none(&self.constraints, constraint) && self.imbalance() == left_out
    }
}

/// Message sites of a machine: messages that its chips send in every row.
pub fn sites(machine: &Machine) -> usize {
    let columns = vec![vec![Felt::new(0); 2]; machine.main_width()];
    let challenges = [Ext::ONE, Ext::ZERO];
    itemised(&Rows::new(machine, &columns), machine, &challenges, 0).len()
}

/// The messages of row `i`, numerator and denominator each.
fn itemised(rows: &Rows<'_>, machine: &Machine, challenges: &[Ext], i: usize) -> Vec<(Ext, Ext)> {
    let (current, next, periodic) = rows.frame(i);
    let frame = MainFrame {
        current: &current,
        next: &next,
        periodic: &periodic,
    };
    let mut bus = BusColumns::itemised(challenges, machine.aux_width());
    machine.messages(&frame, &mut bus);
    bus.sites()
}

/// Everything that `columns` violates.
pub fn report(machine: &Machine, columns: &[Vec<Felt>], statement: &Statement, challenges: &[Ext]) -> Report {
    let length = columns[0].len();
    let assertions = machine.main_assertions().into_iter().enumerate();
    let assertions = assertions
        .filter(|(_, (column, row, value))| {
            columns[*column][if *row == Row::First { 0 } else { length - 1 }] != Felt::new(*value)
        })
        .map(|(index, _)| index)
        .collect();
    let mut report = Report {
        assertions,
        constraints: BTreeSet::new(),
        sites: vec![Ext::ZERO; sites(machine)],
        tags: BTreeMap::new(),
    };
    let rows = Rows::new(machine, columns);
    let mut values = vec![Felt::new(0); machine.main_degrees().len()];
    // At beta = 0 a message is its tag.
    let tags_only = [challenges[0], Ext::ZERO];
    let mut messages = Vec::new();
    for i in 0..length - 1 {
        rows.eval(machine, i, &mut values);
        let violated = values.iter().enumerate().filter(|(_, value)| **value != Felt::new(0));
        report.constraints.extend(violated.map(|(index, _)| index));
        let with_tags = itemised(&rows, machine, challenges, i)
            .into_iter()
            .zip(itemised(&rows, machine, &tags_only, i));
        for (site, ((n, d), (_, at_zero))) in with_tags.enumerate() {
            if n != Ext::ZERO {
                messages.push((site, n, d, challenges[0] - at_zero));
            }
        }
    }
    let denominators: Vec<Ext> = messages.iter().map(|message| message.2).collect();
    for ((site, n, _, tag), inverse) in messages.into_iter().zip(winter_math::batch_inversion(&denominators)) {
        report.sites[site] += n * inverse;
        // A tag that is no small integer belongs to no bus: 0.
        let [tag, rest @ ..] = [0, 1, 2].map(|i| tag.base_element(i));
        let tag = if rest == [Felt::new(0); 2] { tag.as_int() } else { 0 };
        *report.tags.entry(tag).or_insert(Ext::ZERO) += n * inverse;
    }
    for message in statement.messages() {
        let tag = message.fields[0].as_int();
        *report.tags.entry(tag).or_insert(Ext::ZERO) -= final_accumulator(challenges, &[message]);
    }
    report
}

/// An honest trace that is changed a few cells at a time: only the rows that a change touches are looked at.
#[derive(Debug)]
pub struct Probe<'a> {
    machine: &'a Machine,
    columns: Vec<Vec<Felt>>,
    challenges: &'a [Ext],
    parts: Vec<Ext>,
    assertions: Vec<(usize, usize, Felt)>,
    values: Vec<Felt>,
}

impl<'a> Probe<'a> {
    /// Around the trace `columns`, which must be honest.
    ///
    /// # Panics
    /// When `columns` violates anything.
    pub fn new(machine: &'a Machine, columns: Vec<Vec<Felt>>, statement: &Statement, challenges: &'a [Ext]) -> Self {
        assert_eq!(check(machine, &columns, statement, challenges), None);
        let length = columns[0].len();
        let rows = Rows::new(machine, &columns);
        let parts = (0..length - 1).map(|i| rows.sum(machine, challenges, i)).collect();
        let assertions = machine.main_assertions().into_iter();
        let assertions = assertions
            .map(|(column, row, value)| {
                let row = if row == Row::First { 0 } else { length - 1 };
                (column, row, Felt::new(value))
            })
            .collect();
        Self {
            machine,
            columns,
            challenges,
            parts,
            assertions,
            values: vec![Felt::new(0); machine.main_degrees().len()],
        }
    }

    /// The trace.
    pub fn columns(&self) -> &[Vec<Felt>] {
        &self.columns
    }

    /// Whether the trace with `changes`, each (column, row, value), violates anything.
    pub fn caught(&mut self, changes: &[(usize, usize, Felt)]) -> bool {
        let before: Vec<Felt> = changes
            .iter()
            .map(|(column, row, _)| self.columns[*column][*row])
            .collect();
        for (column, row, value) in changes {
            self.columns[*column][*row] = *value;
        }
        let caught = self.violated(changes);
        for ((column, row, _), value) in changes.iter().zip(before).rev() {
            self.columns[*column][*row] = value;
        }
        caught
    }

    fn violated(&mut self, changes: &[(usize, usize, Felt)]) -> bool {
        let Self { columns, .. } = self;
        if self
            .assertions
            .iter()
            .any(|(column, row, value)| columns[*column][*row] != *value)
        {
            return true;
        }
        let touched = changes.iter().flat_map(|(_, row, _)| [row.checked_sub(1), Some(*row)]);
        let touched: BTreeSet<usize> = touched.flatten().filter(|row| *row < self.parts.len()).collect();
        let rows = Rows::new(self.machine, columns);
        let mut imbalance = Ext::ZERO;
        for row in touched {
            rows.eval(self.machine, row, &mut self.values);
            if self.values.iter().any(|value| *value != Felt::new(0)) {
                return true;
            }
            imbalance += rows.sum(self.machine, self.challenges, row) - self.parts[row];
        }
        imbalance != Ext::ZERO
    }
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

    /// Evaluates the main constraints at row `i`.
    fn eval(&self, machine: &Machine, i: usize, values: &mut [Felt]) {
        let (current, next, periodic) = self.frame(i);
        let frame = MainFrame {
            current: &current,
            next: &next,
            periodic: &periodic,
        };
        machine.eval_main(&frame, values);
    }

    /// The sum of row `i`'s fractions.
    fn sum(&self, machine: &Machine, challenges: &[Ext], i: usize) -> Ext {
        let (current, next, periodic) = self.frame(i);
        let frame = MainFrame {
            current: &current,
            next: &next,
            periodic: &periodic,
        };
        let mut bus = BusColumns::new(challenges, machine.aux_width());
        machine.messages(&frame, &mut bus);
        bus.columns().iter().fold(Ext::ZERO, |sum, column| {
            let (n, d) = column.parts();
            sum + n * d.inv()
        })
    }
}
