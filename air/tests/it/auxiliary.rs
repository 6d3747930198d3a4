//! Lies in the auxiliary columns, over an honest main trace: each constraint and boundary value of theirs has one that only
//! it notices, and the verifier refuses them all.

use std::collections::BTreeSet;

use starling_air::blake::{Blake, LocalCoin};
use starling_air::bus::{PublicMessage, final_accumulator};
use starling_air::check::{Ext, Statement};
use starling_air::definition::{AuxFrame, Definition, MainFrame};
use starling_air::machine::Machine;
use starling_air::preset::Preset;
use starling_air::verifier::verify;
use starling_vm::field::Felt;
use winterfell::math::FieldElement;
use winterfell::matrix::ColMatrix;

use crate::reference::{aux_columns, reference};
use crate::samples::{Sample, challenges, tour};

/// What is wrong with auxiliary columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuxLie {
    /// One cell, by one.
    Cell(usize, usize),
    /// What the buses are out of balance by is made up for in this column and row, and the accumulator goes along.
    MadeUp(usize, usize),
    /// The accumulator starts with what the buses are out of balance by.
    HeadStart,
    /// Nothing: the buses are out of balance.
    OutOfBalance,
}

impl AuxLie {
    pub(crate) fn tell<E: FieldElement<BaseField = Felt>>(
        self,
        columns: &mut [Vec<E>],
        accumulator: usize,
        challenges: &[E],
        messages: &[PublicMessage],
    ) {
        let last = columns[0].len() - 1;
        let missing = final_accumulator(challenges, messages) - columns[accumulator][last];
        let mut add_from = |row: usize| columns[accumulator][row..].iter_mut().for_each(|cell| *cell += missing);
        match self {
            Self::Cell(column, row) => columns[column][row] += E::ONE,
            Self::MadeUp(column, row) => {
                add_from(row + 1);
                if column != accumulator {
                    columns[column][row] += missing;
                }
            }
            Self::HeadStart => add_from(0),
            Self::OutOfBalance => {}
        }
    }
}

/// The auxiliary constraints that are violated, by index; the boundary values follow.
fn violated(sample: &Sample, statement: &Statement, lie: AuxLie) -> BTreeSet<usize> {
    let (machine, challenges): (Machine, Vec<Ext>) = (sample.machine(), challenges(8));
    let (accumulator, width) = (machine.accumulator(), machine.aux_width());
    let main = ColMatrix::new(sample.trace.columns.clone());
    let mut aux = aux_columns(&machine, &main, &challenges);
    let messages = statement.messages();
    lie.tell(&mut aux, accumulator, &challenges, &messages);
    let periodic = machine.periodic_columns();
    let last = aux[0].len() - 1;
    let mut out = BTreeSet::new();
    let mut values = vec![Ext::ZERO; width];
    for row in 0..last {
        let cells = |row: usize| main.columns().map(|column| column[row]).collect::<Vec<_>>();
        let sums = |row: usize| aux.iter().map(|column| column[row]).collect::<Vec<_>>();
        let periodic: Vec<Felt> = periodic.iter().map(|c| Felt::new(c[row % c.len()])).collect();
        let main = MainFrame {
            current: &cells(row),
            next: &cells(row + 1),
            periodic: &periodic,
        };
        let aux = AuxFrame {
            current: &sums(row),
            next: &sums(row + 1),
            challenges: &challenges,
        };
        machine.eval_aux::<Felt, Ext>(&main, &aux, &mut values);
        out.extend((0..width).filter(|k| values[*k] != Ext::ZERO));
    }
    if aux[accumulator][0] != Ext::ZERO {
        out.insert(width);
    }
    if aux[accumulator][last] != final_accumulator(&challenges, &messages) {
        out.insert(width + 1);
    }
    out
}

/// Whether the verifier accepts a proof whose auxiliary columns lie.
fn accepted(sample: &Sample, statement: &Statement, lie: Option<AuxLie>) -> bool {
    let (columns, chips, preset) = (sample.trace.columns.clone(), sample.trace.chips, Preset::DevFast);
    let bytes = reference::<Blake, LocalCoin>(columns, statement, chips, preset, lie);
    verify(statement, &[preset], &bytes).is_ok()
}

/// The sample with every chip, and a false statement about it.
fn everything() -> (Sample, Statement) {
    let (_, sample) = tour().pop().expect("the sample with every chip");
    let mut statement = sample.statement.clone();
    statement.outputs[0] += Felt::ONE;
    (sample, statement)
}

/// A false statement, and each way to make the buses balance nevertheless.
#[test]
fn every_auxiliary_constraint_stops_a_lie_that_nothing_else_stops() {
    let (sample, statement) = everything();
    let (machine, last) = (sample.machine(), sample.trace.columns[0].len() - 1);
    let width = machine.aux_width();
    assert_eq!(width, 5);
    let mut lies = vec![(AuxLie::HeadStart, width), (AuxLie::OutOfBalance, width + 1)];
    for column in 0..width {
        lies.extend([0, last / 2, last - 1].map(|row| (AuxLie::MadeUp(column, row), column)));
    }
    for (lie, only) in &lies {
        assert_eq!(violated(&sample, &statement, *lie), [*only].into(), "{lie:?}");
        assert!(!accepted(&sample, &statement, Some(*lie)), "{lie:?}");
    }
    assert!(accepted(&sample, &sample.statement, None));
    println!("{} lies", lies.len());
}

/// Single cells; only the sums of the dead last row are free.
#[test]
fn every_auxiliary_cell_is_bound() {
    let (sample, _) = everything();
    let (machine, last) = (sample.machine(), sample.trace.columns[0].len() - 1);
    for column in 0..machine.aux_width() {
        for row in [0, 1, last / 2, last - 1, last] {
            let lie = AuxLie::Cell(column, row);
            let free = row == last && column != machine.accumulator();
            let caught = violated(&sample, &sample.statement, lie);
            assert_eq!(caught.is_empty(), free, "{lie:?}: {caught:?}");
            assert_eq!(accepted(&sample, &sample.statement, Some(lie)), free, "{lie:?}");
        }
    }
}
